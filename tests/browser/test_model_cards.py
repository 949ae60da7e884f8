"""The card of the shipped stress model in the browser; a model is retired and approved again, each with a reason."""

from __future__ import annotations

import json
import re
import zipfile

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import findings
from tests.core.reports.reading import text

pytestmark = pytest.mark.browser


def test_the_stress_card_is_shown_with_its_clock_and_a_decision_needs_a_reason(page: Page, command) -> None:
    page.goto("/models?model=wearable-stress")
    expect(page.get_by_text("Intended use")).to_be_visible(timeout=60_000)
    page.get_by_role("tab", name="Controls").click()
    expect(page.get_by_text("A clock alone reaches an AUC of 0.96")).to_be_visible()
    expect(page.get_by_text("stressor on or off, not felt stress").first).to_be_visible()
    assert not findings(page), "accessibility"
    with page.expect_download() as download:
        page.get_by_role("button", name="Export card (JSON)").click()
    with zipfile.ZipFile(download.value.path()) as bag:
        card = json.loads(bag.read(next(n for n in bag.namelist() if n.startswith("model-card"))))
    assert card["controls"]["clock"]["roc_auc"]["value"] > 0.94 and card["state"] == "approved"
    with page.expect_download() as download:
        page.get_by_role("button", name="Export card (PDF)").click()
    with zipfile.ZipFile(download.value.path()) as bag:
        said = text(bag.read(next(n for n in bag.namelist() if n.endswith(".pdf"))))
    assert "Model card: wearable-stress" in said and f"{card['controls']['clock']['roc_auc']['value']:.3f}" in said
    page.get_by_role("tab", name="Calibration").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export figure").click()
    with zipfile.ZipFile(download.value.path()) as bag:
        assert sorted(n.rpartition(".")[2] for n in bag.namelist()) == ["json", "json", "png", "svg"]
    for what, then, reason in (("Retire", "Retired", "no band here"), ("Approve", "Approved", "a band again")):
        page.get_by_role("button", name=what, exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name=f"{what} the model").click()
        expect(dialog.get_by_text("a reason is needed")).to_be_visible()
        expect(dialog.get_by_label("Reason")).to_have_count(1)  # that of the dialog before is gone
        dialog.get_by_label("Reason").fill(reason)
        dialog.get_by_role("button", name=f"{what} the model").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_text(re.compile(f"[■✕] {then}")).first).to_be_visible()
        expect(page.get_by_text(reason).first).to_be_visible()
    rows = json.loads(command("model", "list", "--json").stdout)
    assert {r["name"]: (r["state"], r["why"]) for r in rows}["wearable-stress"] == ("approved", "a band again")
