"""OpenFace CSV: action units frame by frame, with intensity (AU12_r, 0 to 5) and presence (AU12_c, 0 or 1).

Column names may start with a space. Frames in which no face was found (``success`` 0) or whose ``confidence`` is under
0.8 are missing. Head pose and gaze are listed; landmarks, which draw the person's face, are not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from core.readers import channels, clock, text
from core.readers.base import MAX_CHANNELS, Options, check_size, only, refuse
from core.types import InputFile, Notice, Recording

# requirements S4-09
LEAST_CONFIDENCE = 0.8
MAX_INTENSITY = 5.0
# OpenFace with every kind of output writes 714
MAX_COLUMNS = 1000
_UNIT = re.compile(r"AU\d{2}_[rc]")
_LISTED = {
    **{f"pose_T{a}": "mm" for a in "xyz"}, **{f"pose_R{a}": "rad" for a in "xyz"},
    "gaze_angle_x": "rad", "gaze_angle_y": "rad", "confidence": "",
}  # fmt: skip


def sniff(first: bytes, name: str) -> bool:
    """A table whose first line names timestamp, confidence, success and action units."""
    names = set(text.cells((text.head_of(first) or [""])[0], ","))
    return {"timestamp", "confidence", "success"} <= names and any(map(_UNIT.fullmatch, names))


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One OpenFace table as a recording of type ``face``."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    table = text.opened(file, notices, max_columns=MAX_COLUMNS)
    units = [i for i, n in enumerate(table.names) if _UNIT.fullmatch(n)]
    listed = [i for i, n in enumerate(table.names) if n in _LISTED]
    at, sure, found = table.index("timestamp"), table.index("confidence"), table.index("success")
    if at is None or sure is None or found is None or not units or len(units) + len(listed) > MAX_CHANNELS:
        raise refuse(
            "E-OPENFACE", file, "it names no timestamp, confidence, success and action units in its first line.",
            "Let OpenFace write the table again (FeatureExtraction), and send it unchanged.",
        )  # fmt: skip
    face = table.index("face_id")
    x = text.numbers(table, dict.fromkeys([at, sure, found, *units, *listed, *([face] if face is not None else [])]))
    if face is not None:
        x = _one_face(x, face, found, notices)
    n = len(x[at])
    check_size(len(units) + len(listed), float(n) * (len(units) + len(listed)), file)
    if n < 2:
        raise refuse("E-TOO-SHORT", file, f"it holds {n} frame.", "Record at least 5 s.")
    t, started, _ = clock.seconds_of(x[at], "timestamp_s", options, file, notices)
    grid = clock.grid(t, True, started, "timestamp", options, file, notices)
    lost = ~((x[found] == 1) & (x[sure] >= LEAST_CONFIDENCE))
    if lost.any():
        notices.append(Notice(
            "W-CONFIDENCE", f"In {int(lost.sum()):,} of {n:,} frames no face was found or the confidence is below "
            f"{LEAST_CONFIDENCE:g}: their values are missing.",
        ))  # fmt: skip
    outside = []
    raw = []
    for i in units:
        name, v = table.names[i], np.where(lost, np.nan, x[i])
        most = MAX_INTENSITY if name.endswith("_r") else 1.0
        false = (v < 0) | (v > most)
        if false.any():
            outside.append(name)
            v = np.where(false, np.nan, v)
        raw.append(channels.Raw(name, None, grid.laid(v.astype(np.float32)), grid.sfreq, rate_known=grid.known,
                                kind="face"))  # fmt: skip
    for i in listed:
        v = x[i] if i == sure else np.where(lost, np.nan, x[i])
        name = table.names[i]
        raw.append(channels.Raw(name, _LISTED[name], grid.laid(v.astype(np.float32)), grid.sfreq, kind="misc"))
    if outside:
        notices.append(Notice(
            "W-RANGE", f"Intensities of {channels.listed(outside)} lie outside the range of their scale (_r 0 to 5, _c "
            "0 or 1) and are missing.",
        ))  # fmt: skip
    notices.append(Notice("W-SCALE", "Action units: intensity from 0 to 5 (_r), presence 0 or 1 (_c)."))
    return Recording(
        signals=channels.typed(raw, options, notices, file), started_at=grid.started_at, format="openface",
        notices=tuple(notices),
    )  # fmt: skip


def _one_face(x: dict[int, np.ndarray], face: int, found: int, notices: list[Notice]) -> dict[int, np.ndarray]:
    """The rows of the face that was found most often."""
    faces = np.unique(x[face][np.isfinite(x[face])])
    if len(faces) < 2:
        return x
    most = max(faces, key=lambda k: int((x[found][x[face] == k] == 1).sum()))
    notices.append(Notice(
        "W-FACES", f"{len(faces)} faces were followed; that which was found in most frames (face_id {most:g}) is read."
    ))  # fmt: skip
    return {i: v[x[face] == most] for i, v in x.items()}
