"""Nothing lies on two sides of a fold, and no label says where."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Refused
from core.evaluation import splits
from core.evaluation.splits import SPLITS

HONEST = [name for name in SPLITS if name not in splits.LEAKY]


@st.composite
def studies(draw):
    """Subject and trial of each row: 3-9 subjects of 3-6 trials of 1-4 windows, in any order."""
    subject, unit = [], []
    for s in range(draw(st.integers(3, 9))):
        for _ in range(draw(st.integers(3, 6))):
            n = draw(st.integers(1, 4))
            unit += [unit[-1] + 1 if unit else 0] * n
            subject += [f"S{s}"] * n
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(unit))
    return np.array(subject)[order], np.array(unit)[order]


def flat(fold):
    yield fold
    yield from fold.inner


@settings(max_examples=25, deadline=None)
@given(studies(), st.integers(0, 5), st.sampled_from(HONEST))
def test_no_trial_or_window_lies_on_two_sides_and_every_row_is_tested_once(rows, seed, name):
    subject, unit = rows
    folds = list(SPLITS[name](subject, unit, seed))
    assert sorted(np.concatenate([f.test for f in folds])) == list(range(len(subject)))
    for whole in folds:
        for fold in flat(whole):
            for owner in (unit, np.arange(len(unit)), *([subject] if name != "within_subject" else [])):
                parts = [set(owner[part]) for part in (fold.train, fold.validation, fold.test)]
                assert len(set.union(*parts)) == sum(map(len, parts))
            assert len(fold.train) and len(fold.test)


@settings(max_examples=15, deadline=None)
@given(studies(), st.integers(0, 5))
def test_the_inner_folds_never_hold_the_test_subject(rows, seed):
    subject, unit = rows
    for fold in splits.nested_loso(subject, unit, seed):
        known = set(fold.train) | set(fold.validation)
        assert fold.inner and set().union(*(set(i.test) for i in fold.inner)) == known
        for inner in fold.inner:
            assert (set(inner.train) | set(inner.validation) | set(inner.test)) == known
            assert fold.name not in subject[np.concatenate([inner.train, inner.validation, inner.test])]


@settings(max_examples=15, deadline=None)
@given(studies(), st.integers(0, 5), st.sampled_from(list(SPLITS)))
def test_a_seed_gives_the_same_folds_again(rows, seed, name):
    a, b = (list(SPLITS[name](*rows, seed)) for _ in range(2))
    for left, right in zip(a, b, strict=True):
        for part in ("train", "validation", "test"):
            assert np.array_equal(getattr(left, part), getattr(right, part))


def test_leaving_one_subject_out_three_others_validate():
    subject = np.repeat([f"S{i}" for i in range(9)], 5)
    folds = list(splits.loso(subject, np.arange(45), 1))
    assert [f.name for f in folds] == sorted(set(subject))
    for fold in folds:
        train, validation, test = (set(subject[part]) for part in (fold.train, fold.validation, fold.test))
        assert (len(train), len(validation), len(test)) == (5, 3, 1)


def test_validation_subjects_follow_from_the_seed():
    subject = np.repeat([f"S{i}" for i in range(9)], 5)
    a, b, c = ([f.validation.tolist() for f in splits.loso(subject, np.arange(45), seed)] for seed in (1, 1, 2))
    assert a == b != c


def test_subjects_stay_whole_in_five_folds_and_within_subjects_nobody_else_trains():
    subject, unit = np.repeat([f"S{i}" for i in range(11)], 12), np.repeat(np.arange(66), 2)
    assert len(list(splits.subject_kfold(subject, unit, 0))) == 5
    for fold in splits.within_subject(subject, unit, 0):
        assert len(set(subject[np.concatenate([fold.train, fold.validation, fold.test])])) == 1


def test_the_leaky_splits_leak_as_they_say():
    subject, unit = np.repeat([f"S{i}" for i in range(6)], 40), np.repeat(np.arange(24), 10)
    for name, crossed in (("trial", (True, False)), ("random_window", (True, True))):
        for fold in SPLITS[name](subject, unit, 0):
            assert tuple(bool(set(o[fold.train]) & set(o[fold.test])) for o in (subject, unit)) == crossed
            assert not set(fold.train) & set(fold.test)


def test_two_subjects_are_too_few_to_leave_one_out_and_two_trials_to_split_within():
    with pytest.raises(Refused, match="three subjects"):
        list(splits.loso(np.array(["a", "a", "b"]), np.arange(3), 0))
    with pytest.raises(Refused, match="three trials"):
        list(splits.within_subject(np.array(["a", "a", "a"]), np.array([0, 0, 1]), 0))
