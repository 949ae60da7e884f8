"""Py-Feat CSV: action units and emotions of each frame, 0 to 1, of a video.

The table numbers its frames and gives times in whole seconds, so that its rate has to be said. Frames whose face has a
score under 0.8 are missing. The columns that would know a person again (``Identity`` and its embedding, landmarks,
mesh), and the name of the video are not read.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from core.readers import channels, text
from core.readers.base import Options, check_rate, check_size, filled_gaps, only, refuse
from core.readers.openface import LEAST_CONFIDENCE
from core.types import InputFile, Notice, Recording

# an embedding of 512 and a mesh of 478 points take most of the 2,183 columns
MAX_COLUMNS = 4000
_UNIT = re.compile(r"AU\d{2}")
_EMOTIONS = ("anger", "disgust", "fear", "happiness", "happy", "sadness", "sad", "surprise", "neutral")
_MORE = ("valence", "arousal")
_LISTED = {"Pitch": "", "Roll": "", "Yaw": "", "gaze_pitch": "rad", "gaze_yaw": "rad", "FaceScore": ""}
_SHAPES = re.compile(r"(brow|cheek|eye|jaw|mouth|nose)[A-Z][A-Za-z]{2,20}")


def sniff(first: bytes, name: str) -> bool:
    """A table whose first line names a face's score, action units and emotions."""
    names = text.cells((text.head_of(first) or [""])[0], ",")
    return "FaceScore" in names and any(map(_UNIT.fullmatch, names)) and _emotions(names) >= 4


def _emotions(names: Sequence[str]) -> int:
    return sum(n.lower() in _EMOTIONS for n in names)


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One Py-Feat table as a recording of type ``face``."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    table = text.opened(file, notices, max_columns=MAX_COLUMNS)
    names = table.names
    faces = [
        i for i, n in enumerate(names)
        if _UNIT.fullmatch(n) or n.lower() in (*_EMOTIONS, *_MORE) or _SHAPES.fullmatch(n)
    ]  # fmt: skip
    listed = [i for i, n in enumerate(names) if n in _LISTED]
    if not any(_UNIT.fullmatch(names[i]) for i in faces):
        raise refuse(
            "E-PYFEAT", file, "its first line names no action units.", "Let Py-Feat write the table again (to_csv)."
        )
    numbered = table.index("frame")
    x = text.numbers(table, dict.fromkeys([*faces, *listed, *([numbered] if numbered is not None else [])]))
    frames = x.get(numbered) if numbered is not None else None
    n = len(next(iter(x.values())))
    check_size(len(faces) + len(listed), float(n) * (len(faces) + len(listed)), file)
    frames = np.arange(n) if frames is None or not np.isfinite(frames).all() else frames.astype(np.int64)
    keep = np.concatenate([[True], np.diff(frames) != 0])
    if not keep.all():
        notices.append(Notice("W-FACES", "Some frames hold several faces; the first row of each frame is read."))
        frames, x, n = frames[keep], {i: v[keep] for i, v in x.items()}, int(keep.sum())
    score = table.index("FaceScore")
    unseen = np.zeros(n, dtype=bool) if score is None else ~(x[score] >= LEAST_CONFIDENCE)
    if unseen.any():
        notices.append(Notice(
            "W-CONFIDENCE", f"In {int(unseen.sum()):,} of {n:,} frames no face was found or its score is below "
            f"{LEAST_CONFIDENCE:g}: their values are missing.",
        ))  # fmt: skip
        x = {i: v if i in (score, numbered) else np.where(unseen, np.nan, v) for i, v in x.items()}
    steps = np.diff(frames)
    if (steps < 0).any():
        raise refuse("E-PYFEAT", file, "its frames are not in order.", "Sort the rows by frame, a video a file.")
    step = int(np.bincount(steps.clip(0, 10_000)).argmax()) if n > 1 else 1
    if options.sfreq:
        rate = check_rate(options.sfreq, file, "the table")
    else:
        rate = 1.0
        notices.append(Notice(
            "W-RATE", "The table holds no times but whole seconds, so the sampling rate is not known: the columns are "
            "listed, at one row a second, and not analysed. State the rows a second (--sfreq)"
            + (f"; its rows are {step} frames of the video apart." if step > 1 else "."),
        ))  # fmt: skip
    parts = _parts(frames // max(step, 1), n)
    if len(parts) > 1:
        lost = parts[-1][0] + parts[-1][2] - parts[-1][1] - n
        check_size(len(faces) + len(listed), float(n + lost) * (len(faces) + len(listed)), file)
        notices.append(Notice("W-TIME-GAP", f"{lost} frames are left out of the table and kept as missing values."))

    def even(v: np.ndarray) -> np.ndarray:
        return filled_gaps([(at / rate, v[a:b].astype(np.float32)) for at, a, b in parts], rate)

    known = options.sfreq is not None
    raw = [channels.Raw(names[i], None, even(x[i]), rate, rate_known=known, kind="face") for i in faces]
    raw += [channels.Raw(names[i], _LISTED[names[i]], even(x[i]), rate, kind="misc") for i in listed]
    notices.append(Notice("W-SCALE", "Action units, emotions and shapes: from 0 to 1; valence and arousal: -1 to 1."))
    return Recording(
        signals=channels.typed(raw, options, notices, file), started_at=None, format="pyfeat", notices=tuple(notices)
    )


def _parts(place: np.ndarray, n: int) -> list[tuple[int, int, int]]:
    """Stretches without a lost frame: place of the first, and its first row and that after its last."""
    edges = [0, *(int(i) + 1 for i in np.flatnonzero(np.diff(place) > 1)), n]
    return [(int(place[a] - place[0]), a, b) for a, b in itertools.pairwise(edges)]
