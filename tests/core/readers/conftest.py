"""Files that the tests of the readers write: small, and each with a known answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.types import InputFile

SFREQ = 128.0


def eeg(n_channels=4, n_times=1280, seed=1):
    """Microvolt-sized rhythms with noise, shape (n_channels, n_times)."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_times) / SFREQ
    return np.stack([20 * np.sin(2 * np.pi * (8 + k) * t) + rng.normal(0, 5, n_times) for k in range(n_channels)])


def given(path: Path, name: str | None = None) -> InputFile:
    return InputFile(name or path.name, str(path))


def said(recording, code):
    """The notices of one code, in one text."""
    return " ".join(n.text for n in recording.notices if n.code == code)


def codes(recording):
    return [n.code for n in recording.notices]


def by_name(recording):
    return {s.name: s for s in recording.signals}


@pytest.fixture
def write_csv(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return given(path)

    return write


def table(names=("Fp1", "Fp2", "C3", "C4"), n_times=1280, t=None, sep=",", comma=False, time_name="timestamp"):
    """A table of EEG in µV at 128 Hz as text."""
    x = eeg(len(names), n_times)
    t = np.arange(n_times) / SFREQ if t is None else t
    rows = [sep.join([time_name, *names])]
    for i in range(n_times):
        cells = [str(t[i]) if isinstance(t[i], str) else f"{t[i]:.6f}", *(f"{v:.4f}" for v in x[:, i])]
        rows.append(sep.join(c.replace(".", ",") if comma else c for c in cells))
    return "\n".join(rows) + "\n"


@pytest.fixture
def write_edf(tmp_path):
    """Write EDF by edfio, an implementation that is not ours."""
    import edfio

    def write(signals, name="x.edf", bdf=False, **more):
        kind = edfio.BdfSignal if bdf else edfio.EdfSignal
        made = [
            kind(data, sfreq, label=label, physical_dimension=unit, physical_range=(lo, hi))
            for label, unit, sfreq, data, lo, hi in signals
        ]
        path = tmp_path / name
        (edfio.Bdf if bdf else edfio.Edf)(made, **more).write(path)
        return given(path)

    return write
