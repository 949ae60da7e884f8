"""Replay: the stored numbers again from the stored files, to the last bit, or a difference by name."""

from __future__ import annotations

import shutil

import pytest
from sqlalchemy import update

from core.errors import Conflict, NotFound, Refused
from core.services import approval
from core.services.clinic import marks, measures, replay, sessions
from core.settings import SAMPLES, settings
from core.storage import tables
from core.types import InputFile, Reading
from tests.core.storage.handmade import NOW

EDF, BAND = SAMPLES / "simulated-eeg-ecg.edf", SAMPLES / "simulated-wrist-e4.zip"


def analysed(store, file=EDF, **more) -> dict:
    return sessions.analyse(store, [InputFile(file.name, str(file))], "P-0042", now=NOW, **more)


def change(store, table, **values) -> None:
    """Change what is stored, past every service."""
    with store.write() as tx:
        where = update(table)
        if table is tables.measure:
            where = where.where(table.c.name == "heart_rate")
        tx.execute(where.values(**values))


@pytest.mark.parametrize("file", [EDF, BAND], ids=["headset", "band"])
def test_a_sample_gives_its_stored_numbers_again_to_the_last_bit(store, file):
    first = analysed(store, file)
    told = replay.of_session(store, first["session"])
    assert told["same"] and told["notes"] == [] and told["session"] == first["session"]
    assert told["model"] == {name: first["model"][name] for name in ("name", "version")}
    assert told["code_version_stored"] == told["code_version_now"] == first["provenance"]["code_version"]
    of = {row["measure"]: row for row in told["measures"]}
    assert all(row["same"] and row["stored"] == row["replayed"] for row in of.values())
    for name, said in first["predictions"].items():
        assert of[name]["replayed"] == {"value": said["p_high"], "low": said["low"], "high": said["high"]}
    assert {n for n, m in first["markers"].items() if "value" in m} <= set(of)
    assert sessions.as_json(store, first["session"]) == first, "nothing was stored"
    assert len(sessions.get(store, first["session"]).made) == 1


def test_a_stored_value_that_was_changed_is_named_with_both_numbers(store):
    session = analysed(store)["session"]
    was = next(r for r in replay.of_session(store, session)["measures"] if r["measure"] == "heart_rate")
    changed = was["stored"]["value"] + 1e-9
    change(store, tables.measure, value=changed)
    told = replay.of_session(store, session)
    assert not told["same"]
    [row] = [row for row in told["measures"] if not row["same"]]
    assert row == {**was, "stored": {**was["stored"], "value": changed}, "same": False}
    change(store, tables.measure, value=None, low=None, high=None, reason="no_peaks")
    [row] = [row for row in replay.of_session(store, session)["measures"] if not row["same"]]
    assert row["stored"] == {"not_computed": "no_peaks"} and row["replayed"] == was["replayed"]


def test_what_a_person_marked_is_part_of_a_replay(store):
    session = analysed(store)["session"]
    marks.mark_bad(store, session, "T7", now=NOW)
    assert replay.of_session(store, session)["same"], "a mark that was not applied changes nothing"
    sessions.recompute(store, session, Reading(bad=("T7",)), now=NOW)
    assert replay.of_session(store, session)["same"]


def test_a_session_without_a_model_is_replayed_whatever_is_installed_now(store):
    for name in ("demo-eeg-ecg", "wearable-stress"):
        approval.retire(store, name, "not here", NOW)
    session = analysed(store)["session"]
    for name in ("demo-eeg-ecg", "wearable-stress"):
        approval.approve(store, name, "here again", NOW)
    told = replay.of_session(store, session)
    assert told["same"] and told["model"] is None


def test_a_retired_model_still_gives_its_stored_numbers_again(store):
    first = analysed(store)
    approval.retire(store, first["model"]["name"], "for a test", NOW)
    assert replay.of_session(store, first["session"])["same"]


def test_imported_measures_and_files_that_are_gone_or_changed_are_refused_in_words(store, tmp_path):
    (tmp_path / "m.csv").write_text("patient,started_at,measure,value\nP-0007,2026-01-01T10:00:00Z,heart_rate,60\n")
    measures.import_csv(store, tmp_path / "m.csv", now=NOW)
    with pytest.raises(Refused, match=r"P-0007/S-01: its measures were imported.*\[E-RECORDING\]"):
        replay.of_session(store, "P-0007/S-01")
    with pytest.raises(NotFound, match="E-SESSION"):
        replay.of_session(store, "P-0007/S-99")
    first = analysed(store)
    kept = store.data_dir / "recordings" / first["provenance"]["files"][0]["sha256"]
    kept.chmod(0o600)
    kept.write_bytes(kept.read_bytes()[:-2] + b"xx")
    with pytest.raises(Conflict, match="E-HASH"):
        replay.of_session(store, first["session"])
    shutil.rmtree(store.data_dir / "recordings")
    with pytest.raises(NotFound, match="E-RECORDING"):
        replay.of_session(store, first["session"])


def test_another_model_setting_or_unknown_reading_is_refused_and_other_code_is_said(store, monkeypatch):
    session = analysed(store)["session"]
    change(store, tables.analysis, code_version="0.0.9")
    told = replay.of_session(store, session)
    assert told["same"] and told["code_version_stored"] == "0.0.9" and "version 0.0.9" in told["notes"][0]
    with monkeypatch.context() as other:
        other.setattr(settings(), "line_hz", 60.0)
        with pytest.raises(Refused, match=r"line hz was 50\.0 and is 60\.0.*\[E-REPLAY\]"):
            replay.of_session(store, session)
    change(store, tables.analysis, reading_hash="0" * 16)
    with pytest.raises(Refused, match="how the files were read for it was not kept"):
        replay.of_session(store, session)
    change(store, tables.analysis, model_version="another")
    with pytest.raises(Refused, match="by version another of demo-eeg-ecg, and version .* is installed now"):
        replay.of_session(store, session)
    change(store, tables.analysis, model="gone")
    with pytest.raises(Refused, match="it is not installed any more"):
        replay.of_session(store, session)
