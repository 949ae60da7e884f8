"""The real recordings of every format, held against other people's readers, and the contract of the door."""

from __future__ import annotations

import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from core.errors import Refused
from core.readers import READERS, Options, expand, npz, session
from core.types import InputFile
from tests.core.readers import vendors
from tests.core.readers.conftest import codes, eeg, given, table


def read(*paths, **options):
    return session.read([given(Path(p)) for p in paths], Options(**options))


# ------------------------------------------------------------------------------------------------ real recordings
@pytest.mark.parametrize("name", ["edf/mne_test_uneven_samp.edf", "edf_plus/edfio_short_psg.edf"])
def test_edf_values_labels_and_rates_are_those_mne_reads(shared_data, name):
    import mne

    path = shared_data / "formats" / name
    ours = READERS["edf"].read([given(path)]).signals
    labels = mne.io.read_raw_edf(path, verbose="ERROR").ch_names
    assert len(ours) == len(labels)
    for s, label in zip(ours, labels, strict=True):
        # alone, a channel keeps its own rate in MNE too
        alone = mne.io.read_raw_edf(path, include=[label], verbose="ERROR")
        assert s.sfreq == pytest.approx(alone.info["sfreq"])
        row = alone.get_data()[0] * (1e6 if s.unit in ("µV", "uV") else 1.0)
        assert np.allclose(s.data, row, rtol=1e-6, atol=1e-4), label


def test_edf_plus_has_the_annotations_and_samples_that_mne_reads(shared_data):
    import mne

    path = shared_data / "formats/edf_plus/mne_test.edf"
    ours, raw = READERS["edf"].read([given(path)]), mne.io.read_raw_edf(path, verbose="ERROR")
    # MNE takes the status channel for a trigger and scales it another way
    assert len(ours.signals) == len(raw.ch_names) == 139
    x = raw.get_data(picks=raw.ch_names[:138]) * 1e6
    assert all(np.allclose(s.data, row, atol=0.01) for s, row in zip(ours.signals, x, strict=False))
    assert [(a.onset_s, a.description) for a in ours.annotations] == [
        (pytest.approx(o), d) for o, d in zip(raw.annotations.onset, raw.annotations.description, strict=True)
    ]
    assert ours.started_at == raw.info["meas_date"]


def test_each_signal_of_an_edf_keeps_its_own_rate(shared_data):
    r = read(shared_data / "formats/edf/mne_test_uneven_samp.edf")
    assert [s.sfreq for s in r.signals] == [100.0, 12.8]
    r = read(shared_data / "formats/edf_plus/edfio_short_psg.edf")
    assert [(s.name, s.type, s.unit, s.sfreq) for s in r.signals] == [
        ("Fpz-Cz", "eeg", "µV", 100.0), ("Pz-Oz", "eeg", "µV", 100.0), ("EOG horizontal", "eog", "µV", 100.0),
        ("Resp oro-nasal", "resp", "au", 1.0), ("EMG submental", "emg", "µV", 1.0), ("Temp rectal", "temp", "°C", 1.0),
        ("Event marker", "misc", "", 1.0),
    ]  # fmt: skip


def test_bdf_of_one_second_comes_through_the_reader_as_mne_reads_it(shared_data):
    import mne

    path = shared_data / "formats/bdf/mne_test.bdf"
    ours, raw = READERS["bdf"].read([given(path)]), mne.io.read_raw_bdf(path, verbose="ERROR")
    assert len(ours.signals) == 73
    assert {s.sfreq for s in ours.signals} == {2048.0}
    assert [s.name for s in ours.signals] == raw.ch_names
    x = raw.get_data() * 1e6
    for s, row, name in zip(ours.signals, x, raw.ch_names, strict=True):
        if name != "Status":
            assert np.allclose(s.data, row, rtol=1e-6, atol=0.01), name
    assert {s.name: s.type for s in ours.signals if s.type != "eeg"} == {
        "REOG": "eog", "LEOG": "eog", "IEOG": "eog", "EXG1": "misc", "EXG5": "misc", "EXG8": "misc", "Status": "misc",
    }  # fmt: skip


def test_hypnogram_holds_annotations_and_no_signal(shared_data):
    r = read(shared_data / "formats/edf_plus/sleepedf_SC4001EC-Hypnogram.edf")
    assert r.signals == ()
    assert len(r.annotations) == 154
    assert r.annotations[0].description == "Sleep stage W"
    assert r.annotations[0].duration_s == 30630


def test_anonymised_edf_date_is_no_date(shared_data):
    r = read(shared_data / "formats/edf/openbci_v6_40s_converted.edf")
    assert r.started_at is None
    # no position is known, so they are EEG and say so
    assert {s.type for s in r.signals} == {"eeg"}
    assert "W-CHANNELS" in codes(r)


def test_brainvision_triplet_has_the_integers_of_its_file_times_their_resolution(shared_data):
    folder = shared_data / "formats/brainvision"
    ours = read(folder / "test.eeg", folder / "test.vmrk", folder / "test.vhdr")
    x = np.fromfile(folder / "test.eeg", "<i2").reshape(-1, 32).T * 0.5
    assert len(ours.signals) == 32 and {s.sfreq for s in ours.signals} == {1000.0}
    assert [s.name for s in ours.signals[:3]] == ["Fp1", "Fp2", "F3"]
    # the last six state units that are no voltage, and keep their numbers
    assert all(np.allclose(s.data, row) for s, row in zip(ours.signals, x, strict=True))
    assert {s.type for s in ours.signals[:26]} == {"eeg"}
    assert {s.name: (s.type, s.unit) for s in ours.signals}["CP6"] == ("misc", "µS")
    assert "W-UNIT" in codes(ours)
    assert ours.started_at == datetime(2013, 11, 13, 16, 14, 3, 794232, tzinfo=UTC)
    assert (len(ours.annotations), ours.annotations[0].onset_s) == (13, 0.486)
    assert [a.description for a in ours.annotations[:2]] == ["Stimulus/S253", "Stimulus/S255"]


def test_fif_is_what_mne_reads(shared_data):
    import mne

    path = shared_data / "formats/fif/brainvision_test_bin_raw.fif"
    ours, raw = read(path), mne.io.read_raw_fif(path, verbose="ERROR")
    assert [s.name for s in ours.signals] == raw.ch_names
    assert [s.type for s in ours.signals] == ["eeg"] * 32 + ["misc"]
    assert {s.sfreq for s in ours.signals} == {1000.0}
    assert np.allclose(np.stack([s.data for s in ours.signals[:32]]), raw.get_data()[:32] * 1e6, atol=1e-3)


def test_eeglab_is_what_mne_reads(shared_data):
    import mne

    path = shared_data / "formats/eeglab/brainvision_test_converted.set"
    ours, raw = read(path), mne.io.read_raw_eeglab(path, verbose="ERROR")
    assert [s.name.lower() for s in ours.signals] == [n.lower() for n in raw.ch_names]
    assert np.allclose(np.stack([s.data for s in ours.signals]), raw.get_data() * 1e6, atol=1e-3)
    assert [(a.onset_s, a.description) for a in ours.annotations] == [
        (pytest.approx(a["onset"]), a["description"]) for a in raw.annotations
    ]


@pytest.mark.parametrize("inside", [True, False], ids=["EEG", "fields"])
def test_eeglab_keeps_declared_types_and_counts_events_from_one(tmp_path, inside):
    import scipy.io

    x = eeg(3)
    chanlocs = np.array([("Fp1", "EEG"), ("x1", "EKG"), ("x2", "GSR")], [("labels", "O"), ("type", "O")])
    event = np.array([("stim", 129.0, 0.0), (7, 257.0, 64.0)], [("type", "O"), ("latency", "O"), ("duration", "O")])
    fields = {"data": x, "nbchan": 3, "pnts": 1280, "trials": 1, "srate": 128.0, "chanlocs": chanlocs, "event": event}
    scipy.io.savemat(tmp_path / "x.set", {"EEG": fields} if inside else fields)
    r = read(tmp_path / "x.set")
    assert [(s.name, s.type) for s in r.signals][:2] == [("Fp1", "eeg"), ("x1", "ecg")]
    assert r.signals[2].type != "eeg"
    assert np.allclose(r.signals[0].data, x[0]) and np.allclose(r.signals[1].data, x[1] / 1000, atol=1e-6)
    assert [(a.onset_s, a.duration_s, a.description) for a in r.annotations] == [(1.0, 0.0, "stim"), (2.0, 0.5, "7")]
    # one channel and one event come without a list around them
    fields |= {"data": x[:1], "nbchan": 1, "chanlocs": chanlocs[:1], "event": event[1:]}
    scipy.io.savemat(tmp_path / "x.set", {"EEG": fields} if inside else fields)
    r = read(tmp_path / "x.set")
    assert [(s.name, len(s.data)) for s in r.signals] == [("Fp1", 1280)]
    assert [(a.onset_s, a.description) for a in r.annotations] == [(2.0, "7")]


def test_eeglab_of_version_7_3_with_fdt_reads_the_same(tmp_path):
    import h5py

    x = eeg(2, 1280).astype("<f4")
    with h5py.File(tmp_path / "x.set", "w", userblock_size=512) as store:
        group = store.create_group("EEG")

        def put(where, key, value):
            text = isinstance(value, str)
            data = np.array([[ord(c)] for c in value], np.uint16) if text else np.array([[float(value)]])
            item = where.create_dataset(key, data=data)
            item.attrs["MATLAB_class"] = np.bytes_("char" if text else "double")
            return item

        for key, value in (("nbchan", 2), ("pnts", 1280), ("trials", 1), ("srate", 128), ("data", "x.fdt")):
            put(group, key, value)
        chanlocs, refs = group.create_group("chanlocs"), store.create_group("#refs#")
        names = [put(refs, n, n).ref for n in ("FP1", "ECG")]
        chanlocs.create_dataset("labels", data=np.array(names, dtype=h5py.ref_dtype)[:, None], dtype=h5py.ref_dtype)
    with (tmp_path / "x.set").open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    x.T.tofile(tmp_path / "x.fdt")
    r = read(tmp_path / "x.fdt", tmp_path / "x.set")
    assert [(s.name, s.type, s.unit) for s in r.signals] == [("Fp1", "eeg", "µV"), ("ECG", "ecg", "mV")]
    assert np.allclose(r.signals[0].data, x[0])
    assert np.allclose(r.signals[1].data, x[1] / 1000, atol=1e-6)
    (tmp_path / "x.fdt").write_bytes(b"\0" * 100)
    with pytest.raises(Refused, match="E-EEGLAB-SIZE"):
        read(tmp_path / "x.fdt", tmp_path / "x.set")
    with pytest.raises(Refused, match=r'samples are in "x\.fdt", which is missing'):
        read(tmp_path / "x.set")


def test_matlab_7_3_that_points_out_of_itself_is_refused(tmp_path):
    import h5py

    for link in (h5py.ExternalLink("/etc/hosts", "/"), h5py.SoftLink("/EEG"), None):
        path = tmp_path / "x.set"
        with h5py.File(path, "w", userblock_size=512) as store:
            group = store.create_group("EEG")
            if link:
                group["data"] = link
            else:
                # says it is larger than may be unpacked, and holds nothing
                group.create_dataset("data", (10**6, 10**6), "f4", chunks=True)
        with path.open("r+b") as stream:
            stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
        with pytest.raises(Refused, match="E-MAT"):
            read(path)


@pytest.mark.parametrize("where", ["S05", "S12_session.zip"])
def test_wrist_band_has_its_rates_units_and_tags(shared_data, where):
    r = session.read(expand(shared_data / "formats/empatica_e4" / where))
    assert [(s.name, s.type, s.unit, s.sfreq, s.onset_s) for s in sorted(r.signals, key=lambda s: s.name)] == [
        ("ACC x", "acc", "g", 32.0, 0.0), ("ACC y", "acc", "g", 32.0, 0.0), ("ACC z", "acc", "g", 32.0, 0.0),
        ("BVP", "ppg", "au", 64.0, 0.0), ("EDA", "eda", "µS", 4.0, 0.0), ("HR", "misc", "/min", 1.0, 10.0),
        ("IBI", "rr", "ms", 4.0, 18.671875 if where == "S05" else 28.046875), ("TEMP", "temp", "°C", 4.0, 0.0),
    ]  # fmt: skip
    assert {a.description for a in r.annotations} == {"tag"}
    assert len(r.annotations) == 7
    if where == "S05":
        assert r.started_at == datetime.fromtimestamp(1644829925, UTC)
        assert r.annotations[0].onset_s == 1644830599 - 1644829925
        x, y, z = (s.data[0] for s in r.of_type("acc"))
        assert (x, y, z) == pytest.approx((-2 / 64, 3 / 64, 63 / 64))


def test_heartpy_tables(shared_data):
    folder = shared_data / "formats/heartpy_csv"
    bare = read(folder / "data.csv")
    assert [s.type for s in bare.signals] == ["misc"]
    assert "W-RATE" in codes(bare)
    told = read(folder / "data.csv", sfreq=100.0, mapping={"column 1": {"type": "ppg"}})
    assert (told.signals[0].type, told.signals[0].sfreq, len(told.signals[0].data)) == ("ppg", 100.0, 2483)
    timer = read(folder / "data2.csv", mapping={"hr": {"type": "BVP"}})
    assert timer.signals[0].type == "ppg"
    assert timer.signals[0].sfreq == pytest.approx(116.99, abs=0.01)
    dates = read(folder / "data3.csv", mapping={"hr": {"type": "ppg"}}, zone=ZoneInfo("Europe/Amsterdam"))
    assert dates.signals[0].type == "ppg"
    assert dates.signals[0].sfreq == pytest.approx(100.42, abs=0.01)
    assert dates.started_at == datetime(2016, 11, 24, 12, 58, 58, 81000, tzinfo=UTC)
    assert "W-TIMESTAMPS" in codes(dates)


def test_a_table_of_words_beside_numbers_is_refused(shared_data):
    with pytest.raises(Refused, match=r'clip_attrs\.csv: column "class" holds something that is no number in line 2'):
        read(shared_data / "formats/pyfeat_csv/clip_attrs.csv")


# ------------------------------------------------------------------------------------------------ the door
@pytest.fixture
def samples(tmp_path, write_edf):
    """A small sound recording in each format: its files, the one to cut first."""
    import mne
    import pyarrow as pa
    from pyarrow import parquet

    x = eeg(2)
    channel = [("EEG Fp1", "uV", 128, x[0], -100, 100), ("EEG Fp2", "uV", 128, x[1], -100, 100)]
    made = {"edf": [write_edf(channel).path], "bdf": [write_edf(channel, "x.bdf", bdf=True).path]}
    info = mne.create_info(["Fp1", "Fp2"], 128.0, "eeg")
    raw = mne.io.RawArray(x * 1e-6, info, verbose="ERROR")
    raw.save(tmp_path / "x_raw.fif", verbose="ERROR")
    made["fif"] = [tmp_path / "x_raw.fif"]
    import scipy.io

    scipy.io.savemat(tmp_path / "x.set", {"EEG": {"data": x, "nbchan": 2, "pnts": 1280, "trials": 1, "srate": 128.0}})
    made["eeglab"] = [tmp_path / "x.set"]
    names = np.array(["Fp1", "Fp2"], dtype=object)
    scipy.io.savemat(tmp_path / "x.mat", {"data": x.T, "names": names, "Fs": 128.0})
    made["matlab"] = [tmp_path / "x.mat"]
    (tmp_path / "x.csv").write_text(table(("Fp1", "Fp2")))
    made["csv"] = [tmp_path / "x.csv"]
    columns = {"timestamp": np.arange(1280) / 128, "Fp1": x[0], "Fp2": x[1]}
    parquet.write_table(pa.table(columns), tmp_path / "x.parquet")
    made["parquet"] = [tmp_path / "x.parquet"]
    with (tmp_path / "x.npz").open("wb") as stream:
        npz.write(session.read([given(tmp_path / "x.csv")]), stream)
    made["npz"] = [tmp_path / "x.npz"]
    (tmp_path / "x.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=x.eeg\nDataFormat=BINARY\n"
        "DataOrientation=VECTORIZED\nNumberOfChannels=2\nSamplingInterval=7812.5\n[Binary Infos]\n"
        "BinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\nCh1=Fp1,,1,µV\nCh2=Fp2,,1,µV\n"
    )
    x.astype("<f4").tofile(tmp_path / "x.eeg")
    made["brainvision"] = [tmp_path / "x.eeg", tmp_path / "x.vhdr"]
    for name, rate in (("EDA", 4), ("BVP", 64), ("TEMP", 4)):
        (tmp_path / f"{name}.csv").write_text(f"1700000000.00\n{rate:.6f}\n" + "33.5\n" * (10 * rate))
    (tmp_path / "ACC.csv").write_text("1700000000, 1700000000, 1700000000\n32.0, 32.0, 32.0\n" + "0,1,64\n" * 320)
    with zipfile.ZipFile(tmp_path / "e4.zip", "w") as archive:
        for name in ("EDA", "BVP", "TEMP", "ACC"):
            archive.write(tmp_path / f"{name}.csv", f"S01/{name}.csv")
    made["e4"] = [tmp_path / "e4.zip"]
    (tmp_path / "x.xdf").write_bytes(vendors.xdf())
    made["xdf"] = [tmp_path / "x.xdf"]
    for suffix, body in zip(("hea", "dat"), vendors.wfdb(), strict=True):
        (tmp_path / f"x.{suffix}").write_bytes(body)
    made["wfdb"] = [tmp_path / "x.dat", tmp_path / "x.hea"]
    (tmp_path / "s01.dat").write_bytes(vendors.deap(trials=1))
    made["deap"] = [tmp_path / "s01.dat"]
    for name, body in vendors.TABLES.items():
        (tmp_path / f"{name}.txt").write_bytes(body())
        made[name] = [tmp_path / f"{name}.txt"]
    return {name: [given(Path(p)) for p in paths] for name, paths in made.items()}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_reads_its_own_and_the_content_decides(name, samples, tmp_path):
    recording = READERS[name].read(samples[name])
    assert recording.signals and recording.format.startswith(name)
    if name not in ("brainvision", "eeglab", "wfdb"):
        # another suffix, the same bytes
        assert session.recognised(given(Path(samples[name][0].path), "something.else")) == name
    assert session.read(samples[name]).duration_s == pytest.approx(10.0)


@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_an_empty_file_by_name(name, tmp_path):
    (tmp_path / "empty.bin").touch()
    with pytest.raises(Refused, match=r"empty\.bin: the file is empty"):
        READERS[name].read([given(tmp_path / "empty.bin")])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("seed", range(5))
def test_every_reader_refuses_random_bytes(name, seed, tmp_path, samples):
    noise = np.random.default_rng(seed).bytes(5000)
    # behind a true beginning too
    head = Path(samples[name][-1].path).read_bytes()[: (0, 8, 200, 300, 700)[seed]]
    (tmp_path / "noise.bin").write_bytes(head + noise)
    with pytest.raises(Refused) as refused:
        READERS[name].read([given(tmp_path / "noise.bin")])
    assert refused.value.code.startswith("E-") and refused.value.what_to_do


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_every_reader_refuses_or_notices_a_cut_file(name, share, samples, tmp_path):
    files = samples[name]
    whole = Path(files[0].path).read_bytes()
    cut = int(len(whole) * share) - (1 if name == "brainvision" else 0)
    table = name == "csv" or name in vendors.TABLES
    Path(files[0].path).write_bytes(whole[:cut].rpartition(b".")[0] if table else whole[:cut])
    try:
        recording = session.read(files)
    except Refused:
        return
    # a table ends where it ends, so only a line cut in two shows
    assert {"W-TRUNCATED", "W-RECORDS"} & set(codes(recording)) or table


def test_a_text_renamed_edf_an_html_page_and_a_picture_are_refused_with_reason_and_remedy(tmp_path):
    for content, name, words in (
        (b"Dear colleague, here is the recording.\nBest wishes\n", "night.edf", "although it is named .edf"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "night.edf", "web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(4000), "night.edf", "PNG image"),
        (b"item,price,shop\nmilk,cheap,corner\n" * 9, "list.csv", "table of words"),
        (b"1\0" * 50, "t.csv", "UTF-16"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Refused) as refused:
            read(tmp_path / name)
        error = refused.value
        assert words in error.what and error.where == name and error.what_to_do and error.code.startswith("E-")


def test_header_names_birth_dates_and_free_text_never_enter_the_recording(write_edf):
    import edfio

    patient = edfio.Patient(code="MRN77", sex="F", name="Ada_Lovelace")
    recording = edfio.Recording(hospital_administration_code="ADM9", investigator_technician_code="Dr_Babbage")
    file = write_edf([("ECG", "mV", 256, np.zeros(2560), -1, 1)], patient=patient, recording=recording)
    shown = repr(session.read([file]))
    assert not any(word in shown for word in ("MRN77", "Lovelace", "Babbage", "ADM9"))


# ------------------------------------------------------------------------------------------------ one session
def test_files_of_one_session_share_a_clock(tmp_path, write_edf):
    import edfio

    x = eeg(1)[0]
    a = write_edf([("Fp1", "uV", 128, x, -100, 100)], "a.edf", starttime=datetime(2024, 1, 1, 10, 0, 5).time(),
                  recording=edfio.Recording(startdate=datetime(2024, 1, 1).date()))  # fmt: skip
    b = write_edf([("Fp1", "uV", 128, x, -100, 100)], "b.edf", starttime=datetime(2024, 1, 1, 10, 0, 0).time(),
                  recording=edfio.Recording(startdate=datetime(2024, 1, 1).date()))  # fmt: skip
    r = session.read([a, b], Options(zone=ZoneInfo("Asia/Tokyo")))
    assert [(s.name, s.onset_s) for s in r.signals] == [("Fp1", 5.0), ("Fp1 (2)", 0.0)]
    assert r.started_at == datetime(2024, 1, 1, 1, 0, tzinfo=UTC)
    assert codes(r) == ["W-DUPLICATE"]


def test_a_file_without_a_start_time_beside_others_is_said(write_csv, tmp_path, samples):
    r = session.read([*samples["csv"], *samples["e4"]])
    assert "W-CLOCK" in codes(r)
    assert r.format == "csv + e4"
    assert r.started_at == datetime.fromtimestamp(1700000000, UTC)


def test_brainvision_that_names_a_file_elsewhere_is_refused(samples, tmp_path):
    header = tmp_path / "x.vhdr"
    text = header.read_text()
    for name in ("../../etc/hosts", "/etc/hosts", "C:\\x.eeg", "other.eeg"):
        header.write_text(text.replace("DataFile=x.eeg", f"DataFile={name}"))
        with pytest.raises(Refused, match="E-BV-PATH" if name != "other.eeg" else "E-BV-MISSING"):
            session.read(samples["brainvision"])


def test_a_pause_in_brainvision_becomes_missing_values(samples, tmp_path):
    header = tmp_path / "x.vhdr"
    header.write_text(header.read_text().replace("DataFormat", "MarkerFile=x.vmrk\nDataFormat"))
    (tmp_path / "x.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Marker Infos]\n"
        "Mk1=New Segment,,1,1,0,20240101100000000000\nMk2=New Segment,,641,1,0,20240101100007000000\n"
        "Mk3=Stimulus,S 1,769,1,0\n"
    )
    r = session.read([*samples["brainvision"], given(tmp_path / "x.vmrk")])
    x = r.signals[0].data
    assert len(x) == 1280 + 256
    assert np.isnan(x[640:896]).all() and np.isfinite(x[896:]).all()
    assert r.annotations[0].onset_s == pytest.approx(8.0)
    assert "W-DISCONTINUOUS" in codes(r)


def test_a_folder_is_one_exported_recording_or_refused(samples, tmp_path):
    (tmp_path / "e4").mkdir()
    for part in ("EDA", "BVP", "ACC"):
        shutil.copy(tmp_path / f"{part}.csv", tmp_path / "e4")
    (tmp_path / "e4" / "notes.txt").write_text("x")
    assert [f.name for f in expand(tmp_path / "e4")] == ["ACC.csv", "BVP.csv", "EDA.csv"]
    assert expand(tmp_path / "x.csv") == [InputFile("x.csv", str(tmp_path / "x.csv"))]
    (tmp_path / "other").mkdir()
    with pytest.raises(Refused, match="E-FOLDER"):
        expand(tmp_path / "other")


def test_a_map_of_a_column_that_is_not_there_names_those_that_are(write_csv):
    file = write_csv(table())
    with pytest.raises(Refused, match=r'"Fp9", which is no column.*"C3", "C4", "Fp1", "Fp2"'):
        session.read([file], Options(mapping={"Fp9": {"type": "eeg"}}))
    with pytest.raises(Refused, match=r"brain.*E-MAP"):
        session.read([file], Options(mapping={"Fp1": {"type": "brain"}}))
    r = session.read(
        [file], Options(mapping={"Fp1": {"type": "ecg", "unit": "mV"}, "Fp2": {"type": "eeg", "unit": "mV"}})
    )
    assert [(s.name, s.type) for s in r.signals][:2] == [("Fp1", "ecg"), ("Fp2", "eeg")]
    assert np.allclose(r.signals[1].data, eeg()[1] * 1000, atol=0.1)
