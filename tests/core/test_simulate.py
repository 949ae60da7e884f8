"""What is planted comes back out, measured here with plain scipy."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.signal import find_peaks, welch

from core import simulate
from core.settings import BANDS, EPOC_14, FRONTAL_PAIRS

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def eeg(recording):
    return np.array([s.data for s in recording.of_type("eeg")], float)


def ln_band(recording, band):
    sfreq = recording.of_type("eeg")[0].sfreq
    freqs, power = welch(eeg(recording), sfreq, nperseg=round(2 * sfreq))
    low, high = BANDS[band]
    return dict(zip(EPOC_14, np.log(power[:, (freqs >= low) & (freqs < high)].sum(axis=1)), strict=True))


def asymmetry(recording):
    ln_alpha = ln_band(recording, "alpha")
    return np.mean([ln_alpha[right] - ln_alpha[left] for left, right in FRONTAL_PAIRS])


def beats(recording):
    lead = recording.of_type("ecg")[0]
    return find_peaks(lead.data, height=0.6, distance=int(0.3 * lead.sfreq))[0] / lead.sfreq


@pytest.mark.parametrize("planted", [-0.4, 0.0, 0.3])
def test_alpha_asymmetry_is_what_was_planted(planted):
    found = asymmetry(simulate.recording(seed=1, alpha_asymmetry=planted))
    assert found == pytest.approx(planted, abs=0.03)


@pytest.mark.parametrize("planted", [9.0, 10.0, 11.5])
def test_alpha_peak_is_where_it_was_planted(planted):
    recording = simulate.recording(seed=2, alpha_peak=planted, duration_s=120)
    rows = [EPOC_14.index(name) for name in ("O1", "O2", "P7", "P8")]
    freqs, power = welch(eeg(recording)[rows], 128, nperseg=512)
    inside = (freqs >= 7) & (freqs <= 14)
    assert freqs[inside][power[:, inside].mean(axis=0).argmax()] == pytest.approx(planted, abs=0.6)


@pytest.mark.parametrize(("heart_rate", "rmssd"), [(55, 60), (70, 35), (110, 15)])
def test_heart_rate_and_rmssd_are_what_was_planted(heart_rate, rmssd):
    recording = simulate.recording(seed=3, heart_rate=heart_rate, rmssd=rmssd, sfreq_ecg=1000, duration_s=120)
    rr_ms = 1000 * np.diff(beats(recording))
    assert 60000 / rr_ms.mean() == pytest.approx(heart_rate, abs=0.3)
    assert np.sqrt(np.mean(np.diff(rr_ms) ** 2)) == pytest.approx(rmssd, rel=0.05)


def test_sampling_rate_does_not_move_band_power():
    slow, fast = (simulate.recording(seed=4, sfreq_eeg=rate, duration_s=120) for rate in (128, 256))
    a, b = (np.mean(list(ln_band(r, "alpha").values())) for r in (slow, fast))
    assert a == pytest.approx(b, abs=0.05)


def test_neighbours_share_signal_and_amplitudes_are_those_of_a_head():
    data = eeg(simulate.recording(seed=5))
    r = np.corrcoef(data)
    near = {"T7": ("FC5", "P7"), "O1": ("O2", "P7"), "AF4": ("AF3", "F4"), "F7": ("F3", "FC5")}
    for name, others in near.items():
        assert all(r[EPOC_14.index(name), EPOC_14.index(other)] > 0.3 for other in others)
    low, high = np.percentile(data, [0.5, 99.5])
    assert 20 < high - low < 150


def test_each_emotion_moves_what_effects_says():
    still = simulate.recording(seed=6)
    moved = {target: simulate.recording(seed=6, effects={target: 1.0}) for target in simulate.EFFECTS}
    planted = simulate.EFFECTS["valence"]["alpha_asymmetry"]
    assert asymmetry(moved["valence"]) - asymmetry(still) == pytest.approx(planted, abs=0.02)

    def tilt(r):
        return np.mean([ln_band(r, "beta")[c] - ln_band(r, "alpha")[c] for c in EPOC_14])

    assert tilt(moved["arousal"]) - tilt(still) == pytest.approx(
        simulate.EFFECTS["arousal"]["beta_over_alpha"], abs=0.02
    )
    theta = [ln_band(moved["dominance"], "theta")[c] - ln_band(still, "theta")[c] for c in ("F3", "F4", "AF3")]
    assert np.mean(theta) == pytest.approx(simulate.EFFECTS["dominance"]["frontal_theta"], abs=0.03)
    rates = [60 / np.diff(beats(r)).mean() for r in (still, moved["arousal"])]
    assert rates[1] - rates[0] == pytest.approx(simulate.EFFECTS["arousal"]["heart_rate"], abs=0.3)


def test_the_same_seed_gives_the_same_samples_and_another_does_not():
    a, b, c = (simulate.recording(seed=seed, person=1, trial=2) for seed in (7, 7, 8))
    assert all(np.array_equal(x.data, y.data) for x, y in zip(a.signals, b.signals, strict=True))
    assert not np.array_equal(a.signals[0].data, c.signals[0].data)


def test_persons_differ_more_than_the_trials_of_one():
    def spectrum(person, trial):
        r = simulate.recording(seed=9, person=person, trial=trial)
        return np.array([list(ln_band(r, b).values()) for b in BANDS]).ravel()

    one = [spectrum(0, t) for t in range(4)]
    between = [spectrum(p, 0) for p in range(4)]
    assert np.std(between, axis=0).mean() > 1.2 * np.std(one, axis=0).mean()


def test_a_baseline_is_annotated_and_knows_nothing_of_the_trial():
    a, b = (simulate.recording(seed=10, person=0, trial=0, baseline_s=20, effects={"arousal": v}) for v in (-1, 1))
    assert a.duration_s == 80
    assert (a.annotations[0].description, a.annotations[0].duration_s) == ("baseline", 20)
    rest, active = slice(0, 19 * 128), slice(21 * 128, None)
    assert np.allclose(eeg(a)[:, rest], eeg(b)[:, rest], atol=1e-3)
    assert not np.allclose(eeg(a)[:, active], eeg(b)[:, active], atol=1e-3)


def test_artefacts_are_where_they_were_put():
    row = EPOC_14.index("F7")
    assert eeg(simulate.recording(seed=1, artefacts=["flat:F7"]))[row].std() == 0
    assert np.isnan(eeg(simulate.recording(seed=1, artefacts=["gap:F7"]))[row]).sum() == 256
    railed = eeg(simulate.recording(seed=1, artefacts=["rail:F7"]))[row]
    assert np.mean(railed == railed.max()) > 0.1
    lonely = np.corrcoef(eeg(simulate.recording(seed=1, artefacts=["lonely:F7"])))[row]
    assert np.sort(np.abs(lonely))[-2] < 0.1
    assert np.ptp(eeg(simulate.recording(seed=1, artefacts=["blink"]))[0]) > 100
    freqs, power = welch(eeg(simulate.recording(seed=1, artefacts=["line"]))[row], 128, nperseg=256)
    assert freqs[power.argmax()] == 50
    with pytest.raises(ValueError, match="earthquake"):
        simulate.recording(seed=1, artefacts=["earthquake"])


def test_a_wrist_band_carries_its_pulse_responses_and_movement():
    recording = simulate.wrist(seed=3, duration_s=300, pulse_rate=75, scr_rate=4, scl=5, movement=0.03)
    ppg, eda = recording.of_type("ppg")[0], recording.of_type("eda")[0]
    peaks = find_peaks(ppg.data, height=30, distance=20)[0] / 64
    assert 60 / np.diff(peaks).mean() == pytest.approx(75, abs=0.5)
    assert len(find_peaks(eda.data, prominence=0.1)[0]) == 20
    assert np.percentile(eda.data, 10) == pytest.approx(5, abs=0.2)
    assert np.std([a.data for a in recording.of_type("acc")], axis=1) == pytest.approx([0.03] * 3, rel=0.1)


@pytest.mark.parametrize("kind", simulate.COURSES)
def test_a_course_has_the_noise_and_the_change_it_says(kind):
    courses = [simulate.patient_course(kind, 20, seed, START) for seed in range(100)]
    valence = np.array([[v["values"]["valence"] for v in c] for c in courses])
    assert courses[0][1]["started_at"] == datetime(2026, 1, 12, 9, tzinfo=UTC)
    assert valence[:, :6].std(axis=1, ddof=1).mean() == pytest.approx(0.08, abs=0.015)
    step = (valence[:, -5:].mean(axis=1) - valence[:, :10].mean(axis=1)).mean() / 0.08
    expected = {"calm": 0, "spike": 0, "shift": -3}.get(kind)
    if expected is not None:
        assert step == pytest.approx(expected, abs=0.35)
    if kind == "drift":
        assert step < -1.5


def test_ratings_are_balanced_within_each_subject():
    study = list(simulate.study(subjects=3, trials=6, trial_s=5, seed=1, baseline_s=0, inputs="ecg"))
    for subject in ("S01", "S02", "S03"):
        for target, (low, high, cut) in simulate.TARGETS.items():
            given = [t.labels[target] for t in study if t.subject == subject]
            assert sum(g > cut for g in given) == 3
            assert all(low <= g <= high for g in given)


def test_an_edf_keeps_rates_units_and_start_and_names_nobody(tmp_path):
    import edfio

    recording = simulate.recording(seed=1, duration_s=10, baseline_s=5, started_at=START)
    edf = edfio.read_edf(simulate.write_edf(recording, tmp_path / "a.edf"))
    assert [s.sampling_frequency for s in edf.signals] == [128] * 14 + [256] * 2
    assert [s.physical_dimension for s in edf.signals] == ["uV"] * 14 + ["mV"] * 2
    assert (edf.startdate, edf.starttime) == (START.date(), START.time())
    assert (edf.patient.name, edf.patient.code) == ("X", "X")
    assert [(a.onset, a.text) for a in edf.annotations] == [(0.0, "baseline")]
    assert np.allclose(edf.signals[0].data, recording.signals[0].data, atol=0.01)


def test_an_e4_export_has_the_layout_of_the_device(tmp_path):
    recording = simulate.wrist(seed=1, duration_s=30, started_at=START)
    folder = simulate.write_e4(recording, tmp_path / "e4")
    lines = (folder / "ACC.csv").read_text().splitlines()
    assert lines[0].split(", ")[0] == f"{START.timestamp():.6f}" and lines[1].startswith("32.0")
    assert len(lines) == 2 + 30 * 32
    a, b = (simulate.write_e4(recording, tmp_path / name).read_bytes() for name in ("a.zip", "b.zip"))
    assert a == b
