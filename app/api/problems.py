"""Every answer that is no success: application/problem+json with code, what, where and what_to_do."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import AffectlineError, in_words

log = logging.getLogger("affectline.api")
# how many wrong fields an answer names
MOST_FIELDS = 20

HTTP = {
    404: ("E-PATH", "there is nothing at this address.", "See /api/v1/docs for what there is."),
    405: ("E-METHOD", "this address does not take this method.", "See /api/v1/docs for the method to use."),
    413: ("E-TOO-LARGE", "the request is larger than the limit.", "Send less at once, or ask for a higher limit."),
    422: ("E-BODY", "the body could not be read.", "See /api/v1/docs for what is expected."),
}


class Problem(JSONResponse):
    """An answer of problem+json."""

    media_type = "application/problem+json"


def problem(status: int, code: str, what: str, where: str = "", what_to_do: str = "", **more: Any) -> Problem:
    """Say what was wrong; ``more`` are members of its own kind of problem."""
    title = HTTPStatus(status).phrase
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": in_words(what, where, what_to_do),
        "code": code,
        "what": what,
        "where": where,
        "what_to_do": what_to_do,
        **more,
    }
    return Problem(body, status, headers={"cache-control": "no-store"})


def install(app: FastAPI) -> None:
    """Answer every error of an application this way."""
    app.add_exception_handler(AffectlineError, on_refusal)
    app.add_exception_handler(RequestValidationError, on_fields)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_unforeseen)


async def on_refusal(_request: Request, error: Exception) -> Problem:
    """A refusal of ours."""
    assert isinstance(error, AffectlineError)
    return problem(error.http_status, error.code, error.what, error.where, error.what_to_do)


async def on_fields(_request: Request, error: Exception) -> Problem:
    """Fields that are missing or wrong; the first one leads, further ones are listed."""
    assert isinstance(error, RequestValidationError)
    found = [field_error(item) for item in error.errors()[:MOST_FIELDS]]
    remedy = "Correct this field; see /api/v1/docs for what is expected."
    return problem(422, "E-FIELD", found[0]["what"], found[0]["where"], remedy, errors=found)


def field_error(item: Mapping[str, Any]) -> dict[str, str]:
    """One wrong field as where and what."""
    return {"where": place(item["loc"]), "what": f"{item['msg']}."}


def place(loc: Sequence[Any]) -> str:
    """Where a field lies: ``eeg_fs`` for the body, ``query page`` elsewhere."""
    first, *rest = loc
    path = ".".join(str(part) for part in rest)
    return (path if first == "body" else f"{first} {path}").strip() or str(first)


async def on_http(_request: Request, error: Exception) -> Problem:
    """What the framework refuses: unknown paths, wrong methods, bodies that are too large or no JSON."""
    assert isinstance(error, HTTPException)
    status = 422 if error.status_code == 400 else error.status_code
    code, what, remedy = HTTP.get(status, (f"E-HTTP-{status}", f"{HTTPStatus(status).phrase}.", ""))
    if error.status_code == 400:
        what = f"{what.removesuffix('.')}: {error.detail}"
    answer = problem(status, code, what, "", remedy)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


class BodyLimit:
    """Refuses a body over a limit: by its declared length at once, otherwise as soon as it has come that far."""

    def __init__(self, app: ASGIApp, limit: Callable[[], int]) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.limit()
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > limit:
            code, what, remedy = HTTP[413]
            await problem(413, code, what, "", remedy)(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > limit:
                raise HTTPException(413)
            return message

        await self.app(scope, counted, send)


async def on_unforeseen(request: Request, error: Exception) -> Problem:
    """A fault of ours: a reference to find it by in the log, and nothing else."""
    reference = secrets.token_hex(4).upper()
    log.error("unforeseen, ref %s, %s %s: %s", reference, request.method, request.url.path, type(error).__name__)
    remedy = f"Tell your administrator the reference {reference}."
    return problem(500, "E-UNFORESEEN", "something unforeseen happened.", "", remedy, reference=reference)
