"""A small study with runs in every state, made once: finished, trivial, leaky, partial, stopped, a net, a value."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from contextlib import nullcontext
from pathlib import Path

import pytest

from core import compute
from core.errors import Refused
from core.evaluation import experiment
from core.services.jobs import Cancelled
from core.services.research import audits, experiments, studies
from core.storage.store import Store
from core.studies import folder
from tests.core.services.research.test_experiments import inline
from tests.pages.conftest import NOW

FOLDS = 5
FULL, TRIVIAL, LEAKY, ECG, NET, VALUE, PARTIAL, STOPPED = (f"E-000{i}" for i in range(1, 9))


def make(place: Path) -> None:
    """Fill a data folder; the folds run in this process."""
    store = Store(f"sqlite:///{place / 'affectline.sqlite3'}", data_dir=place)
    studies.simulate(store, "small", subjects=FOLDS, trials=4, trial_s=12.0, effect=2.0, now=NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, "executor", inline())
        run(store)
        run(store, "majority")
        run(store, split="trial")
        run(store, inputs="ecg")
        run(store, "mlp", options={"options": {"epochs": 3}})
        run(store, options={"task": "continuous"})
        partial(store, patch)
        with pytest.raises(Cancelled):
            run(store, seed=8, progress=stop)
    store.close()


def ready(store: Store, name: str, n: int = 20, ei: bool = True) -> None:
    """A study of ready features, four trials a subject; the ECG of the second half of the subjects is two units higher.

    The scores ``ei`` rise from subject to subject.
    """
    trials = []
    for i in range(1, n + 1):
        for t in range(4):
            wobble = ((i * 7 + t * 3) % 5) / 5 + t % 2
            groups = {"ei": str(80 + i), "sex": "fm"[i % 2]} if ei else {}
            features = {"eeg_c": wobble + i % 3, "ecg_a": 2.0 * (i > n // 2) + wobble, "face_b": wobble}
            labels = {"valence": 1.0 + 4 * (t % 2)}
            trials.append(folder.Planned(f"S{i:02d}", str(t), labels, groups, features=features))
    source = folder.Source("made", "none", {"valence": (1.0, 5.0, 3.0)}, ("eeg", "ecg", "face"), trials, len(trials))
    folder.write(studies.root(store), name, source)


def run(store: Store, model: str = "logistic", inputs: str = "eeg", study: str = "small", **more) -> dict:
    """One experiment on valence."""
    return experiments.evaluate(store, study, "valence", model, inputs, now=NOW, **more)


def partial(store: Store, patch: pytest.MonkeyPatch) -> None:
    """A run whose third fold fails."""
    task = experiment.fold_task

    def sometimes(path, spec, i):
        if i == 2:
            raise Refused("E-LABELS", "no label could be used", "S03", "Look at the labels.")
        return task(path, spec, i)

    patch.setattr(experiment, "fold_task", sometimes)
    with pytest.raises(Refused, match="1 of 5 folds failed"):
        run(store, seed=7)
    patch.setattr(experiment, "fold_task", task)


def stop(share: float, words: str) -> None:
    """A person presses Cancel after the folds have ended."""
    if words.startswith(f"fold {FOLDS}"):
        raise Cancelled


def stopped_audit(store: Store, patch: pytest.MonkeyPatch, study: str = "small", target: str = "valence") -> None:
    """A leak audit of logistic regression on ECG that is cancelled in its third split, after two of its folds."""

    class Slow(Executor):
        def submit(self, fn, /, *args, **kwargs):
            future: Future = Future()
            spec, fold = args[1:3]
            if spec.split != "subject_kfold" or fold < 2:
                future.set_result(fn(*args, **kwargs))
            return future

    def cancel(share: float, words: str) -> None:
        if words.startswith("subject_kfold: fold 2"):
            raise Cancelled

    patch.setattr(compute, "executor", lambda processes=None: nullcontext(Slow()))
    with pytest.raises(Cancelled):
        audits.leak_audit(store, study, target, "logistic", "ecg", now=NOW, progress=cancel)
