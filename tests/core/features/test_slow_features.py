"""Features of the other signals: requirements d2's rules of validity, S4-09, S5-08; against what was planted."""

from dataclasses import replace

import numpy as np
import pytest

from core import features, simulate
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
    assert features.names((type_,)) == names
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


# --- respiration, temperature, movement


def breathing(rate, seconds=120.0, sfreq=25.0, inhale=0.4):
    """Breaths of one shape: up over ``inhale`` of their length, down over the rest; from -1 to 1."""
    phase = np.arange(int(seconds * sfreq)) / sfreq * rate / 60 % 1
    return np.where(phase < inhale, -np.cos(np.pi * phase / inhale), np.cos(np.pi * (phase - inhale) / (1 - inhale)))


@pytest.mark.parametrize("rate", [8, 14, 24])
def test_breaths_have_their_rate_depth_and_timing(rate):
    x = 3 * breathing(rate) + np.random.default_rng(0).normal(0, 0.05, 3000)
    last = made(one("resp", "au", 25.0, x), "resp").iloc[-1]
    assert last["resp_rate"] == pytest.approx(rate, abs=0.3)
    assert last["resp_depth"] == pytest.approx(6, rel=0.15)
    assert last["resp_depth_cv"] < 0.1
    assert last["resp_length_cv"] < 0.1
    assert last["resp_ie_ratio"] == pytest.approx(0.4 / 0.6, rel=0.25)


def test_ten_seconds_of_breath_are_too_short():
    table = made(one("resp", "au", 25.0, breathing(15, seconds=60)), "resp")
    assert np.isnan(table["resp_rate"].iloc[2])
    assert table["resp_rate"].iloc[-1] == pytest.approx(15, abs=0.3)


def test_temperature_has_its_mean_and_slope():
    t = np.arange(0, 120, 0.25)
    last = made(one("temp", "°C", 4.0, 32 + 0.5 * t / 60), "temp").iloc[-1]
    assert last["temp_mean_c"] == pytest.approx(32 + 0.5 * 1.5, abs=0.01)
    assert last["temp_slope_c_min"] == pytest.approx(0.5, abs=0.001)
    assert last["temp_sd_c"] == pytest.approx(0.5 / np.sqrt(12), rel=0.02)


def test_walking_has_its_rhythm_and_a_hand_at_rest_is_still():
    t = np.arange(32 * 120) / 32
    rng = np.random.default_rng(0)
    axes = [np.zeros(len(t)), np.zeros(len(t)), 1.0 + np.where(t > 60, 0.3 * np.sin(2 * np.pi * 1.8 * t), 0)]
    walk = Recording(tuple(
        Signal(f"ACC_{n}", "acc", "g", 32.0, a + rng.normal(0, 0.002, len(t))) for n, a in zip("xyz", axes, strict=True)
    ))  # fmt: skip
    table = made(walk, "acc")
    assert table["acc_rhythm_hz"].iloc[-1] == pytest.approx(1.8, abs=0.26)
    assert table["acc_movement_g"].iloc[-1] == pytest.approx(0.3 * 2 / np.pi, rel=0.05)
    assert table["acc_still"].iloc[-1] == 0
    assert table["acc_still"].iloc[27] == 1
    assert table["acc_movement_g"].iloc[27] < 0.01


# --- muscles, eyes, intervals


def test_a_muscle_has_its_strength_frequency_and_active_share_by_site():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, 512 * 120)
    x[512 * 60 :] *= np.where(np.arange(512 * 60) // 512 % 2, 10, 1)  # active every second second
    signals = (Signal("Zygomaticus", "emg", "µV", 512.0, x), Signal("EMG2", "emg", "µV", 512.0, 0.5 * x))
    table = made(Recording(signals), "emg")
    assert table["emg_zygomaticus_active"].iloc[-1] == pytest.approx(0.5, abs=0.05)
    assert table["emg_zygomaticus_active"].iloc[27] < 0.05
    ratio = table["emg_zygomaticus_rms_uv"] / table["emg_other_rms_uv"]
    assert ratio.to_numpy() == pytest.approx(2, rel=1e-6)
    flat = np.sqrt((230 - 20) / 256) * 2  # white noise in the band that is kept
    assert table["emg_zygomaticus_rms_uv"].iloc[5] == pytest.approx(flat, rel=0.1)
    assert 100 < table["emg_zygomaticus_median_hz"].iloc[5] < 150
    assert table["emg_trapezius_rms_uv"].isna().all()


def test_blinks_are_counted_with_their_height_either_way_up():
    t = np.arange(128 * 120) / 128
    x = np.random.default_rng(0).normal(0, 5, len(t))
    for at in np.arange(2, 119, 4.0):
        x += 200 * np.exp(-0.5 * ((t - at) / 0.07) ** 2)
    for way in (1, -1):
        last = made(Recording((Signal("VEOG", "eog", "µV", 128.0, way * x),)), "eog").iloc[-1]
        assert last["eog_blink_min"] == pytest.approx(15, abs=1)
        assert last["eog_blink_uv"] == pytest.approx(200, rel=0.2)
        assert 0.1 < last["eog_blink_s"] < 0.25


def test_a_list_of_intervals_has_the_rhythm_of_an_ecg():
    rr_ms = 800 + 30 * np.sin(np.arange(400) * 0.8)
    beat_s = np.concatenate(([0.0], np.cumsum(rr_ms) / 1000))
    t = np.arange(0, beat_s[-1], 0.25)
    x = rr_ms[np.clip(np.searchsorted(beat_s, t, side="right") - 1, 0, 399)]
    last = made(one("rr", "ms", 4.0, x), "rr").iloc[-1]
    assert last["rr_mean_rr_ms"] == pytest.approx(800, abs=2)
    assert last["rr_rmssd_ms"] == pytest.approx(np.sqrt(np.mean(np.diff(rr_ms) ** 2)), rel=0.05)
    assert np.isfinite(last["rr_lf_hf"])


# --- the face


def faces(**columns) -> Recording:
    return Recording(tuple(Signal(n, "face", "au", 30.0, np.asarray(x, dtype=float)) for n, x in columns.items()))


def test_a_face_has_the_dynamics_of_its_units_and_the_same_columns_whoever_scored_it():
    t = np.arange(30 * 90) / 30
    smile = np.where((t % 10) < 5, 2.5 * np.sin(np.pi * (t % 5) / 5) ** 2, 0.0)  # every ten seconds, to half scale
    openface, affectiva = made(faces(AU12_r=smile), "face"), made(faces(Smile=20 * smile, Attention=95 + 0 * t), "face")
    last = openface.iloc[-1]
    assert last["face_au12_max"] == pytest.approx(0.5, abs=0.01)
    assert last["face_au12_mean"] == pytest.approx(0.125, abs=0.01)
    assert last["face_au12_peaks_min"] == pytest.approx(6, abs=0.01)
    occurs = (smile[-1800:] / 5 > 0.1).mean()
    assert last["face_au12_share"] == pytest.approx(occurs, abs=0.01)
    assert abs(last["face_au12_slope_min"]) < 0.1
    assert np.isnan(last["face_joy_mean"])
    assert list(openface.columns) == list(affectiva.columns)
    np.testing.assert_allclose(openface["face_au12_mean"], affectiva["face_au12_mean"], rtol=1e-6)


def test_micro_expressions_are_counted_by_the_minute_and_lost_frames_are_not_time():
    t = np.arange(30 * 60) / 30
    x = np.full(len(t), 0.2)
    for at in range(5, 60, 10):
        x += 2 * np.exp(-0.5 * ((t - at) / 0.06) ** 2)
    last = made(faces(AU04_r=x), "face").iloc[-1]
    assert last["face_au04_micro_min"] == pytest.approx(6, abs=0.01)
    assert last["face_au04_micro_height"] == pytest.approx(0.4, abs=0.04)
    calm = made(faces(AU04_r=np.full(1800, 0.2)), "face").iloc[-1]
    assert calm["face_au04_micro_min"] == 0
    assert np.isnan(calm["face_au04_micro_height"])
