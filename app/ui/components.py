"""Small repeated blocks of the pages: frame, errors, tables, charts, exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.ui import faults, formats, nav, state, wording
from core.errors import AffectlineError, in_words
from core.services.clinic import patients
from core.services.exports import exports
from core.settings import VERSION

STYLE = Path(__file__).with_name("style.css")
# the export service is the only way out, so the figure's own PNG button is off; ``figure_button`` takes its place
PLOT_CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["toImage", "lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    "scrollZoom": False,
}
NOT_COMPUTED = exports.NOT_COMPUTED


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
    said = (str(error.get(part) or "") for part in ("what", "where", "what_to_do", "code"))
    return wording.on_screen(in_words(*said))


def empty(text: str, *links: tuple[str, str]) -> None:
    """Why there is nothing, and what to do about it: (page, label) of each way on."""
    with st.container(border=True):
        st.markdown(text)
        if links:
            with st.container(horizontal=True):
                for url_path, label in links:
                    nav.link(url_path, label)


# --- values


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
    missing: str = NOT_COMPUTED,
) -> None:
    """Export exactly the table shown; the file is made on click, by the export service.

    ``missing`` is what the screen says in a cell without a value.
    """
    store = state.store()

    def data() -> bytes:
        frame = make if isinstance(make, pd.DataFrame) else make()
        made = exports.export_view(
            store, kind, frame, subject, now=state.now(), filters=dict(filters or {}), columns=dict(columns or {}),
            missing=missing,
        )  # fmt: skip
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


def files_button(
    label: str, make: Callable[..., exports.Export], *, kind: str, subject: str, key: str, what: str
) -> None:
    """Export what a service makes on click, given ``now``; ``what`` says what the zip is of."""
    st.download_button(
        label,
        data=lambda: make(now=state.now()).zip(),
        file_name=f"{safe_name(kind)}_{safe_name(subject)}.zip",
        mime="application/zip",
        key=f"export-{key}",
        on_click="ignore",
        help=f"A zip of {what}, with data dictionary and manifest.",
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


def plain_zeros(frame: pd.DataFrame, digits: Mapping[str, int] | None = None) -> pd.DataFrame:
    """A table to be shown without numbers that its digits would round to -0.00."""
    shown = frame.copy(deep=False)
    for name in frame.select_dtypes("float"):
        rounds = frame[name].abs() < 0.5 * 10.0 ** -(digits or {}).get(str(name), 2)
        shown[name] = frame[name].mask(rounds & (frame[name] < 0), 0.0)
    return shown


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
    leaves: Callable[[pd.DataFrame], pd.DataFrame] = lambda shown: shown,
):
    """A table with its export button; with ``select`` it returns the index of the chosen row or None.

    ``leaves`` makes what is exported of what is shown, where some of it stays here.
    """
    options: dict[str, Any] = {}
    if select:
        options = {"on_select": "rerun", "selection_mode": "single-row"}
    options["height"] = height or ("content" if len(frame) <= 40 else 640)
    event = st.dataframe(
        plain_zeros(frame, digits),
        hide_index=True,
        column_config=column_config(frame, percent, digits) | dict(config or {}),
        placeholder=placeholder,
        key=f"table-{key}",
        alt=alt,
        **options,
    )
    with st.container(horizontal=True, key=f"tools-table-{key}"):
        export_button(
            lambda: leaves(frame), kind=kind, subject=subject, key=f"table-{key}", filters=filters, columns=columns,
            missing=placeholder,
        )  # fmt: skip
    if not select:
        return None
    rows = event.selection.rows
    return rows[0] if rows else None


def wrapped(frame: pd.DataFrame, *, kind: str, subject: str, key: str) -> None:
    """A table of sentences, none cut off, with its export button; every cell is text."""
    st.table(frame.map(lambda text: formats.in_label(text, 600)), hide_index=True)
    with st.container(horizontal=True, key=f"tools-table-{key}"):
        export_button(frame, kind=kind, subject=subject, key=f"table-{key}")


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
            plain_zeros(frame, digits),
            hide_index=True,
            column_config=column_config(frame, percent, digits),
            placeholder=NOT_COMPUTED,
            key=f"twin-table-{key}",
            height="content" if len(frame) <= 12 else 420,
        )
    return event if on_select else None
