"""Scores by hand."""

import numpy as np
import pytest

from core.evaluation import metrics
from core.evaluation.metrics import Level


def level(subject, y, p, cut=0.5, n_classes=2):
    y, p = np.array(y), np.array(p, dtype=float)
    predicted = (p > cut).astype(int) if p.ndim == 1 else p.argmax(axis=1)
    n = len(y)
    return Level(np.array(list(subject)), np.arange(n), np.zeros(n, int), y, p, predicted, np.full(n, cut), n_classes)


def test_a_trials_value_is_the_mean_of_its_windows_or_their_median():
    p, unit = np.array([0.9, 0.3, 0.2, 0.2, 0.8]), np.array([5, 5, 2, 2, 2])
    assert metrics.trial_values(p, unit) == pytest.approx([0.4, 0.6])
    assert metrics.trial_values(p, unit, "median") == pytest.approx([0.2, 0.6])
    both = metrics.trial_values(np.column_stack([1 - p, p]), unit)
    assert both == pytest.approx(np.array([[0.6, 0.4], [0.4, 0.6]]))


def test_scores_per_subject_and_a_single_class_is_kept_without_an_auc():
    found = level("aabbcc", [1, 0, 1, 1, 0, 1], [0.6, 0.2, 0.8, 0.3, 0.6, 0.4])
    assert found.per_subject(metrics.balanced_accuracy, "predicted") == [1.0, 0.5, 0.0]
    assert found.per_subject(metrics.roc_auc, "p") == [1.0, None, 0.0]
    assert found.per_subject(metrics.brier, "p")[0] == pytest.approx((0.4**2 + 0.2**2) / 2)
    auc = metrics.over_subjects(found.per_subject(metrics.roc_auc, "p"))
    assert (auc.value, auc.n_undefined) == (0.5, 1)
    assert metrics.over_subjects(found.per_subject(metrics.accuracy, "predicted")).n_undefined == 0
    assert metrics.class_counts(found) == [(1, 1), (2, 0), (1, 1)]  # High first


def test_always_the_majority_scores_as_published():
    counts = [717, 150, 93, 40]  # the commonest of four classes holds 0.717 of trials (requirements S3-08)
    y = np.repeat(np.arange(4), counts)
    assert metrics.accuracy(y, np.zeros(1000, int)) == 0.717
    assert metrics.macro_f1(y, np.zeros(1000, int)) == pytest.approx(2 * 0.717 / 1.717 / 4)  # 0.21
    assert metrics.confusion(y, np.zeros(1000, int), 4) == [[n, 0, 0, 0] for n in counts]


def test_precision_and_recall_of_each_class_and_what_is_undefined_of_it():
    counts = [717, 150, 93, 40]
    y = np.repeat(np.arange(4), counts)
    found = metrics.per_class(y, np.zeros(1000, int), 4)
    assert found == [(717, 0.717, 1.0), (150, None, 0.0), (93, None, 0.0), (40, None, 0.0)]
    assert metrics.per_class(np.array([1, 1, 1, 0]), np.array([1, 1, 0, 2]), 3) == [
        (1, 0.0, 0.0), (3, 1.0, 2 / 3), (0, 0.0, None),
    ]  # fmt: skip


def test_the_log_loss_equals_scikit_learns_and_is_bounded_where_one_was_sure_and_wrong():
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 4, 60), rng.dirichlet(np.ones(4), 60)
    assert metrics.log_loss(y, p) == pytest.approx(log_loss(y, p, labels=range(4)))
    assert metrics.log_loss(y % 2, p[:, 0]) == pytest.approx(log_loss(y % 2, p[:, 0]))
    assert metrics.log_loss(np.array([1]), np.array([0.0])) == pytest.approx(-np.log(metrics.LOG_LOSS_CLIP))


def test_scores_of_several_classes_equal_scikit_learns():
    from sklearn import metrics as known

    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 4, 60), rng.dirichlet(np.ones(4), 60)
    predicted = p.argmax(axis=1)
    assert metrics.balanced_accuracy(y, predicted) == pytest.approx(known.balanced_accuracy_score(y, predicted))
    assert metrics.macro_f1(y, predicted) == pytest.approx(known.f1_score(y, predicted, average="macro"))
    assert metrics.roc_auc(y, p) == pytest.approx(known.roc_auc_score(y, p, multi_class="ovr"))
    assert metrics.roc_auc(y % 2, p[:, 0].round(1)) == pytest.approx(known.roc_auc_score(y % 2, p[:, 0].round(1)))
    assert metrics.brier(np.array([2]), np.array([[0.1, 0.2, 0.7, 0.0]])) == pytest.approx(0.01 + 0.04 + 0.09)


def test_agreement_of_a_rating_by_hand():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    assert metrics.rmse(y, y + np.array([1, -1, 1, -1])) == 1.0
    assert metrics.ccc(y, y) == 1.0
    assert metrics.ccc(y, 2.5 + 0 * y) == 0.0
    assert metrics.ccc(y, 5 - y) == -1.0
    assert metrics.ccc(0 * y, y) is None


def test_the_bootstrap_over_subjects_is_seeded_and_counts_what_is_undefined():
    found = metrics.over_subjects([0.5, 0.7, None, 0.6])
    assert (found.value, found.n_undefined) == (pytest.approx(0.6), 1)
    assert 0.5 <= found.low < 0.6 < found.high <= 0.7
    assert metrics.over_subjects([0.5, 0.7, None, 0.6]) == found
    assert metrics.over_subjects([None]).value is None


def test_the_bootstrap_has_the_width_of_the_mean_of_subjects():
    values = np.random.default_rng(0).normal(0.6, 0.1, 40)
    found = metrics.over_subjects(list(values))
    assert (found.high - found.low) / 2 == pytest.approx(2.02 * values.std(ddof=1) / np.sqrt(40), rel=0.06)


@pytest.mark.parametrize("n", [6, 12, 23])
def test_the_interval_of_few_people_holds_what_is_true_as_often_as_it_says(n):
    scores = np.random.default_rng(n).binomial(9, 0.5, (300, 2, n)).mean(axis=1) / 9  # a coin, nine trials a class
    held = [found.low <= 0.5 <= found.high for found in map(metrics.over_subjects, scores)]
    assert np.mean(held) > 0.92


def test_a_score_of_folds_that_share_people_has_an_interval_that_knows_of_it():
    values = list(np.random.default_rng(1).normal(0.6, 0.1, 40))
    plain, found = metrics.over_subjects(values), metrics.cross_validated(values)
    by = np.sqrt(1 + 40 / 39)  # Nadeau and Bengio: one person tested to 39 learned from
    assert found.value == plain.value
    assert found.low == pytest.approx(plain.value - by * (plain.value - plain.low))
    assert found.high == pytest.approx(plain.value + by * (plain.high - plain.value))


def test_an_interval_of_folds_ends_at_the_lowest_and_the_highest_subject():
    found = metrics.cross_validated([0.4, None, 0.6])
    assert (found.low, found.value, found.high, found.n_undefined) == (0.4, pytest.approx(0.5), 0.6, 1)
    alone, nobody = metrics.cross_validated([0.7]), metrics.cross_validated([None])
    assert (alone.low, alone.high) == (0.7, 0.7)
    assert nobody.value is None and nobody.low is None


def test_the_worst_quarter_is_rounded_up():
    assert metrics.worst_quarter([i / 100 for i in range(27)]).value == pytest.approx(0.03)  # 0 to 6: seven of 27
    assert metrics.worst_quarter([0.4, None]).n_undefined == 1


def test_chance_narrows_with_trials_and_subjects_and_lies_at_one_over_the_classes():
    few, many = metrics.chance([(4, 4)] * 5), metrics.chance([(9, 9)] * 23)
    assert few.low < many.low < 0.5 < many.high < few.high
    assert many.high - 0.5 == pytest.approx(1.96 * 0.5 / np.sqrt(23 * 18), rel=0.1)
    four = metrics.chance([(5, 5, 5, 5)] * 10)
    assert (four.low + four.high) / 2 == pytest.approx(0.25, abs=0.01)


def test_calibration_error_by_hand():
    y, p = [1, 1, 0, 0], [0.95, 0.95, 0.95, 0.05]
    bins = metrics.reliability(np.array(y) > 0, np.array(p))
    assert [(b.n, round(b.share_high, 3)) for b in bins] == [(1, 0.0), (3, 0.667)]
    expected = 0.25 * 0.05 + 0.75 * (0.95 - 2 / 3)
    assert metrics.calibration_error(bins) == pytest.approx(expected)
    assert metrics.ece(level("aabb", y, p)).value == pytest.approx(expected)
    two = np.column_stack([1 - np.array(p), p])
    assert metrics.ece(level("aabb", y, two)).value == pytest.approx(0.95 - 3 / 4)


def test_labels_dealt_anew_within_subjects_give_the_exact_share():
    # one subject, two trials each way, all right: of the six deals only the true one does as well
    found = metrics.permutation_p(level("aaaa", [1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1]), n=20_000)
    assert found == pytest.approx(1 / 6, abs=0.01)
    both = level("aaaabbbb", [1, 1, 0, 0] * 2, [0.9, 0.8, 0.2, 0.1] * 2)
    assert metrics.permutation_p(both, n=20_000) == pytest.approx(1 / 36, abs=0.005)
    assert metrics.permutation_p(both, "roc_auc", n=20_000) == pytest.approx(1 / 36, abs=0.005)


def test_a_difference_between_people_alone_is_no_evidence():
    subject = "a" * 10 + "b" * 10  # one always High, the other always Low, and the model knows who is who
    found = level(subject, [1] * 10 + [0] * 10, [0.9] * 10 + [0.1] * 10)
    assert metrics.balanced_accuracy(found.y, found.predicted) == 1.0
    assert metrics.permutation_p(found) == 1.0


def test_permutation_p_is_uniform_without_a_relation():
    rng = np.random.default_rng(1)
    p = [
        metrics.permutation_p(level(np.repeat(list("abcdef"), 10), rng.integers(0, 2, 60), rng.random(60)), s, 199, i)
        for i in range(60)
        for s in ("roc_auc",)
    ]
    assert np.mean(np.array(p) <= 0.2) == pytest.approx(0.2, abs=0.12)
    value = Level(*[np.array(list("aaabbb"))] + [np.arange(6)] * 2, np.tile([1.0, 2, 3], 2), np.tile([1.1, 2, 2.9], 2),
                  np.zeros(6), np.zeros(6), 0)  # fmt: skip
    assert metrics.permutation_p(value, "ccc", 20_000) == pytest.approx(1 / 36, abs=0.005)
