"""Platform figures, and the export, which is a download and never a path on the server."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from app.api import deps, schemas
from app.api.routes.predict import in_utc
from core.services import admin
from core.services.clinic import patients
from core.services.exports import exports

router = APIRouter(tags=["platform"])
ZIP: dict[int | str, dict[str, Any]] = {
    200: {"description": "The files of the export with dictionary and manifest", "content": {"application/zip": {}}}
}


@router.get("/platform/stats", response_model=schemas.Answer)
def stats(store: deps.TheStore) -> dict:
    """Predictions, users, sessions and insights that are stored."""
    return admin.platform_stats(store) | {"message": schemas.NOTICE}


@router.post("/admin/export", response_class=Response, responses=ZIP)
def export(asked: schemas.ExportRequest, store: deps.TheStore, now: deps.Now) -> Response:
    """Export as CSV or Parquet, whichever was asked for; the answer is a zip to save."""
    if asked.user_id is not None:
        patients.get(store, asked.user_id)
    made = exports.export(
        store,
        asked.what,
        asked.format,
        now=now,
        patient=asked.user_id,
        since=in_utc(asked.since),
        until=in_utc(asked.until),
    )
    headers = {"content-disposition": f'attachment; filename="{made.zip_name}"', "cache-control": "no-store"}
    return Response(made.zip(), media_type="application/zip", headers=headers)
