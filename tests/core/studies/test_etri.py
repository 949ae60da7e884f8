"""A table of 180 x 100: 12 columns of metadata and 22 parameters x 4 statistics come in as ready features."""

import re

import numpy as np
import pandas as pd
import pytest

from core.errors import Refused
from core.features import ecg
from core.studies import etri, folder
from tests.conftest import ROOT

CLASSES = list(etri.QUADRANTS)


def table():
    rng = np.random.default_rng(0)
    n = 180
    subject = np.repeat(np.arange(45), 4)
    meta = pd.DataFrame({
        "participant_id": [f"P{i + 1:02d}" for i in subject], "trial": np.tile(np.arange(1, 5), 45), "age": 24,
        "sex": "f", "intended_quadrant": CLASSES * 45,
        "self_valence": rng.integers(1, 8, n), "self_arousal": rng.integers(1, 8, n), "EI_score": 80 + subject,
        "EI_group": np.where(subject > 22, "high", "low"), "video_name": "clip", "duration_s": 60, "site": "A",
    })  # fmt: skip
    names = [f"{p}_{s}" for p in etri.PARAMETERS for s in etri.STATISTICS]
    return pd.concat([meta, pd.DataFrame(rng.normal(size=(n, 88)), columns=names)], axis=1)


def test_the_table_round_trips_with_both_kinds_of_label_and_the_ei(tmp_path):
    made = table()
    assert made.shape == (180, 100)
    made.loc[3, "LF_mean"] = np.nan
    path = tmp_path / "etri.csv"
    made.to_csv(path, index=False)
    study = folder.write(tmp_path / "out", "etri", etri.source(path, {}))
    assert (len(study.trials), len({t.subject for t in study.trials}), study.left_out) == (180, 45, ())
    assert study.targets == {
        "arousal_intended": (0, 1, 0.5), "valence_intended": (0, 1, 0.5), "valence": (1, 7, 4), "arousal": (1, 7, 4),
    }  # fmt: skip
    first = study.trials[1]
    assert (first.labels["arousal_intended"], first.labels["valence_intended"]) == (1, 0)  # HALV
    assert first.labels["valence"] == made.self_valence[1]
    assert (first.groups["ei_score"], first.groups["ei_group"]) == ("80", "low")
    assert len(first.features) == 88
    assert not any("ei" in name.lower().split("_") for name in first.features)
    assert first.features["ecg_LF/HF_MSSD"] == made["LF/HF_MSSD"][1]
    assert len(study.trials[3].features) == 87
    with pytest.raises(Refused, match="E-NO-RECORDING"):
        folder.recording(first)


def test_s5_03_every_parameter_is_computed_from_an_ecg_or_says_why_it_is_import_only(tmp_path):
    assert sorted([*etri.COMPUTED, *etri.IMPORT_ONLY]) == sorted(etri.PARAMETERS)
    assert set(etri.COMPUTED.values()) <= set(ecg.names())
    table().to_csv(tmp_path / "etri.csv", index=False)
    said = etri.source(tmp_path / "etri.csv", {}).notes[-1]
    assert "too: BPM, SDNN, rMSSD, LF, HF, LF/HF. Import only: VLF, " in said
    rows = dict(re.findall(r"^\| ([\w/, ]+) \| (.+) \|$", (ROOT / "docs" / "studies.md").read_text(), re.MULTILINE))
    documented = {}
    for names, words in rows.items():
        parameters = names.split(", ")
        columns = re.findall("`(.+?)`", words) or [words.removeprefix("import only: needs ")] * len(parameters)
        documented |= dict(zip(parameters, columns, strict=False))
    assert {name: documented.get(name) for name in etri.PARAMETERS} == etri.COMPUTED | etri.IMPORT_ONLY


def test_another_shape_and_names_of_people_are_refused(tmp_path):
    path = tmp_path / "etri.csv"
    table().iloc[:, :99].to_csv(path, index=False)
    with pytest.raises(Refused, match=r"99 columns; expected 12 of metadata and 88"):
        etri.source(path, {})
    table().rename(columns={"site": "name"}).to_csv(path, index=False)
    with pytest.raises(Refused, match="E-PRIVATE"):
        etri.source(path, {})
    assert etri.source(path, {"name": "drop"}).n_trials == 180
