"""Files of one session: which belong together, each group read, and all of it on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import Refused
from core.readers import brainvision, checks, e4, eeglab, repairs, wfdb
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
from core.types import Annotation, InputFile, Notice, Part, Recording, Signal

# a clock that was never set is off by decades
MAX_OFFSET_S = 100 * 366 * 86_400.0
# annotations of one name in two files are the same events where they keep their distance to so many s; a difference in
# speed of the clocks shows over a minute at the least
SAME_MARK_S, DRIFT_LEAST_S = 1.0, 60.0
# what a file is that we do not read, to say so
_KNOWN = (
    (b"\x89PNG", "a PNG image"), (b"\xff\xd8\xff", "a JPEG image"), (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"), (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"), (b"BZh", "a bzip2 archive: unpack it first"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document: save it as CSV"),
    (b"PK\x03\x04", "an Office document or other archive"),
    *((bytes([0x80, n]), "pickled objects, which can be instructions") for n in (2, 3, 4, 5)),
    (b"SQLite format 3", "a database"), (b"\x7fELF", "a program"), (b"MZ", "a program"),
)  # fmt: skip
# beginnings of files that a reader may know all the same
_SHARED = (b"PK", b"MZ", b"\x80")


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
    recording = _merged([(g, r) for _, g, r in parts], _offsets(options, [g for _, g, _ in parts]))
    notices = list(recording.notices)
    names = unique([s.name for s in recording.signals], notices)
    signals = [replace(s, name=n) for s, n in zip(recording.signals, names, strict=True)]
    recording = replace(recording, signals=tuple(signals), notices=tuple(notices))
    recording = _from_zero(repairs.mended(recording, options.repairs))
    _within_limits(recording, files[0])
    return checks.checked(recording)


def outline(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """The parts of the files, each by itself and without its signals; one that cannot be read says its problem."""
    options = options or Options()
    found = []
    for kind, group in _groups(files):
        labels = tuple(f.name for f in group)
        try:
            if kind is None:
                raise unknown(group[0])
            r = _from_zero(_read_one(kind, group, replace(options, used=set())))
            found.append(Part(labels, r.format, r.started_at, 0.0, r.duration_s))
        except Refused as refused:
            found.append(Part(labels, kind or "", None, 0.0, 0.0, problem=refused.text, repairs=refused.repairs))
    return Recording((), parts=tuple(found))


def _offsets(options: Options, groups: Sequence[Sequence[InputFile]]) -> list[float]:
    """Seconds to add to the clock of each group; Refused for a label that is none of theirs."""
    known = [g[0].name for g in groups]
    strange = [visible(label) for label in options.offsets if label not in known]
    if strange:
        raise Refused(
            "E-OFFSET", f"an offset is given for {listed(strange)}, which is the first file of no recorder.",
            what_to_do=f"There are: {listed([visible(k) for k in known])}.",
        )  # fmt: skip
    given = [float(options.offsets.get(label, 0.0)) for label in known]
    for label, offset in zip(known, given, strict=True):
        if not abs(offset) <= MAX_OFFSET_S:
            raise refuse("E-OFFSET", label, f"an offset of {offset:g} s is not possible.", "Give it in seconds.")
    return given


def _read_one(name: str, group: Sequence[InputFile], options: Options) -> Recording:
    from core.readers import READERS

    recording: Recording = READERS[name].read(group, options)
    return recording


def grouped(files: Sequence[InputFile]) -> list[tuple[str, list[InputFile]]]:
    """Files that belong to one recording, each group with the reader that knows it.

    A BrainVision or WFDB header takes the files it names, a .set its .fdt, the CSV files of one E4 session go
    together; every other file stands alone.
    """
    groups: list[tuple[str, list[InputFile]]] = []
    for kind, group in _groups(files):
        if kind is None:
            raise unknown(group[0])
        groups.append((kind, group))
    return groups


def _groups(files: Sequence[InputFile]) -> list[tuple[str | None, list[InputFile]]]:
    """As ``grouped``, with None beside a file that no reader knows."""
    left = list(files)
    kinds = {id(f): recognised(f) for f in files}
    groups: list[tuple[str | None, list[InputFile]]] = []
    for kind, asked in (
        ("brainvision", brainvision.partners), ("eeglab", eeglab.partners), ("wfdb", wfdb.partners),
    ):  # fmt: skip
        for head in [f for f in left if kinds[id(f)] == kind]:
            mine = [head, *asked(head, left)]
            left = [f for f in left if all(f is not m for m in mine)]
            groups.append((kind, mine))
    wrist = [f for f in left if kinds[id(f)] == "e4" and not _is_zip(f)]
    if wrist:
        wrist += [f for f in left if f not in wrist and (e4.part_of(f.name) in ("TAGS", "IBI") or f.name == "info.txt")]
        left = [f for f in left if f not in wrist]
        groups.append(("e4", wrist))
    groups += [(kinds[id(file)], [file]) for file in left]
    order = {id(f): i for i, f in enumerate(files)}
    return _labelled(sorted(groups, key=lambda g: order[id(g[1][0])]))


def _labelled(groups: list[tuple[str | None, list[InputFile]]]) -> list[tuple[str | None, list[InputFile]]]:
    """Groups whose first files have labels of their own, for a person speaks of a group by that: x.csv, x (2).csv."""
    taken: set[str] = set()
    made = []
    for kind, (head, *others) in groups:
        place, name, n = Path(head.name), head.name, 1
        while name in taken:
            n += 1
            name = f"{place.stem} ({n}){place.suffix}"
        taken.add(name)
        made.append((kind, [replace(head, name=name), *others]))
    return made


def recognised(file: InputFile) -> str | None:
    """The reader whose format the content is of; the suffix is not asked."""
    from core.readers import READERS

    with Path(file.path).open("rb") as stream:
        first = stream.read(SNIFF_BYTES)
    if first.startswith(tuple(magic for magic, _ in _KNOWN if not magic.startswith(_SHARED))):
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
    partner = {".eeg": ".vhdr", ".fdt": ".set", ".dat": ".hea", ".atr": ".hea", ".mat": ".hea"}.get(suffix)
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


def _merged(parts: Sequence[tuple[Sequence[InputFile], Recording]], offsets: Sequence[float]) -> Recording:
    """Recordings on one clock, whose zero is the start of the earliest by its own clock; ``offsets`` in s are added.

    One without a start time is taken to start at that zero.
    """
    dated = [r.started_at for _, r in parts if r.started_at]
    start = min(dated, default=None)
    signals: list[Signal] = []
    marks: list[Annotation] = []
    notices: list[Notice] = []
    undated: list[str] = []
    made: list[Part] = []
    for (group, r), offset in zip(parts, offsets, strict=True):
        shift = offset + ((r.started_at - start).total_seconds() if r.started_at and start else 0.0)
        if r.started_at is None and not offset:
            undated.append(visible(group[0].name))
        part = Part(
            tuple(f.name for f in group), r.format, moved(r.started_at, offset), shift + _first(r),
            r.duration_s - _first(r), offset,
        )  # fmt: skip
        here = [replace(a, onset_s=a.onset_s + shift) for a in r.annotations]
        if made:
            shared, late_s, drift_ppm = _shared(parts[0][1].annotations, made[0].onset_s - _first(parts[0][1]), here)
            part = replace(part, marks=shared, late_s=late_s, drift_ppm=drift_ppm)
        signals += [replace(s, onset_s=s.onset_s + shift) for s in r.signals]
        marks += here
        notices += r.notices
        made.append(part)
    _near(made)
    if undated and len(parts) > 1:
        notices.append(Notice(
            "W-CLOCK", f"{listed(undated)} has no start time, so its clock cannot be compared: taken to start with the "
            "first file.",
        ))  # fmt: skip
    spans = sorted((p.onset_s, p.end_s) for p in made if p.duration_s > 0)
    gap = sum(max(0.0, b[0] - max(e for _, e in spans[: i + 1])) for i, b in enumerate(spans[1:]))
    if gap > 1:
        notices.append(Notice("W-TIME-GAP", f"The files do not overlap: a time gap of {gap:.0f} s lies between them."))
    formats = list(dict.fromkeys(r.format for _, r in parts))
    marks.sort(key=lambda a: a.onset_s)
    return Recording(
        tuple(signals), start, tuple(marks), (), " + ".join(formats), tuple(dict.fromkeys(notices)), tuple(made)
    )


def _first(recording: Recording) -> float:
    """Where the first signal of a recording starts, s."""
    return min((s.onset_s for s in recording.signals), default=0.0)


def _near(parts: Sequence[Part]) -> None:
    """Refuse parts that lie further apart than a session lasts."""
    first = min(parts, key=lambda p: p.onset_s)
    last = max(parts, key=lambda p: p.onset_s)
    if last.onset_s - first.onset_s > MAX_DURATION_S:
        raise refuse(
            "E-CLOCK", last.label,
            f"it starts {(last.onset_s - first.onset_s) / 86400:.1f} days after the first file; one session lasts at "
            "most 7.", "Send files of one visit together, others as sessions of their own.",
        )  # fmt: skip


def _shared(
    first: Sequence[Annotation], shift: float, other: Sequence[Annotation]
) -> tuple[int, float | None, float | None]:
    """Annotations of one name that two files have equally often: how many, s by which they lie later in the other,
    and parts per million by which its clock gains; nothing where they do not keep their distance.

    ``first`` lies ``shift`` s later on the clock of ``other``.
    """
    here: dict[str, list[float]] = {}
    there: dict[str, list[float]] = {}
    for found, marks, plus in ((here, first, shift), (there, other, 0.0)):
        for mark in marks:
            found.setdefault(mark.description, []).append(mark.onset_s + plus)
    both = [name for name in here if len(here[name]) == len(there.get(name, ()))]
    pairs = [pair for name in both for pair in zip(here[name], there[name], strict=True)]
    if not pairs:
        return 0, None, None
    t, late = np.array(pairs)[:, 0], np.diff(np.array(pairs), axis=1)[:, 0]
    drifts = len(t) > 2 and np.ptp(t) >= DRIFT_LEAST_S
    slope = float(np.polyfit(t - t.mean(), late, 1)[0]) if drifts else 0.0
    if np.ptp(late - slope * t) > SAME_MARK_S:
        return 0, None, None
    return len(t), float(np.median(late)), slope * 1e6 if drifts else None


def _from_zero(recording: Recording) -> Recording:
    """The same recording counted from its earliest signal."""
    first = _first(recording)
    if first == 0.0:
        return recording
    return replace(
        recording,
        signals=tuple(replace(s, onset_s=s.onset_s - first) for s in recording.signals),
        annotations=tuple(replace(a, onset_s=a.onset_s - first) for a in recording.annotations),
        started_at=moved(recording.started_at, first),
        parts=tuple(replace(p, onset_s=p.onset_s - first) for p in recording.parts),
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
