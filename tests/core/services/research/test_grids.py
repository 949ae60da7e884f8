"""A grid of experiments: every cell is the experiment that it would be by itself, and a stopped grid goes on."""

import pytest

from core import compute
from core.errors import NotFound, Refused
from core.evaluation import experiment
from core.services import handlers, jobs
from core.services.jobs import Cancelled
from core.services.research import experiments, grids, studies
from core.storage.store import Store
from tests.core.services.research.test_experiments import NOW, inline


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A site with a tiny study; folds run in this process."""
    monkeypatch.setattr(compute, "executor", inline())
    opened = Store(f"sqlite:///{tmp_path / 'a.sqlite3'}", data_dir=tmp_path)
    studies.simulate(opened, "tiny", subjects=3, trials=4, trial_s=8.0, effect=2.0, now=NOW)
    yield opened
    opened.close()


def test_each_cell_of_a_grid_is_the_experiment_that_it_would_be_by_itself(store):
    told = []
    wanted = {"targets": ("valence", "arousal"), "models": ("majority",)}
    made = grids.grid(store, "tiny", **wanted, now=NOW, progress=lambda share, words: told.append((share, words)))
    cells = made["cells"]
    assert [(c["target"], c["inputs"]) for c in cells] == [
        (t, i) for t in ("valence", "arousal") for i in ("eeg", "ecg", "eeg+ecg")
    ]
    alone = experiments.evaluate(store, "tiny", "arousal", "majority", "ecg", now=NOW)
    [cell] = [c for c in cells if c["experiment"] == alone["experiment"]]
    assert cell["balanced_accuracy"] == {k: alone["trial"]["balanced_accuracy"][k] for k in ("value", "low", "high")}
    assert (cell["target"], cell["chance"], cell["n_trials"]) == ("arousal", alone["trial"]["chance"], 12)
    assert made["n_subjects"] == 3 and made["seconds"] == pytest.approx(sum(c["seconds"] for c in cells))
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and told[-1][1].startswith("arousal, eeg+ecg, majority: ")


def test_a_grid_is_of_all_targets_and_inputs_by_logistic_regression_and_forest_unless_told(store, monkeypatch):
    asked = []
    found = {"n_subjects": 3, "n_trials": 12, "trial": {"balanced_accuracy": {"value": 0.5, "low": 0.4, "high": 0.6},
             "chance": {"low": 0.3, "high": 0.7}}}  # fmt: skip

    def noted(store, study, target, model, inputs, **more):
        asked.append((target, inputs, model))
        line = {"target": target, "inputs": inputs, "model": model, "experiment": "E-0001"}
        return {**found, **line}

    experiments.evaluate(store, "tiny", "valence", "majority", "ecg", now=NOW)
    monkeypatch.setattr(experiments, "evaluate", noted)
    grids.grid(store, "tiny", now=NOW)
    assert asked == [
        (t, i, m) for t in ("valence", "arousal", "dominance") for i in ("eeg", "ecg", "eeg+ecg")
        for m in ("logistic", "forest")
    ]  # fmt: skip


def test_a_grid_that_was_stopped_goes_on_where_it_was(store, monkeypatch):
    few = {"models": ("majority", "stratified"), "targets": ("valence",), "inputs": ("ecg",)}

    def stop(share, words):
        if "stratified" in words:
            raise Cancelled

    with pytest.raises(Cancelled):
        grids.grid(store, "tiny", **few, now=NOW, progress=stop)
    ran, task = [], experiment.fold_task
    monkeypatch.setattr(experiment, "fold_task", lambda path, spec, i: ran.append(spec.model) or task(path, spec, i))
    made = grids.grid(store, "tiny", **few, now=NOW)
    assert [c["experiment"] for c in made["cells"]] == ["E-0001", "E-0002"] and set(ran) <= {"stratified"}
    ran.clear()
    assert grids.grid(store, "tiny", **few, now=NOW) == made and not ran


def test_what_a_grid_cannot_run_is_refused_before_anything_is_computed(store):
    for wrong, kind in (
        ({"targets": ("valence", "joy")}, Refused), ({"models": ("logistic", "oracle")}, NotFound),
        ({"inputs": ("ecg+eeg",)}, Refused), ({"models": ("face_mlp",)}, Refused),
    ):  # fmt: skip
        with pytest.raises(kind):
            grids.grid(store, "tiny", **wrong, now=NOW)
    assert experiments.all_experiments(store) == []


def test_a_grid_is_a_job(store):
    params = {"study": "tiny", "targets": ["valence"], "models": ["majority"], "inputs": ["ecg", "eeg"]}
    jobs.submit(store, "grid", params, label="Grid", now=NOW)
    job = jobs.claim(store, "here:1:a", now=NOW)
    found = handlers.HANDLERS[job.kind](store, job.params, lambda share, words: None)
    assert found == {"experiments": ["E-0001", "E-0002"]}
