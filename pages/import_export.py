"""Import and export: measures from elsewhere in, tables with dictionary and manifest out."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta

import pandas as pd
import streamlit as st

from app.ui import components, formats, model_notes, nav, state, studies, wording
from core.errors import AffectlineError
from core.services.clinic import measures, patients, sessions
from core.services.exports import export_files, exports
from core.services.exports.exports import Export
from core.settings import MEASURE_UNITS

TABS = ("Export", "Import measures", "Studies", "History")
PREVIEW = 10
IMPORT_COLUMNS = {
    "patient": "pseudonym; a new one is created",
    "started_at": "time of the session, ISO 8601; without an offset it is in the site's zone",
    "measure": "a name from the list below",
    "value": "number in the unit of the measure",
    "low": "optional: lower end of the 95 % interval",
    "high": "optional: upper end of the 95 % interval",
}
MEANINGS = {
    "patient": "pseudonym",
    "session": "id of the session",
    "started_at": "start of the session, ISO 8601 with offset",
    "kind": "prediction or marker; for insights the kind of rule",
    "measure": "name of the measure",
    "value": "value in its unit",
    "low": "lower end of the 95 % interval",
    "high": "upper end of the 95 % interval",
    "unit": "unit of the value",
    "reason": "why a value is not computed",
    "usable_share": "share 0-1 of usable windows",
    "model": "name and version of the model",
    "target": "what is predicted",
    "onset_s": "start of the window, s from the start of the recording",
    "duration_s": "length of the window, s",
    "p_high": "probability of High, 0-1",
    "usable": "whether the window was used",
}


# --- export


def wizard(store) -> None:
    """Choose, look, make, fetch."""
    left, right = st.columns(2, gap="large")
    with left:
        kinds = list(wording.EXPORT_KINDS)
        wanted = state.param(state.SESSION)
        kind = st.selectbox(
            "What", kinds, index=kinds.index("session") if wanted else 0, format_func=wording.EXPORT_KINDS.__getitem__
        )
        known = [p.pseudonym for p in patients.find(store)]
        whose = (wanted or "").partition("/")[0]
        patient = st.selectbox(
            "Patient", known, index=known.index(whose) if whose in known else None, placeholder="All patients"
        )
    if kind == "session":
        with right:
            recording(store, patient)
        return
    with right:
        fmt = st.segmented_control(
            "Format",
            ("csv", "parquet"),
            default="csv",
            required=True,
            format_func={"csv": "CSV", "parquet": "Parquet"}.get,
        )
        dates = st.columns(2)
        first = dates[0].date_input("From", value=None, format="YYYY-MM-DD")
        final = dates[1].date_input("Until", value=None, format="YYYY-MM-DD")
    zone = state.zone()
    since = datetime.combine(first, time(0), tzinfo=zone) if first else None
    until = datetime.combine(final, time(0), tzinfo=zone) + timedelta(days=1) if final else None
    st.caption("Mode: pseudonymous. Free text never leaves. Each file is written to the audit.")
    model_notes.models_note()
    frame = exports.frame(store, kind, patient=patient, since=since, until=until)
    choice = (kind, patient, str(since), str(until), fmt)
    if frame.empty:
        components.empty("**No rows fit this choice**, so there is nothing to export.", ("worklist", "Worklist"))
        return
    st.markdown("##### Preview")
    st.caption(f"First {min(PREVIEW, len(frame))} of {len(frame):,} rows. Every row will be in the file.")
    st.dataframe(
        as_text(frame.head(PREVIEW)), hide_index=True, placeholder=components.NOT_COMPUTED, key="export-preview"
    )
    with st.expander("Data dictionary"):
        st.dataframe(
            pd.DataFrame(
                {
                    "Column": list(frame.columns),
                    "Meaning": [MEANINGS.get(str(c), str(c).replace("_", " ")) for c in frame.columns],
                }
            ),
            hide_index=True,
            key="export-dictionary",
        )
        st.caption("The full dictionary with units and types goes with the file.")
    if st.button("Make the export", type="primary", key="make_export"):
        made = exports.export(store, kind, fmt or "csv", now=state.now(), patient=patient, since=since, until=until)
        st.session_state[state.MADE_EXPORT] = (choice, made)
    kept = st.session_state.get(state.MADE_EXPORT)
    if kept and kept[0] == choice:
        made_export(kept[1])


def recording(store, patient: str | None) -> None:
    """One session's recording as EDF+: choose, look at the texts that would leave, make, fetch."""
    rows = [r.session for r in sessions.history(store, patient) if not r.imported] if patient else []
    wanted = state.param(state.SESSION)
    session = st.selectbox(
        "Session", rows, index=rows.index(wanted) if wanted in rows else None, key=f"edf-{patient}",
        placeholder="Choose a session" if rows else "Choose a patient with a recording first",
    )  # fmt: skip
    st.caption(
        "Mode: pseudonymous. The header holds the pseudonym and the start in UTC, no name and no birth date. Signals "
        "as recorded, each at its own rate; stretches judged or marked as bad are annotated, without a person's words."
    )
    if session is None:
        return
    texts = export_files.texts(store, session)
    with_texts = False
    if texts:
        st.caption(
            "The recording brought these annotations along. They stay here unless you say so: look through them for "
            "names first."
        )
        st.dataframe(
            pd.DataFrame({"Annotation": [formats.visible(t) for t in texts]}), hide_index=True, key="edf-texts"
        )
        with_texts = st.toggle("Write them into the file", value=False, key="edf-annotations")
    choice = (session, with_texts)
    if st.button("Make the export", type="primary", key="make_edf"):
        made = export_files.session_edf(store, session, now=state.now(), annotations=with_texts)
        st.session_state[state.MADE_EXPORT] = (choice, made)
    kept = st.session_state.get(state.MADE_EXPORT)
    if kept and kept[0] == choice:
        made_export(kept[1])


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """A preview as the file will read: times as ISO 8601, empty numbers said."""
    shown = frame.copy()
    for column in shown.columns:
        if isinstance(shown[column].dtype, pd.DatetimeTZDtype):
            shown[column] = [v.isoformat() if pd.notna(v) else formats.NOT_KNOWN for v in shown[column]]
        elif pd.api.types.is_float_dtype(shown[column]) and shown[column].isna().any():
            shown[column] = [f"{v:g}" if pd.notna(v) else components.NOT_COMPUTED for v in shown[column]]
        elif not pd.api.types.is_numeric_dtype(shown[column]):
            shown[column] = [formats.visible(v) if v is not None and v == v else "" for v in shown[column]]
            shown[column] = shown[column].replace("", "none")
    return shown


def made_export(export: Export) -> None:
    """A finished export: what is in it, and the download."""
    with st.container(border=True):
        st.text(f"{export.rows:,} {'signals' if export.kind == 'session' else 'rows'} in {len(export.files)} files")
        st.dataframe(
            pd.DataFrame({"File": list(export.files), "Size": [formats.size(len(b)) for b in export.files.values()]}),
            hide_index=True,
            key="export-files",
            width=640,
        )
        manifest = next((b for n, b in export.files.items() if n.endswith("manifest.json")), None)
        if manifest:
            with st.expander("Manifest"):
                components.json_block(json.loads(manifest))
        st.download_button(
            "Download",
            data=export.zip(),
            file_name=export.zip_name,
            mime="application/zip",
            on_click="ignore",
            type="primary",
            key="download-export",
        )


# --- import


def import_measures(store) -> None:
    """A CSV of measures from elsewhere: looked at first, then stored whole or not at all."""
    st.caption(
        "Sessions measured elsewhere, without a recording: one session per patient and time, marked imported. All rows "
        "or none are stored. The same row twice is harmless; another value for it is refused."
    )
    draft_id = state.param(state.DRAFT)
    if draft_id is None:
        turn = st.session_state.get(state.UPLOAD_ROUND, 0)
        upload = st.file_uploader("CSV of measures", key=f"measures-{turn}")
        if upload is not None:
            staged = sessions.stage(store, upload.name, upload, now=state.now())
            st.session_state[state.UPLOAD_ROUND] = turn + 1
            state.set_param(state.DRAFT, staged.id)
            st.rerun()
        with st.expander("Columns and measures", expanded=True):
            left, right = st.columns(2, gap="large")
            with left:
                st.dataframe(
                    pd.DataFrame({"Column": list(IMPORT_COLUMNS), "Meaning": list(IMPORT_COLUMNS.values())}),
                    hide_index=True,
                    key="import-columns",
                )
            with right:
                st.dataframe(
                    pd.DataFrame(
                        {
                            "measure": list(MEASURE_UNITS),
                            "Name": [formats.name(m) for m in MEASURE_UNITS],
                            "Unit": list(MEASURE_UNITS.values()),
                        }
                    ),
                    hide_index=True,
                    key="import-measures",
                    height=250,
                )
        return
    staged = sessions.draft(store, draft_id)
    file = staged.files[0]
    st.text(f"{formats.visible(file.name)}, {formats.size(staged.sizes[0])}")
    try:
        head = pd.read_csv(file.path, nrows=PREVIEW, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError):
        st.caption("No preview: this does not read as a table. Importing it will say what is wrong.")
    else:
        head.columns = [formats.visible(c, 40) for c in head.columns]
        st.dataframe(head.map(lambda v: formats.visible(v) or "empty"), hide_index=True, key="import-preview")
        st.caption(f"First {len(head)} rows, as they are in the file.")
    with st.container(horizontal=True):
        if st.button("Import", type="primary", key="do_import"):
            bar = st.progress(0.0, text="Reading and checking the rows ...")
            result = measures.import_csv(
                store,
                file_path(file.path),
                now=state.now(),
                name=file.name,
                progress=lambda share, text: bar.progress(min(max(share, 0.0), 1.0), text=text),
            )
            sessions.discard(store, staged.id)
            state.set_param(state.DRAFT, None)
            state.flash(
                f"Imported: {result['patients']} patients, {result['sessions']} sessions, {result['measures']} values; "
                f"{result['skipped']} rows were there already; {result['insights']} insights."
            )
            st.rerun()
        if st.button("Remove this file", key="discard_import"):
            sessions.discard(store, staged.id)
            state.set_param(state.DRAFT, None)
            st.rerun()


def file_path(path: str):
    """A staged file as a path."""
    from pathlib import Path

    return Path(path)


# --- history


def history(store) -> None:
    """What left, when and how much."""
    found = exports.recent(store)
    if not found:
        components.empty("**No exports yet.** Each file that leaves is listed here and in the audit.")
        return
    zone = state.zone()
    table = pd.DataFrame(
        [
            {
                "When": formats.when(e["created_at"], zone),
                "What": e["kind"],
                "Subject": e["subject"],
                "Rows": e["rows"],
                "SHA-256": e["sha256"],
                "Export": e["id"],
            }
            for e in found
        ]
    )
    components.table(table, kind="exports", subject="cohort", key="exports", placeholder="Not known")


with components.page("import-export"):
    store = state.store()
    tabs = st.tabs(list(TABS), key=state.TAB, bind="query-params")
    for tab, content in zip(tabs, (wizard, import_measures, studies.panel, history), strict=True):
        if tab.open:
            with tab:
                try:
                    content(store)
                except AffectlineError as error:
                    components.show_error(error)
                    if state.param(state.DRAFT):
                        st.caption("Nothing was stored.")
    st.caption("Recordings are brought in on the page New recording.")
    nav.link("new-recording", "New recording")
