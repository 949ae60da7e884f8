"""DEAP's original recordings are cut by the markers of their Status channel."""

import edfio
import numpy as np
import pandas as pd

from core.studies import deap_bdf, folder


def write(path, videos, seconds=200, sfreq=128, offset=0):
    status = np.full(seconds * sfreq, offset, dtype=float)
    for onset in videos:
        status[(onset - 5) * sfreq : (onset - 5) * sfreq + 10] = offset + 3
        status[onset * sfreq : onset * sfreq + 10] = offset + 4
    clock = np.arange(len(status)) / sfreq
    signals = [
        edfio.BdfSignal(clock, sfreq, label="Fp1", physical_dimension="uV", physical_range=(-1000, 1000)),
        edfio.BdfSignal(status, sfreq, label="Status", physical_dimension="Boolean",
                        physical_range=(-8388608, 8388607), digital_range=(-8388608, 8388607)),
    ]  # fmt: skip
    edfio.Bdf(signals).write(path)


def test_each_video_is_a_trial_with_the_fixation_before_it(tmp_path):
    (tmp_path / "data_original").mkdir()
    (tmp_path / "metadata_csv").mkdir()
    write(tmp_path / "data_original" / "s01.bdf", [20, 100])
    write(tmp_path / "data_original" / "s23.bdf", [30, 120], offset=256 * 6399)
    write(tmp_path / "data_original" / "s02.bdf", [30])
    pd.DataFrame({
        "Participant_id": [1, 1, 2, 2, 23, 23], "Trial": [2, 1, 1, 2, 1, 2], "Experiment_id": [5, 9, 1, 2, 3, 4],
        "Start_time": 0, "Valence": [2, 8, 5, 5, 5, 5], "Arousal": 5, "Dominance": 5, "Liking": 5,
        "Familiarity": 1,
    }).to_csv(tmp_path / "metadata_csv" / "participant_ratings.csv", index=False)  # fmt: skip
    study = folder.write(tmp_path / "out", "d", deap_bdf.source(tmp_path, {}))
    assert [(t.subject, t.trial, t.labels["valence"]) for t in study.trials] == [
        ("s01", "01", 8), ("s01", "02", 2), ("s23", "01", 5), ("s23", "02", 5),
    ]  # fmt: skip
    assert {(t.subject, t.code) for t in study.left_out} == {("s02", "E-MARKERS")}
    assert study.high["valence"] == ">="
    read = folder.recording(study.trials[1])
    assert [s.name for s in read.signals] == ["Fp1"]
    assert read.annotations[0].duration_s == 5
    assert abs(read.signals[0].data[0] - 95) < 0.01
    assert read.duration_s == 65
    assert study.trials[2].groups["site"] == "Geneva"
    assert any("GSR" in note for note in study.notes)
