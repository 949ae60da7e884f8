"""Liking, a fourth prediction, stands where the other three stand."""

from __future__ import annotations

from datetime import timedelta

from core.services.clinic import measures, sessions
from core.settings import settings
from core.storage.store import Store
from tests.pages.conftest import NOW, open_page
from tests.pages.test_pages import check


def test_liking_is_a_lane_of_the_timeline_and_a_row_of_the_last_session(empty):
    store = Store(settings().database, data_dir=empty)
    lines = ["patient,started_at,measure,value"]
    for k in range(6):
        at = (NOW - timedelta(days=7 * (6 - k))).isoformat()
        lines += [f"P-0009,{at},{m},{0.4 + 0.02 * k:.2f}" for m in ("valence", "arousal", "liking")]
    (empty / "more.csv").write_text("\n".join(lines) + "\n")
    measures.import_csv(store, empty / "more.csv", now=NOW)
    assert sessions.history(store, "P-0009")[-1].measures["liking"].value == 0.5
    at = open_page("patient", patient="P-0009")
    assert next(m for m in at.multiselect if m.label == "More lanes").value == ["liking"]
    assert "Liking" in check(at)
    at = open_page("session", session="P-0009/S-06")
    assert "Liking" in check(at)
