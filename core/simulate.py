"""Recordings, courses and studies with known answers, for tests, the demo and the leak audit.

Everything follows from a seed. What is planted is exact where it can be: mean heart rate, RMSSD and frontal alpha
asymmetry are set in the very series that is drawn, not only on average.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from core.settings import BANDS, EPOC_14, FRONTAL_PAIRS
from core.types import UNITS, Annotation, Recording, Signal

# What valence, arousal and dominance change when they go from 0 to +1 (and back at -1). Sizes chosen by us, in the
# direction the literature reports; they describe the simulation, not people.
EFFECTS = {
    "valence": {"alpha_asymmetry": 0.24},  # ln alpha right over left, frontal pairs
    "arousal": {"beta_over_alpha": 0.16, "heart_rate": 2.0},  # ln beta/alpha on all channels; /min
    "dominance": {"frontal_theta": 0.15},  # ln theta power, frontal channels
}
TARGETS = {"valence": (1.0, 5.0, 3.0), "arousal": (1.0, 5.0, 3.0), "dominance": (1.0, 5.0, 3.0)}
BASIS = "simulated signals"
# Size of the trial effect of a study: SD 0.4 ln power per channel and band, 5 /min, 0.3 ln RMSSD. It stands for what
# a recording shares from end to end (contact of the electrodes, drift, state of the hour); random windows know it.
TRIAL_SD = 2.0

# head seen from above, nose to +y, radius 1: approximate 10-20 places of the EPOC's electrodes
_PLACES = {
    "AF3": (-0.30, 0.80), "F7": (-0.70, 0.50), "F3": (-0.40, 0.50), "FC5": (-0.65, 0.25), "T7": (-0.90, 0.0),
    "P7": (-0.70, -0.50), "O1": (-0.30, -0.90), "O2": (0.30, -0.90), "P8": (0.70, -0.50), "T8": (0.90, 0.0),
    "FC6": (0.65, 0.25), "F4": (0.40, 0.50), "F8": (0.70, 0.50), "AF4": (0.30, 0.80),
}  # fmt: skip
_FRONTAL = ("AF3", "F7", "F3", "FC5", "FC6", "F4", "F8", "AF4")
_BAND_NAMES = tuple(BANDS)
# PQRST as Gaussians: place after R in s (P, T at 1 s RR), width in s, height in mV on the two leads
_WAVES = (
    (-0.17, 0.022, 0.12, 0.07), (-0.025, 0.009, -0.10, -0.15), (0.0, 0.011, 1.10, 0.65),
    (0.027, 0.010, -0.25, -0.30), (0.27, 0.055, 0.30, 0.16),
)  # fmt: skip
# seed streams: what is drawn for one purpose does not move when another purpose draws more
_PERSON, _TRIAL, _EEG, _RR, _ECG, _WRIST, _COURSE, _LABELS, _ARTEFACT = range(9)


def _rng(seed: int, stream: int, person: int | None = None, trial: int | None = None) -> np.random.Generator:
    parts = [seed, stream, -1 if person is None else person, -1 if trial is None else trial]
    return np.random.default_rng([part + 1 for part in parts])


@dataclass(frozen=True)
class Physiology:
    """What one stretch of signal is drawn from: ln power offsets (channel, band), ECG rhythm, scales."""

    band_ln: np.ndarray
    alpha_peak: float
    slope: float
    gain: float
    heart_rate: float
    rmssd: float
    ecg_gain: float


def physiology(
    *,
    seed: int,
    heart_rate: float,
    rmssd: float,
    alpha_asymmetry: float,
    alpha_peak: float,
    effects: Mapping[str, float],
    person: int | None,
    trial: int | None,
    person_sd: float = 1.0,
    trial_sd: float = 1.0,
) -> Physiology:
    """The parameters of a stretch: the planted ones, then the person's, the trial's and the emotion's change.

    Person effects (SD at ``person_sd`` 1): 0.25 ln power per channel and band, 0.2 ln gain, 0.1 slope, 0.6 Hz alpha
    peak, 8 /min, 0.3 ln RMSSD. Trial effects (SD at ``trial_sd`` 1): 0.2 ln power per channel and band, 2.5 /min,
    0.15 ln RMSSD.
    Emotion effects: EFFECTS times the value given, which is -1 to 1 by custom.
    """
    band_ln = np.zeros((len(EPOC_14), len(_BAND_NAMES)))
    slope, gain, ecg_gain = 1.2, 1.0, 1.0
    if person is not None:
        rng = _rng(seed, _PERSON, person)
        band_ln += person_sd * 0.25 * rng.standard_normal(band_ln.shape)
        draws = person_sd * rng.standard_normal(6)
        gain *= np.exp(0.2 * draws[0])
        slope += 0.1 * draws[1]
        alpha_peak = float(np.clip(alpha_peak + 0.6 * draws[2], 8.5, 12.0))
        heart_rate = float(np.clip(heart_rate + 8.0 * draws[3], 45.0, 120.0))
        rmssd *= np.exp(0.3 * draws[4])
        ecg_gain *= np.exp(0.2 * draws[5])
    if trial is not None:
        rng = _rng(seed, _TRIAL, person, trial)
        band_ln += trial_sd * 0.2 * rng.standard_normal(band_ln.shape)
        draws = trial_sd * rng.standard_normal(2)
        heart_rate += 2.5 * draws[0]
        rmssd *= np.exp(0.15 * draws[1])
    alpha_asymmetry += EFFECTS["valence"]["alpha_asymmetry"] * effects.get("valence", 0.0)
    heart_rate += EFFECTS["arousal"]["heart_rate"] * effects.get("arousal", 0.0)
    alpha, beta, theta = (_BAND_NAMES.index(b) for b in ("alpha", "beta", "theta"))
    for left, right in FRONTAL_PAIRS:
        band_ln[EPOC_14.index(left), alpha] -= alpha_asymmetry / 2
        band_ln[EPOC_14.index(right), alpha] += alpha_asymmetry / 2
    tilt = EFFECTS["arousal"]["beta_over_alpha"] * effects.get("arousal", 0.0)
    band_ln[:, beta] += tilt / 2
    band_ln[:, alpha] -= tilt / 2
    frontal = [EPOC_14.index(name) for name in _FRONTAL]
    band_ln[frontal, theta] += EFFECTS["dominance"]["frontal_theta"] * effects.get("dominance", 0.0)
    return Physiology(band_ln, alpha_peak, slope, gain, heart_rate, rmssd, ecg_gain)


def recording(
    *,
    seed: int,
    duration_s: float = 60.0,
    sfreq_eeg: float = 128.0,
    sfreq_ecg: float = 256.0,
    heart_rate: float = 70.0,
    rmssd: float = 35.0,
    alpha_asymmetry: float = 0.0,
    alpha_peak: float = 10.0,
    effects: Mapping[str, float] | None = None,
    person: int | None = None,
    trial: int | None = None,
    person_sd: float = 1.0,
    trial_sd: float = 1.0,
    baseline_s: float = 0.0,
    artefacts: Sequence[str] = (),
    inputs: str = "eeg+ecg",
    started_at: datetime | None = None,
) -> Recording:
    """14 EEG channels (EPOC names, µV) and two ECG leads (mV) with known truth.

    Parameters
    ----------
    heart_rate, rmssd
        Mean rate in /min (60 over the mean RR) and RMSSD in ms of the beats that are drawn, exactly.
    alpha_asymmetry
        ln alpha power (8-13 Hz) right over left of each frontal pair.
    effects
        ``valence``, ``arousal``, ``dominance``: -1 to 1 times the sizes in EFFECTS.
    person, trial
        Numbers that draw a person's and a trial's own spectra, gains and rhythm; None draws none, and the planted
        truth holds exactly.
    baseline_s
        Length of a leading part at rest, annotated ``baseline``: the person without trial and emotion effects.
    artefacts
        Any of ``blink``, ``line``, ``flat:CH``, ``gap:CH``, ``rail:CH``, ``lonely:CH``,
        ``ecg_noise``; without a channel T7.
    """
    planted = {
        "seed": seed, "heart_rate": heart_rate, "rmssd": rmssd, "alpha_asymmetry": alpha_asymmetry,
        "alpha_peak": alpha_peak, "person": person, "person_sd": person_sd, "trial_sd": trial_sd,
    }  # fmt: skip
    active = physiology(**planted, effects=effects or {}, trial=trial)  # type: ignore[arg-type]
    rest = physiology(**planted, effects={}, trial=None) if baseline_s else active  # type: ignore[arg-type]
    total_s = baseline_s + duration_s
    signals: list[Signal] = []
    types = inputs.split("+")
    if "eeg" in types:
        data = _eeg(_rng(seed, _EEG, person, trial), total_s, sfreq_eeg, rest, active, baseline_s)
        data = _spoil_eeg(data, sfreq_eeg, artefacts, _rng(seed, _ARTEFACT, person, trial))
        signals += [
            Signal(name, "eeg", UNITS["eeg"], sfreq_eeg, row.astype(np.float32))
            for name, row in zip(EPOC_14, data, strict=True)
        ]
    if "ecg" in types:
        beats = _beats(_rng(seed, _RR, person, trial), total_s, rest, active, baseline_s)
        leads = _ecg(beats, total_s, sfreq_ecg, _rng(seed, _ECG, person, trial), noisy="ecg_noise" in artefacts)
        signals += [
            Signal(f"ECG{i}", "ecg", UNITS["ecg"], sfreq_ecg, (active.ecg_gain * lead).astype(np.float32))
            for i, lead in enumerate(leads, 1)
        ]
    notes = (Annotation(0.0, baseline_s, "baseline"),) if baseline_s else ()
    return Recording(tuple(signals), started_at, notes, format="simulated")


def _mixing() -> np.ndarray:
    """Square root of the spatial correlation: it falls with distance, so neighbours share most of their signal."""
    places = np.array([_PLACES[name] for name in EPOC_14])
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return np.linalg.cholesky(np.exp(-distance / 0.8))


def _amplitude(freqs: np.ndarray, body: Physiology) -> np.ndarray:
    """Amplitude spectrum per channel, shape (channels, freqs): 1/f, alpha rhythm, then band by band offsets."""
    background = np.maximum(freqs, 1.0) ** -body.slope * (freqs >= 0.3)
    back = np.array([_PLACES[name][1] < -0.2 for name in EPOC_14])
    bump = np.exp(-0.5 * ((freqs - body.alpha_peak) / 0.9) ** 2)
    height = np.where(back, 8.0, 3.0) * body.alpha_peak**-body.slope
    power = background + height[:, None] * bump
    for column, (low, high) in enumerate(BANDS.values()):
        inside = (freqs >= low) & ((freqs < high) | (low == 13.0))  # above 30 Hz goes with beta
        power[:, inside] *= np.exp(body.band_ln[:, column : column + 1])
    return 4.2 * body.gain * np.sqrt(power)


def _eeg(
    rng: np.random.Generator, total_s: float, sfreq: float, rest: Physiology, active: Physiology, baseline_s: float
) -> np.ndarray:
    n = round(total_s * sfreq)
    freqs = np.fft.rfftfreq(n, 1 / sfreq)
    noise = rng.standard_normal((2, len(EPOC_14), len(freqs)))
    mixed = _mixing() @ (noise[0] + 1j * noise[1])
    alpha = (freqs >= 8.0) & (freqs < 13.0)

    def shaped(body: Physiology) -> np.ndarray:
        amplitude = _amplitude(freqs, body)
        spectrum = mixed * amplitude
        # the realised alpha power of each channel is the expected one, so that a planted asymmetry is exact
        drawn = np.sum(np.abs(spectrum[:, alpha]) ** 2, axis=1)
        spectrum[:, alpha] *= np.sqrt(2 * np.sum(amplitude[:, alpha] ** 2, axis=1) / drawn)[:, None]
        return np.fft.irfft(spectrum, n) * np.sqrt(n * sfreq) / 2

    out = shaped(active)
    if rest is not active:  # the same noise in two shapes, faded over one second, leaves no step
        weight = np.clip(np.arange(n) / sfreq - baseline_s + 0.5, 0.0, 1.0)
        out = weight * out + (1 - weight) * shaped(rest)
    return out


def _spoil_eeg(data: np.ndarray, sfreq: float, artefacts: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    data, n = data.copy(), data.shape[1]
    time_s = np.arange(n) / sfreq
    for artefact in artefacts:
        kind, _, channel = artefact.partition(":")
        row = EPOC_14.index(channel or "T7")
        if kind == "blink":  # every 4 s or so, largest at the front
            weights = np.array([max(_PLACES[name][1], 0.0) for name in EPOC_14])
            for onset in np.arange(1.0, time_s[-1], 4.0) + rng.uniform(-0.5, 0.5, len(np.arange(1.0, time_s[-1], 4.0))):
                data += weights[:, None] * 150.0 * np.exp(-0.5 * ((time_s - onset) / 0.08) ** 2)
        elif kind == "line":
            data += 14.0 * np.sin(2 * np.pi * 50.0 * time_s)
        elif kind == "flat":
            data[row] = 0.0
        elif kind == "gap":  # two seconds in the middle
            data[row, n // 2 : n // 2 + round(2 * sfreq)] = np.nan
        elif kind == "rail":  # clipped at a third of its spread
            data[row] = np.clip(data[row], *(np.array([-1, 1]) * 0.33 * data[row].std()))
        elif kind == "lonely":
            data[row] = 7.0 * rng.standard_normal(n)
        elif kind != "ecg_noise":
            raise ValueError(f"{artefact}: no such artefact")
    return data


def _rr_ms(rng: np.random.Generator, n: int, heart_rate: float, rmssd: float) -> np.ndarray:
    """n RR intervals with exactly this mean rate and RMSSD: breathing at 0.25 Hz, a 0.1 Hz wave and noise."""
    mean = 60000.0 / heart_rate
    time_s = np.arange(n) * mean / 1000
    phases = rng.uniform(0, 2 * np.pi, 2)
    shape = np.sin(2 * np.pi * 0.25 * time_s + phases[0]) + 0.8 * np.sin(2 * np.pi * 0.1 * time_s + phases[1])
    shape += 0.4 * rng.standard_normal(n)
    if n < 3:
        return np.full(n, mean)
    shape -= shape.mean()
    return mean + shape * rmssd / np.sqrt(np.mean(np.diff(shape) ** 2))


def _beats(
    rng: np.random.Generator, total_s: float, rest: Physiology, active: Physiology, baseline_s: float
) -> np.ndarray:
    """Times of the R peaks in s; a few beats more than fit are cut off by the caller's clock."""
    rr: list[np.ndarray] = []
    for body, length_s in ((rest, baseline_s), (active, total_s - baseline_s)):
        n = int(length_s * body.heart_rate / 60)
        if n:
            rr.append(_rr_ms(rng, n, body.heart_rate, body.rmssd))
    tail = np.full(3, 60000.0 / active.heart_rate)
    return 0.25 + np.concatenate([[0.0], np.cumsum(np.concatenate([*rr, tail]))]) / 1000


def _ecg(beats_s: np.ndarray, total_s: float, sfreq: float, rng: np.random.Generator, noisy: bool) -> np.ndarray:
    n = round(total_s * sfreq)
    time_s = np.arange(n) / sfreq
    rr_s = np.diff(beats_s, append=2 * beats_s[-1] - beats_s[-2])
    leads = np.zeros((2, n))
    following = np.searchsorted(beats_s, time_s)
    for beat in (following - 1, following):  # the waves of the beat before and of the one to come
        known = (beat >= 0) & (beat < len(beats_s))
        index = np.clip(beat, 0, len(beats_s) - 1)
        since = time_s - beats_s[index]
        stretch = np.sqrt(rr_s[index])
        for place, width, first, second in _WAVES:
            scale = stretch if abs(place) > 0.1 else 1.0
            wave = np.exp(-0.5 * ((since - place * scale) / width) ** 2) * known
            leads[0] += first * wave
            leads[1] += second * wave
    drift = 0.05 * np.sin(2 * np.pi * 0.25 * time_s + rng.uniform(0, 2 * np.pi))
    return leads + drift + (0.6 if noisy else 0.01) * rng.standard_normal((2, n))


# --- wrist


def wrist(
    *,
    seed: int,
    duration_s: float = 300.0,
    pulse_rate: float = 70.0,
    rmssd: float = 35.0,
    scl: float = 4.0,
    scr_rate: float = 4.0,
    skin_temperature: float = 33.0,
    movement: float = 0.02,
    started_at: datetime | None = None,
) -> Recording:
    """What a wrist band records: PPG 64 Hz, EDA 4 Hz, temperature 4 Hz, acceleration 32 Hz (x, y, z).

    ``scl`` is the tonic level in µS, ``scr_rate`` responses of 0.3-0.6 µS per minute, evenly spread with jitter;
    ``movement`` the SD in g of the acceleration of each axis about gravity.
    """
    rng = _rng(seed, _WRIST)
    body = replace(_STILL, heart_rate=pulse_rate, rmssd=rmssd)
    beats = _beats(_rng(seed, _RR), duration_s, body, body, 0.0)

    time_s = np.arange(round(duration_s * 64)) / 64
    last = np.clip(np.searchsorted(beats, time_s, side="right") - 1, 0, len(beats) - 2)
    phase = (time_s - beats[last]) / (beats[last + 1] - beats[last])
    pulse = np.exp(-0.5 * ((phase - 0.30) / 0.10) ** 2) + 0.35 * np.exp(-0.5 * ((phase - 0.62) / 0.12) ** 2)
    ppg = 80.0 * (pulse - pulse.mean()) + 1.0 * rng.standard_normal(len(time_s))

    time_s = np.arange(round(duration_s * 4)) / 4
    eda = scl + 0.05 * np.sin(2 * np.pi * time_s / 120)
    for onset in response_onsets(seed, duration_s, scr_rate):
        since = np.clip(time_s - onset, 0, None)
        eda += rng.uniform(0.3, 0.6) * 2.39 * (np.exp(-since / 3.0) - np.exp(-since / 0.9))
    eda += 0.001 * rng.standard_normal(len(time_s))
    temp = skin_temperature + 0.1 * np.sin(2 * np.pi * time_s / 600) + 0.01 * rng.standard_normal(len(time_s))

    acc = np.array([[0.0], [0.3], [0.954]]) + movement * rng.standard_normal((3, round(duration_s * 32)))
    signals = [
        Signal("BVP", "ppg", UNITS["ppg"], 64.0, ppg.astype(np.float32)),
        Signal("EDA", "eda", UNITS["eda"], 4.0, eda.astype(np.float32)),
        Signal("TEMP", "temp", UNITS["temp"], 4.0, temp.astype(np.float32)),
    ]
    signals += [
        Signal(f"ACC_{axis}", "acc", UNITS["acc"], 32.0, row.astype(np.float32))
        for axis, row in zip("xyz", acc, strict=True)
    ]
    return Recording(tuple(signals), started_at, format="simulated")


_STILL = Physiology(np.zeros((len(EPOC_14), len(_BAND_NAMES))), 10.0, 1.2, 1.0, 70.0, 35.0, 1.0)


def response_onsets(seed: int, duration_s: float, scr_rate: float) -> np.ndarray:
    """When the planted skin-conductance responses of ``wrist`` begin, in s."""
    n = round(scr_rate * duration_s / 60)
    gap = duration_s / max(n, 1)
    return (np.arange(n) + 0.3 + 0.2 * _rng(seed, _ARTEFACT).random(n)) * gap


# --- months of sessions

# own mean and session SD of each measure; V/A/D as in design 2, markers at about half the smallest change worth naming
_COURSE_MEASURES = {
    "valence": (0.50, 0.08), "arousal": (0.48, 0.08), "dominance": (0.52, 0.08),
    "heart_rate": (68.0, 2.5), "rmssd": (38.0, 0.12), "alpha_asymmetry": (0.05, 0.08),
    "engagement": (-0.40, 0.08), "alpha_peak": (10.0, 0.2),
}  # fmt: skip
COURSES = ("calm", "drift", "spike", "plateau", "shift")


def patient_course(
    kind: str,
    n: int,
    seed: int,
    start: datetime,
    every_days: float = 7,
    *,
    measures: Sequence[str] = tuple(_COURSE_MEASURES),
    size_sd: float = 3.0,
    last: int = 5,
) -> list[dict]:
    """Session values of one person over months: dicts with ``started_at`` and ``values``, oldest first.

    Noise is independent between sessions, with SD 0.08 for valence, arousal and dominance. What is planted, in own SD
    (``size_sd``): ``calm`` nothing; ``drift`` valence falls and heart rate rises steadily over the second half;
    ``spike`` one session two thirds in, arousal and heart rate up; ``plateau`` valence low during the middle third,
    then back; ``shift`` valence, arousal and heart rate move for the ``last`` sessions and stay.
    RMSSD varies on the ln scale; predictions stay within 0.02 and 0.98.
    """
    if kind not in COURSES:
        raise ValueError(f"{kind}: none of {', '.join(COURSES)}")
    rng = _rng(seed, _COURSE)
    index = np.arange(n)
    own = {name: rng.uniform(-1, 1) for name in _COURSE_MEASURES}
    noise = {name: rng.standard_normal(n) for name in _COURSE_MEASURES}
    planted: dict[str, np.ndarray] = {name: np.zeros(n) for name in _COURSE_MEASURES}
    if kind == "drift":
        ramp = size_sd * np.clip((index - n / 2) / max(n / 2 - 1, 1), 0, 1)
        planted["valence"], planted["heart_rate"] = -ramp, ramp
    elif kind == "spike":
        bump = 1.5 * size_sd * (index == (2 * n) // 3)
        planted["arousal"], planted["heart_rate"] = bump, bump
    elif kind == "plateau":
        planted["valence"] = -size_sd * ((index >= n // 3) & (index < (2 * n) // 3))
    elif kind == "shift":
        step = size_sd * (index >= n - last)
        planted["valence"], planted["arousal"], planted["heart_rate"] = -step, step, step

    def value(name: str, i: int) -> float:
        mean, sd = _COURSE_MEASURES[name]
        z = 0.75 * own[name] + noise[name][i] + planted[name][i]
        if name == "rmssd":
            return float(mean * np.exp(sd * z))
        return float(np.clip(mean + sd * z, 0.02, 0.98)) if name in TARGETS else float(mean + sd * z)

    return [
        {"started_at": start + timedelta(days=every_days * i), "values": {name: value(name, i) for name in measures}}
        for i in range(n)
    ]


# --- studies


@dataclass(frozen=True)
class SimulatedTrial:
    """One trial of a simulated study: who, which, the ratings given, and the recording."""

    subject: str
    trial: str
    labels: Mapping[str, float]
    recording: Recording


def ratings(n_trials: int, rng: np.random.Generator, cut: float = 3.0) -> np.ndarray:
    """Whole ratings 1-5 of one subject and target: as many above the cut as not, give or take one."""
    high = rng.permutation(np.arange(n_trials) % 2 == 0)
    return np.where(high, rng.integers(4, 6, n_trials), rng.integers(1, int(cut) + 1, n_trials)).astype(float)


def study(
    *,
    subjects: int = 23,
    trials: int = 18,
    trial_s: float = 60.0,
    effect: float = 0.0,
    seed: int = 0,
    inputs: str = "eeg+ecg",
    baseline_s: float = 20.0,
    person_sd: float = 1.0,
    trial_sd: float = TRIAL_SD,
) -> Iterator[SimulatedTrial]:
    """The trials of a study, subject by subject: DREAMER-like ratings 1-5 of valence, arousal and dominance, cut 3.

    ``effect`` is the size of the emotion effect: a trial rated High is drawn with +effect, one rated Low with -effect
    (times EFFECTS). With 0 the signals know nothing of the ratings, while person and trial can still be told apart:
    a forest then scores above 0.90 on random windows and 0.50 on people left out (docs/null-study.md).
    """
    for person in range(subjects):
        rng = _rng(seed, _LABELS, person)
        given = {target: ratings(trials, rng, TARGETS[target][2]) for target in TARGETS}
        for trial in range(trials):
            labels = {target: float(values[trial]) for target, values in given.items()}
            signs = {target: effect if labels[target] > TARGETS[target][2] else -effect for target in TARGETS}
            yield SimulatedTrial(
                f"S{person + 1:02d}",
                f"T{trial + 1:02d}",
                labels,
                recording(
                    seed=seed, duration_s=trial_s, effects=signs, person=person, trial=trial, baseline_s=baseline_s,
                    person_sd=person_sd, trial_sd=trial_sd, inputs=inputs,
                ),
            )  # fmt: skip


# --- files


def write_edf(recording: Recording, path: Path) -> Path:
    """Write an EDF+ of mixed rates without a word about a person; the start, if known, is written in UTC.

    As a recorder of another maker does, and so not by ``core.writers.edf``: that one leaves type, rate and name for our
    reader, which would have nothing left to tell by itself. Samples that are missing become 0.
    """
    import edfio

    signals = []
    for signal in recording.signals:
        data = np.nan_to_num(signal.data.astype(np.float64))
        data = data[: int(len(data) // signal.sfreq * signal.sfreq)]  # whole seconds: one data record is 1 s
        unit = {"µV": "uV", "µS": "uS"}.get(signal.unit, signal.unit)
        label = {"eeg": "EEG ", "ecg": "ECG "}.get(signal.type, "") + signal.name.removeprefix("ECG")
        top = max(float(np.abs(data).max()), 1e-3)
        signals.append(
            edfio.EdfSignal(data, signal.sfreq, label=label, physical_dimension=unit, physical_range=(-top, top))
        )
    start = recording.started_at.astimezone(UTC) if recording.started_at else None
    notes = [edfio.EdfAnnotation(a.onset_s, a.duration_s, a.description) for a in recording.annotations]
    edf = edfio.Edf(
        signals,
        recording=edfio.Recording(startdate=start.date()) if start else None,
        starttime=start.time().replace(microsecond=0) if start else None,
        annotations=notes or None,
        data_record_duration=1.0,
    )
    edf.write(path)
    return path


def write_e4(recording: Recording, path: Path) -> Path:
    """Write the files an Empatica E4 exports, into a folder or, when the name ends in .zip, into a zip."""
    start = (recording.started_at or datetime(2026, 1, 5, 9, tzinfo=UTC)).timestamp()
    files: dict[str, str] = {}

    def column(values: np.ndarray, digits: int) -> str:
        return "\n".join(f"{v:.{digits}f}" for v in values)

    for type_, name, digits in (("ppg", "BVP", 2), ("eda", "EDA", 6), ("temp", "TEMP", 2)):
        for signal in recording.of_type(type_):
            files[f"{name}.csv"] = f"{start:.6f}\n{signal.sfreq:.6f}\n{column(signal.data, digits)}\n"
    axes = recording.of_type("acc")
    if axes:
        counts = np.rint(64 * np.column_stack([a.data for a in axes])).astype(int)  # 1/64 g
        head = ", ".join([f"{start:.6f}"] * 3) + "\n" + ", ".join([f"{axes[0].sfreq:.6f}"] * 3)
        files["ACC.csv"] = head + "\n" + "\n".join(",".join(map(str, row)) for row in counts) + "\n"
    files["tags.csv"] = "".join(f"{start + a.onset_s:.2f}\n" for a in recording.annotations)
    files["info.txt"] = (
        "Simulated in the layout of an E4 export.\nThe first row of each .csv is the start of the session as unix "
        "time in UTC, the second the sample rate in Hz.\n"
    )
    if path.suffix.lower() != ".zip":
        path.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (path / name).write_text(text, encoding="utf-8", newline="\n")
        return path
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bag:
        for name, text in sorted(files.items()):
            bag.writestr(zipfile.ZipInfo(name, (2026, 1, 5, 9, 0, 0)), text, zipfile.ZIP_DEFLATED)
    path.write_bytes(buffer.getvalue())
    return path


def write_samples(folder: Path) -> list[Path]:
    """The two sample files that ship: a minute of EEG and ECG as EDF, five minutes of a wrist band as an E4 zip."""
    folder.mkdir(parents=True, exist_ok=True)
    start = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    head = recording(seed=11, heart_rate=66, rmssd=38, alpha_asymmetry=0.15, started_at=start)
    band = wrist(seed=12, duration_s=300, pulse_rate=72, started_at=start)
    return [
        write_edf(head, folder / "simulated-eeg-ecg.edf"),
        write_e4(band, folder / "simulated-wrist-e4.zip"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the simulated sample files.")
    parser.add_argument("folder", type=Path)
    for written in write_samples(parser.parse_args().folder):
        print(written)
