"""Ablation: every set of signals by target, paired by subject to the best single signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, job_panel, nav, research, state, wording
from app.ui.charts import research as charts
from core.services.exports import reports
from core.services.jobs import Job
from core.services.research import experiments, results, run_jobs, studies
from core.services.research.experiments import Line

Grid = Mapping[tuple[str, str], Line]
# signals of which every set is laid out at once: 15 rows
MOST_SIGNALS = 4
# jobs that this page starts
RUN_KINDS = ("evaluate", "ablate", "demo_run")


@st.cache_data(scope="session", show_spinner="Pairing the stored predictions ...", max_entries=24)
def paired(_store, database: str, _found: Grid, target: str, runs: tuple[str, ...]) -> dict[str, Any] | None:
    """The finished runs of one target against the best single signal; they never change."""
    return results.ablation(_store, _found, target)


def choices(store, found: Sequence[Mapping[str, Any]]) -> tuple[str, str, str, int, str, list[str]]:
    """Study, model, fusion, seed, features of the EEG and signals; all but the signals stand in the URL."""
    titles = results.models()
    names = [s["name"] for s in found]
    columns = st.columns([3, 3, 3, 2, 4], vertical_alignment="bottom")
    with columns[0]:
        study = one("Study", state.STUDY, names, names[0], str)
    with columns[1]:
        model = one("Model", state.MODEL, list(titles), "logistic", titles.__getitem__)
    with columns[2]:
        fusion = one("Fusion", state.FUSION, list(wording.FUSIONS), "early", wording.FUSIONS.__getitem__)
    with columns[3]:
        seed = int(st.number_input("Seed", min_value=0, value=int(state.number_param(state.SEED, 0)), key="seed"))
        state.set_param(state.SEED, str(seed) if seed else None)
    types = results.usable(store, study, model)
    with columns[4]:
        chosen = st.multiselect(
            "Signals", types, default=types[:MOST_SIGNALS], key=f"signals-{study}-{model}",
            format_func=lambda t: wording.CHANNEL_TYPES.get(t, t), placeholder="none that this model can use",
        )  # fmt: skip
    offered = results.feature_sets(store, study, model, "+".join(chosen))
    features = ""
    if offered:
        with st.container(width=340):
            features = one("Features of the EEG", state.FEATURES, ["", *offered], "", wording.FEATURES.__getitem__)
    return study, model, fusion, seed, features, [t for t in types if t in chosen]


def one(label: str, name: str, options: Sequence[str], default: str, words) -> str:
    """A choice that stands in the URL."""
    wanted = state.param(name)
    start = list(options).index(wanted if wanted in options else default)
    chosen = st.selectbox(label, options, index=start, format_func=words, key=f"choose-{name}")
    state.set_param(name, None if chosen == default else chosen)
    return chosen


# ------------------------------------------------------------------------------------------------ the grid
def grid(
    store, study: str, model: str, fusion: str, seed: int, features: str, sets: Sequence[str]
) -> tuple[Grid, dict]:
    """Input sets by targets: a score with its difference, what is under way, or a button that queues the run."""
    targets = studies.get(store, study).targets
    found = results.grid(store, study, model, sets, fusion=fusion, seed=seed, features=features)
    by_target = {t: paired_of(store, found, t) for t in targets}
    own = {i: experiments.narrowed({"features": features} if features else {}, i) for i in sets}
    asked = {
        (t, i): research.evaluate_params(study, t, model, i, fusion=fusion, seed=seed, **own[i])
        for t in targets for i in sets
    }  # fmt: skip
    live, done = run_jobs.under_way(store), {key for key, line in found.items() if line.summary is not None}
    queued = {
        key: job for key in asked if key not in done for job in live if run_jobs.computes(job, asked[key])
    }  # fmt: skip
    if queued:
        research.at_it(store, max(queued.values(), key=lambda job: job.state == "running"))
    widths = [2, *(3 for _ in targets)]
    with st.container(key="wide-targets"):
        for column, title in zip(st.columns(widths), ["Signals", *map(formats.name, targets)], strict=True):
            column.markdown(f"**{title}**")
    for inputs in sets:
        columns = st.columns(widths, vertical_alignment="center")
        columns[0].markdown(formats.in_label(research.inputs_title(inputs), 120))
        for column, target in zip(columns[1:], targets, strict=True):
            line = found.get((target, inputs))
            with column, st.container(border=(target, inputs) in done, key=f"cell-{target}-{inputs}", gap="xsmall"):
                cell(store, line, by_target[target], asked[target, inputs], queued.get((target, inputs)))
    missing = {
        t: [i for i in sets if getattr(found.get((t, i)), "state", "") != "done" and (t, i) not in queued]
        for t in targets
    }  # fmt: skip
    run_all(store, study, model, fusion, seed, features, sets, missing)
    return found, by_target


def paired_of(store, found: Grid, target: str) -> dict[str, Any] | None:
    """What ``paired`` gives for the runs that are done now."""
    runs = tuple(sorted(x.id for (t, _), x in found.items() if t == target and x.state == "done"))
    return paired(store, store.url, found, target, runs)


def cell(store, line: Line | None, told: Mapping | None, params: Mapping[str, Any], job: Job | None) -> None:
    """One set of signals for one target; ``job`` is at it."""
    target, inputs = params["target"], params["inputs"]
    if line is not None or job is not None:
        with st.container(key=f"narrow-{target}-{inputs}"):
            st.caption(formats.name(target))
    if line is not None and line.summary is not None:
        score(line, told, inputs)
        return
    if job is not None:
        nav.link("jobs", f"● {job.state}", {state.JOB: job.id})
        return
    if line is not None:
        words = f"{line.n_failed} of {line.n_folds} folds failed" if line.n_failed else f"{line.n_done} folds stored"
        nav.link("experiments", f"{wording.EXPERIMENT_STATES[line.state]}: {words}", {state.RUN: line.id})
    does = "Run" if line is None else "Go on"
    if st.button(f"{does}: {formats.name(target).lower()}", key=f"run-{target}-{inputs}", width="stretch"):
        job_panel.submit(store, "evaluate", params, research.run_label(params))


def score(line: Line, told: Mapping | None, inputs: str) -> None:
    """A finished run: its score on the trials that all sets share, and its difference."""
    own = next((s for s in (told or {}).get("sets", ()) if s["inputs"] == inputs), None)
    shown = own or (line.summary or {})["trial"]["balanced_accuracy"]
    nav.link("experiments", research.interval(shown), {state.RUN: line.id})
    if told is None:
        st.caption("nothing to compare with yet")
    elif inputs == told["best_single"]:
        st.caption("best single signal")
    else:
        d = next(d for d in told["differences"] if d["inputs"] == inputs)
        st.caption(formats.in_label(f"{research.difference(d)}, p {research.p_words(d['p_adjusted'])}"))


def run_all(
    store, study: str, model: str, fusion: str, seed: int, features: str, sets: Sequence[str], missing: Mapping
) -> None:
    """A button for each target that has a cell that is neither done nor queued."""
    empty = [t for t, inputs in missing.items() if inputs]
    if not empty:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        for target in empty:
            if st.button(f"Run all for {formats.name(target).lower()}", key=f"all-{target}"):
                ablate(store, study, target, model, fusion, seed, features, sets)
        n = sum(map(len, missing.values()))
        st.caption(f"{formats.counted(n, 'run')} missing; each is an experiment of its own and stored fold by fold.")


def ablate(
    store, study: str, target: str, model: str, fusion: str, seed: int, features: str, sets: Sequence[str]
) -> None:
    """Queue every set of one target as one job."""
    params = {"study": study, "target": target, "model": model, "fusion": fusion, "seed": seed, "inputs": list(sets)}
    params |= {"options": {"features": features}} if features else {}
    job_panel.submit(store, "ablate", params, f"Ablation of {model}: {target}, {study}")


# ------------------------------------------------------------------------------------------------ one target
def one_target(store, target: str, told: Mapping[str, Any], missing: int) -> None:
    """Forest plot, subjects, and what each set costs."""
    best, best_title = told["best_single"], formats.in_label(research.inputs_title(told["best_single"]))
    if missing:
        st.caption(f"{formats.counted(missing, 'set')} not run yet: the best single signal is that of the runs done.")
    rows = [{**d, "name": research.inputs_title(d["inputs"]), "sure": d["p_adjusted"] <= results.ALPHA}
            for d in told["differences"] if d["value"] is not None]  # fmt: skip
    n = f"n = {formats.counted(told['n_subjects'], 'subject')}, {formats.counted(told['n_trials'], 'trial')}"
    left, right = st.columns([3, 2], gap="large")
    with left:
        components.chart(
            charts.forest(rows), key=f"forest-{target}", title=f"What is added to {best_title}?",
            caption=f"{formats.name(target)}: difference in balanced accuracy to the best single signal, by trial, "
            f"with its 95 % interval over subjects; {n} that all sets share. Filled: told apart from none (Holm, 5 %).",
            alt="; ".join(f"{r['name']} less {best}: {research.difference(r)}" for r in rows),
            make_table=lambda: differences(told), kind="ablation", subject="cohort",
            filters={"target": target},
            how="Each set is an experiment of its own that leaves one subject out. Scores are of the trials that every "
            "set could use, so that none is better for its easier trials. p: exact sign permutation below 20 subjects, "
            "Wilcoxon's signed-rank test from 20 on; Holm over the differences.",
        )  # fmt: skip
    scores = by_subject(told)
    with right:
        components.chart(
            charts.lines(scores, difference=True), key=f"lines-{target}", title="For whom?",
            caption=f"Difference to {best_title} of each subject; the thick line is the mean.",
            alt=f"Differences of {told['n_subjects']} subjects for {', '.join(scores)}",
            make_table=lambda: pd.DataFrame(
                [{"Subject": s, **{i: own.get(s) for i, own in scores.items()}}
                 for s in sorted({s for own in scores.values() for s in own})]
            ),
            kind="ablation-subjects", subject="cohort", filters={"target": target},
            how="The same differences as beside, subject by subject.",
        )  # fmt: skip
    costs(told, target)


def by_subject(told: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Each subject's difference by set, named as on screen."""
    return {
        research.inputs_title(d["inputs"]): {x["subject"]: x["value"] for x in d["subjects"]}
        for d in told["differences"]
    }


def differences(told: Mapping[str, Any]) -> pd.DataFrame:
    """The differences as a table."""
    return pd.DataFrame(
        [
            {
                "Signals": research.inputs_title(d["inputs"]), "Against": research.inputs_title(d["against"]),
                "Difference": d["value"], "Low": d["low"],
                "High": d["high"], "Subjects": d["n"], "p": research.p_words(d["p"], d["test"]),
                "Holm p": research.p_words(d["p_adjusted"]),
            }
            for d in told["differences"]
        ]
    )  # fmt: skip


def costs(told: Mapping[str, Any], target: str) -> None:
    """What each set takes, and what it loses."""
    st.markdown("##### What does each set cost?")
    frame = pd.DataFrame(
        [
            {
                "Signals": research.inputs_title(s["inputs"]), "Rank": s["rank"],
                "Balanced accuracy": research.interval(s),
                "Trials lost": s["share_lost"], "Trials lost, n": s["n_lost"], "Seconds": s["seconds"],
                "Run": s["experiment"],
            }
            for s in told["sets"]
        ]
    )  # fmt: skip
    components.table(frame, kind="ablation-cost", subject="cohort", key=f"cost-{target}", percent=("Trials lost",),
                     digits={"Seconds": 1}, filters={"target": target},
                     config={"Rank": st.column_config.NumberColumn(format="%d")})  # fmt: skip
    st.caption(
        "Trials lost: share of the study's trials that lack one of the signals or whose signals could not be used. "
        "Seconds: computing of all folds. Equal means share a rank."
    )


def tables(
    store, study: str, model: str, fusion: str, seed: int, features: str, told: Mapping[str, Mapping[str, Any]]
) -> None:
    """Every target together as one table that leaves."""
    st.markdown("##### Take the whole grid along")
    filters = {"study": study, "model": model, "fusion": fusion, "seed": seed}
    filters |= {"features": features} if features else {}
    with st.container(horizontal=True, key="tools-grid"):
        for fmt, label in (("csv", "CSV"), ("parquet", "Parquet")):
            components.files_button(
                f"Export table ({label})",
                partial(reports.ablation, store, told, study, fmt, filters=filters),
                kind="ablation-grid", subject=study, key=f"grid-{fmt}",
                what=f"a row for each target and set of signals as {label}",
            )  # fmt: skip


def queued(store, job: Job) -> None:
    """A job of this page that ended well."""
    names = (job.result or {}).get("experiments") or [(job.result or {}).get("experiment", "")]
    st.success(formats.in_label(f"Done: {', '.join(map(str, names))}.", 300))
    job_panel.close()


with components.page("ablation"):
    store = state.store()
    job_panel.follow(store, RUN_KINDS, queued, research.KEPT)
    found = [s for s in studies.all_studies(store) if s["targets"]]
    if not found:
        components.empty(
            "**No study yet, so there is nothing to take apart.** Import a study, or start the demo run: it simulates "
            "a small study of EEG and ECG. Then choose a model, and press *Run all* under the grid: each set of "
            "signals becomes an experiment, and each is paired by subject to the best single signal.",
            ("import-export", "Import a study"),
            ("experiments", "Experiments"),
        )
        research.demo_run(store)
        components.halt()
    study, model, fusion, seed, features, types = choices(store, found)
    if not types:
        components.empty("**No signal is chosen that this model can use.** Choose another model, or signals above.")
        components.halt()
    st.caption(
        "Balanced accuracy of a person the model has not seen (LOSO), by trial; below it the paired difference to the "
        f"best single signal with its 95 % interval. {wording.FUSIONS_MEAN}"
    )
    sets = results.input_sets(types)
    cells, by_target = grid(store, study, model, fusion, seed, features, sets)
    compared = [t for t, told in by_target.items() if told is not None]
    if not compared:
        components.empty(
            "**Nothing to compare yet.** A difference needs a single signal and another set for the same target: press "
            "*Run* in their cells, or *Run all*.",
        )
        components.halt()
    st.divider()
    target = state.choice("Target", state.TARGET, {t: formats.name(t) for t in compared}, compared[0])
    done = sum(line.state == "done" for (t, _), line in cells.items() if t == target)
    one_target(store, target, by_target[target], len(sets) - done)
    tables(store, study, model, fusion, seed, features, {t: told for t, told in by_target.items() if told is not None})
