"""What every reader shares: its options, its refusals, text made safe to show, and times."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.errors import Refused
from core.types import Annotation, InputFile, Notice, Recording

# --- Limits of one upload (security 1)
MAX_CHANNELS = 512
MAX_SAMPLES = 2**31
MIN_RATE_HZ, MAX_RATE_HZ = 0.1, 100_000.0
MAX_DURATION_S = 7 * 86_400.0
MAX_UNPACKED_BYTES = 500 * 10**6
MAX_ANNOTATIONS = 20_000
MAX_TEXT = 80
# the key of a repair of the files as a whole, in place of a channel's name
WHOLE = "*"
# the start of a file that a reader is asked to recognise
SNIFF_BYTES = 65_536
# control, format (bidi marks among them), surrogate, private and unassigned characters, line separators
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@dataclass(frozen=True)
class Options:
    """What a person said about the files: rate in Hz, type and unit of columns, zone of times without an offset.

    ``used`` collects the keys of ``mapping`` that a reader found, so that a misspelt one is not passed over.
    ``offsets`` and ``repairs`` are those of ``core.types.Reading``.
    """

    sfreq: float | None = None
    mapping: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    zone: tzinfo = UTC
    used: set[str] = field(default_factory=set)
    offsets: Mapping[str, float] = field(default_factory=dict)
    repairs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def asks(self, repair: str) -> bool:
        """Whether a repair of the files as a whole was asked for."""
        return repair in self.repairs.get(WHOLE, ())


class Reader(NamedTuple):
    """One door: does the start of a file look like this format, and the files as a recording.

    ``title`` and ``how`` are what a person reads: what it is called, and which files it comes in.
    """

    sniff: Callable[[bytes, str], bool]
    read: Callable[..., Recording]
    title: str
    how: str = "one file"


def visible(text: str, limit: int = MAX_TEXT) -> str:
    """Text of a file made safe to show: composed, unseen characters written out, cut to ``limit``.

    >>> visible("Fp1" + chr(0x202E) + "x")
    'Fp1<U+202E>x'
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join(f"<U+{ord(c):04X}>" if unicodedata.category(c) in _UNSEEN else c for c in text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def refuse(code: str, file: InputFile | str, what: str, what_to_do: str, *, repairs: Sequence[str] = ()) -> Refused:
    """A refusal that names the file, and the repairs that may mend it."""
    name = file if isinstance(file, str) else file.name
    return Refused(code, what, visible(name), what_to_do, repairs)


def only(files: Sequence[InputFile]) -> InputFile:
    """The one file of a format that has one, refused when it is empty."""
    (file,) = files
    if Path(file.path).stat().st_size == 0:
        raise empty(file)
    return file


def empty(file: InputFile) -> Refused:
    """The refusal of a file without a byte."""
    return refuse("E-EMPTY", file, "the file is empty (0 bytes).", "Copy or export it again from the recorder.")


def utc(naive: datetime, zone: tzinfo) -> datetime:
    """A time in UTC; one without an offset is in ``zone``."""
    return (naive if naive.tzinfo else naive.replace(tzinfo=zone)).astimezone(UTC)


def annotation(onset_s: float, duration_s: float, text: str) -> Annotation | None:
    """An annotation with a readable description, None where its time is no number."""
    if not (math.isfinite(onset_s) and abs(onset_s) <= MAX_DURATION_S):
        return None
    duration_s = duration_s if math.isfinite(duration_s) and duration_s > 0 else 0.0
    return Annotation(float(onset_s), float(min(duration_s, MAX_DURATION_S)), visible(text))


def kept_annotations(rows: Sequence[tuple[float, float, str]], notices: list[Notice]) -> tuple[Annotation, ...]:
    """Annotations in order of time; those without a valid time are dropped with a notice."""
    made = [annotation(*row) for row in rows[:MAX_ANNOTATIONS]]
    kept = sorted((a for a in made if a and a.description), key=lambda a: a.onset_s)
    lost = sum(a is None for a in made)
    if lost:
        notices.append(Notice("W-ANNOTATIONS", f"{lost} annotations have no valid time and were left out."))
    if len(rows) > MAX_ANNOTATIONS:
        notices.append(
            Notice("W-ANNOTATIONS", f"Only the first {MAX_ANNOTATIONS} of {len(rows)} annotations are kept.")
        )
    return tuple(kept)


def check_rate(rate: float, file: InputFile, of: str) -> float:
    """A rate within the limits, else a refusal."""
    if not (math.isfinite(rate) and MIN_RATE_HZ * (1 - 1e-9) <= rate <= MAX_RATE_HZ):
        raise refuse(
            "E-RATE", file, f"the sampling rate of {visible(of)} is {rate:g} Hz; it must lie between "
            f"{MIN_RATE_HZ:g} and {MAX_RATE_HZ:g} Hz.", "Export the file again with its true sampling rate.",
        )  # fmt: skip
    return rate


def check_size(n_channels: int, n_samples: float, file: InputFile) -> None:
    """Channels and samples within the limits, else a refusal; asked before anything is allocated."""
    if n_channels > MAX_CHANNELS:
        raise refuse(
            "E-CHANNELS", file, f"it says it holds {n_channels} channels; at most {MAX_CHANNELS} are read.",
            "Export fewer channels, or check that the file is not damaged.",
        )  # fmt: skip
    if n_samples > MAX_SAMPLES:
        raise refuse(
            "E-SAMPLES", file, f"it says it holds {n_samples:.3g} samples; at most {MAX_SAMPLES} are read.",
            "Export a shorter part, or check that the file is not damaged.",
        )  # fmt: skip


def real_date(moment: datetime | None) -> datetime | None:
    """The moment, or None for the dates that devices and anonymisers write when there is none."""
    if moment is None or moment.year < 1971:
        return None
    blank = {(1985, 1, 1), (2000, 1, 1), (1980, 1, 1), (1999, 12, 31)}
    # EDF's own blank date, the one MNE's anonymiser writes, and the epochs of embedded clocks: only at midnight,
    # except EDF's, which stands for "no date" whatever the time beside it
    if (moment.year, moment.month, moment.day) == (1985, 1, 1):
        return None
    at_midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) == moment
    return None if at_midnight and (moment.year, moment.month, moment.day) in blank else moment


def filled_gaps(parts: Sequence[tuple[float, np.ndarray]], sfreq: float) -> np.ndarray:
    """Stretches at their times laid on one grid, NaN between them: gaps are never glued.

    ``parts`` are (onset in s, samples) with onsets counted from the first part; overlaps keep the later samples.
    """
    starts = [round(onset * sfreq) for onset, _ in parts]
    total = max(start + len(x) for start, (_, x) in zip(starts, parts, strict=True))
    out = np.full(total, np.nan, dtype=np.float32)
    for start, (_, x) in zip(starts, parts, strict=True):
        out[start : start + len(x)] = x
    return out


def moved(moment: datetime | None, seconds: float) -> datetime | None:
    """A moment some seconds later; None stays None."""
    return moment + timedelta(seconds=seconds) if moment else None
