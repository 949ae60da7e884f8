"""The signal viewer of a session: the strip of the whole recording over one page of signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from app.ui import charts, components, eyes, formats, marking, state, wording
from core.services.clinic import sessions
from core.services.clinic.marks import Marks
from core.services.clinic.sessions import SessionDetail, SignalPage, WindowSeries

PAGE_LENGTHS = (5, 10, 15, 20, 30, 60)
FEW_CHANNELS = 8
# marks of a page that are listed below it
MAX_MARKS = 12
GAINS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class View:
    """What of a recording of ``total`` s is shown, and how."""

    t0: float
    page_s: float
    total: float
    chosen: tuple[str, ...]
    gain: float
    filtered: bool
    negative_up: bool


@st.fragment
def viewer(detail: SessionDetail, series: WindowSeries | None, marks: Marks) -> None:
    """Turns pages without touching the rest of the screen."""
    view = strip(detail, series, marks, bar(detail))
    if not view.chosen:
        components.empty("No channel is chosen. Choose some under Channels.")
        return
    page = signal_page(detail, view, marks)
    marking.panel(detail, marks, view.t0, view.page_s)
    eyes.panel(detail, marks, view.t0, view.page_s)
    tools(detail, view, page)


# --- where and how


def _last(total: float, page_s: float) -> float:
    """Where the last page begins."""
    if total <= page_s:
        return 0.0
    last = float(np.floor((total - page_s) / page_s) * page_s)
    return last + page_s if total - last > page_s else last


def bar(detail: SessionDetail) -> View:
    """Buttons and keys that turn the page and change how it is drawn."""
    total = max(detail.duration_s, 0.001)
    page_s = min(PAGE_LENGTHS, key=lambda p: abs(p - state.number_param(state.PAGE_S, 10)))
    t0 = min(state.number_param(state.T0, 0.0), max(total - 0.5, 0.0))
    last = _last(total, page_s)
    steps = (
        ("Start", "Home", "v_home", 0.0, t0 <= 0),
        ("Back", "Left", "v_back", t0 - page_s, t0 <= 0),
        ("¼ back", "Shift+Left", "v_qback", t0 - page_s / 4, t0 <= 0),
        ("¼ on", "Shift+Right", "v_qnext", t0 + page_s / 4, t0 + page_s >= total),
        ("Next", "Right", "v_next", t0 + page_s, t0 + page_s >= total),
        ("End", "End", "v_end", last, t0 >= last),
    )
    with st.container(horizontal=True, vertical_alignment="center", key="viewer-bar"):
        to = t0
        for label, shortcut, key, target, off in steps:
            if st.button(label, shortcut=shortcut, key=key, disabled=off):
                to = target
        length = st.selectbox(
            "Page length",
            PAGE_LENGTHS,
            index=PAGE_LENGTHS.index(page_s),
            format_func="{} s".format,
            key="v_page",
            width=90,
            label_visibility="collapsed",
        )
        gain = _gain()
        if st.button("Filter", shortcut="O", key="v_filter", help="As the analysis filters; raw in grey."):
            st.session_state["v_filtered"] = not st.session_state.get("v_filtered", False)
        if st.button("Polarity", shortcut="P", key="v_polarity", disabled="eeg" not in detail.types):
            st.session_state["v_negative_up"] = not st.session_state.get("v_negative_up", True)
        chosen = _channels(detail)
    return View(
        float(np.clip(to, 0.0, max(total - 0.5, 0.0))), length, total, chosen, gain,
        st.session_state.get("v_filtered", False), st.session_state.get("v_negative_up", True),
    )  # fmt: skip


def _gain() -> float:
    at = st.session_state.get("v_gain", GAINS.index(1.0))
    if st.button("Larger", shortcut="Up", key="v_up", disabled=at >= len(GAINS) - 1):
        at += 1
    if st.button("Smaller", shortcut="Down", key="v_down", disabled=at <= 0):
        at -= 1
    st.session_state["v_gain"] = at
    return GAINS[at]


def _channels(detail: SessionDetail) -> tuple[str, ...]:
    names = [s["name"] for s in detail.signals]
    analysed = [s["name"] for s in detail.signals if s.get("type") != "misc"]
    # a few channels that are not analysed are shown too, such as the heart rate that a wrist band works out itself
    default = names if len(names) <= FEW_CHANNELS else analysed or names[:4]
    with st.popover("Channels"):
        chosen = st.multiselect("Channels shown", names, default=default, format_func=formats.visible, key="v_channels")
    return tuple(chosen)


# --- the whole recording


def strip(detail: SessionDetail, series: WindowSeries | None, marks: Marks, view: View) -> View:
    """The whole recording as a strip; a place chosen on it is the page that is shown."""
    session = detail.row.session
    # the strip's choice stays in its state, so only a new one is a jump
    key = f"strip-{session}"
    held = st.session_state.get(key)
    points = held.selection.points if held else []
    jump = round(float(points[0]["x"]), 3) if points else None
    if jump is not None and jump != st.session_state.get("v_jump"):
        t0 = float(np.clip(np.floor(jump / view.page_s) * view.page_s, 0.0, max(view.total - 0.5, 0.0)))
        view = replace(view, t0=t0)
    st.session_state["v_jump"] = jump
    state.set_param(state.T0, f"{view.t0:g}")
    state.set_param(state.PAGE_S, f"{view.page_s:g}")
    envelope = sessions.overview(state.store(), session) if series is None else None
    notes = marking.with_notes(detail.annotations, marks)
    figure, _ = charts.overview(view.total, series, envelope, notes, t0=view.t0, page_s=view.page_s)
    st.caption(
        f"Whole recording, {formats.seconds(view.total)}. Choose a place on the bar to jump there; orange is not "
        "usable. The frame is the page shown."
    )
    st.plotly_chart(
        figure,
        key=key,
        on_select="rerun",
        selection_mode="points",
        config=components.PLOT_CONFIG | {"displayModeBar": False},
        alt=f"Strip of the whole recording of {session}, with the page from {formats.clock(view.t0)}",
    )
    return view


# --- one page


def signal_page(detail: SessionDetail, view: View, marks: Marks) -> SignalPage:
    """The page of signals with its marks and beats."""
    store, session = state.store(), detail.row.session
    t0, page_s = view.t0, view.page_s
    page = sessions.signals(store, session, t0=t0, page_s=page_s, names=view.chosen, filtered=view.filtered)
    page = marking.shown(page, marks)
    raw = sessions.signals(store, session, t0=t0, page_s=page_s, names=view.chosen) if view.filtered else None
    until = formats.clock(min(t0 + page_s, view.total))
    st.markdown(f"##### {formats.clock(t0)} to {until} of {formats.clock(view.total)}")
    how = f"filtered for display: {filter_words(detail)}; raw in grey" if view.filtered else "as recorded"
    crossed = " ✕ after a name: left out or marked." if any(r["bad"] for r in page.rows) else ""
    st.caption(
        f"{formats.counted(len(page.rows), 'channel')}, {how}. Shaded orange: not usable.{crossed}{beat_words(page)}"
    )
    st.plotly_chart(
        charts.signals(page, negative_up=view.negative_up, gain=view.gain, behind=raw),
        key="signal-page",
        config=components.PLOT_CONFIG | {"displayModeBar": False},
        alt=f"{len(page.rows)} channels of {session} from {t0:g} s to {t0 + page_s:g} s",
    )
    notes = [a for a in page.annotations if a.onset_s <= t0 + page_s and a.onset_s + a.duration_s >= t0]
    if notes:
        said = ", ".join(f"{formats.clock(a.onset_s)} {formats.visible(a.description, 32)}" for a in notes[:MAX_MARKS])
        more = f" and {len(notes) - MAX_MARKS} more" if len(notes) > MAX_MARKS else ""
        st.caption(formats.in_label(f"Marks on this page: {said}{more}.", 900))
    return page


def beat_words(page: SignalPage) -> str:
    """What the symbols over ECG and PPG mean, with how many of each there are on the page."""
    said = []
    for type_, kinds in (("ecg", page.beat_kinds), ("ppg", page.pulse_kinds)):
        counts = np.bincount(np.asarray(kinds, dtype=int), minlength=len(wording.BEATS))
        words = [f"{n} {symbol} {word}" for n, (symbol, word) in zip(counts, wording.BEATS, strict=True) if n]
        if words:
            said.append(f" {wording.BEAT_NAMES[type_]} on this page: {', '.join(words)}.")
    return "".join(said)


def filter_words(detail: SessionDetail) -> str:
    """The display filter in words, from the stored settings."""
    pipeline = detail.pipeline or {}
    eeg, ecg = pipeline.get("eeg_band"), pipeline.get("ecg_band")
    parts = []
    if eeg:
        parts.append(f"EEG {eeg[0]:g}-{eeg[1]:g} Hz")
    if ecg:
        parts.append(f"ECG {ecg[0]:g}-{ecg[1]:g} Hz")
    if pipeline.get("line_hz"):
        parts.append(f"mains {pipeline['line_hz']:g} Hz out")
    if detail.provenance.get("read_with", {}).get("ocular"):
        parts.append("eyes taken out")
    return ", ".join(parts) or "the filters of the analysis"


def tools(detail: SessionDetail, view: View, page: SignalPage) -> None:
    """How it was made, its export, and what was not recorded."""
    with st.container(horizontal=True, key="tools-signals", vertical_alignment="center"):
        with st.popover("How computed", type="tertiary"):
            st.markdown(
                "Each channel keeps its own rate and is drawn from the stored recording. Pages of more than 2,000 "
                "samples a channel are drawn as the minimum and maximum of each pixel, so no spike is lost. Stacked "
                "channels are drawn around their median; the bar at the right edge gives the scale. Display filters "
                f"are never applied to stored data.\n\n{wording.BEATS_MEAN}"
            )
        components.export_button(
            lambda: page_table(page.rows),
            kind="signals",
            subject=detail.row.session,
            key="signals",
            filters={"t0": view.t0, "page_s": view.page_s, "filtered": view.filtered},
        )
    absent = [
        wording.CHANNEL_TYPES[t] for t in ("eeg", "ecg", "eda", "ppg", "resp", "temp", "acc") if t not in detail.types
    ]
    if absent:
        st.caption(f"Not recorded: {', '.join(absent)}.")


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
