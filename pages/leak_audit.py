"""Leak audit: the same pipeline under leaky and clean splits, checks by name, and other ways to doubt a score."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, job_panel, nav, research, state, validity, wording
from app.ui.charts import research as charts
from app.ui.validity import Pipeline
from core.errors import AffectlineError, NotFound
from core.services.exports import reports
from core.services.jobs import Job
from core.services.research import audits, experiments, results, run_jobs, studies
from core.services.research.audits import Line
from core.services.research.experiments import Line as Run
from core.services.research.results import Now

CHOICE = (
    state.AUDIT, state.RUN, state.STUDY, state.TARGET, state.MODEL, state.INPUTS, state.FUSION, state.SEED,
    state.FEATURES, state.TAB,
)  # fmt: skip
KIND = "leak_audit"
PROBES, NULL = ("subject probe", "stimulus probe"), ("label permutation",)


# ------------------------------------------------------------------------------------------------ choosing
def overview(store) -> None:
    """The audits there are, and the ways to another: a run, or a pipeline."""
    found, runs = audits.results(store, KIND), experiments.all_experiments(store)
    if not studies.all_studies(store) and not found:
        components.empty(
            "**Choose a run: there is none yet.** A leak audit runs one pipeline under leaky and clean splits and "
            "looks for what slipped from test to training. It needs a study.",
            ("import-export", "Import a study"),
        )
        research.demo_run(store)
        return
    st.markdown("**Choose a run, or a pipeline.** It is run under five splits, and every check is named.")
    live = [job for job in run_jobs.under_way(store) if job.kind == KIND]
    if live:
        research.at_it(store, max(live, key=lambda job: job.state == "running"))
    binary = [x for x in runs if x.task == "binary"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = {x.id: f"{x.id}: {Pipeline.of(x).title}, {wording.SPLITS.get(x.split, x.split)}" for x in binary}
        run = st.selectbox("Run", list(names), index=None, format_func=names.__getitem__, key="choose_run", width=620,
                           placeholder="Choose a run" if names else "No run of High or not yet")  # fmt: skip
        if st.button("Ask of this run", type="primary", disabled=run is None, key="ask_run"):
            state.set_param(state.RUN, run)
            st.rerun()
    with st.expander("Choose a pipeline", expanded=not names, key="choose_pipeline"):
        form(store)
    listing(found)


def form(store) -> None:
    """A pipeline that need not have been run."""
    known = {s["name"]: s for s in studies.all_studies(store) if s["targets"]}
    if not known:
        st.caption("There is no study with labels.")
        return
    titles = results.models()
    first, second, third = st.columns(3)
    with first:
        study = st.selectbox("Study", list(known), key="ask_study")
        target = st.selectbox("Target", known[study]["targets"], format_func=formats.name, key="ask_target")
    with second:
        model = st.selectbox("Model", titles, index=[*titles].index("logistic"), format_func=titles.__getitem__,
                             key="ask_model")  # fmt: skip
        seed = st.number_input("Seed", min_value=0, max_value=2**31 - 1, value=0, step=1, key="ask_seed")
    with third:
        inputs, fusion = research.signals(store, study, model)
        options = research.features(store, study, model, inputs, "ask")
    if st.button("Ask of this pipeline", disabled=not inputs, key="ask_pipeline"):
        pipeline = Pipeline(study, target, model, inputs, fusion, int(seed), options)
        for name, value in pipeline.key.items():
            state.set_param(name, str(value) if value else None)
        state.set_param(state.FUSION, fusion if fusion != "early" else None)
        state.set_param(state.FEATURES, pipeline.features.get("features"))
        st.rerun()


def listing(found: Sequence[Line]) -> None:
    """Stored audits, newest first; a row opens one."""
    st.markdown("##### Stored audits")
    if not found:
        st.caption("No audit is stored yet.")
        return
    frame = pd.DataFrame(
        [
            {
                "Study": x.study, "Target": formats.name(x.target),
                "Signals": research.with_scores(x.inputs, x.result.get("groups") or ()),
                "Model": research.model_title(x.model), "Fusion": x.result.get("fusion", "early"), "Seed": x.seed,
                "Options": research.not_usual(Pipeline.of(x).options),
                "Leak premium": premium(x.result), "Checks": counts(x.result["checks"]), "Made": x.created_at,
                "Code": x.code_version,
            }
            for x in found
        ]
    )  # fmt: skip
    picked = components.table(
        frame, kind="leak-audits", subject="cohort", key="audits", select=True,
        alt=f"{formats.counted(len(frame), 'leak audit')} with premium and outcomes",
        config={"Seed": st.column_config.NumberColumn(format="%d")},
    )  # fmt: skip
    if picked is not None:
        state.set_param(state.AUDIT, str(found[picked].id))
        st.rerun()


def premium(result: Mapping[str, Any]) -> str:
    """+0.31 (+0.20 to +0.41), or why there is none."""
    own = result["premium"]
    if own["value"] is None or own["low"] is None:
        return "not computed: too few subjects" if own["value"] is None else f"{own['value']:+.2f}, no interval"
    return research.difference(own)


def counts(checks: Sequence[Mapping[str, Any]]) -> str:
    """1 fail, 2 not checkable, 15 pass, each with its symbol."""
    n = Counter(c["outcome"] for c in checks)
    return ", ".join(
        f"{words[0]} {n[outcome]} {words[2:]}" for outcome, words in wording.OUTCOMES.items() if n[outcome]
    )


@dataclass(frozen=True)
class Asked:
    """What the URL asks about: a pipeline, and the run or the stored audit that named it, where one did."""

    pipeline: Pipeline
    run: Run | None = None
    audit: Line | None = None


def asked(store) -> Asked | None:
    """What the URL asks about; what is not there is said, never replaced."""
    audit, run = state.param(state.AUDIT), state.param(state.RUN)
    if audit:
        line = next((x for x in audits.results(store, KIND) if str(x.id) == audit), None)
        if line is None:
            st.error(f"Unknown audit {formats.in_label(audit, 40)}. No other is shown in its place.")
            return None
        return Asked(Pipeline.of(line), audit=line)
    if run:
        try:
            own = experiments.get(store, run).line
        except NotFound:
            st.error(f"Unknown run {formats.in_label(run, 40)}. No other is shown in its place.")
            return None
        if own.task != "binary":
            words = wording.TASKS.get(own.task, own.task)
            st.info(f"{own.id} predicts another thing ({words}): the leak audit is of High or not.")
            return None
        return Asked(Pipeline.of(own), run=own)
    study, target, model, inputs = (state.param(n) for n in CHOICE[2:6])
    if not (study and target and model and inputs):
        return None
    fusion, seed = state.param(state.FUSION) or "early", int(state.number_param(state.SEED, 0))
    features = state.param(state.FEATURES)
    return Asked(Pipeline(study, target, model, inputs, fusion, seed, {"features": features} if features else {}))


# ------------------------------------------------------------------------------------------------ one pipeline
def show(store, of: Asked) -> None:
    """What is known of one pipeline, and the ways to know more."""
    pipeline = of.pipeline
    named = research.with_scores(research.inputs_title(pipeline.inputs), pipeline.groups)
    st.markdown(f"#### {formats.in_label(research.model_title(pipeline.model))} on {formats.in_label(named, 200)}")
    st.caption(
        formats.in_label(
            f"{formats.name(pipeline.target)} · study {pipeline.study} · {pipeline.fusion} fusion · seed "
            f"{pipeline.seed} · options {research.not_usual(pipeline.options)}", 200,
        )
    )  # fmt: skip
    now = present(store, pipeline)
    beside = of.run or now
    line = of.audit or results.newest_check(store, KIND, pipeline.key, beside=beside, **pipeline.named)
    live = under_way(store, pipeline)
    if live is not None:
        research.at_it(store, live)
    elif line is None and now is not None:
        components.empty(
            "**Not audited yet.** The pipeline is run under five splits, each an experiment that is stored fold by "
            "fold, and then checked: minutes for a small study, hours for a net. It goes on by itself."
        )
        begun(store, pipeline, now)
    if line is not None:
        validity.older(line, beside)
        audit(store, line)
    if live is None:
        start(store, pipeline, line is not None, now is None)
    st.divider()
    validity.panels(store, pipeline, now)


def under_way(store, pipeline: Pipeline) -> Job | None:
    """The audit of this pipeline that is queued or at work."""
    asked = {**pipeline.key, **pipeline.more}
    live = (job for job in run_jobs.under_way(store) if job.kind == KIND)
    return next((job for job in live if {"fusion": "early", "seed": 0, **job.params} == asked), None)


def begun(store, pipeline: Pipeline, now: Now) -> None:
    """What an audit that is not there yet has already: each split with its folds; no premium before all are done."""
    found = audits.begun(store, {**pipeline.key, "fusion": pipeline.fusion}, now.config)
    lines = [line for line in found.values() if line is not None]
    if not lines:
        return
    n = sum(line.state == "done" for line in lines)
    st.markdown("##### What is stored already?")
    st.caption(
        f"{n} of {len(found)} splits are done. What is stored is not computed again; premium and checks come when all "
        "are done."
    )
    rows = [
        {"Split": wording.SPLITS.get(split, split).partition(":")[0],
         "State": wording.EXPERIMENT_STATES[line.state] if line else "○ not begun",
         "Folds": f"{line.n_done} of {line.n_folds or 'not yet known'}" if line else "none",
         "Failed": str(line.n_failed) if line and line.n_failed else "none", "Run": line.id if line else "none"}
        for split, line in found.items()
    ]  # fmt: skip
    components.table(pd.DataFrame(rows), kind="leak-begun", subject="cohort", key="begun")
    with st.container(horizontal=True):
        for line in lines:
            nav.link("experiments", f"Open {line.id}", {state.RUN: line.id})


def present(store, pipeline: Pipeline) -> Now | None:
    """The pipeline as it would be run now; where it cannot be run here, why, and None."""
    try:
        return results.auditable(store, **pipeline.key, **pipeline.more)
    except AffectlineError as error:
        components.show_error(error)
        return None


def start(store, pipeline: Pipeline, again: bool, refused: bool) -> None:
    """The button that queues the audit, and the command that does the same."""
    if st.button("Audit again" if again else "Start the leak audit", type="secondary" if again else "primary",
                 disabled=refused, key="start_audit"):  # fmt: skip
        job_panel.submit(store, KIND, {**pipeline.key, **pipeline.more}, f"Leak audit: {pipeline.title}")
    if again:
        st.caption("Where neither study nor pipeline changed, the stored audit comes back.")
    st.code(pipeline.command("leak-audit", *pipeline.words), language=None)


def audit(store, line: Line) -> None:
    """A stored audit: premium, splits, checks, probes, labels dealt anew."""
    result = line.result
    own = result["premium"]
    st.metric("Leak premium", premium(result), width="content")
    st.text(wording.premium(own["value"], own["low"], own["high"]))
    splits(store, result)
    st.markdown("##### What was looked at?")
    checks = result["checks"]
    n = Counter(c["outcome"] for c in checks)
    st.text(f"{formats.counted(len(checks), 'check')}: {counts(checks)}")
    if n["fail"]:
        st.warning("A check failed: read its evidence before this number is used.")
    if n["not_checkable"]:
        st.info("What is not checkable is not passed: nothing is known of it.")
    table([c for c in checks if c["name"] not in (*PROBES, *NULL)], "checks")
    st.caption("Passed means that nothing of this kind was found in what was looked at, not that there is nothing.")
    for title, names, kind in (
        ("Do the features name the person or the clip?", PROBES, "probes"),
        ("What does it score on labels dealt anew?", NULL, "permutation"),
    ):
        st.markdown(f"##### {title}")
        table([c for c in checks if c["name"] in names], kind)
    st.caption(formats.in_label(validity.came(line), 200))
    export(store, line)


def splits(store, result: Mapping[str, Any]) -> None:
    """Naive beside clean: the same pipeline under each split."""
    found, chance = reports.splits(store, result)
    rows = [{**r, "name": wording.SPLITS.get(r["split"], r["split"]).partition(":")[0].removesuffix(" (leaky)")}
            for r in found]  # fmt: skip
    runs = {x.id for x in experiments.all_experiments(store)}
    said = "; ".join(f"{r['name']}{' (leaky)' * r['leaky']} {formats.number(r['value'])}" for r in rows)
    components.chart(
        charts.splits(rows, chance), key="splits", title="What does the same pipeline score when it may peek?",
        caption="Balanced accuracy of windows, mean over subjects with its 95 % interval; hollow on shade: a leaky "
        f"split, which says nothing of a new person. Dotted: a coin{', the band its 95 %' if chance else ''}.",
        alt=f"Balanced accuracy by split: {said}; chance 0.50", kind="leak-splits", subject="cohort",
        make_table=lambda: pd.DataFrame(
            [{"Split": r["name"], "Leaky": "yes" if r["leaky"] else "no", "Balanced accuracy": r["value"],
              "Low": r["low"], "High": r["high"], "Run": r["run"]} for r in rows]
        ).astype({"Low": float, "High": float}),
        how="Model, features, seed and windows are the same; only who and what may lie in training differs. The "
        f"premium is windows at random less nested LOSO, paired by subject. {wording.LEAKY}",
    )  # fmt: skip
    with st.container(horizontal=True):
        for row in rows:
            if row["run"] in runs:
                nav.link("experiments", f"{row['run']}: {row['name']}", {state.RUN: row["run"]})


def table(checks: Sequence[Mapping[str, Any]], kind: str) -> None:
    """Checks with outcome, evidence and place; those that failed first."""
    if not checks:
        st.text("not computed: this audit has no such check")
        return
    order = list(wording.OUTCOMES)
    rows = []
    for check in sorted(checks, key=lambda c: order.index(c["outcome"])):
        found = re.fullmatch(r"(.*) \((\S+\.py [^()]+)\)", check["evidence"], re.DOTALL)
        said, where = found.groups() if found else (check["evidence"], "not known")
        rows.append(
            {"Outcome": wording.OUTCOMES[check["outcome"]], "Check": check["name"].capitalize(),
             "Evidence": formats.visible(said, 600), "Place in the code": where}
        )  # fmt: skip
    components.wrapped(pd.DataFrame(rows), kind=f"leak-{kind}", subject="cohort", key=f"leak-{kind}")


def export(store, line: Line) -> None:
    """The audit as JSON and as PDF, by the export service."""
    with st.container(horizontal=True, key="export-tools"):
        for form, what in (("JSON", "the audit as JSON"), ("PDF", "a report as PDF and the same numbers as JSON")):
            components.files_button(
                f"Export {form}", partial(reports.leak_audit, store, line, pdf=form == "PDF"),
                kind="leak-audit", subject=line.study, key=f"audit-{form.lower()}", what=what,
            )  # fmt: skip


def ended(store, job: Job) -> None:
    """A job of this page that ended well."""
    st.success("Done. What it found is stored.")
    job_panel.close()


with components.page("leak-audit"):
    store = state.store()
    if any(state.param(n) for n in CHOICE[:3]):
        research.back(*CHOICE, state.JOB, label="Choose another")
    job = job_panel.of_url(store, (KIND, "validity", "demo_run"))
    if job is not None:
        job_panel.show(store, job, ended, "" if job.kind == "validity" else research.KEPT)
    of = asked(store)
    if of is None:
        overview(store)
    else:
        show(store, of)
