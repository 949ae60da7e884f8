"""The three open studies beside the project come in with the counts their description gives."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from core.studies import STUDIES, folder


@pytest.mark.parametrize(
    ("kind", "place", "subjects", "trials", "high", "licence"),
    [
        ("freihaut", "freihaut_stress_sam", 42, 319, {"valence": 183, "arousal": 167, "stress": 159}, "GPL-3.0"),
        ("stress-predict", "stress_predict", 27, 189, {"stress": 81}, "MIT"),
        ("quiroz", "quiroz_walking_emotion", 35, 105, {"valence_intended": 35}, "MIT"),
    ],
)
def test_a_labelled_study_has_its_subjects_trials_and_classes(
    shared_data, tmp_path, kind, place, subjects, trials, high, licence
):
    study = folder.write(tmp_path, kind, STUDIES[kind](shared_data / "labelled" / place, {}))
    assert (len({t.subject for t in study.trials}), len(study.trials), study.left_out) == (subjects, trials, ())
    assert {t: sum(study.is_high(t, x.labels[t]) for x in study.trials) for t in study.targets} == high
    assert study.licence == licence
    text = (tmp_path / kind / folder.LICENCE).read_text(encoding="utf-8")
    assert ("GNU GENERAL PUBLIC LICENSE" if licence == "GPL-3.0" else "MIT License") in text
    check = {"freihaut": _freihaut, "stress-predict": _stress_predict, "quiroz": _quiroz}[kind]
    check(study, shared_data / "labelled" / place)


def _freihaut(study, place):
    assert Counter(t.labels["valence"] for t in study.trials) == {0: 4, 1: 30, 2: 102, 3: 135, 4: 48}
    assert Counter(t.labels["arousal"] for t in study.trials) == {0: 51, 1: 101, 2: 116, 3: 45, 4: 6}
    assert any("no model that ships" in note for note in study.notes)
    assert Counter(t.groups["boundary"] for t in study.trials) == {"HR+EDA": 304, "EDA+block": 15}
    table = pd.read_csv(place / "trials.csv")
    # the published mean of the resistance is of a smoothed trace, so the raw one lies near it
    ratio = [
        t.features["skin_resistance_mean"] / m
        for t, m in zip(study.trials, table.published_mean_resistance, strict=True)
    ]
    assert abs(np.median(ratio) - 1) < 0.001
    assert study.inputs == ()


def _stress_predict(study, place):
    assert study.inputs == ("eda", "ppg", "temp", "acc")
    first = study.trials[1]
    assert (first.subject, first.trial, first.groups["task"]) == ("S02", "1", "stroop")
    read = folder.recording(first)
    eda = pd.read_parquet(place / "signals" / "S02" / "EDA.parquet").eda_uS.to_numpy()
    # segment 1 begins at 1644228196, the device at 1644227574: 622 s at 4 Hz
    assert np.allclose(read.of_type("eda")[0].data, eda[622 * 4 : (622 + 376) * 4], atol=1e-6)
    assert np.allclose(np.sqrt(sum(np.median(s.data) ** 2 for s in read.of_type("acc"))), 1.0, atol=0.1)


def _quiroz(study, place):
    assert study.inputs == ("acc",)
    trial = next(t for t in study.trials if (t.subject, t.trial) == ("EW2", "2"))
    read = folder.recording(trial)
    raw = pd.read_parquet(place / "signals" / "EW2.parquet")
    happy = raw[raw.emotion == 1]
    assert np.allclose(read.of_type("acc")[0].data, happy.acc_x / 9.80665, atol=1e-6)
    assert read.signals[0].sfreq == 24.979
