"""Sessions: one stored session, as ``analyse --json`` prints it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.api import deps, schemas
from core.services.clinic import sessions

router = APIRouter(tags=["sessions"])


@router.get("/sessions/{session_id:path}", response_model=schemas.Answer)
def session(
    session_id: Annotated[str, Path(description="Such as P-0042/S-07.")],
    store: deps.TheStore,
    model: Annotated[str | None, Query(description="The analysis by this model; by default the newest.")] = None,
) -> dict:
    """Quality, predictions, markers, state, insights and provenance of a session."""
    return sessions.as_json(store, session_id, model)
