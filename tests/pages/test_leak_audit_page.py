"""Leak audit: empty, a choice, under way, stopped, failed, partly checkable, full, and the controls beside it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest

from app.ui import protocols as protocols_panel
from app.ui import validity as ui
from app.ui import wording
from core import compute
from core.evaluation.validity import control, leak_audit
from core.evaluation.validity.surrogates import SURROGATES
from core.evaluation.validity.transfer import ALIGNMENTS
from core.services import admin, handlers, jobs
from core.services.exports import exports, reports
from core.services.research import experiments, results, validity
from core.settings import VERSION, settings
from core.storage import research as storage
from tests.core.reports.reading import text
from tests.core.services.research.test_experiments import inline
from tests.pages.conftest import NOW, open_page
from tests.pages.research_site import ECG, FULL, LEAKY, VALUE, ready, run, stopped_audit
from tests.pages.test_experiments_page import said
from tests.pages.test_studies_page import job_of

PIPE = {"study": "small", "target": "valence", "model": "logistic", "inputs": "eeg"}
INTERVAL = {"value": 0.31, "low": 0.2, "high": 0.41}
CHECKS = [
    {"name": "subject overlap", "outcome": "pass", "evidence": "0 of 5 folds (at most 0) (core/evaluation/x.py loso)"},
    {
        "name": "id-like columns",
        "outcome": "fail",
        "evidence": "trial_no (core/evaluation/validity/identity.py id_like)",
    },
    {
        "name": "subject probe",
        "outcome": "pass",
        "evidence": "in 80% (core/evaluation/validity/identity.py subject_probe)",
    },
    {"name": "stimulus probe", "outcome": "not_checkable", "evidence": "none shared (core/evaluation/y.py probe)"},
    {"name": "label permutation", "outcome": "pass", "evidence": "0.49, chance 0.50 (core/evaluation/z.py run_fold)"},
]


def stored(store, kind: str, result: dict, key: dict = PIPE, config_hash: str = "a", **config: str) -> None:
    """A result as the services store it."""
    with store.write() as tx:
        storage.add_audit_result(
            tx, now=NOW, kind=kind, **{"seed": 0, **key}, config=config, config_hash=config_hash, code_version=VERSION,
            result=result,
        )  # fmt: skip


def audited(store, premium: dict = INTERVAL, checks: list = CHECKS, **key: str) -> None:
    scores = dict.fromkeys(leak_audit.COMPARED, 0.5) | {"random_window": 0.81, "trial": 0.7}
    made = {"loso": FULL, "trial": LEAKY}
    own = {"premium": premium, "scores": scores, "checks": checks, "experiments": made, "fusion": "early"}
    stored(store, "leak_audit", own, PIPE | key)


def work(store, monkeypatch) -> None:
    """What the worker would do now, folds in this process."""
    monkeypatch.setattr(compute, "executor", inline())
    job = jobs.claim(store, "w", now=NOW)
    handlers.execute(settings().database, job.id)


def tables(at) -> list:
    return [d.value for d in at.get("table")]


def test_without_a_study_the_page_says_what_is_needed(empty):
    at = open_page("leak_audit")
    assert "Choose a run: there is none yet" in said(at) and any(b.key == "demo_run" for b in at.button)


def test_a_run_or_a_pipeline_is_chosen_and_stands_in_the_url(research):
    at = open_page("leak_audit")
    assert "No audit is stored yet" in said(at)
    options = at.selectbox(key="choose_run").options
    assert any(o.startswith(FULL) for o in options) and not any(o.startswith(VALUE) for o in options)
    at.selectbox(key="choose_run").set_value(FULL).run()
    at.button(key="ask_run").click().run()
    text = said(at)
    assert at.query_params["run"] in (FULL, [FULL]) and "Not audited yet" in text
    assert at.code[0].value == (
        "affectline leak-audit --study small --target valence --model logistic --inputs eeg"
    )  # fmt: skip
    at.button(key="back").click().run()
    at.selectbox(key="ask_model").set_value("forest").run()
    at.button(key="ask_pipeline").click().run()
    assert "Random forest on EEG + ECG" in said(at)
    assert {n: at.query_params[n] for n in ("study", "model", "inputs")} in (
        {"study": "small", "model": "forest", "inputs": "eeg+ecg"},
        {"study": ["small"], "model": ["forest"], "inputs": ["eeg+ecg"]},
    )


def test_an_audit_is_queued_once_shown_after_a_refresh_and_cancelled(research):
    at, before = (open_page("leak_audit", **PIPE, fusion="late", seed="3") for _ in range(2))
    at.button(key="start_audit").click().run()
    said(at)
    job = jobs.get(research, job_of(at))
    assert (job.kind, dict(job.params)) == ("leak_audit", {**PIPE, "fusion": "late", "seed": 3})
    again = open_page("leak_audit", **PIPE, fusion="late", seed="3", job=job.id)
    assert len(again.get("progress")) == 1
    assert not {"start_audit"} & {b.key for b in again.button}, "the same work is not queued twice"
    before.button(key="start_audit").click().run()
    assert len(jobs.recent(research)) == len(before.get("progress")) == 1, "nor from a tab that was open before"
    again.button(key="cancel_job").click().run()
    assert "Cancelled" in said(again) and jobs.get(research, job.id).state == "cancelled"


def test_an_audit_that_the_url_does_not_name_shows_its_bar_and_no_button_to_start_it(research):
    jobs.submit(research, "leak_audit", PIPE | {"seed": 3}, label="Leak audit: of seed 3", now=NOW)
    for params in ({}, PIPE | {"seed": "3"}):
        at = open_page("leak_audit", **params)
        assert "Leak audit: of seed 3" in said(at) and len(at.get("progress")) == 1, params
    assert "start_audit" not in {b.key for b in at.button} and "Not audited yet" not in said(at)
    at = open_page("leak_audit", **PIPE)
    assert not at.get("progress") and at.button(key="start_audit"), "that of another seed is another audit"
    scored = open_page("leak_audit", **PIPE, seed="3", fusion="late")
    assert not scored.get("progress"), "nor is that of another fusion"


def test_an_audit_that_was_stopped_names_what_is_stored_of_each_split_and_has_no_premium(research, monkeypatch):
    stopped_audit(research, monkeypatch)
    asked = PIPE | {"inputs": "ecg"}
    at = open_page("leak_audit", **asked)
    text = said(at)
    assert "Not audited yet" in text and "3 of 5 splits are done" in text and not at.metric
    frame = next(d.value for d in at.get("dataframe") if "Folds" in d.value.columns).set_index("Split")
    assert frame["State"].tolist() == ["■ done", "■ done", "● not finished", "■ done", "○ not begun"]
    [run] = [x for x in experiments.all_experiments(research) if x.split == "subject_kfold"]
    own = frame.loc[wording.SPLITS["subject_kfold"].partition(":")[0]]
    assert own["Run"] == run.id and own["Folds"] == "2 of 5"
    assert ("experiments", f"run={run.id}") in [(p.proto.page, p.proto.query_string) for p in at.get("page_link")]
    assert "splits are done" not in said(open_page("leak_audit", **asked, seed="9")), "another seed has nothing stored"
    jobs.submit(research, "leak_audit", asked, now=NOW)
    work(research, monkeypatch)
    text = said(open_page("leak_audit", **asked))
    assert "splits are done" not in text and "What was looked at?" in text
    assert f"{ECG}: LOSO" in text, "what was stored is part of it"


def test_an_audit_that_failed_says_why(research, monkeypatch):
    job = jobs.submit(research, "leak_audit", PIPE | {"study": "nowhere"}, now=NOW)
    work(research, monkeypatch)
    text = said(open_page("leak_audit", **PIPE, job=job.id))
    assert "E-STUDY" in text and "Go on" in text and "Not audited yet" in text


def test_a_full_audit_has_premium_splits_checks_probes_and_labels_dealt_anew(research):
    audited(research)
    at = open_page("leak_audit", run=FULL)
    text = said(at)
    assert at.metric[0].value == "+0.31 (+0.20 to +0.41)" and wording.premium(0.31, 0.2, 0.41) in text
    (figure,) = at.get("plotly_chart")
    assert "Windows at random (leaky) 0.81" in figure.proto.alt and "chance 0.50" in figure.proto.alt
    drawn = json.loads(figure.proto.spec)["layout"]
    assert [a["text"] for a in drawn["annotations"]].count(wording.LEAKY_MARK) == 2
    checks, probes, null = tables(at)
    assert checks["Outcome"].tolist() == ["✕ fail", "■ pass"], "what failed comes first"
    row = checks.iloc[1].map(lambda t: t.replace("\\", ""))
    assert row["Evidence"] == "0 of 5 folds (at most 0)" and row["Place in the code"] == "core/evaluation/x.py loso"
    assert probes["Outcome"].tolist() == ["○ not checkable", "■ pass"] and len(null) == 1
    assert "5 checks: ✕ 1 fail, ○ 1 not checkable, ■ 3 pass" in text and "is not passed" in text
    labels = [b.proto.label for b in at.get("download_button")]
    assert {"Export JSON", "Export PDF"} <= set(labels) and any(f"{FULL}: LOSO" in t for t in text.splitlines())


def test_too_few_subjects_leave_no_premium_and_nothing_checkable_is_not_passed(research):
    audited(research, {"value": None, "low": None, "high": None}, [CHECKS[3]])
    text = said(open_page("leak_audit", **PIPE))
    assert "not computed: too few subjects" in text and "Too few subjects" in text
    assert "1 check: ○ 1 not checkable" in text and "A check failed" not in text
    assert "this audit has no such check" in text


def test_stored_audits_are_listed_and_opened_by_their_own_address(research):
    audited(research)
    audited(research, {"value": 0.1, "low": -0.1, "high": 0.3}, inputs="ecg")
    at = open_page("leak_audit")
    said(at)
    frame = next(d.value for d in at.get("dataframe") if "Leak premium" in d.value.columns)
    assert frame["Leak premium"].tolist() == ["+0.10 (-0.10 to +0.30)", "+0.31 (+0.20 to +0.41)"]
    assert frame["Checks"].tolist() == ["✕ 1 fail, ○ 1 not checkable, ■ 3 pass"] * 2
    text = said(open_page("leak_audit", audit="1"))
    assert "+0.31" in text and "on EEG" in text


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"run": "E-9999"}, "Unknown run E-9999"),
        ({"audit": "77"}, "Unknown audit 77"),
        ({"run": VALUE}, "is of High or not"),
        (PIPE | {"study": "nowhere"}, "E-STUDY"),
        (PIPE | {"model": "oracle"}, "E-MODEL-KIND"),
        (PIPE | {"inputs": "face"}, "E-INPUTS"),
        ({"job": "f" * 16}, "Unknown job"),
    ],
)
def test_what_is_not_there_or_cannot_be_audited_is_said_and_not_run(params, words, research):
    at = open_page("leak_audit", **params)
    assert words in said(at)
    assert all(b.disabled for b in at.button if b.key == "start_audit")


SCORE = {"balanced_accuracy": INTERVAL, "loss": INTERVAL, "roc_auc": INTERVAL | {"value": None}}
PROTOCOLS = {"leaky": True, "watermark": "LEAKY: no result.", "experiment": "E-0001", "n_subjects": 5, "protocols": [
    {"name": "S2", "title": "Net", "requirements": "S2-05", "published": "75 %", "level": "window", "leaky": True,
     "did": ["Windows."], "rules": ["window overlap"], "left": [{"what": "Drawn again.", "reason": "as common"}],
     "score": 0.91, "honest": 0.5, "difference": INTERVAL | {"n": 5}, "reason": ""},
    {"name": "S4", "title": "Face", "requirements": "S4-08", "published": "79 %", "level": "row", "leaky": True,
     "did": ["SMOTE."], "rules": ["tuning on test"], "left": [], "score": 0.99, "honest": 0.5,
     "difference": {"value": 0.49, "low": None, "high": None}, "reason": "no interval: of nobody"},
    {"name": "S1-v1", "title": "First", "requirements": "c1", "published": "none", "level": "trial", "leaky": True,
     "did": [], "rules": [], "left": [], "score": None, "honest": None, "difference": None, "reason": "takes signals"},
]}  # fmt: skip
FOUND = {
    "stimulus": ({"premium": INTERVAL, "seen": INTERVAL, "withheld": INTERVAL, "n_subjects": 5, "n_stimuli": 8,
                  "note": "Names were taken."}, "n = 5 subjects, 8 clips. Names were taken."),
    "surrogates": ({"scores": [{"signals": n, **SCORE} for n in ("original", *SURROGATES)], "n_subjects": 5},
                   "Played backwards"),
    "confounds": ({"experiment": "E-0001", "own": INTERVAL, "n_subjects": 5, "not_beaten": ["time"], "predictors": [
        {"name": "muscle", "source": "EEG, 30-45 Hz", "reason": "", "beaten": True, "balanced_accuracy": INTERVAL,
         "difference": INTERVAL | {"p": 0.01}},
        {"name": "time", "source": "order", "reason": "", "beaten": False, "balanced_accuracy": INTERVAL,
         "difference": INTERVAL | {"p": 0.5}},
        {"name": "eyes", "source": "", "reason": "no such signal", "balanced_accuracy": None, "difference": None,
         "beaten": None},
    ]}, "▲ Not shown to beat time in session alone"),
    "transfer": ({"to": "other", "scores": [{"alignment": n, **SCORE} for n in ALIGNMENTS], "n_subjects": 3,
                  "n_columns": 7}, "n = 3 subjects of other, 7 shared columns"),
}  # fmt: skip


def test_protocols_of_others_are_watermarked_in_words_figure_and_table(research):
    stored(research, "protocols", PROTOCOLS)
    at = open_page("leak_audit", **PIPE, tab="Protocols of others")
    text = said(at)
    assert "LEAKY: no result." in text and "n = 5 subjects" in text
    assert at.code[-1].value.startswith("affectline validity protocols --study small")
    (figure,) = at.get("plotly_chart")
    assert "S2 0.91 (leaky), left-out people 0.50" in figure.proto.alt and "S1-v1" not in figure.proto.alt
    assert [a["text"] for a in json.loads(figure.proto.spec)["layout"]["annotations"]].count(wording.LEAKY_MARK) == 1
    frame = next(d.value for d in at.get("dataframe") if "Protocol" in d.value.columns).set_index("Protocol")
    column = f"Re-enacted ({wording.LEAKY_MARK})"
    assert frame[column].tolist() == ["0.91", "0.99", "not computed: takes signals"]
    assert frame["Difference"].tolist() == ["+0.31 (+0.20 to +0.41)", "+0.49, no interval",
                                            "not computed: takes signals"]  # fmt: skip
    (did,) = (t for t in tables(at) if "Rules broken" in t)
    assert (
        did["Not done here"].tolist()[0].replace("\\", "") == "Drawn again: as common"
        and did["Rules broken"].tolist()[2] == "none"
    )


def test_the_button_of_the_protocols_queues_their_job(research):
    at = open_page("leak_audit", **PIPE, fusion="late", tab="Protocols of others")
    at.button(key="run-protocols").click().run()
    job = jobs.get(research, job_of(at))
    assert (job.kind, job.params["check"], job.params["fusion"]) == ("validity", "protocols", "late")


def test_numbers_of_protocols_of_fewer_than_five_people_are_not_drawn_and_do_not_leave(research):
    stored(research, "protocols", PROTOCOLS | {"n_subjects": 4})
    at = open_page("leak_audit", **PIPE, tab="Protocols of others")
    assert "n = 4 subjects" in said(at) and not at.get("plotly_chart")
    frame = next(d.value for d in at.get("dataframe") if "Protocol" in d.value.columns)
    left = protocols_panel.few_kept(frame, 4)
    assert set(left["Difference"]) == {"fewer than 5 people"} and list(left) == list(frame)
    assert protocols_panel.few_kept(frame, 5)["Difference"].tolist() == frame["Difference"].tolist()


@pytest.mark.parametrize("kind", FOUND)
def test_a_stored_control_is_shown_with_its_command(kind, research, monkeypatch):
    monkeypatch.setattr("core.services.research.studies.all_studies", _two(research))
    (panel,) = (p for p in ui.PANELS if p.kind == kind)
    at = open_page("leak_audit", **PIPE, tab=panel.title)
    assert "Not run yet" in said(at)
    result, words = FOUND[kind]
    stored(research, kind, result)
    at = open_page("leak_audit", **PIPE, tab=panel.title)
    text = said(at)
    assert words in text and "0.31 (0.20-0.41)" in text and "Not run yet" not in text
    to = " --to other" if kind == "transfer" else ""
    assert at.code[-1].value == (
        f"affectline validity {kind} --study small --target valence --model logistic --inputs eeg{to}"
    )


def test_what_is_not_computed_of_the_confounds_and_what_is_beaten_stand_in_the_table(research):
    stored(research, "confounds", FOUND["confounds"][0])
    at = open_page("leak_audit", **PIPE, tab="Confounds")
    frame = next(d.value for d in at.get("dataframe") if "Beaten" in d.value.columns).set_index("Alone")
    assert frame.loc["Eye activity", "Balanced accuracy"] == "not computed: no such signal"
    assert (frame.loc["Muscle power", "Beaten"], frame.loc["Time in session", "Beaten"]) == ("■ beaten", "▲ not beaten")
    assert frame.loc["Time in session", "Pipeline less it"] == "+0.31 (+0.20 to +0.41)" and said(at)


def test_the_controls_of_late_fusion_are_asked_for_and_shown_apart_from_the_early_ones(research):
    result, words = FOUND["stimulus"]
    stored(research, "stimulus", result)
    at = open_page("leak_audit", **PIPE, fusion="late", tab="Stimulus holdout")
    assert "Not run yet" in said(at) and at.code[-1].value.endswith("--inputs eeg --fusion late")
    at.button(key="run-stimulus").click().run()
    assert jobs.get(research, job_of(at)).params["fusion"] == "late"
    stored(research, "stimulus", result | {"fusion": "late"}, config_hash="late")
    assert words in said(open_page("leak_audit", **PIPE, fusion="late", tab="Stimulus holdout"))


def _two(store):
    from core.services.research import studies

    one = studies.all_studies(store)[0]
    return lambda _: [one, one | {"name": "other"}]


@pytest.mark.parametrize(("kind", "words"), [("labels", "Krippendorff"), ("control", "size found in every draw")])
def test_the_button_of_a_control_queues_its_job_and_the_panel_shows_what_it_found(kind, words, research, monkeypatch):
    monkeypatch.setattr(control, "SIZES", (8.0,))
    monkeypatch.setattr(control, "DRAWS", 1)
    (panel,) = (p for p in ui.PANELS if p.kind == kind)
    at = open_page("leak_audit", **PIPE, tab=panel.title)
    at.button(key=f"run-{kind}").click().run()
    job = jobs.get(research, job_of(at))
    assert job.kind == "validity" and job.params["check"] == kind
    work(research, monkeypatch)
    at = open_page("leak_audit", **PIPE, tab=panel.title, job=job.id)
    assert words in said(at) and "Done. What it found is stored." in said(at)


def test_every_stored_control_has_a_panel_and_surrogates_and_alignments_have_words():
    assert [p.kind for p in ui.PANELS] == list(validity.CHECKS)
    assert set(wording.SURROGATES) == {"original", *SURROGATES} and set(wording.ALIGNMENTS) == set(ALIGNMENTS)


def test_the_checklist_is_of_a_stored_run_of_the_pipeline(research):
    at = open_page("leak_audit", run=FULL, tab="Checklist")
    text = said(at)
    assert "■ known" in text and at.code[-1].value == f"affectline validity checklist {FULL}"
    assert "No run of this pipeline" in said(open_page("leak_audit", **PIPE, seed="99", tab="Checklist"))


def test_a_run_leads_to_its_audit_and_a_score_above_the_yardstick_asks_for_it(research, monkeypatch):
    monkeypatch.setattr("app.ui.run_detail.simulated", lambda store, study: False)
    monkeypatch.setattr(wording, "yardstick", lambda *a: (True, "Above 0.65"))
    at = open_page("experiments", run=FULL)
    assert "○ not audited" in said(at)
    links = [(p.proto.page, p.proto.query_string) for p in at.get("page_link")]
    assert links.count(("leak-audit", f"run={FULL}")) == 2, "from the badge, and from the sentence"


def test_a_run_that_was_given_scores_is_audited_with_them_and_not_by_an_audit_without(research, monkeypatch):
    ready(research, "scored", 5)
    monkeypatch.setattr(compute, "executor", inline())
    own = run(research, inputs="ecg", study="scored", options={"groups": ["ei"]})["experiment"]
    audited(research, study="scored", inputs="ecg")
    at = open_page("leak_audit", run=own)
    text = said(at)
    assert "on ECG + EI score" in text and "Not audited yet" in text and not at.metric
    assert "without the scores of its subjects" in text
    assert any("leak-audit --score ei --study scored" in c.value for c in at.code)
    at.button(key="start_audit").click().run()
    job = jobs.get(research, job_of(at))
    assert job.params["options"] == {"groups": ["ei"]}
    scores = dict.fromkeys(leak_audit.COMPARED, 0.5)
    result = {"premium": INTERVAL, "scores": scores, "checks": [], "experiments": {}, "fusion": "early"}
    stored(research, "leak_audit", result | {"groups": ["ei"]}, PIPE | {"study": "scored", "inputs": "ecg"}, "with")
    assert open_page("leak_audit", run=own).metric[0].value == "+0.31 (+0.20 to +0.41)"


def test_an_audit_of_older_data_says_so_beside_the_run_and_one_of_the_same_comes_first(research):
    config = dict(experiments.get(research, FULL).config)
    scores = dict.fromkeys(leak_audit.COMPARED, 0.5)
    same = {"premium": INTERVAL | {"value": 0.11}, "scores": scores, "checks": [], "experiments": {}, "fusion": "early"}
    stored(research, "leak_audit", same, **config)
    assert "▲" not in said(open_page("leak_audit", run=FULL)) + said(open_page("leak_audit", **PIPE))
    other = config | {"study_sha256": "another"}
    stored(research, "leak_audit", same | {"premium": INTERVAL}, config_hash="b", **other)
    assert open_page("leak_audit", run=FULL).metric[0].value.startswith("+0.11"), "the same before the newer"
    with research.write() as tx:
        storage.change(tx, int(FULL[2:]), config=config | {"pipeline_hash": "a later one"})
    at = open_page("leak_audit", run=FULL)
    assert at.metric[0].value.startswith("+0.31") and f"▲ older data, pipeline than run {FULL}" in said(at)
    text = said(open_page("leak_audit", audit="2"))
    assert "▲ older data than the study, pipeline and code of now" in text


def test_a_control_of_older_data_says_so(research):
    result, _ = FOUND["stimulus"]
    stored(research, "stimulus", result, study_sha256="another")
    assert "▲ older data than the study" in said(open_page("leak_audit", **PIPE, tab="Stimulus holdout"))


def test_an_audit_leaves_as_json_and_pdf_with_words_for_what_is_not_computed_and_an_audit_row(research):
    audited(research, {"value": None, "low": None, "high": None})
    line = results.newest_check(research, "leak_audit", PIPE, fusion="early")
    made = reports.leak_audit(research, line, now=NOW, pdf=True)
    with zipfile.ZipFile(io.BytesIO(made.zip())) as bag:
        pdf, plain, dictionary, manifest = (bag.read(n) for n in bag.namelist())
    value = json.loads(plain)
    assert value["premium"]["value"] == {"not_computed": "too_few"} and value["checks"] == CHECKS
    assert [d["column"] for d in json.loads(dictionary)] == list(value)
    said = text(pdf)
    assert hashlib.sha256(plain).hexdigest() in said and "not computed: too few values" in said
    for row in value["splits"]:
        assert f"{row['value']:.3f}" in said and row["run"] in said
    hashes = {own["sha256"] for own in json.loads(manifest)["files"].values()}
    assert hashes == {hashlib.sha256(own).hexdigest() for own in (pdf, plain)}
    assert exports.recent(research)[0]["format"] == "pdf" and admin.verify_audit(research)[0]
    alone = reports.leak_audit(research, line, now=NOW)
    assert json.loads(next(iter(alone.files.values()))) == value
