"""Blocks that the pages of research share: the form that starts a run, badges and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from app.ui import formats, job_panel, nav, state, wording
from core.errors import Refused
from core.services.jobs import Job
from core.services.research import experiments, results, studies
from core.services.research.experiments import Line

KEPT = "Each fold is stored as it ends: going on does not compute it again."


# ------------------------------------------------------------------------------------------- jobs
def at_it(store, job: Job) -> None:
    """The bar of a job that the URL does not name; where it names one, that panel stands above and this is a link."""
    if state.param(state.JOB) is None:
        job_panel.show(store, job, lambda _store, _job: None)
    elif state.param(state.JOB) != job.id:
        nav.link("jobs", f"● {job.state}: {formats.in_label(job.label, 120)}", {state.JOB: job.id})


def back(*params: str, label: str = "All experiments") -> None:
    """The way to the list."""
    if st.button(label, key="back"):
        for name in params:
            state.set_param(name, None)
        st.rerun()


# ------------------------------------------------------------------------------------------- a run
def evaluate_params(
    study: str, target: str, model: str, inputs: str, *, fusion: str, split: str = "loso", seed: int = 0,
    **options: Any,
) -> dict[str, Any]:  # fmt: skip
    """What the job "evaluate" is given."""
    return {
        "study": study, "target": target, "model": model, "inputs": inputs, "fusion": fusion, "split": split,
        "seed": seed, "options": {"task": "binary", **options},
    }  # fmt: skip


def run_label(params: Mapping[str, Any]) -> str:
    """How a run is called in the list of jobs."""
    named = with_scores(params.get("inputs", "every input set"), params.get("options", {}).get("groups", ()))
    return f"{params['model']} on {named}: {params['target']}, {params['study']}"


def start_form(store) -> None:
    """Choose an experiment and queue it."""
    found = studies.all_studies(store)
    if not found:
        st.caption("There is no study yet to run on. Import one under Import and export, or start the demo run.")
        return
    titles = results.models()
    first, second, third, fourth = st.columns(4)
    with first:
        name = st.selectbox("Study", [s["name"] for s in found], key="start_study")
        study = next(s for s in found if s["name"] == name)
        model = st.selectbox(
            "Model", titles, index=[*titles].index("logistic"), format_func=model_title, key="start_model"
        )
    with second:
        task = st.selectbox("Task", list(wording.TASKS), format_func=wording.TASKS.__getitem__, key="start_task")
        if task == "quadrant":
            pair = [t for t in ("valence", "arousal") if t in study["targets"]]
            target = "+".join(pair) if len(pair) == 2 else None
            st.selectbox("Target", [target or "needs valence and arousal"], disabled=True, key="start_pair")
        else:
            target = st.selectbox("Target", study["targets"], format_func=formats.name, key="start_target")
    with third:
        inputs, fusion = signals(store, study["name"], model)
    with fourth:
        split = st.selectbox("Split", list(wording.SPLITS), format_func=wording.SPLITS.__getitem__, key="start_split")
        seed = st.number_input("Seed", min_value=0, max_value=2**31 - 1, value=0, step=1, key="start_seed")
    options = {"task": task} | scores(store, name, model)
    with st.expander("Options", key="start_options"):
        options |= more_options(model, str(task), split) | features(store, name, model, inputs, "start")
    if split in results.LEAKY:
        st.warning(wording.LEAKY)
    if st.button("Start the run", type="primary", key="start_run", disabled=not (inputs and target)):
        params = evaluate_params(
            name, str(target), model, inputs, fusion=fusion, split=split, seed=int(seed), **options,
        )  # fmt: skip
        job_panel.submit(store, "evaluate", params, run_label(params))


def signals(store, study: str, model: str) -> tuple[str, str]:
    """Channel types joined by +, and their fusion; early where there is nothing to fuse."""
    types = results.usable(store, study, model)
    chosen = st.multiselect(
        "Signals", types, default=types, format_func=lambda t: wording.CHANNEL_TYPES.get(t, t),
        key=f"start_signals-{study}-{model}", placeholder="none that this model can use",
    )  # fmt: skip
    fusion = st.selectbox(
        "Fusion", list(wording.FUSIONS), format_func=wording.FUSIONS.__getitem__, key="start_fusion",
        help=wording.FUSIONS_MEAN, disabled=len(chosen) < 2,
    )  # fmt: skip
    return "+".join(t for t in types if t in chosen), fusion if len(chosen) > 1 else "early"


def more_options(model: str, task: str, split: str) -> dict[str, Any]:
    """The options of a run that are switched on; all are off until somebody does."""
    binary, why = task == "binary", "" if task == "binary" else f" {wording.BINARY_ONLY}"
    choices, unasked = selection(model, split)
    first, second = st.columns(2)
    with first:
        oversample = st.selectbox(
            "Oversampling", ["", *experiments.oversampling(model)], format_func=wording.OVERSAMPLING.__getitem__,
            key=f"start_oversample-{model}", help=wording.OVERSAMPLING_MEAN,
        )  # fmt: skip
        smoothing = st.selectbox(
            "Smoothing", list(wording.SMOOTHING), format_func=wording.SMOOTHING.__getitem__, key="start_smoothing",
            help=wording.SMOOTHING_MEAN + why, disabled=not binary,
        )  # fmt: skip
    with second:
        flip = st.checkbox(
            "Turn the decision round where validation says so", key="start_flip", help=wording.FLIP_MEAN + why,
            disabled=not binary,
        )  # fmt: skip
        select = st.checkbox(
            "Select the model's options on inner folds", key="start_select", disabled=not choices,
            help=f"{wording.SELECT_MEAN} {unasked}".strip(),
        )  # fmt: skip
    asked = {
        "oversample": oversample, "smoothing": binary and smoothing, "flip": binary and flip,
        "choices": [dict(c) for c in choices] if select else [],
    }  # fmt: skip
    return {name: value for name, value in asked.items() if value}


def selection(model: str, split: str) -> tuple[Sequence[Mapping[str, Any]], str]:
    """Options among which a run may select, and where there are none why."""
    try:
        choices = experiments.selection(model, split)
    except Refused as refused:
        return (), f"{refused.what} {refused.what_to_do}"
    return choices, "" if choices else f"{model_title(model)} selects unasked under this split."


def scores(store, study: str, model: str) -> dict[str, list[str]]:
    """The scores of subjects that are ticked as inputs, as an option of a run; nothing where none is."""
    found = results.scores(store, study, model)
    with st.container(horizontal=True):
        ticked = [g for g in found if st.checkbox(f"{score_title(g)} as an input", key=f"score-{study}-{g}",
                                                  help=wording.SCORE_INPUT)]  # fmt: skip
    return {"groups": ticked} if ticked else {}


def features(store, study: str, model: str, inputs: str, key: str) -> dict[str, str]:
    """The set of features of the EEG, as an option of a run; nothing where it is the usual one or there is no EEG."""
    offered = results.feature_sets(store, study, model, inputs)
    if not offered:
        return {}
    chosen = st.selectbox(
        "Features of the EEG", ["", *offered], format_func=wording.FEATURES.__getitem__,
        key=f"{key}_features-{study}-{model}", help=wording.FEATURES_MEAN,
    )  # fmt: skip
    return {"features": chosen} if chosen else {}


def demo_run(store) -> None:
    """One button and one command for a first run."""
    if st.button("Start a demo run", type="primary", key="demo_run"):
        job_panel.submit(store, "demo_run", {}, "Demo run: a small simulated study, logistic regression")
    st.caption("Or on the command line:")
    st.code("affectline demo-run", language=None)


# ------------------------------------------------------------------------------------------- words
def interval(row: Mapping[str, Any] | None, digits: int = 2) -> str:
    """0.62 (0.48-0.74), or that it is not computed."""
    if not row or row.get("value") is None:
        return "not computed: undefined for every subject"
    text = formats.number(row["value"], digits)
    if row.get("low") is not None and row.get("high") is not None:
        text += f" ({formats.span(row['low'], row['high'], digits)})"
    return text


def difference(row: Mapping[str, Any]) -> str:
    """+0.03 (-0.02 to +0.08)."""
    if row["value"] is None:
        return "not computed: no subject has both"
    return f"{row['value']:+z.2f} ({row['low']:+z.2f} to {row['high']:+z.2f})"


def p_words(p: float | None, test: str = "") -> str:
    """p with its test."""
    if p is None:
        return "not computed: no subject has both"
    return f"{formats.probability(p)}{f', {test}' if test else ''}"


def badge(line: Line, audited: Mapping[str, results.Audited]) -> str:
    """What is known of leaks, in words; ``audited`` as ``results.audited`` gives it."""
    if line.leaky:
        return "✕ leaky split"
    found = audited.get(line.id)
    if found is None:
        return "○ not audited"
    apart = f", ▲ {found.apart}" if found.apart else ""
    if not found.of_it:
        return f"○ not audited{f'; an audit of its pipeline is of {found.apart}' if found.apart else ''}"
    n, failed, unsure = found.outcomes.total(), found.outcomes["fail"], found.outcomes["not_checkable"]
    if failed:
        return f"✕ {failed} of {n} checks failed{apart}"
    return f"■ {n - unsure} checks passed" + (f", {unsure} not checkable" if unsure else "") + apart


def model_title(name: str) -> str:
    """A model by its title."""
    return results.models().get(name, name)


def inputs_title(inputs: str) -> str:
    """EEG + ECG."""
    return " + ".join(wording.CHANNEL_TYPES.get(t, t) for t in inputs.split("+"))


def score_title(group: str) -> str:
    """EI score."""
    return f"{'EI' if group == 'ei' else formats.in_label(group, 40)} score"


def not_usual(options: Mapping[str, Any]) -> str:
    """The options of a run that somebody switched on, in words."""
    said = [f"{name} {options[name]}" for name in ("oversample", "smoothing", "features") if options.get(name)]
    said += ["flip"] if options.get("flip") else []
    said += ["median of windows"] if options.get("aggregate") == "median" else []
    said += ["selected inside"] if options.get("choices") else []
    return ", ".join(said + [f"{k} {v}" for k, v in options.get("options", {}).items()]) or "as published"


def with_scores(inputs: str, groups: Sequence[str]) -> str:
    """Inputs with the scores that a run was given too: eeg+ecg + EI score."""
    return " + ".join((inputs, *map(score_title, groups)))


def facet(label: str, name: str, options: Sequence[str], words: Callable[[str], str] = str) -> str | None:
    """A choice of one or all that stands in the URL as the parameter ``name``."""
    wanted = state.param(name)
    chosen = st.selectbox(
        label, options, index=options.index(wanted) if wanted and wanted in options else None, placeholder="All",
        format_func=words, key=f"facet-{name}",
    )  # fmt: skip
    state.set_param(name, chosen)
    return chosen
