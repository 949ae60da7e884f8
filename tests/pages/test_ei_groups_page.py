"""EI groups: without scores or a run, with one that is partial or under way, few people, enough, and beside a guess."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest

from app.ui import components
from core import compute
from core.services import admin, jobs
from core.services.exports import exports, reports
from core.services.research import experiments, groups, studies
from core.settings import settings
from core.storage.store import Store
from core.types import InputFile
from tests.core.services.research.test_experiments import inline
from tests.pages.conftest import NOW, open_page, texts
from tests.pages.research_site import FOLDS, partial, ready
from tests.pages.test_pages import check

HIGH = {f"S{i:02d}" for i in range(11, 21)}


@pytest.fixture
def site(empty) -> Store:
    return Store(settings().database, data_dir=empty)


def run(store: Store, name: str, inputs: str, monkeypatch, model: str = "logistic") -> str:
    monkeypatch.setattr(compute, "executor", inline())
    split = "subject_kfold"
    return experiments.evaluate(store, name, "valence", model, inputs, split=split, now=NOW)["experiment"]


def said(at) -> str:
    return check(at).replace("\\", "")


def test_without_scores_it_says_where_they_come_in(site):
    ready(site, "plain", n=4, ei=False)
    text = said(open_page("ei_groups"))
    assert "No EI scores." in text and "Add them in Import (participants table)." in text


def test_with_few_people_there_are_numbers_and_no_verdict(site, monkeypatch):
    ready(site, "few", n=8)
    run(site, "few", "ecg", monkeypatch)
    left = {}
    own = components.export_button

    def exported(make, *, kind, **more):
        left[kind] = make if isinstance(make, pd.DataFrame) else make()
        own(make, kind=kind, **more)

    monkeypatch.setattr(components, "export_button", exported)
    at = open_page("ei_groups")
    text = said(at)
    for kind in ("ei-differences", "ei-confounders"):
        of = left[kind]
        assert set(of["n High"]) == {4} and set(of["Mean of High"]) == set(of["p"]) == {"fewer than 5 people"}, kind
    assert "fewer than 5 people" not in text
    assert "too small to say" in text and not {"difference found", "no difference found"} & set(texts(at))
    assert "All outcomes" in text and "Fewer than 10" in text


def test_without_an_experiment_the_groups_and_what_else_differs_are_shown(site):
    ready(site, "early")
    text = said(open_page("ei_groups"))
    assert "No finished experiment on this study yet." in text and "sex is f" in text
    assert "All outcomes" not in text


def test_a_run_whose_folds_are_not_all_done_is_named_and_cannot_be_chosen(site, monkeypatch):
    ready(site, "small", FOLDS)
    monkeypatch.setattr(compute, "executor", inline())
    partial(site, monkeypatch)
    at = open_page("ei_groups", study="small")
    text = said(at)
    assert "1 run of this study cannot be chosen" in text and "No finished experiment on this study yet." in text
    links = {p.proto.label.replace("\\", ""): p.proto.query_string for p in at.get("page_link")}
    assert links["E-0001: ✕ partial: folds failed, 1 of 5"] == "run=E-0001"
    run(site, "small", "ecg", monkeypatch)
    at = open_page("ei_groups", study="small")
    assert "1 run of this study cannot be chosen" in said(at) and "All outcomes" in said(at)
    assert len(at.selectbox(key="pick-run").options) == 1, "the whole run alone"


def test_a_job_that_is_at_a_run_of_the_study_shows_its_bar(site):
    ready(site, "early")
    ready(site, "other")
    asked = {"study": "early", "target": "valence", "model": "logistic", "inputs": "ecg"}
    job = jobs.submit(site, "evaluate", asked, label="a run of ours", now=NOW)
    at = open_page("ei_groups", study="early")
    assert "a run of ours" in said(at) and len(at.get("progress")) == 1
    assert not open_page("ei_groups", study="other").get("progress"), "of another study"
    at.button(key="cancel_job").click().run()
    assert jobs.get(site, job.id).state == "cancelled" and not at.get("progress") and "a run of ours" not in said(at)


def test_the_whole_report_finds_what_is_planted_and_says_how(site, monkeypatch):
    ready(site, "full")
    run(site, "full", "ecg", monkeypatch)
    run(site, "full", "face", monkeypatch)
    at = open_page("ei_groups", run="E-0001")
    text = said(at)
    for words in ("10 subjects", "balanced accuracy per subject", "gap between physiology and face", "ecg_a: mean",
                  "ecg_a: SD over trials", "sex is f", "Benjamini", "was no input of the model"):  # fmt: skip
        assert words in text, words
    found = groups.report(site, "full", "ei", experiment="E-0001")
    assert set(found.parted.high) == HIGH and found.face == "E-0002"
    planted = next(d for d in found.differences if d.outcome == "ecg_a: mean")
    assert planted.q < 0.01 and planted.low < 2.0 < planted.high
    assert {"ecg_a: mean", "difference found", "no difference found"} <= set(texts(at))
    leaves_as_tables_and_text(site, at, found, planted)
    at = open_page("ei_groups", run="E-0001", outcome="ecg_a: mean", rule="tertile")
    assert "High less Low" in said(at) and "Left out between" in said(at)
    assert len(at.get("plotly_chart")) == 2
    at = open_page("ei_groups", run="E-0001", rule="cut", cut="95")
    assert "15 subjects" in said(at) and at.number_input(key="cut").value == 95
    assert open_page("ei_groups", rule="cut", cut="-0.5").number_input(key="cut").value == -0.5


def leaves_as_tables_and_text(store, at, report, planted) -> None:
    labels = {b.proto.label for b in at.get("download_button")}
    assert {"Export method text", "Export table (CSV)", "Export table (Parquet)", "Export figure"} <= labels
    made = {fmt: reports.groups(store, report, fmt, now=NOW) for fmt in ("csv", "parquet")}
    frame = pd.read_parquet(io.BytesIO(next(iter(made["parquet"].files.values())))).set_index("outcome")
    assert len(frame) == len(report.differences) + len(report.confounders)
    row = frame.loc[planted.outcome]
    assert (row["difference"], row["q"], row["reading"]) == (planted.value, planted.q, "difference found")
    assert (frame.loc[frame.select_dtypes("number").isna().any(axis=1), "reason"] != "").all()
    written = made["csv"].files
    assert planted.outcome in next(iter(written.values())).decode()
    dictionary = json.loads(written["data_dictionary.json"])
    assert [d["column"] for d in dictionary] == ["outcome", *frame.columns] and all(d["meaning"] for d in dictionary)
    text = reports.group_method(store, report, now=NOW)
    assert next(iter(text.files.values())).decode() == f"{report.method}\n"
    assert exports.recent(store)[0]["filters"]["experiment"] == "E-0001" and admin.verify_audit(store)[0]


def test_a_model_that_knows_nothing_is_named_where_it_is_as_good(site, monkeypatch):
    ready(site, "dull")
    run(site, "dull", "ecg", monkeypatch, model="majority")
    assert "The trivial model" in said(open_page("ei_groups"))


def test_scores_that_come_in_after_an_experiment_leave_it_valid(site, monkeypatch, tmp_path):
    ready(site, "late", ei=False)
    run(site, "late", "ecg", monkeypatch)
    table = tmp_path / "participants.csv"
    table.write_text("subject,group_ei\n" + "".join(f"S{i:02d},{80 + i}\n" for i in range(1, 21)))
    studies.add_groups(site, "late", InputFile(table.name, str(table)), now=NOW)
    assert "All outcomes" in said(open_page("ei_groups"))


def test_a_score_is_an_input_only_of_an_experiment_that_names_it(site, monkeypatch):
    ready(site, "ticked")
    monkeypatch.setattr(compute, "executor", inline())
    more = {"split": "subject_kfold", "now": NOW}
    plain = experiments.evaluate(site, "ticked", "valence", "logistic", "ecg", **more)
    ticked = experiments.evaluate(site, "ticked", "valence", "logistic", "ecg", options={"groups": ["ei"]}, **more)
    assert plain["experiment"] != ticked["experiment"]
    assert experiments.opened(site, plain["experiment"])[1].features.columns.tolist() == ["ecg_a"]
    assert experiments.opened(site, ticked["experiment"])[1].features.columns.tolist() == ["ecg_a", "group_ei"]
    method = groups.report(site, "ticked", "ei", experiment=ticked["experiment"]).method
    assert "was an input of the model" in method
