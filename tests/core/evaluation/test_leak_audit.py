"""The checks pass on a clean run and name what is broken."""

from dataclasses import replace

from core.evaluation import experiment, leak_audit, simulate
from core.evaluation.experiment import Spec

SPEC = Spec("features", "valence", "eeg+ecg", "logistic")
DATA = simulate.feature_study(8, 6, 5, effect=0.5, seed=3)


def outcomes(data, spec=SPEC):
    return {c.name: c.outcome for c in leak_audit.checks(data, spec)}


def test_the_checks_pass_on_clean_folds_and_name_what_is_broken():
    assert set(outcomes(DATA).values()) == {"pass"} and len(outcomes(DATA)) == 6
    leaky = outcomes(DATA, replace(SPEC, split="random_window"))
    assert {name for name, outcome in leaky.items() if outcome == "fail"} == {"subjects disjoint", "trials disjoint"}


def test_duplicated_windows_and_features_are_found():
    features = DATA.features.copy()
    features.iloc[-1] = features.iloc[0]
    features["ecg_again"] = features["ecg_f01"]
    found = outcomes(replace(DATA, features=features, columns={**DATA.columns, "ecg": ("ecg_f01", "ecg_again")}))
    assert found["no duplicated windows"] == found["no duplicated features"] == "fail"


def test_the_premium_is_the_difference_to_random_windows():
    premium, scores = leak_audit.premium(DATA, SPEC, experiment.run(DATA, SPEC))
    assert abs(premium.value - (scores["random_window"] - scores["loso"])) < 1e-12
    assert premium.low <= premium.value <= premium.high
