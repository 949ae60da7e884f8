"""The other addresses: paging with true totals, uploads as jobs, exports as downloads, and who is let in."""

from __future__ import annotations

import io
import json
import time
import zipfile
from datetime import UTC, datetime, timedelta

import httpx
import pandas as pd
import pytest

from core import simulate
from tests.api.conftest import refused
from tests.serving import affectline

EIGHT = {
    ("get", "/health"), ("post", "/predict"), ("get", "/users/{user_id}/history"), ("get", "/users/{user_id}/insights"),
    ("get", "/users/{user_id}/profile"), ("get", "/users/{user_id}/summary"), ("get", "/platform/stats"),
    ("post", "/admin/export"),
}  # fmt: skip


def test_health_has_the_keys_of_the_source_platform(client):
    got = client.get("/health").json()
    assert {"status", "version", "model_loaded", "db_connected", "uptime_seconds"} <= set(got)
    assert got["model_loaded"] is True and got["db_connected"] is True and got["uptime_seconds"] >= 0


def test_the_openapi_document_names_the_eight_operations_and_the_documentation_shows_them(client):
    document = client.get("/openapi.json").json()
    found = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert found >= EIGHT
    page = client.get("/docs")
    assert page.status_code == 200 and "text/html" in page.headers["content-type"]
    assert "/api/v1/predict" in page.text and "<script" not in page.text
    assert not [word for word in ("http://", "https://", "//cdn") if word in page.text]


def test_every_address_is_guarded():
    from fastapi.testclient import TestClient

    from app.api.main import api

    here = {"base_url": "http://127.0.0.1", "client": ("127.0.0.1", 50000)}
    elsewhere = [
        TestClient(api, **{**here, "client": ("192.0.2.7", 50000)}),
        TestClient(api, **{**here, "base_url": "http://affectline.example"}),
        TestClient(api, **here, headers={"origin": "http://evil.example"}),
        TestClient(api, **here, headers={"sec-fetch-site": "cross-site"}),
    ]
    paths = api.openapi()["paths"]
    asked = [(method, path) for path, methods in paths.items() for method in methods]
    for client in elsewhere:
        for method, path in [*asked, ("get", "/docs"), ("get", "/openapi.json")]:
            answer = client.request(method.upper(), path.replace("{", "").replace("}", ""))
            assert answer.status_code == 403, (method, path, answer.text)


def test_with_sign_in_the_api_knows_nobody_yet(monkeypatch):
    from fastapi.testclient import TestClient

    from app.api import deps
    from app.api.main import api
    from core.settings import Settings

    monkeypatch.setattr(deps, "settings", lambda: Settings(auth="oidc"))
    local = TestClient(api, base_url="http://127.0.0.1", client=("127.0.0.1", 50000))
    refused(local.get("/platform/stats"), 401)


def test_a_fault_of_the_program_is_500_with_a_reference_only(monkeypatch):
    from fastapi.testclient import TestClient

    from app.api import deps
    from app.api.main import api
    from core.services import admin

    def broken(store):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(admin, "platform_stats", broken)
    api.dependency_overrides[deps.store] = lambda: None
    try:
        local = TestClient(api, base_url="http://127.0.0.1", client=("127.0.0.1", 50000), raise_server_exceptions=False)
        answer = local.get("/platform/stats")
        got = refused(answer, 500)
        assert got["reference"] in got["what_to_do"] and "secret" not in answer.text
    finally:
        api.dependency_overrides.clear()


def test_health_answers_when_the_database_does_not(monkeypatch):
    from fastapi.testclient import TestClient

    from app.api import deps
    from app.api.main import api

    def broken():
        raise OSError("disk gone")

    monkeypatch.setattr(deps, "store", broken)
    got = TestClient(api, base_url="http://127.0.0.1", client=("127.0.0.1", 50000)).get("/health")
    assert got.status_code == 200 and got.json()["db_connected"] is False and "disk" not in got.text


def test_strangers_methods_and_addresses_are_problems_too(client, served):
    refused(client.get("/nothing"), 404)
    refused(client.get("/predict"), 405)
    answer = httpx.get(f"{served.url}/api/v1/platform/stats", headers={"host": "affectline.example"})
    assert answer.status_code == 403
    assert httpx.get(f"{served.url}/", headers={"host": "affectline.example"}).status_code == 403


def test_pages_and_answers_carry_the_security_headers_and_metrics_are_closed(served):
    for path in ("/", "/api/v1/health", "/api/v1/docs"):
        headers = httpx.get(served.url + path).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "SAMEORIGIN"
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy and "://" not in policy and "'unsafe-eval'" not in policy
    for path in ("/_stcore/metrics", "/_stcore/agent/openapi.json"):
        assert httpx.get(served.url + path).status_code == 404


def test_the_inline_script_of_the_page_is_the_one_the_policy_allows(served):
    import base64
    import hashlib
    import re

    page = httpx.get(served.url)
    for script in re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page.headers["content-security-policy"]


# --- history and insights


@pytest.fixture(scope="module")
def weeks(client, served, tmp_path_factory):
    """53 sessions of P-0100 measured elsewhere, one a day until yesterday; the last one stands out."""
    path = tmp_path_factory.mktemp("weeks") / "weeks.csv"
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(days=53) + timedelta(hours=1)
    lines = [
        f"P-0100,{(first + timedelta(days=k)).isoformat()},heart_rate,{60 + (k * 7 % 5) / 4 + 35 * (k == 52)}"
        for k in range(53)
    ]
    path.write_text("patient,started_at,measure,value\n" + "\n".join(lines) + "\n")
    done = affectline(served.data_dir, "measures", "import", str(path), "--json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_history_is_paged_with_the_true_total(client, weeks):
    first = client.get("/users/P-0100/history").json()
    assert (first["total"], first["page"], first["size"], len(first["sessions"])) == (53, 1, 50, 50)
    second = client.get("/users/P-0100/history", params={"page": 2}).json()
    assert second["total"] == 53 and len(second["sessions"]) == 3
    assert client.get("/users/P-0100/history", params={"page": 3}).json()["sessions"] == []
    seen = [row["session"] for row in first["sessions"] + second["sessions"]]
    assert len(set(seen)) == 53
    week = client.get("/users/P-0100/history", params={"days": 7, "size": 2}).json()
    assert week["total"] == 7 and len(week["sessions"]) == 2
    assert week["sessions"][0]["started_at"] > week["sessions"][1]["started_at"]


@pytest.mark.parametrize(
    ("path", "params", "where"),
    [
        ("history", {"days": 0}, "days"),
        ("history", {"days": 366}, "days"),
        ("history", {"page": 0}, "page"),
        ("history", {"size": 0}, "size"),
        ("history", {"size": 201}, "size"),
        ("history", {"page": "two"}, "page"),
        ("insights", {"days": 0}, "days"),
        ("insights", {"days": 91}, "days"),
        ("insights", {"regenerate": "perhaps"}, "regenerate"),
    ],
)
def test_a_number_outside_its_range_is_refused_by_name(client, weeks, path, params, where):
    assert refused(client.get(f"/users/P-0100/{path}", params=params), 422)["where"] == f"query {where}"


def test_an_unknown_patient_is_404_and_a_known_one_without_sessions_in_the_period_is_empty(
    client, weeks, served, tmp_path
):
    for path in ("history", "insights", "profile", "summary"):
        assert refused(client.get(f"/users/P-9999/{path}"), 404)["code"] == "E-PATIENT"
    refused(client.get("/sessions/P-0100/S-99"), 404)
    refused(client.get("/sessions/nonsense"), 404)
    refused(client.get("/jobs/nonsense"), 404)
    old = tmp_path / "old.csv"
    old.write_text("patient,started_at,measure,value\nP-0101,2019-01-01T10:00:00Z,heart_rate,60\n")
    assert affectline(served.data_dir, "measures", "import", str(old)).returncode == 0
    got = client.get("/users/P-0101/history").json()
    assert got["total"] == 0 and got["sessions"] == []
    assert client.get("/users/P-0101/insights").json()["insights"] == []


def test_insights_of_the_period_are_given_and_made_anew_without_doubles(client, weeks):
    got = client.get("/users/P-0100/insights", params={"days": 90}).json()
    assert got["total"] == len(got["insights"]) >= 1 and got["regenerated"] is False
    for item in got["insights"]:
        assert item["insight_type"] in ("TREND", "ANOMALY", "PEAK", "STABILITY", "CORRELATION")
        assert item["dimension"] == "heart_rate" and item["title"] and item["description"]
    again = client.get("/users/P-0100/insights", params={"days": 90, "regenerate": "true"}).json()
    assert again["regenerated"] is True
    key = {(i["insight_type"], i["dimension"], i["session_id"]) for i in again["insights"]}
    assert len(key) == again["total"] == got["total"]


def test_profile_and_summary_have_the_keys_of_the_source_platform(client, predicted):
    profile = client.get("/users/P-0042/profile").json()
    assert {"user_id", "created_at", "updated_at", "baseline_valence", "total_sessions", "total_windows"} <= set(
        profile
    )
    assert client.get("/users/P-0042/summary").json()


# --- uploads


def wait_for(client, job, timeout_s: float = 90):
    deadline = time.monotonic() + timeout_s
    while job["state"] in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(0.3)
        job = client.get(f"/jobs/{job['id']}").json()
    return job


def test_an_uploaded_recording_is_a_job_that_ends_in_a_session(client, tmp_path):
    made = simulate.recording(seed=9, duration_s=30, started_at=datetime(2026, 3, 2, 9, tzinfo=UTC))
    path = simulate.write_edf(made, tmp_path / "visit.edf")
    answer = client.post("/recordings", data={"patient": "P-0200"}, files={"files": (path.name, path.read_bytes())})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}" and "params" not in job and "log" not in job
    job = wait_for(client, job)
    assert job["state"] == "done" and job["progress"] == 1 and job["error"] is None, job
    assert client.get("/users/P-0200/history", params={"days": 365}).json()["total"] <= 1
    assert client.get("/sessions/P-0200/S-01").json()["provenance"]["files"][0]["name"] == "visit.edf"


def test_an_upload_that_is_no_recording_is_a_failed_job_with_the_reason(client):
    files = {"files": ("letter.edf", b"Dear colleague, " * 100)}
    job = wait_for(client, client.post("/recordings", data={"patient": "P-0201"}, files=files).json())
    assert job["state"] == "failed" and job["result"] is None
    assert job["error"]["code"].startswith("E-") and "letter.edf" in job["error"]["where"]
    assert client.get("/users/P-0201/history").status_code == 404


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({}, "patient"),
        ({"patient": "Anna Schmidt"}, ""),
        ({"patient": "P-0001", "sfreq": "-1"}, "sfreq"),
        ({"patient": "P-0001", "started_at": "never"}, "started_at"),
        ({"patient": "P-0001", "mapping": "[1]"}, "mapping"),
        ({"patient": "P-0001", "mapping": '{"a": {"type": 3}}'}, "mapping"),
    ],
)
def test_a_wrong_field_of_an_upload_is_refused_by_name(client, data, where):
    got = refused(client.post("/recordings", data=data, files={"files": ("x.edf", b"0")}), 422)
    assert where in got["where"]


def test_an_upload_without_a_file_and_one_of_too_many_are_refused(client):
    assert "files" in refused(client.post("/recordings", data={"patient": "P-0001"}), 422)["where"]
    many = [("files", (f"{k}.edf", b"0")) for k in range(31)]
    refused(client.post("/recordings", data={"patient": "P-0001"}, files=many), 422)
    twins = [("files", ("x.edf", b"one")), ("files", ("x.edf", b"other"))]
    assert "E-FILE-TWICE" in str(refused(client.post("/recordings", data={"patient": "P-0001"}, files=twins), 422))


# --- export


@pytest.mark.parametrize("fmt", ["csv", "parquet"])
def test_an_export_is_a_download_in_the_format_that_was_asked_for(client, predicted, fmt):
    answer = client.post("/admin/export", json={"format": fmt, "what": "measures", "user_id": "P-0042"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith('attachment; filename="measures_')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert "manifest.json" in names and "data_dictionary.json" in names
        [table] = [name for name in names if name.endswith(f".{fmt}")]
        data = io.BytesIO(archive.read(table))
        manifest = json.loads(archive.read("manifest.json"))
    frame = pd.read_csv(data) if fmt == "csv" else pd.read_parquet(data)
    assert set(frame["patient"]) == {"P-0042"} and "valence" in set(frame["measure"]) and manifest


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"format": "xlsx"},
        {"format": "csv", "path": "/tmp/x"},
        {"format": "csv", "what": "everything"},
        {"format": "csv", "since": "then"},
    ],
)
def test_an_export_takes_no_path_and_no_format_but_its_own(client, body):
    refused(client.post("/admin/export", json=body), 422)


def test_an_export_of_an_unknown_patient_is_404(client):
    refused(client.post("/admin/export", json={"format": "csv", "user_id": "P-9999"}), 404)
