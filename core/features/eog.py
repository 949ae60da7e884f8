"""EOG: blinks of the minute that ends with each window, and how fast the eyes move."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import eyes, grid
from core.features import context
from core.types import Pipeline, Quality, Recording, Windows

# own: least length of a context for a rate of blinks, s
BLINKS_S = 20.0


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block."""
    return {
        "blinks": ("eog_blink_min", "eog_blink_uv", "eog_blink_s"),
        "movement": ("eog_speed_uv_s", "eog_speed_sd_uv_s"),
    }


def names() -> tuple[str, ...]:
    """The 5 column names."""
    return context.flat(blocks)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """Blinks of the vertical channel, speed of the horizontal one, by their names; else both of the first.

    Returns
    -------
    DataFrame, shape (n_windows, 10)
        ``names()`` and their ``valid_`` columns. Height and length are NaN where nobody blinked.
    """
    bad = quality.bad_names("eog")
    signals = [s for s in recording.of_type("eog") if s.name not in bad]
    columns: dict[str, np.ndarray] = {}
    vertical, horizontal = eyes.channel(signals, "v"), eyes.channel(signals, "h")
    if vertical is not None and horizontal is not None and len(windows):
        x = grid.trusted(vertical, quality)
        begin_s = context.start_s(vertical, recording, windows, context.SLOW_CONTEXT_S)
        seen = context.of_samples(vertical.sfreq, vertical.onset_s, len(x), begin_s, windows)
        found = eyes.blinks(x, vertical.sfreq)
        events = context.of_events(vertical.onset_s + found.peak_s, begin_s, windows)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = {
                "eog_blink_min": events.count(found.height_uv) / (seen.count(x) / vertical.sfreq / 60),
                "eog_blink_uv": events.mean(found.height_uv), "eog_blink_s": events.mean(found.length_s),
            }  # fmt: skip
        valid = context.covered(seen, x, vertical.sfreq) & (seen.length_s >= BLINKS_S - 1e-6)
        columns = context.where(valid & (vertical.sfreq >= eyes.SLOWEST_HZ), columns)
        x = grid.trusted(horizontal, quality)
        begin_s = context.start_s(horizontal, recording, windows, context.SLOW_CONTEXT_S)
        seen = context.of_samples(horizontal.sfreq, horizontal.onset_s, len(x), begin_s, windows)
        speed = eyes.speed(x, horizontal.sfreq)
        moved = {"eog_speed_uv_s": seen.mean(speed), "eog_speed_sd_uv_s": seen.sd(speed)}
        columns |= context.where(context.covered(seen, speed, horizontal.sfreq), moved)
    return context.frame(columns, names(), len(windows))
