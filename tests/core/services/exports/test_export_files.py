"""A session as EDF+: pseudonymous, with what is bad of it, and the same values when it is read again."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import edfio
import numpy as np
import pytest

from core import simulate
from core.errors import Conflict, NotFound, Refused
from core.readers import archive
from core.services import admin
from core.services.clinic import marks, sessions
from core.services.exports import export_files, exports
from core.services.research import studies
from core.settings import settings
from core.types import Annotation, InputFile
from tests.core.services.clinic.test_measures_import import HEAD, load

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
STARTED_AT = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)


@pytest.fixture
def recorded(store, tmp_path):
    """A minute of EEG and ECG, stored as P-0042/S-01; ``Ann`` is a word in an annotation of the file."""
    made = simulate.recording(seed=3, duration_s=60, started_at=STARTED_AT)
    made = replace(made, annotations=(Annotation(2.0, 0.0, "Ann opened her eyes"),))
    path = simulate.write_edf(made, tmp_path / "visit.edf")
    sessions.analyse(store, [InputFile(path.name, str(path))], "P-0042", now=NOW)
    return made


def edf_of(made: exports.Export, folder) -> tuple[edfio.Edf, InputFile]:
    name, body = next(iter(made.files.items()))
    (folder / name).write_bytes(body)
    return edfio.read_edf(io.BytesIO(body)), InputFile(name, str(folder / name))


def test_a_session_leaves_as_edf_with_dictionary_manifest_and_an_audit_row(store, recorded, tmp_path):
    made = export_files.session_edf(store, "P-0042/S-01", now=NOW)
    assert list(made.files)[1:] == ["data_dictionary.json", "manifest.json"]
    name = next(iter(made.files))
    assert name.startswith("session_p-0042-s-01_2026-03-02_2026-03-02_") and name.endswith(".edf")
    manifest = json.loads(made.files["manifest.json"])
    assert manifest["mode"] == "pseudonymous" and manifest["rows"] == len(manifest["signals"]) == 16
    dictionary = json.loads(made.files["data_dictionary.json"])
    assert [d["column"] for d in dictionary] == list(manifest["signals"][0])
    newest = admin.audit(store)[0]
    assert newest["action"] == "export" and newest["patient"] == "P-0042" and name in newest["object"]
    assert exports.recent(store)[0]["format"] == "edf"
    edf, _ = edf_of(made, tmp_path)
    assert (edf.patient.code, edf.patient.name, edf.startdatetime) == ("P-0042", "X", STARTED_AT.replace(tzinfo=None))


def test_the_file_read_again_has_the_same_signals_and_annotations(store, recorded, tmp_path):
    made = export_files.session_edf(store, "P-0042/S-01", now=NOW, annotations=True)
    _, file = edf_of(made, tmp_path)
    sessions.analyse(store, [file], "P-0043", now=NOW)
    a, b = (sessions.get(store, f"P-00{n}/S-01") for n in (42, 43))
    assert [(s["name"], s["type"], s["sfreq"], s["n_times"]) for s in a.signals] == [
        (s["name"], s["type"], s["sfreq"], s["n_times"]) for s in b.signals
    ]
    assert set(a.annotations) <= set(b.annotations)
    assert b.row.started_at == STARTED_AT
    steps = {s["name"]: s["step"] for s in json.loads(made.files["manifest.json"])["signals"]}
    pages = [sessions.signals(store, f"P-00{n}/S-01", t0=10, page_s=4) for n in (42, 43)]
    for x, y in zip(pages[0].rows, pages[1].rows, strict=True):
        assert np.nanmax(np.abs(x["y"] - y["y"])) <= steps[x["name"]]


def test_texts_of_the_recording_can_be_looked_at_and_stay_here_unless_asked_for(store, recorded):
    assert export_files.texts(store, "P-0042/S-01") == ["Ann opened her eyes"]
    whole = export_files.session_edf(store, "P-0042/S-01", now=NOW, annotations=True)
    without = export_files.session_edf(store, "P-0042/S-01", now=NOW)
    assert b"Ann opened" in next(iter(whole.files.values()))
    assert not any(b"Ann opened" in body for body in without.files.values())


def test_a_mark_leaves_without_the_words_of_the_person(store, recorded, tmp_path):
    marks.mark_bad(store, "P-0042/S-01", "AF3", now=NOW)
    marks.note(store, "P-0042/S-01", "BAD_her daughter came in", 5.0, 2.0, now=NOW)
    marks.note(store, "P-0042/S-01", "her daughter left", 8.0, 1.0, now=NOW)
    taken = marks.note(store, "P-0042/S-01", "BAD_no", 20.0, 1.0, now=NOW)
    marks.undo(store, "P-0042/S-01", taken.id, now=NOW)
    made = export_files.session_edf(store, "P-0042/S-01", now=NOW)
    assert not any(b"daughter" in body for body in made.files.values())
    edf, _ = edf_of(made, tmp_path)
    found = {(a.onset, a.duration, a.text) for a in edf.annotations}
    assert {(5.0, 2.0, "BAD_marked"), (8.0, 1.0, "note"), (0.0, 60.0, "BAD_marked@@EEG AF3")} <= found
    assert not any(a.onset == 20.0 for a in edf.annotations)


def test_a_session_without_a_recording_or_with_changed_bytes_is_not_exported(store, recorded, tmp_path):
    load(store, tmp_path, HEAD + "P-0007,2026-01-01T10:00:00Z,valence,0.25\n")
    with pytest.raises(NotFound) as imported:
        export_files.session_edf(store, "P-0007/S-01", now=NOW)
    assert imported.value.code == "E-RECORDING"
    digest = sessions.get(store, "P-0042/S-01").provenance["files"][0]["sha256"]
    path = store.blobs.fetch(digest)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-2] + b"\0\1")
    with pytest.raises(Conflict) as changed:
        export_files.session_edf(store, "P-0042/S-01", now=NOW)
    assert changed.value.code == "E-HASH"


@pytest.mark.parametrize("at", ["../secret", "/etc", "a/../../b", "nowhere"])
def test_a_corpus_lies_in_the_import_folder_or_nowhere(store, at):
    (store.data_dir / "secret").mkdir(parents=True)
    with pytest.raises(NotFound) as gone:
        studies.locate(store, {"at": at})
    assert gone.value.code == "E-STUDY-PATH"


def test_a_zip_that_points_outside_or_holds_too_much_is_not_unpacked(tmp_path):
    bag = tmp_path / "a.zip"
    with zipfile.ZipFile(bag, "w") as out:
        out.writestr("../out.csv", "x")
    with pytest.raises(Refused, match="outside"):
        archive.unpack(InputFile("a.zip", str(bag)), tmp_path / "in", entries=10, total=100)
    with zipfile.ZipFile(bag, "w") as out:
        out.writestr("a", "x" * 101)
    with pytest.raises(Refused, match="more than"):
        archive.unpack(InputFile("a.zip", str(bag)), tmp_path / "in", entries=10, total=100)
    with zipfile.ZipFile(bag, "w") as out:
        out.writestr("a", "x")
        out.writestr("a/b", "x")
    with pytest.raises(Refused, match="name of a folder"):
        archive.unpack(InputFile("a.zip", str(bag)), tmp_path / "in", entries=10, total=100)
    with zipfile.ZipFile(bag, "w") as out:
        out.writestr("a" * 300, "x")
    with pytest.raises(Refused, match="too long"):
        archive.unpack(InputFile("a.zip", str(bag)), tmp_path / "in", entries=10, total=1000)
    assert not (tmp_path / "out.csv").exists()


def test_a_zip_of_a_study_may_hold_the_gzipped_tables_of_bids_and_no_archive(tmp_path):
    bag = tmp_path / "a.zip"
    for name in ("s/x.zip", "s/x.tar.gz", "s/x.tgz"):
        with zipfile.ZipFile(bag, "w") as out:
            out.writestr(name, "x")
        with pytest.raises(Refused, match="archive inside"):
            archive.unpack(InputFile("a.zip", str(bag)), tmp_path / "in", entries=10, total=100)
    with zipfile.ZipFile(bag, "w") as out:
        out.writestr("s/x_physio.tsv.gz", b"packed")
    with pytest.raises(Refused, match="archive inside"):
        archive.members(InputFile("a.zip", str(bag)))
    archive.unpack(InputFile("a.zip", str(bag)), tmp_path / "in", entries=10, total=100)
    assert (tmp_path / "in" / "s" / "x_physio.tsv.gz").read_bytes() == b"packed"


def test_a_refused_zip_leaves_nothing_unpacked(store):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as out:
        out.writestr("s/a", "x")
        out.writestr("s/a/b", "x")
    body.seek(0)
    draft = sessions.stage(store, "study.zip", body, now=NOW)
    with pytest.raises(Refused, match="name of a folder"):
        studies.locate(store, {"draft": draft.id})
    assert {p.name for p in Path(draft.files[0].path).parent.iterdir() if "unpacked" in p.name} == set()


def test_nothing_of_the_site_is_in_the_file_but_its_zone_in_the_manifest(store, recorded):
    made = export_files.session_edf(store, "P-0042/S-01", now=NOW)
    assert str(store.data_dir).encode() not in b"".join(made.files.values())
    assert json.loads(made.files["manifest.json"])["site_zone"] == settings().time_zone
