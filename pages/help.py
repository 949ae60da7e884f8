"""Help: keys, words, formats, and what the numbers do not mean."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.ui import components, formats, palette, state, wording
from core.services.clinic import sessions
from core.settings import MEASURE_UNITS, settings

KEYS = (
    ("F", "everywhere", "find a patient"),
    ("H", "everywhere", "this page"),
    ("Left, Right", "signal viewer", "page back, page forward"),
    ("Shift+Left, Shift+Right", "signal viewer", "quarter page back, forward"),
    ("Home, End", "signal viewer", "start, end of the recording"),
    ("Up, Down", "signal viewer", "larger, smaller"),
    ("O", "signal viewer", "raw, or filtered with the raw lines in grey"),
    ("B", "signal viewer", "mark the chosen channel as bad, or take it back"),
    ("U", "session", "undo the last mark"),
    ("P", "signal viewer", "polarity of the EEG"),
    ("N", "insights", "next"),
    ("A", "insights", "acknowledge"),
    ("S", "insights", "snooze"),
    ("X", "insights", "dismiss"),
    ("U", "insights", "undo the last decision"),
)
GLOSSARY = (
    ("Patient", "a person followed here, known by a pseudonym such as P-0042"),
    ("Session", "one visit: one or more files on one clock, with their analyses"),
    ("Measure", "a value of a session with interval, unit and quality: a prediction or a marker"),
    ("Prediction", "an index of 0-1 made by a model: valence, arousal, dominance, liking, stress"),
    ("Marker", "a value computed from the signal itself, with a unit; it needs no training data"),
    ("Usable share", "share of the windows whose signal can be trusted"),
    ("Own range", "where 95 % of the person's next sessions would lie if nothing changed"),
    (
        "Reliable change index",
        "a session less the mean of the baseline sessions, over the error of measurement that neighbouring sessions of "
        "the person show; beyond 1.96 it is larger than their own variation from session to session",
    ),
    ("Baseline", "what a person is compared with: their own accepted sessions, or those a clinician chose"),
    ("Abstained", "the signals could not carry a number, so none is shown"),
    ("Unsure", "the interval covers the model's cut, so neither High nor Low is said"),
    ("LOSO", "leave one subject out: the model is tested on people it has not seen"),
    ("Window", "a few seconds cut from a recording; windows overlap"),
    ("Simulated", "made by a computer; no person stands behind it"),
)


def listing(rows, columns: tuple[str, ...], key: str) -> None:
    """A small table of our own words."""
    frame = pd.DataFrame(rows, columns=columns)
    st.table(frame, hide_index=True)
    with st.container(horizontal=True, key=f"tools-help-{key}"):
        components.export_button(frame, kind=f"help-{key}", subject="help", key=key)


with components.page("help"):
    st.subheader("What the numbers do not mean")
    for sentence in wording.NUMBERS_DO_NOT_MEAN:
        st.markdown(f"- {sentence}")
    st.caption(
        f"{wording.FOOTER} Not cleared or certified by any authority. "
        "Do not use it for diagnosis or treatment decisions."
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Keys")
        st.caption("Single keys do nothing while a text field has the focus.")
        listing(KEYS, ("Key", "Where", "Does"), "keys")
        st.subheader("Marks")
        listing(
            [*((w.split(" ", 1)[0], f"{w.split(' ', 1)[1]}{' own range' if k != 'not computed' else ''}")
               for k, w in palette.WORDS.items()), ("○", "hollow: low quality"), ("◇", "insight")],
            ("Mark", "Means"),
            "marks",
        )  # fmt: skip
        st.subheader("Formats that are read")
        st.caption(f"The content decides, not the name. Up to {settings().max_upload_mb} MB a file.")
        listing(sessions.formats(), ("Format", "How"), "formats")
    with right:
        st.subheader("Glossary")
        listing(GLOSSARY, ("Word", "Means"), "glossary")
        st.subheader("Measures")
        listing([(formats.name(m), u) for m, u in MEASURE_UNITS.items()], ("Measure", "Unit"), "measures")
        st.caption("index: 0-1. " + wording.INDEX_MEANS)
        st.subheader("Why a value is not computed")
        listing(list(wording.REASONS.items()), ("Reason", "In words"), "reasons")
    st.caption(f"Times are shown in {state.zone().key}; files carry ISO 8601 with offset.")
