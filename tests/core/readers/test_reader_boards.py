"""Text files of acquisition boards: OpenBCI's three dialects, and BioSPPy's header of keys and values."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from core.errors import Refused
from core.readers import READERS, Options, session
from tests.core.readers import vendors as v
from tests.core.readers.conftest import given, said


@pytest.fixture
def write(tmp_path):
    def write(body, name="x.txt"):
        (tmp_path / name).write_bytes(body)
        return given(tmp_path / name)

    return write


OPENBCI = {
    "OpenBCI-sampleData-1-legacy.txt": (6, None),
    "OpenBCI_GUI-v5-blinks-jawClench-alpha.txt": (5, None),
    "OpenBCI_GUI-v6-blinks-jawClench-alpha.txt": (5, 0),
}


@pytest.mark.parametrize("name", OPENBCI)
def test_one_recording_in_three_dialects_is_the_same_recording(shared_data, name):
    path = shared_data / "formats/openbci_txt" / name
    skip, _ = OPENBCI[name]
    theirs = pd.read_csv(path, skiprows=skip, header=None, skipinitialspace=True, low_memory=False)
    r = session.read([given(path)])
    assert [(s.name, s.type, s.unit, s.sfreq) for s in r.signals] == [
        *((f"EXG Channel {i}", "eeg", "µV", 250.0) for i in range(8)),
        *((f"Accel Channel {i}", "acc", "g", 250.0) for i in range(3)),
    ]
    assert {len(s.data) for s in r.signals} == {len(theirs)} == {22_490}
    for i in range(8):
        assert np.allclose(r.signals[i].data, theirs[i + 1], atol=1e-2)
    assert [s.data[0] for s in r.signals[:2]] == pytest.approx([61379.36, 49492.89])
    # the legacy file writes 0 where no new acceleration came, the later ones repeat the last
    assert [s.data[5] for s in r.of_type("acc")] == pytest.approx([0.04, 0.42, 0.238])
    assert [s.data[12] for s in r.of_type("acc")] == pytest.approx([0.032, 0.626, 0.376])
    assert r.started_at == datetime.fromtimestamp(1557936053.329, UTC)
    assert r.duration_s == pytest.approx(89.96)
    assert "no electrode position" in said(r, "W-CHANNELS")


@pytest.mark.parametrize("dialect", ["legacy", "v6"])
def test_lost_samples_are_missing_and_said(write, dialect):
    keep = np.r_[0:700, 710:2500]
    body, x = v.openbci(dialect)
    lines = body.decode().splitlines(keepends=True)
    head = len(lines) - 2500
    r = session.read([write("".join(lines[:head] + [lines[head + i] for i in keep]).encode())])
    first = r.signals[0]
    assert len(first.data) == 2500 and np.isnan(first.data[700:710]).all()
    assert np.allclose(first.data[keep], x[keep, 0])
    assert said(r, "W-TIME-GAP").startswith("10 samples are lost in 1 time gaps (0.04 s in all)")


def test_whole_turns_of_the_index_are_told_by_the_time(write):
    body, _ = v.openbci()
    lines = body.decode().splitlines(keepends=True)
    head = len(lines) - 2500
    keep = np.r_[0:500, 500 + 516 : 2500]
    r = session.read([write("".join(lines[:head] + [lines[head + i] for i in keep]).encode())])
    assert len(r.signals[0].data) == 2500 and np.isnan(r.signals[0].data[500:1016]).all()


def test_markers_become_annotations_and_a_false_rate_is_said(write):
    body, _ = v.openbci(marker={500: 3, 1000: 7})
    r = session.read([write(body)])
    assert [(a.onset_s, a.description) for a in r.annotations] == [(2.0, "marker 3"), (4.0, "marker 7")]
    r = session.read([write(body.replace(b"Sample Rate = 250", b"Sample Rate = 200"))])
    assert r.signals[0].sfreq == 200.0 and "12.5 s at the stated 200 Hz" in said(r, "W-RATE")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"= 2\n", b"= 9\n", "9 channels"), (b"= 2\n", b"= two\n", "no number of channels"),
        (b"250 Hz", b"0 Hz", "sampling rate"), (b"\n3, ", b"\nthree, ", "no number"),
        (b"\n3, ", b"\n3, 1, ", "columns"),
    ],
)  # fmt: skip
def test_an_openbci_file_that_cannot_be_is_refused(write, old, new, words):
    with pytest.raises(Refused) as refused:
        session.read([write(v.openbci()[0].replace(old, new, 1))])
    assert words in refused.value.text


BIOSPPY = {
    "ecg": ("ECG", "misc", 1000.0, 15_000), "eda": ("EDA", "misc", 1000.0, 150_000),
    "eeg_ec": ("EEG", "misc", 125.0, 38_219), "emg": ("EMG", "misc", 1000.0, 100_000),
    "ppg": ("PPG", "ppg", 1000.0, 20_000), "resp": ("RESP", "resp", 1000.0, 60_000),
}  # fmt: skip


@pytest.mark.parametrize("name", BIOSPPY)
def test_biosppy_files_have_rate_and_label_of_their_header_and_no_unit_is_guessed(shared_data, name):
    path = shared_data / "formats/biosppy_txt" / f"{name}.txt"
    theirs = pd.read_csv(path, comment="#", header=None)[0].to_numpy()
    label, kind, rate, n = BIOSPPY[name]
    r = session.read([given(path)], Options(zone=ZoneInfo("Europe/Lisbon")))
    (s,) = r.signals
    assert (s.name.upper(), s.type, s.sfreq, len(s.data)) == (label, kind, rate, n)
    assert np.array_equal(s.data, theirs.astype(np.float32))
    assert bool(said(r, "W-UNIT")) == (kind == "misc")
    if name == "eeg_ec":
        assert r.started_at == datetime(2021, 7, 18, 22, 58, 26, 361264, tzinfo=UTC)


def test_a_label_with_its_unit_is_believed_and_so_is_a_person(write):
    r = session.read([write(v.adc_text("ECG (mV)\tRESP\tnSeq"))])
    assert [(s.name, s.type, s.unit) for s in r.signals] == [
        ("ECG", "ecg", "mV"), ("RESP", "resp", "au"), ("nSeq", "misc", ""),
    ]  # fmt: skip
    r = session.read([write(v.adc_text("EDA"))], Options(mapping={"EDA": {"type": "eda", "unit": "nS"}}))
    assert (r.signals[0].type, r.signals[0].data[0]) == ("eda", pytest.approx(2.048))
    assert "12 bit converter" in said(session.read([write(v.adc_text("EDA"))]), "W-UNIT")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (v.adc_text("PPG\tECG").replace(b"PPG\tECG", b"PPG"), "names 1 channels"), (v.adc_text(rate="1e9"), "rate"),
        (v.adc_text().replace(b"2048.0", b"x", 1), "no number"), (v.adc_text(n=0), "no rows"),
    ],
)  # fmt: skip
def test_an_adc_text_that_cannot_be_is_refused(write, body, words):
    with pytest.raises(Refused) as refused:
        session.read([write(body)])
    assert words in refused.value.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@for_all(
    st.sampled_from(["openbci", "adc_text"]),
    st.lists(st.tuples(st.integers(0, 900), st.sampled_from(b"0123456789-.,%#=:\t\n aE\xff")), max_size=6),
)
def test_whatever_bytes_change_it_is_read_or_refused(tmp_path_factory, name, changes):
    body = bytearray({"openbci": v.openbci(n=100)[0], "adc_text": v.adc_text(n=100)}[name])
    for at, value in changes:
        body[at % len(body)] = value
    path = tmp_path_factory.mktemp("fuzz") / "x.txt"
    path.write_bytes(bytes(body))
    try:
        r = READERS[name].read([given(path)])
    except Refused as refused:
        assert refused.what_to_do
        return
    assert all(0.1 <= s.sfreq <= 1e5 and s.data.ndim == 1 for s in r.signals)


# ------------------------------------------------------------------------------------------------ OpenSignals
def test_opensignals_gives_the_sensors_of_a_biosignalsplux_their_units(write):
    r = session.read([write(v.opensignals())], Options(zone=ZoneInfo("Europe/Lisbon")))
    assert [(s.name, s.type, s.unit, s.sfreq, len(s.data)) for s in r.signals] == [
        ("ECG CH1", "ecg", "mV", 100.0, 1000), ("EDA CH2", "eda", "µS", 100.0, 1000),
        ("RESP CH3", "resp", "au", 100.0, 1000), ("LUX CH4", "misc", "", 100.0, 1000),
    ]  # fmt: skip
    ecg, eda = r.signals[0].data, r.signals[1].data
    assert (ecg.max(), ecg.min(), eda.mean()) == pytest.approx((1.0, 0.0, 5.0), abs=1e-3)
    assert r.started_at == datetime(2024, 5, 1, 9, 0, 0, 500_000, tzinfo=UTC)
    assert "transfer functions" in said(r, "W-UNIT") and '"LUX CH4" hold numbers' in said(r, "W-UNIT")
    assert "Lovelace" not in repr(r)


def test_opensignals_of_another_device_keeps_its_numbers_and_says_so(write):
    r = session.read([write(v.opensignals(device="bitalino"))])
    assert [s.type for s in r.signals] == ["misc", "misc", "resp", "misc"]
    assert '"ECG CH1", "EDA CH2"' in said(r, "W-UNIT")


@pytest.mark.parametrize(
    "changes",
    [{"sensor": ["ECG"]}, {"sampling rate": "fast"}, {"resolution": [0] * 4}, {"column": ["nSeq", "DI"]},
     {"channels": [8, 9, 10, 11]}, {"sampling rate": 0}, {"resolution": None}],
)  # fmt: skip
def test_an_opensignals_header_that_cannot_be_is_refused(write, changes):
    with pytest.raises(Refused) as refused:
        session.read([write(v.opensignals(**changes))])
    assert refused.value.code in ("E-ADC", "E-RATE")
