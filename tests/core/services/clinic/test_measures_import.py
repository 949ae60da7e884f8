from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core.errors import Conflict, Refused
from core.services.clinic import insights, measures, patients, sessions
from core.types import Visit
from tests.core.storage.handmade import NOW, day, put

HEAD = "patient,started_at,measure,value\n"


def load(store, tmp_path, text: str | bytes, **more) -> dict:
    path = tmp_path / "measures.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return measures.import_csv(store, path, now=NOW, **more)


def test_a_table_becomes_sessions_marked_imported(store, tmp_path):
    text = (
        "patient,started_at,measure,value,low,high\n"
        "P-0042,2026-03-01T09:00:00+01:00,valence,0.62,0.5,0.7\n"
        "P-0042,2026-03-01T08:00:00Z,heart_rate,70,,\n"
        "P-0042,2026-03-08T08:00:00Z,alpha_asymmetry,-0.25,,\n"
        "S01,2026-03-01T08:00:00Z,valence,0.4,,\n"
    )
    assert load(store, tmp_path, text) == {"patients": 2, "sessions": 3, "measures": 4, "skipped": 0, "insights": 0}
    first, second = sessions.history(store, "P-0042")
    assert first.imported and first.started_at == datetime(2026, 3, 1, 8, tzinfo=UTC) and first.usable_share is None
    assert first.measures["valence"].high == 0.7 and first.measures["valence"].label == "Unsure"
    assert second.measures["alpha_asymmetry"].value == -0.25
    said = sessions.as_json(store, first.session)
    assert said["model"] is None and said["quality"] == {"not_computed": "not_supported"}
    assert said["predictions"] == {"valence": {"p_high": 0.62, "low": 0.5, "high": 0.7, "label": "Unsure"}}
    assert said["markers"] == {"heart_rate": {"value": 70.0, "unit": "/min"}}
    assert sessions.get(store, first.session).recording_state == "none"
    assert sessions.windows(store, first.session) is None


def test_importing_twice_is_harmless_and_more_measures_join_their_session(store, tmp_path):
    rows = "P-0042,2026-03-01T08:00:00Z,valence,0.62\n"
    load(store, tmp_path, HEAD + rows)
    again = load(store, tmp_path, HEAD + rows + rows + "P-0042,2026-03-01T08:00:00Z,arousal,0.5\n")
    assert again == {"patients": 0, "sessions": 0, "measures": 1, "skipped": 2, "insights": 0}
    (row,) = sessions.history(store, "P-0042")
    assert set(row.measures) == {"valence", "arousal"}
    absent = {"not_computed": "not_supported"}
    said = sessions.as_json(store, row.session)["predictions"]["arousal"]
    assert said == {"p_high": 0.5, "low": absent, "high": absent, "label": "Low"}


def test_another_value_is_refused_and_nothing_of_the_table_is_stored(store, tmp_path):
    load(store, tmp_path, HEAD + "P-0042,2026-03-01T08:00:00Z,valence,0.62\n")
    text = HEAD + "P-0001,2026-03-01T08:00:00Z,valence,0.5\nP-0042,2026-03-01T08:00:00Z,valence,0.63\n"
    with pytest.raises(Conflict, match=r"row 3: valence of P-0042 .* 0.62, and here it is 0.63.*E-MEASURE-CONFLICT"):
        load(store, tmp_path, text)
    assert [p.pseudonym for p in patients.find(store)] == ["P-0042"]
    with pytest.raises(Conflict):
        load(store, tmp_path, HEAD + "P-1,2026-03-01T08:00:00Z,valence,0.5\nP-1,2026-03-01T08:00:00Z,valence,0.6\n")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "E-CSV-COLUMNS", "patient, started_at, measure, value is missing"),
        ("patient,started_at,measure\n", "E-CSV-COLUMNS", "value is missing"),
        (HEAD.strip() + ",mood\n", "E-CSV-COLUMNS", "'mood' is not known"),
        (HEAD.strip() + ",low\n", "E-CSV-COLUMNS", "low and high"),
        (HEAD, "E-CSV-EMPTY", "no rows"),
        (HEAD + "Anna,2026-03-01T08:00:00Z,valence,0.5\n", "E-PSEUDONYM", "row 2, patient"),
        (HEAD + "=cmd()1,2026-03-01T08:00:00Z,valence,0.5\n", "E-PSEUDONYM", "row 2, patient"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,mood,0.5\n", "E-MEASURE", "row 2, measure: 'mood'"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,valence,0.5\nP-1,2026-03-02T08:00:00Z,,0.5\n", "E-MEASURE", "row 3"),
        (HEAD + "P-1,yesterday,valence,0.5\n", "E-TIME", "'yesterday' is no time"),
        (HEAD + "P-1,0001-01-01,valence,0.5\n", "E-TIME", "year"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,valence,\n", "E-MEASURE-VALUE", "there is no number"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,valence,nan\n", "E-MEASURE-VALUE", "'nan' is no number"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,heart_rate,inf\n", "E-MEASURE-VALUE", "'inf' is no number"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,heart_rate,1e999\n", "E-MEASURE-VALUE", "too large"),
        (HEAD + 'P-1,2026-03-01T08:00:00Z,valence,"0,5"\n', "E-MEASURE-VALUE", "point"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,valence,62\n", "E-MEASURE-VALUE", "between 0 and 1"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,heart_rate,-70\n", "E-MEASURE-VALUE", "cannot be -70"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,valence\n", "E-CSV", "row 2, row: 3 cells"),
        (HEAD + "P-1,2026-03-01T08:00:00Z,valence,0.5,1\n", "E-CSV", "5 cells"),
        (HEAD + 'P-1,2026-03-01T08:00:00Z,"valence,0.5\n', "E-CSV", "row"),
        (HEAD.encode() + "P-1,2026-03-01,valence,0.5 é".encode("latin-1"), "E-ENCODING", "UTF-8"),
        (b"\x00\x01\x02", "E-CSV", "no text"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_by_row_and_column(store, tmp_path, text, code, said):
    with pytest.raises(Refused) as refused:
        load(store, tmp_path, text)
    assert refused.value.code == code and said in refused.value.text
    assert refused.value.where == "measures.csv" and patients.find(store) == []


def test_an_interval_must_hold_the_value(store, tmp_path):
    for low_high in ("0.6,0.7", "0.3,", ",0.7"):
        with pytest.raises(Refused, match="E-MEASURE-VALUE"):
            load(store, tmp_path, f"patient,started_at,measure,value,low,high\nP-1,2026-03-01,valence,0.5,{low_high}\n")


def test_a_table_of_a_spreadsheet_is_read_and_times_without_offset_are_in_the_zone_of_the_site(
    store, tmp_path, in_zone
):
    in_zone("Europe/Berlin")
    text = "\ufeffPatient;Started_at;Measure;Value\r\nP-0042;2026-07-14 09:05;valence;0.5\r\n;;;\r\n\r\n"
    load(store, tmp_path, text.replace(";;;\r\n", ""))
    assert sessions.history(store, "P-0042")[0].started_at == datetime(2026, 7, 14, 7, 5, tzinfo=UTC)


def test_the_rules_run_session_by_session_as_they_would_have_live(store, tmp_path):
    from core.insights import replay

    rng = np.random.default_rng(4)
    values = [(day(7 * k), 0.45 + 0.05 * rng.normal() + 0.25 * (k >= 15)) for k in range(20)]
    lines = [f"P-0042,{at.isoformat()},valence,{v:.6f}\n" for at, v in values]
    load(store, tmp_path, HEAD + "".join(reversed(lines)))
    visits = [
        Visit(f"P-0042/S-{k + 1:02d}", at, True, {"valence": float(f"{v:.6f}")}, None)
        for k, (at, v) in enumerate(values)
    ]
    expected = [(i.kind, i.session, i.last_session, i.value) for i in replay(visits, "default")]
    found = [c.insight for c in insights.of_patient(store, "P-0042")]
    assert [(i.kind, i.session, i.last_session, i.value) for i in found] == expected
    assert any(i.kind == "TREND" for i in found)
    # and in two parts the same
    store_again = type(store)("sqlite://", data_dir=tmp_path)
    load(store_again, tmp_path, HEAD + "".join(lines[10:]))
    load(store_again, tmp_path, HEAD + "".join(lines[:10]))
    numbered = {row.session: row.started_at for row in sessions.history(store_again, "P-0042")}
    assert sorted(
        (c.insight.kind, numbered[c.insight.session]) for c in insights.of_patient(store_again, "P-0042")
    ) == sorted(
        (kind, visits[[v.session for v in visits].index(session)].started_at) for kind, session, _, _ in expected
    )


def test_a_thousand_sessions_are_imported_and_read_back(store, tmp_path):
    lines = [
        f"P-0042,{(day(0) + timedelta(days=k)).isoformat()},{name},{0.5 + 0.001 * (k % 7)}\n"
        for k in range(1000)
        for name in ("valence", "arousal", "dominance")
    ]
    assert load(store, tmp_path, HEAD + "".join(lines))["sessions"] == 1000
    assert len(sessions.history(store, "P-0042")) == 1000


def test_imported_and_recorded_sessions_are_one_history(store, tmp_path):
    put(store, "P-0042", day(1), {"heart_rate": 70.0})
    load(
        store,
        tmp_path,
        HEAD + f"P-0042,{day(0).isoformat()},heart_rate,60\nP-0042,{day(2).isoformat()},heart_rate,80\n",
    )
    assert [r.measures["heart_rate"].value for r in sessions.history(store, "P-0042")] == [60.0, 70.0, 80.0]
    assert patients.baselines(store, "P-0042")["heart_rate"].n == 3
