"""S1-04, d4: what can be trusted, and why not."""

from dataclasses import replace

import numpy as np
import pytest

from core import simulate
from core.quality import assess
from core.settings import EPOC_14
from core.types import Grade, Pipeline, Recording, Signal
from tests.core.synthetic import brain, eeg_signals, heart, recording, regular_beats

PIPELINE = Pipeline()
RNG = np.random.default_rng(11)


def judge(*signals: Signal):
    return assess(Recording(tuple(signals)), PIPELINE)


def eeg(duration_s=60.0, **changes):
    """Quality of a clean EEG in which some channels are changed by a function of (x, t)."""
    channels = brain(duration_s)
    for name, change in changes.items():
        x = channels[name]
        channels[name] = change(x.copy(), np.arange(len(x)) / 128)
    return judge(*eeg_signals(channels))


def flags(quality, name):
    return next(s for s in quality.signals if s.name == name).flags


def set_to(value, *spans):
    def change(x, t):
        for low, high in spans:
            x[(t >= low) & (t < high)] = value
        return x

    return change


def ecg(x, sfreq=256.0):
    return judge(Signal("ECG", "ecg", "mV", sfreq, x))


def lead(duration_s=60.0, noise=0.01, **kwargs):
    x = heart(regular_beats(duration_s, jitter_ms=30, **kwargs), duration_s)
    return x + np.random.default_rng(0).normal(0, noise, len(x))


# --- EEG


def test_s1_04_a_clean_recording_is_good_without_a_reason():
    quality = assess(recording(60), PIPELINE)
    assert [(t.type, t.grade, t.usable_share, t.reasons) for t in quality.types] == [
        ("eeg", Grade.GOOD, 1.0, ()), ("ecg", Grade.GOOD, 1.0, ()),
    ]  # fmt: skip
    assert all(not s.flags and not s.bad and not s.spans for s in quality.signals)
    assert len(quality.onset_s) == 29


def test_d4_five_seconds_exactly_have_one_window():
    quality = assess(recording(5), PIPELINE)
    assert len(quality.onset_s) == 1
    assert quality.grade() is Grade.GOOD


def test_d4_an_offset_of_4200_is_not_an_amplitude():
    assert judge(*eeg_signals(brain(60, offset=4200))).of("eeg").grade is Grade.GOOD


def test_d4_one_missing_sample_costs_nothing():
    quality = eeg(F3=set_to(np.nan, (30, 30.005)))
    assert quality.of("eeg").usable.all()
    assert flags(quality, "F3") == ()


def test_a_longer_gap_marks_its_windows_and_no_others():
    quality = eeg(F3=set_to(np.nan, (30, 31)))
    assert flags(quality, "F3") == ("gap",)
    off = quality.onset_s[~quality.of("eeg").usable]
    assert off.tolist() == [28.0, 30.0]
    span = next(s for s in quality.signals if s.name == "F3").spans
    assert [(s.onset_s, s.duration_s, s.reason) for s in span] == [(28.0, 6.0, "gap")]


def test_d4_all_zero_is_poor_and_says_flat():
    quality = judge(*eeg_signals(dict.fromkeys(EPOC_14, np.zeros(7680))))
    verdict = quality.of("eeg")
    assert verdict.grade is Grade.POOR
    assert not verdict.usable.any()
    assert any("flat" in r for r in verdict.reasons)


@pytest.mark.parametrize("n,grade", [(1, Grade.GOOD), (2, Grade.DEGRADED), (4, Grade.DEGRADED), (5, Grade.POOR)])
def test_s1_04_left_out_channels_lower_the_grade(n, grade):
    quality = eeg(**{name: set_to(0.0, (0, 60)) for name in EPOC_14[:n]})
    assert quality.bad_names("eeg") == set(EPOC_14[:n])
    assert quality.of("eeg").grade is grade
    assert quality.of("eeg").usable.all()  # judged on the channels left


@pytest.mark.parametrize(
    "until,grade", [(10, Grade.GOOD), (20, Grade.DEGRADED), (28, Grade.DEGRADED), (40, Grade.POOR)]
)
def test_s1_04_the_share_of_valid_windows_is_the_grade(until, grade):
    def shake(x, t):
        return x + np.where(t < until, 400 * np.sin(2 * np.pi * 1.3 * t), 0)

    quality = eeg(**dict.fromkeys(EPOC_14[:6], shake))
    assert quality.of("eeg").grade is grade
    assert not quality.bad_names("eeg")


def test_other_flags_on_four_channels_are_borne_and_on_five_not():
    def blink(x, t):
        return x + 600 * np.exp(-0.5 * ((t - 31) / 0.2) ** 2)

    assert eeg(**dict.fromkeys(EPOC_14[:4], blink)).of("eeg").usable.all()
    quality = eeg(**dict.fromkeys(EPOC_14[:5], blink))
    assert not quality.of("eeg").usable.all()
    assert "amplitude" in flags(quality, EPOC_14[0])


@pytest.mark.parametrize("n,borne", [(32, 10), (7, 2), (4, 2)])
def test_counts_for_14_channels_are_shares_rounded_up(n, borne):
    t = np.arange(128 * 20) / 128
    loud = 300 * np.sin(2 * np.pi * 2 * t)
    for extra, good in ((0, True), (1, False)):
        channels = brain(20, names=[f"x{i}" for i in range(n)])
        for i in range(borne + extra):
            channels[f"x{i}"] = channels[f"x{i}"] + loud
        assert judge(*eeg_signals(channels)).of("eeg").usable.all() == good


def test_each_rule_finds_its_fault():
    muscle = np.random.default_rng(5).normal(0, 1, 7680)
    spectrum = np.fft.rfft(muscle)
    spectrum[np.fft.rfftfreq(7680, 1 / 128) < 30] = 0
    muscle = np.fft.irfft(spectrum) * 60
    quality = eeg(
        F3=lambda x, t: x + 60 * np.sin(2 * np.pi * 50 * t),
        F4=lambda x, t: x + muscle,
        T7=lambda x, t: np.clip(x, -9, 9),
        T8=set_to(3.25, (10, 10.6)),
        O1=lambda x, t: x + 90 * np.sign(np.sin(2 * np.pi * 9 * t)) * (t > 50),
    )
    assert "line" in flags(quality, "F3")
    assert "muscle" in flags(quality, "F4")
    assert "rail" in flags(quality, "T7")
    assert "flat" in flags(quality, "T8")
    assert "jump" in flags(quality, "O1")


def test_mains_at_60_hz_is_seen_where_the_site_has_60():
    channels = brain(20, 256.0)
    channels["F3"] = channels["F3"] + 80 * np.sin(2 * np.pi * 60 * np.arange(5120) / 256)
    made = Recording(eeg_signals(channels, 256.0))
    assert "line" in flags(assess(made, Pipeline(line_hz=60.0)), "F3")
    assert "line" not in flags(assess(made, PIPELINE), "F3")


def test_a_channel_unrelated_to_its_neighbours_is_lonely():
    quality = eeg(P7=lambda x, t: RNG.normal(0, 15, len(x)))
    assert "lonely" in flags(quality, "P7")
    assert quality.bad_names("eeg") == {"P7"}
    assert any("P7 is not related to its neighbours" in r for r in quality.of("eeg").reasons)


def test_two_channels_are_never_called_lonely():
    noise = {name: RNG.normal(0, 15, 2560) for name in ("F3", "F4")}
    assert not judge(*eeg_signals(noise)).bad_names("eeg")


def test_d4_fourteen_identical_channels_are_not_fourteen_measurements():
    x = brain(30)["F3"]
    verdict = judge(*eeg_signals(dict.fromkeys(EPOC_14, x))).of("eeg")
    assert verdict.grade is Grade.POOR
    assert any("copy" in r for r in verdict.reasons)


def test_d4_volts_in_place_of_microvolts_are_asked_about():
    quality = judge(*eeg_signals({k: v * 1e-6 for k, v in brain(30).items()}))
    assert quality.of("eeg").grade is Grade.POOR
    assert any("in volts?" in r for r in quality.of("eeg").reasons)


def test_more_than_a_fifth_missing_leaves_a_channel_out():
    assert eeg(O2=set_to(np.nan, (0, 11))).bad_names("eeg") == frozenset()
    quality = eeg(O2=set_to(np.nan, (0, 13)))
    assert quality.bad_names("eeg") == {"O2"}
    assert "missing" in flags(quality, "O2")


# --- ECG


def test_d4_an_inverted_ecg_is_as_good():
    assert ecg(-lead()).of("ecg").grade is Grade.GOOD


@pytest.mark.parametrize(("rate", "grade"), [(180, Grade.GOOD), (190, Grade.GOOD), (210, Grade.POOR)])
def test_a_fast_steady_heart_is_good_until_its_intervals_are_shorter_than_d2_takes(rate, grade):
    made = simulate.recording(seed=1, duration_s=20, inputs="ecg", heart_rate=rate, rmssd=5)
    assert assess(made, Pipeline()).of("ecg").grade is grade


def test_pace_like_spikes_neither_raise_nor_hide_the_heart():
    beat_s = regular_beats(60)
    x = lead()
    at = np.rint((beat_s - 0.04) * 256).astype(int)
    x[at] += 3.0
    quality = ecg(x)
    assert quality.of("ecg").grade in (Grade.GOOD, Grade.DEGRADED)


@pytest.mark.parametrize("x", [np.zeros(15360), RNG.normal(0, 0.5, 15360), np.full(15360, np.nan)])
def test_an_ecg_without_a_heart_is_poor(x):
    verdict = ecg(x).of("ecg")
    assert verdict.grade is Grade.POOR
    assert not verdict.usable.any()
    assert verdict.reasons


def test_a_noisy_ecg_is_marginal_or_worse_and_says_why():
    verdict = ecg(lead(noise=0.35)).of("ecg")
    assert verdict.grade is not Grade.GOOD
    assert verdict.reasons


def test_the_second_lead_stands_in_for_a_dead_first_one():
    x = lead()
    quality = judge(Signal("I", "ecg", "mV", 256.0, 0 * x), Signal("II", "ecg", "mV", 256.0, x))
    assert quality.bad_names("ecg") == {"I"}
    assert quality.of("ecg").grade is Grade.GOOD


def test_microvolts_in_place_of_millivolts_are_asked_about():
    verdict = ecg(1000 * lead()).of("ecg")
    assert verdict.grade is Grade.DEGRADED
    assert any("µV" in r for r in verdict.reasons)


def test_d4_an_ecg_is_graded_by_its_rule_and_not_by_its_share():
    x = lead()
    x[25 * 256 : 35 * 256] = np.nan
    verdict = ecg(x).of("ecg")
    assert 0.5 < verdict.usable_share < 0.8
    assert verdict.grade is Grade.GOOD
    x[10 * 256 : 45 * 256] = np.nan
    assert ecg(x).of("ecg").grade is Grade.POOR


def test_windows_over_a_loose_lead_are_not_usable():
    x = lead()
    x[20 * 256 : 30 * 256] = RNG.normal(0, 0.01, 2560)
    usable = ecg(x).of("ecg").usable
    assert not usable[10:13].any()
    assert usable[:8].all() and usable[17:].all()


# --- the other types


def other(type_, sfreq, x, unit="au"):
    return judge(Signal("s", type_, unit, sfreq, np.asarray(x, dtype=float))).of(type_)


def test_eda_below_its_lowest_level_is_no_contact():
    t = np.arange(240) / 4
    good = 2 + 0.3 * np.sin(t / 5) + RNG.normal(0, 0.005, 240)
    assert other("eda", 4.0, good).grade is Grade.GOOD
    assert other("eda", 4.0, good * 0.01).grade is Grade.POOR
    assert other("eda", 4.0, np.where(t > 20, 0.001, good)).grade is Grade.POOR
    jumpy = good + np.cumsum(RNG.random(240) < 0.03)
    assert other("eda", 4.0, jumpy).usable_share < 1


def test_a_ppg_needs_pulses():
    t = np.arange(64 * 60) / 64
    pulse = np.maximum(np.sin(2 * np.pi * 1.2 * t), -0.3)
    assert other("ppg", 64.0, 80 * pulse).grade is Grade.GOOD
    assert other("ppg", 64.0, 0 * t).grade is Grade.POOR


def test_temperature_must_be_that_of_skin_or_room():
    assert other("temp", 4.0, np.full(240, 33.0)).grade is Grade.GOOD
    assert other("temp", 4.0, np.full(240, 91.4)).grade is Grade.POOR


def test_acceleration_at_rest_is_no_fault():
    assert other("acc", 32.0, np.ones(32 * 60)).grade is Grade.GOOD
    assert other("acc", 32.0, 64 * np.ones(32 * 60)).grade is Grade.POOR
    assert other("acc", 32.0, np.zeros(32 * 60)).grade is Grade.POOR


@pytest.mark.parametrize("type_", ["eeg", "ecg", "eda", "ppg", "resp", "temp", "acc", "emg", "eog", "face"])
@pytest.mark.parametrize(
    "sfreq,n", [(1.0, 300), (1.0, 3), (0.5, 20), (128.0, 0), (128.0, 1), (19.87, 200), (2048.0, 2048)]
)
def test_slow_and_short_signals_of_any_type_never_raise(type_, sfreq, n):
    rng = np.random.default_rng(0)
    for x in (rng.normal(size=n), np.zeros(n), np.full(n, np.nan), np.full(n, np.inf)):
        quality = judge(Signal("s", type_, "", sfreq, x))
        assert quality.of(type_).usable.shape == quality.onset_s.shape
        assert 0 <= quality.signals[0].usable_share <= 1


def test_each_type_is_graded_by_itself_and_the_recording_by_what_the_model_needs():
    made = recording(60)
    dead = replace(made, signals=tuple(replace(s, data=0 * s.data) if s.type == "ecg" else s for s in made.signals))
    quality = assess(dead, PIPELINE)
    assert quality.grade(("eeg",)) is Grade.GOOD
    assert quality.grade(("eeg", "ecg")) is Grade.POOR
    assert quality.grade() is Grade.GOOD


def test_misc_signals_are_listed_and_graded_nowhere():
    made = recording(20)
    quality = assess(replace(made, signals=(*made.signals, Signal("x", "misc", "", 5.0, np.arange(100.0)))), PIPELINE)
    assert quality.signals[-1].name == "x"
    assert quality.of("misc") is None


def test_the_verdict_is_the_same_twice():
    made = recording(20)
    assert repr(assess(made, PIPELINE)) == repr(assess(made, PIPELINE))


def test_hum_that_the_filters_take_out_is_called_line_and_neither_amplitude_nor_jump():
    hum = 150 * np.sin(2 * np.pi * 50 * np.arange(250 * 20) / 250)
    channels = brain(20, 250.0)
    channels["F3"] = channels["F3"] + hum
    found = next(s for s in judge(*eeg_signals(channels, 250.0)).signals if s.name == "F3")
    assert not found.bad
    # the notch rings at the very end
    assert {s.reason for s in found.spans if s.onset_s < 14} == {"line"}


# --- rules of the other types


def judged(type_: str, sfreq: float, x, name: str = "s"):
    quality = judge(Signal(name, type_, "", sfreq, np.asarray(x, dtype=float)))
    return quality, quality.of(type_), quality.signals[0].flags


def test_a_fast_response_of_the_skin_is_no_contact_jump_and_a_step_is():
    t = np.arange(0, 120, 0.25)
    response = 2 + sum(np.where(t >= at, np.exp(-(t - at) / 2), 0) for at in (20, 50, 80))
    assert "jump" not in judged("eda", 4.0, response)[2]
    for step in (np.where(t > 60, 3.0, 2.0), np.where(t > 60, 2.0, 3.0), np.where((t > 60) & (t < 61), 0.5, 2.0)):
        noisy = step + np.random.default_rng(0).normal(0, 0.005, len(t))
        assert "jump" in judged("eda", 4.0, noisy)[2]


def test_a_skin_that_hardly_changes_is_said_to_and_stays_usable():
    rng = np.random.default_rng(0)
    _, verdict, flags = judged("eda", 4.0, 1.5 + rng.normal(0, 0.003, 4 * 180))
    assert flags == ("silent",)
    assert verdict.grade is Grade.GOOD
    assert judged("eda", 4.0, 150 + rng.normal(0, 1, 4 * 180))[1].grade is Grade.POOR


def test_a_breath_that_stops_costs_its_windows():
    t = np.arange(0, 180, 0.04)
    x = np.where((t > 60) & (t < 110), 0.0, np.sin(2 * np.pi * 0.25 * t)) + np.random.default_rng(0).normal(
        0, 0.005, len(t)
    )
    quality, verdict, flags = judged("resp", 25.0, x)
    assert "no_breaths" in flags
    at = quality.onset_s
    assert not verdict.usable[(at > 66) & (at < 100)].any()
    assert verdict.usable[at < 50].all()


def test_a_sensor_that_warms_up_costs_its_first_minutes_and_no_more():
    t = np.arange(0, 600, 0.25)
    x = 33 - 3 * np.exp(-t / 60) + np.random.default_rng(0).normal(0, 0.01, len(t))
    quality, verdict, flags = judged("temp", 4.0, x)
    assert flags == ("warm_up",)
    lost = quality.onset_s[~verdict.usable]
    assert lost[0] == 0
    assert 60 < lost[-1] < 240
    assert judged("temp", 4.0, 33 + 0.05 * np.sin(t / 100))[2] == ()
    assert judged("temp", 4.0, np.full(480, 15.0))[1].grade is Grade.POOR


def test_a_face_that_is_lost_for_a_moment_costs_that_moment():
    x = np.random.default_rng(0).uniform(0, 2, 30 * 60)
    brief, long = x.copy(), x.copy()
    brief[300:306] = np.nan
    long[300:600] = np.nan
    assert judged("face", 30.0, brief, "AU12_r")[2] == ()
    quality, verdict, flags = judged("face", 30.0, long, "AU12_r")
    assert flags == ("lost",)
    assert not verdict.usable[(quality.onset_s >= 10) & (quality.onset_s <= 16)].any()
    assert verdict.usable[quality.onset_s > 20].all()
    x[: 30 * 18] = np.nan  # 30 % of the frames: the others stay
    assert not judged("face", 30.0, x, "AU12_r")[0].signals[0].bad
    x[: 30 * 35] = np.nan
    assert judged("face", 30.0, x, "AU12_r")[0].signals[0].bad


@pytest.mark.parametrize("type_", ["emg", "eog"])
def test_hum_volts_and_too_large_a_swing_are_seen_in_muscles_and_eyes(type_):
    rng = np.random.default_rng(0)
    t = np.arange(512 * 20) / 512
    clean = rng.normal(0, 20, len(t))
    assert judged(type_, 512.0, clean)[2] == ()
    assert "line" in judged(type_, 512.0, clean + 100 * np.sin(2 * np.pi * 50 * t))[2]
    assert "volts" in judged(type_, 512.0, clean * 1e-6)[2]
    assert "amplitude" in judged(type_, 512.0, clean * 2000)[2]


def test_intervals_that_no_heart_keeps_cost_their_windows():
    x = np.full(240, 800.0)
    x[120:] = 4000.0
    assert judged("rr", 4.0, x)[2] == ("intervals",)


def test_every_flag_has_words_in_reasons_and_on_screen():
    from app.ui import wording
    from core.quality import WORDS

    assert set(WORDS) == set(wording.FLAGS)
