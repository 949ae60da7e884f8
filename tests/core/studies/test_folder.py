"""A study comes back as it was stored, whole or not at all."""

import numpy as np
import pytest

from core import simulate
from core.errors import NotFound, Refused
from core.studies import folder, simulated


def source(**changes):
    return simulated.source(**{"subjects": 2, "trials": 2, "trial_s": 5, "effect": 1.0, "seed": 3, **changes})


def test_a_study_comes_back_as_it_was_simulated(tmp_path):
    study = folder.write(tmp_path, "demo", source())
    assert study == folder.load(tmp_path, "demo")
    assert (study.inputs, study.simulated, len(study.trials)) == (("eeg", "ecg"), True, 4)
    assert study.targets == simulate.TARGETS
    truth = list(simulate.study(subjects=2, trials=2, trial_s=5, effect=1.0, seed=3))
    for trial, expected in zip(study.trials, truth, strict=True):
        assert (trial.subject, trial.trial, trial.labels) == (expected.subject, expected.trial, expected.labels)
        read = folder.recording(trial)
        assert [(s.name, s.type, s.sfreq) for s in read.signals] == [
            (s.name, s.type, s.sfreq) for s in expected.recording.signals
        ]
        assert np.array_equal(read.signals[3].data, expected.recording.signals[3].data)
        assert read.annotations == expected.recording.annotations


def test_the_same_simulation_has_the_same_hash_and_another_has_not(tmp_path):
    for name, changes in (("a", {}), ("b", {}), ("c", {"seed": 4})):
        folder.write(tmp_path, name, source(**changes))
    a, b, c = (folder.manifest(tmp_path, name)["sha256"] for name in "abc")
    assert a == b != c


def test_a_study_that_fails_half_way_leaves_nothing(tmp_path):
    def broken():
        yield from list(source().trials)[:2]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        folder.write(tmp_path, "half", folder.Source("b", "l", {}, ("eeg",), broken(), 4))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../x", "a b", "ä", "x" * 64, ".hidden"])
def test_a_name_that_is_no_folder_is_refused(name, tmp_path):
    with pytest.raises(Refused):
        folder.check_name(name)
    with pytest.raises(NotFound):
        folder.load(tmp_path, name)
