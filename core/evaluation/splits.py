"""Which windows a fold trains, validates and tests on. SPLITS is the door.

A split is given the subject and the number of the trial of each row, and a seed; never a label, so that no label can
decide on which side a row lies. Indices count those rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import Refused

VALIDATION_SUBJECTS = 3  # requirements S1-13
N_FOLDS = 5
INNER_FOLDS = 4
# share of the units left for training that validate, where subjects do not
VALIDATION_SHARE = 6


@dataclass(frozen=True)
class Fold:
    """Row indices of one fold.

    ``inner`` are the folds by subject within train and validation on which options are selected; their ``test`` rows
    score an option and their ``validation`` stops training early.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    inner: tuple[Fold, ...] = ()


Split = Callable[[np.ndarray, np.ndarray, int], Iterator[Fold]]


def loso(subject: np.ndarray, unit: np.ndarray, seed: int) -> Iterator[Fold]:
    """One fold per subject: that subject is the test, three others (drawn by the fold's seed) the validation.

    In a study of fewer than eight subjects fewer validate, so that at least as many train.
    """
    names = _subjects(subject)
    n_validation = _validators(len(names))
    for i, name in enumerate(names):
        others = [n for n in names if n != name]
        chosen = np.random.default_rng([seed, i]).choice(len(others), n_validation, replace=False)
        validation = np.isin(subject, [others[k] for k in chosen])
        test = subject == name
        yield Fold(str(name), np.flatnonzero(~validation & ~test), np.flatnonzero(validation), np.flatnonzero(test))


def nested_loso(subject: np.ndarray, unit: np.ndarray, seed: int) -> Iterator[Fold]:
    """The folds of ``loso``; options are selected on inner folds by subject, which never hold the test subject."""
    for i, fold in enumerate(loso(subject, unit, seed)):
        known = np.sort(np.concatenate([fold.train, fold.validation]))
        names = sorted(set(subject[known]))
        parts = _dealt(names, min(INNER_FOLDS, len(names)), [seed, i, 1])
        inner = []
        for k, part in enumerate(parts):
            rest = [n for n in names if n not in part]
            few = _drawn(rest, _validators(len(rest) + 1) if len(rest) > 2 else 0, [seed, i, 2, k])
            train = [n for n in rest if n not in few]
            a, b, c = (known[np.isin(subject[known], names)] for names in (train, few, part))
            inner.append(Fold(f"{fold.name}/{k + 1}", a, b, c))
        yield Fold(fold.name, fold.train, fold.validation, fold.test, tuple(inner))


def subject_kfold(subject: np.ndarray, unit: np.ndarray, seed: int) -> Iterator[Fold]:
    """Five folds of whole subjects, three others (fewer in a small study) the validation."""
    names = _subjects(subject)
    for i, tested in enumerate(_dealt(names, min(N_FOLDS, len(names)), [seed])):
        others = [n for n in names if n not in tested]
        chosen = _drawn(others, _validators(len(others) + 1), [seed, i])
        train = [n for n in others if n not in chosen]
        a, b, c = (np.flatnonzero(np.isin(subject, part)) for part in (train, chosen, tested))
        yield Fold(f"subjects {i + 1}", a, b, c)


def within_subject(subject: np.ndarray, unit: np.ndarray, seed: int) -> Iterator[Fold]:
    """A model for each subject: five folds of its trials, each trial whole on one side. Says nothing of new people."""
    for i, name in enumerate(sorted(set(subject))):
        own = np.flatnonzero(subject == name)
        trials = sorted(set(unit[own]))
        if len(trials) < 3:
            raise Refused(
                "E-STUDY-SMALL", f"a split within subjects needs three trials of each, {name} has {len(trials)}",
                "study", "Leave the subject out, or choose the split loso.",
            )  # fmt: skip
        for fold in _by_group(unit[own], min(N_FOLDS, len(trials)), [seed, i]):
            yield Fold(f"{name}/{fold.name}", own[fold.train], own[fold.validation], own[fold.test])


def trial(subject: np.ndarray, unit: np.ndarray, seed: int) -> Iterator[Fold]:
    """Trials dealt at random, so that a person lies on both sides. Leaky: for the leak audit only."""
    if len(set(unit)) < 3:
        raise Refused("E-STUDY-SMALL", "a split by trials needs three trials", "study", "Use a study with more trials.")
    for fold in _by_group(unit, min(N_FOLDS, len(set(unit))), [seed]):
        yield Fold(f"trials {fold.name}", fold.train, fold.validation, fold.test)


def random_window(subject: np.ndarray, unit: np.ndarray, seed: int) -> Iterator[Fold]:
    """Windows dealt at random, so that neighbours that overlap lie on both sides. Leaky: for the leak audit only."""
    dealt = np.array_split(np.random.default_rng(seed).permutation(len(subject)), N_FOLDS)
    for i, test in enumerate(dealt):
        rest = np.concatenate([part for k, part in enumerate(dealt) if k != i])
        n_validation = len(rest) // VALIDATION_SHARE
        yield Fold(f"random {i + 1}", np.sort(rest[n_validation:]), np.sort(rest[:n_validation]), np.sort(test))


SPLITS: dict[str, Split] = {
    "loso": loso,
    "nested_loso": nested_loso,
    "subject_kfold": subject_kfold,
    "within_subject": within_subject,
    "trial": trial,
    "random_window": random_window,
}
# a person, or even a trial, lies on both sides: marked wherever a number of theirs appears
LEAKY = ("trial", "random_window")


def _subjects(subject: np.ndarray) -> list[str]:
    names = sorted(set(subject))
    if len(names) < 3:
        raise Refused(
            "E-STUDY-SMALL", "leaving one subject out needs three subjects with labels and usable windows, found: "
            f"{len(names)}", "study", "Use a study with labels and usable recordings of three subjects or more.",
        )  # fmt: skip
    return names


def _validators(n_subjects: int) -> int:
    """How many subjects validate where ``n_subjects`` are there with the one tested."""
    return min(VALIDATION_SUBJECTS, (n_subjects - 1) // 2)


def _dealt(names: Sequence, n: int, seed: Sequence[int]) -> list[list]:
    """``names`` dealt at random into n parts of about equal size."""
    order = np.random.default_rng(seed).permutation(len(names))
    return [[names[k] for k in sorted(part)] for part in np.array_split(order, n)]


def _drawn(names: Sequence, n: int, seed: Sequence[int]) -> list:
    return [names[k] for k in np.random.default_rng(seed).choice(len(names), n, replace=False)]


def _by_group(group: np.ndarray, n_folds: int, seed: Sequence[int]) -> Iterator[Fold]:
    """Folds of whole groups; a sixth of the other groups, at least one, validates."""
    groups = sorted(set(group))
    for i, tested in enumerate(_dealt(groups, n_folds, seed)):
        others = [g for g in groups if g not in tested]
        chosen = _drawn(others, max(1, len(others) // VALIDATION_SHARE), [*seed, i, 1])
        train = [g for g in others if g not in chosen]
        a, b, c = (np.flatnonzero(np.isin(group, part)) for part in (train, chosen, tested))
        yield Fold(str(i + 1), a, b, c)
