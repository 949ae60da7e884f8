"""The table by annotation: which windows lie in a stretch, their mean, and why there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from core.readers import isolation
from core.services.clinic import sessions
from core.settings import SAMPLES, settings
from core.types import Annotation, InputFile, Reason
from tests.core.readers import vendors

NOW = datetime(2026, 7, 14, 9, 5, tzinfo=UTC)
EDF = SAMPLES / "simulated-eeg-ecg.edf"
MARKS = (
    Annotation(30.0, 11.0, "film 2"),
    Annotation(4.0, 20.0, "film 1"),
    Annotation(41.0, 3.0, "a moment"),
    Annotation(45.0, 0.0, "a point"),
    Annotation(46.0, 10.0, "BAD_cough"),
    Annotation(46.0, 10.0, "blink@@AF3"),
)


@pytest.fixture
def session(store):
    file = InputFile(EDF.name, str(EDF))
    recording = replace(isolation.read([file], zone=settings().zone), annotations=MARKS)
    return sessions.analyse_recording(store, recording, [file], "P-0001", now=NOW)["session"]


def test_a_stretch_has_the_mean_of_the_usable_windows_within_it(store, session):
    first, second, moment = sessions.stretches(store, session)
    assert [s.label for s in (first, second, moment)] == ["film 1", "film 2", "a moment"]
    series = sessions.windows(store, session)
    # windows of 4 s every 2 s: 4-8 ... 20-24, and 30-34 ... 36-40
    assert (first.n_windows, second.n_windows) == (9, 4)
    for target, proba in series.proba.items():
        inside = (series.onset_s >= 4) & (series.onset_s <= 20)
        assert first.means[target] == pytest.approx(np.nanmean(proba[inside]))
        assert second.means[target] == pytest.approx(np.nanmean(proba[15:19]))
    assert first.n_usable == series.usable[inside].sum()
    assert moment.n_windows == 0 and set(moment.means.values()) == {Reason.TOO_SHORT}


def test_a_file_of_forty_trials_has_forty_rows_with_a_number_or_a_reason(store, tmp_path):
    rng = np.random.default_rng(3)
    data = 20 * rng.standard_normal((40, 40, 11 * 128)).cumsum(axis=2) / 20
    (tmp_path / "s01.dat").write_bytes(vendors.deap(data=data))
    file = InputFile("s01.dat", str(tmp_path / "s01.dat"))
    told = sessions.analyse(store, [file], "P-0002", now=NOW, model="demo-eeg-ecg")
    found = sessions.stretches(store, told["session"])
    assert [s.label for s in found] == [f"trial {i}" for i in range(1, 41)]
    # of 8 s from second 3 of each 12 s: windows at 4 and 6 s
    assert {s.n_windows for s in found} == {2}
    # this model needs an ECG, which DEAP has not
    assert {v for s in found for v in s.means.values()} == {Reason.MISSING_CHANNEL}
    assert all(set(s.means) == {"valence", "arousal", "dominance"} for s in found)
