"""Small repeated blocks of the pages: frame, banner, values, tables, charts, insight cards, exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.ui import charts, faults, formats, nav, state, wording
from core.errors import AffectlineError, NotFound
from core.services import exports, models, patients
from core.services.insights import Card
from core.services.patients import Baseline
from core.services.sessions import SessionRow
from core.settings import BASELINE_SESSIONS, MEASURE_UNITS, VERSION
from core.types import Measure, ModelInfo

STYLE = Path(__file__).with_name("style.css")
# the export service is the only way out, so the figure's own PNG button is off; ``figure_button`` takes its place
PLOT_CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["toImage", "lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    "scrollZoom": False,
}
NOT_COMPUTED = "not computed"


class Halt(Exception):
    """Ends a page early; the footer is drawn all the same."""


def halt() -> NoReturn:
    """End the page here."""
    raise Halt


# --- frame


def style() -> None:
    """Our layout rules."""
    st.html(STYLE)


def sidebar() -> None:
    """Find a patient and the help, by key from everywhere."""
    with st.sidebar:
        if st.button("Find patient", shortcut="F", key="find_patient", width="stretch"):
            _find_dialog()
        if st.button("Help", shortcut="H", key="open_help", width="stretch"):
            nav.go("help")


@st.dialog("Find patient")
def _find_dialog() -> None:
    try:
        known = [p.pseudonym for p in patients.find(state.store())]
    except AffectlineError as error:
        show_error(error)
        return
    if not known:
        st.text("No patients yet.")
        return
    chosen = st.selectbox("Patient", known, index=None, placeholder="Type an ID such as P-0042")
    if chosen:
        nav.go("patient", {state.PATIENT: chosen})


def footer() -> None:
    """Data as of, software version, and what this is not."""
    with st.container(key="footer"):
        st.divider()
        st.caption(
            f"Data as of {formats.when(state.now(), state.zone())} · {wording.PRODUCT} {VERSION} · {wording.FOOTER}"
        )


@contextmanager
def page(url_path: str) -> Iterator[None]:
    """Title and question of a page; errors of the core become text, once, here."""
    entry = nav.PAGES[url_path]
    st.title(entry.title)
    st.caption(entry.question)
    text = state.take_flash()
    if text:
        st.success(formats.in_label(text, 200))
    try:
        yield
    except Halt:
        return
    except AffectlineError as error:
        show_error(error)


def show_error(error: AffectlineError) -> None:
    """What - where - what to do - code."""
    st.error(formats.in_label(wording.on_screen(error.text), 600))


def script_error(error: Exception) -> bool:
    """An error that no page caught: a refusal in its words, anything else as a reference; Streamlit shows nothing."""
    if isinstance(error, AffectlineError):
        show_error(error)
    else:
        show_error(faults.unforeseen(error))
        st.caption(wording.AFTER_A_FAULT)
    return True


def problem(error: Mapping | None) -> str:
    """The stored refusal of a job as one line."""
    if not error:
        return "No reason was stored."
    what = " ".join(str(error[k]) for k in ("what",) if error.get(k))
    lead = f"{error['where']}: {what}" if error.get("where") else what
    said = " ".join(p for p in (lead, str(error.get("what_to_do") or ""), f"[{error.get('code', '')}]") if p)
    return wording.on_screen(said)


def empty(text: str, *links: tuple[str, str]) -> None:
    """Why there is nothing, and what to do about it: (page, label) of each way on."""
    with st.container(border=True):
        st.markdown(text)
        if links:
            with st.container(horizontal=True):
                for url_path, label in links:
                    nav.link(url_path, label)


# --- patient


def patient_of_url(store) -> patients.Patient:
    """The patient of the URL. An unknown one is said, never replaced by another; none offers a choice."""
    wanted = state.param(state.PATIENT)
    if wanted is None:
        _choose_patient(store)
        halt()
    try:
        return patients.get(store, wanted)
    except NotFound:
        st.error(
            f"Unknown patient {formats.in_label(wanted, 40)}. No other patient is shown in its place. "
            "Check the ID, or find the patient with the key F."
        )
        nav.link("worklist", "Open the worklist")
        halt()


def _choose_patient(store) -> None:
    known = [p.pseudonym for p in patients.find(store)]
    if not known:
        empty(
            "No patients yet. A patient is created with their first recording, or on the worklist.",
            ("worklist", "Worklist"),
            ("new-recording", "New recording"),
        )
        return
    chosen = st.selectbox("Patient", known, index=None, placeholder="Choose a patient", key="choose_patient")
    if chosen:
        state.set_param(state.PATIENT, chosen)
        st.rerun()
    st.caption("No patient is chosen.")


def baseline_state(baselines: Mapping[str, Baseline]) -> str:
    """learning 3 of 10 sessions, own range, or set by a clinician; the furthest of the measures."""
    if not baselines:
        return wording.learning(0, BASELINE_SESSIONS)
    kinds = {b.kind for b in baselines.values()}
    if "set" in kinds:
        chosen = next(b for b in baselines.values() if b.kind == "set")
        return f"set by {chosen.who or 'a clinician'}"
    if "own" in kinds:
        n = max(b.n for b in baselines.values() if b.kind == "own")
        return f"own range, {formats.counted(n, 'session')}"
    return wording.learning(max(b.n for b in baselines.values()), BASELINE_SESSIONS)


def banner(
    patient: patients.Patient,
    rows: Sequence[SessionRow],
    baselines: Mapping[str, Baseline],
    n_open: int,
) -> None:
    """The patient in one line: who, how much there is, how fresh, how sure."""
    zone = state.zone()
    last = rows[-1] if rows else None
    with st.container(border=True, horizontal=True, key="banner", vertical_alignment="center"):
        st.metric("Patient", patient.pseudonym, width="content")
        if patient.simulated:
            st.badge(wording.SIMULATED, color="orange", help=wording.SIMULATED_LONG)
        st.metric("Sessions", f"{len(rows):,}", width="content")
        if last:
            label = f"Last session, {formats.when(last.started_at, zone)}"
            st.metric(formats.in_label(label), formats.age(last.started_at, state.now()), width="content")
            share = wording.NO_RECORDING if last.imported else formats.share(last.usable_share)
        else:
            st.metric("Last session", "none yet", width="content")
            share = "none yet"
        st.metric("Baseline", baseline_state(baselines), width="content")
        st.metric("Last usable share", share, width="content")
        st.metric("Open insights", f"{n_open:,}", width="content")
        model = newest_model(rows)
        st.metric("Model", f"{model.name} {model.version}" if model else "none used", width="content")
    model_note(model)


def newest_model(rows: Sequence[SessionRow]) -> ModelInfo | None:
    """The model of the newest session that has one."""
    return next((r.model for r in reversed(rows) if r.model), None)


def model_note(model: ModelInfo | None, *, key: str = "banner") -> None:
    """The model's line beside its numbers, with its card; for a demonstration model the line that must stand there."""
    if model is None:
        return
    line = formats.in_label(wording.model_line(model), 300)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        if model.demonstration:
            said = wording.DEMONSTRATION[0].upper() + wording.DEMONSTRATION[1:]
            st.warning(f"{said}. {line}")
        else:
            st.caption(line, width="content")
        card = st.popover("Model card", type="tertiary", key=f"card-{key}", on_change="rerun")
        # only an open card is read: a page must show before any model is loaded
        if card.open:
            with card:
                model_card(model.name)


def models_note() -> None:
    """Where a list shows predictions of many sessions: every installed model with its figure."""
    for found in models.available(state.store()):
        if found["problem"]:
            continue
        info = ModelInfo(
            found["name"], found["version"], found["basis"], found["balanced_accuracy"], found["demonstration"]
        )
        said = f" {wording.DEMONSTRATION[0].upper()}{wording.DEMONSTRATION[1:]}." if info.demonstration else ""
        st.caption(formats.in_label(wording.model_line(info) + said, 400))


def model_card(name: str) -> None:
    """The card of a bundle as it is stored."""
    try:
        card = models.card(state.store(), name)
    except AffectlineError as error:
        show_error(error)
        return
    st.json(_plain(card), expanded=1)


def _plain(value: Any) -> Any:
    """JSON without empty values, which a screen would show as null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return formats.NOT_KNOWN if value is None or value != value else value


def json_block(value: Any, *, expanded: bool | int = True) -> None:
    """A nested value of ours for reading."""
    st.json(_plain(value), expanded=expanded)


def reading_words(reading: Mapping[str, Any], titles: Mapping[str, str]) -> list[dict[str, str]]:
    """How files were read beyond what they say themselves, a line for each thing a person said."""
    found = []
    if reading.get("sfreq"):
        found.append(("Sampling rate stated", f"{reading['sfreq']:g} Hz"))
    for name, said in (reading.get("mapping") or {}).items():
        words = [wording.CHANNEL_TYPES.get(said.get("type", ""), said.get("type", "")), said.get("unit", "")]
        found.append((f"{formats.visible(name)} read as", ", ".join(w for w in words if w)))
    for label, seconds in (reading.get("offsets") or {}).items():
        found.append((f"Clock of {formats.visible(label)} moved by", f"{seconds:+g} s"))
    for name, names in (reading.get("repairs") or {}).items():
        of = "the files" if name == "*" else formats.visible(name)
        found.append((f"Repair of {of}", ", ".join(titles.get(r, r) for r in names)))
    if reading.get("bad"):
        found.append(("Channels left out by a person", ", ".join(formats.visible(n) for n in reading["bad"])))
    for onset, length, text in reading.get("marks") or ():
        at = f"{formats.clock(onset)} for {length:g} s"
        found.append((f"Stretch marked {formats.visible(text, 32)}", at))
    if reading.get("ocular"):
        parts = ", ".join(str(c) for c in reading["ocular"])
        found.append(("Components of the eyes taken out", "those that follow the EOG" if parts == "auto" else parts))
    return [{"What": what, "Value": value} for what, value in found]


# --- values


def measure_tile(measure: Measure | None, name: str, *, help: str | None = None) -> None:
    """One measure as a tile: value with interval, or the reason in words."""
    computed = measure is not None and measure.value is not None
    with st.container(border=True):
        if computed and measure is not None:
            label = measure.label
            # the unit stands below: with it the value would be cut off
            st.metric(formats.name(name), formats.value(measure, unit=False), help=help)
            unit = "index 0-1" if measure.unit == "index" else measure.unit
            between = ", 95 % interval" if measure.low is not None and measure.high is not None else ", no interval"
            st.caption(f"{unit}{between}{f' · {label}' if label else ''}")
        else:
            st.metric(formats.name(name), NOT_COMPUTED, help=help)
            st.caption(formats.value(measure).removeprefix("not computed: "))


def quality_table(channels: Sequence[Mapping]) -> pd.DataFrame:
    """One row per channel, as shown and as exported."""
    return pd.DataFrame(
        [
            {
                "Channel": formats.visible(c["name"]),
                "Type": wording.CHANNEL_TYPES.get(c["type"], c["type"]),
                "Unit": c.get("unit") or formats.NOT_KNOWN,
                "Rate, Hz": float(c["sfreq"]),
                "Length, s": float(c["duration_s"]),
                "Usable": c.get("usable_share"),
                "Flags": ", ".join(wording.flag(f) for f in c.get("flags", ())) or "none",
            }
            for c in channels
        ],
        columns=["Channel", "Type", "Unit", "Rate, Hz", "Length, s", "Usable", "Flags"],
    )


# --- tables, charts, exports


def safe_name(text: str) -> str:
    """A part of a download's name: small letters, digits, - and _."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-") or "cohort"


def export_button(
    make: pd.DataFrame | Callable[[], pd.DataFrame],
    *,
    kind: str,
    subject: str = "cohort",
    key: str,
    filters: Mapping | None = None,
    columns: Mapping[str, str] | None = None,
    label: str = "Export CSV",
) -> None:
    """Export exactly the table shown; the file is made on click, by the export service."""
    store = state.store()

    def data() -> bytes:
        frame = make if isinstance(make, pd.DataFrame) else make()
        made = exports.export_view(
            store, kind, frame, subject, now=state.now(), filters=dict(filters or {}), columns=dict(columns or {})
        )
        return made.zip()

    st.download_button(
        label,
        data=data,
        file_name=f"{safe_name(kind)}_{safe_name(subject)}.zip",
        mime="application/zip",
        key=f"export-{key}",
        on_click="ignore",
        help="A zip of the CSV, its data dictionary and a manifest. Same rows and order as on screen.",
    )


def figure_button(
    figure: go.Figure, title: str, caption: str, *, kind: str, subject: str, key: str, filters: Mapping | None = None
) -> None:
    """Export a figure as drawn, as PNG and SVG; it is drawn on click, by the server."""
    store = state.store()

    def data() -> bytes:
        from app.ui.charts import picture

        heading, said = formats.of_label(title), formats.of_label(caption)
        drawn = picture.files(figure, heading, said)
        made = exports.export_figure(
            store, kind, drawn, subject, said or heading, now=state.now(), filters=dict(filters or {})
        )
        return made.zip()

    st.download_button(
        "Export figure",
        data=data,
        file_name=f"{safe_name(kind)}_{safe_name(subject)}_figure.zip",
        mime="application/zip",
        key=f"figure-{key}",
        on_click="ignore",
        help="A zip of the figure as PNG and SVG, with its caption and a manifest.",
    )


def column_config(frame: pd.DataFrame, percent: Sequence[str] = (), digits: Mapping[str, int] | None = None) -> dict:
    """Times with their offset, shares as per cent, numbers with fixed digits."""
    config: dict = {}
    for column in frame.columns:
        name = str(column)
        label = name.replace("_", " ").capitalize() if name.islower() and len(name) > 1 else name
        if isinstance(frame[column].dtype, pd.DatetimeTZDtype):
            config[name] = st.column_config.DatetimeColumn(
                label, format="D MMM YYYY HH:mm ([UTC]Z)", timezone=state.zone().key
            )
        elif name in percent:
            config[name] = st.column_config.NumberColumn(label, format="percent", step=0.01)
        elif pd.api.types.is_float_dtype(frame[column]):
            config[name] = st.column_config.NumberColumn(label, format=f"%.{(digits or {}).get(name, 2)}f")
        elif label != name:
            config[name] = st.column_config.Column(label)
    return config


def table(
    frame: pd.DataFrame,
    *,
    kind: str,
    subject: str,
    key: str,
    percent: Sequence[str] = (),
    digits: Mapping[str, int] | None = None,
    config: Mapping | None = None,
    placeholder: str = NOT_COMPUTED,
    filters: Mapping | None = None,
    columns: Mapping[str, str] | None = None,
    select: bool = False,
    alt: str | None = None,
    height: int | None = None,
):
    """A table with its export button; with ``select`` it returns the index of the chosen row or None."""
    options: dict[str, Any] = {}
    if select:
        options = {"on_select": "rerun", "selection_mode": "single-row"}
    options["height"] = height or ("content" if len(frame) <= 40 else 640)
    event = st.dataframe(
        frame,
        hide_index=True,
        column_config=column_config(frame, percent, digits) | dict(config or {}),
        placeholder=placeholder,
        key=f"table-{key}",
        alt=alt,
        **options,
    )
    with st.container(horizontal=True, key=f"tools-table-{key}"):
        export_button(frame, kind=kind, subject=subject, key=f"table-{key}", filters=filters, columns=columns)
    if not select:
        return None
    rows = event.selection.rows
    return rows[0] if rows else None


def chart(
    figure: go.Figure,
    *,
    key: str,
    title: str,
    caption: str,
    alt: str,
    make_table: Callable[[], pd.DataFrame],
    kind: str,
    subject: str,
    how: str,
    on_select: bool = False,
    selection_mode: Any = "points",
    percent: Sequence[str] = (),
    digits: Mapping[str, int] | None = None,
    filters: Mapping | None = None,
    twin: bool = False,
):
    """A figure with title, unit, n and zone, its twin as a table, how it was computed, and its export.

    With ``twin`` the table is open from the start.
    """
    if title:
        st.markdown(f"##### {title}")
    if caption:
        st.caption(caption)
    options = {"on_select": "rerun", "selection_mode": selection_mode} if on_select else {}
    event = st.plotly_chart(figure, key=f"chart-{key}", config=PLOT_CONFIG, alt=alt, **options)
    with st.container(horizontal=True, key=f"tools-{key}", vertical_alignment="center"):
        as_table = st.toggle("Show as table", value=twin, key=f"twin-{key}")
        with st.popover("How computed", type="tertiary"):
            st.markdown(how)
        export_button(make_table, kind=kind, subject=subject, key=f"chart-{key}", filters=filters)
        figure_button(figure, title, caption, kind=kind, subject=subject, key=key, filters=filters)
    if as_table:
        frame = make_table()
        st.dataframe(
            frame,
            hide_index=True,
            column_config=column_config(frame, percent, digits),
            placeholder=NOT_COMPUTED,
            key=f"twin-table-{key}",
            height="content" if len(frame) <= 12 else 420,
        )
    return event if on_select else None


def sessions_table(rows: Sequence[SessionRow], measures: Sequence[str]) -> pd.DataFrame:
    """Sessions by measure in long form: the table twin of the timeline."""
    zone = state.zone()
    found = [
        {
            "session": r.session,
            "started_at": pd.Timestamp(r.started_at).tz_convert(zone.key),
            "measure": formats.name(name),
            "unit": MEASURE_UNITS.get(name, formats.NOT_KNOWN),
            "value": m.value if m else None,
            "low": m.low if m else None,
            "high": m.high if m else None,
            "reason": "computed" if m and m.value is not None else formats.value(m).removeprefix("not computed: "),
            "usable_share": r.usable_share,
            "low_quality": "yes" if r.low_quality else "no",
            "status": r.status,
            "model": r.model.name if r.model else "none",
            "model_version": r.model.version if r.model else "none",
        }
        for r in rows
        for name in measures
        for m in (r.measures.get(name),)
    ]
    frame = pd.DataFrame(
        found,
        columns=[
            "session", "started_at", "measure", "unit", "value", "low", "high", "reason", "usable_share",
            "low_quality", "status", "model", "model_version",
        ],
    )  # fmt: skip
    return frame.astype({"value": float, "low": float, "high": float, "usable_share": float})


# --- insights


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
    chart(
        charts.history(rows, card, name, baseline, state.zone()),
        key=key,
        title="",
        caption=f"{formats.name(name)} of {card.patient}, the session of the insight ringed; {state.zone().key}",
        alt=f"{formats.name(name)} over the last sessions of {card.patient}. {card.insight.text}",
        make_table=lambda: sessions_table(rows, [name]),
        kind="insight-history",
        subject=card.patient,
        how="The stored values of the sessions, with 95 % intervals; the band is the person's own range in force now. "
        "The shaded time is the period the rule looked at.",
        percent=("usable_share",),
    )
