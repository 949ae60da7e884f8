"""What a first visitor sees: demo patients, marked simulated; the picture in the README is taken here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.serving import ROOT, Served

pytestmark = pytest.mark.browser
# AFFECTLINE_PICTURES=1 makes the pictures of the README anew
PICTURES = ROOT / "docs" if os.environ.get("AFFECTLINE_PICTURES") else None


def test_the_demo_patients_are_there_and_say_that_they_are_simulated(chromium: Browser, demo: Served, tmp_path: Path):
    context = chromium.new_context(viewport={"width": 1360, "height": 1500}, base_url=demo.url)
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_text("Patients marked simulated are simulated", exact=False)).to_be_visible()
    for patient in ("P-D001", "P-D004"):
        page.goto(f"/patient?patient={patient}")
        expect(page.get_by_text("simulated", exact=True).first).to_be_visible()
        expect(page.get_by_text("these numbers carry no meaning for a person", exact=False).first).to_be_visible()
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        expect(page.get_by_text("own range", exact=False).first).to_be_visible()
    # the page's security policy allows no evaluation of text, so Playwright cannot wait for a function
    expect(page.locator(".stSkeleton, [data-testid=stStatusWidget]")).to_have_count(0)
    page.screenshot(path=(PICTURES or tmp_path) / "timeline.png")
    context.close()
