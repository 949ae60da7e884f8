"""What would change: the newest recorded sessions predicted with a model and without it, and nothing stored."""

from __future__ import annotations

from typing import Any

from core.compute import Progress
from core.errors import AffectlineError
from core.models import bundle as bundles
from core.models.bundle import Bundle
from core.services import approval
from core.services.clinic.analysis import reread
from core.storage import sessions as rows
from core.storage.records import SessionRecord, label
from core.storage.store import Store
from core.types import Measure, Reading, Reason, Recording

NEWEST = 20


def what_would_change(store: Store, name: str, *, newest: int = NEWEST, progress: Progress | None = None) -> dict:
    """The newest recorded sessions, read again from their original files, under a model and under what there is else.

    Returns
    -------
    dict
        model, version, n_sessions that were compared, n_unfit (without the signals it needs, so nothing changes),
        n_changed (targets whose label differs), rows and left_out {session, why}. A row is a session and target:
        session, started_at, target, with_it and without_it (value, low, high, label; or not_computed), other (name of
        the model without it, "" for none), by_default (whether it would be chosen without being named, once
        approved), changed.
    """
    bundle, installed = approval.find(name), approval.installed(store)
    with_it = approval.installed(store, approving=name)
    with store.read() as tx:
        found = rows.recorded(tx, newest)
        files = {session.id: rows.files(tx, session.id) for _, session in found}
    table: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    unfit = 0
    for i, (patient, session) in enumerate(found):
        named = label(patient, session.number)
        if progress is not None:
            progress(i / len(found), f"session {i + 1} of {len(found)}")
        reading = Reading.from_dict(session.reading or {})
        try:
            _, recording = reread(store, files[session.id], reading)
        except AffectlineError as error:
            left_out.append({"session": named, "why": error.text})
            continue
        if not bundle.fits(recording):
            unfit += 1
            continue
        other = bundles.choose(recording, None, [b for b in installed if b.name != name])
        first = bundles.choose(recording, None, with_it)
        table += _compared(named, session, _said(recording, bundle, reading), _said(recording, other, reading), {
            "other": other.name if other else "", "by_default": first is not None and first.name == name,
        })  # fmt: skip
    return {
        "model": name, "version": bundle.version, "n_sessions": len(found) - len(left_out) - unfit,
        "n_unfit": unfit,
        "n_changed": sum(row["changed"] for row in table), "rows": table, "left_out": left_out,
    }  # fmt: skip


def _compared(named: str, session: SessionRecord, mine: dict, other: dict, more: dict[str, Any]) -> list[dict]:
    """A row for each target that one of the two predicts."""
    none = {"not_computed": str(Reason.NO_MODEL)}
    said = []
    for target in dict.fromkeys((*mine, *other)):
        a, b = mine.get(target, none), other.get(target, none)
        said.append(
            {"session": named, "started_at": session.started_at.isoformat(), "target": target, "with_it": a,
             "without_it": b, **more, "changed": a.get("label") != b.get("label")}
        )  # fmt: skip
    return said


def _said(recording: Recording, bundle: Bundle | None, reading: Reading) -> dict[str, dict]:
    """What a model says of a recording, by target; nothing without a model."""
    from core import pipeline

    if bundle is None:
        return {}
    found = pipeline.analyse(recording, bundle, reading=reading).measures
    return {m.name: _plain(m) for m in found if m.kind == "prediction"}


def _plain(measure: Measure) -> dict[str, Any]:
    if measure.value is None:
        return {"not_computed": str(measure.reason)}
    numbers = {n: None if (v := getattr(measure, n)) is None else float(v) for n in ("value", "low", "high")}
    return {**numbers, "label": measure.label}
