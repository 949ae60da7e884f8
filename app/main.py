"""The page frame: settings of the window, menu, the open page and the footer; nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # streamlit puts only app/ on the path
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from app.ui import components, nav, wording  # noqa: E402

st.set_page_config(page_title=wording.PRODUCT, layout="wide", initial_sidebar_state=220)
components.style()
page = nav.navigation()
components.sidebar()
page.run()
components.footer()
