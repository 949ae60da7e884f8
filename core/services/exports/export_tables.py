"""The tables of an export with their declared columns: measures, windows, insights and results of experiments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from core.errors import Refused
from core.services.clinic import stored
from core.services.exports.export_columns import COLUMNS, INSIGHTS, MEASURES, RESULTS, WINDOWS
from core.services.pseudonyms import require
from core.services.research import experiments
from core.storage import insights as insight_rows
from core.storage import sessions as session_rows
from core.storage.records import InsightRecord, label
from core.storage.store import Store, Transaction
from core.types import Reason

# by name: type, unit and meaning
Columns = Mapping[str, tuple[str, str, str]]
KINDS = ("measures", "windows", "insights", "results")
# what is written where a session had no model, and where its values were measured elsewhere
NO_MODEL, IMPORTED = "no_model", "imported"


def frame(
    store: Store,
    what: str,
    *,
    patient: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pd.DataFrame:
    """The rows of an export as they will be written, columns as in design 6; for previews."""
    if what not in COLUMNS:
        raise Refused("E-EXPORT-KIND", f"there is no export {what!r}.", "what", f"Use one of {', '.join(KINDS)}.")
    if what == "results":
        return typed(experiments.results_table(store), RESULTS)
    with store.read() as tx:
        return _frame(tx, what, patient, since, until)


def _frame(
    tx: Transaction, what: str, patient: str | None, since: datetime | None, until: datetime | None
) -> pd.DataFrame:
    patient_id = require(tx, patient).id if patient else None
    if what == "measures":
        found = session_rows.measure_table(tx, patient_id=patient_id, since=since, until=until)
        return _typed([_measure(row) for row in found], MEASURES)
    if what == "windows":
        return _windows(session_rows.series_table(tx, patient_id=patient_id, since=since, until=until))
    return _insights(tx, insight_rows.table(tx, patient_id, since, until))


def typed(rows: Sequence[Mapping[str, Any]], columns: Columns) -> pd.DataFrame:
    """Rows as a table with the declared columns."""
    return _typed([[row[name] for name in columns] for row in rows], columns)


def _typed(table: Sequence[Sequence[Any]], columns: Columns) -> pd.DataFrame:
    """A frame with the declared types, whether it has rows or not."""
    by_column: Iterable[Sequence[Any]] = zip(*table, strict=True) if table else ([] for _ in columns)
    made = {}
    for (name, (dtype, _, _)), values in zip(columns.items(), by_column, strict=True):
        if dtype == "time":
            made[name] = pd.Series(pd.to_datetime(list(values), utc=True)).astype("datetime64[us, UTC]")
        else:
            made[name] = pd.Series(list(values), dtype=dtype)
    return pd.DataFrame(made)


def described(columns: Columns) -> list[dict]:
    """The dictionary of a table with declared columns."""
    return [
        {"column": name, "type": type_name(dtype), "unit": unit or "none", "meaning": meaning}
        for name, (dtype, unit, meaning) in columns.items()
    ]


def type_name(dtype: str) -> str:
    """A type of a column as a dictionary names it."""
    if dtype == "time" or dtype.startswith("datetime"):
        return "time"
    return {"float": "number", "int64": "whole number", "bool": "true or false"}.get(
        "float" if dtype.startswith("float") else dtype.lower(), "text"
    )


def _why(reason: str | None, *numbers: float | None) -> str:
    """The reason beside empty numeric cells; "" where none is empty."""
    return reason or (str(Reason.NOT_SUPPORTED) if any(n is None for n in numbers) else "")


def _measure(row: Any) -> tuple:
    model = IMPORTED if row.imported else row.model or NO_MODEL
    said = "none"
    if row.kind == "prediction" and row.value is not None:
        low, high = row.low, row.high
        unsure = low is not None and high is not None and row.threshold is not None and low <= row.threshold <= high
        said = "Unsure" if unsure or row.threshold is None else "High" if row.value > row.threshold else "Low"
    return (
        row.pseudonym, label(row.pseudonym, row.number), row.started_at, row.kind, row.name, row.value, row.low,
        row.high, row.unit, _why(row.reason, row.value, row.low, row.high, row.usable_share), row.usable_share, model,
        row.model_version or "none", row.model_basis or "none", row.model_demonstration, said, row.status, row.imported,
        row.simulated, row.pipeline_hash or "none", row.newest,
    )  # fmt: skip


def _windows(found: Sequence[Any]) -> pd.DataFrame:
    table: list[tuple] = []
    for row in found:
        session = label(row.pseudonym, row.number)
        onsets, proba = stored.unpack(row.onset_s).tolist(), stored.unpack(row.proba).tolist()
        for onset, p in zip(onsets, proba, strict=True):
            usable = p == p
            table.append(
                (row.pseudonym, session, row.model, row.target, onset, row.duration_s, p if usable else None, usable,
                 "" if usable else str(Reason.LOW_QUALITY), row.started_at, row.model_version)
            )  # fmt: skip
    return _typed(table, WINDOWS)


def _insights(tx: Transaction, found: Sequence[Any]) -> pd.DataFrame:
    records = [(row[0], row[1], InsightRecord(*row[2:])) for row in found]
    decisions = insight_rows.decisions(tx, [r.id for _, _, r in records if r.state != "new"])
    table = []
    for pseudonym, started_at, r in records:
        last = next((d for d in reversed(decisions.get(r.id, [])) if d.undone_at is None), None)
        table.append(
            (
                pseudonym, str(r.id), r.kind, r.measure, r.session, r.severity, r.text, r.value, r.reference, r.n,
                r.expected_by_chance, started_at, r.last_session, r.low, r.high, r.p, r.q,
                _why(None, r.low, r.high, r.p, r.q), r.preset, r.rule, r.model or NO_MODEL, r.period_start,
                r.period_end, r.weight, r.state, last.who if last else "nobody",
                last.at.isoformat() if last else "not decided",
                last.reason if last and last.reason else "none",
            )
        )  # fmt: skip
    return _typed(table, INSIGHTS)
