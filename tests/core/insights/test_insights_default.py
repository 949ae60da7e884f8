"""The default rules: prediction limits, least numbers of sessions, discovery control; edge cases of d6."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from insight_courses import START, course, kinds, of, visits
from scipy import stats

from core.insights import detect, replay
from core.insights.baseline import own_range, reference_of
from core.types import Reference

CALM = [0.50, 0.54, 0.46, 0.52, 0.48, 0.53, 0.47, 0.51, 0.49, 0.50]


def found(history, now=None, **more):
    return detect(history, "default", now=now or history[-1].started_at, **more)[0]


# --- ANOMALY


def test_anomaly_is_outside_the_prediction_limit_of_a_t_distribution():
    earlier = [0.40, 0.60, 0.45, 0.55, 0.50, 0.48]
    anomaly = of(found(visits(valence=[*earlier, 0.85])), "ANOMALY")
    s, n = np.std(earlier, ddof=1), len(earlier)
    t = (0.85 - np.mean(earlier)) / (s * np.sqrt(1 + 1 / n))
    assert anomaly.evidence["t"] == pytest.approx(t)
    assert anomaly.p == pytest.approx(2 * stats.t.sf(t, n - 1))
    assert anomaly.q == pytest.approx(anomaly.p), "one test at this visit"
    half = stats.t.ppf(0.975, n - 1) * s * np.sqrt(1 + 1 / n)
    assert (anomaly.low, anomaly.high) == pytest.approx((np.mean(earlier) - half, np.mean(earlier) + half))
    assert anomaly.value == 0.85 and anomaly.reference == pytest.approx(np.mean(earlier)) and anomaly.n == 7
    assert anomaly.severity in ("warning", "alert")


def test_anomaly_stays_silent_inside_the_limit_and_below_five_sessions():
    assert found(visits(valence=[0.40, 0.60, 0.45, 0.55, 0.50, 0.48, 0.68])) == []
    assert found(visits(valence=[0.40, 0.60, 0.45, 0.99])) == []


def test_anomaly_where_published_cries_wolf_is_silent():
    history = visits(every_days=1, valence=[0.4, 0.6, 0.4, 0.6, 0.7])
    assert kinds(detect(history, "published", now=history[-1].started_at)[0]) == ["ANOMALY"]
    assert found(history) == []


def test_the_sd_has_a_floor_of_a_quarter_of_the_smallest_change():
    # spread 0.012 alone would make 0.57 stand out; the floor of 0.03 does not
    earlier = [0.49, 0.51, 0.49, 0.51, 0.49, 0.51]
    assert found(visits(valence=[*earlier, 0.57])) == []
    jump = of(found(visits(valence=[*earlier, 0.65])), "ANOMALY")
    assert jump.evidence["t"] == pytest.approx(0.15 / (0.03 * np.sqrt(1 + 1 / 6)))


def test_a_jump_after_sessions_without_spread_is_a_step_change_not_silence():
    step = of(found(visits(valence=[0.5] * 4 + [0.6])), "ANOMALY")
    assert step.evidence["step"] == 1.0 and "hardly varied" in step.text
    assert found(visits(valence=[0.5] * 4 + [0.59])) == []
    # other tests of the visit do not silence it
    many = visits(valence=[0.5] * 4 + [0.6], arousal=CALM[:5], dominance=CALM[:5], heart_rate=[70, 74, 66, 72, 69])
    assert of(found(many), "ANOMALY")


def test_a_step_change_of_a_marker_is_one_smallest_change():
    assert of(found(visits(heart_rate=[70.0] * 4 + [75.0])), "ANOMALY", "heart_rate")
    assert found(visits(heart_rate=[70.0] * 4 + [74.0])) == []


def test_rmssd_is_judged_on_the_ln_scale_and_told_in_ms():
    earlier = [30.0, 38.0, 33.0, 41.0, 29.0, 36.0]
    anomaly = of(found(visits(rmssd=[*earlier, 90.0])), "ANOMALY", "rmssd")
    ln = np.log(earlier)
    half = stats.t.ppf(0.975, 5) * ln.std(ddof=1) * np.sqrt(1 + 1 / 6)
    assert (anomaly.low, anomaly.high) == pytest.approx(tuple(np.exp([ln.mean() - half, ln.mean() + half])))
    assert anomaly.value == pytest.approx(90.0) and anomaly.reference == pytest.approx(np.exp(ln.mean()))
    assert "90.0 ms" in anomaly.text and anomaly.model is None


def test_an_alert_lies_beyond_the_p_of_three_sd():
    earlier = [0.40, 0.60, 0.45, 0.55, 0.50, 0.48]
    low = of(found(visits(valence=[*earlier, 0.76])), "ANOMALY")
    high = of(found(visits(valence=[*earlier, 1.0])), "ANOMALY")
    assert low.p > 0.0027 > high.p
    assert (low.severity, high.severity) == ("warning", "alert")


# --- discovery control


def test_benjamini_hochberg_counts_all_tests_of_the_visit():
    earlier = [0.40, 0.60, 0.45, 0.55, 0.50, 0.48]
    alone = visits(valence=[*earlier, 0.74])
    assert of(found(alone), "ANOMALY").p < 0.05
    calm = {m: [*earlier, 0.5] for m in ("arousal", "dominance", "liking", "stress")}
    assert found(visits(valence=[*earlier, 0.74], **calm)) == []
    louder = of(found(visits(valence=[*earlier, 0.99], **calm)), "ANOMALY")
    assert louder.q == pytest.approx(5 * louder.p)


def test_q_is_never_above_0_05_but_for_a_step():
    rng = np.random.default_rng(11)
    for _ in range(40):
        for insight in replay(course(rng, ("heart_rate", "rmssd"), ("valence",)), "default"):
            assert insight.kind == "STABILITY" or insight.evidence.get("step") or insight.q <= 0.05


# --- TREND


def test_trend_needs_five_sessions_before_the_five():
    up = [0.70, 0.74, 0.66, 0.72, 0.68]
    assert not of(found(visits(valence=CALM[:4] + up)), "TREND")
    trend = of(found(visits(valence=CALM[:5] + up)), "TREND")
    assert trend.p == pytest.approx(2 / 252), "no other choice of five of ten differs as much, but the mirror"
    assert trend.value == pytest.approx(np.mean(up)) and trend.reference == pytest.approx(np.mean(CALM[:5]))
    assert trend.n == 10 and trend.severity == "info"
    assert (trend.period_start, trend.period_end) == (START + timedelta(days=35), START + timedelta(days=63))
    assert "9 Feb 2026 to 9 Mar 2026" in trend.text and "above the mean of the 5 sessions before" in trend.text


def test_trend_of_exactly_the_smallest_change_fires_and_below_does_not():
    base = [0.50, 0.51, 0.49, 0.50, 0.50]
    assert of(found(visits(valence=base + [round(x + 0.12, 2) for x in base])), "TREND")
    assert not of(found(visits(valence=base + [round(x + 0.119, 3) for x in base])), "TREND")


def test_trend_that_noise_explains_is_silent():
    noisy = [0.2, 0.8, 0.3, 0.7, 0.5, 0.9, 0.4, 0.8, 0.3, 0.75]
    assert abs(np.mean(noisy[-5:]) - np.mean(noisy[:5])) > 0.12
    assert not of(found(visits(valence=noisy)), "TREND")


def test_trend_of_a_marker_is_measured_in_its_own_smallest_change():
    base = [70.0, 71.0, 69.0, 70.5, 69.5]
    small = visits(heart_rate=base + [x + 4.5 for x in base])
    assert not of(found(small), "TREND", "heart_rate")
    trend = of(found(visits(heart_rate=base + [x + 5 for x in base])), "TREND", "heart_rate")
    assert trend.severity == "info" and "5.0 /min above" in trend.text
    strong = of(found(visits(heart_rate=base + [x + 9 for x in base])), "TREND", "heart_rate")
    assert strong.severity == "warning"


def test_a_trend_that_still_holds_moves_its_last_session_and_adds_no_row():
    rng = np.random.default_rng(0)
    before, after = 0.4 + 0.02 * rng.standard_normal(10), 0.65 + 0.02 * rng.standard_normal(8)
    history = visits(valence=[*before, *after])
    trends = [i for i in replay(history, "default") if i.kind == "TREND"]
    assert len(trends) == 1
    (trend,) = trends
    assert trend.session < trend.last_session == history[-1].session
    assert trend.period_end == history[-1].started_at


def test_a_trend_that_turns_round_is_another_one():
    history = visits(valence=[*CALM, *(x + 0.2 for x in CALM[:6]), *(x - 0.25 for x in CALM[:7])])
    trends = [i for i in replay(history, "default") if i.kind == "TREND"]
    assert len(trends) == 2
    assert trends[0].value > trends[0].reference and trends[1].value < trends[1].reference


def test_live_detection_extends_the_open_insight_like_a_replay():
    history = visits(valence=[*CALM, *(x + 0.25 for x in CALM[:8])])
    known = []
    for k in range(len(history)):
        new, extended = detect(history[: k + 1], "default", now=history[k].started_at, open_insights=known)
        moved = {(i.kind, i.measure, i.session) for i in extended}
        known = [i for i in known if (i.kind, i.measure, i.session) not in moved] + extended + new
    assert sorted(known, key=repr) == sorted(replay(history, "default"), key=repr)
    assert any(i.last_session != i.session for i in known)
    assert detect(history, "default", now=history[-1].started_at, open_insights=known) == ([], []), "and again: nothing"


# --- PEAK


def test_peak_is_a_record_outside_the_limit_and_takes_the_place_of_the_anomaly():
    insights = found(visits(valence=[*CALM[:8], 0.75]))
    assert kinds(insights) == ["PEAK"]
    (peak,) = insights
    assert peak.reference == pytest.approx(np.mean(CALM[:8])) and peak.evidence["record"] == pytest.approx(0.54)
    assert "above own range" in peak.text and "highest of 9 sessions" in peak.text
    assert kinds(found(visits(valence=[*CALM[:8], 0.25]))) == ["PEAK"]


def test_peak_needs_eight_sessions():
    assert kinds(found(visits(valence=[*CALM[:6], 0.8]))) == ["ANOMALY"]
    assert kinds(found(visits(valence=[*CALM[:7], 0.8]))) == ["PEAK"]


def test_a_record_inside_the_limit_is_not_a_peak():
    assert found(visits(valence=[*CALM[:8], 0.57])) == []


def test_a_tie_or_a_record_by_less_than_the_margin_is_an_anomaly_only():
    earlier = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.7]
    assert kinds(found(visits(valence=[*earlier, 0.7]))) == ["ANOMALY"]
    assert kinds(found(visits(valence=[*earlier, 0.719]))) == ["ANOMALY"]
    assert kinds(found(visits(valence=[*earlier, 0.72]))) == ["PEAK"]


# --- STABILITY


def test_stability_needs_three_dates():
    values = [0.5, 0.50, 0.51, 0.50, 0.51]
    spread = np.std(values[1:], ddof=1)
    assert of(found(visits(every_days=2, valence=values)), "STABILITY").value == pytest.approx(spread)
    assert not of(found(visits(every_days=0.05, valence=values)), "STABILITY"), "all on one day"
    assert of(found(visits(every_days=0.5, valence=values)), "STABILITY"), "five in two and a half days"


def test_stability_is_about_spread_not_about_spread_over_mean():
    assert of(found(visits(every_days=2, valence=[0.5, 0.08, 0.12, 0.08, 0.12])), "STABILITY")
    assert not of(found(visits(every_days=2, valence=[0.5, 0.83, 0.97, 0.83, 0.97])), "STABILITY")


def test_stability_of_a_marker_is_two_fifths_of_its_smallest_change():
    quiet = np.array([-1.0, 1.0, -1.0, 1.0]) / np.std([-1, 1, -1, 1], ddof=1)
    for sd, expected in ((2.0, True), (2.01, False)):
        history = visits(every_days=2, heart_rate=[80.0, *(70 + sd * quiet)])
        assert (of(found(history), "STABILITY", "heart_rate") is not None) == expected


def test_stability_that_goes_on_is_one_row():
    history = visits(every_days=1, valence=[0.5, 0.51] * 6)
    assert len([i for i in replay(history, "default") if i.kind == "STABILITY"]) == 1


def test_stability_asks_the_clock_it_is_given():
    history = visits(every_days=2, valence=[0.5, 0.50, 0.51, 0.50, 0.51])
    assert of(found(history), "STABILITY")
    assert not of(found(history, now=history[-1].started_at + timedelta(days=2)), "STABILITY")


# --- CORRELATION


def moving(n, sign=1):
    x = np.array([0.5 + 0.05 * np.sin(2.4 * k) for k in range(n)])
    return x.tolist(), (0.5 + sign * (x - 0.5) + 0.005 * np.cos(7.0 * np.arange(n))).tolist()


def test_correlation_needs_ten_sessions_and_says_its_sign():
    one, other = moving(9)
    assert "CORRELATION" not in kinds(found(visits(valence=one, arousal=other)))
    one, other = moving(10)
    together = of(found(visits(valence=one, arousal=other)), "CORRELATION", "valence-arousal")
    assert together.value > 0.9 and together.q <= 0.05 and "rise and fall together" in together.text
    one, other = moving(10, -1)
    against = of(found(visits(valence=one, arousal=other)), "CORRELATION", "valence-arousal")
    assert against.value < -0.9 and "is higher where" in against.text


def test_a_constant_column_correlates_with_nothing():
    one, _ = moving(12)
    assert "CORRELATION" not in kinds(found(visits(valence=one, arousal=[0.3] * 12)))


def test_correlation_stays_with_valence_arousal_and_dominance():
    one, other = moving(12)
    assert "CORRELATION" not in kinds(found(visits(valence=one, stress=other, heart_rate=[70 + 50 * x for x in one])))


def test_correlation_that_goes_on_is_one_row_and_lacking_one_side_leaves_it_open():
    one, other = moving(16)
    other[13] = None
    history = visits(valence=one, dominance=other)
    rows = [i for i in replay(history, "default") if i.kind == "CORRELATION"]
    assert len(rows) == 1 and rows[0].last_session == history[-1].session


# --- references


def test_a_set_reference_takes_the_place_of_the_history():
    history = visits(valence=CALM)
    assert found(history) == []
    reference = Reference(mean=0.2, sd=0.04, n=10, since=START)
    insights = found(history, references={"valence": reference})
    # the newest lies outside what the clinician called usual, though inside its own history
    anomaly, trend = of(insights, "ANOMALY"), of(insights, "TREND")
    assert anomaly.reference == trend.reference == pytest.approx(0.2)
    assert anomaly.n == 11 and "set baseline of 10 sessions" in anomaly.text
    low, _, high = own_range(reference, "valence")
    assert (anomaly.low, anomaly.high) == pytest.approx((low, high))


def test_a_set_reference_speaks_from_the_first_session_and_only_from_its_date_on():
    reference = Reference(mean=0.2, sd=0.04, n=10, since=START + timedelta(days=7))
    history = visits(valence=[0.5, 0.5])
    assert replay(history[:1], "default", references={"valence": reference}) == []
    assert [i.session for i in replay(history, "default", references={"valence": reference})] == [history[1].session]


def test_a_reference_of_rmssd_is_given_in_ms():
    reference = reference_of([30.0, 38.0, 33.0, 41.0, 29.0, 36.0], START)
    anomaly = of(found(visits(rmssd=[90.0]), references={"rmssd": reference}), "ANOMALY", "rmssd")
    assert anomaly.reference == pytest.approx(np.exp(np.log([30.0, 38.0, 33.0, 41.0, 29.0, 36.0]).mean()), rel=0.01)


def test_published_knows_no_set_reference():
    history = visits(every_days=1, valence=CALM)
    reference = {"valence": Reference(0.1, 0.02, 10, START)}
    assert replay(history, "published", references=reference) == replay(history, "published")


# --- histories


def test_default_looks_at_all_accepted_sessions_under_the_same_model():
    long_ago = visits(valence=CALM[:8])
    newest = replace(visits(valence=[0.85])[0], session="P-0001/S-09", started_at=START + timedelta(days=700))
    assert kinds(found([*long_ago, newest])) == ["PEAK"]
    assert found([*long_ago, replace(newest, model="other/2")]) == []


def test_markers_keep_their_history_when_the_model_changes():
    history = visits(heart_rate=[70, 73, 68, 71, 69, 72, 70, 71, 95])
    changed = [*history[:-1], replace(history[-1], model="other/2")]
    assert kinds(found(changed)) == ["PEAK"]


def test_calm_people_show_at_most_one_insight_in_twenty_sessions():
    for seed, markers in ((101, ()), (102, ("heart_rate", "rmssd", "alpha_asymmetry"))):
        rng = np.random.default_rng(seed)
        shown = [sum(i.kind != "STABILITY" for i in replay(course(rng, markers), "default")) for _ in range(200)]
        assert np.mean(shown) <= 0.8


@pytest.mark.parametrize("shifted", [("valence",), ("valence", "arousal", "dominance"), ("heart_rate",)])
def test_a_lasting_shift_of_three_sd_is_found_in_nine_of_ten(shifted):
    rng = np.random.default_rng(len(shifted))
    hits = 0
    for _ in range(200):
        history = course(rng, ("heart_rate", "rmssd", "alpha_asymmetry"), shifted)
        last_five = {v.session for v in history[-5:]}
        hits += any(
            i.measure == shifted[0] and i.kind in ("TREND", "ANOMALY", "PEAK") and i.session in last_five
            for i in replay(history, "default")
        )
    assert hits >= 185
