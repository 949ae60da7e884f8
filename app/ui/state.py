"""Every session_state key and query parameter, the cached store, the clock and the zone of the screen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from zoneinfo import ZoneInfo

import streamlit as st

from core.settings import settings
from core.storage.store import Store

# --- query parameters: every view is a URL
PATIENT, SESSION, RANGE, TAB = "patient", "session", "range", "tab"
T0, PAGE_S = "t0", "page_s"
INSIGHT, DRAFT, JOB, ARCHIVE = "insight", "draft", "job", "archive"
PRESET, STEP, VISIT = "preset", "step", "visit"
RUN, RUNS, LEVEL = "run", "runs", "level"
STUDY, TARGET, MODEL, SPLIT, FUSION, SEED, CORRECTION = (
    "study", "target", "model", "split", "fusion", "seed", "correction",
)  # fmt: skip
INPUTS, AUDIT, TO, FEATURES = "inputs", "audit", "to", "features"
GROUP, RULE, CUT, OUTCOME, INPUT = "group", "rule", "cut", "outcome", "input"
WHY_BY = "by"

# --- keys of session_state: conveniences of one tab only, lost on refresh without harm
LAST_DECIDED = "last_decided_insight"
LAST_MARK = "last_mark"
RECOMPUTE = "recompute_job"
SHOWN_STATES = "shown_insight_states"
FLASH = "flash"
UPLOAD_ROUND = "upload_round"
MADE_EXPORT = "made_export"


@st.cache_resource(show_spinner=False)
def _open(url: str) -> Store:
    return Store.open(url)


def store() -> Store:
    """The store of this process, opened and migrated once."""
    return _open(settings().database)


def now() -> datetime:
    """The present time, aware and in UTC; pages hand it to the services."""
    return datetime.now(UTC)


def zone() -> ZoneInfo:
    """The zone that times are shown in."""
    return settings().zone


def param(name: str) -> str | None:
    """A query parameter, or None when it is absent or empty."""
    return st.query_params.get(name) or None


def number_param(name: str, default: float, least: float = 0.0) -> float:
    """A query parameter as a finite number of at least ``least``; the default for anything else."""
    try:
        value = float(st.query_params.get(name, default))
    except ValueError:
        return default
    return value if isfinite(value) and value >= least else default


def set_param(name: str, value: str | None) -> None:
    """Write a query parameter, or take it away with None."""
    if value is None:
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def choice(label: str, name: str, options: Mapping[str, str], default: str, **more) -> str:
    """A segmented control whose key, not its words, stands in the URL as the parameter ``name``."""
    wanted = param(name)
    chosen = st.segmented_control(
        label,
        list(options),
        default=wanted if wanted in options else default,
        required=True,
        format_func=options.__getitem__,
        key=f"choice-{name}",
        **more,
    )
    set_param(name, None if chosen == default else chosen)
    return chosen or default


def flash(text: str) -> None:
    """Keep a sentence for the next run of a page, after an action that reruns it."""
    st.session_state[FLASH] = text


def take_flash() -> str | None:
    """The sentence kept by ``flash``, once."""
    return st.session_state.pop(FLASH, None)
