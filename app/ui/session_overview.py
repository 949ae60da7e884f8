"""The Overview of a session: what was computed with its interval, what was not and why, and each channel's quality."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.ui import components, formats, session_tables, wording
from core.services.clinic.sessions import SessionDetail, SessionRow
from core.settings import MEASURE_UNITS, PREDICTIONS

ACROSS = 4


def tab(detail: SessionDetail) -> None:
    """Everything about the measures of one session, and whether they can be trusted."""
    row = detail.row
    predictions(row)
    markers(row)
    if not row.measures:
        components.empty("No measure is stored for this session.")
    beats(detail)
    if detail.warnings:
        st.markdown("##### Warnings")
        for notice in detail.warnings:
            st.text(f"{formats.visible(wording.on_screen(notice.text), 300)} [{notice.code}]")
    st.markdown("##### Can it be trusted?")
    trust(detail)
    with st.container(horizontal=True):
        components.export_button(
            session_tables.sessions_table([row], list(row.measures)), kind="session", subject=row.session,
            key="session", label="Export measures as CSV",
        )  # fmt: skip


def reasons_in_words(row: SessionRow) -> str:
    """Why a session is graded as it is, a sentence each."""
    return "".join(f" {wording.REASONS.get(r, r).rstrip('.')}." for r in row.reasons)


def predictions(row: SessionRow) -> None:
    """The indices, and the state that they make together."""
    names = [m for m in PREDICTIONS if m in row.measures]
    if not names:
        return
    st.markdown("##### Predictions")
    tiles(row, names, max(len(names), 3))
    words = "not computed for imported values" if row.imported else formats.state(row.state)
    st.caption(f"State: {formats.in_label(words)}. {wording.INDEX_MEANS}")


def markers(row: SessionRow) -> None:
    """Markers with a value as tiles; the others by the reason why they have none."""
    names = [m for m in MEASURE_UNITS if m in row.measures and m not in PREDICTIONS]
    computed = [m for m in names if row.measures[m].value is not None]
    if computed:
        st.markdown("##### Markers")
        for start in range(0, len(computed), ACROSS):
            tiles(row, computed[start : start + ACROSS], ACROSS)
    missing = [m for m in names if row.measures[m].value is None]
    if missing:
        st.markdown("##### Markers not computed")
        for reason in dict.fromkeys(row.measures[m].reason for m in missing):
            alike = ", ".join(formats.name(m) for m in missing if row.measures[m].reason == reason)
            st.text(f"{alike}: {formats.reason(reason).removeprefix('not computed: ')}")


def tiles(row: SessionRow, names: Sequence[str], across: int) -> None:
    """Measures side by side."""
    for column, name in zip(st.columns(across), names, strict=False):
        with column:
            session_tables.measure_tile(row.measures[name], name)


def beats(detail: SessionDetail) -> None:
    """Beats as counted, corrected and left out."""
    for type_, (channel, counted) in detail.beats.items():
        found = f"{counted.found:,} found, {counted.corrected:,} corrected, {counted.left_out:,} left out"
        text = f"{wording.BEAT_NAMES[type_]}: {found} ({formats.visible(channel, 32)})."
        st.caption(formats.in_label(text, 200), help=wording.BEATS_MEAN)


def trust(detail: SessionDetail) -> None:
    """The grade with its reasons, and the quality of each channel."""
    row = detail.row
    if row.imported:
        st.caption("These values were measured elsewhere and imported; there is no recording to judge.")
        return
    if not detail.quality.get("channels"):
        st.caption("No quality is stored for this session.")
        return
    grade = str(detail.quality.get("grade", row.grade or ""))
    why = "" if row.status == "abstained" else reasons_in_words(row)
    st.caption(
        formats.in_label(
            f"{wording.GRADES.get(grade, grade.capitalize())}. Usable share "
            f"{formats.share(detail.quality.get('usable_share'))} of {formats.seconds(detail.duration_s)}.{why}",
            600,
        )
    )
    components.table(
        session_tables.quality_table(detail.quality["channels"]),
        kind="quality",
        subject=row.session,
        key="quality",
        percent=("Usable",),
        digits={"Rate, Hz": 1, "Length, s": 1},
        columns={
            "Rate, Hz": "samples per second",
            "Length, s": "length in seconds",
            "Usable": "share 0-1 of usable windows",
        },
    )
