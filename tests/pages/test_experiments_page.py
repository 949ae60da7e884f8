"""Experiments: empty, the list, one run in every state, side by side, and a run that is started."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest

from app.ui import research as ui
from app.ui import wording
from core import compute
from core.errors import Refused
from core.evaluation import statistics
from core.evaluation.experiment import Spec
from core.evaluation.resampling import OVERSAMPLING
from core.evaluation.smoothing import SMOOTHING
from core.evaluation.splits import LEAKY as LEAKY_SPLITS
from core.evaluation.splits import SPLITS
from core.evaluation.tasks import TASKS
from core.models import MODELS
from core.services import handlers, jobs
from core.services.exports import exports
from core.services.jobs import Cancelled
from core.services.research import audits, experiments, results
from core.settings import VERSION, settings
from core.storage import research as storage
from core.storage.store import Store
from tests.core.services.research.test_experiments import inline
from tests.pages.conftest import NOW, open_page
from tests.pages.research_site import ECG, FULL, LEAKY, NET, PARTIAL, STOPPED, TRIVIAL, VALUE, ready
from tests.pages.test_pages import check
from tests.pages.test_studies_page import job_of

TABS = (
    "Subjects", "Confusion", "ROC and PR", "Calibration", "Learning curves", "Why", "Folds", "Configuration", "Log",
)  # fmt: skip


def said(at) -> str:
    return check(at).replace("\\", "")


def table(at, column: str):
    """The first table with a column of this name."""
    return next(d.value for d in at.get("dataframe") if column in d.value.columns)


def store_of(folder):
    """The store of a data folder."""
    return Store(settings().database, data_dir=folder)


def test_an_empty_page_offers_one_button_and_one_command(empty):
    at = open_page("experiments")
    text = said(at)
    assert "No experiments yet" in text and at.code[0].value == "affectline demo-run"
    at.button(key="demo_run").click().run()
    check(at)
    assert at.get("progress")
    assert jobs.get(store_of(empty), job_of(at)).kind == "demo_run"


def test_the_list_has_every_run_with_interval_chance_and_state(research):
    at = open_page("experiments")
    check(at)
    frame = table(at, "Chance").set_index("Run")
    assert list(frame.index) == [STOPPED, PARTIAL, VALUE, NET, ECG, LEAKY, TRIVIAL, FULL]
    done = experiments.all_experiments(research)[-1].summary["trial"]
    score = done["balanced_accuracy"]
    assert frame.loc[FULL, "Balanced accuracy"] == f"{score['value']:.2f} ({score['low']:.2f}-{score['high']:.2f})"
    assert frame.loc[FULL, "Chance"] == f"{done['chance']['low']:.2f}-{done['chance']['high']:.2f}"
    assert frame.loc[FULL, "Leaks"] == "○ not audited"
    assert frame.loc[PARTIAL, "State"] == "✕ partial: folds failed (4 of 5)"
    assert frame.loc[STOPPED, "State"] == "● not finished (5 of 5)"
    for run in (PARTIAL, STOPPED):
        assert frame.loc[run, "Balanced accuracy"] == "not computed: not finished", "never an average of some folds"
    assert frame.loc[VALUE, "Balanced accuracy"] == wording.NO_CLASSES and "(" in frame.loc[VALUE, "CCC"]


def test_runs_that_differ_in_their_options_alone_are_told_apart_in_the_list(research):
    frame = table(open_page("experiments"), "Options").set_index("Run")
    assert frame.loc[FULL, "Options"] == "as published" and frame.loc[NET, "Options"] == "epochs 3"
    told = {"task": "binary", "smoothing": "causal", "flip": True, "aggregate": "median", "features": "eeg16"}
    assert ui.not_usual(told) == "smoothing causal, features eeg16, flip, median of windows"
    assert ui.not_usual({"oversample": "smote", "choices": [{"c": 1}]}) == "oversample smote, selected inside"


def test_a_leaky_run_is_marked_in_every_score_and_in_words(research):
    at = open_page("experiments")
    frame = table(at, "Chance").set_index("Run")
    for column in ("Balanced accuracy", "AUC", "Macro-F1", "Worst quarter"):
        assert frame.loc[LEAKY, column].endswith(" LEAKY") and not frame.loc[FULL, column].endswith("LEAKY")
    assert wording.LEAKY in said(at)
    text = said(open_page("experiments", run=LEAKY))
    assert wording.LEAKY in text and "leaky split" in text and "Published honest" not in text
    assert wording.LEAKY not in said(open_page("experiments", run=FULL))


def audit(store, outcomes: tuple[str, ...], made: dict, code_version: str = VERSION, **config) -> None:
    """A stored leak audit of the pipeline of the first run."""
    digest = hashlib.sha256(repr((outcomes, config)).encode()).hexdigest()[:16]
    with store.write() as tx:
        storage.add_audit_result(
            tx, now=NOW, kind="leak_audit", study="small", target="valence", inputs="eeg", model="logistic", seed=0,
            config=config, config_hash=digest, code_version=code_version,
            result={"experiments": made, "checks": [{"outcome": c} for c in outcomes]},
        )  # fmt: skip


def shown_badge(store) -> str:
    """What the list says of leaks beside the first run."""
    badge = table(open_page("experiments"), "Leaks").set_index("Run").loc[FULL, "Leaks"]
    [line] = [x for x in experiments.all_experiments(store) if x.id == FULL]
    assert badge == ui.badge(line, results.audited(store))
    return badge


def test_the_badge_says_what_the_newest_leak_audit_found(research):
    assert shown_badge(research) == "○ not audited"
    audit(research, ("fail", "pass"), {"loso": FULL})
    assert shown_badge(research) == "✕ 1 of 2 checks failed"
    audit(research, ("pass", "pass", "not_checkable"), {"loso": FULL})
    assert shown_badge(research) == "■ 2 checks passed, 1 not checkable"


def test_the_badge_says_that_an_audit_is_of_older_data_pipeline_or_checks(research):
    own = dict(experiments.get(research, FULL).config)
    audit(research, ("pass",), {"loso": "E-0999"}, **own | {"study_sha256": "another", "pipeline_hash": "another"})
    assert shown_badge(research) == "○ not audited; an audit of its pipeline is of older data, pipeline"
    audit(research, ("pass", "pass"), {"loso": FULL}, "0.0.1", **own, audit=audits.AUDIT_VERSION - 1)
    assert shown_badge(research) == "■ 2 checks passed, ▲ older code version; older checks"
    audit(research, ("pass", "pass"), {"loso": FULL}, **own, audit=audits.AUDIT_VERSION)
    assert shown_badge(research) == "■ 2 checks passed"


def test_the_worst_quarter_of_the_list_is_of_the_people_of_one_run_and_says_which(research):
    at = open_page("experiments")
    own = {n: experiments.get(research, n).details["per_subject"] for n in (FULL, ECG)}
    lowest = sorted(own[FULL], key=lambda x: (x["balanced_accuracy"], x["subject"]))[:2]
    people = {x["subject"] for x in lowest}
    frame = table(at, "Chance").set_index("Run")
    for name, each in own.items():
        mean = sum(x["balanced_accuracy"] for x in each if x["subject"] in people) / 2
        assert frame.loc[name, "Worst quarter"].startswith(f"{mean:.2f} (")
    text = said(at)
    assert f"the same people in every row, those of {FULL}" in text and ", ".join(sorted(people)) in text


def test_choices_stand_in_the_url_and_level_changes_the_scores(research):
    at = open_page("experiments", model="logistic", split="loso")
    assert set(table(at, "Chance")["Run"]) == {FULL, ECG, VALUE, PARTIAL, STOPPED}
    trials = table(at, "Chance").set_index("Run").loc[FULL]
    at = open_page("experiments", level="window", model="logistic", split="loso")
    windows = table(at, "Chance").set_index("Run").loc[FULL]
    assert windows["n"] > trials["n"] == 20
    at.selectbox(key="facet-target").set_value("valence").run()
    assert at.query_params["target"] in ("valence", ["valence"])


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_of_a_finished_run_shows(tab, research):
    at = open_page("experiments", run=FULL, tab=tab)
    text = said(at)
    assert "Majority class" in text and "Stratified draw" in text and "Labels dealt anew" in text
    assert not at.error


def test_a_dummy_that_wins_is_said_in_words(research):
    told = experiments.get(research, ECG)
    best = max(b["balanced_accuracy"]["value"] for b in told.details["baselines"].values())
    own = told.line.summary["trial"]["balanced_accuracy"]["value"]
    assert ("A model that knows nothing does as well" in said(open_page("experiments", run=ECG))) == (best >= own)
    assert wording.against_baselines(0.5, {"Majority class": 0.5}).startswith("A model that knows nothing")
    assert wording.against_baselines(0.6, {"Majority class": 0.5}) is None


@pytest.mark.parametrize(
    ("value", "target", "audit"),
    [(0.55, "valence", False), (0.66, "valence", True), (0.81, "arousal", True), (0.9, "stress", False),
     (0.95, "stress", True)],
)  # fmt: skip
def test_what_lies_above_the_published_figures_asks_for_the_leak_audit(value, target, audit):
    asked, words = wording.yardstick("loso", target, value, False)
    assert asked == audit and ("leak audit" in words) == audit
    assert wording.yardstick("within_subject", target, value, False) == (False, wording.WITHIN)
    assert "planted" in wording.yardstick("loso", target, value, True)[1]


def test_curves_and_matrices_come_from_the_stored_predictions(research):
    told = results.predictions(research, FULL)
    (high,) = told["curves"]
    assert high["false_positive"][-1] == high["recall"][-1] == 1.0
    cells = [sum(x["confusion"][i][j] for x in told["per_subject"]) for i in (0, 1) for j in (0, 1)]
    whole = experiments.get(research, FULL).line.summary["trial"]["confusion"]
    assert cells == [*whole[0], *whole[1]]
    at = open_page("experiments", run=FULL, tab="Confusion")
    at.selectbox(key="whose").set_value("S02").run()
    assert "S02, n = 4 trials" in said(at)


def test_what_a_few_labels_of_the_person_change_is_asked_for_by_a_switch(research):
    at = open_page("experiments", run=FULL, tab="Calibration")
    assert all("Labelled trials" not in frame.value for frame in at.dataframe)
    at.toggle(key="few-labels").set_value(True).run()
    shown, [told, *rest] = table(at, "Labelled trials"), results.recalibration(research, FULL)["rows"]
    assert shown["Labelled trials"].tolist() == [2, 4, 8] and all(row["n"] == 0 for row in rest)
    assert shown["Brier score"][0] == f"{told['brier']['before']:.2f}, then {told['brier']['after']:.2f}"
    assert shown["Change in Brier"][0].startswith(f"{told['brier']['difference']['value']:+z.2f} (")
    assert shown["ECE"][1] == "not computed: needs 8 trials" and shown["Change in accuracy"][1] == "not computed"
    assert at.code[-1].value == f"affectline validity recalibration {FULL}"
    with pytest.raises(Refused, match="E-TASK"):
        results.recalibration(research, VALUE)


def test_a_net_shows_its_learning_curves_and_their_folder(research):
    at = open_page("experiments", run=NET, tab="Learning curves")
    assert "5 folds" in said(at) and at.code[0].value.startswith("tensorboard --logdir ")
    assert "only nets learn in epochs" in said(open_page("experiments", run=FULL, tab="Learning curves"))


def test_a_predicted_value_has_no_classes_and_says_so(research):
    text = said(open_page("experiments", run=VALUE))
    assert "Concordance (CCC)" in text and "Does the predicted value follow the rating?" in text
    for tab in ("Confusion", "ROC and PR", "Calibration"):
        assert "not computed" in said(open_page("experiments", run=VALUE, tab=tab))


def test_a_partial_run_names_what_failed_and_is_never_averaged(research):
    at = open_page("experiments", run=PARTIAL)
    text = said(at)
    assert "1 of 5 folds failed" in text and wording.PARTIAL in text
    assert table(at, "Why")["Fold"].tolist() == ["S03"] and "E-LABELS" in text
    assert not at.metric


def test_a_stopped_run_goes_on_from_the_page_and_then_has_a_score(research, monkeypatch):
    at = open_page("experiments", run=STOPPED)
    assert "5 of 5 folds are stored" in said(at)
    at.button(key="go_on").click().run()
    check(at)
    assert "go_on" not in {b.key for b in open_page("experiments", run=STOPPED, job=job_of(at)).button}, "one way on"
    monkeypatch.setattr(compute, "executor", inline())
    job = jobs.claim(research, "w", now=NOW)
    handlers.execute(settings().database, job.id)
    at = open_page("experiments", job=job.id)
    assert f"{STOPPED} is done" in said(at)
    at.button(key="open_finished").click().run()
    assert "What would a model that knows nothing score?" in said(at)
    assert experiments.get(research, STOPPED).line.state == "done"


def test_a_run_under_way_has_a_bar_and_is_cancelled_and_gone_on_with(research):
    job = jobs.submit(research, "evaluate", {"study": "small"}, label="logistic on eeg", now=NOW)
    at = open_page("experiments", job=job.id)
    check(at)
    assert len(at.get("progress")) == 1
    at.button(key="cancel_job").click().run()
    assert "Cancelled" in check(at) and jobs.get(research, job.id).state == "cancelled"
    at.button(key="again_job").click().run()
    assert jobs.get(research, job.id).state == "queued"


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("leak_audit", {"study": "small", "target": "valence", "model": "logistic", "inputs": "eeg", "seed": 8}),
        ("train", {"study": "small", "targets": ["valence"], "model": "logistic", "inputs": "eeg", "seed": 8}),
        ("grid", {"study": "small", "seed": 8}),
    ],
)
def test_a_run_that_another_job_is_at_shows_its_bar_in_place_of_going_on(kind, params, research):
    job = jobs.submit(research, kind, params, label="the other work", now=NOW)
    at = open_page("experiments", run=STOPPED)
    assert "the other work" in said(at) and len(at.get("progress")) == 1
    assert "go_on" not in {b.key for b in at.button}
    jobs.cancel(research, job.id, now=NOW)
    at = open_page("experiments", run=STOPPED)
    assert "go_on" in {b.key for b in at.button} and not at.get("progress")


def test_a_run_shows_the_log_of_its_job_or_says_that_it_was_the_command_line(research, monkeypatch):
    text = said(open_page("experiments", run=FULL, tab="Log"))
    assert "from the command line" in text and "TensorBoard folder: none" in text
    assert any("tensorboard" in c.value for c in open_page("experiments", run=NET, tab="Log").code)
    ready(research, "scored", 5)
    params = {"study": "scored", "target": "valence", "model": "logistic", "inputs": "ecg"}
    monkeypatch.setattr(compute, "executor", inline())
    for label in ("the first", "the one that found it stored"):
        jobs.submit(research, "evaluate", params, label=label, now=NOW)
        job = jobs.claim(research, "w", now=datetime.now(UTC))
        handlers.execute(settings().database, job.id)
    at = open_page("experiments", run=jobs.get(research, job.id).result["experiment"], tab="Log")
    text = said(at)
    assert "Log: the first" in text and "found it stored" not in text
    assert "fold 5 of 5 done" in at.code[0].value


def test_each_class_has_precision_and_recall_and_the_log_loss_stands_beside_the_scores(research):
    with research.write() as tx:
        record = storage.get(tx, 1)
        details = record.summary["details"] | {
            "log_loss": {"value": 0.53, "low": 0.4, "high": 0.6},
            "per_class": [{"class": "Low", "n": 9, "precision": None, "recall": 0.0},
                          {"class": "High", "n": 11, "precision": 0.55, "recall": 1.0}],
        }  # fmt: skip
        storage.change(tx, 1, summary=record.summary | {"details": details})
    at = open_page("experiments", run=FULL, tab="Confusion")
    assert ("Log loss", "0.53") in [(m.label, m.value) for m in at.metric]
    rows = table(at, "Precision").set_index("Class")
    assert rows.loc["Low"].tolist() == [9, "not computed: never predicted", "0.00"]
    assert rows.loc["High"].tolist() == [11, "0.55", "1.00"]
    with research.write() as tx:  # an older run has neither
        older = {k: v for k, v in details.items() if k not in ("log_loss", "per_class")}
        storage.change(tx, 1, summary=record.summary | {"details": older})
    at = open_page("experiments", run=FULL, tab="Confusion")
    assert "Log loss" not in [m.label for m in at.metric]
    assert not [d for d in at.get("dataframe") if "Precision" in d.value.columns]


def test_a_failed_run_says_why_and_what_to_do(research):
    params = {"study": "nowhere", "target": "valence", "model": "logistic", "inputs": "eeg"}
    job = jobs.submit(research, "evaluate", params, now=NOW)
    jobs.claim(research, "w", now=NOW)
    handlers.execute(settings().database, job.id)
    text = said(open_page("experiments", job=job.id))
    assert "E-STUDY" in text and "Traceback" not in text


def test_the_form_offers_what_study_and_model_have_and_queues_a_run_once(research):
    at = open_page("experiments")
    at.selectbox(key="start_model").set_value("face_mlp").run()
    assert at.button(key="start_run").disabled, "the study has no face"
    at.selectbox(key="start_model").set_value("forest").run()
    at.selectbox(key="start_split").set_value("random_window").run()
    assert wording.LEAKY in said(at)
    at.selectbox(key="start_task").set_value("quadrant").run()
    at.button(key="start_run").click().run()
    check(at)
    job = jobs.get(research, job_of(at))
    assert job.params == {
        "study": "small", "target": "valence+arousal", "model": "forest", "inputs": "eeg+ecg", "fusion": "early",
        "split": "random_window", "seed": 0, "options": {"task": "quadrant"},
    }  # fmt: skip


def test_options_are_off_until_somebody_switches_them_on_and_are_those_the_model_and_split_have(research):
    at = open_page("experiments")
    at.selectbox(key="start_study").set_value("small").run()
    at.selectbox(key="start_model").set_value("eegnet").run()
    assert wording.OVERSAMPLING["smote"] not in at.selectbox(key="start_oversample-eegnet").options, "no table"
    at.selectbox(key="start_model").set_value("forest").run()
    select = at.checkbox(key="start_select")
    assert select.disabled and "no inner folds" in select.help
    assert all(w.help for w in (select, at.checkbox(key="start_flip"), at.selectbox(key="start_smoothing")))
    at.selectbox(key="start_split").set_value("nested_loso").run()
    at.selectbox(key="start_oversample-forest").set_value("smote").run()
    at.selectbox(key="start_smoothing").set_value("two_state").run()
    at.checkbox(key="start_flip").check().run()
    at.checkbox(key="start_select").check().run()
    at.button(key="start_run").click().run()
    check(at)
    given = {"task": "binary", "oversample": "smote", "smoothing": "two_state", "flip": True}
    declared = [dict(c) for c in MODELS["forest"].choices]
    assert jobs.get(research, job_of(at)).params["options"] == {**given, "choices": declared}
    at = open_page("experiments")
    at.selectbox(key="start_smoothing").set_value("causal").run()
    at.selectbox(key="start_split").set_value("nested_loso").run()
    select = at.checkbox(key="start_select")
    assert select.disabled and "selects unasked" in select.help, "logistic regression"
    at.selectbox(key="start_task").set_value("nine").run()
    assert at.selectbox(key="start_smoothing").disabled and at.checkbox(key="start_flip").disabled
    at.button(key="start_run").click().run()
    assert jobs.get(research, job_of(at)).params["options"] == {"task": "nine"}


def test_a_run_with_options_from_the_page_is_another_and_shows_them_in_its_configuration(research, monkeypatch):
    ready(research, "scored", 5)
    monkeypatch.setattr(compute, "executor", inline())
    names = []
    for smoothing in ("", "causal"):
        at = open_page("experiments")
        at.selectbox(key="start_study").set_value("scored").run()
        at.multiselect(key="start_signals-scored-logistic").set_value(["ecg"]).run()
        at.selectbox(key="start_smoothing").set_value(smoothing).run()
        at.checkbox(key="start_flip").set_value(bool(smoothing)).run()
        at.button(key="start_run").click().run()
        job = jobs.claim(research, "w", now=NOW)
        handlers.execute(settings().database, job.id)
        names.append(jobs.get(research, job.id).result["experiment"])
    plain, smoothed = (
        json.loads(open_page("experiments", run=name, tab="Configuration").json[0].value)["config"] for name in names
    )
    assert names[0] != names[1] and (plain["smoothing"], plain["flip"]) == ("", False)
    assert (smoothed["smoothing"], smoothed["flip"]) == ("causal", True)


def test_a_score_that_is_ticked_is_an_input_of_another_experiment_and_is_shown(research, monkeypatch):
    ready(research, "scored", 5)
    at = open_page("experiments")
    at.selectbox(key="start_study").set_value("small").run()
    assert not [c for c in at.checkbox if c.key.startswith("score-")], "the study without scores offers none"
    at.selectbox(key="start_study").set_value("scored").run()
    at.selectbox(key="start_model").set_value("eegnet").run()
    assert not [c for c in at.checkbox if c.key.startswith("score-")], "a model of signals takes no score"
    at.selectbox(key="start_model").set_value("logistic").run()
    at.multiselect(key="start_signals-scored-logistic").set_value(["ecg"]).run()
    monkeypatch.setattr(compute, "executor", inline())
    names = []
    for ticked in (False, True):
        at.checkbox(key="score-scored-ei").set_value(ticked).run()
        at.button(key="start_run").click().run()
        job = jobs.claim(research, "w", now=NOW)
        assert job.params["options"] == {"task": "binary"} | ({"groups": ["ei"]} if ticked else {})
        handlers.execute(settings().database, job.id)
        names.append(jobs.get(research, job.id).result["experiment"])
    frame = table(open_page("experiments"), "Chance").set_index("Run")
    assert frame.loc[names, "Signals"].tolist() == ["ecg", "ecg + EI score"]
    text = said(open_page("experiments", run=names[1]))
    assert "on ECG + EI score" in text and "EI score" not in said(open_page("experiments", run=names[0]))


def test_a_stopped_run_goes_on_with_all_its_options(research):
    ready(research, "scored", 5)
    given = {"task": "binary", "flip": True, "groups": ["ei"]}
    with pytest.raises(Cancelled):
        experiments.evaluate(
            research, "scored", "valence", "logistic", "ecg", options=given, now=NOW, progress=at_a_fold
        )
    [line] = [x for x in experiments.all_experiments(research) if x.study == "scored"]
    at = open_page("experiments", run=line.id)
    at.button(key="go_on").click().run()
    params = dict(jobs.get(research, job_of(at)).params)
    key = [params[name] for name in ("study", "target", "model", "inputs", "fusion", "split", "seed")]
    assert experiments.spec_of(*key, params["options"]).config == dict(line.options)
    assert given.items() <= params["options"].items() and set(experiments.OPTIONS) == set(Spec.__dataclass_fields__) - {
        *storage.KEY
    }


def at_a_fold(share, words):
    if words.startswith("fold"):
        raise Cancelled


def test_runs_are_compared_by_subject_with_letters_matrices_and_settings(research):
    at = open_page("experiments", runs=f"{FULL},{TRIVIAL},{ECG}")
    text = said(at)
    ranks = table(at, "Tie")
    assert sorted(ranks["Rank"])[0] == 1 and set("".join(ranks["Tie"])) <= set("abc")
    pairs = table(at, "Pair")
    assert len(pairs) == 3 and pairs["p"].str.contains("permutation").all()
    assert "logistic" in table(at, "What").set_index("What").loc["model"].tolist()
    assert sum(f.proto.alt.startswith("Confusion of Low, High") for f in at.get("plotly_chart")) == 3
    assert "All subjects, n = 20 trials" in text
    at = open_page("experiments", runs=f"{FULL},{TRIVIAL}", correction="fdr")
    assert not at.error


def test_equal_runs_share_a_rank_and_a_letter():
    same = {"x": {"A": 0.5, "B": 0.6}, "y": {"A": 0.6, "B": 0.5}}
    assert [s["rank"] for s in statistics.compare(same)["scores"]] == [1, 1]
    assert statistics.letters(["a1", "b1", "c1"], [("a1", "b1"), ("a1", "c1")]) == {"a1": "a", "b1": "b", "c1": "b"}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"run": "E-9999"}, "Unknown run E-9999"),
        ({"run": "nonsense"}, "Unknown run nonsense"),
        ({"runs": f"{FULL},E-9999"}, "E-EXPERIMENT"),
        ({"runs": FULL}, "E-COMPARE"),
        ({"runs": f"{FULL},{VALUE}"}, "E-COMPARE"),
        ({"runs": f"{FULL},{PARTIAL}"}, "E-EXPERIMENT-OPEN"),
        ({"job": "f" * 16}, "Unknown job"),
    ],
)
def test_what_is_not_there_or_cannot_be_compared_is_said(params, words, research):
    text = said(open_page("experiments", **params))
    assert words in text
    assert "What would a model that knows nothing score?" not in text


def test_results_leave_with_moabbs_columns(research):
    frame = exports.frame(research, "results")
    assert list(frame.columns[:9]) == [
        "score", "time", "samples", "subject", "session", "channels", "n_sessions", "dataset", "pipeline",
    ]  # fmt: skip
    assert frame.columns[-1] == "leaky" and set(frame.loc[frame["leaky"], "experiment"]) == {LEAKY}
    buttons = [b.proto.label for b in open_page("experiments").get("download_button")]
    assert "Export results (MOABB columns)" in buttons


def test_every_split_and_task_has_words():
    assert set(wording.SPLITS) == set(SPLITS) and set(wording.TASKS) == set(TASKS)
    assert set(wording.FUSIONS) == set(experiments.FUSIONS)
    assert set(wording.OVERSAMPLING) == {"", *OVERSAMPLING} and set(wording.SMOOTHING) == {"", *SMOOTHING}
    assert not set(wording.UNSEEN_SPLITS) & {*LEAKY_SPLITS, "within_subject"}
