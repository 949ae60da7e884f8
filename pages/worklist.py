"""Worklist: all patients, those who need somebody first."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.ui import components, formats, model_notes, nav, state, wording
from core.errors import AffectlineError
from core.services import admin, jobs
from core.services.clinic import patients
from core.services.clinic.patients import WorklistRow

DIMENSIONS = ("valence", "arousal", "dominance")
HEADINGS = {"valence": "Valence", "arousal": "Arousal", "dominance": "Dominance"}
SHOW = ("All", "With open insights", "New sessions", "Low quality")


def frame(rows: Sequence[WorklistRow]) -> pd.DataFrame:
    """The list as shown: a row per patient."""
    now, zone = state.now(), state.zone()
    return pd.DataFrame(
        [
            {
                "Patient": r.patient,
                "Kind": wording.SIMULATED if r.simulated else "patient",
                "Open insights": r.open_insights,
                "New": "new" if r.unread else "opened",
                "Last session": formats.age(r.last_started_at, now) if r.last_started_at else "none yet",
                "Sessions": r.n_sessions,
                "Usable": usable(r),
                **{HEADINGS[d]: last(r, d) for d in DIMENSIONS},
                "State": formats.state(r.state),
                "Baseline": wording.baseline(r.baseline),
                "Tags": ", ".join(formats.visible(t, 30) for t in r.tags) or "none",
                "On": formats.when(r.last_started_at, zone) if r.last_started_at else "none yet",
            }
            for r in rows
        ]
    )


def usable(row: WorklistRow) -> str:
    """The usable share of the last session; imported values have no recording to judge."""
    if not row.last_session:
        return "none yet"
    return wording.NO_RECORDING if row.usable_share is None else formats.share(row.usable_share)


def spark(row: WorklistRow, dimension: str) -> list[float] | None:
    """The computed values among the last ten sessions; no line from fewer than two."""
    found = [v for v in row.spark.get(dimension, ()) if v is not None]
    return found if len(found) > 1 else None


def last(row: WorklistRow, dimension: str) -> str:
    """The newest value, or that there is none."""
    values = row.spark.get(dimension, ())
    return formats.number(values[-1]) if values else "not computed"


def listing(rows: Sequence[WorklistRow]) -> None:
    """The table, with ten sessions of V, A and D as small lines; a chosen row opens the timeline."""
    shown = frame(rows)
    with_lines = shown.copy()
    config: dict = {
        "Patient": st.column_config.TextColumn(pinned=True),
        "Open insights": st.column_config.NumberColumn(format="%d"),
    }
    for d in DIMENSIONS:
        config[HEADINGS[d]] = st.column_config.TextColumn(width=96)
        name = f"{HEADINGS[d][0]}, last 10"
        with_lines.insert(with_lines.columns.get_loc(HEADINGS[d]) + 1, name, [spark(r, d) for r in rows])
        config[name] = st.column_config.LineChartColumn(
            y_min=0,
            y_max=1,
            width="small",
            help="Index 0-1, the computed values of the last ten sessions, oldest first. No line from fewer than two.",
        )
    event = st.dataframe(
        with_lines,
        hide_index=True,
        column_config=config,
        placeholder="too few",
        on_select="rerun",
        selection_mode="single-row",
        key="worklist",
        alt=f"{len(rows)} patients with last session, usable share, last values, state and open insights",
        height="content" if len(rows) <= 18 else 640,
    )
    with st.container(horizontal=True, key="tools-worklist", vertical_alignment="center"):
        st.caption("Choose a row to open its timeline.", width="content")
        components.export_button(shown, kind="worklist", key="worklist", missing="too few")
    if event.selection.rows:
        nav.go("patient", {state.PATIENT: rows[event.selection.rows[0]].patient})


@st.dialog("New patient")
def new_patient() -> None:
    """Create a patient under a pseudonym; text that may be a name is refused."""
    store = state.store()
    st.caption(
        "A pseudonym has 2-32 letters, digits, - or _, at least one digit and no space. "
        "Never a name, a birth date or a record number."
    )
    with st.form("new_patient", border=False):
        pseudonym = st.text_input("Pseudonym", value=patients.suggest(store), max_chars=64)
        tags = st.text_input("Tags, parted by commas", placeholder="optional", max_chars=200)
        if st.form_submit_button("Create patient", type="primary"):
            try:
                made = patients.create(
                    store,
                    pseudonym,
                    now=state.now(),
                    tags=[t.strip() for t in tags.split(",") if t.strip()],
                )
            except AffectlineError as error:
                components.show_error(error)
            else:
                nav.go("patient", {state.PATIENT: made.pseudonym})


def load_demo(store) -> None:
    """Queue the demo patients and go to the job."""
    job = jobs.submit(store, "demo", {}, label="Demo patients", now=state.now())
    nav.go("jobs", {state.JOB: job.id})


with components.page("worklist"):
    store = state.store()
    counts = patients.counts(store, now=state.now())
    columns = st.columns(4)
    columns[0].metric("Patients", f"{counts.patients:,}", border=True)
    columns[1].metric("New sessions", f"{counts.new_sessions:,}", border=True, help="Sessions not opened yet.")
    columns[2].metric("Open insights", f"{counts.open_insights:,}", border=True)
    columns[3].metric("Failed jobs", f"{counts.failed_jobs:,}", border=True)

    rows = patients.worklist(store, now=state.now())
    if not rows:
        components.empty(
            "**No patients yet.** Bring in a recording, or import measures from elsewhere.",
            ("new-recording", "New recording"),
            ("import-export", "Import measures"),
        )
        with st.container(horizontal=True):
            if not admin.demo_loaded(store) and st.button("Load demo patients", type="primary", key="load_demo"):
                load_demo(store)
            if st.button("New patient", key="new_patient_empty"):
                new_patient()
        components.halt()

    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Find by ID", key="q", bind="query-params", max_chars=32, width=200)
        show = st.selectbox("Show", SHOW, key="show", bind="query-params", width=190)
        tags = sorted({t for r in rows for t in r.tags})
        tag = st.selectbox("Tag", tags, index=None, placeholder="any", width=160) if tags else None
        states = sorted({r.state for r in rows if r.state})
        mood = (
            st.selectbox("State", states, index=None, placeholder="any", width=230, format_func=formats.state)
            if states
            else None
        )
        if st.button("New patient", key="new_patient"):
            new_patient()
    chosen = [
        r
        for r in rows
        if text.strip().lower() in r.patient.lower()
        and (tag is None or tag in r.tags)
        and (mood is None or r.state == mood)
        and (show != "With open insights" or r.open_insights)
        and (show != "New sessions" or r.unread)
        and (show != "Low quality" or (r.usable_share is not None and r.usable_share < 0.5))
    ]
    if chosen:
        listing(chosen)
    else:
        components.empty("No patient fits this choice. Change the filters above to see more.")
    st.caption("Order: open insights by weight, then the oldest session not opened yet. " + wording.INDEX_MEANS)
    if any(r.simulated for r in rows):
        st.caption(f"Patients marked {wording.SIMULATED} are simulated: no person stands behind them.")
    model_notes.models_note()
