"""FIF: read by MNE, after the chain of tags was walked. What the file says of a subject is not read."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from core.errors import Refused
from core.readers import channels
from core.readers.base import Options, check_rate, check_size, kept_annotations, only, real_date, refuse
from core.types import InputFile, Notice, Recording

_FILE_ID = 100
_MAX_TAGS = 1_000_000
# MNE's types that have one of ours, and the unit its objects are in
_KINDS = {
    "eeg": ("eeg", "V"), "eog": ("eog", "V"), "emg": ("emg", "V"), "ecg": ("ecg", "V"), "gsr": ("eda", "S"),
    "temperature": ("temp", "C"), "resp": ("resp", None),
}  # fmt: skip


def sniff(first: bytes, name: str) -> bool:
    """A FIF file: its first tag is the file id."""
    return len(first) >= 16 and struct.unpack(">2i", first[:8]) == (_FILE_ID, 31)


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One raw FIF file as a recording."""
    import mne

    options = options or Options()
    file = only(files)
    _walk(file)
    try:
        with Path(file.path).open("rb") as stream:
            # from an open file MNE cannot follow the names of further parts inside it
            raw = mne.io.read_raw_fif(
                stream, preload=True, on_split_missing="ignore", allow_maxshield=False, verbose="ERROR"
            )
    except (ValueError, KeyError, IndexError, TypeError, OSError, RuntimeError, AttributeError, struct.error) as broken:
        raise _damaged(file) from broken
    notices: list[Notice] = []
    sfreq = check_rate(float(raw.info["sfreq"]), file, "the recording")
    check_size(len(raw.ch_names), float(len(raw.ch_names)) * raw.n_times, file)
    made = []
    kinds = raw.get_channel_types()
    for i, name in enumerate(raw.ch_names):
        kind, unit = _KINDS.get(kinds[i], ("misc", None))
        if kinds[i] in ("bio", "misc"):
            # MNE calls these so when nobody told it more than a name
            kind = channels.type_of(name, "V")
            unit = "V" if kind in ("eeg", "ecg", "emg", "eog") else None
        x = raw.get_data(picks=[i])[0]
        scale = 1e6 if unit == "V" else 1.0
        made.append(channels.Raw(name, "µV" if unit == "V" else unit, (x * scale).astype(np.float32), sfreq, kind=kind))
    marks = raw.annotations
    shift = raw.first_time if marks.orig_time is not None else 0.0
    rows = [(float(a["onset"]) - shift, float(a["duration"]), str(a["description"])) for a in marks]
    return Recording(
        signals=channels.typed(made, options, notices, file),
        started_at=_started(raw.info["meas_date"], raw.first_time),
        annotations=kept_annotations(rows, notices),
        format="fif",
        notices=tuple(notices),
    )


def _started(date: datetime | None, first_s: float) -> datetime | None:
    """Time of the first sample: FIF keeps UTC, and counts samples from the start of the acquisition."""
    date = real_date(date.astimezone(UTC)) if date else None
    return datetime.fromtimestamp(date.timestamp() + first_s, UTC) if date else None


def _walk(file: InputFile) -> None:
    """Refuse a file whose tags do not lie within it."""
    size = Path(file.path).stat().st_size
    with Path(file.path).open("rb") as stream:
        at = 0
        for count in range(_MAX_TAGS):
            stream.seek(at)
            head = stream.read(16)
            if len(head) < 16:
                raise _damaged(file)
            kind, _, length, following = struct.unpack(">4i", head)
            if count == 0 and kind != _FILE_ID:
                raise refuse(
                    "E-FIF", file, "this is no FIF file: it does not start with a file id.", "Save it again from MNE."
                )
            if length < 0 or at + 16 + length > size:
                raise _damaged(file)
            if following == -1:
                return
            if following != 0 and not 0 < following < size:
                raise _damaged(file)
            if 0 < following <= at:
                raise _damaged(file)
            at = following if following else at + 16 + length
            if at == size:
                return
    raise _damaged(file)


def _damaged(file: InputFile) -> Refused:
    return refuse("E-FIF", file, "the FIF file is damaged or cut off.", "Copy it again, or save it again from MNE.")
