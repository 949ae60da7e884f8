"""What a person may mend: known numbers, reversible, and nothing that was not asked for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given as always
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.errors import Refused
from core.readers import Options, isolation, session
from core.readers.base import WHOLE
from core.readers.checks import off_by
from core.readers.repairs import REPAIRS, mended
from core.types import Reading, Recording, Signal
from tests.core.readers.conftest import SFREQ, eeg, given, table


def of(data, name="Fp1", type_="eeg", unit="µV"):
    return Recording((Signal(name, type_, unit, SFREQ, np.asarray(data, dtype=np.float32)),))


@pytest.mark.parametrize(
    ("repair", "expected"),
    [("unit_x1000", 2000.0), ("unit_div1000", 0.002), ("unit_x1000000", 2e6), ("unit_div1000000", 2e-6),
     ("invert", -2.0)],
)  # fmt: skip
def test_a_repair_does_to_each_sample_what_its_words_say(repair, expected):
    r = mended(of([2.0, np.nan, 0.0]), {"Fp1": (repair,)})
    assert r.signals[0].data == pytest.approx([expected, np.nan, 0.0], nan_ok=True)
    assert r.signals[0].data.dtype == np.float32
    (said,) = r.notices
    assert said.code == "W-REPAIRED" and REPAIRS[repair].title in said.text and '"Fp1"' in said.text


FLOATS = st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False)
INVERSES = [("unit_x1000", "unit_div1000"), ("unit_div1000", "unit_x1000"), ("unit_x1000000", "unit_div1000000"),
            ("unit_div1000000", "unit_x1000000")]  # fmt: skip


@pytest.mark.parametrize("pair", INVERSES)
@settings(max_examples=25, deadline=None)
@always(x=arrays(np.float32, st.integers(1, 50), elements=FLOATS))
def test_a_repair_and_its_inverse_give_the_same_numbers(pair, x):
    assert np.array_equal(mended(of(x), {"Fp1": pair}).signals[0].data, x)


@always(x=arrays(np.float32, st.integers(1, 50), elements=FLOATS))
def test_turned_upside_down_twice_is_as_it_was(x):
    once = mended(of(x), {"Fp1": ("invert",)})
    assert np.array_equal(mended(once, {"Fp1": ("invert",)}).signals[0].data, x)


def test_without_a_repair_the_recording_is_the_same_object_of_samples():
    r = of([1.0, 2.0])
    assert mended(r, {}).signals[0].data is r.signals[0].data and not mended(r, {"Fp1": ()}).notices


def test_a_channel_is_left_out_and_the_others_stay_untouched(write_csv):
    file = write_csv(table())
    whole, without = session.read([file]), session.read([file], Options(repairs={"C3": ("drop_channel",)}))
    assert [s.name for s in without.signals] == ["Fp1", "Fp2", "C4"]
    kept = [s for s in whole.signals if s.name != "C3"]
    assert all(np.array_equal(a.data, b.data) for a, b in zip(kept, without.signals, strict=True))


@pytest.mark.parametrize(
    ("repairs", "words"),
    [({"Fp1": ("swap_axes",)}, "no repair of a channel"), ({WHOLE: ("invert",)}, "no repair of the files"),
     ({"Fp1": ("magic",)}, "magic"), ({"Pz": ("invert",)}, '"Pz"')],
)  # fmt: skip
def test_a_repair_that_is_none_or_of_nothing_is_refused(repairs, words):
    with pytest.raises(Refused, match=words) as refused:
        mended(of([1.0]), repairs)
    assert refused.value.code == "E-REPAIR"


def test_the_file_is_never_changed(write_csv):
    file = write_csv(table())
    before = hashlib.sha256(Path(file.path).read_bytes()).digest()
    said = Reading(repairs={"Fp1": ("unit_x1000",), "Fp2": ("drop_channel",), WHOLE: ("rate_from_timestamps",)})
    r = isolation.read([file], reading=said, zone=ZoneInfo("UTC"))
    assert {s.name for s in r.signals} == {"Fp1", "C3", "C4"} and "W-REPAIRED" in {n.code for n in r.notices}
    assert hashlib.sha256(Path(file.path).read_bytes()).digest() == before


def swapped(text, sep=","):
    return "\n".join(sep.join(c) for c in zip(*(row.split(sep) for row in text.splitlines()), strict=True)) + "\n"


@pytest.mark.parametrize("n_times", [700, 12_800], ids=["wider than is read", "a line longer than is read"])
def test_a_turned_table_is_offered_and_turned_only_when_asked(n_times, write_csv):
    upright, turned = table(n_times=n_times), swapped(table(n_times=n_times))
    file = write_csv(turned, "turned.csv")
    with pytest.raises(Refused) as refused:
        session.read([file])
    assert refused.value.repairs == ("swap_axes",)
    got = session.read([file], Options(repairs={WHOLE: ("swap_axes",)}))
    want = session.read([write_csv(upright, "upright.csv")])
    assert [s.name for s in got.signals] == [s.name for s in want.signals]
    assert all(np.array_equal(a.data, b.data) for a, b in zip(got.signals, want.signals, strict=True))


def test_a_table_that_stands_upright_is_not_turned_although_asked(write_csv):
    file = write_csv(table())
    got, want = session.read([file], Options(repairs={WHOLE: ("swap_axes",)})), session.read([file])
    assert [s.name for s in got.signals] == [s.name for s in want.signals]


def test_turned_arrays_are_offered_and_turned_only_when_asked(tmp_path):
    x = eeg(4).astype(np.float32)
    path = tmp_path / "turned.npz"
    np.savez(path, eeg=x, eeg_sfreq=SFREQ, eeg_unit="uV", eeg_names=["Fp1", "Fp2", "C3", "C4"])
    with pytest.raises(Refused, match="not turned for you") as refused:
        session.read([given(path)])
    assert refused.value.repairs == ("swap_axes",)
    got = session.read([given(path)], Options(repairs={WHOLE: ("swap_axes",)}))
    assert np.array_equal(np.stack([s.data for s in got.signals]), x)


def thousands(text):
    return text.replace("\n", "\n1.234,5;", 1)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(table().replace(".", ","), id="the comma cuts columns too"),
        pytest.param(
            "time;Fp1;Fp2\n" + "".join(f"{i};{i % 7};{i % 5}\n" for i in range(300))
            + "".join(f"{i};{i % 7},5;{i % 5},25\n" for i in range(300, 1280)),
            id="commas only after the lines looked at",
        ),
        pytest.param(
            "time_s;Fp1;Fp2\n" + "".join(f"{i / 128:.6f}".replace(".", ",") + f";1.{i % 900 + 100},5;-{i % 7},25\n"
                                          for i in range(1280)),
            id="points mark thousands",
        ),
    ],
)  # fmt: skip
def test_decimal_commas_that_are_misread_are_offered_and_read_when_asked(text, write_csv):
    file = write_csv(text)
    with pytest.raises(Refused) as refused:
        session.read([file])
    assert refused.value.repairs == ("decimal_comma",), refused.value.text
    r = session.read([file], Options(sfreq=128.0, repairs={WHOLE: ("decimal_comma",)}))
    fp1 = next(s for s in r.signals if s.name == "Fp1").data
    if "Fp2\n0;" in text:
        assert fp1[299] == 299 % 7 and fp1[300] == 300 % 7 + 0.5
    elif "1.1" in text.splitlines()[1] and ";" in text:
        assert fp1[0] == 1100.5 and fp1[1] == 1101.5
        assert next(s for s in r.signals if s.name == "Fp2").data[3] == -3.25
    else:
        assert fp1 == pytest.approx(eeg()[0], abs=1e-4)


def test_decimal_commas_of_one_file_leave_the_whole_numbers_of_another_alone(write_csv):
    whole = write_csv("ECG_uV,EDA_uS\n" + "".join(f"{i % 9},{i % 7 + 10}\n" for i in range(1280)), "whole.csv")
    commas = write_csv("Fp1,Fp2\n" + "".join(f"{i % 7},5,{i % 5},25\n" for i in range(1280)), "commas.csv")
    r = session.read([commas, whole], Options(sfreq=128.0, repairs={WHOLE: ("decimal_comma",)}))
    found = {s.name: s.data for s in r.signals}
    assert (found["Fp1"][3], found["Fp2"][4]) == (3.5, 4.25)
    assert found["ECG"][5] == pytest.approx(5e-3) and found["EDA"][5] == 15
    assert len(found["ECG"]) == 1280


def test_the_rate_is_taken_from_the_timestamps_when_asked(write_csv):
    file = write_csv(table())
    stated = session.read([file], Options(sfreq=64.0))
    asked = session.read([file], Options(sfreq=64.0, repairs={WHOLE: ("rate_from_timestamps",)}))
    assert stated.signals[0].sfreq == 64.0 and asked.signals[0].sfreq == 128.0
    assert "W-RATE" not in {n.code for n in asked.notices}


def test_rows_without_a_clear_rate_are_spaced_evenly_when_asked(write_csv):
    rng = np.random.default_rng(3)
    t = np.cumsum(rng.exponential(1 / 16, 1280))
    file = write_csv(table(t=list(t - t[0])))
    plain = session.read([file])
    asked = session.read([file], Options(repairs={WHOLE: ("rate_from_timestamps",)}))
    assert plain.types == () and asked.types == ("eeg",)
    assert asked.signals[0].sfreq == pytest.approx(1279 / (t[-1] - t[0]), rel=1e-4)
    assert "as asked" in next(n.text for n in asked.notices if n.code == "W-TIMESTAMPS")


@pytest.mark.parametrize(
    ("type_", "unit", "data", "power"),
    [
        ("eeg", "µV", eeg(1)[0] * 1e-6, 1e6), ("eeg", "µV", eeg(1)[0] * 1e-3, 1e3),
        ("eeg", "µV", eeg(1)[0] * 1e3, 1e-3), ("eeg", "µV", eeg(1)[0], None), ("eeg", "µV", np.zeros(1280), None),
        ("ecg", "mV", eeg(1)[0] * 10, 1e-3),
        ("ecg", "mV", eeg(1)[0] * 2e-5, 1e3), ("eda", "µS", np.full(1280, 5e3), 1e-3),
        ("eda", "µS", np.full(1280, 5e-6), 1e6), ("eda", "µS", np.full(1280, 0.02), None),
        ("acc", "g", np.full(1280, 980.0), 1e-3), ("temp", "°C", np.full(1280, 3400.0), None),
    ],
)  # fmt: skip
def test_a_unit_that_is_off_by_a_power_of_a_thousand_is_told(type_, unit, data, power):
    assert off_by(of(data, type_=type_, unit=unit).signals[0]) == power
