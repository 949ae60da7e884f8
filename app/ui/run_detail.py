"""One run in full: scores beside chance and the models that know nothing, subjects, matrices, curves, folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, job_panel, nav, research, state, why, wording
from app.ui.charts import research as charts
from core.errors import AffectlineError, NotFound
from core.services.exports import disclosure, exports, run_folder
from core.services.exports.export_columns import RESULTS
from core.services.research import experiments, results, run_jobs, studies
from core.services.research.experiments import Experiment

TABS = (
    "Subjects", "Confusion", "ROC and PR", "Calibration", "Learning curves", "Why", "Folds", "Configuration", "Log",
)  # fmt: skip


@st.cache_data(scope="session", show_spinner="Reading the stored predictions ...", max_entries=24)
def predictions(_store, database: str, name: str, of: str) -> dict[str, Any]:
    """What a finished experiment predicted; it never changes."""
    return results.predictions(_store, name, of)


def show(store, name: str) -> None:
    """One run in full, as far as it has come."""
    research.back(state.RUN, state.TAB)
    try:
        found = experiments.get(store, name)
    except NotFound:
        st.error(f"Unknown run {formats.in_label(name, 40)}. No other is shown in its place.")
        return
    line = found.line
    named = research.with_scores(research.inputs_title(line.inputs), line.groups)
    st.markdown(f"#### {line.id} · {research.model_title(line.model)} on {formats.in_label(named, 200)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(wording.EXPERIMENT_STATES.get(line.state, line.state), color="gray")
        nav.link("leak-audit", research.badge(line, results.audited(store)), {state.RUN: line.id}, help="Leak audit")
        st.caption(
            formats.in_label(
                f"{formats.name(line.target)} · {wording.TASKS.get(line.task, line.task)} · study {line.study} · "
                f"{wording.SPLITS.get(line.split, line.split)} · seed {line.seed} · "
                f"{formats.when(line.created_at, state.zone())}", 300,
            ), width="content",
        )  # fmt: skip
    if line.leaky:
        st.warning(wording.LEAKY)
    if line.summary is None or found.details is None:
        unfinished(store, found)
        return
    of = state.choice("Level", state.LEVEL, wording.LEVELS, "trial", label_visibility="collapsed")
    at = line.summary[of]
    tiles(found, at)
    verdict(store, found, line.summary["trial"])
    baselines(found, at, of)
    tabs = st.tabs(list(TABS), key=state.TAB, bind="query-params")
    parts = (by_subject, matrices, curves, calibration, learning, used, folds, configuration, log)
    for tab, part in zip(tabs, parts, strict=True):
        if tab.open:
            with tab:
                try:
                    part(store, found, of)
                except AffectlineError as error:
                    components.show_error(error)
    with st.container(horizontal=True, key="tools-run"):
        results_button(store, [line.id], line.id)
        folder_button(store, line.id)


def unfinished(store, found: Experiment) -> None:
    """A run without a score: what it has, what failed, and the way on."""
    line = found.line
    failed = [f for f in found.folds if f.error]
    if failed:
        st.error(f"{len(failed)} of {line.n_folds} folds failed. {wording.PARTIAL}")
        frame = pd.DataFrame(
            [
                {"Fold": formats.visible(f.name), "Why": formats.visible(components.problem(f.error), 300)}
                for f in failed
            ]
        )
        components.table(frame, kind="failed-folds", subject=line.id, key="failed-folds")
    else:
        st.info(f"Not finished: {line.n_done} of {line.n_folds or 'so far unknown'} folds are stored.")
    shown = state.param(state.JOB)  # the panel above has its own way on
    run = run_jobs.params_of(line)
    live = next((j for j in run_jobs.under_way(store) if run_jobs.computes(j, run)), None)
    if live is not None:
        research.at_it(store, live)
    elif not shown and st.button("Try the failed folds again" if failed else "Go on", type="primary", key="go_on"):
        job_panel.submit(store, "evaluate", run, research.run_label(run))
    logs(store, found)
    if found.folds:
        folds(store, found, "trial")
        folder_button(store, line.id)


def tiles(found: Experiment, at: Mapping[str, Any]) -> None:
    """The scores with their intervals."""
    names = [n for n in wording.SCORES if n in at]
    details = found.details or {}
    with st.container(horizontal=True, gap="xsmall"):
        for name in names:
            tile(wording.SCORES[name], at[name])
        if "log_loss" in details:
            tile("Log loss", details["log_loss"])
        for name, own in details.get("worst_quarter", {}).items():
            if name in ("balanced_accuracy", "ccc"):
                tile("Own worst quarter", own)
    p = details.get("permutation_p", {})
    said = [f"{wording.SCORES.get(n, n)}: p {formats.probability(v)}" for n, v in p.items()]
    undefined = at.get("roc_auc", {}).get("n_undefined", 0)
    more = f" AUC is undefined for {formats.counted(undefined, 'subject')} with one class." if undefined else ""
    flipped = f" Flipped folds: {details.get('n_flipped', 0)}." if "balanced_accuracy" in at else ""
    st.caption(
        f"{wording.OVER_SUBJECTS} n = {formats.counted((found.line.summary or {})['n_subjects'], 'subject')}, "
        f"{formats.counted((found.line.summary or {})['n_trials'], 'trial')}.{more} Labels dealt anew within "
        f"each subject, by trial: {', '.join(said)}.{flipped} Own worst quarter: of this run's own lowest quarter of "
        "subjects, by trial; the list of runs shows the same people in every row."
        f"{' Log loss: by trial, lower is better.' if 'log_loss' in details else ''}"
    )


def tile(title: str, own: Mapping[str, Any]) -> None:
    """One score."""
    with st.container(border=True, width=132, gap=None):
        st.metric(title, formats.number(own.get("value")))
        low, high = own.get("low"), own.get("high")
        st.caption("no subject has it" if low is None or high is None else formats.span(low, high))


def verdict(store, found: Experiment, at: Mapping[str, Any]) -> None:
    """Chance, the models that know nothing, and the published figures, in words."""
    if "balanced_accuracy" not in at:
        return
    value = at["balanced_accuracy"]["value"]
    others = {n: own for n, own in (found.details or {})["baselines"].items() if n != found.line.model}
    known = {research.model_title(n): own["balanced_accuracy"]["value"] for n, own in others.items()}
    trivial = found.line.model in ("majority", "stratified")
    wins = None if trivial else wording.against_baselines(value, known)
    chance = wording.against_chance(value, at["chance"]["low"], at["chance"]["high"])
    if wins:
        st.warning(wins)
    (st.caption if value > at["chance"]["high"] else st.warning)(chance)
    if not found.line.leaky:
        audit, words = wording.yardstick(found.line.split, found.line.target, value, simulated(store, found.line.study))
        (st.warning if audit else st.caption)(words)
        if audit:
            nav.link("leak-audit", "Leak audit of this run", {state.RUN: found.line.id})


def simulated(store, study: str) -> bool:
    """Whether a study is known to be simulated."""
    try:
        return studies.get(store, study).simulated
    except AffectlineError:
        return False


def baselines(found: Experiment, at: Mapping[str, Any], of: str) -> None:
    """This run beside the models that know nothing, on the same folds."""
    st.markdown("##### What would a model that knows nothing score?")
    names = [n for n in wording.SCORES if n in at]
    named = {found.line.id: (found.line.summary or {})["trial"], **(found.details or {})["baselines"]}
    frame = pd.DataFrame(
        [
            {
                "Model": f"{name}, this run" if name == found.line.id else research.model_title(name),
                **{
                    wording.SCORES[n]: research.interval(own[n]) if n in own else "not computed: not of this"
                    for n in names
                },
            }
            for name, own in named.items()
        ]
    )
    components.table(frame, kind="baselines", subject=found.line.id, key="baselines")
    st.caption("By trial, the same folds for all. " + wording.OVER_SUBJECTS)


def stored(store, found: Experiment, of: str) -> dict[str, Any]:
    """The predictions of this run, read once."""
    return predictions(store, store.url, found.line.id, of)


def by_subject(store, found: Experiment, of: str) -> None:
    """A dot for each subject."""
    told = stored(store, found, of)
    if "values" in told:
        of_values(found, told)
        return
    at = (found.line.summary or {})[of]
    each = told["per_subject"]
    value, chance = at["balanced_accuracy"]["value"], at["chance"]
    outside = sum(x["balanced_accuracy"] > x["high"] for x in each)
    components.chart(
        charts.by_subject(each, value, chance), key="subjects", title="Whom does it work for?",
        caption=f"Balanced accuracy of each of {formats.counted(len(each), 'subject')}, {wording.LEVELS[of].lower()}. "
        "Grey: what a coin gives with that subject's trials (95 %); filled dots lie outside it. Band: the same for "
        "the mean.",
        alt=f"{outside} of {len(each)} subjects lie above what a coin gives them; the mean is {value:.2f}",
        make_table=lambda: pd.DataFrame(
            [{"Subject": x["subject"], "Balanced accuracy": x["balanced_accuracy"], "Coin, low": x["low"],
              "Coin, high": x["high"], f"{of.capitalize()}s": x["n"]} for x in each]
        ),
        kind="subjects", subject=found.line.id,
        how="Mean recall of the classes that the subject has, on predictions of a model that was not fitted to the "
        "subject (with a leaky split: to other parts of it). Coin: 20,000 draws with the subject's numbers of trials "
        "of each class; windows of a trial stand or fall together, so it is of trials at both levels.",
    )  # fmt: skip


def of_values(found: Experiment, told: Mapping[str, Any]) -> None:
    """Predicted values over ratings."""
    each = told["values"]
    components.chart(
        charts.values(each), key="values", title="Does the predicted value follow the rating?",
        caption=f"n = {told['n']:,}, all subjects together, in the unit of the rating; dotted is exact.",
        alt=f"{told['n']} predicted values over their ratings", kind="values", subject=found.line.id,
        make_table=lambda: pd.DataFrame(each).rename(
            columns={"subject": "Subject", "label": "Rating", "predicted": "Predicted"}
        ),
        how="Out-of-fold values. The concordance (CCC) above is per subject, then averaged.",
    )  # fmt: skip


def matrices(store, found: Experiment, of: str) -> None:
    """The confusion matrix of all, or of one subject."""
    at = (found.line.summary or {})[of]
    if "confusion" not in at:
        st.info(f"Confusion: {wording.NO_CLASSES}.")
        return
    told = stored(store, found, of)
    each = {x["subject"]: x["confusion"] for x in told["per_subject"]}
    left, right = st.columns([1, 2], gap="large")
    with left:
        who = st.selectbox("Whose", list(each), index=None, placeholder="All subjects", key="whose",
                           format_func=formats.visible)  # fmt: skip
        share = st.segmented_control("Cells", ("Row %", "Counts"), default="Row %", required=True, key="cells")
    with right:
        matrix(each[who] if who else at["confusion"], told["classes"], found.line.id, share == "Row %",
               formats.in_label(who or "all subjects"), of)  # fmt: skip
    each_class((found.details or {}).get("per_class", ()), found.line.id)


def each_class(told: Sequence[Mapping[str, Any]], run: str) -> None:
    """Precision and recall of each class, by trial; nothing where an older run did not store them."""
    if not told:
        return
    why = {"precision": "never predicted", "recall": "never rated"}
    rows = [
        {"Class": row["class"], "Trials": row["n"],
         **{name.capitalize(): f"not computed: {words}" if row[name] is None else formats.number(row[name])
            for name, words in why.items()}}
        for row in told
    ]  # fmt: skip
    st.markdown("##### Precision and recall of each class")
    components.table(pd.DataFrame(rows), kind="classes", subject=run, key="per-class")
    st.caption("By trial, all subjects together. Precision: share of what was predicted so that was rated so. "
               "Recall: share of what was rated so that was predicted so.")  # fmt: skip


def matrix(
    cells, names: Sequence[str], run: str, share: bool, who: str, of: str, *, titled: bool = True
) -> None:  # fmt: skip
    """One confusion matrix with its table; its title is left out where one stands above several."""
    n = sum(map(sum, cells))
    components.chart(
        charts.confusion(cells, names, share=share), key=f"confusion-{run}",
        title="What was taken for what?" if titled else "",
        caption=f"{who[:1].upper()}{who[1:]}, n = {formats.counted(n, of)}; rows are what was rated, columns what was "
        f"predicted.{wording.QUADRANTS_MEAN if 'HAHV' in names else ''}",
        alt=f"Confusion of {', '.join(names)}: " + "; ".join(
            f"{name} " + ", ".join(str(c) for c in cells_) for name, cells_ in zip(names, cells, strict=True)),
        make_table=lambda: pd.DataFrame(cells, columns=list(names)).assign(Rated=list(names))[["Rated", *names]],
        kind="confusion", subject=run,
        how="Counts of out-of-fold predictions at each fold's own threshold, all subjects together unless one is "
        "chosen. Per cent are of the row: the diagonal is the recall of each class.",
    )  # fmt: skip


def curves(store, found: Experiment, of: str) -> None:
    """ROC and precision-recall, from the stored predictions."""
    told = stored(store, found, of)
    if not told.get("curves"):
        why = wording.NO_CLASSES if "values" in told else "not computed: only one class is there"
        st.info(f"ROC and precision-recall: {why}.")
        return
    found_curves = told["curves"]
    said = ", ".join(f"{c['name']}: AUC {c['auc']:.2f}, average precision {c['average_precision']:.2f}"
                     for c in found_curves)  # fmt: skip
    how_ = (
        "All subjects together, so differences between people count as well: the AUC of the table above is per "
        "subject, then averaged, and is the one to quote. Equal probabilities move at once; average precision is "
        "the area by steps."
    )
    parts = (
        ("roc", "ROC", charts.roc(found_curves), ("false_positive", "recall")),
        ("pr", "Precision and recall", charts.precision_recall(found_curves, told["n"]), ("recall", "precision")),
    )
    for column, (key, title, figure, names) in zip(st.columns(2, gap="large"), parts, strict=True):
        with column:
            components.chart(
                figure, key=key, title=title, alt=f"{title}, pooled over subjects. {said}", kind=key,
                caption=f"n = {formats.counted(told['n'], of)}, pooled over subjects. {said}. Dotted: a coin.",
                subject=found.line.id, how=how_, make_table=partial(points, found_curves, names),
            )  # fmt: skip


def points(found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    """Curves as a table: class and both coordinates."""
    titles = {n: n.replace("_", " ").capitalize() for n in names}
    return pd.concat(
        [pd.DataFrame({"Class": c["name"], **{title: c[n] for n, title in titles.items()}}) for c in found],
        ignore_index=True,
    )


def calibration(store, found: Experiment, of: str) -> None:
    """Whether a probability means what it says, and what leaving the unsure out is worth; of trials."""
    told = found.details or {}
    if "reliability" not in told:
        st.info("Calibration: not computed: shown for two classes only.")
        return
    at = (found.line.summary or {})["trial"]
    left, right = st.columns(2, gap="large")
    with left:
        bins = told["reliability"]
        components.chart(
            charts.reliability(bins), key="reliability", title="Does a probability mean what it says?",
            caption=f"By trial, n = {formats.counted(sum(b['n'] for b in bins), 'trial')}. Calibration error (ECE) "
            f"{research.interval(at['ece'])}, Brier score {research.interval(at['brier'])}.",
            alt="; ".join(f"said {b['mean_p']:.2f}, High in {b['share_high']:.2f} of {b['n']}" for b in bins),
            make_table=lambda: pd.DataFrame(
                [{"From": b["low"], "To": b["high"], "Mean probability": b["mean_p"], "Share High": b["share_high"],
                  "Trials": b["n"]} for b in bins]
            ),
            kind="reliability", subject=found.line.id,
            how="Ten bins of equal width, empty ones left out; the dot's size is the number of trials. ECE is the mean "
            "over trials of the distance to the diagonal. The calibrator was fitted to validation subjects only.",
        )  # fmt: skip
    with right:
        points = told["coverage_risk"]
        components.chart(
            charts.coverage_risk(points), key="coverage", title="What if the unsure ones are left out?",
            caption=f"Share wrong among the trials kept, the least certain left out first; n = "
            f"{formats.counted(points[0]['n'], 'trial')} at the right end.",
            alt="; ".join(f"{p['coverage']:.0%} kept: {p['risk']:.0%} wrong" for p in (points[0], points[-1])),
            make_table=lambda: pd.DataFrame(
                [{"Kept": p["coverage"], "Wrong": p["risk"], "Trials": p["n"]} for p in points]
            ),
            kind="coverage-risk", subject=found.line.id, percent=("Kept", "Wrong"),
            how="Certainty is the distance of the probability from the fold's threshold; trials of equal certainty go "
            "together.",
        )  # fmt: skip
    c = told["conformal"]
    st.markdown("##### Sets that hold the truth (split conformal, by subject)")
    too_few = " There are too few subjects for this level: every class is let in." if c["limit"] >= 1 else ""
    st.text(
        f"Aim: {100 * (1 - c['alpha']):.0f} % of trials of a new person. Reached on stored predictions: "
        f"{100 * c['coverage']:.0f} %; no single class could be named in {100 * c['abstained']:.0f} % of trials "
        f"(n = {formats.counted(int(c['n_subjects']), 'subject')}).{too_few}"
    )
    if st.toggle("What would a few labels of the person change?", key="few-labels"):
        own_labels(store, found)


@st.cache_data(scope="session", show_spinner="Recalibrating each person ...", max_entries=8)
def recalibration(_store, database: str, name: str) -> list[dict[str, Any]]:
    """What a few labels change in a finished experiment; it never changes."""
    return results.recalibration(_store, name)["rows"]


def own_labels(store, found: Experiment) -> None:
    """Each person recalibrated on a few labels of their own, judged on other trials of theirs."""
    rows = recalibration(store, store.url, found.line.id)
    frame = pd.DataFrame(
        [
            {
                "Labelled trials": row["shots"], "Subjects": row["n"],
                "Brier score": before_after(row, "brier"), "Change in Brier": change(row, "brier"),
                "Balanced accuracy": before_after(row, "balanced_accuracy"),
                "Change in accuracy": change(row, "balanced_accuracy"), "ECE": before_after(row, "ece"),
            }
            for row in rows
        ]
    )  # fmt: skip
    values = [c for c in frame if c not in ("Labelled trials", "Subjects")]
    components.table(
        frame, kind="recalibration", subject=found.line.id, key="recalibration",
        leaves=lambda shown: disclosure.few_kept(shown, dict.fromkeys(values, ("Subjects",))),
    )  # fmt: skip
    with st.popover("How computed", type="tertiary"):
        st.markdown(
            "Half of each person's trials are set aside and judged, before and after; of the other half some are taken "
            "as labelled, and slope and intercept of the logit are fitted to them, with a prior that no label changes "
            "nothing. Ten ways to halve, then the mean over subjects. A lower Brier score and calibration error (ECE) "
            "are better. The change has its 95 % bootstrap interval over subjects. It says nothing of how long such a "
            "correction holds."
        )
    st.code(f"affectline validity recalibration {found.line.id}", language=None)


def before_after(row: Mapping[str, Any], key: str) -> str:
    """A score without and with the labels; or why there is none."""
    if row[key] is None:
        return f"{components.NOT_COMPUTED}: needs {2 * row['shots']} trials"
    return f"{formats.number(row[key]['before'], 2)}, then {formats.number(row[key]['after'], 2)}"


def change(row: Mapping[str, Any], key: str) -> str:
    """Its paired change; the reason for none stands beside it."""
    return components.NOT_COMPUTED if row[key] is None else research.difference(row[key]["difference"])


def learning(store, found: Experiment, of: str) -> None:
    """Loss by epoch of each fold, for nets."""
    each = {f.name: f.result.get("history", ()) for f in found.folds if not f.error and f.result.get("history")}
    if not each:
        st.info("Learning curves: not computed: only nets learn in epochs.")
        return
    left, _ = st.columns([1, 2])
    chosen = left.selectbox("Fold", list(each), index=None, placeholder="All folds", key="fold",
                            format_func=formats.visible)  # fmt: skip
    stopped = [len(h) for h in each.values()]
    components.chart(
        charts.learning(each, chosen), key="learning", title="Did it learn, and when did it stop?",
        caption=f"Loss by epoch, n = {formats.counted(len(each), 'fold')}: training dashed, validation subjects solid.",
        alt=f"{len(each)} folds, {min(stopped)} to {max(stopped)} epochs",
        make_table=lambda: pd.DataFrame(
            [{"Fold": formats.visible(name), **{k.replace("_", " ").capitalize(): v for k, v in h.items()}}
             for name, history in each.items() for h in history]
        ),
        kind="learning-curves", subject=found.line.id, digits={"Train loss": 3, "Valid loss": 3},
        how="Stored as each fold ended. Validation subjects only tell when to stop; the weights of the best epoch are "
        "kept. The test subject is in neither line.",
    )  # fmt: skip
    place = experiments.curves_of(store, found.line.id)
    if place is not None:
        st.caption("The same as TensorBoard event files, one folder a fold:")
        st.code(f"tensorboard --logdir {place}", language=None)


def used(_store, found: Experiment, _of: str) -> None:
    """What the models of this run used; the same at either level."""
    why.experiment_panel(found.line.id)


def folds(store, found: Experiment, of: str) -> None:
    """Each fold with who was left out and what validation chose."""
    scored = {f["subject"]: f for f in (found.line.summary or {}).get("folds", ())}
    missing = "not computed: run not finished" if found.line.summary is None else wording.NO_CLASSES
    rows = []
    for f in found.folds:
        own = scored.get(f.name, {})
        rows.append(
            {
                "Fold": formats.visible(f.name),
                "State": "✕ failed" if f.error else "■ done",
                "Balanced accuracy": formats.number(own["balanced_accuracy"])
                if "balanced_accuracy" in own
                else missing,
                "Trials": str(own.get("n_trials", missing)),
                "Threshold": "none" if f.error else formats.number(f.result["threshold"]),
                "Flipped": "none" if f.error else "yes" if f.result["flipped"] else "no",
                "Selected": "none" if f.error else ", ".join(
                    f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
                    for k, v in f.result.get("selected", {}).items()) or "nothing to select",
                "Seconds": f.seconds,
            }
        )  # fmt: skip
    components.table(pd.DataFrame(rows), kind="folds", subject=found.line.id, key="folds", digits={"Seconds": 1})
    st.caption(
        f"{formats.counted(len(rows), 'fold')}, {formats.seconds(found.line.seconds)} of computing in all. A fold is "
        "named after whom it leaves out. Threshold and flip come from validation subjects."
    )


def configuration(store, found: Experiment, of: str) -> None:
    """Everything that makes this run what it is."""
    line = found.line
    st.text(f"Code version {line.code_version}, study SHA-256 {line.data_hash}...")
    key = {n: getattr(line, n) for n in ("study", "target", "inputs", "model", "fusion", "split", "seed")}
    components.json_block({"key": key, "config": dict(found.config)}, expanded=2)


def log(store, found: Experiment, _of: str) -> None:
    """What the jobs said that made this run, and where its learning curves lie."""
    if not logs(store, found):
        st.info(
            f"No log: none of the last {run_jobs.N_JOBS:,} jobs made this run. A run from the command line says there "
            "how far it is, and stores no log."
        )
    place = experiments.curves_of(store, found.line.id)
    if place is None:
        st.caption("TensorBoard folder: none, for only nets learn in epochs.")
    else:
        st.caption("TensorBoard folder:")
        st.code(str(place), language=None)


def logs(store, found: Experiment) -> bool:
    """The log of each job that stored folds of a run; whether there is one."""
    made = run_jobs.made(store, found)
    for job in made:
        st.markdown(f"##### Log: {formats.in_label(job.label, 120)}")
        nav.link("jobs", f"Job: {job.state}, {formats.when(job.created_at, state.zone())}", {state.JOB: job.id})
        lines = [formats.visible(line, 200) for line in job.log] or ["nothing was said"]
        st.code("\n".join(lines), language=None, height=min(40 + 22 * len(lines), 400))
    return bool(made)


def folder_button(store, name: str) -> None:
    """All that is stored of a run."""
    components.files_button(
        "Export run folder", partial(run_folder.run_folder, store, name), kind="run", subject=name, key=f"run-{name}",
        what="the configuration, folds, predictions, scores and learning curves of this run",
    )  # fmt: skip


def results_button(store, names: Sequence[str], key: str) -> None:
    """The finished runs with MOABB's columns, a row per run and subject."""

    def data() -> bytes:
        frame = exports.frame(store, "results")
        frame = frame[frame["experiment"].isin(names)].reset_index(drop=True)
        meanings = {name: meaning for name, (_, _, meaning) in RESULTS.items()}
        filters = {"experiment": ", ".join(names)}
        return exports.export_view(
            store, "results", frame, "cohort", now=state.now(), filters=filters, columns=meanings, missing=""
        ).zip()

    if names:
        st.download_button(
            "Export results (MOABB columns)", data=data, file_name="results_cohort.zip", mime="application/zip",
            key=f"results-{key}", on_click="ignore",
            help="A row per run and subject: score, time, samples, subject, session, channels, n_sessions, dataset, "
            "pipeline. A zip with data dictionary and manifest.",
        )  # fmt: skip
