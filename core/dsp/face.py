"""Scores of a face, frame by frame: one code and one scale for what each program writes; micro-expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import signal as sig

from core.dsp.filters import fill_gaps, runs
from core.types import Signal

# action units of FACS that any of the programs scores, and emotions
AUS = tuple(
    f"AU{n:02d}" for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 18, 20, 23, 24, 25, 26, 28, 43, 45)
)  # fmt: skip
# those that can be a micro-expression: a closed eye is a blink
MICRO_AUS = tuple(au for au in AUS if au not in ("AU43", "AU45"))
EMOTIONS = ("anger", "contempt", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
# Affectiva's and Py-Feat's words for them
_WORDS = {
    "inner brow raise": "AU01", "brow raise": "AU02", "brow furrow": "AU04", "eye widen": "AU05", "cheek raise": "AU06",
    "lid tighten": "AU07", "nose wrinkle": "AU09", "upper lip raise": "AU10", "smile": "AU12", "dimpler": "AU14",
    "lip corner depressor": "AU15", "chin raise": "AU17", "lip pucker": "AU18", "lip stretch": "AU20",
    "lip press": "AU24", "mouth open": "AU25", "jaw drop": "AU26", "lip suck": "AU28", "eye closure": "AU43",
    "happiness": "joy", "happy": "joy", "sad": "sadness",
}  # fmt: skip
_NAME = re.compile(r"(?P<what>au\d{1,2}|[a-z ]+?)(?P<kind>_r|_c| evidence| intensity)?")
# OpenFace's intensity and presence; scores without a suffix, and FACET's intensities, show their scale by their values
_SCALES = {"_r": 5.0, "_c": 1.0}
_PREFERRED = ("_r", "", " intensity", " evidence", "_c")
FULL_SCALES = (1.0, 5.0, 100.0)

# requirements S3-05 and S5-08
OCCURS = 0.1
MICRO_S = (0.04, 0.5)
# own: a rate whose frames are further apart than this cannot show one, Hz
MICRO_LEAST_HZ = 20.0
# own: height over its foot as a share of full scale, and of how far the peak stands out; the foot is where the score
# falls by no more than this share of the height, or the noise, within this time
MICRO_HEIGHT, MICRO_SHARE, MICRO_FOOT, MICRO_STEP_S = 0.1, 0.7, 0.02, 1 / 30
MAD_TO_SD = 1.4826


def code(name: str) -> tuple[str, str] | None:
    """What a column scores and its kind: ``AU12_r`` is ("AU12", "_r"), ``Smile`` is ("AU12", ""); None for others."""
    found = _NAME.fullmatch(name.strip().lower())
    if found is None:
        return None
    what = found["what"].strip()
    if re.fullmatch(r"au\d{1,2}", what):
        what = f"AU{int(what[2:]):02d}"
    what = _WORDS.get(what, what)
    return (what, found["kind"] or "") if what in AUS or what in EMOTIONS else None


def scores(signals: Sequence[Signal], graded: bool = False) -> dict[str, Signal]:
    """The score of each action unit and emotion that some signals hold, as a share of full scale (0 to 1).

    OpenFace's intensity goes before its presence, which is no score where ``graded`` is asked for; FACET's evidence, a
    logarithm of odds, becomes the probability. Scores without a suffix are on the scale that the largest of all shows.
    """
    plain = [np.asarray(s.data) for s in signals if not s.name.lower().endswith(("_r", "_c", " evidence"))]
    largest = max((float(np.max(x[np.isfinite(x)], initial=0.0)) for x in plain), default=1.0)
    full = next((scale for scale in FULL_SCALES if largest <= scale), largest)
    known = [(s, *found) for s in signals if (found := code(s.name)) is not None]
    out: dict[str, Signal] = {}
    for s, what, kind in sorted(known, key=lambda k: _PREFERRED.index(k[2])):
        if what not in out and not (graded and kind == "_c"):
            x = np.asarray(s.data, dtype=np.float64)
            x = np.where(np.isfinite(x), x, np.nan)
            share = 1 / (1 + 10 ** -np.clip(x, -30, 30)) if kind == " evidence" else x / _SCALES.get(kind, full)
            out[what] = Signal(what, s.type, "", s.sfreq, share, s.onset_s)
    return out


@dataclass(frozen=True)
class Expressions:
    """Short rises of a score, each array of shape (n,): seconds from the first frame; height and area over the foot."""

    onset_s: np.ndarray
    apex_s: np.ndarray
    offset_s: np.ndarray
    height: np.ndarray
    area: np.ndarray

    def __len__(self) -> int:
        return len(self.apex_s)


def micro_expressions(x: np.ndarray, sfreq: float) -> Expressions:
    """Expressions that come and go within 0.04 to 0.5 s.

    Parameters
    ----------
    x : ndarray, shape (n_frames,)
        A score as a share of full scale; NaN where no face was found.

    Notes
    -----
    Onset and offset are the last frame before the score rises and the first at which it has fallen. One that is cut by
    a lost frame or by the ends is left out: nobody knows how long it was. Definition of the duration: requirements
    S5-08; a height of a tenth of full scale is what S3-05 calls an occurrence.
    """
    found: list[tuple[float, ...]] = []
    x = np.asarray(x, dtype=np.float64)
    if sfreq >= MICRO_LEAST_HZ:
        for start, end in runs(np.isfinite(x)):
            found += [(start + a, start + b, start + c, h, area) for a, b, c, h, area in _rises(x[start:end], sfreq)]
    onset, apex, offset, height, area = (np.array(v) for v in zip(*found, strict=True)) if found else [np.empty(0)] * 5
    return Expressions(onset / sfreq, apex / sfreq, offset / sfreq, height, area)


def _rises(x: np.ndarray, sfreq: float) -> list[tuple[float, ...]]:
    """Onset, apex and offset in frames, height and area of those in a stretch without a lost frame."""
    lag = max(1, round(MICRO_STEP_S * sfreq))
    if len(x) < 2 * lag + 1:
        return []
    steps = x[lag:] - x[:-lag]
    noise = MAD_TO_SD * float(np.median(np.abs(steps - np.median(steps))))
    apices, found = sig.find_peaks(x, height=MICRO_HEIGHT, prominence=MICRO_HEIGHT)
    out: list[tuple[float, ...]] = []
    for apex, prominence in zip(apices, found["prominences"], strict=True):
        least = max(noise, MICRO_FOOT * prominence)
        before, after = (_foot(x, int(apex), way, lag, least) for way in (-1, 1))
        height = float(x[apex] - max(x[before], x[after]))
        if min(before, len(x) - 1 - after) < lag or height < max(MICRO_HEIGHT, MICRO_SHARE * prominence):
            continue  # cut by an end, or still on its flank
        if MICRO_S[0] - 1e-9 <= (after - before) / sfreq <= MICRO_S[1] + 1e-9:
            foot = np.interp(np.arange(before, after + 1), (before, after), (x[before], x[after]))
            area = float((x[before : after + 1] - foot).sum() / sfreq)
            out.append((float(before), float(apex), float(after), height, area))
    return out


def _foot(x: np.ndarray, apex: int, way: int, lag: int, least: float) -> int:
    """The frame on one side of an apex from which the score falls no further; a plateau stands before the flank."""
    at = apex
    while 0 <= at + way * lag < len(x):
        falls = x[at] - x[at + way * lag] > least
        if not falls and x[apex] - x[at] >= MICRO_HEIGHT / 2:
            break
        at += way
    return at


def peaks(x: np.ndarray, sfreq: float) -> np.ndarray:
    """When a score peaks, a tenth of full scale over what lies around; seconds from the first frame."""
    filled, gap = fill_gaps(np.where(np.isfinite(x), x, np.nan), sfreq)
    at, _ = sig.find_peaks(filled, prominence=OCCURS)
    return at[~gap[at]] / sfreq
