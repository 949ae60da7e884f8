"""Users: a patient's history, insights, profile and summary."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query

from app.api import deps, schemas
from app.ui import wording
from core.services.clinic import insights, patients, sessions
from core.settings import DEMONSTRATION, MEASURE_NAMES
from core.storage.store import Store

router = APIRouter(prefix="/users/{user_id}", tags=["users"])


def message(store: Store, patient: str) -> str:
    """What a person must know beside a patient's numbers: what this is not, and which models only demonstrate."""
    used = {row.model for row in sessions.history(store, patient) if row.model and row.model.demonstration}
    named = sorted({f"{model.name} {model.version}" for model in used})
    return " ".join([*(f"{name}: {DEMONSTRATION}." for name in named), schemas.NOTICE])


@router.get("/history", response_model=schemas.History)
def patient_history(
    user_id: str,
    store: deps.TheStore,
    now: deps.Now,
    days: Annotated[int, Query(ge=1, le=365)] = 365,
    page: Annotated[int, Query(ge=1, le=10**9)] = 1,
    size: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict:
    """Sessions of the last days, newest first. A known patient without any is answered with an empty page."""
    since = now - timedelta(days=days)
    found = sessions.history_json(store, user_id)["sessions"]
    rows = [row for row in reversed(found) if datetime.fromisoformat(row["started_at"]) >= since]
    shown = rows[(page - 1) * size : page * size]
    return {
        "user_id": user_id,
        "days": days,
        "page": page,
        "size": size,
        "total": len(rows),
        "sessions": shown,
        "message": message(store, user_id),
    }


@router.get("/insights", response_model=schemas.Insights)
def patient_insights(
    user_id: str,
    store: deps.TheStore,
    now: deps.Now,
    days: Annotated[int, Query(ge=1, le=90)] = 7,
    regenerate: Annotated[bool, Query(description="Run the rules again; what somebody decided is kept.")] = False,
    preset: Annotated[str, Query(pattern="^(default|published)$")] = "default",
) -> dict:
    """What the rules found in the last days, oldest first."""
    since = now - timedelta(days=days)
    patients.get(store, user_id)
    if regenerate:
        insights.regenerate(store, user_id, from_time=since, now=now)
    cards = insights.of_patient(store, user_id, preset=preset, since=since)
    return {
        "user_id": user_id,
        "days": days,
        "preset": preset,
        "total": len(cards),
        "regenerated": regenerate,
        "insights": [item(card) for card in cards],
        "message": message(store, user_id),
    }


def item(card: insights.Card) -> dict[str, Any]:
    """A card in the source platform's words."""
    i = card.insight
    kind, measure = wording.KINDS.get(i.kind, i.kind), MEASURE_NAMES.get(i.measure, i.measure)
    return {
        "insight_id": card.id,
        "user_id": card.patient,
        "session_id": i.session,
        "insight_type": i.kind,
        "dimension": i.measure,
        "title": f"{kind}: {measure}",
        "description": i.text,
        "severity": i.severity,
        "value": i.value,
        "reference": i.reference,
        "period_start": i.period_start,
        "period_end": i.period_end,
        "n": i.n,
        "expected_by_chance": i.expected_by_chance,
        "state": card.state,
        "tags": [i.preset, i.rule],
    }


@router.get("/profile", response_model=schemas.Answer)
def profile(user_id: str, store: deps.TheStore) -> dict:
    """The patient's baselines and counts."""
    return patients.profile(store, user_id) | {"message": message(store, user_id)}


@router.get("/summary", response_model=schemas.Answer)
def summary(user_id: str, store: deps.TheStore) -> dict:
    """Mean, SD and share High per dimension, sessions and windows."""
    return patients.summary(store, user_id) | {"message": message(store, user_id)}
