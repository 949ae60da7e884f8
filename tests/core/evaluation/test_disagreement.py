"""How far two experiments are apart on the same trials."""

import numpy as np
import pytest

from core.evaluation import disagreement, metrics


def level(subject, p, predicted, n_classes=2):
    zero = np.zeros(len(subject), dtype=int)
    return metrics.Level(np.array(subject), zero, zero, zero, np.array(p), np.array(predicted), 0.5 + zero, n_classes)


def test_labels_and_probabilities_are_held_trial_by_trial_on_those_that_both_have():
    a = level(["A", "A", "B", "C"], [0.2, 0.9, 0.5, 0.5], [0, 1, 0, 1]), [("A", 1), ("A", 2), ("B", 1), ("C", 1)]
    b = level(["B", "A", "A"], [0.7, 0.4, 0.6], [1, 0, 1]), [("B", 1), ("A", 2), ("A", 1)]
    found = disagreement.per_subject(a, b)
    assert set(found) == {"A", "B"}
    assert (found["A"].n, found["A"].labels, found["A"].probabilities) == (2, 1.0, pytest.approx((0.4 + 0.5) / 2))
    assert (found["B"].n, found["B"].labels, found["B"].probabilities) == (1, 1.0, pytest.approx(0.2))


def test_of_several_classes_it_is_the_probability_that_would_have_to_move():
    a = level(["A"], [[0.7, 0.2, 0.1]], [0], 3), [("A", 1)]
    b = level(["A"], [[0.1, 0.2, 0.7]], [2], 3), [("A", 1)]
    assert disagreement.per_subject(a, b)["A"] == disagreement.Apart(1, 1.0, pytest.approx(0.6))


def test_the_interval_is_over_subjects_not_trials():
    who = ["A"] * 8 + ["B"] * 2
    names = [(s, i) for i, s in enumerate(who)]
    same, other = level(who, [0.9] * 10, [1] * 10), level(who, [0.9] * 8 + [0.1] * 2, [1] * 8 + [0] * 2)
    said = disagreement.between((same, names), (other, names))
    assert (said["n"], said["n_trials"]) == (2, 10)
    assert said["labels"] == metrics.over_subjects([0.0, 1.0]).model_dump(exclude={"n_undefined"})
    assert said["labels"]["value"] == 0.5 and said["probabilities"]["value"] == pytest.approx(0.4)


def test_without_a_shared_trial_there_is_no_number():
    a, b = (level(["A"], [0.9], [1]), [("A", 1)]), (level(["A"], [0.1], [0]), [("A", 2)])
    said = disagreement.between(a, b)
    assert (said["n"], said["n_trials"], said["labels"]["value"], said["probabilities"]["value"]) == (0, 0, None, None)
