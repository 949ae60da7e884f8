"""Start the real product for a test: its own data folder, a free port on loopback, ended by process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(data_dir: Path, **extra: str) -> dict[str, str]:
    """The environment of a command with its own data folder and without demo patients."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AFFECTLINE_")}
    return {**kept, "AFFECTLINE_DATA_DIR": str(data_dir), "AFFECTLINE_DEMO": "0", **extra}


def affectline(data_dir: Path, *arguments: str, timeout: float = 300, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person would and wait for it."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=environment(data_dir, **extra),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@dataclass
class Served:
    """A running product: its address, data folder and process."""

    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]
    log: Path


def is_up(url: str) -> bool:
    """Whether the API answers."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def start(data_dir: Path, *, root: Path = ROOT, timeout: float = 180, **extra: str) -> Served:
    """Start ``affectline serve`` of a checkout in a process group of its own and wait until it answers."""
    port = free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "serve.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", str(port)],
            cwd=root,
            env=environment(data_dir, **extra),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    served = Served(f"http://127.0.0.1:{port}", data_dir, process, log)
    deadline = time.monotonic() + timeout
    while not is_up(served.url):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(served)
            raise AssertionError(f"the server did not start:\n{log.read_text()[-4000:]}")
        time.sleep(0.2)
    return served


def stop(served: Served) -> None:
    """End the server politely, and for certain."""
    if served.process.poll() is None:
        served.process.terminate()
        try:
            served.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(served.process.pid, signal.SIGKILL)
            served.process.wait(10)


@contextmanager
def serving(data_dir: Path, *, root: Path = ROOT, **extra: str) -> Iterator[Served]:
    """The running product for the length of a block."""
    served = start(data_dir, root=root, **extra)
    try:
        yield served
    finally:
        stop(served)
