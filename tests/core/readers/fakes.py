"""Readers that misbehave, run by the tests in the isolated child."""

import ctypes
import os
import time
from pathlib import Path

import numpy as np

from core.types import Annotation, Recording, Signal


def segfault(files, options):
    ctypes.string_at(0)


def hang(files, options):
    time.sleep(600)


def hang_and_say(files, options):
    Path(options.mapping["pid"]["file"]).write_text(str(os.getpid()))
    time.sleep(600)


def hang_deaf(files, options):
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        Path(options.mapping["pid"]["file"]).write_text(str(os.getpid()))
    time.sleep(600)


def eat(files, options):
    rows = []
    while True:
        rows.append(np.ones(10**7))


def recurse(files, options):
    return recurse(files, options)


def stumble(files, options):
    raise ZeroDivisionError("Ada Lovelace 1815")


def leave(files, options):
    os._exit(7)


def look_around(files, options):
    """What a reader can see of the machine: environment, folder, limits."""
    import resource

    words = [*os.environ, f"cwd={Path.cwd().name[:15]}"]
    words += [f"{n}={resource.getrlimit(getattr(resource, n))[0]}" for n in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_CORE")]
    signal = Signal("x", "eeg", "µV", 128.0, np.zeros(1280, np.float32))
    return Recording((signal,), annotations=tuple(Annotation(0.0, 0.0, w) for w in words))


def lie_about_size(files, options):
    signal = Signal("x", "eeg", "µV", 128.0, np.zeros((20, 64), np.float32))
    return Recording((signal,))
