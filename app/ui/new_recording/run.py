"""Step 4: the model, what will not be computed, the button; and the job that it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.ui import components, formats, model_notes, nav, session_tables, state, wording
from app.ui.new_recording.draft import MODEL, WAITING, WHO, Visit, go_to, inspection_or_mend
from core.errors import NotFound
from core.services import jobs
from core.services.clinic import sessions
from core.services.clinic.sessions import Draft, Inspection
from core.services.jobs import Job
from core.services.research import models


def run_step(store, draft: Draft, visits: Sequence[Visit]) -> None:
    """The model, what will not be computed, and the button."""
    patient = st.session_state.get(WHO)
    found = {visit.number: inspection_or_mend(draft, visit) for visit in visits}
    fitting = {m["name"]: None for f in found.values() for m in f.models if m.get("fits", True)}
    chosen = st.selectbox(
        "Model",
        list(fitting),
        index=None,
        placeholder=f"The first that fits: {next(iter(fitting))}" if fitting else "No model fits these channels",
        key="model",
        width=420,
        disabled=not fitting,
    )
    st.session_state[MODEL] = chosen
    name = chosen or next(iter(fitting), None)
    if name:
        model_notes.model_note(models.info(store, name), key="run")
    else:
        st.caption(
            "No model fits: predictions are not computed (a channel they need was not recorded). Markers are computed."
        )
    for visit in visits:
        with st.container(border=len(visits) > 1):
            visit_in_words(visit, found[visit.number], patient, len(visits) > 1)
    st.caption("Usually done within seconds to a minute. Leaving this page is safe: the work goes on.")
    able = [v for v in visits if found[v.number].can_run]
    with st.container(horizontal=True):
        words = "Analyse" if len(visits) == 1 else f"Analyse {formats.counted(len(able), 'session')}"
        if st.button(words, type="primary", key="analyse", disabled=not (patient and able)) and patient:
            submit(store, draft, able, patient, {v.number: model_for(found[v.number], chosen) for v in able})
        if st.button("Back to check", key="back_to_check"):
            go_to(2)
    if not patient:
        st.caption("Choose a patient in step 2.")


def model_for(found: Inspection, chosen: str | None) -> str | None:
    """The chosen model where it fits a session; else the first that does."""
    return chosen if any(m["name"] == chosen and m.get("fits", True) for m in found.models) else None


def visit_in_words(visit: Visit, found: Inspection, patient: str | None, several: bool) -> None:
    """One session as it will be analysed: files, length, what was mended, what will not be computed."""
    lead = f"Session {visit.number}: " if several else ""
    st.text(
        f"{lead}{visit.names}, {formats.seconds(found.duration_s)}, for {patient or 'no patient yet'}"
        if several
        else f"{formats.counted(len(visit.files), 'file')}, {formats.seconds(found.duration_s)}, "
        f"for {patient or 'no patient yet'}"
    )
    for line in session_tables.reading_words(visit.reading.as_dict(), sessions.repairs()):
        st.text(f"{line['What']}: {line['Value']}")
    if not found.can_run:
        st.warning(formats.in_label(f"It is not analysed. {found.why_not}", 300))
    elif found.not_computed:
        st.markdown("##### Will not be computed")
        for reason in dict.fromkeys(map(str, found.not_computed.values())):
            names = ", ".join(formats.name(m) for m, why in found.not_computed.items() if str(why) == reason)
            st.text(f"{names}: {wording.REASONS.get(reason, reason.replace('_', ' '))}")
    else:
        st.caption("All measures of these signals can be computed.")


def submit(store, draft: Draft, visits: Sequence[Visit], patient: str, by_model: Mapping[int, str | None]) -> None:
    """A job for each session, each with a draft of its own."""
    drafts = sessions.split(store, draft.id, [[f.name for f in v.files] for v in visits])
    made = []
    for visit, own in zip(visits, drafts, strict=True):
        made.append(
            jobs.submit(
                store,
                "analyse",
                {
                    "draft": own.id,
                    "patient": patient,
                    "model": by_model[visit.number],
                    "started_at": visit.started_at.isoformat() if visit.started_at else None,
                    "reading": visit.reading.as_dict(),
                },
                label=f"Analyse a recording of {patient}",
                now=state.now(),
            )
        )
    st.session_state.pop(WAITING, None)
    st.query_params.from_dict({state.JOB: ",".join(job.id for job in made)})
    st.rerun()


def job_view(store, job_id: str) -> None:
    """Progress, polled from the row; a reload shows the same."""
    try:
        job = jobs.get(store, job_id)
    except NotFound:
        st.error(f"Unknown job {formats.in_label(job_id, 40)}. It may belong to another database.")
        nav.link("jobs", "All jobs")
        return
    live = job.state in ("queued", "running")

    @st.fragment(run_every=0.3 if live else None)
    def progress() -> None:
        current = jobs.get(store, job_id)
        if current.state in ("queued", "running"):
            st.progress(
                min(max(current.progress, 0.0), 1.0),
                text=formats.in_label(current.message or current.state.capitalize(), 120),
            )
            st.caption(f"{formats.visible(current.label)} · {current.state}. Leaving or reloading this page is safe.")
            if st.button("Cancel", key=f"cancel_job-{job_id}"):
                jobs.cancel(store, job_id, now=state.now())
                st.rerun()
        elif live:
            st.rerun()
        else:
            finished(store, current)

    progress()


def finished(store, job: Job) -> None:
    """What came out, and where to look at it."""
    result: Mapping = job.result or {}
    if job.state == "done":
        st.progress(1.0)
        session = result.get("session")
        if session:
            patient = str(session).rsplit("/", 1)[0]
            abstained = result.get("status") == "abstained"
            if abstained:
                st.warning("Stored as abstained: the signals cannot carry a number. The session says why.")
            else:
                st.success(f"Done. Stored as session {formats.in_label(session)}.")
            with st.container(horizontal=True):
                nav.link("session", f"Open session {session}", {state.SESSION: str(session)})
                nav.link("patient", f"Timeline of {patient}", {state.PATIENT: patient})
        else:
            st.success("Done.")
    elif job.state == "cancelled":
        st.info("This job was cancelled; nothing was stored.")
    else:
        st.error(formats.in_label(components.problem(job.error), 600))
        st.caption("Nothing was stored.")
        draft = job.params.get("draft") if job.params else None
        with st.container(horizontal=True):
            if st.button("Try again", key=f"retry_job-{job.id}"):
                jobs.retry(store, job.id, now=state.now())
                st.rerun(scope="app")
            if draft:
                nav.link("new-recording", "Back to the files", {state.DRAFT: str(draft), state.STEP: "2"})
