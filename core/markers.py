"""Recording -> Markers: values that need no training data, each with its unit and 95 % interval, or a reason.

Markers come from the filtered signals in their own units, never from normalised ones, and each from the windows in
which *its* signal is usable. A type that is graded poor gives ``low_quality``; the heart markers do so for an ECG that
is only marginal, too (requirements d4). Intervals are block bootstraps over neighbouring pieces with a fixed seed, or
exact Poisson limits for a count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from core.compute import Progress, part
from core.dsp import beats, grid, slow, spectral
from core.dsp.montage import canonical
from core.settings import BANDS, FRONTAL_PAIRS, MEASURE_NAMES, MEASURE_UNITS
from core.types import Grade, Measure, Pipeline, Quality, Reason, Recording, Signal

SEED, RESAMPLES = 20, 1000
# own: a value that less than this share of the resamples has at all (a spectral peak) is not there
STABLE = 0.9
# neighbours that are drawn together: windows overlap, and beats follow the breath
BLOCK, FEWEST_BLOCKS = 15, 8
# --- heart
MIN_RR = 3
RMSSD_S, RMSSD_STEPS = 60.0, 20  # ux 10.2
# --- EEG (G1, G2 of requirements d1 over the pairs and channels present)
ENGAGEMENT_CHANNELS = ("AF3", "F3", "F4", "AF4")
MIN_SEGMENTS = 3
POSTERIOR = ("O1", "Oz", "O2", "PO7", "PO3", "POz", "PO4", "PO8", "P7", "P5", "P3", "P1", "Pz", "P2", "P4", "P6", "P8")
# own: the alpha peak is the highest point of the spectrum over its own 1/f line within these Hz; the line is laid
# through the frequencies around; it must stand out by this much (ln power) and by three times the scatter of the line
PEAK_HZ, LINE_HZ = (7.0, 13.5), ((2.0, 6.0), (15.0, 30.0))
PEAK_RISE, PEAK_SCATTER = 0.4, 3.0
PEAK_SEGMENT_S, PEAK_SEGMENTS = 4.0, 8
# --- slow signals
SCR_S = 30.0
MIN_PULSES, MIN_BREATHS = 10, 4
BREATHING_S = 20.0
SMILE_SHARE = 0.1  # of full scale (requirements S3-05)
CORE_TEMPERATURE = ("rect", "core", "oral", "esoph", "tympan", "ear ")  # in a channel's name: not of the skin


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
        find = beats.detect_r_peaks if heart.type == "ecg" else beats.of_intervals
        beat_s = heart.onset_s + find(np.asarray(heart.data), heart.sfreq)
        trusted = self.inside(heart.type, beat_s)
        rr_ms = beats.clean_rr(beat_s)
        return np.where(trusted[:-1] & trusted[1:], rr_ms, np.nan) if len(rr_ms) else rr_ms

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


def compute(
    filtered: Recording, quality: Quality, pipeline: Pipeline, progress: Progress | None = None
) -> tuple[Measure, ...]:
    """Every marker whose signal type was recorded, in the order of MARKERS: a value or the reason there is none."""
    material = Material(filtered, quality, pipeline)
    out = []
    for i, (name, (type_, function)) in enumerate(MARKERS.items()):
        if type_ == "ecg" and not filtered.of_type("ecg"):
            type_ = "rr"
        if type_ not in filtered.types:
            continue
        part(progress, 0.0, 1.0)(i / len(MARKERS), f"Computing {MEASURE_NAMES[name].lower()}")
        found = _trusted(type_, quality) or function(material)
        unit = MEASURE_UNITS[name]
        if isinstance(found, Reason):
            out.append(Measure(name, "marker", unit, reason=found))
        elif not np.isfinite(found.value):
            out.append(Measure(name, "marker", unit, reason=Reason.TOO_FEW))
        else:
            out.append(Measure(name, "marker", unit, found.value, found.low, found.high))
    return tuple(out)


def _trusted(type_: str, quality: Quality) -> Reason | None:
    """Why no marker of a type may be computed at all; None where it may."""
    verdict = quality.of(type_)
    if verdict is None:
        return Reason.MISSING_CHANNEL
    if len(quality.onset_s) == 0:
        return Reason.TOO_SHORT
    if verdict.grade is Grade.POOR or not verdict.usable.any() or (type_ == "ecg" and verdict.grade is not Grade.GOOD):
        return Reason.LOW_QUALITY
    return None


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


# --- ECG


def _heart_rate(m: Material) -> Found | Reason:
    """60 over the mean normal interval."""
    rr_ms = m.rr_ms[np.isfinite(m.rr_ms)]
    if len(m.rr_ms) == 0:
        return Reason.NO_PEAKS
    if len(rr_ms) < MIN_RR:
        return Reason.TOO_FEW
    return interval(rr_ms[:, None], lambda mean: 60000.0 / mean[:, 0])


def _rmssd(m: Material) -> Found | Reason:
    """Over all neighbouring normal intervals of at least 60 s; differences across a rejected beat are dropped."""
    if m.heart is None or len(m.rr_ms) == 0:
        return Reason.NO_PEAKS
    if m.heart.duration_s < RMSSD_S:
        return Reason.TOO_SHORT
    steps = np.diff(m.rr_ms)
    steps = steps[np.isfinite(steps)]
    if len(steps) < RMSSD_STEPS:
        return Reason.TOO_FEW
    return interval(steps[:, None] ** 2, lambda mean: np.sqrt(mean[:, 0]))


# --- EEG


def _gone(m: Material, names: Sequence[str]) -> Reason:
    """Why none of some channels can be used: not recorded, or left out."""
    recorded = {canonical(s.name) for s in m.recording.of_type("eeg")}
    return Reason.LOW_QUALITY if recorded & set(names) else Reason.MISSING_CHANNEL


def _alpha_asymmetry(m: Material) -> Found | Reason:
    """ln alpha right less ln alpha left, mean over the frontal pairs present."""
    power = m.band_power
    pairs = [(left, right) for left, right in FRONTAL_PAIRS if left in power and right in power]
    if not pairs:
        both = [p for p in FRONTAL_PAIRS if set(p) <= {canonical(s.name) for s in m.recording.of_type("eeg")}]
        return Reason.LOW_QUALITY if both else Reason.MISSING_CHANNEL
    return _of_powers(
        [power[left]["alpha"] for left, _ in pairs] + [power[right]["alpha"] for _, right in pairs],
        lambda mean: np.mean(np.log(mean[:, len(pairs) :]) - np.log(mean[:, : len(pairs)]), axis=1),
    )


def _engagement(m: Material) -> Found | Reason:
    """ln(beta / (alpha + theta)) on the mean power of the frontal channels present."""
    power = [m.band_power[ch] for ch in ENGAGEMENT_CHANNELS if ch in m.band_power]
    if not power:
        return _gone(m, ENGAGEMENT_CHANNELS)
    bands = [np.mean([p[band] for p in power], axis=0) for band in ("beta", "alpha", "theta")]
    return _of_powers(bands, lambda mean: np.log(mean[:, 0] / (mean[:, 1] + mean[:, 2])))


def _of_powers(columns: list[np.ndarray], statistic: Callable[[np.ndarray], np.ndarray]) -> Found | Reason:
    if len({len(c) for c in columns}) != 1:
        return Reason.NOT_SUPPORTED  # channels of different rates or lengths
    if any(len(c) and np.isnan(c).all() for c in columns):
        return Reason.NOT_SUPPORTED  # a rate that does not hold the band
    pieces = np.column_stack(columns)
    pieces = pieces[np.isfinite(pieces).all(axis=1)]
    if len(pieces) < MIN_SEGMENTS:
        return Reason.TOO_FEW
    with np.errstate(divide="ignore", invalid="ignore"):
        return interval(pieces, statistic)


def _alpha_peak(m: Material) -> Found | Reason:
    """Frequency of the peak over the 1/f line in the mean spectrum of the posterior channels, else of all."""
    good = m.signals("eeg")
    chosen = [s for s in good if canonical(s.name) in POSTERIOR] or good
    if not chosen:
        return Reason.LOW_QUALITY
    first = chosen[0]
    if first.duration_s < PEAK_SEGMENT_S * (PEAK_SEGMENTS + 1) / 2:
        return Reason.TOO_SHORT
    clock = (first.sfreq, first.onset_s, len(first.data))
    spectra = [m.spectrum(s, PEAK_SEGMENT_S) for s in chosen if (s.sfreq, s.onset_s, len(s.data)) == clock]
    freqs, pieces = spectra[0][0], np.mean([power for _, power in spectra], axis=0)
    pieces = pieces[np.isfinite(pieces).all(axis=1)]
    if len(pieces) < PEAK_SEGMENTS:
        return Reason.TOO_FEW
    if freqs[-1] < LINE_HZ[1][1]:
        return Reason.NOT_SUPPORTED
    with np.errstate(divide="ignore", invalid="ignore"):
        found = interval(pieces, lambda mean: _peak(freqs, mean))
    return found if np.isfinite(found.value) and found.low is not None else Reason.NO_PEAKS


def _peak(freqs: np.ndarray, psd: np.ndarray) -> np.ndarray:
    """Peak frequency of each spectrum (rows); NaN where nothing stands out of the 1/f line."""
    around = np.logical_or.reduce([spectral.band(freqs, *b) for b in LINE_HZ])
    inside = np.flatnonzero(spectral.band(freqs, *PEAK_HZ))
    logs = np.log(psd[:, 1:])
    design = np.column_stack((np.ones(len(freqs) - 1), np.log(freqs[1:])))
    line = logs[:, around[1:]] @ np.linalg.pinv(design[around[1:]]).T @ design.T
    above = np.concatenate((np.zeros((len(psd), 1)), logs - line), axis=1)
    top = inside[np.argmax(above[:, inside], axis=1)]
    rows = np.arange(len(psd))
    left, here, right = above[rows, top - 1], above[rows, top], above[rows, top + 1]
    real = (
        (here >= np.maximum(PEAK_RISE, PEAK_SCATTER * above[:, around].std(axis=1))) & (here >= left) & (here >= right)
    )
    # the top of the parabola through three bins
    shift = np.clip(0.5 * (left - right) / (left - 2 * here + right), -0.5, 0.5)
    hz = freqs[top] + np.where(np.isfinite(shift), shift, 0.0) * (freqs[1] - freqs[0])
    return np.where(real, hz, np.nan)


# --- the slow signals


def _level(m: Material, type_: str) -> Found | Reason:
    """Mean over the usable windows of the first signal that is not left out."""
    signals = m.signals(type_)
    if not signals:
        return Reason.LOW_QUALITY
    means = m.windows(signals[0]).mean(axis=1, dtype=np.float64)
    means = means[np.isfinite(means)]
    return interval(means[:, None], lambda mean: mean[:, 0]) if len(means) else Reason.TOO_FEW


def _scl(m: Material) -> Found | Reason:
    """Mean skin conductance."""
    return _level(m, "eda")


def _skin_temperature(m: Material) -> Found | Reason:
    """Mean temperature; a probe inside the body says nothing of the skin."""
    signals = m.signals("temp")
    if signals and any(word in signals[0].name.lower() for word in CORE_TEMPERATURE):
        return Reason.NOT_SUPPORTED
    return _level(m, "temp")


def _scr_rate(m: Material) -> Found | Reason:
    """Responses of at least 0.05 µS a minute, with exact Poisson limits; none at all is no_peaks: a silent electrode
    and a calm person look alike."""
    signals = m.signals("eda")
    if not signals:
        return Reason.LOW_QUALITY
    if signals[0].duration_s < SCR_S:
        return Reason.TOO_SHORT
    minutes = m.usable_s("eda") / 60
    if minutes < SCR_S / 60:
        return Reason.TOO_FEW
    n = len(m.responses)
    if n == 0:
        return Reason.NO_PEAKS
    low, high = special.gammaincinv(n, 0.025), special.gammaincinv(n + 1, 0.975)
    return Found(n / minutes, float(low / minutes), float(high / minutes))


def _pulse_rate(m: Material) -> Found | Reason:
    """60 over the mean normal interval between pulses."""
    signals = m.signals("ppg")
    if not signals:
        return Reason.LOW_QUALITY
    pulse_s = signals[0].onset_s + beats.detect_pulses(np.asarray(signals[0].data), signals[0].sfreq)
    if len(pulse_s) < 2:
        return Reason.NO_PEAKS
    trusted = m.inside("ppg", pulse_s)
    rr_ms = beats.clean_rr(pulse_s)[trusted[:-1] & trusted[1:]]
    rr_ms = rr_ms[np.isfinite(rr_ms)]
    if len(rr_ms) < MIN_PULSES:
        return Reason.TOO_SHORT if signals[0].duration_s < MIN_PULSES else Reason.TOO_FEW
    return interval(rr_ms[:, None], lambda mean: 60000.0 / mean[:, 0])


def _breathing_rate(m: Material) -> Found | Reason:
    """60 over the mean length of a breath; those more than twice or less than half the median are left out."""
    signals = m.signals("resp")
    if not signals:
        return Reason.LOW_QUALITY
    if signals[0].duration_s < BREATHING_S:
        return Reason.TOO_SHORT
    found = slow.breaths(np.asarray(signals[0].data), signals[0].sfreq)
    if len(found.peak_s) == 0:
        return Reason.NO_PEAKS
    trusted = m.inside("resp", signals[0].onset_s + found.start_s) & m.inside("resp", signals[0].onset_s + found.peak_s)
    lengths = found.length_s[trusted & found.normal()]
    if len(lengths) < MIN_BREATHS:
        return Reason.TOO_FEW
    return interval(lengths[:, None], lambda mean: 60.0 / mean[:, 0])


def _movement(m: Material) -> Found | Reason:
    """Mean absolute deviation of the magnitude of acceleration from its median in each window.

    Unlike the distance from 1 g it does not hang on the sensor's calibration, nor on whether gravity was removed.
    """
    signals = m.signals("acc")
    axes = [s for s in signals if (s.sfreq, s.onset_s, len(s.data)) == (
        signals[0].sfreq, signals[0].onset_s, len(signals[0].data))]  # fmt: skip
    if not axes:
        return Reason.LOW_QUALITY
    size = np.sqrt(sum(m.windows(s).astype(np.float64) ** 2 for s in axes))
    away = np.abs(size - np.median(size, axis=1, keepdims=True)).mean(axis=1)
    away = away[np.isfinite(away)]
    return interval(away[:, None], lambda mean: mean[:, 0]) if len(away) else Reason.TOO_FEW


def _smile(m: Material) -> Found | Reason:
    """Share of frames in which AU12, or a score called smile, is over a tenth of its full scale (1, 5 or 100)."""
    signals = [s for s in m.signals("face") if "au12" in s.name.lower() or "smile" in s.name.lower()]
    if not signals:
        return Reason.MISSING_CHANNEL
    windows = m.windows(signals[0])
    known = np.isfinite(windows)
    if not known.any():
        return Reason.TOO_FEW
    # an intensity of OpenFace (AU12_r) is on 0-5 even where nobody smiles; others show their scale by their values
    largest = 5.0 if signals[0].name.endswith("_r") else float(windows[known].max())
    full = next(scale for scale in (1.0, 5.0, 100.0, np.inf) if largest <= scale)
    smiling = (windows > SMILE_SHARE * full) & known
    pieces = np.column_stack((smiling.sum(axis=1), known.sum(axis=1))).astype(float)
    return interval(pieces, lambda mean: mean[:, 0] / mean[:, 1])


# name -> channel type and function; names and units are those of design 2 and settings.MEASURE_UNITS
MARKERS: dict[str, tuple[str, Callable[[Material], Found | Reason]]] = {
    "heart_rate": ("ecg", _heart_rate),
    "rmssd": ("ecg", _rmssd),
    "alpha_asymmetry": ("eeg", _alpha_asymmetry),
    "engagement": ("eeg", _engagement),
    "alpha_peak": ("eeg", _alpha_peak),
    "scl": ("eda", _scl),
    "scr_rate": ("eda", _scr_rate),
    "pulse_rate": ("ppg", _pulse_rate),
    "breathing_rate": ("resp", _breathing_rate),
    "skin_temperature": ("temp", _skin_temperature),
    "movement": ("acc", _movement),
    "smile": ("face", _smile),
}
