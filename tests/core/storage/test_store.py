from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import exc, text

from core.errors import Conflict, NotFound
from core.services import admin, jobs
from core.services.clinic import insights, patients, sessions
from core.storage import audit, migrations, tables
from core.storage.records import parse_label
from core.storage.store import Store
from tests.conftest import ROOT
from tests.core.storage.handmade import NOW, day, put


def test_the_migrations_make_exactly_the_tables_of_the_code(store):
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.Base.metadata) == []
        assert migrations.current(connection) == migrations.HEAD


def test_the_newest_revision_is_the_one_the_store_expects():
    assert ScriptDirectory(str(ROOT / "core/storage/migrations")).get_current_head() == migrations.HEAD


def test_sqlite_is_opened_with_the_settings_that_keep_data_whole(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'a.sqlite3'}", data_dir=tmp_path)
    with store.read() as tx:
        found = {
            p: tx.value(text(f"PRAGMA {p}")) for p in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}


def test_a_block_that_fails_leaves_nothing(store):
    with pytest.raises(ZeroDivisionError), store.write() as tx:
        tx.audit("before the fault")
        patients.create(store, "P-0001", now=NOW)
        _ = 1 / 0
    assert patients.find(store) == []
    assert admin.audit(store) == []


def test_a_write_inside_a_read_is_a_mistake_and_a_read_inside_a_write_sees_it(store):
    with store.write() as tx:
        tx.audit("first")
        with store.read() as inner:
            assert audit.count(inner) == 1
    with store.read(), pytest.raises(RuntimeError), store.write():
        pass


def test_times_come_back_aware_in_utc_and_naive_ones_are_refused(store):
    patients.create(store, "P-0001", now=datetime.fromisoformat("2026-07-14T09:05:00+02:00"))
    assert patients.get(store, "P-0001").created_at.isoformat() == "2026-07-14T07:05:00+00:00"
    with pytest.raises((ValueError, exc.StatementError)):
        patients.create(store, "P-0002", now=datetime(2026, 7, 14))


def test_a_session_reads_back_as_it_was_stored_also_after_a_restart(store, url, tmp_path):
    made = [
        put(store, "P-0042", day(7 * k), {"valence": 0.25 + k / 4, "arousal": 0.6, "heart_rate": 70.0})
        for k in range(3)
    ]
    before = [sessions.history_json(store, "P-0042"), insights.as_json(store, "P-0042"), *made]
    store.close()
    again = Store(url, data_dir=tmp_path)
    assert [sessions.history_json(again, "P-0042"), insights.as_json(again, "P-0042"),
            *(sessions.as_json(again, m["session"]) for m in made)] == before  # fmt: skip
    row = sessions.history(again, "P-0042")[1]
    assert (row.session, row.started_at, row.status, row.usable_share) == ("P-0042/S-02", day(7), "ok", 1.0)
    assert row.measures["valence"].value == 0.5 and row.measures["valence"].label == "Unsure"
    assert row.measures["dominance"].reason == "low_quality"
    series = sessions.windows(again, "P-0042/S-02")
    assert series is not None
    assert series.proba["arousal"].tolist()[2:] == [0.5, 0.125] and np.isnan(series.proba["arousal"][1])
    assert series.usable.tolist() == [True, False, True, True] and series.reasons[1] == "low_quality"
    again.close()


def test_the_same_files_again_are_the_same_session_and_another_model_is_one_more_analysis(store):
    one = put(store, "P-0042", day(0), {"valence": 0.5})
    assert put(store, "P-0042", day(0), {"valence": 0.5}) == one
    assert len(sessions.history(store, "P-0042")) == 1
    other = put(store, "P-0042", day(0), {"valence": 0.9}, model=None)
    assert other["session"] == one["session"] and other["model"] is None
    assert sessions.get(store, one["session"]).analyses == ("hand-made 1", "no model")
    assert sessions.as_json(store, one["session"], "hand-made")["predictions"] == one["predictions"]
    put(store, "P-0001", day(0), {"valence": 0.5}, content=f"P-0042 {day(0).isoformat()}")
    assert len(sessions.history(store, "P-0001")) == 1


def test_eight_threads_write_fifty_times_each_without_a_lock_error(store):
    errors: list[BaseException] = []
    for n in range(4):
        patients.create(store, f"P-{n:04d}", now=NOW)

    def work(thread: int) -> None:
        try:
            for k in range(42):
                patients.add_event(store, f"P-{thread % 4:04d}", "change", f"change {k}", day(k), now=NOW)
            for k in range(8):
                put(store, f"P-{thread % 4:04d}", day(k + thread / 10), {"valence": 0.5, "heart_rate": 70.0})
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for n in range(4):
        numbers = sorted(parse_label(row.session)[1] for row in sessions.history(store, f"P-{n:04d}"))
        assert numbers == list(range(1, 17))
        assert len(patients.events(store, f"P-{n:04d}")) == 84
    assert admin.verify_audit(store)[0]
    # the files of these hand-made sessions were never written; nothing else is wrong
    assert all("the original file is missing" in p for p in admin.verify(store))


def test_a_store_in_memory_serves_threads():
    store, found = Store("sqlite://"), []
    threads = [
        threading.Thread(target=lambda n=n: found.append(patients.create(store, f"P-{n:04d}", now=NOW)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(patients.find(store)) == 8


OPEN = "import sys; from core.storage.store import Store; Store.open(sys.argv[1])"


def test_processes_that_open_a_new_database_at_once_do_not_collide(url):
    running = [
        subprocess.Popen([sys.executable, "-c", OPEN, url], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 4, said


def test_the_audit_cannot_be_changed_and_a_change_behind_its_back_shows(store):
    for n in range(3):
        patients.create(store, f"P-000{n}", now=NOW)
    assert admin.verify_audit(store) == (True, "3 rows")
    for statement in ("UPDATE audit SET actor = 'other'", "DELETE FROM audit"):
        with pytest.raises((exc.IntegrityError, exc.DBAPIError)), store.write() as tx:
            tx.execute(text(statement))
    with store.write() as tx:
        if tx.postgres:
            tx.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        else:
            tx.execute(text("DROP TRIGGER audit_no_update"))
        tx.execute(text("UPDATE audit SET object = 'P-9999' WHERE id = 2"))
    assert admin.verify_audit(store) == (False, "row 2: its content was changed")


def test_a_value_that_changed_on_disk_is_found(store):
    put(store, "P-0042", day(0), {"valence": 0.5})
    with store.write() as tx:
        tx.execute(text("UPDATE measure SET value = 0.9 WHERE name = 'valence'"))
    assert "analysis 1: a stored value changed" in admin.verify(store)


def test_a_session_dated_before_stored_ones_runs_the_rules_again_and_keeps_decisions(store):
    rng = np.random.default_rng(3)
    for k in range(12):
        put(
            store,
            "P-0042",
            day(7 * k),
            {"valence": 0.5 + 0.02 * rng.standard_normal(), "heart_rate": 65.0 + (k > 9) * 20},
        )
    cards = insights.of_patient(store, "P-0042")
    assert cards, "a jump of 20 /min is found"
    decided = insights.decide(store, cards[0].id, "dismissed", now=NOW, reason="artefact", note="loose electrode")
    put(store, "P-0042", day(3), {"valence": 0.5, "heart_rate": 65.0})
    after = {c.id: c for c in insights.of_patient(store, "P-0042")}
    assert after[decided.id].state == "dismissed" and after[decided.id].note == "loose electrode"
    # running them again adds no rows (S1-25) and gives the same ids
    before = sorted(after)
    insights.regenerate(store, "P-0042", now=NOW)
    insights.regenerate(store, "P-0042", now=NOW)
    assert sorted(c.id for c in insights.of_patient(store, "P-0042")) == before
    undone = insights.undo(store, decided.id, now=NOW)
    assert undone.state == "new" and [h[2] for h in undone.history] == ["dismissed", "undone: dismissed"]


def test_a_moved_session_leaves_a_trace_and_both_histories_are_made_anew(store):
    for k in range(12):
        put(store, "P-0042", day(7 * k), {"valence": 0.5, "heart_rate": 65.0 + (k % 3)})
    last = put(store, "P-0042", day(84), {"valence": 0.5, "heart_rate": 110.0})["session"]
    assert any(c.insight.session == last for c in insights.of_patient(store, "P-0042"))
    patients.create(store, "P-0007", now=NOW)
    moved = sessions.move(store, last, "P-0007", "wrong patient chosen", now=NOW)
    assert moved == "P-0007/S-01" and sessions.get(store, moved).moved_from == last
    assert not any(c.insight.session == last for c in insights.of_patient(store, "P-0042"))
    with pytest.raises(NotFound, match="moved to P-0007/S-01"):
        sessions.get(store, last)
    with pytest.raises(NotFound):
        sessions.move(store, moved, "P-0404", "no such patient", now=NOW)
    # its number is not given again
    assert put(store, "P-0042", day(200), {"valence": 0.5})["session"] == "P-0042/S-14"


def test_a_deleted_session_is_gone_from_history_and_comes_back(store):
    for k in range(3):
        put(store, "P-0042", day(k), {"valence": 0.5})
    sessions.delete(store, "P-0042/S-02", now=NOW)
    assert [r.session for r in sessions.history(store, "P-0042")] == ["P-0042/S-01", "P-0042/S-03"]
    assert sessions.history(store, "P-0042", include_deleted=True)[1].deleted_at == NOW
    sessions.restore(store, "P-0042/S-02", now=NOW)
    assert len(sessions.history(store, "P-0042")) == 3
    sessions.delete(store, "P-0042/S-02", now=NOW)
    with pytest.raises(Conflict):
        sessions.restore(store, "P-0042/S-02", now=NOW.replace(year=2027))


def test_a_model_change_resets_the_history_of_predictions(store):
    from core.types import ModelInfo

    for k in range(12):
        put(store, "P-0042", day(7 * k), {"valence": 0.3 + 0.01 * (k % 2), "heart_rate": 65.0 + (k % 3)})
    newer = ModelInfo("hand-made", "2", "simulated signals", 0.6, True)
    put(store, "P-0042", day(84), {"valence": 0.8, "heart_rate": 65.0}, model=newer)
    assert not [
        c
        for c in insights.of_patient(store, "P-0042")
        if c.insight.session == "P-0042/S-13" and c.insight.measure == "valence"
    ]
    assert patients.baselines(store, "P-0042")["valence"].n == 1
    assert patients.baselines(store, "P-0042")["heart_rate"].n == 13


def test_of_two_workers_one_gets_the_job(store):
    job = jobs.submit(store, "demo", {}, now=NOW)
    taken = []
    threads = [threading.Thread(target=lambda n=n: taken.append(jobs.claim(store, f"w{n}", now=NOW))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [t.id for t in taken if t] == [job.id]
