"""Eyes taken out of the EEG, on blinks that were planted in a signal whose clean truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core import cleaning, pipeline, quality, simulate
from core.readers.session import read
from core.types import Annotation, InputFile, Pipeline, Reading, Reason, Recording, Signal

PIPELINE = Pipeline()
SECONDS, SFREQ = 40.0, 128.0
# how much of a blink reaches an electrode, falling from the forehead to the back of the head
REACH = {
    "AF3": 0.80, "AF4": 0.80, "F7": 0.40, "F8": 0.40, "F3": 0.40, "F4": 0.40, "FC5": 0.23, "FC6": 0.23, "T7": 0.14,
    "T8": 0.14, "P7": 0.05, "P8": 0.05, "O1": 0.02, "O2": 0.02,
}  # fmt: skip
BLINK_UV = 300.0


@pytest.fixture(scope="module")
def truth() -> Recording:
    return simulate.recording(seed=1, duration_s=SECONDS, inputs="eeg")


@pytest.fixture(scope="module")
def blinks() -> np.ndarray:
    rng = np.random.default_rng(7)
    time_s = np.arange(round(SECONDS * SFREQ)) / SFREQ
    at = np.cumsum(rng.uniform(2.0, 5.0, 10))
    return sum(rng.uniform(0.7, 1.3) * np.exp(-0.5 * ((time_s - t) / 0.08) ** 2) for t in at)


def spoilt(truth: Recording, blinks: np.ndarray, *, eog: bool) -> Recording:
    """The truth with blinks and an offset as recorders have it; with an EOG channel if asked for."""
    eeg = [replace(s, data=(s.data + 4200 + BLINK_UV * REACH[s.name] * blinks).astype("f4")) for s in truth.signals]
    noise = 20 * np.random.default_rng(8).standard_normal(len(blinks))
    extra = [Signal("VEOG", "eog", "µV", SFREQ, (300 * blinks + noise).astype("f4"))] if eog else []
    return Recording((*eeg, *extra))


@pytest.fixture(scope="module")
def with_eog(truth, blinks) -> tuple[Recording, cleaning.Ocular]:
    recording = spoilt(truth, blinks, eog=True)
    return recording, cleaning.ocular(recording, PIPELINE)


@pytest.fixture(scope="module")
def without_eog(truth, blinks) -> tuple[Recording, cleaning.Ocular]:
    recording = spoilt(truth, blinks, eog=False)
    return recording, cleaning.ocular(recording, PIPELINE)


def r(a: np.ndarray, b: np.ndarray) -> float:
    return abs(float(np.corrcoef(a, b)[0, 1]))


@pytest.mark.parametrize("eog", [True, False], ids=["with an EOG", "by the frontal channels"])
def test_planted_blinks_are_taken_out_and_the_eeg_behind_them_is_kept(truth, blinks, with_eog, without_eog, eog):
    recording, found = with_eog if eog else without_eog
    assert found.against == (("VEOG",) if eog else ("AF3", "AF4")) and found.proxy is not eog
    assert len(found.drop) == 1 and found.strongest[found.drop[0]] > 0.9
    clean = cleaning.without(recording, found, found.drop)
    for was, now, true in zip(recording.signals, clean.signals, truth.signals, strict=False):
        assert r(now.data, blinks) < 0.2
        if was.name in ("AF3", "AF4"):
            assert r(was.data, blinks) > 0.8
        if was.name in ("P7", "P8", "O1", "O2"):
            assert r(now.data, true.data) > 0.95
    weights = np.abs(found.mixing[:, found.drop[0]])
    assert {found.channels[i] for i in np.argsort(-weights)[:2]} == {"AF3", "AF4"}
    assert clean.of_type("eog") == recording.of_type("eog"), "the EOG itself is left alone"


def test_a_clean_signal_is_untouched_bit_for_bit(truth):
    found = cleaning.ocular(truth, PIPELINE)
    assert found.proxy and found.strongest.max() > 0.3 and found.drop == ()
    noise = Signal("VEOG", "eog", "µV", SFREQ, np.random.default_rng(3).standard_normal(5120).astype("f4") * 50)
    calm = replace(truth, signals=(*truth.signals, noise))
    asked, notices = cleaning.cleaned(calm, Reading(ocular=("auto",)), PIPELINE)
    assert asked is calm and notices[0].code == "W-OCULAR" and "No component follows VEOG" in notices[0].text
    untold, notices = cleaning.cleaned(calm, Reading(), PIPELINE)
    assert untold is calm and notices == ()


def test_below_0_3_nothing_is_dropped_and_never_more_than_two(blinks, with_eog, monkeypatch):
    recording, _ = with_eog
    eog = recording.signals[-1]
    rng = np.random.default_rng(5)
    # an EOG whose noise hides the blinks
    faint = replace(eog, data=(300 * blinks + 1000 * np.std(blinks) * rng.standard_normal(len(blinks))).astype("f4"))
    monkeypatch.setattr(cleaning, "EYE_HZ", (1.0, 50.0))
    found = cleaning.ocular(replace(recording, signals=(*recording.signals[:-1], faint)), PIPELINE)
    assert 0.1 < found.strongest.max() < 0.3 and found.drop == ()
    monkeypatch.setattr(cleaning, "LEAST_R", 0.0)
    assert len(cleaning.ocular(recording, PIPELINE).drop) == 2


def test_the_same_seed_gives_the_same_components(without_eog):
    recording, one = without_eog
    two = cleaning.ocular(recording, PIPELINE)
    np.testing.assert_array_equal(one.mixing, two.mixing)
    assert one.drop == two.drop
    copy = cleaning.from_arrays(cleaning.as_arrays(one))
    np.testing.assert_array_equal(copy.r, one.r)
    assert (copy.channels, copy.drop, copy.reason, copy.proxy) == (one.channels, one.drop, None, True)


def test_a_bad_channel_takes_no_part_and_gaps_stay_gaps(truth, blinks):
    recording = spoilt(truth, blinks, eog=True)
    data = recording.signals[6].data.copy()
    data[1000:1256] = np.nan
    signals = tuple(replace(s, data=data) if i == 6 else s for i, s in enumerate(recording.signals))
    recording = cleaning.marked(replace(recording, signals=signals), Reading(bad=("T7",)))
    found = cleaning.ocular(recording, PIPELINE)
    assert "T7" not in found.channels and len(found.channels) == 13
    clean = cleaning.without(recording, found, found.drop)
    by_name = {s.name: s for s in clean.signals}
    np.testing.assert_array_equal(by_name["T7"].data, recording.signals[4].data)
    np.testing.assert_array_equal(np.isnan(by_name["O1"].data), np.isnan(data))
    assert all(np.isfinite(s.data).all() for n, s in by_name.items() if n != "O1")


def test_a_reading_names_components_by_hand_and_the_chain_uses_it_only_then(truth, with_eog):
    recording, found = with_eog
    assert cleaning.chosen(found, ("auto",)) == found.drop
    assert cleaning.chosen(found, ("3", "0", "99", "x")) == (0, 3)
    plain = pipeline.analyse(recording, None)
    clean = pipeline.analyse(recording, None, reading=Reading(ocular=("auto",)))
    flags = [{f for q in s.quality.signals if q.name == "AF3" for f in q.flags} for s in (plain, clean)]
    assert "amplitude" in flags[0] and "amplitude" not in flags[1]
    # engagement, ln beta / (alpha + theta) of the frontal channels, is pulled down by the theta of blinks
    true = pipeline.analyse(truth, None).measure("engagement").value
    said = [s.measure("engagement").value for s in (plain, clean)]
    assert said[1] is not None and (said[0] is None or abs(said[1] - true) < abs(said[0] - true))


@pytest.mark.parametrize(
    ("names", "seconds", "reason"),
    [((), 40, Reason.MISSING_CHANNEL), (("AF3", "AF4", "O1"), 40, Reason.TOO_FEW), (("AF3", "AF4", "O1", "O2"), 12,
     Reason.TOO_SHORT)],
)  # fmt: skip
def test_what_cannot_be_decomposed_says_why(truth, names, seconds, reason):
    n = round(seconds * SFREQ)
    signals = tuple(replace(s, data=s.data[:n]) for s in truth.signals if s.name in names)
    ecg = Signal("ECG", "ecg", "mV", SFREQ, np.zeros(n, dtype="f4"))
    found = cleaning.ocular(Recording((*signals, ecg)), PIPELINE)
    assert found.reason == reason and found.drop == () and len(found) == 0 and found.text.endswith(".")


def test_real_recordings_are_decomposed_or_say_why(shared_data):
    formats = shared_data / "formats"
    short = read([InputFile(p.name, str(p)) for p in sorted((formats / "brainvision").iterdir())])
    assert cleaning.ocular(short, PIPELINE).reason == Reason.TOO_SHORT
    path = formats / "edf" / "openbci_v6_40s_converted.edf"
    headset = read([InputFile(path.name, str(path))])
    found = cleaning.ocular(headset, PIPELINE)
    # no EOG, and no name says where an electrode lies: components, but none that would be dropped
    assert found.reason is None and len(found) >= 4 and found.against == () and found.drop == ()
    assert "by hand" in found.text


def test_marks_of_a_person_and_bad_annotations_take_channels_and_windows_out(truth):
    marked = cleaning.marked(truth, Reading(bad=("T7",), marks=((20.0, 10.0, "bad_cough"),)))
    assert Annotation(20.0, 10.0, "bad_cough") in marked.annotations
    verdict = quality.assess(marked, PIPELINE)
    by_name = {s.name: s for s in verdict.signals}
    assert by_name["T7"].bad and by_name["T7"].flags == ("marked",) and not by_name["O1"].bad
    eeg = verdict.of("eeg")
    assert eeg is not None
    touched = (verdict.onset_s < 30) & (verdict.onset_s + 4 > 20)
    np.testing.assert_array_equal(eeg.usable, ~touched)
    assert eeg.reasons[0] == "EEG: T7 is marked as bad, left out"
    assert eeg.reasons[-1] == "EEG: most often the signal is marked as bad"
