"""Every page, on an empty and on a filled site: no exception, no forbidden text, words where there is no number."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from app.ui import components, nav, wording
from core import simulate
from core.services import jobs
from core.services.clinic import insights, patients, sessions
from core.services.exports import exports
from core.settings import SAMPLES
from core.types import InputFile
from tests.pages.conftest import IMPORTED, NOW, RECORDED, WRIST, course_csv, open_page, texts

SCRIPTS = sorted(entry.script.removesuffix(".py") for entry in nav.PAGES.values())
FORBIDDEN = re.compile(r"\b(nan|NaN|None|NaT|Traceback|null|inf)\b|Exception")
TABS = ("Overview", "Signals", "Windows", "Why", "Provenance")


def check(at: AppTest) -> str:
    """No exception and no forbidden word; returns the whole text."""
    assert not at.exception, at.exception[0].value
    found = texts(at)
    bad = [t for t in found if FORBIDDEN.search(t) or t.strip() in ("-", "")]
    assert not bad, bad[:5]
    return "\n".join(found)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_page_shows_on_an_empty_site_and_says_what_it_is_not(script, empty):
    text = check(open_page(script))
    assert wording.FOOTER in text


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_page_shows_on_a_filled_site_without_a_subject(script, filled):
    text = check(open_page(script))
    assert wording.FOOTER in text


@pytest.mark.parametrize("patient", [RECORDED, WRIST, IMPORTED])
def test_the_timeline_of_every_kind_of_patient_shows(patient, filled):
    text = check(open_page("patient", patient=patient))
    assert patient in text
    assert f"Is {patient} within their own range?" in text


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("patient", [RECORDED, WRIST, IMPORTED])
def test_every_tab_of_every_kind_of_session_shows(patient, tab, filled):
    session = sessions.history(filled, patient)[-1].session
    text = check(open_page("session", session=session, tab=tab))
    assert session in text


def test_an_empty_worklist_offers_ways_on(empty):
    at = open_page("worklist")
    assert "No patients yet" in check(at)
    assert any(b.label == "Load demo patients" for b in at.button)


@pytest.mark.parametrize(
    ("script", "params", "said"),
    [
        ("patient", {"patient": "P-9999"}, "Unknown patient"),
        ("insights", {"patient": "P-9999"}, "Unknown patient"),
        ("session", {"session": "P-0001/S-99"}, "cannot be shown"),
        ("session", {"session": "nonsense"}, "cannot be shown"),
        ("new_recording", {"job": "nope"}, "Unknown job"),
        ("new_recording", {"draft": "../../etc/passwd"}, "no longer kept"),
        ("jobs", {"job": "nope"}, "Unknown job"),
    ],
)
def test_an_unknown_id_is_said_and_nothing_else_is_shown_in_its_place(script, params, said, filled):
    text = check(open_page(script, **params))
    assert said in text
    assert "Heart rate" not in text


def test_an_unknown_patient_never_shows_another(filled):
    text = check(open_page("patient", patient="P-9999"))
    for other in (RECORDED, WRIST, IMPORTED):
        assert other not in text


def test_what_is_not_computed_is_said_in_words(filled, tmp_path):
    simulate.write_edf(simulate.recording(seed=1, duration_s=12), tmp_path / "short.edf")
    file = InputFile("short.edf", str(tmp_path / "short.edf"))
    told = sessions.analyse(filled, [file], RECORDED, now=NOW, model="wearable-stress")
    row = sessions.history(filled, RECORDED)[-1]
    text = check(open_page("session", session=told["session"], tab="Overview"))
    reasons = {m.reason for m in row.measures.values() if m.reason}
    assert {"too_short", "missing_channel"} <= reasons
    assert "not computed" in text and all(wording.REASONS[reason] in text for reason in reasons)


def test_the_demonstration_model_is_named_with_its_figure_wherever_its_numbers_stand(filled):
    row = sessions.history(filled, RECORDED)[-1]
    assert row.model is not None
    for script, params in (
        ("worklist", {}),
        ("import_export", {}),
        ("patient", {"patient": RECORDED}),
        ("session", {"session": row.session}),
    ):
        text = check(open_page(script, **params))
        assert wording.DEMONSTRATION[1:] in text.replace("\\", "")
        assert "LOSO" in text


def test_one_session_is_a_first_measurement(filled):
    assert "First measurement, nothing to compare with yet" in check(open_page("patient", patient=RECORDED))


def test_a_baseline_that_is_learning_says_so(filled):
    assert "learning: 1 of 10 sessions" in check(open_page("patient", patient=RECORDED))


def test_a_range_without_sessions_says_when_the_last_one_was(filled):
    text = check(open_page("patient", patient=IMPORTED, range="30d"))
    assert "No sessions in this range" in text


def test_the_last_session_says_whether_it_differs_by_more_than_sessions_do_from_one_to_the_next(filled, monkeypatch):
    left = {}
    monkeypatch.setattr(components, "export_button", lambda make, *, kind, **_: left.update({kind: make}))
    at = open_page("patient", patient=IMPORTED)
    text = check(at)
    assert wording.SESSION_TO_SESSION in text and wording.FOOTER in text
    [shown] = [t.value for t in at.table if "Session to session" in t.value]
    told = shown.set_index("Measure")["Session to session"]
    changes = patients.reliable_changes(filled, IMPORTED, sessions.history(filled, IMPORTED)[-1].session)
    valence, arousal = changes["valence"], changes["arousal"]
    assert valence.reliable and not arousal.reliable
    assert told["Valence"] == f"larger (index {valence.index:+.2f})"
    assert told["Arousal"] == f"within (index {arousal.index:+.2f})"
    assert left["last-session"].equals(shown), "what leaves is what is shown"


def test_with_too_few_sessions_there_is_no_reliable_change_and_the_reason(filled):
    """One session; nothing before it, and one of the measures was not computed."""
    at = open_page("patient", patient=RECORDED)
    check(at)
    [shown] = [t.value for t in at.table if "Session to session" in t.value]
    assert set(shown["Session to session"]) <= {
        "not computed: it needs 10 baseline sessions, and there are 0", "nothing to compare"
    }  # fmt: skip
    assert (shown["Session to session"] != "nothing to compare").any()


def test_opening_a_patient_makes_their_sessions_no_longer_new(filled):
    assert next(r for r in patients.worklist(filled, now=NOW) if r.patient == IMPORTED).unread
    open_page("patient", patient=IMPORTED)
    assert not next(r for r in patients.worklist(filled, now=NOW) if r.patient == IMPORTED).unread


def test_an_insight_is_acknowledged_and_the_decision_taken_back(filled):
    card = insights.open_cards(filled, now=NOW, patient=IMPORTED)[0]
    at = open_page("insights", patient=IMPORTED, insight=card.id)
    check(at)
    at.button(key="a").click().run()
    check(at)
    by_id = {c.id: c for c in insights.of_patient(filled, IMPORTED)}
    assert by_id[card.id].state == "acknowledged"
    undo = next(b for b in at.button if b.label == "Undo")
    undo.click().run()
    check(at)
    assert {c.id: c for c in insights.of_patient(filled, IMPORTED)}[card.id].state in ("new", "seen")


def test_an_insight_is_dismissed_only_with_a_reason(filled):
    card = insights.open_cards(filled, now=NOW, patient=IMPORTED)[0]
    at = open_page("insights", patient=IMPORTED, insight=card.id)
    at.button(key="x").click().run()
    assert any(r.label == "Reason" for r in at.radio)
    assert insights.of_patient(filled, IMPORTED)


def test_the_published_rules_are_shown_and_cannot_be_decided_on(filled):
    at = open_page("insights", patient=IMPORTED, preset="published")
    text = check(at)
    assert "cannot be decided on" in text
    for key in ("a", "s", "x"):
        for button in at.button:
            if button.key == key:
                assert button.disabled


def test_deleting_a_session_says_what_goes_with_it(filled):
    session = sessions.history(filled, IMPORTED)[-1].session
    at = open_page("session", session=session)
    at.button(key="delete").click().run()
    text = check(at)
    assert re.search(r"Session S-24 with 0 windows and \d+ insights? will be hidden", text)
    assert session in {r.session for r in sessions.history(filled, IMPORTED)}


def test_a_deleted_session_can_be_restored_where_it_was(filled):
    session = sessions.history(filled, IMPORTED)[-1].session
    sessions.delete(filled, session, now=datetime.now(UTC))
    at = open_page("session", session=session)
    assert "It can be restored" in check(at)
    at.button(key="restore").click().run()
    assert session in {r.session for r in sessions.history(filled, IMPORTED)}


def test_a_recording_goes_through_the_four_steps_to_a_job(filled):
    sample = SAMPLES / "simulated-eeg-ecg.edf"
    at = open_page("new_recording")
    at.file_uploader[0].set_value((sample.name, sample.read_bytes(), "application/octet-stream")).run()
    check(at)
    draft = at.query_params["draft"]
    draft = draft[0] if isinstance(draft, list) else draft
    assert sessions.draft(filled, draft).files[0].name == sample.name
    for step in ("2", "3", "4"):
        at = open_page("new_recording", draft=draft, step=step, patient="P-0077")
        text = check(at)
    assert "P-0077" in text
    at.button(key="analyse").click().run()
    check(at)
    queued = jobs.recent(filled)[0]
    assert queued.kind == "analyse"
    assert queued.params["patient"] == "P-0077"
    again = open_page("new_recording", job=queued.id)
    assert "Leaving or reloading this page is safe" in check(again)


def test_a_file_that_is_no_recording_is_refused_with_reason_and_code(filled, tmp_path):
    at = open_page("new_recording")
    at.file_uploader[0].set_value(("notes.edf", b"dear diary " * 100, "application/octet-stream")).run()
    draft = at.query_params["draft"]
    draft = draft[0] if isinstance(draft, list) else draft
    text = check(open_page("new_recording", draft=draft, step="2", patient="P-0077"))
    assert "E-" in text.replace("\\", "")
    assert "Nothing was stored" in text


def test_a_job_that_failed_says_why_and_can_be_tried_again(filled):
    job = jobs.submit(filled, "analyse", {"draft": "0" * 16, "patient": "P-0078"}, label="x", now=NOW)
    jobs.cancel(filled, job.id, now=NOW)
    at = open_page("jobs", job=job.id)
    check(at)
    at.button(key="retry").click().run()
    assert jobs.get(filled, job.id).state == "queued"


def test_a_new_patient_is_offered_the_next_free_pseudonym(filled):
    at = open_page("worklist")
    at.button(key="new_patient").click().run()
    assert "Never a name" in check(at)
    assert "P-0004" in [t.value for t in at.text_input]


def test_an_export_shows_its_files_and_stands_in_the_history(filled):
    at = open_page("import_export")
    at.button(key="make_export").click().run()
    text = check(at)
    assert "data_dictionary.json" in text
    made = exports.recent(filled)[0]
    assert made["kind"] == "measures"
    assert made["id"] in check(open_page("import_export", tab="History"))


def test_measures_from_elsewhere_come_in_through_the_page(empty, tmp_path):
    csv = course_csv(tmp_path / "course.csv", n=12)
    at = open_page("import_export", tab="Import measures")
    at.file_uploader[0].set_value((csv.name, csv.read_bytes(), "text/csv")).run()
    check(at)
    at.button(key="do_import").click().run()
    assert "12 sessions" in check(at)
    assert IMPORTED in check(open_page("worklist"))


def test_a_csv_with_an_unknown_measure_is_refused_whole(empty, tmp_path):
    at = open_page("import_export", tab="Import measures")
    rows = b"patient,started_at,measure,value\nP-0009,2026-01-01T10:00:00Z,happiness,0.5\n"
    at.file_uploader[0].set_value(("bad.csv", rows, "text/csv")).run()
    at.button(key="do_import").click().run()
    assert "E-MEASURE" in check(at).replace("\\", "")
    assert "P-0009" not in check(open_page("worklist"))


def test_an_exported_view_has_the_rows_of_the_screen(filled):
    at = open_page("patient", patient=IMPORTED)
    at.toggle(key="twin-timeline").set_value(True).run()
    check(at)
    shown = next(d.value for d in at.dataframe if "measure" in d.value.columns)
    made = exports.export_view(filled, "timeline", shown, IMPORTED, now=NOW)
    lines = next(b for n, b in made.files.items() if n.endswith(".csv")).decode("utf-8-sig").splitlines()
    assert len(lines) - 1 == len(shown) == made.rows
