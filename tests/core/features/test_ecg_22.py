"""S1-10, d2: ECG-22 against a plain implementation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal, stats

from core.dsp import beats
from core.features import block_of, ecg, rhythm
from core.preprocess import filtered, normalised
from core.quality import assess
from core.types import Annotation, Pipeline, Recording, Signal
from core.windows import cut
from tests.core.synthetic import heart, regular_beats

PIPELINE = Pipeline()


def two_leads(duration_s, beat_s=None, **kwargs) -> Recording:
    beat_s = regular_beats(duration_s, jitter_ms=40) if beat_s is None else beat_s
    x = heart(beat_s, duration_s) + np.random.default_rng(1).normal(0, 0.01, round(duration_s * 256))
    return Recording((Signal("I", "ecg", "mV", 256.0, x), Signal("II", "ecg", "mV", 256.0, -0.6 * x)), **kwargs)


def features(made: Recording, pipeline: Pipeline = PIPELINE):
    quality = assess(made, pipeline)
    ready = normalised(filtered(made, pipeline), quality, pipeline)
    windows = cut(ready, quality, pipeline)
    return ecg.table(ready, windows, quality, pipeline), ready, windows, quality


def plain(beat_s, rr_ms, start, end) -> dict:
    """d2 for one context, from its beats alone; the tachogram is that of the whole recording."""
    inside = (beat_s[:-1] >= start - 1e-9) & (beat_s[1:] <= end + 1e-9)
    rr = rr_ms[inside]
    nn, steps = rr[np.isfinite(rr)], np.diff(rr)
    steps = steps[np.isfinite(steps)]
    hr = 60000 / nn
    grid = np.arange(np.ceil(start * 4), np.floor(end * 4)) / 4
    x = rhythm.tachogram(beat_s, rr_ms, grid)
    nper = min(480, len(x))
    freqs, psd = signal.welch(x, 4.0, "hann", nper, nper // 2)
    power = {
        b: (freqs[1] - freqs[0]) * psd[(freqs >= lo) & (freqs < hi)].sum()
        for b, (lo, hi) in (("lf", (0.04, 0.15)), ("hf", (0.15, 0.4)))
    }
    return {
        "mean_rr_ms": nn.mean(), "sdnn_ms": nn.std(), "rmssd_ms": np.sqrt(np.mean(steps**2)),
        "nn50": (np.abs(steps) > 50).sum(), "pnn50": (np.abs(steps) > 50).mean(), "mean_hr": hr.mean(),
        "sd_hr": hr.std(), "cv_rr": nn.std() / nn.mean(), "lf_ms2": power["lf"], "hf_ms2": power["hf"],
        "lf_hf": power["lf"] / power["hf"], "lf_plus_hf_ms2": power["lf"] + power["hf"],
    }  # fmt: skip


def test_s1_10_there_are_22_names_all_different():
    assert len(ecg.names()) == len(set(ecg.names())) == 22
    assert len(ecg.valid_names()) == 12
    assert {block_of(n) for n in ecg.names() + ecg.valid_names()} == {"ecg time", "ecg frequency", "ecg shape"}


def test_every_rhythm_feature_equals_the_plain_formula():
    got, ready, windows, _ = features(two_leads(400))
    lead = ready.signals[0]
    beat_s = beats.detect_r_peaks(lead.data, 256.0)
    rr_ms = beats.clean_rr(beat_s)
    for i in range(0, len(windows), 7):
        end = windows.onset_s[i] + 4
        want = plain(beat_s, rr_ms, max(0.0, end - 300), end)
        for name, value in want.items():
            if got[f"valid_ecg_{name}"].iloc[i]:
                assert got[f"ecg_{name}"].iloc[i] == pytest.approx(value, rel=1e-6), (name, i)
            else:
                assert np.isnan(got[f"ecg_{name}"].iloc[i])
    assert got[list(ecg.valid_names())].iloc[-1].all()


def test_every_shape_feature_equals_the_plain_formula():
    got, ready, windows, _ = features(two_leads(20))
    for lead, s in enumerate(ready.signals, 1):
        for i, onset in enumerate(windows.onset_s):
            x = s.data[round(onset * 256) :][:1024]
            want = (x.mean(), x.std(), np.sqrt(np.mean(x**2)), stats.skew(x), stats.kurtosis(x))
            for what, value in zip(ecg.SHAPE, want, strict=True):
                assert got[f"ecg_{what}_{lead}"].iloc[i] == pytest.approx(value, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    "name,least", [("mean_rr_ms", 4), ("rmssd_ms", 30), ("pnn50", 30), ("hf_ms2", 60), ("lf_ms2", 120), ("lf_hf", 120)]
)
def test_d2_a_value_is_given_from_its_shortest_context_on(name, least):
    got, _, windows, _ = features(two_leads(140))
    valid = got[f"valid_ecg_{name}"].to_numpy() == 1
    assert (windows.onset_s + 4)[valid].min() == least
    assert valid[windows.onset_s + 4 >= least].all()
    np.testing.assert_array_equal(valid, np.isfinite(got[f"ecg_{name}"]))


def test_the_context_ends_with_the_window_and_never_reaches_before_the_ecg_or_into_a_baseline():
    made = two_leads(400)
    made = replace(
        made,
        signals=tuple(replace(s, onset_s=10.0) for s in made.signals),
        annotations=(Annotation(10, 50, "Baseline"),),
    )
    quality = assess(made, PIPELINE)
    windows = cut(made, quality, PIPELINE)
    length = dict(zip(windows.onset_s.tolist(), ecg.context_s(made, windows, quality, PIPELINE).tolist(), strict=True))
    assert length[10.0] == 4
    assert length[50.0] == 44  # still inside the baseline: its own past
    assert length[60.0] == 4  # the first window after it
    assert length[96.0] == 40
    assert length[400.0] == 300


def test_a_planted_rhythm_is_measured():
    duration = 310
    beat_s, t = [0.5], 0.5
    while t < duration - 1:
        t += 0.85 + 0.03 * np.sin(2 * np.pi * 0.25 * t)
        beat_s.append(t)
    got, *_ = features(two_leads(duration, np.array(beat_s)))
    last = got.iloc[-1]
    assert last.ecg_mean_hr == pytest.approx(60 / 0.85, abs=0.3)
    assert last.ecg_hf_ms2 == pytest.approx(30**2 / 2, rel=0.15)  # a sine of 30 ms
    assert last.ecg_lf_hf < 0.1


def test_flat_and_missing_ecg_give_missing_values_and_no_error():
    for made in (
        Recording((Signal("I", "ecg", "mV", 256.0, np.zeros(256 * 20)),)),
        Recording((Signal("I", "ecg", "mV", 256.0, np.full(256 * 20, np.nan)),)),
        Recording((Signal("F3", "eeg", "µV", 128.0, np.zeros(128 * 20)),)),
    ):
        got, *_ = features(made)
        assert list(got.columns) == [*ecg.names(), *ecg.valid_names()]
        assert got[list(ecg.names())].isna().all().all()
        assert (got[list(ecg.valid_names())] == 0).all().all()


def test_a_missing_second_lead_is_missing():
    made = two_leads(20)
    got, *_ = features(Recording(made.signals[:1]))
    assert got["ecg_sd_2"].isna().all()
    assert got["ecg_sd_1"].notna().all()


def test_intervals_where_the_lead_was_off_do_not_count():
    made = two_leads(120)
    noisy = made.signals[0].data.copy()
    noisy[256 * 50 : 256 * 70] = np.random.default_rng(0).normal(0, 0.02, 256 * 20)
    spoiled = Recording((replace(made.signals[0], data=noisy),))
    got, _, windows, _ = features(spoiled)
    clean, *_ = features(Recording(made.signals[:1]))
    assert got.ecg_mean_hr.iloc[-1] == pytest.approx(clean.ecg_mean_hr.iloc[-1], abs=0.5)
    assert got.ecg_rmssd_ms.iloc[-1] == pytest.approx(clean.ecg_rmssd_ms.iloc[-1], rel=0.1)
    assert len(windows) == 59
