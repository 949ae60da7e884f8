"""New recording: several files as sessions, their clocks, and the import doctor with its switches."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core import simulate
from core.services import jobs
from core.services.clinic import sessions
from core.services.exports import exports
from core.services.exports.quality_report import quality_report
from core.settings import settings
from core.types import Reading
from tests.pages.conftest import open_page, texts
from tests.pages.test_pages import check

STARTED = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two recorders that overlap, a recording of the next day, and a table without a date."""
    folder = tmp_path_factory.mktemp("files")
    day = timedelta(days=1)
    eeg = simulate.recording(seed=5, duration_s=20, started_at=STARTED)
    band = simulate.wrist(seed=5, duration_s=40, started_at=STARTED + timedelta(seconds=10))
    later = simulate.recording(seed=6, duration_s=20, started_at=STARTED + day)
    table = folder / "undated.csv"
    write_table(table, {"ECG (mV)": eeg.of_type("ecg")[0].data[::2]})
    return {
        "eeg.edf": simulate.write_edf(eeg, folder / "eeg.edf"),
        "wrist.zip": simulate.write_e4(band, folder / "wrist.zip"),
        "later.edf": simulate.write_edf(later, folder / "later.edf"),
        "undated.csv": table,
    }


def write_table(path, columns, sfreq=128.0):
    n = min(map(len, columns.values()))
    rows = [",".join(["time_s", *columns])]
    rows += [",".join([f"{i / sfreq:.6f}", *(f"{x[i]:.9g}" for x in columns.values())]) for i in range(n)]
    path.write_text("\n".join(rows) + "\n")


def staged(store, *paths):
    draft = None
    for path in paths:
        with path.open("rb") as stream:
            draft = sessions.stage(store, path.name, stream, draft, now=STARTED).id
    return draft


def step(at, n):
    """Open a step of the same tab."""
    at.button(key=f"step-{n - 1}").click().run()
    return check(at)


def flat(text):
    return text.replace("\\", "")


def test_files_that_overlap_are_proposed_as_one_session_and_an_offset_reaches_the_job(filled, files):
    at = open_page("new_recording", draft=staged(filled, files["eeg.edf"], files["wrist.zip"]), patient="P-0077")
    assert "Session 1: eeg.edf, wrist.zip." in flat(check(at))
    at.number_input(key="offset-1").set_value(-2.5).run()
    assert "09:00:07" in check(at), "the start of the moved clock is shown"
    text = step(at, 3)
    assert "Clocks of the files" in text and "7.5" in text and "12.5" in text
    assert "a drift between the clocks cannot be seen" in text
    assert "Clock of wrist.zip moved by: -2.5 s" in step(at, 4)
    at.button(key="analyse").click().run()
    check(at)
    (job,) = jobs.recent(filled)
    assert job.params["reading"]["offsets"] == {"wrist.zip": -2.5}
    assert len(sessions.draft(filled, job.params["draft"]).files) == 2


def test_an_offset_that_parts_the_files_makes_them_two_sessions_until_a_person_says_one(filled, files):
    at = open_page("new_recording", draft=staged(filled, files["eeg.edf"], files["wrist.zip"]), patient="P-0077")
    at.number_input(key="offset-1").set_value(3600.0).run()
    assert "Session 2: wrist.zip." in flat(check(at))
    at.selectbox(key="group-1").set_value(1).run()
    assert "Session 1: eeg.edf, wrist.zip." in flat(check(at))
    text = flat(step(at, 3))
    assert "wrist.zip overlaps with none of the other files" in text and "time gap" in text
    step(at, 1)
    at.button(key="propose").click().run()
    assert at.number_input(key="offset-1").value == 0.0 and "Session 2" not in check(at)


def test_sessions_apart_become_a_job_each_and_an_undated_file_waits_for_its_session(filled, files):
    at = open_page("new_recording", draft=staged(filled, *files.values()), patient="P-0077")
    text = flat(check(at))
    assert "Session 1: eeg.edf, wrist.zip." in text and "Session 2: later.edf." in text
    assert "No start time tells where undated.csv belongs" in text
    assert at.button(key="to_map").disabled
    assert "Choose in step 1" in step(at, 2)
    step(at, 1)
    at.selectbox(key="group-3").set_value(2).run()
    at.number_input(key="offset-3").set_value(4.0).run()
    assert not at.button(key="to_map").disabled
    at.button(key="to_map").click().run()
    check(at)
    at.segmented_control(key="choice-visit").set_value("2").run()
    assert "17 channels" in check(at) and at.query_params["visit"] in ("2", ["2"])
    text = flat(step(at, 4))
    assert "Session 2: later.edf, undated.csv" in text and "Clock of undated.csv moved by: +4 s" in text
    at.button(key="analyse").click().run()
    check(at)
    assert len([b for b in at.button if (b.key or "").startswith("cancel_job-")]) == 2
    made = {len(sessions.draft(filled, j.params["draft"]).files): j.params["reading"] for j in jobs.recent(filled)[:2]}
    assert set(made) == {2} and len({j.params["draft"] for j in jobs.recent(filled)[:2]}) == 2
    assert sorted(len(j.params["reading"].get("offsets", {})) for j in jobs.recent(filled)[:2]) == [0, 1]


def test_a_file_that_is_not_used_stays_behind_and_is_offered_again(filled, files):
    draft = staged(filled, files["eeg.edf"], files["later.edf"])
    at = open_page("new_recording", draft=draft, patient="P-0077")
    at.selectbox(key="group-1").set_value(0).run()
    assert "Not used: later.edf." in flat(check(at))
    step(at, 4)
    at.button(key="analyse").click().run()
    (job,) = jobs.recent(filled)
    assert [f.name for f in sessions.draft(filled, job.params["draft"]).files] == ["eeg.edf"]
    assert [f.name for f in sessions.draft(filled, draft).files] == ["later.edf"]


@pytest.fixture
def troubled(tmp_path):
    """A table with a fault in every channel."""
    r = simulate.recording(seed=7, duration_s=20)
    eeg, ecg = r.of_type("eeg"), r.of_type("ecg")[0].data[::2]
    lost = eeg[3].data.copy()
    lost[:1000] = np.nan
    columns = {f"{s.name} (uV)": s.data * 1e-6 for s in eeg[:3]}
    columns |= {
        "P7 (uV)": lost, "O1 (uV)": eeg[6].data, "O2 (uV)": eeg[6].data, "T8 (uV)": np.zeros_like(lost),
        "ECG (mV)": -ecg, "EDA (uS)": np.full_like(lost, 5000.0), "thing": eeg[8].data,
    }  # fmt: skip
    path = tmp_path / "troubled.csv"
    write_table(path, columns)
    return path


def test_every_problem_is_listed_at_once_and_mended_by_switches_that_can_be_taken_back(filled, troubled):
    before = troubled.read_bytes()
    draft = staged(filled, troubled)
    at = open_page("new_recording", draft=draft, patient="P-0077")
    text = flat(step(at, 3))
    for words in (
        "39 % of its samples are missing", 'copy of "O1"', "Is flat", "point down", "1 channel of unknown type",
        "values times 1,000,000", "values divided by 1000",
    ):  # fmt: skip
        assert words in text, words
    offered = {(t.key.split("|")[2], t.key.split("|")[3]) for t in at.toggle if (t.key or "").startswith("mend|")}
    assert {("ECG", "invert"), ("EDA", "unit_div1000"), ("T8", "drop_channel"), ("AF3", "unit_x1000000")} <= offered
    at.button(key=next(b.key for b in at.button if (b.key or "").startswith("all-"))).click().run()
    for channel, repair in (("ECG", "invert"), ("T8", "drop_channel")):
        next(t for t in at.toggle if (t.key or "").endswith(f"|{channel}|{repair}")).set_value(True).run()
    assert "5 changes not applied" in check(at) and at.button(key="to_run").disabled
    at.button(key="apply_repairs").click().run()
    text = flat(check(at))
    assert "point down" not in text and "1,000,000 would fit" not in text and "Left out." in text
    assert not at.button(key="to_run").disabled
    next(t for t in at.toggle if (t.key or "").endswith("|T8|drop_channel")).set_value(False).run()
    at.button(key="apply_repairs").click().run()
    assert "Left out." not in check(at)
    step(at, 4)
    at.button(key="analyse").click().run()
    repairs = jobs.recent(filled)[0].params["reading"]["repairs"]
    assert repairs == {"ECG": ["invert"], **{name: ["unit_x1000000"] for name in ("AF3", "F7", "F3")}}
    assert sessions.draft(filled, draft).files and (filled.data_dir / "spool" / draft / "000").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "switch"), [("turned", "swap_axes"), ("commas", "decimal_comma")],
)  # fmt: skip
def test_a_table_that_is_refused_is_mended_on_the_page_and_goes_on(name, switch, filled, tmp_path):
    eeg = simulate.recording(seed=7, duration_s=6).of_type("eeg")[:4]
    path = tmp_path / f"{name}.csv"
    write_table(path, {s.name: s.data for s in eeg})
    rows = [line.split(",") for line in path.read_text().splitlines()]
    if name == "turned":
        path.write_text("\n".join(",".join(column) for column in zip(*rows, strict=True)) + "\n")
    else:
        path.write_text("\n".join([",".join(rows[0]), *(",".join(r).replace(".", ",") for r in rows[1:])]) + "\n")
    at = open_page("new_recording", draft=staged(filled, path), patient="P-0077", step="2")
    assert "It may be mended here" in check(at)
    next(t for t in at.toggle if (t.key or "").endswith(f"|*|{switch}")).set_value(True).run()
    text = check(at)
    assert "It may be mended here" not in text and "4 channels" in text
    assert any(t.value for t in at.toggle) is False, "the switch is on step 3 now"
    text = step(at, 3)
    switched = next(t for t in at.toggle if (t.key or "").endswith(f"|*|{switch}"))
    assert switched.value is True, "and can be taken back there"


def test_arrays_without_a_rate_are_given_one_where_they_are_refused(filled, tmp_path):
    path = tmp_path / "no-rate.npz"
    np.savez(path, ecg=np.random.default_rng(0).normal(size=(2560, 1)).astype(np.float32))
    at = open_page("new_recording", draft=staged(filled, path), patient="P-0077", step="2")
    assert "E-RATE" in flat(check(at))
    at.number_input[0].set_value(256.0).run()
    assert "E-RATE" not in flat(check(at)) and "10 s" in "\n".join(texts(at))


def test_the_quality_report_holds_the_problems_and_no_name_of_a_file(filled, troubled):
    files = sessions.draft(filled, staged(filled, troubled)).files
    found = sessions.inspect(filled, files)
    made = quality_report(filled, files, found, Reading(), now=STARTED)
    ((name, body),) = made.files.items()
    report = json.loads(body)
    assert name.endswith(".json") and "troubled" not in body.decode()
    assert {p["code"] for p in report["problems"]} >= {"unit", "missing", "duplicate", "flat", "inverted", "unknown"}
    assert report["quality"]["grade"] == str(found.grade)
    assert exports.recent(filled)[0]["kind"] == "quality-report"


def test_the_formats_on_the_page_and_in_the_help_are_those_of_the_readers(empty):
    page, help_ = flat(check(open_page("new_recording"))), check(open_page("help"))
    for title, _ in sessions.formats():
        assert title in page and title in help_


def test_a_channel_without_a_unit_says_so_where_it_is_mapped(filled, tmp_path):
    path = tmp_path / "bare.csv"
    x = np.random.default_rng(0).normal(size=1280)
    write_table(path, {"foo": x, "ECG (mV)": x})
    at = open_page("new_recording", draft=staged(filled, path), patient="P-0077", step="2")
    check(at)
    [table] = [d for d in at.dataframe if "Rate, Hz" in d.value]
    assert list(table.value["Unit"]) == ["no unit", "mV"], "an empty cell is drawn as None"


def test_two_files_of_one_name_are_refused_in_words_and_neither_is_lost_in_silence(filled):
    at = open_page("new_recording")
    kind = "application/octet-stream"
    at.file_uploader[0].set_value([("x.edf", b"one", kind), ("x.edf", b"other", kind)]).run()
    assert "E-FILE-TWICE" in flat(check(at))
    at.run()
    assert "E-FILE-TWICE" not in flat(check(at)), "it is said once"


def test_a_file_over_the_limit_is_refused_in_words_beside_one_that_is_taken(filled, files, monkeypatch):
    monkeypatch.setattr(settings(), "max_upload_mb", 1)
    at = open_page("new_recording")
    kind = "application/octet-stream"
    small = ("eeg.edf", files["eeg.edf"].read_bytes(), kind)
    at.file_uploader[0].set_value([small, ("big.edf", b"0" * (1 << 20), kind)]).run()
    text = flat(check(at))
    assert "E-TOO-LARGE" in text and "eeg.edf" in text
