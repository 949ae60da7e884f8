"""Features told by their own past hear of nothing ahead, and of no more than they say behind."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import features, pipeline
from core.evaluation.sessions import wrist
from core.features import causal
from core.readers import e4
from core.types import InputFile, Recording

TYPES = ("eda", "ppg")
USUAL = np.array([1.0, 0.5])


@pytest.fixture(scope="module")
def band(shared_data) -> Recording:
    path = shared_data / "formats" / "empatica_e4" / "S12_session.zip"
    return e4.read([InputFile(path.name, str(path))])


def ends(n: int) -> np.ndarray:
    return 60.0 + 10.0 * np.arange(n)


def series(seed: int, n: int = 300) -> pd.DataFrame:
    walk = np.random.default_rng(seed).normal(size=(n, 2)).cumsum(axis=0)
    return pd.DataFrame(walk, columns=["a", "b"])


def cut(recording: Recording, end_s: float) -> Recording:
    return replace(
        recording,
        signals=tuple(replace(s, data=s.data[: round((end_s - s.onset_s) * s.sfreq)]) for s in recording.signals),
    )


def test_a_real_recording_cut_short_has_the_same_rows_to_the_last_bit(band):
    whole, short = (pipeline.features_of(r, wrist(TYPES), TYPES).table for r in (band, cut(band, 1200.0)))
    assert len(short) == 115
    pd.testing.assert_frame_equal(whole.iloc[: len(short)], short, check_exact=True)
    assert short.notna().any(axis=1).sum() > 90


def test_there_is_no_row_before_three_minutes(band):
    table = pipeline.features_of(cut(band, 400.0), wrist(TYPES), TYPES).table
    known = table.notna().any(axis=1).to_numpy()
    assert not known[:12].any() and known[13:].all()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), at=st.integers(1, 299))
def test_no_row_hears_of_one_after_it(seed, at):
    x = series(seed)
    other = x.copy()
    other.iloc[at:] += 5.0
    a, b = (causal.told(v, ends(len(v)), 60.0, USUAL).iloc[:at] for v in (x, other))
    pd.testing.assert_frame_equal(a, b, check_exact=True)


def test_what_lies_between_the_first_minutes_and_the_last_twenty_is_forgotten():
    x = series(3)
    other = x.copy()
    other.iloc[40:80] -= 7.0
    a, b = (causal.told(v, ends(len(v)), 60.0, USUAL) for v in (x, other))
    assert np.abs(a.iloc[90] - b.iloc[90]).max() > 0.1
    # 20 minutes of rows, and as long again for the exponential mean to fade
    np.testing.assert_allclose(a.iloc[280:], b.iloc[280:], atol=1e-6)


def test_a_window_is_measured_by_what_came_before_it_and_a_calm_past_by_what_is_usual(monkeypatch):
    monkeypatch.setattr(causal, "SMOOTH", 1.0)
    x = pd.DataFrame(np.zeros((60, 2)), columns=["a", "b"])
    x.iloc[-1] = 3.0
    past_s = ends(60)[-1] - 60.0
    sd = USUAL * np.sqrt(causal.FIRST_S / (past_s + causal.FIRST_S))
    np.testing.assert_allclose(causal.told(x, ends(60), 60.0, USUAL)[["a_running", "b_running"]].iloc[-1], 3.0 / sd)


@settings(deadline=None, max_examples=20)
@given(level=st.floats(-100, 100), seed=st.integers(0, 100))
def test_a_persons_level_does_not_matter(level, seed):
    x = series(seed, 100)
    a, b = (causal.told(v, ends(len(v)), 60.0, USUAL) for v in (x, x + level))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_silent_skin_has_no_row_and_no_time_is_a_column(band):
    dead = replace(band, signals=tuple(replace(s, data=s.data * 0) if s.type == "eda" else s for s in band.signals))
    table = pipeline.features_of(cut(dead, 600.0), wrist(TYPES), TYPES).table
    assert table[causal.names(("eda",))].isna().all(axis=None)
    names = features.names(TYPES, wrist(TYPES))
    assert not any(word in name for name in names for word in ("time", "index", "acc", "temp", "valid"))
    assert {features.block_of(name) for name in names} == {f"{t} {p}" for t in TYPES for p in causal.PARTS}
