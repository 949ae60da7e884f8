"""Probabilities that mean what they say, smoothing in time, and comparisons between experiments."""

import numpy as np
import pytest

from core.errors import NotFound, Refused
from core.evaluation import calibration, smoothing, statistics


def test_calibration_undoes_overconfidence_and_never_flips():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(400)
    y = rng.random(400) < 1 / (1 + np.exp(-truth))
    by, _ = calibration.fit(1 / (1 + np.exp(-4 * truth)), y, np.arange(400))
    assert by.slope == pytest.approx(0.25, abs=0.06)
    turned, _ = calibration.fit(1 / (1 + np.exp(4 * truth)), y, np.arange(400))
    assert turned.slope == 0.0


def test_several_classes_and_values_are_calibrated_too():
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.ones(4), 400)
    code = np.array([rng.choice(4, p=p) for p in true])
    sharp = calibration.calibrated_classes(true, 3.0)
    assert calibration.fit_classes(sharp, code, np.arange(400)).slope == pytest.approx(1 / 3, abs=0.06)
    assert calibration.calibrated_classes(sharp, 1 / 3) == pytest.approx(
        true, abs=0.01
    )  # the rarest are kept above 1e-6
    line = calibration.fit_line(true[:, 0], 2 + 3 * true[:, 0], np.arange(400))
    assert (line.slope, line.intercept) == (pytest.approx(3), pytest.approx(2))
    assert calibration.fit_line(true[:, 0], -true[:, 0], np.arange(400)).slope == 0.0


@pytest.mark.parametrize(
    ("p", "expected"), [([0.1, 0.2, 0.8, 0.9], 0.5), ([0.55, 0.6, 0.7, 0.8], 0.65), ([0.5, 0.7, 0.95, 0.97], 0.75)]
)
def test_the_threshold_comes_from_the_trials_and_stays_within_its_range(p, expected):
    assert calibration.best_threshold(np.array([0, 0, 1, 1]) > 0, np.array(p)) == pytest.approx(expected)


def test_the_surest_trials_err_least():
    y, p = np.array([1, 1, 0, 0, 1]) > 0, np.array([0.95, 0.9, 0.05, 0.6, 0.4])
    found = calibration.coverage_risk(y, p, 0.5)
    assert found[0] == {"coverage": 1.0, "risk": 0.4, "n": 5}
    assert {"coverage": 0.6, "risk": 0.0, "n": 3} in found
    assert [f["coverage"] for f in found] == sorted((f["coverage"] for f in found), reverse=True)


def people(rng, n, trials=15):
    """Probabilities that a person's own shift spoils."""
    subject = np.repeat(np.arange(n), trials)
    x = rng.standard_normal(n * trials) + rng.standard_normal(n)[subject]
    return subject, rng.random(n * trials) < 1 / (1 + np.exp(-2 * x)), 1 / (1 + np.exp(-x))


def test_conformal_sets_hold_the_truth_for_a_new_person_as_often_as_they_say():
    held = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        found = calibration.conformal(*people(rng, 20), alpha=0.2)
        _, y, p = people(rng, 10)
        held.append(np.mean(found.sets(p)[np.arange(len(y)), y.astype(int)]))
    assert 0.79 <= np.mean(held) <= 0.87


def test_too_few_people_let_every_class_in():
    subject, y, p = people(np.random.default_rng(0), 4)
    found = calibration.conformal(subject, y, p, alpha=0.1)
    assert found.limit == 1.0 and found.sets(p).all()
    checked = calibration.conformal_check(*people(np.random.default_rng(0), 60), alpha=0.2)
    assert checked["coverage"] == pytest.approx(0.8, abs=0.05)
    assert 0 < checked["abstained"] < 0.6


# ------------------------------------------------------------------------------------------- smoothing
def test_forward_backward_equals_going_through_all_paths():
    p = np.array([0.7, 0.4, 0.9, 0.2])
    weights = np.zeros((4, 2))
    before = np.zeros((4, 2))
    for path in np.ndindex(2, 2, 2, 2):
        w = 0.5
        for i, state in enumerate(path):
            w *= p[i] if state else 1 - p[i]
            if i:
                w *= smoothing.STAY if state == path[i - 1] else 1 - smoothing.STAY
        weights[np.arange(4), path] += w
    assert smoothing.two_state(p) == pytest.approx(weights[:, 1] / weights.sum(axis=1), abs=1e-12)
    for n in range(1, 5):  # the causal form is forward-backward of what was seen so far, at its end
        before[n - 1] = smoothing.two_state(p[:n])[-1]
    assert smoothing.causal(p) == pytest.approx(before[:, 0], abs=1e-12)


def test_smoothing_does_not_cross_trials_and_the_causal_form_does_not_look_ahead():
    rng = np.random.default_rng(0)
    p, unit, onset = rng.random(30), np.repeat([2, 0, 1], 10), np.tile(np.arange(10.0), 3)
    order = rng.permutation(30)
    for how in smoothing.SMOOTHING:
        found = smoothing.smoothed(p, unit, onset, how)
        assert np.array_equal(smoothing.smoothed(p[order], unit[order], onset[order], how), found[order])
        changed = p.copy()
        changed[unit == 1] = 0.5
        assert np.array_equal(smoothing.smoothed(changed, unit, onset, how)[unit != 1], found[unit != 1])
    later = p.copy()
    later[5] = 1 - later[5]
    assert np.array_equal(smoothing.causal(later)[:5], smoothing.causal(p)[:5])
    assert smoothing.smoothed(p, unit, onset, "") is p


def test_one_stray_window_is_smoothed_away():
    p = np.array([0.9, 0.9, 0.9, 0.3, 0.9, 0.9, 0.9])
    for how in ("majority", "two_state"):
        assert (smoothing.SMOOTHING[how](p) > 0.5).all()


# ------------------------------------------------------------------------------------------- between experiments
def test_all_signings_are_gone_through_below_twenty_subjects():
    d = np.random.default_rng(0).normal(0.3, 1, 12)
    signs = np.array(np.meshgrid(*[[1, -1]] * 12)).reshape(12, -1)
    expected = np.mean(np.abs(d @ signs) >= abs(d.sum()) - 1e-12)
    assert statistics.permutation_p(d) == pytest.approx(expected, abs=1e-12)
    assert statistics.paired(dict(enumerate(d)), dict.fromkeys(range(12), 0.0))["test"] == "permutation"


def test_from_twenty_subjects_on_it_is_wilcoxons_test():
    from scipy.stats import wilcoxon

    d = np.random.default_rng(1).normal(0.2, 1, 20)
    found = statistics.paired({f"S{i:02d}": v for i, v in enumerate(d)}, {f"S{i:02d}": 0.0 for i in range(20)})
    assert (found["test"], found["p"]) == ("wilcoxon", pytest.approx(wilcoxon(d).pvalue))
    assert found["value"] == pytest.approx(d.mean()) and found["low"] < d.mean() < found["high"]
    assert statistics.wilcoxon_p(np.zeros(25)) == 1.0


def test_only_subjects_with_both_scores_are_paired():
    found = statistics.paired({"a": 0.7, "b": None, "c": 0.9}, {"a": 0.5, "b": 0.6, "d": 0.1})
    assert (found["n"], found["value"]) == (1, pytest.approx(0.2))
    assert [row["subject"] for row in found["subjects"]] == ["a"]
    assert statistics.paired({"a": None}, {"a": 0.5})["p"] is None


def test_p_values_are_corrected_for_all_pairs():
    p = dict(enumerate([0.01, 0.04, 0.03, 0.2, 0.8]))
    assert list(statistics.adjusted(p, "holm").values()) == pytest.approx([0.05, 0.12, 0.12, 0.4, 0.8])
    assert list(statistics.adjusted(p, "fdr").values()) == pytest.approx([0.05, 0.2 / 3, 0.2 / 3, 0.25, 0.8])
    assert statistics.adjusted({"a": 0.02, "b": None}, "holm") == {"a": 0.02, "b": None}
    with pytest.raises(NotFound, match="E-CORRECTION"):
        statistics.adjusted({}, "none")


def test_equal_means_share_a_rank():
    scores = {
        "x": {"a": 0.6, "b": 0.8},
        "y": {"a": 0.8, "b": 0.6},
        "z": {"a": 0.5, "b": 0.5},
        "w": {"a": 0.9, "b": 0.9},
    }
    found = statistics.compare(scores)
    assert {row["name"]: row["rank"] for row in found["scores"]} == {"w": 1, "x": 2, "y": 2, "z": 4}
    assert [(p["a"], p["b"]) for p in found["pairs"]][:2] == [("x", "y"), ("x", "z")]
    assert all(p["p_adjusted"] >= p["p"] for p in found["pairs"])


def test_a_real_difference_is_found_and_none_is_not():
    rng = np.random.default_rng(0)
    own = rng.normal(0, 0.1, 15)
    scores = {name: dict(enumerate(0.6 + gain + own + rng.normal(0, 0.02, 15))) for name, gain in
              (("eeg", 0.0), ("same", 0.0), ("better", 0.05))}  # fmt: skip
    pairs = {(p["a"], p["b"]): p for p in statistics.compare(scores)["pairs"]}
    assert pairs["eeg", "better"]["p_adjusted"] < 0.001 and pairs["eeg", "better"]["high"] < 0
    assert pairs["eeg", "same"]["p_adjusted"] > 0.05


def test_an_ablation_needs_a_single_input():
    from core.evaluation import ablation

    with pytest.raises(Refused, match="single input"):
        ablation.compared({})


def test_the_cut_is_raised_until_few_calm_windows_lie_above_it_and_never_lowered():
    calm = np.linspace(0.0, 0.7, 201)
    cut = calibration.raised(0.5, calm)
    assert cut > 0.5 and np.mean(calm > cut) == pytest.approx(calibration.CALM_SHARE, abs=0.01)
    assert calibration.raised(0.5, calm / 10) == 0.5 and calibration.raised(0.5, np.empty(0)) == 0.5
    assert calibration.raised(0.5, calm + 0.3) == calibration.THRESHOLD_RANGE[1]
