"""Patient: the life chart of one person, the affect plane, and what the rules found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.ui import banner, charts, components, formats, insight_cards, nav, palette, session_tables, state, wording
from core.errors import AffectlineError
from core.services.clinic import insights, patients, sessions
from core.services.clinic.insights import Card
from core.services.clinic.patients import Baseline, Event, Patient, SelfReport
from core.services.clinic.sessions import SessionRow
from core.settings import BASELINE_SESSIONS, MEASURE_UNITS, PREDICTIONS

if TYPE_CHECKING:
    from core.insights.reliable import Change

RANGES = {"30d": 30, "90d": 90, "1y": 366, "all": None}
RANGE_NAMES = {"30d": "30 days", "90d": "90 days", "1y": "1 year", "all": "All"}
FIRST_LANES = ("valence", "arousal", "dominance")
FIRST_MARKERS = ("heart_rate", "rmssd")
MAX_CARDS = 12
OPEN = ("new", "seen")


def is_open(card: Card) -> bool:
    """Undecided, or its snooze has run out."""
    return card.state in OPEN or (
        card.state == "snoozed" and card.snoozed_until is not None and card.snoozed_until <= state.now()
    )


def at_noon(day) -> datetime:
    """A day of the site's zone as an aware time."""
    return datetime.combine(day, time(12), tzinfo=state.zone())


@st.dialog("Add to the life chart")
def add_event(patient: str) -> None:
    """A treatment, a change or a life event."""
    store = state.store()
    with st.form("event", border=False):
        kind = st.selectbox("Kind", list(wording.EVENT_KINDS), format_func=wording.EVENT_KINDS.__getitem__)
        text = st.text_input("What", max_chars=80, help="No names. Free text never leaves in an export.")
        start = st.date_input("From", value="today", format="YYYY-MM-DD")
        end = st.date_input("Until, if it has an end", value=None, format="YYYY-MM-DD")
        impact = st.selectbox("Impact, -4 to +4", range(-4, 5), index=None, placeholder="not rated")
        if st.form_submit_button("Add", type="primary"):
            try:
                if not text.strip():
                    st.error("Say what it is, in a few words.")
                    return
                patients.add_event(
                    store,
                    patient,
                    kind,
                    text.strip(),
                    at_noon(start),
                    ended_at=at_noon(end) if end else None,
                    impact=impact,
                    now=state.now(),
                )
            except AffectlineError as error:
                components.show_error(error)
            else:
                state.flash(f"{wording.EVENT_KINDS[kind]} added. It can be taken back below the chart.")
                st.rerun()


@st.dialog("Add a self-report")
def add_self_report(patient: str) -> None:
    """The score of an instrument that the person filled in."""
    store = state.store()
    instrument = st.selectbox("Instrument", list(patients.INSTRUMENTS))
    lowest, highest = patients.INSTRUMENTS[instrument]
    with st.form("self_report", border=False):
        score = st.number_input(f"Score, {lowest:g} to {highest:g}", lowest, highest, value=None, step=1)
        day = st.date_input("Date", value="today", format="YYYY-MM-DD")
        if st.form_submit_button("Add", type="primary"):
            if score is None:
                st.error(f"Enter a score of {lowest:g} to {highest:g}.")
                return
            try:
                patients.add_self_report(store, patient, instrument, float(score), at_noon(day), now=state.now())
            except AffectlineError as error:
                components.show_error(error)
            else:
                state.flash(f"{instrument} {score:g} added.")
                st.rerun()


@st.dialog("Set the baseline", width="large")
def set_baseline(patient: str, rows: Sequence[SessionRow]) -> None:
    """Choose sessions and a reason; see first which insights would change."""
    store = state.store()
    zone = state.zone()
    usable = [r for r in rows if not r.low_quality and r.status == "ok"]
    if len(usable) < 2:
        st.text("A baseline needs at least 2 accepted sessions; there are not enough yet.")
        return
    st.caption(
        "The sessions chosen become the person's own reference, from now on, under your name. Insights of the default "
        "preset are made anew; those you have decided on are kept. It can be undone."
    )
    names = {r.session: f"{r.session.rsplit('/', 1)[-1]}, {formats.day(r.started_at, zone)}" for r in usable}
    chosen = st.multiselect("Sessions", list(names), default=list(names)[:10], format_func=names.__getitem__)
    why = st.text_input("Reason", max_chars=200, placeholder="such as: the ten sessions before treatment")
    if len(chosen) < 2:
        st.caption("Choose at least 2 sessions.")
        return
    kept, gone, new = patients.preview_baseline(store, patient, chosen)
    st.text(f"Open insights with this baseline: {kept} kept, {gone} gone, {new} new.")
    if st.button("Set baseline", type="primary", disabled=not why.strip(), key="do_set_baseline"):
        try:
            patients.set_baseline(store, patient, chosen, why.strip(), now=state.now())
        except AffectlineError as error:
            components.show_error(error)
        else:
            state.flash(f"Baseline set from {len(chosen)} sessions. Undo is under Baseline.")
            st.rerun()
    if not why.strip():
        st.caption("A reason is required.")


def actions(patient: Patient, rows: Sequence[SessionRow]) -> None:
    """What can be done on this page."""
    store = state.store()
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Add event", key="add_event"):
            add_event(patient.pseudonym)
        if st.button("Add self-report", key="add_self_report"):
            add_self_report(patient.pseudonym)
        with st.popover("Baseline"):
            if st.button("Set baseline", key="set_baseline"):
                set_baseline(patient.pseudonym, rows)
            history = patients.baseline_history(store, patient.pseudonym)
            if not history:
                st.caption("No baseline was set; the own range comes from all accepted sessions.")
            else:
                seen = set()
                for b in history:
                    if (b.since, b.why) in seen:
                        continue
                    seen.add((b.since, b.why))
                    st.text(
                        f"{formats.when(b.since, state.zone())}, {b.who or 'local user'}, "
                        f"{len(b.sessions)} sessions: {formats.visible(b.why)}"
                    )
                if st.button("Undo the newest", key="undo_baseline"):
                    patients.undo_baseline(store, patient.pseudonym, now=state.now())
                    state.flash("The newest baseline was taken back.")
                    st.rerun()
        nav.link("new-recording", "New recording", {state.PATIENT: patient.pseudonym})


def life_chart(
    patient: Patient,
    rows: Sequence[SessionRow],
    lanes: Sequence[str],
    baselines: Mapping[str, Baseline],
    cards: Sequence[Card],
    events: Sequence[Event],
    reports: Sequence[SelfReport],
) -> None:
    """The lanes on one time axis; a chosen point opens its session."""
    zone = state.zone()
    made = charts.timeline(rows, lanes, baselines, cards, events, reports, zone=zone)
    choose = "Choose a marked point, or first a shorter range," if made.dense else "Choose a point"
    fewer = "" if made.n_drawn == len(rows) else f" {made.n_drawn:,} of them are drawn; the table has all."
    heaviest = f", the {charts.MAX_MARKS_DENSE} heaviest of each lane" if made.dense else ""
    event = components.chart(
        made.figure,
        key="timeline",
        title=f"Is {patient.pseudonym} within their own range?",
        caption=f"n = {formats.counted(len(rows), 'session')}, times in {zone.key}.{fewer} "
        "Line and band: own mean and range (95 %). ▲ above, ● within, ▼ below own range, "
        "hollow: low quality, ✕ not computed, ◇ insight "
        f"(T trend, A anomaly, P peak, S stability, C correlation{heaviest}). {choose} to open its session.",
        alt=f"Life chart of {patient.pseudonym}: {', '.join(formats.name(m) for m in lanes)} over "
        f"{len(rows)} sessions, with own range, events, self-reports and usable share.",
        make_table=lambda: session_tables.sessions_table(rows, lanes),
        kind="timeline",
        subject=patient.pseudonym,
        filters={"range": state.param(state.RANGE) or "all", "measures": list(lanes)},
        how="Values are read as they were stored by the analysis of each session; nothing is recomputed here. Vertical "
        "lines are 95 % intervals. Own range: prediction limits from the accepted sessions (usable share at least "
        "50 %), or from the sessions a clinician set. " + wording.INDEX_MEANS,
        on_select=True,
        percent=("usable_share",),
    )
    for point in event.selection.points:
        session = made.sessions.get(point["curve_number"], ())
        if point["point_index"] < len(session):
            nav.go("session", {state.SESSION: session[point["point_index"]]})


def plane(patient: Patient, rows: Sequence[SessionRow], baselines: Mapping[str, Baseline]) -> None:
    """The affect plane, or why there is none."""
    path = charts.affect_points(rows)
    if not path:
        st.markdown("##### Where on the affect plane?")
        st.caption("Not computed: valence and arousal need a model, and no session in this range has both.")
        return
    event = components.chart(
        charts.affect_plane(rows, baselines),
        key="plane",
        title="Where on the affect plane?",
        caption=f"Last {formats.counted(len(path), 'session')}, 1 oldest, ringed newest; "
        "size: dominance; dotted: own range.",
        alt="Affect plane: "
        + "; ".join(f"{i + 1}: valence {p[1]:.2f}, arousal {p[2]:.2f}" for i, p in enumerate(path)),
        make_table=lambda: session_tables.sessions_table([p[0] for p in path], FIRST_LANES),
        kind="affect-plane",
        subject=patient.pseudonym,
        how="Each point is a session's mean window probability of High valence and High arousal. Quadrants are cut at "
        "0.5: HAHV high arousal and high valence, HALV, LAHV, LALV. The ellipse spans the own ranges.",
        on_select=True,
        percent=("usable_share",),
    )
    for point in event.selection.points:
        if point.get("customdata"):
            found = point["customdata"]
            nav.go("session", {state.SESSION: found if isinstance(found, str) else found[0]})


def in_words(
    rows: Sequence[SessionRow], lanes: Sequence[str], baselines: Mapping[str, Baseline], changes: Mapping[str, Change]
) -> None:
    """The last session against the own range, and against the own variation between sessions, one line a measure."""
    newest = rows[-1]
    st.markdown("##### Last session against own range")
    found = []
    for name in lanes:
        m = newest.measures.get(name)
        b = baselines.get(name)
        where = formats.direction(m.value, b.low, b.high) if m and m.value is not None and b else None
        said = formats.value(m)
        if where and b and MEASURE_UNITS.get(name) == "index" and formats.whole_scale(b.low or 0.0, b.high or 0.0):
            against = "too wide to compare"
        elif where:
            against = palette.WORDS[where]
        elif m is None or m.value is None:
            said = said.replace("not computed", palette.WORDS["not computed"], 1)
            against = "nothing to compare"
        else:
            against = wording.learning(b.n, BASELINE_SESSIONS) if b else "no range yet"
        found.append(
            {
                "Measure": formats.name(name), "Value": said, "Own range": against,
                "Session to session": wording.session_to_session(changes.get(name)),
            }
        )  # fmt: skip
    table = pd.DataFrame(found)
    # a table of text wraps in its narrow column
    st.table(table, hide_index=True)
    st.caption(wording.SESSION_TO_SESSION)
    with st.container(horizontal=True, key="tools-table-last", vertical_alignment="center"):
        components.export_button(table, kind="last-session", subject=newest.session, key="last")
        nav.link("session", f"Open session {newest.session}", {state.SESSION: newest.session})


with components.page("patient"):
    store = state.store()
    patient = banner.patient_of_url(store)
    every = sessions.history(store, patient.pseudonym)
    baselines = patients.baselines(store, patient.pseudonym)
    cards = insights.of_patient(store, patient.pseudonym)
    banner.banner(patient, every, baselines, sum(is_open(c) for c in cards))
    if not every:
        components.empty("**No sessions yet** for this patient.", ("import-export", "Import measures"))
        nav.link("new-recording", "New recording", {state.PATIENT: patient.pseudonym})
        components.halt()
    sessions.mark_seen(store, patient.pseudonym, now=state.now())
    if len(every) == 1:
        st.info("First measurement, nothing to compare with yet.")

    present = [m for m in MEASURE_UNITS if any(m in r.measures for r in every)]
    markers = [m for m in present if m not in FIRST_LANES]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        span = state.choice("Range", state.RANGE, RANGE_NAMES, "all")
        computed = [m for m in markers if any(m in r.measures and r.measures[m].value is not None for r in every)]
        own = [m for m in computed if m in PREDICTIONS]
        usual = [m for m in FIRST_MARKERS if m in computed] or [m for m in computed if m not in own][:2]
        first = own + usual or markers[:1]
        chosen = (
            st.multiselect("More lanes", markers, default=first, format_func=formats.name, width=460) if markers else []
        )
    lanes = [m for m in FIRST_LANES if m in present] + list(chosen)
    days = RANGES[span]
    since = state.now() - timedelta(days=days) if days else None
    rows = [r for r in every if since is None or r.started_at >= since]
    events = patients.events(store, patient.pseudonym)
    reports = patients.self_reports(store, patient.pseudonym)
    actions(patient, every)
    if not rows:
        components.empty(
            f"**No sessions in this range.** The last one was {formats.age(every[-1].started_at, state.now())} "
            f"({formats.when(every[-1].started_at, state.zone())}). Choose a longer range."
        )
    else:
        in_range = [c for c in cards if since is None or c.insight.period_end >= since]
        left, right = st.columns([2, 1], gap="medium")
        with left:
            life_chart(
                patient,
                rows,
                lanes,
                baselines,
                in_range,
                [e for e in events if since is None or (e.ended_at or state.now()) >= since],
                [r for r in reports if since is None or r.reported_at >= since],
            )
        with right:
            plane(patient, rows, baselines)
            changes = patients.reliable_changes(store, patient.pseudonym, rows[-1].session)
            in_words(rows, lanes, baselines, changes)

        st.subheader("Insights in this range")
        undecided = [c for c in in_range if is_open(c)]
        others = len(in_range) - len(undecided)
        shown = sorted(undecided, key=lambda c: (-c.weight, c.id))[:MAX_CARDS]
        if not shown:
            st.caption(f"Nothing open. {others} decided before." if others else "No rule found anything in this range.")
        grid = st.columns(2, gap="medium")
        for i, card in enumerate(shown):
            with grid[i % 2], st.container(border=True):
                insight_cards.insight_card(card, key=f"card-{card.id}")
        if len(undecided) > len(shown) or others:
            st.caption(f"{len(undecided)} open, {others} decided; all of them are on the Insights page.")
            nav.link("insights", "All insights of this patient", {state.PATIENT: patient.pseudonym})
    if events:
        with st.expander("Events on the chart", key="events"):
            for event in events:
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.text(
                        f"{formats.day(event.started_at, state.zone())}  "
                        f"{wording.EVENT_KINDS.get(event.kind, event.kind)}: {formats.visible(event.text)}",
                        width="content",
                    )
                    if st.button("Take back", key=f"remove-{event.id}", type="tertiary"):
                        patients.remove_event(store, event.id, now=state.now())
                        state.flash("The event was taken back.")
                        st.rerun()
