"""Every page once: section, script, title, address and the question it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import streamlit as st
from streamlit.navigation.page import StreamlitPage

PAGES_DIR = Path(__file__).resolve().parents[2] / "pages"


@dataclass(frozen=True)
class Entry:
    """One page. ``question`` is its subtitle; a hidden page is reached by links only."""

    section: str
    script: str
    title: str
    url_path: str
    question: str
    default: bool = False
    hidden: bool = False


PAGES = {
    entry.url_path: entry
    for entry in (
        Entry("Clinic", "worklist.py", "Worklist", "worklist", "Who needs me today?", default=True),
        Entry(
            "Clinic",
            "new_recording.py",
            "New recording",
            "new-recording",
            "Can this file be trusted, and what is in it?",
        ),
        Entry("Clinic", "patient.py", "Patient", "patient", "Is this person in their own range, and since when?"),
        Entry(
            "Clinic",
            "session.py",
            "Session",
            "session",
            "What happened, and can I see it in the signal?",
            hidden=True,
        ),
        Entry("Clinic", "insights.py", "Insights", "insights", "What should I look at, and what did I decide?"),
        Entry("Research", "experiments.py", "Experiments", "experiments", "Which result can I believe?"),
        Entry("Research", "ablation.py", "Ablation", "ablation", "What does each signal add?"),
        Entry("Research", "leak_audit.py", "Leak audit", "leak-audit", "Could this number be too good?"),
        Entry(
            "Research",
            "ei_groups.py",
            "EI groups",
            "ei-groups",
            "Does emotional intelligence change what can be read?",
        ),
        Entry("Research", "models.py", "Models", "models", "What is this model, and may it be used here?"),
        Entry("Data", "import_export.py", "Import and export", "import-export", "How do data get in and out?"),
        Entry("System", "jobs.py", "Jobs", "jobs", "What is being worked on, and what has failed?"),
        Entry("System", "help.py", "Help", "help", "What do the keys, words and numbers mean?"),
    )
}


def page(url_path: str) -> StreamlitPage:
    """A page by its address, as st.navigation and st.switch_page take it."""
    entry = PAGES[url_path]
    return st.Page(
        PAGES_DIR / entry.script,
        title=entry.title,
        url_path=entry.url_path,
        default=entry.default,
        visibility="hidden" if entry.hidden else "visible",
    )


def navigation() -> StreamlitPage:
    """The menu; returns the page that is open."""
    sections: dict[str, list[StreamlitPage]] = {}
    for url_path, entry in PAGES.items():
        sections.setdefault(entry.section, []).append(page(url_path))
    return st.navigation(sections, expanded=True)


def go(url_path: str, params: Mapping[str, str] | None = None) -> None:
    """Open another page with its query parameters; ends this run."""
    st.switch_page(page(url_path), query_params=dict(params or {}))


def link(url_path: str, label: str, params: Mapping[str, str] | None = None, **options) -> None:
    """A link to a page with its query parameters. The label is ours or a pseudonym."""
    st.page_link(page(url_path), label=label, query_params=dict(params or {}), **options)


def address(url_path: str, **params: str) -> str:
    """The relative URL of a view, for link columns of tables."""
    entry = PAGES[url_path]
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in params.items())
    path = "/" if entry.default else f"/{url_path}"
    return f"{path}?{query}" if query else path
