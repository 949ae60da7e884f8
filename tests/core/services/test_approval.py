"""Approve and retire with a reason, what is chosen then, and what would change of stored sessions."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from core import simulate
from core.errors import NotFound, Refused
from core.models import bundle
from core.services import approval, handlers
from core.services.clinic import sessions
from core.services.research import models
from core.settings import MODELS_SHIPPED, SAMPLES, settings
from core.storage import audit
from core.storage.store import Store
from core.types import InputFile

NOW = datetime(2026, 7, 14, 9, 5, tzinfo=UTC)
DEMO = "demo-eeg-ecg"
EDF = SAMPLES / "simulated-eeg-ecg.edf"


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.setattr(settings(), "data_dir", tmp_path)
    return Store("sqlite://", data_dir=tmp_path, actor="dr-a")


def publish(store: Store, name: str, **changes) -> None:
    """A copy of the demonstration model under another name, said to be real."""
    place = store.data_dir / "models" / name
    shutil.copytree(MODELS_SHIPPED / DEMO, place)
    card = json.loads((place / "card.json").read_text())
    (place / "card.json").write_text(json.dumps(card | {"name": name, "demonstration": False} | changes))


def failing() -> dict:
    card = bundle.load(MODELS_SHIPPED / DEMO).card.model_dump(mode="json")
    card["leak_audit"]["checks"][0]["outcome"] = "fail"
    return card["leak_audit"]


def analyse(store: Store, **more) -> dict:
    return sessions.analyse(store, [InputFile(EDF.name, str(EDF))], "P-0001", now=NOW, **more)


def standing(store: Store) -> dict[str, str]:
    return {row["name"]: row["state"] for row in models.available(store)}


def default(store: Store, recording) -> str:
    return bundle.choose(recording, None, approval.installed(store)).name


def test_a_real_model_goes_before_a_demonstration_and_the_newest_of_this_site_before_others(store):
    head = simulate.recording(seed=1, duration_s=5)
    publish(store, "z-first", created_at="2026-03-01T09:00:00+00:00")
    publish(store, "a-shown", created_at="2026-06-01T09:00:00+00:00", demonstration=True)
    assert default(store, head) == "z-first", "real, though the demonstration is newer"
    publish(store, "b-second", created_at="2026-05-01T09:00:00")
    publish(store, "a-old", created_at="2026-02-01T09:00:00+00:00")
    assert [b.name for b in approval.installed(store)] == [
        "b-second", "z-first", "a-old", "wearable-stress", "a-shown", DEMO,
    ]  # fmt: skip
    models.retire(store, "a-old", "to look at it", NOW)
    models.approve(store, "a-old", "it is the best", NOW + timedelta(days=1))
    assert default(store, head) == "a-old", "approved last"
    models.retire(store, "b-second", "another cap", NOW)
    assert default(store, head) == "a-old" and "b-second" not in [b.name for b in approval.installed(store)]
    models.approve(store, "z-first", "again", NOW + timedelta(days=1, hours=1))
    assert default(store, head) == "z-first", "approved once more, it comes first"
    used = {row["name"]: row["default"] for row in models.available(store)}
    assert used == {n: n in ("z-first", "wearable-stress") for n in used}
    assert approval.installed(store, approving="b-second")[0].name == "b-second"
    models.approve(store, "wearable-stress", "it is the best", NOW + timedelta(days=2))
    assert approval.installed(store)[0].name == "wearable-stress", "what ships goes first once it is approved here"


def test_what_was_published_with_a_clean_audit_is_used_and_what_failed_in_it_waits(store):
    publish(store, "clean")
    publish(store, "leaky", leak_audit=failing())
    assert standing(store) == {"clean": "approved", "leaky": "draft", DEMO: "approved", "wearable-stress": "approved"}
    head = simulate.recording(seed=1, duration_s=5)
    assert default(store, head) == "clean"
    models.retire(store, "clean", "the cap was changed", NOW)
    assert default(store, head) == DEMO, "never a draft by itself"
    models.approve(store, "leaky", "the overlap is of rest only", NOW)
    assert default(store, head) == "leaky"


def test_a_retired_model_is_never_chosen_and_by_name_refused_with_the_reason(store):
    models.retire(store, DEMO, "replaced by our own", NOW)
    with pytest.raises(Refused, match="replaced by our own.*E-MODEL-RETIRED"):
        analyse(store, model=DEMO)
    with pytest.raises(Refused, match="E-MODEL-RETIRED"):
        sessions.inspect(store, [InputFile(EDF.name, str(EDF))], model=DEMO)
    told = analyse(store)
    assert told["model"] is None and told["predictions"]["valence"] == {"not_computed": "missing_channel"}
    assert DEMO not in {m["name"] for m in sessions.inspect(store, [InputFile(EDF.name, str(EDF))]).models}
    models.retire(store, "wearable-stress", "no band here", NOW)
    assert analyse(store)["predictions"]["valence"] == {"not_computed": "missing_channel"}, "stored"
    models.approve(store, DEMO, "needed again", NOW + timedelta(days=1))
    assert analyse(store, model=DEMO)["model"]["name"] == DEMO


def test_decisions_need_a_reason_and_are_kept_with_who_and_when_and_audited(store):
    with pytest.raises(Refused, match="E-REASON"):
        models.retire(store, DEMO, "  ", NOW)
    with pytest.raises(NotFound, match="E-MODEL"):
        models.retire(store, "nobody", "x", NOW)
    models.retire(store, DEMO, "one", NOW)
    with pytest.raises(Refused, match="E-MODEL-STATE"):
        models.retire(store, DEMO, "again", NOW)
    models.approve(store, DEMO, "two", NOW + timedelta(hours=1))
    assert [(d.state, d.why, d.who) for d in models.history(store, DEMO)] == [
        ("retired", "one", "dr-a"), ("approved", "two", "dr-a"),
    ]  # fmt: skip
    with store.read() as tx:
        said = [(row.action, row.object, row.reason) for row in reversed(audit.newest(tx, 2))]
    version = bundle.load(MODELS_SHIPPED / DEMO).card.version
    assert said == [("model.retire", f"{DEMO}/{version}", "one"), ("model.approve", f"{DEMO}/{version}", "two")]


def test_another_version_of_a_retired_model_is_judged_anew(store):
    publish(store, "ours")
    models.retire(store, "ours", "old cap", NOW)
    card = store.data_dir / "models" / "ours" / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"version": "another"}))
    assert standing(store)["ours"] == "approved"


def test_what_would_change_holds_stored_sessions_under_both_and_stores_nothing(store):
    before = analyse(store)
    told = models.what_would_change(store, DEMO)
    assert (told["n_sessions"], told["left_out"]) == (1, [])
    assert [row["target"] for row in told["rows"]] == ["valence", "arousal", "dominance"]
    for row in told["rows"]:
        said = before["predictions"][row["target"]]
        assert row["with_it"] == {"value": pytest.approx(said["p_high"]), "low": pytest.approx(said["low"]),
                                  "high": pytest.approx(said["high"]), "label": said["label"]}  # fmt: skip
        assert row["without_it"] == {"not_computed": "no_model"} and row["other"] == ""
        assert row["changed"] and row["by_default"]
    assert analyse(store) == before
    publish(store, "ours")
    twin = models.what_would_change(store, "ours")
    assert twin["n_changed"] == 0 and {row["other"] for row in twin["rows"]} == {DEMO}
    assert not any(row["by_default"] for row in models.what_would_change(store, DEMO)["rows"]), "real comes first"
    models.retire(store, "ours", "x", NOW)
    assert models.what_would_change(store, "ours")["rows"][0]["with_it"] == twin["rows"][0]["with_it"]


def test_a_recording_that_is_gone_is_left_out_by_name_and_the_job_gives_the_same(store):
    session = analyse(store)["session"]
    same = handlers.HANDLERS["what_would_change"](store, {"name": DEMO}, lambda share, words: None)
    assert same == models.what_would_change(store, DEMO)
    shutil.rmtree(store.data_dir / "recordings")
    told = models.what_would_change(store, DEMO)
    assert told["rows"] == [] and [row["session"] for row in told["left_out"]] == [session]
