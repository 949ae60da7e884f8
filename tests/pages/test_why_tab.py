"""The tab Why of a session, and the same of an experiment: asked for, under way, full, and why there is nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core import compute
from core.services import handlers, jobs
from core.services.clinic import sessions
from core.services.research import experiments, explanations, studies
from core.services.research.explanations import WHY_NOT
from core.settings import settings
from tests.core.services.research.test_experiments import inline
from tests.pages.conftest import IMPORTED, NOW, RECORDED, open_page
from tests.pages.test_pages import check


def said(at) -> str:
    return check(at).replace("\\", "")


def tab(session: str, **more):
    return open_page("session", session=session, tab="Why", **more)


@pytest.fixture
def session(filled) -> str:
    return sessions.history(filled, RECORDED)[-1].session


def work(store) -> None:
    while (job := jobs.claim(store, "w", now=NOW)) is not None:
        handlers.execute(settings().database, job.id)


def test_from_the_button_over_a_job_to_the_contributions_of_session_and_window(filled, session):
    at = tab(session)
    assert "Not explained yet." in said(at)
    at.button(key="explain").click().run()
    assert "Leaving or reloading this page is safe" in said(at)
    assert not [b for b in at.button if b.key == "explain"], "nobody queues it twice"
    work(filled)
    at = tab(session)
    text = said(at)
    for words in ("emonstration model", "EEG, share", "ECG, share", "linear, exact", "What raised and what lowered",
                  "When?", "The columns that counted most", "Contribution, logit"):  # fmt: skip
        assert words in text, words
    figures = [f.proto for f in at.get("plotly_chart")]
    assert "EEG relative powers" in figures[0].spec and "EEG B" not in figures[0].spec
    assert len(at.get("plotly_chart")) == 2 and all(len(f.proto.alt) > 20 for f in at.get("plotly_chart"))
    other = said(tab(session, target="arousal", by="modality"))
    assert "lowered arousal" in other and "EEG relative powers" not in other


def test_attention_is_shown_where_the_model_has_one(filled, session, monkeypatch):
    row = {"name": "eeg", "value": 0.2, "share": 1.0}
    told = {"method": "integrated gradients", "base": 0.0, "total": [0.2, 0.2], "columns": [row],
            **{k: {"rows": [row], "windows": {"all signals": [0.1, 0.1]}} for k in ("modality", "block")}}  # fmt: skip
    kept = {"session": session, "model": "m", "version": "1", "demonstration": False, "onset_s": [0.0, 2.0],
            "duration_s": 4.0, "targets": {"valence": told, "arousal": {"not_computed": "not_supported"}},
            "attention": {"valence": [0.3, 0.7]}}  # fmt: skip
    monkeypatch.setattr(explanations, "kept_of_session", lambda *_: kept)
    at = tab(session)
    assert "Where did the model look?" in said(at) and len(at.get("plotly_chart")) == 3
    assert WHY_NOT["not_supported"] in said(tab(session, target="arousal"))


def test_imported_values_and_lost_recordings_say_why_there_is_nothing(filled, session, monkeypatch):
    imported = sessions.history(filled, IMPORTED)[-1].session
    assert WHY_NOT["imported"] in said(tab(imported))
    for reason in ("no_model", "model_gone", "recording_gone", "abstained"):
        monkeypatch.setattr(explanations, "why_not", lambda *_, r=reason: r)
        text = said(tab(session))
        assert WHY_NOT[reason] in text and "Not explained yet" not in text


def test_an_abstained_session_says_why_on_the_page_and_in_the_tab(filled, session, monkeypatch):
    whole = sessions.get(filled, session)
    poor = replace(whole, row=replace(whole.row, status="abstained", reasons=("low_quality",)))
    monkeypatch.setattr(sessions, "get", lambda *_: poor)
    monkeypatch.setattr(explanations, "why_not", lambda *_: "abstained")
    text = said(tab(session))
    assert "the signals cannot carry a number. " in text and WHY_NOT["abstained"] in text


def test_a_job_that_failed_says_so_and_can_be_asked_again(filled, session):
    for sha in (filled.data_dir / "recordings").rglob("*"):
        if sha.is_file():
            sha.write_bytes(b"not a recording any more")
    at = tab(session)
    at.button(key="explain").click().run()
    work(filled)
    at = tab(session)
    assert at.error and [b for b in at.button if b.key == "explain"]


def test_an_experiment_shows_importance_contributions_and_says_what_it_has_not(filled, monkeypatch, tmp_path):
    monkeypatch.setattr(compute, "executor", inline())
    studies.simulate(filled, "tiny", subjects=4, trials=4, trial_s=10.0, effect=3.0, inputs="ecg", now=NOW)
    name = experiments.evaluate(filled, "tiny", "valence", "logistic", "ecg", now=NOW)["experiment"]

    def page(name: str) -> None:
        from app.ui import components, why

        with components.page("session"):
            why.experiment_panel(name)

    from streamlit.testing.v1 import AppTest

    at = AppTest.from_function(page, args=(name,), default_timeout=60).run()
    at.button(key="explain").click().run()
    work(filled)
    found = explanations.kept_of_experiment(filled, name)
    found["attention"] = [{"from": 0.0, "to": 0.5, "weight": 0.8}, {"from": 0.5, "to": 1.0, "weight": 1.2}]
    at = AppTest.from_function(page, args=(name,), default_timeout=60).run()
    text = said(at)
    assert "What is lost without them: signals" in text and "What was used: blocks of features" in text
    assert len(at.get("plotly_chart")) == 4
    place = filled.data_dir / "experiments" / name / "explanation.json"
    place.write_text(json.dumps({**found, "contributions": {"not_computed": "not_supported"}}))
    text = said(AppTest.from_function(page, args=(name,), default_timeout=60).run())
    assert "Contributions are not computed." in text and "Where did the model look?" in text
