"""A child process with limits, for files that nobody vouches for: a recording is read in one, a study's files too.

The child is a fresh interpreter (0.2 s for EDF, 0.6 s where MNE is needed) and no fork: it is safe under a server with
threads, inside a worker of a pool and under Streamlit, whose ``__main__`` must not be run again. Where the platform has
no ``resource`` module (Windows) memory is not capped and only the time limit holds.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.compute import watch_parent
from core.settings import ROOT

OPEN_FILES = 64
SAID = "said.txt"


@contextmanager
def started(entry: str, folder: Path, *, paths: Sequence[str] = ()) -> Iterator[subprocess.Popen]:
    """A child that calls ``entry`` ("module:function") with ``folder`` and this process's id.

    It and all it started end with the block. ``paths`` are further folders to import from, for tests.
    """
    module, _, function = entry.partition(":")
    code = (
        f"import sys; sys.path[:0] = sys.argv[3:]; from {module} import {function}; "
        f"{function}(sys.argv[1], int(sys.argv[2]))"
    )
    with (folder / SAID).open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-c", code, str(folder), str(os.getpid()), str(ROOT), *paths],
            cwd=folder, env=_environment(folder), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        # also what the child may have started; on a platform without process groups the child alone
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (AttributeError, ProcessLookupError, PermissionError):
            process.kill()
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of ours but what an interpreter cannot start without; libraries keep to one thread and this folder."""
    needed = {k: os.environ[k] for k in ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if k in os.environ}
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    return {**needed, **one, "HOME": str(folder), "TMPDIR": str(folder), "MNE_DONTWRITE_HOME": "true",
            "ARROW_DEFAULT_MEMORY_POOL": "system", "MNE_LOGGING_LEVEL": "ERROR"}  # fmt: skip


def reference() -> str:
    """A short number by which a refusal and its line in the log find each other."""
    return secrets.token_hex(2).upper()


def stumbled_at(folder: Path) -> str:
    """Where an unforeseen error happened in the child ("ValueError at edf.py:12"), empty where it left no word."""
    said = folder / SAID
    lines = said.read_bytes()[-2000:].decode("utf-8", "replace").strip().splitlines() if said.is_file() else []
    found = re.fullmatch(r"\w+ at [\w.]+:\d+", lines[-1]) if lines else None
    return found[0] if found else ""


# ---------------------------------------------------------------------------------------------------- the child
def limit(parent: int, *, memory: int, cpu_s: int, file_bytes: int) -> None:
    """Limit this process, end it with its parent, and let no error quote the file."""
    sys.excepthook = _place_only
    watch_parent(parent)
    try:
        import resource
    except ImportError:
        return
    for what, much in (
        ("RLIMIT_AS", memory), ("RLIMIT_CPU", cpu_s), ("RLIMIT_NOFILE", OPEN_FILES), ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", file_bytes),
    ):  # fmt: skip
        kind = getattr(resource, what, None)
        if kind is not None:
            _, hard = resource.getrlimit(kind)
            much = much if hard == resource.RLIM_INFINITY else min(much, hard)
            resource.setrlimit(kind, (much, much))


def _place_only(kind: type[BaseException], _: BaseException, trace: Any) -> None:
    """Say where an unforeseen error happened, not its text, which may quote the file."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?:0"
    sys.stderr.write(f"{kind.__name__} at {place}\n")


def left(path: Path, body: bytes) -> None:
    """Write a file for the parent, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(body)
    part.replace(path)
