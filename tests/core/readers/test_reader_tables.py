"""Tables: time, rate, units, separators, and every way in which a table is none."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from core.errors import Refused
from core.readers import READERS, Options, npz, session
from core.types import Annotation, Recording, Signal
from tests.core.readers.conftest import codes, eeg, given, table


def read(file, **options):
    return session.read([file], Options(**options))


def test_a_table_of_eeg_has_its_rate_names_and_values(write_csv):
    r = read(write_csv(table(("fp1", "EEG Fp2-Ref", "C3.", "T3"))))
    assert [(s.name, s.type, s.unit, s.sfreq) for s in r.signals] == [
        (n, "eeg", "µV", 128.0) for n in ("Fp1", "Fp2", "C3", "T7")
    ]
    assert np.allclose(np.stack([s.data for s in r.signals]), eeg(), atol=1e-3)
    # a unit that nobody stated is said to be assumed
    assert "W-UNIT" in codes(r)


@pytest.mark.parametrize(("sep", "comma"), [(",", False), (";", True), (";", False), ("\t", False), ("\t", True)])
def test_separators_and_decimal_commas(write_csv, sep, comma):
    r = read(write_csv("\ufeff" + table(sep=sep, comma=comma).replace("\n", "\r\n")))
    assert [s.sfreq for s in r.signals] == [128.0] * 4
    assert np.allclose(r.signals[0].data, eeg()[0], atol=1e-3)


SECONDS = np.arange(1280) / 128
BASE = datetime(2024, 3, 1, 9, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "t", "started"),
    [
        ("time", SECONDS, None),
        ("Time (s)", SECONDS + 17, None),
        ("time_ms", SECONDS * 1000, None),
        ("timer", SECONDS * 1000, None),
        ("timestamp", BASE.timestamp() + SECONDS, BASE),
        ("timestamp", (BASE.timestamp() + SECONDS) * 1000, BASE),
        ("timestamp", (BASE.timestamp() + SECONDS) * 1e6, BASE),
        ("datetime", [datetime.fromtimestamp(BASE.timestamp() + s, UTC).isoformat() for s in SECONDS], BASE),
        ("when", [datetime.fromtimestamp(BASE.timestamp() + s, UTC).strftime("%d.%m.%Y %H:%M:%S.%f") for s in SECONDS],
         datetime(2024, 3, 1, 8, 5, tzinfo=UTC)),
        ("time", [datetime.fromtimestamp(86395 + s, UTC).strftime("%H:%M:%S.%f") for s in SECONDS], None),
    ],
)  # fmt: skip
def test_time_columns_in_seconds_milliseconds_epochs_and_dates(write_csv, name, t, started):
    r = read(write_csv(table(t=t, time_name=name)), zone=ZoneInfo("Europe/Berlin"))
    assert r.signals[0].sfreq == pytest.approx(128, abs=0.01)
    assert {s.type for s in r.signals} == {"eeg"}
    assert r.started_at == started


def test_rounded_and_jittered_timestamps_keep_the_rate(write_csv):
    r = read(write_csv(table(t=np.round(SECONDS, 3))))
    assert r.signals[0].sfreq == 128.0
    jitter = SECONDS + np.random.default_rng(0).uniform(-0.003, 0.003, 1280)
    r = read(write_csv(table(t=np.sort(jitter))))
    assert r.signals[0].sfreq == pytest.approx(128, rel=0.01)
    assert "W-TIMESTAMPS" in codes(r)


def test_missing_rows_become_missing_values_and_are_never_glued(write_csv):
    lines = table().splitlines()
    r = read(write_csv("\n".join(lines[:601] + lines[729:]) + "\n"))
    x = r.signals[0].data
    assert len(x) == 1280
    assert np.isnan(x[600:728]).all() and np.isfinite(x[728:]).all()
    assert {"W-TIME-GAP", "W-MISSING-VALUES"} <= set(codes(r))


def test_the_declared_rate_is_used_and_a_contradiction_said(write_csv):
    r = read(write_csv(table()), sfreq=256.0)
    assert r.signals[0].sfreq == 256.0
    assert "W-RATE" in codes(r)
    assert read(write_csv(table()), sfreq=128.0).signals[0].sfreq == 128.0


def test_a_timer_whose_unit_cannot_be_told_leaves_its_columns_misc_until_it_is_said(write_csv):
    file = write_csv(table(t=np.arange(1280) * 1.0, time_name="time"))
    r = read(file)
    assert {s.type for s in r.signals} == {"misc"} and "W-TIMESTAMPS" in codes(r)
    assert read(file, sfreq=1000.0).signals[0].sfreq == 1000.0


def test_irregular_rows_have_no_clear_rate_and_stay_misc(write_csv):
    t = np.cumsum(np.random.default_rng(3).exponential(0.8, 400))
    r = read(write_csv(table(n_times=400, t=t, time_name="t_s")))
    assert {s.type for s in r.signals} == {"misc"}
    assert "W-RATE" in codes(r)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("ecg_mV", "EDA [µS]", "temp_C", "BVP"), ("ecg", "misc", "misc", "ppg")),
        (("ECG (uV)", "GSR", "Resp", "HR"), ("ecg", "misc", "resp", "misc")),
    ],
)
def test_types_and_units_in_column_names(write_csv, names, expected):
    """Values of ±20 fit neither µS nor °C, so that only a stated unit makes them eda or temp."""
    r = read(write_csv(table(names)))
    got = [s.type for s in r.signals]
    assert got[0] == expected[0] and got[3] == expected[3]
    if "ECG (uV)" in names:
        assert np.allclose(r.signals[0].data, eeg()[0] / 1000, atol=1e-6)
    else:
        assert (r.signals[1].name, r.signals[1].type, r.signals[1].unit) == ("EDA", "eda", "µS")


@pytest.mark.parametrize(
    "written", ["{} (uV)", "{} [µV]", "{}_uV", "{} uV", "{}/µV", "{}, uV", "{} in uV", "{}.uV", "{} [microvolts]"]
)
def test_a_unit_is_found_however_it_is_written_behind_a_name(written):
    from core.readers.channels import factor, split_unit

    name, unit = split_unit(written.format("AF3"))
    assert name == "AF3" and factor("eeg", unit) == (1.0, 0.0)


@pytest.mark.parametrize("name", ["Fp1/A2", "lead V", "EEG Fp1-Ref", "ecg_V", "V5"])
def test_a_reference_or_a_lead_is_no_unit(name):
    from core.readers.channels import split_unit

    assert split_unit(name) == (name, None)


def test_volts_behind_a_slash_are_volts():
    from core.readers.channels import split_unit

    assert split_unit("Fp1/V") == ("Fp1", "V") and split_unit("ECG in V") == ("ECG", "V")


def test_volts_in_a_column_without_a_unit_are_not_taken_for_microvolts(write_csv):
    x = eeg() * 1e-6
    text = "time,Fp1,Fp2\n" + "".join(f"{i / 128:.6f},{x[0, i]:.9f},{x[1, i]:.9f}\n" for i in range(1280))
    r = read(write_csv(text))
    assert {s.type for s in r.signals} == {"misc"}
    assert "volts" in r.notices[0].text
    r = read(write_csv(text), mapping={"Fp1": {"type": "eeg", "unit": "V"}, "Fp2": {"type": "eeg", "unit": "V"}})
    assert np.allclose(r.signals[0].data, eeg()[0], atol=0.01)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (table().replace(",C4\n", ",C4\n0.0,1,2,x,4\n"),
            "E-COLUMN", 'column "C3" holds something that is no number in line 2'),
        (table().replace("\n0.500000", "\n0.5\x000000"), "E-CSV-NUL", "line 66"),
        (table().encode("utf-16"), "E-ENCODING", "UTF-16"),
        (table(("Fp1", "Säule")).encode("latin-1"), "E-ENCODING", "Latin-1"),
        ("time,Fp1\n", "E-CSV-ROWS", "no rows"),
        ("item,price\nmilk,cheap\n" * 5, "E-CSV-WORDS", "table of words"),
        (table() + "10.0,1,2,3\n", "E-CSV-ROWS", "line 1282 has 4 columns, expected 5"),
        (table(t=SECONDS[::-1]), "E-TIME", "run backwards at data row 2"),
        (table(t=np.full(1280, 5.0)), "E-TIME", "all the same"),
        (table(t=["later"] * 1280), "E-COLUMN", '"timestamp"'),
        (table().replace("\n0.500000,", "\n,"), "E-TIME", "no time in data row 65"),
        ("1," * 40_000 + "1\n", "E-CSV-LINE", "64 KB"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_with_place_and_remedy(write_csv, text, code, words):
    with pytest.raises(Refused) as refused:
        read(write_csv(text))
    error = refused.value
    assert (error.code, error.where) == (code, "table.csv")
    assert words in error.what and error.what_to_do


def test_an_array_on_its_side_is_detected_and_never_turned_in_silence(write_csv, tmp_path):
    rows = eeg(14, 500)
    bare = "\n".join(",".join(f"{v:.2f}" for v in row) for row in rows)
    named = "\n".join(
        f"{n}," + ",".join(f"{v:.2f}" for v in row) for n, row in zip(("Fp1", "Fp2", "C3"), rows, strict=False)
    )
    for text in (bare, named):
        with pytest.raises(Refused, match=r"looks turned.*[Tt]ransposed") as refused:
            read(write_csv(text))
        assert refused.value.code == "E-SHAPE"
    np.savez(tmp_path / "x.npz", eeg=rows, eeg_sfreq=128)
    with pytest.raises(Refused, match=r"\(14, 500\).*Expected \(n_times, n_channels\), such as \(500, 14\)"):
        read(given(tmp_path / "x.npz"))


def test_duplicate_columns_and_strange_names_are_noticed(write_csv):
    r = read(write_csv(table(("C3", "C3", "=1+1", "Pz"))))
    assert [s.name for s in r.signals] == ["C3", "C3 (2)", "=1+1", "Pz"]
    assert {"W-DUPLICATE", "W-CHANNELS"} <= set(codes(r))


def test_infinite_values_become_missing_and_are_counted(write_csv):
    lines = table().splitlines()
    for i in range(50, 90):
        lines[i] = lines[i].split(",")[0] + ",NaN,inf,-inf,1e400"
    r = read(write_csv("\n".join(lines)))
    assert all(np.isnan(s.data[49:89]).all() and np.isfinite(s.data[89:]).all() for s in r.signals)
    assert "at most 3.1%" in next(n.text for n in r.notices if n.code == "W-MISSING-VALUES")


@pytest.mark.parametrize("key", ["unit", "units"])
def test_parquet_says_the_unit_of_a_column_beside_its_name(key, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    x = eeg()
    fields = [pa.field("time", pa.float64()), pa.field("ECG", pa.float64(), metadata={key: "uV"})]
    parquet.write_table(pa.table([SECONDS, x[0] * 100], schema=pa.schema(fields)), tmp_path / "x.parquet")
    [signal] = read(given(tmp_path / "x.parquet")).signals
    assert (signal.type, signal.unit) == ("ecg", "mV")
    assert np.allclose(signal.data, x[0] / 10, atol=1e-5)


def test_parquet_with_a_timestamp_column_and_with_text(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    x = eeg(2)
    stamps = (np.datetime64("2024-03-01T09:05:00") + (SECONDS * 1e9).astype("timedelta64[ns]")).astype("datetime64[ns]")
    parquet.write_table(pa.table({"at": stamps, "Fp1": x[0], "ecg_mV": x[1]}), tmp_path / "x.parquet")
    r = read(given(tmp_path / "x.parquet"), zone=ZoneInfo("Europe/Berlin"))
    assert [(s.name, s.type, s.sfreq) for s in r.signals] == [("Fp1", "eeg", 128.0), ("ecg", "ecg", 128.0)]
    assert r.started_at == datetime(2024, 3, 1, 8, 5, tzinfo=UTC)
    parquet.write_table(pa.table({"time": SECONDS, "mood": ["calm"] * 1280}), tmp_path / "y.parquet")
    with pytest.raises(Refused, match='column "mood" holds no numbers'):
        read(given(tmp_path / "y.parquet"))


# ------------------------------------------------------------------------------------------------ our own arrays
def test_plain_arrays_are_listed_and_a_bare_npy_can_be_mapped(tmp_path):
    np.savez(tmp_path / "x.npz", pulse=eeg(1)[0], fs=128)
    r = read(given(tmp_path / "x.npz"))
    assert [(s.name, s.type, s.sfreq) for s in r.signals] == [("pulse", "misc", 128.0)]
    np.save(tmp_path / "pulse.npy", eeg(1)[0])
    r = read(given(tmp_path / "pulse.npy"), sfreq=64.0, mapping={"pulse": {"type": "ppg"}})
    assert [(s.name, s.type, s.sfreq) for s in r.signals] == [("pulse", "ppg", 64.0)]


def test_fourteen_eeg_columns_without_names_are_the_order_of_the_headset(tmp_path):
    np.savez(tmp_path / "x.npz", eeg=eeg(14).T, eeg_sfreq=128)
    assert [s.name for s in read(given(tmp_path / "x.npz")).signals][:3] == ["AF3", "F7", "F3"]


def test_pickled_arrays_are_not_opened(tmp_path):
    np.savez(tmp_path / "x.npz", eeg=np.array([{"a": 1}], dtype=object))
    with pytest.raises(Refused, match="E-CODE"):
        read(given(tmp_path / "x.npz"))


def test_the_same_recording_gives_the_same_bytes():
    r = Recording((Signal("Fp1", "eeg", "µV", 128.0, np.ones(9, np.float32)),))
    a, b = io.BytesIO(), io.BytesIO()
    npz.write(r, a)
    npz.write(r, b)
    assert a.getvalue() == b.getvalue()


QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
values = st.floats(-1e4, 1e4, width=32)
names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=16)


@QUICK
@for_all(
    st.lists(st.tuples(names, st.sampled_from(["eeg", "ecg", "misc"]), st.sampled_from([64.0, 256.0])),
    min_size=1, max_size=5),
    st.integers(20, 200), st.integers(0, 99), st.one_of(st.none(), st.datetimes(datetime(1990, 1, 1),
    timezones=st.just(UTC))),
)  # fmt: skip
def test_what_is_written_as_arrays_comes_back(tmp_path_factory, kinds, n, seed, started):
    rng = np.random.default_rng(seed)
    unit = {"eeg": "µV", "ecg": "mV", "misc": ""}
    # a name in the 10-20 spelling is ours to write
    made = [
        Signal(f"x{i} {name}"[:60].strip(), t, unit[t], f, rng.normal(size=n).astype("f4"))
        for i, (name, t, f) in enumerate(kinds)
    ]
    r = Recording(tuple(made), started, (Annotation(0.5, 1.0, "baseline"),))
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    with path.open("wb") as stream:
        npz.write(r, stream)
    back = READERS["npz"].read([given(path)])
    assert back.annotations == r.annotations
    assert sorted((s.type, s.sfreq, s.data.tobytes()) for s in back.signals) == sorted(
        (s.type, s.sfreq, s.data.tobytes()) for s in made
    )
    assert back.started_at == started


@QUICK
@for_all(st.lists(st.tuples(values, values), min_size=8, max_size=60), st.sampled_from([32, 100, 128, 250, 256, 1000]))
def test_numbers_of_a_table_come_back(tmp_path_factory, rows, rate):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_text("time_s,ppg,resp\n" + "".join(f"{i / rate!r},{a!r},{b!r}\n" for i, (a, b) in enumerate(rows)))
    r = READERS["csv"].read([given(path)])
    assert r.signals[0].sfreq == pytest.approx(rate)
    assert np.array_equal(np.stack([s.data for s in r.signals], axis=1), np.array(rows, np.float32))
