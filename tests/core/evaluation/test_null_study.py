"""The null study as signals: people and trials can be told apart, emotions cannot, and only leaky splits score."""

from dataclasses import replace

import pytest

from core.evaluation import dataset, experiment, scoring
from core.evaluation.experiment import Spec
from core.evaluation.validity import leak_audit
from core.studies import folder, simulated
from core.types import Pipeline

FOREST = Spec("null", "valence", "eeg+ecg", "forest")
# a variant of the paper's net that takes half the time
EEGNET = Spec("null", "valence", "eeg", "eegnet", options={"epochs": 4, "lr": 3e-3, "first_norm": False})


def study(place, name, inputs, **sizes):
    made = folder.write(place, name, simulated.source(**sizes, effect=0.0, seed=0, inputs=inputs))
    return dataset.prepare(made, Pipeline(), inputs.split("+"), signals=inputs == "eeg")


@pytest.fixture(scope="module")
def null(tmp_path_factory):
    """8 people with 8 trials of 20 s each, at the trial effect that ``study simulate`` has by default."""
    return study(tmp_path_factory.mktemp("null"), "null", "eeg+ecg", subjects=8, trials=8, trial_s=20.0)


def score(data, spec, of="trial"):
    return scoring.summarise(data, spec, experiment.run(data, spec))[of]["balanced_accuracy"]


def test_the_forest_knows_windows_of_a_trial_again_and_nothing_of_new_people(null):
    results = {s: experiment.run(null, replace(FOREST, split=s)) for s in ("random_window", "loso")}
    premium, scores = leak_audit.compared(null, FOREST, results, clean="loso")
    assert scores["random_window"] > 0.85 and scores["random_window"] - scores["loso"] > 0.3
    assert premium.value == pytest.approx(scores["random_window"] - scores["loso"]) and premium.low > 0.3
    for of in ("trial", "window"):
        found = scoring.summarise(null, FOREST, results["loso"])[of]["balanced_accuracy"]
        assert found["low"] <= 0.5 <= found["high"]


@pytest.mark.parametrize("target", ["valence", "arousal", "dominance"])
def test_logistic_regression_covers_one_half_on_new_people(null, target):
    found = score(null, replace(FOREST, model="logistic", target=target))
    assert found["low"] <= 0.5 <= found["high"]


def test_eegnet_covers_one_half_on_new_people(tmp_path):
    found = score(study(tmp_path, "small", "eeg", subjects=6, trials=8, trial_s=12.0), EEGNET)
    assert found["low"] <= 0.5 <= found["high"] and found["low"] < found["high"]
