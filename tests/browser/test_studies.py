"""A researcher's way with a study: looked into, imported under a bar that moves, listed, exported as BIDS."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core import simulate

pytestmark = pytest.mark.browser


def lab(folder: Path) -> None:
    """Three subjects with two trials each, and one trial whose file is not there."""
    folder.mkdir(parents=True)
    for i in range(3):
        simulate.write_edf(simulate.recording(seed=i, duration_s=20), folder / f"s{i}.edf")
    (folder / "m.json").write_text(json.dumps({"valence": {"lowest": 1, "highest": 9, "cut": 5}}))
    rows = [
        f"S{i},{t},s{i}.edf,{10 * (t - 1)},10,{3 * t + i},{'high' if i else 'low'}" for i in range(3) for t in (1, 2)
    ]
    rows.append("S3,1,s9.edf,0,10,4,low")
    head = "subject,trial,file,onset_s,duration_s,label_valence,group_ei"
    (folder / "m.csv").write_text("\n".join([head, *rows]) + "\n")


def choose(page: Page, label: str, text: str) -> None:
    box = page.get_by_role("combobox", name=label, exact=True)
    box.click()
    box.fill(text)
    box.press("Enter")


def test_a_study_comes_in_through_the_page_and_leaves_as_bids(page: Page, app, command) -> None:
    lab(app.data_dir / "import" / "lab")
    page.goto("/import-export?tab=Studies")
    choose(page, "File or folder", "lab")
    page.get_by_role("textbox", name="Name of the study").fill("mood")
    page.get_by_role("textbox", name="Name of the study").press("Tab")
    page.get_by_role("button", name="Look into it first").click()
    expect(page).to_have_url(re.compile("job="))
    page.reload()  # in mid-job: the row holds the state, not the tab
    expect(page.get_by_text("No signal was read yet")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("3 subjects, 6 trials stored")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("Left out: 1")).to_be_visible()
    said = json.loads(command("study", "list", "--json").stdout)
    assert [(s["name"], s["trials"], s["left_out"]) for s in said if s["name"] == "mood"] == [("mood", 6, 1)]

    page.get_by_role("button", name="Close").click()
    choose(page, "Study", "mood")
    page.get_by_role("button", name="Export as BIDS").click()
    expect(page.get_by_text("6 trials written as BIDS")).to_be_visible(timeout=120_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    with zipfile.ZipFile(download.value.path()) as bag:
        names = [n.split("/", 1)[1] for n in bag.namelist()]
    assert {"dataset_description.json", "participants.tsv", "README"} <= set(names)
    assert sum(n.endswith("_eeg.edf") for n in names) == 6
