"""Train a model on a study and publish it: the form, and what is said once it is done."""

from __future__ import annotations

import re

import streamlit as st

from app.ui import formats, job_panel, nav, research, state, wording
from core.services.jobs import Job
from core.services.research import models, studies

KIND = "train"
# what a study's model is asked for first; other signals would be needed of every recording
USUAL = ("eeg", "ecg")


def form(store) -> None:
    """Choose a study and what to learn of it, and queue the job; every target that the study has is chosen already."""
    found = [s["name"] for s in studies.all_studies(store) if s["inputs"]]
    if not found:
        st.caption("There is no study with signals yet.")
        nav.link("import-export", "Import a study", {state.TAB: "Studies"})
        return
    wanted, titles = state.param(state.STUDY), models.kinds()
    left, middle, right = st.columns(3)
    with left:
        study = st.selectbox(
            "Study", found, index=found.index(wanted) if wanted in found else 0, format_func=formats.in_label,
            key="train_study",
        )  # fmt: skip
        model = st.selectbox(
            "Kind of model", list(titles), index=[*titles].index("logistic"), format_func=titles.__getitem__,
            key="train_model",
        )  # fmt: skip
    targets, types = models.trainable(store, study, model)
    with middle:
        chosen = st.multiselect(
            "Targets", targets, default=targets, format_func=formats.name, key=f"train_targets-{study}",
            placeholder="none that a person is followed by",
        )  # fmt: skip
        usual = [t for t in USUAL if t in types] or types
        signals = st.multiselect(
            "Signals", types, default=usual, format_func=lambda t: wording.CHANNEL_TYPES.get(t, t),
            key=f"train_signals-{study}-{model}", placeholder="none that this model can use",
            help="The model is used on recordings that have all of them.",
        )  # fmt: skip
        inputs = "+".join(t for t in types if t in signals)
        asked = research.features(store, study, model, inputs, "train")
    with right:
        name = st.text_input(
            "Name of the model", value=proposed(study, inputs), max_chars=63, key=f"train_name-{study}-{inputs}",
            help="Small letters, digits and -.",
        ).strip()  # fmt: skip
        taken = next((m for m in models.available(store) if m["name"] == name), None)
        if taken:
            st.caption(formats.in_label(f"Replaces version {taken['version'] or 'unknown'} of the model of this name."))
    st.caption(
        "Every subject is left out once for each target, the leak audit is made, and the model is fitted on everybody. "
        "What is stored already is taken as it is. With a clean audit it is approved, and then used by default unless "
        "another comes first: a model of real recordings before a demonstration, then the newest."
    )
    if st.button("Train and publish", type="primary", key="train", disabled=not (chosen and inputs and name)):
        params = {
            "study": study, "targets": [t for t in targets if t in chosen], "model": model, "inputs": inputs,
            "publish": name, **asked,
        }  # fmt: skip
        job_panel.submit(store, KIND, params, f"Training of {name} on {study}")


def proposed(study: str, inputs: str) -> str:
    """A name for a model: dens-eeg-ecg."""
    return re.sub(r"[^a-z0-9]+", "-", f"{study}-{inputs}".lower()).strip("-")[:63].rstrip("-")


def published(store, job: Job) -> None:
    """What was published, whether it is in use, and the way to its card."""
    name = str((job.result or {}).get("name", ""))
    found = next((m for m in models.available(store) if m["name"] == name), None)
    if found is None:
        st.warning(formats.in_label(f"The model {name} is not there any more."))
        job_panel.close()
        return
    signals = research.inputs_title("+".join(found["inputs"]))
    st.success(formats.in_label(f"{name} {found['version']} is published.", 200))
    st.markdown(formats.in_label(usage(found, signals), 400))
    with st.container(horizontal=True):
        if st.button("Open its card", type="primary", key="open_published"):
            state.set_param(state.JOB, None)
            state.set_param(state.MODEL, name)
            st.rerun()
        job_panel.close()


def usage(model, signals: str) -> str:
    """Whether a model is used without being named, in words."""
    if model["default"]:
        return f"It is used by default for recordings with {signals}."
    if model["state"] == "approved":
        return f"It is approved, and another model comes first for recordings with {signals}."
    return f"It is not used by default ({wording.MODEL_STATES[model['state']]}: {model['why']})."
