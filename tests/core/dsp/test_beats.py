"""d2: beats and the intervals between them."""

import warnings

import numpy as np
import pytest

from core.dsp import beats, slow
from core.dsp.montage import canonical, neighbours
from core.settings import EPOC_14
from core.types import BeatCount
from tests.core import synthetic


def heart(beat_s, duration_s, sfreq=256.0):
    t = np.arange(round(duration_s * sfreq)) / sfreq
    x = np.zeros(len(t))
    for delay, width, height in ((-0.17, 0.025, 0.12), (0.0, 0.011, 1.0), (0.03, 0.01, -0.22), (0.27, 0.05, 0.28)):
        x += height * np.exp(-0.5 * ((t[:, None] - beat_s - delay) / width) ** 2).sum(axis=1)
    return x


TRUTH = 0.5 + np.cumsum(0.85 + np.random.default_rng(3).normal(0, 0.03, 60))


@pytest.mark.parametrize("sfreq", [50.0, 128.0, 256.0, 1000.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_beats_are_found_to_a_few_milliseconds_either_way_up(sfreq, sign):
    found = beats.detect_r_peaks(sign * heart(TRUTH, 53, sfreq), sfreq)
    assert len(found) == len(TRUTH)
    assert np.abs(found - TRUTH).max() < (0.004 if sfreq > 100 else 0.012)


def test_rmssd_is_not_widened_by_the_sampling_rate():
    found = beats.detect_r_peaks(heart(TRUTH, 53), 256.0)
    want, got = (np.sqrt(np.mean(np.diff(beats.clean_rr(b)) ** 2)) for b in (TRUTH, found))
    assert got == pytest.approx(want, rel=0.02)


def test_noise_costs_no_beats():
    x = heart(TRUTH, 53) + np.random.default_rng(0).normal(0, 0.1, 53 * 256)
    found = beats.detect_r_peaks(x, 256.0)
    assert beats.agreement(found, TRUTH, 0.05) >= 0.99


def test_no_beat_is_found_in_a_gap_and_the_rest_is_not_lost():
    x = heart(TRUTH, 53)
    x[20 * 256 : 30 * 256] = np.nan
    found = beats.detect_r_peaks(x, 256.0)
    assert not ((found > 20) & (found < 30)).any()
    outside = TRUTH[(TRUTH < 19.5) | (TRUTH > 30.5)]
    assert beats.matched(outside, found, 0.02).all()


@pytest.mark.parametrize("x", [np.zeros(2560), np.full(2560, np.nan), np.empty(0), np.ones(30), np.full(2560, 4200.0)])
def test_nothing_beats_in_nothing(x):
    for detect in (beats.detect_r_peaks, beats.second_detector, beats.detect_pulses):
        assert len(detect(x, 256.0)) == 0
    assert len(slow.skin_responses(x, 4.0)) == 0
    assert len(slow.breaths(x, 25.0).peak_s) == 0


def test_the_second_detector_agrees_on_a_clean_lead():
    x = heart(TRUTH, 53)
    assert beats.agreement(beats.detect_r_peaks(x, 256.0), beats.second_detector(x, 256.0)) >= 0.95


def test_implausible_and_ectopic_intervals_are_missing():
    at = np.cumsum([0.0, 0.8, 0.8, 0.8, 0.5, 1.1, 0.8, 0.8, 2.5, 0.8, 0.8, 0.8])
    rr = beats.clean_rr(at)
    assert np.isnan(rr).nonzero()[0].tolist() == [3, 4, 7]
    np.testing.assert_allclose(rr[np.isfinite(rr)], 800)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(beats.clean_rr(np.arange(8) * 5.0)).all()
        assert len(beats.clean_rr(np.empty(0))) == 0


def test_beats_alike_are_alike():
    x = heart(TRUTH, 53)
    assert np.nanmin(beats.likeness(x, TRUTH, 256.0)) > 0.98


@pytest.mark.parametrize("sfreq", [32.0, 64.0, 128.0])
def test_pulses_are_found_through_a_shake_of_the_wrist(sfreq):
    t = np.arange(int(120 * sfreq)) / sfreq
    phase = 2 * np.pi * (72 / 60) * t
    x = np.maximum(np.sin(phase), -0.3) + 0.3 * np.sin(2 * phase + 0.8)
    x[int(50 * sfreq) : int(53 * sfreq)] *= 40
    rr = beats.clean_rr(beats.detect_pulses(x, sfreq))
    assert 60000 / np.nanmean(rr) == pytest.approx(72, abs=0.5)
    assert np.isfinite(rr).mean() > 0.9


def test_planted_skin_responses_are_counted():
    t = np.arange(0, 180, 0.25)
    x = 2 + 0.001 * t
    for onset in (20, 50, 80, 120, 150):
        lag = np.maximum(t - onset, 0)
        x = x + 0.6 * (np.exp(-lag / 4) - np.exp(-lag / 1))
    found = slow.skin_responses(x, 4.0)
    assert len(found) == 5
    assert (found.amplitude_us > 0.15).all()


@pytest.mark.parametrize("per_minute", [3, 8, 15])
def test_what_lies_above_the_tonic_part_follows_the_planted_responses(per_minute):
    rng = np.random.default_rng(per_minute)
    t = np.arange(0, 600, 0.25)
    phasic = np.zeros(len(t))
    for onset in rng.uniform(0, 600, 10 * per_minute):
        lag = np.maximum(t - onset, 0)
        phasic += rng.uniform(0.2, 1.6) * (np.exp(-lag / rng.uniform(2, 6)) - np.exp(-lag / 0.9))
    x = 4 + 0.5 * np.sin(2 * np.pi * t / 300) + phasic + 0.003 * rng.normal(size=len(t))
    assert np.corrcoef(x - slow.tonic(x, 4.0), phasic)[0, 1] > 0.85


@pytest.mark.parametrize("sfreq", [1.0, 25.0, 1000.0])
def test_breaths_are_counted_at_any_rate(sfreq):
    t = np.arange(int(120 * sfreq)) / sfreq
    x = 500 + np.sin(2 * np.pi * 0.25 * t) + 0.05 * np.random.default_rng(0).normal(size=len(t))
    assert len(slow.breaths(x, sfreq).peak_s) in (28, 29, 30)


def test_channel_names_have_one_spelling():
    assert [canonical(n) for n in ("FP1", "t3", "T6", " af3", "EXG1")] == ["Fp1", "T7", "P8", "AF3", "EXG1"]


def test_neighbours_are_near_and_all_others_where_a_position_is_unknown():
    near = neighbours(list(EPOC_14), 4)
    assert (near.sum(axis=1) == 4).all()
    assert near[EPOC_14.index("O1"), EPOC_14.index("O2")]
    assert not near[EPOC_14.index("O1"), EPOC_14.index("AF3")]
    assert neighbours(["A", "B", "C"], 4).sum() == 6


@pytest.mark.parametrize("sfreq", [250.0, 256.0, 500.0, 512.0])
def test_beats_are_found_at_resting_rates_beside_p_and_t_waves(sfreq):
    for seed in (1, 2, 5):
        for rate in (46, 54, 62):
            beat_s = synthetic.regular_beats(60, rate=rate, jitter_ms=30, seed=seed)
            x = synthetic.heart(beat_s, 60, sfreq) + np.random.default_rng(seed).normal(0, 0.01, round(60 * sfreq))
            found = beats.detect_r_peaks(x, sfreq)
            assert beats.agreement(found, beat_s, 0.02) > 0.97, (seed, rate, len(found), len(beat_s))


def test_an_early_beat_is_corrected_and_one_that_cannot_be_is_left_out():
    at = np.arange(40) * 0.8
    at[10] -= 0.25  # early, with a long pause after it
    extra = np.sort(np.append(at, at[20] + 0.2))  # 200 ms after a beat
    late = np.concatenate((extra[:31], extra[31:] + 0.35))  # one long interval
    torn = np.concatenate((late[:36], late[36:] + 5.0))  # a gap, no beat's fault
    found = beats.kinds(torn)
    assert np.flatnonzero(found == beats.CORRECTED).tolist() == [10, 31]
    assert np.flatnonzero(found == beats.LEFT_OUT).tolist() == [21]
    trusted = torn > 3.0
    assert beats.count(torn, trusted) == BeatCount(41, 2, 1 + int((torn <= 3.0).sum()))
    assert beats.count(at[:1]) == BeatCount(1, 0, 0) and beats.count(np.empty(0)) == BeatCount(0, 0, 0)
