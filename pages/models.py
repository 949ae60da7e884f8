"""Models: every bundle with its state, one card in full, who approved or retired it, and what would change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, job_panel, model_card, nav, research, state, train_form, wording
from core.errors import AffectlineError
from core.services.exports import disclosure, reports
from core.services.jobs import Job
from core.services.research import models

CHANGES = "what_would_change"
COMMANDS = """affectline study import bids FOLDER --name mine
affectline model train --study mine --target valence --model logistic --inputs eeg+ecg --publish mine
affectline analyse visit.edf --patient P-0042"""


def empty() -> None:
    """Why there is none, and the way to one."""
    components.empty(
        "**No model is installed.** Markers are computed without one. A model comes from a study in three steps: "
        "import it, train and publish, use.",
        ("import-export", "Import a study"),
    )
    st.code(COMMANDS, language=None)


# ------------------------------------------------------------------------------------------------ the list
def listing(found: list[dict]) -> None:
    """All models; a row opens its card."""
    frame = pd.DataFrame([row(m) for m in found])
    picked = components.table(
        frame, kind="models", subject="cohort", key="models", select=True,
        alt=f"{len(frame)} models with version, targets, state and score", placeholder="not known",
        leaves=lambda shown: disclosure.words_kept(shown, "Why", where=[bool(m["who"]) for m in found]),
    )  # fmt: skip
    st.caption(
        f"Balanced accuracy of trials of left-out people, 0.50 is a coin. {wording.OVER_SUBJECTS} Without a name, the "
        "first approved model whose signals are all there is used: a real one before a demonstration, then the one "
        "that was published or approved here last."
    )
    with st.container(horizontal=True):
        for model in found:
            nav.link("models", f"Card of {formats.in_label(model['name'])}", {state.MODEL: model["name"]})
    if picked is not None:
        state.set_param(state.MODEL, found[picked]["name"])
        st.rerun()


def row(model: Mapping[str, Any]) -> dict[str, str]:
    """A model as shown and exported."""
    scores = "; ".join(f"{formats.name(t)} {research.interval(s)}" for t, s in model["scores"].items())
    return {
        "Model": model["name"],
        "Version": model["version"] or formats.NOT_KNOWN,
        "State": wording.MODEL_STATES[model["state"]],
        "By default": "yes" if model["default"] else "no",
        "Targets": ", ".join(map(formats.name, model["targets"])) or formats.NOT_KNOWN,
        "Signals": research.inputs_title("+".join(model["inputs"])) if model["inputs"] else formats.NOT_KNOWN,
        "Balanced accuracy": scores or formats.NOT_KNOWN,
        "Trained on": formats.visible(model["basis"], 200) if model["basis"] else formats.NOT_KNOWN,
        "From": "this site" if model["path_kind"] == "site" else "shipped with the product",
        "Why": formats.visible(model["problem"] or model["why"], 300),
    }


def train(store) -> None:
    """The way to a model of one's own; open where a study was come with."""
    with st.expander("Train and publish a model", expanded=state.param(state.STUDY) is not None, key="train-form"):
        train_form.form(store)


# ------------------------------------------------------------------------------------------------ one model
def one(store, model: Mapping[str, Any]) -> None:
    """A model's card with its state and what can be decided."""
    name = model["name"]
    research.back(state.MODEL, state.TAB, label="All models")
    st.subheader(f"{formats.in_label(name)} {formats.in_label(model['version'])}".strip())
    standing(model)
    if model["problem"]:
        st.error(f"This model is locked and predicts nothing: {formats.in_label(model['problem'], 600)}")
        return
    card = models.card(store, name)
    buttons(store, model)
    if model["demonstration"]:
        st.warning(f"{wording.DEMONSTRATION[0].upper()}{wording.DEMONSTRATION[1:]}.")
    model_card.intended(card)
    model_card.scores(card)
    parts = {
        "Data": lambda: model_card.data(card),
        "Subjects": lambda: model_card.subjects(card),
        "Calibration": lambda: model_card.calibration(card),
        "Leak audit": lambda: model_card.leaks(card),
        "Controls": lambda: model_card.controls(card),
        "Limits": lambda: model_card.limits(card, models.limits(card)),
        "Reporting": lambda: reporting(store, name),
        "Files": lambda: model_card.files(card),
        "Decisions": lambda: decisions(store, name),
    }
    tabs = st.tabs(list(parts), key=state.TAB, bind="query-params")
    for tab, part in zip(tabs, parts.values(), strict=True):
        if tab.open:
            with tab:
                part()


def standing(model: Mapping[str, Any]) -> None:
    """Its state in words, and how it came to it."""
    text = f"**{wording.MODEL_STATES[model['state']]}**: {wording.MODEL_STATES_MEAN[model['state']]}"
    st.markdown(text)
    if not model["problem"]:
        st.markdown(formats.in_label(train_form.usage(model, research.inputs_title("+".join(model["inputs"]))), 400))
    if model["who"]:
        said = f"{model['who']}, {when(model['at'])}: {model['why']}"
        st.caption(formats.in_label(said, 400))
    elif not model["problem"]:
        st.caption(formats.in_label(f"Nobody has decided on this version; {model['why']}.", 400))


def when(at: str) -> str:
    """A stored time in the site's zone."""
    return formats.when(pd.Timestamp(at).to_pydatetime(), state.zone())


def buttons(store, model: Mapping[str, Any]) -> None:
    """Approve, retire, what would change, and the way out."""
    name = model["name"]
    with st.container(horizontal=True, vertical_alignment="center", key="model-tools"):
        if not (model["default"] and model["state"] == "approved"):
            label = "Use by default" if model["state"] == "approved" else "Approve"
            if st.button(label, type="primary", key="approve"):
                decide(store, name, "approve")
        if model["state"] != "retired" and st.button("Retire", key="retire"):
            decide(store, name, "retire")
        if st.button("What would change?", key="changes"):
            job_panel.submit(store, CHANGES, {"name": name}, f"What would change: {name}")
        for form, what in (("JSON", "the card as JSON"), ("PDF", "a report as PDF and the card as JSON")):
            components.files_button(
                f"Export card ({form})", partial(reports.model_card, store, name, pdf=form == "PDF"),
                kind="model-card", subject=name, key=f"card-{form.lower()}",
                what=f"{what}, its state, every decision without the words and name of who took it, and the checklist",
            )  # fmt: skip


@st.dialog("Decide on a model")
def decide(store, name: str, what: str) -> None:
    """A reason is always given; it is kept with who and when."""
    does = "lets it be used by default" if what == "approve" else "takes it out of use; sessions it analysed stay"
    st.markdown(f"To {what} **{formats.in_label(name)}** {does}.")
    with st.form("decide", border=False):
        why = st.text_input("Reason", max_chars=200, key=f"why-{what}")  # that of another decision is never in it
        if st.form_submit_button(f"{what.capitalize()} the model", type="primary"):
            try:
                (models.approve if what == "approve" else models.retire)(store, name, why, state.now())
            except AffectlineError as error:
                components.show_error(error)
                return
            state.flash(f"{name} is {'approved' if what == 'approve' else 'retired'}.")
            st.rerun()


def decisions(store, name: str) -> None:
    """Who decided what, when and why."""
    found = models.decisions(store, name)
    if not found:
        st.info("Nobody has approved or retired this model yet.")
        return
    rows = [
        {"When": when(d["at"]), "Version": d["version"], "State": wording.MODEL_STATES[d["state"]],
         "Why": formats.visible(d["why"], 200), "Who": d["who"]} for d in found
    ]  # fmt: skip
    components.table(
        pd.DataFrame(rows), kind="model-decisions", subject=name, key="model-decisions",
        leaves=lambda shown: disclosure.words_kept(shown, "Why", "Who"),
    )  # fmt: skip


def reporting(store, name: str) -> None:
    """The checklist of its stored experiments."""
    found = models.reporting(store, name)
    if not found:
        st.info("The experiment behind this card is not stored here, so its checklist cannot be filled.")
        return
    rows = [
        {"Target": formats.name(t), "Axis": a["axis"].capitalize(), "What was done": formats.visible(a["text"], 600),
         "Missing": ", ".join(a["missing"]) or "nothing"} for t, axes in found.items() for a in axes
    ]  # fmt: skip
    components.wrapped(pd.DataFrame(rows), kind="model-reporting", subject=name, key="model-reporting")


# ------------------------------------------------------------------------------------------------ what would change
def changes(store, job: Job) -> None:
    """Stored sessions with the model and without it, side by side."""
    told = job.result or {}
    rows = [
        {"Session": r["session"], "When": when(r["started_at"]), "Target": formats.name(r["target"]),
         f"With {told['model']}": index(r["with_it"]), "Without it": index(r["without_it"]),
         "Model without it": r["other"] or "none fits", "Label": "▲ another" if r["changed"] else "● the same",
         "Used by default": "yes" if r["by_default"] else "no: another comes first"}
        for r in told["rows"]
    ]  # fmt: skip
    st.caption(
        f"The newest {formats.counted(told['n_sessions'], 'session')} with a recording, read again from the original "
        f"files; nothing was stored. {told['n_changed']} of {len(rows)} labels would differ. Without "
        f"the signals it needs: {formats.counted(told['n_unfit'], 'more session')}."
    )
    if rows:
        components.table(pd.DataFrame(rows), kind="model-changes", subject=told["model"], key="model-changes")
    else:
        st.info("There is no stored recording that one of the models predicts.")
    for left in told["left_out"]:
        st.warning(formats.in_label(f"Left out: {left['session']}: {left['why']}", 400))
    if rows:
        nav.link("session", f"Open session {rows[0]['Session']}", {state.SESSION: rows[0]["Session"]})
    job_panel.close()


def index(value: Mapping[str, Any]) -> str:
    """0.62 (0.48-0.74) High, or why there is none."""
    if "not_computed" in value:
        return formats.reason(value["not_computed"])
    return f"{research.interval(value)} {value['label']}"


with components.page("models"):
    store = state.store()
    found = models.available(store)
    job = job_panel.of_url(store, (CHANGES, train_form.KIND))
    if job is not None:
        done = changes if job.kind == CHANGES else train_form.published
        job_panel.show(store, job, done, research.KEPT if job.kind == train_form.KIND else "")
    wanted = state.param(state.MODEL)
    chosen = next((m for m in found if m["name"] == wanted), None)
    if not found:
        empty()
        train(store)
    elif chosen is not None:
        one(store, chosen)
    else:
        if wanted is not None:
            st.error(f"There is no model {formats.in_label(wanted, 64)}.")
        listing(found)
        train(store)
