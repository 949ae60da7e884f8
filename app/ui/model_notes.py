"""The line of a model beside its numbers, with its card; for a demonstration model what must stand there."""

from __future__ import annotations

import streamlit as st

from app.ui import components, formats, state, wording
from core.errors import AffectlineError
from core.services.research import models
from core.types import ModelInfo


def model_note(model: ModelInfo | None, *, key: str = "banner") -> None:
    """The model's line beside its numbers, with its card; for a demonstration model the line that must stand there."""
    if model is None:
        return
    line = formats.in_label(wording.model_line(model), 300)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        if model.demonstration:
            said = wording.DEMONSTRATION[0].upper() + wording.DEMONSTRATION[1:]
            st.warning(f"{said}. {line}")
        else:
            st.caption(line, width="content")
        card = st.popover("Model card", type="tertiary", key=f"card-{key}", on_change="rerun")
        # only an open card is read: a page must show before any model is loaded
        if card.open:
            with card:
                model_card(model.name)


def models_note() -> None:
    """Where a list shows predictions of many sessions: every installed model with its figure."""
    for found in models.available(state.store()):
        if found["problem"]:
            continue
        info = ModelInfo(
            found["name"], found["version"], found["basis"], found["balanced_accuracy"], found["demonstration"]
        )
        said = f" {wording.DEMONSTRATION[0].upper()}{wording.DEMONSTRATION[1:]}." if info.demonstration else ""
        st.caption(formats.in_label(wording.model_line(info) + said, 400))


def model_card(name: str) -> None:
    """The card of a bundle as it is stored."""
    try:
        card = models.card(state.store(), name)
    except AffectlineError as error:
        components.show_error(error)
        return
    components.json_block(card, expanded=1)
