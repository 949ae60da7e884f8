"""Two groups of people: how they are parted, what is compared, and what comes of nothing and of something."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from core.errors import Refused
from core.evaluation import dataset as datasets
from core.evaluation import experiment, groups, metrics, simulate
from core.evaluation.experiment import Spec
from core.evaluation.groups import Parted, part
from core.types import Pipeline, Study, Trial

SCALE = {"valence": (1.0, 5.0, 3.0)}


def people(n: int, rng) -> dict[str, float]:
    return {f"S{i:02d}": float(v) for i, v in enumerate(rng.integers(60, 141, n))}


def of(values) -> dict[str, float]:
    return {f"S{i:02d}": float(v) for i, v in enumerate(values)}


def study(*trials: Trial) -> Study:
    return Study("s", "b", "l", tuple(trials), SCALE, ("eeg",))


def test_s5_04_without_a_difference_none_is_found_in_93_of_100_simulations():
    found = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        parted = part(people(24, rng))
        [one] = groups.compared({"accuracy": of(0.5 + 0.1 * rng.standard_normal(24))}, parted, n=999, seed=seed)
        found += one.p >= 0.05
    assert found >= 186


def test_with_many_outcomes_and_none_that_differs_the_report_stays_quiet():
    quiet = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 1])
        parted = part(people(24, rng))
        outcomes = {f"f{i}": of(rng.standard_normal(24)) for i in range(20)}
        quiet += all(d.q >= 0.05 for d in groups.compared(outcomes, parted, n=999, seed=seed))
    assert quiet >= 55


def test_a_planted_difference_is_found_with_its_size_and_sign_and_the_others_stay():
    rng = np.random.default_rng(3)
    score = of(np.arange(30))
    parted = part(score)
    outcomes = {f"f{i}": of(rng.standard_normal(30)) for i in range(10)}
    outcomes["planted"] = of(rng.standard_normal(30) + 2.0 * (np.arange(30) > 14))
    found = {d.outcome: d for d in groups.compared(outcomes, parted)}
    one = found["planted"]
    assert one.q < 0.01 and one.low < 2.0 < one.high and 1.0 < one.g < 3.5 and one.delta > 0.6
    assert all(d.q > 0.05 for name, d in found.items() if name != "planted")


def test_p_is_the_share_of_all_dealings():
    x = np.array([5.0, 6.0, 7.0, 1.0, 2.0, 3.0])
    is_high = np.arange(6) < 3
    ways = [abs(x[list(c)].mean() - np.delete(x, c).mean()) for c in combinations(range(6), 3)]
    exact = np.mean(np.array(ways) >= ways[0] - 1e-9)
    assert groups.permutation_p(x[:, None], is_high, n=20000)[0] == pytest.approx(exact, abs=0.01)
    turned = groups.permutation_p(x[::-1][:, None], is_high, n=999)
    assert turned == groups.permutation_p(x[:, None], is_high, n=999), "two-sided, and the same by seed"


def test_effect_sizes_and_interval_by_hand():
    parted = Parted(("a", "b", "c"), ("d", "e", "f"), (), (0, 0))
    [d] = groups.compared({"x": {"a": 4, "b": 5, "c": 6, "d": 1, "e": 2, "f": 5}}, parted, n=99)
    high, low = np.array([4.0, 5, 6]), np.array([1.0, 2, 5])
    pooled = np.sqrt((high.var(ddof=1) + low.var(ddof=1)) / 2)
    assert d.g == pytest.approx((5 - 8 / 3) / pooled * (1 - 3 / 15))
    assert d.delta == pytest.approx((7 - 1) / 9)  # one pair lies the other way, one is equal
    from scipy.stats import ttest_ind

    between = ttest_ind(high, low, equal_var=False).confidence_interval()
    assert (d.low, d.high) == pytest.approx((between.low, between.high))


def test_who_lies_on_the_median_is_low_so_ties_never_part_equal_scores():
    parted = part({"a": 1, "b": 2, "c": 2, "d": 2, "e": 3})
    assert parted.high == ("e",) and parted.low == ("a", "b", "c", "d") and parted.between == ()
    everybody = part({"a": 1, "b": 3, "c": 3})
    assert everybody.high == (), "most have the highest score: nobody lies above the median"


def test_a_third_lies_between_and_a_cut_belongs_to_the_lower():
    score = of(range(9))
    parted = part(score, "tertile")
    assert (parted.low, parted.high) == (("S00", "S01", "S02"), ("S06", "S07", "S08"))
    assert part(score, "cut", 4).high == ("S05", "S06", "S07", "S08")
    for rule, cut in (("quartile", None), ("cut", None)):
        with pytest.raises(Refused):
            part(score, rule, cut)


def test_under_ten_of_a_group_there_is_no_verdict():
    assert not part(of(range(19))).enough and part(of(range(20))).enough


def test_only_numbers_that_hold_for_a_subject_are_scores():
    made = study(
        Trial("A", "1", {}, {"ei": "101", "site": "x", "load": "1", "sex": "f"}, ""),
        Trial("A", "2", {}, {"ei": "101", "site": "x", "load": "2", "sex": "f"}, ""),
        Trial("B", "1", {}, {"ei": "88.5", "site": "y", "load": "1", "sex": "m"}, ""),
        Trial("C", "1", {}, {"site": "y"}, ""),
    )
    assert groups.scores(made) == {"ei": {"A": 101.0, "B": 88.5}}


def test_level_and_stability_are_of_trials_not_of_windows():
    data = simulate.feature_study(4, 3, 5, n_features=4, seed=1)
    column = data.features.columns[0]
    level, spread = groups.features(data, [column])
    own = data.subject == "S002"
    means = [data.features.loc[own & (data.trial == t), column].mean() for t in ("T01", "T02", "T03")]
    assert level[column]["S002"] == pytest.approx(np.mean(means))
    assert spread[column]["S002"] == pytest.approx(np.std(means, ddof=1))


def test_the_gap_is_the_distance_of_two_models_on_the_trials_that_both_have():
    def level(subject, p):
        n = len(p)
        zero = np.zeros(n, dtype=int)
        return metrics.Level(np.array(subject), zero, zero, zero, np.array(p), zero, np.zeros(n), 2)

    a, b = level(["A", "A", "B"], [0.2, 0.9, 0.5]), level(["A", "A"], [0.4, 0.5])
    found = groups.gap(a, [("A", 1), ("A", 2), ("B", 1)], b, [("A", 2), ("A", 3)])
    assert found == {"A": pytest.approx(0.5)}


def test_confounders_count_trials_and_the_other_groups():
    made = study(
        Trial("A", "1", {}, {"ei": "1", "sex": "f", "age": "20"}, "", coverage=0.5),
        Trial("A", "2", {}, {"ei": "1", "sex": "f", "age": "20"}, ""),
        Trial("B", "1", {}, {"ei": "2", "sex": "m", "age": "30"}, ""),
    )
    found = groups.confounders(made, without="ei")
    assert found["trials"] == {"A": 2, "B": 1}
    assert found["share of each trial with samples"] == {"A": 0.75, "B": 1}
    assert found["sex is f"] == {"A": 1, "B": 0} and found["age is 20"] == {"A": 1, "B": 0}
    assert not any(name.startswith("ei") for name in found)
    data = simulate.feature_study(2, 2, 2, n_features=4)
    for_data = study(*(Trial(s, t, {}, {}, "") for s in ("S001", "S002") for t in ("T01", "T02", "T03", "T04")))
    assert groups.confounders(for_data, data)["share of trials that could be used"] == {"S001": 0.5, "S002": 0.5}


def test_a_subject_without_a_value_is_left_out_of_that_outcome_alone():
    parted = part(of(range(6)))
    one, empty = groups.compared({"x": {**of(range(6)), "S05": None}, "none": {}}, parted, n=99)
    assert (one.n_high, one.n_low) == (2, 3) and one.p is not None
    assert (empty.n_high, empty.value, empty.p, empty.q) == (0, None, None, None)


# ------------------------------------------------------------------------------- S5-05: the score is no input
def ready() -> Study:
    """Eight subjects with four trials of ready features; their score says nothing of the labels."""
    rng = np.random.default_rng(4)
    made = [
        Trial(f"S{i}", f"T{k}", {"valence": 1.0 + 4.0 * (k % 2)}, {"ei": str(80 + i), "stimulus": f"T{k}"}, "",
              {"ecg_a": float(rng.standard_normal() + k % 2), "ecg_b": float(rng.standard_normal()), "ei": 80.0 + i})
        for i in range(8) for k in range(4)
    ]  # fmt: skip
    return study(*made)


def test_s5_05_a_score_is_never_an_input_unless_it_is_named():
    plain = datasets.prepare(ready(), Pipeline(), ("ecg",))
    spec = Spec("s", "valence", "ecg", "logistic")
    assert list(plain.features.columns) == ["ecg_a", "ecg_b"], "not as a group, and not as a feature of that name"
    assert experiment.run_fold(plain, spec, 0).p is not None and "groups" not in spec.as_dict()
    with pytest.raises(Refused) as refused:
        experiment.run_fold(plain, replace(spec, groups=("ei",)), 0)
    assert refused.value.code == "E-GROUP"


def test_s5_05_a_score_that_is_named_is_one_column_more_and_another_experiment():
    whole = ready()
    data = datasets.prepare(whole, Pipeline(), ("ecg",), scores={"ei": groups.scores(whole)["ei"]})
    spec = Spec("s", "valence", "ecg", "logistic", groups=("ei",))
    assert data.types == ("ecg",) and data.names(spec.learned) == ["ecg_a", "ecg_b", "group_ei"]
    assert set(data.features.loc[data.subject == "S3", "group_ei"]) == {83.0}
    fold = experiment.folds(data, spec)[0]
    fitted = experiment.fit(
        data, spec, experiment.tasks.task(data, "binary", "valence"), fold.train, fold.validation, {}
    )
    assert fitted.estimator.named_steps["classifier"].coef_.shape == (1, 3)
    without = replace(spec, groups=())
    assert Spec.from_dict(spec.as_dict()) == spec and spec.config_hash != without.config_hash
    assert experiment.run_fold(data, without, 0).p.shape == experiment.run_fold(data, spec, 0).p.shape
    with pytest.raises(Refused):
        experiment.check(data, replace(spec, model="eegnet"))


def test_groups_that_are_added_leave_a_prepared_study_as_it_was(tmp_path):
    first = datasets.prepare(ready(), Pipeline(), ("ecg",), cache=tmp_path)
    more = study(*(replace(t, groups={**t.groups, "site": "x"}) for t in ready().trials))
    assert datasets.prepare(more, Pipeline(), ("ecg",), cache=tmp_path).path == first.path
    moved = study(*(replace(t, groups={"stimulus": "other"}) for t in ready().trials))
    assert datasets.prepare(moved, Pipeline(), ("ecg",), cache=tmp_path).path != first.path
