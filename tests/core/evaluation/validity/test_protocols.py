"""The protocols of other systems re-enacted: what they add to a score, what they break, and what cannot be done."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from core.errors import Refused
from core.evaluation import experiment, simulate
from core.evaluation.experiment import Spec
from core.evaluation.validity import leak_audit, protocols
from core.evaluation.validity.black_box import Procedure

FOREST = Spec("features", "valence", "eeg+ecg", "forest", options={"trees": 30, "share": None})
SPEC = replace(FOREST, model="logistic", options={})
# every recorded row has its own number here, so that it is known again after any change
ROW = "row"


@pytest.fixture(autouse=True)
def few_made(monkeypatch):
    monkeypatch.setattr(protocols, "PER_CLASS", 150)


def study(effect=0.0):
    """Eight people of seven trials, so that one class is rarer."""
    return simulate.feature_study(8, 7, 5, effect=effect, seed=3)


def panel(data, spec=FOREST):
    found = protocols.panel(data, spec, experiment.run(data, spec))
    return found, {row["name"]: row for row in found["protocols"]}


def one(name):
    return next(p for p in protocols.PROTOCOLS if p.name == name)


def test_on_a_null_study_pooled_windows_and_made_rows_score_and_left_out_people_do_not():
    found, told = panel(study())
    assert list(told) == ["S1-v1", "S2", "S3", "S4", "S5"]
    assert all(0.35 < row["honest"] < 0.65 for row in told.values())
    assert told["S2"]["score"] > 0.7 and told["S2"]["difference"]["low"] > 0.1
    assert told["S4"]["score"] > 0.8
    apart = told["S4"]["difference"]
    assert apart["value"] == told["S4"]["score"] - told["S4"]["honest"] and apart["low"] is None
    assert "belong to nobody" in told["S4"]["reason"]
    assert all(told[name]["score"] < 0.65 for name in ("S1-v1", "S3", "S5")), "the text says of none that it would"
    assert found["leaky"] and "no result" in found["watermark"] and found["n_subjects"] == 8
    assert all(row["leaky"] and row["rules"] and row["requirements"] for row in told.values())


def test_on_a_planted_study_left_out_people_are_told_too():
    _, told = panel(study(2.0), SPEC)
    assert all(row["honest"] > 0.75 for row in told.values())
    assert told["S1-v1"]["score"] > 0.75, "columns that are there twice tell no more"


def test_the_same_seed_gives_the_same_numbers():
    first, again = (panel(study(), SPEC)[0] for _ in range(2))
    assert first == again


# ------------------------------------------------------------------------------------------- the rules broken
def numbered(data):
    own = np.arange(len(data), dtype=float)
    return replace(data, labels={**data.labels, ROW: own}, targets={**data.targets, ROW: (0.0, float(len(own)), 0.0)})


def changed(protocol, data, spec):
    dealt, acted, _ = protocols.prepared(numbered(data), spec, protocol)
    return dealt, acted, dealt.labels[ROW].astype(int)


def run(protocol, data, spec, index):
    dealt, acted, of = changed(protocol, data, spec)
    found = next((s.run for s in protocol.steps if s.run), experiment.run_fold)(dealt, acted, index)
    return replace(found, test_rows=of[found.test_rows])


def folds(protocol, data, spec):
    dealt, acted, of = changed(protocol, data, spec)
    return [
        replace(fold, **{part: of[getattr(fold, part)] for part in ("train", "validation", "test")})
        for fold in experiment.folds(dealt, acted)
    ]


def failed(protocol, data, spec=SPEC):
    procedure = Procedure(partial(run, protocol), partial(folds, protocol))
    procedure.run.__module__, procedure.run.__qualname__ = protocols.__name__, protocol.name
    procedure.folds.__module__, procedure.folds.__qualname__ = protocols.__name__, protocol.name
    found = leak_audit.checks(data, spec, procedure, draws=1)
    return {c.name for c in found if c.outcome == "fail"}


@pytest.mark.parametrize("name", ["S2", "S3", "S5"])
def test_the_leak_audit_finds_the_rules_that_a_protocol_is_said_to_break(name):
    _, told = panel(study(), SPEC)
    # columns are looked for in the dataset that is audited: those of S3 come below
    assert set(told[name]["rules"]) - {"id-like columns"} <= failed(one(name), study())


@pytest.mark.parametrize(("name", "rule"), [("S1-v1", "duplicated columns"), ("S3", "id-like columns")])
def test_the_leak_audit_finds_the_columns_that_a_protocol_adds(name, rule):
    dealt, _, _ = protocols.prepared(study(), SPEC, one(name))
    assert rule in one(name).steps[0].breaks
    assert rule in {c.name for c in leak_audit.checks(dealt, SPEC, draws=1) if c.outcome == "fail"}


def test_s4_tests_rows_that_nobody_recorded_and_takes_the_options_that_are_best_there():
    data = study()
    dealt, acted, _ = protocols.prepared(data, SPEC, one("S4"))
    high = dealt.high("valence")
    assert np.bincount(high).tolist() == [150, 150] and np.sum(dealt.subject != protocols.MADE) == 56
    fold = experiment.folds(dealt, acted)[0]
    assert np.mean(dealt.subject[fold.test] == protocols.MADE) > 0.5
    kept = one("S4").steps[-1].run(dealt, acted, 0)
    right = {}
    for options in ({"strength": s} for s in (0.0003, 0.003, 0.03)):
        own = experiment.run_fold(dealt, replace(acted, options=options), 0)
        right[options["strength"]] = np.mean((own.p > own.threshold) == high[own.test_rows])
    assert right[kept.selected["strength"]] == max(right.values()) > min(right.values())


# ------------------------------------------------------------------------------------------- what cannot be done
def test_what_a_model_or_a_study_has_nothing_for_is_named_and_left_out():
    even = simulate.feature_study(4, 4, 3, seed=3)
    results = experiment.run(even, SPEC)
    (why,) = [x["reason"] for x in protocols.reenacted(even, SPEC, results, one("S2"))["left"] if x["reason"]]
    assert "as common" in why
    row = protocols.reenacted(even, replace(SPEC, model="additive"), results, one("S4"))
    assert "tuning on test" not in row["rules"] and "no options to choose among" in row["left"][-1]["reason"]
    (sided,) = [x for x in panel(study(), SPEC)[1]["S1-v1"]["left"] if x["reason"]]
    assert "every person has trials of both classes" in sided["reason"]


def test_a_net_of_signals_has_no_columns_to_double_or_to_make_rows_of():
    net = replace(SPEC, model="eegnet", inputs="eeg")
    for name in ("S1-v1", "S4"):
        row = protocols.reenacted(study(), net, [], one(name))
        assert row["score"] is row["honest"] is row["difference"] is None and "takes signals" in row["reason"]
        assert row["leaky"] and row["did"] == row["rules"] == []
    dealt, acted, _ = protocols.prepared(study(), net, one("S3"))
    assert acted.split == "trial" and list(dealt.features) == list(study().features)


def test_signals_are_scaled_over_all_windows_and_bad_channels_stay_missing():
    rng = np.random.default_rng(0)
    x = (5.0 + 3.0 * rng.standard_normal((280, 2, 4))).astype(np.float32)
    x[:, 1] = np.nan
    dealt, _, _ = protocols.prepared(replace(study(), signals={"eeg": x}), SPEC, one("S2"))
    got = dealt.signals["eeg"]
    assert abs(got[:, 0].mean()) < 0.1 and abs(got[:, 0].std() - 1) < 0.1 and np.isnan(got[:, 1]).all()


def test_people_of_one_class_are_left_out_of_the_score_of_s1_alone():
    data = study(2.0)
    flat = np.where(data.subject == "S001", 5.0, data.labels["valence"])
    _, told = panel(replace(data, labels={"valence": flat}), SPEC)
    assert told["S1-v1"]["difference"]["n"] == 7 and "people left out" in told["S1-v1"]["rules"]
    assert told["S5"]["difference"]["n"] == 8


def test_where_everybody_is_left_out_nothing_is_computed():
    data = study()
    sides = np.where(np.isin(data.subject, ("S001", "S002", "S003")), 5.0, 1.0)
    data = replace(data, labels={"valence": sides})
    row = protocols.reenacted(data, SPEC, experiment.run(data, SPEC), one("S1-v1"))
    assert row["score"] is None and "everybody was left out" in row["reason"]


def test_protocols_are_held_against_left_out_people_and_high_or_not_alone():
    for other in ({"split": "trial"}, {"task": "continuous"}):
        with pytest.raises(Refused, match="E-PROTOCOLS"):
            protocols.panel(study(), replace(SPEC, **other), [])


def test_a_new_protocol_is_one_entry(monkeypatch):
    new = protocols.Protocol("S6", "Another", "c1", "none", "Trials at random.", "trial", "trial", ("subject overlap",))
    monkeypatch.setattr(protocols, "PROTOCOLS", (new,))
    _, told = panel(study(), SPEC)
    assert told["S6"]["rules"] == ["subject overlap"] and told["S6"]["did"] == ["Trials at random."]
