"""Measures from elsewhere: sessions without a recording, from a CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import Conflict, Refused, TooLarge
from core.services import pseudonyms
from core.services.clinic import detection
from core.settings import CODE, MEASURE_UNITS, PREDICTIONS, settings
from core.storage import patients as patient_rows
from core.storage import sessions as rows
from core.storage.records import AnalysisRecord, as_measure
from core.storage.store import Store, Transaction
from core.types import Measure, Reason

NEEDED = ("patient", "started_at", "measure", "value")
OPTIONAL = ("low", "high")
MAX_ROWS = 1_000_000
# an index is P(high): over one half is high
INDEX_THRESHOLD = 0.5
# measures that cannot be negative
NOT_NEGATIVE = frozenset(MEASURE_UNITS) - {"alpha_asymmetry", "engagement", "skin_temperature"}
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class _Row:
    line: int
    patient: str
    started_at: datetime
    measure: Measure


def import_csv(
    store: Store,
    path: Path,
    *,
    now: datetime,
    name: str | None = None,
    simulated: bool = False,
    progress: Progress | None = None,
) -> dict:
    """Import ``patient, started_at, measure, value[, low, high]``; all or nothing.

    One session per patient and time, marked imported; the same row twice is harmless, another value for it is
    refused (E-MEASURE-CONFLICT), a measure unknown to design 2 is refused (E-MEASURE). Detectors run session by
    session in order of time. Returns {patients, sessions, measures, skipped, insights}.
    """
    where = name or Path(path).name
    sessions, skipped = _grouped(_rows(Path(path), where), where)
    counted = {"patients": 0, "sessions": 0, "measures": 0, "skipped": skipped, "insights": 0}
    everyone = sorted({patient for patient, _ in sessions})
    with store.write() as tx:
        for i, patient in enumerate(everyone):
            if progress is not None:
                progress(i / len(everyone), f"Importing measures of patient {i + 1} of {len(everyone)}")
            mine = {at: found for (p, at), found in sessions.items() if p == patient}
            _import_patient(tx, patient, mine, counted, where, now=now, simulated=simulated)
        tx.audit(
            "measures.import", f"{counted['sessions']} sessions, {counted['measures']} measures", at=now, outcome="ok"
        )
    if progress is not None:
        progress(1.0, "Imported")
    return counted


def _import_patient(
    tx: Transaction,
    patient: str,
    sessions: Mapping[datetime, Sequence[_Row]],
    counted: dict[str, int],
    where: str,
    *,
    now: datetime,
    simulated: bool,
) -> None:
    record = patient_rows.by_name(tx, patient, lock=True)
    if record is None:
        record = pseudonyms.add_in(tx, patient, now=now, simulated=simulated)
        counted["patients"] += record is not None
    if record is None:  # another process created it at this moment
        record = pseudonyms.require(tx, patient, lock=True)
    known = rows.imported(tx, record.id)
    changed: list[datetime] = []
    restored = False
    for started_at in sorted(sessions):
        found = sessions[started_at]
        key = f"measures:{started_at.isoformat()}"
        if key in known:
            restored |= rows.undelete(tx, known[key])
            fresh = _fresh(tx, known[key], found, where)
            counted["skipped"] += len(found) - len(fresh)
            if fresh:
                rows.add_measures(tx, _analysis(tx, known[key]), [r.measure for r in fresh])
        else:
            fresh = list(found)
            _add_session(tx, record.id, key, started_at, fresh, now=now, simulated=simulated or record.simulated)
            counted["sessions"] += 1
        counted["measures"] += len(fresh)
        if fresh:
            changed.append(started_at)
    if changed or restored:
        patient_rows.touch(tx, record.id, now)
        since = None if restored else min(changed)
        counted["insights"] += detection.refresh(tx, record.id, patient, now=now, since=since)


def _analysis(tx: Transaction, session_id: int) -> AnalysisRecord:
    return rows.analyses(tx, session_id)[-1]


def _fresh(tx: Transaction, session_id: int, found: Sequence[_Row], where: str) -> list[_Row]:
    """Rows that are not stored yet; one that is stored with another value is refused."""
    stored = {m.name: m for m in (as_measure(r) for r in rows.measure_rows(tx, _analysis(tx, session_id).id))}
    fresh = []
    for row in found:
        before = stored.get(row.measure.name)
        if before is None:
            fresh.append(row)
        elif (before.value, before.low, before.high) != (row.measure.value, row.measure.low, row.measure.high):
            raise _conflict(row, before, where)
    return fresh


def _conflict(row: _Row, before: Measure, where: str) -> Conflict:
    return Conflict(
        "E-MEASURE-CONFLICT",
        f"row {row.line}: {row.measure.name} of {row.patient} at {row.started_at.isoformat()} is known as "
        f"{before.value:g}{_between(before)}, and here it is {row.measure.value:g}{_between(row.measure)}.",
        where,
        "Nothing was imported. Correct the row; a stored value is never replaced.",
    )


def _between(measure: Measure) -> str:
    return "" if measure.low is None else f" ({measure.low:g} to {measure.high:g})"


def _add_session(
    tx: Transaction,
    patient_id: int,
    key: str,
    started_at: datetime,
    found: Sequence[_Row],
    *,
    now: datetime,
    simulated: bool,
) -> None:
    session_id, _ = rows.add(
        tx, patient_id, started_at=started_at, created_at=now, imported=True, simulated=simulated, source_key=key,
        duration_s=0.0, format="", signals=[], annotations=[], warnings=[], reading={},
    )  # fmt: skip
    analysis: dict[str, Any] = {
        "created_at": now, "status": "ok", "reasons": [], "state": {"not_computed": str(Reason.NO_MODEL)},
        "usable_share": None, "grade": None, "n_windows": 0, "model": "", "model_version": "", "model_basis": "",
        "model_accuracy": None, "model_demonstration": False, "pipeline": {}, "pipeline_hash": "", "reading_hash": "",
        "code_version": CODE,
    }  # fmt: skip
    rows.add_analysis(tx, session_id, analysis, [row.measure for row in found])


# --- the table


def _grouped(table: Iterator[_Row], where: str) -> tuple[dict[tuple[str, datetime], list[_Row]], int]:
    """Rows by patient and time; how many said the same thing twice. Two values for one thing are refused."""
    sessions: dict[tuple[str, datetime], list[_Row]] = {}
    seen: dict[tuple[str, datetime, str], _Row] = {}
    skipped = 0
    for row in table:
        key = (row.patient, row.started_at, row.measure.name)
        before = seen.get(key)
        if before is None:
            seen[key] = row
            sessions.setdefault(key[:2], []).append(row)
        elif before.measure == row.measure:
            skipped += 1
        else:
            raise _conflict(row, before.measure, where)
    if not seen:
        raise Refused("E-CSV-EMPTY", "the table has no rows.", where, "Add a row for each measure of each session.")
    return sessions, skipped


def _rows(path: Path, where: str) -> Iterator[_Row]:
    limit = settings().max_upload_mb << 20
    if path.stat().st_size > limit:
        raise TooLarge("E-TOO-LARGE", f"the file is larger than {settings().max_upload_mb} MB.", where, "Split it.")
    data = path.read_bytes()
    if b"\x00" in data:
        raise Refused("E-CSV", "this is no text file.", where, "Save the table as CSV (UTF-8).")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(
            "E-ENCODING", f"byte {error.start} is not UTF-8.", where, "Save the table as CSV with encoding UTF-8."
        ) from None
    delimiter = _delimiter(text, where)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    patients: set[str] = set()
    try:
        header = next(reader, [])
        columns = _columns(header, where)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if reader.line_num > MAX_ROWS:
                raise TooLarge("E-TOO-LARGE", f"the table has more than {MAX_ROWS} rows.", where, "Split it.")
            if len(cells) != len(header):
                raise _bad(
                    reader.line_num, "row", f"{len(cells)} cells under {len(header)} columns", "E-CSV", where,
                    "Check the separators and quotes.",
                )  # fmt: skip
            yield _row({n: cells[i].strip() for n, i in columns.items()}, reader.line_num, where, patients)
    except csv.Error as error:
        raise Refused("E-CSV", f"row {reader.line_num}: {error}.", where, "Check the separators and quotes.") from None


def _delimiter(text: str, where: str) -> str:
    """Comma, semicolon or tab: the one that the header is written with."""
    header = text.lstrip("\ufeff").split("\n", 1)[0]
    found = max(",;\t", key=header.count)
    return found if header.count(found) else ","


def _columns(header: Sequence[str], where: str) -> dict[str, int]:
    names = [cell.strip().lower() for cell in header]
    unknown = [n for n in names if n not in (*NEEDED, *OPTIONAL)]
    missing = [n for n in NEEDED if n not in names]
    twice = sorted({n for n in names if names.count(n) > 1})
    one_bound = ("low" in names) != ("high" in names)
    wrong = [
        f"column {', '.join(missing)} is missing" if missing else "",
        f"column {', '.join(repr(n[:40]) for n in unknown)} is not known" if unknown else "",
        f"column {', '.join(twice)} is there twice" if twice and not unknown else "",
        "low and high go together" if one_bound else "",
    ]
    if any(wrong):
        raise Refused(
            "E-CSV-COLUMNS",
            "; ".join(w for w in wrong if w) + ".",
            where,
            f"The columns are {', '.join(NEEDED)} and optionally {', '.join(OPTIONAL)}.",
        )
    return {name: i for i, name in enumerate(names)}


def _bad(line: int, column: str, what: str, code: str, where: str, what_to_do: str) -> Refused:
    return Refused(code, f"row {line}, {column}: {what}.", where, what_to_do)


def _row(cells: Mapping[str, str], line: int, where: str, patients: set[str]) -> _Row:
    patient = cells["patient"]
    if patient not in patients:
        try:
            pseudonyms.check_pseudonym(patient)
        except Refused as refused:
            raise Refused(refused.code, f"row {line}, patient: {refused.what}", where, refused.what_to_do) from None
        patients.add(patient)
    name = cells["measure"]
    if name not in MEASURE_UNITS:
        raise _bad(
            line, "measure", f"{name[:40]!r} is not known" if name else "no measure is named", "E-MEASURE", where,
            f"Use one of {', '.join(MEASURE_UNITS)}.",
        )  # fmt: skip
    value = _number(cells["value"], "value", line, where)
    low_text, high_text = cells.get("low", ""), cells.get("high", "")
    if bool(low_text) != bool(high_text):
        raise _bad(line, "low, high", "only one of the two is there", "E-MEASURE-VALUE", where, "Give both or none.")
    low = _number(low_text, "low", line, where) if low_text else None
    high = _number(high_text, "high", line, where) if high_text else None
    _plausible(name, value, low, high, line, where)
    prediction = name in PREDICTIONS
    return _Row(
        line,
        patient,
        _time(cells["started_at"], line, where),
        Measure(
            name, "prediction" if prediction else "marker", MEASURE_UNITS[name], value, low, high,
            threshold=INDEX_THRESHOLD if prediction else None,
        ),
    )  # fmt: skip


def _number(text: str, column: str, line: int, where: str) -> float:
    if not _NUMBER.fullmatch(text):
        comma = "," in text
        raise _bad(
            line, column, f"{text[:40]!r} is no number" if text else "there is no number", "E-MEASURE-VALUE", where,
            "Write the decimal separator as a point." if comma else "Write a plain number such as 0.62.",
        )  # fmt: skip
    value = float(text)
    if not math.isfinite(value):
        raise _bad(line, column, f"{text[:40]} is too large", "E-MEASURE-VALUE", where, "Correct the value.")
    return value


def _plausible(name: str, value: float, low: float | None, high: float | None, line: int, where: str) -> None:
    if name in PREDICTIONS or name == "smile":
        for column, number in (("value", value), ("low", low), ("high", high)):
            if number is not None and not 0 <= number <= 1:
                raise _bad(
                    line, column, f"{name} lies between 0 and 1, and this is {number:g}", "E-MEASURE-VALUE", where,
                    "Scale it to 0-1.",
                )  # fmt: skip
    elif name in NOT_NEGATIVE and value < 0:
        raise _bad(line, "value", f"{name} cannot be {value:g}", "E-MEASURE-VALUE", where, "Correct the value.")
    if low is not None and high is not None and not low <= value <= high:
        raise _bad(
            line, "low, high", f"{value:g} lies outside {low:g} to {high:g}", "E-MEASURE-VALUE", where,
            "Correct the interval.",
        )  # fmt: skip


def _time(text: str, line: int, where: str) -> datetime:
    """An ISO 8601 time; without an offset it is in the site's zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _bad(
            line, "started_at", f"{text[:40]!r} is no time" if text else "there is no time", "E-TIME", where,
            "Write it as 2026-07-14T09:05:00+01:00.",
        ) from None  # fmt: skip
    if not 1900 <= at.year <= 2100:
        raise _bad(line, "started_at", f"the year is {at.year}", "E-TIME", where, "Correct the year.")
    if at.tzinfo is None:
        at = at.replace(tzinfo=settings().zone)
    return at.astimezone(UTC)
