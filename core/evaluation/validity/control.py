"""Positive control: a planted difference of known size must be found, and the smallest that is (requirements c19)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from core.evaluation import experiment, metrics, scoring
from core.evaluation.dataset import Dataset, Progress
from core.evaluation.experiment import Spec
from core.evaluation.validity.leak_audit import permuted
from core.models import MODELS
from core.settings import NET_RATES

# distance between the classes, in SD of a window's features (of a window's samples for nets)
SIZES = (0.25, 0.5, 1.0, 2.0, 4.0)
DRAWS = 3
TONE_HZ = 10.0


def injected(dataset: Dataset, spec: Spec, size: float, seed: int = 0) -> Dataset:
    """The dataset with labels dealt anew, so that nothing knows them, and a difference planted that does.

    Features of High move by ``size`` / 2 along one random direction over all columns of the inputs, each in its own
    SD, and those of Low as much the other way. In the windows of nets, High gets a 10 Hz tone of ``size`` SD of each
    window in every channel.
    """
    dealt = permuted(dataset, spec.target, seed)
    high = dealt.high(spec.target)
    rng = np.random.default_rng([seed, 19])
    if MODELS[spec.model].takes == "signals":
        changed = dict(dealt.signals)
        for type_ in spec.types:
            x = np.array(dealt.signals[type_])
            angle = rng.uniform(0, 2 * np.pi, (len(x), 1, 1))
            tone = np.sqrt(2) * np.sin(2 * np.pi * TONE_HZ * np.arange(x.shape[2]) / NET_RATES[type_] + angle)
            spread = np.nan_to_num(np.nanstd(x, axis=2, keepdims=True))
            changed[type_] = (x + high[:, None, None] * size * spread * tone).astype(np.float32)
        return replace(dealt, signals=changed, path=None)
    names = dealt.names(spec.types)
    x = dealt.features[names].to_numpy(dtype=np.float64)
    along = rng.standard_normal(len(names))
    along *= size / 2 / np.linalg.norm(along)
    moved = x + np.where(high, 1.0, -1.0)[:, None] * along * np.nan_to_num(np.nanstd(x, axis=0))
    features = dealt.features.copy()
    features[names] = moved
    return replace(dealt, features=features, path=None, retold=None)


def control(
    dataset: Dataset,
    spec: Spec,
    *,
    sizes: tuple[float, ...] | None = None,
    draws: int = DRAWS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """How each planted size is found, and the smallest that is found in every draw, as is every larger one.

    Found is a balanced accuracy per trial, over unseen subjects in five folds, whose 95 % interval lies above chance.
    ``smallest`` is None where not even the largest is: then a null result of this pipeline says nothing.
    """
    say, sizes = progress or (lambda share, words: None), sizes or SIZES
    own = replace(spec, split="subject_kfold")
    told = []
    for i, size in enumerate(sizes):
        say(i / len(sizes), f"size {size:g}")
        each = []
        for draw in range(draws):
            data = injected(dataset, own, size, spec.seed + draw)
            at = scoring.level(data, own, experiment.run(data, own), "trial")
            each.append(metrics.cross_validated(at.per_subject(metrics.balanced_accuracy, "predicted")))
        chance = 1 / at.n_classes
        found = sum(e.low is not None and e.low > chance for e in each)
        told.append({"size": size, "balanced_accuracy": float(np.mean([e.value for e in each])), "found": found,
                     "draws": draws})  # fmt: skip
    say(1.0, "done")
    smallest = None
    for row in reversed(told):
        if row["found"] < draws:
            break
        smallest = row["size"]
    unit = "SD of a window's samples" if MODELS[spec.model].takes == "signals" else "SD of the features over windows"
    return {"sizes": told, "smallest": smallest, "unit": unit, "chance": chance, "split": "subject_kfold"}
