"""Session: the measures of one visit, its signals page by page, its windows, and where it all came from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.ui import charts, components, formats, nav, state, wording
from core.errors import AffectlineError, NotFound
from core.services import insights, patients, sessions
from core.services.sessions import SessionDetail, SessionRow, WindowSeries
from core.settings import MEASURE_UNITS, PREDICTIONS

PAGE_LENGTHS = (5, 10, 15, 20, 30, 60)
TABS = ("Overview", "Signals", "Windows", "Provenance")
FEW_CHANNELS = 8
# marks of a page that are listed below it
MAX_MARKS = 12
GAINS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def session_of_url(store) -> SessionDetail:
    """The session of the URL. An unknown one is said, never replaced by another."""
    wanted = state.param(state.SESSION)
    if wanted is None:
        components.empty(
            "No session is chosen. Open one from a patient's timeline.",
            ("worklist", "Worklist"),
            ("patient", "Patient"),
        )
        components.halt()
    try:
        return sessions.get(store, wanted)
    except NotFound as error:
        components.show_error(error)
        st.caption(f"Session {formats.in_label(wanted, 60)} cannot be shown, and no other is shown in its place.")
        nav.link("worklist", "Open the worklist")
        components.halt()


# --- change


@st.dialog("Move to another patient")
def move(session: str, patient: str) -> None:
    """Wrong patient: both histories are made anew and keep the trace."""
    store = state.store()
    others = [p.pseudonym for p in patients.find(store) if p.pseudonym != patient]
    st.text(f"{session} now belongs to {patient}.")
    if not others:
        st.text("There is no other patient. Create one on the worklist first.")
        return
    target = st.selectbox("Move to", others, index=None, placeholder="Choose a patient")
    why = st.text_input("Reason", max_chars=200)
    st.caption("The insights of both patients are made anew. Both histories keep a trace of the move.")
    if st.button("Move session", type="primary", disabled=not (target and why.strip()), key="do_move") and target:
        try:
            made = sessions.move(store, session, target, why.strip(), now=state.now())
        except AffectlineError as error:
            components.show_error(error)
        else:
            state.flash(f"{session} was moved; it is now {made}.")
            nav.go("session", {state.SESSION: made})


@st.dialog("Delete session")
def delete(session: str, n_windows: int, n_insights: int) -> None:
    """Say what goes with it, then hide it for 30 days."""
    name = session.rsplit("/", 1)[-1]
    st.text(
        f"Session {name} with {n_windows:,} window{'' if n_windows == 1 else 's'} and {n_insights:,} "
        f"insight{'' if n_insights == 1 else 's'} will be hidden. It can be restored for 30 days."
    )
    if st.button("Delete session", type="primary", key="do_delete"):
        try:
            sessions.delete(state.store(), session, now=state.now())
        except AffectlineError as error:
            components.show_error(error)
        else:
            state.flash(f"Session {session} was deleted. It can be restored here for 30 days.")
            st.rerun()


def actions(detail: SessionDetail) -> None:
    """Back to the timeline, move, delete, restore."""
    row = detail.row
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f"{row.session}, {formats.when(row.started_at, state.zone())}", width="content")
        st.badge(
            wording.STATUS_SHORT["imported" if row.imported else row.status],
            color="gray" if row.status == "ok" else "orange",
        )
        if row.low_quality:
            st.badge("low quality", color="orange", help="Left out of baselines.")
        if detail.moved_from:
            st.badge(f"moved here from {formats.in_label(detail.moved_from)}", color="gray")
        st.space("stretch")
        nav.link("patient", f"Timeline of {row.patient}", {state.PATIENT: row.patient})
        if row.deleted_at is None:
            if st.button("Move to another patient", key="move"):
                move(row.session, row.patient)
            if st.button("Delete", key="delete"):
                delete(row.session, row.n_windows, detail.n_insights)


# --- overview


def reasons_of(row: SessionRow) -> list[str]:
    """Why a session is graded as it is, in words."""
    return [wording.REASONS.get(r, r).rstrip(".") for r in row.reasons]


def overview_tab(detail: SessionDetail) -> None:
    """What was computed with its interval, what was not and why, and the quality of each channel."""
    row = detail.row
    predictions = [m for m in PREDICTIONS if m in row.measures]
    if predictions:
        st.markdown("##### Predictions")
        columns = st.columns(max(len(predictions), 3))
        for column, name in zip(columns, predictions, strict=False):
            with column:
                components.measure_tile(row.measures[name], name)
        words = "not computed for imported values" if row.imported else formats.state(row.state)
        st.caption(f"State: {formats.in_label(words)}. {wording.INDEX_MEANS}")
    markers = [m for m in MEASURE_UNITS if m in row.measures and m not in PREDICTIONS]
    computed = [m for m in markers if row.measures[m].value is not None]
    if computed:
        st.markdown("##### Markers")
        for start in range(0, len(computed), 4):
            columns = st.columns(4)
            for column, name in zip(columns, computed[start : start + 4], strict=False):
                with column:
                    components.measure_tile(row.measures[name], name)
    missing = [m for m in markers if row.measures[m].value is None]
    if missing:
        st.markdown("##### Markers not computed")
        reasons = dict.fromkeys(row.measures[m].reason for m in missing)
        for reason in reasons:
            names = ", ".join(formats.name(m) for m in missing if row.measures[m].reason == reason)
            st.text(f"{names}: {formats.reason(reason).removeprefix('not computed: ')}")
    if not row.measures:
        components.empty("No measure is stored for this session.")

    if detail.warnings:
        st.markdown("##### Warnings")
        for notice in detail.warnings:
            st.text(f"{formats.visible(wording.on_screen(notice.text), 300)} [{notice.code}]")

    st.markdown("##### Can it be trusted?")
    if row.imported:
        st.caption("These values were measured elsewhere and imported; there is no recording to judge.")
    elif detail.quality.get("channels"):
        grade = str(detail.quality.get("grade", row.grade or ""))
        why = "" if row.status == "abstained" else "".join(f" {r}." for r in reasons_of(row))
        st.caption(
            formats.in_label(
                f"{wording.GRADES.get(grade, grade.capitalize())}. Usable share "
                f"{formats.share(detail.quality.get('usable_share'))} of {formats.seconds(detail.duration_s)}.{why}",
                600,
            )
        )
        components.table(
            components.quality_table(detail.quality["channels"]),
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
    else:
        st.caption("No quality is stored for this session.")
    table = components.sessions_table([row], list(row.measures))
    with st.container(horizontal=True):
        components.export_button(
            table, kind="session", subject=row.session, key="session", label="Export measures as CSV"
        )


# --- signals


@st.fragment
def viewer(detail: SessionDetail, series: WindowSeries | None) -> None:
    """The strip of the whole recording over one page of signals; turns pages without touching the rest."""
    store = state.store()
    session = detail.row.session
    total = max(detail.duration_s, 0.001)
    page_s = state.number_param(state.PAGE_S, 10)
    page_s = min(PAGE_LENGTHS, key=lambda p: abs(p - page_s))
    last = max(0.0, float(np.floor(max(total - page_s, 0.0) / page_s) * page_s)) if total > page_s else 0.0
    if total > page_s and total - last > page_s:
        last += page_s
    t0 = min(state.number_param(state.T0, 0.0), max(total - 0.5, 0.0))

    names = [s["name"] for s in detail.signals]
    analysed = [s["name"] for s in detail.signals if s.get("type") != "misc"]
    # a few channels that are not analysed are shown too, such as the heart rate that a wrist band works out itself
    default = names if len(names) <= FEW_CHANNELS else analysed or names[:4]
    with st.container(horizontal=True, vertical_alignment="center", key="viewer-bar"):
        move_to = None
        if st.button("Start", shortcut="Home", key="v_home", disabled=t0 <= 0):
            move_to = 0.0
        if st.button("Back", shortcut="Left", key="v_back", disabled=t0 <= 0):
            move_to = t0 - page_s
        if st.button("¼ back", shortcut="Shift+Left", key="v_qback", disabled=t0 <= 0):
            move_to = t0 - page_s / 4
        if st.button("¼ on", shortcut="Shift+Right", key="v_qnext", disabled=t0 + page_s >= total):
            move_to = t0 + page_s / 4
        if st.button("Next", shortcut="Right", key="v_next", disabled=t0 + page_s >= total):
            move_to = t0 + page_s
        if st.button("End", shortcut="End", key="v_end", disabled=t0 >= last):
            move_to = last
        length = st.selectbox(
            "Page length",
            PAGE_LENGTHS,
            index=PAGE_LENGTHS.index(page_s),
            format_func="{} s".format,
            key="v_page",
            width=90,
            label_visibility="collapsed",
        )
        gain_i = st.session_state.get("v_gain", GAINS.index(1.0))
        if st.button("Larger", shortcut="Up", key="v_up", disabled=gain_i >= len(GAINS) - 1):
            gain_i += 1
        if st.button("Smaller", shortcut="Down", key="v_down", disabled=gain_i <= 0):
            gain_i -= 1
        st.session_state["v_gain"] = gain_i
        if st.button("Filter", shortcut="O", key="v_filter", help="Signals as recorded, or as the analysis filters."):
            st.session_state["v_filtered"] = not st.session_state.get("v_filtered", False)
        if st.button("Polarity", shortcut="P", key="v_polarity", disabled="eeg" not in detail.types):
            st.session_state["v_negative_up"] = not st.session_state.get("v_negative_up", True)
        with st.popover("Channels"):
            chosen = st.multiselect(
                "Channels shown", names, default=default, format_func=formats.visible, key="v_channels"
            )
    if length != page_s:
        page_s = length
    if move_to is not None:
        t0 = float(np.clip(move_to, 0.0, max(total - 0.5, 0.0)))
    filtered = st.session_state.get("v_filtered", False)
    negative_up = st.session_state.get("v_negative_up", True)

    envelope = sessions.overview(store, session) if series is None else None
    # the strip's choice stays in its state, so only a new one is a jump
    key = f"strip-{session}"
    strip_state = st.session_state.get(key)
    points = strip_state.selection.points if strip_state else []
    jump = round(float(points[0]["x"]), 3) if points else None
    if jump is not None and jump != st.session_state.get("v_jump"):
        t0 = float(np.clip(np.floor(jump / page_s) * page_s, 0.0, max(total - 0.5, 0.0)))
    st.session_state["v_jump"] = jump
    state.set_param(state.T0, f"{t0:g}")
    state.set_param(state.PAGE_S, f"{page_s:g}")

    strip, _ = charts.overview(total, series, envelope, detail.annotations, t0=t0, page_s=page_s)
    st.caption(
        f"Whole recording, {formats.seconds(total)}. Choose a place on the bar to jump there; orange is not usable. "
        f"The frame is the page shown."
    )
    st.plotly_chart(
        strip,
        key=key,
        on_select="rerun",
        selection_mode="points",
        config=components.PLOT_CONFIG | {"displayModeBar": False},
        alt=f"Strip of the whole recording of {session}, with the page from {formats.clock(t0)}",
    )
    if not chosen:
        components.empty("No channel is chosen. Choose some under Channels.")
        return
    page = sessions.signals(store, session, t0=t0, page_s=page_s, names=chosen, filtered=filtered)
    settings = detail.pipeline or {}
    how = "as recorded" if not filtered else f"filtered for display: {filter_words(settings)}"
    st.markdown(f"##### {formats.clock(t0)} to {formats.clock(min(t0 + page_s, total))} of {formats.clock(total)}")
    beats = " Triangles on the ECG: beats found." if len(page.beats_s) else ""
    st.caption(f"{formats.counted(len(page.rows), 'channel')}, {how}. Shaded orange: not usable.{beats}")
    st.plotly_chart(
        charts.signals(page, negative_up=negative_up, gain=GAINS[gain_i]),
        key="signal-page",
        config=components.PLOT_CONFIG | {"displayModeBar": False},
        alt=f"{len(page.rows)} channels of {session} from {t0:g} s to {t0 + page_s:g} s",
    )
    marks = [a for a in page.annotations if a.onset_s <= t0 + page_s and a.onset_s + a.duration_s >= t0]
    if marks:
        said = ", ".join(f"{formats.clock(a.onset_s)} {formats.visible(a.description, 32)}" for a in marks[:MAX_MARKS])
        more = f" and {len(marks) - MAX_MARKS} more" if len(marks) > MAX_MARKS else ""
        st.caption(formats.in_label(f"Marks on this page: {said}{more}.", 900))
    with st.container(horizontal=True, key="tools-signals", vertical_alignment="center"):
        with st.popover("How computed", type="tertiary"):
            st.markdown(
                "Each channel keeps its own rate and is drawn from the stored recording. Pages of more than 2,000 "
                "samples a channel are drawn as the minimum and maximum of each pixel, so no spike is lost. Stacked "
                "channels are drawn around their median; the bar at the right edge gives the scale. Display filters "
                "are never applied to stored data."
            )
        components.export_button(
            lambda: page_table(page.rows),
            kind="signals",
            subject=session,
            key="signals",
            filters={"t0": t0, "page_s": page_s, "filtered": filtered},
        )
    absent = [
        wording.CHANNEL_TYPES[t] for t in ("eeg", "ecg", "eda", "ppg", "resp", "temp", "acc") if t not in detail.types
    ]
    if absent:
        st.caption(f"Not recorded: {', '.join(absent)}.")


def filter_words(pipeline: dict) -> str:
    """The display filter in words, from the stored settings."""
    eeg, ecg = pipeline.get("eeg_band"), pipeline.get("ecg_band")
    parts = []
    if eeg:
        parts.append(f"EEG {eeg[0]:g}-{eeg[1]:g} Hz")
    if ecg:
        parts.append(f"ECG {ecg[0]:g}-{ecg[1]:g} Hz")
    if pipeline.get("line_hz"):
        parts.append(f"mains {pipeline['line_hz']:g} Hz out")
    return ", ".join(parts) or "the filters of the analysis"


def page_table(rows: Sequence[dict]) -> pd.DataFrame:
    """The drawn points of a page in long form."""
    parts = [
        pd.DataFrame(
            {
                "channel": r["name"],
                "type": r["type"],
                "unit": r["unit"] or "no unit",
                "time_s": r["x0"] + r["dx"] * np.arange(len(r["y"])),
                "value": np.asarray(r["y"], dtype=float),
            }
        ).dropna()
        for r in rows
    ]
    columns = ["channel", "type", "unit", "time_s", "value"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def signals_tab(detail: SessionDetail, series: WindowSeries | None) -> None:
    """The viewer, or why there is no signal."""
    if detail.row.imported:
        components.empty("**No signals.** These values were measured elsewhere and imported without a recording.")
        return
    try:
        viewer(detail, series)
    except AffectlineError as error:
        components.show_error(error)
        st.caption("The stored results of this session are still shown under Overview and Windows.")


# --- windows


def windows_table(series: WindowSeries) -> pd.DataFrame:
    """One row per window: onset, index of each target, or why there is none."""
    data: dict = {
        "Onset, s": series.onset_s.astype(float),
        "Length, s": np.full(len(series.onset_s), series.duration_s),
    }
    for target, proba in series.proba.items():
        data[formats.name(target)] = np.where(series.usable, proba, np.nan)
    data["Usable"] = ["yes" if u else "no" for u in series.usable]
    data["Reason"] = [
        "computed" if u else wording.REASONS.get(r, wording.flag(r)) if r else "not usable"
        for u, r in zip(series.usable, series.reasons, strict=True)
    ]
    return pd.DataFrame(data)


def windows_tab(detail: SessionDetail, series: WindowSeries | None) -> None:
    """The heat strip and the table of windows."""
    if series is None or not len(series.onset_s):
        why = next((m.reason for n, m in detail.row.measures.items() if n in PREDICTIONS and m.reason), None)
        text = formats.reason(why) if why else "no model was used on this session"
        components.empty(f"**No windows with a prediction**: {text}.")
        return
    usable = int(np.sum(series.usable))
    components.chart(
        charts.window_strip(series),
        key="windows",
        title="How do the windows differ?",
        caption=f"Index 0-1 of each window of {series.duration_s:g} s, n = {usable:,} usable of "
        f"{len(series.onset_s):,}; gaps are not usable.",
        alt=f"Heat strip of {len(series.onset_s)} windows of {detail.row.session}",
        make_table=lambda: windows_table(series),
        kind="windows",
        subject=detail.row.session,
        digits={"Onset, s": 1, "Length, s": 1},
        twin=True,
        how="Probability of High for each window, by the model named above. Windows overlap, so neighbours are not "
        "independent. The session's value is the mean of the usable windows.",
    )


# --- provenance


def pairs(values: dict) -> pd.DataFrame:
    """Names and values as text, nested ones flattened."""
    found: list[dict] = []

    def walk(prefix: str, value) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix} {key}".strip().replace("_", " "), inner)
        elif isinstance(value, list | tuple):
            if value and isinstance(value[0], dict):
                for i, inner in enumerate(value, 1):
                    walk(f"{prefix} {i}", inner)
            else:
                found.append({"What": prefix, "Value": ", ".join(str(v) for v in value) or "none"})
        else:
            shown = value_words(prefix, value)
            found.append({"What": prefix, "Value": shown})

    walk("", values)
    return pd.DataFrame(found, columns=["What", "Value"])


def value_words(name: str, value) -> str:
    """A stored value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (None, ""):
        return formats.NOT_KNOWN
    return formats.visible(value, 120)


def provenance_tab(detail: SessionDetail) -> None:
    """Files, settings and versions behind the numbers."""
    row = detail.row
    session = {
        "session": row.session,
        "started": formats.when(row.started_at, state.zone()),
        "status": wording.STATUS.get(row.status, row.status),
        "analyses": list(detail.analyses),
        "recording": detail.recording_state,
        "moved_from": detail.moved_from or "never moved",
    }
    provenance = dict(detail.provenance)
    read = components.reading_words(provenance.pop("read_with", None) or {}, sessions.repairs())
    for title, frame, key in (
        ("Session", pairs(session), "p-session"),
        ("Files and versions", pairs(provenance), "p-provenance"),
        ("How the files were read", pd.DataFrame(read), "p-reading"),
        ("Settings of the chain", pairs(dict(detail.pipeline)), "p-pipeline"),
    ):
        st.markdown(f"##### {title}")
        if frame.empty:
            st.caption(
                "As they are: nothing was said beyond what they say themselves."
                if key == "p-reading" and detail.recording_state != "none"
                else "Nothing stored: values imported from elsewhere have no recording."
            )
        else:
            components.table(frame, kind=key.removeprefix("p-"), subject=row.session, key=key, placeholder="Not known")
    if row.model:
        st.markdown("##### Model")
        components.model_card(row.model.name)


with components.page("session"):
    store = state.store()
    detail = session_of_url(store)
    row = detail.row
    patient = patients.get(store, row.patient)
    history = sessions.history(store, row.patient)
    n_open = len(insights.open_cards(store, now=state.now(), patient=row.patient))
    components.banner(patient, history, patients.baselines(store, row.patient), n_open)
    if row.deleted_at is not None:
        st.warning(
            f"This session was deleted {formats.age(row.deleted_at, state.now())}. It can be restored for 30 days."
        )
        if st.button("Restore session", type="primary", key="restore"):
            sessions.restore(store, row.session, now=state.now())
            state.flash(f"Session {row.session} was restored.")
            st.rerun()
    actions(detail)
    if row.status == "abstained":
        why = "".join(f" {r}." for r in reasons_of(row))
        st.warning(formats.in_label(f"Abstained: the signals cannot carry a number.{why}", 600))
    if row.model is not None and row.model != components.newest_model(history):
        components.model_note(row.model, key="session")

    tabs = st.tabs(list(TABS), key=state.TAB, bind="query-params")
    series = None
    if tabs[1].open or tabs[2].open:
        series = sessions.windows(store, row.session)
    for tab, content in zip(
        tabs,
        (
            lambda: overview_tab(detail),
            lambda: signals_tab(detail, series),
            lambda: windows_tab(detail, series),
            lambda: provenance_tab(detail),
        ),
        strict=True,
    ):
        if tab.open:
            with tab:
                content()
