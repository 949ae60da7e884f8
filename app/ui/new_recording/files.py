"""Step 1: the files, and which of them make one session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pandas as pd
import streamlit as st

from app.ui import components, formats, state, wording
from app.ui.new_recording.draft import NUMBERS, OFFSETS, WAITING, discard, go_to, numbers_of, parts_of
from core.errors import AffectlineError, NotFound
from core.services.clinic import sessions
from core.services.clinic.sessions import Draft
from core.settings import SAMPLES, settings
from core.types import Part

# why files of the last upload were not taken, to be shown once
REFUSED = "upload_refused"
# in place of the number of a session
NOT_USED = 0


def files_step(store, draft: Draft | None) -> None:
    """Upload; every file is copied to disk at once, and the URL keeps the draft."""
    upload(store, draft)
    if draft is None:
        offer_waiting(store)
        offer_sample(store)
        return
    ready = True
    if len(draft.files) == 1:
        st.dataframe(
            pd.DataFrame(
                {"File": [formats.visible(f.name) for f in draft.files], "Size": [formats.size(s) for s in draft.sizes]}
            ),
            hide_index=True,
            key="draft-files",
            width=520,
        )
    else:
        ready = group_table(parts_of(draft))
    with st.container(horizontal=True):
        if st.button("Go on to map", type="primary", key="to_map", disabled=not ready):
            go_to(1)
        if st.button("Remove these files", key="discard"):
            discard(store, draft.id)


def upload(store, draft: Draft | None) -> None:
    """What may be uploaded, and where; why files of the last upload were not taken."""
    limit = settings().max_upload_mb
    st.caption(
        f"Up to {limit} MB a file. Files of one recorder go together; those that overlap in time are proposed as one "
        "session, others as a session each. Names and birth dates in a file's header are not "
        "taken over; they stay in the original files, which are kept as they are."
    )
    turn = st.session_state.get(state.UPLOAD_ROUND, 0)
    uploads = st.file_uploader(
        "Files of one person", accept_multiple_files=True, key=f"upload-{turn}", max_upload_size=limit
    )
    with st.expander("Formats that are read"):
        st.caption("The content decides the format, not the name.")
        st.markdown(
            "\n".join(f"- {formats.in_label(title)}: {formats.in_label(how)}" for title, how in sessions.formats())
        )
    refused = st.session_state.pop(REFUSED, None)
    if refused:
        components.show_error(refused)
    if uploads:
        keep_files(store, uploads, draft)


def keep_files(store, uploads: Sequence, draft: Draft | None) -> None:
    """Copy what was uploaded to the draft, a new one where there is none, and go on to its URL."""
    made = draft
    try:
        sessions.distinct([upload.name for upload in uploads])
        for upload in uploads:
            made = sessions.stage(store, upload.name, upload, made.id if made else None, now=state.now())
    except AffectlineError as error:
        st.session_state[REFUSED] = error
    if made:
        state.set_param(state.DRAFT, made.id)
        state.set_param(state.STEP, "1")
    # a new key lets go of the copy that Streamlit holds in memory
    st.session_state[state.UPLOAD_ROUND] = st.session_state.get(state.UPLOAD_ROUND, 0) + 1
    st.rerun()


def offer_sample(store) -> None:
    """A file to try, where nothing is at hand."""
    sample = next(iter(sorted(SAMPLES.glob("*.edf"))), None) if SAMPLES.is_dir() else None
    if sample is None:
        return
    st.caption("Nothing at hand? Try the sample: simulated signals, no person behind them.")
    if st.button("Use the sample file", key="sample"):
        with sample.open("rb") as stream:
            made = sessions.stage(store, sample.name, stream, now=state.now())
        state.set_param(state.DRAFT, made.id)
        st.rerun()


def offer_waiting(store) -> None:
    """Files of this tab that wait for their next step: another page in between does not lose them."""
    waiting = st.session_state.get(WAITING)
    if not waiting:
        return
    try:
        names = [formats.visible(f.name) for f in sessions.draft(store, waiting).files]
    except NotFound:
        st.session_state.pop(WAITING)
        return
    with st.container(border=True):
        st.text(f"Uploaded before and not analysed yet: {', '.join(names)}")
        if st.button("Go on with these files", key="resume"):
            state.set_param(state.DRAFT, waiting)
            st.rerun()


def group_table(parts: Sequence[Part]) -> bool:
    """Which files make one session, and by how much a clock is moved: proposed, and changed by hand.

    Returns whether every file has its session.
    """
    numbers = numbers_of(parts)
    zone = state.zone()
    widths = (4, 2, 3, 2, 2, 2)
    st.markdown("##### Which files make one session?")
    with st.container(border=True):
        for cell, words in zip(
            st.columns(widths), ("File", "Format", "Starts", "Length", "Session", "Clock offset, s"), strict=True
        ):
            cell.caption(words)
        for i, (part, number) in enumerate(zip(parts, numbers, strict=True)):
            name, format_, starts, length, session, offset = st.columns(widths, vertical_alignment="center")
            name.text("\n".join(formats.visible(f, 40) for f in part.files))
            format_.text(formats.visible(part.format or formats.NOT_KNOWN, 40))
            given = st.session_state.get(OFFSETS, {}).get(part.label, 0.0)
            at = part.started_at + timedelta(seconds=given) if part.started_at else None
            starts.text(formats.moment(at, zone))
            length.text(formats.NOT_KNOWN if part.problem else formats.seconds(part.duration_s))
            st.session_state[f"group-{i}"] = number
            session.selectbox(
                f"Session of {formats.visible(part.label)}",
                [*range(1, len(parts) + 1), NOT_USED],
                format_func=lambda n: str(n) if n else "Not used",
                placeholder="Choose",
                key=f"group-{i}",
                label_visibility="collapsed",
                on_change=keep,
                args=(NUMBERS, part.label, f"group-{i}"),
            )
            st.session_state[f"offset-{i}"] = float(given)
            offset.number_input(
                f"Seconds added to the clock of {formats.visible(part.label)}",
                step=1.0,
                format="%.3f",
                key=f"offset-{i}",
                label_visibility="collapsed",
                on_change=keep,
                args=(OFFSETS, part.label, f"offset-{i}"),
            )
            if part.problem:
                st.error(formats.in_label(wording.on_screen(part.problem), 400))
    for line in sessions_in_words(parts, numbers):
        st.caption(formats.in_label(line, 400))
    by_hand = bool(st.session_state.get(NUMBERS)) or any(st.session_state.get(OFFSETS, {}).values())
    if by_hand and st.button("Back to what the times propose", key="propose"):
        st.session_state.pop(NUMBERS, None)
        st.session_state.pop(OFFSETS, None)
        st.rerun()
    return None not in numbers and any(numbers)


def keep(where: str, label: str, key: str) -> None:
    """Remember a choice about a part beyond the step it was made in."""
    st.session_state.setdefault(where, {})[label] = st.session_state[key]


def sessions_in_words(parts: Sequence[Part], numbers: Sequence[int | None]) -> list[str]:
    """What was proposed or chosen, and what is still to be said."""
    lines = []
    for number in sorted({n for n in numbers if n}):
        names = [p.label for p, n in zip(parts, numbers, strict=True) if n == number]
        lines.append(f"Session {number}: {', '.join(names)}.")
    unused = [p.label for p, n in zip(parts, numbers, strict=True) if n == NOT_USED]
    if unused:
        lines.append(f"Not used: {', '.join(unused)}.")
    asked = [p.label for p, n in zip(parts, numbers, strict=True) if n is None]
    if asked:
        lines.append(
            f"No start time tells where {', '.join(asked)} belongs: choose a session. Files without a start time are "
            "taken to start with the first of their session, moved by their offset."
        )
    return lines
