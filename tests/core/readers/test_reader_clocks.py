"""Several files on one clock: offsets, overlap, shared marks, and the outline of files that may be of many sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import simulate
from core.errors import Refused
from core.readers import Options, isolation, session
from core.types import Annotation, InputFile, Reading, Recording, Signal

STARTED = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    eeg = simulate.recording(seed=5, duration_s=20, started_at=STARTED)
    band = simulate.wrist(seed=5, duration_s=40, started_at=STARTED + timedelta(seconds=10))
    made = (simulate.write_edf(eeg, folder / "eeg.edf"), simulate.write_e4(band, folder / "wrist.zip"))
    return [InputFile(p.name, str(p)) for p in made]


def onsets(recording):
    return {s.name: s.onset_s for s in recording.signals}


def test_an_offset_moves_the_clock_of_its_file_alone(files):
    as_they_are = session.read(files)
    moved = session.read(files, Options(offsets={"wrist.zip": -2.5}))
    assert onsets(as_they_are)["EDA"] == pytest.approx(10.0) and onsets(moved)["EDA"] == pytest.approx(7.5)
    assert onsets(moved)["AF3"] == 0.0 and moved.started_at == STARTED
    eeg, band = moved.parts
    assert (eeg.onset_s, eeg.duration_s, eeg.offset_s) == (0.0, 20.0, 0.0)
    assert (band.onset_s, band.duration_s, band.offset_s) == pytest.approx((7.5, 40.0, -2.5))
    assert band.started_at == STARTED + timedelta(seconds=7.5)


def test_two_files_of_one_label_have_an_offset_each(files, tmp_path):
    first, second = InputFile("visit.edf", files[0].path), InputFile("visit.edf", files[1].path)
    parts = session.outline([first, second]).parts
    assert [p.label for p in parts] == ["visit.edf", "visit (2).edf"]
    moved = session.read([first, second], Options(offsets={"visit (2).edf": 5.0}))
    assert onsets(moved)["AF3"] == 0.0 and onsets(moved)["EDA"] == pytest.approx(15.0)
    assert [p.offset_s for p in moved.parts] == [0.0, 5.0]
    both = session.read([first, second], Options(offsets={"visit.edf": 3.0}))
    assert [p.offset_s for p in both.parts] == [3.0, 0.0]


def test_the_clock_starts_with_the_first_file_after_the_offsets(files):
    r = session.read(files, Options(offsets={"wrist.zip": -30.0}))
    assert onsets(r)["EDA"] == 0.0 and onsets(r)["AF3"] == pytest.approx(20.0)
    assert r.started_at == STARTED - timedelta(seconds=20)
    assert "W-TIME-GAP" not in {n.code for n in r.notices}


def test_files_that_an_offset_parts_are_warned_about_and_days_apart_refused(files):
    r = session.read(files, Options(offsets={"wrist.zip": 100.0}))
    assert "a time gap of 90 s" in next(n.text for n in r.notices if n.code == "W-TIME-GAP")
    with pytest.raises(Refused, match="8.0 days after the first file") as refused:
        session.read(files, Options(offsets={"wrist.zip": 8 * 86_400.0 - 10}))
    assert refused.value.code == "E-CLOCK"


@settings(max_examples=15, deadline=None)
@given(by_s=st.integers(-(10**6), 10**6).map(lambda ms: ms / 1000), apart_s=st.floats(-5, 5), dated=st.booleans())
def test_moving_every_file_by_the_same_seconds_moves_the_start_and_nothing_else(by_s, apart_s, dated):
    parts = [
        ([InputFile("a", "a")], one("a", STARTED, ["x"])),
        ([InputFile("b", "b")], one("b", STARTED if dated else None)),
    ]
    before = session._from_zero(session._merged(parts, [0.0, apart_s]))
    after = session._from_zero(session._merged(parts, [by_s, apart_s + by_s]))
    assert onsets(after) == pytest.approx(onsets(before), abs=1e-6)
    assert [a.onset_s for a in after.annotations] == pytest.approx([a.onset_s for a in before.annotations], abs=1e-6)
    assert (after.started_at - before.started_at).total_seconds() == pytest.approx(by_s, abs=1e-5)
    assert [p.onset_s for p in after.parts] == pytest.approx([p.onset_s for p in before.parts], abs=1e-6)


def one(name, started_at, marks=(), at=0.0):
    signal = Signal(name, "ecg", "mV", 64.0, np.zeros(640, dtype=np.float32))
    found = tuple(Annotation(at + 10.0 * i, 0.0, m) for i, m in enumerate(marks))
    return Recording((signal,), started_at, found, format="x")


def test_an_offset_for_a_file_that_is_not_there_or_beyond_reason_is_refused(files):
    for offsets, words in (({"other.edf": 1.0}, "other.edf"), ({"eeg.edf": 1e12}, "not possible")):
        with pytest.raises(Refused, match=words) as refused:
            session.read(files, Options(offsets=offsets))
        assert refused.value.code == "E-OFFSET"


def test_a_file_without_a_start_begins_with_the_first_unless_it_is_given_an_offset():
    parts = [([InputFile("a", "a")], one("a", STARTED)), ([InputFile("b", "b")], one("b", None))]
    plain, given_ = (session._merged(parts, [0.0, s]) for s in (0.0, 4.0))
    assert onsets(plain)["b"] == 0.0 and "W-CLOCK" in {n.code for n in plain.notices}
    assert onsets(given_)["b"] == 4.0 and not given_.notices


def test_marks_of_the_same_names_tell_the_offset_and_the_drift_between_two_clocks():
    names = [f"trial {i}" for i in range(20)]
    late, fast = 2.25, 100e-6
    first, other = one("a", STARTED, names), one("b", STARTED, names)
    marks = tuple(replace(m, onset_s=late + m.onset_s * (1 + fast)) for m in other.annotations)
    parts = [([InputFile("a", "a")], first), ([InputFile("b", "b")], replace(other, annotations=marks))]
    part = session._merged(parts, [0.0, 0.0]).parts[1]
    assert part.marks == 20 and part.drift_ppm == pytest.approx(100, rel=1e-6)
    assert part.late_s == pytest.approx(late + 95 * fast)
    mended = session._merged(parts, [0.0, -part.late_s]).parts[1]
    assert mended.late_s == pytest.approx(0, abs=1e-9)


def test_marks_that_keep_no_distance_are_not_the_same_events():
    parts = [
        ([InputFile("a", "a")], one("a", STARTED, ["tag", "tag", "tag"])),
        ([InputFile("b", "b")], replace(one("b", STARTED), annotations=tuple(
            Annotation(t, 0.0, "tag") for t in (1.0, 40.0, 41.0)
        ))),
    ]  # fmt: skip
    assert session._merged(parts, [0.0, 0.0]).parts[1].marks == 0


def test_the_outline_says_the_parts_with_their_own_clocks_and_what_cannot_be_read(files, tmp_path, shared_data):
    letter = tmp_path / "letter.edf"
    letter.write_text("Dear colleague,\n" * 100)
    triplet = [shared_data / "formats" / "brainvision" / f"test.{end}" for end in ("eeg", "vhdr", "vmrk")]
    given_ = [*files, *(InputFile(p.name, str(p)) for p in (letter, *triplet))]
    parts = isolation.outline(given_, zone=ZoneInfo("UTC"))
    by_label = {p.label: p for p in parts}
    assert set(by_label) == {"eeg.edf", "wrist.zip", "letter.edf", "test.vhdr"}
    assert by_label["eeg.edf"].started_at == STARTED and by_label["eeg.edf"].duration_s == 20
    assert set(by_label["test.vhdr"].files) == {"test.vhdr", "test.eeg", "test.vmrk"}
    assert "letter.edf" in by_label["letter.edf"].problem and by_label["letter.edf"].started_at is None


def test_parts_and_offsets_come_back_from_the_child(files):
    r = isolation.read(files, reading=Reading(offsets={"wrist.zip": 1.5}), zone=ZoneInfo("UTC"))
    assert [(p.label, p.offset_s) for p in r.parts] == [("eeg.edf", 0.0), ("wrist.zip", 1.5)]
    assert onsets(r)["EDA"] == pytest.approx(11.5)
