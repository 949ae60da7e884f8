"""Every real file beside the project is read as an independent reader reads it, and analysed or refused with the right
reason: one table, in which each of the files has its row."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import Refused
from core.readers import session
from core.services.clinic import sessions
from core.storage.store import Store
from core.types import InputFile

NOW = datetime(2026, 1, 5, tzinfo=UTC)
# what a marker is of, and the unit that every type comes in
UNIT = {"eeg": "µV", "eog": "µV", "emg": "µV", "ecg": "mV", "eda": "µS", "temp": "°C", "acc": "g", "ppg": "au",
        "resp": "au", "rr": "ms", "face": "au"}  # fmt: skip


# ------------------------------------------------------------------------------------------------ independent readers
# each gives, by place or name of the channel, what it reads in our unit
def by_mne(reader: str, n: int, scale: float = 1e6, **more):
    def read(files: list[Path]) -> dict[int | str, np.ndarray]:
        import mne

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = getattr(mne.io, f"read_raw_{reader}")(files[0], preload=True, verbose="error", **more)
        return {i: scale * row for i, row in enumerate(raw.get_data()[:n])}

    return read


def by_wfdb(files: list[Path]) -> dict[int | str, np.ndarray]:
    import wfdb

    return dict(enumerate(wfdb.rdrecord(str(files[0].with_suffix(""))).p_signal.T))


def by_pyxdf(stream: str):
    def read(files: list[Path]) -> dict[int | str, np.ndarray]:
        import pyxdf

        streams, _ = pyxdf.load_xdf(files[0])
        (found,) = [s for s in streams if s["info"]["name"] == [stream]]
        return dict(enumerate(np.asarray(found["time_series"]).T))

    return read


def by_numpy(files: list[Path]) -> dict[int | str, np.ndarray]:
    return {0: np.loadtxt(files[0], comments="#")}


def by_pandas(*columns: str, scale: float = 1.0, keep: Callable[[pd.DataFrame], pd.Series] | None = None, **more):
    def read(files: list[Path]) -> dict[int | str, np.ndarray]:
        table = pd.read_csv(files[0], skipinitialspace=True, low_memory=False, **more)
        table = table[keep(table)] if keep else table
        return {c: scale * table[c].to_numpy(dtype=float) for c in columns}

    return read


def by_rows(skip: int, columns: Mapping[int, int]):
    """Columns of a table without a heading, by the place of our channel."""

    def read(files: list[Path]) -> dict[int | str, np.ndarray]:
        table = pd.read_csv(files[0], skiprows=skip, header=None, skipinitialspace=True, low_memory=False)
        return {ours: table[theirs].to_numpy(dtype=float) for ours, theirs in columns.items()}

    return read


def by_e4(files: list[Path]) -> dict[int | str, np.ndarray]:
    import io
    import zipfile

    def lines(part: str) -> np.ndarray:
        if files[0].suffix == ".zip":
            with zipfile.ZipFile(files[0]) as packed:
                (name,) = [n for n in packed.namelist() if n.endswith(f"{part}.csv")]
                return np.loadtxt(io.BytesIO(packed.read(name)), delimiter=",", skiprows=2)
        (path,) = [f for f in files if f.name == f"{part}.csv"]
        return np.loadtxt(path, delimiter=",", skiprows=2)

    acc = lines("ACC") / 64
    return {
        **{p: lines(p) for p in ("EDA", "BVP", "TEMP", "HR")},
        **{f"ACC {a}": acc[:, i] for i, a in enumerate("xyz")},
    }


# ------------------------------------------------------------------------------------------------ the table
@dataclass(frozen=True)
class Row:
    """What a recording is: (type, Hz, samples) -> channels; how it ends; markers with a value; some samples."""

    files: tuple[str, ...]
    channels: Mapping[tuple[str, float, int], int] = field(default_factory=dict)
    theirs: Callable[[list[Path]], dict[int | str, np.ndarray]] | None = None
    ends: str = "ok"
    markers: frozenset[str] = frozenset()
    samples: Mapping[tuple[str, int], float] = field(default_factory=dict)
    annotations: int = 0
    started: str | None = None


def _row(files: str, channels=None, theirs=None, ends="ok", markers="", samples=None, annotations=0, started=None):
    names = tuple(files.split())
    return Row(names, channels or {}, theirs, ends, frozenset(markers.split()), samples or {}, annotations, started)


E4 = "scl scr_rate pulse_rate skin_temperature movement"
OPENBCI = {("eeg", 250.0, 22_490): 8, ("acc", 250.0, 22_490): 3}
PYFEAT = {"001": 20, "004": 23, "007": 14, "009": 21, "011": 18, "014": 23, "019": 32}
EXG = {i: i + 1 for i in range(8)}
TABLE = [
    _row("edf/mne_test_uneven_samp.edf", {("misc", 100.0, 11_000): 1, ("misc", 12.8, 1408): 1},
         by_mne("edf", 1, scale=1.0), "abstained", started="2000-07-13T12:05:48"),
    _row("edf/openbci_v6_40s_converted.edf", {("eeg", 250.0, 10_000): 8}, by_mne("edf", 8), "abstained"),
    _row("edf_plus/mne_test.edf", {("eeg", 512.0, 3072): 136, ("misc", 512.0, 3072): 3}, by_mne("edf", 136),
         "abstained", annotations=5, started="2014-04-29T22:19:44"),
    _row("edf_plus/edfio_short_psg.edf",
         {("eeg", 100.0, 30_000): 2, ("eog", 100.0, 30_000): 1, ("resp", 1.0, 300): 1, ("emg", 1.0, 300): 1,
          ("temp", 1.0, 300): 1, ("misc", 1.0, 300): 1}, by_mne("edf", 3), "ok", "breathing_rate",
         started="1989-04-24T16:13:00"),
    _row("edf_plus/sleepedf_SC4001EC-Hypnogram.edf", ends="E-NO-SIGNAL", annotations=154,
         started="1989-04-24T16:13:00"),
    _row("bdf/mne_test.bdf", {("eeg", 2048.0, 2048): 66, ("eog", 2048.0, 2048): 3, ("misc", 2048.0, 2048): 4},
         by_mne("bdf", 64), "E-TOO-SHORT", started="2013-08-01T13:21:46"),
    _row("brainvision/test.vhdr brainvision/test.vmrk brainvision/test.eeg",
         {("eeg", 1000.0, 7900): 26, ("misc", 1000.0, 7900): 6}, by_mne("brainvision", 26), "abstained",
         annotations=13, started="2013-11-13T16:14:03"),
    _row("eeglab/brainvision_test_converted.set", {("eeg", 1000.0, 7900): 26}, by_mne("eeglab", 26), "abstained",
         annotations=13),
    _row("fif/brainvision_test_bin_raw.fif", {("eeg", 1000.0, 7900): 32, ("misc", 1000.0, 7900): 1}, by_mne("fif", 32),
         "abstained", started="2013-11-14T06:02:08"),
    _row("xdf/minimal.xdf", {("eeg", 10.0, 9): 3}, by_pyxdf("SendDataC"), "E-TOO-SHORT", annotations=9),
    _row("xdf/clock_resets.xdf", {("misc", 92.9344, 53_225): 8}, by_pyxdf("BioSemi"), "abstained", annotations=175),
    _row("wfdb/100.hea wfdb/100.dat wfdb/100.atr", {("ecg", 360.0, 650_000): 2}, by_wfdb, "ok", "heart_rate rmssd",
         {("MLII", 0): -0.145, ("V5", 649_999): 0.0}, 2274),
    _row("wfdb/s0010_re.hea wfdb/s0010_re.dat wfdb/s0010_re.xyz", {("ecg", 1000.0, 38_400): 15}, by_wfdb, "ok",
         "heart_rate", {("i", 0): -0.2445}),
    _row(" ".join(f"empatica_e4/S05/{p}" for p in
                  ("ACC.csv", "BVP.csv", "EDA.csv", "HR.csv", "IBI.csv", "TEMP.csv", "info.txt", "tags.csv")),
         {("acc", 32.0, 104_898): 3, ("ppg", 64.0, 209_759): 1, ("eda", 4.0, 13_104): 1, ("temp", 4.0, 13_112): 1,
          ("misc", 1.0, 3268): 1, ("rr", 4.0, 12_507): 1}, by_e4, "ok", E4,
         {("ACC z", 0): 63 / 64, ("BVP", 0): 0.0}, 7, "2022-02-14T09:12:05"),
    _row("empatica_e4/S12_session.zip",
         {("acc", 32.0, 106_944): 3, ("ppg", 64.0, 213_884): 1, ("eda", 4.0, 13_374): 1, ("temp", 4.0, 13_368): 1,
          ("misc", 1.0, 3332): 1, ("rr", 4.0, 12_258): 1}, by_e4, "ok", E4, annotations=7,
         started="2022-02-21T09:15:08"),
    _row("openbci_txt/OpenBCI-sampleData-1-legacy.txt", OPENBCI, by_rows(6, EXG), "ok", "movement",
         {("EXG Channel 0", 0): 61379.36}, started="2019-05-15T16:00:53"),
    _row("openbci_txt/OpenBCI_GUI-v5-blinks-jawClench-alpha.txt", OPENBCI, by_rows(5, EXG), "ok", "movement",
         {("EXG Channel 1", 0): 49492.89}, started="2019-05-15T16:00:53"),
    _row("openbci_txt/OpenBCI_GUI-v6-blinks-jawClench-alpha.txt", OPENBCI, by_rows(5, EXG), "ok", "movement",
         started="2019-05-15T16:00:53"),
    _row("openface_csv/OpenFace_Test.csv", {("face", 1000.0, 100): 35, ("misc", 1000.0, 100): 7},
         by_pandas("AU06_r", "AU12_r", "AU12_c", "pose_Rx"), "E-TOO-SHORT"),
    _row("imotions_txt/iMotions_Test_v6.txt", {("face", 30.0, 519): 32, ("misc", 30.0, 519): 3},
         by_pandas("Joy Evidence", "AU12 Evidence", sep="\t", skiprows=5, keep=lambda t: t.NoOfFaces == 1), "abstained",
         "", {("Joy Evidence", 0): -0.4623673}, 1, "2017-10-05T15:27:18"),
    *(_row(f"pyfeat_csv/{n}.csv", {("misc", 1.0, frames): 86}, by_pandas("AU06", "AU12"), "abstained")
      for n, frames in PYFEAT.items()),
    _row("pyfeat_csv/clip_attrs.csv", ends="E-COLUMN"),
    _row("biosppy_txt/ecg.txt", {("misc", 1000.0, 15_000): 1}, by_numpy, "abstained", samples={("ECG", 0): 2044}),
    _row("biosppy_txt/eda.txt", {("misc", 1000.0, 150_000): 1}, by_numpy, "abstained", samples={("EDA", 0): 2669}),
    _row("biosppy_txt/emg.txt", {("misc", 1000.0, 100_000): 1}, by_numpy, "abstained", samples={("EMG", 0): 2055}),
    _row("biosppy_txt/eeg_ec.txt", {("misc", 125.0, 38_219): 1}, by_numpy, "abstained", samples={("EEG", 0): 537},
         started="2021-07-18T23:58:26"),
    _row("biosppy_txt/ppg.txt", {("ppg", 1000.0, 20_000): 1}, by_numpy, "ok", "pulse_rate", {("PPG", 0): 2065}),
    _row("biosppy_txt/resp.txt", {("resp", 1000.0, 60_000): 1}, by_numpy, "ok", "breathing_rate", {("Resp", 0): 2094}),
    _row("heartpy_csv/data.csv", {("misc", 1.0, 2483): 1}, by_numpy, "abstained", samples={("column 1", 2): 506}),
    _row("heartpy_csv/data2.csv", {("misc", 116.99, 15_000): 1}, by_pandas("hr"), "abstained",
         samples={("hr", 0): 515}),
    _row("heartpy_csv/data3.csv", {("misc", 100.4182, 68_476): 1}, by_pandas("hr"), "abstained",
         samples={("hr", 8): 847}, started="2016-11-24T13:58:58"),
]  # fmt: skip
PARAMETERS = [pytest.param(row, id=row.files[0]) for row in TABLE]


@pytest.fixture
def formats(shared_data):
    return shared_data / "formats"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = Store("sqlite://", data_dir=tmp_path_factory.mktemp("formats"))
    yield opened
    opened.close()


def inputs(row: Row, formats: Path) -> list[InputFile]:
    return [InputFile(Path(f).name, str(formats / f)) for f in row.files]


def test_every_file_has_its_row(formats):
    there = {str(p.relative_to(formats)) for p in formats.rglob("*") if p.is_file() and p.parent.name != "LICENSES"}
    assert there == {f for row in TABLE for f in row.files}


@pytest.mark.parametrize("row", PARAMETERS)
def test_a_file_is_read_as_an_independent_reader_reads_it(row, formats):
    if row.ends == "E-COLUMN":
        with pytest.raises(Refused, match=row.ends):
            session.read(inputs(row, formats))
        return
    r = session.read(inputs(row, formats))
    assert Counter((s.type, round(s.sfreq, 4), len(s.data)) for s in r.signals) == Counter(row.channels)
    assert all(s.unit == UNIT[s.type] for s in r.signals if s.type != "misc")
    assert len(r.annotations) == row.annotations
    assert (r.started_at.isoformat()[:19] if r.started_at else None) == row.started
    by_name = {s.name: s.data for s in r.signals}
    for key, x in (row.theirs([formats / f for f in row.files]) if row.theirs else {}).items():
        ours = r.signals[key].data if isinstance(key, int) else by_name[key]
        # what a reader of ours leaves out is missing, in its place
        ours = ours[np.isfinite(ours)] if len(ours) != len(x) or np.isnan(ours).any() else ours
        assert len(ours) == len(x), key
        assert np.allclose(ours, x, rtol=1e-5, atol=1e-5 * max(1e-3, np.abs(x).max())), key
    for (name, at), value in row.samples.items():
        assert by_name[name][at] == pytest.approx(value, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("row", PARAMETERS)
def test_a_file_is_analysed_or_refused_with_its_reason(row, formats, store):
    if row.ends.startswith("E-"):
        with pytest.raises(Refused) as refused:
            sessions.analyse(store, inputs(row, formats), "P-0001", now=NOW)
        assert refused.value.code == row.ends
        assert Path(row.files[0]).name in refused.value.where and refused.value.what_to_do
        return
    answer = sessions.analyse(store, inputs(row, formats), "P-0001", now=NOW)
    assert answer["status"] == row.ends
    told = Counter((c["type"], round(c["sfreq"], 4)) for c in answer["quality"]["channels"])
    assert told == sum((Counter({k[:2]: n}) for k, n in row.channels.items()), Counter())
    computed = {name for name, m in answer["markers"].items() if "value" in m}
    assert row.markers <= computed and (row.markers or not computed), computed
    assert all("not_computed" in m for name, m in answer["markers"].items() if name not in computed)
