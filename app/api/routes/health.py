"""Health: answers without a model and without a database."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import APIRouter

from app.api import deps, schemas
from core.services import admin
from core.settings import VERSION

router = APIRouter(tags=["health"])
log = logging.getLogger("affectline.api")

STARTED = time.monotonic()
# how long the database may take to answer, s
PATIENCE_S = 5.0
_asking = ThreadPoolExecutor(2, thread_name_prefix="health")


@router.get("/health", response_model=schemas.Health)
def health() -> dict:
    """Whether it runs, with a model and a database."""
    # asked in a thread of its own: a database that hangs or fails must not take this answer with it
    asked = _asking.submit(lambda: admin.health(deps.store()))
    try:
        error = asked.exception(PATIENCE_S)
    except TimeoutError as late:
        error = late
    if error is None:
        return asked.result()
    log.error("the database does not answer: %s", type(error).__name__)
    return {
        "status": "degraded",
        "version": VERSION,
        "model_loaded": False,
        "db_connected": False,
        "uptime_seconds": round(time.monotonic() - STARTED, 1),
    }
