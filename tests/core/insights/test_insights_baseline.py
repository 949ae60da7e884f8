"""The personal baseline: exponential mean and own range (S1-24)."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from core.insights.baseline import ema, learning, on_scale, own_range, reference_of
from core.types import Reference

SINCE = datetime(2026, 1, 5, tzinfo=UTC)


def test_ema_starts_at_the_first_value_and_weighs_the_newest_by_a_tenth():
    assert ema([0.5, 0.7]).tolist() == pytest.approx([0.5, 0.52])
    assert ema([]).tolist() == []
    assert ema([3.0]).tolist() == [3.0]


def test_ten_equal_sessions_converge_monotonically():
    means = ema([0.2] + [0.8] * 10)
    steps = np.diff(means)
    assert (steps > 0).all() and (np.diff(steps) < 0).all() and means[-1] < 0.8
    assert means[-1] == pytest.approx(0.8 - 0.6 * 0.9**10)


def test_equal_sessions_do_not_move_it_by_a_bit():
    assert set(ema([0.1 + 0.2] * 30).tolist()) == {0.1 + 0.2}


def test_it_is_learning_until_ten_sessions():
    assert learning(9) and not learning(10)
    values = np.linspace(0.4, 0.6, 10)
    assert own_range(values[:9]) is None
    low, mean, high = own_range(values)
    half = stats.t.ppf(0.975, 9) * values.std(ddof=1) * np.sqrt(1.1)
    assert (low, mean, high) == pytest.approx((values.mean() - half, values.mean(), values.mean() + half))


def test_own_range_holds_95_percent_of_next_sessions():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 11))
    inside = [low <= row[-1] <= high for row in x for low, _, high in [own_range(row[:-1])]]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_an_index_stays_within_0_and_1():
    low, _, high = own_range([0.05, 0.95] * 5, "valence")
    assert (low, high) == (0.0, 1.0)
    assert own_range([0.05, 0.95] * 5)[0] < 0


def test_rmssd_has_its_range_on_the_ln_scale():
    ms = np.array([30.0, 38, 33, 41, 29, 36, 31, 35, 40, 28])
    low, mean, high = own_range(ms, "rmssd")
    assert mean == pytest.approx(stats.gmean(ms))
    assert low > 0 and mean / low == pytest.approx(high / mean)
    assert own_range([0.0, -1.0, *ms[:9]], "rmssd") is None, "two of the eleven have no logarithm"


def test_a_set_reference_needs_two_sessions_not_ten():
    assert own_range(Reference(0.5, 0.1, 1, SINCE)) is None
    _, mean, high = own_range(Reference(0.5, 0.1, 2, SINCE))
    assert mean == 0.5 and high - mean == pytest.approx(stats.t.ppf(0.975, 1) * 0.1 * np.sqrt(1.5))
    assert own_range(Reference(float("nan"), 0.1, 9, SINCE)) is None
    assert own_range(Reference(0.0, 0.1, 9, SINCE), "rmssd") is None


def test_a_reference_is_mean_and_sd_of_the_chosen_sessions_in_their_unit():
    chosen = [30.0, 38.0, 33.0, 41.0]
    reference = reference_of(chosen, SINCE)
    assert (reference.mean, reference.sd, reference.n) == pytest.approx((35.5, np.std(chosen, ddof=1), 4))
    mean, sd = on_scale(reference, "rmssd")
    assert mean == pytest.approx(np.log(chosen).mean(), abs=0.01)
    assert sd == pytest.approx(np.log(chosen).std(ddof=1), rel=0.1)
    assert on_scale(reference, "heart_rate") == (reference.mean, reference.sd)
