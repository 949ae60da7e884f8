"""Experiments: every run beside chance and the models that know nothing; one in full; two to four side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, job_panel, research, run_compare, run_detail, state, wording
from core.services.jobs import Job
from core.services.research import experiments, results
from core.services.research.experiments import Line


# ------------------------------------------------------------------------------------------------ the list
def overview(store) -> None:
    """All runs with facets, then two to four of them to compare, and the way to a new one."""
    lines = experiments.all_experiments(store)
    if not lines:
        components.empty(
            "**No experiments yet.** An experiment runs a model on a study and tests it on people it has not seen. The "
            "demo run simulates a small study and evaluates logistic regression on it: about a minute.",
            ("import-export", "Import a study"),
        )
        research.demo_run(store)
    else:
        listing(store, lines)
    with st.expander("Start a run", expanded=False, key="start"):
        research.start_form(store)


def facets(lines: Sequence[Line]) -> Sequence[Line]:
    """The runs that the choices of the URL leave."""
    columns = st.columns([3, 3, 3, 3, 4], vertical_alignment="bottom")
    words: Mapping[str, Any] = {
        state.TARGET: formats.name, state.MODEL: research.model_title, state.SPLIT: lambda s: wording.SPLITS.get(s, s),
    }  # fmt: skip
    for column, (label, name) in zip(
        columns, (("Study", state.STUDY), ("Target", state.TARGET), ("Model", state.MODEL), ("Split", state.SPLIT)),
        strict=False,
    ):  # fmt: skip
        with column:
            chosen = research.facet(label, name, sorted({getattr(x, name) for x in lines}), words.get(name, str))
        lines = [x for x in lines if chosen is None or getattr(x, name) == chosen]
    return lines


def row(
    line: Line, tie: Mapping[str, str], audited: Mapping[str, results.Audited], quarter: results.Quarter | None, of: str
) -> dict[str, Any]:  # fmt: skip
    """A run as shown and exported."""
    at = (line.summary or {}).get(of, {})
    scored = "balanced_accuracy" in at
    why = "not computed: not finished" if line.summary is None else wording.NO_CLASSES
    chance = at.get("chance")
    leaky = f" {wording.LEAKY_MARK}" if line.leaky and line.summary is not None else ""
    return {
        "Run": line.id,
        "Study": line.study,
        "Target": formats.name(line.target),
        "Signals": research.with_scores(line.inputs, line.groups),
        "Model": research.model_title(line.model),
        "Split": wording.SPLITS.get(line.split, line.split).partition(":")[0],
        "Balanced accuracy": (research.interval(at["balanced_accuracy"]) if scored else why) + leaky,
        "Chance": formats.span(chance["low"], chance["high"]) if chance else None if line.summary is None else why,
        "Leaks": research.badge(line, audited),
        "AUC": (research.interval(at["roc_auc"]) if scored else why) + leaky,
        "Macro-F1": (research.interval(at["macro_f1"]) if scored else why) + leaky,
        "Worst quarter": (lowest(quarter) if scored else why) + leaky,
        "CCC": (research.interval(at["ccc"]) if "ccc" in at else "not computed: a class is predicted") + leaky,
        "Tie": tie.get(line.id, "none"),
        "State": wording.EXPERIMENT_STATES.get(line.state, line.state)
        + (f" ({line.n_done} of {line.n_folds})" if line.state != "done" else ""),
        "Fusion": line.fusion if "+" in line.inputs else "one signal",
        "Subjects": (line.summary or {}).get("n_subjects"),
        "n": (line.summary or {}).get(f"n_{of}s"),
        "Task": wording.TASKS.get(line.task, line.task),
        "Options": research.not_usual(line.options),
        "Seed": line.seed,
        "Seconds": line.seconds,
        "Code": line.code_version,
        "Data": line.data_hash[:8],
    }


def lowest(quarter: results.Quarter | None) -> str:
    """The score over the people of the reference, or why there is none."""
    if quarter is None:
        return "not computed: no scores of single subjects are stored"
    return f"not computed: {quarter.why}" if quarter.score is None else research.interval(quarter.score)


def listing(store, lines: Sequence[Line]) -> None:
    """The table; a row opens its run."""
    shown_lines = facets(lines)
    of = state.choice("Level", state.LEVEL, wording.LEVELS, "trial", label_visibility="collapsed")
    if any(x.leaky for x in shown_lines):
        st.warning(f"Runs marked {wording.LEAKY_MARK}: {wording.LEAKY}")
    if not shown_lines:
        components.empty("**No run fits this choice.** Take one of the choices above back.")
        return
    tie, audited, quarters = results.ties(store), results.audited(store), results.worst_quarters(store)
    frame = pd.DataFrame([row(x, tie, audited, quarters.get(x.id), of) for x in shown_lines])
    references = {
        quarters[x.id].reference: (x, quarters[x.id].subjects)
        for x in shown_lines if x.id in quarters and quarters[x.id].reference
    }  # fmt: skip
    if not any(x.task == "continuous" for x in shown_lines):
        frame = frame.drop(columns="CCC")
    filters = {n: state.param(n) or "all" for n in (state.STUDY, state.TARGET, state.MODEL, state.SPLIT)}
    picked = components.table(
        frame, kind="experiments", subject="cohort", key="experiments", select=True, filters=filters | {"level": of},
        alt=f"{len(frame)} runs with scores, chance, leaks and state", placeholder="not finished",
        digits={"Seconds": 1},
        config={
            "Run": st.column_config.TextColumn(pinned=True), "Split": st.column_config.TextColumn(width=165),
            "Target": st.column_config.TextColumn(width=100), "Signals": st.column_config.TextColumn(width=110),
            "Balanced accuracy": st.column_config.TextColumn(width=165),
            "Chance": st.column_config.TextColumn(width=90),
            "Subjects": st.column_config.NumberColumn(format="%d"),
            "n": st.column_config.NumberColumn(f"n, {of}s", format="%d"),
            "Seed": st.column_config.NumberColumn(format="%d"),
        },
    )  # fmt: skip
    how(of, references)
    with st.container(horizontal=True, vertical_alignment="center", key="tools-runs"):
        computed(references)
        run_detail.results_button(store, [x.id for x in shown_lines if x.summary is not None], "all")
    if picked is not None:
        state.set_param(state.RUN, shown_lines[picked].id)
        st.rerun()
    choose([x.id for x in shown_lines if x.state == "done"])


References = Mapping[str, tuple[Line, Sequence[str]]]


def how(of: str, references: References) -> None:
    """What the columns are."""
    worst = f" Worst quarter: the same people in every row, those of {', '.join(sorted(references))}."
    st.caption(
        f"Scores {wording.LEVELS[of].lower()}. {wording.OVER_SUBJECTS} Chance: where 95 % of such means lie when a "
        f"coin decides.{worst if references else ''} Choose a row to open the run."
    )


def computed(references: References) -> None:
    """How each column came about."""
    with st.popover("How computed", type="tertiary"):
        st.markdown(
            f"{wording.OVER_SUBJECTS} Models of different folds learned from nearly the same people, which it cannot "
            "know: it is somewhat narrow, so read it beside chance. A subject whose trials are all of one class keeps "
            "its recall; its AUC is undefined and is counted. **Chance** comes from each subject's number of trials of "
            "each class. **Worst quarter**: mean over the same people in every run of a study, target and task, of "
            "trials at either level. They are the lowest quarter of the first finished run there that leaves one "
            "subject out with a model that learns, and its mean over them is low by choice. "
            "**Tie**: *a* is the best of its study, target, task and split, and every run that cannot be told apart "
            "from it (paired by subject, Holm, 5 %); *b* the others. **Data**: the first digits of the study's SHA-256."
            f"\n\n{wording.YARDSTICK}"
        )
        for name, (line, subjects) in sorted(references.items()):
            st.caption(formats.in_label(f"{name} ({line.study}, {line.target}): {', '.join(subjects)}", 400))


def choose(done: Sequence[str]) -> None:
    """Name one run to open, or two to four to compare, by the keyboard."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = st.multiselect(
            "Runs", done, max_selections=run_compare.MOST, key="chosen_runs", width=420,
            placeholder="One to open, two to four to compare",
        )  # fmt: skip
        if st.button("Open", disabled=len(names) != 1, key="open_run"):
            state.set_param(state.RUN, names[0])
            st.rerun()
        if st.button("Compare", disabled=len(names) < 2, key="compare_runs"):
            state.set_param(state.RUNS, ",".join(names))
            st.rerun()


def finished(store, job: Job) -> None:
    """A run that ended well."""
    name = str((job.result or {}).get("experiment", ""))
    st.success(formats.in_label(f"{name} is done."))
    if st.button(f"Open {name}", type="primary", key="open_finished"):
        state.set_param(state.JOB, None)
        state.set_param(state.RUN, name)
        st.rerun()
    job_panel.close()


with components.page("experiments"):
    store = state.store()
    job_panel.follow(store, ("evaluate", "demo_run"), finished, research.KEPT)
    run, several = state.param(state.RUN), state.param(state.RUNS)
    if run:
        run_detail.show(store, run)
    elif several:
        run_compare.show(store, several.split(","))
    else:
        overview(store)
