"""The worst quarter of the list: the same people in every run of a study, target and task."""

from datetime import timedelta

import pytest

from core.services.research import results
from core.storage import research as rows
from core.storage.store import Store
from tests.core.services.research.test_experiments import NOW


@pytest.fixture
def store():
    opened = Store("sqlite://")
    yield opened
    opened.close()


def run(store, scores, *, minutes=0, model="logistic", split="loso", target="valence", task="binary"):
    """A finished experiment with these scores by subject."""
    key = {"study": "made", "target": target, "inputs": "eeg", "model": model, "fusion": "early", "split": split,
           "seed": minutes}  # fmt: skip
    each = [{"subject": s, "balanced_accuracy": v} for s, v in scores.items()]
    with store.write() as tx:
        made = rows.add(
            tx, key, now=NOW, config={"task": task}, config_hash=f"{minutes}{task}", code_version="1", n_folds=1
        )
        rows.change(
            tx, made, state="done", updated_at=NOW + timedelta(minutes=minutes),
            summary={"scores": {}, "details": {"per_subject": each}, "results": []},
        )  # fmt: skip
    return f"E-{made:04d}"


FIRST = dict(zip("ABCDEFGH", (0.9, 0.3, 0.8, 0.7, 0.4, 0.6, 0.9, 0.8), strict=True))
LATER = dict(zip("ABCDEFGH", (0.1, 0.8, 0.2, 0.7, 0.6, 0.6, 0.9, 0.8), strict=True))


def test_every_run_is_scored_over_the_people_of_the_lowest_quarter_of_the_first_finished_run(store):
    later = run(store, LATER, minutes=9)
    first = run(store, FIRST, minutes=1)
    found = results.worst_quarters(store)
    assert found[first].score["value"] == pytest.approx((0.3 + 0.4) / 2)
    assert found[later].score["value"] == pytest.approx((0.8 + 0.6) / 2), "its own lowest two are A and C, 0.15"
    assert {q.reference for q in found.values()} == {first} and found[later].subjects == ("B", "E")
    assert found[later].score["low"] <= 0.7 <= found[later].score["high"]


def test_a_run_that_lacks_one_of_those_people_or_has_no_reference_is_not_computed_and_says_why(store):
    few = run(store, {s: v for s, v in LATER.items() if s != "B"}, minutes=3, split="subject_kfold")
    trivial = run(store, dict.fromkeys("ABCDEFGH", 0.5), model="majority")
    assert {q.why for q in results.worst_quarters(store).values()} == {"no finished LOSO run of a model that learns"}
    first, other = run(store, FIRST, minutes=5), run(store, LATER, minutes=6, target="arousal", split="trial")
    found = results.worst_quarters(store)
    assert found[few].score is None and found[few].why == f"lacks B of the lowest quarter of {first}"
    assert found[trivial].score["value"] == 0.5, "a model that knows nothing is scored, and chooses nobody"
    assert found[other].why == "no finished LOSO run of a model that learns", "another target has people of its own"


def test_one_person_has_a_score_without_an_interval(store):
    name = run(store, {"A": 0.9, "B": 0.3, "C": 0.5})
    assert results.worst_quarters(store)[name].score == {"value": 0.3}
