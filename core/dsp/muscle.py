"""Muscles in the surface EMG."""

from __future__ import annotations

import re

import numpy as np

from core.dsp.filters import bandpass

# band of the surface EMG, Hz (SENIAM; below 20 Hz lies movement), and the lowest rate that holds enough of it
EMG_HZ = (20.0, 450.0)
SLOWEST_HZ = 100.0
# sites that say something of a face or a mood, by what their channels are called
SITES = {
    "zygomaticus": re.compile(r"zyg|smil", re.IGNORECASE),
    "corrugator": re.compile(r"corr|frown", re.IGNORECASE),
    "trapezius": re.compile(r"trap|shoulder", re.IGNORECASE),
}


def site(name: str) -> str:
    """``zygomaticus``, ``corrugator``, ``trapezius`` or, for any other name, ``other``."""
    return next((where for where, pattern in SITES.items() if pattern.search(name)), "other")


def muscle(x: np.ndarray, sfreq: float) -> np.ndarray:
    """An EMG in the band of muscles, shape (n_times,); all NaN where the rate does not hold it."""
    if sfreq < SLOWEST_HZ:
        return np.full(len(x), np.nan)
    return bandpass(np.asarray(x, dtype=np.float64), sfreq, *EMG_HZ, order=4)
