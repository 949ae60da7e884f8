"""Features of the other signals: requirements d2's rules of validity, S4-09, S5-08; against what was planted."""

from dataclasses import replace

import numpy as np
import pytest

from core import features, simulate
from core.evaluation.table import feature_names
from core.features import FEATURES
from core.pipeline import features_of
from core.types import Annotation, Pipeline, Recording, Signal
from tests.core.synthetic import regular_beats

PIPELINE = Pipeline()
SLOW = tuple(t for t in FEATURES if t not in ("eeg", "ecg"))


def made(recording: Recording, *types: str, pipeline: Pipeline = PIPELINE):
    return features_of(recording, pipeline, types).table


def one(type_: str, unit: str, sfreq: float, x, name: str = "s", **kwargs) -> Recording:
    return Recording((Signal(name, type_, unit, sfreq, np.asarray(x, dtype=float)),), **kwargs)


@pytest.fixture(scope="module")
def wrist() -> Recording:
    return simulate.wrist(seed=3, duration_s=300, pulse_rate=75, rmssd=40, scr_rate=6, scl=5.0)


def test_every_type_has_names_that_no_other_has_and_each_belongs_to_one_block():
    every = [name for module in FEATURES.values() for name in module.names()]
    assert len(every) == len(set(every))
    for type_, module in FEATURES.items():
        assert {features.block_of(name).split()[0] for name in module.names()} == {type_}
        assert features.block_of(f"valid_{module.names()[0]}") == features.block_of(module.names()[0])
    with pytest.raises(KeyError):
        features.block_of("nothing")


@pytest.mark.parametrize("type_", SLOW)
def test_the_table_has_the_names_its_module_says_and_models_learn_from_them(type_):
    table = made(one(type_, "", 64.0, np.random.default_rng(0).normal(20, 5, 64 * 30)), type_)
    names = list(FEATURES[type_].names())
    assert list(table.columns) == names + [f"valid_{n}" for n in names]
    assert feature_names((type_,)) == names
    for name in names:
        assert (table[f"valid_{name}"] == np.isfinite(table[name])).all()


def test_the_set_of_features_is_named_after_its_types():
    assert features.set_of(("eeg", "ecg")) == Pipeline().features
    assert features.set_of(("eda", "ppg")) == "eda19+ppg19/1"


# --- EDA


def test_level_and_responses_of_the_skin_are_those_that_were_planted(wrist):
    table = made(wrist, "eda")
    late = table.iloc[40:]  # whole minutes
    signal = wrist.of_type("eda")[0].data
    assert late["eda_level_us"].mean() == pytest.approx(signal[200:].mean(), rel=0.03)
    assert late["eda_scr_min"].mean() == pytest.approx(6, abs=0.6)
    assert 0.2 < late["eda_scr_amplitude_us"].mean() < 0.8
    assert (late["eda_scr_sum_us_min"] >= late["eda_scr_max_us"]).all()
    assert 0.5 < late["eda_scr_rise_s"].mean() < 4


def test_a_straight_rise_of_the_level_has_its_slope_and_no_response():
    t = np.arange(0, 180, 0.25)
    table = made(one("eda", "µS", 4.0, 2 + t / 60 * 0.3 + np.random.default_rng(0).normal(0, 0.001, len(t))), "eda")
    assert table["eda_slope_us_min"].iloc[-1] == pytest.approx(0.3, rel=0.02)
    assert table["eda_scr_min"].iloc[-1] == 0
    assert table["eda_scr_max_us"].iloc[-1] == 0
    assert np.isnan(table["eda_scr_amplitude_us"].iloc[-1])
    assert table["eda_tonic_us"].iloc[-1] <= table["eda_level_us"].iloc[-1]


def test_small_responses_of_a_low_level_are_counted_against_the_level():
    t = np.arange(0, 120, 0.25)
    x = np.full(len(t), 0.3) + np.random.default_rng(0).normal(0, 0.0002, len(t))
    for onset in range(10, 115, 15):
        lag = np.maximum(t - onset, 0)
        x = x + 0.05 * (np.exp(-lag / 4) - np.exp(-lag / 0.9))
    last = made(one("eda", "µS", 4.0, x), "eda").iloc[-1]
    assert last["eda_scr_min"] == 0
    assert last["eda_scr_relative_min"] == pytest.approx(3, abs=0.1)


# --- PPG


def test_pulse_rate_and_height_are_those_that_were_planted(wrist):
    last = made(wrist, "ppg").iloc[-1]
    assert last["ppg_rate"] == pytest.approx(75, abs=1)
    assert last["ppg_rate_last"] == pytest.approx(75, abs=4)
    assert last["ppg_amplitude"] == pytest.approx(80, rel=0.25)
    assert last["ppg_valid_share"] > 0.9
    assert last["ppg_amplitude_cv"] < 0.2


@pytest.mark.parametrize("sfreq", [32.0, 64.0, 250.0])
def test_variability_of_the_pulse_is_that_of_the_planted_pulses(sfreq):
    pulse_s = regular_beats(150, rate=70, jitter_ms=40, seed=1)
    t = np.arange(int(150 * sfreq)) / sfreq
    x = sum(np.exp(-0.5 * ((t - at) / 0.1) ** 2) + 0.3 * np.exp(-0.5 * ((t - at - 0.3) / 0.1) ** 2) for at in pulse_s)
    last = made(one("ppg", "au", sfreq, 50 * x + np.random.default_rng(0).normal(0, 0.5, len(t))), "ppg").iloc[-1]
    rr = np.diff(pulse_s) * 1000
    assert last["ppg_rmssd_ms"] == pytest.approx(np.sqrt(np.mean(np.diff(rr) ** 2)), rel=0.1)
    assert last["ppg_sdnn_ms"] == pytest.approx(rr.std(), rel=0.1)


@pytest.mark.parametrize("duration_s,there,gone", [(28, "ppg_rate", "ppg_rmssd_ms"), (50, "ppg_rmssd_ms", "ppg_hf_ms2"),
                                                   (100, "ppg_hf_ms2", "ppg_lf_ms2")])  # fmt: skip
def test_variability_of_the_pulse_needs_its_length(duration_s, there, gone):
    last = made(simulate.wrist(seed=1, duration_s=duration_s), "ppg").iloc[-1]
    assert last[f"valid_{there}"] == 1
    assert last[f"valid_{gone}"] == 0
    assert np.isnan(last[gone])


def test_variability_is_not_given_where_too_few_pulses_are_valid_and_the_rate_is():
    whole = simulate.wrist(seed=2, duration_s=120, pulse_rate=70)
    pulse = whole.of_type("ppg")[0]
    x = pulse.data.copy()
    rng = np.random.default_rng(0)
    for start in range(0, 120, 10):  # eight seconds of every ten are shaken
        at = slice(64 * start, 64 * (start + 8))
        x[at] = 300 * rng.normal(size=len(x[at])).cumsum() / 8
    last = made(Recording((replace(pulse, data=x),)), "ppg").iloc[-1]
    assert last["ppg_valid_share"] < 0.5
    assert np.isnan(last["ppg_rmssd_ms"])


# --- every slow type


@pytest.mark.parametrize("type_", SLOW)
@pytest.mark.parametrize("sfreq,n", [(1.0, 300), (1.0, 3), (0.5, 20), (4.0, 1), (19.87, 900), (128.0, 1280)])
def test_nothing_that_is_recorded_raises(type_, sfreq, n):
    rng = np.random.default_rng(0)
    for x in (rng.normal(20, 5, n), np.zeros(n), np.full(n, np.nan), np.full(n, np.inf), np.full(n, 33.0)):
        table = made(one(type_, "", sfreq, x), type_)
        assert not np.isinf(table.to_numpy()).any()


def cut(recording: Recording, seconds: float) -> Recording:
    return replace(
        recording, signals=tuple(replace(s, data=s.data[: round(seconds * s.sfreq)]) for s in recording.signals)
    )


def test_features_do_not_know_what_comes_later(wrist):
    """Five minutes and their first three have the same rows, but for the last seconds that the filters see."""
    whole, part = (made(r, "eda", "ppg") for r in (wrist, cut(wrist, 180)))
    rows = len(part) - 6
    worst = (whole.iloc[:rows] - part.iloc[:rows]).abs().max() / whole.iloc[:rows].abs().max()
    assert worst.max() < 0.03


def test_no_context_reaches_back_into_the_baseline():
    rest, task = (simulate.wrist(seed=4, duration_s=60, scl=level) for level in (2.0, 8.0))
    joined = Recording(
        tuple(replace(a, data=np.concatenate((a.data, b.data))) for a, b in
              zip(rest.signals, task.signals, strict=True)),
        annotations=(Annotation(0.0, 60.0, "baseline"),),
    )  # fmt: skip
    table = made(joined, "eda")
    assert table["eda_level_us"].iloc[28] == pytest.approx(2, abs=0.4)
    assert table["eda_level_us"].iloc[30] == pytest.approx(8, abs=0.4)  # the first window after it
    assert table["valid_eda_scr_min"].iloc[30] == 0


def test_what_quality_does_not_let_be_used_is_in_no_feature():
    x = np.full(480, 3.0) + 0.001 * np.arange(480) + np.random.default_rng(0).normal(0, 0.002, 480)
    x[200:280] = 0.0  # no contact for 20 s
    table = made(one("eda", "µS", 4.0, x), "eda")
    assert table["eda_level_us"].iloc[-1] == pytest.approx(3.4, abs=0.15)
    assert table["eda_scr_min"].iloc[-1] == 0


def test_features_keep_the_unit_of_what_was_recorded(wrist):
    twice = replace(wrist, signals=tuple(replace(s, data=2 * s.data) if s.type == "eda" else s for s in wrist.signals))
    a, b = made(wrist, "eda"), made(twice, "eda")
    assert np.nanmedian(b["eda_level_us"] / a["eda_level_us"]) == pytest.approx(2, rel=1e-6)
    assert np.nanmedian(b["eda_cv"] / a["eda_cv"]) == pytest.approx(1, rel=1e-6)
