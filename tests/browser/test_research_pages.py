"""Leak audit, Ablation and EI groups as a researcher uses them, on a study whose runs are stored already."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from core import compute
from core.evaluation.validity.leak_audit import COMPARED
from core.storage.store import Store
from tests.browser.test_accessibility import findings
from tests.browser.test_studies import choose
from tests.core.services.research.test_experiments import inline
from tests.pages import research_site as site
from tests.serving import Served, serving

pytestmark = pytest.mark.browser
STUDY = "feelings"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The product on a study of ready features with scores, and runs on it: ECG under every split, face under LOSO.

    A run on another study has a fold that failed.
    """
    folder = tmp_path_factory.mktemp("research") / "data"
    folder.mkdir()
    store = Store.open(f"sqlite:///{folder / 'affectline.sqlite3'}")
    store.data_dir = folder
    site.ready(store, STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, "executor", inline())
        for split in COMPARED:
            site.run(store, inputs="ecg", study=STUDY, split=split)
        site.run(store, inputs="face", study=STUDY)
        site.ready(store, "small", site.FOLDS)
        site.partial(store, patch)
    store.close()
    with serving(folder) as served:
        yield served


def drawn(page: Page) -> None:
    """Nothing is being drawn: a click on a page that is drawn again may be lost."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)


def unzipped(download, start: str) -> str:
    """The text of the file of an export whose name starts so."""
    with zipfile.ZipFile(download.path()) as bag:
        return bag.read(next(n for n in bag.namelist() if n.startswith(start))).decode()


def test_a_stored_run_is_audited_from_the_page_and_the_audit_leaves_as_json(page: Page) -> None:
    page.goto("/leak-audit")
    expect(page.get_by_text("No audit is stored yet.")).to_be_visible(timeout=60_000)
    choose(page, "Run", f"E-000{COMPARED.index('loso') + 1}")
    page.get_by_role("button", name="Ask of this run").click()
    expect(page).to_have_url(re.compile("run=E-"))
    page.get_by_role("button", name="Start the leak audit").click()
    expect(page).to_have_url(re.compile("job="))
    page.reload()  # in mid-job: the row holds the state, not the tab
    expect(page.get_by_text("Done. What it found is stored.")).to_be_visible(timeout=180_000)
    expect(page.get_by_test_id("stMetric").filter(has_text="Leak premium")).to_contain_text(re.compile(r"[+-]\d\.\d\d"))
    expect(page.get_by_text(re.compile(r"^\d+ checks: "))).to_be_visible()
    expect(page.get_by_role("cell", name="Subject overlap")).to_be_visible()
    page.get_by_role("tab", name="Label policy").click()
    expect(page).to_have_url(re.compile("tab=Label"))
    expect(page.locator(".st-key-run-labels button")).to_be_visible()
    drawn(page)
    page.locator(".st-key-run-labels button").click()
    expect(page.get_by_text("Krippendorff").first).to_be_visible(timeout=60_000)
    drawn(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export JSON").click()
    told = json.loads(unzipped(download.value, "leak-audit"))
    assert {c["outcome"] for c in told["checks"]} <= {"pass", "fail", "not_checkable"} and len(told["checks"]) > 15
    assert told["premium"]["low"] <= told["premium"]["value"] <= told["premium"]["high"]
    assert not findings(page), "accessibility"


def test_an_empty_cell_of_the_ablation_is_run_and_filled(page: Page) -> None:
    page.goto(f"/ablation?study={STUDY}")
    empty = page.get_by_role("button", name="Run: valence")
    expect(empty).to_have_count(5, timeout=60_000)
    drawn(page)
    cell = page.locator(".st-key-cell-valence-eeg")
    cell.get_by_role("button", name="Run: valence").click()
    expect(page).to_have_url(re.compile("job="))
    expect(page.get_by_text(re.compile("Done: E-"))).to_be_visible(timeout=180_000)
    expect(cell.get_by_role("link")).to_have_text(re.compile(r"0\.\d\d \(0\.\d\d-\d\.\d\d\)"))
    expect(empty).to_have_count(4)
    expect(page.get_by_text("What is added to")).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    drawn(page)
    assert not findings(page), "accessibility"


def test_groups_are_parted_compared_and_too_few_people_have_no_verdict(page: Page) -> None:
    page.goto(f"/ei-groups?study={STUDY}")
    expect(page.get_by_text("How do the scores lie?")).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("stMetric").filter(has_text="High")).to_contain_text("10 subjects")
    choose(page, "Experiment", "logistic on ecg, LOSO")
    expect(page).to_have_url(re.compile("run=E-"))
    drawn(page)
    choose(page, "Outcome", "ecg_a: mean")
    expect(page.get_by_text("; difference found")).to_be_visible()
    drawn(page)
    page.get_by_role("radio", name="Tertiles").click()
    expect(page).to_have_url(re.compile("rule=tertile"))
    expect(page.get_by_text("Fewer than 10 subjects in a group")).to_be_visible()
    expect(page.get_by_text("; too small to say")).to_be_visible()
    drawn(page)
    assert not findings(page), "accessibility"
    page.get_by_role("radio", name="Median").click()
    expect(page.get_by_text("; difference found")).to_be_visible()
    drawn(page)
    with page.expect_download() as download:
        page.locator(".st-key-tools-table-differences").get_by_role("button", name="Export CSV").click()
    rows = list(csv.DictReader(io.StringIO(unzipped(download.value, "ei-differences"))))
    found = {r["Outcome"]: r["Reading"] for r in rows}
    assert found["ecg_a: mean"] == "difference found" and len(found) > 3


def test_a_partial_run_names_the_fold_that_failed_and_is_finished_from_the_page(page: Page) -> None:
    run = f"E-000{len(COMPARED) + 2}"
    page.goto(f"/experiments?run={run}")
    expect(page.get_by_text("1 of 5 folds failed")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("What would a model that knows nothing score?")).to_have_count(0)
    drawn(page)
    assert not findings(page), "accessibility"
    page.get_by_role("button", name="Try the failed folds again").click()
    expect(page).to_have_url(re.compile("job="))
    page.get_by_role("button", name=f"Open {run}").click(timeout=180_000)
    expect(page.get_by_text("What would a model that knows nothing score?")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("folds failed")).to_have_count(0)
