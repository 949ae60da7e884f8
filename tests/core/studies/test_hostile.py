"""The hostile DEAP and MATLAB files of the shared corpus, put where a study is imported from, run nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from core.errors import Refused
from core.studies import deap, dreamer, folder
from tests.conftest import ROOT, missing


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The files of hostile.py by their name, and the folder they and their markers lie in."""
    tool = ROOT.parent / "shared" / "tools" / "hostile.py"
    if not tool.is_file():
        missing("no hostile files beside the project (../shared/tools)")
    out = tmp_path_factory.mktemp("hostile")
    subprocess.run([sys.executable, str(tool), str(out), "--only", "deap,mat"], check=True, capture_output=True)
    cases = json.loads((out / "manifest.json").read_text())["cases"]
    return {case["id"]: case for case in cases}, out


def left(out):
    return {p.relative_to(out).as_posix() for p in out.rglob("*")}


@pytest.mark.parametrize(
    ("case", "code"),
    [("deap_system", "E-CODE"), ("deap_eval", "E-CODE"), ("deap_alloc", "E-CODE"), ("deap_cut", "E-DEAP"),
     ("deap_shape", "E-DEAP")],
)  # fmt: skip
def test_a_hostile_dat_is_refused_and_runs_nothing(corpus, tmp_path, case, code):
    cases, out = corpus
    shutil.copy(out / cases[case]["file"], tmp_path / "s01.dat")
    before = left(out)
    with pytest.raises(Refused, match=code):
        deap.source(tmp_path, {})
    assert left(out) == before and not any((out / m).exists() for m in cases[case].get("markers", ()))
    assert [p.name for p in tmp_path.iterdir()] == ["s01.dat"]


def test_a_trial_of_nothing_but_nan_is_left_out_by_name(corpus, tmp_path):
    cases, out = corpus
    shutil.copy(out / cases["deap_nan"]["file"], tmp_path / "s01.dat")
    study = folder.write(tmp_path / "out", "d", deap.source(tmp_path, {}))
    assert [(t.subject, t.trial) for t in study.trials] == [("s01", "02")]
    assert [(t.subject, t.trial, t.code) for t in study.left_out] == [("s01", "01", "E-NO-SAMPLES")]


@pytest.mark.parametrize(
    "case", ["mat_cut", "mat_bomb", "mat_mdtype8", "mat_dims_wrap", "mat_dims_neg", "mat_v73_stub", "mat_no_signal"]
)
def test_a_hostile_matlab_file_is_no_study(corpus, tmp_path, case):
    cases, out = corpus
    shutil.copy(out / cases[case]["file"], tmp_path / "DREAMER.mat")
    with pytest.raises(Refused, match=r"E-MAT|E-DREAMER"):
        dreamer.source(tmp_path / "DREAMER.mat", {})
