"""Heart, muscles, eyes and the clock alone: named where the label follows them, beaten where it does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from core.errors import Refused
from core.evaluation import experiment, simulate
from core.evaluation.experiment import Spec
from core.evaluation.validity import confounds
from core.types import Annotation, Recording, Signal, Study, Trial

SPEC = Spec("features", "valence", "eeg", "logistic")
N, TRIALS = 10, 10


def study(effect=0.0):
    return simulate.feature_study(N, TRIALS, 3, effect=effect, seed=3, types=("eeg",), carriers=("eeg",))


def per_trial(data, values):
    keys = pd.DataFrame({"subject": data.subject, "trial": data.trial}).drop_duplicates()
    return pd.DataFrame({"value": values}, index=pd.MultiIndex.from_frame(keys))


def panel(data, *soles):
    return confounds.panel(data, SPEC, experiment.run(data, SPEC), soles)


def rate(data, by=0.0, lost=0):
    """Heart rates of people who differ by 15 /min, faster by ``by`` in trials of High."""
    rng = np.random.default_rng(5)
    high = data.high("valence")[np.unique(data.unit, return_index=True)[1]]
    values = np.repeat(rng.normal(70, 15, N), TRIALS) + rng.normal(0, 1, N * TRIALS) + by * high
    values[:lost] = np.nan
    return confounds.Sole("heart_rate", "mean heart rate of the ECG", per_trial(data, values))


def test_a_label_that_follows_time_in_session_is_named_and_the_pipeline_is_marked():
    data = study()
    late = data.unit % TRIALS >= TRIALS // 2
    data = replace(data, labels={"valence": np.where(late, 5.0, 1.0)})
    found = panel(data, rate(data), confounds.clock(data))
    assert found["best"] == "time" and "time" in found["not_beaten"]
    clock = found["predictors"][1]
    assert clock["balanced_accuracy"]["low"] > 0.9 and clock["difference"]["high"] < 0


def test_a_planted_effect_beats_each_of_them():
    data = study(effect=4.0)
    found = panel(data, rate(data), confounds.clock(data))
    assert found["not_beaten"] == [] and found["own"]["low"] > 0.9 and found["n_subjects"] == N
    assert all(row["beaten"] and row["difference"]["p"] < 0.01 for row in found["predictors"])


def test_a_heart_that_is_faster_in_high_trials_is_found_across_people_of_other_rates():
    data = study()
    found = panel(data, rate(data, by=6.0), confounds.clock(data))
    assert found["best"] == "heart_rate" and found["predictors"][0]["balanced_accuracy"]["low"] > 0.7


def test_at_chance_nothing_is_beaten():
    data = study()
    assert panel(data, rate(data), confounds.clock(data))["not_beaten"] == ["heart_rate", "time"]


def test_what_cannot_be_computed_says_why_and_is_neither_beaten_nor_not():
    data = study(effect=4.0)
    found = panel(data, rate(data, lost=60), confounds.Sole("eyes", "", None, "no signal"), confounds.clock(data))
    told = {row["name"]: row for row in found["predictors"]}
    assert told["heart_rate"]["reason"] == "40 of 100 trials have a value of it" and told["eyes"]["reason"]
    assert all(told[n]["beaten"] is None and told[n]["balanced_accuracy"] is None for n in ("heart_rate", "eyes"))
    assert (found["best"], found["not_beaten"]) == ("time", [])
    with pytest.raises(Refused, match="E-CONFOUNDS"):
        confounds.panel(data, replace(SPEC, split="trial"), [], [])


def test_the_order_of_trials_is_that_of_their_recordings_where_all_say_it():
    data = study()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    keys = list(per_trial(data, 0.0).index)
    at = {key: start - timedelta(minutes=i) for i, key in enumerate(keys)}
    del at[keys[-1]]
    order = confounds.clock(data, at).x.order
    assert order[keys[0][0]].tolist() == list(range(TRIALS))[::-1]
    assert order[keys[-1][0]].tolist() == list(range(TRIALS)), "one of this subject's does not say it"


def test_signals_are_preferred_and_an_eeg_stands_in_by_name():
    data = study()
    ecg = replace(data, columns={"ecg": ("ecg_mean_hr", "ecg_rmssd_ms")}, features=data.features.iloc[:, :2].set_axis(
        ["ecg_mean_hr", "ecg_rmssd_ms"], axis=1))  # fmt: skip

    def prepared(type_):
        if type_ == "emg":
            raise Refused("E-STUDY-EMPTY", "no trial is usable")
        return ecg

    whole = Study("s", "made", "none", (), {}, ("eeg", "ecg", "emg"), bands={"eeg": (4.0, 40.0)})
    heart, muscle, eyes = confounds.predictors(whole, prepared, ("eeg", "ecg", "emg"))
    assert list(heart.x.columns) == ["ecg_mean_hr"] and len(heart.x) == N * TRIALS
    assert muscle.x is None and "stand-in" in muscle.source and "30 to 40 Hz" in muscle.reason
    assert eyes.x is None and "4 to 8 Hz" in eyes.reason
    face = Study("s", "made", "none", (), {}, ("face",))
    assert {s.reason for s in confounds.predictors(face, prepared, ("face",))} == {
        "the study has no signal that tells of it"
    }


def recording(gain=1.0):
    t = np.arange(128 * 8) / 128
    tone = np.where(t < 4, 50.0, gain) * np.sin(2 * np.pi * 35 * t)
    noise = np.random.default_rng(0).normal(0, 0.1, (2, len(t)))
    signals = tuple(
        Signal(name, "eeg", "µV", 128.0, (x + tone * (name == "O1")).astype(np.float32), 0.0)
        for name, x in zip(("AF3", "O1"), noise, strict=True)
    )
    return Recording(signals=signals, annotations=(Annotation(0.0, 4.0, "baseline"),))


def test_the_power_of_a_band_is_that_of_its_channels_outside_the_baseline():
    quiet, loud = (confounds.band_power(recording(gain), (), (30.0, 45.0)) for gain in (1.0, 10.0))
    assert loud - quiet == pytest.approx(np.log(100) / 2, abs=0.05), "one of two channels, the baseline left out"
    frontal = [confounds.band_power(recording(gain), confounds.FRONTAL, (1.0, 8.0)) for gain in (1.0, 10.0)]
    assert frontal[0] == pytest.approx(frontal[1], abs=0.01)
    assert confounds.band_power(recording(), ("Cz",), (1.0, 8.0)) is None
    assert confounds.band_power(recording(), (), (56.0, 80.0)) is None, "not recorded at 128 Hz"


def test_a_stand_in_is_taken_from_the_recordings_of_each_trial(monkeypatch):
    trials = tuple(Trial("S1", f"T{i}", {}, {}, f"T{i}.npz") for i in (1, 3))
    monkeypatch.setattr("core.studies.folder.recording", lambda trial: recording(float(trial.trial[1])))
    found = confounds.predictors(Study("s", "made", "none", trials, {}, ("eeg",)), lambda type_: None, ("eeg",))
    muscle = next(s for s in found if s.name == "muscle")
    assert muscle.source == "EEG, mean over channels, 30-45 Hz, as a stand-in"
    assert np.diff(muscle.x["ln_power"])[0] == pytest.approx(np.log(9) / 2, abs=0.05)
    assert next(s for s in found if s.name == "eyes").source == "frontal EEG, 1-8 Hz, as a stand-in"
