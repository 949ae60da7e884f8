"""The worker: claims jobs, runs them on the executor, says that it is alive, and gives back what it cannot finish."""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import signal
import threading
import time
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime

from core import compute
from core.services import handlers, jobs
from core.services.clinic import drafts
from core.services.exports import export_files
from core.settings import settings
from core.storage.store import Store

POLL_S = 0.3
BEAT_S = 5.0
log = logging.getLogger(__name__)


def main(database_url: str | None = None, *, parent: int | None = None) -> None:
    """Work until SIGTERM or until the process that started this one is gone.

    ``parent`` is its id, for a starter that may be gone before this process could look.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Worker(database_url or settings().database).run(stop, parent or os.getppid())


class Worker:
    """Jobs in hand: one executor of one process for each, so that a process that dies takes one job with it."""

    def __init__(self, database_url: str, slots: int | None = None):
        self.store = Store.open(database_url)
        self.database_url = database_url
        self.name = jobs.worker_name()
        self.slots = slots or settings().jobs
        self.idle: list[Executor] = []
        self.running: dict[str, tuple[Future, Executor]] = {}
        self.children: set[multiprocessing.process.BaseProcess] = set()
        self.client = None
        if settings().dask_scheduler:
            from dask.distributed import Client

            self.client = Client(settings().dask_scheduler)

    def run(self, stop: threading.Event, parent: int) -> None:
        """Claim, watch and beat until told to stop, or until the parent is gone."""
        beaten = swept = float("-inf")
        try:
            while not stop.is_set() and os.getppid() == parent:
                now = datetime.now(UTC)
                if time.monotonic() - beaten > BEAT_S:
                    beaten = time.monotonic()
                    if self.running:
                        jobs.beat(self.store, self.name, list(self.running), now=now)
                    jobs.recover(self.store, now=now)
                if time.monotonic() - swept > 3600:
                    swept = time.monotonic()
                    drafts.sweep(self.store, now=now)
                    export_files.sweep(self.store, now=now)
                self.collect()
                self.fill()
                stop.wait(POLL_S)
        finally:
            self.end()

    def fill(self) -> None:
        """Start queued jobs while there is a free slot."""
        while len(self.running) < self.slots and jobs.waiting(self.store):
            job = jobs.claim(self.store, self.name, now=datetime.now(UTC))
            if job is None:
                return
            executor = self.idle.pop() if self.idle else self.executor()
            before = set(multiprocessing.active_children())
            self.running[job.id] = (executor.submit(handlers.execute, self.database_url, job.id), executor)
            self.children |= set(multiprocessing.active_children()) - before

    def executor(self) -> Executor:
        """A process of this machine, or the cluster."""
        return self.client.get_executor(pure=False) if self.client else compute.pool(1)

    def collect(self) -> None:
        """Look after jobs that ended: done, failed in our code, or their process killed."""
        for job_id, (future, executor) in list(self.running.items()):
            if not future.done():
                continue
            del self.running[job_id]
            now = datetime.now(UTC)
            error = future.exception()
            if isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker":
                log.warning("the process of job %s was killed", job_id)
                jobs.crashed(self.store, job_id, now=now)
                executor.shutdown(wait=False)
                continue
            if error is not None:
                reference = secrets.token_hex(2).upper()
                log.error("job %s failed (ref %s)", job_id, reference, exc_info=error)
                jobs.fail(
                    self.store,
                    job_id,
                    {
                        "code": "E-INTERNAL",
                        "what": "something went wrong that was not foreseen; nothing was stored.",
                        "where": "",
                        "what_to_do": f"Tell your administrator (ref {reference}).",
                    },
                    now=now,
                )
            self.idle.append(executor)

    def end(self) -> None:
        """Stop at once: end the processes, and queue what was in hand for the next worker."""
        for child in self.children:
            child.terminate()
        for future, executor in self.running.values():
            future.cancel()
            executor.shutdown(wait=False)
        for executor in self.idle:
            executor.shutdown(wait=False)
        jobs.give_back(self.store, self.name, now=datetime.now(UTC))
        for child in self.children:
            child.join(2)
            if child.is_alive():
                child.kill()
        if self.client:
            self.client.close()
        self.store.close()
