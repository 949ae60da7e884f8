"""DEAP (Koelstra 2012), preprocessed for Python: s01.dat to s32.dat, each a pickle of data 40 x 40 x 8064 and labels.

A pickle can run code, so only the reconstruction of NumPy arrays is let through (security 1), in a child process with
limits of memory and time. 128 Hz, 3 s before the clip and 60 s of it; ratings 1-9, High from 5 on.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Refused
from core.readers.base import refuse
from core.readers.checks import checked
from core.studies import listing
from core.studies.folder import Source
from core.types import UNITS, Annotation, InputFile, Recording, Signal

SFREQ, BASELINE_S = 128.0, 3.0
N_CHANNELS = 40
SCALE = (1.0, 9.0, 5.0)
LABELS = ("valence", "arousal", "dominance", "liking")
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
_FILE = re.compile(r"s(\d{2})\.dat", re.IGNORECASE)
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


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the folder of .dat files; strays in it are passed over."""
    listing.folder(path)
    inner = path / "data_preprocessed_python"
    folder = inner if inner.is_dir() else path
    found = [(f"s{m[1]}", p) for p in listing.files_under(folder) if (m := _FILE.fullmatch(p.name))]
    if not found:
        raise Refused("E-STUDY-PATH", "it holds no s01.dat ... s32.dat.", path.name, "Name the folder with them.")
    scales = dict.fromkeys(LABELS, SCALE)
    trials, left_out = listing.a_file_each(found, "core.studies.deap", scales, lambda s: {"site": site(int(s[1:]))})
    return Source(
        basis=f"DEAP preprocessed (10.1109/T-AFFC.2011.15): music videos, {len(found)} subjects",
        licence="DEAP end user licence agreement (on request from its authors)",
        targets=scales,
        high=dict.fromkeys(LABELS, ">="),
        bands={"eeg": (4.0, 45.0)},
        inputs=(),
        trials=trials,
        n_trials=len(trials),
        made_by={"corpus": "deap", "files": listing.fingerprint([p for _, p in found], folder)},
        left_out=tuple(left_out),
        notes=(
            "EEG was filtered to 4-45 Hz and averaged to a common reference by its authors: there is no delta band.",
            "The first 3 s are before the clip and annotated baseline: too short to normalise by.",
            "GSR is taken as nS, respiration, pulse and temperature as their authors' units; levels are not absolute.",
        ),
        resumes=True,
    )


def site(number: int) -> str:
    """Where a participant was recorded: 1-22 in Twente, 23-32 in Geneva."""
    return "Twente" if number <= 22 else "Geneva"


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
    if channels != N_CHANNELS or labels.shape != (n, len(LABELS)) or not 0 < n <= _MOST_TRIALS:
        raise refuse(
            "E-SHAPE", file, f"data has shape {data.shape} and labels {labels.shape}; expected (40, 40, 8064) and "
            "(40, 4).", again,
        )  # fmt: skip
    if n_times <= (BASELINE_S + 5) * SFREQ:
        raise refuse("E-TOO-SHORT", file, f"its trials last {n_times / SFREQ:.1f} s.", again)
    return data, labels


def tables(files: list[InputFile], job: Mapping[str, Any]) -> list[tuple[str, list[float | None]]]:
    """Entry of the child: name and ratings of every trial."""
    _, labels = unpickled(files[0])
    return [(f"{i:02d}", [float(v) if math.isfinite(v) else None for v in row]) for i, row in enumerate(labels, 1)]


def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child."""
    data, _ = unpickled(files[0])

    def make(trial: int) -> Recording:
        signals = []
        for (name, kind), row in zip(CHANNELS, data[trial], strict=True):
            x = row.astype(np.float32) * np.float32(1e-3 if kind == "eda" else 1.0)
            signals.append(Signal(name, kind, UNITS[kind], SFREQ, x))
        if not np.isfinite(data[trial]).any():
            raise refuse("E-NO-SAMPLES", files[0], "the trial holds no number.", "")
        return checked(Recording(tuple(signals), None, (Annotation(0.0, BASELINE_S, "baseline"),), (), "deap"))

    return listing.each(range(job["first"], len(data)), make)
