"""Two to four runs side by side, paired by subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, research, run_detail, state, wording
from app.ui.charts import research as charts
from core.services.exports import disclosure
from core.services.research import experiment_pairs, experiments, results
from core.services.research.experiments import Experiment, Line

MOST = 4


def show(store, names: Sequence[str]) -> None:
    """Two to four runs, paired by subject."""
    research.back(state.RUNS)
    found = [experiments.get(store, n) for n in names]
    correction = state.choice("Correction for several pairs", state.CORRECTION, {"holm": "Holm", "fdr": "FDR"}, "holm")
    told = results.compare(store, names, correction)
    if any(f.line.leaky for f in found):
        st.warning(wording.LEAKY)
    st.markdown("##### How do these runs differ?")
    titles = {
        f.line.id: f"{f.line.id} {research.model_title(f.line.model)}, "
        + research.with_scores(f.line.inputs, f.line.groups)
        for f in found
    }
    lines, audited = {f.line.id: f.line for f in found}, results.audited(store)
    frame = pd.DataFrame(
        [
            {
                "Rank": s["rank"], "Tie": told["letters"][s["name"]], "Run": titles[s["name"]],
                "Balanced accuracy": research.interval(s), "Leaks": research.badge(lines[s["name"]], audited),
                "Split": wording.SPLITS.get(lines[s["name"]].split, lines[s["name"]].split),
            }
            for s in sorted(told["scores"], key=lambda s: s["rank"] or MOST + 1)
        ]
    )  # fmt: skip
    components.table(frame, kind="compared", subject="cohort", key="compared", placeholder="none",
                     config={"Rank": st.column_config.NumberColumn(format="%d")})  # fmt: skip
    st.caption("By trial. Equal means share a rank; runs that share a letter were not told apart (5 %, corrected).")
    pairs(told, correction)
    disagreement(store, lines)
    by_run(found, titles)
    config_difference(found)
    st.markdown("##### Confusion, by trial")
    for column, f in zip(st.columns(len(found)), found, strict=True):
        with column:
            st.markdown(f"**{f.line.id}**")
            at = (f.line.summary or {})["trial"]
            run_detail.matrix(at["confusion"], (f.details or {})["classes"], f.line.id, True, "all subjects", "trial",
                               titled=False)  # fmt: skip


def pairs(told: Mapping[str, Any], correction: str) -> None:
    """Each pair's difference."""
    known = [d for d in told["pairs"] if d["value"] is not None]
    rows = [{**d, "name": f"{d['a']} less {d['b']}", "sure": d["p_adjusted"] <= results.ALPHA} for d in known]
    frame = pd.DataFrame(
        [
            {
                "Pair": f"{d['a']} less {d['b']}", "Difference": research.difference(d), "Subjects": d["n"],
                "p": research.p_words(d["p"], d["test"]), "Corrected p": research.p_words(d["p_adjusted"]),
            }
            for d in told["pairs"]
        ]
    )  # fmt: skip
    if not rows:
        components.table(frame, kind="pairs", subject="cohort", key="pairs")
        return
    components.chart(
        charts.forest(rows), key="pairs", title="Is the difference more than luck?", twin=True,
        caption="Mean paired difference in balanced accuracy with its 95 % interval over subjects. Filled: told apart "
        "from none after correction; hollow: not.",
        alt="; ".join(f"{r['name']}: {research.difference(r)}" for r in rows), make_table=lambda: frame,
        kind="pairs", subject="cohort",
        how="Per subject, the score of one run less that of the other. p: exact sign permutation below 20 subjects, "
        f"Wilcoxon's signed-rank test from 20 on; corrected over all pairs by {correction.upper()}.",
    )  # fmt: skip


def disagreement(store, lines: Mapping[str, Line]) -> None:
    """On which share of the trials each two runs say something else, such as a fused model and those of one signal."""
    st.markdown("##### How far are these runs apart on the same trial?")
    st.caption("By trial, of those that both predicted: the mean over subjects with its 95 % interval.")
    named = {name: f"{name} ({research.inputs_title(line.inputs)})" for name, line in lines.items()}
    frame = pd.DataFrame(
        [
            {
                "Runs": f"{named[d['a']]} and {named[d['b']]}", "Label differs, share of trials": apart(d, "labels"),
                "Probability differs by": apart(d, "probabilities"), "Subjects": d["n"], "Trials": d["n_trials"],
            }
            for d in disagreements(store, store.url, tuple(lines))
        ]
    )  # fmt: skip
    told = ("Label differs, share of trials", "Probability differs by")
    components.table(
        frame, kind="disagreement", subject="cohort", key="disagreement",
        leaves=lambda shown: disclosure.few_kept(shown, dict.fromkeys(told, ("Subjects",))),
    )  # fmt: skip
    with st.popover("How computed", type="tertiary"):
        st.markdown(
            "From the stored predictions of what each fold left out. Label: each run's own, by the cut of its fold. "
            "Probability: the distance between the two probabilities of High; of several "
            "classes, half the sum of the distances of all classes, from 0 to 1. Both are means over a subject's "
            "trials, then over subjects, with a 95 % bootstrap interval over them. Runs that agree can both be wrong."
        )


@st.cache_data(scope="session", show_spinner="Reading the stored predictions ...", max_entries=24)
def disagreements(_store, database: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """How far each two runs are apart."""
    return experiment_pairs.disagreements(_store, names)


def apart(row: Mapping[str, Any], what: str) -> str:
    """0.25 (0.10-0.40), or why there is none."""
    return f"not computed: {formats.visible(row['why'], 200)}" if row["why"] else research.interval(row[what])


def by_run(found: Sequence[Experiment], titles: Mapping[str, str]) -> None:
    """A line for each subject over the runs."""
    scores = {
        f.line.id: {r["subject"]: r.get("balanced_accuracy") for r in (f.details or {})["per_subject"]} for f in found
    }
    subjects = sorted({s for own in scores.values() for s in own})
    components.chart(
        charts.lines(scores), key="by-run", title="Who gains, and who loses?",
        caption=f"Balanced accuracy by trial, a line for each of {formats.counted(len(subjects), 'subject')}; the "
        "thick line is the mean.",
        alt=f"Balanced accuracy of {len(subjects)} subjects under {', '.join(titles.values())}",
        make_table=lambda: pd.DataFrame(
            [{"Subject": s, **{n: own.get(s) for n, own in scores.items()}} for s in subjects]
        ),
        kind="by-run", subject="cohort", how="The stored scores of each subject, by trial.",
    )  # fmt: skip


def config_difference(found: Sequence[Experiment]) -> None:
    """What is not the same in the runs."""
    keys = ("inputs", "model", "fusion", "split", "seed", "code_version", "data_hash")
    said = {f.line.id: {**{k: str(getattr(f.line, k)) for k in keys}, **flat(f.config)} for f in found}
    names = list(dict.fromkeys(k for own in said.values() for k in own))
    rows = [
        {"What": name.replace("_", " "), **{run: own.get(name, "not set") or "none" for run, own in said.items()}}
        for name in names
        if len({own.get(name) for own in said.values()}) > 1
    ]
    st.markdown("##### What was set differently?")
    if rows:
        components.table(pd.DataFrame(rows), kind="config", subject="cohort", key="config")
    else:
        st.text("Nothing.")


def flat(config: Mapping[str, Any], lead: str = "") -> dict[str, str]:
    """Nested settings as one level of text."""
    out: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            out |= flat(value, f"{lead}{key}.")
        else:
            out[f"{lead}{key}"] = formats.visible(value) if value not in (None, {}, [], "") else "none"
    return out
