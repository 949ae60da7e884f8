"""One process, one port: the pages (Streamlit) with the API mounted beside them, and a worker as its child."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from app.api import deps
from app.api.main import api
from core.errors import AffectlineError, Forbidden, Refused
from core.settings import ROOT, settings

# seconds that a running answer, and then the worker, may take to end after SIGTERM (design 6: 10 s for both)
ANSWER_END_S = 4
WORKER_END_S = 4
# longest pause, s, before a worker that keeps ending is started again
WORKER_PAUSE_S = 30.0

# Streamlit styles its elements inline and compiles table and chart code in blob workers; nothing comes from elsewhere
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA=' 'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-frame-options": "SAMEORIGIN",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# parts of Streamlit that answer anyone and that nothing here needs
CLOSED = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")


class Guard:
    """Keeps strangers out while nobody signs in, closes what is not needed, and adds the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if not deps.is_local(scope):
            refused: ASGIApp = PlainTextResponse("This address answers on this machine only.", 403)
        elif scope["path"].startswith(CLOSED):
            refused = PlainTextResponse("Not found", 404)
        else:
            await self.app(scope, receive, with_headers)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refused(scope, receive, with_headers)


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Leave the database in order at the end; it is opened by the first request, so that /health can say it fails."""
    yield
    deps.close()


def say_fault(error: Exception) -> bool:
    """An error that no page caught, said in our words; the kit of the pages is loaded with the first page."""
    from app.ui import components

    return components.script_error(error)


app = st.App(
    ROOT / "app" / "main.py",
    routes=[Mount("/api/v1", api)],
    middleware=[Middleware(Guard)],
    lifespan=lifespan,
    on_script_error=say_fault,
)


# --- serving


def serve(host: str, port: int, *, say: Callable[[str], None], progress: Callable[[float, str], None]) -> None:
    """Serve until SIGTERM or SIGINT; the worker ends with it.

    Refuses an address that others can reach while nobody signs in, and a port that is taken, before anything is made.
    """
    check_host(host)
    at_home()
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    with leaving_at_once(), listening(host, port) as bound:
        store = deps.store()
        load_demo(store, say, progress)
        name = f"[{host}]" if ":" in host else host
        say(f"Affectline is at http://{name}:{bound.getsockname()[1]} (Ctrl+C ends it)")
        with working(say):
            run_server(bound)


def check_host(host: str) -> None:
    """Loopback only while nobody signs in; a setting that promises sign-in is not served without it."""
    if settings().auth != "none":
        what = f"sign-in ({settings().auth}) is not part of this version."
        raise Forbidden("E-AUTH", what, "AFFECTLINE_AUTH", "Set it to none and serve on this machine only.")
    if not deps.is_loopback(host):
        what = "others could reach this address, and nobody signs in (AUTH=none)."
        raise Forbidden("E-HOST", what, host, "Serve on 127.0.0.1.")


def at_home() -> None:
    """Work from the project's folder, where Streamlit looks for its configuration, with the site's upload limit."""
    os.environ["AFFECTLINE_DATA_DIR"] = str(settings().data_dir.absolute())
    settings.cache_clear()
    os.chdir(ROOT)
    config.set_option("server.maxUploadSize", settings().max_upload_mb)


def leave(*_: object) -> None:
    """End on a signal by leaving every ``with`` block; helpers of the demo that are waited for there end first."""
    for child in multiprocessing.active_children():
        child.terminate()
    raise SystemExit(0)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """End on a signal as soon as the blocks within are left: Python would wait for answers that are still computed in
    threads, and then take seconds to tidy up its memory.

    Nothing is stored by halves: what a thread did not commit did not happen, as after a power cut. Temporary files of
    such answers hold signals: they lie in one folder, which goes too.
    """
    before, folder = tempfile.tempdir, tempfile.TemporaryDirectory(prefix="affectline-", ignore_cleanup_errors=True)
    tempfile.tempdir = folder.name
    try:
        yield
    except SystemExit:
        for child in multiprocessing.active_children():
            child.kill()
        folder.cleanup()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    finally:
        tempfile.tempdir = before
        folder.cleanup()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """The port, taken before anything else is done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(128)
        except OSError as error:
            what = f"the port cannot be used ({os.strerror(error.errno) if error.errno else error})."
            remedy = "End the program that uses it, or choose another one: affectline serve --port 8600."
            raise Refused("E-PORT", what, f"{host}:{port}", remedy) from None
        yield bound


def load_demo(store, say: Callable[[str], None], progress: Callable[[float, str], None]) -> None:
    """Load the simulated demo patients on the first start; failing to is no reason not to serve."""
    from core.services import admin

    if not settings().demo or admin.demo_loaded(store):
        return
    say("Loading the simulated demo patients, once.")
    try:
        n = admin.load_demo(store, now=datetime.now(UTC), progress=progress)
    except AffectlineError as error:
        say(f"The demo patients were not loaded. {error.text}")
    else:
        say(f"{n} simulated sessions added.")


def run_server(bound: socket.socket) -> None:
    """Run the web server on a bound socket until a signal ends it."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nobody stands in front while only this machine is served
            timeout_graceful_shutdown=ANSWER_END_S,
            ws="websockets-sansio",
            ws_per_message_deflate=False,  # costs time and saves nothing on one machine
        )
    )
    server.run(sockets=[bound])


@contextmanager
def working(say: Callable[[str], None]) -> Iterator[None]:
    """A worker beside the block: started again when it dies, ended with the block."""
    ending = threading.Event()
    children: list[subprocess.Popen] = []

    def keep() -> None:
        pause = 1.0
        while not ending.is_set():
            child = start_worker()
            children[:] = [child]
            began = datetime.now(UTC)
            while child.poll() is None and not ending.wait(0.2):
                pass
            if ending.is_set():
                return
            lived = (datetime.now(UTC) - began).total_seconds()
            pause = 1.0 if lived > 60 else min(pause * 2, WORKER_PAUSE_S)
            say(f"The worker ended (exit {child.returncode}); it is started again in {pause:.0f} s.")
            ending.wait(pause)

    keeper = threading.Thread(target=keep, name="worker-keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        keeper.join(timeout=1)
        for child in children:
            end(child)


def start_worker() -> subprocess.Popen:
    """The worker as a process group of its own, so that Ctrl+C reaches it through us and in order."""
    group = 0 if os.name == "posix" else None
    command = [sys.executable, "-m", "app", "worker", "--server", str(os.getpid())]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, process_group=group)


def end(child: subprocess.Popen) -> None:
    """Ask a child to end, and make it."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(WORKER_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # what its pool may have left
    child.wait(1)
