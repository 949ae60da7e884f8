"""A database of the first tables is brought to marks, with what can be known of its older analyses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from core.storage import engine, migrations
from core.storage import sessions as rows
from core.storage.store import Store
from core.storage.tables import canonical
from core.types import Reading

FIRST = datetime(2026, 1, 5, 9, tzinfo=UTC)
SESSION = (
    "INSERT INTO session (id, patient_id, number, started_at, created_at, imported, simulated, source_key, duration_s, "
    "format, signals, annotations, warnings, reading) VALUES (1, 1, 1, :at, :at, :no, :no, 'k', 60.0, 'EDF', '[]', "
    "'[]', '[]', :reading)"
)
ANALYSIS = (
    "INSERT INTO analysis (id, session_id, newest, created_at, status, reasons, state, n_windows, model, "
    "model_version, model_basis, model_demonstration, pipeline, pipeline_hash, reading_hash, code_version, row_hash) "
    "VALUES (:id, 1, :newest, :at, 'ok', '[]', '{}', 4, '', '', '', :no, '{}', 'p', :hash, '1', 'r')"
)


def test_an_older_analysis_gets_its_reading_where_its_hash_says_so_and_none_where_it_does_not(url, tmp_path):
    made = engine.make(url)
    with made.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO patient (id, pseudonym, created_at, updated_at, simulated, tags, next_session) "
                "VALUES (1, 'P-1', :at, :at, :no, '[]', 2)"
            ),
            {"at": FIRST, "no": False},
        )
        reading = canonical(Reading(sfreq=128.0).as_dict())
        connection.execute(text(SESSION), {"at": FIRST, "no": False, "reading": reading})
        for number, digest in enumerate((Reading().hash, Reading(sfreq=128.0).hash), 1):
            values = {"id": number, "newest": number == 2, "at": FIRST, "no": False, "hash": digest}
            connection.execute(text(ANALYSIS), values)
    made.dispose()
    store = Store(url, data_dir=tmp_path)
    with store.read() as tx:
        assert migrations.current(tx.connection) == migrations.HEAD
        readings = [a.reading for a in rows.analyses(tx, 1)]
    assert readings == [None, {"mapping": {}, "sfreq": 128.0}]
    store.close()
