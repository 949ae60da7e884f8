"""Models: none, the list, one card in full, a locked one, decisions with a reason, and what would change."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from app.cli.words import model_lines
from app.ui import components
from core.models import bundle
from core.services import handlers, jobs
from core.services.exports import exports, reports
from core.services.research import models
from core.settings import MODELS_SHIPPED
from tests.core.reports.reading import text
from tests.pages.conftest import NOW, RECORDED, open_page
from tests.pages.test_pages import check

DEMO, BAND = "demo-eeg-ecg", "wearable-stress"
TABS = ("Subjects", "Calibration", "Leak audit", "Controls", "Limits", "Files")


def said(at) -> str:
    return check(at).replace("\\", "")


def table(at, column: str):
    return next(d.value for d in [*at.get("dataframe"), *at.get("table")] if column in d.value.columns)


def test_without_a_model_the_page_says_how_to_get_one(empty, monkeypatch):
    monkeypatch.setattr(bundle, "MODELS_SHIPPED", empty / "none")
    at = open_page("models")
    assert "No model is installed." in said(at) and "--publish" in at.code[0].value


def test_the_list_has_state_targets_signals_and_scores_with_intervals(filled):
    models.retire(filled, DEMO, "our own is better", NOW)
    at = open_page("models")
    frame = table(at, "State").set_index("Model")
    assert frame.loc[BAND, "State"] == "■ Approved" and frame.loc[DEMO, "State"] == "✕ Retired"
    stress = bundle.load(MODELS_SHIPPED / BAND).card.loso["stress"].balanced_accuracy
    assert frame.loc[BAND, "Balanced accuracy"] == f"Stress {stress.value:.2f} ({stress.low:.2f}-{stress.high:.2f})"
    assert frame.loc[DEMO, "Signals"] == "EEG + ECG" and frame.loc[DEMO, "Why"] == "our own is better"
    assert "simulated" in frame.loc[DEMO, "Trained on"] and said(at)
    links = {(p.proto.label.replace("\\", ""), p.proto.query_string) for p in at.get("page_link")}
    assert links >= {(f"Card of {name}", f"model={name}") for name in frame.index}, "by the keyboard as well"


def test_the_stress_card_prints_its_score_beside_the_clock_and_names_the_lowest_five(filled):
    tabs = {name: open_page("models", model=BAND, tab=name) for name in TABS}
    at, text = tabs["Controls"], " ".join(map(said, tabs.values()))
    card = bundle.load(MODELS_SHIPPED / BAND).card
    assert "stressor on or off, not felt stress" in text and "A clock alone reaches an AUC of 0.96" in text
    held = "The cut that ships, 0.56, is held high so that few windows of calm sessions are called High"
    assert f"{held}; the scores by task above are at each fold's own cut, 0.30-0.65." in text
    shown = table(at, "Control")
    assert list(shown["Control"][:4]) == [
        "This model, people left out", "This model, people left out", "Clock alone: time since the start",
        "Clock alone: time since the start",
    ]  # fmt: skip
    assert {"People of another laboratory", "Movement of the wrist alone"} <= set(shown["Control"])
    lowest = sorted(card.loso["stress"].subjects, key=lambda s: (s.balanced_accuracy, s.subject))[:5]
    assert f"Stress: {', '.join(f'{s.subject} {s.balanced_accuracy:.2f}' for s in lowest)}." in text
    assert (
        f"{card.controls['calm_only']['flagged']:.0%} of windows are flagged" in text
        and "Intended use" in text
        and "Not for" in text
    )
    assert len(table(tabs["Subjects"], "Brier")) == 27
    assert set(table(tabs["Leak audit"], "Result")["Result"]) == {"■ pass"}
    files = tabs["Files"]
    values = set(table(files, "Value")["Value"]) | {v for d in files.get("table") if "What" in d.value.columns
                                                    for v in d.value["Value"]}  # fmt: skip
    assert card.files["model.skops"] in values and card.training.sha256 in values


def test_the_checklist_of_reporting_stands_in_full(filled, monkeypatch):
    axes = [{"axis": "splits", "text": "each subject left out once; " * 12 + "seed 0", "missing": ["device"]}]
    monkeypatch.setattr(models, "reporting", lambda store, name: {"stress": axes})
    [shown] = [
        t.value
        for t in open_page("models", model="wearable-stress", tab="Reporting").table
        if "What was done" in t.value
    ]
    assert list(shown.iloc[0]) == ["Stress", "Splits", axes[0]["text"], "device"]


def test_a_demonstration_says_so_and_has_no_controls(filled):
    text = " ".join(said(open_page("models", model=DEMO, tab=tab)) for tab in TABS)
    assert "The cut that ships" not in text
    assert "carry no meaning for a person" in text and "No controls are on this card" in text
    assert "Majority class" in text and "Recordings unlike its training are predicted with the warning W-DRIFT." in text


def test_a_card_whose_features_name_people_while_its_score_is_at_chance_says_so(filled):
    place = filled.data_dir / "models" / "ours"
    shutil.copytree(MODELS_SHIPPED / DEMO, place)
    card = json.loads((place / "card.json").read_text()) | {"name": "ours"}
    probe = {"accuracy": 0.93, "chance": 0.06, "n_subjects": 16, "n_windows": 1824}
    card["leak_audit"]["identity"] = {"valence": probe}
    (place / "card.json").write_text(json.dumps(card))
    assert "name the person" not in said(open_page("models", model="ours"))
    card["loso"]["valence"]["balanced_accuracy"] |= {"value": 0.52, "low": 0.44}
    (place / "card.json").write_text(json.dumps(card))
    assert "▲ Valence: the features name the person in 93% of windows" in said(open_page("models", model="ours"))


def test_results_by_subgroup_stand_under_the_subjects_and_an_older_card_has_none(filled):
    shipped = open_page("models", model=DEMO, tab="Subjects")
    assert "There are no results by subgroup: no group fields in the study." in said(shipped)
    place = filled.data_dir / "models" / "ours"
    shutil.copytree(MODELS_SHIPPED / DEMO, place)
    card = json.loads((place / "card.json").read_text()) | {"name": "ours"}
    del card["subgroups"]
    (place / "card.json").write_text(json.dumps(card))
    older = open_page("models", model="ours", tab="Subjects")
    assert "There are no results by subgroup: they were not computed when this card was made." in said(older)
    score = {"value": 0.71, "low": 0.62, "high": 0.8}
    rows = [{"field": "*sex*", "group": "f", "n": 11, "balanced_accuracy": score, "roc_auc": score},
            {"field": "*sex*", "group": "m", "n": 6, "balanced_accuracy": score, "roc_auc": None, "reason": "few"},
            {"field": "*sex*", "group": "not given", "n": 2, "balanced_accuracy": None, "roc_auc": None,
             "reason": "fewer than 5 people"}]  # fmt: skip
    card["subgroups"] = {"rules": {"*sex*": "by value"}, "results": {"valence": rows}, "reason": ""}
    (place / "card.json").write_text(json.dumps(card))
    at = open_page("models", model="ours", tab="Subjects")
    assert "*sex*: by value." in said(at) and "no results by subgroup" not in said(at)
    assert table(at, "Reading").to_numpy().tolist() == [
        ["Valence", "*sex*", "f", 11, "0.71 (0.62-0.80)", "0.71 (0.62-0.80)", "the interval lies above 0.50, a coin"],
        ["Valence", "*sex*", "m", 6, "0.71 (0.62-0.80)", "not shown: few", "fewer than 10 people: no verdict"],
        ["Valence", "*sex*", "not given", 2, *["not shown: fewer than 5 people"] * 2, "fewer than 5 people"],
    ]
    left = json.loads(next(iter(reports.model_card(filled, "ours", now=NOW).files.values())))["subgroups"]
    assert left["results"]["valence"][0]["roc_auc"]["value"] == 0.71 and left["rules"] == {"*sex*": "by value"}


def test_a_model_whose_files_changed_is_locked(filled):
    place = filled.data_dir / "models" / "ours"
    shutil.copytree(MODELS_SHIPPED / DEMO, place)
    card = json.loads((place / "card.json").read_text())
    (place / "card.json").write_text(json.dumps(card | {"name": "ours"}))
    with (place / "model.skops").open("ab") as file:
        file.write(b"x")
    assert table(open_page("models"), "State").set_index("Model").loc["ours", "State"] == "✕ Locked"
    at = open_page("models", model="ours")
    text = said(at)
    assert "is locked and predicts nothing" in text and "is not the file that the card describes" in text
    assert not {"approve", "retire", "changes"} & {b.key for b in at.button}


@pytest.mark.parametrize(
    ("outcome", "state", "why"),
    [
        ("pass", "Approved", "published with LOSO and a clean leak audit (none of 57 checks failed)"),
        ("not_checkable", "Approved", "(none of 57 checks failed, 1 could not be made)"),
        ("fail", "Draft", "published, but its leak audit failed in: valence: window overlap"),
    ],
)
def test_a_model_that_nobody_decided_on_says_why_it_is_approved_or_a_draft(filled, outcome, state, why):
    place = filled.data_dir / "models" / "ours"
    shutil.copytree(MODELS_SHIPPED / DEMO, place)
    card = json.loads((place / "card.json").read_text()) | {"name": "ours"}
    next(c for c in card["leak_audit"]["checks"] if c["name"] == "valence: window overlap")["outcome"] = outcome
    (place / "card.json").write_text(json.dumps(card))
    own = table(open_page("models"), "State").set_index("Model").loc["ours"]
    assert state in own["State"] and why in own["Why"].replace("\\", "")
    text = said(open_page("models", model="ours"))
    assert "Nobody has decided on this version" in text and why in text
    lines = model_lines([m for m in models.available(filled) if m["name"] == "ours"])
    assert lines[-1].startswith(f"  {state.lower()}: published") and lines[-1].endswith(why)


def test_an_unknown_model_is_said_beside_the_list(filled):
    at = open_page("models", model="nobody")
    assert "There is no model nobody" in said(at) and len(table(at, "State")) == 2


def test_deciding_asks_for_a_reason_first_and_what_was_decided_stands_on_the_card(filled):
    at = open_page("models", model=DEMO)
    at.button(key="retire").click().run()
    assert "takes it out of use" in said(at) and [t.label for t in at.text_input] == ["Reason"]
    assert models.history(filled, DEMO) == []
    models.retire(filled, DEMO, "the cap was changed", NOW)
    at = open_page("models", model=DEMO)
    assert "the cap was changed" in said(at) and "refused by name" in said(at)
    assert {"approve", "retire"} & {b.key for b in at.button} == {"approve"}
    at.button(key="approve").click().run()
    assert "lets it be used by default" in said(at)
    models.approve(filled, DEMO, "needed again", NOW)
    at = open_page("models", model=DEMO, tab="Decisions")
    assert list(table(at, "Who")["Why"]) == ["needed again", "the cap was changed"]
    assert {"approve", "retire"} & {b.key for b in at.button} == {"retire"}


def test_who_decided_and_why_stays_on_the_screen_and_does_not_leave_in_a_table(filled, monkeypatch):
    models.retire(filled, DEMO, "she moved away", NOW)
    left = {}
    monkeypatch.setattr(components, "export_button", lambda make, *, kind, **_: left.update({kind: make}))
    at = open_page("models", model=DEMO, tab="Decisions")
    assert list(table(at, "Who")["Why"]) == ["she moved away"]
    assert left["model-decisions"]()[["State", "Why", "Who"]].to_numpy().tolist() == [
        ["✕ Retired", "kept here", "kept here"]
    ]
    assert table(open_page("models"), "State").set_index("Model").loc[DEMO, "Why"] == "she moved away"
    why = left["models"]().set_index("Model")["Why"]
    assert why[DEMO] == "kept here" and why[BAND].startswith("published")


def test_markup_in_a_reason_is_shown_as_it_was_written_and_loads_nothing(filled):
    why = "![x](https://example.org/x.png) <b>gone</b>"
    models.retire(filled, DEMO, why, NOW)
    at = open_page("models", model=DEMO, tab="Decisions")
    assert why in said(at)
    assert not [m.value for m in [*at.markdown, *at.caption] if "![x](" in m.value or "<b>" in m.value]
    assert list(table(at, "Who")["Why"]) == [why], "a cell of a table reads no markup"


def test_what_would_change_is_a_job_whose_table_stands_beside_the_card(filled):
    at = open_page("models", model=DEMO)
    at.button(key="changes").click().run()
    check(at)
    job = at.query_params["job"]
    job = jobs.get(filled, job[0] if isinstance(job, list) else job)
    assert job.kind == "what_would_change" and at.get("progress")
    claimed = jobs.claim(filled, "w", now=NOW)
    handlers.execute(filled.url, claimed.id)
    at = open_page("models", model=DEMO, job=job.id)
    text = said(at)
    frame = table(at, "Without it")
    assert set(frame["Session"]) == {f"{RECORDED}/S-01"} and "nothing was stored" in text
    assert set(frame["Without it"]) == {"not computed: no model is installed for it"}
    assert set(frame["Label"]) == {"▲ another"}


def test_what_would_change_names_the_recordings_that_it_had_to_leave_out(filled):
    shutil.rmtree(filled.data_dir / "recordings")
    job = jobs.submit(filled, "what_would_change", {"name": DEMO}, now=NOW)
    handlers.execute(filled.url, jobs.claim(filled, "w", now=NOW).id)
    text = said(open_page("models", model=DEMO, job=job.id))
    assert f"Left out: {RECORDED}/S-01: " in text and "no stored recording that one of the models predicts" in text


def test_the_card_leaves_as_json_with_state_and_decisions_and_is_audited(filled):
    models.retire(filled, BAND, "no band here", NOW)
    at = open_page("models", model=BAND)
    assert {"Export card (JSON)", "Export card (PDF)"} <= {b.proto.label for b in at.get("download_button")}
    made = reports.model_card(filled, BAND, now=NOW)
    told = json.loads(next(iter(made.files.values())))
    card = bundle.load(MODELS_SHIPPED / BAND).card
    assert told["controls"]["clock"]["roc_auc"]["value"] == card.controls["clock"]["roc_auc"]["value"]
    assert told["files"] == card.files and told["state"] == "retired" and told["reporting"] == {}
    assert [(d["state"], d["why"], d["who"]) for d in told["decisions"]] == [("retired", "kept here", "kept here")]
    assert told["decisions"][0]["at"] == models.decisions(filled, BAND)[0]["at"]
    assert set(told["drift"]["features"]) <= set(told["features"])
    assert exports.recent(filled)[0]["kind"] == "model-card"
    pdf, plain = list(reports.model_card(filled, BAND, now=NOW, pdf=True).files.values())[:2]
    paper = text(pdf)
    assert json.loads(plain) == told and hashlib.sha256(plain).hexdigest() in paper
    assert "The cut that ships, 0.56, is held high" in " ".join(paper.split())
    assert "no band here" not in paper and "kept here" in paper
    assert "Retired" in paper and told["limits"]["calm_only"] in paper


def test_the_open_tab_of_a_card_stands_in_the_url_and_no_other_is_drawn(filled, monkeypatch):
    drawn = []
    monkeypatch.setattr(models, "decisions", lambda store, name: drawn.append(name) or [])
    assert "model.skops" in said(open_page("models", model=DEMO, tab="Files")) and drawn == []
    assert "Nobody has approved or retired" in said(open_page("models", model=DEMO, tab="Decisions"))
    assert drawn == [DEMO]
