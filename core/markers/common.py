"""What the markers of one recording share, and how a value gets its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from core.dsp import beats, grid, slow, spectral
from core.dsp.montage import canonical
from core.settings import BANDS
from core.types import Pipeline, Quality, Reason, Recording, Signal

SEED, RESAMPLES = 20, 1000
# own: a value that less than this share of the resamples has at all (a spectral peak) is not there
STABLE = 0.9
# neighbours that are drawn together: windows overlap, and beats follow the breath
BLOCK, FEWEST_BLOCKS = 15, 8


@dataclass(frozen=True)
class Found:
    """A value with its 95 % interval; None where one piece of signal allows none."""

    value: float
    low: float | None
    high: float | None


@dataclass
class Material:
    """What the markers of one recording share: each expensive thing is made once, when first asked for."""

    recording: Recording
    quality: Quality
    pipeline: Pipeline

    def signals(self, type_: str) -> list[Signal]:
        """The signals of a type that are not left out."""
        bad = self.quality.bad_names(type_)
        return [s for s in self.recording.of_type(type_) if s.name not in bad]

    def usable(self, type_: str) -> np.ndarray:
        """Windows of quality's grid in which a type can be used."""
        verdict = self.quality.of(type_)
        return verdict.usable if verdict is not None else np.zeros(len(self.quality.onset_s), dtype=bool)

    def inside(self, type_: str, times_s: np.ndarray) -> np.ndarray:
        """Which times lie in a usable window of a type."""
        return grid.inside(times_s, self.quality.onset_s, self.quality.duration_s, self.usable(type_))

    def usable_s(self, type_: str) -> float:
        """Seconds that lie in a usable window of a type."""
        onset_s = self.quality.onset_s[self.usable(type_)]
        if len(onset_s) == 0:
            return 0.0
        return float(np.minimum(np.diff(onset_s), self.quality.duration_s).sum() + self.quality.duration_s)

    def windows(self, signal: Signal) -> np.ndarray:
        """Usable windows of one signal, shape (n, n_times)."""
        start, covered = grid.starts(signal, self.quality.onset_s, self.quality.duration_s)
        keep = covered & self.usable(signal.type)
        return grid.cut(np.asarray(signal.data), start[keep], grid.n_samples(signal.sfreq, self.quality.duration_s))

    @cached_property
    def heart(self) -> Signal | None:
        """What the beats are taken from: the ECG lead that quality trusts most; without any ECG a list of intervals."""
        if self.recording.of_type("ecg"):
            return beats.lead(self.recording.signals, self.quality)
        return next(iter(self.signals("rr")), None)

    @cached_property
    def rr_ms(self) -> np.ndarray:
        """Normal intervals between the beats of the heart; NaN where their signal is not usable."""
        heart = self.heart
        if heart is None:
            return np.empty(0)
        return beats.trusted_intervals(heart, self.quality)[1]

    @cached_property
    def pulse_ms(self) -> np.ndarray:
        """Normal intervals between the pulses of the first PPG; NaN where it is not usable."""
        signals = self.signals("ppg")
        return beats.trusted_intervals(signals[0], self.quality)[1] if signals else np.empty(0)

    @cached_property
    def responses(self) -> slow.Responses:
        """Skin-conductance responses that rise in usable windows, of the first channel that is not left out."""
        signal = self.signals("eda")[0]
        found = slow.skin_responses(np.asarray(signal.data), signal.sfreq)
        return found.of(*(self.inside("eda", signal.onset_s + at) for at in (found.onset_s, found.peak_s)))

    @cached_property
    def band_power(self) -> dict[str, dict[str, np.ndarray]]:
        """Power in µV² of each good 10-20 channel and band, segment by segment of the usable windows."""
        out: dict[str, dict[str, np.ndarray]] = {}
        for signal in self.signals("eeg"):
            name = canonical(signal.name)
            if name not in out:
                freqs, power = self.spectrum(signal, spectral.SEGMENT_S)
                out[name] = {
                    band: spectral.band_power(power, freqs, low, high)
                    if spectral.holds(signal.sfreq, high)
                    else np.full(len(power), np.nan)
                    for band, (low, high) in BANDS.items()
                }
        return out

    def spectrum(self, signal: Signal, segment_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Frequencies, and the periodogram of each distinct segment of the usable windows."""
        start, covered = grid.starts(signal, self.quality.onset_s, self.quality.duration_s)
        keep = covered & self.usable(signal.type)
        n = grid.n_samples(signal.sfreq, self.quality.duration_s)
        plan = spectral.segments(start[keep], n, signal.sfreq, segment_s)
        return plan.freqs, spectral.power(spectral.spectra(np.asarray(signal.data), plan))


def interval(pieces: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> Found:
    """A statistic of the mean of pieces, with its 95 % block-bootstrap interval.

    Parameters
    ----------
    pieces : ndarray, shape (n, k)
        In order of time. Neighbours are drawn together, in blocks of 15, fewer where there would be less than 8 blocks.
    statistic : callable
        From means, shape (r, k), to values, shape (r,); may give NaN.
    """
    value = float(statistic(pieces.mean(axis=0, keepdims=True))[0])
    size = max(1, min(BLOCK, len(pieces) // FEWEST_BLOCKS))
    edges = np.arange(0, len(pieces), size)
    sums, counts = np.add.reduceat(pieces, edges, axis=0), np.diff(np.append(edges, len(pieces)))
    if len(edges) < 2 or not np.isfinite(value):
        return Found(value, None, None)
    rng = np.random.default_rng(SEED)
    weight = rng.multinomial(len(edges), np.full(len(edges), 1 / len(edges)), size=RESAMPLES).astype(float)
    drawn = statistic((weight @ sums) / (weight @ counts)[:, None])
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < STABLE * RESAMPLES:
        return Found(value, None, None)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Found(value, float(min(low, value)), float(max(high, value)))


def per_minute(n: int, minutes: float) -> Found | Reason:
    """A count a minute with exact Poisson limits; nothing at all is ``no_peaks``."""
    if n == 0:
        return Reason.NO_PEAKS
    low, high = special.gammaincinv(n, 0.025), special.gammaincinv(n + 1, 0.975)
    return Found(n / minutes, float(low / minutes), float(high / minutes))


def level(m: Material, type_: str) -> Found | Reason:
    """Mean over the usable windows of the first signal that is not left out."""
    signals = m.signals(type_)
    if not signals:
        return Reason.LOW_QUALITY
    means = m.windows(signals[0]).mean(axis=1, dtype=np.float64)
    means = means[np.isfinite(means)]
    return interval(means[:, None], lambda mean: mean[:, 0]) if len(means) else Reason.TOO_FEW
