"""Marks on the signals of a session: set, take back, history, and the recompute they wait for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd
import streamlit as st

from app.ui import components, formats, nav, state, wording
from core.errors import AffectlineError
from core.services import jobs
from core.services.clinic import marks
from core.services.clinic.marks import Mark, Marks
from core.services.clinic.sessions import SessionDetail, SignalPage
from core.services.exports import disclosure
from core.types import Annotation, Reading

POLL_S = 0.5


def with_notes(annotations: Iterable[Annotation], found: Marks) -> tuple[Annotation, ...]:
    """The file's annotations and what people wrote, in order of time."""
    notes = [note for m in found.standing if (note := m.annotation) is not None]
    return tuple(sorted((*annotations, *notes), key=lambda a: a.onset_s))


def shown(page: SignalPage, found: Marks) -> SignalPage:
    """A page with the marks as they stand now, applied or not."""
    rows = tuple(r | {"bad": True} if r["name"] in found.bad else r for r in page.rows)
    return replace(page, rows=rows, annotations=with_notes(page.annotations, found))


def words(mark: Mark) -> str:
    """A mark as a person reads it."""
    if mark.kind == marks.BAD:
        return f"{formats.visible(mark.channel, 32)} marked as bad"
    length = f"{mark.duration_s:g} s" if mark.duration_s else "no length"
    return f"{formats.visible(mark.text, 48)} at {formats.clock(mark.onset_s or 0.0)} for {length}"


# --- what waits, and what was done last


def line(detail: SessionDetail, found: Marks) -> None:
    """How many marks are not applied, with the button that applies them; or how far that is."""
    session = detail.row.session
    job = marks.recomputing(state.store(), session)
    if job is not None:
        progress(job.id)
    elif found.not_applied:
        with st.container(border=True, horizontal=True, vertical_alignment="center", key="not-applied"):
            n = found.not_applied
            st.markdown(f"**{formats.counted(n, 'mark')} not applied.** {wording.MARKS_MEAN}", width="stretch")
            if st.button("Recompute", type="primary", key="recompute"):
                start(session, found.reading)
    undo(session)


def start(session: str, reading: Reading) -> None:
    """Queue the recompute and show how far it is."""
    try:
        job = marks.recompute(state.store(), session, reading, now=state.now())
    except AffectlineError as error:
        components.show_error(error)
        return
    st.session_state.pop(state.LAST_MARK, None)
    st.session_state[state.RECOMPUTE] = job.id
    st.rerun(scope="app")


def progress(job_id: str) -> None:
    """The bar of a recompute; the page is drawn anew when it ends."""

    @st.fragment(run_every=POLL_S)
    def follow() -> None:
        job = jobs.get(state.store(), job_id)
        if job.state not in marks.LIVE:
            st.rerun(scope="app")
        text = formats.in_label(job.message or job.state.capitalize(), 120)
        st.progress(min(max(job.progress, 0.0), 1.0), text=f"Recompute: {text}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Leaving or reloading this page is safe. The older analysis stays listed under Provenance.")
            nav.link("jobs", "Jobs", {state.JOB: job_id})

    follow()


def ended() -> None:
    """What came of the recompute that this tab asked for, once."""
    job_id = st.session_state.get(state.RECOMPUTE)
    if job_id is None:
        return
    job = jobs.get(state.store(), job_id)
    if job.state in marks.LIVE:
        return
    st.session_state.pop(state.RECOMPUTE)
    if job.state == "done":
        st.success("Computed again. The numbers below are the new ones; the older analysis is under Provenance.")
    elif job.state == "cancelled":
        st.info("The recompute was cancelled; nothing changed.")
    else:
        st.error(formats.in_label(components.problem(job.error), 600))
        st.caption("Nothing changed.")


def undo(session: str) -> None:
    """The last change of a mark in this tab, with its undo."""
    last = st.session_state.get(state.LAST_MARK)
    if not last or last[0] != session:
        return
    _, mark_id, said, was_set = last
    with st.container(horizontal=True, vertical_alignment="center", key="last-mark"):
        st.caption(formats.in_label(said, 120), width="content")
        if st.button("Undo", shortcut="U", key="undo_mark"):
            if was_set:
                marks.undo(state.store(), session, mark_id, now=state.now())
            else:
                marks.again(state.store(), session, mark_id, now=state.now())
            st.session_state.pop(state.LAST_MARK)
            st.rerun(scope="app")


def done(session: str, mark: Mark, *, was_set: bool) -> None:
    """Keep what was changed for the undo, and draw the page anew."""
    said = f"{words(mark)}." if was_set else f"Taken back: {words(mark)}."
    st.session_state[state.LAST_MARK] = (session, mark.id, said, was_set)
    st.rerun(scope="app")


# --- setting marks


def panel(detail: SessionDetail, found: Marks, t0: float, page_s: float) -> None:
    """Mark a channel, mark a stretch, and what was marked before."""
    if detail.row.deleted_at is not None:
        return
    session = detail.row.session
    with st.container(horizontal=True, vertical_alignment="bottom", key="marking"):
        channel = st.selectbox(
            "Channel",
            [s["name"] for s in detail.signals],
            format_func=lambda n: formats.visible(n) + (" ✕" if n in found.bad else ""),
            key="m_channel",
            width=200,
        )
        standing = next((m for m in found.standing if m.kind == marks.BAD and m.channel == channel), None)
        label = "Take back bad" if standing else "Mark bad"
        if st.button(label, shortcut="B", key="m_bad", help=wording.MARKS_MEAN, disabled=channel is None):
            toggle(session, str(channel), standing)
        with st.popover("Mark a stretch", key="m_stretch"):
            stretch_form(session, t0, page_s)
    if found.all:
        with st.expander(f"Marks: {len(found.standing)} set, {len(found.all) - len(found.standing)} taken back"):
            history(session, found)


def toggle(session: str, channel: str, standing: Mark | None) -> None:
    """Mark a channel, or take its mark back."""
    try:
        if standing is None:
            mark = marks.mark_bad(state.store(), session, channel, now=state.now())
        else:
            mark = marks.undo(state.store(), session, standing.id, now=state.now())
    except AffectlineError as error:
        components.show_error(error)
        return
    done(session, mark, was_set=standing is None)


def stretch_form(session: str, t0: float, page_s: float) -> None:
    """Words on a stretch of the recording."""
    with st.form("m_note", border=False):
        text = st.text_input("Words", placeholder="BAD_movement, or any label", max_chars=80, key="m_text")
        left, right = st.columns(2)
        onset = left.number_input("Onset, s", min_value=0.0, value=float(t0), step=0.5, format="%.2f")
        length = right.number_input("Length, s", min_value=0.1, value=min(2.0, float(page_s)), step=0.5, format="%.2f")
        st.caption(
            "BAD_... takes the windows it touches out, baseline gives a model its rest; both wait for a recompute. "
            "Any other label is only shown."
        )
        if st.form_submit_button("Add", type="primary"):
            try:
                mark = marks.note(state.store(), session, text, onset, length, now=state.now())
            except AffectlineError as error:
                components.show_error(error)
                return
            done(session, mark, was_set=True)


def history(session: str, found: Marks) -> None:
    """Every mark that was ever set, who and when; those that stand can be taken back."""
    zone, newest = state.zone(), found.all[::-1]
    frame = pd.DataFrame(
        [
            {
                "Mark": words(m),
                "Set by": m.who,
                "Set": formats.when(m.created_at, zone),
                "Taken back": f"{m.undone_by}, {formats.when(m.undone_at, zone)}" if m.undone_at else "no",
            }
            for m in newest
        ]
    )
    components.table(
        frame, kind="marks", subject=session, key="marks", placeholder="no",
        leaves=lambda table: disclosure.words_kept(table, "Set by").assign(
            Mark=[words(replace(m, text=disclosure.WORDS_KEPT)) for m in newest],
            **{"Taken back": [formats.when(m.undone_at, zone) if m.undone_at else "no" for m in newest]},
        ),
    )  # fmt: skip
    if found.standing:
        choice = st.selectbox(
            "Take a mark back",
            found.standing,
            format_func=words,
            index=None,
            placeholder="Choose a mark",
            key="m_back",
            width=400,
        )
        if st.button("Take back", key="m_take_back", disabled=choice is None) and choice is not None:
            done(session, marks.undo(state.store(), session, choice.id, now=state.now()), was_set=False)
