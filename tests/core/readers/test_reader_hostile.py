"""The corpus of hostile files: the outcome its manifest expects, within its limits, and no trace left."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from core.errors import Refused
from core.readers import Options, isolation, session
from core.types import InputFile
from tests.conftest import ROOT, missing

FORMATS = "edf,bdf,brainvision,csv,parquet,e4,xdf,wfdb,openface,deap,mat"
# the corpus of the formats in hand; a case is looked up by name so that pytest can list it
CASES = [
    "edf_control",
    "edf_empty",
    "edf_head_cut",
    "edf_sighead_cut",
    "edf_body_cut",
    "edf_records_1e8",
    "edf_records_minus1",
    "edf_records_zero",
    "edf_duration_zero",
    "edf_spr_zero",
    "edf_spr_1e8",
    "edf_dup_names",
    "edf_phys_inverted",
    "edf_phys_equal",
    "edf_dig_equal",
    "edf_signals_9999",
    "edf_signals_neg",
    "edf_text_number",
    "edf_date_99",
    "edf_latin1_name",
    "edf_html_name",
    "edf_flat",
    "edf_is_png",
    "bdf_control",
    "bdf_cut_sample",
    "bdf_edf_body",
    "bv_control",
    "bv_traversal",
    "bv_absolute",
    "bv_no_data",
    "bv_rate_zero",
    "bv_chan_1e6",
    "bv_odd_size",
    "csv_control",
    "csv_formula",
    "csv_html",
    "csv_nan_inf",
    "csv_ragged",
    "csv_nul",
    "csv_utf16",
    "csv_one_line",
    "csv_wide",
    "csv_dup_cols",
    "csv_time_back",
    "csv_time_const",
    "csv_head_only",
    "csv_words",
    "csv_gz_inside",
    "pq_control",
    "pq_footer_cut",
    "pq_footer_2g",
    "pq_rows_1e12",
    "pq_page_2g",
    "pq_other_file",
    "pq_html_name",
    "e4_control",
    "e4_traversal",
    "e4_symlink",
    "e4_bomb",
    "e4_bomb_lies",
    "e4_nested",
    "e4_no_eda",
    "e4_rate_zero",
    "e4_many",
    "xdf_control",
    "xdf_magic",
    "xdf_len_2e62",
    "xdf_count_2e32",
    "xdf_chan_1e9",
    "xdf_laughs",
    "xdf_xxe",
    "xdf_cut",
    "xdf_orphan",
    "wf_control",
    "wf_traversal",
    "wf_samples_2e40",
    "wf_fs_zero",
    "wf_gain_zero",
    "wf_short",
    "wf_self",
    "deap_control",
    "deap_system",
    "deap_eval",
    "deap_alloc",
    "deap_cut",
    "deap_nan",
    "deap_shape",
    "mat_control",
    "mat_cut",
    "mat_bomb",
    "mat_mdtype8",
    "mat_dims_wrap",
    "mat_dims_neg",
    "mat_v73_stub",
    "mat_no_signal",
    "of_control",
    "of_no_face",
    "of_huge_au",
    "of_time_back",
]
# these are run apart, as in the product; for the others that is tested enough, and 0.3 s each is saved
APART = {"memory", "time", "crash", "code"}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    tool = ROOT.parent / "shared" / "tools" / "hostile.py"
    if not tool.is_file():
        missing("no corpus of hostile files beside the project (../shared/tools/hostile.py)")
    out = tmp_path_factory.mktemp("hostile") / "corpus"
    subprocess.run([sys.executable, tool, out, "--only", FORMATS], check=True, capture_output=True)
    manifest = json.loads((out / "manifest.json").read_text())
    return out, manifest["limits"], {c["id"]: c for c in manifest["cases"]}


def test_every_case_of_the_corpus_is_listed(corpus):
    assert sorted(corpus[2]) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_ends_as_the_manifest_says(name, corpus):
    out, limits, cases = corpus
    case = cases[name]
    files = [InputFile(Path(f).name, str(out / f)) for f in case["files"]]
    before = time.monotonic()
    peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # the largest child so far, of any test
    try:
        if case["risk"] in APART:
            recording = isolation.read(files, zone=ZoneInfo("UTC"))
        else:
            recording = session.read(files, Options())
        got, text = "accepted", " ".join(n.text for n in recording.notices).lower()
    except Refused as refused:
        got, text = "rejected", ""
        assert refused.what_to_do and refused.code.startswith("E-")
    assert time.monotonic() - before < limits["seconds"]
    largest_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert largest_kb == peak_kb or largest_kb < limits["peak_mb"] * 1024
    assert any(
        got == expected if " " not in expected else got == "accepted" and any(w in text for w in case["names"])
        for expected in (case["expected"], *case["also_ok"])
    ), (got, text)
    assert not any((out / m).exists() for m in case["markers"])
