"""Rules that hold on more than one page: uploads survive, tables go out, what is stored is not computed again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core.services.clinic import insights, measures, sessions
from core.services.exports import exports
from core.settings import SAMPLES, settings
from tests.pages.conftest import IMPORTED, NOW, RECORDED, WRIST, open_page, texts
from tests.pages.test_pages import check

# lists that are no result: files just dropped, what a file to import or to export holds, what an export is made of
NO_RESULT = {"draft-files", "import-preview", "export-preview", "export-dictionary", "export-files"}


def test_an_upload_survives_going_to_another_page_and_only_its_id_is_kept_in_the_tab(filled):
    sample = SAMPLES / "simulated-eeg-ecg.edf"
    at = open_page("new_recording")
    assert f"Up to {settings().max_upload_mb} MB a file" in check(at), "before anything is sent"
    at.file_uploader[0].set_value((sample.name, sample.read_bytes(), "application/octet-stream")).run()
    found = at.query_params["draft"]
    draft = found[0] if isinstance(found, list) else found
    assert sessions.draft(filled, draft).sizes == (sample.stat().st_size,)
    at.switch_page("../pages/worklist.py").run()
    at.query_params.clear()
    at.switch_page("../pages/new_recording.py").run()
    assert sample.name in check(at), "the files of this tab are offered again"
    at.button(key="resume").click().run()
    check(at)
    assert sample.name in "\n".join(texts(at)) and any(b.key == "to_map" for b in at.button)
    assert at.session_state["draft_waiting"] == draft
    # the uploader that held the bytes is gone; the one shown now is empty
    assert "upload-0" not in at.session_state and at.session_state["upload-1"] == []


@pytest.mark.parametrize(
    ("script", "params"),
    [
        ("worklist", {}),
        ("patient", {"patient": IMPORTED}),
        ("patient", {"patient": RECORDED}),
        ("insights", {"patient": IMPORTED}),
        *(
            ("session", {"session": f"{RECORDED}/S-01", "tab": t})
            for t in ("Overview", "Signals", "Windows", "Provenance")
        ),
        ("session", {"session": f"{WRIST}/S-01", "tab": "Overview"}),
        ("import_export", {"tab": "History"}),
        ("jobs", {}),
        ("help", {}),
    ],
)
def test_every_table_of_results_has_an_export_beside_it(script, params, filled):
    from core.services import jobs

    jobs.submit(filled, "demo", {}, label="x", now=NOW)
    exports.export(filled, "measures", "csv", now=NOW)
    at = open_page(script, **params)
    check(at)
    tables = [d for kind in ("dataframe", "table") for d in at.get(kind)]
    shown = [d for d in tables if getattr(d, "key", None) not in NO_RESULT]
    exporting = [b.proto.label for b in at.get("download_button") if b.proto.label.startswith("Export")]
    assert shown or (script, params.get("tab")) == ("session", "Signals")
    assert len(exporting) >= len(shown)


@pytest.fixture
def thousand(empty, tmp_path):
    """A patient with 1,000 sessions of five measures, and what opens the store."""
    from core.storage.store import Store

    rng = np.random.default_rng(2)
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1001)
    rows = ["patient,started_at,measure,value,low,high"]
    for k in range(1000):
        at = (first + timedelta(days=k)).isoformat()
        for name in ("valence", "arousal", "dominance"):
            v = float(np.clip(0.5 + 0.08 * rng.standard_normal() + 0.25 * (k > 990), 0, 1))
            rows.append(f"P-1000,{at},{name},{v:.4f},{max(v - 0.1, 0):.4f},{min(v + 0.1, 1):.4f}")
        rows.append(f"P-1000,{at},heart_rate,{65 + 3 * rng.standard_normal():.3f},,")
        rows.append(f"P-1000,{at},rmssd,{35 * np.exp(0.2 * rng.standard_normal()):.3f},,")
    path = tmp_path / "thousand.csv"
    path.write_text("\n".join(rows) + "\n")
    store = Store(settings().database, data_dir=empty)
    assert measures.import_csv(store, path, now=datetime.now(UTC))["sessions"] == 1000
    return store


def test_a_thousand_sessions_are_drawn_without_computing_again_what_is_stored(thousand, monkeypatch):
    from core import insights, markers, pipeline, preprocess, quality
    from core.models import bundle
    from core.readers import isolation

    def never(*_, **__):
        raise AssertionError("a stored value was computed again")

    for module, name in (
        (pipeline, "analyse"), (pipeline, "features_of"), (isolation, "read"), (quality, "assess"),
        (preprocess, "filtered"), (markers, "compute"), (bundle.Bundle, "predict"), (insights, "detect"),
        (insights, "replay"), (insights, "_at"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, never)
    for kind in insights.DETECTORS:
        monkeypatch.setitem(insights.DETECTORS, kind, never)
    at = open_page("patient", patient="P-1000")
    text = check(at)
    assert "n = 1,000 sessions" in text and "Is P-1000 within their own range?" in text
    assert "Insights in this range" in text and at.get("plotly_chart")


def test_moving_a_session_asks_for_the_patient_and_a_reason_first(filled):
    session = sessions.history(filled, RECORDED)[-1].session
    at = open_page("session", session=session)
    at.button(key="move").click().run()
    text = check(at)
    assert f"{session} now belongs to {RECORDED}" in text and "made anew" in text
    assert set(at.selectbox[-1].options) == {WRIST, IMPORTED}
    assert at.button(key="do_move").disabled and any(t.label == "Reason" for t in at.text_input)
    assert sessions.history(filled, RECORDED)[-1].session == session


def test_an_insight_is_shown_with_what_chance_would_bring_its_numbers_and_its_rule(filled):
    card = insights.open_cards(filled, now=NOW, patient=IMPORTED)[0]
    i = card.insight
    text = check(open_page("insights", patient=IMPORTED, insight=card.id)).replace("\\", "")
    assert f"Expected without any change: about {i.expected_by_chance:.2g} per 20 sessions" in text
    assert i.text in text and f"n {i.n}" in text and f"rule {i.rule}" in text and "preset" in text
    assert i.q is None or " q " in text


@pytest.mark.parametrize("patient", [RECORDED, WRIST, IMPORTED])
def test_every_figure_has_a_summary_in_words(patient, filled):
    shown = open_page("patient", patient=patient).get("plotly_chart")
    for tab in ("Signals", "Windows"):
        session = sessions.history(filled, patient)[-1].session
        shown += open_page("session", session=session, tab=tab).get("plotly_chart")
    assert shown
    for figure in shown:
        assert len(figure.proto.alt) > 20


def test_the_timeline_draws_interval_range_insight_event_report_and_usable_share():
    from app.ui import charts
    from app.ui.formats import local_ms
    from core.services.clinic.patients import Event, SelfReport
    from core.types import Insight
    from tests.pages.test_kit import NOW as now
    from tests.pages.test_kit import UTC_ZONE, own_range, row

    rows = [row(k, 0.5 + 0.01 * k) for k in range(12)]
    found = Insight(
        "ANOMALY", "valence", rows[9].session, rows[9].session, "warning", "x", 0.6, 0.5, 9, 0.1, "default",
        "anomaly/1", rows[9].started_at, rows[9].started_at,
    )  # fmt: skip
    event = Event("1", "P-0001", "treatment", "talks begin", rows[3].started_at)
    report = SelfReport("1", "P-0001", "PHQ-9", 13.0, now - timedelta(days=20))
    card = insights.Card("1", "P-0001", found, "new", 1.0)
    made = charts.timeline(rows, ["valence"], own_range(0.41, 0.59), [card], [event], [report], zone=UTC_ZONE)
    figure = made.figure

    def numbers(values) -> set[float]:
        return {round(float(v), 6) for v in values if v is not None and isinstance(v, int | float | np.number)}

    drawn: set[float] = set()
    words = [a.text for a in figure.layout.annotations]
    for trace in figure.data:
        if trace.y is not None:
            drawn |= numbers(trace.y)
        words += [str(t) for t in (trace.text if isinstance(trace.text, tuple | list) else [trace.text])]
    for r in rows:
        value = r.measures["valence"]
        assert {round(v, 6) for v in (value.value, value.low, value.high)} <= drawn, "the value and its interval"
    bands = [(s.y0, s.y1) for s in figure.layout.shapes if s.type == "rect"]
    assert (0.41, 0.59) in bands, "own range"
    assert 90.0 in drawn, "usable share in per cent"
    assert 13.0 in drawn, "self-report"
    assert any("talks begin" in w for w in words), "event"
    marks = [t for t in figure.data if t.name == "Insight"]
    assert len(marks) == 1 and list(marks[0].x) == list(local_ms([rows[9].started_at], UTC_ZONE))
