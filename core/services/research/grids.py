"""A grid of experiments: every target, set of inputs and model of a study, one after the other, as one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from core import compute
from core.services.research import experiments, studies
from core.storage.store import Store

Progress = Callable[[float, str], None]
MODELS = ("logistic", "forest")


def grid(
    store: Store,
    study: str,
    *,
    targets: Sequence[str] = (),
    models: Sequence[str] = (),
    inputs: Sequence[str] = (),
    seed: int = 0,
    features: str = "",
    now: datetime,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Leave one subject out in every cell: the object of ``grid --json``.

    By default all targets of the study, every set of its inputs, logistic regression and forest. Each cell is an
    experiment as any other, so that a grid that was stopped goes on with the folds that are left. ``features`` names
    a set of features of the EEG for the cells with EEG; the others have their usual ones.

    Returns
    -------
    dict
        ``study, seed, n_subjects, seconds``, ``features`` where a set is named, and ``cells [{target, inputs, model,
        experiment, n_trials, balanced_accuracy {value, low, high}, chance {low, high}, seconds}]``: scores of trials
        of people left out; seconds are those that the folds took, however many ran side by side.

    Raises
    ------
    Refused
        For what the study or the doors do not have, before anything is computed.
    """
    from core.evaluation.experiment import Spec

    cells = _cells(store, study, targets, models, inputs)
    asked = experiments.by_inputs({"features": features}, [chosen for _, chosen, _ in cells])
    for target, chosen, model in cells:
        experiments.check(store, Spec(study, target, chosen, model, seed=seed, **asked[chosen]))

    def run(i: int, target: str, chosen: str, model: str) -> dict:
        def say(share: float, words: str) -> None:
            if progress:
                progress((i + share) / len(cells), f"{target}, {chosen}, {model}: {words}")

        return experiments.evaluate(
            store, study, target, model, chosen, seed=seed, options=asked[chosen], now=now, progress=say
        )

    with compute.kept_open():
        made = [run(i, *cell) for i, cell in enumerate(cells)]
    seconds = {line.id: line.seconds for line in experiments.all_experiments(store)}
    rows = [
        {
            **{name: found[name] for name in ("target", "inputs", "model", "experiment", "n_trials")},
            "balanced_accuracy": {k: found["trial"]["balanced_accuracy"][k] for k in ("value", "low", "high")},
            "chance": found["trial"]["chance"],
            "seconds": seconds[found["experiment"]],
        }
        for found in made
    ]
    return {
        "study": study, "seed": seed, **({"features": features} if features else {}),
        "n_subjects": max(found["n_subjects"] for found in made),
        "seconds": sum(row["seconds"] for row in rows), "cells": rows,
    }  # fmt: skip


def _cells(
    store: Store, study: str, targets: Sequence[str], models: Sequence[str], inputs: Sequence[str]
) -> list[tuple[str, str, str]]:
    """(target, inputs, model) of each cell, in the order in which they are run."""
    chosen = {model: list(inputs) or experiments.input_sets(store, study, model) for model in models or MODELS}
    sets = list(dict.fromkeys(s for own in chosen.values() for s in own))
    named = targets or tuple(studies.get(store, study).targets)
    return [(t, s, m) for t in dict.fromkeys(named) for s in sets for m in chosen if s in chosen[m]]
