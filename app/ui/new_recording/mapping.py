"""Step 2: who, when, and what each channel is."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.ui import components, formats, state, wording
from app.ui.new_recording.draft import WHO, Visit, choose_visit, go_to, inspection_or_mend, stated_rate
from core.errors import AffectlineError
from core.services.clinic import patients, sessions
from core.services.clinic.sessions import Draft, Inspection
from core.types import CHANNEL_TYPES, UNITS

# in place of a unit: an empty cell would say None
NO_UNIT = "no unit"


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
    mapping = channels(found, visit, key=f"map-{draft.id}-{visit.key}-{visit.reading.hash}")
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


def channels(found: Inspection, visit: Visit, *, key: str) -> dict[str, dict[str, str]]:
    """The channels with type and unit, to be corrected; returns the map with what was corrected now."""
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
    edited: pd.DataFrame = st.data_editor(
        table,
        hide_index=True,
        disabled=("Channel", "Rate, Hz", "Length, s"),
        column_config={
            "Type": st.column_config.SelectboxColumn(
                options=list(CHANNEL_TYPES),
                required=True,
                format_func=lambda t: wording.CHANNEL_TYPES.get(str(t), str(t)),
            ),
            "Unit": st.column_config.SelectboxColumn(
                options=[NO_UNIT, *sorted({*UNITS.values(), "V", "mV", "nV", "µV", *table["Unit"]} - {NO_UNIT, ""})],
                required=True,
            ),
            "Rate, Hz": st.column_config.NumberColumn(format="%.2f"),
            "Length, s": st.column_config.NumberColumn(format="%.1f"),
        },
        key=key,
        alt="Channels with type and unit, to be corrected",
    )
    mapping = dict(visit.said.get("mapping") or {})
    for signal, (_, before), (_, after) in zip(found.signals, table.iterrows(), edited.iterrows(), strict=True):
        if after["Type"] != before["Type"] or after["Unit"] != before["Unit"]:
            mapping[signal["name"]] = {
                "type": str(after["Type"]),
                "unit": UNITS.get(after["Type"], "") if after["Unit"] == NO_UNIT else str(after["Unit"]),
            }
    return mapping


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
