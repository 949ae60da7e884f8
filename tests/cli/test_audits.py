"""The verbs of believing: leak audit and validity, on a study small enough to wait for."""

import json
import re
from pathlib import Path

import pytest

from app.ui import wording
from core.evaluation.splits import LEAKY
from tests.cli.conftest import answer
from tests.core.reports.reading import text
from tests.serving import affectline

PIPE = ("--study", "tiny", "--target", "valence", "--model", "logistic", "--inputs", "ecg")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    place = tmp_path_factory.mktemp("audits") / "data"
    made = ("--subjects", "3", "--trials", "8", "--trial-s", "6", "--effect", "2", "--inputs", "ecg")
    answer(affectline(place, "study", "simulate", "--name", "tiny", *made, "--json"))
    return place


def test_a_leak_audit_has_the_keys_of_the_contract_and_can_be_read(data_dir):
    found = answer(affectline(data_dir, "leak-audit", *PIPE, "--json"))
    assert set(found["premium"]) == {"value", "low", "high"}
    assert set(found["scores"]) == {"random_window", "trial", "subject_kfold", "loso", "nested_loso"}
    assert {frozenset(c) for c in found["checks"]} == {frozenset(("name", "outcome", "evidence"))}
    assert {c["outcome"] for c in found["checks"]} <= {"pass", "not_checkable"}
    said = affectline(data_dir, "leak-audit", *PIPE).stdout
    assert all(f"{split}: {v:.3f}{' LEAKY' * (split in LEAKY)}\n" in said for split, v in found["scores"].items())
    assert "leak premium" in said and "pass: scaler before split" in said
    leaves_as_a_report_and_its_runs_as_folders(data_dir, found)


def leaves_as_a_report_and_its_runs_as_folders(data_dir, found):
    paper, out = data_dir.parent / "audit.pdf", data_dir.parent / "out"
    assert answer(affectline(data_dir, "leak-audit", *PIPE, "--pdf", str(paper), "--json")) == found
    said = text(paper.read_bytes())
    assert all(f"{score:.3f}" in said for score in found["scores"].values()) and "research software" in said.lower()
    run = found["experiments"]["loso"]
    options = ("export", "--what", "run", "--format", "csv", "--out", str(out), "--json")
    made = answer(affectline(data_dir, *options, "--experiment", run))
    assert made["what"] == "run" and {Path(f).name for f in made["files"]} >= {"predictions.csv", "scores.json"}
    (folder,) = out.iterdir()
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["window"]["balanced_accuracy"]["value"] == pytest.approx(found["scores"]["loso"])
    assert answer(affectline(data_dir, *options), 2)["code"] == "E-EXPORT-RUN"


def test_a_score_of_a_leaky_split_says_so_beside_it_and_why(data_dir):
    said = affectline(data_dir, "evaluate", *PIPE, "--split", "random_window").stdout
    assert re.search(r"balanced accuracy: \d\S* .*LEAKY$", said, re.MULTILINE) and wording.LEAKY in said
    assert "leaky" not in affectline(data_dir, "evaluate", *PIPE).stdout.lower()
    found = answer(affectline(data_dir, "evaluate", *PIPE, "--split", "random_window", "--json"))
    of = ("validity", "recalibration", found["experiment"])
    assert found["leaky"] is answer(affectline(data_dir, *of, "--json"))["leaky"] is True
    assert "LEAKY" in affectline(data_dir, *of).stdout
    assert "leaky" not in answer(affectline(data_dir, "evaluate", *PIPE, "--json"))


def test_validity_answers_in_json_and_in_words(data_dir, shared_data):
    dens = str(shared_data / "bids" / "ds003751")
    found = answer(affectline(data_dir, "validity", "labels", "--bids", dens, "--json"))
    assert found["sweeps"][0]["n_ratings"] == 367
    assert "Krippendorff" in affectline(data_dir, "validity", "labels", "--bids", dens).stdout
    assert answer(affectline(data_dir, "validity", "labels", "--json"), 2)["code"] == "E-USAGE"
    found = answer(affectline(data_dir, "validity", "control", *PIPE, "--json"))
    assert [row["size"] for row in found["sizes"]] == sorted(row["size"] for row in found["sizes"])
    assert "stimulus premium" in affectline(data_dir, "validity", "stimulus", *PIPE).stdout
    found = answer(affectline(data_dir, "validity", "confounds", *PIPE, "--fusion", "late", "--json"))
    assert found["fusion"] == "late" and found["predictors"][0]["name"] == "heart_rate"
    said = affectline(data_dir, "validity", "confounds", *PIPE, "--fusion", "late").stdout
    assert "by logistic, late fusion" in said and "heart rate alone (mean heart rate of the ECG): " in said
    assert "eyes: not computed: " in said and "NOT BEATEN" in said
    experiment = answer(affectline(data_dir, "evaluate", *PIPE, "--json"))["experiment"]
    rows = answer(affectline(data_dir, "validity", "recalibration", experiment, "--json"))["rows"]
    assert [row["shots"] for row in rows] == [2, 4, 8]
    assert (
        "2 labelled trials, 3 subjects: Brier score "
        in affectline(data_dir, "validity", "recalibration", experiment).stdout
    )
    said = affectline(data_dir, "validity", "checklist", experiment).stdout
    assert "code and data: Affectline" in said


def test_every_number_of_a_protocol_of_others_says_that_it_is_leaky(data_dir):
    found = answer(affectline(data_dir, "validity", "protocols", *PIPE, "--json"))
    assert found["leaky"] is True and found["watermark"].startswith("LEAKY")
    assert [row["name"] for row in found["protocols"]] == ["S1-v1", "S2", "S3", "S4", "S5"]
    assert all(row["leaky"] is True for row in found["protocols"])
    said = affectline(data_dir, "validity", "protocols", *PIPE).stdout
    assert found["watermark"] in said and "breaks: subject overlap, oversampled test, tuning on test" in said
    assert all(f"{row['score']:.3f} LEAKY; left-out people {row['honest']:.3f}" in said for row in found["protocols"])
    assert "belong to nobody" in said and "not done: Response times are not known here. Trials" in said


def test_a_grid_prints_one_table_and_the_same_as_json(data_dir):
    said = ("grid", "--study", "tiny", "--model", "majority", "--model", "logistic", "--target", "valence")
    found = answer(affectline(data_dir, *said, "--json"))
    assert [(c["target"], c["inputs"], c["model"]) for c in found["cells"]] == [
        ("valence", "ecg", "majority"), ("valence", "ecg", "logistic"),
    ]  # fmt: skip
    title, head, *rows, total = affectline(data_dir, *said).stdout.splitlines()
    assert "3 subjects" in title and head.split()[:3] == ["target", "inputs", "model"] and "all folds" in total
    assert [row.split()[-1] for row in rows] == [c["experiment"] for c in found["cells"]]
    assert f"{found['cells'][1]['balanced_accuracy']['value']:.3f}" in rows[1]
    assert answer(affectline(data_dir, "grid", "--study", "tiny", "--target", "joy", "--json"), 3)["code"] == "E-TARGET"
