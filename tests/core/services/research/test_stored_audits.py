from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core import compute
from core.errors import Refused
from core.evaluation.validity import leak_audit
from core.services import handlers, jobs
from core.services.research import audits, experiments, studies
from core.settings import settings
from core.storage.store import Store
from core.studies import folder
from tests.core.services.research.test_experiments import inline

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    place = tmp_path_factory.mktemp("site")
    opened = Store(f"sqlite:///{place / 'a.sqlite3'}", data_dir=place)
    studies.simulate(opened, "small", subjects=5, trials=4, trial_s=12.0, effect=0.0, inputs="eeg", now=NOW)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def here(monkeypatch, store):
    monkeypatch.setattr(compute, "executor", inline())
    monkeypatch.setattr(settings(), "data_dir", store.data_dir)


def test_a_leak_audit_stores_its_experiments_and_its_result_and_is_run_once(store, monkeypatch):
    told = []
    answer = audits.leak_audit(
        store, "small", "valence", "logistic", "eeg", now=NOW, progress=lambda share, words: told.append(share)
    )
    assert set(answer["premium"]) == {"value", "low", "high"} and list(answer["scores"]) == list(leak_audit.COMPARED)
    assert answer["premium"]["value"] == pytest.approx(
        answer["scores"]["random_window"] - answer["scores"]["nested_loso"]
    )
    checks = {c["name"]: c for c in answer["checks"]}
    assert all(set(c) == {"name", "outcome", "evidence"} for c in checks.values())
    assert {c["outcome"] for c in checks.values()} == {"pass"}
    assert "experiments stored on this study and target: 5" in checks["test set used again"]["evidence"]
    assert "hashes of 20 files known" in checks["same data across subjects"]["evidence"]
    assert "the same features" in checks["labels in features"]["evidence"]
    assert {e.split: e.id for e in experiments.all_experiments(store)} == answer["experiments"]
    scores = experiments.as_json(store, answer["experiments"]["loso"])["window"]
    assert answer["scores"]["loso"] == pytest.approx(scores["balanced_accuracy"]["value"])
    assert told == sorted(told) and told[-1] == 1.0

    monkeypatch.setattr(leak_audit, "checks", lambda *a, **k: pytest.fail("a stored audit was made again"))
    assert audits.leak_audit(store, "small", "valence", "logistic", "eeg", now=NOW) == answer
    [line] = audits.results(store, "leak_audit")
    assert (line.study, line.model, line.result) == ("small", "logistic", answer)


def test_a_leak_audit_is_a_job(store):
    params = {"study": "small", "target": "valence", "model": "logistic", "inputs": "eeg"}
    job = jobs.submit(store, "leak_audit", params, now=NOW)
    assert jobs.claim(store, "w", now=NOW).id == job.id
    handlers.execute(store.url, job.id)
    done = jobs.get(store, job.id)
    assert done.state == "done" and set(done.result) == {"premium", "experiments"}


def test_an_audit_of_a_run_that_was_given_a_score_is_given_it_too_and_is_another_audit(store):
    trials = [
        folder.Planned(f"S{i}", f"T{k}", {"valence": 1.0 + 4 * (k % 2)}, {"ei": str(80 + i)},
                       features={"ecg_a": (i * 7 + k * 3) % 5 + k % 2, "ecg_b": (i * 3 + k * 5) % 7})
        for i in range(6) for k in range(4)
    ]  # fmt: skip
    source = folder.Source("made", "none", {"valence": (1.0, 5.0, 3.0)}, ("ecg",), trials, len(trials))
    folder.write(studies.root(store), "scored", source)
    asked = ("scored", "valence", "logistic", "ecg")
    found = audits.leak_audit(store, *asked, options={"groups": ["ei"]}, now=NOW)
    assert found["groups"] == ["ei"]
    assert {e.groups for e in experiments.all_experiments(store) if e.study == "scored"} == {("ei",)}
    columns = next(c for c in found["checks"] if c["name"] == "id-like columns")
    assert columns["outcome"] == "fail" and "group_ei" in columns["evidence"]
    assert audits.stored_audit(store, *asked) is None, "an audit with the score is none of the model without it"
    with pytest.raises(Refused, match="no scores iq"):
        audits.leak_audit(store, *asked, options={"groups": ["iq"]}, now=NOW)
