"""A study as BIDS: the validator of BIDS finds no error, and our reader takes back what was written."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import mne_bids
import numpy as np
import pytest

from core.errors import Conflict, Refused
from core.services import admin, handlers, jobs
from core.services.exports import export_files, exports
from core.services.research import studies
from core.settings import settings
from core.storage.store import Store
from core.studies import folder, listing
from core.studies.folder import Planned, Source
from core.types import UNITS, Annotation, Recording, Signal, Study
from core.writers import bids
from tests.conftest import missing

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTLINE_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    (tmp_path / "data").mkdir()
    opened = Store(settings().database)
    yield opened
    opened.close()
    monkeypatch.undo()
    settings.cache_clear()


def validated(place: Path) -> tuple[list[str], list[str]]:
    """The errors and warnings of the validator that BIDS gives away."""
    beside = Path(sys.prefix) / "node" / "bids-validator" / "bin" / "bids-validator"
    found = Path(os.environ.get("BIDS_VALIDATOR", beside))
    if not shutil.which("node") or not found.is_file():
        missing("no node or no bids-validator on this machine (`make test` fetches it where node and npm are)")
    told = subprocess.run(
        ["node", str(found), str(place), "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    issues = json.loads(told.stdout)["issues"]
    return [str(e) for e in issues["errors"]], [w["key"] for w in issues["warnings"]]


def same_study(before: Study, after: Study) -> None:
    """Subjects, trials, labels, groups, scales and cuts; every signal at its own rate within one digitisation step."""
    assert (after.targets, {t: after.high.get(t, ">") for t in after.targets}) == (
        before.targets, {t: before.high.get(t, ">") for t in before.targets}
    )  # fmt: skip
    assert (after.licence, after.simulated, after.bands, after.left_out) == (
        before.licence, before.simulated, before.bands, ()
    )  # fmt: skip
    assert set(after.inputs) == set(before.inputs)
    back = {(t.subject, t.trial): t for t in after.trials}
    assert set(back) == {(t.subject, t.trial) for t in before.trials}
    for trial in before.trials:
        again = back[trial.subject, trial.trial]
        assert again.labels == trial.labels
        assert again.groups == {g: v for g, v in trial.groups.items() if v}
        a, b = folder.recording(trial), folder.recording(again)
        assert b.annotations == a.annotations
        assert len(a.signals) == len(b.signals)
        for x, y in zip(a.signals, b.signals, strict=True):
            assert (y.name, y.type, y.unit, y.sfreq, len(y.data)) == (x.name, x.type, x.unit, x.sfreq, len(x.data))
            assert y.onset_s == pytest.approx(x.onset_s, abs=1e-9)
            np.testing.assert_array_equal(np.isnan(y.data), np.isnan(x.data))
            step = max(np.nanmax(x.data) - np.nanmin(x.data), 0.02 * np.nanmax(np.abs(x.data))) * 1.02 / 65_535
            assert np.nanmax(np.abs(y.data - x.data)) <= step


def test_a_simulated_study_passes_the_validator_and_comes_back_equal(store, tmp_path):
    before = studies.simulate(store, "film-study", subjects=2, trials=3, trial_s=6.0, now=NOW)
    made = export_files.study_bids(store, "film-study", tmp_path / "out", now=NOW)
    assert (made.trials, made.notes) == (6, ())
    same_study(before, studies.import_(store, "bids", tmp_path / "out", "back", now=NOW))
    errors, warnings = validated(tmp_path / "out")
    assert errors == []
    assert set(warnings) <= {"NO_AUTHORS"}


def signal(name, type_, sfreq, n, seed=0, onset_s=0.0, scale=1.0) -> Signal:
    x = np.random.default_rng(seed).standard_normal(n).astype(np.float32) * scale
    return Signal(name, type_, UNITS.get(type_, "V"), sfreq, x, onset_s)


def awkward(root: Path) -> Study:
    """Odd names, groups that change, ratings that are missing, and signals of rates and clocks of their own."""
    band = (
        signal("BVP", "ppg", 64.0, 640),
        signal("EDA", "eda", 4.0, 40, 1, 0.7, 3.0),
        signal("ACC", "acc", 19.87, 199),
    )
    rest = Recording((signal("BVP", "ppg", 64.0, 128, 7), signal("EDA", "eda", 4.0, 8, 8)))
    together = Recording(
        (signal("ECG", "ecg", 256.0, 2560), signal("tapping of the foot in volts", "misc", 25.6, 256)), None,
        (Annotation(0.0, 3.0, "baseline"),),
    )  # fmt: skip
    gaps = replace(band[0], data=np.where(np.arange(640) % 200 < 30, np.nan, band[0].data).astype(np.float32))
    recordings = [Recording(band), listing.joined(band[:1], rest.signals), together, Recording((gaps, *band[1:]))]
    told = [
        ("P 1/ä", "film 1", {"joy": 3.0, "valence": 5.5}, {"sex": "f", "order": "1", "drug": "none"}),
        ("P 1/ä", "film 2", {"joy": 1.0}, {"sex": "f", "order": "2", "drug": "none"}),
        ("P 1/b", "film 1", {"valence": 9.0}, {"sex": "m", "order": "1", "drug": ""}),
        ("sub-03", "=1+1", {}, {"sex": "m", "order": "2"}),
    ]
    trials = [
        Planned(subject, trial, labels, groups, lambda r=r: r)
        for (subject, trial, labels, groups), r in zip(told, recordings, strict=True)
    ]
    scales = {"joy": (0.0, 7.0, 3.5), "valence": (1.0, 9.0, 5.0)}
    made = Source("seven people", "CC0", scales, (), trials, 4, high={"joy": "<="}, bands={"ecg": (0.5, 40.0)},
                  licence_text="Public domain.\n")  # fmt: skip
    return folder.write(root, "odd_one", made)


def test_a_study_of_odd_names_rates_groups_and_ratings_comes_back_equal(store, tmp_path):
    before = awkward(studies.root(store))
    export_files.study_bids(store, "odd_one", tmp_path / "out", now=NOW)
    after = studies.import_(store, "bids", tmp_path / "out", "back", now=NOW)
    same_study(before, after)
    assert studies.licence_text(store, "back") == "Public domain.\n"
    people = (tmp_path / "out" / "participants.tsv").read_text(encoding="utf-8").splitlines()
    assert people[0].split("\t") == ["participant_id", "sex", "drug", "source_subject"]
    assert people[1].split("\t") == ["sub-P1", "f", "none", "P 1/ä"]
    errors, _ = validated(tmp_path / "out")
    assert errors == []


def test_mne_bids_reads_channels_and_events_of_a_run(store, tmp_path):
    studies.simulate(store, "s", subjects=2, trials=2, trial_s=6.0, now=NOW)
    export_files.study_bids(store, "s", tmp_path / "out", now=NOW)
    path = mne_bids.BIDSPath(subject="S01", task="s", run="01", datatype="eeg", root=tmp_path / "out")
    raw = mne_bids.read_raw_bids(path, verbose="error")
    kinds = raw.get_channel_types()
    assert (kinds.count("eeg"), kinds.count("ecg")) == (14, 2)
    assert [(a["description"], a["onset"]) for a in raw.annotations] == [("baseline", 0.0), ("trial", 20.0)]


def test_the_pseudonym_in_the_header_of_a_run_is_its_label_and_no_date_is_made_up(store, tmp_path):
    awkward(studies.root(store))
    export_files.study_bids(store, "odd_one", tmp_path / "out", now=NOW)
    head = next((tmp_path / "out" / "sub-P1").rglob("*.edf")).read_bytes()[:184]
    assert head[8:88].split() == [b"P1", b"X", b"X", b"X"] and head[168:176] == b"01.01.85"


def test_an_export_is_audited_with_the_hash_of_every_file_and_appears_whole_or_not_at_all(store, tmp_path):
    studies.simulate(store, "s", subjects=2, trials=2, trial_s=6.0, now=NOW)
    made = export_files.study_bids(store, "s", tmp_path / "out", now=NOW)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    there = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert set(manifest["files"]) == there - {"manifest.json", ".bidsignore"}
    assert manifest["mode"] == "pseudonymous" and manifest["rows"] == made.trials == 4
    newest = admin.audit(store)[0]
    assert newest["action"] == "export" and made.name in newest["object"]
    assert exports.recent(store)[0]["format"] == "bids"
    with pytest.raises(Conflict) as there_is:
        export_files.study_bids(store, "s", tmp_path / "out", now=NOW)
    assert there_is.value.code == "E-OUT"

    def stop(share: float, _words: str) -> None:
        if share > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_files.study_bids(store, "s", tmp_path / "new", now=NOW, progress=stop)
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".*.part"))


def test_a_table_of_ready_features_is_refused(store):
    trials = [Planned("S01", f"T{i}", {"stress": i % 2}, features={"hr": 60.0 + i}) for i in range(2)]
    folder.write(studies.root(store), "ready", Source("b", "l", {"stress": (0.0, 1.0, 0.5)}, (), trials, 2))
    with pytest.raises(Refused) as refused:
        export_files.study_bids(store, "ready", now=NOW)
    assert refused.value.code == "E-BIDS-FEATURES"
    assert not list((store.data_dir / "exports").iterdir())


def test_a_job_leaves_a_zip_that_waits_a_week(store):
    studies.simulate(store, "s", subjects=2, trials=2, trial_s=6.0, now=NOW)
    job = jobs.submit(store, "export", {"study": "s"}, now=NOW)
    jobs.claim(store, "w", now=NOW)
    handlers.execute(store.url, job.id)
    done = jobs.get(store, job.id)
    assert done.state == "done", done.error
    path = export_files.waiting(store, done.result["export"])
    assert path is not None
    folders = {n.split("/")[0] for n in zipfile.ZipFile(path).namelist()}
    assert folders == {done.result["name"]}
    assert export_files.sweep(store, now=datetime.now(UTC)) == 0
    os.utime(path, (0, 0))
    assert export_files.sweep(store, now=datetime.now(UTC)) == 1
    assert export_files.waiting(store, done.result["export"]) is None
    assert export_files.waiting(store, "../" + done.result["export"]) is None


def test_labels_of_subjects_are_letters_and_digits_and_never_two_alike():
    assert bids._labels(["S-01", "s01", "sub-7", "ä"]) == {"S-01": "S01", "s01": "s01x2", "sub-7": "7", "ä": "x"}


def test_a_run_that_is_damaged_costs_its_own_trial_and_no_other(store, tmp_path):
    studies.simulate(store, "s", subjects=2, trials=3, trial_s=6.0, now=NOW)
    export_files.study_bids(store, "s", tmp_path / "out", now=NOW)
    broken = next((tmp_path / "out" / "sub-S01").rglob("*run-02_eeg.edf"))
    broken.write_bytes(gzip.compress(b"no EDF" * 2000))
    after = studies.import_(store, "bids", tmp_path / "out", "back", now=NOW)
    assert [(x.subject, x.trial) for x in after.left_out] == [("S01", "T02")]
    assert len(after.trials) == 5
