"""What a few labels of the person themselves are worth, on people whose model is off by a known amount."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation import few_shot, metrics
from core.models.bundle import calibrated


def level(subjects: int, trials: int, off: float, seed: int = 0) -> metrics.Level:
    """Trials whose stated logit lies ``off`` above or below the true one, by person."""
    rng = np.random.default_rng(seed)
    subject = np.repeat([f"S{i:02d}" for i in range(subjects)], trials)
    true = rng.normal(0, 1.5, len(subject))
    y = (rng.random(len(subject)) < 1 / (1 + np.exp(-true))).astype(int)
    p = 1 / (1 + np.exp(-(true + np.repeat(rng.choice([-off, off], subjects), trials))))
    cut = np.full(len(p), 0.5)
    return metrics.Level(subject, np.arange(len(p)), np.zeros(len(p), int), y, p, (p > cut).astype(int), cut, 2)


def test_people_that_the_model_is_off_for_are_told_better_the_more_labels_there_are():
    found = few_shot.few_shot(level(30, 40, off=2.0))
    after = [row["brier"]["after"] for row in found]
    assert [row["shots"] for row in found] == [2, 4, 8] and all(row["n"] == 30 for row in found)
    assert found[0]["brier"]["before"] > after[0] > after[1] > after[2]
    assert found[2]["brier"]["difference"]["high"] < 0 < found[2]["balanced_accuracy"]["difference"]["low"]
    assert found[2]["ece"]["after"] < found[2]["ece"]["before"]
    change = found[2]["brier"]["difference"]["value"]
    assert change == pytest.approx(found[2]["brier"]["after"] - found[2]["brier"]["before"])


def test_people_that_the_model_is_right_for_are_hardly_moved():
    for row in few_shot.few_shot(level(30, 40, off=0.0)):
        assert abs(row["brier"]["difference"]["value"]) < 0.012


def test_the_judged_half_never_teaches():
    at = level(1, 12, off=1.0)
    labelled = []

    def watched(p: np.ndarray, y: np.ndarray):
        labelled.append(set(p))
        return few_shot.Calibrator(slope=1.0, intercept=0.0)

    judged = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few_shot, "recalibrated", watched)
        patch.setattr(few_shot, "calibrated", lambda p, by: judged.append(set(p)) or calibrated(p, by))
        few_shot.few_shot(at)
    assert len(labelled) == 2 * few_shot.DRAWS  # 8 labelled trials need 16
    assert all(not a & b and len(b) == 6 for a, b in zip(labelled, judged, strict=True))


def test_a_slope_is_never_negative_and_no_label_changes_nothing():
    wrong = few_shot.recalibrated(np.array([0.99, 0.98, 0.01, 0.02] * 5), np.array([0, 0, 1, 1] * 5) > 0)
    assert wrong.slope == 0.0
    none = few_shot.recalibrated(np.empty(0), np.empty(0) > 0)
    assert (none.slope, none.intercept) == (1.0, 0.0)


def test_with_too_few_trials_nothing_is_computed():
    found = few_shot.few_shot(level(3, 6, off=1.0))
    assert [row["n"] for row in found] == [3, 0, 0]
    assert found[1]["brier"] is None and found[1]["balanced_accuracy"] is None and found[1]["ece"] is None


def test_it_is_the_same_every_time():
    assert few_shot.few_shot(level(4, 8, off=1.0), 3) == few_shot.few_shot(level(4, 8, off=1.0), 3)
