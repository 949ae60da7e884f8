"""Leak audit, EI groups, Ablation and Models in part and with a job at work, and Models without a model; light, dark.

The database is made before it is served. The worker of a job that is held at work is the test itself.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core import compute
from core.services.clinic import sessions
from core.settings import MODELS_SHIPPED, ROOT, SAMPLES
from core.storage import jobs as rows
from core.storage.store import Store
from core.types import InputFile
from tests.browser.test_accessibility import findings
from tests.browser.test_research_pages import drawn
from tests.core.services.research.test_experiments import inline
from tests.pages import research_site as site
from tests.pages.conftest import NOW, RECORDED
from tests.serving import Served, serving

pytestmark = pytest.mark.browser
PARTIAL, STOPPED, RUNNING = "small", "stopped", "under-way"
DEMO, DRAFT, LOCKED = "demo-eeg-ecg", "a-draft", "a-locked-one"
PIPELINE = {"study": RUNNING, "target": "valence", "model": "logistic", "inputs": "ecg"}
WAIT = 120_000  # ms; of a machine that does much else


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A run with a failed fold, an audit that was stopped, a recording that is gone, models that may not be used."""
    folder = tmp_path_factory.mktemp("states") / "data"
    folder.mkdir()
    store = opened(folder)
    for name in (PARTIAL, STOPPED, RUNNING):
        site.ready(store, name, site.FOLDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, "executor", inline())
        site.partial(store, patch)
        site.stopped_audit(store, patch, STOPPED)
    edf = SAMPLES / "simulated-eeg-ecg.edf"
    sessions.analyse(store, [InputFile(edf.name, str(edf))], RECORDED, now=NOW)
    shutil.rmtree(folder / "recordings")
    published(folder, DRAFT, failed=True)
    with (published(folder, LOCKED) / "model.skops").open("ab") as file:
        file.write(b"x")
    store.close()
    with serving(folder) as served:
        yield served


def opened(folder: Path) -> Store:
    """The store of a data folder."""
    return Store(f"sqlite:///{folder / 'affectline.sqlite3'}", data_dir=folder)


def published(folder: Path, name: str, *, failed: bool = False) -> Path:
    """The demonstration model under another name, as if it were of this site; its audit with a failed check."""
    place = folder / "models" / name
    shutil.copytree(MODELS_SHIPPED / DEMO, place)
    card = json.loads((place / "card.json").read_text()) | {"name": name}
    if failed:
        card["leak_audit"]["checks"][0]["outcome"] = "fail"
    (place / "card.json").write_text(json.dumps(card))
    return place


@dataclass
class Held:
    """A job that is at work for as long as the test wants: its worker is this process, and does not fall silent."""

    store: Store
    id: str

    def say(self, share: float, words: str) -> bool:
        """Write how far it has come; whether the job is still wanted."""
        with self.store.write() as tx:
            return rows.change(tx, self.id, only_in=("running",), progress=share, message=words)


@pytest.fixture
def hold(app: Served):
    """``hold(kind, params, label)`` starts a job of its own; what is still at work in the end is taken away."""
    store, held = opened(app.data_dir), []

    def start(kind: str, params: Mapping, label: str) -> Held:
        now, job = datetime.now(UTC), Held(store, secrets.token_hex(8))
        with store.write() as tx:
            rows.add(tx, id=job.id, kind=kind, label=label, params=dict(params), created_at=now)
            rows.change(
                tx, job.id, state="running", worker=f"{socket.gethostname()}:{os.getpid()}:test", attempts=1,
                started_at=now, heartbeat_at=now + timedelta(hours=1),
            )  # fmt: skip
        held.append(job)
        return job

    yield start
    for job in held:
        with store.write() as tx:
            rows.change(tx, job.id, only_in=("running",), state="cancelled", finished_at=datetime.now(UTC))
    store.close()


def looked_at(page: Page) -> None:
    """No serious finding, nothing wider than the page, in light and in dark; ends in light."""
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        expect(page.get_by_text("Research software. Not a medical device.").first).to_be_visible(timeout=WAIT)
        expect(page.locator(".stSkeleton, [data-testid=stStatusWidget]")).to_have_count(0, timeout=WAIT)
        drawn(page)
        assert not findings(page), scheme
        assert page.get_by_test_id("stMain").evaluate("e => e.scrollWidth - e.clientWidth") <= 0, scheme


def share(page: Page) -> int:
    """How far the one bar of the page has come, %."""
    return int(page.get_by_role("progressbar").get_attribute("aria-valuenow"))


def goes_on(page: Page, job: Held, label: str, *words: str) -> None:
    """The bar of a held job moves by itself, outlives a refresh, and ends with Cancel, which the worker hears of."""
    expect(page.get_by_text(label)).to_be_visible(timeout=WAIT)
    assert job.say(0.2, words[0])
    expect(page.get_by_text(words[0])).to_be_visible(timeout=WAIT)
    before = share(page)
    assert job.say(0.6, words[1])
    expect(page.get_by_text(words[1])).to_be_visible(timeout=WAIT)
    assert share(page) > before
    looked_at(page)  # it reloads: the row holds the state, not the tab
    expect(page.get_by_text(words[1])).to_be_visible(timeout=WAIT)
    drawn(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=WAIT)
    assert not job.say(0.8, words[1]), "the worker is told that nobody wants it any more"


# ------------------------------------------------------------------------------------------------ leak audit
def test_an_audit_at_work_shows_its_bar_wherever_it_is_looked_at(page: Page, hold) -> None:
    job = hold("leak_audit", {**PIPELINE, "seed": 0, "fusion": "early"}, "Leak audit: ours")
    page.goto("/leak-audit")
    expect(page.get_by_text("Leak audit: ours")).to_be_visible(timeout=WAIT)
    page.goto("/leak-audit?" + "&".join(f"{n}={v}" for n, v in PIPELINE.items()))
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("button", name="Start the leak audit")).to_have_count(0)
    goes_on(page, job, "Leak audit: ours", "trial: fold 2 of 5", "loso: fold 3 of 5")
    expect(page.get_by_role("button", name="Start the leak audit")).to_be_visible(timeout=WAIT)


def test_an_audit_that_was_stopped_says_what_it_has_and_can_be_gone_on_with_and_stopped(page: Page) -> None:
    page.goto(f"/leak-audit?study={STOPPED}&target=valence&model=logistic&inputs=ecg")
    expect(page.get_by_text("Not audited yet.")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text("2 of 5 splits are done.")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^Open E-"))).to_have_count(3)
    expect(page.get_by_test_id("stMetric")).to_have_count(0)
    looked_at(page)
    page.get_by_role("button", name="Start the leak audit").click()
    expect(page).to_have_url(re.compile("job="))
    expect(page.get_by_text(re.compile("^(subject_kfold|loso|nested_loso): "))).to_be_visible(timeout=WAIT)
    drawn(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text(re.compile(r"^\d of 5 splits are done\."))).to_be_visible(timeout=WAIT)


# ------------------------------------------------------------------------------------------------ EI groups
def test_groups_of_a_study_whose_run_is_partial_name_it_and_show_what_there_is(page: Page) -> None:
    page.goto(f"/ei-groups?study={PARTIAL}")
    expect(page.get_by_text("1 run of this study cannot be chosen")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text("Fewer than 10 subjects in a group")).to_be_visible()
    expect(page.get_by_text("No finished experiment on this study yet.")).to_be_visible()
    expect(page.get_by_text("What else differs between the groups?")).to_be_visible(timeout=WAIT)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=WAIT)
    looked_at(page)
    page.get_by_role("link", name="partial: folds failed, 1 of 5").click()
    expect(page.get_by_text("1 of 5 folds failed")).to_be_visible(timeout=WAIT)


def test_a_run_at_work_on_the_study_shows_its_bar_beside_the_groups(page: Page, hold) -> None:
    job = hold("evaluate", PIPELINE, "logistic on ecg: ours")
    page.goto(f"/ei-groups?study={RUNNING}")
    goes_on(page, job, "logistic on ecg: ours", "fold 1 of 5", "fold 3 of 5")
    expect(page.get_by_text("How do the scores lie?")).to_be_visible(timeout=WAIT)


# ------------------------------------------------------------------------------------------------ ablation
def test_a_cell_whose_run_is_partial_says_so_and_goes_on(page: Page) -> None:
    page.goto(f"/ablation?study={PARTIAL}&seed=7")
    cell = page.locator(".st-key-cell-valence-eeg")
    expect(cell.get_by_text("1 of 5 folds failed")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text("Nothing to compare yet.")).to_be_visible(timeout=WAIT)
    looked_at(page)
    cell.get_by_role("button", name="Go on: valence").click()
    expect(page.get_by_text(re.compile("Done: E-"))).to_be_visible(timeout=300_000)
    expect(cell.get_by_role("link")).to_have_text(re.compile(r"0\.\d\d \(0\.\d\d-\d\.\d\d\)"), timeout=WAIT)


def test_a_cell_whose_run_is_at_work_is_no_button_and_its_bar_stands_above(page: Page, hold) -> None:
    job = hold("evaluate", PIPELINE, "logistic on ecg: ours")
    page.goto(f"/ablation?study={RUNNING}")
    cell = page.locator(".st-key-cell-valence-ecg")
    expect(cell.get_by_text("● running")).to_be_visible(timeout=WAIT)
    expect(cell.get_by_role("button")).to_have_count(0)
    goes_on(page, job, "logistic on ecg: ours", "fold 2 of 5", "fold 4 of 5")
    expect(cell.get_by_role("button", name="Run: valence")).to_be_visible(timeout=WAIT)


# ------------------------------------------------------------------------------------------------ models
def test_without_a_model_the_page_says_how_to_get_one(chromium: Browser, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for part in ("app", "core", "pages", ".streamlit", "data/samples"):
        shutil.copytree(ROOT / part, checkout / part)
    with (
        serving(tmp_path / "data", root=checkout) as served,
        chromium.new_context(base_url=served.url, viewport={"width": 1280, "height": 1000}) as context,
    ):
        page = context.new_page()
        page.goto("/models")
        expect(page.get_by_text("No model is installed.")).to_be_visible(timeout=WAIT)
        expect(page.get_by_role("link", name="Import a study").first).to_be_visible()
        expect(page.get_by_text("--publish mine")).to_be_visible()
        looked_at(page)


def test_what_would_change_at_work_shows_its_bar_beside_the_card(page: Page, hold) -> None:
    job = hold("what_would_change", {"name": DEMO}, "What would change: ours")
    page.goto(f"/models?model={DEMO}&job={job.id}")
    goes_on(page, job, "What would change: ours", "session 1 of 4", "session 3 of 4")
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text("Intended use")).to_be_visible()


def test_what_is_not_whole_among_models_is_said(page: Page) -> None:
    page.goto(f"/models?model={LOCKED}")
    expect(page.get_by_text("This model is locked and predicts nothing")).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    looked_at(page)
    page.goto(f"/models?model={DRAFT}")
    expect(page.get_by_text("its leak audit failed in:").first).to_be_visible(timeout=WAIT)
    looked_at(page)
    page.get_by_role("button", name="What would change?").click()
    expect(page.get_by_text(f"Left out: {RECORDED}/S-01:")).to_be_visible(timeout=300_000)
    expect(page.get_by_text("no stored recording that one of the models predicts")).to_be_visible()
