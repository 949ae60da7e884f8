"""What every recording is asked after it was read, whatever its format: missing, flat, saturated, unit, range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.readers.channels import fits, listed, spread
from core.types import Notice, Recording, Signal

# share of equal neighbours from which a channel is said to be flat, and of samples at its ends to be saturated
FLAT_SHARE = 0.9
SATURATED_SHARE = 0.05
# EEG smaller than this is in another unit, µV; the noise of an amplifier alone is larger
_SMALLEST_EEG_UV = {1e-3: "volts, off by 1,000,000", 0.2: "millivolts, off by 1000"}
_LARGEST_SPREAD = {"eeg": 10_000.0, "ecg": 50.0, "emg": 50_000.0, "eog": 50_000.0}
# spread below which values are in another unit by a power of 1000, in the house's unit
_SMALLEST_SPREAD = {"eeg": 0.2, "eog": 0.2, "emg": 0.05, "ecg": 3e-3}
# what people write for one another: V, mV and µV; S, mS, µS and nS; g and mg
POWERS = (1e3, 1e-3, 1e6, 1e-6)
_RANGES = {"eda": (-1.0, 150.0), "temp": (-20.0, 60.0), "acc": (-32.0, 32.0)}


def checked(recording: Recording) -> Recording:
    """The recording with infinite values as NaN, and notices on what is odd about its signals."""
    signals, share = [], {}
    for s in recording.signals:
        finite = np.isfinite(s.data)
        lost = 1.0 - float(finite.mean()) if len(finite) else 1.0
        if lost:
            share[s.name] = lost
            if not finite.all() and np.isinf(s.data).any():
                s = replace(s, data=np.where(finite, s.data, np.nan).astype(s.data.dtype))
        signals.append(s)
    notices = list(recording.notices)
    if share:
        worst = max(share.values())
        notices.append(Notice(
            "W-MISSING-VALUES", f"Missing values in {listed(list(share))}: at most {_percent(worst)} of a channel.",
        ))  # fmt: skip
    analysed = [s for s in signals if s.type != "misc"]
    for code, words, test in (("W-FLAT", "is flat", _flat), ("W-SATURATED", "is saturated", _saturated)):
        found = {s.name: test(s) for s in analysed}
        found = {name: value for name, value in found.items() if value}
        if found:
            notices.append(Notice(
                code, f"{listed(list(found))} {words} for {_percent(max(found.values()))} of the recording or less.",
            ))  # fmt: skip
    notices += _units(analysed)
    return replace(recording, signals=tuple(signals), notices=tuple(notices))


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _flat(s: Signal) -> float:
    """Share of samples equal to the one before, where it is large enough to call the channel flat; else 0."""
    x = s.data[np.isfinite(s.data)]
    if len(x) < 2 or s.type in ("acc", "temp", "eda"):
        # slow sensors repeat a value for long; only one that never moves is flat
        return 1.0 if len(x) > 1 and s.type == "eda" and bool((x == x[0]).all()) else 0.0
    still = float((np.diff(x) == 0).mean())
    return still if still >= FLAT_SHARE else 0.0


def _saturated(s: Signal) -> float:
    """Share of samples that sit at the largest or smallest value in runs; 0 where it is small."""
    x = s.data[np.isfinite(s.data)]
    if len(x) < 10 or s.type not in ("eeg", "ecg", "emg", "eog", "ppg", "resp") or _flat(s):
        return 0.0
    at_end = (x == x.max()) | (x == x.min())
    runs = float((at_end[1:] & at_end[:-1] & (np.diff(x) == 0)).mean())
    return runs if runs >= SATURATED_SHARE else 0.0


def off_by(s: Signal) -> float | None:
    """The power of 1000 by which values that no person gives would come into their range; None without a doubt.

    >>> off_by(Signal("Cz", "eeg", "µV", 128.0, np.sin(np.arange(1280)) * 2e-5))
    1000000.0
    """
    if s.type in _SMALLEST_SPREAD:
        size = spread(s.data)
        odd = 0 < size < _SMALLEST_SPREAD[s.type] or size > _LARGEST_SPREAD[s.type]
    elif s.type in ("eda", "acc"):
        low, high = (1e-3, _RANGES["eda"][1]) if s.type == "eda" else (0.0, _RANGES["acc"][1])
        size = abs(float(np.nanmedian(s.data))) if np.isfinite(s.data).any() else 0.0
        odd = size > 0 and not low <= size <= high
    else:
        return None
    powers = (1e-3,) if s.type == "acc" else POWERS
    return next((p for p in powers if fits(s.data * p, s.type)), None) if odd else None


def _units(signals: list[Signal]) -> list[Notice]:
    """Doubts about the unit: values that no person gives in the unit stated."""
    notices = []
    size = {s.name: spread(s.data) for s in signals if s.type in _LARGEST_SPREAD}
    eeg = [s for s in signals if s.type == "eeg" and size[s.name] > 0]
    small = [s.name for s in eeg if size[s.name] < max(_SMALLEST_EEG_UV)]
    if small:
        words = next(w for limit, w in sorted(_SMALLEST_EEG_UV.items()) if min(size[n] for n in small) < limit)
        notices.append(Notice(
            "W-UNIT", f"The values of EEG {listed(small)} are too small for the unit stated (µV): are they {words}? "
            "Say the unit with --map.",
        ))  # fmt: skip
    large = [s.name for s in signals if size.get(s.name, 0.0) > _LARGEST_SPREAD.get(s.type, np.inf)]
    for s in signals:
        low, high = _RANGES.get(s.type, (-np.inf, np.inf))
        x = s.data[np.isfinite(s.data)]
        if x.size and not low <= float(np.median(x)) <= high:
            large.append(s.name)
    if large:
        notices.append(Notice(
            "W-RANGE", f"The values of {listed(large)} lie outside the range a person gives; check unit and gain.",
        ))  # fmt: skip
    return notices
