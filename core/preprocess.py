"""Recording -> Recording: filters over the whole recording, and baseline-aware normalisation.

Only EEG and ECG are filtered here. Other types pass as they are: each marker of theirs brings the filter it is
defined with, and a mean skin conductance or temperature must keep its level.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from core.dsp import filters, grid
from core.errors import Refused
from core.types import Pipeline, Quality, Recording, Signal

# smallest scale a channel is divided by, in the unit of its type: EEG and ECG requirements d5; the others (own)
# are what the sensor of each kind resolves
SCALE_FLOOR = {
    "eeg": 0.5, "eog": 0.5, "emg": 0.5, "ecg": 0.005, "eda": 0.01, "temp": 0.02, "acc": 0.01,
    "ppg": 1e-6, "resp": 1e-6,
}  # fmt: skip
SCALED = ("eeg", "ecg")
# and as a share of the median scale of the channels of the type (d5)
SCALE_SHARE = 0.1
# cut off both ends of a baseline for the filter's edges, and the least that must be left valid, s (d5)
BASELINE_EDGE_S = 0.5
BASELINE_S = 5.0
MAD_TO_SD = 1.4826


class NoBaseline(Exception):
    """The pipeline normalises to a baseline and the recording has none that could be used."""


def filtered(recording: Recording, pipeline: Pipeline) -> Recording:
    """Filter each EEG and ECG signal as a whole, at its own rate.

    EEG: Butterworth band-pass and mains notch; ECG: Butterworth band-pass; both run both ways (S1-07). Gaps up to
    0.1 s are bridged, longer ones stay NaN. float32 stays float32.
    """

    def run(signal: Signal) -> Signal:
        data = np.asarray(signal.data)
        if data.dtype not in (np.float32, np.float64):
            data = data.astype(np.float64)
        if signal.type == "eeg":
            exact = filters.bandpass(data.astype(np.float64), signal.sfreq, *pipeline.eeg_band, pipeline.filter_order)
            exact = filters.notch(exact, signal.sfreq, pipeline.line_hz, pipeline.notch_q)
        elif signal.type == "ecg":
            exact = filters.bandpass(data.astype(np.float64), signal.sfreq, *pipeline.ecg_band, pipeline.filter_order)
        else:
            return signal
        return replace(signal, data=exact.astype(data.dtype))

    return replace(recording, signals=tuple(run(s) for s in recording.signals))


def normalised(
    filtered: Recording,
    quality: Quality,
    pipeline: Pipeline,
    baseline: Recording | None = None,
    *,
    baseline_quality: Quality | None = None,
    types: Iterable[str] | None = None,
) -> Recording:
    """Scale each channel once: z = (x - m) / max(s, floor).

    Mode ``self`` takes m and s from the recording's own usable windows; mode ``baseline`` from ``baseline`` (a
    recording *filtered by the same pipeline*; its windows are judged by ``baseline_quality`` where given), else from
    the stretches annotated ``baseline`` (any case), less 0.5 s at both ends and what quality flagged.

    A channel that was left out, or has nothing valid to be scaled by, is NaN: zeros are never put in its place.
    ``types`` are scaled (default: EEG and ECG), other signals pass as they are: features of slow signals are made of
    physical values, and what is done to a person's level is the model's matter.

    Raises
    ------
    NoBaseline
        In mode ``baseline``, when one of ``types`` can be used but has less than 5 s of valid
        baseline.
    Refused
        When the baseline was recorded at another sampling rate.
    """
    chosen = tuple(t for t in (SCALED if types is None else types) if t in SCALE_FLOOR)
    scaled: dict[int, Signal] = {}
    for type_ in chosen:
        signals = filtered.of_type(type_)
        if not signals:
            continue
        if pipeline.norm_mode == "baseline":
            pools = _baseline_pools(filtered, quality, type_, baseline, baseline_quality)
        else:
            pools = [_own_pool(s, quality) for s in signals]
        moments = [_moments(pool, pipeline.norm_robust) for pool in pools]
        spread = np.array([s for _, s in moments])
        known = np.isfinite(spread)
        floor = max(SCALE_SHARE * float(np.median(spread[known])) if known.any() else 0.0, SCALE_FLOOR[type_])
        bad = quality.bad_names(type_)
        for signal, (centre, scale) in zip(signals, moments, strict=True):
            data = np.asarray(signal.data)
            kind = data.dtype if data.dtype == np.float32 else np.float64
            if signal.name in bad or not np.isfinite(centre):
                z = np.full(len(data), np.nan, dtype=kind)
            else:
                z = ((data.astype(np.float64) - centre) / max(scale, floor)).astype(kind)
            scaled[id(signal)] = replace(signal, data=z, unit="z")
    return replace(filtered, signals=tuple(scaled.get(id(s), s) for s in filtered.signals))


def _moments(pool: np.ndarray, robust: bool) -> tuple[float, float]:
    if pool.size == 0:
        return float("nan"), float("nan")
    if robust:
        centre = float(np.median(pool))
        return centre, MAD_TO_SD * float(np.median(np.abs(pool - centre)))
    return float(pool.mean()), float(pool.std())


def _valid(signal: Signal, quality: Quality) -> np.ndarray:
    """Samples that are there and lie in a usable window of the signal's type."""
    verdict = quality.of(signal.type)
    out = np.zeros(len(signal.data), dtype=bool)
    if verdict is None or signal.name in quality.bad_names(signal.type):
        return out
    start, covered = grid.starts(signal, quality.onset_s, quality.duration_s)
    n = grid.n_samples(signal.sfreq, quality.duration_s)
    for first in start[verdict.usable & covered]:
        out[first : first + n] = True
    return out & np.isfinite(signal.data)


def _own_pool(signal: Signal, quality: Quality) -> np.ndarray:
    return np.asarray(signal.data)[_valid(signal, quality)].astype(np.float64)


def _baseline_pools(
    recording: Recording,
    quality: Quality,
    type_: str,
    baseline: Recording | None,
    judged: Quality | None,
) -> list[np.ndarray]:
    """Valid baseline samples of each channel of a type."""
    signals = recording.of_type(type_)
    if baseline is not None:
        pools = _from_recording(signals, baseline, judged)
    else:
        pools = _from_annotations(signals, recording, quality)
    bad = quality.bad_names(type_)
    verdict = quality.of(type_)
    valid_s = [p.size / s.sfreq for p, s in zip(pools, signals, strict=True) if s.name not in bad]
    can_be_used = verdict is not None and bool(verdict.usable.any())
    if can_be_used and max(valid_s, default=0.0) < BASELINE_S - 1e-6:
        raise NoBaseline(f"{type_}: less than {BASELINE_S:g} s of valid baseline")
    return [p if p.size / s.sfreq >= BASELINE_S - 1e-6 else p[:0] for p, s in zip(pools, signals, strict=True)]


def _from_annotations(signals: Sequence[Signal], recording: Recording, quality: Quality) -> list[np.ndarray]:
    marked = [a for a in recording.annotations if a.description.strip().lower() == "baseline"]
    pools = []
    for signal in signals:
        time_s = signal.onset_s + np.arange(len(signal.data)) / signal.sfreq
        inside = np.zeros(len(time_s), dtype=bool)
        for a in marked:
            inside |= (time_s >= a.onset_s + BASELINE_EDGE_S - 1e-9) & (
                time_s < a.onset_s + a.duration_s - BASELINE_EDGE_S - 1e-9
            )
        pools.append(np.asarray(signal.data)[inside & _valid(signal, quality)].astype(np.float64))
    return pools


def _from_recording(signals: Sequence[Signal], baseline: Recording, judged: Quality | None) -> list[np.ndarray]:
    pools = []
    for signal in signals:
        twin = next((s for s in baseline.of_type(signal.type) if s.name == signal.name), None)
        if twin is None:
            pools.append(np.empty(0))
            continue
        if not np.isclose(twin.sfreq, signal.sfreq, rtol=1e-3):
            raise Refused(
                "E-BASELINE-RATE",
                f"the baseline was recorded at {twin.sfreq:g} Hz, the recording at {signal.sfreq:g} Hz",
                signal.name,
                "Send a baseline of the same device and rate.",
            )
        edge = round(BASELINE_EDGE_S * twin.sfreq)
        keep = _valid(twin, judged) if judged is not None else np.isfinite(twin.data)
        keep[:edge] = False
        keep[len(keep) - edge :] = False
        pools.append(np.asarray(twin.data)[keep].astype(np.float64))
    return pools
