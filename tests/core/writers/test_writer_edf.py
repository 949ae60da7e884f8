"""A recording as EDF+: what our reader, edfio and MNE take back, and what the header says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unicodedata import normalize
from zoneinfo import ZoneInfo

import edfio
import mne
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import quality, simulate
from core.errors import Refused
from core.readers import session
from core.types import UNITS, Annotation, InputFile, Pipeline, Recording, Signal
from core.writers import edf

START = datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)


def signal(name, type_="eeg", sfreq=128.0, n=1280, onset_s=0.0, scale=50.0, gaps=(), seed=0) -> Signal:
    x = np.random.default_rng(seed).standard_normal(n).astype(np.float32) * scale
    for first, last in gaps:
        x[first:last] = np.nan
    return Signal(name, type_, UNITS.get(type_, "V"), sfreq, x, onset_s)


def written(folder: Path, recording: Recording, **more) -> tuple[edf.Written, Path]:
    made = edf.encode(recording, **more)
    path = folder / "x.edf"
    path.write_bytes(made.body)
    return made, path


def back(path: Path) -> Recording:
    return session.read([InputFile(path.name, str(path))])


def same(made: edf.Written, before: Recording, after: Recording) -> None:
    """Every signal at its own rate, clock and length, within one digitisation step, with the same samples missing."""
    kept = [(i, s) for i, s in enumerate(before.signals) if i in made.labels]
    assert len(after.signals) == len(kept)
    for (i, a), b in zip(kept, after.signals, strict=True):
        assert (b.name, b.type, b.sfreq, len(b.data)) == (a.name, a.type, a.sfreq, len(a.data))
        assert b.onset_s == pytest.approx(a.onset_s, abs=1e-9)
        np.testing.assert_array_equal(np.isnan(b.data), np.isnan(a.data))
        off = np.abs(b.data.astype(float) - a.data.astype(float))
        assert not len(off) or not np.isfinite(off).any() or np.nanmax(off) <= made.steps[i] * 1.001
    assert after.annotations == before.annotations
    assert after.started_at == before.started_at


def test_signals_of_five_rates_and_three_clocks_come_back_as_they_were(tmp_path):
    recording = Recording(
        (
            signal("Fp1", gaps=[(0, 3), (100, 228), (1270, 1280)]),
            signal("ECG", "ecg", 256.0, 2500, scale=0.4),
            signal("EDA", "eda", 25.6, 250, onset_s=1.23456, scale=2.0),
            signal("ACC_x", "acc", 19.87, 190, onset_s=2.0, scale=0.1),
            signal("TEMP", "temp", 4.0, 40, scale=0.01),
            signal("E12 größer als 16 Zeichen"),
        ),
        START,
        (Annotation(1.5, 0.0, "Augen zu"), Annotation(3.0, 2.25, "Stim/1")),
    )
    made, path = written(tmp_path, recording, code="P-0042")
    same(made, recording, back(path))


def test_the_header_says_a_pseudonym_a_start_in_utc_and_nothing_else_of_a_person(tmp_path):
    start = START.astimezone(ZoneInfo("Asia/Tokyo"))
    _, path = written(tmp_path, Recording((signal("Fp1"),), start), code="P-0042")
    head = path.read_bytes()[:256]
    assert head[8:88].decode().split() == ["P-0042", "X", "X", "X"]
    assert head[88:168].decode().split() == ["Startdate", "02-JAN-2026", "X", "X", "affectline"]
    assert head[168:184] == b"02.01.2603.04.05"
    assert edfio.read_edf(path).starttime.microsecond == 250_000


def test_labels_are_those_of_edf_plus_and_never_two_alike(tmp_path):
    long = "a very long name of a channel"
    named = [signal("Fp1"), signal("EEG Cz"), signal("V2", "ecg"), signal(long, "misc"), signal(long + "!", "misc")]
    made, path = written(tmp_path, Recording(tuple(named)))
    assert list(made.labels.values()) == ["EEG Fp1", "EEG Cz", "ECG V2", "a very long name", "a very long na 2"]
    assert edfio.read_edf(path).labels == tuple(made.labels.values())
    assert [s.name for s in back(path).signals] == ["Fp1", "Cz", "V2", long, long + "!"]


@pytest.mark.parametrize(
    "name", ["Skin conductance of the left hand, second finger, electrode one of two, gel", "Кожная проводимость лба"]
)
def test_a_name_that_the_field_does_not_hold_is_cut_and_costs_neither_type_nor_rate(tmp_path, name):
    recording = Recording((signal(name, "eda", 4.0, 40), signal("手の皮膚の温度", "temp", 25.6, 256)), START)
    found = back(written(tmp_path, recording)[1]).signals
    assert [(s.type, s.unit, s.sfreq, len(s.data)) for s in found] == [
        ("eda", "µS", 4.0, 40),
        ("temp", "°C", 25.6, 256),
    ]
    assert name.startswith(found[0].name) and len(found[0].name) >= 9
    assert found[1].name == "手の皮膚の温"


def test_mne_reads_the_values_in_volts_and_the_gap_as_a_bad_span_of_its_channel(tmp_path):
    recording = Recording((signal("Fp1", gaps=[(256, 512)]), signal("Cz", seed=1)), START, (Annotation(1.0, 0.5, "a"),))
    made, path = written(tmp_path, recording)
    raw = mne.io.read_raw_edf(path, verbose="error")
    x = raw.get_data(picks=["EEG Cz"])[0] * 1e6
    assert np.abs(x - recording.signals[1].data).max() <= made.steps[1]
    found = {(a["onset"], a["duration"], a["description"], a["ch_names"]) for a in raw.annotations}
    assert found == {(1.0, 0.5, "a", ()), (2.0, 2.0, "BAD_gap", ("EEG Fp1",))}


def test_padding_of_all_signals_is_one_annotation_for_other_programs_and_no_sample_for_us(tmp_path):
    recording = Recording((signal("Fp1", n=200), signal("ECG", "ecg", 256.0, 400, scale=0.4)))
    made, path = written(tmp_path, recording)
    texts = [a.text for a in edfio.read_edf(path).annotations]
    assert texts in ([], ["BAD_pad"])
    same(made, recording, back(path))


def test_a_mark_of_a_channel_is_written_under_its_label(tmp_path):
    marks = [(Annotation(1.0, 2.0, "BAD_flat"), 0), (Annotation(3.0, 0.0, "all"), None)]
    _, path = written(tmp_path, Recording((signal("Fp1"),)), marks=marks)
    found = [(a.onset, a.duration, a.text) for a in edfio.read_edf(path).annotations]
    assert found == [(1.0, 2.0, "BAD_flat@@EEG Fp1"), (3.0, None, "all")]
    assert [(a.description, a.channel) for a in back(path).annotations] == [("BAD_flat@@Fp1", "Fp1"), ("all", "")]


def test_a_bad_stretch_of_one_channel_leaves_the_windows_of_the_others_alone(tmp_path):
    marks = [(Annotation(2.0, 4.0, "BAD_flat"), 0)]
    _, path = written(tmp_path, Recording((signal("ECG", "ecg", n=2560), signal("EDA", "eda", 4.0, 80))), marks=marks)
    ecg, eda = quality.assess(back(path), Pipeline()).signals
    assert "marked" in ecg.flags and "marked" not in eda.flags


@pytest.mark.parametrize("rates", [(128.0, 256.0), (25.6, 4.0), (19.87,), (128.0, 30_000 / 1001), (0.1, 4.0)])
def test_a_record_lasts_as_long_as_gives_every_rate_exactly(rates):
    length, samples, drift = edf._record(rates, [round(1000 * f) for f in rates])
    assert [n / length for n in samples] == pytest.approx(list(rates), rel=1e-12)
    assert len(edf._seconds(length)) <= 8 and drift == 0.0


def test_a_rate_with_many_digits_is_kept_to_part_of_a_sample_for_others_and_read_back_whole(tmp_path):
    recording = Recording((signal("PPG", "ppg", 64.0031847, 64 * 60), signal("Fp1", n=128 * 60)))
    made, path = written(tmp_path, recording)
    same(made, recording, back(path))
    plain = next(s for s in edfio.read_edf(path).signals if s.label == "PPG")
    assert abs(plain.sampling_frequency / 64.0031847 - 1) * 64 * 60 <= 0.5


def test_rates_that_fit_no_common_record_are_never_resampled_and_it_is_said(tmp_path):
    odd = tuple(signal(f"x{p}", "misc", 10 * p**0.5, 4000) for p in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37))
    made, path = written(tmp_path, Recording(odd))
    assert "samples at the end" in made.notes[0]
    same(made, Recording(odd), back(path))


def test_values_with_more_digits_than_the_header_holds_are_left_out_and_said(tmp_path):
    clock = Signal("clock", "misc", "s", 1.0, np.linspace(1.7e9, 1.7e9 + 10, 10))
    made, path = written(tmp_path, Recording((signal("Fp1"), clock)))
    assert list(made.labels) == [0] and "clock" in made.notes[0]
    assert len(back(path).signals) == 1
    with pytest.raises(Refused) as refused:
        edf.encode(Recording((clock,)))
    assert refused.value.code == "E-EDF-EMPTY"


@pytest.mark.parametrize("value", [0.0, 5.0, -40_000.0, 1e-6, 1234567.0, np.nan])
def test_a_flat_signal_keeps_its_value(tmp_path, value):
    flat = Signal("x", "misc", "V", 10.0, np.full(100, value, dtype=np.float32))
    made, path = written(tmp_path, Recording((flat,)))
    x = back(path).signals[0].data
    if np.isnan(value):
        assert np.isnan(x).all()
    else:
        assert np.abs(x - np.float32(value)).max() <= made.steps[0]


def test_a_day_without_a_date_in_edf_is_written_without_one_and_said(tmp_path):
    made, path = written(tmp_path, Recording((signal("Fp1"),), datetime(1975, 5, 5, tzinfo=UTC)))
    assert "1975" in made.notes[0] and back(path).started_at is None


def test_a_foreign_file_that_uses_our_words_without_our_filler_keeps_its_samples(tmp_path):
    x = np.random.default_rng(0).standard_normal(1280) * 20
    one = edfio.EdfSignal(x, 128, label="EEG Fp1", physical_dimension="uV", physical_range=(-400, 400),
                          transducer_type="affectline ecg 500 Cz")  # fmt: skip
    path = tmp_path / "x.edf"
    edfio.Edf([one], annotations=[edfio.EdfAnnotation(1, 2, "BAD_gap"), edfio.EdfAnnotation(4, 1, "a")]).write(path)
    found = back(path).signals[0]
    assert (found.name, found.type, found.sfreq) == ("Fp1", "eeg", 128.0)
    assert np.isfinite(found.data).all()


def test_the_simulated_wrist_band_comes_back_at_its_four_rates(tmp_path):
    recording = simulate.wrist(duration_s=30, seed=1, started_at=START)
    made, path = written(tmp_path, recording)
    same(made, recording, back(path))


RATES = st.one_of(st.sampled_from([1.0, 4.0, 25.6, 19.87, 24.98, 128.0, 250.0, 30_000 / 1001]), st.floats(0.5, 300))
TEXTS = st.text(st.characters(blacklist_categories=("C", "Zl", "Zp")), min_size=1, max_size=40).filter(
    lambda t: t.strip() == t and not t.startswith("BAD_")
)


@st.composite
def recordings(draw) -> Recording:
    made = []
    for i in range(draw(st.integers(1, 3))):
        f, n = draw(RATES), draw(st.integers(2, 300))
        type_ = draw(st.sampled_from(["eda", "resp", "misc", "ppg"]))
        scale = draw(st.sampled_from([1e-3, 1.0, 250.0, 1e5]))
        gaps = [(a, a + draw(st.integers(1, 40))) for a in draw(st.lists(st.integers(0, n - 1), max_size=3))]
        onset = draw(st.sampled_from([0.0, 0.5, 1 / 3, 2.75])) if i else 0.0
        made.append(signal(f"s{i}", type_, f, n, onset, scale, gaps, draw(st.integers(0, 99))))
    end = max(s.end_s for s in made)
    times = draw(st.lists(st.tuples(st.floats(0, end), st.floats(0, 5), TEXTS), max_size=4))
    marks = sorted(
        (Annotation(round(a, 4), round(b, 4), normalize("NFC", t)) for a, b, t in times),
        key=lambda m: m.onset_s,
    )
    start = draw(
        st.none() | st.integers(0, 10**9).map(lambda s: datetime(2001, 1, 2, tzinfo=UTC) + timedelta(seconds=s))
    )
    return Recording(tuple(made), start, tuple(marks))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recording=recordings())
def test_any_recording_comes_back_within_one_step_at_its_own_rates(tmp_path, recording):
    made, path = written(tmp_path, recording)
    after = back(path)
    same(made, recording, Recording(after.signals, after.started_at, recording.annotations))
    key = lambda m: (m.onset_s, m.duration_s, m.description)  # noqa: E731
    for a, b in zip(sorted(recording.annotations, key=key), sorted(after.annotations, key=key), strict=True):
        assert (b.onset_s, b.duration_s) == pytest.approx((a.onset_s, a.duration_s), abs=1e-6)
        assert b.description == a.description
