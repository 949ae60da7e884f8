"""What every route shares: the store, the clock, and who may come in."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import Scope

from core.errors import Forbidden
from core.settings import settings
from core.storage.store import Store


class NotSignedIn(Forbidden):
    """Nobody is signed in."""

    http_status = 401


@lru_cache(maxsize=1)
def store() -> Store:
    """The store of this process; a database that cannot be opened is tried again by the next request."""
    return Store.open(settings().database)


def close() -> None:
    """Close the store, if it was opened."""
    if store.cache_info().currsize:
        store().close()
        store.cache_clear()


def now() -> datetime:
    """The present time; services are handed it."""
    return datetime.now(UTC)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine and asks for it by a loopback name.

    The name is checked too: a page elsewhere may have its own name resolved to 127.0.0.1 (DNS rebinding).
    """
    client = scope.get("client")
    asked = urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname or ""
    return client is not None and is_loopback(client[0]) and is_loopback(asked)


def is_foreign(headers: Headers) -> bool:
    """Whether a browser sends a request on behalf of a page that is not ours."""
    if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")


def admitted(request: Request) -> None:
    """The guard of every route: this machine only while nobody signs in; no other page's requests.

    The place where a token is looked up once there are tokens; until then a site with sign-in has no API.
    """
    if settings().auth != "none":
        raise NotSignedIn("E-AUTH", "the API does not know you.", "", "Use the pages; tokens for the API are to come.")
    if not is_local(request.scope):
        raise Forbidden("E-LOCAL", "the API answers on this machine only.", "", "Ask it from the machine it runs on.")
    if is_foreign(request.headers):
        raise Forbidden("E-ORIGIN", "this request was sent by another site's page.", "", "Send it from a program.")


TheStore = Annotated[Store, Depends(store)]
Now = Annotated[datetime, Depends(now)]
