"""Marks, recompute, eyes and beats on the Session page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from app.ui import components
from core.services import handlers, jobs
from core.services.clinic import marks, sessions
from core.storage import tables
from core.types import Reason
from tests.pages.conftest import IMPORTED, NOW, RECORDED, WRIST, open_page, texts


@pytest.fixture
def session(filled) -> str:
    return sessions.history(filled, RECORDED)[-1].session


def button(at, label: str):
    return next(b for b in at.button if b.label == label)


def said(at) -> str:
    assert not at.exception, at.exception
    return "\n".join(texts(at)).replace("\\", "")


def test_a_channel_is_marked_waits_for_a_recompute_and_the_change_can_be_undone(filled, session):
    at = open_page("session", session=session, tab="Signals")
    assert "not applied" not in said(at)
    at.selectbox(key="m_channel").set_value("T7")
    button(at, "Mark bad").click().run()
    text = said(at)
    assert "1 mark not applied." in text and "T7 marked as bad." in text
    assert marks.of_session(filled, session).bad == {"T7"}
    button(at, "Undo").click().run()
    assert "not applied" not in said(at) and marks.of_session(filled, session).bad == frozenset()
    # the history keeps who and when
    kept = marks.of_session(filled, session).all
    assert len(kept) == 1 and kept[0].undone_by == "local" and "local" in said(at)


def test_taking_a_mark_back_can_be_undone_too(filled, session):
    marks.mark_bad(filled, session, "T7", now=NOW)
    at = open_page("session", session=session, tab="Signals")
    at.selectbox(key="m_channel").set_value("T7").run()
    button(at, "Take back bad").click().run()
    assert marks.of_session(filled, session).bad == frozenset() and "Taken back: T7" in said(at)
    button(at, "Undo").click().run()
    assert marks.of_session(filled, session).bad == {"T7"}


def test_the_words_of_a_mark_and_who_set_it_do_not_leave_with_the_table(filled, session, monkeypatch):
    marks.note(filled, session, "she wept", 1.0, 2.0, now=NOW)
    left = {}
    monkeypatch.setattr(components, "export_button", lambda make, *, kind, **_: left.update({kind: make}))
    at = open_page("session", session=session, tab="Signals")
    assert "she wept" in said(at)
    [row] = left["marks"]().to_dict("records")
    assert "kept here at" in row["Mark"] and "wept" not in row["Mark"] and row["Set by"] == "kept here"


def test_a_stretch_gets_words_and_an_empty_one_is_refused_in_words(filled, session):
    at = open_page("session", session=session, tab="Signals")
    button(at, "Add").click().run()
    assert "a few words are missing" in said(at)
    at.text_input(key="m_text").set_value("BAD_cough")
    button(at, "Add").click().run()
    text = said(at)
    assert "1 mark not applied." in text and "BAD_cough at 00:00 for 2 s" in text
    assert "Marks on this page: 00:00 BAD_cough" in text


def test_recompute_is_a_job_whose_bar_stands_on_the_page_and_whose_end_shows(filled, session):
    marks.mark_bad(filled, session, "T7", now=NOW)
    at = open_page("session", session=session, tab="Overview")
    button(at, "Recompute").click().run()
    job = marks.recomputing(filled, session)
    assert job is not None and job.params["reading"]["bad"] == ["T7"]
    text = said(at)
    assert "Leaving or reloading this page is safe" in text and "not applied" not in text
    jobs.claim(filled, "test:1:a", now=datetime.now(UTC))
    handlers.execute(filled.url, job.id)
    text = said(at.run())
    assert "Computed again." in text and "marked as bad" in text and "not applied" not in text
    text = said(open_page("session", session=session, tab="Provenance"))
    assert "Channels left out by a person: T7" in text and "as the files are" in text


def test_a_replay_says_on_the_page_that_numbers_are_the_same_or_which_are_not(filled, session):
    at = open_page("session", session=session, tab="Provenance")
    assert "to the last bit" not in said(at)
    button(at, "Replay").click().run()
    text = said(at)
    n = len(sessions.history(filled, RECORDED)[-1].measures)
    assert f"All {n} measures are the same as stored, to the last bit." in text and "Computed again" in text
    with filled.write() as tx:
        tx.execute(update(tables.measure).where(tables.measure.c.name == "heart_rate").values(value=60.5))
    text = said(button(at, "Replay").click().run())
    assert f"1 of {n} measures is not the same as stored." in text and "60.5" in text
    filled.blobs.fetch(sessions.get(filled, session).provenance["files"][0]["sha256"]).unlink()
    at = open_page("session", session=session, tab="Provenance")
    text = said(button(at, "Replay").click().run())
    assert "not where it was stored" in text and "to the last bit" not in text
    imported = sessions.history(filled, IMPORTED)[-1].session
    at = open_page("session", session=imported, tab="Provenance")
    assert "no recording to compute them from again" in said(at) and "Replay" not in [b.label for b in at.button]


def test_the_overview_counts_the_beats(filled, session):
    assert "Beats: 66 found, 0 corrected, 0 left out (ECG 1)." in said(open_page("session", session=session))
    wrist = sessions.history(filled, WRIST)[-1].session
    assert "Pulses: 360 found, 0 corrected, 0 left out (BVP)." in said(open_page("session", session=wrist))
    text = said(open_page("session", session=session, tab="Signals"))
    assert "Beats on this page: " in text and "▼ counted." in text


def test_eyes_show_components_and_say_why_there_are_none(filled, session):
    at = open_page("session", session=session, tab="Signals")
    at.toggle(key="v_eyes").set_value(True).run()
    text = said(at)
    assert "No component follows AF3 and AF4 (in place of an EOG) closely enough." in text
    assert "Nothing is taken out. Choose a component" in text and "Strongest on" in text
    picked = next(m for m in at.multiselect if m.label == "Components to take out")
    picked.set_value([1]).run()
    assert "as recorded in grey" in said(at)
    button(at, "Take 1 component out and recompute").click().run()
    assert marks.recomputing(filled, session).params["reading"]["ocular"] == ["1"]
    wrist = sessions.history(filled, WRIST)[-1].session
    assert not open_page("session", session=wrist, tab="Signals").toggle, "no EEG, no eyes"


def test_imported_values_cannot_be_marked(filled):
    imported = sessions.history(filled, IMPORTED)[-1].session
    text = said(open_page("session", session=imported, tab="Signals"))
    assert "imported without a recording" in text and "Mark bad" not in text


def test_the_windows_tab_has_a_row_for_each_annotated_stretch(filled, session, monkeypatch):
    assert "By annotation" not in said(open_page("session", session=session, tab="Windows"))
    rows = [
        sessions.Stretch(f"trial {i}", 64.0 * i + 3, 60.0, 29, 28, {"valence": 0.25, "arousal": Reason.LOW_QUALITY})
        for i in range(40)
    ]
    monkeypatch.setattr(sessions, "stretches", lambda store, session: rows)
    at = open_page("session", session=session, tab="Windows")
    assert "By annotation" in said(at)
    table = next(d.value for d in at.dataframe if "Annotation" in d.value.columns)
    assert len(table) == 40 and table["Annotation"].iloc[39] == "trial 39"
    assert (table["Valence"] == 0.25).all() and table["Arousal"].isna().all()
    assert set(table["Reason"]) == {"not computed: too little of the signal can be trusted"}
    assert any(b.key == "export-table-stretches" for b in at.get("download_button"))
