from __future__ import annotations

import io

import pandas as pd
import pytest

from core.evaluation import groups as grouping
from core.services.exports import disclosure, exports, reports
from core.services.research.groups import LEVEL, Outcome, Report
from tests.core.storage.handmade import NOW

NUMBERS = ("mean_high", "mean_low", "difference", "low", "high", "hedges_g", "cliffs_delta", "p", "q")
HIGH, LOW = [f"S{i:02d}" for i in range(1, 13)], [f"S{i:02d}" for i in range(13, 25)]


def report(n_high: int, n_low: int) -> Report:
    values = {s: float(i) for i, s in enumerate([*HIGH[:n_high], *LOW[:n_low]])}
    parted = grouping.Parted(tuple(HIGH[:n_high]), tuple(LOW[:n_low]), (), (1.0, 1.0))
    outcome = Outcome("ecg_a: mean", LEVEL, values)
    found = tuple(grouping.compared({outcome.name: values}, parted, n=99))
    others = tuple(grouping.compared({"age": values}, parted, n=99))
    return Report(
        "mine", "ei", "cut", values, parted, "E-0001", "", None, (outcome,), found, others, "how it was done"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("n_high", "n_low", "there"),
    [(4, 12, {"mean_low"}), (12, 1, {"mean_high"}), (3, 3, set()), (5, 5, set(NUMBERS))],
)
def test_statistics_of_fewer_than_five_people_do_not_leave_and_the_reason_says_so(store, n_high, n_low, there):
    made = reports.groups(store, report(n_high, n_low), "parquet", now=NOW)
    frame = pd.read_parquet(io.BytesIO(next(iter(made.files.values()))))
    for _, row in frame.iterrows():
        corrected = {n for n in NUMBERS if n != "q" or row["kind"] != "confounder"}
        assert {n for n in corrected if row[n] == row[n]} == there & corrected
        assert (row["n_high"], row["n_low"]) == (n_high, n_low)
        assert (row["reason"] == "fewer than 5 people") == (len(there) < len(NUMBERS))


def test_a_group_of_nobody_is_not_computed_and_not_withheld(store):
    made = reports.groups(store, report(0, 12), "csv", now=NOW)
    text = next(iter(made.files.values())).decode()
    assert "too_few" in text and disclosure.FEW not in text


def test_a_view_keeps_its_rows_without_the_words_of_people_and_statistics_of_few():
    table = pd.DataFrame({"Why": ["her mother", "published"], "mean": [0.5, 0.25], "n": [4, 5]}, index=[7, 3])
    kept = disclosure.words_kept(table, "Why", where=[True, False])
    assert kept["Why"].tolist() == ["kept here", "published"]
    assert disclosure.words_kept(table, "Why")["Why"].tolist() == ["kept here"] * 2
    assert disclosure.few_kept(table, {"mean": ("n",)})["mean"].tolist() == ["fewer than 5 people", 0.25]
    assert table["Why"][7] == "her mother" and table["mean"][7] == 0.5, "the screen keeps its own"


def test_a_view_says_of_a_cell_without_a_value_what_the_screen_says(store):
    table = pd.DataFrame(
        {
            "value": [0.5, None], "n": pd.array([3, None], dtype="Int64"), "text": ["a", None],
            "at": [pd.Timestamp(NOW), pd.NaT],
        }
    )  # fmt: skip
    for said, more in (("not computed", {}), ("not finished", {"missing": "not finished"})):
        made = exports.export_view(store, "t", table, "cohort", now=NOW, **more)
        lines = next(iter(made.files.values())).decode().splitlines()
        assert lines[1].startswith('"0.5","3","a","20') and lines[2] == ",".join([f'"{said}"'] * 4)
