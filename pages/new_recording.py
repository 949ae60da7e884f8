"""New recording: files, map, check, run; each step can be opened again, and leaving is safe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

import pandas as pd
import streamlit as st

from app.ui import charts, components, formats, nav, state, wording
from core.errors import AffectlineError, NotFound
from core.services import jobs, models, patients, sessions
from core.services.jobs import Job
from core.services.sessions import Draft, Inspection
from core.settings import SAMPLES, settings
from core.types import CHANNEL_TYPES, UNITS, InputFile, Reading

STEPS = ("1 Files", "2 Map", "3 Check", "4 Run")
FORMATS = (
    "EDF, EDF+, BDF, BrainVision (its three files together), FIF, EEGLAB .set, CSV, TSV, Parquet, NPZ, "
    "Empatica E4 (zip)"
)
MAPPING, SFREQ, STARTED, WHO, MODEL = "draft_mapping", "draft_sfreq", "draft_started", "draft_patient", "draft_model"
# the id of files that were uploaded in this tab and are not analysed yet; the files lie on disk
WAITING = "draft_waiting"


def fresh(draft_id: str) -> None:
    """Forget what was chosen for another draft; it lives in this tab only."""
    if st.session_state.get("draft_of") != draft_id:
        for key in (MAPPING, SFREQ, STARTED, WHO, MODEL):
            st.session_state.pop(key, None)
        st.session_state["draft_of"] = draft_id
    st.session_state[WAITING] = draft_id


def offer_waiting(store) -> None:
    """Files of this tab that wait for their next step: another page in between does not lose them."""
    waiting = st.session_state.get(WAITING)
    if not waiting:
        return
    try:
        names = [formats.visible(f.name) for f in sessions.draft(store, waiting).files]
    except NotFound:
        st.session_state.pop(WAITING)
        return
    with st.container(border=True):
        st.text(f"Uploaded before and not analysed yet: {', '.join(names)}")
        if st.button("Go on with these files", key="resume"):
            state.set_param(state.DRAFT, waiting)
            st.rerun()


def settings_of_draft() -> dict:
    """What was chosen by hand: mapping, rate, patient."""
    return {
        "mapping": st.session_state.get(MAPPING) or None,
        "sfreq": st.session_state.get(SFREQ) or None,
        "patient": st.session_state.get(WHO) or None,
        "model": st.session_state.get(MODEL) or None,
    }


@st.cache_data(scope="session", show_spinner="Reading the files and judging the signals ...", max_entries=4)
def look(
    draft_id: str, files: tuple[tuple[str, str], ...], patient: str | None, sfreq: float | None, mapping: str,
    model: str | None,
) -> Inspection:  # fmt: skip
    """Inspect a draft once for each choice; the draft's id stands for its bytes."""
    return sessions.inspect(
        state.store(),
        [InputFile(name, path) for name, path in files],
        patient=patient,
        reading=Reading(sfreq, json.loads(mapping)),
        model=model,
    )


def inspection(draft: Draft) -> Inspection:
    """The inspection for what is chosen now."""
    chosen = settings_of_draft()
    return look(
        draft.id,
        tuple((f.name, f.path) for f in draft.files),
        chosen["patient"],
        chosen["sfreq"],
        json.dumps(chosen["mapping"] or {}, sort_keys=True),
        chosen["model"],
    )


def go_to(step: int) -> None:
    """Open a step."""
    state.set_param(state.STEP, str(step + 1))
    st.rerun()


# --- 1 files


def files_step(store, draft: Draft | None) -> None:
    """Upload; every file is copied to disk at once, and the URL keeps the draft."""
    limit = settings().max_upload_mb
    st.caption(
        f"{FORMATS}. The content decides the format, not the name. Up to {limit} MB a file. All files of one "
        "visit go together; they are put on one clock. Names and birth dates in a file's header are not stored."
    )
    turn = st.session_state.get(state.UPLOAD_ROUND, 0)
    uploads = st.file_uploader(
        "Files of one visit", accept_multiple_files=True, key=f"upload-{turn}", max_upload_size=limit
    )
    if uploads:
        made = draft
        try:
            for upload in uploads:
                made = sessions.stage(store, upload.name, upload, made.id if made else None, now=state.now())
        except AffectlineError as error:
            components.show_error(error)
        if made:
            state.set_param(state.DRAFT, made.id)
        # a new key lets go of the copy that Streamlit holds in memory
        st.session_state[state.UPLOAD_ROUND] = turn + 1
        if made:
            state.set_param(state.STEP, "1")
            st.rerun()
    if draft is None:
        offer_waiting(store)
        sample = next(iter(sorted(SAMPLES.glob("*.edf"))), None) if SAMPLES.is_dir() else None
        if sample is not None:
            st.caption("Nothing at hand? Try the sample: simulated signals, no person behind them.")
            if st.button("Use the sample file", key="sample"):
                with sample.open("rb") as stream:
                    made = sessions.stage(store, sample.name, stream, now=state.now())
                state.set_param(state.DRAFT, made.id)
                st.rerun()
        return
    st.dataframe(
        pd.DataFrame(
            {"File": [formats.visible(f.name) for f in draft.files], "Size": [formats.size(s) for s in draft.sizes]}
        ),
        hide_index=True,
        key="draft-files",
        width=520,
    )
    with st.container(horizontal=True):
        if st.button("Go on to map", type="primary", key="to_map"):
            go_to(1)
        if st.button("Remove these files", key="discard"):
            sessions.discard(store, draft.id)
            st.session_state.pop(WAITING, None)
            for name in (state.DRAFT, state.STEP):
                state.set_param(name, None)
            st.rerun()


# --- 2 map


def who(store) -> str | None:
    """The patient: one that is there, or a new pseudonym."""
    known = [p.pseudonym for p in patients.find(store)]
    wanted = st.session_state.get(WHO) or state.param(state.PATIENT)
    options = known + ([wanted] if wanted and wanted not in known else [])
    chosen = st.selectbox(
        "Patient",
        options,
        index=options.index(wanted) if wanted in options else None,
        placeholder="Choose, or type a new pseudonym",
        accept_new_options=True,
        help="2-32 letters, digits, - or _, at least one digit, no space. Never a name.",
        key="who",
    )
    if chosen:
        try:
            patients.check_pseudonym(chosen)
        except AffectlineError as error:
            components.show_error(error)
            return None
        if chosen not in known:
            st.caption(f"{chosen} is new and will be created with this session.")
    else:
        st.caption(f"The next free pseudonym is {patients.suggest(store)}.")
    return chosen


def map_step(store, draft: Draft) -> None:
    """Who, when, and what each channel is."""
    found = inspection(draft)
    left, right = st.columns(2, gap="large")
    with left:
        patient = who(store)
        if patient != st.session_state.get(WHO):
            st.session_state[WHO] = patient
            state.set_param(state.PATIENT, patient)
    with right:
        started(found)
    st.markdown("##### What is each channel?")
    st.caption(
        f"{formats.visible(found.format)} · {len(found.signals)} channels · {formats.seconds(found.duration_s)}. "
        f"What cannot be told from name, header and unit is {wording.CHANNEL_TYPES['misc'].lower()} until you say "
        "what it is."
    )
    table = pd.DataFrame(
        {
            "Channel": [formats.visible(s["name"]) for s in found.signals],
            "Type": [s["type"] for s in found.signals],
            "Unit": [s.get("unit") or "" for s in found.signals],
            "Rate, Hz": [float(s["sfreq"]) for s in found.signals],
            "Length, s": [float(s["duration_s"]) for s in found.signals],
        }
    )
    edited = st.data_editor(
        table,
        hide_index=True,
        disabled=("Channel", "Rate, Hz", "Length, s"),
        column_config={
            "Type": st.column_config.SelectboxColumn(
                options=list(CHANNEL_TYPES), required=True, format_func=lambda t: wording.CHANNEL_TYPES.get(t, t)
            ),
            "Unit": st.column_config.SelectboxColumn(
                options=sorted({*UNITS.values(), "V", "mV", "nV", "µV", *table["Unit"]}), required=False
            ),
            "Rate, Hz": st.column_config.NumberColumn(format="%.2f"),
            "Length, s": st.column_config.NumberColumn(format="%.1f"),
        },
        key=f"map-{draft.id}-{len(st.session_state.get(MAPPING) or {})}",
        alt="Channels with type and unit, to be corrected",
    )
    mapping = dict(st.session_state.get(MAPPING) or {})
    for signal, (_, before), (_, after) in zip(found.signals, table.iterrows(), edited.iterrows(), strict=True):
        if after["Type"] != before["Type"] or after["Unit"] != before["Unit"]:
            mapping[signal["name"]] = {
                "type": str(after["Type"]),
                "unit": str(after["Unit"]) or UNITS.get(after["Type"], ""),
            }
    stated = st.number_input(
        "Sampling rate, Hz, for columns that have none of their own",
        min_value=0.0,
        value=st.session_state.get(SFREQ) or None,
        placeholder="as in the file",
        width=360,
    )
    profiles(store, [s["name"] for s in found.signals])
    changed = mapping != (st.session_state.get(MAPPING) or {}) or (stated or None) != st.session_state.get(SFREQ)
    with st.container(horizontal=True):
        if st.button("Go on to check", type="primary", key="to_check", disabled=not st.session_state.get(WHO)):
            st.session_state[MAPPING], st.session_state[SFREQ] = mapping, stated or None
            go_to(2)
        if changed and st.button("Apply the map", key="apply_map"):
            st.session_state[MAPPING], st.session_state[SFREQ] = mapping, stated or None
            st.rerun()
    if not st.session_state.get(WHO):
        st.caption("Choose a patient to go on.")


def started(found: Inspection) -> None:
    """When it was recorded: from the header, or said by hand."""
    zone = state.zone()
    if found.started_at:
        st.metric("Started, from the file", formats.when(found.started_at, zone))
    else:
        st.metric("Started, from the file", formats.NOT_KNOWN)
        st.caption("Without a start time the session is dated now, with a warning.")
    by_hand = st.datetime_input(
        f"Started, if it has to be said by hand ({zone.key})",
        value=st.session_state.get(STARTED),
        format="YYYY-MM-DD",
        key="started_by_hand",
    )
    st.session_state[STARTED] = by_hand


def started_at() -> datetime | None:
    """The time said by hand, aware in the site's zone."""
    by_hand = st.session_state.get(STARTED)
    return by_hand.replace(tzinfo=state.zone()) if by_hand else None


def profiles(store, names: list[str]) -> None:
    """Maps kept from earlier files of the same device."""
    with st.popover("Device profiles"):
        fitting = {k: v for k, v in sessions.device_profiles(store).items() if set(v) & set(names)}
        if fitting:
            chosen = st.selectbox("Use a saved map", list(fitting), index=None, format_func=formats.visible)
            if chosen and st.button("Use it", key="use_profile"):
                st.session_state[MAPPING] = {k: dict(v) for k, v in fitting[chosen].items() if k in names}
                st.rerun()
        else:
            st.caption("No saved map fits these channel names.")
        name = st.text_input("Save this map as", max_chars=40)
        if name.strip() and st.button("Save", key="save_profile"):
            sessions.save_device_profile(store, name.strip(), st.session_state.get(MAPPING) or {})
            st.caption("Saved.")


# --- 3 check


def check_step(store, draft: Draft) -> None:
    """Everything that speaks for and against these signals, at once."""
    found = inspection(draft)
    columns = st.columns(4)
    columns[0].metric("Grade", found.grade.value.capitalize(), border=True)
    columns[1].metric("Usable share", formats.share(found.usable_share), border=True)
    columns[2].metric("Length", formats.seconds(found.duration_s), border=True)
    columns[3].metric("Channels", f"{len(found.signals)}", border=True)
    st.caption(wording.GRADES.get(found.grade.value, ""))
    if found.known_session:
        st.info("These files are known for this patient already. Analysing them again changes nothing.")
        nav.link("session", f"Open the existing session {found.known_session}", {state.SESSION: found.known_session})
    if found.notices:
        st.markdown("##### Warnings")
        for notice in found.notices:
            st.text(f"{formats.visible(wording.on_screen(notice.text), 300)} [{notice.code}]")
    st.markdown("##### Each channel")
    components.table(
        components.quality_table(sorted(found.quality.get("channels", ()), key=lambda c: c.get("usable_share") or 0.0)),
        kind="quality",
        subject="draft",
        key="check",
        percent=("Usable",),
        digits={"Rate, Hz": 1, "Length, s": 1},
    )
    if found.preview is not None and found.preview.rows:
        st.markdown("##### The first seconds")
        st.caption(f"{found.preview.page_s:g} s from {formats.clock(found.preview.t0)}, as recorded.")
        st.plotly_chart(
            charts.signals(found.preview),
            key="preview",
            config=components.PLOT_CONFIG | {"displayModeBar": False},
            alt=f"Preview of {len(found.preview.rows)} channels",
        )
    if not found.can_run:
        st.error(formats.in_label(found.why_not, 300))
    with st.container(horizontal=True):
        if st.button("Go on to run", type="primary", key="to_run", disabled=not found.can_run):
            go_to(3)
        if st.button("Back to map", key="back_to_map"):
            go_to(1)


# --- 4 run


def run_step(store, draft: Draft) -> None:
    """The model, what will not be computed, and the button."""
    found = inspection(draft)
    patient = st.session_state.get(WHO)
    st.text(
        f"{len(draft.files)} file{'' if len(draft.files) == 1 else 's'}, {formats.seconds(found.duration_s)}, "
        f"for {patient or 'no patient yet'}"
    )
    fitting = [m for m in found.models if m.get("fits", True)]
    names = [m["name"] for m in fitting]
    chosen = st.selectbox(
        "Model",
        names,
        index=None,
        placeholder=f"The first that fits: {names[0]}" if names else "None fits these channels",
        key="model",
        width=420,
        disabled=not names,
    )
    st.session_state[MODEL] = chosen
    name = chosen or (names[0] if names else None)
    if name:
        info = models.info(store, name)
        components.model_note(info, key="run")
    else:
        st.caption(
            "No model fits: predictions are not computed (a channel they need was not recorded). Markers are computed."
        )
    if found.not_computed:
        st.markdown("##### Will not be computed")
        for reason in dict.fromkeys(map(str, found.not_computed.values())):
            names = ", ".join(formats.name(m) for m, why in found.not_computed.items() if str(why) == reason)
            st.text(f"{names}: {wording.REASONS.get(reason, reason.replace('_', ' '))}")
    else:
        st.caption("All measures of these signals can be computed.")
    st.caption("Usually done within seconds to a minute. Leaving this page is safe: the work goes on.")
    ready = bool(patient) and found.can_run
    with st.container(horizontal=True):
        if st.button("Analyse", type="primary", key="analyse", disabled=not ready):
            when = started_at()
            job = jobs.submit(
                store,
                "analyse",
                {
                    "draft": draft.id,
                    "patient": patient,
                    "model": chosen,
                    "started_at": when.isoformat() if when else None,
                    "reading": Reading(st.session_state.get(SFREQ), st.session_state.get(MAPPING) or {}).as_dict(),
                },
                label=f"Analyse a recording of {patient}",
                now=state.now(),
            )
            st.session_state.pop(WAITING, None)
            st.query_params.from_dict({state.JOB: job.id})
            st.rerun()
        if st.button("Back to check", key="back_to_check"):
            go_to(2)
    if not patient:
        st.caption("Choose a patient in step 2.")
    elif not found.can_run:
        st.caption(formats.visible(found.why_not, 300))


# --- the job


def job_view(store, job_id: str) -> None:
    """Progress, polled from the row; a reload shows the same."""
    try:
        job = jobs.get(store, job_id)
    except NotFound:
        st.error(f"Unknown job {formats.in_label(job_id, 40)}. It may belong to another database.")
        nav.link("jobs", "All jobs")
        return
    live = job.state in ("queued", "running")

    @st.fragment(run_every=0.3 if live else None)
    def progress() -> None:
        current = jobs.get(store, job_id)
        if current.state in ("queued", "running"):
            st.progress(
                min(max(current.progress, 0.0), 1.0),
                text=formats.in_label(current.message or current.state.capitalize(), 120),
            )
            st.caption(f"{formats.visible(current.label)} · {current.state}. Leaving or reloading this page is safe.")
            if st.button("Cancel", key="cancel_job"):
                jobs.cancel(store, job_id, now=state.now())
                st.rerun()
        elif live:
            st.rerun()
        else:
            finished(store, current)

    progress()


def finished(store, job: Job) -> None:
    """What came out, and where to look at it."""
    result: Mapping = job.result or {}
    if job.state == "done":
        st.progress(1.0)
        session = result.get("session")
        if session:
            patient = str(session).rsplit("/", 1)[0]
            abstained = result.get("status") == "abstained"
            if abstained:
                st.warning("Stored as abstained: the signals cannot carry a number. The session says why.")
            else:
                st.success(f"Done. Stored as session {formats.in_label(session)}.")
            with st.container(horizontal=True):
                nav.link("session", f"Open session {session}", {state.SESSION: str(session)})
                nav.link("patient", f"Timeline of {patient}", {state.PATIENT: patient})
        else:
            st.success("Done.")
    elif job.state == "cancelled":
        st.info("This job was cancelled; nothing was stored.")
    else:
        st.error(formats.in_label(components.problem(job.error), 600))
        st.caption("Nothing was stored.")
        draft = job.params.get("draft") if job.params else None
        with st.container(horizontal=True):
            if st.button("Try again", key="retry_job"):
                jobs.retry(store, job.id, now=state.now())
                st.rerun(scope="app")
            if draft:
                nav.link("new-recording", "Back to the files", {state.DRAFT: str(draft), state.STEP: "2"})
    nav.link("new-recording", "Another recording")


with components.page("new-recording"):
    store = state.store()
    job_id = state.param(state.JOB)
    if job_id:
        job_view(store, job_id)
        components.halt()

    draft: Draft | None = None
    draft_id = state.param(state.DRAFT)
    if draft_id:
        try:
            draft = sessions.draft(store, draft_id)
        except NotFound as error:
            components.show_error(error)
            nav.link("new-recording", "Start again")
            components.halt()
        fresh(draft_id)
    step = int(state.number_param(state.STEP, 1)) - 1
    step = min(max(step, 0), 3) if draft else 0
    if draft and state.param(state.PATIENT) and not st.session_state.get(WHO):
        st.session_state[WHO] = state.param(state.PATIENT)

    with st.container(horizontal=True, gap="small", key="rail"):
        for i, name in enumerate(STEPS):
            kind = "primary" if i == step else "secondary"
            blocked = (draft is None and i > 0) or (i > 1 and not st.session_state.get(WHO))
            if st.button(name, key=f"step-{i}", type=kind, disabled=blocked, width="stretch") and i != step:
                go_to(i)
    try:
        if step == 0 or draft is None:
            files_step(store, draft)
        elif step == 1:
            map_step(store, draft)
        elif step == 2:
            check_step(store, draft)
        else:
            run_step(store, draft)
    except AffectlineError as error:
        components.show_error(error)
        st.caption("Nothing was stored. Change the files in step 1, or correct the map in step 2.")
        if draft is not None and step > 0 and st.button("Remove these files", key="discard_bad"):
            sessions.discard(store, draft.id)
            st.session_state.pop(WAITING, None)
            for name in (state.DRAFT, state.STEP):
                state.set_param(name, None)
            st.rerun()
