"""Which jobs are at an experiment: every kind that runs any, and no job of another one."""

import pytest

from core.services import jobs
from core.services.jobs import KINDS
from core.services.research import run_jobs
from core.storage.store import Store
from tests.core.services.research.test_experiments import NOW

RUN = {
    "study": "demo", "target": "valence", "model": "logistic", "inputs": "eeg+ecg", "fusion": "early", "split": "loso",
    "seed": 0, "options": {"task": "binary"},
}  # fmt: skip
PIPELINE = {n: RUN[n] for n in ("study", "target", "model", "inputs")}


@pytest.mark.parametrize(
    ("kind", "params", "other"),
    [
        ("evaluate", RUN, {"seed": 1}),
        ("evaluate", RUN, {"options": {"task": "binary", "flip": True}}),
        ("evaluate", PIPELINE, {"split": "trial"}),
        ("ablate", {"study": "demo", "target": "valence", "model": "logistic"}, {"target": "arousal"}),
        ("ablate", {**PIPELINE, "inputs": ["eeg", "eeg+ecg"]}, {"inputs": "ecg"}),
        ("grid", {"study": "demo"}, {"model": "svm"}),
        ("grid", {"study": "demo", "targets": ["valence"]}, {"target": "arousal"}),
        ("leak_audit", {**PIPELINE, "fusion": "early", "seed": 0}, {"split": "within_subject"}),
        ("leak_audit", PIPELINE, {"options": {"groups": ["ei"]}}),
        ("train", {**PIPELINE, "targets": ["arousal", "valence"], "publish": "ours"}, {"split": "trial"}),
        ("demo_run", {}, {"study": "mine"}),
    ],
)
def test_a_job_is_at_the_runs_that_it_names_and_at_no_other(kind, params, other):
    store = Store("sqlite://")
    job = jobs.submit(store, kind, {k: v for k, v in params.items() if kind != "train" or k != "target"}, now=NOW)
    assert run_jobs.under_way(store) == [job]
    assert run_jobs.computes(job, RUN) and not run_jobs.computes(job, RUN | other)
    jobs.cancel(store, job.id, now=NOW)
    assert run_jobs.under_way(store) == []
    store.close()


def test_a_leak_audit_is_at_each_of_its_splits():
    store = Store("sqlite://")
    job = jobs.submit(store, "leak_audit", PIPELINE, now=NOW)
    assert all(run_jobs.computes(job, RUN | {"split": s}) for s in ("random_window", "trial", "loso", "nested_loso"))
    store.close()


def test_a_job_that_runs_no_experiment_or_names_no_option_that_there_is_has_none():
    store = Store("sqlite://")
    for kind in {*KINDS} - {"evaluate", "ablate", "grid", "leak_audit", "train", "demo_run"}:
        assert not run_jobs.computes(jobs.submit(store, kind, RUN, now=NOW), RUN)
    assert not run_jobs.computes(jobs.submit(store, "evaluate", RUN | {"options": {"hm": 1}}, now=NOW), RUN)
    assert not run_jobs.computes(jobs.submit(store, "evaluate", {"study": "demo"}, now=NOW), RUN)
    store.close()
