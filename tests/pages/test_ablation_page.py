"""Ablation: empty, a grid with gaps, a gap that is run, everything run, and what it shows then."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest

from core import compute
from core.services import handlers, jobs
from core.services.exports import exports, reports
from core.services.research import results
from core.settings import settings
from tests.core.services.research.test_experiments import inline
from tests.pages.conftest import NOW, open_page
from tests.pages.research_site import ECG, FULL, PARTIAL, STOPPED
from tests.pages.test_experiments_page import said, table
from tests.pages.test_pages import check
from tests.pages.test_studies_page import job_of

SETS = ["eeg", "ecg", "eeg+ecg"]


def cells(at) -> dict[str, bool]:
    """The buttons of empty cells."""
    return {b.key: True for b in at.button if b.key.startswith("run-")}


def work(store, monkeypatch) -> None:
    """What the worker would do now, folds in this process."""
    monkeypatch.setattr(compute, "executor", inline())
    while (job := jobs.claim(store, "w", now=NOW)) is not None:
        handlers.execute(settings().database, job.id)


def test_without_a_study_the_page_says_how_to_get_there(empty):
    at = open_page("ablation")
    assert "nothing to take apart" in said(at) and any(b.key == "demo_run" for b in at.button)


def test_a_grid_has_scores_with_differences_and_a_button_in_every_empty_cell(research):
    at = open_page("ablation")
    text = said(at)
    empty = {f"run-{t}-{i}" for t in ("arousal", "dominance") for i in SETS} | {"run-valence-eeg+ecg"}
    assert set(cells(at)) == empty
    assert "best single signal" in text and "1 set not run yet" in text and "7 runs missing" in text
    found = results.grid(research, "small", "logistic", SETS)
    assert {key: line.id for key, line in found.items()} == {("valence", "eeg"): FULL, ("valence", "ecg"): ECG}
    told = results.ablation(research, found, "valence")
    (d,) = told["differences"]
    assert f"{d['value']:+.2f} ({d['low']:+.2f} to {d['high']:+.2f})" in text
    assert table(at, "Trials lost")["Run"].tolist() == [FULL, ECG]
    assert len(at.get("plotly_chart")) == 2


def test_another_fusion_seed_or_model_is_another_grid(research):
    for params in ({"fusion": "late"}, {"seed": "3"}, {"model": "forest"}):
        at = open_page("ablation", **params)
        assert "Nothing to compare yet" in said(at) and len(cells(at)) == 9
    assert "no signal is chosen" in said(open_page("ablation", model="face_mlp")).lower()


def test_an_empty_cell_queues_that_run_and_says_so(research):
    at = open_page("ablation", fusion="late")
    at.button(key="run-arousal-eeg").click().run()
    check(at)
    job = jobs.get(research, job_of(at))
    assert (job.kind, job.params["target"], job.params["inputs"], job.params["fusion"]) == (
        "evaluate", "arousal", "eeg", "late",
    )  # fmt: skip
    assert "● queued" in said(at) and "run-arousal-eeg" not in cells(at)
    leaky = dict(job.params) | {"target": "dominance", "split": "trial"}
    jobs.submit(research, "evaluate", leaky, now=NOW)
    assert "run-dominance-eeg" in cells(open_page("ablation", fusion="late")), "another split is not of this grid"


def test_a_cell_whose_run_is_partial_or_stopped_says_so_and_goes_on(research):
    for seed, words, key in (
        ("7", "partial: folds failed: 1 of 5 folds failed", PARTIAL),
        ("8", "5 folds stored", STOPPED),
    ):
        at = open_page("ablation", seed=seed)
        assert words in said(at) and "Nothing to compare yet" in said(at), "never an average of some folds"
        assert ("experiments", f"run={key}") in [(p.proto.page, p.proto.query_string) for p in at.get("page_link")]
        button = at.button(key="run-valence-eeg")
        assert button.label == "Go on: valence"
        button.click().run()
        assert jobs.get(research, job_of(at)).params["seed"] == int(seed) and "● queued" in said(at)


def test_a_cell_that_an_audit_or_a_demo_run_is_at_is_no_button_and_its_bar_stands_above(research):
    audit = {"study": "small", "target": "valence", "model": "logistic", "inputs": "eeg", "fusion": "early"}
    jobs.submit(research, "leak_audit", audit | {"inputs": "eeg+ecg"}, label="Leak audit: ours", now=NOW)
    at = open_page("ablation")
    assert "Leak audit: ours" in said(at) and len(at.get("progress")) == 1
    assert "run-valence-eeg+ecg" not in cells(at) and "run-arousal-eeg" in cells(at)
    offered = {b.key for b in at.button}
    assert "all-valence" not in offered and "all-arousal" in offered, "what is queued is not offered again"
    jobs.submit(research, "leak_audit", audit | {"seed": 3}, label="of another seed", now=NOW)
    assert "of another seed" not in said(open_page("ablation"))


def test_run_all_fills_the_row_of_a_target(research, monkeypatch):
    at = open_page("ablation")
    at.button(key="all-valence").click().run()
    check(at)
    job = jobs.get(research, job_of(at))
    assert job.kind == "ablate" and job.params["inputs"] == SETS
    work(research, monkeypatch)
    at = open_page("ablation", job=job.id)
    text = said(at)
    assert f"Done: {FULL}, {ECG}" in text and "not run yet" not in text
    frame = table(at, "Trials lost")
    assert (
        frame["Signals"].tolist() == ["EEG", "ECG", "EEG + ECG"]
        and (frame["Seconds"] > 0).all()
        and set(frame["Trials lost"]) == {0.0}
    )
    assert not {k for k in cells(at) if "valence" in k}
    at.toggle(key="twin-forest-valence").set_value(True).run()
    twin = table(at, "Against")
    assert len(twin) == 2 and twin["p"].str.contains("permutation").all()


@pytest.mark.parametrize("params", [{"study": "nowhere"}, {"model": "oracle"}, {"fusion": "hot"}, {"seed": "-1"}])
def test_what_the_url_names_and_is_not_there_is_replaced_by_what_is(params, research):
    at = open_page("ablation", **params)
    assert "best single signal" in said(at) and not at.error


def test_the_grid_leaves_as_csv_and_parquet_with_the_numbers_shown(research):
    at = open_page("ablation")
    labels = [b.proto.label for b in at.get("download_button")]
    assert {"Export table (CSV)", "Export table (Parquet)"} <= set(labels) and labels.count("Export figure") == 2
    told = results.ablation(research, results.grid(research, "small", "logistic", SETS), "valence")
    made = {fmt: reports.ablation(research, {"valence": told}, "small", fmt, filters={"seed": 0}, now=NOW)
            for fmt in ("csv", "parquet")}  # fmt: skip
    frame = pd.read_parquet(io.BytesIO(next(iter(made["parquet"].files.values())))).set_index("inputs")
    (d,), scores = told["differences"], {s["inputs"]: s for s in told["sets"]}
    row = frame.loc[d["inputs"]]
    assert (row["difference"], row["difference_low"], row["p_holm"]) == (d["value"], d["low"], d["p_adjusted"])
    assert frame["balanced_accuracy"].to_dict() == {i: s["value"] for i, s in scores.items()}
    assert frame.loc[told["best_single"], "reason"] == "best_single" and row["reason"] == "" and row["against"] == "eeg"
    assert f"{d['value']!r}" in next(iter(made["csv"].files.values())).decode()
    dictionary = json.loads(made["csv"].files["data_dictionary.json"])
    assert {x["column"] for x in dictionary} == {"inputs", *frame.columns}
    assert exports.recent(research)[0]["kind"] == "ablation-grid"
