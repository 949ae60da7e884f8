"""DENS as somebody downloads it: the real sidecars, with simulated signals at the paths of theirs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import savemat

from core import simulate
from core.dsp.montage import HYDROCEL_128
from core.settings import EPOC_14
from core.types import Recording, Signal

SFREQ = 250
# those with short recordings, both sides of every cut and all ratings
SUBJECTS = ("sub-mit061", "sub-mit039", "sub-mit111")
TARGETS = ("valence", "arousal", "dominance", "liking")
# the electrodes of the net that have a place in the 10-10 system; the other 105 would only make files long
ELECTRODES = tuple(HYDROCEL_128)
FILM_S = 60.5


def downloaded(shared_data: Path, out: Path, subjects: Sequence[str] = SUBJECTS, *, per_s: float = SFREQ) -> Path:
    """A folder of DENS with some subjects; ``per_s`` is how many of the units of events.tsv are a second.

    The units are samples; with 1000, as if they were milliseconds, recordings are a quarter as long. What is simulated
    of a film says in the spectrum whether it was rated high.
    """
    root = shared_data / "bids" / "ds003751"
    out.mkdir(parents=True)
    for path in root.iterdir():
        if path.is_file() and path.name != "not_included.txt":
            shutil.copy(path, out / path.name)
    for i, subject in enumerate(subjects):
        shutil.copytree(root / subject, out / subject)
        [events] = (out / subject).glob("eeg/*_events.tsv")
        [rated] = (out / subject).glob("beh/*_beh.tsv")
        x = _signals(i, pd.read_csv(events, sep="\t"), pd.read_csv(rated, sep="\t"), per_s)
        write_set(out / subject / "eeg" / f"{subject}_task-Emotion_eeg.set", x)
    for path in (out, *out.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return out


def _signals(person: int, events: pd.DataFrame, rated: pd.DataFrame, per_s: float) -> np.ndarray:
    """µV of every channel (n_times, n_channels): rest again and again, with the films in their places."""
    n = round((events.onset.max() / per_s + 5) * SFREQ)
    rest = _piece(simulate.recording(seed=person, duration_s=60, sfreq_eeg=SFREQ, sfreq_ecg=SFREQ, person=person))
    x = np.tile(rest, (-(-n // len(rest)), 1))[:n]
    ratings = {Path(r.stimuliName).stem: r for r in rated.itertuples()}
    for k, event in enumerate(events[events.trial_type.str.strip() == "stm"].itertuples()):
        row = ratings.get(str(event.label).rpartition("_")[0])
        if row is None:
            continue
        effects = {t: 2.0 if float(getattr(row, t)) > 5 else -2.0 for t in TARGETS[:3]}
        film = _piece(
            simulate.recording(
                seed=100 * person + k, duration_s=FILM_S * SFREQ / per_s, sfreq_eeg=SFREQ, sfreq_ecg=SFREQ,
                person=person, effects=effects,
            )
        )  # fmt: skip
        first = round(event.onset / per_s * SFREQ)
        x[first : first + len(film)] = film[: n - first]
    return x


def _piece(made: Recording) -> np.ndarray:
    """A simulated headset heard by the net, with an ECG and two EMG, µV."""
    by_name = {s.name: s.data for s in made.signals}
    rng = np.random.default_rng(len(made.signals[0].data))
    n = len(made.signals[0].data)
    around = np.mean([by_name[c] for c in EPOC_14], axis=0)
    eeg = [by_name.get(HYDROCEL_128[e], around) + rng.normal(0, 1, n) for e in ELECTRODES]
    emg = [rng.normal(0, 5, n) for _ in range(2)]
    return np.column_stack([*eeg, 1000 * made.of_type("ecg")[0].data[:n], *emg]).astype("<f4")


def write_set(path: Path, x: np.ndarray) -> None:
    """An EEGLAB dataset with its samples (n_times, n_channels) in a .fdt."""
    fdt = path.with_suffix(".fdt")
    x.astype("<f4").tofile(fdt)
    kinds = [*((e, "EEG") for e in ELECTRODES), ("ECG", "ECG"), ("EMG1", "EMG"), ("EMG2", "EMG")]
    places = np.array(kinds, dtype=[("labels", object), ("type", object)])
    savemat(path, {"EEG": {
        "data": fdt.name, "nbchan": float(x.shape[1]), "pnts": float(len(x)), "trials": 1.0, "srate": float(SFREQ),
        "xmin": 0.0, "chanlocs": places,
    }})  # fmt: skip


def visit(path: Path, seconds: float = 60.0) -> Path:
    """A visit with the whole net of 128 electrodes and an ECG, as EDF."""
    made = simulate.recording(seed=9, duration_s=seconds, sfreq_eeg=SFREQ, sfreq_ecg=SFREQ)
    by_name = {s.name: s for s in made.signals}
    rng = np.random.default_rng(1)
    like = made.of_type("eeg")[0]

    def electrode(i: int) -> Signal:
        source = by_name.get(HYDROCEL_128.get(f"E{i}", ""), like)
        return replace(like, name=f"E{i}", data=source.data + rng.normal(0, 1, len(source.data)))

    net = [electrode(i) for i in range(1, 129)]
    return simulate.write_edf(replace(made, signals=(*net, made.of_type("ecg")[0])), path)
