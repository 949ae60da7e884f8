"""A researcher's first run: from an empty page over the demo run to a run in full and its export."""

from __future__ import annotations

import csv
import io
import re
import zipfile

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_a_demo_run_goes_from_the_empty_page_to_its_export(page: Page) -> None:
    page.goto("/experiments")
    expect(page.get_by_text("No experiments yet")).to_be_visible()
    page.get_by_role("button", name="Start a demo run").click()
    expect(page).to_have_url(re.compile("job="))
    page.reload()  # in mid-job: the row holds the state, not the tab
    expect(page.get_by_role("progressbar").first).to_be_visible()
    page.get_by_role("button", name="Open E-0001").click(timeout=240_000)
    expect(page.get_by_text("What would a model that knows nothing score?")).to_be_visible()
    expect(page.get_by_text("Whom does it work for?")).to_be_visible(timeout=60_000)
    expect(page).to_have_url(re.compile("run=E-0001"))
    page.get_by_role("tab", name="ROC and PR").click()
    expect(page.get_by_text("average precision").first).to_be_visible(timeout=60_000)
    # a click on a page that is being drawn again may be lost
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)
    with page.expect_download(timeout=90_000) as download:
        page.get_by_role("button", name="Export results (MOABB columns)").click()
    with zipfile.ZipFile(download.value.path()) as bag:
        name = next(n for n in bag.namelist() if n.endswith(".csv"))
        rows = list(csv.DictReader(io.StringIO(bag.read(name).decode())))
    assert len(rows) == 6 and {r["experiment"] for r in rows} == {"E-0001"}
    assert all(0 <= float(r["score"]) <= 1 for r in rows)
    page.goto("/ablation")
    expect(page.get_by_role("button", name="Run all for valence")).to_be_visible(timeout=60_000)
