"""From a simulated study to a bundle that predicts, through the services, on the real chain."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from core import compute, features, simulate
from core import pipeline as chain
from core.errors import Conflict, NotFound, Refused
from core.evaluation import experiment, train
from core.evaluation.dataset import prepare
from core.evaluation.experiment import Spec
from core.evaluation.validity import leak_audit
from core.models import MODELS, Model, bundle
from core.services.research import audits, experiments, models, studies
from core.settings import settings
from core.storage.store import Store
from core.studies import folder
from core.types import Pipeline
from tests.core.services.research.test_experiments import inline

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SMALL = {"subjects": 5, "trials": 4, "trial_s": 12, "effect": 3.0, "seed": 2}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store("sqlite://", data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def published_here(store, monkeypatch):
    here(store, monkeypatch)


def here(store, patch):
    """Published beside the store's database, folds run in this process."""
    patch.setattr(settings(), "data_dir", store.data_dir)
    patch.setattr(compute, "executor", inline())


@pytest.fixture(scope="module")
def study(store):
    return studies.simulate(store, "small", **SMALL, now=NOW)


@pytest.fixture(scope="module")
def trained(store, study):
    with pytest.MonkeyPatch.context() as patch:
        here(store, patch)
        return models.train(store, "small", ["valence", "arousal"], "logistic", "eeg+ecg", publish="own", now=NOW)


def test_the_same_simulation_again_is_the_same_study_and_another_is_refused(store, study):
    assert studies.simulate(store, "small", **SMALL, now=NOW) == study
    with pytest.raises(Conflict, match="E-STUDY-EXISTS"):
        studies.simulate(store, "small", **{**SMALL, "seed": 9}, now=NOW)
    assert studies.all_studies(store)[-1:] == [
        {
            "name": "small",
            "basis": "simulated signals",
            "subjects": 5,
            "trials": 20,
            "targets": ["valence", "arousal", "dominance"],
            "inputs": ["eeg", "ecg"],
            "simulated": True,
            "licence": "simulated by Affectline; free of any rights",
        }
    ]


def test_an_unknown_study_and_an_impossible_one_are_named(store):
    with pytest.raises(NotFound, match="E-STUDY"):
        studies.get(store, "nowhere")
    with pytest.raises(Refused, match="E-INPUTS"):
        studies.simulate(store, "x", inputs="eda", now=NOW)
    nan, inf = float("nan"), float("inf")
    for size in ({"subjects": 0}, {"effect": nan}, {"effect": inf}, {"effect": -inf}, {"trial_sd": nan},
                 {"trial_sd": -1.0}):  # fmt: skip
        with pytest.raises(Refused, match="E-STUDY-SIZE") as refused:
            studies.simulate(store, "x", **size, now=NOW)
        assert refused.value.what_to_do


def test_the_dataset_holds_no_window_of_the_baseline_and_the_slim_columns_only(study):
    found = prepare(study, Pipeline(), ("eeg", "ecg"))
    assert found.onset_s.min() >= 20.0
    assert len(found) == 20 * 5  # 12 s: windows of 4 s every 2 s
    assert list(found.features.columns) == features.names(("eeg", "ecg"))
    assert [len(found.columns[t]) for t in found.types] == [160, 22]
    assert found.n_lost == 0
    assert np.isfinite(found.features[list(found.columns["eeg"])].to_numpy()).all()


def test_a_label_on_the_cut_is_low(study):
    labels = dict.fromkeys(study.targets, 3.0)
    turned = replace(study, trials=tuple(
        replace(t, labels={**labels, "arousal": np.nextafter(3.0, 4.0)}) for t in study.trials[:2]
    ))  # fmt: skip
    assert {cut for _, _, cut in study.targets.values()} == {3.0}
    found = prepare(turned, Pipeline(), ("ecg",))
    assert not found.high("valence").any() and found.high("arousal").all()


def test_without_an_effect_the_study_sits_at_chance_while_random_windows_climb(store, monkeypatch):
    """The signature test: persons and trials are recognised, emotions are not there to be found."""
    from sklearn.neighbors import KNeighborsClassifier

    from core.models.steps import on_features

    monkeypatch.setitem(
        MODELS, "nearest", Model("Nearest", "features", lambda seed: on_features(KNeighborsClassifier(3)))
    )
    null = studies.simulate(store, "null", subjects=5, trials=6, trial_s=16, effect=0.0, inputs="eeg", now=NOW)
    found = prepare(null, Pipeline(), ("eeg",))
    honest, naive = [], []
    for target in null.targets:
        spec = Spec("null", target, "eeg", "nearest")
        premium, scores = leak_audit.premium(found, spec, experiment.run(found, spec))
        honest.append(scores["loso"])
        naive.append(scores["random_window"])
        assert premium.low > 0.25
    assert np.mean(honest) == pytest.approx(0.5, abs=0.08)
    assert np.mean(naive) > 0.9


def test_a_card_is_written_by_the_evaluation(trained):
    assert trained["demonstration"] and trained["basis"] == "simulated signals"
    assert "carry no meaning for a person" in trained["intended_use"]
    assert trained["training"]["n_subjects"] == 5 and trained["training"]["n_trials"] == 20
    for target in ("valence", "arousal"):
        evaluation = trained["loso"][target]
        assert [s["subject"] for s in evaluation["subjects"]] == ["S01", "S02", "S03", "S04", "S05"]
        assert evaluation["balanced_accuracy"]["value"] > 0.7
        assert 0.25 <= trained["targets"][target]["threshold"] <= 0.75
    assert {c["outcome"] for c in trained["leak_audit"]["checks"]} == {"pass"}


def test_how_well_the_features_name_the_person_is_written_as_a_number(trained):
    told = trained["leak_audit"]
    assert set(told["identity"]) == {"valence", "arousal"}
    for target, probe in told["identity"].items():
        [said] = [c["evidence"] for c in told["checks"] if c["name"] == f"{target}: subject probe"]
        assert f"{probe['accuracy']:.0%} of {probe['n_windows']} windows" in said
        assert f"(chance {probe['chance']:.0%}, {probe['n_subjects']} subjects)" in said


def test_a_card_has_the_scores_of_groups_of_people_out_of_its_folds(store, trained):
    assert trained["subgroups"] == {"rules": {}, "results": {}, "reason": "no group fields in the study"}
    made = studies.simulate(store, "grouped", **SMALL | {"subjects": 6, "inputs": "ecg"}, now=NOW)
    people = sorted({t.subject for t in made.trials})
    women, ages = people[1:], dict(zip(people, (20, 31, 25, 44, 52, 38), strict=True))
    folder.regroup(store.data_dir / "studies", "grouped", {
        s: {"sex": "f" if s in women else "m", "age": str(ages[s])} for s in people
    })  # fmt: skip
    told = models.train(store, "grouped", ["arousal"], "logistic", "ecg", publish="grouped", now=NOW)
    found = {(g["field"], g["group"]): g for g in told["subgroups"]["results"]["arousal"]}
    assert {key: g["n"] for key, g in found.items()} == {
        ("sex", "f"): 5, ("sex", "m"): 1, ("age", "up to 34.5"): 3, ("age", "above 34.5"): 3,
    }  # fmt: skip
    each = {s["subject"]: s for s in told["loso"]["arousal"]["subjects"]}
    for score in ("balanced_accuracy", "roc_auc"):
        own = found["sex", "f"][score]
        assert own["value"] == pytest.approx(np.mean([each[s][score] for s in women]), abs=1e-6)
        assert own["low"] <= own["value"] <= own["high"]
        assert found["sex", "m"][score] is None
    assert found["sex", "m"]["reason"] == "fewer than 5 people"
    assert "median of 34.5" in told["subgroups"]["rules"]["age"] and told["subgroups"]["reason"] == ""
    assert bundle.by_name("grouped").card.subgroups.model_dump() == told["subgroups"]


def test_a_trained_model_tells_high_from_low_on_a_person_it_has_not_seen(trained):
    own = bundle.by_name("own")
    found = {}
    for sign in (-1, 1):
        recording = simulate.recording(seed=77, person=0, trial=0, effects={"arousal": 3.0 * sign}, duration_s=30)
        assert bundle.choose(recording, "own", ()).name == "own"
        summary = chain.analyse(recording, own)
        found[sign] = summary.measure("arousal")
        assert summary.model.basis == "simulated signals"
        assert found[sign].low <= found[sign].value <= found[sign].high
    assert found[1].value > found[-1].value + 0.2


def test_a_model_needs_the_positions_that_its_study_had(tmp_path):
    """A band of eight electrodes is predicted by what was learned of it, and one of them must not be missing."""
    few = ("F3", "F4", "P7", "P8", "O1", "O2", "T7", "T8")

    def worn(seed):
        made = simulate.recording(seed=seed, duration_s=12, effects={"arousal": 3.0 * (-1) ** seed})
        return replace(made, signals=tuple(s for s in made.signals if s.name in few))

    planned = [
        folder.Planned(f"S{i}", str(k), {"arousal": 1 + 8 * (1 - k % 2)}, read=lambda seed=4 * i + k: worn(seed))
        for i in range(3) for k in range(4)
    ]  # fmt: skip
    made = folder.write(tmp_path, "band", folder.Source("a band", "none", {"arousal": (1, 9, 5)}, (), planned, 12))
    card, estimators = train.train(
        made, "0" * 64, "band", ["arousal"], "logistic", ("eeg",), Pipeline(), seed=0, now=NOW
    )
    assert set(card.signals.required["eeg"]) == set(few)
    own = bundle.load(bundle.save(tmp_path / "models" / "band", card, estimators))
    assert own.fits(worn(99)) and chain.analyse(worn(99), own).measure("arousal").value is not None
    assert not own.fits(replace(worn(99), signals=worn(99).signals[1:]))


def test_training_again_changes_nothing_and_another_seed_makes_a_new_version(store, study):
    def trained(seed):
        return models.train(store, "small", ["arousal"], "logistic", "ecg", publish="twice", seed=seed, now=NOW)

    first, again, other = trained(0), trained(0), trained(1)
    assert {k: v for k, v in again.items() if k != "files"} == {k: v for k, v in first.items() if k != "files"}
    assert (first["version"], other["version"]) == ("1", "2")
    listed = {row["name"]: row for row in models.available(store)}
    assert listed["twice"]["inputs"] == ["ecg"] and listed["twice"]["path_kind"] == "site"
    assert models.card(store, "twice") == other
    assert models.info(store, "twice").version == "2"


def test_a_recording_unlike_training_is_predicted_with_a_warning_in_words(trained):
    own = bundle.by_name("own")
    assert set(trained["drift"]["features"]) <= set(own.card.features) and own.card.drift.distance_limit > 0
    seen = simulate.recording(seed=77, person=0, trial=0, duration_s=30)
    assert chain.analyse(seen, own).notices == ()
    beat = np.sin(2 * np.pi * 3.0 * np.arange(len(seen.of_type("eeg")[0].data)) / 128.0)
    odd = replace(
        seen, signals=tuple(replace(s, data=40 * beat + 0.1 * s.data) if s.type == "eeg" else s for s in seen.signals)
    )
    found = chain.analyse(odd, own)
    (said,) = found.notices
    assert said.code == "W-DRIFT" and "unlike what own was trained on" in said.text and " SD)" in said.text
    assert found.status == "ok" and found.measure("arousal").value is not None
    older = replace(own, card=own.card.model_copy(update={"drift": None}))
    assert chain.analyse(odd, older).notices == ()


def test_a_card_is_written_from_the_stored_folds_and_the_stored_leak_audit(store, trained, monkeypatch):
    [line] = [e for e in experiments.all_experiments(store) if e.target == "valence" and e.inputs == "eeg+ecg"]
    told = experiments.as_json(store, line.id)
    assert line.split == "loso" and line.state == "done"
    for name in ("value", "low", "high"):
        assert trained["loso"]["valence"]["balanced_accuracy"][name] == round(
            told["trial"]["balanced_accuracy"][name], 6
        )
    assert set(trained["leak_audit"]["scores"]["valence"]) == {"random_window", "loso"}
    found = {
        "premium": {"value": 0.25, "low": 0.125, "high": 0.375}, "scores": {"nested_loso": 0.5},
        "checks": [{"name": "window overlap", "outcome": "fail", "evidence": "planted"}],
    }  # fmt: skip
    monkeypatch.setattr(audits, "stored_audit", lambda *a, **k: found)
    monkeypatch.setattr(experiment, "fold_task", None)  # no fold is run again
    again = models.train(store, "small", ["valence"], "logistic", "eeg+ecg", publish="drafted", now=NOW)
    assert again["leak_audit"]["premium"]["valence"]["value"] == 0.25
    assert again["loso"]["valence"] == trained["loso"]["valence"]
    listed = {row["name"]: row for row in models.available(store)}
    assert listed["own"]["state"] == "approved"
    assert listed["drafted"]["state"] == "draft" and "valence: window overlap" in listed["drafted"]["why"]


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"loso": {}}, "a score of leaving one subject out"),
        ({"leak_audit": bundle.LeakAudit.model_construct(premium={}, scores={}, checks=[])}, "a leak audit"),
    ],
)
def test_nothing_is_published_without_loso_or_leak_audit(store, trained, monkeypatch, changes, lacks):
    whole = bundle.by_name("own").card
    lacking = bundle.Card.model_construct(**{**dict(whole), **changes})
    monkeypatch.setattr(train, "train", lambda *a, **k: (lacking, {}))
    with pytest.raises(Refused, match=f"{lacks}.*E-PUBLISH"):
        models.train(store, "small", ["valence", "arousal"], "logistic", "eeg+ecg", publish="bare", now=NOW)
    assert bundle.by_name("bare") is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"targets": ["liking"]}, "E-TARGET"),
        ({"targets": []}, "E-TARGET"),
        ({"inputs": "eeg+eda"}, "E-INPUTS"),
        ({"inputs": "ecg+eeg"}, "E-INPUTS"),
        ({"model": "oracle"}, "E-MODEL-KIND"),
        ({"publish": "../x"}, "E-MODEL-NAME"),
        ({"study": "nowhere"}, "E-STUDY"),
        ({"publish": "net", "model": "face_mlp", "inputs": "eeg"}, "E-INPUTS"),
        ({"publish": "nothing", "model": "majority"}, "E-PUBLISH"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_any_work(store, study, changes, code):
    asked = {"study": "small", "targets": ["valence"], "model": "logistic", "inputs": "ecg", "publish": None, **changes}
    with pytest.raises((Refused, NotFound), match=code):
        models.train(store, **asked, now=NOW)


def test_an_unknown_model_is_not_found(store):
    with pytest.raises(NotFound, match="E-MODEL"):
        models.card(store, "nobody")
