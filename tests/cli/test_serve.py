"""``affectline serve``: who it answers, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.serving import ROOT, affectline, environment, start, stop


def children(pid: int) -> list[int]:
    """Process ids below a process, all the way down."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")  # a child belongs to the thread that started it
    direct = [int(text) for path in tasks for text in path.read_text().split()]
    return direct + [below for child in direct for below in children(child)]


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "example.org", "::"])
def test_an_address_that_others_reach_is_refused_while_nobody_signs_in(host, tmp_path):
    done = affectline(tmp_path, "serve", "--host", host, "--port", "0", timeout=60)
    assert done.returncode == 3 and "E-HOST" in done.stderr and "Traceback" not in done.stderr


def test_sign_in_that_is_set_but_not_there_is_no_open_door(tmp_path):
    done = affectline(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0", timeout=60, AFFECTLINE_AUTH="oidc")
    assert done.returncode == 3 and "E-AUTH" in done.stderr


def test_a_port_that_is_taken_is_said_in_words(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = affectline(tmp_path, "serve", "--port", str(taken.getsockname()[1]), timeout=60)
    assert done.returncode == 3 and "E-PORT" in done.stderr and "--port" in done.stderr
    assert "Traceback" not in done.stderr


@needs_proc
@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_server_and_worker_end_within_ten_seconds_of_a_signal(with_signal, tmp_path):
    served = start(tmp_path / "data")
    try:
        assert wait_until(lambda: bool(children(served.process.pid)), 10), "no worker was started"
        family = children(served.process.pid)
        # a browser that stays connected must not hold it up
        with urllib.request.urlopen(f"{served.url}/", timeout=5) as page:
            assert page.status == 200
        served.process.send_signal(with_signal)
        assert served.process.wait(10) == 0, served.log.read_text()
        assert wait_until(lambda: not any(map(alive, family)), 1), "the worker outlived the server"
        assert "Traceback" not in served.log.read_text()
    finally:
        stop(served)


@needs_proc
def test_an_answer_that_is_still_being_computed_does_not_hold_up_the_end(tmp_path):
    import numpy as np

    # ten minutes of noise: reading and judging it takes longer than the server may take to end
    noise = np.random.default_rng(3).normal(0, 10, (10 * 60 * 128, 16)).round(2)
    sent = {"user_id": "P-1", "eeg_data": noise[:, :14].tolist(), "ecg_data": noise[:, 14:].tolist(), "ecg_fs": 128}
    body = json.dumps(sent).encode()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    served = start(tmp_path / "data", TMPDIR=str(temporary))
    asking = [http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=60) for _ in range(3)]
    try:
        for connection in asking:
            connection.request("POST", "/api/v1/predict", body, {"Content-Type": "application/json"})
        time.sleep(3)
        family = children(served.process.pid)
        served.process.terminate()
        assert served.process.wait(10) == 0, served.log.read_text()
        assert wait_until(lambda: not any(map(alive, family)), 2), "a helper outlived the server"
        assert not list(temporary.glob("affectline-*")), "signals stayed behind"
    finally:
        for connection in asking:
            connection.close()
        stop(served)


@needs_proc
def test_a_worker_that_dies_is_started_again_and_one_whose_server_is_killed_ends(tmp_path):
    served = start(tmp_path / "data")
    try:
        assert wait_until(lambda: bool(children(served.process.pid)), 10)
        first = children(served.process.pid)[0]
        os.kill(first, signal.SIGKILL)
        assert wait_until(lambda: bool(children(served.process.pid)) and first not in children(served.process.pid), 20)
        assert wait_until(lambda: "started again" in served.log.read_text(), 5)
        time.sleep(3)  # so that the new worker has found its way
        family = children(served.process.pid)
        served.process.kill()
        served.process.wait(10)
        assert wait_until(lambda: not any(map(alive, family)), 30), "a worker without a server stays behind"
    finally:
        stop(served)


def test_it_serves_from_any_folder(tmp_path):
    """The configuration of the pages is found although the command is started elsewhere."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from app import server\n"
        "server.at_home()\n"
        "from streamlit import config\n"
        "assert config.get_option('client.showErrorDetails') == 'none'\n"
        "assert config.get_option('server.maxUploadSize') == 7\n"
        "from core.settings import settings\n"
        "print(settings().data_dir)"
    )
    env = {**environment(Path("here")), "AFFECTLINE_MAX_UPLOAD_MB": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "here")


@needs_proc
@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.8])
def test_a_worker_ends_although_its_server_was_killed_while_it_started(after_s, tmp_path):
    code = (
        "import sys, time; sys.path.insert(0, '.')\n"
        "from app import server\n"
        "print(server.start_worker().pid, flush=True)\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    time.sleep(after_s)
    process.kill()
    process.wait(10)
    process.stdout.close()
    assert wait_until(lambda: not alive(worker), 15)


@needs_proc
def test_a_first_start_can_be_ended_while_the_demo_patients_load(tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    log = data_dir / "serve.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", "0"],
            cwd=ROOT, env=environment(data_dir, AFFECTLINE_DEMO="1"), stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        assert wait_until(lambda: "Demo patients" in log.read_text(), 60), log.read_text()
        family = children(process.pid)
        process.terminate()
        assert process.wait(10) == 0
        assert wait_until(lambda: not any(map(alive, family)), 2)
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
