"""Running the detectors over what is stored, and keeping what people decided. Inside a transaction of the caller."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from statistics import stdev
from typing import Any

from core.settings import LOW_USABLE_SHARE, PREDICTIONS
from core.storage import insights as rows
from core.storage import patients, sessions
from core.storage.records import BaselineRecord, HistoryRecord, InsightRecord, label
from core.storage.store import Transaction
from core.types import Insight, Reference, Visit

STORED_PRESET = "default"
DECIDED = ("acknowledged", "snoozed", "dismissed")
Key = tuple[str, str, str]
# kinds whose value and reference differ by an effect; for others a severity stands for it, in own SD
_EFFECTS = ("TREND", "ANOMALY", "PEAK")
_SEVERITY_SD = {"alert": 3.0, "warning": 2.0, "info": 1.0}


def low_quality(imported: bool, usable_share: float | None) -> bool:
    """Whether a session is drawn hollow and left out of baselines."""
    return not imported and usable_share is not None and usable_share < LOW_USABLE_SHARE


def accepted(session: HistoryRecord) -> bool:
    """Whether a session counts: computed, and enough of it usable."""
    return session.status == "ok" and not low_quality(session.imported, session.usable_share)


def model_id(model: str, version: str) -> str | None:
    """What tells probabilities of two models apart."""
    return f"{model}@{version}" if model else None


def visits(tx: Transaction, patient_id: int, pseudonym: str) -> list[Visit]:
    """A patient's sessions as the detectors see them, oldest first.

    Predictions are those of the newest session's model where a session has them, else of its own newest analysis.
    """
    history = sessions.history(tx, patient_id)
    wanted = next((s.model for s in reversed(history) if accepted(s)), "")
    markers: dict[int, dict[str, float]] = {}
    predicted: dict[int, dict[str, dict[str, float]]] = {}
    for session_id, model, newest, kind, name, value in sessions.values(tx, patient_id):
        if kind == "prediction":
            predicted.setdefault(session_id, {}).setdefault(model, {})[name] = value
        elif newest:
            markers.setdefault(session_id, {})[name] = value
    found = []
    for s in history:
        by_model = predicted.get(s.id, {})
        model = wanted if wanted in by_model else s.model
        version = s.model_version if model == s.model else _version(history, model)
        found.append(
            Visit(
                label(pseudonym, s.number),
                s.started_at,
                accepted(s),
                {**by_model.get(model, {}), **markers.get(s.id, {})},
                model_id(model, version),
            )
        )
    return found


def _version(history: Sequence[HistoryRecord], model: str) -> str:
    return next(s.model_version for s in reversed(history) if s.model == model)


def in_force(baselines: Sequence[BaselineRecord]) -> BaselineRecord | None:
    """The newest baseline that was not taken back."""
    return next((b for b in reversed(baselines) if b.undone_at is None), None)


def references(baseline: BaselineRecord | None, model: str | None) -> dict[str, Reference]:
    """The references of a set baseline; those of predictions only under the model they were made with."""
    if baseline is None:
        return {}
    return {
        name: Reference(m["mean"], m["sd"], m["n"], baseline.since)
        for name, m in baseline.measures.items()
        if name not in PREDICTIONS or m["model"] == model
    }


def current_references(tx: Transaction, patient_id: int, seen: Sequence[Visit]) -> dict[str, Reference]:
    """The references in force for a patient."""
    model = next((v.model for v in reversed(seen) if v.accepted), None)
    return references(in_force(patients.baselines(tx, patient_id)), model)


def key(insight: Insight | InsightRecord) -> Key:
    """What makes an insight the same one when the rules run again."""
    return insight.kind, insight.measure, insight.session


def as_insight(record: InsightRecord) -> Insight:
    """The stored insight as the rules gave it."""
    return Insight(**{f.name: getattr(record, f.name) for f in fields(Insight)})


def found_by(preset: str, seen: Sequence[Visit], refs: Mapping[str, Reference]) -> list[Insight]:
    """What a preset says over a whole history; nothing is stored."""
    from core.insights import replay

    return replay(seen, preset, references=refs if preset == STORED_PRESET else None)


def refresh(tx: Transaction, patient_id: int, pseudonym: str, *, now: datetime, since: datetime | None = None) -> int:
    """Run the detectors from a time on (by default from the first visit) and store what they find.

    An insight that is found again keeps its id. One that nobody decided on and that is no longer found goes;
    decided ones stay, withdrawn from view while their session is not this patient's or deleted. Returns how many
    there are now.
    """
    from core.insights import replay

    seen = visits(tx, patient_id, pseudonym)
    place = {v.session: i for i, v in enumerate(seen)}
    start = 0 if since is None else next((i for i, v in enumerate(seen) if v.started_at >= since), len(seen))
    stored = rows.of_patient(tx, patient_id, STORED_PRESET)
    known = [as_insight(r) for r in stored if r.session in place]
    refs = current_references(tx, patient_id, seen)
    found = {key(i): i for i in replay(seen, STORED_PRESET, from_index=start, open_insights=known, references=refs)}

    history = sessions.history(tx, patient_id)
    ids = {label(pseudonym, s.number): s for s in history}
    gone, n = [], 0
    for record in stored:
        again = found.pop(key(record), None)
        decided = record.state in DECIDED
        here = place.get(record.session)
        if here is None or (here >= start and again is None):
            if not decided:
                gone.append(record.id)
                continue
            if record.withdrawn != (here is None):
                rows.change(tx, record.id, withdrawn=here is None)
        elif again is not None and decided:
            rows.change(tx, record.id, last_session=again.last_session, period_end=again.period_end, withdrawn=False)
        elif again is not None:
            rows.change(tx, record.id, **_values(again), withdrawn=False)
        n += here is not None
    rows.remove(tx, gone)
    kept = [key(r) for r in stored if r.id not in set(gone)]
    spread = own_sd(seen)
    for insight in sorted(found.values(), key=lambda i: place[i.session]):
        session = ids[insight.session]
        rows.add(
            tx, patient_id=patient_id, session_id=session.id, preset=STORED_PRESET, created_at=now,
            weight=weight(insight, session.usable_share, spread, kept, place), **_values(insight),
        )  # fmt: skip
        kept.append(key(insight))
        n += 1
    return n


def own_sd(seen: Sequence[Visit]) -> dict[str, float]:
    """SD (ddof 1) of each measure over a person's accepted sessions, where there are two or more."""
    columns: dict[str, list[float]] = {}
    for visit in seen:
        if visit.accepted:
            for name, value in visit.values.items():
                columns.setdefault(name, []).append(value)
    return {name: stdev(values) for name, values in columns.items() if len(values) > 1}


def weight(
    insight: Insight, share: float | None, spread: Mapping[str, float], others: Iterable[Key], place: Mapping[str, int]
) -> float:
    """Effect in own SD x quality x novelty (1, halved for each earlier one of its kind and measure in ten visits)."""
    sd = spread.get(insight.measure, 0.0)
    if insight.kind in _EFFECTS and sd > 0:
        effect = min(abs(insight.value - insight.reference) / sd, 6.0)
    else:
        effect = _SEVERITY_SD.get(insight.severity, 1.0)
    here = place.get(insight.session, 0)
    earlier = sum(
        kind == insight.kind and measure == insight.measure and 0 < here - place.get(session, here) <= 10
        for kind, measure, session in others
    )
    return round(effect * (1.0 if share is None else share) * 0.5 ** min(earlier, 3), 4)


def _values(insight: Insight) -> dict[str, Any]:
    values = {f.name: getattr(insight, f.name) for f in fields(Insight) if f.name != "preset"}
    values["evidence"] = {k: float(v) for k, v in insight.evidence.items() if math.isfinite(v)}
    return values
