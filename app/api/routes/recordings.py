"""Recordings: files of one session, taken in and queued for analysis."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from pydantic import TypeAdapter, ValidationError

from app.api import deps, schemas
from app.api.routes import jobs as jobs_route
from app.api.routes.predict import in_utc
from core.errors import AffectlineError, Refused
from core.services import jobs
from core.services.clinic import patients, sessions
from core.types import Reading

router = APIRouter(tags=["recordings"])

MAX_FILES = 30
Channels: TypeAdapter[Any] = TypeAdapter(dict[str, dict[Literal["type", "unit"], str]])


@router.post("/recordings", response_model=schemas.JobAnswer, status_code=202)
def upload(
    request: Request,
    response: Response,
    store: deps.TheStore,
    now: deps.Now,
    files: Annotated[list[UploadFile], File(description="The files of one session.", max_length=MAX_FILES)],
    patient: Annotated[str, Form(description="Pseudonym; an unknown patient is created.", max_length=200)],
    model: Annotated[str | None, Form(max_length=200)] = None,
    started_at: Annotated[datetime | None, Form()] = None,
    sfreq: Annotated[float | None, Form(ge=0.1, le=100_000, allow_inf_nan=False)] = None,
    mapping: Annotated[str | None, Form(description='JSON: {"column": {"type", "unit"}}', max_length=2**20)] = None,
) -> dict:
    """Take the files of one session and queue their analysis; the answer is the job to ask for."""
    patients.check_pseudonym(patient)
    when = in_utc(started_at)
    channels = channel_map(mapping)
    draft: str | None = None
    sessions.distinct([file.filename or "file" for file in files])
    try:
        for file in files:
            draft = sessions.stage(store, file.filename or "file", file.file, draft, now=now).id
    except AffectlineError:
        if draft:
            sessions.discard(store, draft)
        raise
    params = {
        "draft": draft,
        "patient": patient,
        "model": model,
        "started_at": when.astimezone(UTC).isoformat() if when else None,
        "reading": Reading(sfreq, channels or {}).as_dict(),
    }
    job = jobs.submit(store, "analyse", params, label=f"{patient}: {len(files)} file(s)", now=now)
    response.headers["location"] = f"{request.scope.get('root_path', '')}/jobs/{job.id}"
    return jobs_route.as_json(job)


def channel_map(text: str | None) -> Mapping[str, Mapping[str, str]] | None:
    """The channel map of a form field."""
    if text is None:
        return None
    try:
        return Channels.validate_json(text)
    except ValidationError:
        shape = 'Send JSON such as {"ch1": {"type": "eeg", "unit": "µV"}}.'
        raise Refused("E-MAP", "this is no channel map.", "mapping", shape) from None
