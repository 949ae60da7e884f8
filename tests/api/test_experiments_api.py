"""GET /experiments: what was evaluated, newest first, in every state; a wrong question is a problem."""

from __future__ import annotations

import json

import pytest

from tests.api.conftest import refused
from tests.serving import affectline

KEY = {"study": "small", "target": "valence", "inputs": "eeg", "model": "logistic", "fusion": "early", "split": "loso"}
KEYS = {
    *KEY, "experiment", "seed", "task", "groups", "state", "leaky", "created_at", "n_folds", "n_done", "n_failed",
    "seconds", "scores",
}  # fmt: skip


def test_every_experiment_is_listed_with_its_state_and_scores_only_when_it_is_done(client, evaluated, served):
    got = client.get("/experiments").json()
    found = {e["experiment"]: e for e in got["experiments"]}
    assert got["total"] == len(found) == 5 and set(found) == set(evaluated.values())
    assert all(set(e) == KEYS and KEY.items() - {("split", "loso")} <= e.items() for e in found.values())
    told = {name: found[evaluated[name]] for name in evaluated}
    assert {name: (e["state"], e["n_done"], e["n_failed"], e["scores"] is None) for name, e in told.items()} == {
        "done": ("done", 5, 0, False), "partial": ("partial", 4, 1, True), "running": ("running", 5, 0, True),
        "leaky": ("done", told["leaky"]["n_folds"], 0, False), "scored": ("done", 5, 0, False),
    }  # fmt: skip
    assert [name for name, e in told.items() if e["leaky"]] == ["leaky"]
    assert [name for name, e in told.items() if e["groups"] == ["ei"]] == ["scored"]
    ask = (word for name, value in KEY.items() for word in (f"--{name}", value))
    said = json.loads(affectline(served.data_dir, "evaluate", *ask, "--json").stdout)
    assert {"experiment": told["done"]["experiment"], **told["done"]["scores"]} == said


def test_pages_and_filters_keep_the_true_total_and_the_order(client, evaluated):
    whole = [e["experiment"] for e in client.get("/experiments").json()["experiments"]]
    assert whole == sorted(whole, reverse=True), "newest first"
    parts = [client.get("/experiments", params={"page": p, "size": 2}).json() for p in (1, 2, 3, 4)]
    assert [e["experiment"] for part in parts for e in part["experiments"]] == whole
    assert [(p["page"], p["size"], p["total"], len(p["experiments"])) for p in parts] == [
        (1, 2, 5, 2), (2, 2, 5, 2), (3, 2, 5, 1), (4, 2, 5, 0),
    ]  # fmt: skip
    one = client.get("/experiments", params={"state": "partial"}).json()
    assert (one["total"], one["experiments"][0]["experiment"]) == (1, evaluated["partial"])
    assert client.get("/experiments", params={"study": "small", "state": "done"}).json()["total"] == 3
    assert client.get("/experiments", params={"study": "nowhere"}).json()["experiments"] == []


@pytest.mark.parametrize(
    ("params", "where"),
    [({"page": 0}, "page"), ({"size": 201}, "size"), ({"size": "many"}, "size"), ({"state": "lost"}, "state"),
     ({"study": "x" * 81}, "study")],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused_by_name(params, where, client):
    assert where in refused(client.get("/experiments", params=params), 422)["where"]
