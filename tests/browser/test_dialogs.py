"""What needs a real browser: dialogs, their keys, undo, and a button whose file is what the screen shows."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core import simulate
from tests.api.conftest import payload
from tests.browser.conftest import FORBIDDEN
from tests.serving import Served, affectline, serving

pytestmark = pytest.mark.browser
FIRST = datetime(2026, 1, 5, 9, tzinfo=UTC)
# one patient a test, so that no test needs another
DISMISSED, SNOOZED, KEYS, TWO_TABS = "K-0101", "K-0102", "K-0103", "K-0104"
DELETED, MOVED_FROM, MOVED_TO, BASELINE, EVENT = "K-0105", "K-0106", "K-0107", "K-0108", "K-0109"
WITH_FINDING = (DISMISSED, SNOOZED, KEYS, TWO_TABS)
QUIET = (DELETED, MOVED_FROM, MOVED_TO, BASELINE, EVENT)
RECORDED = "K-0110"


def courses(path: Path) -> Path:
    """Weekly sessions of every patient; at the end those of WITH_FINDING lie far off their own range."""
    rng = np.random.default_rng(8)
    with path.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["patient", "started_at", "measure", "value"])
        for patient in (*WITH_FINDING, *QUIET):
            for k in range(14 if patient in WITH_FINDING else 12):
                for measure, far in (("valence", 0.06), ("arousal", 0.95)):
                    last = k == 13 and patient in WITH_FINDING
                    value = far if last else 0.5 + 0.04 * rng.standard_normal()
                    at = FIRST + timedelta(weeks=k, hours=patient == MOVED_TO)
                    table.writerow([patient, at.isoformat(), measure, f"{value:.4f}"])
    return path


@pytest.fixture(scope="module")
def people(app: Served, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The shared product, with the patients of this file."""
    folder = tmp_path_factory.mktemp("people")
    done = affectline(app.data_dir, "measures", "import", str(courses(folder / "courses.csv")))
    assert done.returncode == 0, done.stderr
    return app


def insight_page(page: Page, patient: str) -> None:
    """The open insights of a patient, drawn to the end."""
    page.goto(f"/insights?patient={patient}")
    expect(page.get_by_role("button", name="Acknowledge")).to_be_enabled()
    expect(page.get_by_text("Rule health")).to_be_visible()


def decided(page: Page) -> Locator:
    """Shows the decided insights; the card that stands there."""
    page.get_by_role("radio", name="Decided").or_(page.get_by_role("button", name="Decided")).first.click()
    return page.get_by_text(re.compile(r"^(Dismissed|Snoozed|Acknowledged) on ")).first


def n_sessions(page: Page, patient: str) -> Locator:
    """The caption of a patient's timeline that counts the sessions."""
    page.goto(f"/patient?patient={patient}")
    return page.get_by_text(re.compile(r"^n = \d+ sessions?, times in")).first


# --- insights


def test_an_insight_is_dismissed_with_a_reason_and_taken_back(page: Page, people: Served) -> None:
    insight_page(page, DISMISSED)
    page.keyboard.press("x")
    dialog = page.get_by_test_id("stDialog")
    dialog.get_by_text("other", exact=True).click()
    dialog.get_by_role("button", name="Dismiss the insight").click()
    expect(dialog.get_by_text("Say in a few words what the other reason is.")).to_be_visible()
    dialog.get_by_text("known event", exact=True).click()
    dialog.get_by_role("button", name="Dismiss the insight").click()
    expect(page.get_by_text("Dismissed. Undo with the key U.")).to_be_visible()
    expect(decided(page)).to_contain_text("reason: known event")
    page.keyboard.press("u")
    expect(page.get_by_text("The last decision was taken back.")).to_be_visible()


def test_an_insight_is_snoozed_until_a_day_and_taken_back(page: Page, people: Served) -> None:
    insight_page(page, SNOOZED)
    page.keyboard.press("s")
    dialog = page.get_by_test_id("stDialog")
    dialog.get_by_text("in 28 days", exact=True).click()
    dialog.get_by_role("button", name="Snooze", exact=True).click()
    expect(page.get_by_text("Snoozed. Undo with the key U.")).to_be_visible()
    day = datetime.now(UTC) + timedelta(days=28)
    expect(decided(page)).to_contain_text(f"until {day.day} {day:%b %Y}")
    page.keyboard.press("u")
    expect(page.get_by_text("The last decision was taken back.")).to_be_visible()


def test_the_keys_of_the_insights_go_on_acknowledge_and_take_back(page: Page, people: Served) -> None:
    insight_page(page, KEYS)
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile(r"insight=\d+"))
    chosen = page.url
    page.keyboard.press("a")
    expect(page.get_by_text("Acknowledged. Undo with the key U.")).to_be_visible()
    expect(page).not_to_have_url(chosen)
    page.keyboard.press("u")
    expect(page.get_by_text("The last decision was taken back.")).to_be_visible()
    expect(page).to_have_url(chosen)
    expect(page.get_by_role("button", name="Acknowledge")).to_be_enabled()
    # in a text field a letter is a letter
    page.keyboard.press("x")
    note = page.get_by_test_id("stDialog").get_by_role("textbox", name="Note")
    note.fill("")
    note.press_sequentially("saxnu")
    expect(note).to_have_value("saxnu")
    expect(page.get_by_test_id("stDialog")).to_be_visible()


def test_two_tabs_that_decide_on_the_same_insight_both_get_words(page: Page, people: Served, chromium: Browser) -> None:
    insight_page(page, TWO_TABS)
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile(r"insight=\d+"))
    with chromium.new_context(base_url=people.url, viewport={"width": 1280, "height": 1400}) as context:
        other = context.new_page()
        other.goto(page.url)
        expect(other.get_by_role("button", name="Acknowledge")).to_be_enabled()
        third = context.new_page()
        third.goto(page.url)
        expect(third.get_by_role("button", name="Acknowledge")).to_be_enabled()
        third.get_by_role("button", name="Dismiss").click()
        expect(third.get_by_test_id("stDialog")).to_be_visible()

        page.get_by_role("button", name="Acknowledge").click()
        expect(page.get_by_text("Acknowledged. Undo with the key U.")).to_be_visible()
        other.get_by_role("button", name="Acknowledge").click()
        expect(other.get_by_text("Another window decided on this insight: acknowledged")).to_be_visible()
        # the dialog that was open already does not overwrite what was decided
        third.get_by_test_id("stDialog").get_by_role("button", name="Dismiss the insight").click()
        expect(third.get_by_text("[E-CONFLICT]")).to_be_visible()
        for tab in (other, third):
            shown = tab.locator("body").inner_text()
            assert not [word for word in FORBIDDEN if word in shown], shown[:2000]


# --- sessions


def test_a_session_is_deleted_and_restored(page: Page, people: Served) -> None:
    expect(n_sessions(page, DELETED)).to_contain_text("n = 12 sessions")
    page.goto(f"/session?session={DELETED}/S-12")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_test_id("stDialog")
    expect(dialog.get_by_text("Session S-12 with 0 windows")).to_be_visible()
    dialog.get_by_role("button", name="Delete session").click()
    expect(page.get_by_text("It can be restored here for 30 days")).to_be_visible()
    expect(n_sessions(page, DELETED)).to_contain_text("n = 11 sessions")
    page.goto(f"/session?session={DELETED}/S-12")
    page.get_by_role("button", name="Restore session").click()
    expect(page.get_by_text("was restored")).to_be_visible()
    expect(n_sessions(page, DELETED)).to_contain_text("n = 12 sessions")


def test_a_session_is_moved_and_both_timelines_change(page: Page, people: Served) -> None:
    page.goto(f"/session?session={MOVED_FROM}/S-12")
    page.get_by_role("button", name="Move to another patient").click()
    dialog = page.get_by_test_id("stDialog")
    expect(dialog.get_by_role("button", name="Move session")).to_be_disabled()
    target = dialog.get_by_role("combobox", name="Move to")
    target.click()
    target.fill(MOVED_TO)
    target.press("Enter")
    dialog.get_by_role("textbox", name="Reason").fill("files mixed up")
    dialog.get_by_role("textbox", name="Reason").press("Enter")
    dialog.get_by_role("button", name="Move session").click()
    expect(page.get_by_text(f"moved here from {MOVED_FROM}")).to_be_visible()
    expect(page).to_have_url(re.compile(f"session={MOVED_TO}"))
    expect(n_sessions(page, MOVED_FROM)).to_contain_text("n = 11 sessions")
    expect(n_sessions(page, MOVED_TO)).to_contain_text("n = 13 sessions")


@pytest.fixture(scope="module")
def recorded(people: Served, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A minute of EEG and ECG, analysed."""
    made = simulate.recording(seed=4, duration_s=60, started_at=FIRST)
    edf = simulate.write_edf(made, tmp_path_factory.mktemp("recorded") / "minute.edf")
    done = affectline(people.data_dir, "analyse", str(edf), "--patient", RECORDED)
    assert done.returncode == 0, done.stderr
    return f"{RECORDED}/S-01"


def test_the_signal_viewer_turns_pages_by_its_keys(page: Page, recorded: str) -> None:
    page.goto(f"/session?session={recorded}&tab=Signals")

    def shows(start: str, stop: str) -> None:
        expect(page.get_by_text(re.compile(f"^{start} to {stop} of "))).to_be_visible()

    shows("00:00", "00:10")
    expect(page.locator(".js-plotly-plot .main-svg").nth(1)).to_be_visible()
    for key, start, stop in (
        ("ArrowRight", "00:10", "00:20"),
        ("ArrowRight", "00:20", "00:30"),
        ("ArrowLeft", "00:10", "00:20"),
        ("End", "00:50", "01:00"),
        ("Home", "00:00", "00:10"),
    ):
        page.keyboard.press(key)
        shows(start, stop)


# --- the timeline


def test_a_baseline_is_set_after_a_preview_and_taken_back(page: Page, people: Served) -> None:
    page.goto(f"/patient?patient={BASELINE}")
    page.get_by_role("button", name="Baseline", exact=True).click()
    page.get_by_role("button", name="Set baseline").click()
    dialog = page.get_by_test_id("stDialog")
    expect(
        dialog.get_by_text(re.compile(r"Open insights with this baseline: \d+ kept, \d+ gone, \d+ new"))
    ).to_be_visible()
    expect(dialog.get_by_role("button", name="Set baseline")).to_be_disabled()
    reason = dialog.get_by_role("textbox", name="Reason")
    reason.fill("the weeks before treatment")
    reason.press("Enter")
    dialog.get_by_role("button", name="Set baseline").click()
    expect(page.get_by_text("Baseline set from 10 sessions.")).to_be_visible()
    expect(page.get_by_text("set by ", exact=False).first).to_be_visible()
    # the page was drawn anew, with one line more above the button
    baseline = page.get_by_role("button", name="Baseline", exact=True)
    expect(baseline).to_have_count(1)
    baseline.click()
    expect(page.get_by_text("10 sessions: the weeks before treatment")).to_be_visible()
    page.get_by_role("button", name="Undo the newest").click()
    expect(page.get_by_text("The newest baseline was taken back.")).to_be_visible()
    expect(page.get_by_text("own range, 12 sessions")).to_be_visible()


def test_an_event_is_added_to_the_life_chart_and_taken_back(page: Page, people: Served) -> None:
    page.goto(f"/patient?patient={EVENT}")
    page.get_by_role("button", name="Add event").click()
    dialog = page.get_by_test_id("stDialog")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_text("Say what it is, in a few words.")).to_be_visible()
    dialog.get_by_role("textbox", name="What").fill("weekly talks")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Treatment added.")).to_be_visible()
    expect(page.locator(".js-plotly-plot").get_by_text("weekly talks")).to_be_visible()
    page.get_by_text("Events on the chart").click()
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("The event was taken back.")).to_be_visible()
    expect(page.locator(".js-plotly-plot").get_by_text("weekly talks")).to_have_count(0)


# --- the worklist


def test_the_export_of_the_worklist_is_what_the_screen_shows(page: Page, people: Served) -> None:
    page.goto("/?q=K-01")
    expect(page.get_by_text("Choose a row to open its timeline.")).to_be_visible()
    grid = page.get_by_test_id("stDataFrame").locator("table")  # drawn on a canvas, with a table inside it to be read
    expect(grid.locator("th").first).to_be_attached()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".csv")]
        text = archive.read(name).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    headings = grid.locator("th").all_text_contents()
    shown = [
        dict(zip(headings, line.locator("td").all_text_contents(), strict=False))
        for line in grid.locator("tbody tr").all()
    ]
    assert len(shown) == len(rows) >= len((*WITH_FINDING, *QUIET))
    for on_screen, in_file in zip(shown, rows, strict=True):
        for heading in ("Patient", "Kind", "Open insights", "New", "Sessions", "Usable", "Valence", "Arousal"):
            assert on_screen[heading] == in_file[heading], heading


# --- through other doors


def test_a_payload_sent_to_the_api_is_on_the_timeline(page: Page, app: Served) -> None:
    answer = httpx.post(f"{app.url}/api/v1/predict", json=payload("K-0111", duration_s=30), timeout=120)
    assert answer.status_code == 200, answer.text
    got = answer.json()["prediction"]
    page.goto("/patient?patient=K-0111")
    expect(page.get_by_text("First measurement, nothing to compare with yet.")).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    interval = f"{got['valence_prob']:.2f} ({got['valence_low']:.2f}-{got['valence_high']:.2f})"
    expect(page.get_by_role("cell", name=interval).first).to_be_visible()
    page.get_by_role("link", name="Open session K-0111/S-01").click()
    expect(page.get_by_text(interval).first).to_be_visible()


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Served]:
    """A product whose database holds what no code foresees."""
    with serving(tmp_path / "broken") as served:
        done = affectline(served.data_dir, "measures", "import", str(courses(tmp_path / "courses.csv")))
        assert done.returncode == 0, done.stderr
        (file,) = served.data_dir.glob("*.sqlite3")
        with sqlite3.connect(file) as database:
            database.execute("UPDATE analysis SET reasons = '{'")
        yield served


def test_an_error_that_nobody_foresaw_is_said_by_a_reference(broken: Served, chromium: Browser) -> None:
    with chromium.new_context(base_url=broken.url) as context:
        page = context.new_page()
        page.goto(f"/patient?patient={EVENT}")
        said = page.get_by_text(re.compile(r"something unforeseen happened \(ref [0-9A-F]{8}\)"))
        expect(said.first).to_be_visible()
        shown = page.locator("body").inner_text()
    assert "[E-UNFORESEEN]" in shown and "redacted" not in shown
    assert not [word for word in FORBIDDEN if word in shown], shown[:2000]
    reference = re.findall(r"ref ([0-9A-F]{8})", shown)[0]
    assert "Traceback" in (broken.data_dir / "errors" / f"{reference}.txt").read_text()
