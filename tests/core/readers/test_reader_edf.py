"""EDF and BDF in their corners, and what a channel's name and unit say."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import edfio
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from core.errors import Refused
from core.readers import READERS, Options, channels, session
from core.readers.base import visible
from tests.core.readers.conftest import codes, eeg, given

X = eeg(2)
TWO = [("EEG Fp1", "uV", 128, X[0], -100, 100), ("ECG", "uV", 256, np.tile(X[1], 2), -100, 100)]


def changed(file, at, new):
    """The file with some bytes of its header replaced."""
    raw = bytearray(Path(file.path).read_bytes())
    raw[at : at + len(new)] = new
    Path(file.path).write_bytes(raw)
    return file


def test_mixed_rates_and_units_come_back_in_the_units_of_the_house(write_edf):
    r = session.read([write_edf(TWO)])
    assert [(s.name, s.type, s.unit, s.sfreq, len(s.data)) for s in r.signals] == [
        ("Fp1", "eeg", "µV", 128.0, 1280), ("ECG", "ecg", "mV", 256.0, 2560),
    ]  # fmt: skip
    assert np.allclose(r.signals[0].data, X[0], atol=0.01)
    assert np.allclose(r.signals[1].data, np.tile(X[1], 2) / 1000, atol=1e-5)


def test_the_start_is_local_time_of_the_site_with_its_fraction_of_a_second(write_edf):
    start = {"recording": edfio.Recording(startdate=date(2024, 7, 1)), "starttime": time(9, 5, 0, 250_000)}
    r = session.read([write_edf(TWO, **start)], Options(zone=ZoneInfo("Europe/Berlin")))
    assert r.started_at == datetime(2024, 7, 1, 7, 5, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "known"), [(b"01.01.85", False), (b"99.99.99", False), (b"01.01.24", True), (b"        ", False)]
)
def test_a_blank_date_is_none_and_a_wrong_one_is_said(write_edf, text, known):
    r = session.read([changed(write_edf(TWO), 168, text)])
    assert bool(r.started_at) == known
    assert ("W-DATE" in codes(r)) == (text == b"99.99.99" or text.isspace())


def test_an_interrupted_recording_keeps_its_gap(write_edf):
    file = write_edf(TWO, annotations=[edfio.EdfAnnotation(8.5, None, "x")], data_record_duration=1)
    text = Path(file.path).read_bytes()
    width = (128 + 256) * 2
    n = int(text[252:256])
    spr = [int(text[256 + 216 * n + 8 * i :][:8]) for i in range(n)]
    size, head = 2 * sum(spr), 256 * (n + 1)
    raw = bytearray(Path(file.path).read_bytes())
    raw[192:197] = b"EDF+D"
    # records 6 to 10 start 3 s later
    for i in range(5, 10):
        at = head + i * size + width
        tal = f"+{i + 3}\x14\x14\x00".encode() + (b"+8.5\x14x\x14\x00" if i == 5 else b"")
        raw[at : head + (i + 1) * size] = tal.ljust(size - width, b"\0")
    Path(file.path).write_bytes(raw)
    r = session.read([file])
    x = r.signals[0].data
    assert len(x) == 13 * 128
    assert np.isnan(x[5 * 128 : 8 * 128]).all() and np.isfinite(x[8 * 128 :]).all()
    assert np.allclose(x[8 * 128 :], X[0][5 * 128 :], atol=0.01)
    assert "W-DISCONTINUOUS" in codes(r)
    assert [(a.onset_s, a.description) for a in r.annotations] == [(8.5, "x")]


def test_annotations_that_are_no_utf8_keep_their_time_and_damaged_ones_are_said(write_edf):
    file = write_edf(TWO, annotations=[edfio.EdfAnnotation(2.5, 1.0, "Augen auf"), edfio.EdfAnnotation(4, None, "b")])
    raw = Path(file.path).read_bytes()
    Path(file.path).write_bytes(raw.replace(b"Augen", b"Aug\xe9n"))
    r = session.read([file])
    assert [(a.onset_s, a.duration_s, a.description) for a in r.annotations] == [(2.5, 1.0, "Aug?n auf"), (4, 0, "b")]
    # the same texts without a time
    Path(file.path).write_bytes(raw.replace(b"\x14\x14", b"\x15\x15"))
    r = session.read([file])
    assert "W-ANNOTATIONS" in codes(r) and len(r.signals[0].data) == 1280


def test_a_decimal_comma_in_the_header_is_a_point(write_edf):
    file = changed(write_edf(TWO), 256 + 104 * 2, b"-100,0  ")
    assert np.allclose(session.read([file]).signals[0].data, X[0], atol=0.01)


@pytest.mark.parametrize(
    ("keep", "code"), [(0, "E-EMPTY"), (100, "E-EDF-HEADER"), (300, "E-EDF-HEADER"), (770, "E-EDF-RECORDS")]
)
def test_a_file_cut_in_its_header_is_refused_with_file_reason_remedy_and_code(write_edf, keep, code):
    file = write_edf(TWO, "night.edf")
    Path(file.path).write_bytes(Path(file.path).read_bytes()[:keep])
    with pytest.raises(Refused) as refused:
        READERS["edf"].read([file])
    assert refused.value.where == "night.edf" and refused.value.code == code
    assert refused.value.what.endswith(".") and refused.value.what_to_do.endswith(".")


def test_a_16_bit_body_under_a_24_bit_header_is_refused(write_edf):
    file = write_edf(TWO, "x.bdf", bdf=True)
    raw = Path(file.path).read_bytes()
    Path(file.path).write_bytes(raw[:768] + raw[768 : 768 + (len(raw) - 768) * 2 // 3])
    with pytest.raises(Refused, match="E-BDF-SIZE"):
        READERS["bdf"].read([file])


def test_a_physical_range_upside_down_is_read_as_it_says_and_noticed(write_edf):
    file = write_edf(TWO)
    changed(changed(file, 256 + 104 * 2, b"100     "), 256 + 112 * 2, b"-100    ")
    r = session.read([file])
    assert "W-POLARITY" in codes(r)
    assert np.allclose(r.signals[0].data, -X[0], atol=0.01)


def test_values_too_small_for_the_stated_unit_ask_whether_they_are_volts(write_edf):
    r = session.read([write_edf([("EEG Fp1", "uV", 128, X[0] * 1e-6, -1e-4, 1e-4)])])
    notice = next(n for n in r.notices if n.code == "W-UNIT")
    assert "volts" in notice.text and "unit" in notice.text
    r = session.read([write_edf([("EEG Fp1", "uV", 128, X[0] * 1e-3, -0.1, 0.1)])])
    assert "off by 1000" in next(n for n in r.notices if n.code == "W-UNIT").text


def test_flat_and_saturated_channels_are_noticed(write_edf):
    clipped = np.clip(X[1] * 3, -20, 20)
    r = session.read(
        [write_edf([("Fp1", "uV", 128, np.zeros(1280), -100, 100), ("Fp2", "uV", 128, clipped, -100, 100)])]
    )
    assert {"W-FLAT", "W-SATURATED"} <= set(codes(r))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@for_all(
    st.lists(st.tuples(st.sampled_from(["Fp1", "ECG", "Resp", "Odd"]), st.sampled_from([32, 100, 256])),
    min_size=1, max_size=4),
    st.integers(1, 30), st.booleans(), st.integers(0, 1000),
)  # fmt: skip
def test_what_was_written_comes_back_within_a_step_of_its_integers(tmp_path_factory, kinds, seconds, bdf, seed):
    rng = np.random.default_rng(seed)
    kind = edfio.BdfSignal if bdf else edfio.EdfSignal
    written = [rng.normal(0, 9, f * seconds) for _, f in kinds]
    made = [kind(x, f, label=n, physical_dimension="mV") for x, (n, f) in zip(written, kinds, strict=True)]
    path = tmp_path_factory.mktemp("edf") / "x"
    (edfio.Bdf if bdf else edfio.Edf)(made).write(path)
    ours = READERS["bdf" if bdf else "edf"].read([given(path)]).signals
    assert [s.sfreq for s in ours] == [float(f) for _, f in kinds]
    for s, x in zip(ours, written, strict=True):
        scale = 1000 if s.type == "eeg" else 1
        step = np.ptp(x) / 2 ** (24 if bdf else 16) + 1e-5
        assert np.allclose(s.data, x * scale, atol=2 * step * scale)


# ------------------------------------------------------------------------------------------------ channels
@pytest.mark.parametrize(
    ("label", "unit", "kind"),
    [
        ("EEG Fp1-Ref", "uV", "eeg"), ("Fp1.", "uV", "eeg"), ("FP1", "uV", "eeg"), ("EEG Fpz-Cz", "uV", "eeg"),
        ("EEG.AF3", "uV", "eeg"), ("C3-A2", "uV", "eeg"), ("RAW_TP9", "uV", "eeg"), ("ECG", "mV", "ecg"),
        ("EKG1", "uV", "ecg"),
        ("II", "mV", "ecg"), ("ECG V5", "mV", "ecg"), ("lead II", None, "ecg"), ("II", None, "misc"),
        ("GSR", "uS", "eda"),
        ("EDA", None, "eda"), ("Skin conductance", "uS", "eda"), ("BVP", None, "ppg"), ("Pleth", None, "ppg"),
        ("Resp Thorax", None, "resp"), ("Resp rate", None, "misc"), ("Temp skin", "degC", "temp"),
        ("acc_x", "g", "acc"),
        ("AccX", "g", "acc"), ("EMG chin", "uV", "emg"), ("EOG left", "uV", "eog"), ("HEOG", "uV", "eog"),
        ("HR", None, "misc"),
        ("ECG rate", "bpm", "misc"), ("Status", "Boolean", "misc"), ("Trigger", None, "misc"),
        ("Event marker", None, "misc"),
        ("STI 014", "V", "misc"), ("SaO2", "%", "misc"), ("Alpha_TP9", "uV", "misc"), ("CQ.AF3", None, "misc"),
        ("Channel 1", "uV", "misc"), ("EEG 001", "uV", "eeg"), ("V", "V", "misc"), ("price", None, "misc"),
    ],
)  # fmt: skip
def test_the_type_of_a_channel_by_its_name(label, unit, kind):
    assert channels.type_of(label, unit) == kind


def test_a_cap_numbered_by_letters_is_not_taken_for_places(shared_data):
    r = session.read([given(shared_data / "formats/edf_plus/mne_test.edf")])
    names = {s.name for s in r.signals}
    assert not names & {"C3", "C4", "F3", "F4", "F7", "F8"}
    assert {"cap C3", "A3", "H16"} <= names
    assert "W-CHANNELS" in codes(r)


@pytest.mark.parametrize("lead", ["", "EEG "])
def test_the_whole_net_of_128_is_eeg_by_its_numbers_and_two_of_them_are_not(write_edf, lead):
    rows = [(f"{lead}E{i}", "uV", 128, X[i % 2], -100, 100) for i in range(1, 129)]
    r = session.read([write_edf(rows)])
    assert [(s.name, s.type) for s in r.signals] == [(f"E{i}", "eeg") for i in range(1, 129)]
    assert "W-CHANNELS" not in codes(r)
    assert {s.type for s in session.read([write_edf(rows[:2])]).signals} == {"misc"}


@pytest.mark.parametrize(
    ("kind", "unit", "value"),
    [
        ("eeg", "V", 1e6), ("eeg", "mV", 1e3), ("eeg", "µV", 1), ("eeg", "nV", 1e-3), ("ecg", "uV", 1e-3),
        ("eda", "µS", 1),
        ("eda", "S", 1e6), ("acc", "m/s²", 1 / 9.80665), ("acc", "mg", 1e-3), ("eeg", "µS", None), ("eda", "V", None),
        ("eda", "ms", None), ("temp", "%", None),
    ],
)  # fmt: skip
def test_units_are_turned_once_into_those_of_the_house(kind, unit, value):
    found = channels.factor(kind, unit)
    assert found is None if value is None else found[0] == pytest.approx(value)


def test_degrees_fahrenheit_and_kelvin():
    for unit, reading in (("°F", 98.6), ("K", 310.15), ("DegC", 37.0)):
        times, plus = channels.factor("temp", unit)
        assert reading * times + plus == pytest.approx(37.0)


def test_text_of_a_file_is_made_visible_and_short():
    assert visible("a\u202eb\x00c") == "a<U+202E>b<U+0000>c"
    assert len(visible("x" * 500)) == 80
