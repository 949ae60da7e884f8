"""Insights: what the rules found, and what was decided about it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from app.ui import banner, components, formats, insight_cards, model_notes, nav, state, wording
from core.errors import AffectlineError, Conflict, NotFound
from core.services.clinic import insights, patients, sessions
from core.services.clinic.insights import Card

OPEN = ("new", "seen")
VIEWS = ("Open", "Decided", "All")


def is_open(card: Card, now: datetime) -> bool:
    """Undecided, or its snooze has run out."""
    return card.state in OPEN or (
        card.state == "snoozed" and card.snoozed_until is not None and card.snoozed_until <= now
    )


def frame(cards: list[Card]) -> pd.DataFrame:
    """The queue as shown and exported."""
    zone = state.zone()
    return pd.DataFrame(
        [
            {
                "Patient": c.patient,
                "Kind": wording.KINDS.get(c.insight.kind, c.insight.kind),
                "Measure": " and ".join(formats.name(m) for m in c.insight.measure.split("-")),
                "State": wording.INSIGHT_STATES.get(c.state, c.state),
                "Weight": float(c.weight),
                "Severity": c.insight.severity,
                "Last held": formats.when(c.insight.period_end, zone),
                "Session": c.insight.last_session,
                "Text": formats.visible(c.insight.text, 400),
                "Value": float(c.insight.value),
                "Reference": float(c.insight.reference),
                "n": int(c.insight.n),
                "By chance per 20": float(c.insight.expected_by_chance),
                "Decision": c.reason or ("decided" if c.decided_at else "none yet"),
                "Preset": wording.PRESETS.get(c.insight.preset, c.insight.preset),
            }
            for c in cards
        ]
    )


def decide(card: Card, new_state: str, **more) -> None:
    """Store a decision, unless another window decided first; what stood on this screen no longer holds then."""
    now_stored = next((c for c in insights.of_patient(state.store(), card.patient) if c.id == card.id), None)
    if now_stored is not None and now_stored.state != card.state:
        said = wording.INSIGHT_STATES.get(now_stored.state, now_stored.state).lower()
        raise Conflict(
            "E-CONFLICT",
            f"another window changed this insight meanwhile; it is {said}.",
            card_name(card),
            "Reload to see it; nothing was overwritten.",
        )
    insights.decide(state.store(), card.id, new_state, now=state.now(), **more)
    st.session_state[state.LAST_DECIDED] = card.id
    state.flash(f"{wording.INSIGHT_STATES[new_state]}. Undo with the key U.")


def card_name(card: Card) -> str:
    """What a message calls an insight."""
    return f"{insight_cards.insight_title(card)} of {card.patient}"


def elsewhere(card: Card) -> None:
    """Say that another window decided on the card since this one last showed it."""
    shown = st.session_state.setdefault(state.SHOWN_STATES, {})
    before, shown[card.id] = shown.get(card.id), card.state
    if before in OPEN and card.state not in OPEN and st.session_state.get(state.LAST_DECIDED) != card.id:
        said = wording.INSIGHT_STATES.get(card.state, card.state).lower()
        at = formats.when(card.decided_at, state.zone())
        st.info(formats.in_label(f"Another window decided on this insight: {said}, {at}. Nothing was overwritten."))


@st.dialog("Dismiss")
def dismiss(card: Card, following: str | None) -> None:
    """A reason is always given; other needs words."""
    with st.form("dismiss", border=False):
        reason = st.radio("Reason", insights.DISMISS_REASONS)
        note = st.text_input("Note", max_chars=200, help="Needed with the reason other. Never leaves in an export.")
        if st.form_submit_button("Dismiss the insight", type="primary"):
            if reason == "other" and not note.strip():
                st.error("Say in a few words what the other reason is.")
                return
            try:
                decide(card, "dismissed", reason=reason or "", note=note.strip())
            except AffectlineError as error:
                components.show_error(error)
                return
            state.set_param(state.INSIGHT, following)
            st.rerun()


@st.dialog("Snooze")
def snooze(card: Card, following: str | None) -> None:
    """Out of sight until a day."""
    days = st.radio("Until", (7, 28, 90), format_func=lambda d: f"in {d} days", horizontal=True)
    if st.button("Snooze", type="primary", key="do_snooze"):
        try:
            decide(card, "snoozed", until=state.now() + timedelta(days=days or 7))
        except AffectlineError as error:
            components.show_error(error)
            return
        state.set_param(state.INSIGHT, following)
        st.rerun()


def buttons(card: Card, following: str | None, stored: bool) -> None:
    """The five actions with their keys."""
    store = state.store()
    undecided = card.state in OPEN or card.state == "snoozed"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="decisions"):
        if st.button("Acknowledge", shortcut="A", key="a", type="primary", disabled=not (stored and undecided)):
            decide(card, "acknowledged")
            state.set_param(state.INSIGHT, following)
            st.rerun()
        if st.button("Snooze", shortcut="S", key="s", disabled=not (stored and undecided)):
            snooze(card, following)
        if st.button("Dismiss", shortcut="X", key="x", disabled=not (stored and undecided)):
            dismiss(card, following)
        if st.button("Next", shortcut="N", key="n", disabled=following is None):
            state.set_param(state.INSIGHT, following)
            st.rerun()
        last = st.session_state.get(state.LAST_DECIDED) or (
            card.id if card.decided_at and card.state != "seen" else None
        )
        if st.button("Undo", shortcut="U", key="u", disabled=last is None) and last:
            undone = insights.undo(store, last, now=state.now())
            st.session_state.pop(state.LAST_DECIDED, None)
            state.set_param(state.INSIGHT, undone.id)
            state.flash("The last decision was taken back.")
            st.rerun()


def current(cards: list[Card], everything: list[Card], stored: bool) -> None:
    """The card of the URL, or the heaviest."""
    wanted = state.param(state.INSIGHT)
    card = next((c for c in everything if c.id == wanted), None)
    if wanted and card is None:
        st.warning(f"Insight {formats.in_label(wanted, 40)} is not in this list. The heaviest one is shown.")
    card = card or (cards[0] if cards else None)
    if card is None:
        return
    order = [c.id for c in cards if c.id != card.id or c is card]
    place = order.index(card.id) if card.id in order else -1
    following = order[(place + 1) % len(order)] if order and order != [card.id] else None
    if stored and card.state == "new":
        card = insights.decide(state.store(), card.id, "seen", now=state.now())
    rows = sessions.history(state.store(), card.patient)
    elsewhere(card)
    with st.container(border=True):
        insight_cards.insight_card(card, key="current", show_patient=True, links=False)
        st.caption(f"{wording.KINDS.get(card.insight.kind, card.insight.kind)}: "
                   f"{wording.KIND_MEANS.get(card.insight.kind, 'found by a rule')}.")  # fmt: skip
        buttons(card, following, stored)
        with st.container(horizontal=True):
            nav.link("session", f"Session {card.insight.last_session}", {state.SESSION: card.insight.last_session})
            nav.link("patient", f"Timeline of {card.patient}", {state.PATIENT: card.patient})
        baselines = patients.baselines(state.store(), card.patient)
        for name in card.insight.measure.split("-"):
            insight_cards.history_chart(rows, card, name, baselines.get(name), key=f"insight-{name}")
        model = next((r.model for r in rows if r.session == card.insight.last_session), None)
        if card.insight.model and model:
            model_notes.model_note(model, key="insight")
        if card.history:
            with st.expander("History of this card"):
                for at, what, who in card.history:
                    st.text(f"{formats.when(at, state.zone())}  {formats.visible(what)}  {formats.visible(who)}")


def health() -> None:
    """How often each rule fired and was dismissed."""
    rows = insights.rule_health(state.store())
    st.subheader("Rule health")
    if not rows:
        st.caption("No rule has found anything yet.")
        return
    table = pd.DataFrame(
        [
            {
                "Kind": wording.KINDS.get(r["kind"], r["kind"]),
                "Found": r["fired"],
                "Acknowledged": r["acknowledged"],
                "Dismissed": r["dismissed"],
                "Share dismissed": formats.share(r["share_dismissed"]) if r["fired"] else "none found",
                "Reasons": ", ".join(f"{k} {v}" for k, v in dict(r["reasons"]).items()) or "none",
                "Look at": "over half dismissed" if r.get("flagged") else "nothing",
            }
            for r in rows
        ]
    )
    components.table(table, kind="rule-health", subject="cohort", key="health")


with components.page("insights"):
    store = state.store()
    now = state.now()
    wanted = state.param(state.PATIENT)
    if wanted is not None:
        patient = banner.patient_of_url(store)
    known = [p.pseudonym for p in patients.find(store)]
    if not known:
        components.empty(
            "**No patients yet**, so there is nothing the rules could have found.",
            ("worklist", "Worklist"),
            ("new-recording", "New recording"),
        )
        components.halt()

    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Patient", known, index=known.index(wanted) if wanted else None, placeholder="All patients", width=220
        )
        if chosen != wanted:
            state.set_param(state.PATIENT, chosen)
            state.set_param(state.INSIGHT, None)
            st.rerun()
        view = (
            st.segmented_control(
                "Show",
                VIEWS,
                default="Open",
                required=True,
                disabled=chosen is None,
                # the card of the other list would stand beside this one
                on_change=state.set_param,
                args=(state.INSIGHT, None),
            )
            or "Open"
        )
        preset = state.choice("Rules", state.PRESET, wording.PRESETS, "default", disabled=chosen is None)
    if chosen is None:
        everything = insights.open_cards(store, now=now)
        cards = everything
        preset = "default"
        st.caption(
            "Open insights of all patients, heaviest first. Choose a patient to see decided ones or other rules."
        )
    else:
        everything = sorted(insights.of_patient(store, chosen, preset=preset), key=lambda c: (-c.weight, c.id))
        cards = [c for c in everything if view == "All" or (is_open(c, now) == (view == "Open"))]
        st.caption(f"{wording.PRESETS[preset]} rules: {wording.PRESET_MEANS[preset]}.")
    stored = preset == "default"
    if not stored:
        st.info("This is what the published rules would say. It is computed for reading and cannot be decided on.")
    if not cards and not state.param(state.INSIGHT):
        what = "open" if view == "Open" else "here"
        components.empty(f"**Nothing {what}.** As of {formats.when(now, state.zone())}.", ("worklist", "Worklist"))
        last = st.session_state.get(state.LAST_DECIDED)
        if last and st.button("Undo", shortcut="U", key="u_empty"):
            try:
                insights.undo(store, last, now=now)
            except NotFound as error:
                components.show_error(error)
            else:
                st.session_state.pop(state.LAST_DECIDED, None)
                st.rerun()
    else:
        left, right = st.columns([1.1, 1.3], gap="medium")
        with left:
            shown = frame(cards)
            if cards:
                brief = shown[[*(() if chosen else ("Patient",)), "Kind", "Measure", "Weight", "State"]]
                event = st.dataframe(
                    brief,
                    hide_index=True,
                    on_select="rerun",
                    selection_mode="single-row",
                    column_config=components.column_config(brief),
                    key="queue",
                    height="content" if len(brief) <= 15 else 560,
                    alt=formats.counted(len(cards), "insight"),
                )
                picked = event.selection.rows
                if picked and picked[0] < len(cards) and st.session_state.get("queue_row") != cards[picked[0]].id:
                    st.session_state["queue_row"] = cards[picked[0]].id
                    state.set_param(state.INSIGHT, cards[picked[0]].id)
                with st.container(horizontal=True, key="tools-queue"):
                    st.caption(
                        formats.counted(len(cards), "insight"),
                        width="content",
                        help="Weight: effect in own SD x quality x novelty. The heaviest stands first.",
                    )
                    components.export_button(
                        shown,
                        kind="insights",
                        subject=chosen or "cohort",
                        key="queue",
                        filters={"show": view, "preset": preset},
                    )
        with right:
            current(cards, everything, stored)
    health()
