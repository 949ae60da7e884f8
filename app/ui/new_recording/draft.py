"""What was chosen of a draft in this tab, the sessions that its files make, and what was found in each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from app.ui import components, doctor, formats, state
from core.errors import AffectlineError
from core.services.clinic import sessions
from core.services.clinic.sessions import Draft, Inspection
from core.types import InputFile, Part, Reading

# what was chosen in this tab: for the draft as a whole, and by its sessions
WHO, MODEL, NUMBERS, OFFSETS, SAID = "draft_patient", "draft_model", "draft_numbers", "draft_offsets", "draft_said"
# the id of files that were uploaded in this tab and are not analysed yet; the files lie on disk
WAITING = "draft_waiting"


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
