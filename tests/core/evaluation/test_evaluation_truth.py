"""The signature: without an effect chance under LOSO and near one under random windows; with one, up to what can be."""

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation import experiment, scoring, simulate
from core.evaluation.experiment import Spec

SPEC = Spec("features", "valence", "eeg+ecg", "logistic")
FOREST = replace(SPEC, model="forest", options={"trees": 40})


def score(data, spec, of="trial"):
    return scoring.summarise(data, spec, experiment.run(data, spec))[of]["balanced_accuracy"]


def test_without_an_effect_leaving_subjects_out_covers_one_half():
    data = simulate.feature_study(23, 18, 8, effect=0.0, seed=4)
    for spec in (SPEC, FOREST):
        found = score(data, spec)
        assert found["low"] <= 0.5 <= found["high"]
        assert found["high"] - found["low"] < 0.12


def test_without_an_effect_the_interval_covers_one_half_about_as_often_as_it_says():
    covered = []
    for seed in range(12):
        found = score(simulate.feature_study(15, 10, 3, seed=seed), replace(SPEC, seed=seed))
        covered.append(found["low"] <= 0.5 <= found["high"])
    assert sum(covered) >= 11


def test_without_an_effect_random_windows_score_above_nine_tenths():
    data = simulate.feature_study(23, 18, 20, effect=0.0, seed=4)
    found = scoring.summarise(data, naive := replace(FOREST, split="random_window"), experiment.run(data, naive))
    assert found["trial"]["balanced_accuracy"]["value"] > 0.95
    assert found["window"]["balanced_accuracy"]["value"] > 0.9


def test_scores_rise_with_the_effect_and_never_pass_who_knows_all_but_the_person():
    reached = []
    for effect in (0.0, 0.8, 1.6, 3.0):
        data = simulate.feature_study(100, 12, 4, effect=effect, seed=6)
        x = data.features.to_numpy() @ along(data)
        known = np.bincount(data.unit, x) / np.bincount(data.unit) > 0
        first = np.unique(data.unit, return_index=True)[1]
        best = np.mean(known == data.high("valence")[first])  # the oracle on these very trials
        assert best == pytest.approx(simulate.oracle(effect, 4), abs=0.03)
        reached.append(score(data, replace(SPEC, split="subject_kfold"))["value"])
        assert best - 0.05 <= reached[-1] <= best + (0.03 if effect == 0 else 0.0)
    assert reached == sorted(reached) and reached[-1] > 0.9


def along(data):
    """The planted direction in the order of the dataset's columns."""
    number = [int(name[-2:]) for name in data.features.columns]
    return simulate.direction(6, 20)[number]
