"""The two real BIDS studies come in by their own sidecars, with simulated signals at the paths of theirs."""

import gzip
import json
import shutil
from datetime import datetime

import edfio
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from core.errors import Refused
from core.studies import bids, folder

DENS_NAMES = ("E1", "E2", "ECG")


def write_set(path, seconds, sfreq=250):
    """An EEGLAB dataset with its samples in a .fdt; channel 1 counts the time in s."""
    n = round(seconds * sfreq)
    rng = np.random.default_rng(0)
    x = np.vstack([np.arange(n) / sfreq, rng.standard_normal((2, n))]).astype("<f4")
    fdt = path.with_suffix(".fdt")
    x.T.tofile(fdt)
    locations = np.array([(name, "EEG" if name[0] == "E" and name != "ECG" else "ECG") for name in DENS_NAMES],
                         dtype=[("labels", object), ("type", object)])  # fmt: skip
    savemat(path, {"EEG": {
        "data": fdt.name, "nbchan": 3.0, "pnts": float(n), "trials": 1.0, "srate": float(sfreq), "xmin": 0.0,
        "chanlocs": locations,
    }})  # fmt: skip


def copied(shared_data, tmp_path, study, subjects):
    root, out = shared_data / "bids" / study, tmp_path / study
    out.mkdir()
    for path in root.iterdir():
        if path.is_file() or path.name in subjects:
            (shutil.copytree if path.is_dir() else shutil.copy)(path, out / path.name)
    for path in (out, *out.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return out


@pytest.fixture
def dens(shared_data, tmp_path):
    subjects = ("sub-mit003", "sub-mit007", "sub-mit074", "sub-mit004", "sub-mit014", "sub-mit017")
    out = copied(shared_data, tmp_path, "ds003751", subjects)
    for subject, seconds in (("sub-mit003", 2600), ("sub-mit007", 400)):
        write_set(out / subject / "eeg" / f"{subject}_task-Emotion_eeg.set", seconds)
    # what is there when nothing was downloaded: a link into nowhere, a pointer, a .set whose .fdt is a pointer
    place = out / "sub-mit004" / "eeg" / "sub-mit004_task-Emotion_eeg.set"
    place.symlink_to("../../.git/annex/objects/aa/bb/MD5E-s1.set/MD5E-s1.set")
    (out / "sub-mit014" / "eeg" / "sub-mit014_task-Emotion_eeg.set").write_text("/annex/objects/MD5E-s1.set\n")
    place = out / "sub-mit017" / "eeg" / "sub-mit017_task-Emotion_eeg.set"
    write_set(place, 10)
    place.with_suffix(".fdt").write_text("/annex/objects/MD5E-s1.fdt\n")
    return out


def test_dens_comes_in_with_its_times_in_samples_names_of_two_cases_and_missing_tables(dens, tmp_path):
    study = folder.write(tmp_path / "out", "dens", bids.source(dens, {}))
    mine = [t for t in study.trials if t.subject == "sub-mit003"]
    assert [t.trial for t in mine][:3] == ["neutral_1_1", "12_2", "8_3"]
    assert len(mine) == 11
    second = mine[1]
    assert second.labels == {
        "valence": 9, "arousal": 9, "dominance": 8.07, "liking": 5, "familiarity": 5, "relevance": 4.98,
    }  # fmt: skip
    assert (second.groups["stimulus"], second.groups["category"], second.groups["clicks"]) == ("12", "Joyous", "1")
    assert set(second.groups) >= {"age", "sex", "handedness"}
    assert (study.targets["arousal"], study.targets["liking"]) == ((1, 9, 5), (1, 5, 3))

    events = pd.read_csv(dens / "sub-mit003" / "eeg" / "sub-mit003_task-emotion_events.tsv", sep="\t")
    at = events.index[events.label == "12_2"][0]
    onset = events.onset[at] / 250
    shown = events.onset[events.index[(events.index > at) & (events.trial_type.str.strip() == "vlnc")][0]] / 250
    base = events.onset[events.trial_type.str.strip() == "base"].iloc[0] / 250
    bend = events.onset[events.trial_type.str.strip() == "bend"].iloc[0] / 250
    assert (round(shown - onset, 1), round(bend - base)) == (60.5, 80), "a film of a minute, a baseline of 80 s"
    read = folder.recording(second)
    assert [(s.name, s.type) for s in read.signals] == [("E1", "eeg"), ("E2", "eeg"), ("ECG", "ecg")]
    clock = read.signals[0].data
    mark = read.annotations[0]
    assert (mark.description, round(mark.duration_s, 2)) == ("baseline", round(bend - base, 2))
    film = clock[np.isnan(clock).nonzero()[0].max() + 1 :]
    assert abs(clock[0] - base) < 0.005
    assert abs(film[0] - onset) < 0.005
    assert abs(film[-1] - shown) < 0.01

    out = {(t.subject, t.trial): t for t in study.left_out}
    assert {t for s, t in out if s == "sub-mit074"} and all(
        t.code == "E-NO-RATING" for (s, _), t in out.items() if s == "sub-mit074"
    )
    assert out["sub-mit007", "7"].code == "E-NO-EVENT"  # rated, and its film is not in events.tsv
    assert any(t.code == "E-TRIAL" for (s, _), t in out.items() if s == "sub-mit007")  # past the end of 400 s
    for subject, word in (("sub-mit004", "link"), ("sub-mit014", "pointer"), ("sub-mit017", "pointer")):
        found = [t for (s, _), t in out.items() if s == subject]
        assert found and all(t.code == "E-NOT-DOWNLOADED" for t in found)
        assert word in found[0].text and "git annex get" in found[0].text
    notes = " ".join(study.notes)
    assert "samples (250 Hz)" in notes and "ODbL" in notes and "54 subjects; 6 have a folder" in notes


def test_every_recording_of_dens_ends_where_its_events_do_when_they_are_counted_in_samples(shared_data):
    """The evidence: in milliseconds all of them would fill a quarter of their recording."""
    shares = []
    for path in sorted((shared_data / "bids" / "ds003751").glob("sub-*/eeg/*_events.tsv")):
        said = list(path.parent.glob("*_eeg.json"))
        if said:
            last = pd.read_csv(path, sep="\t").onset.max()
            shares.append(last / 250 / json.loads(said[0].read_text())["RecordingDuration"])
    assert len(shares) > 20 and 0.95 < np.median(shares) <= 1 and max(shares) <= 1.01


def test_times_are_read_in_the_unit_that_keeps_them_inside_the_recording(dens, tmp_path):
    """A recording that is shorter than its sidecar says cannot hold them in samples."""
    folder_ = dens / "sub-mit007" / "eeg"
    study = folder.write(tmp_path / "out", "dens", bids.source(dens, {}))
    mine = [t for t in study.trials if t.subject == "sub-mit007"]
    events = pd.read_csv(next(folder_.glob("*_events.tsv")), sep="\t")
    film = events[events.label == mine[0].trial].onset.iloc[0] / 1000
    clock = folder.recording(mine[0]).signals[0].data
    assert abs(clock[np.isnan(clock).nonzero()[0].max() + 1] - film) < 0.005


def test_all_of_dens_is_listed_and_nothing_downloaded_says_so(shared_data):
    with pytest.raises(Refused, match="E-NOT-DOWNLOADED"):
        bids.source(shared_data / "bids" / "ds003751", {})


def test_names_in_participants_tsv_block_until_mapped(dens):
    path = dens / "participants.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str)
    table["date_of_birth"] = "1990-01-01"
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(Refused, match=r"E-PRIVATE") as refused:
        bids.source(dens, {})
    assert "date_of_birth" in refused.value.what
    kept = bids.source(dens, {"date_of_birth": "drop"})
    assert not any("date_of_birth" in t.groups for t in kept.trials)


# --- EmoEEG-MC


def write_physio(place, subject, kind, column):
    """PPG or GSR as EmoEEG-MC has them: a column of values, one of clock times, without a heading."""
    body = "\n".join(f"{v:.4f}\t2023-08-20 14:42:31" for v in column)
    with gzip.open(place / f"sub-{subject}_task-emotion_recording-{kind}_physio.tsv.gz", "wt") as out:
        out.write(body + "\n")


def write_edf(path, marks, seconds, sfreq=1200, started=None):
    clock = np.tile(np.arange(sfreq) / sfreq, seconds) + np.repeat(np.arange(seconds), sfreq)
    signals = [
        edfio.EdfSignal(clock, sfreq, label="EEG Fp1", physical_dimension="uV", physical_range=(0, 1000)),
        edfio.EdfSignal(np.zeros(len(clock)) + 1e-3, sfreq, label="EEG Fpz", physical_dimension="uV",
                        physical_range=(-1, 1)),
    ]  # fmt: skip
    notes = [edfio.EdfAnnotation(onset, None, text) for onset, text in marks]
    more = {}
    if started:
        more = {"recording": edfio.Recording(startdate=started.date()), "starttime": started.time()}
    edfio.Edf(signals, annotations=notes, **more).write(path)


def test_emoeeg_comes_in_by_the_marks_of_its_edf_in_one_run_or_two(shared_data, tmp_path):
    subjects = ("sub-01", "sub-02", "sub-07", "sub-55", "sub-58")
    out = copied(shared_data, tmp_path, "ds005540", subjects)

    def marks(ima, vid, rating, n_ima, n_vid, first=0):
        kinds = [ima] * n_ima + [vid] * n_vid
        return [
            m for i, kind in enumerate(kinds) for m in ((first + 10 * i, str(kind)), (first + 10 * i + 7, str(rating)))
        ]

    def eeg(subject, run=""):
        return out / f"sub-{subject}" / "eeg" / f"sub-{subject}_task-emotion{run}_eeg.edf"

    # the GSR began 30 s after the EEG, by unix time; the EDF says the time of day in China
    write_edf(eeg("02"), marks(32, 33, 31, 21, 21), 425, started=datetime(2023, 8, 20, 14, 42, 1))
    write_physio(eeg("02").parent, "02", "GSR", np.arange(400 * 40) / 40000 + 1)
    write_physio(eeg("02").parent, "02", "PPG", np.sin(np.arange(400 * 20) / 3))
    (eeg("01").parent / "sub-01_task-emotion_recording-GSR_physio.tsv.gz").write_text("/annex/objects/MD5E-s1.gz\n")
    write_edf(eeg("07", "_run-01"), marks(50, 51, 49, 21, 0), 215)
    write_edf(eeg("07", "_run-02"), marks(50, 51, 49, 0, 21), 215)
    write_edf(eeg("55"), marks(29, 30, 28, 18, 18), 365)
    (eeg("07").parent / "sub-07_task-emotion_recording-PPG_physio.tsv.gz").write_bytes(b"\x1f\x8bhalf")
    write_edf(eeg("58"), marks(25, 26, 24, 20, 21), 415)  # two marks of imagery too many: 18 trials
    study = folder.write(tmp_path / "out", "emo", bids.source(out, {}))
    count = {s: sum(t.subject == f"sub-{s}" for t in study.trials) for s in ("01", "02", "07", "55", "58")}
    assert count == {"01": 0, "02": 42, "07": 42, "55": 36, "58": 0}
    codes = {s: {t.code for t in study.left_out if t.subject == f"sub-{s}"} for s in ("01", "55", "58")}
    assert codes["01"] == {"E-NOT-DOWNLOADED"}
    assert codes["55"] == {"E-NO-TRIAL"}
    assert "E-MARKERS" in codes["58"]
    by = {(t.subject, t.trial): t for t in study.trials}
    first = by["sub-02", "01"]
    assert (first.labels["arousal"], first.labels["valence"], first.labels["liking"]) == (6.5, 1.0, 0.0)
    assert study.targets["arousal"] == (0, 7, 3.5)
    assert (first.groups["context"], by["sub-02", "22"].groups["context"]) == ("imagery", "video")
    clock = folder.recording(by["sub-02", "22"]).signals[0]
    assert (clock.name, clock.sfreq, len(clock.data)) == ("Fp1", 1200, 7 * 1200)
    assert abs(clock.data[0] - 210) < 0.02
    assert abs(folder.recording(by["sub-07", "23"]).signals[0].data[0] - 10) < 0.02
    # the first video trial of a subject who lacks imagery trials 19-21 is number 22
    assert abs(folder.recording(by["sub-55", "22"]).signals[0].data[0] - 180) < 0.02
    slow = {s.name: s for s in folder.recording(by["sub-02", "22"]).signals[2:]}
    gsr, ppg = slow["GSR"], slow["PPG"]
    assert [(s.type, s.unit, s.sfreq, len(s.data)) for s in (gsr, ppg)] == [
        ("eda", "µS", 40, 7 * 40), ("ppg", "au", 20, 7 * 20),
    ]  # fmt: skip
    # trial 22 begins 210 s after the EEG, 180 s after the GSR
    assert abs(gsr.data[0] - (1 + 180 / 1000)) < 1e-3
    assert [s.type for s in folder.recording(by["sub-07", "23"]).signals] == ["eeg", "eeg"]
    assert "W-PHYSIO" in {n.code for n in by["sub-07", "23"].notices}
    assert any("unix times" in note for note in study.notes)
    assert any("not downloaded" in note and "PPG and GSR" in note for note in study.notes)


def test_trials_are_found_by_their_own_numbers_too():
    marks = [(0, 5.0, 1), (0, 15.0, 2), (1, 3.0, 22)]
    assert bids._where(marks, [1, 2, 22], {}) == {1: (0, 5.0, 15.0), 2: (0, 15.0, None), 22: (1, 3.0, None)}
    assert "neither" in bids._where([*marks, (1, 9.0, 2)], [1, 2, 22], {})


# --- any other


def test_ratings_in_events_tsv_make_a_study_of_any_folder(tmp_path):
    place = tmp_path / "study" / "sub-01" / "eeg"
    place.mkdir(parents=True)
    (tmp_path / "study" / "dataset_description.json").write_text(json.dumps({"Name": "n", "BIDSVersion": "1.8.0"}))
    scale = {"Lowest": 1, "Highest": 5, "Cut": 3, "High": ">="}
    (tmp_path / "study" / "task-x_events.json").write_text(json.dumps({"valence": scale}))
    write_edf(place / "sub-01_task-x_eeg.edf", [], 60, 100)
    (place / "sub-01_task-x_events.tsv").write_text(
        "onset\tduration\ttrial_type\tvalence\n0\t5\tbaseline\tn/a\n5\t10\tfilm\t3\n20\t10\tfilm\tn/a\n40\t10\tfilm\t1\n"
    )
    study = folder.write(tmp_path / "out", "any", bids.source(tmp_path / "study", {}))
    assert [(t.trial, t.labels) for t in study.trials] == [("01", {"valence": 3}), ("02", {"valence": 1})]
    assert [study.is_high("valence", t.labels["valence"]) for t in study.trials] == [True, False]
    assert folder.recording(study.trials[0]).duration_s == 15
    assert folder.recording(study.trials[1]).duration_s == 10


def rated_folder(root, events, subjects=("sub-01",), participants=""):
    """A BIDS folder of 60 s EDF files and one table of events for each subject."""
    root.mkdir()
    (root / "dataset_description.json").write_text('{"Name": "Rated", "BIDSVersion": "1.9.0", "License": "CC0"}')
    (root / "task-x_events.json").write_text('{"valence": {"Lowest": 1, "Highest": 9, "Cut": 5}}')
    if participants:
        (root / "participants.tsv").write_text(participants)
    for subject in subjects:
        (root / subject / "eeg").mkdir(parents=True)
        write_edf(root / subject / "eeg" / f"{subject}_task-x_eeg.edf", [], 60, sfreq=128)
        (root / subject / "eeg" / f"{subject}_task-x_events.tsv").write_text(events)
    return root


@pytest.mark.parametrize("onset, duration", [("n/a", "10"), ("inf", "10"), ("20", "n/a"), ("20", "inf")])
def test_a_time_that_is_no_number_costs_its_trial_and_no_other(tmp_path, onset, duration):
    rows = f"onset\tduration\ttrial\tvalence\n0\t10\ta\t3\n{onset}\t{duration}\tb\t4\n40\t10\tc\t6\n"
    study = folder.write(tmp_path / "out", "rated", bids.source(rated_folder(tmp_path / "study", rows), {}))
    assert [t.trial for t in study.trials] == ["a", "c"]
    assert [(t.trial, t.code) for t in study.left_out] == [("b", "E-TRIAL")]
    assert folder.recording(study.trials[1]).duration_s == 10
    assert not any("milliseconds" in note for note in study.notes)


def test_a_trial_of_fewer_samples_than_channels_is_kept_upright(tmp_path):
    rows = "onset\tduration\ttrial\tvalence\n0\t0.008\ta\t3\n20\t10\tb\t4\n"
    study = folder.write(tmp_path / "out", "rated", bids.source(rated_folder(tmp_path / "study", rows), {}))
    assert [len(s.data) for s in folder.recording(study.trials[0]).signals] == [1, 1]


def test_what_a_person_said_of_a_private_column_holds_for_tables_of_events(tmp_path):
    rows = "onset\tduration\ttrial\tvalence\temail\n0\t10\ta\t3\ta@b.org\n20\t10\tb\t4\ta@b.org\n"
    place = rated_folder(tmp_path / "study", rows)
    with pytest.raises(Refused, match="columns email"):
        bids.source(place, {})
    assert bids.source(place, {"email": "drop"}).n_trials == 2


def test_folders_called_by_names_block_though_no_participants_table_lists_them(tmp_path):
    rows = "onset\tduration\ttrial\tvalence\n0\t10\ta\t3\n20\t10\tb\t4\n"
    place = rated_folder(tmp_path / "study", rows, ("sub-mueller", "sub-schmidt"), "participant_id\tsex\nsub-01\tf\n")
    with pytest.raises(Refused, match="E-PRIVATE") as refused:
        bids.source(place, {})
    assert refused.value.columns == ("participant_id",)
    assert {t.subject for t in bids.source(place, {"participant_id": "pseudonym"}).trials} == {"S01", "S02"}


def test_a_subject_listed_twice_with_other_groups_is_refused_and_an_equal_row_is_not(tmp_path):
    rows = "onset\tduration\ttrial\tvalence\n0\t10\ta\t3\n"
    once = "participant_id\tgroup\nsub-01\tpatient\nsub-01\t"
    with pytest.raises(Refused, match=r"sub-01 stands in it twice.*E-SUBJECT"):
        bids.source(rated_folder(tmp_path / "other", rows, participants=once + "control\n"), {})
    [trial] = bids.source(rated_folder(tmp_path / "same", rows, participants=once + "patient\n"), {}).trials
    assert trial.groups == {"group": "patient"}
