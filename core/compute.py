"""The executor: processes of this machine with one thread each, or a Dask cluster by setting."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

from core.settings import settings

# read by BLAS and OpenMP when they are first imported
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
# how often a child looks whether its parent is still there, s
WATCH_S = 1.0
# how far a piece of work has come, 0-1, and what it does now
Progress = Callable[[float, str], None]
# the executor that is kept open for several pieces of work
_KEPT: ContextVar[Executor | None] = ContextVar("kept", default=None)


def part(progress: Progress | None, first: float, last: float) -> Progress:
    """The progress of a part of the work: its 0 to 1 lies between two shares of the whole; of nobody asked, nothing."""

    def report(share: float, words: str) -> None:
        if progress is not None:
            progress(first + share * (last - first), words)

    return report


def one_thread() -> None:
    """Let the numeric libraries of this process use one thread: two on busy cores are far slower than one."""
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def watch_parent(parent: int) -> None:
    """End this process when its parent is gone, so that nothing outlives a killed server or worker."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()


def _start_child(parent: int) -> None:
    one_thread()
    watch_parent(parent)


def pool(processes: int = 1) -> ProcessPoolExecutor:
    """A pool of fresh processes (no fork: the parent may have threads)."""
    return ProcessPoolExecutor(
        max_workers=processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_child,
        initargs=(os.getpid(),),
    )


@contextmanager
def _beside() -> Iterator[None]:
    """Inside a task of the cluster: wait for other tasks without holding the place that they may need."""
    from dask.distributed import get_worker, rejoin, secede

    try:
        get_worker()
    except ValueError:
        yield
        return
    secede()
    try:
        yield
    finally:
        rejoin()


@contextmanager
def executor(processes: int | None = None) -> Iterator[Executor]:
    """Where long work runs: ``DASK_SCHEDULER`` when it is set, else ``JOBS`` processes of this machine."""
    kept = _KEPT.get()
    if kept is not None:
        yield kept
    elif settings().dask_scheduler:
        from dask.distributed import Client

        with _beside(), Client(settings().dask_scheduler) as client, client.get_executor(pure=False) as cluster:
            yield cluster
    else:
        with pool(processes or settings().jobs) as local:
            yield local


@contextmanager
def kept_open() -> Iterator[None]:
    """One executor for all work inside: its processes start, and import what they need, once."""
    with executor() as own:
        token = _KEPT.set(own)
        try:
            yield
        finally:
            _KEPT.reset(token)
