"""Files of one session: which belong together, each group read, and all of it on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import Refused
from core.readers import brainvision, checks, e4, eeglab, wfdb
from core.readers.base import (
    MAX_CHANNELS,
    MAX_DURATION_S,
    MAX_SAMPLES,
    SNIFF_BYTES,
    Options,
    empty,
    moved,
    refuse,
    visible,
)
from core.readers.channels import listed
from core.readers.tables import unique
from core.types import Annotation, InputFile, Notice, Recording, Signal

# what a file is that we do not read, to say so
_KNOWN = (
    (b"\x89PNG", "a PNG image"), (b"\xff\xd8\xff", "a JPEG image"), (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"), (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"), (b"BZh", "a bzip2 archive: unpack it first"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document: save it as CSV"),
    (b"PK\x03\x04", "an Office document or other archive"),
    (b"SQLite format 3", "a database"), (b"\x7fELF", "a program"), (b"MZ", "a program"),
)  # fmt: skip


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """All files as one recording, or Refused; no limits of memory and time here (see ``isolation``)."""
    options = options or Options()
    if not files:
        raise Refused("E-NO-FILE", "no file was given.", what_to_do="Choose the files of one recording.")
    parts = [(name, group, _read_one(name, group, options)) for name, group in grouped(files)]
    strange = set(options.mapping) - options.used
    if strange:
        found = sorted({s.name for _, _, r in parts for s in r.signals})
        raise Refused(
            "E-MAP", f"the map names {listed([visible(s) for s in sorted(strange)])}, which is no column of the files.",
            what_to_do=f"There are: {listed(found, 12)}.",
        )  # fmt: skip
    recording = parts[0][2] if len(parts) == 1 else _merged([(g, r) for _, g, r in parts])
    notices = list(recording.notices)
    names = unique([s.name for s in recording.signals], notices)
    signals = [replace(s, name=n) for s, n in zip(recording.signals, names, strict=True)]
    recording = _from_zero(replace(recording, signals=tuple(signals), notices=tuple(notices)))
    _within_limits(recording, files[0])
    return checks.checked(recording)


def _read_one(name: str, group: Sequence[InputFile], options: Options) -> Recording:
    from core.readers import READERS

    recording: Recording = READERS[name].read(group, options)
    return recording


def grouped(files: Sequence[InputFile]) -> list[tuple[str, list[InputFile]]]:
    """Files that belong to one recording, each group with the reader that knows it.

    A BrainVision or WFDB header takes the files it names, a .set its .fdt, the CSV files of one E4 session go
    together; every other file stands alone.
    """
    left = list(files)
    kinds = {id(f): recognised(f) for f in files}
    groups: list[tuple[str, list[InputFile]]] = []
    for kind, asked in (
        ("brainvision", brainvision.partners), ("eeglab", eeglab.partners), ("wfdb", wfdb.partners),
    ):  # fmt: skip
        for head in [f for f in left if kinds[id(f)] == kind]:
            mine = [head, *asked(head, left)]
            left = [f for f in left if all(f is not m for m in mine)]
            groups.append((kind, mine))
    wrist = [f for f in left if kinds[id(f)] == "e4" and not _is_zip(f)]
    if wrist:
        wrist += [f for f in left if f not in wrist and e4.part_of(f.name) in ("TAGS", "IBI")]
        left = [f for f in left if f not in wrist]
        groups.append(("e4", wrist))
    for file in left:
        kind_ = kinds[id(file)]
        if kind_ is None:
            raise unknown(file)
        groups.append((kind_, [file]))
    order = {id(f): i for i, f in enumerate(files)}
    return sorted(groups, key=lambda g: order[id(g[1][0])])


def recognised(file: InputFile) -> str | None:
    """The reader whose format the content is of; the suffix is not asked."""
    from core.readers import READERS

    with Path(file.path).open("rb") as stream:
        first = stream.read(SNIFF_BYTES)
    if first.startswith(tuple(magic for magic, _ in _KNOWN if magic not in (b"PK\x03\x04", b"MZ"))):
        return None
    if brainvision.sniff_markers(first):
        return None
    return next((name for name, reader in READERS.items() if first and reader.sniff(first, file.name)), None)


def _is_zip(file: InputFile) -> bool:
    with Path(file.path).open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def unknown(file: InputFile) -> Refused:
    """The refusal of a file that no reader knows, saying what it looks like where that shows."""
    from core.readers import READERS

    with Path(file.path).open("rb") as stream:
        first = stream.read(600)
    if not first:
        return empty(file)
    if brainvision.sniff_markers(first):
        return refuse(
            "E-BV-HEADER", file, "this is the marker file of a BrainVision recording; its header (.vhdr) is missing.",
            "Send the .vhdr, .vmrk and .eeg files together.",
        )  # fmt: skip
    suffix = Path(file.name).suffix.lower()
    partner = {".eeg": ".vhdr", ".fdt": ".set", ".dat": ".hea", ".atr": ".hea"}.get(suffix)
    # a .dat that starts so is no samples but pickled objects
    if partner and not first.startswith(b"\x80"):
        return refuse(
            "E-MISSING", file, f"a {suffix} file says nothing alone, and none of the files ({partner}) asks for it.",
            f"Send it together with its {partner} file.",
        )  # fmt: skip
    looks = next((f" It looks like {words}." for magic, words in _KNOWN if first.startswith(magic)), "")
    known = ", ".join(reader.title for reader in READERS.values())
    return refuse(
        "E-FORMAT",
        file,
        f"this is none of the formats we read ({known}).{looks}",
        "Export the recording in one of them.",
    )


def _merged(parts: Sequence[tuple[Sequence[InputFile], Recording]]) -> Recording:
    """Recordings on one clock that starts with the earliest of them."""
    dated = [r.started_at for _, r in parts if r.started_at]
    start = min(dated, default=None)
    signals: list[Signal] = []
    marks: list[Annotation] = []
    notices: list[Notice] = []
    undated, spans = [], []
    for group, r in parts:
        shift = (r.started_at - start).total_seconds() if r.started_at and start else 0.0
        if r.started_at is None:
            undated.append(visible(group[0].name))
        if shift > MAX_DURATION_S:
            raise refuse(
                "E-CLOCK", group[0],
                f"it starts {shift / 86400:.1f} days after the first file; one session lasts at most 7.",
                "Send files of one visit together, others as sessions of their own.",
            )  # fmt: skip
        signals += [replace(s, onset_s=s.onset_s + shift) for s in r.signals]
        marks += [replace(a, onset_s=a.onset_s + shift) for a in r.annotations]
        notices += r.notices
        if r.signals:
            spans.append((shift, shift + r.duration_s))
    if undated:
        notices.append(Notice(
            "W-CLOCK", f"{listed(undated)} has no start time, so its clock cannot be compared: taken to start with the "
            "first file.",
        ))  # fmt: skip
    spans.sort()
    gap = sum(max(0.0, b[0] - max(e for _, e in spans[: i + 1])) for i, b in enumerate(spans[1:]))
    if gap > 1:
        notices.append(Notice("W-TIME-GAP", f"The files do not overlap: a time gap of {gap:.0f} s lies between them."))
    formats = list(dict.fromkeys(r.format for _, r in parts))
    marks.sort(key=lambda a: a.onset_s)
    return Recording(tuple(signals), start, tuple(marks), (), " + ".join(formats), tuple(dict.fromkeys(notices)))


def _from_zero(recording: Recording) -> Recording:
    """The same recording counted from its earliest signal."""
    first = min((s.onset_s for s in recording.signals), default=0.0)
    if first == 0.0:
        return recording
    return replace(
        recording,
        signals=tuple(replace(s, onset_s=s.onset_s - first) for s in recording.signals),
        annotations=tuple(replace(a, onset_s=a.onset_s - first) for a in recording.annotations),
        started_at=moved(recording.started_at, first),
    )


def _within_limits(recording: Recording, file: InputFile) -> None:
    if len(recording.signals) > MAX_CHANNELS:
        raise refuse(
            "E-CHANNELS",
            file,
            f"{len(recording.signals)} channels; at most {MAX_CHANNELS} are read.",
            "Send fewer files.",
        )
    if sum(len(s.data) for s in recording.signals) > MAX_SAMPLES:
        raise refuse("E-SAMPLES", file, f"more than {MAX_SAMPLES} samples.", "Send it in parts.")
    if recording.duration_s > MAX_DURATION_S:
        raise refuse(
            "E-DURATION",
            file,
            f"it lasts {recording.duration_s / 86400:.1f} days; at most 7 are read.",
            "Send it in parts.",
        )
