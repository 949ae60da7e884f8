"""A .dat of DEAP as one recording: its trials in order, nothing between them, and no pickle that runs anything."""

from __future__ import annotations

import pickle
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy import signal

from core import pipeline, quality, windows
from core.errors import Refused
from core.readers import isolation, session
from core.types import InputFile, Pipeline
from tests.core.readers import vendors
from tests.core.readers.conftest import by_name, codes, said

ZONE = ZoneInfo("UTC")


def written(folder, body):
    (folder / "s01.dat").write_bytes(body)
    return [InputFile("s01.dat", str(folder / "s01.dat"))]


def test_a_file_of_its_full_size_is_read_apart_with_forty_trials(tmp_path):
    rng = np.random.default_rng(1)
    data = rng.standard_normal((40, 40, 8064))
    r = isolation.read(written(tmp_path, vendors.deap(data=data)), zone=ZONE)
    assert (len(r.signals), r.format, r.started_at) == (40, "deap", None)
    assert {(s.sfreq, len(s.data)) for s in r.signals} == {(128.0, 40 * 8064 + 39 * 128)}
    trials = [a for a in r.annotations if a.description.startswith("trial")]
    assert [a.description for a in trials] == [f"trial {i}" for i in range(1, 41)]
    assert {a.duration_s for a in trials} == {60.0}
    rest = [a for a in r.annotations if a.description == "baseline"]
    assert [a.onset_s for a in rest] == [64.0 * i for i in range(40)]
    assert [a.onset_s for a in trials] == [64.0 * i + 3 for i in range(40)]
    for i in (0, 17, 39):
        at = i * 64 * 128
        assert np.allclose(r.signals[4].data[at : at + 8064], data[i, 4], atol=1e-6)


def test_channels_have_type_and_unit_by_name(tmp_path):
    r = session.read(written(tmp_path, vendors.deap(trials=1)))
    assert [s.type for s in r.signals] == ["eeg"] * 32 + ["eog", "eog", "emg", "emg", "eda", "resp", "ppg", "temp"]
    found = by_name(r)
    # the first sample is the number of the channel, counted from 0; skin conductance comes in nS
    assert [found[n].data[0] for n in ("Fp1", "F3", "Fp2", "F4", "respiration", "plethysmograph")] == [
        0, 2, 16, 19, 37, 38,
    ]  # fmt: skip
    assert (found["GSR"].unit, found["GSR"].data[0]) == ("µS", pytest.approx(0.036))
    assert "4-45 Hz" in said(r, "W-DEAP") and "cut from a longer recording" in said(r, "W-DEAP")


def test_no_usable_window_spans_two_trials(tmp_path):
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((3, 1, 63 * 128)) + 0.5 * rng.standard_normal((3, 40, 63 * 128))
    slow = signal.sosfiltfilt(signal.butter(4, (4, 20), "bandpass", fs=128, output="sos"), noise)
    r = session.read(written(tmp_path, vendors.deap(data=30 * slow)))
    chain = Pipeline()
    verdict = quality.assess(r, chain)
    cut = windows.cut(r, verdict, chain, ("eeg",))
    within = cut.onset_s % 64 + chain.window_s <= 63
    assert cut.usable["eeg"].tolist() == within.tolist()
    assert within.sum() == 3 * 30
    assert np.isnan(cut.data["Fp1"][~within]).any(axis=1).all()
    # the 3 s before a clip are no window of it
    assert (~pipeline.in_baseline(r, cut) & within).sum() == 3 * 28


def test_a_trial_without_a_number_is_named_and_the_others_are_read(tmp_path):
    data = np.ones((3, 40, 1280))
    data[1] = np.nan
    r = session.read(written(tmp_path, vendors.deap(data=data)))
    assert "W-MISSING-VALUES" in codes(r) and '"trial 2"' in said(r, "W-MISSING-VALUES")
    assert [a.description for a in r.annotations if a.description.startswith("trial")] == [
        "trial 1", "trial 2", "trial 3",
    ]  # fmt: skip


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("name", ["eval", "tofile", "behind", "many", "list"])
def test_a_pickle_that_is_more_than_arrays_runs_nothing(tmp_path, name):
    marker = tmp_path / "marker"
    good = {"labels": np.full((2, 4), 5.0), "data": np.ones((2, 40, 1280))}
    body, code = {
        "eval": (pickle.dumps({**good, "z": Call(eval, f"open({str(marker)!r}, 'w')")}, 2), "E-CODE"),
        "tofile": (pickle.dumps({**good, "z": Call(np.ndarray.tofile, np.zeros(1), str(marker))}, 4), "E-CODE"),
        "behind": (pickle.dumps(good, 2) + b"x", "E-DEAP"),
        "many": (pickle.dumps({"data": Call(np.ndarray, (2**33,)), "labels": 0}, 2), "E-READ-MEMORY"),
        "list": (pickle.dumps([Call(eval, f"open({str(marker)!r}, 'w')")], 2), "pickled objects.*E-FORMAT"),
    }[name]
    with pytest.raises(Refused, match=code):
        isolation.read(written(tmp_path, body), zone=ZONE)
    assert not marker.exists()
