"""The real server on a free port, a plain HTTP client, and the source platform's example payload."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from core import compute, simulate
from core.services.jobs import Cancelled
from core.services.research import experiments
from core.storage.store import Store
from tests.core.services.research.test_experiments import inline
from tests.pages import research_site as site
from tests.serving import Served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("api") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def client(served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{served.url}/api/v1", timeout=120) as plain:
        yield plain


def rows(recording, type_: str) -> list[list[float]]:
    """The signals of a type as rows, a row for each time."""
    return np.stack([s.data for s in recording.of_type(type_)], axis=1).astype(float).round(4).tolist()


def payload(patient: str, *, seed: int = 21, duration_s: float = 60) -> dict[str, Any]:
    """A request as the source platform sends it: 14-channel EEG at 128 Hz and 2-lead ECG at 256 Hz."""
    made = simulate.recording(seed=seed, duration_s=duration_s, heart_rate=66)
    when = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    return {
        "user_id": patient,
        "timestamp": when.isoformat(),
        "eeg_data": rows(made, "eeg"),
        "ecg_data": rows(made, "ecg"),
        "eeg_fs": 128,
        "ecg_fs": 256,
        "metadata": {"device": "simulated"},
    }


@pytest.fixture(scope="session")
def example() -> dict[str, Any]:
    """The example payload of 60 s."""
    return payload("P-0042")


@pytest.fixture(scope="session")
def predicted(client, example) -> dict[str, Any]:
    """The answer to the example payload."""
    answer = client.post("/predict", json=example)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="session")
def evaluated(served) -> dict[str, str]:
    """Experiments of one study on the server, by state: finished, with a failed fold, stopped, leaky, with a score."""
    store = Store(f"sqlite:///{served.data_dir / 'affectline.sqlite3'}", data_dir=served.data_dir)
    site.ready(store, "small", site.FOLDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compute, "executor", inline())
        done = site.run(store)["experiment"]
        site.partial(store, patch)
        with pytest.raises(Cancelled):
            site.run(store, seed=8, progress=site.stop)
        leaky = site.run(store, split="trial")["experiment"]
        scored = site.run(store, options={"groups": ["ei"]})["experiment"]
    newest = [line.id for line in experiments.all_experiments(store)]
    store.close()
    return {"done": done, "partial": newest[3], "running": newest[2], "leaky": leaky, "scored": scored}


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    got = answer.json()
    assert {"type", "title", "status", "detail", "code", "what", "where", "what_to_do"} <= set(got)
    assert got["status"] == status and got["code"].startswith("E-") and got["what"]
    assert "Traceback" not in answer.text and "site-packages" not in answer.text
    return got
