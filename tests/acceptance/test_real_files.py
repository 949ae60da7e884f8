"""Real recordings through the command line: each is analysed, typed and given its units, or refused with its reason."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.serving import affectline

# file or folder: (channel types it must have, with their unit and rate in Hz, duration in s)
READABLE = {
    "edf/openbci_v6_40s_converted.edf": ({"eeg": (8, "µV", 250)}, 40.0),
    "edf/mne_test_uneven_samp.edf": ({"misc": (2, None, None)}, 110.0),
    "edf_plus/mne_test.edf": ({"eeg": (136, "µV", 512), "misc": (3, None, 512)}, 6.0),
    "edf_plus/edfio_short_psg.edf": ({"eeg": (2, "µV", 100), "eog": (1, "µV", 100), "resp": (1, "au", 1)}, 300.0),
    "brainvision": ({"eeg": (None, "µV", 1000)}, 7.9),
    "eeglab/brainvision_test_converted.set": ({"eeg": (None, "µV", 1000)}, 7.9),
    "fif/brainvision_test_bin_raw.fif": ({"eeg": (None, "µV", 1000)}, 7.9),
    "empatica_e4/S05": ({"eda": (1, "µS", 4), "ppg": (1, "au", 64), "temp": (1, "°C", 4), "acc": (3, "g", 32)}, None),
    "empatica_e4/S12_session.zip": (
        {"eda": (1, "µS", 4), "ppg": (1, "au", 64), "temp": (1, "°C", 4), "acc": (3, "g", 32)},
        None,
    ),
    "heartpy_csv/data.csv": ({"misc": (1, "", None)}, None),
    "heartpy_csv/data2.csv": ({"misc": (1, "", 117)}, 128.2),
    "heartpy_csv/data3.csv": ({"misc": (1, "", 100)}, 681.9),
    "pyfeat_csv/001.csv": ({"misc": (None, None, 1)}, 20.0),
}
REFUSED = {
    "bdf/mne_test.bdf": "E-TOO-SHORT",
    "edf_plus/sleepedf_SC4001EC-Hypnogram.edf": "E-NO-SIGNAL",
    "openface_csv/OpenFace_Test.csv": "E-TOO-SHORT",
    "pyfeat_csv/clip_attrs.csv": "E-COLUMN",
}
# folders of formats whose files are all listed here
FOLDERS = (
    "bdf", "brainvision", "edf", "edf_plus", "eeglab", "empatica_e4", "fif", "heartpy_csv", "openface_csv",
)  # fmt: skip


def test_every_file_of_a_format_that_is_read_has_its_row_here(shared_data):
    listed = {shared_data / "formats" / name for name in (*READABLE, *REFUSED)}
    for folder in FOLDERS:
        for path in (shared_data / "formats" / folder).rglob("*"):
            assert path.is_dir() or {path, *path.parents} & listed, f"{path.name} is in no table"


@pytest.mark.parametrize("name", READABLE)
def test_a_real_recording_is_analysed_with_its_types_units_rates_and_duration(name, shared_data, tmp_path):
    path = shared_data / "formats" / name
    files = sorted(str(p) for p in path.iterdir()) if name == "brainvision" else [str(path)]
    done = affectline(tmp_path / "data", "analyse", *files, "--patient", "P-0001", "--json")
    assert done.returncode in (0, 4), done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == ("ok" if done.returncode == 0 else "abstained")
    channels = answer["quality"]["channels"]
    expected, duration_s = READABLE[name]
    counted = Counter(c["type"] for c in channels)
    for type_, (n, unit, sfreq) in expected.items():
        of_type = [c for c in channels if c["type"] == type_]
        assert of_type, f"no {type_} among {counted}"
        assert n is None or len(of_type) == n
        assert unit is None or {c["unit"] for c in of_type} == {unit}
        assert sfreq is None or {round(c["sfreq"]) for c in of_type} == {sfreq}
    if duration_s is not None:
        assert max(c["duration_s"] for c in channels) == pytest.approx(duration_s, abs=0.1)
    for value in [*answer["markers"].values(), *answer["predictions"].values()]:
        assert ("not_computed" in value) != ("value" in value or "p_high" in value)


@pytest.mark.parametrize("name", REFUSED)
def test_a_real_file_without_enough_signal_is_refused_as_such_and_nothing_is_stored(name, shared_data, tmp_path):
    path = shared_data / "formats" / name
    done = affectline(tmp_path / "data", "analyse", str(path), "--patient", "P-0001", "--json")
    assert done.returncode == 3, done.stdout + done.stderr
    refusal = json.loads(done.stdout)
    assert set(refusal) == {"code", "what", "where", "what_to_do"}
    assert refusal["code"] == REFUSED[name] and path.name in refusal["where"] and refusal["what_to_do"]
    assert affectline(tmp_path / "data", "history", "P-0001", "--json").returncode == 5


def test_the_pulse_of_a_real_wrist_recording_agrees_with_the_device(shared_data, tmp_path):
    folder = shared_data / "formats" / "empatica_e4" / "S05"
    done = affectline(tmp_path / "data", "analyse", str(folder), "--patient", "P-0001", "--json")
    pulse = json.loads(done.stdout)["markers"]["pulse_rate"]
    device = [float(line) for line in (folder / "HR.csv").read_text().split()[2:]]
    assert pulse["unit"] == "/min"
    assert pulse["value"] == pytest.approx(sum(device) / len(device), abs=6)
