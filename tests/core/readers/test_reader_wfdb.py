"""WFDB: what the wfdb library reads, and headers that say more than there is."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from core.errors import Refused
from core.readers import READERS, Options, session
from tests.core.readers import vendors as v
from tests.core.readers.conftest import eeg, given, said


@pytest.fixture
def write(tmp_path):
    def write(header, samples, name="x"):
        (tmp_path / f"{name}.hea").write_bytes(header)
        (tmp_path / f"{name}.dat").write_bytes(samples)
        return [given(tmp_path / f"{name}.dat"), given(tmp_path / f"{name}.hea")]

    return write


def test_record_100_has_two_leads_of_half_an_hour_and_the_beats_of_its_readers(shared_data):
    import wfdb

    folder = shared_data / "formats/wfdb"
    r = session.read([given(folder / f"100.{x}") for x in ("atr", "dat", "hea")])
    theirs, marks = wfdb.rdrecord(str(folder / "100")), wfdb.rdann(str(folder / "100"), "atr")
    assert [(s.name, s.type, s.unit, s.sfreq, len(s.data)) for s in r.signals] == [
        ("MLII", "ecg", "mV", 360.0, 650_000), ("V5", "ecg", "mV", 360.0, 650_000),
    ]  # fmt: skip
    assert r.duration_s == pytest.approx(1805.56, abs=0.01)
    assert np.allclose(np.stack([s.data for s in r.signals], axis=1), theirs.p_signal, atol=1e-6)
    assert [s.data[0] for s in r.signals] == pytest.approx([-0.145, -0.065])
    assert [round(a.onset_s * 360) for a in r.annotations] == list(marks.sample)
    assert [a.description for a in r.annotations[:3]] == ["rhythm N", "beat N", "beat N"]
    beats = [a.description for a in r.annotations if a.description.startswith("beat ")]
    assert (len(beats), beats.count("beat A"), beats.count("beat V")) == (2273, 33, 1)
    assert r.started_at is None
    # age, sex and drugs of the header's comments
    assert "Aldomet" not in repr(r)


def test_fifteen_leads_lie_in_two_files(shared_data):
    import wfdb

    folder = shared_data / "formats/wfdb"
    r = session.read([given(folder / f"s0010_re.{x}") for x in ("xyz", "hea", "dat")])
    theirs = wfdb.rdrecord(str(folder / "s0010_re"))
    assert [s.name for s in r.signals] == theirs.sig_name and len(r.signals) == 15
    assert {(s.type, s.unit, s.sfreq, len(s.data)) for s in r.signals} == {("ecg", "mV", 1000.0, 38_400)}
    assert np.allclose(np.stack([s.data for s in r.signals], axis=1), theirs.p_signal, atol=1e-6)
    with pytest.raises(Refused, match=r'samples are in "s0010_re\.xyz", which is missing'):
        session.read([given(folder / f"s0010_re.{x}") for x in ("hea", "dat")])
    with pytest.raises(Refused, match=r"none of the files \(\.hea\) asks for it"):
        session.read([given(folder / "s0010_re.dat")])


@pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212"])
def test_formats_rates_and_gains_come_back_as_written(tmp_path, fmt):
    import wfdb

    rng = np.random.default_rng(3)
    x = np.stack([np.sin(np.arange(1280) / 9) + rng.normal(0, 0.05, 1280), np.cos(np.arange(1280) / 30)], axis=1)
    wfdb.wrsamp("y", fs=100.5, units=["mV", "NU"], sig_name=["ECG", "RESP"], p_signal=x, fmt=[fmt] * 2,
                write_dir=str(tmp_path), base_date=datetime(2024, 3, 1).date(),
                base_time=datetime(2024, 3, 1, 9, 30, 5).time())  # fmt: skip
    r = session.read([given(tmp_path / "y.hea"), given(tmp_path / "y.dat")])
    assert [(s.name, s.type, s.sfreq) for s in r.signals] == [("ECG", "ecg", 100.5), ("RESP", "resp", 100.5)]
    step = np.ptp(x, axis=0) / (250 if fmt == "80" else 4000)
    assert all(np.abs(s.data - x[:, i]).max() < step[i] for i, s in enumerate(r.signals))
    assert r.started_at == datetime(2024, 3, 1, 9, 30, 5, tzinfo=UTC)
    assert not said(r, "W-CHECKSUM")


def test_a_signal_without_gain_is_listed_and_a_person_may_say_what_it_is(write):
    files = write(*v.wfdb(gain="0"))
    r = session.read(files)
    assert {s.type for s in r.signals} == {"misc"} and "not stated (0)" in said(r, "W-GAIN")
    assert np.array_equal(r.signals[0].data, np.rint(eeg(2)[0] * 10))
    r = session.read(files, Options(mapping={"II": {"type": "ecg", "unit": "uV"}}))
    assert (r.signals[0].type, r.signals[0].unit) == ("ecg", "mV")
    r = session.read(write(*v.wfdb(gain="-100(0)/mV")))
    assert np.allclose(r.signals[0].data, -np.rint(eeg(2)[0] * 10) / 100) and "negative" in said(r, "W-GAIN")


def test_damage_that_keeps_the_size_shows_in_the_checksum(write):
    header, samples = v.wfdb()
    r = session.read(write(header, samples))
    assert not r.notices
    assert np.allclose(r.signals[1].data, np.rint(eeg(2)[1] * 10) / 100)
    body = bytearray(samples)
    body[400] ^= 0x40
    assert '"II" do not add up' in said(session.read(write(header, bytes(body))), "W-CHECKSUM")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"dat": "../../etc/hosts"}, "not a plain file name"), ({"dat": "/etc/hosts"}, "not a plain file name"),
        ({"dat": "https://example.org/x.dat"}, "not a plain file name"), ({"dat": "other.dat"}, "is missing"),
        ({"fmt": "516"}, "format 516, which is not read"), ({"fs": "0"}, "sampling rate"), ({"n": 2**40}, "room for"),
        ({"gain": "1e300"}, "cannot be"), ({"fmt": "16x5000"}, "cannot be"), ({"name": "x/2"}, "joins several records"),
        ({"fmt": "16+99999999"}, "room for 0"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_refused(write, more, words):
    with pytest.raises(Refused) as refused:
        session.read(write(*v.wfdb(**more)))
    assert words in refused.value.text


def test_samples_may_lie_in_a_matlab_file_of_version_4(tmp_path):
    from scipy.io import savemat

    x = np.rint(eeg(2) * 10).astype("<i2")
    savemat(tmp_path / "x.mat", {"val": x}, format="4")
    header, _ = v.wfdb(dat="x.mat", fmt="16+24")
    (tmp_path / "x.hea").write_bytes(header)
    r = session.read([given(tmp_path / "x.mat"), given(tmp_path / "x.hea")])
    assert not r.notices and all(np.allclose(s.data, x[i] / 100) for i, s in enumerate(r.signals))
    assert [(s.name, s.type, s.unit, s.sfreq) for s in r.signals] == [
        ("II", "ecg", "mV", 128),
        ("V5", "ecg", "mV", 128),
    ]
    with pytest.raises(Refused, match=r'"x\.mat", which is missing'):
        session.read([given(tmp_path / "x.hea")])
    with pytest.raises(Refused, match=r"x\.mat.*together with its \.hea"):
        session.read([given(tmp_path / "x.mat")])


def test_annotations_that_are_damaged_are_refused_by_name(write, tmp_path):
    import wfdb

    files = write(*v.wfdb())
    wfdb.wrann("x", "atr", np.array([10, 138]), ["N", "V"], write_dir=str(tmp_path))
    r = session.read([*files, given(tmp_path / "x.atr")])
    assert [(a.onset_s, a.description) for a in r.annotations] == [(10 / 128, "beat N"), (138 / 128, "beat V")]
    (tmp_path / "x.atr").write_bytes(b"\xff" * 33)
    with pytest.raises(Refused, match=r"x\.atr: the annotation file is damaged"):
        session.read([*files, given(tmp_path / "x.atr")])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@for_all(
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(b"0123456789 ./x:+()-\n#\xff\x00aE")), max_size=5),
    st.binary(max_size=60),
)
def test_whatever_a_header_or_annotation_says_it_is_read_or_refused(tmp_path_factory, changes, marks):
    folder = tmp_path_factory.mktemp("fuzz")
    header, samples = v.wfdb()
    body = bytearray(header)
    for at, value in changes:
        body[at % len(body)] = value
    for suffix, content in (("hea", bytes(body)), ("dat", samples), ("atr", marks or b"\0\0")):
        (folder / f"x.{suffix}").write_bytes(content)
    try:
        r = READERS["wfdb"].read([given(folder / f"x.{s}") for s in ("hea", "dat", "atr")])
    except Refused as refused:
        assert refused.what_to_do
        return
    assert all(0.1 <= s.sfreq <= 1e5 and s.data.ndim == 1 for s in r.signals)
