"""Signal surrogates: what is left of a score when order, or order and wave form, or the spectrum is taken away (c18).

Each keeps something and destroys the rest, of all channels of a type at once:

=================  ==================================================  ===================================
kind               keeps                                               destroys
=================  ==================================================  ===================================
time_shuffled      values, covariance between channels at one moment   spectrum, order
time_reversed      values, spectrum                                    direction of time
phase_randomised   spectrum, cross-spectra between channels            order, wave form, distribution
=================  ==================================================  ===================================

Nets are given windows that were changed one by one; tables of features are computed again from recordings whose part
after the baseline was changed as a whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.evaluation import experiment, metrics, scoring
from core.evaluation.dataset import Change, Dataset
from core.evaluation.experiment import Spec
from core.types import Pipeline, Recording, Signal, Trial

if TYPE_CHECKING:
    from core.pipeline import Prepared


def time_shuffled(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The samples of (n_channels, n_times) in another order, the same in every channel."""
    return x[:, rng.permutation(x.shape[1])]


def time_reversed(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The samples of (n_channels, n_times) from last to first."""
    return x[:, ::-1]


def phase_randomised(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n_channels, n_times) with the same random angle added to each frequency's phase in every channel.

    Notes
    -----
    Prichard and Theiler (1994), Phys. Rev. Lett. 73: the cross-spectra stay, as the angles cancel in them.
    """
    spectrum = np.fft.rfft(x, axis=1)
    angle = rng.uniform(0, 2 * np.pi, (spectrum.shape[1],))
    angle[0] = 0.0
    if x.shape[1] % 2 == 0:
        angle[-1] = 0.0
    return np.fft.irfft(spectrum * np.exp(1j * angle), x.shape[1], axis=1)


SURROGATES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "time_shuffled": time_shuffled,
    "time_reversed": time_reversed,
    "phase_randomised": phase_randomised,
}


def of_windows(dataset: Dataset, kind: str, seed: int) -> Dataset:
    """The dataset with every window of its signals changed by itself; channels that are missing stay so."""
    rng = np.random.default_rng([seed, 18])
    changed = {}
    for type_, x in dataset.signals.items():
        changed[type_] = np.stack([_whole(window, kind, rng) for window in np.asarray(x)]).astype(np.float32)
    return replace(dataset, signals=changed, path=None)


def of_recording(recording: Recording, kind: str, seed: int, name: str) -> Recording:
    """A recording whose part outside its baseline is changed as a whole, channels of one type and rate together."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    groups: dict[tuple[str, float, int], list[Signal]] = {}
    for signal in recording.signals:
        groups.setdefault((signal.type, signal.sfreq, len(signal.data)), []).append(signal)
    changed: dict[str, Signal] = {}
    for own in groups.values():
        x = np.stack([np.asarray(s.data, dtype=np.float64) for s in own])
        active = outside_baseline(recording, own[0])
        x[:, active] = _whole(x[:, active], kind, rng)
        changed |= {s.name: replace(s, data=row.astype(s.data.dtype)) for s, row in zip(own, x, strict=True)}
    return replace(recording, signals=tuple(changed[s.name] for s in recording.signals))


def change(kind: str, seed: int, pipeline: Pipeline, types: tuple[str, ...]) -> Change:
    """What ``dataset.prepare`` does to each trial: features of changed signals in the same windows and verdict."""

    def changed(prepared: Prepared, recording: Recording, trial: Trial) -> Prepared:
        from core import features

        of = replace(prepared.scaled, annotations=recording.annotations)
        scaled = of_recording(of, kind, seed, f"{trial.subject}/{trial.trial}")
        table = features.table(scaled, prepared.windows, prepared.quality, pipeline, types)
        return replace(prepared, scaled=scaled, table=table)

    return changed


def _whole(x: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    known = np.isfinite(x)
    if not x.shape[1]:
        return x
    out = SURROGATES[kind](np.where(known, x, 0.0), rng)
    return np.where(known.any(axis=1, keepdims=True), out, np.nan)


def outside_baseline(recording: Recording, signal: Signal) -> np.ndarray:
    """Which samples of a signal lie in no part marked as baseline, shape (n_times,)."""
    time_s = signal.onset_s + np.arange(len(signal.data)) / signal.sfreq
    outside = np.ones(len(time_s), dtype=bool)
    for mark in recording.annotations:
        if mark.description.strip().lower() == "baseline":
            outside &= (time_s < mark.onset_s) | (time_s >= mark.onset_s + mark.duration_s)
    return outside


def scores(datasets: Mapping[str, Dataset], spec: Spec) -> dict[str, Any]:
    """The same experiment, fitted and tested on each: balanced accuracy per trial, and the paired loss to ``original``.

    Subjects that are not in all of them are left out.
    """
    each: dict[str, dict[str, float]] = {}
    for name, data in datasets.items():
        own = replace(spec, split="subject_kfold")
        at = scoring.level(data, own, experiment.run(data, own), "trial")
        found = at.per_subject(metrics.balanced_accuracy, "predicted")
        each[name] = {s: v for s, v in zip(at.subjects, found, strict=True) if v is not None}
    shared = sorted(set.intersection(*(set(v) for v in each.values())))
    told = []
    for name, of in each.items():
        loss = [each["original"][s] - of[s] for s in shared]
        score = metrics.cross_validated([of[s] for s in shared])
        told.append({"signals": name, "balanced_accuracy": score.model_dump(),
                     "loss": metrics.over_subjects(loss).model_dump()})  # fmt: skip
    return {"n_subjects": len(shared), "split": "subject_kfold", "scores": told}
