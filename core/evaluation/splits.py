"""Which windows a fold trains, validates and tests on; indices into a WindowTable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.errors import Refused

VALIDATION_SUBJECTS = 3  # requirements S1-13


@dataclass(frozen=True)
class Fold:
    """Window indices of one fold."""

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def loso(subject: np.ndarray, seed: int) -> Iterator[Fold]:
    """One fold per subject: that subject is the test, three others (drawn by the fold's seed) the validation.

    In a study of fewer than eight subjects fewer validate, so that at least as many train.
    """
    names = sorted(set(subject))
    if len(names) < 3:
        raise Refused("E-STUDY-SMALL", f"leaving one subject out needs three subjects, here are {len(names)}", "study")
    n_validation = min(VALIDATION_SUBJECTS, (len(names) - 1) // 2)
    for i, name in enumerate(names):
        others = [n for n in names if n != name]
        chosen = np.random.default_rng([seed, i]).choice(len(others), n_validation, replace=False)
        validation = np.isin(subject, [others[k] for k in chosen])
        test = subject == name
        yield Fold(str(name), np.flatnonzero(~validation & ~test), np.flatnonzero(validation), np.flatnonzero(test))


def random_window(n: int, seed: int, n_folds: int = 5) -> Iterator[Fold]:
    """Windows dealt at random, so that neighbours that overlap lie on both sides. Leaky: for the leak audit only."""
    dealt = np.array_split(np.random.default_rng(seed).permutation(n), n_folds)
    for i, test in enumerate(dealt):
        rest = np.concatenate([part for k, part in enumerate(dealt) if k != i])
        n_validation = len(rest) // 6
        yield Fold(f"random {i + 1}", np.sort(rest[n_validation:]), np.sort(rest[:n_validation]), np.sort(test))
