from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from core import simulate
from core.errors import Conflict, NotFound, Refused, TooLarge
from core.services import handlers, jobs
from core.services.clinic import sessions
from core.settings import settings
from core.storage.store import Store
from tests.conftest import ROOT
from tests.core.storage.handmade import NOW, day

WORKER = "from core.worker import main\nif __name__ == '__main__':\n    main()\n"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A site of its own: settings of this process and of a worker point to the same folder."""
    monkeypatch.setenv("AFFECTLINE_DATA_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("AFFECTLINE_JOBS", "1")
    settings.cache_clear()
    yield {**os.environ}
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def site(environment):
    opened = Store.open()
    yield opened
    opened.close()


def start_worker(environment) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, env=environment)


def until(condition, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def draft_of(store: Store, tmp_path, seed: int = 0) -> str:
    path = simulate.write_edf(
        simulate.recording(seed=seed, duration_s=8, started_at=day(seed)), tmp_path / f"{seed}.edf"
    )
    with path.open("rb") as file:
        return sessions.stage(store, path.name, file, now=NOW).id


def analyse(store: Store, draft: str) -> jobs.Job:
    return jobs.submit(store, "analyse", {"draft": draft, "patient": "P-0042"}, label="Analyse", now=NOW)


def test_every_kind_of_job_that_can_be_queued_has_its_work_and_the_other_way():
    assert set(jobs.KINDS) == set(handlers.HANDLERS) and len(set(jobs.KINDS)) == len(jobs.KINDS)


def test_an_upload_is_staged_on_disk_and_discarded(store):
    draft = sessions.stage(store, "../../a.edf", io.BytesIO(b"one"), now=NOW)
    draft = sessions.stage(store, "b.edf", io.BytesIO(b"four"), draft.id, now=NOW)
    draft = sessions.stage(store, "b.edf", io.BytesIO(b"again"), draft.id, now=NOW)
    assert [f.name for f in draft.files] == ["../../a.edf", "b.edf"] and draft.sizes == (3, 5)
    folder = store.data_dir / "spool" / draft.id
    assert all(folder == type(folder)(f.path).parent for f in draft.files), "a name says nothing about a place"
    sessions.discard(store, draft.id)
    for unknown in (draft.id, "..", "../recordings", "x"):
        with pytest.raises(NotFound, match="E-DRAFT"):
            sessions.draft(store, unknown)


def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(store, monkeypatch):
    monkeypatch.setattr(settings(), "max_upload_mb", 1)
    with pytest.raises(TooLarge):
        sessions.stage(store, "big.edf", io.BytesIO(b"x" * ((1 << 20) + 1)), now=NOW)
    assert list((store.data_dir / "spool").iterdir()) == []


def test_a_job_is_claimed_once_tried_three_times_and_says_why_it_failed(store):
    first, second = (jobs.submit(store, "demo", {}, label=f"job {k}", now=NOW + timedelta(seconds=k)) for k in range(2))
    with pytest.raises(Refused):
        jobs.submit(store, "party", {}, now=NOW)
    assert [j.id for j in jobs.recent(store)] == [second.id, first.id]
    at = NOW
    for attempt in range(1, 4):
        taken = jobs.claim(store, "elsewhere:1:x", now=at)
        assert taken is not None and (taken.id, taken.attempts, taken.state) == (first.id, attempt, "running")
        assert jobs.recover(store, now=at + timedelta(seconds=29)) == 0
        at += timedelta(seconds=31)
        assert jobs.recover(store, now=at) == 1
    failed = jobs.get(store, first.id)
    assert failed.state == "failed" and failed.error["code"] == "E-JOB-CRASHED"
    assert jobs.retry(store, first.id, now=NOW).attempts == 0
    assert jobs.cancel(store, second.id, now=NOW).state == "cancelled"
    with pytest.raises(Conflict):
        jobs.cancel(store, second.id, now=NOW)
    with pytest.raises(NotFound, match="E-JOB"):
        jobs.get(store, "none")


def test_work_whose_job_was_cancelled_stops_and_stores_nothing_of_it(store, monkeypatch):
    job = jobs.submit(store, "demo", {}, now=NOW)
    jobs.claim(store, "w", now=NOW)

    def work(_store, _params, report):
        report(0.1, "Begun")
        jobs.cancel(store, job.id, now=NOW)
        report(0.2, "Going on")
        raise AssertionError("it went on")

    monkeypatch.setitem(handlers.HANDLERS, "demo", work)
    handlers.execute(store.url, job.id)
    after = jobs.get(store, job.id)
    assert (after.state, after.result) == ("cancelled", None) and after.log[-1].endswith("Begun")


def test_a_worker_does_a_job_refuses_a_bad_one_and_ends_on_sigterm(site, environment, tmp_path):
    good = analyse(site, draft_of(site, tmp_path))
    bad = analyse(site, sessions.stage(site, "words.edf", io.BytesIO(b"this is no recording"), now=NOW).id)
    worker = start_worker(environment)
    try:
        until(lambda: all(jobs.get(site, j.id).state in ("done", "failed") for j in (good, bad)))
    finally:
        worker.terminate()
        assert worker.wait(10) == 0  # the limit of the contract
    done, refused = jobs.get(site, good.id), jobs.get(site, bad.id)
    assert done.state == "done" and done.result == {"session": "P-0042/S-01", "status": "ok"} and done.progress == 1.0
    assert (
        refused.state == "failed" and refused.error["code"].startswith("E-") and "words.edf" in refused.error["where"]
    )
    assert [r.session for r in sessions.history(site, "P-0042")] == ["P-0042/S-01"]
    with pytest.raises(NotFound):
        sessions.draft(site, good.params["draft"])


def test_after_kill_9_of_the_worker_another_one_finishes_its_job(site, environment, tmp_path):
    job = analyse(site, draft_of(site, tmp_path))
    worker = start_worker(environment)
    until(lambda: jobs.get(site, job.id).state == "running")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert jobs.get(site, job.id).state == "running"
    second = start_worker(environment)
    try:
        until(lambda: jobs.get(site, job.id).state == "done")
    finally:
        second.terminate()
        second.wait(10)
    after = jobs.get(site, job.id)
    assert after.attempts == 2 and any("its worker ended without a word" in line for line in after.log)
    assert len(sessions.history(site, "P-0042")) == 1


def test_a_worker_that_is_stopped_gives_its_job_back(site, environment, tmp_path):
    job = analyse(site, draft_of(site, tmp_path))
    worker = start_worker(environment)
    until(lambda: jobs.get(site, job.id).state == "running")
    worker.terminate()
    assert worker.wait(10) == 0
    after = jobs.get(site, job.id)
    assert (after.state, after.attempts) == ("queued", 0)


ORPHAN = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "app", "worker", "--server", str(os.getpid())])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("pause_s", [0.2, 6.0])
def test_a_worker_ends_when_its_parent_is_gone(site, environment, pause_s):
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(pause_s)  # gone while the worker starts, or while it works
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def gone() -> bool:
        try:
            with open(f"/proc/{child}/stat") as file:  # noqa: PTH123
                return file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    until(gone, 60)
