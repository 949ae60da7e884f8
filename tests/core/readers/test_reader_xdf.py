"""XDF: what pyxdf gives, breaks and resets of a stream's clock, and files that are not sound."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from core.errors import Refused
from core.readers import READERS, session
from tests.core.readers import vendors as v
from tests.core.readers.conftest import eeg, given, said


@pytest.fixture
def write(tmp_path):
    def write(body, name="x.xdf"):
        (tmp_path / name).write_bytes(body)
        return given(tmp_path / name)

    return write


def test_a_clock_reset_is_named_and_its_gap_stays_a_gap(shared_data):
    import pyxdf

    path = shared_data / "formats/xdf/clock_resets.xdf"
    streams, _ = pyxdf.load_xdf(path)
    theirs = next(s for s in streams if s["info"]["name"] == ["BioSemi"])
    marks = next(s for s in streams if s["info"]["name"] == ["MyMarkerStream"])
    r = session.read([given(path)])
    assert len(r.signals) == 8
    first = r.signals[0]
    assert first.sfreq == pytest.approx(theirs["info"]["effective_srate"]) == pytest.approx(92.934, abs=1e-3)
    assert r.duration_s == pytest.approx(theirs["time_stamps"][-1] - theirs["time_stamps"][0], abs=0.7)
    there = np.isfinite(first.data)
    assert there.sum() == len(theirs["time_stamps"]) == 27_815
    for i, s in enumerate(r.signals):
        assert np.array_equal(s.data[there], theirs["time_series"][:, i])
    # one hole of 274 s, between the samples where pyxdf sees it
    holes = np.flatnonzero(np.diff(there.astype(int)))
    assert len(holes) == 2 and holes[0] == 12_875
    assert (holes[1] - holes[0]) / first.sfreq == pytest.approx(273.88, abs=1.0)
    assert "its clock was reset" in said(r, "W-CLOCK") and "1 time gap" in said(r, "W-TIME-GAP")
    assert '"BioSemi" (EEG): 8 channels, 27,815 samples, 100 Hz stated' in said(r, "W-STREAM")
    # random numbers of no unit are no EEG that could be analysed
    assert {s.type for s in r.signals} == {"misc"} and "No unit is stated" in said(r, "W-UNIT")
    assert [(a.onset_s, a.description) for a in r.annotations] == [
        (pytest.approx(at - theirs["time_stamps"][0], abs=1e-6), row[0])
        for at, row in zip(marks["time_stamps"], marks["time_series"], strict=True)
    ]


def test_streams_of_the_smallest_file_keep_their_rate_and_the_clock_difference_between_them(shared_data):
    path = shared_data / "formats/xdf/minimal.xdf"
    r = READERS["xdf"].read([given(path)])
    assert [(s.sfreq, len(s.data)) for s in r.signals] == [(10.0, 9)] * 3
    assert [s.data[0] for s in r.signals] == [192, 255, 238]
    # the EEG's clock is 0.1 s ahead of the recorder's, the markers' was never compared
    assert [(round(a.onset_s, 6), a.description) for a in r.annotations][1:4] == [
        (0.2, "Hello"), (0.3, "World"), (0.4, "from"),
    ]  # fmt: skip
    assert "its clock was never compared" in said(r, "W-STREAM")


def test_labels_types_units_and_the_start_come_from_the_headers_and_no_name_of_a_person(write):
    chans = "".join([
        v.xdf_channel("FP1"), v.xdf_channel("lead", "millivolts", "ECG"), v.xdf_channel("hand", "microsiemens", "GSR"),
        v.xdf_channel("Trig", "", "TRIG"),
    ])  # fmt: skip
    x = np.tile(eeg(1).T, (1, 4)).astype("<f4")
    t = 100 + np.arange(1280) / 128
    body = v.xdf_start() + v.xdf_header(7, n=4, chans=chans) + v.xdf_samples(7, t, x)
    r = session.read([write(body)])
    assert [(s.name, s.type, s.unit, s.sfreq) for s in r.signals] == [
        ("Fp1", "eeg", "µV", 128.0), ("lead", "ecg", "mV", 128.0), ("hand", "eda", "µS", 128.0),
        ("Trig", "misc", "", 128.0),
    ]  # fmt: skip
    assert np.allclose(r.signals[0].data, x[:, 0]) and np.allclose(r.signals[1].data, x[:, 1])
    assert r.started_at == datetime(2024, 5, 1, 8, 0, tzinfo=UTC)
    assert "Lovelace" not in repr(r) and "LAPTOP" not in repr(r)


def test_streams_start_where_they_start_and_a_lost_second_is_missing(write):
    x = eeg(1).T.astype("<f4")
    t = 50 + np.arange(1280) / 128
    slow = np.linspace(1, 3, 40, dtype="<f4")[:, None]
    body = v.xdf_start() + v.xdf_header(1, n=1, chans=v.xdf_channel("Cz"))
    body += v.xdf_header(2, name="Hand", kind="GSR", n=1, rate="4", chans=v.xdf_channel("EDA", "uS", "GSR"))
    body += v.xdf_samples(1, t[:512], x[:512]) + v.xdf_samples(1, t[640:], x[640:])
    # a stream may state the time of its first sample alone
    body += v.xdf_samples(2, [52.0, *[None] * 39], slow)
    r = session.read([write(body)])
    brain, hand = r.signals
    assert (brain.sfreq, hand.sfreq, hand.onset_s) == (128.0, 4.0, pytest.approx(2.0))
    assert np.isnan(brain.data[512:640]).all() and np.isfinite(brain.data[640:]).all() and len(brain.data) == 1280
    assert np.allclose(brain.data[640:], x[640:, 0]) and np.allclose(hand.data, slow[:, 0])
    assert "1 time gap" in said(r, "W-TIME-GAP")


def test_a_stream_that_is_slower_than_it_says_is_read_at_the_rate_of_its_timestamps(write):
    x = eeg(1).T.astype("<f4")
    body = v.xdf_start() + v.xdf_header(1, n=1, chans=v.xdf_channel("Cz"))
    r = session.read([write(body + v.xdf_samples(1, 5 + np.arange(1280) / 125.0, x))])
    assert r.signals[0].sfreq == pytest.approx(125.0)
    assert "128 Hz stated, 125 Hz measured" in said(r, "W-STREAM")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: v.xdf_start() + v.xdf_header(1, n=9999), "9999 channels"),
        (lambda b: v.xdf_start() + v.xdf_header(1, n=-1), "states no channels"),
        (lambda b: v.xdf_start() + v.xdf_header(1, rate="1e9"), "impossible rate"),
        (lambda b: v.xdf_start() + v.xdf_header(1, fmt="object"), "unknown kind of number"),
        (lambda b: v.xdf_start() + v.xdf_header(1, desc="<b>"), "damaged"),
        (lambda b: b[:4] + v.xdf_chunk(2, b"\1\0\0\0" + b"<a>" * 60 + b"</a>" * 60), "nested too deeply"),
        (lambda b: v.xdf_start() + b[b.index(b"\x02\0\1\0\0\0") - 5 :] * 2, "declares a stream twice"),
    ],
)
def test_a_header_that_cannot_be_is_refused(write, change, words):
    with pytest.raises(Refused) as refused:
        session.read([write(change(v.xdf()))])
    assert words in refused.value.text


def test_a_corrupt_chunk_is_left_out_and_said(write):
    body = bytearray(v.xdf())
    # the count of the fourth chunk of samples
    at = [i for i in range(len(body)) if body[i : i + 11] == b"\x03\0\1\0\0\0\x04\x80\0\0\0"][3]
    body[at + 7] = 0x81
    r = session.read([write(bytes(body))])
    assert said(r, "W-CORRUPT") == "1 corrupt chunks were left out."
    assert np.isnan(r.signals[0].data[3 * 128 : 4 * 128]).all()
    assert np.isfinite(r.signals[0].data[4 * 128 :]).all()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@for_all(st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 300))
def test_whatever_bytes_change_it_is_read_or_refused(tmp_path_factory, changes, cut):
    body = bytearray(v.xdf())
    for at, value in changes:
        body[at % len(body)] = value
    path = tmp_path_factory.mktemp("fuzz") / "x.xdf"
    path.write_bytes(bytes(body[: len(body) - cut]))
    try:
        r = READERS["xdf"].read([given(path)])
    except Refused as refused:
        assert refused.what_to_do
        return
    assert all(0.1 <= s.sfreq <= 1e5 and s.data.ndim == 1 for s in r.signals)


def test_a_sound_file_goes_through_as_pyxdf_reads_it(tmp_path):
    import pyxdf

    streams, _ = pyxdf.load_xdf(io.BytesIO(v.xdf()))
    (tmp_path / "x.xdf").write_bytes(v.xdf())
    r = session.read([given(tmp_path / "x.xdf")])
    assert np.array_equal(np.stack([s.data for s in r.signals], axis=1), streams[0]["time_series"])
    assert [(a.onset_s, a.description) for a in r.annotations] == [
        (pytest.approx(1.0), "start"), (pytest.approx(2.5), "end"),
    ]  # fmt: skip
