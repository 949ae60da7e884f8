"""Face: dynamics of each action unit and emotion, and micro-expressions, in the minute that ends with each window.

Columns are those of a fixed list of action units (FACS) and emotions, NaN where a program did not score one; all are
shares of full scale, whatever scale the program writes (``core.dsp.face``). Frames in which no face was found are
missing since they were read. Requirements S3-05, S4-09, S5-08. Head pose is no feature.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import face, grid
from core.features import context
from core.types import Pipeline, Quality, Recording, Signal, Windows

DYNAMICS = ("mean", "sd", "max", "share", "slope_min", "peaks_min")
MICRO = ("micro_min", "micro_height", "micro_area_min")
# own: least length of a context for a slope, and for what is counted, s
SLOPE_S, COUNTS_S = 10.0, 20.0


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block: an action unit or an emotion."""
    return {
        what: tuple(
            f"face_{what.lower()}_{name}" for name in (DYNAMICS + MICRO if what in face.MICRO_AUS else DYNAMICS)
        )
        for what in (*face.AUS, *face.EMOTIONS)
    }


def names() -> tuple[str, ...]:
    """The 231 column names."""
    return context.flat(blocks)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """Every window.

    Returns
    -------
    DataFrame, shape (n_windows, 462)
        ``names()`` and their ``valid_`` columns. ``share`` is that of frames over a tenth of full scale; the mean
        height of micro-expressions is NaN where there was none, all of them where the rate is below 20 Hz or only the
        presence of a unit is known.
    """
    columns: dict[str, np.ndarray] = {}
    bad = quality.bad_names("face")
    signals = [s for s in recording.of_type("face") if s.name not in bad]
    if len(windows):
        graded = face.scores(signals, graded=True)
        for what, signal in face.scores(signals).items():
            micro = what in face.MICRO_AUS and what in graded
            for name, column in _of(signal, micro, recording, windows, quality).items():
                columns[f"face_{what.lower()}_{name}"] = column
    return context.frame(columns, names(), len(windows))


def _of(signal: Signal, micro: bool, recording: Recording, windows: Windows, quality: Quality) -> dict[str, np.ndarray]:
    x, sfreq = grid.trusted(signal, quality), signal.sfreq
    begin_s = context.start_s(signal, recording, windows, context.SLOW_CONTEXT_S)
    seen = context.of_samples(sfreq, signal.onset_s, len(x), begin_s, windows)
    enough = context.covered(seen, x, sfreq)
    mean, sd = seen.moments(x)
    occurs = np.where(np.isfinite(x), x > face.OCCURS, np.nan).astype(float)
    out = context.where(enough, {"mean": mean, "sd": sd, "max": seen.most(x), "share": seen.mean(occurs)})
    slope = 60 * seen.line(x, np.arange(len(x)) / sfreq)[0]
    out["slope_min"] = np.where(enough & (seen.length_s >= SLOPE_S - 1e-6), slope, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        minutes = np.where(enough & (seen.length_s >= COUNTS_S - 1e-6), seen.count(x) / sfreq / 60, np.nan)
        at_s = signal.onset_s + face.peaks(x, sfreq)
        out["peaks_min"] = context.of_events(at_s, begin_s, windows).count(at_s) / minutes
        if micro and sfreq >= face.MICRO_LEAST_HZ:
            found = face.micro_expressions(x, sfreq)
            events = context.of_events(
                signal.onset_s + found.offset_s, begin_s, windows, signal.onset_s + found.onset_s
            )
            out["micro_min"] = events.count(found.height) / minutes
            out["micro_height"] = np.where(np.isfinite(minutes), events.mean(found.height), np.nan)
            out["micro_area_min"] = events.total(found.area) / minutes
    return out
