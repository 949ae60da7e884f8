"""Small signals with known truth for the tests of the chain's first half."""

from __future__ import annotations

import numpy as np

from core.settings import EPOC_14
from core.types import Recording, Signal


def heart(beat_s: np.ndarray, duration_s: float, sfreq: float = 256.0) -> np.ndarray:
    """An ECG in mV: P, Q, R, S and T as bumps around each R peak."""
    t = np.arange(round(duration_s * sfreq)) / sfreq
    x = np.zeros(len(t))
    for delay, width, height in (
        (-0.17, 0.025, 0.12), (-0.027, 0.01, -0.12), (0.0, 0.011, 1.0), (0.03, 0.01, -0.22), (0.27, 0.05, 0.28),
    ):  # fmt: skip
        for beat in beat_s:
            low, high = np.searchsorted(t, (beat + delay - 0.3, beat + delay + 0.3))
            x[low:high] += height * np.exp(-0.5 * ((t[low:high] - beat - delay) / width) ** 2)
    return x


def regular_beats(duration_s: float, rate: float = 70.0, jitter_ms: float = 0.0, seed: int = 0) -> np.ndarray:
    """R times at a mean rate; successive differences have an RMS of ``jitter_ms``."""
    n = int(duration_s * rate / 60) + 5
    rr = np.full(n, 60.0 / rate) + np.random.default_rng(seed).normal(0, jitter_ms / np.sqrt(2) / 1000, n)
    beats = 0.4 + np.cumsum(rr)
    return beats[beats < duration_s - 0.4]


def brain(duration_s: float, sfreq: float = 128.0, names=EPOC_14, seed: int = 0, offset: float = 0.0) -> dict:
    """EEG in µV: slow noise common to all channels, noise of each, and 10 Hz alpha."""
    rng = np.random.default_rng(seed)
    n = round(duration_s * sfreq)
    t = np.arange(n) / sfreq
    freqs = np.fft.rfftfreq(n, 1 / sfreq)

    def pink() -> np.ndarray:
        spectrum = np.fft.rfft(rng.normal(size=n)) / np.sqrt(np.maximum(freqs, 1.0))
        spectrum[freqs < 0.3] = 0
        x = np.fft.irfft(spectrum, n)
        return x / x.std()

    common = pink()
    return {
        name: offset + 8 * common + 8 * pink() + 7 * np.sin(2 * np.pi * 10 * t + 0.2 * i)
        for i, name in enumerate(names)
    }


def eeg_signals(channels: dict, sfreq: float = 128.0, onset_s: float = 0.0) -> tuple[Signal, ...]:
    return tuple(Signal(name, "eeg", "µV", sfreq, np.asarray(x), onset_s) for name, x in channels.items())


def recording(duration_s: float = 60.0, ecg_s: float | None = None, seed: int = 0, **kwargs) -> Recording:
    """14 EEG channels at 128 Hz and two ECG leads at 256 Hz."""
    ecg_s = duration_s if ecg_s is None else ecg_s
    ecg = heart(regular_beats(ecg_s, jitter_ms=30, seed=seed), ecg_s)
    ecg = ecg + np.random.default_rng(seed).normal(0, 0.01, len(ecg))
    leads = (Signal("ECG1", "ecg", "mV", 256.0, ecg), Signal("ECG2", "ecg", "mV", 256.0, 0.6 * ecg))
    return Recording(eeg_signals(brain(duration_s, seed=seed)) + leads, **kwargs)
