"""Models: a study becomes a published model by one form; the job is followed, cancelled, and said in words."""

from __future__ import annotations

import json
import shutil

import pytest

from core.errors import Refused
from core.services import handlers, jobs
from core.services.research import models
from core.settings import MODELS_SHIPPED
from tests.pages.conftest import NOW, open_page
from tests.pages.test_pages import check

DEMO = "demo-eeg-ecg"


def said(at) -> str:
    return check(at).replace("\\", "")


def chosen(at, label: str):
    return next(m for m in at.multiselect if m.label == label)


def job_of(at, store):
    job = at.query_params["job"]
    return jobs.get(store, job[0] if isinstance(job, list) else job)


def publishing(store, name: str, **changes):
    """What the job leaves, without the work: the demonstration model under another name, said to be real."""

    def work(_, params, report):
        place = store.data_dir / "models" / params["publish"]
        shutil.copytree(MODELS_SHIPPED / DEMO, place)
        card = json.loads((place / "card.json").read_text()) | {"name": name, "demonstration": False} | changes
        (place / "card.json").write_text(json.dumps(card))
        return {"name": name}

    return work


def started(at):
    at.button(key="train").click().run()
    return at


def run(store, monkeypatch, work) -> str:
    """Claim the one job and do its work; its name."""
    monkeypatch.setitem(handlers.HANDLERS, "train", work)
    claimed = jobs.claim(store, "w", now=NOW)
    handlers.execute(store.url, claimed.id)
    return claimed.id


def test_without_a_study_the_form_leads_to_the_import(empty):
    at = open_page("models")
    assert "There is no study with signals yet." in said(at) and not [b for b in at.button if b.key == "train"]


def test_the_study_come_with_is_chosen_with_all_its_targets_and_signals_and_a_name(research):
    at = open_page("models", study="small")
    assert chosen(at, "Targets").value == ["valence", "arousal", "dominance"]
    assert chosen(at, "Signals").value == ["eeg", "ecg"]
    name = next(t for t in at.text_input if t.label == "Name of the model")
    kind = next(s for s in at.selectbox if s.label == "Kind of model")
    assert name.value == "small-eeg-ecg" and kind.value == "logistic"
    assert "Majority class" not in kind.options
    assert "used by default unless another comes first: a model of real recordings before a demonstration" in said(at)
    chosen(at, "Targets").set_value([]).run()
    assert at.button(key="train").disabled


def test_one_click_queues_the_job_that_a_refresh_still_shows_and_cancel_ends(research):
    job = job_of(started(open_page("models", study="small")), research)
    assert (job.kind, dict(job.params)) == (
        "train",
        {"study": "small", "targets": ["valence", "arousal", "dominance"], "model": "logistic", "inputs": "eeg+ecg",
         "publish": "small-eeg-ecg"},
    )  # fmt: skip
    again = job_of(started(open_page("models", study="small")), research)
    assert again.id == job.id, "the same work is under way"
    at = open_page("models", job=job.id)
    assert at.get("progress") and "Training of small-eeg-ecg on small" in said(at)
    at.button(key="cancel_job").click().run()
    assert jobs.get(research, job.id).state == "cancelled" and "Cancelled." in said(at)


def test_what_was_published_is_said_to_be_in_use_and_leads_to_its_card(research, monkeypatch):
    started(open_page("models", study="small"))
    job = run(research, monkeypatch, publishing(research, "small-eeg-ecg"))
    at = open_page("models", job=job)
    text = said(at)
    assert f"small-eeg-ecg {models.info(research, 'small-eeg-ecg').version} is published." in text
    assert "It is used by default for recordings with EEG + ECG." in text
    at.button(key="open_published").click().run()
    assert "Intended use" in said(at) and "approve" not in {b.key for b in at.button}


def test_one_whose_leak_audit_failed_says_why_and_is_approved_by_a_click(research, monkeypatch):
    audit = json.loads((MODELS_SHIPPED / DEMO / "card.json").read_text())["leak_audit"]
    audit["checks"][0]["outcome"] = "fail"
    started(open_page("models", study="small"))
    job = run(research, monkeypatch, publishing(research, "small-eeg-ecg", leak_audit=audit))
    at = open_page("models", job=job)
    assert "It is not used by default" in said(at) and audit["checks"][0]["name"] in said(at)
    at = open_page("models", model="small-eeg-ecg")
    assert at.button(key="approve").label == "Approve"
    models.approve(research, "small-eeg-ecg", "the overlap is of rest", NOW)
    text = said(open_page("models", model="small-eeg-ecg"))
    assert "It is used by default for recordings with EEG + ECG." in text


def test_of_two_approved_models_the_other_is_put_first_by_use_by_default(research, monkeypatch):
    for name, at in (("first", "2026-05-01T00:00:00+00:00"), ("second", "2026-06-01T00:00:00+00:00")):
        publishing(research, name, created_at=at)(None, {"publish": name}, None)
    at = open_page("models", model="first")
    assert "another model comes first" in said(at) and at.button(key="approve").label == "Use by default"
    models.approve(research, "first", "it fits our cap", NOW)
    assert [m["name"] for m in models.available(research) if m["default"]] == ["first", "wearable-stress"]


def test_a_training_that_failed_says_why_and_goes_on(research, monkeypatch):
    def refuse(_, params, report):
        raise Refused("E-LABELS", "all trials lie on one side of the cut of liking", "small")

    started(open_page("models", study="small"))
    at = open_page("models", job=run(research, monkeypatch, refuse))
    assert "all trials lie on one side of the cut of liking" in said(at) and at.button(key="again_job").label == "Go on"


def test_a_rating_that_no_person_is_followed_by_is_not_published(research):
    with pytest.raises(Refused, match="familiarity is no measure.*E-TARGET"):
        models.train(research, "small", ["familiarity"], "logistic", "eeg", publish="x", now=NOW)
