"""The executor: kept open, it is one for all work inside and ends with it."""

import os

import pytest

from core import compute
from core.settings import settings


def test_what_is_kept_open_serves_all_work_inside_with_the_same_processes(monkeypatch):
    monkeypatch.setattr(settings(), "jobs", 1)
    with compute.kept_open():
        processes = set()
        for _ in range(2):
            with compute.executor() as inside:
                processes.add(inside.submit(os.getpid).result(60))
    assert len(processes) == 1 and os.getpid() not in processes
    with pytest.raises(RuntimeError, match="shutdown"):
        inside.submit(os.getpid)
    with compute.executor() as after:
        assert after is not inside
