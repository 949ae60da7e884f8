"""Muse and Emotiv headbands, from files generated in the shape their makers document."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from core.errors import Refused
from core.readers import Options, session
from tests.core.readers import vendors as v
from tests.core.readers.conftest import by_name, given, said


@pytest.fixture
def write(tmp_path):
    def write(body, name="x.csv"):
        (tmp_path / name).write_bytes(body)
        return given(tmp_path / name)

    return write


def test_mind_monitor_has_raw_eeg_at_256_hz_and_lists_band_powers(write):
    body, x = v.muse()
    r = session.read([write(body)], Options(zone=ZoneInfo("Europe/Berlin")))
    assert [(s.name, s.type, s.unit) for s in r.signals] == [
        ("Delta_TP9", "misc", "Bel"), ("Alpha_AF7", "misc", "Bel"), ("TP9", "eeg", "µV"), ("AF7", "eeg", "µV"),
        ("Accelerometer_X", "acc", "g"), ("Gyro_X", "misc", ""), ("HSI_TP9", "misc", ""),
    ]  # fmt: skip
    assert {(s.sfreq, len(s.data)) for s in r.signals} == {(256.0, 2560)}
    assert np.allclose(by_name(r)["TP9"].data, x[0]) and np.allclose(by_name(r)["AF7"].data, x[1])
    assert r.started_at == datetime(2024, 5, 1, 8, 0, tzinfo=UTC)
    assert [(a.onset_s, a.description) for a in r.annotations] == [(2.0, "blink")]
    assert "Band powers" in said(r, "W-COLUMNS")


def test_eeg_of_a_band_that_is_not_on_a_head_is_missing(write):
    r = session.read([write(v.muse(worn=[int(i >= 640) for i in range(2560)])[0])])
    x = by_name(r)["TP9"].data
    assert np.isnan(x[:640]).all() and np.isfinite(x[640:]).all()
    assert "In 25.0% of the rows" in said(r, "W-CONTACT")


def test_a_lost_second_of_a_headband_is_missing(write):
    lines = v.muse()[0].splitlines(keepends=True)
    r = session.read([write(b"".join(lines[:1001] + lines[1257:]))])
    x = by_name(r)["TP9"].data
    assert np.isnan(x).sum() in (255, 256) and abs(len(x) - 2560) <= 1
    assert "1 time gaps" in said(r, "W-TIME-GAP")


def test_a_table_of_band_powers_alone_is_listed(write):
    lines = [",".join(line.split(",")[:3]) for line in v.muse()[0].decode().splitlines() if "blink" not in line]
    r = session.read([write("\n".join([lines[0], *lines[1::26]]).encode() + b"\n")])
    assert [(s.name, s.type) for s in r.signals] == [("Delta_TP9", "misc"), ("Alpha_AF7", "misc")]
    assert r.signals[0].sfreq == pytest.approx(256 / 26, abs=0.05)


@pytest.mark.parametrize("meta", [True, False])
def test_emotiv_has_its_electrodes_motion_at_its_own_rate_and_no_name(write, meta):
    body, x = v.emotiv(meta=meta)
    r = session.read([write(body)])
    assert [(s.name, s.type, s.unit, s.sfreq, len(s.data)) for s in r.signals] == [
        ("AF3", "eeg", "µV", 128.0, 1280), ("T7", "eeg", "µV", 128.0, 1280), ("CQ.Overall", "misc", "", 128.0, 1280),
        ("MOT.AccX", "acc", "g", 64.0, 640), ("POW.AF3.Theta", "misc", "µV²/Hz", 8.0, 80),
    ]  # fmt: skip
    assert np.allclose(r.signals[0].data, x[0]) and np.allclose(r.signals[1].data, x[1])
    assert r.started_at == datetime.fromtimestamp(1714557600, UTC)
    assert [(a.onset_s, a.description) for a in r.annotations] == [(1.0, "marker 7")]
    assert "Ada" not in repr(r)


def test_packets_that_emotiv_made_up_are_missing_and_a_false_rate_is_said(write):
    body, _ = v.emotiv(made_up=range(100, 140))
    r = session.read([write(body.replace(b"eeg_128", b"eeg_256"))])
    assert np.isnan(r.signals[0].data[100:140]).all() and np.isnan(r.signals[0].data).sum() == 40
    assert "40 of 1,280 rows" in said(r, "W-INTERPOLATED")
    assert "state 256 Hz, the timestamps give 128 Hz" in said(r, "W-RATE")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (v.muse()[0].replace(b"2024-05-01 10:00:01.0", b"yesterday", 1), "cannot be read"),
        (v.muse()[0].replace(b"10:00:09", b"10:00:00"), "run backwards"),
        (v.emotiv()[0].replace(b"EEG.AF3", b"EEG.ZZ").replace(b"EEG.T7", b"EEG.Y9"), "no EEG columns"),
        (v.emotiv()[0].replace(b",4200", b",high", 1), "no number"),
    ],
)  # fmt: skip
def test_a_headband_table_that_cannot_be_is_refused(write, body, words):
    with pytest.raises(Refused) as refused:
        session.read([write(body)])
    assert words in refused.value.text
