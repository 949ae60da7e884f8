from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from core import compute
from core.errors import AffectlineError, NotFound, Refused
from core.evaluation import event_files, experiment
from core.models import MODELS
from core.services.jobs import Cancelled
from core.services.research import experiments, studies
from core.settings import settings
from core.storage import research
from core.storage.store import Store
from tests.conftest import ROOT

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
FOLDS = 5
DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from core import compute
from core.services.research import experiments
from core.storage.store import Store
from tests.core.services.research.test_experiments import NOW, inline

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    compute.executor = inline(lambda n: n == 2 and os.kill(os.getpid(), signal.SIGKILL))
    experiments.evaluate(Store(f"sqlite:///{folder / 'a.sqlite3'}", data_dir=folder), "small", "valence", "logistic",
                         "eeg", now=NOW)
"""


def inline(before=lambda n: None):
    """An executor of this process, which is told the number of each task before it runs."""

    class Here(Executor):
        n = 0

        def submit(self, fn, /, *args, **kwargs):
            future: Future = Future()
            before(self.n)
            self.n += 1
            try:
                future.set_result(fn(*args, **kwargs))
            except AffectlineError as error:
                future.set_exception(error)
            return future

    @contextmanager
    def executor(processes=None):
        yield Here()

    return executor


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A site with a small simulated study, prepared once."""
    place = tmp_path_factory.mktemp("site")
    store = Store(f"sqlite:///{place / 'first.sqlite3'}", data_dir=place)
    studies.simulate(store, "small", subjects=FOLDS, trials=4, trial_s=12.0, effect=2.0, inputs="eeg", now=NOW)
    store.close()
    return place


@pytest.fixture
def store(folder):
    """An empty database beside the study."""
    path = folder / "a.sqlite3"
    for old in folder.glob("a.sqlite3*"):
        old.unlink()
    opened = Store(f"sqlite:///{path}", data_dir=folder)
    yield opened
    opened.close()


@pytest.fixture
def here(monkeypatch):
    """Folds run in this process."""
    monkeypatch.setattr(compute, "executor", inline())


def evaluate(store, model="logistic", **more):
    return experiments.evaluate(store, "small", "valence", model, "eeg", now=NOW, **more)


def stored(store, name):
    return [(r.index, r.test_rows.tolist(), r.p.tolist(), r.threshold) for r in experiments.opened(store, name)[2]]


def test_an_experiment_is_stored_fold_by_fold_and_the_same_call_returns_it(store, here, monkeypatch):
    made = evaluate(store)
    assert made["experiment"] == "E-0001"
    assert [f["subject"] for f in made["folds"]] == ["S01", "S02", "S03", "S04", "S05"]
    assert made["n_trials"] == 20
    monkeypatch.setattr(experiment, "fold_task", lambda *_: pytest.fail("a stored fold was computed again"))
    assert evaluate(store) == made
    [line] = experiments.all_experiments(store)
    assert (line.state, line.n_folds, line.n_done, line.n_failed, line.leaky) == ("done", FOLDS, FOLDS, 0, False)
    assert experiments.get(store, "E-0001").details is not None


def test_nothing_overwrites_each_of_the_seven_and_every_option_is_another_experiment(store, here):
    first = evaluate(store, "majority")
    others = [
        evaluate(store, "stratified"), evaluate(store, "majority", seed=1), evaluate(store, "majority", split="trial"),
        evaluate(store, "majority", options={"smoothing": "causal"}),
    ]  # fmt: skip
    names = [e["experiment"] for e in (first, *others)]
    assert names == ["E-0001", "E-0002", "E-0003", "E-0004", "E-0005"]
    assert experiments.as_json(store, "E-0001") == first
    assert [line.id for line in experiments.all_experiments(store) if line.leaky] == ["E-0004"]


OTHERS = {
    "oversample": "random", "smoothing": "two_state", "flip": True, "aggregate": "median", "task": "nine",
    "options": {"strength": "0.5"},
}  # fmt: skip


def test_each_option_reaches_the_specification_and_makes_a_run_of_its_own(store, here):
    asked = [{}, *({name: value} for name, value in OTHERS.items())]
    names = [evaluate(store, options=each)["experiment"] for each in asked]
    assert len(set(names)) == len(asked) == len(experiments.all_experiments(store))
    told = {"options": {"strength": 0.5}}
    for name, each in zip(names, asked, strict=True):
        spec = experiments.opened(store, name)[0]
        usual = experiments.spec_of(*spec.key[:2], "logistic", "eeg", "early", "loso", 0, {})
        assert spec == replace(usual, **{**each, **(told if "options" in each else {})})
        assert evaluate(store, options=experiments.get(store, name).line.options)["experiment"] == name
    assert experiments.all_experiments(store)[0].config["options"] == {"strength": 0.5}
    p = [stored(store, name)[0][2] for name in names]
    assert p[0] != p[2] and p[0] != p[-1], "smoothed, and of another strength"


def test_an_ablation_runs_every_set_with_the_options_it_is_given(store, here):
    made = experiments.ablate(
        store, "small", "valence", "majority", options={"aggregate": "median", "options": {}}, now=NOW
    )
    assert [experiments.get(store, row["experiment"]).config["aggregate"] for row in made["sets"]] == ["median"]


def test_a_revised_model_is_another_experiment_and_the_others_keep_their_hash(store, here, monkeypatch):
    first = evaluate(store, "majority")
    assert "model_revision" not in experiments.get(store, first["experiment"]).config
    monkeypatch.setitem(MODELS, "majority", replace(MODELS["majority"], revision=1))
    assert [evaluate(store, "majority")["experiment"] for _ in range(2)] == ["E-0002", "E-0002"]
    assert {n for n, m in MODELS.items() if m.revision and n != "majority"} == {
        "mlstm_fcn", "malstm_fcn", "lstm_fcn", "alstm_fcn",
    }  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="kills itself with a signal")
def test_a_killed_run_goes_on_without_computing_stored_folds_again(folder, store, monkeypatch):
    ended = subprocess.run([sys.executable, "-c", DIES, str(folder)], cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    with store.read() as tx:
        before = research.folds(tx, 1)
    assert len(before) < FOLDS
    ran: list[int] = []
    task = experiment.fold_task
    monkeypatch.setattr(experiment, "fold_task", lambda path, spec, i: ran.append(i) or task(path, spec, i))
    monkeypatch.setattr(compute, "executor", inline())
    made = evaluate(store)
    assert sorted(ran) == sorted(set(range(FOLDS)) - {f.number for f in before})
    fresh = Store(f"sqlite:///{folder / 'b.sqlite3'}", data_dir=folder)
    assert evaluate(fresh) == made
    assert stored(fresh, "E-0001") == stored(store, "E-0001")
    fresh.close()


def test_a_cancelled_run_keeps_the_folds_it_has_and_goes_on(store, here):
    def stop(share, words):
        if words.startswith(f"fold {FOLDS}"):
            raise Cancelled

    with pytest.raises(Cancelled):
        evaluate(store, progress=stop)
    with store.read() as tx:
        assert len(research.folds(tx, 1)) == FOLDS
    [line] = experiments.all_experiments(store)
    assert (line.state, line.summary) == ("running", None)
    with pytest.raises(Refused, match="E-EXPERIMENT-OPEN"):
        experiments.as_json(store, "E-0001")
    assert evaluate(store)["experiment"] == "E-0001"


def test_a_fold_that_fails_makes_the_run_partial_and_is_never_averaged_over(store, here, monkeypatch):
    task = experiment.fold_task

    def sometimes(path, spec, i):
        if i == 2:
            raise Refused("E-LABELS", "no label could be used", "S03", "Look at the labels.")
        return task(path, spec, i)

    monkeypatch.setattr(experiment, "fold_task", sometimes)
    with pytest.raises(Refused, match="1 of 5 folds failed"):
        evaluate(store)
    [line] = experiments.all_experiments(store)
    assert (line.state, line.n_done, line.n_failed, line.summary) == ("partial", 4, 1, None)
    assert experiments.get(store, "E-0001").folds[2].error["code"] == "E-LABELS"
    monkeypatch.setattr(experiment, "fold_task", task)
    assert evaluate(store)["n_subjects"] == FOLDS
    assert experiments.all_experiments(store)[0].state == "done"


def test_processes_and_a_cluster_give_the_same_folds(store, folder, monkeypatch):
    from distributed import LocalCluster

    made = evaluate(store)
    here = stored(store, "E-0001")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        monkeypatch.setenv("AFFECTLINE_DASK_SCHEDULER", cluster.scheduler_address)
        settings.cache_clear()
        other = Store(f"sqlite:///{folder / 'dask.sqlite3'}", data_dir=folder)
        try:
            assert evaluate(other) == made
            assert stored(other, "E-0001") == here
        finally:
            other.close()
            monkeypatch.undo()
            settings.cache_clear()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"target": "joy"}, "E-TARGET"),
        ({"inputs": "ecg"}, "E-INPUTS"),
        ({"inputs": "eeg+eeg"}, "E-INPUTS"),
        ({"model": "oracle"}, "E-MODEL"),
        ({"split": "best"}, "E-SPLIT"),
        ({"fusion": "hot"}, "E-FUSION"),
        ({"study": "nowhere"}, "E-STUDY"),
        ({"options": {"luck": 1}}, "E-OPTION"),
        ({"options": {"options": {"epochs": 3}}}, "E-OPTION"),
        ({"split": "nested_loso", "options": {"options": {"strength": 1.0}}}, "E-OPTION"),
        ({"options": {"oversample": "twice"}}, "E-OVERSAMPLE-KIND"),
        ({"model": "eegnet", "options": {"oversample": "smote"}}, "E-OVERSAMPLE"),
        ({"options": {"smoothing": "much"}}, "E-SMOOTHING-KIND"),
        ({"options": {"aggregate": "most"}}, "E-AGGREGATE-KIND"),
        ({"options": {"task": "continuous", "flip": True}}, "E-TASK"),
        ({"options": {"task": "bogus"}}, "E-TASK"),
        ({"options": {"task": "quadrant"}}, "E-TARGET"),
        ({"target": "valence+arousal"}, "E-TARGET"),
    ],
)
def test_what_the_study_or_the_doors_do_not_have_is_refused_and_stores_nothing(store, change, code):
    asked = {"study": "small", "target": "valence", "model": "logistic", "inputs": "eeg", **change}
    with pytest.raises((Refused, NotFound), match=code):
        experiments.evaluate(store, **asked, now=NOW)
    assert experiments.all_experiments(store) == []


def test_a_study_of_two_people_is_refused_and_no_run_is_left_behind(store):
    studies.simulate(store, "two", subjects=2, trials=3, trial_s=8.0, inputs="ecg", now=NOW)
    with pytest.raises(Refused, match="E-STUDY-SMALL") as refused:
        experiments.evaluate(store, "two", "valence", "logistic", "ecg", now=NOW)
    assert refused.value.what_to_do
    assert experiments.all_experiments(store) == []


@pytest.mark.parametrize("options", [{}, {"task": "nine"}, {"task": "continuous"}])
def test_labels_that_are_all_one_are_refused_as_every_model_would_score_as_if_perfect(store, here, options):
    studies.simulate(store, "one-class", subjects=3, trials=3, trial_s=8.0, inputs="ecg", now=NOW)
    place = store.data_dir / "studies" / "one-class" / "study.json"
    said = json.loads(place.read_text())
    for row in said["trials"]:
        row["labels"]["valence"] = 7.0
    place.write_text(json.dumps(said))
    with pytest.raises(Refused, match="E-LABELS") as refused:
        experiments.evaluate(store, "one-class", "valence", "majority", "ecg", options=options, now=NOW)
    assert "all 9 usable trials" in refused.value.what and refused.value.what_to_do
    assert experiments.all_experiments(store) == []


def test_selection_is_asked_for_where_there_is_something_to_select(store):
    assert experiments.selection("forest", "nested_loso") == MODELS["forest"].choices != ()
    assert experiments.selection("logistic", "nested_loso") == (), "it selects unasked"
    for model, split in (("forest", "loso"), ("majority", "nested_loso")):
        with pytest.raises(Refused, match="E-SELECT"):
            experiments.selection(model, split)


def test_an_unknown_experiment_is_said(store):
    for name in ("E-0009", "7", "E-", "E-x", ""):
        with pytest.raises(NotFound):
            experiments.get(store, name)


def test_learning_curves_are_event_files_of_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rows = [{"epoch": e, "train_loss": 1.0 / e, "valid_loss": 0.5, "seconds": 2.0} for e in (1, 2, 3)]
    for _ in range(2):
        event_files.write(tmp_path / "000", rows, 1000.0)
    events = EventAccumulator(str(tmp_path / "000")).Reload()
    found = events.Scalars("train_loss")
    assert [(e.step, round(e.wall_time)) for e in found] == [(1, 1002), (2, 1004), (3, 1006)]
    assert np.allclose([e.value for e in found], [1.0, 0.5, 1 / 3])


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ((0, 6, 0, 3.0, 6), "fold 0 of 6 done, time left is known after the next"),
        ((4, 6, 0, 3.0, 2), "fold 4 of 6 done, time left is known after the next"),
        ((2, 6, 2, 20.0, 4), "fold 2 of 6 done, about 40 s left"),
        ((2, 6, 2, 90.0, 4), "fold 2 of 6 done, about 3 min left"),
        ((6, 6, 6, 90.0, 0), "fold 6 of 6 done"),
    ],
)
def test_the_bar_says_how_many_folds_are_done_and_about_how_long_the_rest_takes(told, words):
    assert experiments._words(*told) == words
