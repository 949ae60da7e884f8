"""New recording: files, map, check, run; each step can be opened again, and leaving is safe."""

from __future__ import annotations

import streamlit as st

from app.ui import components, nav, state
from app.ui.new_recording.check import check_step
from app.ui.new_recording.draft import WHO, fresh, go_to, visits_of
from app.ui.new_recording.files import files_step
from app.ui.new_recording.mapping import map_step
from app.ui.new_recording.run import job_view, run_step
from core.errors import NotFound
from core.services.clinic import sessions
from core.services.clinic.sessions import Draft

STEPS = ("1 Files", "2 Map", "3 Check", "4 Run")
# as many files as a draft holds can each be a session
MOST_JOBS = 30


with components.page("new-recording"):
    store = state.store()
    job_ids = (state.param(state.JOB) or "").split(",")[:MOST_JOBS]
    if any(job_ids):
        for job_id in dict.fromkeys(filter(None, job_ids)):
            with st.container(border=len(job_ids) > 1):
                job_view(store, job_id)
        nav.link("new-recording", "Another recording")
        components.halt()

    draft: Draft | None = None
    draft_id = state.param(state.DRAFT)
    if draft_id:
        try:
            draft = sessions.draft(store, draft_id)
        except NotFound as error:
            components.show_error(error)
            nav.link("new-recording", "Start again")
            components.halt()
        fresh(draft_id)
    step = int(state.number_param(state.STEP, 1)) - 1
    step = min(max(step, 0), 3) if draft else 0
    if draft and state.param(state.PATIENT) and not st.session_state.get(WHO):
        st.session_state[WHO] = state.param(state.PATIENT)

    with st.container(horizontal=True, gap="small", key="rail"):
        for i, name in enumerate(STEPS):
            kind = "primary" if i == step else "secondary"
            blocked = (draft is None and i > 0) or (i > 1 and not st.session_state.get(WHO))
            if st.button(name, key=f"step-{i}", type=kind, disabled=blocked, width="stretch") and i != step:
                go_to(i)
    if step == 0 or draft is None:
        files_step(store, draft)
        components.halt()
    visits = visits_of(draft)
    if not visits:
        st.info("Choose in step 1 which session each file belongs to.")
        components.halt()
    (map_step, check_step, run_step)[step - 1](store, draft, visits)
