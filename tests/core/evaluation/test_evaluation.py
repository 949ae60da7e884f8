"""Leave one subject out on tables with known truth: no leak, honest chance, the planted effect found."""

import numpy as np
import pandas as pd
import pytest

from core.errors import Refused
from core.evaluation import leak_audit, loso, metrics, splits
from core.evaluation.loso import OutOfFold
from core.evaluation.table import WindowTable
from core.models import MODELS, Model


def study(effect, seed=0, subjects=10, trials=8, windows=10, n_features=12):
    """Person SD 1, trial SD 1, window SD 0.7, labels balanced within each subject, effect on every feature."""
    rng = np.random.default_rng(seed)
    rows, subject, trial, high = [], [], [], []
    for s in range(subjects):
        person = rng.standard_normal(n_features)
        labels = rng.permutation(np.arange(trials) % 2 == 0)
        for t in range(trials):
            centre = person + rng.standard_normal(n_features) + effect * (1 if labels[t] else -1)
            rows.append(centre + 0.7 * rng.standard_normal((windows, n_features)))
            subject += [f"S{s:02d}"] * windows
            trial += [f"T{t:02d}"] * windows
            high += [labels[t]] * windows
    x = np.concatenate(rows)
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(n_features)])
    onset = np.tile(2.0 * np.arange(windows), subjects * trials)
    return WindowTable(frame, np.array(subject), np.array(trial), onset, {"valence": np.array(high)})


@pytest.fixture
def nearest(monkeypatch):
    """A model that remembers: the neighbour that was recorded two seconds earlier gives the leak away."""
    from sklearn.neighbors import KNeighborsClassifier

    from core.models.steps import on_features

    monkeypatch.setitem(
        MODELS, "nearest", Model("Nearest", "features", lambda seed: on_features(KNeighborsClassifier(3)))
    )


def test_a_subject_lies_on_one_side_of_every_fold_and_each_is_tested_once():
    subject = np.repeat([f"S{i}" for i in range(9)], 5)
    folds = list(splits.loso(subject, seed=1))
    assert [f.name for f in folds] == sorted(set(subject))
    assert sorted(np.concatenate([f.test for f in folds])) == list(range(45))
    for fold in folds:
        train, validation, test = (set(subject[part]) for part in (fold.train, fold.validation, fold.test))
        assert (len(train), len(validation), len(test)) == (5, 3, 1)
        assert not (train & validation or train & test or validation & test)


def test_validation_subjects_follow_from_the_seed():
    subject = np.repeat([f"S{i}" for i in range(9)], 5)
    a, b, c = ([f.validation.tolist() for f in splits.loso(subject, seed)] for seed in (1, 1, 2))
    assert a == b != c


def test_two_subjects_are_too_few_to_leave_one_out():
    with pytest.raises(Refused, match="three subjects"):
        list(splits.loso(np.array(["a", "a", "b"]), 0))


def test_a_trials_score_is_the_mean_of_its_windows():
    table = study(0, subjects=3, trials=2, windows=2)
    p = np.array([0.9, 0.3, 0.2, 0.2, 0.8, 0.8, 0.1, 0.5, 0.5, 0.7, 0.4, 0.4])  # trial means .6 .2 .8 .3 .6 .4
    table.high["valence"][:] = np.repeat([1, 0, 1, 1, 0, 1], 2) > 0
    found = OutOfFold(p, p, np.full(12, 0.5))
    first, second, third = loso.score(table, "valence", found)
    assert (first.accuracy, first.balanced_accuracy, first.roc_auc) == (1.0, 1.0, 1.0)
    assert (second.accuracy, second.balanced_accuracy, second.roc_auc) == (0.5, 0.5, None)  # one class: kept
    assert (third.accuracy, third.balanced_accuracy, third.roc_auc) == (0.0, 0.0, 0.0)
    assert first.brier == pytest.approx((0.4**2 + 0.2**2) / 2)


def test_a_single_class_subject_is_kept_and_its_undefined_auc_is_counted():
    table = study(1.0, subjects=6)
    table.high["valence"][table.subject == "S00"] = True
    folds = list(splits.loso(table.subject, 0))
    evaluation, _, _ = loso.evaluate(table, "valence", "logistic", folds, 0)
    assert len(evaluation.subjects) == 6
    assert evaluation.roc_auc.n_undefined == 1
    assert evaluation.balanced_accuracy.n_undefined == 0


def test_without_an_effect_loso_sits_at_chance_while_random_windows_are_near_one(nearest):
    scores, premiums = [], []
    for seed in range(3):
        table = study(0.0, seed, windows=20, n_features=20)
        folds = list(splits.loso(table.subject, seed))
        found = loso.run(table.x, table.high["valence"], table.unit, "nearest", folds, seed)
        premium, both = leak_audit.premium(table, "valence", "nearest", found, seed)
        scores.append(both["loso"])
        premiums.append(premium)
        assert both["random_window"] > 0.95
    assert np.mean(scores) == pytest.approx(0.5, abs=0.06)
    assert all(p.low > 0.35 for p in premiums)


def test_without_an_effect_the_default_model_lies_within_chance_mostly():
    inside = []
    for seed in range(6):
        table = study(0.0, seed)
        folds = list(splits.loso(table.subject, seed))
        evaluation, _, _ = loso.evaluate(table, "valence", "logistic", folds, seed)
        inside.append(evaluation.chance.low <= evaluation.balanced_accuracy.value <= evaluation.chance.high)
        assert evaluation.majority.value == pytest.approx(0.5, abs=0.06)
    assert sum(inside) >= 4


def test_a_planted_effect_is_found_and_calibrated():
    table = study(0.6, subjects=16)
    folds = list(splits.loso(table.subject, 0))
    evaluation, calibration, _ = loso.evaluate(table, "valence", "logistic", folds, 0)
    assert evaluation.balanced_accuracy.value > 0.85
    assert evaluation.balanced_accuracy.low > evaluation.chance.high
    assert calibration.brier < 0.15 and calibration.ece < 0.15


def test_labels_of_the_test_subject_change_nothing_that_is_predicted():
    table = study(0.3)
    x, y, unit = table.x, table.high["valence"], table.unit
    for fold in list(splits.loso(table.subject, 0))[:3]:
        turned = y.copy()
        turned[fold.test] = np.random.default_rng(0).permutation(~y[fold.test])
        a, b = (loso.run(x, labels, unit, "logistic", [fold], 0) for labels in (y, turned))
        assert np.array_equal(a.p, b.p, equal_nan=True) and np.array_equal(a.threshold, b.threshold, equal_nan=True)


def test_scaling_a_test_subjects_features_leaves_the_scaler_of_its_fold_alone():
    table = study(0.3)
    fold = next(splits.loso(table.subject, 0))
    other = table.x.copy()
    other[fold.test[0]] = 1e6
    a, b = (loso.run(x, table.high["valence"], table.unit, "logistic", [fold], 0) for x in (table.x, other))
    assert np.array_equal(a.p[fold.test[1:]], b.p[fold.test[1:]])


def test_the_checks_pass_on_clean_folds_and_name_what_is_broken():
    table = study(0.3)
    clean = leak_audit.checks(table, "valence", "logistic", list(splits.loso(table.subject, 0)), 0)
    assert [c.outcome for c in clean] == ["pass"] * 6
    leaky = leak_audit.checks(table, "valence", "logistic", list(splits.random_window(len(table), 0)), 0)
    assert {c.name for c in leaky if c.outcome == "fail"} == {"subjects disjoint", "trials disjoint"}


def test_duplicated_windows_and_features_are_found():
    table = study(0.3)
    table.features.iloc[-1] = table.features.iloc[0]
    table.features["again"] = table.features["f0"]
    found = {c.name: c for c in leak_audit.checks(table, "valence", "logistic", list(splits.loso(table.subject, 0)), 0)}
    assert found["no duplicated windows"].outcome == "fail"
    assert found["no duplicated features"].outcome == "fail"


def test_chance_narrows_with_trials_and_subjects():
    few, many = metrics.chance([(4, 4)] * 5), metrics.chance([(9, 9)] * 23)
    assert few.low < many.low < 0.5 < many.high < few.high
    assert many.high - 0.5 == pytest.approx(1.96 * 0.5 / np.sqrt(23 * 18), rel=0.1)


def test_the_bootstrap_over_subjects_counts_what_is_undefined():
    found = metrics.over_subjects([0.5, 0.7, None, 0.6])
    assert (found.value, found.n_undefined) == (pytest.approx(0.6), 1)
    assert 0.5 <= found.low < 0.6 < found.high <= 0.7


def test_calibration_error_by_hand():
    y, p = np.array([1, 1, 0, 0]) > 0, np.array([0.95, 0.95, 0.95, 0.05])
    bins = metrics.reliability(y, p)
    assert [(b.n, round(b.share_high, 3)) for b in bins] == [(1, 0.0), (3, 0.667)]
    assert metrics.calibration_error(bins) == pytest.approx(0.25 * 0.05 + 0.75 * (0.95 - 2 / 3))


def test_calibration_undoes_overconfidence_and_never_flips():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(400)
    y = rng.random(400) < 1 / (1 + np.exp(-truth))
    by, _ = loso.fit_calibration(1 / (1 + np.exp(-4 * truth)), y, np.arange(400))
    assert by.slope == pytest.approx(0.25, abs=0.06)
    turned, _ = loso.fit_calibration(1 / (1 + np.exp(4 * truth)), y, np.arange(400))
    assert turned.slope == 0.0


@pytest.mark.parametrize(
    ("p", "expected"), [([0.1, 0.2, 0.8, 0.9], 0.5), ([0.55, 0.6, 0.7, 0.8], 0.65), ([0.5, 0.7, 0.95, 0.97], 0.75)]
)
def test_the_threshold_comes_from_the_trials_and_stays_within_its_range(p, expected):
    assert loso.best_threshold(np.array([0, 0, 1, 1]) > 0, np.array(p)) == pytest.approx(expected)
