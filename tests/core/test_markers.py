"""Markers: design 2, requirements d1 (G1, G2), d4; values against what was planted and against scipy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from core.markers import MARKERS, compute, interval
from core.preprocess import filtered
from core.quality import assess
from core.settings import EPOC_14, FRONTAL_PAIRS, MEASURE_UNITS
from core.types import Pipeline, Reason, Recording, Signal
from tests.core.synthetic import brain, eeg_signals, heart, recording, regular_beats

PIPELINE = Pipeline()


def markers(made: Recording) -> dict:
    quality = assess(made, PIPELINE)
    return {m.name: m for m in compute(filtered(made, PIPELINE), quality, PIPELINE)}


def ecg(duration_s=90.0, noise=0.01, **kwargs) -> Recording:
    x = heart(regular_beats(duration_s, **kwargs), duration_s)
    return Recording((Signal("ECG", "ecg", "mV", 256.0, x + np.random.default_rng(0).normal(0, noise, len(x))),))


def one(type_, unit, sfreq, x) -> Recording:
    return Recording((Signal("s", type_, unit, sfreq, np.asarray(x, dtype=float)),))


def test_every_marker_of_a_recorded_type_has_a_value_with_interval_and_unit_or_a_reason():
    found = markers(recording(60))
    assert list(found) == ["heart_rate", "rmssd", "alpha_asymmetry", "engagement", "alpha_peak"]
    for m in found.values():
        assert m.kind == "marker"
        assert m.unit == MEASURE_UNITS[m.name]
        assert m.low < m.value < m.high
    assert set(MARKERS) <= set(MEASURE_UNITS)


def test_markers_are_the_same_twice():
    made = recording(30)
    assert markers(made) == markers(made)


# --- heart


@pytest.mark.parametrize("rate", [45, 62, 70, 95, 150])
def test_heart_rate_is_within_1_of_the_truth(rate):
    beat_s = regular_beats(90, rate=rate, jitter_ms=25)
    m = markers(ecg(90, rate=rate, jitter_ms=25))["heart_rate"]
    assert m.value == pytest.approx(60 / np.diff(beat_s).mean(), abs=0.3)
    assert m.low < m.value < m.high


@pytest.mark.parametrize("rate", [55, 70, 100])
def test_heart_rate_of_neurokits_simulated_ecg_is_within_1(rate):
    import neurokit2 as nk

    x = nk.ecg_simulate(duration=60, sampling_rate=256, heart_rate=rate, heart_rate_std=0.5, random_state=1)
    assert markers(one("ecg", "mV", 256.0, x))["heart_rate"].value == pytest.approx(rate, abs=1.0)


def test_rmssd_is_that_of_the_planted_beats():
    beat_s = regular_beats(120, jitter_ms=40)
    truth = np.sqrt(np.mean(np.diff(np.diff(beat_s) * 1000) ** 2))
    m = markers(ecg(120, jitter_ms=40))["rmssd"]
    assert m.value == pytest.approx(truth, rel=0.05)
    assert m.low < truth < m.high


@pytest.mark.parametrize("duration,reason", [(59, Reason.TOO_SHORT), (60, None)])
def test_rmssd_needs_a_minute(duration, reason):
    found = markers(ecg(duration))
    assert found["rmssd"].reason == reason
    assert found["heart_rate"].value is not None


def test_d4_a_marginal_or_poor_ecg_says_low_quality():
    for noise in (0.35, 3.0):
        found = markers(ecg(noise=noise))
        assert found["heart_rate"].reason is Reason.LOW_QUALITY
        assert found["rmssd"].reason is Reason.LOW_QUALITY


def test_a_bad_eeg_does_not_hide_a_good_heart_rate():
    made = recording(60)
    dead = replace(made, signals=tuple(replace(s, data=0 * s.data) if s.type == "eeg" else s for s in made.signals))
    found = markers(dead)
    assert found["heart_rate"].value == pytest.approx(70, abs=1)
    assert found["alpha_asymmetry"].reason is Reason.LOW_QUALITY


# --- EEG


def asymmetric(duration_s=60.0, planted=0.4, seed=0):
    channels = brain(duration_s, seed=seed)
    t = np.arange(len(channels["F3"])) / 128
    rng = np.random.default_rng(seed)
    wave = signal.sosfiltfilt(signal.butter(2, (8.5, 12), "bandpass", fs=128, output="sos"), rng.normal(size=len(t)))
    for left, right in FRONTAL_PAIRS:
        channels[left] = channels[left] + 40 * wave * np.exp(-planted / 4)
        channels[right] = channels[right] + 40 * wave * np.exp(planted / 4)
    return Recording(eeg_signals(channels))


@pytest.mark.parametrize(
    ("sfreq", "gone"), [(20, {"alpha_asymmetry", "engagement"}), (40, {"engagement"}), (64, set())]
)
def test_a_band_that_the_rate_does_not_hold_is_not_computed_from_a_part_of_it(sfreq, gone):
    found = markers(Recording(eeg_signals(brain(30, sfreq), sfreq)))
    without = {n for n in ("alpha_asymmetry", "engagement") if found[n].reason is Reason.NOT_SUPPORTED}
    assert without == gone


@pytest.mark.parametrize("planted", [0.6, -0.6])
def test_alpha_asymmetry_is_what_scipys_welch_gives(planted):
    made = asymmetric(planted=planted)
    clean = {s.name: s.data for s in filtered(made, PIPELINE).signals}

    def alpha(ch):
        freqs, psd = signal.welch(clean[ch], 128, nperseg=256)
        return psd[(freqs >= 8) & (freqs < 13)].sum()

    want = np.mean([np.log(alpha(r)) - np.log(alpha(le)) for le, r in FRONTAL_PAIRS])
    m = markers(made)["alpha_asymmetry"]
    assert m.value == pytest.approx(want, rel=0.1)
    assert np.sign(m.value) == np.sign(planted)
    assert m.low < m.value < m.high


def test_engagement_is_what_scipys_welch_gives():
    made = recording(60)
    clean = {s.name: s.data for s in filtered(made, PIPELINE).of_type("eeg")}
    freqs, psd = signal.welch(np.array([clean[c] for c in ("AF3", "F3", "F4", "AF4")]), 128, nperseg=256)
    beta, alpha, theta = (
        psd[:, (freqs >= lo) & (freqs < hi)].sum(axis=1).mean() for lo, hi in ((13, 30), (8, 13), (4, 8))
    )
    assert markers(made)["engagement"].value == pytest.approx(np.log(beta / (alpha + theta)), abs=0.02)


def test_pairs_that_are_present_give_the_asymmetry_and_none_gives_a_reason():
    made = asymmetric()
    some = Recording(tuple(s for s in made.signals if s.name in ("F3", "F4", "O1", "O2")))
    assert markers(some)["alpha_asymmetry"].value is not None
    back = Recording(tuple(s for s in made.signals if s.name in ("P7", "P8", "O1", "O2")))
    assert markers(back)["alpha_asymmetry"].reason is Reason.MISSING_CHANNEL
    assert markers(back)["engagement"].reason is Reason.MISSING_CHANNEL


@pytest.mark.parametrize("hz", [8.7, 10.0, 11.3])
def test_the_alpha_peak_is_found_where_it_was_planted(hz):
    channels = brain(60, seed=3)
    t = np.arange(7680) / 128
    for i, ch in enumerate(channels):
        channels[ch] = channels[ch] - 7 * np.sin(2 * np.pi * 10 * t + 0.2 * i) + 7 * np.sin(2 * np.pi * hz * t)
    assert markers(Recording(eeg_signals(channels)))["alpha_peak"].value == pytest.approx(hz, abs=0.15)


def test_a_spectrum_without_a_peak_has_none():
    channels = brain(60, seed=4)
    t = np.arange(7680) / 128
    flat = {ch: x - 7 * np.sin(2 * np.pi * 10 * t + 0.2 * i) for i, (ch, x) in enumerate(channels.items())}
    assert markers(Recording(eeg_signals(flat)))["alpha_peak"].reason is Reason.NO_PEAKS


def test_five_seconds_have_the_markers_that_five_seconds_allow():
    found = markers(recording(5))
    assert found["heart_rate"].value == pytest.approx(70, abs=3)
    assert found["alpha_asymmetry"].value is not None
    assert found["alpha_asymmetry"].low is not None
    assert found["alpha_peak"].reason is Reason.TOO_SHORT


# --- slow signals


def test_skin_conductance_level_and_responses():
    t = np.arange(0, 300, 0.25)
    x = 2 + np.random.default_rng(0).normal(0, 0.003, len(t))
    for onset in np.arange(15, 290, 20.0):
        lag = np.maximum(t - onset, 0)
        x = x + 0.6 * (np.exp(-lag / 4) - np.exp(-lag))
    found = markers(one("eda", "µS", 4.0, x))
    assert found["scl"].value == pytest.approx(x.mean(), rel=0.02)
    assert found["scr_rate"].value == pytest.approx(14 / 5, abs=0.21)
    assert found["scr_rate"].low < 14 / 5 < found["scr_rate"].high


def test_a_silent_electrode_gives_a_reason_and_a_level():
    found = markers(one("eda", "µS", 4.0, 1.5 + np.random.default_rng(0).normal(0, 0.002, 1200)))
    assert found["scr_rate"].reason is Reason.NO_PEAKS
    assert found["scl"].value == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize("sfreq", [1.0, 10.0, 100.0])
def test_breathing_rate_at_any_rate(sfreq):
    t = np.arange(int(180 * sfreq)) / sfreq
    x = np.sin(2 * np.pi * 0.23 * t) + 0.1 * np.random.default_rng(0).normal(size=len(t))
    assert markers(one("resp", "au", sfreq, x))["breathing_rate"].value == pytest.approx(13.8, abs=0.6)


def test_skin_temperature_and_movement():
    rng = np.random.default_rng(0)
    assert markers(one("temp", "°C", 4.0, 33 + 0.01 * rng.normal(size=400)))["skin_temperature"].value == pytest.approx(
        33, abs=0.01
    )
    still = [np.zeros(3200), np.zeros(3200), np.full(3200, 1.03)]
    moving = [a + 0.1 * rng.normal(size=3200) for a in still]
    values = [
        markers(Recording(tuple(Signal(n, "acc", "g", 32.0, a) for n, a in zip("xyz", axes, strict=True))))[
            "movement"
        ].value
        for axes in (still, moving)
    ]
    assert values[0] == pytest.approx(0, abs=1e-9)
    assert values[1] == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.1)


def test_smile_is_a_share_of_frames():
    x = np.zeros(1000)
    x[200:450] = 3.2
    made = Recording((Signal("AU12_r", "face", "au", 25.0, x), Signal("AU04_r", "face", "au", 25.0, x * 0)))
    assert markers(made)["smile"].value == pytest.approx(0.25, abs=0.03)
    assert markers(Recording((Signal("AU04_r", "face", "au", 25.0, x),)))["smile"].reason is Reason.MISSING_CHANNEL
    # an intensity of 0.3 is no smile on OpenFace's scale of 5, and one on a scale of 1
    for name, share in (("AU12_r", 0.0), ("AU12", 0.25)):
        made = Recording((Signal(name, "face", "au", 25.0, x * 0.3 / 3.2), Signal("AU04", "face", "au", 25.0, x * 0)))
        assert markers(made)["smile"].value == pytest.approx(share, abs=0.03)


def test_pulse_rate_of_a_real_wrist_band_is_that_of_the_device(shared_data):
    folder = shared_data / "formats" / "empatica_e4" / "S05"
    x = np.loadtxt(folder / "BVP.csv")[2:]
    device = np.loadtxt(folder / "HR.csv")[2:]
    m = markers(one("ppg", "au", 64.0, x))["pulse_rate"]
    assert m.value == pytest.approx(device.mean(), abs=3)


# --- degenerate inputs


@pytest.mark.parametrize("type_", ["eeg", "ecg", "eda", "ppg", "resp", "temp", "acc", "emg", "eog", "face"])
@pytest.mark.parametrize("sfreq,n", [(1.0, 300), (1.0, 3), (0.5, 20), (128.0, 0), (19.87, 900), (128.0, 7680)])
def test_no_signal_of_any_kind_raises(type_, sfreq, n):
    rng = np.random.default_rng(0)
    for x in (rng.normal(20, 5, n), np.zeros(n), np.full(n, np.nan), np.full(n, 33.0)):
        name = {"eeg": "F3", "face": "smile"}.get(type_, "s")
        for m in markers(Recording((Signal(name, type_, "", sfreq, x),))).values():
            assert (m.value is None) != (m.reason is None)
            assert m.value is None or np.isfinite(m.value)


def test_white_noise_in_all_channels_gives_no_heart_rate():
    x = np.random.default_rng(0).normal(0, 0.3, 256 * 60)
    assert markers(one("ecg", "mV", 256.0, x))["heart_rate"].reason is Reason.LOW_QUALITY


def test_the_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        found = interval(rng.normal(5, 1, (60, 1)), lambda mean: mean[:, 0])
        hits += found.low <= 5 <= found.high
    assert 85 <= hits <= 100


def test_one_piece_has_a_value_and_no_interval():
    found = interval(np.array([[3.0]]), lambda mean: mean[:, 0])
    assert (found.value, found.low, found.high) == (3.0, None, None)


def test_the_names_of_the_montage_are_the_pairs_of_the_asymmetry():
    assert {ch for pair in FRONTAL_PAIRS for ch in pair} <= set(EPOC_14)


def test_a_probe_inside_the_body_says_nothing_of_the_skin():
    probe = Signal("Temp rectal", "temp", "°C", 1.0, np.full(120, 37.2, dtype=np.float32))
    assert markers(Recording((probe,)))["skin_temperature"].reason is Reason.NOT_SUPPORTED


# --- the pulse, responses, muscles, eyes and micro-expressions


def pulses(duration_s=120.0, sfreq=64.0, **kwargs) -> tuple[Recording, np.ndarray]:
    beat_s = regular_beats(duration_s, **kwargs)
    t = np.arange(int(duration_s * sfreq)) / sfreq
    x = sum(np.exp(-0.5 * ((t - at) / 0.1) ** 2) for at in beat_s)
    return one("ppg", "au", sfreq, 60 * x + np.random.default_rng(0).normal(0, 0.5, len(t))), beat_s


def test_the_pulse_has_its_rmssd_from_a_minute_on():
    made, beat_s = pulses(jitter_ms=40)
    m = markers(made)["pulse_rmssd"]
    assert m.value == pytest.approx(np.sqrt(np.mean(np.diff(np.diff(beat_s) * 1000) ** 2)), rel=0.1)
    assert m.low < m.value < m.high
    short = markers(pulses(59)[0])
    assert short["pulse_rmssd"].reason is Reason.TOO_SHORT
    assert short["pulse_rate"].value is not None


def test_a_pulse_that_is_lost_half_of_the_time_has_a_rate_and_no_rmssd():
    made, _ = pulses(180, jitter_ms=20)
    x = made.signals[0].data.copy()
    rng = np.random.default_rng(1)
    for start in range(0, 180, 6):  # four seconds of every six
        at = slice(64 * start, 64 * (start + 4))
        x[at] = 200 * rng.normal(size=256)
    found = markers(one("ppg", "au", 64.0, x))
    assert found["pulse_rmssd"].reason in (Reason.LOW_QUALITY, Reason.TOO_FEW)


def test_responses_have_their_size():
    t = np.arange(0, 300, 0.25)
    x = 2 + np.random.default_rng(0).normal(0, 0.002, len(t))
    for onset in np.arange(15, 290, 20.0):
        lag = np.maximum(t - onset, 0)
        x = x + 0.6 * (np.exp(-lag / 4) - np.exp(-lag))
    m = markers(one("eda", "µS", 4.0, x))["scr_amplitude"]
    assert m.value == pytest.approx(0.6 * (4 ** (-1 / 3) - 4 ** (-4 / 3)), rel=0.1)
    assert m.low <= m.value <= m.high
    assert markers(one("eda", "µS", 4.0, 0 * t + 2 + 1e-4 * np.sin(t)))["scr_amplitude"].reason is Reason.NO_PEAKS


def test_a_muscle_has_its_strength_in_microvolts():
    x = np.random.default_rng(0).normal(0, 10, 1000 * 30) + 300 * np.sin(np.arange(30000) / 5000)  # and it moves
    m = markers(one("emg", "µV", 1000.0, x))["muscle_activity"]
    assert m.value == pytest.approx(10 * np.sqrt((450 - 20) / 500), rel=0.05)
    assert m.low < m.value < m.high
    assert markers(one("emg", "µV", 64.0, x))["muscle_activity"].reason is Reason.NOT_SUPPORTED


def test_blinks_are_counted_a_minute():
    t = np.arange(128 * 60) / 128
    x = np.random.default_rng(0).normal(0, 5, len(t))
    calm = x.copy()
    for at in np.arange(2, 59, 5.0):
        x += 180 * np.exp(-0.5 * ((t - at) / 0.07) ** 2)
    m = markers(one("eog", "µV", 128.0, x))["blink_rate"]
    assert m.value == pytest.approx(12, abs=0.5)
    assert m.low < 12 < m.high
    assert markers(one("eog", "µV", 128.0, calm))["blink_rate"].reason is Reason.NO_PEAKS
    assert markers(one("eog", "µV", 20.0, x))["blink_rate"].reason is Reason.NOT_SUPPORTED


def test_micro_expressions_of_units_that_move_together_are_one():
    t = np.arange(30 * 60) / 30
    brow = np.full(len(t), 0.1)
    for at in (5, 20, 35, 50):
        brow += 3 * np.exp(-0.5 * ((t - at) / 0.06) ** 2)
    lip = np.full(len(t), 0.1) + 3 * np.exp(-0.5 * ((t - 12) / 0.06) ** 2)
    long = np.full(len(t), 0.1) + 3 * np.exp(-0.5 * ((t - 30) / 1.0) ** 2)

    def count(**columns):
        signals = tuple(Signal(n, "face", "au", 30.0, np.asarray(x)) for n, x in columns.items())
        return markers(Recording(signals))["microexpressions"]

    assert count(AU04_r=brow, AU01_r=brow).value == pytest.approx(4)
    assert count(AU04_r=brow, AU15_r=lip).value == pytest.approx(5)
    assert count(AU04_r=long).reason is Reason.NO_PEAKS
    assert count(AU45_r=brow).reason is Reason.MISSING_CHANNEL  # a blink
    assert count(AU04_c=(brow > 1).astype(float)).reason is Reason.MISSING_CHANNEL  # presence is no height
