"""The patient of a page: whom the URL names, and the banner above everything that is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.ui import components, formats, model_notes, nav, state, wording
from core.errors import NotFound
from core.services.clinic import patients
from core.services.clinic.patients import Baseline
from core.services.clinic.sessions import SessionRow
from core.settings import BASELINE_SESSIONS
from core.types import ModelInfo


def patient_of_url(store) -> patients.Patient:
    """The patient of the URL. An unknown one is said, never replaced by another; none offers a choice."""
    wanted = state.param(state.PATIENT)
    if wanted is None:
        _choose_patient(store)
        components.halt()
    try:
        return patients.get(store, wanted)
    except NotFound:
        st.error(
            f"Unknown patient {formats.in_label(wanted, 40)}. No other patient is shown in its place. "
            "Check the ID, or find the patient with the key F."
        )
        nav.link("worklist", "Open the worklist")
        components.halt()


def _choose_patient(store) -> None:
    known = [p.pseudonym for p in patients.find(store)]
    if not known:
        components.empty(
            "No patients yet. A patient is created with their first recording, or on the worklist.",
            ("worklist", "Worklist"),
            ("new-recording", "New recording"),
        )
        return
    chosen = st.selectbox("Patient", known, index=None, placeholder="Choose a patient", key="choose_patient")
    if chosen:
        state.set_param(state.PATIENT, chosen)
        st.rerun()
    st.caption("No patient is chosen.")


def baseline_state(baselines: Mapping[str, Baseline]) -> str:
    """learning 3 of 10 sessions, own range, or set by a clinician; the furthest of the measures."""
    if not baselines:
        return wording.learning(0, BASELINE_SESSIONS)
    kinds = {b.kind for b in baselines.values()}
    if "set" in kinds:
        chosen = next(b for b in baselines.values() if b.kind == "set")
        return f"set by {chosen.who or 'a clinician'}"
    if "own" in kinds:
        n = max(b.n for b in baselines.values() if b.kind == "own")
        return f"own range, {formats.counted(n, 'session')}"
    return wording.learning(max(b.n for b in baselines.values()), BASELINE_SESSIONS)


def banner(
    patient: patients.Patient,
    rows: Sequence[SessionRow],
    baselines: Mapping[str, Baseline],
    n_open: int,
) -> None:
    """The patient in one line: who, how much there is, how fresh, how sure."""
    zone = state.zone()
    last = rows[-1] if rows else None
    with st.container(border=True, horizontal=True, key="banner", vertical_alignment="center"):
        st.metric("Patient", patient.pseudonym, width="content")
        if patient.simulated:
            st.badge(wording.SIMULATED, color="orange", help=wording.SIMULATED_LONG)
        st.metric("Sessions", f"{len(rows):,}", width="content")
        if last:
            label = f"Last session, {formats.when(last.started_at, zone)}"
            st.metric(formats.in_label(label), formats.age(last.started_at, state.now()), width="content")
            share = wording.NO_RECORDING if last.imported else formats.share(last.usable_share)
        else:
            st.metric("Last session", "none yet", width="content")
            share = "none yet"
        st.metric("Baseline", baseline_state(baselines), width="content")
        st.metric("Last usable share", share, width="content")
        st.metric("Open insights", f"{n_open:,}", width="content")
        model = newest_model(rows)
        st.metric("Model", f"{model.name} {model.version}" if model else "none used", width="content")
    model_notes.model_note(model)


def newest_model(rows: Sequence[SessionRow]) -> ModelInfo | None:
    """The model of the newest session that has one."""
    return next((r.model for r in reversed(rows) if r.model), None)
