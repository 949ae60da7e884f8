"""Reliable change: numbers known by hand, what chance alone gives, and what is not computed (requirements c7)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.insights import reliable
from core.insights.baseline import own_range

plain = st.floats(-100, 100, allow_nan=False)
# sessions that differ from one to the next by something
histories = st.lists(st.integers(-50, 50), min_size=10, max_size=30).filter(lambda x: np.ptp(np.diff(x)) > 0)


def test_the_index_of_two_sessions_is_that_of_jacobson_and_truax():
    """Their example: from 32.5 to 47.5, SD 7.5, retest reliability 0.80: 15 / 4.74."""
    error = 7.5 * math.sqrt(1 - 0.80)
    assert error == pytest.approx(3.354, abs=1e-3)
    assert reliable.index(47.5, 32.5, error) == pytest.approx(3.16, abs=5e-3)
    assert reliable.index(32.5, 47.5, error) == pytest.approx(-3.16, abs=5e-3)


def test_the_error_of_measurement_is_that_of_neighbouring_sessions():
    """Differences 2 -2 2 -2 ...: nine of them, mean 2/9, SD 2.1082; over sqrt 2 that is 1.4907."""
    assert reliable.error([10, 12] * 5) == pytest.approx(1.4907, abs=1e-4)
    assert reliable.error([1, 2, 4]) == pytest.approx(0.5), "differences 1 and 2: SD 0.7071"


def test_a_session_is_held_against_the_mean_of_the_baseline_sessions():
    """Mean 11, error 1.4907, standard error x sqrt 1.1 = 1.5635; 1.96 of it is 3.064."""
    within, beyond = (reliable.change(v, [10, 12] * 5) for v in (14.0, 14.1))
    assert (within.n, within.index) == (10, pytest.approx(1.9188, abs=1e-4)) and not within.reliable
    assert beyond.index == pytest.approx(1.9827, abs=1e-4) and beyond.reliable
    assert reliable.change(7.0, [10, 12] * 5).reliable


def test_it_is_another_question_than_what_is_unusual_for_a_person():
    """Who drifts slowly has a wide own range and little variation from session to session."""
    slow = [10 + 5 * math.sin(k / 4) + 0.1 * (-1) ** k for k in range(24)]
    low, _, high = own_range(slow)
    value = 14.0
    assert low < value < high and reliable.change(value, slow).reliable
    restless = [10 + (-1) ** k for k in range(24)]
    low, _, high = own_range(restless)
    assert value > high and reliable.change(value, restless).index == pytest.approx(4 / 1.476, rel=0.03)


def test_rmssd_is_taken_on_the_ln_scale():
    """A third more is as far as a third less, and the unit does not matter."""
    own = [30.0, 36.0] * 6
    middle = math.sqrt(30 * 36)
    more, less = (reliable.change(middle * by, own, "rmssd") for by in (4 / 3, 3 / 4))
    assert more.index == pytest.approx(-less.index)
    assert more.error == pytest.approx(reliable.error(np.log(own)))
    assert reliable.change(0.0, own, "rmssd").why == "the value is not above 0"


@pytest.mark.parametrize(
    ("baseline", "why"),
    [
        ([10, 12] * 4 + [11], "it needs 10 baseline sessions, and there are 9"),
        ([], "it needs 10 baseline sessions, and there are 0"),
        ([5.0] * 10, "the baseline sessions do not vary from one to the next"),
        ([0.1 * k for k in range(12)], "the baseline sessions do not vary from one to the next"),
    ],
)
def test_without_an_error_of_measurement_there_is_a_reason_and_no_index(baseline, why):
    found = reliable.change(11.0, baseline)
    assert (found.index, found.error, found.reliable, found.why) == (None, None, False, why)


@given(histories, plain, st.floats(0.1, 10), plain)
def test_neither_unit_nor_origin_changes_the_index(x, value, scale, shift):
    a = reliable.change(value, x)
    b = reliable.change(scale * value + shift, [scale * v + shift for v in x])
    assert b.index == pytest.approx(a.index, rel=1e-6, abs=1e-6)
    assert b.error == pytest.approx(scale * a.error, rel=1e-6)


@given(histories, plain)
def test_as_far_above_as_below_the_baseline_is_the_same_change(x, away):
    mean = float(np.mean(x))
    up, down = reliable.change(mean + away, x), reliable.change(mean - away, x)
    assert up.index == pytest.approx(-down.index, abs=1e-6) and up.reliable == down.reliable
    assert reliable.change(mean, x).index == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("n", "share"), [(10, 0.08), (20, 0.066), (60, 0.055)])
def test_without_any_change_as_many_sessions_are_beyond_as_is_said(n, share):
    rng = np.random.default_rng(n)
    found = [reliable.change(row[-1], row[:-1]).reliable for row in rng.standard_normal((4000, n + 1))]
    assert np.mean(found) == pytest.approx(share, abs=0.013)
