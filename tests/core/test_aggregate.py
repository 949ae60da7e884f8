"""Session values from window probabilities."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.aggregate import block_bootstrap, prediction_measures
from core.types import Prediction, Reason


def prediction(*columns, shared=1):
    proba = np.array(columns, float).T
    targets = ("valence", "arousal")[: proba.shape[1]]
    return Prediction("m", "1", targets, 2.0 * np.arange(len(proba)), 4.0, proba, shared)


def bundle(spread=0.0, threshold=0.5):
    return SimpleNamespace(
        thresholds=dict.fromkeys(("valence", "arousal"), threshold),
        spreads=dict.fromkeys(("valence", "arousal"), spread),
    )


def test_a_session_value_is_the_mean_over_usable_windows():
    found = prediction_measures(prediction([0.2, 0.4, np.nan, 0.9]), bundle(spread=0.1))[0]
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == (pytest.approx(0.5 - 0.196), pytest.approx(0.5 + 0.196))
    assert found.label == "Unsure"


def test_no_usable_window_means_no_value_but_a_reason():
    valence, arousal = prediction_measures(prediction([np.nan, np.nan], [0.9, 0.9]), bundle())
    assert (valence.value, valence.reason) == (None, Reason.LOW_QUALITY)
    assert arousal.value == pytest.approx(0.9)


def test_the_wider_of_bootstrap_and_calibration_spread_is_the_interval():
    rng = np.random.default_rng(0)
    series = np.clip(0.7 + 0.1 * rng.standard_normal(100), 0, 1)
    narrow = prediction_measures(prediction(series), bundle(spread=0.0))[0]
    wide = prediction_measures(prediction(series), bundle(spread=0.15))[0]
    assert (narrow.low, narrow.high) == block_bootstrap(series)
    assert wide.high - wide.low == pytest.approx(2 * 1.96 * 0.15, abs=0.06)
    assert narrow.label == "High" and wide.low < narrow.low


def test_an_interval_never_leaves_zero_to_one():
    found = prediction_measures(prediction([0.97] * 3), bundle(spread=0.2))[0]
    assert found.high == 1.0 and found.low > 0


def test_windows_that_are_told_together_are_drawn_together_by_the_length_of_their_stretches():
    # 30 usable windows under a longest stretch of 29 are two stretches of 15, and what was dropped is in neither
    told = [0.1] * 15 + [np.nan] * 5 + [0.9] * 15
    found = prediction_measures(prediction(told, shared=29), bundle(spread=0.01))[0]
    assert (found.low, found.high) == block_bootstrap(np.repeat([0.1, 0.9], 15), 15)
    assert found.low < 0.2 and found.high > 0.75 and found.label == "Unsure"
    one = prediction_measures(prediction([0.6] * 29, shared=29), bundle(spread=0.01))[0]
    assert one.high - one.low == pytest.approx(2 * 1.96 * 0.01)


def test_where_nothing_tells_how_sure_the_interval_is_all_there_is():
    for proba in ([0.9] * 3, [0.9] * 300):
        found = prediction_measures(prediction(proba), bundle(spread=0.0))[0]
        assert (found.low, found.high, found.label) == (0.0, 1.0, "Unsure")


def test_the_bootstrap_of_independent_windows_has_the_width_of_the_mean():
    draws = np.random.default_rng(1).standard_normal((20, 400))
    width = np.mean([np.ptp(block_bootstrap(values)) for values in draws])
    assert width / (2 * 1.96) == pytest.approx(1 / 20, rel=0.1)


def test_neighbours_that_move_together_widen_the_bootstrap():
    steps = np.random.default_rng(2).standard_normal(80)
    together = np.repeat(steps, 5)
    alone = np.random.default_rng(3).permutation(together)
    width = [np.ptp(block_bootstrap(v)) for v in (together, alone)]
    assert width[0] > 1.5 * width[1]


def test_the_interval_is_the_same_every_time():
    values = np.random.default_rng(4).random(50)
    assert block_bootstrap(values) == block_bootstrap(values)
