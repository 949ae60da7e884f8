"""OpenBCI text in its three dialects: the legacy GUI, GUI 5 and GUI 6.

A row per sample: a sample index that starts again after 255 (Ganglion: 200), the EXG channels in µV, acceleration in g,
inputs that are not read, and the computer's time. The rate is the header's; samples that the index says are lost are
missing. The legacy GUI writes acceleration only where a new one came and 0 between: it is held, as the later ones do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from core.readers import channels, clock, text
from core.readers.base import (
    MAX_DURATION_S,
    Options,
    check_rate,
    check_size,
    kept_annotations,
    only,
    real_date,
    refuse,
    utc,
    visible,
)
from core.types import InputFile, Notice, Recording

_START = re.compile(rb"^(?:\xef\xbb\xbf)?%OpenBCI Raw E[EX]G Data")
_AGAIN = "Record the session again, or copy the file again from the recorder."
# s; a held acceleration is not older
_HOLD_S = 1.0
# of the samples, from which on the computer's time is said to disagree with the stated rate
_RATE_SHARE = 0.01


def sniff(first: bytes, name: str) -> bool:
    """The first line of every dialect."""
    return bool(_START.match(first))


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One OpenBCI text file as a recording."""
    options = options or Options()
    file = only(files)
    if not sniff(_start(file), file.name):
        raise refuse("E-OPENBCI", file, "it does not start as an OpenBCI recording.", _AGAIN)
    notices: list[Notice] = []
    table = text.opened(file, notices, header=None)
    said = {
        k.strip(" %").lower(): value.strip() for k, sign, value in (b.partition("=") for b in table.before) if sign
    }  # fmt: skip
    try:
        n = int(said["number of channels"])
        sfreq = float(said["sample rate"].lower().removesuffix("hz"))
    except (KeyError, ValueError):
        raise refuse("E-OPENBCI", file, "its header states no number of channels or no rate.", _AGAIN) from None
    check_rate(sfreq, file, "the recording")
    exg, acc, marker = _places(table, n, file)
    stamps, written = _stamped(table)
    wanted = [0, *exg.values(), *acc.values(), *[i for i in (marker, stamps) if i is not None]]
    x = text.numbers(table, wanted)
    rows = len(x[0])
    # the GUI may start with a row of zeros
    begin = 1 if rows > 1 and all(x[i][0] == 0 for i in wanted) else 0
    x = {i: v[begin:] for i, v in x.items()}
    t = _seconds(x[stamps]) if stamps is not None else None
    place = _laid(x[0], t, sfreq, file, notices)
    end = int(place[-1]) + 1
    check_size(len(exg) + len(acc), float(end) * (len(exg) + len(acc)), file)

    def even(v: np.ndarray) -> np.ndarray:
        out = np.full(end, np.nan, dtype=np.float32)
        out[place] = v
        return out

    if acc:
        held = _held(np.stack([x[i] for i in acc.values()]), round(_HOLD_S * sfreq))
        x.update(zip(acc.values(), held, strict=True))
    raw = [channels.Raw(name, "uV", even(x[i]), sfreq, kind="eeg") for name, i in exg.items()]
    notices.append(Notice(
        "W-CHANNELS", "The EXG channels say no electrode position. Read as EEG; values that need a position are not "
        "computed. Say with --map where one of them is something else.",
    ))  # fmt: skip
    raw += [channels.Raw(name, "g", even(x[i]), sfreq, kind="acc") for name, i in acc.items()]
    marks = []
    if marker is not None:
        marks = [(place[i] / sfreq, 0.0, f"marker {x[marker][i]:g}") for i in np.flatnonzero(x[marker])]
    started = _started(x, stamps, written, table, begin, options)
    return Recording(
        signals=channels.typed(raw, options, notices, file),
        started_at=started,
        annotations=kept_annotations(marks, notices),
        format="openbci",
        notices=tuple(notices),
    )


def _start(file: InputFile) -> bytes:
    with Path(file.path).open("rb") as stream:
        return stream.read(200)


def _places(table: text.Table, n: int, file: InputFile) -> tuple[dict[str, int], dict[str, int], int | None]:
    """Columns of the EXG channels and of acceleration by name, and that of markers; by place where none is named."""
    names = [name.lower() for name in table.names]
    exg = {visible(table.names[i]): i for i, name in enumerate(names) if name.startswith("exg channel")}
    acc = {visible(table.names[i]): i for i, name in enumerate(names) if name.startswith("accel channel")}
    if not exg:
        exg = {f"EXG Channel {i}": i + 1 for i in range(min(n, len(names)))}
        acc = {f"Accel Channel {i}": n + 1 + i for i in range(3)}
    if not 1 <= n <= 64 or len(exg) != n or len(names) < n + 1 + len(acc):
        raise refuse("E-OPENBCI", file, f"it says it has {n} channels, and its rows have {len(names)} columns.", _AGAIN)
    return exg, acc, table.index("Marker Channel", "Marker")


def _stamped(table: text.Table) -> tuple[int | None, int | None]:
    """Which column holds the computer's time as a number since 1970, and which as text."""
    stamps = written = None
    for i, cell in enumerate(table.first):
        if re.fullmatch(r"\d{9,14}(\.\d+)?", cell) or (cell in ("0", "0.0") and table.names[i].lower() == "timestamp"):
            stamps = i
        elif clock.looks_like_time(cell) or re.fullmatch(r"\d{1,2}:\d{2}:\d{2}(\.\d+)?", cell):
            written = i
    if stamps is None and len(table.first) == 24 and not table.names[0].lower().startswith("sample"):
        # GUI 5 without a line of names, behind its row of zeros
        stamps = 22
    return stamps, written


def _seconds(stamps: np.ndarray) -> np.ndarray:
    """Seconds since 1970, from seconds or milliseconds."""
    usual = float(np.nanmedian(stamps)) if np.isfinite(stamps).any() else 0.0
    return stamps / 1000.0 if usual > 1e11 else stamps


def _laid(
    index: np.ndarray, t: np.ndarray | None, sfreq: float, file: InputFile, notices: list[Notice]
) -> np.ndarray:  # fmt: skip
    """Where each row lies on the even grid, by the sample index and, for whole turns of it, by the time."""
    steps = np.diff(index)
    if not np.isfinite(index).all() or not len(steps):
        return np.arange(len(index))
    ahead = steps[steps > 0]
    step = float(np.bincount(ahead.astype(np.int64).clip(0, 10_000)).argmax()) if len(ahead) else 0.0
    turn = float(index.max() - index.min()) + step
    if step < 1 or (steps == 0).mean() > 0.01:
        # an index that stands still counts nothing
        lost = np.zeros(len(steps))
    else:
        lost = np.maximum(np.mod(steps, turn) / step - 1, 0) if turn > step else np.maximum(steps / step - 1, 0)
        lost = np.floor(lost + 0.5)
    if t is not None and np.isfinite(t).all():
        span = float(t[-1] - t[0])
        waited = np.diff(t) * sfreq
        whole = turn / step if step else 1.0
        # the computer stamps batches, so that only a long wait says that whole turns of the index were lost
        more = np.floor((waited - (lost + 1)) / whole + 0.5) * whole
        lost = np.where((waited > max(whole, sfreq)) & (more > 0), lost + more, lost)
        held = (len(index) - 1 + float(lost.sum())) / sfreq
        if span > 5 and abs(held - span) > _RATE_SHARE * span:
            notices.append(Notice(
                "W-RATE", f"The rows last {held:.1f} s at the stated {sfreq:g} Hz, the timestamps say {span:.1f} s; "
                "the stated rate is used.",
            ))  # fmt: skip
    total = float(lost.sum())
    if total / sfreq > MAX_DURATION_S:
        raise refuse("E-DURATION", file, "its timestamps span more than 7 days.", "Send it in parts.")
    if total:
        gaps = int((lost > 0).sum())
        notices.append(Notice(
            "W-TIME-GAP", f"{total:.0f} samples are lost in {gaps} time gaps ({total / sfreq:.3g} s in all), kept as "
            "missing values.",
        ))  # fmt: skip
    return np.concatenate([[0], np.cumsum(lost + 1)]).astype(np.int64)


def _held(axes: np.ndarray, most: int) -> np.ndarray:
    """Acceleration (3, n_times) with rows of zeros filled by the last that was none, for at most ``most`` rows."""
    there = (axes != 0).any(axis=0)
    last = np.maximum.accumulate(np.where(there, np.arange(axes.shape[1]), -1))
    fresh = (last >= 0) & (np.arange(axes.shape[1]) - last <= most)
    return np.where(fresh, axes[:, np.maximum(last, 0)], np.nan)


def _started(
    x: dict[int, np.ndarray], stamps: int | None, written: int | None, table: text.Table, begin: int, options: Options
) -> datetime | None:
    """Time of the first row: since 1970, else as written, in the site's zone."""
    if stamps is not None:
        at = float(_seconds(x[stamps])[0])
        return real_date(datetime.fromtimestamp(at, UTC)) if 1e8 < at < 1e10 else None
    if written is not None and not begin:
        try:
            return real_date(utc(datetime.fromisoformat(table.first[written]), options.zone))
        except ValueError:
            return None
    return None
