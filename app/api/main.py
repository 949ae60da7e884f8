"""The REST application: one router per noun, mounted under /api/v1."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, JSONResponse

from app.api import deps, docs, problems, schemas
from app.api.routes import admin, experiments, health, jobs, predict, recordings, sessions, users
from core.settings import VERSION, settings

PREFIX = "/api/v1"
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
# what any address may answer beside its own success
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": PROBLEM}
    for code, text in {
        401: "Nobody is signed in",
        403: "Not from here",
        404: "Not there",
        409: "Changed meanwhile",
        413: "Too large",
        422: "Refused",
        500: "Unforeseen, with a reference",
        503: "No model is installed",
    }.items()
}
# a request is the files of one session and a little around them
AROUND = 2**20


def body_limit() -> int:
    """Bytes that one request may hold."""
    return settings().max_upload_mb * 2**20 + AROUND


class Api(FastAPI):
    """FastAPI whose OpenAPI names the problem of every refusal."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if not self.openapi_schema:
            made = get_openapi(title=self.title, version=self.version, description=self.description, routes=self.routes)
            known = made.setdefault("components", {}).setdefault("schemas", {})
            known["Problem"] = schemas.Problem.model_json_schema()
            known["PredictRequest"] = schemas.PredictRequest.model_json_schema()
            made["servers"] = [{"url": PREFIX}]
            self.openapi_schema = made
        return self.openapi_schema


def make() -> Api:
    """The application."""
    app = Api(
        title="Affectline",
        version=VERSION,
        description=f"Recordings of one person over months, by pseudonym. {schemas.NOTICE}",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        form_limits={"max_files": recordings.MAX_FILES, "max_fields": 10, "max_part_size": AROUND},
    )
    guarded = APIRouter(dependencies=[Depends(deps.admitted)], responses=REFUSALS)
    for noun in (health, predict, users, sessions, recordings, jobs, experiments, admin):
        guarded.include_router(noun.router)

    @guarded.get("/openapi.json", include_in_schema=False)
    def openapi_document() -> JSONResponse:
        return JSONResponse(app.openapi())

    @guarded.get("/docs", include_in_schema=False)
    def documentation() -> HTMLResponse:
        return HTMLResponse(docs.page(app.openapi()))

    app.include_router(guarded)
    app.add_middleware(problems.BodyLimit, limit=body_limit)
    problems.install(app)
    return app


api = make()
