"""What holds for every detector in both presets."""

import math
import random
import re
from collections import Counter
from dataclasses import asdict, replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_courses import MARKERS, START, course, visits
from scipy import stats

from core.insights import DETECTORS, PRESETS, calibrate, chance, detect, replay
from core.insights.statistics import correlation_p, false_discovery, permutation_p, two_sided_p
from core.types import Visit

index = st.floats(0, 1, allow_nan=False)
columns = st.integers(1, 26).flatmap(
    lambda n: st.fixed_dictionaries({
        "valence": st.lists(index, min_size=n, max_size=n),
        "arousal": st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=n, max_size=n),
        "dominance": st.lists(st.sampled_from([0.3, 0.3, 0.9]), min_size=n, max_size=n),
        "rmssd": st.lists(st.sampled_from([0.0, -1.0, 1e-6, 25.0, 90.0, math.inf, math.nan]), min_size=n, max_size=n),
        "heart_rate": st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=n, max_size=n),
        "unknown_measure": st.lists(index, min_size=n, max_size=n),
    })
)  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=60, deadline=None)
@given(columns=columns, days=st.sampled_from([0.4, 1, 2, 7]))
def test_no_number_of_an_insight_is_ever_nan(preset, columns, days):
    if preset == "default":
        columns["heart_rate"] = [v if abs(v) < 1e6 else math.nan for v in columns["heart_rate"]]
    for insight in replay(visits(every_days=days, **columns), preset):
        numbers = [v for v in asdict(insight).values() if isinstance(v, float)] + list(insight.evidence.values())
        assert all(math.isfinite(v) for v in numbers), insight
        assert insight.text.endswith(".") and not re.search(r"\b(nan|inf|None)\b", insight.text)
        assert insight.period_start <= insight.period_end
        assert insight.low is None or insight.low <= insight.high
        assert insight.kind in DETECTORS and insight.rule == f"{insight.kind.lower()}/1"


@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), days=st.sampled_from([0.5, 2, 7]))
def test_the_order_of_the_input_does_not_matter_even_with_equal_times(preset, seed, days):
    rng = np.random.default_rng(seed)
    history = course(rng, ("heart_rate",), ("valence",), every_days=days)
    # sessions come in pairs of equal time
    history = [replace(v, started_at=history[k - k % 2].started_at) for k, v in enumerate(history)]
    shuffled = random.Random(seed).sample(history, len(history))
    assert replay(shuffled, preset) == replay(history, preset)
    assert detect(shuffled, preset, now=START + timedelta(days=200)) == detect(
        history, preset, now=START + timedelta(days=200)
    )


@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), place=st.integers(0, 19), value=index)
def test_an_abstained_visit_changes_nothing(preset, seed, place, value):
    history = course(np.random.default_rng(seed), ("heart_rate",), ("valence",), every_days=2)
    abstained = Visit(
        "P-0001/S-99", history[place].started_at + timedelta(hours=1), False,
        {"valence": value, "heart_rate": 500.0}, "demo/1",
    )  # fmt: skip
    assert replay([*history, abstained], preset) == replay(history, preset)
    assert detect([*history, abstained], preset, now=START + timedelta(days=1)) == (
        ([], []) if place == 19 else detect(history, preset, now=START + timedelta(days=1))
    )


def summary(insights):
    return [(i.kind, i.measure, i.session, i.last_session, i.severity) for i in insights]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), offset=st.integers(-3, 3), factor=st.sampled_from([0.5, 1.0, 4.0]))
def test_default_findings_do_not_move_with_an_offset_nor_rmssd_with_its_scale(seed, offset, factor):
    rng = np.random.default_rng(seed)
    asymmetry, rmssd = rng.standard_normal(18) * 0.15, 30 * np.exp(0.2 * rng.standard_normal(18))
    asymmetry[-4:] += 0.5
    rmssd[-4:] *= 2

    def with_(a, r):
        return replay(visits(alpha_asymmetry=a.tolist(), rmssd=r.tolist()), "default")

    seen = with_(asymmetry, rmssd)
    assert summary(with_(asymmetry + offset, rmssd * factor)) == summary(seen)
    mirrored = with_(-asymmetry, 900 / rmssd)
    assert summary(mirrored) == summary(seen)


@pytest.mark.parametrize("preset", PRESETS)
def test_replaying_twice_gives_the_same_and_no_new_keys(preset):
    rng = np.random.default_rng(8)
    for _ in range(10):
        history = course(rng, ("heart_rate", "rmssd"), ("valence", "heart_rate"), every_days=3)
        first = replay(history, preset)
        assert replay(history, preset, open_insights=first) == first
        keys = [(i.kind, i.measure, i.session) for i in first]
        assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), from_index=st.integers(0, 24))
def test_a_replay_from_the_middle_agrees_with_one_from_the_start(preset, seed, from_index):
    rng = np.random.default_rng(seed)
    history = course(rng, ("heart_rate",), ("valence", "heart_rate"), n=24, every_days=1.5)
    whole = replay(history, preset)
    part = replay(history, preset, from_index=from_index, open_insights=whole)
    later = {v.session for v in history[from_index:]}
    assert part == [i for i in whole if i.session in later]
    # without the part that was stored later, only the open ones that go on come back beside the new
    stored = replay(history[:from_index], preset)
    grown = replay(history, preset, from_index=from_index, open_insights=stored)
    keep = {(i.kind, i.measure, i.session): i for i in stored} | {(i.kind, i.measure, i.session): i for i in grown}
    assert sorted(keep.values(), key=repr) == sorted(whole, key=repr)


def test_a_replay_in_which_a_trend_no_longer_goes_on_takes_its_last_session_back():
    up = [0.5, 0.54, 0.46, 0.52, 0.48] * 2 + [0.75, 0.79, 0.71, 0.77, 0.73, 0.75]
    history = visits(valence=up)
    (trend,) = [i for i in replay(history, "default") if i.kind == "TREND"]
    place = next(k for k, v in enumerate(history) if v.session == trend.session)
    other = [*history[: place + 1], *(replace(v, values={"valence": 0.0}) for v in history[place + 1 :])]
    changed = replay(other, "default", from_index=place + 1, open_insights=[trend])
    assert next(i for i in changed if i.session == trend.session).last_session == trend.session


def test_insights_of_the_other_preset_are_not_touched():
    history = visits(every_days=1, valence=[0.4, 0.6] * 5 + [0.95])
    published = replay(history, "published")
    assert published
    assert replay(history, "default", open_insights=published) == replay(history, "default")


def test_session_100_comes_after_session_99_at_the_same_time():
    history = [
        replace(v, session=f"P-0001/S-{95 + k}", started_at=START)
        for k, v in enumerate(visits(valence=[0.4, 0.6, 0.4, 0.6, 0.5, 0.99]))
    ]
    new, _ = detect(list(reversed(history)), "published", now=START)
    assert {i.session for i in new} == {"P-0001/S-100"}


def test_an_unknown_preset_is_refused_by_name():
    with pytest.raises(ValueError, match="strict"):
        detect([], "strict", now=START)


def test_no_visits_no_insights():
    for preset in PRESETS:
        assert detect([], preset, now=START) == ([], [])
        assert replay([], preset) == []


def test_texts_judge_nobody():
    rng = np.random.default_rng(4)
    texts = []
    for preset in PRESETS:
        for _ in range(15):
            history = course(rng, tuple(MARKERS), ("valence", "rmssd"), every_days=1)
            texts += [i.text for i in replay(history, preset)]
    assert texts
    for text in texts:
        assert text.count(". ") == 0, "one sentence"
        words = set(text.lower().replace(",", " ").replace(":", " ").split())
        assert not words & {"good", "bad", "better", "worse", "best", "worst", "normal", "abnormal", "improved", "risk"}


# --- chance


def test_every_insight_says_how_many_chance_brings():
    rng = np.random.default_rng(6)
    for preset in PRESETS:
        seen = Counter()
        for _ in range(20):
            for insight in replay(course(rng, ("heart_rate",), ("valence",), every_days=2), preset):
                assert insight.expected_by_chance > 0
                seen[insight.kind] += 1
        assert set(seen) >= {"TREND", "ANOMALY", "PEAK", "STABILITY"}


def test_the_stored_chance_of_default_is_what_the_command_measures():
    measured = calibrate.default_rates(people=150, seed=99)
    for kind, rate in measured.items():
        assert rate == pytest.approx(chance.DEFAULT[kind], abs=0.03 + 4 * math.sqrt(chance.DEFAULT[kind] / 150))
    assert sum(v for k, v in chance.DEFAULT.items() if k != "STABILITY") <= 1.0


def test_the_stored_chance_of_published_is_what_the_command_measures():
    measured = calibrate.published_rates(people=250, sessions=(5, 10, 20), seed=99)
    for kind, rates in measured.items():
        for n, rate in rates.items():
            stored = chance.PUBLISHED[kind][n]
            # per visit up to three of a kind appear together
            assert rate == pytest.approx(stored, abs=0.3 + 4 * 20 * math.sqrt(3 * stored / 20 / 250))


def test_chance_between_two_measured_numbers_lies_between_them():
    low, high = chance.PUBLISHED["ANOMALY"][10], chance.PUBLISHED["ANOMALY"][15]
    assert high <= chance.expected("published", "ANOMALY", 12) <= low
    assert chance.expected("published", "ANOMALY", 500) == chance.PUBLISHED["ANOMALY"][30]


# --- statistics


def test_benjamini_hochberg_equals_scipy():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 40):
        p = rng.random(n) ** 3
        assert false_discovery(p) == pytest.approx(stats.false_discovery_control(p).tolist())
    assert false_discovery([]) == []


def test_exact_permutation_p_equals_scipy():
    x = np.random.default_rng(1).standard_normal(11)
    x[-5:] += 1
    theirs = stats.permutation_test(
        (x[-5:], x[:-5]), lambda a, b, axis: abs(a.mean(axis) - b.mean(axis)), n_resamples=np.inf, alternative="greater"
    )
    assert permutation_p(x) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("n", [21, 60, 1000])
def test_sampled_permutation_p_is_near_the_t_test_and_never_zero(n):
    rng = np.random.default_rng(n)
    x = rng.standard_normal(n)
    for shift in (0.0, 0.8, 1.5):
        y = x.copy()
        y[-5:] += shift
        assert permutation_p(y) == pytest.approx(stats.ttest_ind(y[-5:], y[:-5]).pvalue, abs=0.04)
    y[-5:] += 100
    assert 0 < permutation_p(y) < 0.001


def test_permutation_p_is_uniform_when_nothing_changes():
    rng = np.random.default_rng(7)
    p = np.array([permutation_p(rng.standard_normal(25)) for _ in range(600)])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 600))


def test_p_values_equal_scipy():
    assert two_sided_p(2.5, 7) == pytest.approx(2 * stats.t.sf(2.5, 7))
    x, y = np.random.default_rng(2).standard_normal((2, 12))
    r, p = stats.pearsonr(x, y)
    assert correlation_p(r, 12) == pytest.approx(p)
    assert 0 <= correlation_p(1.0, 10) < 1e-9


# --- speed (limits are ten times what is measured on two shared cores)


def test_a_thousand_visits_are_replayed_to_the_last():
    history = course(np.random.default_rng(1), tuple(MARKERS), n=1000, every_days=1)
    for preset in ("default", "published"):
        found = replay(history, preset)
        assert max(i.period_end for i in found) > history[900].started_at
