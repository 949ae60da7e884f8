"""What is a pseudonym, who has one, and what a person may write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

from core.errors import Conflict, NotFound, Refused
from core.storage import patients as rows
from core.storage.records import PatientRecord
from core.storage.store import Transaction

TEXT_LIMIT = 500
_PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{2,32}")
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_WRITTEN_DATE = re.compile(
    rf"\d{{1,2}}[-_]?(?:{_MONTHS})[a-z]*[-_]?\d{{2,4}}|(?:{_MONTHS})[a-z]*[-_]?\d{{1,2}}[-_]\d{{2,4}}"
)


def check_pseudonym(text: str) -> str:
    """Return a valid pseudonym or raise Refused: 2-32 letters, digits, - or _, at least one digit, no space."""
    if not _PSEUDONYM.fullmatch(text) or not any(c.isdigit() for c in text):
        raise Refused(
            "E-PSEUDONYM",
            "this is no pseudonym.",
            "patient",
            "Use 2 to 32 letters, digits, - or _, with at least one digit, such as P-0042; never a name.",
        )
    if _looks_like_date(text):
        raise Refused(
            "E-PSEUDONYM",
            "this looks like a date, such as a date of birth.",
            "patient",
            "Use a pseudonym that says nothing of the person, such as P-0042.",
        )
    return text


def _looks_like_date(text: str) -> bool:
    if _WRITTEN_DATE.fullmatch(text.lower()):
        return True
    if not re.fullmatch(r"[0-9_-]+", text):
        return False
    parts = [p for p in re.split(r"[-_]+", text) if p]
    if len(parts) == 1 and len(text) == 8:
        return any(_is_date(*p) for p in ((text[:4], text[4:6], text[6:]), (text[4:], text[2:4], text[:2]),
                                          (text[4:], text[:2], text[2:4])))  # fmt: skip
    if len(parts) != 3 or any(len(p) > 4 for p in parts):
        return False
    a, b, c = parts
    return _is_date(a, b, c) or _is_date(c, b, a) or _is_date(c, a, b)


def _is_date(year: str, month: str, day: str) -> bool:
    """Whether three numbers are a date of a person or visit: 1900-2099, or a year of two digits."""
    if len(year) not in (2, 4) or len(month) > 2 or len(day) > 2:
        return False
    y = int(year) if len(year) == 4 else 2000 + int(year)
    try:
        date(y, int(month), int(day))
    except ValueError:
        return False
    return 1900 <= y <= 2099


def add_in(
    tx: Transaction, pseudonym: str, *, now: datetime, simulated: bool = False, tags: Sequence[str] = ()
) -> PatientRecord | None:
    """Create a patient in a transaction; None when it is there. One that differs by case only is a conflict."""
    for other in rows.containing(tx, pseudonym):
        if other.pseudonym.lower() == pseudonym.lower() and other.pseudonym != pseudonym:
            raise Conflict(
                "E-PATIENT-EXISTS",
                f"there is already a patient {other.pseudonym}.",
                pseudonym,
                "Write it the same way.",
            )
    if not rows.add(tx, pseudonym, now=now, simulated=simulated, tags=tags):
        return None
    tx.audit("patient.create", pseudonym, at=now, patient=pseudonym)
    return rows.by_name(tx, pseudonym, lock=True)


def require(tx: Transaction, pseudonym: str, *, lock: bool = False) -> PatientRecord:
    """The patient's record, or NotFound (E-PATIENT)."""
    record = rows.by_name(tx, pseudonym, lock=lock)
    if record is None:
        raise NotFound("E-PATIENT", "there is no patient with this pseudonym.", pseudonym)
    return record


def words(said: str, where: str, what_to_do: str) -> str:
    """A text of a person, without spaces around it; refused when it is empty or very long."""
    said = said.strip()
    if not said:
        raise Refused("E-TEXT", "a few words are missing.", where, what_to_do)
    if len(said) > TEXT_LIMIT:
        raise Refused("E-TEXT", f"the text is longer than {TEXT_LIMIT} characters.", where, "Shorten it.")
    return said
