"""The features of the EEG are a choice of every form that names a pipeline; a run's own go with all asked of it."""

from __future__ import annotations

import pytest

from app.ui import wording
from core import compute
from core.features import NAMED
from core.services import jobs
from core.services.research import audits, results
from tests.core.services.research.test_experiments import inline
from tests.pages.conftest import NOW, open_page
from tests.pages.research_site import ECG, ready, run
from tests.pages.test_experiments_page import said
from tests.pages.test_studies_page import job_of

WHOLE = {"features": "eeg258full"}
PIPE = {"study": "small", "target": "valence", "model": "logistic", "inputs": "eeg"}


def chosen(at):
    """The choice, None where the form has none."""
    return next((s for s in at.selectbox if s.label == "Features of the EEG"), None)


@pytest.mark.parametrize(
    ("script", "params", "signals", "model", "button"),
    [
        ("experiments", {}, "start_signals-small-logistic", "start_model", "start_run"),
        ("models", {"study": "small"}, "train_signals-small-logistic", "train_model", "train"),
    ],
)
def test_a_form_offers_the_sets_where_there_is_eeg_and_a_model_of_features(
    research, script, params, signals, model, button
):
    at = open_page(script, **params)
    select = chosen(at)
    assert select.value == "" and select.options == [wording.FEATURES[name] for name in ("", *NAMED)]
    at.multiselect(key=signals).set_value(["ecg"]).run()
    assert chosen(at) is None, "without EEG there is nothing to choose"
    at.multiselect(key=signals).set_value(["eeg"]).run()
    chosen(at).set_value("eeg258full").run()
    at.button(key=button).click().run()
    said(at)
    job = jobs.get(research, job_of(at))
    assert (job.params["options"] if script == "experiments" else job.params)["features"] == "eeg258full"
    at = open_page(script, **params)
    at.selectbox(key=model).set_value("eegnet").run()
    assert chosen(at) is None, "a net of signals has no features"


def test_features_that_came_ready_are_not_chosen_among(research):
    ready(research, "scored", 5)
    assert results.feature_sets(research, "scored", "logistic", "eeg") == ()
    assert results.feature_sets(research, "small", "logistic", "eeg+ecg") == tuple(NAMED)


def test_an_ablation_of_another_set_is_another_grid_but_for_the_cells_without_eeg(research):
    at = open_page("ablation")
    assert "run-valence-ecg" not in {b.key for b in at.button} and "run-valence-eeg" not in {b.key for b in at.button}
    chosen(at).set_value("eeg258full").run()
    assert at.query_params["features"] in ("eeg258full", ["eeg258full"])
    keys = {b.key for b in at.button}
    assert {"run-valence-eeg", "run-valence-eeg+ecg"} <= keys and "run-valence-ecg" not in keys
    links = [(p.proto.page, p.proto.query_string) for p in at.get("page_link")]
    assert ("experiments", f"run={ECG}") in links, "its run is the usual one"
    at.button(key="run-valence-eeg").click().run()
    assert jobs.get(research, job_of(at)).params["options"] == {"task": "binary", **WHOLE}
    at = open_page("ablation", **WHOLE)
    assert "● queued" in said(at)
    at.button(key="all-arousal").click().run()
    assert jobs.get(research, job_of(at)).params["options"] == WHOLE


def test_an_audit_and_the_controls_of_a_run_are_of_its_features_and_its_badge_finds_the_audit(research, monkeypatch):
    monkeypatch.setattr(compute, "executor", inline())
    own = run(research, options=WHOLE | {"smoothing": "causal"})["experiment"]
    at = open_page("leak_audit", run=own, tab="Positive control")
    text = said(at)
    assert "options smoothing causal, features eeg258full" in text and "Not audited yet" in text
    assert "without smoothing causal" in text, "the controls have the features alone"
    line = "--study small --target valence --model logistic --inputs eeg --features eeg258full"
    assert [c.value for c in at.code] == [
        f"affectline leak-audit --smoothing causal {line}", f"affectline validity control {line}",
    ]  # fmt: skip
    at.button(key="run-control").click().run()
    assert jobs.get(research, job_of(at)).params == {"check": "control", **PIPE, "fusion": "early", "seed": 0, **WHOLE}
    at = open_page("leak_audit", run=own)
    at.button(key="start_audit").click().run()
    job = jobs.get(research, job_of(at))
    assert job.params["options"] == WHOLE | {"smoothing": "causal"}

    assert "○ not audited" in said(open_page("experiments", run=own))
    made = audits.leak_audit(research, **{k: v for k, v in job.params.items() if k != "check"}, now=NOW)
    jobs.cancel(research, job.id, now=NOW)
    assert "checks passed" in said(open_page("experiments", run=own))
    audit = said(open_page("leak_audit", run=own))
    assert "Not audited yet" not in audit and made["experiments"]["loso"] == own
    assert "Not audited yet" in said(open_page("leak_audit", **PIPE)), "it is none of the usual pipeline"


def test_a_pipeline_that_need_not_have_been_run_stands_in_the_url_with_its_features(research):
    at = open_page("leak_audit")
    chosen(at).set_value("eeg16").run()
    at.button(key="ask_pipeline").click().run()
    assert at.query_params["features"] in ("eeg16", ["eeg16"]) and "options features eeg16" in said(at)
    assert "E-FEATURES" in said(open_page("leak_audit", **PIPE, features="eeg99"))
