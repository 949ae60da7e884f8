"""Arrays of a request as a recording: shapes are checked by name, nothing is turned or guessed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.errors import Refused
from core.settings import EPOC_14, MIN_DURATION_S
from core.types import Annotation, Recording, Signal

# longest recording, s (security 1)
MAX_DURATION_S = 7 * 86400.0
# largest value that a stored sample can hold
LARGEST = float(np.finfo(np.float32).max)
ECG_LEADS = ("ECG 1", "ECG 2")


def recording(
    eeg: Any, ecg: Any, *, eeg_fs: float, ecg_fs: float, eeg_baseline: Any = None, ecg_baseline: Any = None
) -> Recording:
    """The signals of a request on one clock.

    Baseline parts come before the data, marked by an annotation ``baseline``; where they differ in length the shorter
    one starts later, so that both data parts start at the same time.

    Parameters
    ----------
    eeg, ecg
        Rows of 14 values in µV and of 2 values in mV.
    eeg_fs, ecg_fs
        Rates in Hz, used as declared.
    """
    parts = {
        "eeg": ("µV", EPOC_14, eeg_fs, matrix(eeg, "eeg_data", EPOC_14), eeg_baseline),
        "ecg": ("mV", ECG_LEADS, ecg_fs, matrix(ecg, "ecg_data", ECG_LEADS), ecg_baseline),
    }
    before: dict[str, np.ndarray] = {}
    for type_, (_, names, sfreq, data, baseline) in parts.items():
        long_enough(data, f"{type_}_data", sfreq, len(names))
        if baseline is not None:
            before[type_] = matrix(baseline, f"{type_}_baseline", names)
    baseline_s = max((len(before[t]) / parts[t][2] for t in before), default=0.0)
    signals = []
    for type_, (unit, names, sfreq, data, _) in parts.items():
        lead = before.get(type_, data[:0])
        joined = np.concatenate([lead, data])
        onset_s = baseline_s - len(lead) / sfreq
        signals += [
            Signal(name, type_, unit, sfreq, np.ascontiguousarray(joined[:, i]), onset_s)
            for i, name in enumerate(names)
        ]
    first = min(signal.onset_s for signal in signals)
    marks = (Annotation(first, baseline_s - first, "baseline"),) if before else ()
    return Recording(signals=tuple(signals), annotations=marks, format="arrays")


def matrix(rows: Any, field: str, names: Sequence[str]) -> np.ndarray:
    """Rows of finite numbers as an array of shape (n_times, n_channels), float32.

    A row for each channel instead of each time is named and refused, never turned in silence.
    """
    n = len(names)
    expected = f"expected shape (n_times, {n}): a row for each time with {n} numbers ({', '.join(names)})"
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise refused(field, f"this is no array of arrays; {expected}.", "Send a list of rows.")
    if not rows or not any(rows):
        raise refused(field, f"the array is empty; {expected}.", "Send the samples.")
    lengths = {len(row) for row in rows}
    if lengths != {n}:
        found = f"found shape ({len(rows)}, {min(lengths)})"
        if len(lengths) > 1:
            row = next(i for i, r in enumerate(rows) if len(r) != len(rows[0]))
            what = f"rows differ in length: row 0 has {len(rows[0])} values, row {row} has {len(rows[row])}"
            raise refused(field, f"{what}; {expected}.", f"Give every row {n} values.")
        if len(rows) == n:
            raise refused(
                field,
                f"{expected}; {found}, which looks transposed: a row for each channel.",
                f"If so, send it transposed, as ({min(lengths)}, {n}); it was not turned for you.",
            )
        raise refused(field, f"{expected}; {found}.", f"Send {n} columns in this order.")
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            if type(value) not in (int, float) or not abs(value) <= LARGEST:
                raise refused(
                    field,
                    f"row {i}, column {j} ({names[j]}) is {shown(value)}; expected a finite number.",
                    "Send finite numbers; leave out a stretch where samples are missing.",
                )
    return np.array(rows, dtype=np.float32)


def long_enough(data: np.ndarray, field: str, sfreq: float, n: int) -> None:
    """Refuse less than the shortest recording, and more than the longest."""
    duration_s = len(data) / sfreq
    found = f"found ({len(data)}, {n}), which is {duration_s:.4g} s at {sfreq:g} Hz"
    if duration_s < MIN_DURATION_S:
        least = math.ceil(MIN_DURATION_S * sfreq)
        raise Refused(
            "E-TOO-SHORT",
            f"expected at least {least} rows ({MIN_DURATION_S:g} s at {sfreq:g} Hz); {found}.",
            field,
            f"Send {MIN_DURATION_S:g} s or more, and check the declared rate.",
        )
    if duration_s > MAX_DURATION_S:
        raise Refused("E-TOO-LONG", f"expected at most 7 days; {found}.", field, "Check the declared rate.")


def shown(value: Any) -> str:
    """What was found in place of a number, by its kind in JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "not finite or too large"
    return {"str": "text", "list": "an array", "dict": "an object"}.get(type(value).__name__, "no number")


def refused(field: str, what: str, what_to_do: str) -> Refused:
    """A wrong shape, by field."""
    return Refused("E-SHAPE", what, field, what_to_do)
