"""The panel of the protocols of others: what each scores when it is re-enacted, beside left-out people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.ui import components, formats, wording
from app.ui.charts import research as charts
from core.services.exports import disclosure

REENACTED = f"Re-enacted ({wording.LEAKY_MARK})"
NUMBERS = (REENACTED, "Left-out people", "Difference")


def show(found: Mapping[str, Any]) -> None:
    """The mark, a figure, the numbers, and what each protocol did and what of it is not done here."""
    st.warning(f"▲ {formats.in_label(found['watermark'], 300)}")
    rows, n = found["protocols"], found["n_subjects"]
    numbers = pd.DataFrame([_numbers(row) for row in rows])
    if not disclosure.few(n):
        _figure(rows, numbers, n)
    components.table(
        numbers, kind="protocols", subject="cohort", key="protocols",
        leaves=lambda shown: few_kept(shown, n),
    )  # fmt: skip
    st.caption(
        f"n = {formats.counted(n, 'subject')}. Balanced accuracy, mean over subjects; the difference is paired by "
        f"subject, with its 95 % interval; none where rows were made that belong to nobody. Left-out people: the same "
        f"model and features, run {found['experiment']} or, "
        "where a protocol has a row for each trial, the same split of those rows. A protocol may also score lower: "
        "trials dealt out of a person's own leave the other class behind."
    )
    st.markdown("##### What did each do?")
    components.wrapped(pd.DataFrame([_words(row) for row in rows]), kind="protocols-did", subject="cohort",
                       key="protocols-did")  # fmt: skip


def few_kept(shown: pd.DataFrame, n: int) -> pd.DataFrame:
    """The numbers without values where fewer than five people were scored."""
    return disclosure.few_kept(shown.assign(people=n), dict.fromkeys(NUMBERS, ("people",))).drop(columns="people")


def _numbers(row: Mapping[str, Any]) -> dict[str, str]:
    name = {"Protocol": row["name"], "System": row["title"], "Reported": row["published"]}
    if row["score"] is None:
        return name | dict.fromkeys(NUMBERS, f"{components.NOT_COMPUTED}: {row['reason']}")
    apart = row["difference"]
    said = f"{apart['value']:+.2f}"
    said += ", no interval" if apart["low"] is None else f" ({apart['low']:+.2f} to {apart['high']:+.2f})"
    return name | {
        REENACTED: formats.number(row["score"]),
        "Left-out people": formats.number(row["honest"]),
        "Difference": said,
    }


def _words(row: Mapping[str, Any]) -> dict[str, str]:
    left = "; ".join(": ".join(filter(None, (x["what"].rstrip("."), x["reason"]))) for x in row["left"])
    nothing = f"nothing: {row['reason']}"
    return {
        "Protocol": row["name"],
        "What was done": " ".join(row["did"]) or nothing,
        "Rules broken": ", ".join(row["rules"]) or "none",
        "Not done here": left or "nothing is known to be missing",
    }


def _figure(rows: Sequence[Mapping[str, Any]], numbers: pd.DataFrame, n: int) -> None:
    told = [row for row in rows if row["score"] is not None]
    if not told:
        return
    said = "; ".join(
        f"{r['name']} {formats.number(r['score'])} (leaky), left-out people {formats.number(r['honest'])}" for r in told
    )
    components.chart(
        charts.protocols(told), key="protocols", title="What does the same pipeline score by the protocols of others?",
        caption="Balanced accuracy. Hollow: re-enacted and leaky, says nothing of a new person. Full: people left out. "
        f"Dotted: a coin. n = {formats.counted(n, 'subject')}.",
        alt=f"Balanced accuracy by protocol: {said}; chance 0.50", kind="protocols", subject="cohort",
        make_table=lambda: numbers.assign(Leaky="yes"),
        how="Model and features are the same; only what was done to the data before and at the split differs, as it "
        "is known of five earlier systems. Rows that a protocol made belong to nobody: it is then scored "
        "over all rows at once, on both sides, without an interval over people. Nothing of this is stored as a run.",
    )  # fmt: skip
