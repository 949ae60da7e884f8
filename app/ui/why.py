"""Why: what the model made a session's index of, and what the models of an experiment used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import charts, components, formats, nav, state, wording
from core.services import jobs
from core.services.clinic.sessions import SessionDetail
from core.services.research import explanations
from core.services.research.explanations import WHY_NOT

POLL_S = 0.7
LIVE = ("queued", "running")
KINDS = {"modality": "Signals", "block": "Blocks of features"}
MEANS = (
    "A contribution says what the model used, not what the person felt, and not what would happen if a signal were "
    "another. Blocks that go together share theirs."
)
HOW = (
    "Each window's contributions and a fixed start add up to the logit of the index, ln(p / (1 - p)): +0.5 raises an "
    "index of 0.50 to 0.62. Linear models and trees: exact Shapley values; nets: integrated gradients. The start is "
    "what the model says of training's average, of a net on signals: of silence. Bars are the mean over windows, of a "
    "model of sequences over its stretches, whose windows add up to one; a share is that of the mean sizes."
)


# --- a session


def session_tab(detail: SessionDetail) -> None:
    """Contributions where they were computed, else why there are none or the way to them."""
    store, session = state.store(), detail.row.session
    reason = explanations.why_not(store, session)
    if reason:
        components.empty(f"**Nothing to explain.** {WHY_NOT[reason]}")
        return
    found = explanations.kept_of_session(store, session)
    if found is None:
        _ask({"session": session}, f"Why of {session}", "Explain this session", "the recording is read once more")
        return
    _session(found)


def _session(found: Mapping[str, Any]) -> None:
    said = f"{wording.DEMONSTRATION[0].upper()}{wording.DEMONSTRATION[1:]}. " if found["demonstration"] else ""
    line = f"{said}Model {found['model']} {found['version']}, n = {len(found['onset_s']):,} windows. {MEANS}"
    st.caption(formats.in_label(line, 600))
    names = list(found["targets"])
    target = state.choice("Target", state.TARGET, {t: formats.name(t) for t in names}, names[0])
    told = found["targets"][target]
    if "not_computed" in told:
        components.empty(f"**{formats.name(target)}**: {WHY_NOT['not_supported']}")
        return
    with st.container(horizontal=True):
        for row in told["modality"]["rows"]:
            st.metric(f"{_word(row['name'])}, share", formats.share(row["share"]), width="content")
        st.metric("Method", told["method"], width="content")
    kind = state.choice("By", state.WHY_BY, KINDS, "block")
    rows, windows = told[kind]["rows"], told[kind]["windows"]
    title = formats.name(target)
    components.chart(
        charts.contribution_bars(
            [_word(r["name"]) for r in rows], [r["value"] for r in rows], signed=True, unit="Mean contribution, logit"
        ),
        key=f"why-{kind}",
        title=f"What raised and what lowered {title.lower()}?",
        caption="Mean over windows of each contribution, logit; right raises the index, left lowers it",
        alt=_alt(title, rows),
        make_table=lambda: _table(rows, "Contribution, logit"),
        kind="why",
        subject=found["session"],
        percent=("Share",),
        how=HOW,
    )
    named = {_word(n): windows[n] for n in [r["name"] for r in rows if r["name"] in windows] or windows}
    short = {n: v for n, v in named.items() if len(v) == len(found["onset_s"])}
    if short:
        components.chart(
            charts.contribution_strip(found["onset_s"], found["duration_s"], short),
            key=f"why-windows-{kind}",
            title="When?",
            caption=f"Contribution of each window of {found['duration_s']:g} s, logit; blue lowers, orange raises",
            alt=f"Heat strip of the contributions to {title} of {len(found['onset_s'])} windows, {len(short)} rows.",
            make_table=lambda: pd.DataFrame({"Onset, s": found["onset_s"], **short}),
            kind="why-windows",
            subject=found["session"],
            digits={"Onset, s": 1},
            how=HOW,
        )
    weight = (found.get("attention") or {}).get(target)
    if weight:
        _attention(found["onset_s"], [w * len(weight) for w in weight], "Onset of the window, s", found["session"])
    st.markdown("##### The columns that counted most")
    components.table(
        _table(told["columns"], "Contribution, logit"), kind="why-columns", subject=found["session"],
        key="why-columns", percent=("Share",), digits={"Contribution, logit": 3},
    )  # fmt: skip


# --- an experiment


def experiment_panel(name: str) -> None:
    """Importance, contributions and attention of a finished experiment."""
    store = state.store()
    found = explanations.kept_of_experiment(store, name)
    if found is None:
        _ask({"experiment": name}, f"Why of {name}", "Explain this experiment", "a few folds are fitted again")
        return
    st.caption(f"Folds fitted again: {formats.in_label(', '.join(found['folds']), 200)}. {MEANS}")
    permutation, told = found["permutation"], found["contributions"]
    for kind, label in KINDS.items():
        if permutation[kind]:
            _bars(
                permutation[kind], "value", f"Loss of {permutation['score']} when dealt anew", name, f"lost-{kind}",
                f"What is lost without them: {label.lower()}",
            )  # fmt: skip
    if "not_computed" in told:
        st.caption(f"Contributions are not computed. {WHY_NOT['not_supported']}")
    else:
        for kind, label in KINDS.items():
            _bars(told[kind], "share", f"Share of the mean size ({told['method']})", name, f"used-{kind}",
                  f"What was used: {label.lower()}")  # fmt: skip
    if isinstance(found["attention"], list):
        parts = found["attention"]
        _attention(
            [(a["from"] + a["to"]) / 2 for a in parts], [a["weight"] for a in parts], "Part of the trial, 0-1", name
        )


def _bars(rows: Sequence[Mapping[str, Any]], field: str, unit: str, name: str, key: str, title: str) -> None:
    first = ", ".join(f"{_word(r['name'])} {r[field]:.2f}" for r in rows[:3])
    components.chart(
        charts.contribution_bars([_word(r["name"]) for r in rows], [r[field] for r in rows], signed=False, unit=unit),
        key=key,
        title=title,
        caption=unit,
        alt=f"{title}: {first}",
        make_table=lambda: pd.DataFrame([{"Name": _word(r["name"]), unit: r[field]} for r in rows]),
        kind="why-experiment",
        subject=name,
        how="Of a few folds that are fitted again as they were, on subjects the models had not seen. Loss: the columns "
        "are dealt anew among each subject's windows, five times. Shares: mean sizes of Shapley values or integrated "
        "gradients. All before smoothing and calibration.",
    )


# --- shared


def _ask(params: dict[str, str], label: str, words: str, cost: str) -> None:
    """The button that queues the work, the bar while it runs, and how it ended."""
    store = state.store()
    job = explanations.last_job(store, params)
    if job is not None and job.state in LIVE:
        _follow(job.id)
        return
    if job is not None and job.state == "failed":
        st.error(formats.in_label(components.problem(job.error), 600))
    with st.container(border=True):
        st.markdown(f"**Not explained yet.** It takes about as long as computing it did: {cost}. It is then kept.")
        if st.button(words, type="primary", key="explain"):
            jobs.submit(store, "explain", params, label=label, now=state.now())
            st.rerun()


def _follow(job_id: str) -> None:
    @st.fragment(run_every=POLL_S)
    def follow() -> None:
        job = jobs.get(state.store(), job_id)
        if job.state not in LIVE:
            st.rerun(scope="app")
        text = formats.in_label(job.message or job.state.capitalize(), 120)
        st.progress(min(max(job.progress, 0.0), 1.0), text=text)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Leaving or reloading this page is safe.")
            nav.link("jobs", "Jobs", {state.JOB: job_id})

    follow()


def _attention(x: Sequence[float], weight: Sequence[float], title: str, subject: str) -> None:
    components.chart(
        charts.attention_line(x, weight, title),
        key="attention",
        title="Where did the model look?",
        caption="The model's own weight of each part; dashed: an equal share",
        alt=f"Attention over time, highest {max(weight):.2f} of an equal share.",
        make_table=lambda: pd.DataFrame({title: list(x), "Weight": list(weight)}),
        kind="attention",
        subject=subject,
        how="The weights by which the model itself adds up the windows of a trial, as a multiple of an equal share.",
    )


def _table(rows: Sequence[Mapping[str, Any]], value: str) -> pd.DataFrame:
    return pd.DataFrame([{"Name": _word(r["name"]), value: r["value"], "Share": r["share"]} for r in rows])


def _alt(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    most = ", ".join(f"{_word(r['name'])} {r['value']:+.2f}" for r in rows[:3])
    return f"Mean contributions to {title} by name; the largest: {most}."


def _word(name: str) -> str:
    """A channel type in words, ``eeg F`` as EEG differential entropy; other names as they are."""
    lead, _, rest = name.partition(" ")
    known = wording.CHANNEL_TYPES.get(lead)
    if known is None:
        return formats.visible(name, 48)
    return f"{lead.upper()} {wording.EEG_BLOCKS.get(rest, rest)}" if rest else known
