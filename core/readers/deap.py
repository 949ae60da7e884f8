"""DEAP (Koelstra 2012), preprocessed for Python: s01.dat to s32.dat, each a pickle of data 40 x 40 x 8064 and labels.

A pickle can run code, so only the reconstruction of NumPy arrays is let through (security 1), and only in a child
process with limits of memory and time. 128 Hz, 3 s before each clip and 60 s of it.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.readers.base import Options, only, refuse
from core.readers.channels import listed
from core.types import UNITS, Annotation, InputFile, Notice, Recording, Signal

SFREQ, BASELINE_S = 128.0, 3.0
N_CHANNELS, N_LABELS = 40, 4
# between two trials: no window spans both, and the grid of windows starts anew with each trial of 63 s
GAP_S = 1.0
EEG_32 = (
    "Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz",
    "Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2",
)  # fmt: skip
# channels 33-40 (requirements S2-02)
PERIPHERAL = (
    ("hEOG", "eog"), ("vEOG", "eog"), ("zygomaticus EMG", "emg"), ("trapezius EMG", "emg"), ("GSR", "eda"),
    ("respiration", "resp"), ("plethysmograph", "ppg"), ("temperature", "temp"),
)  # fmt: skip
CHANNELS = (*((name, "eeg") for name in EEG_32), *PERIPHERAL)
EEG_BAND_HZ = (4.0, 45.0)
NOTES = (
    "EEG was filtered to 4-45 Hz and averaged to a common reference by its authors: there is no delta band.",
    "The first 3 s are before the clip and annotated baseline: too short to normalise by.",
    "GSR is taken as nS, respiration, pulse and temperature as their authors' units; levels are not absolute.",
)
_MOST_TRIALS = 1000

ALLOWED = {(m, n) for m in ("numpy.core.multiarray", "numpy._core.multiarray") for n in ("_reconstruct", "scalar")} | {
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
    ("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"),
}  # fmt: skip


class DeapUnpickler(pickle.Unpickler):
    """Reads arrays of numbers and nothing else; exact pairs, for numpy has functions that write files."""

    def find_class(self, module: str, name: str) -> Any:
        """A class that a DEAP file needs, or refused."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"not a DEAP file: it asks for {module}.{name}")
        return super().find_class(module, name)


def sniff(first: bytes, name: str) -> bool:
    """A pickle; whether it holds the arrays of DEAP, and nothing that runs, shows in ``read``."""
    # a dictionary, in a frame from version 4 on: samples of another .dat rarely begin so
    return first[:3] in (b"\x80\2}", b"\x80\3}", b"\x80\4\x95", b"\x80\5\x95")


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """All trials of one participant in their order on one clock, nothing recorded between them."""
    file = only(files)
    data, _ = unpickled(file)
    n_trials, _, n_times = data.shape
    laid = np.full((N_CHANNELS, n_trials, n_times + round(GAP_S * SFREQ)), np.nan, dtype=np.float32)
    laid[:, :, :n_times] = data.transpose(1, 0, 2)
    step_s = laid.shape[2] / SFREQ
    end = laid.shape[1] * laid.shape[2] - round(GAP_S * SFREQ)
    marks: list[Annotation] = []
    for i in range(n_trials):
        start = i * step_s
        marks += [
            Annotation(start, BASELINE_S, "baseline"),
            Annotation(start + BASELINE_S, n_times / SFREQ - BASELINE_S, f"trial {i + 1}"),
        ]
    empty = [f"trial {i + 1}" for i in range(n_trials) if not np.isfinite(data[i]).any()]
    texts = [
        f"{n_trials} trials of {n_times / SFREQ:g} s were cut from a longer recording: they lie in their order with "
        f"{GAP_S:g} s of missing values between them, so that no window spans two.",
        *NOTES,
    ]
    notices = [Notice("W-DEAP", text) for text in texts]
    if empty:
        notices.append(Notice("W-MISSING-VALUES", f"{listed(empty)}: there is no number in any channel."))
    return Recording(signals(laid.reshape(N_CHANNELS, -1)[:, :end]), None, tuple(marks), (), "deap", tuple(notices))


def signals(x: np.ndarray) -> tuple[Signal, ...]:
    """Samples (40, n_times) by name, in the units of the house."""
    return tuple(
        Signal(name, kind, UNITS[kind], SFREQ, row.astype(np.float32) * np.float32(1e-3 if kind == "eda" else 1.0))
        for (name, kind), row in zip(CHANNELS, x, strict=True)
    )


def unpickled(file: InputFile) -> tuple[np.ndarray, np.ndarray]:
    """Data (n_trials, 40, n_times) and labels (n_trials, 4) of a file, or Refused; for the child."""
    again = "Download it again from its authors."
    with Path(file.path).open("rb") as stream:
        try:
            found = DeapUnpickler(stream, encoding="latin1").load()
        except pickle.UnpicklingError as refused:
            words = str(refused) if str(refused).startswith("not a DEAP file") else "it is no DEAP file, or damaged."
            raise refuse("E-CODE" if "asks for" in words else "E-DEAP", file, f"{words}.".replace("..", "."),
                         again) from refused  # fmt: skip
        except (
            ValueError, TypeError, LookupError, EOFError, AttributeError, ImportError, OverflowError, AssertionError,
        ) as broken:  # fmt: skip
            raise refuse("E-DEAP", file, "it is no DEAP file, or damaged.", again) from broken
        if stream.read(1):
            raise refuse("E-DEAP", file, "bytes lie behind the end of the pickle.", again)
    data, labels = (found.get(k) for k in ("data", "labels")) if isinstance(found, dict) else (None, None)
    if not (isinstance(data, np.ndarray) and data.dtype.kind == "f" and data.ndim == 3
            and isinstance(labels, np.ndarray) and labels.dtype.kind in "fiu" and labels.ndim == 2):  # fmt: skip
        raise refuse("E-DEAP", file, "it does not hold arrays of data and labels.", again)
    n, channels, n_times = data.shape
    if channels != N_CHANNELS or labels.shape != (n, N_LABELS) or not 0 < n <= _MOST_TRIALS:
        raise refuse(
            "E-SHAPE", file, f"data has shape {data.shape} and labels {labels.shape}; expected (40, 40, 8064) and "
            "(40, 4).", again,
        )  # fmt: skip
    if n_times <= (BASELINE_S + 5) * SFREQ:
        raise refuse("E-TOO-SHORT", file, f"its trials last {n_times / SFREQ:.1f} s.", again)
    return data, labels
