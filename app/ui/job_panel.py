"""The job of the URL on the page that started it: how far it has come, how it ended, and the way on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import streamlit as st

from app.ui import components, formats, state
from core.errors import NotFound
from core.services import jobs
from core.services.jobs import Job


def submit(store, kind: str, params: Mapping[str, Any], label: str) -> None:
    """Queue work, or go to the same work that is under way, and show it."""
    same = (j for j in jobs.recent(store) if j.state in jobs.LIVE and j.kind == kind and dict(j.params) == dict(params))
    job = next(same, None) or jobs.submit(store, kind, params, label=label, now=state.now())
    state.set_param(state.JOB, job.id)
    st.rerun()


def of_url(store, kinds: Collection[str]) -> Job | None:
    """The job that the URL names; one that is not there, or of another page, is said."""
    wanted = state.param(state.JOB)
    if wanted is None:
        return None
    try:
        job = jobs.get(store, wanted)
    except NotFound:
        job = None
    if job is None or job.kind not in kinds:
        st.error(f"Unknown job {formats.in_label(wanted, 40)}.")
        state.set_param(state.JOB, None)
        return None
    return job


def show(store, job: Job, done: Callable[[Any, Job], None], kept: str = "") -> None:
    """A job as it goes on, then what ``done`` makes of it; refresh-safe, for all stands in its row.

    ``kept`` says what of it need not be done again.
    """
    live = job.state in jobs.LIVE

    @st.fragment(run_every=1.0 if live else None)
    def shown() -> None:
        now = jobs.get(store, job.id)
        if live and now.state not in jobs.LIVE:
            st.rerun()
        with st.container(border=True, key="job"):
            st.markdown(f"##### {formats.in_label(now.label)}")
            if now.state in jobs.LIVE:
                _at_work(store, now)
            elif now.state == "done":
                done(store, now)
            else:
                _ended(store, now, kept)

    shown()


def follow(store, kinds: Collection[str], done: Callable[[Any, Job], None], kept: str = "") -> None:
    """``show`` of the job of the URL, where there is one."""
    job = of_url(store, kinds)
    if job is not None:
        show(store, job, done, kept)


def _at_work(store, job: Job) -> None:
    words = job.message or "Waits for the worker"
    st.progress(min(max(job.progress, 0.0), 1.0), text=formats.in_label(words, 120))
    if st.button("Cancel", key="cancel_job"):
        jobs.cancel(store, job.id, now=state.now())
        st.rerun()
    st.caption("Leaving the page is safe: it goes on by itself.")


def _ended(store, job: Job, kept: str) -> None:
    """A job that failed or was cancelled, and the way on."""
    if job.error:
        st.error(formats.in_label(components.problem(job.error), 600))
    else:
        st.text("Cancelled.")
    if kept:
        st.caption(kept)
    with st.container(horizontal=True):
        if st.button("Go on" if kept else "Try again", type="primary", key="again_job"):
            jobs.retry(store, job.id, now=state.now())
            st.rerun()
        close()


def close(label: str = "Close") -> None:
    """Put the job out of sight."""
    if st.button(label, key="close_job"):
        state.set_param(state.JOB, None)
        st.rerun()
