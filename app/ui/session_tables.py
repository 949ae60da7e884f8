"""What was measured in sessions, as tiles and tables: measures, channels, and how files were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import formats, state, wording
from app.ui.components import NOT_COMPUTED
from core.services.clinic.sessions import SessionRow
from core.settings import MEASURE_UNITS
from core.types import Measure


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
