"""Jobs: how far a piece of long work is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.api import deps, schemas
from core.services import jobs

router = APIRouter(tags=["jobs"])


@router.get("/jobs/{job_id}", response_model=schemas.JobAnswer)
def job(job_id: str, store: deps.TheStore) -> dict:
    """State, progress, and the result or refusal once it ended."""
    return as_json(jobs.get(store, job_id))


def as_json(job: jobs.Job) -> dict[str, Any]:
    """A job without its parameters and log, which are for administrators."""
    return {
        "id": job.id,
        "kind": job.kind,
        "label": job.label,
        "state": job.state,
        "progress": job.progress,
        "message": job.message,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "attempts": job.attempts,
        "result": dict(job.result) if job.result is not None else None,
        "error": dict(job.error) if job.error is not None else None,
    }
