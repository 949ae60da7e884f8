"""EI groups: two groups of a study's subjects side by side in what a finished experiment found of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.ui import charts, components, formats, nav, research, state, wording
from core.services.exports import disclosure, reports
from core.services.research import groups, run_jobs
from core.services.research.experiments import Line
from core.services.research.groups import Report

if TYPE_CHECKING:
    from core.evaluation.groups import Difference

RULES = {"median": "Median", "tertile": "Tertiles", "cut": "Cut"}
KINDS = {
    groups.ACCURACY: "accuracy", groups.STABILITY: "signal stability", groups.LEVEL: "feature", groups.GAP: "gap",
}  # fmt: skip


def picked(label: str, name: str, options: Sequence[str], default: str, **more) -> str:
    """A choice that stands in the URL."""
    wanted = state.param(name)
    place = options.index(wanted if wanted in options else default)
    chosen = st.selectbox(label, options, index=place, key=f"pick-{name}", **more)
    state.set_param(name, None if chosen == default else chosen)
    return chosen


def experiment_title(line: Line) -> str:
    """E-0003: valence, logistic on ecg, LOSO."""
    on = research.with_scores(line.inputs, line.groups)
    split = wording.SPLITS.get(line.split, line.split).partition(":")[0]
    return f"{line.id}: {line.target}, {line.model} on {on}, {split}"


def differences_table(differences: Sequence[Difference], kinds: dict[str, str], enough: bool) -> pd.DataFrame:
    """A row per outcome; missing numbers stay empty and are said as not computed."""
    return pd.DataFrame(
        [
            {
                "Outcome": d.outcome,
                "Kind": kinds[d.outcome],
                "Reading": reports.reading(d, enough),
                "Mean of High": d.mean_high,
                "Mean of Low": d.mean_low,
                "Difference": d.value,
                "From": d.low,
                "To": d.high,
                "Hedges g": d.g,
                "Cliff's delta": d.delta,
                "p": d.p,
                "q (FDR)": d.q,
                "n High": d.n_high,
                "n Low": d.n_low,
            }
            for d in differences
        ]
    ).astype(dict.fromkeys(NUMBERS, float))


NUMBERS = (
    "Mean of High", "Mean of Low", "Difference", "From", "To", "Hedges g", "Cliff's delta", "p", "q (FDR)",
)  # fmt: skip
# whom each number is of
PEOPLE = dict.fromkeys(NUMBERS, ("n High", "n Low")) | {"Mean of High": ("n High",), "Mean of Low": ("n Low",)}


def leaves(shown: pd.DataFrame) -> pd.DataFrame:
    """The table without statistics of fewer than five people."""
    return disclosure.few_kept(shown, {name: of for name, of in PEOPLE.items() if name in shown})


def split(report: Report) -> None:
    """How the groups were made: counts, histogram, edges."""
    parted = report.parted
    with st.container(horizontal=True):
        between = (("Left out between", parted.between),) if report.rule == "tertile" else ()
        for label, n in (("High", parted.high), ("Low", parted.low), *between):
            st.metric(label, formats.counted(len(n), "subject"), width="content")
        edges = sorted(set(parted.edges))
        st.metric("Edge" if len(edges) == 1 else "Edges", " and ".join(f"{e:g}" for e in edges), width="content")
    if not parted.enough:
        st.info("Fewer than 10 subjects in a group: too small to say. Numbers are shown, without a verdict.")
    name = formats.in_label(report.group)
    components.chart(
        charts.score_histogram(report.scores, parted.edges, report.group),
        key="scores",
        title="How do the scores lie?",
        caption=f"Score {name} of each subject, n = {len(report.scores)}; dashed: the edge between the groups",
        alt=f"Histogram of {len(report.scores)} scores {report.group}, from {min(report.scores.values()):g} to "
        f"{max(report.scores.values()):g}; {len(parted.high)} High, {len(parted.low)} Low.",
        make_table=lambda: pd.DataFrame(
            [
                {
                    "Subject": s,
                    "Score": v,
                    "Group": "High" if s in parted.high else "Low" if s in parted.low else "between",
                }
                for s, v in sorted(report.scores.items())
            ]
        ),
        kind="ei-scores",
        subject=report.study,
        how="Median: above it is High. Tertiles: above the upper is High, up to the lower is Low, the middle is left "
        "out. Cut: above it is High. A score on an edge counts as the lower group, so that equal scores never "
        "lie in two groups; with many equal scores the groups are then not of equal size.",
    )


def unfinished(store, study: str) -> None:
    """Runs of the study that cannot be chosen yet: the bar of the job that is at one, and what the others lack."""
    live = run_jobs.of_study(store, study)
    if live:
        research.at_it(store, max(live, key=lambda job: job.state == "running"))
    lines = groups.unfinished(store, study)
    if not lines:
        return
    st.caption(
        f"{formats.counted(len(lines), 'run')} of this study cannot be chosen, for not all folds are done: "
        "an outcome of some people would be another one."
    )
    with st.container(horizontal=True):
        for line in lines:
            n = f"{line.n_failed} of {line.n_folds}" if line.n_failed else f"{line.n_done} stored"
            nav.link("experiments", f"{line.id}: {wording.EXPERIMENT_STATES[line.state]}, {n}", {state.RUN: line.id})


def dummies(report: Report) -> None:
    """Said in words where a model that knows nothing is as good (the verdict on accuracy then means nothing)."""
    if report.dummy is not None:
        name, best, own = report.dummy
        st.warning(
            f"The trivial model {research.model_title(name)} reaches a balanced accuracy of {best:.2f}, this "
            f"experiment {own:.2f}. What it says of single subjects is chance."
        )


def three(value: float) -> str:
    """Three significant digits; the dust of a sum that should be zero is zero."""
    return f"{0.0 if abs(value) < 1e-9 else value:z.3g}"


def results(report: Report) -> None:
    """Dots of one outcome, and the table of all."""
    dummies(report)
    kinds = {o.name: KINDS[o.kind] for o in report.outcomes}
    by_name = {o.name: o for o in report.outcomes}
    chosen = picked("Outcome", state.OUTCOME, list(by_name), next(iter(by_name)))
    found = next(d for d in report.differences if d.outcome == chosen)
    outcome, parted = by_name[chosen], report.parted
    ends = [end for end in (found.low, found.high) if end is not None]
    between = " to ".join(map(three, ends)) if len(ends) == 2 else "no interval"
    value = components.NOT_COMPUTED if found.value is None else f"{three(found.value)} ({between})"
    said = f"High less Low {value}; {reports.reading(found, parted.enough)}"
    components.chart(
        charts.group_dots(outcome.values, parted.high, parted.low, chosen),
        key="dots",
        title="Do the groups differ?",
        caption=formats.in_label(f"A mark per subject, line: mean of the group. {said}", 200),
        alt=f"{chosen} of {found.n_low} subjects Low and {found.n_high} High. {said}.",
        make_table=lambda: pd.DataFrame(
            [
                {"Subject": s, "Group": group, "Value": outcome.values.get(s)}
                for group, subjects in (("High", parted.high), ("Low", parted.low))
                for s in subjects
            ]
        ).astype({"Value": float}),
        kind="ei-outcome",
        subject=report.study,
        filters={"outcome": chosen},
        digits={"Value": 4},
        how=report.method,
    )
    st.markdown("##### All outcomes")
    components.table(
        differences_table(report.differences, kinds, parted.enough).sort_values("p", kind="stable"),
        kind="ei-differences",
        subject=report.study,
        key="differences",
        digits={**dict.fromkeys(NUMBERS, 3), "p": 4, "q (FDR)": 4},
        columns={
            "Difference": "mean of High less mean of Low, with its 95 % interval (Welch) in From and To",
            "q (FDR)": "p after control of false discoveries over all outcomes",
            "p": "permutation of the groups over subjects, two-sided",
        },
        leaves=leaves,
        config={"Hedges g": st.column_config.NumberColumn(format="%.3f", width=105)},
    )


def others(report: Report) -> None:
    """What else differs between the groups and might explain a difference."""
    st.markdown("##### What else differs between the groups?")
    st.caption(
        "A difference above may come from one of these and not from the score. These are not corrected for number."
    )
    found = differences_table(report.confounders, {d.outcome: "" for d in report.confounders}, report.parted.enough)
    shown = found[["Outcome", "Mean of High", "Mean of Low", "Difference", "Hedges g", "p", "n High", "n Low"]]
    components.table(
        shown.rename(columns={"Outcome": "What"}), kind="ei-confounders", subject=report.study, key="confounders",
        digits=dict.fromkeys(NUMBERS, 3), leaves=leaves,
    )  # fmt: skip


def method(store, report: Report) -> None:
    """The text for a paper, and both groups in every outcome as a table."""
    st.markdown("##### Method")
    with st.container(border=True):
        st.markdown(formats.in_label(report.method, 4000))
    with st.container(horizontal=True, key="tools-groups"):
        components.files_button(
            "Export method text", partial(reports.group_method, store, report), kind="ei-method",
            subject=report.study, key="method", what="the text as TXT",
        )  # fmt: skip
        for fmt, label in (("csv", "CSV"), ("parquet", "Parquet")):
            components.files_button(
                f"Export table ({label})", partial(reports.groups, store, report, fmt),
                kind="ei-groups", subject=report.study, key=f"groups-{fmt}",
                what=f"every outcome and what else differs, a row each, as {label}",
            )  # fmt: skip


with components.page("ei-groups"):
    store = state.store()
    scored = groups.scored(store)
    if not scored:
        components.empty(
            "**No EI scores.** Add them in Import (participants table).", ("import-export", "Import and export")
        )
        components.halt()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        study = picked("Study", state.STUDY, list(scored), next(iter(scored)))
        group = picked("Score", state.GROUP, list(scored[study]), next(iter(scored[study])))
        lines = groups.usable(store, study)
        named = {line.id: line for line in lines}
        experiment = picked(
            "Experiment", state.RUN, list(named), next((x.id for x in lines if x.split == "loso"), lines[0].id),
            format_func=lambda i: experiment_title(named[i]), width=420,
        ) if lines else None  # fmt: skip
        inputs = named[experiment].inputs.split("+") if experiment else []
        input_ = picked(
            "Features of", state.INPUT, inputs, inputs[0], format_func=lambda t: wording.CHANNEL_TYPES.get(t, t)
        ) if inputs else None  # fmt: skip
    unfinished(store, study)
    scores = scored[study][group]
    rule = state.choice("Split", state.RULE, RULES, "median")
    cut = None
    if rule == "cut":
        middle = sum(scores.values()) / len(scores)
        cut = st.number_input(
            "High is above", value=state.number_param(state.CUT, round(middle, 2), -inf), key="cut", width=240
        )
        state.set_param(state.CUT, f"{cut:g}")
    with st.spinner("Comparing the groups"):
        report = groups.report(store, study, group, rule=rule, cut=cut, experiment=experiment, input_=input_)
    split(report)
    if report.experiment:
        results(report)
    else:
        components.empty(
            "**No finished experiment on this study yet.** Accuracy, stability and features come from one that leaves "
            "people out: run it under Experiments, or with `affectline evaluate`."
        )
    others(report)
    method(store, report)
