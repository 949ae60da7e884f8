"""A clinician marks a channel, computes the session again, takes the mark back, and looks at the eyes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core import simulate
from tests.serving import Served, affectline

pytestmark = pytest.mark.browser
PATIENT = "K-0301"
# a recompute and the first components load libraries in a new process
SLOW_MS = 90_000


@pytest.fixture(scope="module")
def recorded(app: Served, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The shared product with a patient who blinks."""
    made = simulate.recording(
        seed=5, duration_s=40, started_at=datetime(2026, 2, 2, 9, tzinfo=UTC), artefacts=["blink"]
    )
    path = simulate.write_edf(made, Path(tmp_path_factory.mktemp("blinks")) / "blinks.edf")
    done = affectline(app.data_dir, "analyse", str(path), "--patient", PATIENT)
    assert done.returncode == 0, done.stderr
    return app


def test_a_channel_is_marked_and_the_session_computed_again_and_back(page: Page, recorded: Served) -> None:
    page.goto(f"/session?session={PATIENT}/S-01&tab=Signals")
    expect(page.get_by_role("button", name="Mark bad")).to_be_enabled()
    expect(page.get_by_text(re.compile("not applied"))).to_have_count(0)
    # the key B marks the chosen channel, which is the first
    page.get_by_text("Whole recording, ").click()
    page.keyboard.press("b")
    expect(page.get_by_text("1 mark not applied.")).to_be_visible()
    expect(page.get_by_text("AF3 marked as bad.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text(re.compile("not applied"))).to_have_count(0)
    page.get_by_role("button", name="Mark bad").click()
    page.get_by_role("button", name="Recompute").click()
    expect(page.get_by_text("Computed again.")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text(re.compile("not applied"))).to_have_count(0)
    expect(page.get_by_text("✕ after a name: left out or marked.")).to_be_visible()
    page.get_by_role("tab", name="Provenance").click()
    expect(page.get_by_text("Analyses", exact=True)).to_be_visible()
    page.get_by_role("tab", name="Signals").click()
    page.get_by_role("button", name="Take back bad").click()
    expect(page.get_by_text("1 mark not applied.")).to_be_visible()
    page.get_by_role("button", name="Recompute").click()
    expect(page.get_by_text("Computed again.")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("✕ after a name: left out or marked.")).to_have_count(0)


def test_the_eyes_are_shown_before_and_after_and_taken_out(page: Page, recorded: Served) -> None:
    page.goto(f"/session?session={PATIENT}/S-01&tab=Signals")
    page.get_by_text("Eyes: blinks and eye movements in the EEG").click()
    expect(page.get_by_text("1 component follows AF3 and AF4")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("as recorded in grey, without the chosen components in colour")).to_be_visible()
    lines = page.locator(".st-key-eyes .js-plotly-plot .scatterlayer .trace")
    expect(lines).to_have_count(16)  # eight channels before and after
    page.get_by_role("button", name="Take 1 component out and recompute").click()
    expect(page.get_by_text("Computed again.")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_role("button", name="Put all back and recompute")).to_be_enabled()
