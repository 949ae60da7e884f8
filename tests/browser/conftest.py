"""Real Chromium against the real server; every request must stay on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import missing
from tests.serving import Served, affectline, serving

LOCAL = {"127.0.0.1", "localhost", ""}
expect.set_options(timeout=60_000)  # a machine that runs other tests too is slow, not wrong
FORBIDDEN = ("Traceback", "Exception", "NaN", "None", "undefined")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium that does not phone home."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        missing("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
            ],
        )  # fmt: skip
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The product on an empty store, with one patient whose measures come from a CSV."""
    with serving(tmp_path_factory.mktemp("app") / "data") as served:
        yield served


@pytest.fixture
def page(chromium: Browser, app: Served, tmp_path: Path) -> Iterator[Page]:
    """A fresh tab; afterwards no request may have left the machine and no exception may be on screen."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1400}, accept_downloads=True, base_url=app.url)
    context.set_default_timeout(90_000)
    tab = context.new_page()
    left: list[str] = []
    tab.on(
        "request",
        lambda request: (
            left.append(request.url)
            if urlsplit(request.url).hostname not in LOCAL and request.url.startswith(("http", "ws"))
            else None
        ),
    )
    yield tab
    shown = tab.locator("body").inner_text()
    context.close()
    assert not left, f"requests left this machine: {left}"
    assert not [word for word in FORBIDDEN if word in shown], shown[:2000]


@pytest.fixture
def command(app: Served):
    """The command line on the same data folder as the browser."""
    return lambda *arguments: affectline(app.data_dir, *arguments)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The product as a first visitor sees it: with the demo patients."""
    with serving(tmp_path_factory.mktemp("demo") / "data", AFFECTLINE_DEMO="1") as served:
        yield served
