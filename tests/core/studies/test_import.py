"""An import goes on where it ended, reports what it leaves out, and stores a study whole or not at all."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from app.cli.research import Corpus
from core.errors import Conflict, NotFound, Refused
from core.services import jobs
from core.services.research import studies
from core.storage.store import Store
from core.studies import apart, folder, listing
from core.studies.folder import Planned, Source
from core.types import Annotation, InputFile, Recording, Signal

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def ramp(n=500, sfreq=100.0, start=0.0):
    return Recording((Signal("ECG", "ecg", "mV", sfreq, np.arange(start, start + n, dtype=np.float32)),))


def source(read, n=4, **changes):
    trials = [Planned("S01", f"T{i}", {"stress": i % 2}, {}, lambda i=i: read(i)) for i in range(n)]
    made = Source("b", "l", {"stress": (0.0, 1.0, 1.0)}, (), trials, n, made_by={"v": 1}, resumes=True)
    return replace(made, high={"stress": ">="}, **changes)


def test_an_interrupted_import_reads_only_what_is_missing(tmp_path):
    asked = []

    def read(i):
        asked.append(i)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return ramp(start=i)

    with pytest.raises(KeyboardInterrupt):
        folder.write(tmp_path, "one", source(read))
    assert folder.names(tmp_path) == []
    study = folder.write(tmp_path, "one", source(read))
    assert asked == [0, 1, 2, 2, 3]
    assert [folder.recording(t).signals[0].data[0] for t in study.trials] == [0, 1, 2, 3]
    assert study.inputs == ("ecg",)
    assert [p.name for p in tmp_path.iterdir()] == ["one"]
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == [f"0000{i}.npz" for i in range(4)] + ["study.json"]


@pytest.mark.parametrize("damage", ["file", "label", "source"])
def test_what_does_not_fit_is_read_again(tmp_path, damage):
    asked = []

    def read(i):
        asked.append(i)
        if len(asked) == 3:
            raise OSError("disk full")
        return ramp(start=i)

    with pytest.raises(OSError, match="disk full"):
        folder.write(tmp_path, "one", source(read))
    again = source(read)
    if damage == "file":
        (tmp_path / ".import-one" / "00000.npz").write_bytes(b"half")
    elif damage == "label":
        again = replace(again, trials=[replace(again.trials[0], labels={"stress": 1}), *again.trials[1:]])
    else:
        again = replace(again, made_by={"v": 2})
    study = folder.write(tmp_path, "one", again)
    assert asked[3:] == ([0, 2, 3] if damage != "source" else [0, 1, 2, 3])
    assert folder.recording(study.trials[0]).signals[0].data[0] == 0


def test_a_broken_trial_is_left_out_by_name_and_the_rest_is_taken(tmp_path):
    def read(i):
        if i == 2:
            raise Refused("E-TRIAL", "its samples are text.", "x.mat", "Ask the authors.")
        return ramp()

    said = []
    study = folder.write(tmp_path, "one", source(read), lambda share, text: said.append((share, text)))
    assert [t.trial for t in study.trials] == ["T0", "T1", "T3"]
    assert [(x.subject, x.trial, x.code) for x in study.left_out] == [("S01", "T2", "E-TRIAL")]
    assert study.left_out[0].text == "x.mat: its samples are text. Ask the authors."
    assert [share for share, _ in said] == [0.25, 0.5, 0.75, 1.0]
    assert study == folder.load(tmp_path, "one")
    assert [study.is_high("stress", v) for v in (0.9, 1.0)] == [False, True]


def test_a_study_of_which_nothing_can_be_read_is_refused_and_leaves_nothing(tmp_path):
    def read(i):
        raise Refused("E-TRIAL", "no.", "", "")

    with pytest.raises(Refused, match="E-STUDY-EMPTY"):
        folder.write(tmp_path, "one", source(read))
    assert list(tmp_path.iterdir()) == []


def test_one_import_of_a_name_at_a_time(tmp_path):
    def read(i):
        if i == 1:
            folder.write(tmp_path, "one", source(lambda i: ramp()))
        return ramp()

    with pytest.raises(Conflict, match="E-STUDY-BUSY"):
        folder.write(tmp_path, "one", source(read))


# --- apart


def broken(files, job):
    yield 0, ramp()
    yield 1, Refused("E-TRIAL", "not this one.", "f", "")
    if job.get("crash"):
        import os

        os.abort()
    yield 2, ramp(start=2.0)


def test_a_child_hands_back_trial_after_trial(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x")
    files = apart.Files("tests.core.studies.test_import:broken", [InputFile("f", str(path))], {})
    assert files.read(0).signals[0].data[1] == 1
    with pytest.raises(Refused, match="not this one"):
        files.read(1)
    assert files.read(2).signals[0].data[0] == 2
    with pytest.raises(Refused, match="E-NO-TRIAL"):
        files.read(3)


def test_a_child_that_is_killed_is_a_refusal_of_the_trials_left(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x")
    files = apart.Files("tests.core.studies.test_import:broken", [InputFile("f", str(path))], {"crash": True})
    assert files.read(0).duration_s == 5
    for number in (2, 3):
        with pytest.raises(Refused, match="E-READ-CRASH"):
            files.read(number)


# --- names of people


@pytest.mark.parametrize(
    ("column", "value"),
    [("name", "Ann"), ("E-mail", "x"), ("date of birth", "x"), ("dob", "1"), ("Participant Name", "x"),
     ("nachname", "x"), ("contact", "a.b@example.org"), ("bday", "1981-04-03"), ("Geburtsdatum", "1")],
)  # fmt: skip
def test_a_column_that_names_people_blocks_until_it_is_mapped(column, value):
    table = pd.DataFrame({"subject": ["S1", "S2"], column: [value, value]})
    with pytest.raises(Refused, match=r"E-PRIVATE") as refused:
        listing.cleared(table, "t.csv", {}, "subject")
    assert column in refused.value.what
    assert list(listing.cleared(table, "t.csv", {column: "drop"}, "subject")) == ["subject"]
    assert list(listing.cleared(table, "t.csv", {column: "keep"}, "subject")) == ["subject", column]


def test_subjects_called_by_name_are_given_pseudonyms():
    table = pd.DataFrame({"subject": ["Ann Smith", "Bo Lee", "Ann Smith"], "video_name": ["a", "b", "c"]})
    with pytest.raises(Refused, match="columns subject"):
        listing.cleared(table, "t.csv", {}, "subject")
    assert list(listing.cleared(table, "t.csv", {"subject": "pseudonym"}, "subject").subject) == ["S01", "S02", "S01"]


# --- cutting


def test_a_baseline_next_to_its_trial_stays_in_one_piece_and_another_is_joined_with_a_gap():
    recording = replace(ramp(2000), annotations=(Annotation(0, 1, "x"),))
    near = listing.cut(recording, listing.Span(0, 6.0, 5.0, None, 4.0), "f")
    assert np.array_equal(near.signals[0].data, np.arange(200, 1100, dtype=np.float32))
    assert near.annotations == (Annotation(0.0, 4.0, "baseline"),)
    far = listing.cut(recording, listing.Span(0, 10.0, 5.0, 0.0, 4.0), "f")
    data = far.signals[0].data
    assert len(data) == 1000
    assert np.array_equal(data[:400], np.arange(400, dtype=np.float32))
    assert np.isnan(data[400:500]).all()
    assert np.array_equal(data[500:], np.arange(1000, 1500, dtype=np.float32))
    assert isinstance(listing.cut(recording, listing.Span(0, 25.0, 5.0), "f"), Refused)


# --- the service


def test_the_command_line_and_the_service_know_the_same_corpora():
    assert {c.value for c in Corpus} == set(studies.CORPORA)


@pytest.fixture
def store(tmp_path):
    found = Store("sqlite://", data_dir=tmp_path / "data")
    yield found
    found.close()


def test_what_cannot_be_imported_is_said(store, tmp_path):
    with pytest.raises(Refused, match="E-CORPUS"):
        studies.import_(store, "simulated", tmp_path, "x", now=NOW)
    with pytest.raises(NotFound, match="E-STUDY-PATH"):
        studies.import_(store, "quiroz", tmp_path / "nowhere", "x", now=NOW)
    assert "import" in jobs.KINDS
    assert json.dumps(studies.all_studies(store)) == "[]"
