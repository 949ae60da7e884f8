"""S1-07, S1-08, d5: filters over the whole recording, and one normalisation."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import Refused
from core.preprocess import SCALE_FLOOR, NoBaseline, filtered, normalised
from core.quality import assess
from core.types import Annotation, Pipeline, Recording, Signal
from tests.core.synthetic import brain, eeg_signals, recording

SELF = Pipeline()
BASELINE = Pipeline(norm_mode="baseline")
MARKED = (Annotation(0.0, 20.0, "Baseline"),)


def prepared(made: Recording, pipeline: Pipeline = SELF, **kwargs) -> Recording:
    return normalised(filtered(made, pipeline), assess(made, pipeline), pipeline, **kwargs)


def scaled(
    made: Recording, factor: float, add: float = 0.0, only: str | None = None, after_s: float = 0.0
) -> Recording:
    def change(s: Signal) -> Signal:
        if only and s.name != only:
            return s
        data = np.array(s.data)
        data[round(after_s * s.sfreq) :] *= factor
        return replace(s, data=data + add)

    return replace(made, signals=tuple(change(s) for s in made.signals))


def apart(a: Recording, b: Recording, part=slice(None)) -> float:
    return max(np.nanmax(np.abs(x.data - y.data)[part]) for x, y in zip(a.signals, b.signals, strict=True))


def test_s1_07_only_analysed_types_are_filtered_and_nothing_is_cut():
    made = recording(20)
    made = replace(made, signals=(*made.signals, Signal("x", "misc", "", 10.0, np.arange(200.0))))
    out = filtered(made, SELF)
    assert out.signals[-1] is made.signals[-1]
    assert [len(s.data) for s in out.signals] == [len(s.data) for s in made.signals]
    assert abs(filtered(scaled(made, 1, 4200), SELF).signals[0].data.mean()) < 5


def test_s1_07_float32_stays_float32_and_agrees():
    made = recording(20)
    small = replace(made, signals=tuple(replace(s, data=s.data.astype(np.float32)) for s in made.signals))
    assert filtered(small, SELF).signals[0].data.dtype == np.float32
    assert apart(filtered(small, SELF), filtered(made, SELF)) < 1e-3


@pytest.mark.parametrize("robust", [False, True])
def test_self_mode_gives_each_channel_centre_0_and_spread_1(robust):
    for s in prepared(recording(40), Pipeline(norm_robust=robust)).signals:
        centre, spread = (s.data.mean(), s.data.std())
        if robust:
            centre = np.median(s.data)
            spread = 1.4826 * np.median(np.abs(s.data - centre))
        assert centre == pytest.approx(0, abs=1e-6)
        assert spread == pytest.approx(1, rel=1e-6)


def test_d5_scale_equivariance_and_offset_invariance():
    made = recording(40)
    assert apart(prepared(made), prepared(scaled(made, 0.5))) < 1e-6
    assert apart(prepared(made), prepared(scaled(made, 1.0, 4200.0)), np.s_[1280:3840]) < 0.01


def test_s1_08_doubling_the_stimulus_doubles_the_output():
    made = replace(recording(60), annotations=MARKED)
    one, two = (prepared(scaled(made, f, after_s=25), BASELINE) for f in (1.0, 2.0))
    for a, b in zip(one.signals, two.signals, strict=True):
        late = slice(round(30 * a.sfreq), round(55 * a.sfreq))
        assert b.data[late].std() == pytest.approx(2 * a.data[late].std(), rel=0.01)


def test_d5_a_flat_baseline_never_amplifies():
    made = recording(60)
    quiet = tuple(
        replace(s, data=np.where(np.arange(len(s.data)) < 25 * s.sfreq, 1e-3 * s.data, s.data)) for s in made.signals
    )
    calm = Recording(quiet, annotations=MARKED)
    judged = assess(made, BASELINE)  # the verdict of the lively recording: nothing is flagged
    clean = filtered(calm, BASELINE)
    for before, after in zip(clean.signals, normalised(clean, judged, BASELINE).signals, strict=True):
        largest = np.abs(before.data).max() / SCALE_FLOOR[before.type]
        assert np.abs(after.data).max() <= largest * 1.01


def test_d5_zero_three_second_and_missing_baselines_are_refused_not_replaced():
    made = recording(60)
    zero = tuple(replace(s, data=np.where(np.arange(len(s.data)) < 20 * s.sfreq, 0.0, s.data)) for s in made.signals)
    for without in (
        made, replace(made, annotations=(Annotation(10.0, 3.0, "baseline"),)), Recording(zero, annotations=MARKED),
    ):  # fmt: skip
        with pytest.raises(NoBaseline):
            prepared(without, BASELINE)


def test_d5_channels_do_not_touch_each_other():
    made = recording(40)
    one, two = prepared(made), prepared(scaled(made, 1.7, only="F3"))
    for a, b in zip(one.signals, two.signals, strict=True):
        assert np.abs(a.data - b.data).max() < 1e-9


def test_d5_a_baseline_of_another_rate_is_refused():
    made = recording(40)
    other = Recording(eeg_signals(brain(20, 256.0), 256.0) + made.of_type("ecg"))
    with pytest.raises(Refused, match="256 Hz"):
        prepared(made, BASELINE, baseline=filtered(other, BASELINE))


def test_d5_a_baseline_recording_is_taken_and_edges_are_cut():
    made, rest = recording(40), recording(20, seed=5)
    spoiled = scaled(rest, 1.0)
    clean = filtered(rest, BASELINE)
    for s in clean.signals:
        s.data[: round(0.4 * s.sfreq)] = 1e6
    got = prepared(made, BASELINE, baseline=clean)
    want = prepared(made, BASELINE, baseline=filtered(spoiled, BASELINE))
    assert apart(got, want) < 1e-9


def test_d5_flagged_windows_of_the_baseline_are_ignored():
    made = replace(recording(60), annotations=MARKED)
    burst = scaled(made, 1.0)
    for s in burst.of_type("eeg"):
        s.data[8 * 128 : 9 * 128] += 3000 * np.sign(np.sin(np.arange(128)))
    clean, spoiled = prepared(made, BASELINE), prepared(burst, BASELINE)
    for a, b in zip(clean.of_type("eeg"), spoiled.of_type("eeg"), strict=True):
        late = slice(30 * 128, 55 * 128)
        assert b.data[late].std() == pytest.approx(a.data[late].std(), rel=0.15)


def test_channels_that_are_left_out_are_missing_not_zero():
    made = recording(40)
    dead = replace(made, signals=tuple(replace(s, data=0 * s.data) if s.name == "T8" else s for s in made.signals))
    out = prepared(dead)
    assert np.isnan(next(s for s in out.signals if s.name == "T8").data).all()
    assert np.isfinite(next(s for s in out.signals if s.name == "T7").data).all()
