"""A clinician's first visit: create a patient, bring in a recording, follow the job, decide, export."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core import simulate
from tests.browser.conftest import FORBIDDEN

pytestmark = pytest.mark.browser


def upload(page: Page, *files: Path) -> None:
    """Drop files into the page and wait until they are on disk (the address then holds the draft)."""
    page.goto("/new-recording")
    page.locator("input[type=file]").set_input_files([str(f) for f in files])
    expect(page.get_by_role("button", name="Go on to map")).to_be_visible()
    expect(page).to_have_url(re.compile("draft="))


def choose_patient(page: Page, pseudonym: str) -> None:
    """Step 2: a known patient, or a new pseudonym typed in."""
    page.get_by_role("button", name="Go on to map").click()
    box = page.get_by_role("combobox", name="Patient")
    box.click()
    box.fill(pseudonym)
    box.press("Enter")
    expect(page.get_by_role("button", name="Go on to check")).to_be_enabled()


def analyse(page: Page) -> None:
    """Steps 3 and 4, up to the running job."""
    page.get_by_role("button", name="Go on to check").click()
    expect(page.get_by_text("Usable share", exact=True)).to_be_visible()
    page.get_by_role("button", name="Go on to run").click()
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect(page).to_have_url(re.compile("job="))


def test_from_a_file_to_the_timeline(page: Page, command, tmp_path: Path) -> None:
    recording = simulate.recording(seed=5, duration_s=120, started_at=datetime(2026, 3, 2, 9, tzinfo=UTC))
    edf = simulate.write_edf(recording, tmp_path / "visit.edf")

    page.goto("/")
    page.get_by_role("button", name="New patient").first.click()
    page.get_by_role("textbox", name="Pseudonym").fill("P-0042")
    page.get_by_role("button", name="Create patient").click()
    expect(page.get_by_text("No sessions yet")).to_be_visible()

    upload(page, edf)
    choose_patient(page, "P-0042")
    analyse(page)
    page.reload()  # in mid-job: the row holds the state, not the tab
    link = page.get_by_role("link", name="Open session P-0042/S-01")
    expect(link).to_be_visible(timeout=120_000)
    link.click()
    expect(page.get_by_text("P-0042/S-01").first).to_be_visible()
    for tab in ("Signals", "Windows", "Provenance", "Overview"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tabpanel").filter(visible=True).first).to_be_visible()
    page.goto("/patient?patient=P-0042")
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    expect(page.get_by_text("demonstration model", exact=False).first).to_be_visible()

    stored = json.loads(command("history", "P-0042", "--json").stdout)
    assert stored["total"] == 1 and stored["sessions"][0]["started_at"].startswith("2026-03-02T09:00")


def course(folder: Path, patient: str) -> Path:
    """Sixteen weekly sessions; the last one lies far above the others."""
    rng = np.random.default_rng(3)
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)
    path = folder / "measures.csv"
    with path.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["patient", "started_at", "measure", "value"])
        for k in range(16):
            for measure in ("valence", "arousal", "dominance"):
                value = 0.93 if (k == 15 and measure == "arousal") else 0.45 + 0.05 * rng.standard_normal()
                table.writerow([patient, (start + timedelta(weeks=k)).isoformat(), measure, f"{value:.4f}"])
    return path


def test_an_insight_is_acknowledged_taken_back_and_exported_as_shown(page: Page, command, tmp_path: Path) -> None:
    done = command("measures", "import", str(course(tmp_path, "P-0077")))
    assert done.returncode == 0, done.stderr

    page.goto("/insights?patient=P-0077")
    expect(page.get_by_text("above own range").first).to_be_visible()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged").first).to_be_visible()
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_text("taken back").first).to_be_visible()
    expect(page.get_by_role("button", name="Acknowledge").first).to_be_enabled()
    said = json.loads(command("insights", "P-0077", "--json").stdout)["insights"]
    assert {"PEAK", "ANOMALY"} & {i["kind"] for i in said}

    page.goto("/import-export")
    patient = page.get_by_role("combobox", name="Patient")
    patient.click()
    patient.fill("P-0077")
    patient.press("Enter")
    expect(page.get_by_text(f"of {16 * 3} rows")).to_be_visible()
    page.get_by_role("button", name="Make the export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    with zipfile.ZipFile(download.value.path()) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".csv")]
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open(name), "utf-8")))
    assert len(rows) == 16 * 3
    assert {r["patient"] for r in rows} == {"P-0077"}
    shown = json.loads(command("history", "P-0077", "--json").stdout)["sessions"]
    in_file = {(r["session"], r["measure"]): float(r["value"]) for r in rows}
    on_screen = {(s["session"], m): v["p_high"] for s in shown for m, v in s["predictions"].items()}
    assert in_file == pytest.approx(on_screen)


@pytest.mark.parametrize(
    ("files", "types"),
    [
        (("brainvision/test.vhdr", "brainvision/test.vmrk", "brainvision/test.eeg"), "EEG"),
        (("edf_plus/edfio_short_psg.edf",), "EEG"),
        (("empatica_e4/S12_session.zip",), "Skin conductance"),
    ],
    ids=["BrainVision", "EDF", "E4 zip"],
)
def test_a_real_recording_goes_through_the_browser(page: Page, command, shared_data, files, types) -> None:
    upload(page, *(shared_data / "formats" / f for f in files))
    pseudonym = f"R-{1000 + sum(map(len, files))}"
    choose_patient(page, pseudonym)
    analyse(page)
    link = page.get_by_role("link", name=f"Open session {pseudonym}/S-01")
    expect(link).to_be_visible(timeout=180_000)
    link.click()
    page.get_by_role("tab", name="Signals").click()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    expect(page.get_by_text(types).first).to_be_attached()
    stored = json.loads(command("history", pseudonym, "--json").stdout)
    assert stored["total"] == 1


def test_a_file_that_is_no_recording_is_refused_in_words(page: Page, command, tmp_path: Path) -> None:
    letter = tmp_path / "letter.edf"
    letter.write_text("Dear colleague,\n" * 100)
    upload(page, letter)
    page.get_by_role("button", name="Go on to map").click()
    expect(page.get_by_text("letter.edf").first).to_be_visible()
    expect(page.get_by_text("[E-").first).to_be_visible()
    assert "Traceback" not in page.locator("body").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_opens_by_its_address_without_an_exception(chromium, app, command, tmp_path, scheme) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 1600}, base_url=app.url, color_scheme=scheme)
    tab = context.new_page()
    for path in (
        "/",
        "/new-recording",
        "/patient",
        "/insights",
        "/import-export",
        "/jobs",
        "/help",
        "/session",
        "/patient?patient=NOPE1",
        "/session?session=NOPE1/S-01",
    ):
        tab.goto(path)
        expect(tab.get_by_text("Research software. Not a medical device.").first).to_be_visible()
        shown = tab.locator("body").inner_text()
        assert not [word for word in FORBIDDEN if word in shown], (path, shown[:1500])
    context.close()
