"""What is no recording is refused with file, reason, remedy and code; nothing is stored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core import simulate
from tests.serving import affectline


def text_named_edf(folder):
    path = folder / "letter.edf"
    path.write_text("Dear colleague,\nplease find attached the recording of last week.\n" * 20)
    return path


def empty(folder):
    path = folder / "empty.edf"
    path.touch()
    return path


def cut_in_its_header(folder):
    whole = simulate.write_edf(simulate.recording(seed=1, duration_s=10), folder / "whole.edf").read_bytes()
    path = folder / "cut.edf"
    path.write_bytes(whole[:700])
    return path


def words(folder):
    path = folder / "words.csv"
    path.write_text("fruit,colour\napple,red\npear,green\nplum,blue\n")
    return path


def too_short(folder):
    path = folder / "short.csv"
    t = np.arange(int(4.9 * 128)) / 128
    rows = "\n".join(f"{a:.6f},{20 * np.sin(2 * np.pi * 10 * a):.4f}" for a in t)
    path.write_text(f"time_s,Fz [uV]\n{rows}\n")
    return path


@pytest.mark.parametrize("make", [text_named_edf, empty, cut_in_its_header, words, too_short], ids=lambda f: f.__name__)
def test_what_is_no_recording_is_refused_by_name_with_reason_remedy_and_code(make, tmp_path):
    path = make(tmp_path)
    done = affectline(tmp_path / "data", "analyse", str(path), "--patient", "P-0001", "--json")
    assert done.returncode == 3, done.stdout + done.stderr
    refusal = json.loads(done.stdout)
    assert path.name in refusal["where"]
    assert refusal["code"].startswith("E-") and refusal["what"] and refusal["what_to_do"]
    assert "Traceback" not in done.stderr
    assert affectline(tmp_path / "data", "history", "P-0001", "--json").returncode == 5
    kept = tmp_path / "data" / "recordings"
    assert not kept.exists() or not [p for p in kept.rglob("*") if p.is_file()]
