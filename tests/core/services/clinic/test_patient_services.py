from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from core.errors import Conflict, NotFound, Refused
from core.insights import reliable
from core.insights.baseline import ema
from core.services.clinic import insights, patients, sessions
from core.storage import tables as t
from tests.core.storage.handmade import MODEL, NOW, day, put


@pytest.mark.parametrize("text", ["P-0042", "S01", "sub_042", "007", "P-D001", "A" * 31 + "1", "12-34-56"])
def test_a_pseudonym_is_accepted(text):
    assert patients.check_pseudonym(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "Anna", "Anna Lee 2", "P-42\n", "a@b.c1", "Ünal-1", "A" * 32 + "1", "P/S-1", "../x1", "=1+1",
     "1990-05-02", "02-05-1990", "5-2-1990", "19900502", "02051990", "90-05-02",
      "1990_5_2", "2-May-1990", "may-2-1990"],
)  # fmt: skip
def test_a_name_or_a_date_is_no_pseudonym(text):
    with pytest.raises(Refused) as refused:
        patients.check_pseudonym(text)
    assert refused.value.code == "E-PSEUDONYM"


def test_a_patient_is_created_once_whatever_the_case(store):
    patients.create(store, "P-0042", now=NOW, tags=["a"])
    for again in ("P-0042", "p-0042"):
        with pytest.raises(Conflict, match="E-PATIENT-EXISTS"):
            patients.create(store, again, now=NOW)
    assert patients.get(store, "P-0042").tags == ("a",)
    assert [p.pseudonym for p in patients.find(store, "004")] == ["P-0042"] and patients.find(store, "%") == []
    assert patients.suggest(store) == "P-0043"
    with pytest.raises(NotFound, match="E-PATIENT"):
        patients.get(store, "P-0001")


def test_the_baseline_follows_accepted_sessions_only(store):
    values = [60.0 + k for k in range(12)]
    for k, value in enumerate(values):
        put(store, "P-0042", day(7 * k), {"valence": 0.5, "heart_rate": value})
        before = patients.baselines(store, "P-0042")["heart_rate"]
        put(store, "P-0042", day(7 * k + 1), {"heart_rate": 150.0}, status="abstained")
        put(store, "P-0042", day(7 * k + 2), {"valence": 0.9, "heart_rate": 150.0}, share=0.4)
        after = patients.baselines(store, "P-0042")["heart_rate"]
        assert before == after, "an abstained session, or one drawn hollow, moves nothing"
        assert after.n == k + 1 and after.kind == ("learning" if k < 9 else "own")
        assert (after.low is None) == (k < 9)
        assert after.mean == pytest.approx(ema(values[: k + 1])[-1])
    at = patients.baselines(store, "P-0042", at=day(7 * 4))["heart_rate"]
    assert at.n == 5 and at.kind == "learning"


def test_a_set_baseline_is_versioned_judges_later_sessions_and_is_taken_back(store):
    rng = np.random.default_rng(5)
    for k in range(16):
        put(store, "P-0042", day(7 * k), {"valence": 0.5, "heart_rate": 65.0 + rng.normal() + 12.0 * (k >= 5)})
    found = patients.baselines(store, "P-0042")["heart_rate"]
    chosen = [f"P-0042/S-{k:02d}" for k in range(1, 6)]
    before = {c.id for c in insights.of_patient(store, "P-0042")}
    kept, gone, new = patients.preview_baseline(store, "P-0042", chosen)
    with pytest.raises(Refused):
        patients.set_baseline(store, "P-0042", chosen, "  ", now=NOW)
    with pytest.raises(Refused, match="E-BASELINE"):
        patients.set_baseline(store, "P-0042", chosen[:1], "only one", now=NOW)
    with pytest.raises(Refused, match="E-BASELINE"):
        patients.set_baseline(store, "P-0042", [*chosen, "P-0001/S-01"], "not theirs", now=NOW)
    made = patients.set_baseline(store, "P-0042", chosen, "before the treatment", now=NOW)["heart_rate"]
    assert (made.kind, made.n, made.who, made.why, made.set_at) == ("set", 5, "local", "before the treatment", NOW)
    values = [s.measures["heart_rate"].value for s in sessions.history(store, "P-0042")[:5]]
    assert made.mean == pytest.approx(np.mean(values)) and made.sd == pytest.approx(np.std(values, ddof=1))
    after = {c.id for c in insights.of_patient(store, "P-0042")}
    assert (len(before & after), len(before - after), len(after - before)) == (kept, gone, new)
    assert patients.worklist(store, now=NOW)[0].baseline == "set"
    assert patients.undo_baseline(store, "P-0042", now=NOW) and not patients.undo_baseline(store, "P-0042", now=NOW)
    assert patients.baselines(store, "P-0042")["heart_rate"] == found
    assert [b.version for b in _rows(store, t.baseline)] == [1]
    assert {b.why for b in patients.baseline_history(store, "P-0042")} == {"before the treatment"}


def test_reliable_change_is_against_accepted_sessions_before_and_those_that_were_set(store):
    """Twelve sessions of 60 and 62, then twelve of 70 and 72; between them some of low quality."""
    for k in range(24):
        put(store, "P-0042", day(7 * k), {"heart_rate": (60.0 if k < 12 else 70.0) + 2.0 * (k % 2)})
        put(store, "P-0042", day(7 * k + 1), {"heart_rate": 150.0}, share=0.4)
    names = [s.session for s in sessions.history(store, "P-0042")]

    def of(session):
        return patients.reliable_changes(store, "P-0042", session)["heart_rate"]

    assert of(names[18]).why == "it needs 10 baseline sessions, and there are 9"
    own = [60.0, 62.0] * 5
    assert of(names[20]) == reliable.change(60.0, own, "heart_rate"), "what comes later is not looked at"
    assert of(names[1]).why == "too little of the session could be used" and of(names[1]).index is None
    every = [60.0, 62.0] * 6 + [70.0, 72.0] * 5 + [70.0]
    assert of(names[-2]) == reliable.change(72.0, every, "heart_rate")
    patients.set_baseline(store, "P-0042", names[0:20:2], "before the treatment", now=NOW)
    assert of(names[-2]) == reliable.change(72.0, own, "heart_rate"), "the ten that were set"
    assert of(names[10]).n == 5, "a session before the baseline is not judged by it"
    assert patients.reliable_changes(store, "P-0042", "P-0042/S-99") == {}


def test_reliable_change_of_an_index_is_within_one_model(store):
    newer = replace(MODEL, version="another")
    for k in range(12):
        put(store, "P-0042", day(k), {"valence": 0.5 + 0.02 * (k % 2), "heart_rate": 60.0 + k % 2})
    for k in range(12, 24):
        put(store, "P-0042", day(k), {"valence": 0.8 + 0.02 * (k % 2), "heart_rate": 60.0 + k % 2}, model=newer)
    found = patients.reliable_changes(store, "P-0042", "P-0042/S-24")
    assert found["valence"].n == 11 and found["heart_rate"].n == 23
    assert not found["valence"].reliable


def _rows(store, table):
    with store.read() as tx:
        return tx.all(table.select())


def test_events_and_self_reports_lie_on_the_life_chart(store):
    patients.create(store, "P-0042", now=NOW)
    late = patients.add_event(store, "P-0042", "treatment", "talks", day(10), ended_at=day(20), now=NOW)
    patients.add_event(store, "P-0042", "life_event", "moved", day(1), impact=-4, now=NOW)
    assert [e.text for e in patients.events(store, "P-0042")] == ["moved", "talks"]
    patients.remove_event(store, late.id, now=NOW)
    assert [e.text for e in patients.events(store, "P-0042")] == ["moved"]
    for wrong in ({"impact": 5}, {"ended_at": day(-1)}, {"kind": "party"}, {"text": " "}):
        arguments = {"kind": "change", "text": "x", "impact": None, "ended_at": None} | wrong
        with pytest.raises(Refused):
            patients.add_event(
                store, "P-0042", arguments["kind"], arguments["text"], day(1), impact=arguments["impact"],
                ended_at=arguments["ended_at"], now=NOW,
            )  # fmt: skip
    for unknown in (late.id, "x", "99999999999"):
        with pytest.raises(NotFound):
            patients.remove_event(store, unknown, now=NOW)
    patients.add_self_report(store, "P-0042", "PHQ-9", 27, day(2), now=NOW)
    for wrong_score in (28, -1, float("nan")):
        with pytest.raises(Refused, match="E-SCORE"):
            patients.add_self_report(store, "P-0042", "PHQ-9", wrong_score, day(2), now=NOW)
    assert [r.score for r in patients.self_reports(store, "P-0042")] == [27.0]


def test_the_worklist_puts_open_insights_first_then_what_nobody_opened(store):
    for k in range(12):
        put(
            store,
            "P-0001",
            day(7 * k),
            {"valence": 0.5, "arousal": 0.25, "heart_rate": 65.0 + (k % 3) + 40 * (k == 11)},
        )
    put(store, "P-0002", day(2), {"valence": 0.5})
    put(store, "P-0003", day(1), {}, status="abstained")
    put(store, "P-0004", day(0), {"valence": 0.5})
    patients.create(store, "P-0005", now=NOW)
    for seen in ("P-0001", "P-0004"):
        sessions.mark_seen(store, seen, now=NOW)
    rows = {r.patient: r for r in patients.worklist(store, now=NOW)}
    assert list(rows) == ["P-0001", "P-0003", "P-0002", "P-0004", "P-0005"]
    first = rows["P-0001"]
    assert first.open_insights >= 1 and first.weight > 0 and not first.unread and rows["P-0002"].unread
    assert first.spark["arousal"] == (0.25,) * 10 and first.spark["dominance"] == (None,) * 10
    assert (first.n_sessions, first.last_session, first.baseline) == (12, "P-0001/S-12", "own")
    assert (rows["P-0003"].state, rows["P-0003"].baseline) == ("low_quality", "learning 0/10")
    assert rows["P-0005"].last_session is None and rows["P-0005"].state == ""
    counts = patients.counts(store, now=NOW)
    assert (counts.patients, counts.new_sessions, counts.failed_jobs) == (5, 2, 0)
    assert counts.open_insights == sum(r.open_insights for r in rows.values())
    for card in insights.open_cards(store, now=NOW):
        insights.decide(store, card.id, "snoozed", now=NOW, until=NOW + timedelta(days=7))
    assert patients.counts(store, now=NOW).open_insights == 0
    assert patients.counts(store, now=NOW + timedelta(days=8)).open_insights == counts.open_insights


def test_the_worklist_of_a_large_clinic_takes_a_handful_of_queries(store):
    fill(store, n_patients=100, n_sessions=50)
    asked: list[str] = []
    from sqlalchemy import event

    event.listen(store._engine, "before_cursor_execute", lambda c, cu, statement, *a: asked.append(statement))
    rows = patients.worklist(store, now=NOW)
    assert len(rows) == 100 and rows[0].n_sessions == 50 and len(rows[0].spark["valence"]) == 10
    assert sum(s.lstrip().upper().startswith("SELECT") for s in asked) <= 8
    asked.clear()
    assert len(sessions.history(store, "P-0001")) == 50
    assert sum(s.lstrip().upper().startswith("SELECT") for s in asked) <= 3


def fill(store, n_patients: int, n_sessions: int) -> None:
    """Many sessions straight into the tables, to measure reading alone."""
    n = n_patients * n_sessions
    of = [divmod(i, n_sessions) for i in range(n)]
    analysis = {
        "newest": True, "created_at": NOW, "status": "ok", "reasons": [], "state": {"words": "high valence"},
        "usable_share": 0.9, "grade": "good", "n_windows": 29, "model": "m", "model_version": "1", "model_basis": "b",
        "model_accuracy": 0.6, "model_demonstration": True, "pipeline": {}, "pipeline_hash": "x", "reading_hash": "x",
        "code_version": "0", "row_hash": "",
    }  # fmt: skip
    session = {
        "created_at": NOW, "imported": False, "simulated": True, "duration_s": 60.0, "format": "", "signals": [],
        "annotations": [], "warnings": [], "reading": {},
    }  # fmt: skip
    names = [
        ("valence", "prediction"),
        ("arousal", "prediction"),
        ("dominance", "prediction"),
        ("heart_rate", "marker"),
    ]
    with store.write() as tx:
        tx.insert_many(
            t.patient,
            ({"id": p + 1, "pseudonym": f"P-{p + 1:04d}", "created_at": NOW, "updated_at": NOW, "simulated": True,
              "tags": [], "next_session": n_sessions + 1} for p in range(n_patients)),
        )  # fmt: skip
        tx.insert_many(
            t.session,
            ({"id": i + 1, "patient_id": p + 1, "number": k + 1, "started_at": day(7 * k), "source_key": str(i),
              "moved_from": None, "deleted_at": None, **session} for i, (p, k) in enumerate(of)),
        )  # fmt: skip
        tx.insert_many(t.analysis, ({"id": i + 1, "session_id": i + 1, **analysis} for i in range(n)))
        tx.insert_many(
            t.measure,
            ({"analysis_id": i + 1, "name": name, "kind": kind, "unit": "index", "value": 0.5, "low": 0.4, "high": 0.6,
              "reason": None, "threshold": 0.5} for i in range(n) for name, kind in names),
        )  # fmt: skip


def test_profile_and_summary_carry_numbers_or_reasons(store):
    patients.create(store, "P-0042", now=NOW)
    assert patients.profile(store, "P-0042")["baseline_valence"] == {"not_computed": "too_few"}
    assert patients.summary(store, "P-0042")["valence"] == {"not_computed": "too_few"}
    for k, v in enumerate((0.2, 0.8)):
        put(store, "P-0042", day(k), {"valence": v})
    said = patients.summary(store, "P-0042")["valence"]
    assert said == {"mean": 0.5, "sd": pytest.approx(0.424264), "share_high": 0.5, "margin": pytest.approx(0.6), "n": 2}
    assert patients.profile(store, "P-0042")["baseline_valence"] == pytest.approx(0.2 + 0.1 * 0.6)
    assert patients.profile(store, "P-0042")["total_windows"] == 8
