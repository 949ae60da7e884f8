"""Published nets say of a person's recording exactly what their evaluation would say of the same windows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core import aggregate, simulate
from core import pipeline as chain
from core.evaluation import experiment
from core.evaluation.dataset import prepare
from core.models import MODELS, bundle, seen
from core.services import approval
from core.services.clinic import sessions
from core.services.research import explanations, models
from core.storage.store import Store
from core.studies import folder
from core.types import InputFile, Recording
from tests.core.models.nets import NETS, head, here, own, publish, small
from tests.core.services.research.test_experiments import NOW


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A site that published a small net of each kind, from one study."""
    place = tmp_path_factory.mktemp("nets")
    opened = Store(f"sqlite:///{place / 'a.sqlite3'}", data_dir=place)
    with pytest.MonkeyPatch.context() as patch:
        publish(opened, patch)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def published_here(store, monkeypatch):
    here(store, monkeypatch)


def found(store, name):
    """A net's bundle and the dataset that it was trained on."""
    used = bundle.by_name(own(name))
    types = tuple(used.required)
    study = folder.load(store.data_dir / "studies", "small")
    signals = MODELS[name].takes == "signals"
    return used, study, prepare(study, chain.site_pipeline(used.pipeline), types, signals=signals)


@pytest.mark.parametrize("name", NETS)
def test_the_clinic_says_of_a_trial_what_the_evaluation_says(store, name):
    used, study, data = found(store, name)
    for trial in study.trials[:2]:
        rows = np.flatnonzero((data.subject == trial.subject) & (data.trial == trial.trial))
        x, told_by = experiment.seen_by(data, rows, data.types, MODELS[name].takes)
        expected = used.predict(x, used.pipeline.hash)[told_by]
        said = chain.analyse(folder.recording(trial), used)
        assert said.status == "ok" and len(said.prediction.onset_s) == len(rows) > 1
        assert np.abs(said.prediction.proba - expected).max() < 1e-6
        assert said.measure("arousal").value == pytest.approx(float(expected.mean()), abs=1e-6)


@pytest.mark.parametrize("name", ["eegnet", "bilstm_attention"])
def test_training_again_gives_the_same_numbers(store, monkeypatch, name):
    small(monkeypatch, name)
    again = models.train(store, "small", ["arousal"], name, NETS[name][0], publish=f"{own(name)}-again", now=NOW)
    first = models.card(store, own(name))
    assert {**again, "name": 0, "files": 0} == {**first, "name": 0, "files": 0}
    assert again["files"]["model.safetensors"] == first["files"]["model.safetensors"]


def test_a_card_says_what_its_net_is_shown_and_what_a_prediction_is_of(store):
    eegnet = models.card(store, "eegnet")
    assert eegnet["seen"]["takes"] == "signals" and len(eegnet["seen"]["channels"]["eeg"]) == 14
    assert eegnet["seen"]["rates"] == {"eeg": 128}
    assert eegnet["fitted"]["scaler"] == "card" and "model.safetensors" in eegnet["files"]
    gated = models.card(store, "cnn-lstm")
    assert gated["training"]["fusion"] == "intermediate" and eegnet["training"]["fusion"] == "early"
    assert gated["seen"]["rates"] == {"eeg": 128, "ecg": 256}
    trials = models.card(store, "bilstm-attention")
    assert trials["seen"]["longest"] == 5 and "stretch of at most 5 windows" in trials["seen"]["each"]
    assert all(card["drift"]["features"] for card in (eegnet, trials))
    assert {row["state"] for row in models.available(store) if row["path_kind"] == "site"} == {"approved"}


def test_a_longer_session_is_told_in_stretches_no_longer_than_a_trial(store):
    used = bundle.by_name("bilstm-attention")
    said = chain.analyse(head(30.0), used)
    column = said.prediction.proba[:, 0]
    assert len(column) == 14 and said.prediction.shared == 5
    changes = np.flatnonzero(np.diff(column)) + 1
    assert np.array_equal(changes, np.flatnonzero(np.diff(seen.stretches(14, 5))) + 1)
    value = said.measure("arousal")
    assert value.low <= value.value <= value.high
    assert aggregate.block_bootstrap(column, 5)[0] < aggregate.block_bootstrap(column, 5)[1]
    value = chain.analyse(head(12.0), used).measure("arousal")
    assert used.spreads["arousal"] == 0 and (value.low, value.high) == (0, 1), "one stretch: nothing tells how sure"


def test_stretches_are_of_about_one_length_and_never_longer():
    for n in range(60):
        for longest in (1, 2, 5, 29):
            each = np.bincount(seen.stretches(n, longest)) if n else np.array([], dtype=int)
            assert each.sum() == n and (each <= longest).all()
            assert np.ptp(each) <= 1 if n else not len(each)


def test_a_row_that_was_drawn_twice_is_one_window_of_its_sequence():
    of, onset_s = np.array([0, 0, 1, 1, 2, 2, 4, 3, 4]), np.array([0, 0, 2, 2, 4, 4, 2, 0, 2.0])
    unit = np.array(["a"] * 6 + ["b"] * 3)
    x, told_by = seen.shown("sequence", pd.DataFrame({"x": of}), {}, unit, onset_s, 3)
    assert x["mask"].tolist() == [[True] * 3, [True, True, False]]
    assert x["sequence"][0, :, 0].tolist() == [0, 1, 2] and x["sequence"][1, :2, 0].tolist() == [3, 4]
    assert told_by.tolist() == [0] * 6 + [1] * 3


@pytest.mark.parametrize("name", NETS)
def test_whatever_is_recorded_there_are_numbers_or_a_reason(store, name):
    used = bundle.by_name(own(name))
    whole = head()
    rng = np.random.default_rng(0)
    bad = [replace(s, data=np.full(len(s.data), np.nan, np.float32)) if s.name in ("AF3", "ECG2") else s
           for s in whole.signals]  # fmt: skip
    gap = [replace(s, data=np.where(np.arange(len(s.data)) // s.sfreq == 9, np.nan, s.data)) for s in whole.signals]
    renamed = [replace(s, name=f"lead {i}") if s.type == "ecg" else s for i, s in enumerate(whole.signals)]
    noise = [replace(s, data=(400 * rng.standard_normal(len(s.data))).astype(np.float32)) for s in whole.signals]
    recordings = {
        "bad channels": Recording(tuple(bad)), "a gap": Recording(tuple(gap)), "five seconds": head(5.0),
        "another rate": head(sfreq_eeg=250.0, sfreq_ecg=500.0),
        "other names": Recording(tuple(renamed)), "one lead": replace(whole, signals=whole.signals[:-1]),
        "noise": Recording(tuple(noise)), "nothing": Recording(tuple(replace(s, data=0 * s.data) for s in bad)),
    }  # fmt: skip
    for case, recording in recordings.items():
        said = chain.analyse(recording, used)
        value = said.measure("arousal")
        assert value.value is not None or value.reason is not None, case
        if value.value is not None:
            assert 0 <= value.low <= value.value <= value.high <= 1, case
    for case in ("bad channels", "five seconds", "another rate", "other names", "one lead"):
        assert chain.analyse(recordings[case], used).status == "ok", case


def test_leads_of_another_name_are_the_same_leads_and_a_missing_one_is_said(store):
    used, whole = bundle.by_name("cnn-lstm"), head()
    renamed = [replace(s, name=f"lead {i}") if s.type == "ecg" else s for i, s in enumerate(whole.signals)]
    a, b = (chain.analyse(r, used) for r in (whole, replace(whole, signals=tuple(renamed))))
    assert np.array_equal(a.prediction.proba, b.prediction.proba)
    one = chain.analyse(replace(whole, signals=whole.signals[:-1]), used)
    [said] = [n for n in one.notices if n.code == "W-CHANNELS"]
    assert "1 of 2 ECG channels" in said.text and not [n for n in a.notices if n.code == "W-CHANNELS"]


def test_the_same_recording_at_another_rate_is_told_nearly_the_same(store):
    from scipy.signal import resample_poly

    fast = head(sfreq_eeg=256.0)
    slow = replace(fast, signals=tuple(
        replace(s, sfreq=128.0, data=resample_poly(s.data, 1, 2)) if s.type == "eeg" else s for s in fast.signals
    ))  # fmt: skip
    p, q = (chain.analyse(r, bundle.by_name("tangent")).measure("arousal").value for r in (fast, slow))
    assert p == pytest.approx(q, abs=0.05)


@pytest.fixture(scope="module")
def analysed(store, tmp_path_factory):
    """A session of 30 s by each of three nets."""
    edf = tmp_path_factory.mktemp("files") / "visit.edf"
    simulate.write_edf(head(30.0), edf)
    with pytest.MonkeyPatch.context() as patch:
        here(store, patch)
        return {
            name: sessions.analyse(store, [InputFile(edf.name, str(edf))], f"P-000{i}", now=NOW, model=own(name))
            for i, name in enumerate(("eegnet", "bilstm_attention", "cnn_lstm"), 1)
        }


@pytest.mark.parametrize("name", ["eegnet", "bilstm_attention", "cnn_lstm"])
def test_why_adds_up_to_the_index_of_a_net(store, analysed, name):
    session = analysed[name]["session"]
    assert explanations.why_not(store, session) == ""
    series = sessions.windows(store, session)
    told = explanations.of_session(store, session)
    said = told["targets"]["arousal"]
    assert said["method"] == "integrated gradients" and len(told["onset_s"]) == len(said["total"])
    at = np.searchsorted(series.onset_s, told["onset_s"])
    assert np.allclose(1 / (1 + np.exp(-np.array(said["total"]))), series.proba["arousal"][at], atol=1e-2)
    assert {r["name"] for r in said["modality"]["rows"]} == set(bundle.by_name(own(name)).required)
    parts = np.sum(list(said["modality"]["windows"].values()), axis=0)
    if name == "bilstm_attention":
        stretch = seen.stretches(len(parts), 5)
        parts, totals = np.bincount(stretch, parts), np.array(said["total"])[np.unique(stretch, return_index=True)[1]]
        assert np.allclose(said["base"] + parts, totals, atol=2e-2)
        weight = np.array(told["attention"]["arousal"]) * len(stretch) / np.bincount(stretch)[stretch]
        assert np.allclose(np.bincount(stretch, weight), 1, atol=1e-4)
    else:
        assert np.allclose(said["base"] + parts, said["total"], atol=2e-2)
        assert said["columns"][0]["name"].split(" ")[0] in ("eeg", "ecg")


def test_what_would_change_holds_stored_sessions_under_a_net(store, analysed):
    found = models.what_would_change(store, "eegnet")
    assert found["n_sessions"] == 3 and len(found["rows"]) >= 3
    assert all("value" in row["with_it"] for row in found["rows"] if row["target"] == "arousal")


def test_a_net_is_retired_and_approved_again(store):
    models.retire(store, "tangent", "no longer needed", NOW)
    with pytest.raises(Exception, match="E-MODEL-RETIRED"):
        approval.require(store, "tangent")
    models.approve(store, "tangent", "needed after all", NOW)
    approval.require(store, "tangent")
