"""The folder of a run: every prediction stands in it, and scores computed from it are those that are stored."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from core.errors import NotFound
from core.services import admin
from core.services.exports import exports
from core.services.exports.run_folder import run_folder
from core.services.research import experiments, studies
from tests.pages.conftest import NOW, open_page
from tests.pages.research_site import FULL, NET, PARTIAL, STOPPED, VALUE


def opened(store, name: str, fmt: str = "csv") -> dict[str, bytes]:
    """The files of the folder by their names in it."""
    made = run_folder(store, name, fmt=fmt, now=NOW)
    with zipfile.ZipFile(io.BytesIO(made.zip())) as bag:
        names = bag.namelist()
        assert {n.partition("/")[0] for n in names} == {made.zip_name.removesuffix(".zip")}
        return {n.partition("/")[2]: bag.read(n) for n in names}


def table(files: dict[str, bytes], name: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(files[f"{name}.csv"]), keep_default_na=False, na_values=[""])


def test_the_stored_scores_come_out_of_the_predictions_of_the_folder(research):
    files = opened(research, FULL)
    rows, folds = table(files, "predictions"), table(files, "folds")
    trials = rows.groupby(["fold", "subject", "trial"], as_index=False).agg(p=("p", "mean"), label=("label", "first"))
    trials = trials.merge(folds[["fold", "threshold", "balanced_accuracy"]], on="fold")
    right = trials.assign(high=trials["label"] > 3, said=trials["p"] > trials["threshold"])
    recall = (right["said"] == right["high"]).groupby([right["subject"], right["high"]]).mean()
    own = recall.groupby("subject").mean()
    stored = {f["subject"]: f["balanced_accuracy"] for f in experiments.get(research, FULL).line.summary["folds"]}
    assert own.to_dict() == pytest.approx(stored)
    assert dict(zip(folds["name"], folds["balanced_accuracy"], strict=True)) == pytest.approx(stored)
    scores = json.loads(files["scores.json"])
    assert scores["trial"]["balanced_accuracy"]["value"] == pytest.approx(np.mean(list(stored.values())))
    asked = json.loads(files["experiment.json"])
    assert asked["key"]["model"] == "logistic" and asked["config"]["pipeline_hash"] and asked["state"] == "done"
    assert table(files, "results")["score"].tolist() == pytest.approx(list(stored.values()))


def test_every_file_has_its_hash_and_every_column_its_meaning_and_the_export_its_row(research):
    files = opened(research, FULL)
    manifest = json.loads(files["manifest.json"])
    told = {n: f["sha256"] for n, f in manifest["files"].items()}
    beside = {"manifest.json", "data_dictionary.json"}
    assert told == {n: hashlib.sha256(own).hexdigest() for n, own in files.items() if n not in beside}
    dictionary = json.loads(files["data_dictionary.json"])
    for name in ("folds", "predictions", "results"):
        meant = [d["column"] for d in dictionary if d["file"] == f"{name}.csv"]
        assert meant == list(table(files, name).columns)
    assert all(d["meaning"] for d in dictionary) and manifest["notes"] == []
    newest = exports.recent(research)[0]
    assert (newest["kind"], newest["subject"], newest["rows"]) == ("run", FULL, len(table(files, "predictions")))
    assert admin.verify_audit(research)[0] and admin.audit(research)[0]["action"] == "export"


def test_a_net_brings_its_learning_curves_and_the_files_of_tensorboard(research):
    files = opened(research, NET)
    curves = table(files, "learning_curves")
    assert set(curves["measure"]) >= {"train_loss", "valid_loss"} and curves["epoch"].max() <= 3
    events = [n for n in files if n.startswith("tensorboard/")]
    assert len(events) == 5 and all(n.rpartition(".")[2].isdecimal() for n in events), "no name of a machine"


def test_parquet_holds_the_same_and_a_value_has_no_classes(research):
    files = opened(research, VALUE, "parquet")
    frame = pd.read_parquet(io.BytesIO(files["predictions.parquet"]))
    assert frame["p"].between(1, 5).all() and not [n for n in files if n.endswith(".csv")]
    pd.testing.assert_frame_equal(frame, table(opened(research, VALUE), "predictions"), check_dtype=False)


@pytest.mark.parametrize(("run", "state"), [(PARTIAL, "partial"), (STOPPED, "running")])
def test_a_run_that_is_not_finished_leaves_what_it_has_and_says_so(run, state, research):
    files = opened(research, run)
    assert json.loads(files["experiment.json"])["state"] == state and "scores.json" not in files
    assert list(table(files, "predictions").columns) == ["fold", "row", "raw", "p"]
    (note,) = json.loads(files["manifest.json"])["notes"]
    assert "by row alone" in note and "not finished" in note
    folds = table(files, "folds")
    assert folds["reason"].notna().all()
    if state == "partial":
        assert folds.set_index("state").loc["failed", "reason"] == "E-LABELS no label could be used"


def test_a_study_that_changed_leaves_predictions_by_row(research):
    shutil.rmtree(studies.root(research) / "small")
    studies.simulate(research, "small", subjects=5, trials=4, trial_s=12.0, effect=0.0, seed=9, now=NOW)
    files = opened(research, FULL)
    assert "another one" in json.loads(files["manifest.json"])["notes"][0]
    assert "subject" not in table(files, "predictions") and "scores.json" in files


def test_an_unknown_run_is_refused(research):
    with pytest.raises(NotFound, match="E-EXPERIMENT"):
        run_folder(research, "../etc", now=NOW)


@pytest.mark.parametrize("run", [FULL, PARTIAL])
def test_the_page_of_a_run_offers_its_folder(run, research):
    labels = [b.proto.label for b in open_page("experiments", run=run).get("download_button")]
    assert "Export run folder" in labels
