"""Lists of RR intervals: the very list comes back from the series, and markers are those of the list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from core import markers, quality
from core.dsp import beats
from core.errors import Refused
from core.readers import session
from core.readers.rr import series
from core.types import Pipeline, Reason
from tests.core.readers.conftest import given, said


@pytest.fixture
def write(tmp_path):
    def write(text, name="x.csv"):
        (tmp_path / name).write_text(text)
        return given(tmp_path / name)

    return write


def heart(n=400, seed=4):
    """Intervals around 800 ms with a breath in them, ms."""
    rng = np.random.default_rng(seed)
    return np.round(800 + 40 * np.sin(2 * np.pi * np.arange(n) / 5) + rng.normal(0, 10, n), 1)


def measured(recording):
    made = markers.compute(recording, quality.assess(recording, Pipeline()), Pipeline())
    return {m.name: m for m in made}


@for_all(st.lists(st.floats(250, 3000, width=32), min_size=1, max_size=300))
def test_the_list_comes_back_from_its_series(values):
    rr = np.array(values)
    x, ends = series(rr, np.ones(len(rr), bool), rr / 1000, np.zeros(len(rr)))
    found = beats.of_intervals(x, 4.0)
    assert np.allclose(np.diff(found) * 1000, rr, atol=1e-6)
    assert np.allclose(found[1:], ends)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("x.csv", lambda rr: "RR (ms)\n" + "\n".join(map(str, rr))),
        ("x.csv", lambda rr: "rr_s\n" + "\n".join(str(v / 1000) for v in rr)),
        ("P01_RR.txt", lambda rr: "\n".join(map(str, rr)) + "\n"),
        ("ada-hrv.txt", lambda rr: "\n".join(f"{v / 1000:.4f}" for v in rr) + "\n"),
        (
            "polar.txt",
            lambda rr: (
                "Timestamp;RR-interval [ms]\n"
                + "\n".join(f"{1.7e9 + t:.4f};{v}" for t, v in zip(np.cumsum(rr) / 1000, rr, strict=True))
            ),
        ),
        (
            "holter.tsv",
            lambda rr: (
                "Time (s)\tRR [s]\tBeat type\n"
                + "\n".join(f"{t:.4f}\t{v / 1000}\tN" for t, v in zip(np.cumsum(rr) / 1000, rr, strict=True))
            ),
        ),
    ],
)
def test_heart_rate_and_rmssd_are_those_of_the_list(write, name, body):
    rr = heart()
    r = session.read([write(body(rr), name)])
    (s,) = r.signals
    assert (s.name, s.type, s.unit, s.sfreq) == ("RR", "rr", "ms", 4.0)
    assert r.duration_s == pytest.approx(rr.sum() / 1000, abs=0.25)
    assert np.allclose(np.diff(beats.of_intervals(s.data, 4.0)) * 1000, rr, atol=1e-3)
    found = measured(r)
    assert found["heart_rate"].value == pytest.approx(60_000 / rr.mean(), rel=0.002)
    assert found["rmssd"].value == pytest.approx(np.sqrt(np.mean(np.diff(rr) ** 2)), rel=0.02)
    assert found["rmssd"].low < found["rmssd"].value < found["rmssd"].high
    if name == "polar.txt":
        assert abs(r.started_at - datetime.fromtimestamp(1.7e9, UTC)) < timedelta(milliseconds=1)


def test_beats_that_are_not_normal_are_annotated_and_never_bridged(write):
    rr = np.full(300, 800.0)
    rr[150], rr[151] = 790.0, 810.0
    kinds = ["N"] * 300
    kinds[150] = "V"
    r = session.read([write("RR (ms),type\n" + "\n".join(f"{v},{k}" for v, k in zip(rr, kinds, strict=True)))])
    assert [(round(a.onset_s, 3), a.description) for a in r.annotations] == [
        (pytest.approx(150.99 * 0.8, abs=0.3), "beat V")
    ]
    assert "2 of 300 intervals" in said(r, "W-BEATS")
    assert measured(r)["rmssd"].value == pytest.approx(0.0, abs=1e-9)


def test_lost_beats_and_zeros_leave_a_gap(write):
    rr = heart(200)
    t = np.cumsum(rr) / 1000
    t[100:] += 60
    r = session.read([write("time (s),RR (ms)\n" + "\n".join(f"{a:.3f},{b}" for a, b in zip(t, rr, strict=True)))])
    assert r.duration_s == pytest.approx(rr.sum() / 1000 + 60, abs=0.6)
    assert np.isnan(r.signals[0].data).sum() == pytest.approx(240, abs=2) and "1 time gaps, 60 s" in said(
        r, "W-TIME-GAP"
    )
    rr[50] = 0
    r = session.read([write("RR (ms)\n" + "\n".join(map(str, rr)))])
    assert "1 of 200 intervals" in said(r, "W-BEATS") and np.isnan(r.signals[0].data).any()


def test_an_ecg_is_asked_before_a_list_and_a_short_list_has_no_rmssd(write):
    r = session.read([write("RR (ms)\n" + "\n".join(map(str, heart(30))))])
    found = measured(r)
    assert found["rmssd"].reason is Reason.TOO_SHORT and found["heart_rate"].value == pytest.approx(75, abs=1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("RR (ms)\n" + "5\n" * 50, "no heart"), ("RR (s)\n" + "800\n" * 50, "no heart"),
        ("RR (ms)\n0\n0\n", "no heart"),
        ("RR (ms)\n800\nlong\n", "no number"), ("time (s),RR (ms)\n5,800\n4,800\n3,800\n", "run backwards"),
        ("time (s),RR (ms)\n0,800\n900000,800\n", "more than 7 days"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_is_refused(write, body, words):
    with pytest.raises(Refused) as refused:
        session.read([write(body)])
    assert words in refused.value.text


def test_a_pulse_without_heading_is_no_list_of_intervals(shared_data):
    assert session.recognised(given(shared_data / "formats/heartpy_csv/data.csv")) == "csv"
    assert session.recognised(given(shared_data / "formats/heartpy_csv/data2.csv")) == "csv"


def test_the_intervals_of_a_wrist_band_lie_where_their_beats_were_and_give_its_heart_rate(tmp_path):
    start, rr = 1_700_000_000.0, heart(300) / 1000
    t = 12.5 + np.cumsum(rr)
    sure = np.ones(300, bool)
    sure[100:104], sure[200] = False, False  # four beats, then one, that the band was not sure of
    body = f"{start:.6f}, IBI\n" + "".join(f"{a:.6f},{b:.6f}\n" for a, b in zip(t[sure], rr[sure], strict=True))
    (tmp_path / "IBI.csv").write_text(body)
    (tmp_path / "EDA.csv").write_text(f"{start:.6f}\n4.000000\n" + "0.5\n0.6\n" * 520)
    r = session.read([given(tmp_path / n) for n in ("EDA.csv", "IBI.csv")])
    (ibi,) = r.of_type("rr")
    assert (ibi.name, ibi.unit, ibi.sfreq, ibi.onset_s) == ("IBI", "ms", 4.0, pytest.approx(12.5))
    found = ibi.onset_s + beats.of_intervals(ibi.data, 4.0)
    # the clock of the list is kept over its gaps
    assert np.abs(t[sure][:, None] - found[None]).min(axis=1).max() < 0.3
    measures = measured(r)
    assert measures["heart_rate"].value == pytest.approx(60 / rr[sure].mean(), rel=0.005)
    inner = np.diff(rr)[sure[1:] & sure[:-1]] * 1000
    assert measures["rmssd"].value == pytest.approx(np.sqrt(np.mean(inner**2)), rel=0.03)


def test_a_wrist_band_without_one_interval_is_read_without(tmp_path):
    (tmp_path / "EDA.csv").write_text("1700000000.0\n4.000000\n" + "0.5\n0.6\n" * 520)
    for body in ("", "1700000000.0, IBI\n", "1700000000.0, IBI\n5,x\n6,1\n", "x, IBI\n5,1\n6,1\n"):
        (tmp_path / "IBI.csv").write_text(body)
        assert session.read([given(tmp_path / n) for n in ("EDA.csv", "IBI.csv")]).types == ("eda",)
