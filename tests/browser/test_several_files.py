"""Two recorders of one visit: proposed as one session, one clock moved, analysed, and said in the provenance."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core import simulate
from tests.browser.test_journey import analyse, choose_patient, upload

pytestmark = pytest.mark.browser


def test_an_eeg_and_a_wrist_band_become_one_session_with_the_offset_in_its_provenance(
    page: Page, command, tmp_path: Path
) -> None:
    started = datetime(2026, 3, 2, 9, tzinfo=UTC)
    eeg = simulate.write_edf(simulate.recording(seed=5, duration_s=60, started_at=started), tmp_path / "eeg.edf")
    band = simulate.write_e4(
        simulate.wrist(seed=5, duration_s=90, started_at=started + timedelta(seconds=30)), tmp_path / "wrist.zip"
    )
    upload(page, eeg, band)
    expect(page.get_by_text("Session 1: eeg.edf, wrist.zip.")).to_be_visible()
    offset = page.get_by_label("Seconds added to the clock of wrist.zip")
    offset.fill("-2.5")
    offset.press("Enter")
    expect(page.get_by_text("09:00:27")).to_be_visible()
    choose_patient(page, "P-0302")
    analyse(page)
    link = page.get_by_role("link", name="Open session P-0302/S-01")
    expect(link).to_be_visible(timeout=120_000)
    link.click()
    page.get_by_role("tab", name="Provenance").click()
    expect(page.get_by_text("How the files were read")).to_be_visible()
    for words in ("eeg.edf", "wrist.zip", "edf + e4", "Clock of wrist.zip moved by", "-2.5 s"):
        expect(page.get_by_text(words, exact=True).first).to_be_attached()
    (session,) = json.loads(command("history", "P-0302", "--json").stdout)["sessions"]
    assert session["started_at"].startswith("2026-03-02T09:00:00")
    assert session["markers"]["heart_rate"]["value"] > 0 and session["markers"]["pulse_rate"]["value"] > 0
