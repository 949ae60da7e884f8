"""Results for groups of people: who is in which, whose scores are meant, and what is not shown."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation import metrics, subgroups
from core.types import Study, Trial


def study(groups: dict[str, dict[str, str]]) -> Study:
    trials = tuple(Trial(s, str(k), {}, own, "") for s, own in groups.items() for k in range(2))
    return Study("s", "b", "l", trials, {"valence": (1.0, 5.0, 3.0)}, ("eeg",))


def named(n: int, **fields) -> dict[str, dict[str, str]]:
    """S00, S01, ... with a value of each field."""
    return {f"S{i:02d}": {name: str(of(i)) for name, of in fields.items()} for i in range(n)}


def level(right: dict[str, tuple[float, float]]) -> metrics.Level:
    """Four trials a person, High Low High Low; of each half the share that is found (0, 0.5 or 1)."""
    subject = np.repeat(list(right), 4)
    y = np.tile([1, 0, 1, 0], len(right))
    found = []
    for high, low in right.values():
        found += [int(high >= 0.5), int(low < 0.5), int(high >= 1), int(low < 1)]
    p = np.array(found)
    return metrics.Level(subject, np.arange(len(y)), y * 0, y, p.astype(float), p, y * 0 + 0.5, 2)


def test_numbers_are_split_at_their_median_and_text_by_value_with_the_rule_said():
    found = subgroups.partings(study(named(12, age=lambda i: 20 + i, sex=lambda i: "fm"[i % 2])))
    age, sex = found["age"], found["sex"]
    assert list(age.people) == ["up to 25.5", "above 25.5"] and "median of 25.5" in age.rule
    assert list(age.people["above 25.5"]) == [f"S{i:02d}" for i in range(6, 12)]
    assert sex.rule == "by value" and list(sex.people["f"]) == [f"S{i:02d}" for i in range(0, 12, 2)]


def test_a_code_of_two_numbers_is_taken_by_value_and_who_has_none_is_a_group():
    given = named(12, sex=lambda i: 1 + i % 2) | {f"T{i}": {"sex": ("n/a", "", "nan")[i % 3]} for i in range(6)}
    found = subgroups.partings(study(given))["sex"]
    assert {g: len(p) for g, p in found.people.items()} == {"1": 6, "2": 6, "not given": 6}
    ties = subgroups.partings(study(named(6, ei=lambda i: (1, 3, 3, 3, 3, 2)[i])))["ei"]
    assert {g: len(p) for g, p in ties.people.items()} == {"up to 3": 6, "above 3": 0}


@pytest.mark.parametrize(
    ("groups", "rule"),
    [
        (named(6, site=lambda i: "x"), "it is x for everybody"),
        (named(6, site=lambda i: ""), "nobody has a value"),
        (named(9, name=lambda i: f"v{i % 3}"), "3 values, none of 5 people or more"),
    ],
)
def test_a_field_that_parts_nobody_says_why_and_has_no_rows(groups, rule):
    [parting] = subgroups.partings(study(groups)).values()
    assert rule in parting.rule and not parting.people
    told = subgroups.results(subgroups.partings(study(groups)), {"valence": level({"S00": (1, 1)})})
    assert told.results == {} and told.reason == "no group field parts the people of the study" and told.rules


def test_what_changes_between_the_trials_of_a_person_is_no_group_of_people():
    trials = tuple(Trial(f"S{i}", str(k), {}, {"video": str(k)}, "") for i in range(6) for k in range(3))
    made = Study("s", "b", "l", trials, {"valence": (1.0, 5.0, 3.0)}, ("eeg",))
    assert "parts trials and not people" in subgroups.partings(made)["video"].rule


def test_without_group_fields_that_is_said():
    told = subgroups.results(subgroups.partings(study({"S00": {}})), {})
    assert (told.reason, told.rules, told.results) == ("no group fields in the study", {}, {})


def test_a_groups_scores_are_those_of_its_people_alone():
    parted = subgroups.partings(study(named(12, sex=lambda i: "f" if i < 6 else "m")))
    scores = {f"S{i:02d}": (1.0, 1.0) if i < 6 else (0.5, 0.0) for i in range(12)}
    women, men = subgroups.results(parted, {"valence": level(scores)}).results["valence"]
    assert (women.field, women.group, women.n, women.reason) == ("sex", "f", 6, "")
    assert women.balanced_accuracy.value == women.roc_auc.value == 1.0
    assert men.balanced_accuracy.value == 0.25 and men.balanced_accuracy.low <= 0.25 <= men.balanced_accuracy.high


def test_fewer_than_five_people_are_not_shown_with_the_reason():
    """Counted are those whose trials were predicted, and for the AUC those with trials of both classes."""
    parted = subgroups.partings(study(named(11, sex=lambda i: "f" if i < 6 else "m")))
    everybody = {f"S{i:02d}": (1.0, 1.0) for i in range(11)}
    del everybody["S00"], everybody["S10"]
    five, four = subgroups.results(parted, {"valence": level(everybody)}).results["valence"]
    assert five.n == 5 and five.balanced_accuracy.value == 1.0
    assert (four.n, four.balanced_accuracy, four.roc_auc) == (4, None, None) and four.reason == "fewer than 5 people"
    at = level(everybody)
    one_class = at.take(np.flatnonzero((at.subject != "S01") | (at.y == 1)))
    five = subgroups.results(parted, {"valence": one_class}).results["valence"][0]
    assert five.balanced_accuracy.value == 1.0 and five.roc_auc is None
    assert five.reason == "fewer than 5 people have trials of both classes"
