"""Studies on the page Import and export: the list, one study, and an import from a first look to its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, job_panel, nav, state, wording
from core.errors import AffectlineError, NotFound
from core.services import jobs
from core.services.clinic import sessions
from core.services.exports import export_files
from core.services.jobs import Job
from core.services.research import studies

KINDS = ("plan", "import", "export")
WHERE = {"disk": "On this machine", "upload": "Upload a zip"}
# rows of a list of what is left out that are shown at once
MOST = 500
KEPT = (
    "A study is stored only when it is whole. What was read so far is kept for a while: going on does not read it "
    "again."
)


def panel(store) -> None:
    """The job of the URL where there is one, then the studies there are, then the way in."""
    job = job_panel.of_url(store, KINDS)
    if job is not None:
        job_panel.show(store, job, _DONE[job.kind], KEPT if job.kind == "import" else "")
        if job.state in jobs.LIVE or job.kind == "plan":
            return
    listed(store)
    st.markdown("##### Import a study")
    _form(store)


# ------------------------------------------------------------------------------------------------ what there is
def listed(store) -> None:
    """The studies with their counts, and one of them in full."""
    found = studies.all_studies(store)
    st.markdown("##### Studies")
    if not found:
        components.empty("**No studies yet.** Bring one in below, or simulate one on the command line.")
        return
    table = pd.DataFrame(
        [
            {
                "Study": s["name"],
                "Basis": formats.visible(s["basis"], 120) + (" (simulated)" if s["simulated"] else ""),
                "Subjects": s["subjects"],
                "Trials": s["trials"],
                "Left out": s.get("left_out", 0),
                "Labels": ", ".join(s["targets"]) or "none",
                "Signals": ", ".join(wording.CHANNEL_TYPES.get(t, t) for t in s["inputs"]) or "ready features",
                "Licence": formats.visible(s["licence"]),
            }
            for s in found
        ]
    )
    components.table(table, kind="studies", subject="cohort", key="studies")
    name = st.selectbox(
        "Study", [s["name"] for s in found], index=None, key="chosen_study",
        placeholder="Choose one to see its labels, to give its subjects groups, or to export it",
    )  # fmt: skip
    if name:
        _study(store, name)


def _study(store, name: str) -> None:
    about = studies.summary(studies.get(store, name))
    with st.container(border=True):
        st.markdown(f"##### {formats.in_label(name)}")
        _notes(about["notes"])
        _labels(about["scales"], {})
        _left_out(about["left_out"], key=f"left-out-{name}")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if st.button("Export as BIDS", key="export_bids", disabled=not about["inputs"]):
                job_panel.submit(store, "export", {"study": name}, f"Export of {name} as BIDS")
            _groups(store, name)
        if not about["inputs"]:
            st.caption("A study of ready features has no signals, so there is nothing that BIDS could hold.")


def _groups(store, name: str) -> None:
    """A participants table for a study that is there."""
    with st.popover("Add groups of subjects"):
        st.caption("A CSV with the columns subject and group_<name>, such as group_ei. Names of people are refused.")
        turn = st.session_state.get(state.UPLOAD_ROUND, 0)
        upload = st.file_uploader("Participants table", key=f"groups-{name}-{turn}")
        if upload is None:
            return
        draft = sessions.stage(store, upload.name, upload, now=state.now())
        st.session_state[state.UPLOAD_ROUND] = turn + 1
        try:
            given = studies.add_groups(store, name, draft.files[0], now=state.now())
        except AffectlineError as error:
            components.show_error(error)
            return
        finally:
            sessions.discard(store, draft.id)
        said = ", ".join(f"{group} for {formats.counted(n, 'subject')}" for group, n in given.items())
        state.flash(f"Groups of {name}: {said}.")
        st.rerun()


# ------------------------------------------------------------------------------------------------ the way in
def _form(store) -> None:
    """What it is, where it lies and what it shall be called; then a first look."""
    left, right = st.columns(2, gap="large")
    with left:
        kind = st.selectbox("Corpus", list(wording.CORPORA), format_func=wording.CORPORA.__getitem__, key="corpus")
        name = st.text_input("Name of the study", max_chars=63, placeholder="letters, digits, - and _", key="study")
    with right:
        source = st.segmented_control(
            "Where it lies", list(WHERE), default="disk", required=True, format_func=WHERE.__getitem__, key="where"
        )
        place = _on_disk(store) if source == "disk" else _uploaded(store)
    st.caption("First its tables are read and what would be taken is shown. Nothing is stored before you say so.")
    if st.button("Look into it first", type="primary", disabled=not (name.strip() and place), key="plan"):
        job_panel.submit(
            store, "plan", {"kind": kind, "name": name.strip(), **(place or {})}, f"First look at {name.strip()}"
        )


def _on_disk(store) -> dict[str, str] | None:
    folder = studies.import_folder(store)
    offered = studies.offered(store)
    at = st.selectbox(
        "File or folder", offered, index=None, placeholder="Choose what to import" if offered else "Nothing there yet",
        format_func=formats.visible, key="place",
    )  # fmt: skip
    st.caption(
        "Read from the disk of the machine that runs Affectline, which need not be yours. Put the corpus, or a link to "
        "it, into this folder:"
    )
    st.code(str(folder), language=None)
    return {"at": at} if at else None


def _uploaded(store) -> dict[str, str] | None:
    """A zip in a draft, so that it is there after a refresh."""
    draft_id = state.param(state.ARCHIVE)
    if draft_id is not None:
        draft = sessions.draft(store, draft_id)
        st.text(f"{formats.visible(draft.files[0].name)}, {formats.size(draft.sizes[0])}")
        if st.button("Remove this file", key="discard_zip"):
            sessions.discard(store, draft_id)
            state.set_param(state.ARCHIVE, None)
            st.rerun()
        return {"draft": draft_id}
    turn = st.session_state.get(state.UPLOAD_ROUND, 0)
    upload = st.file_uploader("Zip of a manifest with its files, or of a BIDS folder", key=f"zip-{turn}")
    if upload is not None:
        draft = sessions.stage(store, upload.name, upload, now=state.now())
        st.session_state[state.UPLOAD_ROUND] = turn + 1
        state.set_param(state.ARCHIVE, draft.id)
        st.rerun()
    st.caption("For small studies. A large one is copied into the folder of this machine.")
    return None


# ------------------------------------------------------------------------------------------------ done
def _planned(store, job: Job) -> None:
    """What an import would take; columns that name people are settled first."""
    plan = dict(job.result or {})
    if "private" in plan:
        _private(store, job, plan["private"])
        return
    columns = st.columns(4)
    columns[0].metric("Subjects", f"{plan['subjects']:,}", border=True)
    columns[1].metric("Trials", f"{plan['trials']:,}", border=True)
    columns[2].metric("Labels", f"{len(plan['scales'])}", border=True)
    columns[3].metric("Left out", f"{len(plan['left_out']):,}", border=True)
    st.caption(formats.in_label(f"{plan['basis']}. Licence: {plan['licence']}.", 300))
    if plan["groups"]:
        said = ", ".join(f"{group} ({formats.counted(n, 'value')})" for group, n in plan["groups"].items())
        st.caption(formats.in_label(f"Groups: {said}.", 300))
    _notes(plan["notes"])
    _labels(plan["scales"], plan["rated"])
    _left_out(plan["left_out"], key="left-out-plan")
    st.caption("No signal was read yet. A trial whose signals cannot be read is left out and listed when it is met.")
    with st.container(horizontal=True):
        if st.button("Import", type="primary", key="import_study"):
            job_panel.submit(store, "import", job.params, f"Import of {job.params['name']}")
        job_panel.close("Start over")


def _private(store, job: Job, found: Mapping[str, Any]) -> None:
    """Each column that names people: what shall become of it."""
    st.warning(
        f"{formats.in_label(found['table'])} names people, or seems to. Nothing is imported until you say what shall "
        "become of each of these columns."
    )
    said = {
        column: st.selectbox(
            formats.in_label(column), list(wording.PRIVATE_WORDS), index=None, placeholder="Choose",
            format_func=wording.PRIVATE_WORDS.__getitem__, key=f"private-{i}",
        )
        for i, column in enumerate(found["columns"])
    }  # fmt: skip
    with st.container(horizontal=True):
        if st.button("Look again", type="primary", disabled=None in said.values(), key="look_again"):
            mapping = {**(job.params.get("mapping") or {}), **said}
            job_panel.submit(store, "plan", {**job.params, "mapping": mapping}, job.label)
        job_panel.close("Start over")


def _imported(store, job: Job) -> None:
    try:
        about = studies.summary(studies.get(store, str((job.result or {}).get("study"))))
    except NotFound as error:
        components.show_error(error)
        job_panel.close()
        return
    st.success(
        formats.in_label(
            f"{about['study']}: {formats.counted(about['n_subjects'], 'subject')}, "
            f"{formats.counted(about['n_trials'], 'trial')} stored.", 200,
        )
    )  # fmt: skip
    _notes(about["notes"])
    _left_out(about["left_out"], key="left-out-import")
    with st.container(horizontal=True, vertical_alignment="center"):
        if about["inputs"]:
            nav.link("models", "Train and publish a model", {state.STUDY: about["study"]})
        job_panel.close()


def _exported(store, job: Job) -> None:
    result = job.result or {}
    st.success(formats.in_label(f"{formats.counted(int(result.get('trials', 0)), 'trial')} written as BIDS.", 200))
    _notes(result.get("notes", ()))
    path = export_files.waiting(store, str(result.get("export", "")))
    if path is None:
        st.caption("The file is no longer kept. Export the study again.")
    else:
        st.caption(f"{formats.size(path.stat().st_size)}, kept for {export_files.KEEP_DAYS} days.")
        st.download_button(
            "Download", data=path.read_bytes, file_name=f"{result['name']}.zip", mime="application/zip",
            on_click="ignore", type="primary", key="download-study",
        )  # fmt: skip
    job_panel.close()


_DONE = {"plan": _planned, "import": _imported, "export": _exported}


# ------------------------------------------------------------------------------------------------ parts
def _notes(notes: Sequence[str]) -> None:
    for text in notes:
        st.caption(formats.in_label(text, 400))


def _labels(scales: Mapping[str, Mapping[str, Any]], rated: Mapping[str, int]) -> None:
    """Each label with its scale, its cut and which side of it is High."""
    if not scales:
        return
    rows = [
        {
            "Label": formats.visible(target),
            "Scale": f"{s['lowest']:g} to {s['highest']:g}",
            "High": f"{wording.SIDES[s['high']]} {s['cut']:g}",
            **({"Trials with it": rated[target]} if rated else {}),
        }
        for target, s in scales.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="content", key=f"labels-{'plan' if rated else 'study'}")


def _left_out(found: Sequence[Mapping[str, str]], *, key: str) -> None:
    """What could not be taken, by subject and trial."""
    if not found:
        return
    table = pd.DataFrame(
        [
            {
                "Subject": formats.visible(x["subject"]),
                "Trial": formats.visible(x["trial"]) or "all",
                "Why": formats.visible(x["text"], 300),
                "Code": x["code"],
            }
            for x in found
        ]
    )
    with st.expander(f"Left out: {len(table):,}", expanded=len(table) <= 10):
        if len(table) > MOST:
            st.caption(f"The first {MOST} of {len(table):,}; the export has all of them.")
        st.dataframe(table.head(MOST), hide_index=True, key=key)
        components.export_button(table, kind="left-out", key=key)
