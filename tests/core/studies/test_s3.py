"""Band powers, face and events are aligned by unix time for each participant; what is missing is not filled in."""

import numpy as np
import pandas as pd
import pytest

from core.errors import Refused
from core.readers import tiva
from core.studies import folder, s3
from core.types import Recording, Signal

START = 1_700_000_000.0
ELECTRODES = [f"{b.title()}_{e}" for b in tiva.BANDS for e in tiva.ELECTRODES]


@pytest.fixture
def tables(tmp_path):
    """Participants 1 (10 Hz, s) and 2 (8 Hz, ms), interleaved in one table of bands; a file each of the face."""
    rng = np.random.default_rng(0)
    parts = []
    for person, hz, unit in ((1, 10, 1), (2, 8, 1000)):
        t = START + np.arange(0, 60, 1 / hz)
        part = pd.DataFrame({"participant": person, "UnixTime": t * unit})
        for name in ELECTRODES:
            part[name] = rng.normal(0.5, 0.3, len(t))
        part["_t"] = t
        parts.append(part)
    bands = pd.concat(parts).sort_values("_t").drop(columns="_t").reset_index(drop=True)
    bands.loc[(bands.participant == 1) & (bands.index < 40), "Alpha_AF7"] = -999
    bands.to_csv(tmp_path / "EEG.csv", index=False)
    for person in (1, 2):
        t = START + np.arange(0, 60, 1 / 30)
        face = pd.DataFrame({"Timestamp": t * 1000, "Joy": np.where(np.arange(len(t)) % 4 == 0, 60.0, 2.0),
                             "Anger": 0.0, "Fear": -1.0, "Smile": 9999.0, "ET_PupilLeft": 3.0})  # fmt: skip
        face.loc[3, "ET_PupilLeft"] = 8.5
        face.to_csv(tmp_path / f"{person}_TIVA.csv", index=False)
    pd.DataFrame({
        "participant": [1, 1, 1, 2, 2], "trial": ["a", "b", "c", "a", "b"],
        "routineStart": [START, START + 20, START + 500, START * 1000, (START + 50) * 1000],
        "routineEnd": [START + 10, START + 30, START + 510, (START + 10) * 1000, (START + 70) * 1000],
        "label_correct": [1, 0, 1, 0, 1],
    }).to_csv(tmp_path / "PSY.csv", index=False)  # fmt: skip
    return tmp_path, bands


def test_trials_are_cut_by_unix_time_with_rate_coverage_and_aggregates_of_each_participant(tables):
    place, bands = tables
    study = folder.write(place / "out", "s3", s3.source(place, {}))
    assert [(t.subject, t.trial) for t in study.trials] == [("P01", "a"), ("P01", "b"), ("P02", "a"), ("P02", "b")]
    assert [(t.subject, t.trial, t.code) for t in study.left_out] == [("P01", "c", "E-NO-SAMPLES")]
    assert "coverage 0" in study.left_out[0].text
    assert study.targets == {"correct": (0, 1, 0.5)}
    assert [t.labels["correct"] for t in study.trials] == [1, 0, 0, 1]
    one, two = folder.recording(study.trials[1]), folder.recording(study.trials[2])
    rate = {s.name: s.sfreq for s in (*two.signals,)}
    assert abs(next(s.sfreq for s in one.signals if s.name == "alpha_AF8") - 10) < 1e-3  # not a mixture of the two
    assert abs(rate["alpha_AF8"] - 8) < 1e-3
    assert abs(rate["Joy"] - 30) < 1e-3
    mine = bands[(bands.participant == 1) & (bands.UnixTime.between(START + 20, START + 30))]
    found = study.trials[1].features
    assert found["eeg_beta_AF7_mean"] == pytest.approx(mine.Beta_AF7.mean(), abs=0.02)
    assert found["eeg_beta_AF7_sd"] == pytest.approx(mine.Beta_AF7.std(), abs=0.02)
    # the powers are logarithms: a difference only
    asymmetry = found["eeg_alpha_AF8_mean"] - found["eeg_alpha_AF7_mean"]
    assert found["eeg_alpha_asymmetry"] == pytest.approx(asymmetry)
    power = {b: np.mean([np.mean(10 ** mine[f"{b}_{e}"]) for e in ("AF7", "AF8")]) for b in ("Theta", "Alpha", "Beta")}
    assert found["eeg_engagement"] == pytest.approx(power["Beta"] / (power["Alpha"] + power["Theta"]), rel=0.02)
    assert found["face_Joy_occurrence"] == pytest.approx(0.25, abs=0.01)
    assert (found["face_Joy_max"], found["face_Anger_occurrence"]) == (60, 0)
    assert [round(t.coverage, 1) for t in study.trials] == [1.0, 1.0, 1.0, 0.5]


def test_words_for_no_value_are_missing(tables):
    place, _ = tables
    study = folder.write(place / "out", "s3", s3.source(place, {}))
    first = folder.recording(study.trials[0])
    by = {s.name: s.data for s in first.signals}
    assert np.isnan(by["alpha_AF7"]).any() and np.nanmin(by["alpha_AF7"]) > -5
    assert "Fear" not in by and "Smile" not in by
    assert np.isnan(by["ET_PupilLeft"][3]) and by["ET_PupilLeft"][4] == 3
    assert not any(k.startswith(("face_Fear", "face_Smile")) for k in study.trials[0].features)


def test_a_name_in_any_of_the_tables_blocks(tables):
    place, _ = tables
    table = pd.read_csv(place / "1_TIVA.csv")
    table.assign(Respondent_Name="Ann").to_csv(place / "1_TIVA.csv", index=False)
    with pytest.raises(Refused, match="E-PRIVATE"):
        s3.source(place, {})
    assert s3.source(place, {"Respondent_Name": "drop"}).n_trials == 5


def test_powers_that_are_no_logarithms_are_compared_by_theirs():
    rows = {"alpha_AF7": 2.0, "alpha_AF8": 3.0, "beta_AF7": 1.0, "theta_AF7": 4.0}
    made = Recording(tuple(Signal(n, "misc", "", 10.0, np.full(100, x)) for n, x in rows.items()))
    found = s3.features(made)
    assert found["eeg_alpha_asymmetry"] == pytest.approx(np.log(3 / 2))
    assert found["eeg_engagement"] == pytest.approx(1 / (2.5 + 4))
