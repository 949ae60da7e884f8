"""Session: the measures of one visit, its signals page by page, its windows, and where it all came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.ui import (
    banner,
    charts,
    components,
    formats,
    marking,
    model_notes,
    nav,
    session_overview,
    session_tables,
    state,
    viewer,
    why,
    wording,
)
from core.errors import AffectlineError, NotFound
from core.services.clinic import insights, marks, patients, replay, sessions
from core.services.clinic.marks import Marks
from core.services.clinic.sessions import Made, SessionDetail, Stretch, WindowSeries
from core.settings import PREDICTIONS
from core.types import Reason

TABS = ("Overview", "Signals", "Windows", "Why", "Provenance")


def session_of_url(store) -> SessionDetail:
    """The session of the URL. An unknown one is said, never replaced by another."""
    wanted = state.param(state.SESSION)
    if wanted is None:
        components.empty(
            "No session is chosen. Open one from a patient's timeline.",
            ("worklist", "Worklist"),
            ("patient", "Patient"),
        )
        components.halt()
    try:
        return sessions.get(store, wanted)
    except NotFound as error:
        components.show_error(error)
        st.caption(f"Session {formats.in_label(wanted, 60)} cannot be shown, and no other is shown in its place.")
        nav.link("worklist", "Open the worklist")
        components.halt()


# --- change


@st.dialog("Move to another patient")
def move(session: str, patient: str) -> None:
    """Wrong patient: both histories are made anew and keep the trace."""
    store = state.store()
    others = [p.pseudonym for p in patients.find(store) if p.pseudonym != patient]
    st.text(f"{session} now belongs to {patient}.")
    if not others:
        st.text("There is no other patient. Create one on the worklist first.")
        return
    target = st.selectbox("Move to", others, index=None, placeholder="Choose a patient")
    why = st.text_input("Reason", max_chars=200)
    st.caption("The insights of both patients are made anew. Both histories keep a trace of the move.")
    if st.button("Move session", type="primary", disabled=not (target and why.strip()), key="do_move") and target:
        try:
            made = sessions.move(store, session, target, why.strip(), now=state.now())
        except AffectlineError as error:
            components.show_error(error)
        else:
            state.flash(f"{session} was moved; it is now {made}.")
            nav.go("session", {state.SESSION: made})


@st.dialog("Delete session")
def delete(session: str, n_windows: int, n_insights: int) -> None:
    """Say what goes with it, then hide it for 30 days."""
    name = session.rsplit("/", 1)[-1]
    st.text(
        f"Session {name} with {n_windows:,} window{'' if n_windows == 1 else 's'} and {n_insights:,} "
        f"insight{'' if n_insights == 1 else 's'} will be hidden. It can be restored for 30 days."
    )
    if st.button("Delete session", type="primary", key="do_delete"):
        try:
            sessions.delete(state.store(), session, now=state.now())
        except AffectlineError as error:
            components.show_error(error)
        else:
            state.flash(f"Session {session} was deleted. It can be restored here for 30 days.")
            st.rerun()


def actions(detail: SessionDetail) -> None:
    """Back to the timeline, move, delete, restore."""
    row = detail.row
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f"{row.session}, {formats.when(row.started_at, state.zone())}", width="content")
        st.badge(
            wording.STATUS_SHORT["imported" if row.imported else row.status],
            color="gray" if row.status == "ok" else "orange",
        )
        if row.low_quality:
            st.badge("low quality", color="orange", help="Left out of baselines.")
        if detail.moved_from:
            st.badge(f"moved here from {formats.in_label(detail.moved_from)}", color="gray")
        st.space("stretch")
        nav.link("patient", f"Timeline of {row.patient}", {state.PATIENT: row.patient})
        if detail.recording_state == "kept":
            nav.link("import-export", "Export as EDF+", {state.SESSION: row.session})
        if row.deleted_at is None:
            if st.button("Move to another patient", key="move"):
                move(row.session, row.patient)
            if st.button("Delete", key="delete"):
                delete(row.session, row.n_windows, detail.n_insights)


# --- signals


def signals_tab(detail: SessionDetail, series: WindowSeries | None, found: Marks) -> None:
    """The viewer, or why there is no signal."""
    if detail.row.imported:
        components.empty("**No signals.** These values were measured elsewhere and imported without a recording.")
        return
    try:
        viewer.viewer(detail, series, found)
    except AffectlineError as error:
        components.show_error(error)
        st.caption("The stored results of this session are still shown under Overview and Windows.")


# --- windows


def windows_table(series: WindowSeries) -> pd.DataFrame:
    """One row per window: onset, index of each target, or why there is none."""
    data: dict = {
        "Onset, s": series.onset_s.astype(float),
        "Length, s": np.full(len(series.onset_s), series.duration_s),
    }
    for target, proba in series.proba.items():
        data[formats.name(target)] = np.where(series.usable, proba, np.nan)
    data["Usable"] = ["yes" if u else "no" for u in series.usable]
    data["Reason"] = [
        "computed" if u else wording.REASONS.get(r, wording.flag(r)) if r else "not usable"
        for u, r in zip(series.usable, series.reasons, strict=True)
    ]
    return pd.DataFrame(data)


def stretches_table(found: Sequence[Stretch]) -> pd.DataFrame:
    """One row per annotated stretch: its usable windows and the mean index of each target, or why there is none."""
    targets = list(found[0].means)
    data: dict = {
        "Annotation": [formats.visible(s.label) for s in found],
        "Onset, s": [s.onset_s for s in found],
        "Length, s": [s.duration_s for s in found],
        "Windows": [s.n_windows for s in found],
        "Usable": [s.n_usable for s in found],
    }
    for target in targets:
        values = [s.means[target] for s in found]
        data[formats.name(target)] = np.array([np.nan if isinstance(v, Reason) else v for v in values], dtype=float)
    reasons = [dict.fromkeys(v for v in s.means.values() if isinstance(v, Reason)) for s in found]
    data["Reason"] = ["; ".join(formats.reason(r) for r in why) or "computed" for why in reasons]
    return pd.DataFrame(data)


def stretches_part(detail: SessionDetail) -> None:
    """The table by annotation, where a recording has annotations with a length."""
    found = sessions.stretches(state.store(), detail.row.session)
    if not found:
        return
    st.markdown("##### By annotation")
    st.caption(
        "Mean index 0-1 over the usable windows that lie within each annotated stretch. Windows overlap, so they are "
        "not independent."
    )
    components.table(
        stretches_table(found),
        kind="annotations",
        subject=detail.row.session,
        key="stretches",
        digits={"Onset, s": 1, "Length, s": 1},
        columns={
            "Annotation": "what the file or a person wrote",
            "Onset, s": "from the start of the recording",
            "Length, s": "length in seconds",
            "Windows": "number of windows within it",
            "Usable": "number of windows that could be used",
        },
    )


def windows_tab(detail: SessionDetail, series: WindowSeries | None) -> None:
    """The heat strip and the table of windows, then what they say of each annotated stretch."""
    windows_part(detail, series)
    stretches_part(detail)


def windows_part(detail: SessionDetail, series: WindowSeries | None) -> None:
    """The heat strip and the table of windows."""
    if series is None or not len(series.onset_s):
        why = next((m.reason for n, m in detail.row.measures.items() if n in PREDICTIONS and m.reason), None)
        text = formats.reason(why) if why else "no model was used on this session"
        components.empty(f"**No windows with a prediction**: {text}.")
        return
    usable = int(np.sum(series.usable))
    components.chart(
        charts.window_strip(series),
        key="windows",
        title="How do the windows differ?",
        caption=f"Index 0-1 of each window of {series.duration_s:g} s, n = {usable:,} usable of "
        f"{len(series.onset_s):,}; gaps are not usable.",
        alt=f"Heat strip of {len(series.onset_s)} windows of {detail.row.session}",
        make_table=lambda: windows_table(series),
        kind="windows",
        subject=detail.row.session,
        digits={"Onset, s": 1, "Length, s": 1},
        twin=True,
        how="Probability of High for each window, by the model named above. Windows overlap, so neighbours are not "
        "independent. The session's value is the mean of the usable windows.",
    )


# --- provenance


def pairs(values: dict) -> pd.DataFrame:
    """Names and values as text, nested ones flattened."""
    found: list[dict] = []

    def walk(prefix: str, value) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix} {key}".strip().replace("_", " "), inner)
        elif isinstance(value, list | tuple):
            if value and isinstance(value[0], dict):
                for i, inner in enumerate(value, 1):
                    walk(f"{prefix} {i}", inner)
            else:
                found.append({"What": prefix, "Value": ", ".join(str(v) for v in value) or "none"})
        else:
            shown = value_words(prefix, value)
            found.append({"What": prefix, "Value": shown})

    walk("", values)
    return pd.DataFrame(found, columns=["What", "Value"])


def value_words(name: str, value) -> str:
    """A stored value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (None, ""):
        return formats.NOT_KNOWN
    return formats.visible(value, 120)


def analyses_table(detail: SessionDetail) -> pd.DataFrame:
    """Every analysis that was made of a session, newest first, with how the files were read for it."""
    titles = sessions.repairs()

    def read(made: Made) -> str:
        if made.reading is None:
            return "not known"
        said = session_tables.reading_words(made.reading.as_dict(), titles)
        return "; ".join(f"{line['What']}: {line['Value']}" for line in said) or "as the files are"

    return pd.DataFrame(
        [
            {
                "Made": formats.when(made.at, state.zone()),
                "Model": made.model,
                "Status": wording.STATUS_SHORT.get(made.status, made.status),
                "In force": "yes" if made.newest else "no",
                "Read": read(made),
            }
            for made in reversed(detail.made)
        ]
    )


def replay_part(detail: SessionDetail) -> None:
    """The stored numbers computed again on request, and whether they are the same."""
    st.markdown("##### Replay")
    if detail.recording_state == "none":
        st.caption("These values were imported: there is no recording to compute them from again.")
        return
    st.caption(
        "Reads the original files again, computes every measure by the same model and settings, and holds the numbers "
        "against the stored ones. Nothing is stored."
    )
    if not st.button("Replay", key="replay"):
        return
    try:
        with st.spinner("Reading the original files and computing again ...", show_time=True):
            told = replay.of_session(state.store(), detail.row.session)
    except AffectlineError as error:
        components.show_error(error)
        return
    words = wording.replayed(told["measures"])
    (st.success if told["same"] else st.warning)(" ".join([words[0].upper() + words[1:], *told["notes"]]))
    components.table(replay_table(told["measures"]), kind="replay", subject=detail.row.session, key="p-replay")


def replay_table(measures: Sequence[Mapping]) -> pd.DataFrame:
    """One row per measure: what is stored and what came now, in all digits, what is not the same first."""
    return pd.DataFrame(
        [
            {
                "Measure": formats.name(row["measure"]),
                "Unit": row["unit"],
                "Stored": wording.exact(row["stored"]),
                "Computed again": wording.exact(row["replayed"]),
                "Same": "yes" if row["same"] else "no",
            }
            for row in sorted(measures, key=lambda row: row["same"])
        ]
    )


def provenance_tab(detail: SessionDetail) -> None:
    """Files, settings and versions behind the numbers, and the numbers again."""
    row = detail.row
    replay_part(detail)
    session = {
        "session": row.session,
        "started": formats.when(row.started_at, state.zone()),
        "status": wording.STATUS.get(row.status, row.status),
        "recording": detail.recording_state,
        "moved_from": detail.moved_from or "never moved",
    }
    provenance = dict(detail.provenance)
    read = session_tables.reading_words(provenance.pop("read_with", None) or {}, sessions.repairs())
    for title, frame, key in (
        ("Session", pairs(session), "p-session"),
        ("Analyses", analyses_table(detail), "p-analyses"),
        ("Files and versions", pairs(provenance), "p-provenance"),
        ("How the files were read", pd.DataFrame(read), "p-reading"),
        ("Settings of the chain", pairs(dict(detail.pipeline)), "p-pipeline"),
    ):
        st.markdown(f"##### {title}")
        if frame.empty:
            st.caption(
                "As they are: nothing was said beyond what they say themselves."
                if key == "p-reading" and detail.recording_state != "none"
                else "Nothing stored: values imported from elsewhere have no recording."
            )
        else:
            components.table(frame, kind=key.removeprefix("p-"), subject=row.session, key=key, placeholder="Not known")
    if row.model:
        st.markdown("##### Model")
        model_notes.model_card(row.model.name)


with components.page("session"):
    store = state.store()
    detail = session_of_url(store)
    row = detail.row
    patient = patients.get(store, row.patient)
    history = sessions.history(store, row.patient)
    n_open = len(insights.open_cards(store, now=state.now(), patient=row.patient))
    banner.banner(patient, history, patients.baselines(store, row.patient), n_open)
    if row.deleted_at is not None:
        st.warning(
            f"This session was deleted {formats.age(row.deleted_at, state.now())}. It can be restored for 30 days."
        )
        if st.button("Restore session", type="primary", key="restore"):
            sessions.restore(store, row.session, now=state.now())
            state.flash(f"Session {row.session} was restored.")
            st.rerun()
    actions(detail)
    if row.status == "abstained":
        reasons = session_overview.reasons_in_words(row)
        st.warning(formats.in_label(f"Abstained: the signals cannot carry a number.{reasons}", 600))
    if row.model is not None and row.model != banner.newest_model(history):
        model_notes.model_note(row.model, key="session")

    found = marks.of_session(store, row.session)
    marking.ended()
    marking.line(detail, found)
    tabs = st.tabs(list(TABS), key=state.TAB, bind="query-params")
    series = None
    if tabs[1].open or tabs[2].open:
        series = sessions.windows(store, row.session)
    for tab, content in zip(
        tabs,
        (
            lambda: session_overview.tab(detail),
            lambda: signals_tab(detail, series, found),
            lambda: windows_tab(detail, series),
            lambda: why.session_tab(detail),
            lambda: provenance_tab(detail),
        ),
        strict=True,
    ):
        if tab.open:
            with tab:
                content()
