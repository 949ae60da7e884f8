"""Jobs: the queue, how far each is, and what has failed."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.ui import components, formats, nav, state
from core.errors import NotFound
from core.services import jobs
from core.services.jobs import Job

LIVE = ("queued", "running")


def frame(found: list[Job]) -> pd.DataFrame:
    """The queue as shown and exported."""
    zone = state.zone()
    return pd.DataFrame(
        [
            {
                "Job": j.id,
                "What": formats.visible(j.label or j.kind),
                "State": j.state,
                "Progress": float(j.progress),
                "Message": formats.visible(components.problem(j.error) if j.error else j.message or "none", 300),
                "Created": formats.when(j.created_at, zone),
                "Finished": formats.when(j.finished_at, zone) if j.finished_at else "not yet",
                "Attempts": j.attempts,
            }
            for j in found
        ]
    )


def detail(store, job_id: str) -> None:
    """One job with its log and what can be done."""
    try:
        job = jobs.get(store, job_id)
    except NotFound:
        st.error(f"Unknown job {formats.in_label(job_id, 40)}.")
        return
    with st.container(border=True):
        st.markdown(f"##### {formats.in_label(job.label or job.kind)}")
        st.caption(
            f"{job.state} · {job.kind} · attempt {job.attempts} · created {formats.when(job.created_at, state.zone())}"
        )
        if job.state in LIVE:
            st.progress(min(max(job.progress, 0.0), 1.0), text=formats.in_label(job.message or job.state, 120))
        if job.error:
            st.error(formats.in_label(components.problem(job.error), 600))
        session = (job.result or {}).get("session")
        with st.container(horizontal=True):
            if job.state in LIVE and st.button("Cancel", key="cancel"):
                jobs.cancel(store, job.id, now=state.now())
                st.rerun()
            if job.state in ("failed", "cancelled") and st.button("Try again", key="retry"):
                jobs.retry(store, job.id, now=state.now())
                st.rerun()
            if session:
                nav.link("session", f"Open session {session}", {state.SESSION: str(session)})
            run = (job.result or {}).get("experiment")
            if run:
                nav.link("experiments", f"Open run {run}", {state.RUN: str(run)})
            if job.state == "done" and job.kind == "train" and (job.params.get("publish")):
                nav.link("models", f"Open model {job.params['publish']}", {state.MODEL: str(job.params["publish"])})
            if job.state == "done" and job.kind == "demo":
                nav.link("worklist", "Open the worklist")
        if job.log:
            with st.expander("Log"):
                st.text("\n".join(formats.visible(line, 200) for line in job.log[-50:]))


with components.page("jobs"):
    store = state.store()
    live = any(j.state in LIVE for j in jobs.recent(store))

    @st.fragment(run_every=1.0 if live else None)
    def queue() -> None:
        """The list, drawn anew each second while something is under way."""
        found = jobs.recent(store)
        if live and not any(j.state in LIVE for j in found):
            st.rerun()
        chosen = state.param(state.JOB)
        if chosen:
            detail(store, chosen)
        if not found:
            components.empty("**No jobs.** Analyses and imports that take long appear here.",
                             ("new-recording", "New recording"))  # fmt: skip
            return
        table = frame(found)
        event = st.dataframe(
            table,
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            column_config={
                "Job": st.column_config.TextColumn(width="small"),
                "Progress": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent"),
            },
            placeholder="not yet",
            key="jobs",
            alt=f"{len(found)} jobs",
        )
        with st.container(horizontal=True, key="tools-jobs"):
            components.export_button(table, kind="jobs", key="jobs", missing="not yet")
        picked = event.selection.rows
        if picked and found[picked[0]].id != chosen:
            state.set_param(state.JOB, found[picked[0]].id)
            st.rerun()

    queue()
