"""Which files make one session, drafts split by it, and every problem of a recording at once."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import pipeline, quality, simulate
from core.errors import NotFound
from core.services.clinic import sessions
from core.services.clinic.doctor import problems
from core.services.clinic.grouping import proposed
from core.storage.store import Store
from core.types import Notice, Part

STARTED = datetime(2026, 3, 2, 9, tzinfo=UTC)


def part(label, start_s, duration_s):
    started = None if start_s is None else STARTED + timedelta(seconds=start_s)
    return Part((label,), "x", started, 0.0, duration_s)


@pytest.mark.parametrize(
    ("parts", "numbers"),
    [
        ([(0, 60), (30, 60)], (1, 1)),
        ([(0, 60), (60, 60)], (1, 2)),
        ([(0, 60), (50, 60), (100, 60)], (1, 1, 1)),
        ([(500, 60), (0, 60)], (2, 1)),
        ([(0, 1000), (10, 5), (900, 200)], (1, 1, 1)),
        ([(0, 60), (None, 60)], (1, 1)),
        ([(0, 60), (30, 60), (None, 60)], (1, 1, 1)),
        ([(0, 60), (500, 60), (None, 60)], (1, 2, None)),
        ([(None, 60)], (1,)),
        ([(None, 60), (None, 60)], (None, None)),
        ([(0, 0), (0, 60)], (1, 1)),
        ([], ()),
    ],
    ids=["overlap", "one after the other", "in a chain", "in order of time", "within", "an undated one beside one",
         "an undated one beside one session", "an undated one beside two", "alone", "both undated",
         "annotations that start with the signals", "nothing"],
)  # fmt: skip
def test_what_overlaps_in_time_is_proposed_as_one_session(parts, numbers):
    assert proposed([part(str(i), *p) for i, p in enumerate(parts)]) == numbers


def test_an_offset_decides_as_the_clock_would():
    parts = [part("a", 0, 60), part("b", 3600, 60)]
    assert proposed(parts) == (1, 2) and proposed(parts, {"b": -3600.0}) == (1, 1)


SPANS = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 5000)), st.integers(0, 600)), max_size=12)


@given(spans=SPANS, by_s=st.integers(-(10**6), 10**6))
def test_proposals_part_the_files_into_sessions_that_never_overlap(spans, by_s):
    parts = [part(str(i), *span) for i, span in enumerate(spans)]
    numbers = proposed(parts)
    assert len(numbers) == len(parts)
    known = sorted({n for n in numbers if n is not None})
    assert known == list(range(1, len(known) + 1))
    assert all(n is not None for p, n in zip(parts, numbers, strict=True) if p.started_at)
    ends = []
    for number in known:
        mine = [p for p, n in zip(parts, numbers, strict=True) if n == number and p.started_at]
        if mine:
            ends.append((min(p.started_at for p in mine),
                         max(p.started_at + timedelta(seconds=p.duration_s) for p in mine)))  # fmt: skip
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ends))
    assert proposed(parts, {p.label: float(by_s) for p in parts}) == numbers
    back = proposed(parts[::-1])[::-1]
    assert [[a == b for b in numbers] for a in numbers] == [[a == b for b in back] for a in back]


# --- drafts


@pytest.fixture
def store(tmp_path):
    made = Store("sqlite://", data_dir=tmp_path)
    yield made
    made.close()


def test_a_draft_is_split_by_sessions_and_loses_no_byte(store):
    draft = None
    for name in ("a.edf", "b.edf", "c.edf"):
        draft = sessions.stage(store, name, io.BytesIO(name.encode() * 10), draft and draft.id, now=STARTED)
    first, second = sessions.split(store, draft.id, [["b.edf"], ["a.edf"]])
    for made, name in ((first, "b.edf"), (second, "a.edf"), (sessions.draft(store, draft.id), "c.edf")):
        assert [f.name for f in made.files] == [name]
        assert Path(made.files[0].path).read_bytes() == name.encode() * 10
    assert len({draft.id, first.id, second.id}) == 3
    assert sessions.split(store, first.id, [["b.edf"]]) == [first], "nothing to split"
    with pytest.raises(NotFound):
        sessions.split(store, first.id, [["gone.edf"]])


# --- the doctor


def found(recording):
    verdict = quality.assess(recording, pipeline.site_pipeline(None))
    return {(p.channel, p.code): p for p in problems(recording, verdict)}


def with_signals(recording, **changed):
    signals = tuple(
        replace(s, data=changed[s.name].astype(np.float32)) if s.name in changed else s for s in recording.signals
    )
    return replace(recording, signals=signals)


def test_a_clean_recording_has_no_problem():
    assert not found(simulate.recording(seed=5, duration_s=20))


def test_every_kind_of_problem_is_found_in_one_go_with_its_repair():
    r = simulate.recording(seed=5, duration_s=20)
    x = {s.name: s.data.copy() for s in r.signals}
    upright, turned = (s.name for s in r.of_type("ecg"))
    lost = x["P7"].copy()
    lost[: len(lost) // 4] = np.nan
    hum = x["O1"] + 200 * np.sin(2 * np.pi * 50 * np.arange(len(x["O1"])) / 128)
    r = with_signals(r, **{
        "AF3": x["AF3"] * 1e-6, "F7": x["F7"] * 0, "F3": np.clip(x["F3"], -3, 3), "T7": x["FC5"], "P7": lost, "O1": hum,
        turned: -x[turned],
    })  # fmt: skip
    r = replace(
        r, signals=(*r.signals, replace(r.signals[0], name="thing", type="misc")),
        notices=(Notice("W-RATE", "The timestamps give a rate of 128 Hz, 64 Hz was stated; the stated rate is used."),),
    )  # fmt: skip
    by = found(r)
    assert by["AF3", "unit"].repairs == ("unit_x1000000", "drop_channel")
    assert by["F7", "flat"].share == 1.0 and by["F3", "rail"].share == 1.0
    assert by["T7", "duplicate"].what == 'it is a copy of "FC5", sample by sample' and ("FC5", "duplicate") in by
    assert by["P7", "missing"].share == pytest.approx(0.25)
    assert by["O1", "line"].share == 1.0
    assert by[turned, "inverted"].repairs == ("invert", "drop_channel") and (upright, "inverted") not in by
    assert by["*", "W-RATE"].repairs == ("rate_from_timestamps",)
    assert by["thing", "unknown"].repairs == ()


def test_a_unit_in_doubt_is_said_once():
    r = simulate.recording(seed=5, duration_s=20)
    by = found(with_signals(r, AF3=r.signals[0].data * 1e-6))
    assert {code for channel, code in by if channel == "AF3"} & {"unit", "volts"} == {"unit"}
