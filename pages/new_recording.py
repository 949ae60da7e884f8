"""New recording: files, map, check, run; each step can be opened again, and leaving is safe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from app.ui import charts, components, doctor, formats, nav, state, wording
from core.errors import AffectlineError, NotFound
from core.services import jobs, models, patients, sessions
from core.services.jobs import Job
from core.services.sessions import Draft, Inspection
from core.settings import SAMPLES, settings
from core.types import CHANNEL_TYPES, UNITS, InputFile, Part, Reading

STEPS = ("1 Files", "2 Map", "3 Check", "4 Run")
# what was chosen in this tab: for the draft as a whole, and by its sessions
WHO, MODEL, NUMBERS, OFFSETS, SAID = "draft_patient", "draft_model", "draft_numbers", "draft_offsets", "draft_said"
# the id of files that were uploaded in this tab and are not analysed yet; the files lie on disk
WAITING = "draft_waiting"
# why files of the last upload were not taken, to be shown once
REFUSED = "upload_refused"
# in place of a unit: an empty cell would say None
NO_UNIT = "no unit"
# in place of the number of a session
NOT_USED = 0
# as many files as a draft holds can each be a session
MOST_JOBS = 30


@dataclass(frozen=True)
class Visit:
    """Files of a draft that make one session, with what was said about them."""

    number: int
    files: tuple[InputFile, ...]
    parts: tuple[Part, ...]

    @property
    def key(self) -> str:
        """Tells what was said about these files from what was said about others."""
        return hashlib.sha256("\n".join(f.name for f in self.files).encode()).hexdigest()[:8]

    @property
    def said(self) -> dict:
        """Map, rate, start and repairs, to be read and written."""
        return st.session_state.setdefault(SAID, {}).setdefault(self.key, {})

    @property
    def reading(self) -> Reading:
        """Everything that was said about the files, as it is handed on."""
        labels = {f.name for f in self.files}
        return Reading(
            sfreq=self.said.get("sfreq"),
            mapping=self.said.get("mapping") or {},
            offsets={k: v for k, v in st.session_state.get(OFFSETS, {}).items() if k in labels and v},
            repairs=self.said.get("repairs") or {},
        )

    @property
    def started_at(self) -> datetime | None:
        """The time said by hand, aware in the site's zone."""
        by_hand = self.said.get("started")
        return by_hand.replace(tzinfo=state.zone()) if by_hand else None

    @property
    def names(self) -> str:
        """Its files in words."""
        return ", ".join(formats.visible(f.name) for f in self.files)


def fresh(draft_id: str) -> None:
    """Forget what was chosen for another draft; it lives in this tab only."""
    if st.session_state.get("draft_of") != draft_id:
        for key in (WHO, MODEL, NUMBERS, OFFSETS, SAID):
            st.session_state.pop(key, None)
        doctor.forget()
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


def discard(store, draft_id: str) -> None:
    """Remove the files of a draft and start again."""
    sessions.discard(store, draft_id)
    st.session_state.pop(WAITING, None)
    for name in (state.DRAFT, state.STEP, state.VISIT):
        state.set_param(name, None)
    st.rerun()


@st.cache_data(scope="session", show_spinner="Reading the files and judging the signals ...", max_entries=12)
def look(
    draft_id: str, files: tuple[tuple[str, str], ...], patient: str | None, reading: str, model: str | None
) -> Inspection:
    """Inspect the files of a session once for each choice; the draft's id stands for their bytes."""
    return sessions.inspect(
        state.store(),
        [InputFile(name, path) for name, path in files],
        patient=patient,
        reading=Reading.from_dict(json.loads(reading)),
        model=model,
    )


def inspection(draft: Draft, visit: Visit) -> Inspection:
    """The inspection for what is chosen now."""
    return look(
        draft.id,
        tuple((f.name, f.path) for f in visit.files),
        st.session_state.get(WHO),
        json.dumps(visit.reading.as_dict(), sort_keys=True),
        st.session_state.get(MODEL),
    )


@st.cache_data(scope="session", show_spinner="Looking at the times of the files ...", max_entries=4)
def outline(draft_id: str, files: tuple[tuple[str, str], ...]) -> tuple[Part, ...]:
    """What each recorder left among the files of a draft."""
    return sessions.outline([InputFile(name, path) for name, path in files])


def parts_of(draft: Draft) -> tuple[Part, ...]:
    """The parts of a draft of several files."""
    return outline(draft.id, tuple((f.name, f.path) for f in draft.files))


def numbers_of(parts: Sequence[Part]) -> list[int | None]:
    """The session that each part goes to: as chosen by hand, else as its times propose."""
    proposal = sessions.proposed(parts, st.session_state.get(OFFSETS))
    chosen = st.session_state.get(NUMBERS, {})
    return [chosen.get(p.label, number) for p, number in zip(parts, proposal, strict=True)]


def visits_of(draft: Draft) -> list[Visit]:
    """The sessions that the files of a draft make; none while a file waits for its session."""
    if len(draft.files) == 1:
        return [Visit(1, draft.files, ())]
    parts = parts_of(draft)
    numbers = numbers_of(parts)
    if None in numbers:
        return []
    made = []
    for number in sorted({n for n in numbers if n}):
        mine = tuple(p for p, n in zip(parts, numbers, strict=True) if n == number)
        labels = {name for p in mine for name in p.files}
        made.append(Visit(number, tuple(f for f in draft.files if f.name in labels), mine))
    return made


def choose_visit(visits: Sequence[Visit]) -> Visit:
    """The session that steps 2 and 3 speak of."""
    if len(visits) == 1:
        return visits[0]
    options = {str(v.number): f"Session {v.number}: {formats.in_label(v.names, 60)}" for v in visits}
    wanted = state.choice("Of these files", state.VISIT, options, str(visits[0].number))
    return next(v for v in visits if str(v.number) == wanted)


def go_to(step: int) -> None:
    """Open a step."""
    state.set_param(state.STEP, str(step + 1))
    st.rerun()


# --- 1 files


def files_step(store, draft: Draft | None) -> None:
    """Upload; every file is copied to disk at once, and the URL keeps the draft."""
    limit = settings().max_upload_mb
    st.caption(
        f"Up to {limit} MB a file. Files of one recorder go together; those that overlap in time are proposed as one "
        "session, others as a session each. Names and birth dates in a file's header are not "
        "taken over; they stay in the original files, which are kept as they are."
    )
    turn = st.session_state.get(state.UPLOAD_ROUND, 0)
    uploads = st.file_uploader(
        "Files of one person", accept_multiple_files=True, key=f"upload-{turn}", max_upload_size=limit
    )
    with st.expander("Formats that are read"):
        st.caption("The content decides the format, not the name.")
        st.markdown(
            "\n".join(f"- {formats.in_label(title)}: {formats.in_label(how)}" for title, how in sessions.formats())
        )
    refused = st.session_state.pop(REFUSED, None)
    if refused:
        components.show_error(refused)
    if uploads:
        made = draft
        try:
            sessions.distinct([upload.name for upload in uploads])
            for upload in uploads:
                made = sessions.stage(store, upload.name, upload, made.id if made else None, now=state.now())
        except AffectlineError as error:
            st.session_state[REFUSED] = error
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
    ready = True
    if len(draft.files) == 1:
        st.dataframe(
            pd.DataFrame(
                {"File": [formats.visible(f.name) for f in draft.files], "Size": [formats.size(s) for s in draft.sizes]}
            ),
            hide_index=True,
            key="draft-files",
            width=520,
        )
    else:
        ready = group_table(parts_of(draft))
    with st.container(horizontal=True):
        if st.button("Go on to map", type="primary", key="to_map", disabled=not ready):
            go_to(1)
        if st.button("Remove these files", key="discard"):
            discard(store, draft.id)


def group_table(parts: Sequence[Part]) -> bool:
    """Which files make one session, and by how much a clock is moved: proposed, and changed by hand.

    Returns whether every file has its session.
    """
    numbers = numbers_of(parts)
    zone = state.zone()
    widths = (4, 2, 3, 2, 2, 2)
    st.markdown("##### Which files make one session?")
    with st.container(border=True):
        for cell, words in zip(
            st.columns(widths), ("File", "Format", "Starts", "Length", "Session", "Clock offset, s"), strict=True
        ):
            cell.caption(words)
        for i, (part, number) in enumerate(zip(parts, numbers, strict=True)):
            name, format_, starts, length, session, offset = st.columns(widths, vertical_alignment="center")
            name.text("\n".join(formats.visible(f, 40) for f in part.files))
            format_.text(formats.visible(part.format or formats.NOT_KNOWN, 40))
            given = st.session_state.get(OFFSETS, {}).get(part.label, 0.0)
            at = part.started_at + timedelta(seconds=given) if part.started_at else None
            starts.text(formats.moment(at, zone))
            length.text(formats.NOT_KNOWN if part.problem else formats.seconds(part.duration_s))
            st.session_state[f"group-{i}"] = number
            session.selectbox(
                f"Session of {formats.visible(part.label)}",
                [*range(1, len(parts) + 1), NOT_USED],
                format_func=lambda n: str(n) if n else "Not used",
                placeholder="Choose",
                key=f"group-{i}",
                label_visibility="collapsed",
                on_change=keep,
                args=(NUMBERS, part.label, f"group-{i}"),
            )
            st.session_state[f"offset-{i}"] = float(given)
            offset.number_input(
                f"Seconds added to the clock of {formats.visible(part.label)}",
                step=1.0,
                format="%.3f",
                key=f"offset-{i}",
                label_visibility="collapsed",
                on_change=keep,
                args=(OFFSETS, part.label, f"offset-{i}"),
            )
            if part.problem:
                st.error(formats.in_label(wording.on_screen(part.problem), 400))
    for line in sessions_in_words(parts, numbers):
        st.caption(formats.in_label(line, 400))
    by_hand = bool(st.session_state.get(NUMBERS)) or any(st.session_state.get(OFFSETS, {}).values())
    if by_hand and st.button("Back to what the times propose", key="propose"):
        st.session_state.pop(NUMBERS, None)
        st.session_state.pop(OFFSETS, None)
        st.rerun()
    return None not in numbers and any(numbers)


def keep(where: str, label: str, key: str) -> None:
    """Remember a choice about a part beyond the step it was made in."""
    st.session_state.setdefault(where, {})[label] = st.session_state[key]


def sessions_in_words(parts: Sequence[Part], numbers: Sequence[int | None]) -> list[str]:
    """What was proposed or chosen, and what is still to be said."""
    lines = []
    for number in sorted({n for n in numbers if n}):
        names = [p.label for p, n in zip(parts, numbers, strict=True) if n == number]
        lines.append(f"Session {number}: {', '.join(names)}.")
    unused = [p.label for p, n in zip(parts, numbers, strict=True) if n == NOT_USED]
    if unused:
        lines.append(f"Not used: {', '.join(unused)}.")
    asked = [p.label for p, n in zip(parts, numbers, strict=True) if n is None]
    if asked:
        lines.append(
            f"No start time tells where {', '.join(asked)} belongs: choose a session. Files without a start time are "
            "taken to start with the first of their session, moved by their offset."
        )
    return lines


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


def map_step(store, draft: Draft, visits: Sequence[Visit]) -> None:
    """Who, when, and what each channel is."""
    visit = choose_visit(visits)
    said = visit.said
    found = inspection_or_mend(draft, visit)
    left, right = st.columns(2, gap="large")
    with left:
        patient = who(store)
        if patient != st.session_state.get(WHO):
            st.session_state[WHO] = patient
            state.set_param(state.PATIENT, patient)
    with right:
        started(found, visit)
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
            "Unit": [s.get("unit") or NO_UNIT for s in found.signals],
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
                options=[NO_UNIT, *sorted({*UNITS.values(), "V", "mV", "nV", "µV", *table["Unit"]} - {NO_UNIT, ""})],
                required=True,
            ),
            "Rate, Hz": st.column_config.NumberColumn(format="%.2f"),
            "Length, s": st.column_config.NumberColumn(format="%.1f"),
        },
        key=f"map-{draft.id}-{visit.key}-{visit.reading.hash}",
        alt="Channels with type and unit, to be corrected",
    )
    mapping = dict(said.get("mapping") or {})
    for signal, (_, before), (_, after) in zip(found.signals, table.iterrows(), edited.iterrows(), strict=True):
        if after["Type"] != before["Type"] or after["Unit"] != before["Unit"]:
            mapping[signal["name"]] = {
                "type": str(after["Type"]),
                "unit": UNITS.get(after["Type"], "") if after["Unit"] == NO_UNIT else str(after["Unit"]),
            }
    rate = stated_rate(visit)
    profiles(store, [s["name"] for s in found.signals], said)
    changed = mapping != (said.get("mapping") or {}) or rate != said.get("sfreq")
    with st.container(horizontal=True):
        if st.button("Go on to check", type="primary", key="to_check", disabled=not st.session_state.get(WHO)):
            said |= {"mapping": mapping, "sfreq": rate}
            go_to(2)
        if changed and st.button("Apply the map", key="apply_map"):
            said |= {"mapping": mapping, "sfreq": rate}
            st.rerun()
    if not st.session_state.get(WHO):
        st.caption("Choose a patient to go on.")


def stated_rate(visit: Visit) -> float | None:
    """The sampling rate of columns without one, as typed."""
    return (
        st.number_input(
            "Sampling rate, Hz, for columns that have none of their own",
            min_value=0.0,
            value=visit.said.get("sfreq"),
            placeholder="as in the file",
            width=360,
            key=f"rate-{visit.key}",
        )
        or None
    )


def inspection_or_mend(draft: Draft, visit: Visit) -> Inspection:
    """The inspection; where reading is refused, why, and what may mend it without leaving the page."""
    try:
        return inspection(draft, visit)
    except AffectlineError as error:
        components.show_error(error)
        mend_refusal(draft, visit, error)
        components.halt()


def mend_refusal(draft: Draft, visit: Visit, error: AffectlineError) -> None:
    """Switches of the repairs that fit a refusal, the rate where that is what is missing, and a way back."""
    said, applied = visit.said, visit.reading.repairs
    if error.repairs or applied.get(doctor.WHOLE):
        st.markdown("**It may be mended here.** The file is not changed, and every switch can be taken back.")
        on = doctor.refusal_switches(error.repairs, applied, sessions.repairs(), of=visit.key)
        if on != applied:
            said["repairs"] = on
            st.rerun()
    if error.code == "E-RATE":
        rate = stated_rate(visit)
        if rate != said.get("sfreq"):
            said["sfreq"] = rate
            st.rerun()
    st.caption("Nothing was stored. Mend it, change the files in step 1, or remove them.")
    with st.container(horizontal=True):
        if any(said.get(k) for k in ("mapping", "repairs")) and st.button("Forget map and repairs", key="forget_said"):
            said |= {"mapping": {}, "repairs": {}}
            doctor.forget()
            st.rerun()
        if st.button("Remove these files", key="discard_bad"):
            discard(state.store(), draft.id)


def started(found: Inspection, visit: Visit) -> None:
    """When it was recorded: from the header, or said by hand."""
    zone = state.zone()
    if found.started_at:
        st.metric("Started, from the file", formats.when(found.started_at, zone))
    else:
        st.metric("Started, from the file", formats.NOT_KNOWN)
        st.caption("Without a start time the session is dated now, with a warning.")
    visit.said["started"] = st.datetime_input(
        f"Started, if it has to be said by hand ({zone.key})",
        value=visit.said.get("started"),
        format="YYYY-MM-DD",
        key=f"started-{visit.key}",
    )


def profiles(store, names: list[str], said: dict) -> None:
    """Maps kept from earlier files of the same device."""
    with st.popover("Device profiles"):
        fitting = {k: v for k, v in sessions.device_profiles(store).items() if set(v) & set(names)}
        if fitting:
            chosen = st.selectbox("Use a saved map", list(fitting), index=None, format_func=formats.visible)
            if chosen and st.button("Use it", key="use_profile"):
                said["mapping"] = {k: dict(v) for k, v in fitting[chosen].items() if k in names}
                st.rerun()
        else:
            st.caption("No saved map fits these channel names.")
        name = st.text_input("Save this map as", max_chars=40)
        if name.strip() and st.button("Save", key="save_profile"):
            sessions.save_device_profile(store, name.strip(), said.get("mapping") or {})
            st.caption("Saved.")


# --- 3 check


def check_step(store, draft: Draft, visits: Sequence[Visit]) -> None:
    """Everything that speaks for and against these signals, at once."""
    visit = choose_visit(visits)
    found = inspection_or_mend(draft, visit)
    columns = st.columns(4)
    columns[0].metric("Grade", found.grade.value.capitalize(), border=True)
    columns[1].metric("Usable share", formats.share(found.usable_share), border=True)
    columns[2].metric("Length", formats.seconds(found.duration_s), border=True)
    columns[3].metric("Channels", f"{len(found.signals)}", border=True)
    st.caption(wording.GRADES.get(found.grade.value, ""))
    if found.known_session:
        st.info(
            "These files are known for this patient already. Analysing them again, read in the same way, changes "
            "nothing but the start, where you say one."
        )
        nav.link("session", f"Open the existing session {found.known_session}", {state.SESSION: found.known_session})
    if len(found.parts) > 1:
        clocks(visit, found.parts)
    waiting = problems_and_repairs(found, visit)
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
        if st.button("Go on to run", type="primary", key="to_run", disabled=not found.can_run or waiting):
            go_to(3)
        if st.button("Back to map", key="back_to_map"):
            go_to(1)
        st.download_button(
            "Export the quality report (JSON)",
            data=lambda: next(
                iter(sessions.quality_report(store, visit.files, found, visit.reading, now=state.now()).files.values())
            ),
            file_name="quality-report.json",
            mime="application/json",
            key="quality_report",
            on_click="ignore",
            help="What stands on this page, how the files were read, and their hashes; no names of files or people.",
        )
    if waiting:
        st.caption("Apply the repairs, or take them back, to go on.")


def problems_and_repairs(found: Inspection, visit: Visit) -> bool:
    """Every problem with its switches; returns whether switches wait to be applied."""
    applied = visit.reading.repairs
    st.markdown("##### Problems and repairs")
    st.caption(
        "Everything that was found, at once. A repair is a switch: it changes how the file is read, never the file, "
        "and can be taken back. What is switched on is stored with the session."
    )
    on = doctor.switches(found.problems, applied, sessions.repairs(), of=visit.key)
    n = len({(c, r) for c, rs in on.items() for r in rs} ^ {(c, r) for c, rs in applied.items() for r in rs})
    if n:
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Apply the repairs", type="primary", key="apply_repairs"):
                visit.said["repairs"] = on
                st.rerun()
            st.text(f"{formats.counted(n, 'change')} not applied")
    return bool(n)


def clocks(visit: Visit, parts: Sequence[Part]) -> None:
    """How the clocks of the files lie to each other: starts, offsets, overlap, and what shared marks say."""
    zone = state.zone()
    first = min(p.onset_s for p in parts)
    st.markdown("##### Clocks of the files")
    components.table(
        pd.DataFrame(
            {
                "File": [", ".join(formats.visible(f) for f in p.files) for p in parts],
                "Starts": [formats.moment(p.started_at, zone) for p in parts],
                "After the first, s": [p.onset_s - first for p in parts],
                "Offset given, s": [p.offset_s for p in parts],
                "Length, s": [p.duration_s for p in parts],
                "Overlaps, s": [overlap(p, parts) for p in parts],
            }
        ),
        kind="clocks",
        subject="draft",
        key="clocks",
        digits={"After the first, s": 3, "Offset given, s": 3, "Length, s": 1, "Overlaps, s": 1},
    )
    for part in parts:
        if part.duration_s and not overlap(part, parts):
            st.warning(
                f"{formats.in_label(part.label)} overlaps with none of the other files: its values stand beside "
                "theirs, never together. Check its offset, or make it a session of its own in step 1."
            )
    marked = [p for p in parts if p.marks and p.late_s is not None]
    for i, part in enumerate(marked):
        marks_said(visit, part, parts[0], i)
    if not marked:
        st.caption(
            "The files share no marks, so only their own clocks say how they lie to each other, and a drift between "
            "the clocks cannot be seen."
        )


def overlap(part: Part, parts: Sequence[Part]) -> float:
    """The longest time in s that a part has in common with one of the others."""
    return max(max(0.0, min(part.end_s, p.end_s) - max(part.onset_s, p.onset_s)) for p in parts if p is not part)


def marks_said(visit: Visit, part: Part, first: Part, i: int) -> None:
    """What marks of the same names in two files say of their clocks, and the offset that would bring them together."""
    late = part.late_s or 0.0
    side = "later" if late > 0 else "earlier"
    text = (
        f"{formats.counted(part.marks, 'mark')} shared with {first.label} lie {abs(late):.3f} s {side} in {part.label}"
    )
    if part.drift_ppm is not None:
        text += f"; its clock gains {part.drift_ppm:.0f} ppm ({part.drift_ppm * 3.6e-3:+.3f} s an hour)"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{formats.visible(text, 300)}.")
        if abs(late) >= 0.001 and st.button(f"Move its clock by {-late:+.3f} s", key=f"by-marks-{i}"):
            offsets = st.session_state.setdefault(OFFSETS, {})
            offsets[part.label] = round(offsets.get(part.label, 0.0) - late, 3)
            # what stands here together stays so, whatever the times now propose
            st.session_state.setdefault(NUMBERS, {}).update({p.label: visit.number for p in visit.parts})
            st.rerun()


# --- 4 run


def run_step(store, draft: Draft, visits: Sequence[Visit]) -> None:
    """The model, what will not be computed, and the button."""
    patient = st.session_state.get(WHO)
    found = {visit.number: inspection_or_mend(draft, visit) for visit in visits}
    fitting = {m["name"]: None for f in found.values() for m in f.models if m.get("fits", True)}
    chosen = st.selectbox(
        "Model",
        list(fitting),
        index=None,
        placeholder=f"The first that fits: {next(iter(fitting))}" if fitting else "No model fits these channels",
        key="model",
        width=420,
        disabled=not fitting,
    )
    st.session_state[MODEL] = chosen
    name = chosen or next(iter(fitting), None)
    if name:
        components.model_note(models.info(store, name), key="run")
    else:
        st.caption(
            "No model fits: predictions are not computed (a channel they need was not recorded). Markers are computed."
        )
    for visit in visits:
        with st.container(border=len(visits) > 1):
            visit_in_words(visit, found[visit.number], patient, len(visits) > 1)
    st.caption("Usually done within seconds to a minute. Leaving this page is safe: the work goes on.")
    able = [v for v in visits if found[v.number].can_run]
    with st.container(horizontal=True):
        words = "Analyse" if len(visits) == 1 else f"Analyse {formats.counted(len(able), 'session')}"
        if st.button(words, type="primary", key="analyse", disabled=not (patient and able)):
            submit(store, draft, able, patient, {v.number: model_for(found[v.number], chosen) for v in able})
        if st.button("Back to check", key="back_to_check"):
            go_to(2)
    if not patient:
        st.caption("Choose a patient in step 2.")


def model_for(found: Inspection, chosen: str | None) -> str | None:
    """The chosen model where it fits a session; else the first that does."""
    return chosen if any(m["name"] == chosen and m.get("fits", True) for m in found.models) else None


def visit_in_words(visit: Visit, found: Inspection, patient: str | None, several: bool) -> None:
    """One session as it will be analysed: files, length, what was mended, what will not be computed."""
    lead = f"Session {visit.number}: " if several else ""
    st.text(
        f"{lead}{visit.names}, {formats.seconds(found.duration_s)}, for {patient or 'no patient yet'}"
        if several
        else f"{formats.counted(len(visit.files), 'file')}, {formats.seconds(found.duration_s)}, "
        f"for {patient or 'no patient yet'}"
    )
    for line in components.reading_words(visit.reading.as_dict(), sessions.repairs()):
        st.text(f"{line['What']}: {line['Value']}")
    if not found.can_run:
        st.warning(formats.in_label(f"It is not analysed. {found.why_not}", 300))
    elif found.not_computed:
        st.markdown("##### Will not be computed")
        for reason in dict.fromkeys(map(str, found.not_computed.values())):
            names = ", ".join(formats.name(m) for m, why in found.not_computed.items() if str(why) == reason)
            st.text(f"{names}: {wording.REASONS.get(reason, reason.replace('_', ' '))}")
    else:
        st.caption("All measures of these signals can be computed.")


def submit(store, draft: Draft, visits: Sequence[Visit], patient: str, by_model: Mapping[int, str | None]) -> None:
    """A job for each session, each with a draft of its own."""
    drafts = sessions.split(store, draft.id, [[f.name for f in v.files] for v in visits])
    made = []
    for visit, own in zip(visits, drafts, strict=True):
        made.append(
            jobs.submit(
                store,
                "analyse",
                {
                    "draft": own.id,
                    "patient": patient,
                    "model": by_model[visit.number],
                    "started_at": visit.started_at.isoformat() if visit.started_at else None,
                    "reading": visit.reading.as_dict(),
                },
                label=f"Analyse a recording of {patient}",
                now=state.now(),
            )
        )
    st.session_state.pop(WAITING, None)
    st.query_params.from_dict({state.JOB: ",".join(job.id for job in made)})
    st.rerun()


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
            if st.button("Cancel", key=f"cancel_job-{job_id}"):
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
            if st.button("Try again", key=f"retry_job-{job.id}"):
                jobs.retry(store, job.id, now=state.now())
                st.rerun(scope="app")
            if draft:
                nav.link("new-recording", "Back to the files", {state.DRAFT: str(draft), state.STEP: "2"})


with components.page("new-recording"):
    store = state.store()
    job_ids = (state.param(state.JOB) or "").split(",")[:MOST_JOBS]
    if any(job_ids):
        for job_id in dict.fromkeys(filter(None, job_ids)):
            with st.container(border=len(job_ids) > 1):
                job_view(store, job_id)
        nav.link("new-recording", "Another recording")
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
    if step == 0 or draft is None:
        files_step(store, draft)
        components.halt()
    visits = visits_of(draft)
    if not visits:
        st.info("Choose in step 1 which session each file belongs to.")
        components.halt()
    (map_step, check_step, run_step)[step - 1](store, draft, visits)
