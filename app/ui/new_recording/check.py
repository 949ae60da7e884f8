"""Step 3: everything that speaks for and against the signals of a session, with repairs as switches."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.ui import charts, components, doctor, formats, nav, session_tables, state, wording
from app.ui.new_recording.draft import NUMBERS, OFFSETS, Visit, choose_visit, go_to, inspection_or_mend
from core.services.clinic import sessions
from core.services.clinic.sessions import Draft, Inspection
from core.services.exports.quality_report import quality_report
from core.types import Part


def check_step(store, draft: Draft, visits: Sequence[Visit]) -> None:
    """Everything that speaks for and against these signals, at once."""
    visit = choose_visit(visits)
    found = inspection_or_mend(draft, visit)
    verdict(found)
    if len(found.parts) > 1:
        clocks(visit, found.parts)
    waiting = problems_and_repairs(found, visit)
    each_channel(found)
    if not found.can_run:
        st.error(formats.in_label(found.why_not, 300))
    with st.container(horizontal=True):
        if st.button("Go on to run", type="primary", key="to_run", disabled=not found.can_run or waiting):
            go_to(3)
        if st.button("Back to map", key="back_to_map"):
            go_to(1)
        st.download_button(
            "Export the quality report (JSON)",
            data=lambda: next(
                iter(quality_report(store, visit.files, found, visit.reading, now=state.now()).files.values())
            ),
            file_name="quality-report.json",
            mime="application/json",
            key="quality_report",
            on_click="ignore",
            help="What stands on this page, how the files were read, and their hashes; no names of files or people.",
        )
    if waiting:
        st.caption("Apply the repairs, or take them back, to go on.")


def verdict(found: Inspection) -> None:
    """Grade, usable share, and whether the files are known already."""
    columns = st.columns(4)
    columns[0].metric("Grade", found.grade.value.capitalize(), border=True)
    columns[1].metric("Usable share", formats.share(found.usable_share), border=True)
    columns[2].metric("Length", formats.seconds(found.duration_s), border=True)
    columns[3].metric("Channels", f"{len(found.signals)}", border=True)
    st.caption(wording.GRADES.get(found.grade.value, ""))
    if found.known_session:
        st.info(
            "These files are known for this patient already. Analysing them again, read in the same way, changes "
            "nothing but the start, where you say one."
        )
        nav.link("session", f"Open the existing session {found.known_session}", {state.SESSION: found.known_session})


def each_channel(found: Inspection) -> None:
    """What was found of each channel, the worst first, and the first seconds."""
    st.markdown("##### Each channel")
    components.table(
        session_tables.quality_table(
            sorted(found.quality.get("channels", ()), key=lambda c: c.get("usable_share") or 0.0)
        ),
        kind="quality",
        subject="draft",
        key="check",
        percent=("Usable",),
        digits={"Rate, Hz": 1, "Length, s": 1},
    )
    if found.preview is not None and found.preview.rows:
        st.markdown("##### The first seconds")
        st.caption(f"{found.preview.page_s:g} s from {formats.clock(found.preview.t0)}, as recorded.")
        st.plotly_chart(
            charts.signals(found.preview),
            key="preview",
            config=components.PLOT_CONFIG | {"displayModeBar": False},
            alt=f"Preview of {len(found.preview.rows)} channels",
        )


def problems_and_repairs(found: Inspection, visit: Visit) -> bool:
    """Every problem with its switches; returns whether switches wait to be applied."""
    applied = visit.reading.repairs
    st.markdown("##### Problems and repairs")
    st.caption(
        "Everything that was found, at once. A repair is a switch: it changes how the file is read, never the file, "
        "and can be taken back. What is switched on is stored with the session."
    )
    on = doctor.switches(found.problems, applied, sessions.repairs(), of=visit.key)
    n = len({(c, r) for c, rs in on.items() for r in rs} ^ {(c, r) for c, rs in applied.items() for r in rs})
    if n:
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Apply the repairs", type="primary", key="apply_repairs"):
                visit.said["repairs"] = on
                st.rerun()
            st.text(f"{formats.counted(n, 'change')} not applied")
    return bool(n)


def clocks(visit: Visit, parts: Sequence[Part]) -> None:
    """How the clocks of the files lie to each other: starts, offsets, overlap, and what shared marks say."""
    zone = state.zone()
    first = min(p.onset_s for p in parts)
    st.markdown("##### Clocks of the files")
    components.table(
        pd.DataFrame(
            {
                "File": [", ".join(formats.visible(f) for f in p.files) for p in parts],
                "Starts": [formats.moment(p.started_at, zone) for p in parts],
                "After the first, s": [p.onset_s - first for p in parts],
                "Offset given, s": [p.offset_s for p in parts],
                "Length, s": [p.duration_s for p in parts],
                "Overlaps, s": [overlap(p, parts) for p in parts],
            }
        ),
        kind="clocks",
        subject="draft",
        key="clocks",
        digits={"After the first, s": 3, "Offset given, s": 3, "Length, s": 1, "Overlaps, s": 1},
    )
    for part in parts:
        if part.duration_s and not overlap(part, parts):
            st.warning(
                f"{formats.in_label(part.label)} overlaps with none of the other files: its values stand beside "
                "theirs, never together. Check its offset, or make it a session of its own in step 1."
            )
    marked = [p for p in parts if p.marks and p.late_s is not None]
    for i, part in enumerate(marked):
        marks_said(visit, part, parts[0], i)
    if not marked:
        st.caption(
            "The files share no marks, so only their own clocks say how they lie to each other, and a drift between "
            "the clocks cannot be seen."
        )


def overlap(part: Part, parts: Sequence[Part]) -> float:
    """The longest time in s that a part has in common with one of the others."""
    return max(max(0.0, min(part.end_s, p.end_s) - max(part.onset_s, p.onset_s)) for p in parts if p is not part)


def marks_said(visit: Visit, part: Part, first: Part, i: int) -> None:
    """What marks of the same names in two files say of their clocks, and the offset that would bring them together."""
    late = part.late_s or 0.0
    side = "later" if late > 0 else "earlier"
    text = (
        f"{formats.counted(part.marks, 'mark')} shared with {first.label} lie {abs(late):.3f} s {side} in {part.label}"
    )
    if part.drift_ppm is not None:
        text += f"; its clock gains {part.drift_ppm:.0f} ppm ({part.drift_ppm * 3.6e-3:+.3f} s an hour)"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{formats.visible(text, 300)}.")
        if abs(late) >= 0.001 and st.button(f"Move its clock by {-late:+.3f} s", key=f"by-marks-{i}"):
            offsets = st.session_state.setdefault(OFFSETS, {})
            offsets[part.label] = round(offsets.get(part.label, 0.0) - late, 3)
            # what stands here together stays so, whatever the times now propose
            st.session_state.setdefault(NUMBERS, {}).update({p.label: visit.number for p in visit.parts})
            st.rerun()
