from __future__ import annotations

import csv
import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from core.errors import NotFound, Refused
from core.services import admin
from core.services.clinic import insights
from core.services.exports import exports
from tests.core.services.clinic.test_measures_import import HEAD, load
from tests.core.storage.handmade import NOW, day, put

FIRST_COLUMNS = {
    "measures": "patient, session, started_at, kind, measure, value, low, high, unit, reason, usable_share, model",
    "windows": "patient, session, model, target, onset_s, duration_s, p_high, usable, reason",
    "insights": "patient, id, kind, measure, session, severity, text, value, reference, n, expected_by_chance",
}


@pytest.fixture
def filled(store, tmp_path):
    for k in range(12):
        put(store, "P-0042", day(7 * k), {"valence": 0.5, "arousal": 0.4, "heart_rate": 65.0 + k % 3 + 40 * (k == 11)})
    put(store, "P-0007", day(3), {}, status="abstained", model=None)
    load(store, tmp_path, HEAD + f"P-0007,{day(9).isoformat()},valence,0.25\n")
    return store


def data(made: exports.Export) -> bytes:
    return next(iter(made.files.values()))


@pytest.mark.parametrize("what", exports.KINDS)
def test_csv_and_parquet_give_back_equal_rows_and_types(filled, what):
    made = {fmt: exports.export(filled, what, fmt, now=NOW) for fmt in exports.FORMATS}
    table = exports.frame(filled, what)
    assert ", ".join(table.columns).startswith(FIRST_COLUMNS.get(what, "score"))
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(data(made["parquet"]))), table)
    times = [c for c in table if str(table[c].dtype).startswith("datetime")]
    texts = {c: "str" for c in table if table[c].dtype == "str"}
    empty = {c: [""] for c in table if table[c].dtype == "float64"}
    back = pd.read_csv(io.BytesIO(data(made["csv"])), dtype=texts, keep_default_na=False, na_values=empty)
    for c in times:
        back[c] = pd.to_datetime(back[c], utc=True).astype("datetime64[us, UTC]")
    if len(table):
        pd.testing.assert_frame_equal(back, table)
    for export in made.values():
        assert export.rows == len(table)
        manifest = json.loads(export.files["manifest.json"])
        assert manifest["rows"] == len(table) and manifest["mode"] == "pseudonymous" and manifest["zone"] == "UTC"
        dictionary = json.loads(export.files["data_dictionary.json"])
        assert [d["column"] for d in dictionary] == list(table.columns)
        assert all(d["meaning"] and d["type"] and d["unit"] for d in dictionary)


def test_a_numeric_cell_is_empty_only_beside_a_reason(filled):
    for what in ("measures", "windows", "insights"):
        table = exports.frame(filled, what)
        assert len(table)
        numbers = table.select_dtypes("number")
        assert (table.loc[numbers.isna().any(axis=1), "reason"] != "").all()
        assert np.isfinite(numbers.to_numpy(dtype=float)[~numbers.isna().to_numpy()]).all()
        assert not table.select_dtypes("str").isin(["nan", "NaN", "None", "-"]).any().any()
    assert set(exports.frame(filled, "measures", patient="P-0007")["model"]) == {"no_model", "imported"}


def test_an_export_is_named_hashed_audited_and_remembered(filled):
    made = exports.export(filled, "measures", "csv", now=NOW, patient="P-0042")
    digest = json.loads(made.files["manifest.json"])["files"][next(iter(made.files))]["sha256"]
    assert made.zip_name == f"measures_p-0042_2026-01-05_2026-03-23_{digest[:8]}.zip"
    with zipfile.ZipFile(io.BytesIO(made.zip())) as archive:
        assert {n: archive.read(n) for n in archive.namelist()} == made.files
    newest = admin.audit(filled)[0]
    assert newest["action"] == "export" and newest["patient"] == "P-0042" and digest in newest["object"]
    head = json.loads(made.files["manifest.json"])["audit_head"]
    assert head == newest["prev_hash"] and admin.verify_audit(filled)[0]
    (row, *_) = exports.recent(filled)
    assert (row["id"], row["rows"], row["sha256"], row["subject"]) == (made.id, made.rows, digest, "P-0042")
    with pytest.raises(NotFound):
        exports.export(filled, "measures", "csv", now=NOW, patient="P-0404")
    for what, fmt in (("everything", "csv"), ("measures", "xlsx")):
        with pytest.raises(Refused):
            exports.export(filled, what, fmt, now=NOW)


def test_the_decision_goes_out_with_the_insight_and_the_note_does_not(filled):
    card = insights.of_patient(filled, "P-0042")[0]
    insights.decide(filled, card.id, "dismissed", now=NOW, reason="known event", note="her mother died")
    made = exports.export(filled, "insights", "csv", now=NOW)
    assert b"known event" in data(made) and b"mother" not in b"".join(made.files.values())


def test_no_cell_is_a_formula_for_a_spreadsheet(filled, tmp_path):
    texts = ["=1+1", " =1", "+1", "-1", "@x", "\t=1", "\r1", "\n=1", "\0", "＝1", "plain", "a=b", "'x"]
    table = pd.DataFrame({"=head": texts, "value": [-3.25] * len(texts), "at": [day(0)] * len(texts)})
    made = exports.export_view(filled, "Table 1", table, "P-0042/S-01", now=NOW, columns={"value": "a value, in /min"})
    rows = list(csv.reader(io.StringIO(data(made).decode(), newline="")))
    assert rows[0] == ["'=head", "value", "at"]
    assert [r[0] for r in rows[1:]] == [f"'{t}" for t in texts[:10]] + texts[10:]
    assert {r[1] for r in rows[1:]} == {"-3.25"} and {r[2] for r in rows[1:]} == {"2026-01-05T09:00:00+00:00"}
    assert made.zip_name.startswith("table-1_p-0042-s-01_")
    assert all(p.is_file() for p in exports.write(made, tmp_path / "out"))
