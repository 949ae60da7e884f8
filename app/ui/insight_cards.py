"""An insight as a card: what was found, what chance alone would give, and the way to the evidence."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.ui import charts, components, formats, nav, session_tables, state, wording
from core.services.clinic.insights import Card
from core.services.clinic.patients import Baseline
from core.services.clinic.sessions import SessionRow
from core.settings import MEASURE_UNITS


def insight_title(card: Card) -> str:
    """Kind and measure of a card."""
    kind = wording.KINDS.get(card.insight.kind, card.insight.kind.capitalize())
    measures = " and ".join(formats.name(m) for m in card.insight.measure.split("-"))
    return f"{kind} · {measures}"


def insight_facts(card: Card) -> str:
    """What was measured, what it was compared with, n, rule and preset, in one line."""
    i = card.insight
    value_is, limits_are = wording.INSIGHT_NUMBERS.get(i.kind, ("value", "limits"))
    # an SD and a coefficient are no values of the measure, so its digits do not fit them
    own = i.kind in ("ANOMALY", "PEAK", "TREND") and i.measure in MEASURE_UNITS
    digits = formats.DIGITS.get(MEASURE_UNITS[i.measure], 2) if own else 2
    facts = [f"{value_is} {i.value:.{digits}f}"]
    if i.low is not None and i.high is not None:
        facts.append(f"{limits_are} {formats.span(i.low, i.high, digits)}")
    facts += [f"reference {i.reference:.{digits}f}", f"n {i.n}", f"rule {i.rule}"]
    facts.append(f"preset {wording.PRESETS.get(i.preset, i.preset).lower()}")
    if i.q is not None:
        facts.append(f"q {formats.probability(i.q)}")
    elif i.p is not None:
        facts.append(f"p {formats.probability(i.p)}")
    if i.model:
        facts.append(f"model {i.model}")
    return " · ".join(facts)


def period(card: Card) -> str:
    """The days a rule looked at."""
    first, last = (formats.day(t, state.zone()) for t in (card.insight.period_start, card.insight.period_end))
    return f"On {first}." if first == last else f"Period {first} to {last}."


def insight_card(card: Card, *, key: str, show_patient: bool = False, links: bool = True) -> None:
    """One card: what was found, the number, what chance alone would give, and the way to the evidence."""
    zone = state.zone()
    i = card.insight
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{formats.in_label(insight_title(card))}**", width="content")
        st.badge(wording.INSIGHT_STATES.get(card.state, card.state), color="blue" if card.state == "new" else "gray")
        st.badge(f"severity {i.severity}", color="gray")
        if show_patient:
            st.badge(card.patient, color="gray")
    st.markdown(formats.in_label(i.text, 400))
    st.caption(formats.in_label(insight_facts(card), 300))
    st.caption(
        formats.in_label(
            f"{wording.expected_by_chance(i.expected_by_chance)} {period(card)}",
            300,
        )
    )
    if card.decided_at and card.state != "seen":
        decided = f"{wording.INSIGHT_STATES.get(card.state, card.state)} on {formats.when(card.decided_at, zone)}"
        if card.reason:
            decided += f", reason: {card.reason}"
        if card.snoozed_until:
            decided += f", until {formats.day(card.snoozed_until, zone)}"
        st.caption(formats.in_label(decided, 200))
    if links:
        with st.container(horizontal=True):
            nav.link("session", f"Session {i.last_session}", {state.SESSION: i.last_session})
            nav.link("insights", "Decide", {state.INSIGHT: card.id, state.PATIENT: card.patient})
            if show_patient:
                nav.link("patient", f"Timeline of {card.patient}", {state.PATIENT: card.patient})


def history_chart(rows: Sequence[SessionRow], card: Card, name: str, baseline: Baseline | None, *, key: str) -> None:
    """The small chart of a card with its twin and export."""
    components.chart(
        charts.history(rows, card, name, baseline, state.zone()),
        key=key,
        title="",
        caption=f"{formats.name(name)} of {card.patient}, the session of the insight ringed; {state.zone().key}",
        alt=f"{formats.name(name)} over the last sessions of {card.patient}. {card.insight.text}",
        make_table=lambda: session_tables.sessions_table(rows, [name]),
        kind="insight-history",
        subject=card.patient,
        how="The stored values of the sessions, with 95 % intervals; the band is the person's own range in force now. "
        "The shaded time is the period the rule looked at.",
        percent=("usable_share",),
    )
