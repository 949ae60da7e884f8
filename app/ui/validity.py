"""Controls beside the leak audit: each with its button, its command and what was stored of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, job_panel, protocols, research, state, wording
from core.errors import AffectlineError
from core.services.exports import disclosure
from core.services.research import experiments, results, studies, validity
from core.services.research.audits import Line
from core.services.research.experiments import Line as Run
from core.services.research.results import Now

# options of a run that a leak audit of it has too
AUDITED = tuple(name for name in experiments.OPTIONS if name not in ("task", "choices"))


@dataclass(frozen=True)
class Pipeline:
    """What is asked about: it stands in the URL, and in the parameters of jobs; ``options`` are those not as usual."""

    study: str
    target: str
    model: str
    inputs: str
    fusion: str = "early"
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, line: Run | Line) -> Pipeline:
        """That of a run, or of a stored leak audit."""
        if isinstance(line, Run):
            fusion, said = line.fusion, experiments.named(line.config)
        else:
            fusion, said = str(line.result.get("fusion", "early")), dict(line.result)
        options = {name: said[name] for name in AUDITED if said.get(name)}
        return cls(line.study, line.target, line.model, line.inputs, fusion, line.seed, options)

    @property
    def groups(self) -> tuple[str, ...]:
        """Scores of subjects that the model is given too."""
        return tuple(self.options.get("groups", ()))

    @property
    def features(self) -> dict[str, str]:
        """The set of features, where one is named: the one option that controls have too."""
        return {name: str(self.options[name]) for name in ("features",) if name in self.options}

    @property
    def key(self) -> dict[str, Any]:
        """What stored results are named by."""
        return {n: getattr(self, n) for n in ("study", "target", "model", "inputs", "seed")}

    @property
    def more(self) -> dict[str, Any]:
        """Fusion and options: what a leak audit is given beside its key."""
        return {"fusion": self.fusion, **({"options": dict(self.options)} if self.options else {})}

    @property
    def named(self) -> dict[str, Any]:
        """What a stored leak audit says of these beside its key; None for an option that is as usual."""
        return {**dict.fromkeys(AUDITED), "fusion": self.fusion, **self.options}

    @property
    def title(self) -> str:
        """How its jobs are called."""
        more = f", {research.not_usual(self.options)}" if set(self.options) - {"groups"} else ""
        return f"{self.model} on {research.with_scores(self.inputs, self.groups)}{more}: {self.target}, {self.study}"

    @property
    def words(self) -> list[str]:
        """The options of its leak audit on the command line, but for the set of features."""
        given = [("score", group) for group in self.groups]
        given += [(n, str(self.options[n])) for n in ("oversample", "smoothing", "aggregate") if n in self.options]
        given += [("option", f"{name}={_plain(value)}") for name, value in self.options.get("options", {}).items()]
        said = [word for name, value in given for word in (f"--{name}", value)]
        return [*said, *(["--flip"] if self.options.get("flip") else [])]

    def command(self, *verb: str, **more: str) -> str:
        """The command line of a verb that takes a pipeline; what is usual is left out."""
        usual = {"seed": 0, "fusion": "early"}
        whole = {**self.key, "fusion": self.fusion, **self.features}
        own = {n: str(v) for n, v in whole.items() if usual.get(n) != v}
        words = [word for name, value in (own | more).items() for word in (f"--{name}", value)]
        return shlex.join(["affectline", *verb, *words])


def _plain(value: Any) -> str:
    """A value of a model's option as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@dataclass(frozen=True)
class Panel:
    """One control. ``asks``: its question and how it is answered; ``show`` draws what was stored."""

    title: str
    asks: str
    show: Callable[[Mapping[str, Any]], None]
    kind: str


def panels(store, pipeline: Pipeline, now: Now | None) -> None:
    """Every control in a tab of its own, of which the open one is read; ``now`` is None where none can be run."""
    st.markdown("##### Other ways to doubt it")
    less = {name: value for name, value in pipeline.options.items() if name != "features"}
    controlled = replace(pipeline, options=pipeline.features)
    if less:
        said = ["the scores of its subjects"] if pipeline.groups else []
        said += [research.not_usual(less)] if set(less) - {"groups"} else []
        st.caption(formats.in_label(f"All but the checklist are of the pipeline without {' and '.join(said)}.", 200))
        now = present(store, controlled)
    tabs = st.tabs([*(p.title for p in PANELS), "Checklist"], key=state.TAB, bind="query-params")
    for tab, panel in zip(tabs, PANELS, strict=False):
        if tab.open:
            with tab:
                control(store, controlled, panel, now)
    if tabs[-1].open:
        with tabs[-1]:
            checklist(store, pipeline)


def present(store, pipeline: Pipeline) -> Now | None:
    """The pipeline as it would be run now, None where it cannot be run here."""
    try:
        return results.auditable(store, **pipeline.key, **pipeline.more)
    except AffectlineError:
        return None


def control(store, pipeline: Pipeline, panel: Panel, now: Now | None) -> None:
    """What is stored of one control, the button that queues it, and the command that does the same."""
    st.caption(panel.asks)
    params, found = {**pipeline.key, "fusion": pipeline.fusion, **pipeline.features}, {}
    fused = {"fusion": None if pipeline.fusion == "early" else pipeline.fusion, "features": None, **pipeline.features}
    command = pipeline.command("validity", panel.kind)
    if panel.kind == "labels":
        params, fused = {"study": pipeline.study}, {}
        command = shlex.join(["affectline", "validity", "labels", "--study", pipeline.study])
    elif panel.kind == "transfer":
        others = [s["name"] for s in studies.all_studies(store) if s["name"] != pipeline.study]
        if not others:
            components.empty("**There is no other study to test on.**", ("import-export", "Import a study"))
            return
        found = {"to": st.selectbox("Test on", others, key="transfer_to")}
        params, command = params | found, pipeline.command("validity", "transfer", **found)
    key = params if panel.kind == "labels" else pipeline.key
    line = results.newest_check(store, panel.kind, key, beside=now, **found, **fused)
    if line is None:
        st.info("Not run yet.")
    else:
        older(line, now)
        panel.show(line.result)
        st.caption(formats.in_label(came(line), 200))
    if st.button("Run" if line is None else "Run again", key=f"run-{panel.kind}", disabled=now is None):
        job_panel.submit(store, "validity", {"check": panel.kind, **params}, f"{panel.title}: {pipeline.title}")
    st.code(command, language=None)


def came(line: Line) -> str:
    """When a stored result came about, and by which code."""
    return f"Stored {formats.when(line.created_at, state.zone())}, code version {line.code_version}, by {line.who}."


def older(line: Line, beside: Run | Now | None) -> None:
    """Says in what a stored result is not of the same as the run, or the pipeline of now, that it stands beside."""
    apart = "" if beside is None else results.apart(line, beside)
    if apart:
        of = f"run {beside.id}" if isinstance(beside, Run) else "the study, pipeline and code of now"
        st.warning(f"▲ {apart} than {of}: what stands below is not of the same. Run it again for what is now.")


def table(rows: list[dict[str, Any]], kind: str, **more: Any) -> None:
    """A small table with its export."""
    components.table(pd.DataFrame(rows), kind=kind, subject="cohort", key=kind, **more)


def checklist(store, pipeline: Pipeline) -> None:
    """Eight axes of reporting, of a run of this pipeline."""
    st.caption(
        "What a paper should say of a result, filled from what is stored of one run; what is not known is named."
    )
    runs = [x.id for x in experiments.all_experiments(store) if Pipeline.of(x) == pipeline]
    if not runs:
        components.empty("**No run of this pipeline is stored.**", ("experiments", "Experiments"))
        return
    wanted = state.param(state.RUN)
    run = st.selectbox("Run", runs, index=runs.index(wanted) if wanted in runs else 0, key="checklist_run")
    found = validity.checklist(store, run)
    rows = [
        {
            "Axis": row["axis"].capitalize(),
            "State": f"✕ not known: {', '.join(row['missing'])}" if row["missing"] else "■ known",
            "What was done": formats.visible(row["text"], 600) or "not known",
        }
        for row in found["axes"]
    ]
    components.wrapped(pd.DataFrame(rows), kind="checklist", subject="cohort", key="checklist")
    st.code(shlex.join(["affectline", "validity", "checklist", run]), language=None)


# ------------------------------------------------------------------------------------------------ what was found
def stimulus(found: Mapping[str, Any]) -> None:
    """The stimulus premium."""
    table(
        [
            {"Clips": "others were seen with them", "Balanced accuracy": research.interval(found["seen"])},
            {"Clips": "nobody was seen with them", "Balanced accuracy": research.interval(found["withheld"])},
            {"Clips": "difference (stimulus premium)", "Balanced accuracy": research.interval(found["premium"])},
        ],
        "stimulus",
    )
    n = f"{formats.counted(found['n_subjects'], 'subject')}, {formats.counted(found['n_stimuli'], 'clip')}"
    st.caption(formats.in_label(f"n = {n}. {found['note']}".strip(), 300))


def surrogates(found: Mapping[str, Any]) -> None:
    """What is left of a score when something of the signals is taken away."""
    table(
        [
            {
                "Signals": wording.SURROGATES.get(row["signals"], row["signals"]),
                "Balanced accuracy": research.interval(row["balanced_accuracy"]),
                "Loss to the recorded": research.interval(row["loss"]),
            }
            for row in found["scores"]
        ],
        "surrogates",
    )
    st.caption(f"n = {formats.counted(found['n_subjects'], 'subject')}, five folds of whole subjects, by trial.")


def planted(found: Mapping[str, Any]) -> None:
    """Which planted sizes are found."""
    table(
        [
            {
                f"Planted, {found['unit']}": row["size"], "Balanced accuracy": row["balanced_accuracy"],
                "Found": f"{row['found']} of {formats.counted(row['draws'], 'draw')}",
            }
            for row in found["sizes"]
        ],
        "control",
    )  # fmt: skip
    smallest = found["smallest"]
    st.text(
        "No size was found in every draw: a score at chance of this pipeline says nothing here."
        if smallest is None
        else f"The smallest size found in every draw, as is every larger one: {smallest:g} {found['unit']}."
    )


def many(people: Mapping[str, int], columns: Sequence[str], shown: pd.DataFrame) -> pd.DataFrame:
    """A table by target without these columns' values where fewer than five people rated the target."""
    counted = shown.assign(people=shown["Target"].map(people))
    return disclosure.few_kept(counted, dict.fromkeys(columns, ("people",))).drop(columns="people")


def labels(found: Mapping[str, Any]) -> None:
    """Cuts and ties, agreement, and intended against reported."""
    rows = [
        {
            "Target": formats.name(sweep["target"]), "Cut": row["cut"], "Ties": found["rules"][row["ties"]],
            "n": row["n"], "Majority class": row["majority_accuracy"], "Near the cut": row["near_share"],
            "Agreement (alpha)": row["alpha"],
        }
        for sweep in found["sweeps"] for row in sweep["policies"]
    ]  # fmt: skip
    if not rows:
        st.info("No label of this study was rated.")
        return
    floats = dict.fromkeys(("Majority class", "Near the cut", "Agreement (alpha)"), float)
    people = {formats.name(sweep["target"]): sweep["n_subjects"] for sweep in found["sweeps"]}
    components.table(
        pd.DataFrame(rows).astype(floats), kind="labels", subject="cohort", key="labels", percent=("Near the cut",),
        placeholder=components.NOT_COMPUTED + ": too few", config={"n": st.column_config.NumberColumn(format="%d")},
        leaves=partial(many, people, tuple(floats)),
    )  # fmt: skip
    st.caption(
        "Majority class: the accuracy of always saying the same. Near the cut: within a sixteenth of the scale. "
        "Agreement: Krippendorff's alpha of High and Low between raters of one stimulus. "
        + " ".join(_rated(s) for s in found["sweeps"])
    )
    table(
        [
            {
                "Target": formats.name(own["target"]), "Meant by": own["basis"], "n": own["n"],
                "Meant High, said High": own["counts"]["meant_high_said_high"],
                "Meant High, said Low": own["counts"]["meant_high_said_low"],
                "Meant Low, said High": own["counts"]["meant_low_said_high"],
                "Meant Low, said Low": own["counts"]["meant_low_said_low"],
                "Differ": "not computed: too few" if own["differ_share"] is None
                else formats.share(own["differ_share"]),
            }
            for own in found["intended"]
        ],
        "intended",
    )  # fmt: skip


def _rated(sweep: Mapping[str, Any]) -> str:
    alpha = (
        "alpha of the ratings not computed" if sweep["alpha"] is None else f"alpha of the ratings {sweep['alpha']:.2f}"
    )
    n = f"{formats.counted(sweep['n_ratings'], 'rating')}, {formats.counted(sweep['n_subjects'], 'subject')}"
    return f"{formats.name(sweep['target'])}: {n}, {alpha}."


def transfer(found: Mapping[str, Any]) -> None:
    """From one study to another."""
    table(
        [
            {
                "Alignment": wording.ALIGNMENTS.get(row["alignment"], row["alignment"]),
                "Balanced accuracy": research.interval(row["balanced_accuracy"]),
                "AUC": research.interval(row["roc_auc"]),
            }
            for row in found["scores"]
        ],
        "transfer",
    )
    n = f"{formats.counted(found['n_subjects'], 'subject')} of {found['to']}"
    st.caption(formats.in_label(f"n = {n}, {formats.counted(found['n_columns'], 'shared column')}, by trial.", 200))


def confounds(found: Mapping[str, Any]) -> None:
    """What heart, muscles, eyes and the clock alone score, beside the pipeline."""
    st.text(f"This pipeline, run {found['experiment']}: {research.interval(found['own'])}")
    rows = []
    for row in found["predictors"]:
        apart, told = row["difference"], row["balanced_accuracy"] is not None
        rows.append({
            "Alone": wording.CONFOUNDS.get(row["name"], row["name"]),
            "Taken from": formats.visible(row["source"]) or "nothing",
            "Balanced accuracy": research.interval(row["balanced_accuracy"]) if told
            else f"not computed: {row['reason']}",
            "Pipeline less it": research.difference(apart) if told else components.NOT_COMPUTED,
            "p": formats.probability(apart["p"]) if told and apart["p"] is not None else components.NOT_COMPUTED,
            "Beaten": ("■ beaten" if row["beaten"] else "▲ not beaten") if told else components.NOT_COMPUTED,
        })  # fmt: skip
    table(rows, "confounds")
    names = [wording.CONFOUNDS.get(n, n).lower() for n in found["not_beaten"]]
    if names:
        st.warning(
            f"▲ Not shown to beat {', '.join(names)} alone: its score may be reached without what it is meant to tell."
        )
    else:
        st.text("It scores above each that could be computed.")
    st.caption(
        f"n = {formats.counted(found['n_subjects'], 'subject')}, by trial, one subject left out at a time. Each alone "
        "is the sole input of logistic regression on the same folds. Beaten: the difference, paired by subject, lies "
        "above zero with its 95 % interval and p is at most 0.05."
    )


PANELS = (
    Panel(
        "Stimulus holdout",
        "Does it know the clips? Unseen people on clips that others were seen with, less the same people on clips that "
        "nobody was seen with.",
        stimulus, "stimulus",
    ),
    Panel(
        "Surrogates",
        "What does it live on? The same pipeline on signals whose order, direction or wave form was taken away.",
        surrogates, "surrogates",
    ),
    Panel(
        "Positive control",
        "What could it find? Labels are dealt anew and a difference of known size is planted.",
        planted, "control",
    ),
    Panel(
        "Confounds",
        "What else would reach it? Heart rate, muscle power, eye activity and time in session as sole inputs, on the "
        "same folds of left-out subjects.",
        confounds, "confounds",
    ),
    Panel(
        "Protocols of others",
        "Which published-looking number is a leak? This model and these features by the protocols of five other "
        "systems, re-enacted beside left-out people. It is no result.",
        protocols.show, "protocols",
    ),
    Panel(
        "Label policy",
        "What is High? Every cut and rule for ties, how far raters agree, and what was meant against what was said. Of "
        "the whole study, whatever the model.",
        labels, "labels",
    ),
    Panel(
        "Transfer",
        "Does it hold elsewhere? Trained on this study, tested on another, without and with alignments that see no "
        "label.",
        transfer, "transfer",
    ),
)  # fmt: skip
