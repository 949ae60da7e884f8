"""An hour of a wrist band goes from the upload to the stored session, and the page says how far it has come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core import simulate
from tests.browser.test_journey import analyse, choose_patient, upload
from tests.serving import Served, serving

pytestmark = pytest.mark.browser

# every share that the bar of the job shows, in order, from before it is there until after it is gone
WATCH = """() => {
  window.shown = [];
  new MutationObserver(() => {
    const bar = document.querySelector('[data-testid="stProgress"] [role="progressbar"]');
    const share = bar && Number(bar.getAttribute('aria-valuenow'));
    if (bar && window.shown.at(-1) !== share) window.shown.push(share);
  }).observe(document.body, {subtree: true, childList: true, attributes: true});
}"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A product that has not analysed anything yet, as after its start."""
    with serving(tmp_path_factory.mktemp("hour") / "data") as served:
        yield served


def test_an_hour_of_a_wrist_band_is_stored_while_the_bar_moves(page: Page, command, tmp_path: Path) -> None:
    started = datetime(2026, 3, 2, 9, tzinfo=UTC)
    hour = simulate.write_e4(simulate.wrist(seed=11, duration_s=3600, started_at=started), tmp_path / "hour.zip")
    upload(page, hour)
    choose_patient(page, "P-3600")
    page.evaluate(WATCH)
    analyse(page)
    expect(page.get_by_role("link", name="Open session P-3600/S-01")).to_be_visible(timeout=120_000)
    shown = page.evaluate("window.shown")
    assert len(set(shown)) >= 3 and shown == sorted(shown), shown
    (session,) = json.loads(command("history", "P-3600", "--json").stdout)["sessions"]
    assert session["started_at"].startswith("2026-03-02T09:00")
    assert session["markers"]["pulse_rate"]["value"] == pytest.approx(70, abs=1)
