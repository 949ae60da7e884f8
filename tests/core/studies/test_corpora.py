"""Files generated in the shape of DREAMER, DEAP and AMIGOS come back as they were made; hostile ones run nothing."""

import os
import pickle

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from core.errors import Refused
from core.readers.deap import PERIPHERAL
from core.settings import EPOC_14
from core.studies import amigos, deap, dreamer, folder

# --- DREAMER


def dreamer_data(subjects, trials, seconds=1):
    rng = np.random.default_rng(0)
    people = []
    for _ in range(subjects):
        person = {"Age": "25", "Gender": "female"}
        for kind, hertz, n in (("EEG", 128, 14), ("ECG", 256, 2)):
            person[kind] = {
                part: [4200 + 10 * rng.standard_normal((seconds * hertz, n)) for _ in range(trials)]
                for part in ("baseline", "stimuli")
            }
        for name in ("ScoreValence", "ScoreArousal", "ScoreDominance"):
            person[name] = rng.integers(1, 6, (trials, 1)).astype(float)
        people.append(person)
    return people


def cell(values):
    out = np.empty((len(values), 1), dtype=object)
    for i, v in enumerate(values):
        out[i, 0] = v
    return out


def write_v5(path, people, trials):
    data = [{**p, **{k: {part: cell(x) for part, x in p[k].items()} for k in ("EEG", "ECG")}} for p in people]
    root = {
        "Data": cell(data).T, "EEG_SamplingRate": 128.0, "ECG_SamplingRate": 256.0, "EEG_Electrodes": cell(EPOC_14).T,
        "noOfSubjects": float(len(people)), "noOfVideoSequences": float(trials),
    }  # fmt: skip
    savemat(path, {"DREAMER": root}, do_compression=True)


def write_v73(path, people, trials):
    with h5py.File(path, "w", userblock_size=512) as store:
        refs = store.create_group("#refs#")

        def put(place, name, value):
            if isinstance(value, dict):
                group = place.create_group(name)
                for k, v in value.items():
                    put(group, k, v)
            elif isinstance(value, list):
                found = []
                for v in value:
                    key = f"r{len(refs)}"
                    put(refs, key, v)
                    found.append(refs[key].ref)
                place.create_dataset(name, data=np.array([found], dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
            elif isinstance(value, str):
                made = place.create_dataset(name, data=np.array([[ord(c)] for c in value], dtype=np.uint16))
                made.attrs["MATLAB_class"] = np.bytes_("char")
            elif np.size(value) == 0:
                made = place.create_dataset(name, data=np.zeros(2, dtype=np.uint64))
                made.attrs["MATLAB_empty"] = np.uint8(1)
            else:
                place.create_dataset(name, data=np.atleast_2d(value).T)

        put(store, "DREAMER", {
            "Data": people, "EEG_SamplingRate": 128.0, "ECG_SamplingRate": 256.0, "noOfVideoSequences": float(trials),
        })  # fmt: skip
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as out:
        out.write(head)


@pytest.mark.parametrize(("write", "subjects", "trials"), [(write_v5, 23, 18), (write_v73, 3, 4)])
def test_a_file_in_the_shape_of_dreamer_round_trips_and_a_missing_trial_is_named(tmp_path, write, subjects, trials):
    people = dreamer_data(subjects, trials)
    people[1]["EEG"]["stimuli"][2] = np.zeros((0, 0))
    people[2]["ECG"]["baseline"][0] = np.zeros((256, 3))
    people[2]["ScoreArousal"][3] = 9.0
    path = tmp_path / "DREAMER.mat"
    write(path, people, trials)
    study = folder.write(tmp_path / "out", "d", dreamer.source(path, {}))
    assert len(study.trials) == subjects * trials - 3
    assert {(t.subject, t.trial, t.code) for t in study.left_out} == {
        ("S02", "T03", "E-NO-SAMPLES"), ("S03", "T01", "E-SHAPE"), ("S03", "T04", "E-LABEL"),
    }  # fmt: skip
    assert (study.inputs, study.targets["arousal"], study.high) == (("eeg", "ecg"), (1, 5, 3), {})
    assert [study.is_high("valence", v) for v in (3, 4)] == [False, True]
    first = study.trials[0]
    assert first.labels == {
        t: people[0][f"Score{t.title()}"][0, 0] for t in ("valence", "arousal", "dominance")
    }  # fmt: skip
    assert first.groups == {"age": "25", "gender": "female"}
    read = folder.recording(first)
    assert [s.name for s in read.of_type("eeg")] == list(EPOC_14)
    assert (read.of_type("eeg")[0].sfreq, read.of_type("ecg")[1].sfreq) == (128, 256)
    f7, lead = read.of_type("eeg")[1].data, read.of_type("ecg")[1].data
    assert np.allclose(f7[:128], people[0]["EEG"]["baseline"][0][:, 1])
    assert np.allclose(f7[256:], people[0]["EEG"]["stimuli"][0][:, 1])
    assert np.isnan(f7[128:256]).all()
    assert np.allclose(lead[512:], people[0]["ECG"]["stimuli"][0][:, 1])
    assert [(a.onset_s, a.duration_s, a.description) for a in read.annotations] == [(0, 1, "baseline")]


@pytest.mark.parametrize("link", ["soft", "external", "storage"])
def test_a_file_that_points_out_of_itself_is_refused(tmp_path, link):
    path = tmp_path / "DREAMER.mat"
    write_v73(path, dreamer_data(1, 1), 1)
    with h5py.File(path, "r+") as store:
        if link == "soft":
            store["DREAMER/x"] = h5py.SoftLink("/DREAMER/Data")
        elif link == "external":
            store["DREAMER/x"] = h5py.ExternalLink("/etc/hostname", "/")
        else:
            store.create_dataset("DREAMER/x", (4,), "u1", external=[("/etc/hostname", 0, 4)])
    with pytest.raises(Refused, match="E-MAT"):
        dreamer.source(path, {})


def test_what_is_no_dreamer_file_is_refused_by_name(tmp_path):
    path = tmp_path / "DREAMER.mat"
    savemat(path, {"x": np.zeros(3)})
    with pytest.raises(Refused, match="E-DREAMER"):
        dreamer.source(path, {})
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(Refused, match="E-MAT"):
        dreamer.source(path, {})


# --- DEAP


def dat(n=40, n_times=8064, protocol=2):
    rng = np.random.default_rng(1)
    data = rng.standard_normal((n, 40, n_times)) * 10
    data[:, :, 0] = np.arange(1, 41)  # the first sample says the channel's number
    return {"labels": rng.uniform(1, 9, (n, 4)), "data": data}, protocol


def test_files_in_the_shape_of_deap_round_trip_with_channels_by_name(tmp_path):
    made, protocol = dat()
    made["labels"][7, 2] = 5.0
    made["labels"][9, 0] = 0.0
    made["data"][3, 2, 100:200] = np.nan
    (tmp_path / "s01.dat").write_bytes(pickle.dumps(made, protocol=protocol))
    (tmp_path / "s02.dat").write_bytes(b"half")
    for stray in (".DS_Store", "._s03.dat", "readme.txt", "s1.dat"):
        (tmp_path / stray).write_bytes(b"x")
    study = folder.write(tmp_path / "out", "d", deap.source(tmp_path, {}))
    assert len(study.trials) == 39
    assert {(t.subject, t.trial, t.code) for t in study.left_out} == {("s01", "10", "E-LABEL"), ("s02", "", "E-DEAP")}
    assert (study.high["dominance"], study.targets["dominance"], study.bands) == (">=", (1, 9, 5), {"eeg": (4, 45)})
    assert "W-MISSING-VALUES" in {n.code for n in study.trials[3].notices}
    trial = study.trials[7]
    assert study.is_high("dominance", trial.labels["dominance"])
    assert trial.labels["liking"] == made["labels"][7, 3]
    read = folder.recording(trial)
    index = {s.name: round(float(s.data[0]) * (1000 if s.type == "eda" else 1)) for s in read.signals}
    assert {n: index[n] for n in ("Fp1", "Fz", "O2")} == {"Fp1": 1, "Fz": 19, "O2": 32}
    assert [index[n] for n, _ in PERIPHERAL] == [33, 34, 35, 36, 37, 38, 39, 40]
    assert [s.type for s in read.signals[32:]] == ["eog", "eog", "emg", "emg", "eda", "resp", "ppg", "temp"]
    assert read.signals[0].data.shape == (8064,)
    assert read.annotations[0].duration_s == 3
    assert np.allclose(read.signals[5].data, made["data"][7, 5], atol=1e-4)


def table_of_ratings(root, rated, subjects=(1, 2)):
    """DEAP's own, in the order of presentation, which is not that of the .dat files."""
    (root / "metadata_csv").mkdir()
    rows = [[who, 40 - k, k + 1, *[f"{r:.2f}"] * 4] for who in subjects for k, r in enumerate(rated)]
    head = "Participant_id,Trial,Experiment_id,Valence,Arousal,Dominance,Liking"
    text = "\n".join([head, *(",".join(map(str, row)) for row in reversed(rows))])
    (root / "metadata_csv" / deap.RATINGS).write_text(text)


@pytest.mark.parametrize(
    ("stored", "said"),
    [(lambda r: r, "{}: the same."), (lambda r: 9 - r, "Warning: {}: reversed (9 - r) in 80."),
     (lambda r: r + (np.arange(40) < 4), "Warning: {}: another in 8, of which 0 are 9 - r.")],
)  # fmt: skip
def test_ratings_of_deap_are_equal_to_their_table_reversed_or_other(tmp_path, stored, said):
    rated = np.random.default_rng(5).uniform(1, 8, 40).round(2)
    table_of_ratings(tmp_path, rated)
    trials = [
        folder.Planned(who, f"{k:02d}", {**dict.fromkeys(deap.LABELS, own), "valence": value}, {}, None)
        for who in ("s01", "s02") for k, (own, value) in enumerate(zip(rated, stored(rated), strict=True), 1)
    ]  # fmt: skip
    valence, *others = deap.compared(trials, deap.ratings(tmp_path, {}))
    assert valence.startswith(said.format("Valence, .dat files against participant_ratings.csv, 80 ratings"))
    assert len(others) == 3 and all(note.endswith("80 ratings: the same.") for note in others)


def test_an_import_of_deap_says_how_its_ratings_stand_to_the_table(tmp_path):
    made, protocol = dat(40, 1200)
    rated = np.random.default_rng(5).uniform(1, 8, 40).round(2)
    made["labels"][:] = 9 - rated[:, None]
    (tmp_path / "data_preprocessed_python").mkdir()
    (tmp_path / "data_preprocessed_python" / "s01.dat").write_bytes(pickle.dumps(made, protocol=protocol))
    assert deap.source(tmp_path, {}).notes == deap.NOTES
    table_of_ratings(tmp_path, rated)
    notes = deap.source(tmp_path, {}).notes[len(deap.NOTES) :]
    assert len(notes) == 4 and all("Warning" in n and "reversed (9 - r) in 40" in n for n in notes)


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize(
    ("name", "code"),
    [("system", "E-CODE"), ("eval", "E-CODE"), ("tofile", "E-CODE"), ("huge", "E-READ-MEMORY"), ("behind", "E-DEAP"),
     ("objects", "E-DEAP"), ("cut", "E-DEAP"), ("shape", "E-SHAPE")],
)  # fmt: skip
def test_a_hostile_pickle_runs_nothing_and_is_refused(tmp_path, name, code):
    marker = tmp_path / "marker"
    good = dat(2, 1200)[0]
    body = {
        "system": pickle.dumps({**good, "z": Call(os.system, f"touch {marker}")}, 2),
        "eval": pickle.dumps({"data": Call(eval, f"open({str(marker)!r}, 'w')"), "labels": 0}, 4),
        "tofile": pickle.dumps({**good, "z": Call(np.ndarray.tofile, np.zeros(1), str(marker))}, 4),
        "huge": pickle.dumps({"data": Call(np.ndarray, (2**33,)), "labels": 0}, 2),
        "behind": pickle.dumps(good, 2) + b"x",
        "objects": pickle.dumps({"data": np.full((2, 40, 2), None), "labels": good["labels"]}, 2),
        "cut": pickle.dumps(good, 2)[:5000],
        "shape": pickle.dumps({**good, "data": good["data"][:, :39]}, 2),
    }[name]
    (tmp_path / "s01.dat").write_bytes(body)
    with pytest.raises(Refused, match=code):
        deap.source(tmp_path, {})
    assert not marker.exists()


# --- AMIGOS


def test_files_in_the_shape_of_amigos_round_trip_with_labels_in_their_order(tmp_path):
    rng = np.random.default_rng(2)
    videos = [rng.standard_normal((128 * 12, 17)) for _ in range(20)]
    labels = [np.concatenate([rng.uniform(1, 9, 5), rng.integers(0, 2, 7)])[None] for _ in range(20)]
    videos[4], labels[5] = np.zeros((0, 0)), np.zeros((0, 0))
    place = tmp_path / "P01"
    place.mkdir()

    def row(values):
        return cell(values).T

    savemat(place / "Data_Preprocessed_P01.mat", {
        "joined_data": row(videos), "labels_selfassessment": row(labels), "labels_ext_annotation": row(labels),
        "VideoIDs": row([str(i + 1) for i in range(20)]),
    })  # fmt: skip
    study = folder.write(tmp_path / "out", "a", amigos.source(tmp_path, {}))
    assert len(study.trials) == 18
    assert {(t.subject, t.trial, t.code) for t in study.left_out} == {
        ("P01", "5", "E-NO-SAMPLES"), ("P01", "6", "E-LABEL"),
    }  # fmt: skip
    first = study.trials[0]
    assert list(first.labels) == [*amigos.RATINGS, *amigos.EMOTIONS]
    assert (first.labels["arousal"], first.labels["valence"]) == (labels[0][0, 0], labels[0][0, 1])
    read = folder.recording(first)
    assert study.inputs == ("eeg", "ecg", "eda")
    assert [s.type for s in read.signals] == ["eeg"] * 14 + ["ecg"] * 2 + ["eda"]
    assert np.allclose(read.of_type("eda")[0].data, videos[0][:, 16])
    assert read.annotations[0].duration_s == 5
