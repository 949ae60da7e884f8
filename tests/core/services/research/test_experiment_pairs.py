"""Runs beside each other: what may be paired, and how far a fused run and those of one signal are apart."""

from dataclasses import replace

import numpy as np
import pytest

from core import compute
from core.errors import Refused
from core.evaluation import experiment, metrics
from core.services.research import experiment_pairs, experiments, studies
from core.storage.store import Store
from core.studies import folder
from tests.core.services.research.test_experiments import NOW, inline

# probability of High of each subject's four trials by inputs
EEG = [0.9, 0.9, 0.1, 0.1]
KNOWN = {
    "eeg": dict.fromkeys(("S1", "S2", "S3", "S4"), EEG),
    "face": {"S1": [0.9, 0.1, 0.1, 0.1], "S2": EEG, "S3": [0.1, 0.1, 0.9, 0.9], "S4": [0.6, 0.6, 0.4, 0.4]},
    "eeg+face": dict.fromkeys(("S1", "S2", "S3", "S4"), EEG),
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A site with runs on EEG, on the face and on both, whose predictions are those of KNOWN."""
    task = experiment.fold_task

    def known(path, spec, i):
        found = task(path, spec, i)
        if spec.task != "binary":
            return found
        return replace(found, p=np.array(KNOWN[spec.inputs][found.name]), threshold=0.5)

    monkeypatch.setattr(compute, "executor", inline())
    monkeypatch.setattr(experiment, "fold_task", known)
    opened = Store(f"sqlite:///{tmp_path / 'a.sqlite3'}", data_dir=tmp_path)
    trials = [
        folder.Planned(s, str(t), {"valence": 1.0 + 4 * (t % 2)}, {}, features={"eeg_a": t, "face_b": t % 3})
        for s in KNOWN["eeg"]
        for t in range(4)
    ]
    source = folder.Source("made", "none", {"valence": (1.0, 5.0, 3.0)}, ("eeg", "face"), trials, len(trials))
    folder.write(studies.root(opened), "faces", source)
    yield opened
    opened.close()


def run(store, inputs, **more):
    return experiments.evaluate(store, "faces", "valence", "majority", inputs, now=NOW, **more)["experiment"]


def test_s4_10_the_fused_run_is_held_against_each_single_one_trial_by_trial(store):
    eeg, face, fused = (run(store, inputs) for inputs in KNOWN)
    found = {(d["a"], d["b"]): d for d in experiment_pairs.disagreements(store, [eeg, face, fused])}
    assert list(found) == [(eeg, face), (eeg, fused), (face, fused)]
    apart = found[eeg, face]
    assert (apart["n"], apart["n_trials"], apart["why"]) == (4, 16, "")
    for what, values in (("labels", [0.25, 0, 1, 0]), ("probabilities", [0.2, 0, 0.8, 0.3])):
        own = metrics.over_subjects(values)
        assert apart[what] == {k: pytest.approx(getattr(own, k)) for k in ("value", "low", "high")}
    assert found[eeg, fused]["labels"]["value"] == found[eeg, fused]["probabilities"]["value"] == 0
    assert found[face, fused]["labels"] == apart["labels"]


def test_a_run_of_a_study_that_has_changed_is_said_and_the_others_are_told(store, monkeypatch):
    eeg, face, fused = (run(store, inputs) for inputs in KNOWN)
    opened = experiment_pairs.opened

    def changed(store, name):
        if name == face:
            raise Refused("E-EXPERIMENT-CHANGED", "the study is another one now.", name)
        return opened(store, name)

    monkeypatch.setattr(experiment_pairs, "opened", changed)
    found = {(d["a"], d["b"]): d for d in experiment_pairs.disagreements(store, [eeg, face, fused])}
    assert found[eeg, face]["labels"] is None and found[eeg, face]["why"] == f"{face}: the study is another one now."
    assert found[eeg, fused]["n_trials"] == 16 and not found[eeg, fused]["why"]


@pytest.mark.parametrize("ask", [experiment_pairs.compare, experiment_pairs.disagreements])
def test_runs_of_different_tasks_are_refused_for_their_chance_is_not_the_same(ask, store):
    binary, nine = run(store, "eeg"), run(store, "eeg", options={"task": "nine"})
    with pytest.raises(Refused, match=f"{binary} binary, {nine} nine") as refused:
        ask(store, [binary, nine])
    assert refused.value.code == "E-COMPARE" and refused.value.what_to_do == "Choose experiments on one task."
