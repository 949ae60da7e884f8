"""Each control is run once, stored with what it hangs on, and given again from there."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from core import compute
from core.errors import NotFound, Refused
from core.evaluation.validity import confounds, control, label_policy, protocols, stimulus, surrogates
from core.services import handlers, jobs
from core.services.research import audits, experiments, studies, validity
from core.settings import settings
from core.storage.store import Store
from tests.core.services.research.test_experiments import inline

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
PIPE = ("valence", "logistic", "eeg")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    place = tmp_path_factory.mktemp("site")
    opened = Store(f"sqlite:///{place / 'a.sqlite3'}", data_dir=place)
    for name, seed in (("one", 1), ("two", 2)):
        studies.simulate(opened, name, subjects=3, trials=8, trial_s=6.0, effect=3.0, inputs="eeg", seed=seed, now=NOW)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def here(monkeypatch, store):
    monkeypatch.setattr(compute, "executor", inline())
    monkeypatch.setattr(settings(), "data_dir", store.data_dir)


def test_each_control_is_run_once_and_stored(store, monkeypatch):
    monkeypatch.setattr(control, "SIZES", (1.0, 8.0))
    kinds = {name: surrogates.SURROGATES[name] for name in ("time_shuffled", "phase_randomised")}
    monkeypatch.setattr(surrogates, "SURROGATES", kinds)
    told: list[float] = []

    def note(share: float, words: str) -> None:
        told.append(share)

    made = {
        "stimulus": validity.stimulus(store, "one", *PIPE, now=NOW, progress=note),
        "surrogates": validity.surrogates(store, "one", *PIPE, now=NOW, progress=note),
        "control": validity.control(store, "one", *PIPE, now=NOW, progress=note),
        "transfer": validity.transfer(store, "one", "two", *PIPE, now=NOW, progress=note),
        "labels": validity.labels(store, "one", now=NOW),
    }
    assert "trials of one name" in made["stimulus"]["note"]
    left = {row["signals"]: row["balanced_accuracy"]["value"] for row in made["surrogates"]["scores"]}
    assert list(left) == ["original", *kinds]
    assert left["phase_randomised"] > 0.7, "what was planted lies in the spectrum"
    assert made["transfer"]["scores"][0]["balanced_accuracy"]["value"] > 0.6
    assert [s["target"] for s in made["labels"]["sweeps"]] == ["valence", "arousal", "dominance"]
    assert all(0 <= share <= 1 for share in told)

    for module, name in ((stimulus, "premium"), (surrogates, "scores"), (control, "control"), (label_policy, "report")):
        monkeypatch.setattr(module, name, lambda *a, **k: pytest.fail("what is stored was computed again"))
    assert validity.stimulus(store, "one", *PIPE, now=NOW) == made["stimulus"]
    assert validity.surrogates(store, "one", *PIPE, now=NOW) == made["surrogates"]
    assert validity.control(store, "one", *PIPE, now=NOW) == made["control"]
    assert validity.labels(store, "one", now=NOW) == made["labels"]
    assert {line.kind for line in audits.results(store)} == set(made)
    assert [line.result for line in audits.results(store, "transfer")] == [made["transfer"]]


def test_nobody_is_tested_on_the_study_that_was_learned_from(store):
    before = len(audits.results(store, "transfer"))
    with pytest.raises(Refused, match="E-TRANSFER") as refused:
        validity.transfer(store, "one", "one", *PIPE, now=NOW)
    assert refused.value.what_to_do and len(audits.results(store, "transfer")) == before


def same(store):
    """A study whose ratings of valence are all 7."""
    if (studies.root(store) / "same").exists():
        return
    studies.simulate(store, "same", subjects=3, trials=8, trial_s=6.0, inputs="eeg", seed=3, now=NOW)
    place = studies.root(store) / "same" / "study.json"
    said = json.loads(place.read_text())
    for row in said["trials"]:
        row["labels"]["valence"] = 7.0
    place.write_text(json.dumps(said))


@pytest.mark.parametrize("kind", ["stimulus", "surrogates", "control", "confounds", "protocols"])
def test_labels_that_are_all_one_have_no_control_as_every_size_would_seem_to_be_found(store, kind):
    same(store)
    with pytest.raises(Refused, match="E-LABELS"):
        getattr(validity, kind)(store, "same", *PIPE, now=NOW)


def test_nobody_is_tested_on_labels_that_are_all_one(store):
    same(store)
    with pytest.raises(Refused, match="E-LABELS"):
        validity.transfer(store, "one", "same", *PIPE, now=NOW)


def test_confounds_are_held_against_the_stored_run_of_the_pipeline(store, monkeypatch):
    made = validity.confounds(store, "one", *PIPE, now=NOW)
    run = experiments.evaluate(store, "one", *PIPE, now=NOW)
    assert made["experiment"] == run["experiment"]
    assert made["own"]["value"] == pytest.approx(run["trial"]["balanced_accuracy"]["value"])
    told = {row["name"]: row for row in made["predictors"]}
    assert list(told) == ["heart_rate", "muscle", "eyes", "time"]
    assert told["heart_rate"]["balanced_accuracy"] is None and "no signal" in told["heart_rate"]["reason"]
    assert all("as a stand-in" in told[n]["source"] and told[n]["balanced_accuracy"] for n in ("muscle", "eyes"))
    assert told["time"]["balanced_accuracy"]["value"] is not None
    assert set(made["not_beaten"]) == {"muscle", "eyes", "time"}, "three people cannot tell them apart"
    monkeypatch.setattr(confounds, "panel", lambda *a, **k: pytest.fail("what is stored was computed again"))
    assert validity.confounds(store, "one", *PIPE, now=NOW) == made


def test_protocols_of_others_are_held_against_the_stored_run_and_are_no_run_themselves(store, monkeypatch):
    monkeypatch.setattr(protocols, "PER_CLASS", 40)
    run = experiments.evaluate(store, "one", *PIPE, now=NOW)
    runs = [e.id for e in experiments.all_experiments(store)]
    made = validity.protocols(store, "one", *PIPE, now=NOW)
    assert made["leaky"] and made["watermark"] == protocols.WATERMARK and made["experiment"] == run["experiment"]
    told = {row["name"]: row for row in made["protocols"]}
    assert told["S5"]["honest"] == pytest.approx(run["trial"]["balanced_accuracy"]["value"])
    assert [e.id for e in experiments.all_experiments(store)] == runs, "no leaky number stands among the runs"
    monkeypatch.setattr(protocols, "panel", lambda *a, **k: pytest.fail("what is stored was computed again"))
    assert validity.protocols(store, "one", *PIPE, now=NOW) == made


def test_a_control_of_late_fusion_is_of_that_pipeline_and_stored_beside_the_early_one(store, monkeypatch):
    monkeypatch.setattr(control, "control", lambda dataset, spec, **more: {"ran": spec.fusion})
    monkeypatch.setattr(control, "SIZES", (3.0,))
    early, late = (validity.control(store, "one", *PIPE, fusion=fusion, now=NOW) for fusion in ("early", "late"))
    assert (early["ran"], late["ran"], late["fusion"]) == ("early", "late", "late") and "fusion" not in early
    assert validity.control(store, "one", *PIPE, now=NOW) == early
    for check in ("stimulus", "surrogates", "confounds", "protocols", "transfer"):
        to = ("two",) if check == "transfer" else ()
        with pytest.raises(NotFound, match="E-FUSION"):
            validity.CHECKS[check](store, "one", *to, *PIPE, fusion="sideways", now=NOW)


def test_a_control_is_a_job(store):
    params = {"check": "labels", "study": "one"}
    job = jobs.submit(store, "validity", params, now=NOW)
    assert jobs.claim(store, "w", now=NOW).id == job.id
    handlers.execute(store.url, job.id)
    done = jobs.get(store, job.id)
    assert (done.state, done.result) == ("done", {"check": "labels", "study": "one"})


def test_surrogates_of_what_was_not_recorded_and_unknown_names_are_refused(store):
    with pytest.raises(NotFound, match="E-STUDY"):
        validity.labels(store, "nowhere", now=NOW)
    with pytest.raises(Refused, match="E-INPUTS"):
        validity.control(store, "one", "valence", "logistic", "eda", now=NOW)
    with pytest.raises(Refused, match="E-NO-RATING"):
        validity.labels_of_files(store.data_dir)


def test_the_checklist_of_a_stored_experiment_is_complete(store):
    made = experiments.evaluate(store, "one", *PIPE, now=NOW)
    found = validity.checklist(store, made["experiment"])
    assert found["complete"] and len(found["axes"]) == 8
    assert {row["axis"]: row["text"] for row in found["axes"]}["split"].startswith("loso: one subject")
