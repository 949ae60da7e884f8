"""Three clicks lead from a downloaded folder of DENS to a model in use: import, train and publish, and it is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests import dens
from tests.api.conftest import payload
from tests.serving import Served, affectline, serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(tmp_path_factory, shared_data) -> Iterator[Served]:
    """A product of its own, for what is published here would predict in every other test."""
    data = tmp_path_factory.mktemp("dens") / "data"
    # a quarter of the length: 1000 units a second
    dens.downloaded(shared_data, data / "import" / "ds003751", per_s=1000)
    with serving(data) as served:
        yield served


def choose(page: Page, label: str, text: str) -> None:
    box = page.get_by_role("combobox", name=label, exact=True)
    box.click()
    box.fill(text)
    box.press("Enter")


def test_three_clicks_lead_from_a_folder_of_dens_to_a_model_in_use(page: Page, app: Served, tmp_path: Path) -> None:
    page.goto("/import-export?tab=Studies")
    choose(page, "Corpus", "BIDS")
    choose(page, "File or folder", "ds003751")
    page.get_by_role("textbox", name="Name of the study").fill("dens")
    page.get_by_role("textbox", name="Name of the study").press("Tab")
    page.get_by_role("button", name="Look into it first").click()
    expect(page.get_by_text("No signal was read yet")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("3 subjects, 33 trials stored")).to_be_visible(timeout=240_000)
    page.get_by_role("link", name="Train and publish a model").click()
    expect(page).to_have_url(re.compile("study=dens"))
    expect(page.get_by_role("textbox", name="Name of the model")).to_have_value("dens-eeg-ecg", timeout=60_000)
    for target in ("Valence", "Arousal", "Dominance", "Liking"):
        expect(page.get_by_text(target, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Train and publish", exact=True).click()
    expect(page).to_have_url(re.compile("job="))
    page.reload()  # in mid-job: the row holds the state, not the tab
    expect(page.get_by_text("It is used by default for recordings with EEG + ECG.")).to_be_visible(timeout=400_000)
    page.get_by_role("button", name="Open its card").click()
    expect(page.get_by_text("How well on people it has not seen?")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Nobody has decided on this version")).to_be_visible()
    done = affectline(app.data_dir, "analyse", str(dens.visit(tmp_path / "visit.edf")), "--patient", "P-0042", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"]["name"] == "dens-eeg-ecg" and list(told["predictions"]) == list(dens.TARGETS)
    with httpx.Client(base_url=f"{app.url}/api/v1", timeout=120) as client:
        asked = client.post("/predict", json=payload("P-0043")).json()
        [session] = client.get("/users/P-0042/history").json()["sessions"]
    assert asked["model"]["name"] == "dens-eeg-ecg" and set(asked["prediction"]["labels"]) == set(dens.TARGETS)
    assert 0 <= asked["prediction"]["liking_prob"] <= 1 and "liking" in json.dumps(session)
    page.goto("/patient?patient=P-0042")
    expect(page.get_by_text("P-0042").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Liking").first).to_be_visible(timeout=60_000)
