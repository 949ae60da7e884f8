"""The published rules, exactly, with the edge cases of requirements d6."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from insight_courses import START, course, kinds, of, visits

from core.insights import detect, replay


def found(history, now=None, **more):
    new, extended = detect(history, "published", now=now or history[-1].started_at, **more)
    assert extended == []
    return new


def daily(values, **more):
    return visits(every_days=1, valence=values, **more)


# --- TREND


def test_trend_fires_at_exactly_0_12():
    trend = of(found(daily([0.5] + [0.62] * 5)), "TREND")
    assert (trend.severity, trend.n) == ("info", 6)
    assert trend.value == pytest.approx(0.62) and trend.reference == pytest.approx(0.5)
    assert (trend.period_start, trend.period_end) == (START + timedelta(days=1), START + timedelta(days=5))


@pytest.mark.parametrize("before", [0.1, 0.3, 0.47, 0.58])
def test_trend_boundary_does_not_hang_on_the_last_bit(before):
    assert of(found(daily([before] + [round(before + 0.12, 2)] * 5)), "TREND")
    assert of(found(daily([before + 0.12] + [before] * 5)), "TREND")


def test_trend_needs_the_boundary_and_six_sessions():
    assert not of(found(daily([0.5] + [0.619] * 5)), "TREND")
    assert not of(found(daily([0.1] * 1 + [0.9] * 4)), "TREND")


def test_trend_warns_above_0_20_only():
    assert of(found(daily([0.5] + [0.7] * 5)), "TREND").severity == "info"
    assert of(found(daily([0.5] + [0.71] * 5)), "TREND").severity == "warning"
    assert of(found(daily([0.5] + [0.29] * 5)), "TREND").severity == "warning"


def test_trend_looks_back_30_days_live_and_90_in_a_replay():
    history = visits(every_days=7, valence=[0.3] * 3 + [0.6] * 5)
    assert not of(found(history), "TREND"), "only five weekly visits lie in 30 days"
    assert [i.session for i in replay(history, "published") if i.kind == "TREND"] != []


def test_a_visit_exactly_30_days_back_is_looked_at():
    history = visits(every_days=6, valence=[0.3] + [0.6] * 5)
    assert of(found(history), "TREND")
    assert not of(found(history, now=history[-1].started_at + timedelta(seconds=1)), "TREND")


# --- ANOMALY


def test_anomaly_fires_at_exactly_two_sd():
    anomaly = of(found(daily([0.4, 0.6, 0.4, 0.6, 0.7])), "ANOMALY")
    assert anomaly.severity == "warning"
    assert anomaly.evidence["z"] == pytest.approx(2.0)
    assert (anomaly.value, anomaly.reference, anomaly.n) == (0.7, pytest.approx(0.5), 5)


def test_anomaly_stays_silent_below_two_sd_and_below_five_sessions():
    assert not of(found(daily([0.4, 0.6, 0.4, 0.6, 0.69])), "ANOMALY")
    assert not of(found(daily([0.4, 0.6, 0.4, 0.9])), "ANOMALY")


def test_anomaly_is_an_alert_above_three_sd_only():
    assert of(found(daily([0.4, 0.6, 0.4, 0.6, 0.8])), "ANOMALY").severity == "warning"
    assert of(found(daily([0.4, 0.6, 0.4, 0.6, 0.81])), "ANOMALY").severity == "alert"
    assert of(found(daily([0.4, 0.6, 0.4, 0.6, 0.19])), "ANOMALY").severity == "alert"


def test_anomaly_skips_sd_below_0_01_only():
    assert not of(found(daily([0.5, 0.501, 0.5, 0.501, 0.9])), "ANOMALY")
    assert of(found(daily([0.49, 0.51, 0.49, 0.51, 0.52])), "ANOMALY")


@pytest.mark.parametrize(
    ("earlier", "one", "any_of_three"), [(4, 0.22, 0.52), (9, 0.11, 0.30), (19, 0.07, 0.21), (29, 0.06, 0.18)]
)
def test_anomaly_fires_by_chance_as_often_as_the_requirements_say(earlier, one, any_of_three):
    rng = np.random.default_rng(earlier)
    people, hits, any_hits = 1500, 0, 0
    for _ in range(people):
        columns = {m: 0.5 + 0.05 * rng.standard_normal(earlier + 1) for m in ("valence", "arousal", "dominance")}
        n = kinds(found(visits(every_days=1, **{m: x.tolist() for m, x in columns.items()}), cap=99)).count("ANOMALY")
        hits, any_hits = hits + n, any_hits + bool(n)
    assert hits / people / 3 == pytest.approx(one, abs=0.005 + 4 * np.sqrt(one / people / 3))
    assert any_hits / people == pytest.approx(any_of_three, abs=0.005 + 4 * np.sqrt(0.25 / people))


@pytest.mark.parametrize(("prior", "rate"), [(1, 0.46), (5, 0.21), (20, 0.11)])
def test_trend_fires_by_chance_as_often_as_the_requirements_say(prior, rate):
    rng = np.random.default_rng(prior)
    people = 1500
    hits = sum(
        "TREND" in kinds(found(daily((0.5 + 0.15 * rng.standard_normal(prior + 5)).tolist()))) for _ in range(people)
    )
    assert hits / people == pytest.approx(rate, abs=0.01 + 4 * np.sqrt(rate * (1 - rate) / people))


# --- PEAK


def test_peak_is_a_new_maximum_above_three_quarters():
    peak = of(found(daily([0.7, 0.74, 0.76])), "PEAK")
    assert (peak.severity, peak.value, peak.reference, peak.n) == ("info", 0.76, 0.74, 3)


def test_peak_is_a_new_minimum_below_a_quarter_and_warns():
    peak = of(found(daily([0.3, 0.26, 0.24])), "PEAK")
    assert (peak.severity, peak.value, peak.reference) == ("warning", 0.24, 0.26)


@pytest.mark.parametrize("values", [
    [0.7, 0.76],  # two sessions
    [0.7, 0.72, 0.75], [0.3, 0.28, 0.25],  # on the line
    [0.7, 0.8, 0.8], [0.3, 0.2, 0.2],  # a tie is not a peak
    [0.5, 0.6, 0.7], [0.5, 0.4, 0.3],  # a record between the lines
    [0.8, 0.9, 0.85],  # no record
])  # fmt: skip
def test_peak_stays_silent(values):
    assert not of(found(daily(values)), "PEAK")


# --- STABILITY


def test_stability_needs_five_sessions_four_of_them_in_seven_days():
    values = [0.9, 0.50, 0.51, 0.50, 0.51]
    stability = of(found(daily(values)), "STABILITY")
    assert stability is None, "all five lie in the last seven days, 0.9 too"
    stability = of(found(visits(every_days=2, valence=values)), "STABILITY")
    assert (stability.severity, stability.n) == ("info", 4)
    assert stability.value == pytest.approx(np.std(values[1:], ddof=1) / (np.mean(values[1:]) + 1e-8))
    assert not of(found(visits(every_days=2, valence=values[1:])), "STABILITY"), "four in all"
    assert not of(found(visits(every_days=3, valence=values)), "STABILITY"), "three in seven days"


def test_stability_fires_at_a_cv_of_exactly_0_10_and_not_above():
    base = np.array([-1.0, 1.0, -1.0, 1.0])
    base *= 0.05 / np.std(base, ddof=1)
    assert of(found(visits(every_days=2, valence=[0.9, *(0.5 + base)])), "STABILITY")
    assert not of(found(visits(every_days=2, valence=[0.9, *(0.5 + 1.001 * base)])), "STABILITY")


def test_stability_of_published_punishes_low_means():
    assert not of(found(visits(every_days=2, valence=[0.5, 0.08, 0.12, 0.08, 0.12])), "STABILITY")
    assert of(found(visits(every_days=2, valence=[0.5, 0.83, 0.97, 0.83, 0.97])), "STABILITY")


def test_stability_asks_the_clock_it_is_given():
    history = visits(every_days=2, valence=[0.5] * 5)
    assert of(found(history), "STABILITY")
    assert of(found(history, now=history[-1].started_at + timedelta(days=1)), "STABILITY")
    assert not of(found(history, now=history[-1].started_at + timedelta(days=1, seconds=1)), "STABILITY")


# --- CORRELATION


def pair(r, n):
    """Two columns around 0.5 whose Pearson r is exactly r."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, n))
    a = (a - a.mean()) / a.std()
    b = b - b.mean()
    b -= a * (a @ b) / n
    b /= b.std()
    return (0.5 + 0.02 * a).tolist(), (0.5 + 0.02 * (r * a + np.sqrt(1 - r * r) * b)).tolist()


def test_correlation_fires_at_0_65_from_eight_sessions():
    one, other = pair(0.65, 8)
    correlation = of(found(visits(every_days=1, valence=one, arousal=other)), "CORRELATION", "valence-arousal")
    assert correlation.value == pytest.approx(0.65) and correlation.n == 8 and correlation.severity == "info"
    one, other = pair(0.649, 8)
    assert "CORRELATION" not in kinds(found(visits(every_days=1, valence=one, arousal=other)))
    one, other = pair(0.9, 7)
    assert "CORRELATION" not in kinds(found(visits(every_days=1, valence=one, arousal=other)))


def test_correlation_of_published_says_excited_whatever_the_sign():
    one, other = pair(-0.9, 8)
    correlation = of(found(visits(every_days=1, arousal=one, dominance=other)), "CORRELATION", "arousal-dominance")
    assert correlation.value == pytest.approx(-0.9)
    assert correlation.text.startswith("Excited pattern")


def test_correlation_of_a_constant_column_is_none():
    one, _ = pair(0.9, 8)
    assert "CORRELATION" not in kinds(found(visits(every_days=1, valence=one, arousal=[0.1 + 0.2] * 8)))


# --- common


def test_published_looks_at_valence_arousal_and_dominance_only():
    spike = [0.4, 0.6, 0.4, 0.6, 0.9]
    history = visits(every_days=1, stress=spike, liking=spike, heart_rate=[70, 72, 70, 72, 150])
    assert found(history) == []
    assert {i.measure for i in found(visits(every_days=1, dominance=spike))} == {"dominance"}


def test_every_visit_has_its_own_row_in_published():
    history = daily([0.3] * 3 + [0.6] * 8)
    sessions = [i.session for i in replay(history, "published") if i.kind == "TREND"]
    assert len(sessions) > 1 and len(set(sessions)) == len(sessions)


def test_alerts_come_first_and_the_cap_cuts_the_rest():
    x, y = [0.4, 0.6, 0.4, 0.6] * 2, [0.9]
    history = visits(every_days=1, valence=x + y, arousal=x + y, dominance=x + y)
    everything = found(history, cap=10)
    assert len(everything) > 5
    ranks = [("alert", "warning", "info").index(i.severity) for i in everything]
    assert ranks == sorted(ranks)
    assert found(history) == everything[:5]


def test_a_replay_of_published_keeps_up_to_ten_per_session():
    x, y = [0.4, 0.6, 0.4, 0.6] * 2, [0.9]
    history = visits(every_days=1, valence=x + y, arousal=x + y, dominance=x + y)
    last = [i for i in replay(history, "published") if i.session == history[-1].session]
    assert last == found(history, cap=10)


def test_another_model_starts_a_new_history():
    values = [0.4, 0.6, 0.4, 0.6, 0.9]
    history = daily(values)
    assert of(found(history), "ANOMALY").model == "demo/1"
    assert found([replace(v, model="old/1") for v in history[:4]] + history[4:]) == []


def test_nothing_random_and_no_clock():
    history = course(np.random.default_rng(5), every_days=2)
    assert replay(history, "published") == replay(history, "published")
