"""A study as windows: through the clinic's chain, kept on disk, whatever the trials lack."""

from dataclasses import replace

import numpy as np
import pytest

from core import pipeline as chain
from core import simulate
from core.dsp.montage import HYDROCEL_128, reduced
from core.errors import Refused
from core.evaluation import dataset, experiment
from core.evaluation.experiment import Spec
from core.models import seen
from core.services.research import studies
from core.settings import EPOC_14
from core.studies import folder, simulated
from core.types import Pipeline, Recording, Signal, Study, Trial


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    return folder.write(root, "tiny", simulated.source(subjects=3, trials=2, trial_s=10, effect=1.0, seed=1))


@pytest.fixture(scope="module")
def kept(study, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return cache, dataset.prepare(study, Pipeline(), ("eeg", "ecg"), signals=True, cache=cache)


def ready_study(**features):
    trials = tuple(
        Trial(f"S{s}", f"T{t}", {"valence": 4.0 + s - t}, {}, "", {k: v + s + t for k, v in features.items()})
        for s in range(3) for t in range(4)
    )  # fmt: skip
    return Study("ready", "", "", trials, {"valence": (1.0, 9.0, 5.0)}, (), high={"valence": ">="})


def test_rows_are_what_the_clinics_chain_makes_of_each_trial(study, kept):
    _, found = kept
    for k, trial in enumerate(study.trials):
        recording = folder.recording(trial)
        prepared = chain.features_of(recording, Pipeline(), ("eeg", "ecg"))
        keep = prepared.usable(("eeg", "ecg")) & ~chain.in_baseline(recording, prepared.windows)
        own = found.unit == k
        columns = list(found.features.columns)
        assert np.array_equal(found.onset_s[own], prepared.windows.onset_s[keep])
        assert np.array_equal(
            found.features.to_numpy()[own], prepared.table.loc[keep, columns].to_numpy(), equal_nan=True
        )
        at128 = np.stack([prepared.windows.data[name][keep] for name in EPOC_14], axis=1)
        assert np.array_equal(found.signals["eeg"][own], at128.astype(np.float32))
    assert found.signals["ecg"].shape[1:] == (2, 1024) and found.channels["ecg"] == ("ECG1", "ECG2")
    assert found.channels["eeg"] == EPOC_14 and found.pipeline_hash == Pipeline().hash and len(found.sha256) == 64


def test_a_dataset_is_prepared_once_and_mapped_from_disk(study, kept):
    cache, found = kept
    said = []
    again = dataset.prepare(
        study, Pipeline(), ("ecg", "eeg"), signals=True, cache=cache, progress=lambda *a: said.append(a)
    )
    assert not said and again.path == found.path
    assert isinstance(again.signals["eeg"], np.memmap)
    assert again.features.equals(found.features) and again.types == ("eeg", "ecg")
    assert [p.name for p in cache.iterdir()] == [found.path.name]  # nothing half done is left behind
    spec = Spec("tiny", "valence", "ecg", "logistic")
    a, b = experiment.fold_task(found.path, spec, 1), experiment.run_fold(found, spec, 1)
    assert a.p.tobytes() == b.p.tobytes()
    whole = dataset.prepare(study, Pipeline(), ("eeg", "ecg"))
    assert whole.path is None and whole.features.equals(found.features)


def test_another_pipeline_label_cut_or_input_is_another_dataset(study):
    def key(changed=study, pipeline=None, types=("ecg",)):
        return dataset._Plan(changed, pipeline or Pipeline(), types, False).key

    cut = replace(study, targets={**study.targets, "valence": (1.0, 5.0, 2.0)})
    relabelled = replace(study, trials=(replace(study.trials[0], labels={}), *study.trials[1:]))
    keys = {key(), key(cut), key(relabelled), key(pipeline=Pipeline(step_s=4.0)), key(types=("eeg",)),
            key(pipeline=Pipeline(line_hz=60.0))}  # fmt: skip
    assert len(keys) == 6 and key() == key()


def test_a_trial_that_lacks_a_signal_is_lost_and_one_that_lacks_a_label_serves_the_others(study, tmp_path):
    first = folder.recording(study.trials[0])
    no_ecg = Recording(first.of_type("eeg"), None, first.annotations)
    path = tmp_path / "x.npz"
    from core.readers import npz

    with path.open("wb") as out:
        npz.write(no_ecg, out)
    trials = (
        replace(study.trials[0], path=str(path)),
        replace(study.trials[1], labels={"arousal": 4.0}, groups={"stimulus": "film"}),
    )
    found = dataset.prepare(replace(study, trials=trials), Pipeline(), ("ecg",))
    assert found.n_lost == 1 and set(found.trial) == {study.trials[1].trial} and set(found.stimulus) == {"film"}
    assert len(found.rows("valence")) == 0 < len(found.rows("arousal")) == len(found)
    assert len(found.rows("valence+arousal")) == 0
    assert not found.high("valence").any() and found.high("arousal").all()


def test_ready_features_are_columns_of_their_type_and_a_row_a_trial():
    found = dataset.prepare(ready_study(ecg_BPM=60.0, skin_resistance_mean=3.0, age=40.0), Pipeline(), ("ecg", "eda"))
    assert found.columns == {"ecg": ("ecg_BPM",), "eda": ("skin_resistance_mean",)}  # age says no signal
    assert len(found) == 12 and found.onset_s.tolist() == [0.0] * 12
    assert found.features.ecg_BPM.tolist()[:4] == [60, 61, 62, 63]
    assert found.high("valence").tolist()[:8] == [False] * 4 + [True] + [False] * 3  # 5 is High of >=
    with pytest.raises(Refused, match="ecg"):
        dataset.prepare(ready_study(ecg_BPM=60.0), Pipeline(), ("eeg",))


def test_ready_features_that_say_who_or_when_are_never_learned_from_and_it_is_said():
    """S3-07: the early fusion of the source was fed the participant, response times and start times."""
    named = {"face_participant_id": 1.0, "face_responseTime": 2.0, "eda_start": 3.0, "face_joy_mean": 0.5, "age": 40.0}
    told = ready_study(**named)
    found = dataset.prepare(told, Pipeline(), ("face",))
    assert found.columns == {"face": ("face_joy_mean",)} and list(found.features) == ["face_joy_mean"]
    assert dataset.inputs_of(told) == ("face",), "what has identities alone is no input"
    said = dataset.no_features(told)
    assert "face_participant_id (participant), face_responseTime (response), eda_start (start)" in said
    assert "joy" not in said and dataset.no_features(ready_study(face_joy_mean=0.5)) == ""
    assert studies.summary(told)["notes"] == [said] and studies.summary(ready_study(age=40.0))["notes"] == []


def test_ready_features_stand_beside_those_of_the_windows(study):
    trials = tuple(replace(t, features={"face_joy_mean": 0.1 * i}) for i, t in enumerate(study.trials[:2]))
    found = dataset.prepare(replace(study, trials=trials), Pipeline(), ("ecg", "face"))
    assert found.types == ("ecg", "face") and found.features.columns[-1] == "face_joy_mean"
    for i in (0, 1):
        assert (found.features.face_joy_mean[found.unit == i] == 0.1 * i).all()


def recording(names, seconds=6, sfreq=128.0):
    rng = np.random.default_rng(0)
    return Recording(tuple(Signal(n, "eeg", "µV", sfreq, rng.standard_normal(round(seconds * sfreq))) for n in names))


def test_caps_and_nets_are_reduced_to_the_headsets_positions():
    net = recording([f"E{i + 1}" for i in range(128)])
    found = reduced(net, EPOC_14)
    assert {s.name for s in found.signals} == set(EPOC_14)
    by_name = {s.name: s for s in found.signals}
    for electrode, place in HYDROCEL_128.items():
        if place in EPOC_14:
            assert by_name[place].data is net.signals[int(electrode[1:]) - 1].data
    deap = (
        "Fp1 AF3 F3 F7 FC5 FC1 C3 T7 CP5 CP1 P3 P7 PO3 O1 Oz Pz Fp2 AF4 Fz F4 F8 FC6 FC2 Cz C4 T8 CP6 CP2 P4 P8 PO4 O2"
    )
    assert {s.name for s in reduced(recording(deap.split()), EPOC_14).signals} == set(EPOC_14)
    band = recording(["TP9", "AF7", "AF8", "TP10"])
    assert reduced(band, EPOC_14) is band
    unknown = recording([f"ch{i}" for i in range(20)])
    assert reduced(unknown, EPOC_14) is unknown


def test_signals_of_another_rate_and_missing_channels_fit_the_nets():
    slow = recording(["T7", "O1"], sfreq=512.0).signals
    time_s = np.arange(len(slow[0].data)) / 512
    sine = replace(slow[0], data=np.sin(2 * np.pi * 10 * time_s))
    found = seen.windows([sine, slow[1]], ("T7", "O2"), np.array([1.0, 2.0]), 4.0, 128)
    assert found.shape == (2, 2, 512) and np.isnan(found[:, 1]).all()
    expected = np.sin(2 * np.pi * 10 * (1.0 + np.arange(512) / 128))
    assert np.abs(found[0, 0] - expected).max() < 0.01


def test_a_level_stays_a_level_at_another_rate_to_the_edge_and_over_gaps():
    skin = Signal("TEMP", "temp", "°C", 4.0, np.full(80, 33.0))
    skin.data[30:38] = np.nan
    found = seen.windows([skin], ("TEMP",), np.array([0.0, 6.0, 16.0]), 4.0, 128)
    assert found.shape == (3, 1, 512) and np.abs(found - 33.0).max() < 1e-3


def test_a_study_without_a_usable_window_is_refused(tmp_path):
    flat = Recording(tuple(replace(s, data=0 * s.data) for s in simulate.recording(seed=1, duration_s=8).signals))
    from core.studies.folder import Planned, Source

    source = Source("x", "y", {"valence": (1.0, 5.0, 3.0)}, ("eeg", "ecg"),
                    [Planned("S1", "T1", {"valence": 4.0}, {}, lambda: flat)], 1)  # fmt: skip
    stored = folder.write(tmp_path, "flat", source)
    with pytest.raises(Refused, match="E-STUDY-EMPTY"):
        dataset.prepare(stored, Pipeline(), ("eeg",), cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
