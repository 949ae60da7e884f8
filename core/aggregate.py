"""From window probabilities to the measures of a session: a value and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from core.types import Measure, Prediction, Reason

BLOCK = 5  # neighbouring windows drawn together: they overlap and drift together
RESAMPLES = 2000
SEED = 20260105


class Model(Protocol):
    """What is needed of a bundle: per target its threshold and its calibration spread (an SD of probability)."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Cut of each target."""
        ...

    @property
    def spreads(self) -> Mapping[str, float]:
        """Calibration spread of each target."""
        ...


def prediction_measures(prediction: Prediction, bundle: Model) -> list[Measure]:
    """One measure per target: the mean window probability over usable windows with a 95 % interval.

    The interval is the wider of two: the block bootstrap of the windows, which knows how much the session itself
    varies, and the calibration spread of the card, which knows how far a probability depends on who calibrated it.
    Windows that are told together are drawn together: a session of one stretch has the spread of the card alone.
    Where neither knows anything (no width at all) the interval is all there is, 0 to 1.
    """
    measures = []
    for column, target in enumerate(prediction.targets):
        proba = prediction.proba[:, column]
        proba = proba[np.isfinite(proba)]
        if not len(proba):
            measures.append(Measure(target, "prediction", "index", reason=Reason.LOW_QUALITY))
            continue
        value = float(proba.mean())
        boot = block_bootstrap(proba, max(BLOCK, _stretch(len(proba), prediction.shared)))
        spread = 1.96 * bundle.spreads[target]
        wide = (value - spread, value + spread)
        low, high = max(boot, wide, key=lambda pair: pair[1] - pair[0])
        if high - low < 1e-9:
            low, high = 0.0, 1.0
        low, high, cut = max(0.0, low), min(1.0, high), bundle.thresholds[target]
        measures.append(Measure(target, "prediction", "index", value, low, high, threshold=cut))
    return measures


def _stretch(n: int, longest: int) -> int:
    """Windows that are told together of ``n`` usable ones: of as few stretches as can be, all of about one length."""
    return -(-n // -(-n // longest))


def block_bootstrap(
    values: np.ndarray, block: int = BLOCK, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """95 % interval of the mean of a series whose neighbours depend on each other.

    Circular blocks of ``block`` neighbours are drawn with replacement. A series no longer than one block gives no
    spread of its own: the mean itself, twice.
    """
    n = len(values)
    mean = float(values.mean())
    if n <= block:
        return mean, mean
    starts = np.random.default_rng(seed).integers(0, n, (resamples, -(-n // block)))
    wrapped = np.concatenate([values, values[:block]])
    sums = np.concatenate([[0.0], np.cumsum(wrapped)])
    means = (sums[starts + block] - sums[starts]).mean(axis=1) / block
    low, high = np.percentile(means, [2.5, 97.5])
    return min(float(low), mean), max(float(high), mean)
