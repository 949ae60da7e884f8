"""S1-07: the filters of the chain."""

import numpy as np
import pytest
from scipy import signal

from core.dsp.filters import bandpass, fill_gaps, highpass, lowpass, notch

RNG = np.random.default_rng(0)


def db(hz, sfreq=128.0, run=lambda x, sfreq: notch(bandpass(x, sfreq, 0.5, 45), sfreq, 50)):
    t = np.arange(int(60 * sfreq)) / sfreq
    tone = np.sin(2 * np.pi * hz * t)
    middle = slice(int(10 * sfreq), int(50 * sfreq))
    return 20 * np.log10(run(tone, sfreq)[middle].std() / tone[middle].std())


@pytest.mark.parametrize("sfreq", [128.0, 250.0, 256.0, 512.0])
def test_s1_07_mains_is_at_least_30_db_down_and_alpha_is_within_half_a_db(sfreq):
    assert db(50, sfreq) < -30
    assert abs(db(10, sfreq)) < 0.5


def test_the_band_pass_is_scipys_own_filter_run_both_ways():
    x = RNG.normal(size=(3, 4000))
    sos = signal.butter(4, (0.5, 45), "bandpass", fs=128, output="sos")
    np.testing.assert_allclose(bandpass(x, 128, 0.5, 45), signal.sosfiltfilt(sos, x), rtol=1e-9, atol=1e-9)
    small = bandpass(x.astype(np.float32), 128, 0.5, 45)
    assert small.dtype == np.float32
    assert np.abs(small - bandpass(x, 128, 0.5, 45)).max() < 1e-3


def test_a_short_gap_is_bridged_and_a_long_one_stays_and_poisons_nothing():
    t = np.arange(128 * 20) / 128
    x = 20 * np.sin(2 * np.pi * 10 * t)
    whole = bandpass(x, 128, 0.5, 45)
    x[300:312] = np.nan  # 94 ms
    x[1500:1700] = np.nan
    out = bandpass(x, 128, 0.5, 45)
    assert np.isnan(out[1500:1700]).all()
    assert np.isfinite(np.delete(out, np.s_[1500:1700])).all()
    far = np.r_[0:200, 420:1300, 1900:2560]
    assert np.abs(out - whole)[far].max() < 2.0


def test_infinite_samples_are_missing_samples():
    x = np.ones(100)
    x[3], x[50:90] = np.inf, -np.inf
    filled, gap = fill_gaps(x, 100.0)
    assert (filled == 1).all()
    assert gap.sum() == 40


def test_a_channel_with_nothing_in_it_stays_missing():
    assert np.isnan(bandpass(np.full(500, np.nan), 128, 0.5, 45)).all()


def test_the_high_corner_is_lowered_below_half_the_rate():
    x = RNG.normal(size=1000)
    sos = signal.butter(4, (0.5, 36), "bandpass", fs=80, output="sos")
    np.testing.assert_allclose(bandpass(x, 80, 0.5, 45), signal.sosfiltfilt(sos, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sfreq", [1.0, 4.0, 19.87])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
def test_slow_and_short_signals_never_raise(sfreq, n):
    x = np.arange(n, dtype=float)
    for out in (
        bandpass(x, sfreq, 0.5, 45), highpass(x, sfreq, 0.5), lowpass(x, sfreq, 3), notch(x, sfreq, 50),
    ):  # fmt: skip
        assert len(out) == n


def test_a_notch_that_is_out_of_reach_changes_nothing():
    x = RNG.normal(size=500)
    np.testing.assert_array_equal(notch(x, 100.0, 50.0), x)
