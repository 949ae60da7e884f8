from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from core import compute, simulate
from core.errors import NotFound, Refused
from core.evaluation import explain
from core.models import bundle as bundles
from core.services import handlers, jobs
from core.services.clinic import measures, sessions
from core.services.research import experiments, explanations, studies
from core.settings import SAMPLES, settings
from core.storage.store import Store
from core.types import InputFile
from tests.core.services.research.test_experiments import NOW, inline


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A site with a session that the demonstration model predicted, one without a model, and imported values."""
    folder = tmp_path_factory.mktemp("why")
    opened = Store(f"sqlite:///{folder / 'a.sqlite3'}", data_dir=folder)
    edf, heart = SAMPLES / "simulated-eeg-ecg.edf", folder / "ecg.edf"
    whole = simulate.recording(seed=1, duration_s=20)
    simulate.write_edf(replace(whole, signals=whole.of_type("ecg")), heart)
    sessions.analyse(opened, [InputFile(edf.name, str(edf))], "P-0001", now=NOW, model="demo-eeg-ecg")
    sessions.analyse(opened, [InputFile(heart.name, str(heart))], "P-0002", now=NOW)
    table = folder / "m.csv"
    table.write_text(f"patient,started_at,measure,value\nP-0003,{NOW.isoformat()},valence,0.5\n")
    measures.import_csv(opened, table, now=NOW)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def found(store):
    return explanations.of_session(store, "P-0001/S-01")


def test_contributions_of_a_session_add_up_to_the_index_that_was_shown(store, found):
    series = sessions.windows(store, "P-0001/S-01")
    assert found["demonstration"] is True and found["model"] == "demo-eeg-ecg"
    used = series.usable
    assert np.allclose(found["onset_s"], series.onset_s[used])
    for target, told in found["targets"].items():
        p = 1 / (1 + np.exp(-np.array(told["total"])))
        assert np.allclose(p, series.proba[target][used], atol=1e-5)
        for kind in explain.BY:
            parts = np.sum(list(told[kind]["windows"].values()), axis=0)
            assert np.allclose(told["base"] + parts, told["total"], atol=1e-4)
            assert sum(r["share"] for r in told[kind]["rows"]) == pytest.approx(1, abs=1e-4)
        assert {r["name"] for r in told["modality"]["rows"]} == {"eeg", "ecg"}


def test_it_is_computed_once_and_kept_under_a_name_that_names_nobody(store, found, monkeypatch):
    monkeypatch.setattr(explain, "of_bundle", lambda *_: pytest.fail("computed again"))
    assert explanations.of_session(store, "P-0001/S-01") == found == json.loads(json.dumps(found))
    [file] = (store.data_dir / "cache" / "explanations").iterdir()
    assert "P-0001" not in file.name


def test_a_session_without_a_number_of_ours_says_why(store, found, monkeypatch):
    assert explanations.why_not(store, "P-0001/S-01") == ""
    assert explanations.why_not(store, "P-0002/S-01") == "no_model"
    assert explanations.why_not(store, "P-0003/S-01") == "imported"
    with pytest.raises(Refused) as refused:
        explanations.of_session(store, "P-0003/S-01")
    assert refused.value.code == "E-WHY"
    with pytest.raises(NotFound):
        explanations.why_not(store, "P-0009/S-01")
    monkeypatch.setattr(bundles, "by_name", lambda name: None)
    assert explanations.why_not(store, "P-0001/S-01") == "model_gone"
    monkeypatch.undo()
    monkeypatch.setattr(type(store.blobs), "has", lambda self, digest: False)
    assert explanations.why_not(store, "P-0001/S-01") == "recording_gone"


def test_an_experiment_is_explained_by_a_job_and_kept_beside_its_curves(store, monkeypatch):
    monkeypatch.setattr(compute, "executor", inline())
    monkeypatch.setenv("AFFECTLINE_DATA_DIR", str(store.data_dir))
    settings.cache_clear()
    studies.simulate(store, "tiny", subjects=4, trials=4, trial_s=10.0, effect=3.0, inputs="ecg", now=NOW)
    name = experiments.evaluate(store, "tiny", "valence", "logistic", "ecg", now=NOW)["experiment"]
    assert explanations.kept_of_experiment(store, name) is None
    job = jobs.submit(store, "explain", {"experiment": name}, now=NOW)
    assert explanations.last_job(store, {"experiment": name}).id == job.id
    jobs.claim(store, "w", now=NOW)
    handlers.execute(store.url, job.id)
    assert jobs.get(store, job.id).state == "done", jobs.get(store, job.id).error
    told = explanations.kept_of_experiment(store, name)
    assert (store.data_dir / "experiments" / name / "explanation.json").is_file()
    assert len(told["folds"]) == 3 and told["contributions"]["method"] == "linear, exact"
    assert {r["name"] for r in told["permutation"]["modality"]} == {"ecg"}
    assert explanations.of_experiment(store, name) == told
    with pytest.raises(NotFound):
        explanations.of_experiment(store, "E-0999")
    settings.cache_clear()
