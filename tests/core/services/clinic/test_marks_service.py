"""Marks of a person, and the session computed again with them."""

from __future__ import annotations

import pytest

from core.errors import Conflict, NotFound, Refused
from core.services import admin, handlers, jobs
from core.services.clinic import insights, marks, sessions
from core.settings import settings
from core.types import Annotation, InputFile
from tests.core.services.clinic.test_session_services import edf
from tests.core.storage.handmade import NOW, day, put


@pytest.fixture(scope="module")
def visit(tmp_path_factory) -> InputFile:
    return edf(tmp_path_factory.mktemp("visit"), duration_s=30)


@pytest.fixture
def session(store, visit) -> str:
    return sessions.analyse(store, [visit], "P-0042", now=NOW)["session"]


def flags(answer: dict, name: str) -> list[str]:
    return next(c["flags"] for c in answer["quality"]["channels"] if c["name"] == name)


def test_marks_wait_for_a_recompute_and_then_the_channel_is_left_out(store, session):
    before = sessions.as_json(store, session)
    marks.mark_bad(store, session, "T7", now=NOW)
    marks.mark_bad(store, session, "T7", now=NOW)
    marks.mark_bad(store, session, "F3", now=NOW)
    waiting = marks.of_session(store, session)
    assert waiting.not_applied == 2 and waiting.bad == {"T7", "F3"} and len(waiting.all) == 2
    assert sessions.as_json(store, session) == before, "a mark alone changes nothing"
    after = sessions.recompute(store, session, waiting.reading, now=NOW)
    assert after["session"] == session and marks.of_session(store, session).not_applied == 0
    assert flags(after, "T7") == ["marked"] and flags(before, "T7") == []
    row = next(r for r in sessions.signals(store, session, t0=0, page_s=5).rows if r["name"] == "T7")
    assert row["bad"] and len(row["y"]) == 640, "it stays visible"
    was, now_is = (x["markers"]["alpha_asymmetry"]["value"] for x in (before, after))
    assert was != now_is, "the pair of F3 is not counted any more"
    assert after["markers"]["heart_rate"] == before["markers"]["heart_rate"]


def test_computing_again_is_the_same_and_the_older_analysis_stays_with_its_own_reading(store, session):
    first = sessions.as_json(store, session)
    marks.mark_bad(store, session, "T7", now=NOW)
    reading = marks.of_session(store, session).reading
    second = sessions.recompute(store, session, reading, now=NOW)
    assert sessions.recompute(store, session, reading, now=NOW) == second
    made = sessions.get(store, session).made
    assert [(m.newest, m.reading.bad) for m in made] == [(False, ()), (True, ("T7",))]
    mark = marks.of_session(store, session).standing[0]
    marks.undo(store, session, mark.id, now=day(400))
    back = marks.of_session(store, session)
    assert back.not_applied == 1 and back.bad == frozenset()
    assert sessions.recompute(store, session, back.reading, now=NOW) == first, "the first analysis is the newest again"
    assert [m.newest for m in sessions.get(store, session).made] == [True, False]
    assert len(sessions.history(store, "P-0042")) == 1 and admin.verify(store) == []


def test_a_mark_that_is_taken_back_stays_in_the_history_and_every_change_in_the_audit(store, session):
    mark = marks.mark_bad(store, session, "T7", now=day(1))
    marks.undo(store, session, mark.id, now=day(2))
    marks.again(store, session, mark.id, now=day(3))
    found = marks.of_session(store, session)
    assert [(m.channel, m.who, m.created_at, m.undone_by, m.undone_at) for m in found.all] == [
        ("T7", "local", day(1), "local", day(2)), ("T7", "local", day(3), None, None)
    ]  # fmt: skip
    sessions.recompute(store, session, found.reading, now=day(4))
    said = [(row["action"], row["object"], row["reason"]) for row in admin.audit(store)]
    for action in ("mark.bad", "mark.undo"):
        assert (action, session, "T7") in said
    assert "session.recompute" in [action for action, *_ in said]


def test_a_bad_stretch_takes_its_windows_out_and_a_free_label_waits_for_nothing(store, session):
    before = sessions.as_json(store, session)
    marks.note(store, session, "eyes closed", 2, 6, now=NOW)
    assert marks.of_session(store, session).not_applied == 0
    marks.note(store, session, "BAD_movement", 10.0, 8.0, now=NOW)
    found = marks.of_session(store, session)
    assert found.not_applied == 1
    after = sessions.recompute(store, session, found.reading, now=NOW)
    # windows of 4 s every 2 s over 30 s: 14, of which those from 8 to 16 s touch the stretch
    assert flags(after, "O1") == ["marked"] and before["quality"]["usable_share"] == 1.0
    assert after["quality"]["usable_share"] == pytest.approx(1 - 5 / 14)
    detail = sessions.get(store, session)
    assert Annotation(10.0, 8.0, "BAD_movement") not in detail.annotations, "the file's own stay apart"
    assert detail.made[-1].reading.marks == ((10.0, 8.0, "BAD_movement"),)


def test_what_cannot_be_marked_is_refused(store, session, tmp_path):
    with pytest.raises(NotFound, match="E-CHANNEL"):
        marks.mark_bad(store, session, "XYZ", now=NOW)
    for onset, length, text in ((-1, 2, "x"), (0, 0, "x"), (31, 2, "x"), (0, float("nan"), "x"), (0, 2, "  ")):
        with pytest.raises(Refused):
            marks.note(store, session, text, onset, length, now=NOW)
    with pytest.raises(NotFound, match="E-MARK"):
        marks.undo(store, session, 99, now=NOW)
    assert marks.note(store, session, "to the end", 25, 99, now=NOW).duration_s == pytest.approx(5.0)


def test_a_recompute_of_changed_or_absent_files_is_refused_and_stores_nothing(store, session):
    marks.mark_bad(store, session, "T7", now=NOW)
    reading = marks.of_session(store, session).reading
    kept = store.data_dir / "recordings" / sessions.get(store, session).provenance["files"][0]["sha256"]
    data = kept.read_bytes()
    kept.write_bytes(data[:-1] + b"\x01")
    with pytest.raises(Conflict, match="E-HASH"):
        sessions.recompute(store, session, reading, now=NOW)
    assert len(sessions.get(store, session).made) == 1
    kept.write_bytes(data)


def test_the_detectors_run_again_after_a_recompute(store, visit):
    for k in range(12):
        put(store, "P-0042", day(-200 + 7 * k), {"heart_rate": 115.0 + (k % 3)}, model=None)
    session = sessions.analyse(store, [visit], "P-0042", now=NOW)["session"]
    assert any(c.insight.session == session for c in insights.of_patient(store, "P-0042")), "70 /min is far off 116"
    for name in (s["name"] for s in sessions.get(store, session).signals if s["type"] == "ecg"):
        marks.mark_bad(store, session, name, now=NOW)
    after = sessions.recompute(store, session, marks.of_session(store, session).reading, now=NOW)
    assert after["markers"]["heart_rate"] == {"not_computed": "low_quality"}
    assert not any(c.insight.session == session for c in insights.of_patient(store, "P-0042"))


def test_a_recompute_is_one_job_at_a_time_and_a_worker_can_do_it(store, session, monkeypatch):
    monkeypatch.setenv("AFFECTLINE_DATA_DIR", str(store.data_dir))
    settings.cache_clear()
    marks.mark_bad(store, session, "T7", now=NOW)
    reading = marks.of_session(store, session).reading
    job = marks.recompute(store, session, reading, now=NOW)
    assert marks.recompute(store, session, reading, now=NOW).id == job.id
    marks.mark_bad(store, session, "T8", now=NOW)
    with pytest.raises(Conflict, match="E-BUSY"):
        marks.recompute(store, session, marks.of_session(store, session).reading, now=NOW)
    assert marks.recomputing(store, session).id == job.id
    jobs.claim(store, "test:1:a", now=NOW)
    handlers.execute(store.url, job.id)
    done = jobs.get(store, job.id)
    assert (done.state, done.result["session"]) == ("done", session), done.error
    settings.cache_clear()
    assert marks.recomputing(store, session) is None and marks.of_session(store, session).not_applied == 1
