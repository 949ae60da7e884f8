"""A cap or a net becomes what a headset would have seen: in studies and in the clinic the same numbers."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from core import caps, quality, simulate
from core import pipeline as chain
from core.dsp.montage import HYDROCEL_128, OLD_NAMES, POSITIONS_MM, reduced
from core.evaluation import dataset
from core.models import bundle
from core.services.clinic import sessions
from core.settings import EPOC_14, MODELS_SHIPPED
from core.storage.store import Store
from core.studies import folder
from core.studies.folder import Planned, Source
from core.types import Annotation, InputFile, Pipeline, Recording

NET = [f"E{i}" for i in range(1, 129)]
# an ordinary cap of 32 (actiCAP): without AF3 and AF4
CAP = [
    "Fp1", "Fz", "F3", "F7", "FT9", "FC5", "FC1", "C3", "T7", "TP9", "CP5", "CP1", "Pz", "P3", "P7", "O1", "Oz", "O2",
    "P4", "P8", "TP10", "CP6", "CP2", "Cz", "C4", "T8", "FT10", "FC6", "FC2", "F4", "F8", "Fp2",
]  # fmt: skip
# the 10-20 system as it was named before 1991: 10 of 14 positions
OLD = [
    "Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T3", "T4", "T5", "T6", "Fz", "Cz", "Pz",
]  # fmt: skip


def worn(names, seconds=30.0, seed=5) -> Recording:
    """EEG and ECG of one person through another cap: an electrode hears the simulated ones by their distance."""
    made = simulate.recording(seed=seed, duration_s=seconds)
    eeg = made.of_type("eeg")
    rng = np.random.default_rng(seed)
    clean = np.stack([s.data for s in eeg])
    at = np.array([POSITIONS_MM[s.name] for s in eeg], dtype=float)
    signals = []
    for name in names:
        place = POSITIONS_MM.get(OLD_NAMES.get(name, HYDROCEL_128.get(name, name)))
        if place is None:
            place = at[rng.integers(len(at))] + rng.normal(0, 10, 3)
        weight = np.exp(-((np.linalg.norm(at - np.array(place), axis=1) / 20) ** 2)) + 1e-3
        data = weight @ clean / weight.sum() + rng.normal(0, 1.0, clean.shape[1])
        signals.append(replace(eeg[0], name=name, data=data.astype(np.float32)))
    return replace(made, signals=(*signals, *made.of_type("ecg")))


@pytest.fixture(scope="module")
def demo():
    return bundle.load(MODELS_SHIPPED / "demo-eeg-ecg")


@pytest.mark.parametrize("names", [NET, CAP, OLD], ids=["net of 128", "cap of 32", "19 of the 10-20"])
def test_a_cap_is_predicted_by_a_model_of_the_headsets_positions_as_in_a_study(names, demo, tmp_path):
    recording = worn(names)
    assert demo.fits(recording)
    told = chain.analyse(recording, demo)
    assert told.status == "ok" and all(told.measure(t).value is not None for t in demo.targets)
    source = Source(
        "worn", "none", {"valence": (1, 9, 5)}, (), [Planned("S01", "1", {"valence": 7}, read=lambda: recording)], 1
    )
    study = folder.write(tmp_path, "worn", source)
    rows = dataset.prepare(study, demo.pipeline, ("eeg", "ecg"))
    p = demo.predict(rows.features, demo.pipeline.hash)
    assert np.array_equal(told.prediction.onset_s[np.isfinite(told.prediction.proba[:, 0])], rows.onset_s)
    assert np.array_equal(told.prediction.proba[np.isfinite(told.prediction.proba[:, 0])], p)


def test_it_is_said_which_channels_were_used_and_which_were_filled_in(demo):
    said = {names[0]: next(n for n in chain.analyse(worn(names), demo).notices if n.code == caps.CODE).text
            for names in (NET, CAP)}  # fmt: skip
    assert "Of 128 EEG channels the model is given 14: AF3 (E23), F7 (E33)" in said["E1"]
    assert "filled in" not in said["E1"] and "Their quality is good, that of all channels good." in said["E1"]
    assert "Of 32 EEG channels the model is given 12: F7, F3, FC5" in said["Fp1"]
    assert "Not recorded, and filled in by the model: AF3, AF4." in said["Fp1"]
    assert not [n for n in chain.analyse(worn(EPOC_14), demo).notices if n.code == caps.CODE]


def test_what_a_model_of_few_positions_lacks_is_said_of_a_recording_that_is_no_cap_too(demo):
    needed = ["F7", "F3", "T7", "P7", "O1", "O2", "P8", "T8", "F4", "F8"]  # those of the 10-20 system
    signals = demo.card.signals.model_copy(update={"required": {"eeg": needed, "ecg": []}})
    few = replace(demo, card=demo.card.model_copy(update={"signals": signals}))
    recording = worn([*needed[:8], "Fp1", "Fp2", "Cz", "Pz"])
    assert few.fits(recording)
    [said] = [n.text for n in chain.analyse(recording, few).notices if n.code == caps.CODE]
    assert said == (
        "Of 12 EEG channels the model is given 8: F7, F3, T7, P7, O1, O2, P8, T8. "
        "Not recorded, and filled in by the model: F4, F8."
    )
    assert not [n for n in chain.analyse(worn(needed), few).notices if n.code == caps.CODE]


def test_the_quality_shown_has_every_channel_of_the_file_and_the_grade_of_those_used(demo):
    recording = worn(NET)
    wrecked = replace(recording, signals=tuple(
        replace(s, data=np.zeros_like(s.data)) if s.type == "eeg" and s.name not in HYDROCEL_128 else s
        for s in recording.signals
    ))  # fmt: skip
    told = chain.analyse(wrecked, demo)
    assert [s.name for s in told.quality.signals] == [s.name for s in wrecked.signals]
    assert told.quality.bad_names("eeg") == set(NET) - set(HYDROCEL_128)
    assert told.status == "ok" and str(told.quality.of("eeg").grade) == "good"
    assert any("that of all channels poor" in n.text for n in told.notices)
    # and the other way round: what is used is bad, the rest is not
    used = {e for e, place in HYDROCEL_128.items() if place in EPOC_14}
    told = chain.analyse(replace(recording, signals=tuple(
        replace(s, data=np.zeros_like(s.data)) if s.name in used else s for s in recording.signals
    )), demo)  # fmt: skip
    assert told.status == "abstained" and str(told.measure("valence").reason) == "low_quality"
    assert told.quality.bad_names("eeg") == used


def test_a_model_without_eeg_leaves_a_cap_as_it_is_and_says_nothing_of_it(tmp_path):
    wrist = bundle.load(MODELS_SHIPPED / "wearable-stress")
    band, off = simulate.wrist(seed=5, duration_s=90.0), {"Fz", "Cz", "Pz", "C3", "C4"}  # none is of the headset
    eeg = worn(CAP, seconds=90.0).of_type("eeg")
    recording = replace(band, signals=(*eeg, *band.of_type("eda"), *band.of_type("ppg")))
    broken = replace(recording, signals=tuple(
        replace(s, data=0 * s.data) if s.name in off else s for s in recording.signals
    ))  # fmt: skip
    told = chain.analyse(broken, wrist)
    assert told.model.name == "wearable-stress" and not [n for n in told.notices if n.code == caps.CODE]
    assert told.quality.bad_names("eeg") == off and str(told.quality.of("eeg").grade) == "degraded"
    file = simulate.write_edf(broken, tmp_path / "visit.edf")
    with closing(Store(f"sqlite:///{tmp_path / 'a.sqlite3'}", data_dir=tmp_path)) as store:
        found = sessions.inspect(store, [InputFile(file.name, str(file))], model=wrist.name)
    assert not [n for n in found.notices if n.code == caps.CODE]
    assert {t["type"]: t["grade"] for t in found.quality["types"]}["eeg"] == "degraded"


def test_markers_are_those_of_the_whole_cap_whatever_model_there_is(demo):
    recording = worn(CAP)
    markers = [[m for m in chain.analyse(recording, b).measures if m.kind == "marker"] for b in (None, demo)]
    assert markers[0] == markers[1] and any(m.name == "alpha_peak" for m in markers[0])


def test_a_headset_with_a_channel_less_is_no_cap_and_a_cap_that_lacks_too_much_does_not_fit(demo):
    head = worn(EPOC_14, seconds=8)
    assert demo.fits(head)
    assert not demo.fits(replace(head, signals=head.signals[1:])), "13 of 14: its own device lost one"
    assert demo.fits(worn(OLD, seconds=8)) and not demo.fits(worn([n for n in OLD if n != "O1"], seconds=8))
    assert not demo.fits(worn([f"x{i}" for i in range(32)], seconds=8))


def test_marks_go_with_their_channel_and_those_of_others_are_left():
    recording = replace(worn(NET, seconds=8), annotations=(
        Annotation(1, 1, "BAD_pad@@E23"), Annotation(2, 1, "BAD_pad@@E1"), Annotation(3, 1, "film"),
    ))  # fmt: skip
    found = reduced(recording, EPOC_14)
    assert [a.description for a in found.annotations] == ["BAD_pad@@AF3", "film"]
    flags = {s.name: s.flags for s in quality.assess(found, Pipeline()).signals}
    assert "marked" in flags["AF3"] and "marked" not in flags["F7"]
