"""Eyes: the components of an EEG that follow them, the signals with and without, and the recompute that uses it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from app.ui import charts, components, formats, marking, state, wording
from core.services.clinic import sessions
from core.services.clinic.marks import Marks
from core.services.clinic.sessions import SessionDetail

# channels drawn before and after: those that the chosen components reach most
SHOWN = 8


def panel(detail: SessionDetail, marks: Marks, t0: float, page_s: float) -> None:
    """Found components with their |r|, a before and after of this page, and the choice."""
    if "eeg" not in detail.types or detail.row.deleted_at is not None:
        return
    if not st.toggle("Eyes: blinks and eye movements in the EEG", key="v_eyes"):
        return
    with st.container(border=True, key="eyes"):
        with st.spinner("Looking for components of the eyes ...", show_time=True):
            found = sessions.eyes(state.store(), detail.row.session, marks.reading)
        if found.reason is not None:
            components.empty(f"**No components.** {formats.in_label(found.text, 200)}")
            return
        st.caption(formats.in_label(found.text, 300))
        chosen = choose(found, marks, detail.row.session)
        overlay(detail, found, chosen, t0, page_s)
        apply(detail, marks, found, chosen)
        listed(detail, found)


def choose(found, marks: Marks, session: str) -> tuple[int, ...]:
    """The components to take out: those proposed, or a person's own choice."""
    applied = marks.reading.ocular
    proposed = list(found.drop)
    default = [int(c) for c in applied if c.isdecimal() and int(c) < len(found)] if applied else proposed
    default = proposed if applied == ("auto",) else default

    def label(i: int) -> str:
        r = f", |r| {found.strongest[i]:.2f}" if found.against else ""
        return f"{i}{r}{' (proposed)' if i in found.drop else ''}"

    chosen = st.multiselect(
        "Components to take out",
        list(range(len(found))),
        default=default,
        format_func=label,
        placeholder="none",
        key=f"eyes-{session}-{marks.reading.hash}",
        help=wording.EYES_MEAN,
    )
    return tuple(sorted(chosen))


def overlay(detail: SessionDetail, found, chosen: tuple[int, ...], t0: float, page_s: float) -> None:
    """This page with the chosen components taken out, over the page as recorded."""
    if not chosen:
        st.caption("Nothing is taken out. Choose a component to see the EEG without it.")
        return
    reach = np.abs(found.mixing[:, list(chosen)]).max(axis=1)
    names = {found.channels[i] for i in np.argsort(-reach, kind="stable")[:SHOWN]}
    before, after = sessions.eyes_page(
        state.store(), detail.row.session, found, chosen, t0=t0, page_s=page_s, names=sorted(names)
    )
    st.caption(
        f"The {len(names)} channels they reach most, on this page: as recorded in grey, without the chosen components "
        "in colour."
    )
    st.plotly_chart(
        charts.signals(after, negative_up=st.session_state.get("v_negative_up", True), behind=before),
        key="eyes-overlay",
        config=components.PLOT_CONFIG | {"displayModeBar": False},
        alt=f"{len(names)} EEG channels of {detail.row.session} with and without {len(chosen)} components",
    )


def apply(detail: SessionDetail, marks: Marks, found, chosen: tuple[int, ...]) -> None:
    """Compute the session again without the chosen components, or with all of them."""
    session, applied = detail.row.session, marks.reading.ocular
    wanted = ("auto",) if chosen and chosen == found.drop else tuple(str(c) for c in chosen) or None
    with st.container(horizontal=True, vertical_alignment="center"):
        out = formats.counted(len(chosen), "component") if chosen else "nothing"
        same = wanted == applied
        if st.button(f"Take {out} out and recompute", type="primary", key="eyes_apply", disabled=same or not chosen):
            marking.start(session, replace(marks.reading, ocular=wanted))
        if applied and st.button("Put all back and recompute", key="eyes_back"):
            marking.start(session, replace(marks.reading, ocular=None))
        st.caption("In force now: " + ("taken out." if applied else "nothing is taken out."), width="content")


def listed(detail: SessionDetail, found) -> None:
    """All components as a table."""
    rows = []
    for i in range(len(found)):
        top = np.argsort(-np.abs(found.mixing[:, i]), kind="stable")[:3]
        rows.append(
            {
                "Component": i,
                "Share": float(found.share[i]),
                **{f"|r| {formats.visible(name, 16)}": float(found.r[i, k]) for k, name in enumerate(found.against)},
                "Strongest on": ", ".join(formats.visible(found.channels[c], 16) for c in top),
                "Proposed": "take out" if i in found.drop else "keep",
            }
        )
    components.table(
        pd.DataFrame(rows),
        kind="components",
        subject=detail.row.session,
        key="components",
        percent=("Share",),
        columns={"Share": "share 0-1 of the variance of the EEG"},
        height=260,
    )
