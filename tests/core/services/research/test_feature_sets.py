"""A named set of features is chosen for a run: all 258 columns of the EEG, or the sixteen of the four-band source."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from app.cli import cli
from core import compute
from core.errors import NotFound, Refused
from core.evaluation import experiment, tasks
from core.evaluation.validity.checklist import checklist
from core.features import ecg, eeg
from core.services.research import experiments, studies
from core.storage.store import Store
from tests.core.services.research.test_experiments import inline

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
FEW = {"options": {"trees": 3}}


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
