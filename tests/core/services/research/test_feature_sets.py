"""A named set of features is chosen for a run: all 258 columns of the EEG, or the sixteen of the four-band source."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from app.cli import cli
from core import compute, simulate
from core import pipeline as chain
from core.errors import NotFound, Refused
from core.evaluation import experiment, tasks
from core.evaluation.validity import control, stimulus, surrogates, transfer
from core.evaluation.validity.checklist import checklist
from core.features import ecg, eeg
from core.models import bundle
from core.services import jobs
from core.services.research import audits, experiments, grids, models, results, run_jobs, studies, validity
from core.settings import settings
from core.storage.store import Store
from tests.core.services.research.test_experiments import inline

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
FEW = {"options": {"trees": 3}}
WHOLE = {"features": "eeg258full"}
PIPE = ("small", "valence", "logistic", "eeg")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A site with a small study, and a forest on it by the usual columns and by all."""
    place = tmp_path_factory.mktemp("sets")
    store = Store(f"sqlite:///{place / 'affectline.sqlite3'}", data_dir=place)
    studies.simulate(store, "small", subjects=3, trials=4, trial_s=8.0, effect=2.0, now=NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, "executor", inline())
        usual = evaluate(store, options=FEW)["experiment"]
        whole = evaluate(store, options={**FEW, "features": "eeg258full"})["experiment"]
        yield store, usual, whole
    store.close()


def evaluate(store, model="forest", inputs="eeg+ecg", **more):
    return experiments.evaluate(store, "small", "valence", model, inputs, now=NOW, **more)


def learned(store, name):
    """Names of the columns that the forest of the first fold has learned from, by their number there."""
    spec, data, _ = experiments.opened(store, name)
    fold = experiment.folds(data, spec)[0]
    fitted = experiment.fit(
        data, spec, tasks.task(data, "binary", "valence"), fold.train, fold.train[:0], FEW["options"]
    )
    return data.names(spec.types), fitted.estimator.n_features_in_


def test_s1_11_the_forest_learns_from_280_columns_where_they_are_asked_for_and_from_182_else(made):
    store, usual, whole = made
    names, n = learned(store, usual)
    assert n == 182 and names == [*eeg.slim_names(), *ecg.names()]
    names, n = learned(store, whole)
    assert n == 280 and names == [*eeg.names(), *ecg.names()]


def test_both_are_kept_beside_each_other_and_each_says_which_set_it_is_of(made):
    store, usual, whole = made
    assert usual != whole
    told = {name: experiments.get(store, name) for name in (usual, whole)}
    assert "features" not in told[usual].config and told[usual].config["pipeline"]["features"] == "eeg258+ecg22/1"
    assert told[whole].config["pipeline"]["features"] == "eeg258full+ecg22/1"
    assert told[whole].line.options["features"] == "eeg258full", "a run that was stopped goes on with its own set"
    line, study = told[whole].line, studies.get(store, "small")
    key = {k: getattr(line, k) for k in ("study", "target", "inputs", "model", "fusion", "split", "seed")}
    axes = {row["axis"]: row["text"] for row in checklist(study, key, line.config, told[whole].details, "1")}
    assert "eeg258full+ecg22/1" in axes["features"]


def test_values_of_the_columns_are_the_same_in_both_sets(made):
    store, usual, whole = made
    few, all_ = (experiments.opened(store, name)[1] for name in (usual, whole))
    assert few.features.equals(all_.features[list(few.features)])


@pytest.mark.parametrize(
    ("error", "words", "how"),
    [
        (NotFound, "no set of features eeg99", {"options": {"features": "eeg99"}}),
        (Refused, "eeg is no input", {"inputs": "ecg", "options": {"features": "eeg258full"}}),
        (Refused, "learns from signals", {"model": "eegnet", "options": {"features": "eeg258full"}}),
    ],
)
def test_a_set_that_no_column_of_the_run_would_be_of_is_refused(made, error, words, how):
    with pytest.raises(error, match=words) as refused:
        evaluate(made[0], **how)
    assert refused.value.code == "E-FEATURES" and refused.value.what_to_do


def test_the_command_line_chooses_it_too(made, monkeypatch):
    store = made[0]
    monkeypatch.setattr("app.cli.research.store", lambda: store)
    line = "evaluate --study small --target valence --model logistic --inputs eeg --features eeg258full --json"
    done = CliRunner().invoke(cli, line.split())
    name = json.loads(done.stdout)["experiment"]
    assert experiments.opened(store, name)[1].names(("eeg",)) == list(eeg.names())


# --- wherever a pipeline is named


@pytest.fixture
def store(made, monkeypatch):
    """The same site, folds run in this process, models published beside its database."""
    monkeypatch.setattr(compute, "executor", inline())
    monkeypatch.setattr(settings(), "data_dir", made[0].data_dir)
    return made[0]


def sets_of(store, cells):
    """The set of features of each cell's run, by its inputs."""
    return {c["inputs"]: experiments.get(store, c["experiment"]).config.get("features") for c in cells}


def test_a_grid_and_an_ablation_have_the_set_where_there_is_eeg_and_the_usual_run_elsewhere(store):
    few = {"targets": ["valence"], "models": ["majority"]}
    usual = grids.grid(store, "small", **few, now=NOW)
    whole = grids.grid(store, "small", **few, features="eeg258full", now=NOW)
    assert whole["features"] == "eeg258full" and set(whole) - set(usual) == {"features"}
    assert sets_of(store, usual["cells"]) == {"eeg": None, "ecg": None, "eeg+ecg": None}
    own = {"eeg": "eeg258full", "ecg": None, "eeg+ecg": "eeg258full"}
    assert sets_of(store, whole["cells"]) == own
    ecg_runs = {c["experiment"] for made in (usual, whole) for c in made["cells"] if c["inputs"] == "ecg"}
    assert len(ecg_runs) == 1, "without EEG there is one run, whatever set is named"

    ablated = experiments.ablate(store, "small", "valence", "majority", options=WHOLE, now=NOW)
    assert ablated["features"] == "eeg258full" and sets_of(store, ablated["sets"]) == own
    assert {c["experiment"] for c in ablated["sets"]} == {c["experiment"] for c in whole["cells"]}
    assert "features" not in experiments.ablate(store, "small", "valence", "majority", now=NOW)
    laid_out = results.grid(store, "small", "majority", ["eeg", "ecg", "eeg+ecg"], features="eeg258full")
    assert {i: x.id for (t, i), x in laid_out.items() if t == "valence"} == {
        c["inputs"]: c["experiment"] for c in whole["cells"]
    }


@pytest.mark.parametrize(
    "asked", [{"features": "eeg99"}, {**WHOLE, "inputs": "ecg"}, {**WHOLE, "inputs": "eeg", "model": "eegnet"}]
)
def test_every_verb_refuses_a_set_that_is_of_nothing_before_any_work(store, monkeypatch, asked):
    monkeypatch.setattr(experiments, "evaluate", lambda *a, **k: pytest.fail("something was run"))
    monkeypatch.setattr(experiments.Prepared, "dataset", lambda *a, **k: pytest.fail("something was prepared"))
    model, inputs, features = asked.get("model", "forest"), asked.get("inputs", "eeg"), asked["features"]
    pipe = ("small", "valence", model, inputs)
    for refused in (
        lambda: grids.grid(store, "small", models=["majority", model], inputs=[inputs], features=features, now=NOW),
        lambda: experiments.ablate(store, *pipe[:3], inputs=[inputs], options={"features": features}, now=NOW),
        lambda: audits.leak_audit(store, *pipe, options={"features": features}, now=NOW),
        lambda: validity.control(store, *pipe, features=features, now=NOW),
        lambda: models.train(store, "small", ["valence"], model, inputs, publish=None, features=features, now=NOW),
    ):
        with pytest.raises((NotFound, Refused), match="E-FEATURES"):
            refused()


def test_jobs_of_a_set_are_at_its_runs_and_at_no_usual_one(store):
    usual = {
        "study": "small", "target": "valence", "model": "logistic", "inputs": "eeg", "fusion": "early", "split": "loso",
        "seed": 0, "options": {"task": "binary"},
    }  # fmt: skip
    whole, ecg_alone = usual | {"options": {"task": "binary", **WHOLE}}, usual | {"inputs": "ecg"}
    asked = {n: usual[n] for n in ("study", "target", "model")}
    for kind, params, runs_ecg in (
        ("ablate", {**asked, "options": WHOLE}, True),
        ("grid", {"study": "small", **WHOLE}, True),
        ("leak_audit", {**asked, "inputs": "eeg", "options": WHOLE}, False),
        ("train", {**asked, "targets": ["valence"], "inputs": "eeg", "publish": "mine", **WHOLE}, False),
    ):
        job = jobs.submit(store, kind, params, now=NOW)
        assert run_jobs.computes(job, whole) and not run_jobs.computes(job, usual), kind
        assert run_jobs.computes(job, ecg_alone) == runs_ecg, kind
        jobs.cancel(store, job.id, now=NOW)


def test_a_leak_audit_of_a_run_with_options_is_of_all_of_them_and_its_badge_finds_it(store):
    options = {**WHOLE, "smoothing": "causal"}
    run = experiments.evaluate(store, *PIPE, options=options, now=NOW)["experiment"]
    other = experiments.evaluate(store, *PIPE, options=WHOLE, now=NOW)["experiment"]
    found = audits.leak_audit(store, *PIPE, options=options, now=NOW)
    assert {name: found[name] for name in options} == options and found["experiments"]["loso"] == run
    told = [experiments.get(store, name).config for name in found["experiments"].values()]
    assert {(c["features"], c["smoothing"]) for c in told} == {("eeg258full", "causal")}
    beside = results.audited(store)
    assert beside[run].of_it and other not in beside, "an audit of another pipeline is none of this run"
    assert audits.stored_audit(store, *PIPE, options=options) == found
    assert audits.stored_audit(store, *PIPE, options=WHOLE) is None
    assert audits.stored_audit(store, *PIPE) is None


@pytest.mark.parametrize(
    ("kind", "module", "name"),
    [("stimulus", stimulus, "premium"), ("surrogates", surrogates, "scores"), ("control", control, "control"),
     ("transfer", transfer, "transfer")],
)  # fmt: skip
def test_a_control_is_of_the_set_that_is_named_and_kept_beside_the_usual_one(store, monkeypatch, kind, module, name):
    seen = []

    def looked_at(data, *rest, **_more):
        datasets = data.values() if isinstance(data, dict) else [d for d in (data, *rest) if hasattr(d, "columns")]
        seen.extend(len(d.columns["eeg"]) for d in datasets)
        return {}

    monkeypatch.setattr(surrogates, "SURROGATES", {"time_reversed": surrogates.time_reversed})
    monkeypatch.setattr(module, name, looked_at)
    asked = getattr(validity, kind)
    more = {"to": "others"} if kind == "transfer" else {}
    if more:
        studies.simulate(
            store, "others", subjects=3, trials=3, trial_s=8.0, effect=2.0, inputs="eeg+ecg", seed=9, now=NOW
        )
    made = asked(store, *PIPE[:1], *more.values(), *PIPE[1:], features="eeg258full", now=NOW)
    assert made["features"] == "eeg258full" and set(seen) == {258}
    seen.clear()
    usual = asked(store, *PIPE[:1], *more.values(), *PIPE[1:], now=NOW)
    assert "features" not in usual and set(seen) == {160}
    assert [line.result for line in audits.results(store, kind)] == [usual, made]


def test_a_model_of_a_set_is_published_and_the_clinic_computes_its_columns_of_a_new_recording(store, monkeypatch):
    usual = models.train(store, "small", ["valence"], "logistic", "eeg+ecg", publish=None, now=NOW)
    card = models.train(
        store, "small", ["valence"], "logistic", "eeg+ecg", publish="whole", features="eeg258full", now=NOW
    )
    assert (usual["feature_set"], len(usual["features"])) == ("eeg258+ecg22/1", 182)
    assert card["feature_set"] == card["pipeline"]["features"] == "eeg258full+ecg22/1"
    assert card["features"] == [*eeg.names(), *ecg.names()] and card["pipeline_hash"] != usual["pipeline_hash"]
    line = next(x for x in experiments.all_experiments(store) if x.inputs == "eeg+ecg" and x.model == "logistic")
    assert line.config["features"] == "eeg258full", "its score is that of its own run"

    own, given = bundle.by_name("whole"), []
    predict = bundle.Bundle.predict
    monkeypatch.setattr(bundle.Bundle, "predict", lambda b, x, h: given.append(x) or predict(b, x, h))
    summary = chain.analyse(simulate.recording(seed=77, person=0, trial=0, duration_s=30), own)
    assert summary.status == "ok" and summary.measure("valence").value is not None
    assert summary.pipeline_hash == card["pipeline_hash"] and summary.notices == ()
    (table,) = given
    assert list(table.columns) == card["features"] and table[list(eeg.names())].notna().all(axis=None)
