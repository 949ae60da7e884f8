"""S1-09: windows stay paired by time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dsp import grid as clock
from core.quality import assess
from core.types import Pipeline, Recording, Signal
from core.windows import cut, grid
from tests.core.synthetic import recording

PIPELINE = Pipeline()


def ramp(name, type_, sfreq, duration_s, onset_s=0.0):
    """A signal whose value is the time on the recording's clock."""
    return Signal(name, type_, "au", sfreq, onset_s + np.arange(round(duration_s * sfreq)) / sfreq, onset_s)


def test_s1_09_eeg_of_60_s_and_ecg_of_58_s_pair_only_where_both_exist():
    made = recording(60, ecg_s=58)
    windows = cut(made, assess(made, PIPELINE), PIPELINE)
    assert windows.onset_s[-1] + 4 == 58
    assert len(windows) == 28
    assert {len(x) for x in windows.data.values()} == {28}
    assert len(grid(made, PIPELINE, ("eeg",))) == 29


def test_s1_03_five_seconds_have_a_window():
    assert len(grid(recording(5), PIPELINE)) == 1


def test_windows_are_views_that_cannot_be_written():
    made = recording(60)
    windows = cut(made, assess(made, PIPELINE), PIPELINE)
    for signal in made.signals:
        assert np.shares_memory(windows.data[signal.name], signal.data)
        assert not windows.data[signal.name].flags.writeable


def test_a_signal_that_starts_late_is_paired_by_the_clock():
    made = Recording((ramp("a", "eda", 4, 60), ramp("b", "ppg", 64, 40, onset_s=10.5)))
    windows = cut(made, assess(made, PIPELINE), PIPELINE)
    assert windows.onset_s[0] == 12
    assert windows.onset_s[-1] == 46
    for name, sfreq in (("a", 4), ("b", 64)):
        assert np.abs(windows.data[name][:, 0] - windows.onset_s).max() <= 0.5 / sfreq


def test_types_without_a_common_second_have_no_pair():
    made = Recording((ramp("a", "eda", 4, 20), ramp("b", "ppg", 64, 20, onset_s=30)))
    windows = cut(made, assess(made, PIPELINE), PIPELINE)
    assert len(windows) == 0
    assert windows.data["a"].shape == (0, 16)


def test_a_type_that_was_not_recorded_has_no_window():
    assert len(grid(recording(20), PIPELINE, ("eeg", "eda"))) == 0


def test_one_short_channel_does_not_take_the_others_away():
    made = Recording(tuple(ramp(f"c{i}", "eeg", 128, 20 if i else 6) for i in range(5)))
    windows = cut(made, assess(made, PIPELINE), PIPELINE, ("eeg",))
    assert len(windows) == 9
    assert np.isnan(windows.data["c0"][3]).all()


def test_an_empty_recording_has_no_windows():
    made = Recording(())
    assert len(cut(made, assess(made, PIPELINE), PIPELINE)) == 0


@settings(max_examples=60, deadline=None)
@given(
    sfreq=st.sampled_from([1.0, 4.0, 19.87, 64.0, 128.0, 256.0, 250.5, 1000.0]),
    duration_s=st.floats(0, 40),
    onset_s=st.floats(0, 20),
    window_s=st.sampled_from([2.0, 4.0, 5.0, 60.0]),
    step_s=st.sampled_from([1.0, 2.0, 3.0, 10.0]),
)
def test_every_window_lies_in_the_signal_and_holds_its_own_time(sfreq, duration_s, onset_s, window_s, step_s):
    signal = ramp("x", "eda", sfreq, duration_s, onset_s)
    pipeline = Pipeline(window_s=window_s, step_s=step_s)
    made = Recording((signal,))
    windows = cut(made, assess(made, pipeline), pipeline)
    n = clock.n_samples(sfreq, window_s)
    assert windows.data["x"].shape == (len(windows), n)
    assert windows.usable["eda"].shape == (len(windows),)
    tolerance = max(1.5 / sfreq, clock.EDGE_S + 0.5 / sfreq) + 1e-6  # the slack, and rounding to a sample
    assert np.allclose(np.diff(windows.onset_s), step_s)
    if len(windows):
        assert windows.onset_s[0] >= onset_s - tolerance
        assert windows.onset_s[-1] + window_s <= signal.end_s + tolerance + 1 / sfreq
        assert np.abs(windows.data["x"][:, 0] - windows.onset_s).max() <= tolerance


@given(st.integers(0, 30), st.integers(1, 12))
def test_times_are_inside_where_a_chosen_window_covers_them(n, seed):
    rng = np.random.default_rng(seed)
    onset_s, chosen, times = np.arange(n) * 2.0, rng.random(n) < 0.5, rng.uniform(-3, 70, 20)
    want = [any(c and o <= t <= o + 4 for o, c in zip(onset_s, chosen, strict=True)) for t in times]
    assert clock.inside(times, onset_s, 4.0, chosen).tolist() == want


@pytest.mark.parametrize("spacing", ["even", "uneven"])
def test_cuts_hold_the_samples_from_their_starts(spacing):
    start = np.array([0, 10, 20, 30] if spacing == "even" else [0, 10, 21, 30])
    assert clock.cut(np.arange(50), start, 5)[:, 0].tolist() == start.tolist()
