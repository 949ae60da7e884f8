"""``POST /predict``: the source platform's payload, what is refused by name, and sending it twice."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.conftest import payload, refused
from tests.serving import affectline, serving


def total(client, patient: str) -> int:
    answer = client.get(f"/users/{patient}/history")
    return answer.json()["total"] if answer.status_code == 200 else 0


def test_the_example_payload_is_answered_with_labels_probabilities_and_windows(predicted):
    assert predicted["status"] == "ok" and predicted["session_id"] == "P-0042/S-01"
    got = predicted["prediction"]
    for dimension in ("valence", "arousal", "dominance"):
        p = got[f"{dimension}_prob"]
        assert 0 <= got[f"{dimension}_low"] <= p <= got[f"{dimension}_high"] <= 1
        assert got[f"{dimension}_conf"] == pytest.approx(max(p, 1 - p))
        assert got[dimension] == got["labels"][dimension] and got[dimension] in ("High", "Low", "Unsure")
    assert got["signal_quality"] == "good" and isinstance(got["quality_notes"], list)
    assert got["model_version"].startswith("demo-eeg-ecg") and got["processing_ms"] > 0
    windows = got["window_preds"]
    assert {w["dimension"] for w in windows} == {"valence", "arousal", "dominance"}
    assert len(windows) == 3 * len({w["window_index"] for w in windows})
    for w in windows:
        assert w["prob_high"] + w["prob_low"] == pytest.approx(1) and w["label"] in ("High", "Low")
    mean = sum(w["prob_high"] for w in windows if w["dimension"] == "valence") / (len(windows) / 3)
    assert mean == pytest.approx(got["valence_prob"], abs=1e-6)


def test_it_says_that_the_model_is_a_demonstration_and_that_this_is_research(predicted):
    assert "carry no meaning for a person" in predicted["message"] and "Research software" in predicted["message"]
    assert "simulated" in predicted["model"]["basis"]


def test_markers_come_with_it(predicted):
    assert predicted["markers"]["heart_rate"]["value"] == pytest.approx(66, abs=1)


def test_the_session_is_found_in_history_profile_summary_stats_and_by_its_id(client, predicted, example):
    history = client.get("/users/P-0042/history").json()
    row = next(r for r in history["sessions"] if r["session"] == predicted["session_id"])
    assert row["predictions"]["valence"]["p_high"] == predicted["prediction"]["valence_prob"]
    assert row["started_at"][:19] == example["timestamp"][:19]
    profile = client.get("/users/P-0042/profile").json()
    assert profile["user_id"] == "P-0042" and profile["total_sessions"] >= 1
    assert client.get("/users/P-0042/summary").status_code == 200
    stats = client.get("/platform/stats").json()
    assert (
        min(stats[k] for k in ("total_predictions", "total_users", "total_sessions")) >= 1 and "total_insights" in stats
    )
    for path in ("P-0042/S-01", "P-0042%2FS-01"):
        whole = client.get(f"/sessions/{path}").json()
        assert whole["session"] == "P-0042/S-01" and whole["quality"]["grade"] == "good"
    names = [c["name"] for c in whole["quality"]["channels"]]
    assert names[:2] == ["AF3", "F7"] and names[-2:] == ["ECG 1", "ECG 2"]


def test_the_command_line_prints_the_same_session(client, predicted, served):
    done = affectline(served.data_dir, "history", "P-0042", "--json")
    rows = {row["session"]: row for row in json.loads(done.stdout)["sessions"]}
    computed = {name: value for name, value in predicted["markers"].items() if "value" in value}
    assert computed and computed.items() <= rows["P-0042/S-01"]["markers"].items()


def test_the_same_arrays_twice_are_stored_once(client, predicted, example):
    before = total(client, "P-0042")
    again = client.post("/predict", json=example).json()
    assert again["session_id"] == predicted["session_id"] and total(client, "P-0042") == before
    for name in ("valence_prob", "window_preds", "n_windows"):
        assert again["prediction"][name] == predicted["prediction"][name]
    later = client.post("/predict", json={**example, "timestamp": None}).json()
    assert later["session_id"] == predicted["session_id"], "the arrays are the file, not the time they were sent"


def test_the_same_arrays_at_the_same_time_are_stored_once(client, example):
    request = {**example, "user_id": "P-0050"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post("/predict", json=request), range(4)))
    assert {a.status_code for a in answers} == {200}
    assert {a.json()["session_id"] for a in answers} == {"P-0050/S-01"} and total(client, "P-0050") == 1


def test_a_declared_rate_is_used(client, example):
    faster = {**example, "user_id": "P-0043", "ecg_fs": 512}
    answer = client.post("/predict", json=faster)
    assert answer.status_code == 200
    beat = answer.json()["markers"]["heart_rate"]
    assert "not_computed" in beat or beat["value"] == pytest.approx(132, abs=3)


def test_a_baseline_part_goes_before_the_data_and_is_not_predicted_on(client):
    whole = payload("P-0044", seed=5, duration_s=60)
    cut = {"eeg": 20 * 128, "ecg": 20 * 256}
    request = {
        **whole,
        "eeg_baseline": whole["eeg_data"][: cut["eeg"]],
        "ecg_baseline": whole["ecg_data"][: cut["ecg"]],
        "eeg_data": whole["eeg_data"][cut["eeg"] :],
        "ecg_data": whole["ecg_data"][cut["ecg"] :],
    }
    answer = client.post("/predict", json=request)
    assert answer.status_code == 200, answer.text
    onsets = [w["onset_s"] for w in answer.json()["prediction"]["window_preds"]]
    assert min(onsets) >= 20 and max(onsets) <= 56
    whole_session = client.get(f"/sessions/{answer.json()['session_id']}").json()
    assert {c["duration_s"] for c in whole_session["quality"]["channels"]} == {60.0}


def spoiled(example, **more):
    return {**example, "user_id": "P-0666", **more}


def turned(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def with_value(rows, value):
    return [*rows[:5], [rows[5][0], value, *rows[5][2:]], *rows[6:]]


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("eeg_data", lambda rows: [row[:13] for row in rows], ["(n_times, 14)", "(7680, 13)", "AF3"]),
        ("ecg_data", lambda rows: [row[:1] for row in rows], ["(n_times, 2)", "(15360, 1)"]),
        ("eeg_data", turned, ["(n_times, 14)", "(14, 7680)", "transposed"]),
        ("ecg_data", turned, ["(n_times, 2)", "(2, 15360)", "transposed"]),
        ("eeg_data", lambda rows: [*rows[:9], rows[9][:13], *rows[10:]], ["row 9", "13"]),
        ("eeg_data", lambda rows: rows[: int(4.9 * 128)], ["640", "627", "4.898 s"]),
        ("ecg_data", lambda rows: rows[: int(4.9 * 256)], ["1280", "1254"]),
        ("eeg_data", lambda rows: with_value(rows, "NaN"), ["row 5", "column 1 (F7)", "text"]),
        ("eeg_data", lambda rows: with_value(rows, None), ["row 5", "column 1 (F7)", "null"]),
        ("eeg_data", lambda rows: with_value(rows, True), ["row 5", "true or false"]),
        ("eeg_data", lambda rows: with_value(rows, 1e39), ["row 5", "too large"]),
        ("ecg_data", lambda rows: with_value(rows, 10**400), ["row 5", "too large"]),
        ("eeg_data", lambda rows: [], ["empty"]),
        ("eeg_data", lambda rows: rows[0], ["array of arrays"]),
        ("eeg_baseline", lambda rows: [[1.0, 2.0]], ["(n_times, 14)", "(1, 2)"]),
    ],
)
def test_an_array_of_another_shape_is_refused_by_name_with_what_was_expected_and_found(
    client, example, field, change, words
):
    got = refused(client.post("/predict", json=spoiled(example, **{field: change(example.get(field))})), 422)
    assert got["where"] == field and got["what_to_do"]
    for word in words:
        assert word in f"{got['what']} {got['what_to_do']}", got
    assert client.get("/users/P-0666/history").status_code == 404


def test_a_turned_array_is_offered_and_not_turned_in_silence(client, example):
    got = refused(client.post("/predict", json=spoiled(example, eeg_data=turned(example["eeg_data"]))), 422)
    assert "transposed" in got["what_to_do"] and "(7680, 14)" in got["what_to_do"]


def test_numbers_that_are_not_finite_in_the_text_itself_are_refused(client, example):
    text = json.dumps(spoiled(example, eeg_data=with_value(example["eeg_data"], float("nan"))))
    assert "NaN" in text
    answer = client.post("/predict", content=text, headers={"content-type": "application/json"})
    assert refused(answer, 422)["where"] == "eeg_data"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"user_id": "Anna Schmidt"}, None),
        ({"user_id": ""}, None),
        ({"user_id": 7}, "user_id"),
        ({"eeg_fs": 0}, "eeg_fs"),
        ({"eeg_fs": "fast"}, "eeg_fs"),
        ({"eeg_fs": True}, "eeg_fs"),
        ({"ecg_fs": 1e9}, "ecg_fs"),
        ({"egg_fs": 256}, "egg_fs"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp"),
        ({"eeg_data": "samples"}, "eeg_data"),
        ({"metadata": 3}, "metadata"),
    ],
)
def test_a_wrong_or_unknown_field_is_refused_by_name(client, example, change, where):
    got = refused(client.post("/predict", json=spoiled(example, **change)), 422)
    assert where is None or where in got["where"]
    assert client.get("/users/P-0666/history").status_code == 404


@pytest.mark.parametrize("body", ["", "{", "[]", "3", '{"user_id": "P-0001"}', "[" * 100_000])
def test_a_body_that_is_no_request_is_refused(client, body):
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    refused(answer, 422)


def test_a_poor_recording_is_200_abstained_without_a_prediction(client, example):
    flat = [[0.0] * 14 for _ in example["eeg_data"]]
    lead = [[0.0] * 2 for _ in example["ecg_data"]]
    answer = client.post("/predict", json={**example, "user_id": "P-0045", "eeg_data": flat, "ecg_data": lead})
    assert answer.status_code == 200, answer.text
    got = answer.json()
    assert got["status"] == "abstained" and got["prediction"] is None and got["reasons"]
    assert got["signal_quality"] == "poor"
    row = client.get("/users/P-0045/history").json()["sessions"][0]
    assert row["status"] == "abstained" and all("not_computed" in p for p in row["predictions"].values())


def test_a_body_over_the_limit_is_413_declared_or_counted(tmp_path, example):
    with serving(tmp_path / "data", AFFECTLINE_MAX_UPLOAD_MB="1") as small:
        body = json.dumps({**example, "metadata": {"text": "x" * 3_000_000}}).encode()
        refused(httpx.post(f"{small.url}/api/v1/predict", content=body, timeout=60), 413)
        pieces = (body[k : k + 65536] for k in range(0, len(body), 65536))
        refused(httpx.post(f"{small.url}/api/v1/predict", content=pieces, timeout=60), 413)
        files = {"files": ("big.edf", b"0" * 3_000_000)}
        refused(httpx.post(f"{small.url}/api/v1/recordings", data={"patient": "P-0001"}, files=files, timeout=60), 413)


def test_without_any_model_it_is_503_and_health_still_works(client, example, monkeypatch):
    from fastapi.testclient import TestClient

    from app.api import deps
    from app.api.main import api
    from core.services.research import models
    from core.storage.store import Store

    monkeypatch.setattr(models, "available", lambda store: [])
    api.dependency_overrides[deps.store] = lambda: Store("sqlite://")
    try:
        local = TestClient(api, base_url="http://127.0.0.1", client=("127.0.0.1", 50000))
        got = refused(local.post("/predict", json=example), 503)
        assert got["code"] == "E-NO-MODEL" and "model" in got["what"]
        assert local.get("/health").status_code == 200
    finally:
        api.dependency_overrides.clear()
