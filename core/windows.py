"""Recording -> Windows: cuts of one length, paired by time over signals of different rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.dsp import grid as clock
from core.types import Pipeline, Quality, Recording, Windows


def grid(recording: Recording, pipeline: Pipeline, types: Sequence[str] | None = None) -> np.ndarray:
    """Onsets of the windows in which all ``types`` exist (default: all analysed types), in seconds.

    They are those of the grid that quality is judged on (multiples of the step from second 0) and stay paired by
    time: EEG of 60 s with ECG of 58 s gives pairs up to second 58. A type exists where more than half of its
    signals do, so that one short channel does not take a recording away.
    """
    onset_s = clock.onsets(recording.duration_s, pipeline.window_s, pipeline.step_s)
    there = np.ones(len(onset_s), dtype=bool)
    for type_ in recording.types if types is None else types:
        covered = [clock.starts(s, onset_s, pipeline.window_s)[1] for s in recording.of_type(type_)]
        there &= np.mean(covered, axis=0) > 0.5 if covered else False
    return onset_s[there]


def cut(recording: Recording, quality: Quality, pipeline: Pipeline, types: Sequence[str] | None = None) -> Windows:
    """Cut the signals of ``types`` into windows on their common grid.

    Returns
    -------
    Windows
        ``data`` holds read-only views (copies only where a window is not a whole number of samples or a
        channel does not cover all windows; what it does not cover is NaN). ``usable`` is the quality's verdict
        on each type, on these windows.
    """
    wanted = tuple(recording.types if types is None else types)
    onset_s = grid(recording, pipeline, wanted)
    data = {}
    for signal in recording.of_type(*wanted):
        if signal.name in data:
            continue  # the first of two channels of one name, as everywhere
        start, covered = clock.starts(signal, onset_s, pipeline.window_s)
        n = clock.n_samples(signal.sfreq, pipeline.window_s)
        if covered.all():
            view = clock.cut(signal.data, start, n)
        else:
            view = np.full((len(onset_s), n), np.nan, dtype=np.result_type(signal.data.dtype, np.float32))
            view[covered] = clock.cut(signal.data, start[covered], n)
        view.flags.writeable = False
        data[signal.name] = view
    usable = {type_: _at(quality, type_, onset_s, pipeline.step_s) for type_ in wanted}
    return Windows(onset_s, pipeline.window_s, data, usable)


def _at(quality: Quality, type_: str, onset_s: np.ndarray, step_s: float) -> np.ndarray:
    """The verdict on a type at these onsets; False where there is none."""
    verdict = quality.of(type_)
    out = np.zeros(len(onset_s), dtype=bool)
    if verdict is None or len(quality.onset_s) == 0:
        return out
    index = np.searchsorted(quality.onset_s, onset_s - step_s / 2)
    found = index < len(quality.onset_s)
    found[found] &= np.abs(quality.onset_s[index[found]] - onset_s[found]) < 1e-6
    out[found] = verdict.usable[index[found]]
    return out
