"""How well a model does for the people of each group that a study names, such as sex, age or a score (ux 10.11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.evaluation import groups, metrics
from core.models.bundle import Interval, Subgroup, Subgroups
from core.settings import FEWEST_PEOPLE
from core.types import Study

# what stands in a table of people where a field was left blank
NOT_GIVEN = ("", "n/a", "nan")
NO_FIELDS = "no group fields in the study"
NO_GROUPS = "no group field parts the people of the study"
FEW = f"fewer than {FEWEST_PEOPLE} people"


@dataclass(frozen=True)
class Parting:
    """How a group field parts the people: the rule in words, and who is in each group. None where it does not."""

    rule: str
    people: Mapping[str, Sequence[str]] = field(default_factory=dict)


def partings(study: Study) -> dict[str, Parting]:
    """Each group field of a study's trials, by name, in the order of the trials."""
    given: dict[str, dict[str, set[str]]] = {}
    for trial in study.trials:
        for name, value in trial.groups.items():
            given.setdefault(name, {}).setdefault(trial.subject, set()).add(value)
    everybody = sorted({t.subject for t in study.trials})
    return {name: _parting(own, everybody) for name, own in given.items()}


def _parting(given: Mapping[str, set[str]], everybody: Sequence[str]) -> Parting:
    """Text, and a code of two numbers, by value; other numbers at their median. Who has no value is a group too."""
    if any(len(values) > 1 for values in given.values()):
        return Parting("it changes between the trials of a person, so it parts trials and not people")
    own = {s: value for s, (value,) in given.items() if value not in NOT_GIVEN}
    values = sorted(set(own.values()))
    if len(values) < 2:
        return Parting(f"it is {values[0]} for everybody who has it" if values else "nobody has a value")
    numbers = {s: n for s, value in own.items() if (n := groups.number(value)) is not None}
    if len(numbers) == len(own) and len(set(numbers.values())) > 2:
        parted = groups.part(numbers)
        edge = f"{parted.edges[0]:g}"
        rule = f"a number, split at its median of {edge}; who lies on it is in the lower group"
        people: dict[str, Sequence[str]] = {f"up to {edge}": parted.low, f"above {edge}": parted.high}
    else:
        rule, people = "by value", {v: [s for s in sorted(own) if own[s] == v] for v in values}
        if max(map(len, people.values())) < FEWEST_PEOPLE:
            return Parting(f"{len(values)} values, none of {FEWEST_PEOPLE} people or more")
    without = [s for s in everybody if s not in own]
    return Parting(rule, people | ({"not given": without} if without else {}))


def results(parted: Mapping[str, Parting], levels: Mapping[str, metrics.Level]) -> Subgroups:
    """What a card says of the groups of people.

    Parameters
    ----------
    levels
        By target what was predicted of the trials of people left out (``scoring.level``).
    """
    if not any(p.people for p in parted.values()):
        return Subgroups(rules={n: p.rule for n, p in parted.items()}, reason=NO_GROUPS if parted else NO_FIELDS)
    return Subgroups(
        rules={name: p.rule for name, p in parted.items()},
        results={target: _of_target(parted, at) for target, at in levels.items()},
        reason="",
    )


def _of_target(parted: Mapping[str, Parting], at: metrics.Level) -> list[Subgroup]:
    accuracy, auc = (
        dict(zip(at.subjects, at.per_subject(*metrics.SCORES[score]), strict=True))
        for score in ("balanced_accuracy", "roc_auc")
    )
    found = []
    for name, parting in parted.items():
        for group, people in parting.people.items():
            own = [s for s in people if s in accuracy]
            scores = _mean([accuracy[s] for s in own]), _mean([auc[s] for s in own])
            why = FEW if scores[0] is None else "" if scores[1] is not None else f"{FEW} have trials of both classes"
            found.append(
                Subgroup(
                    field=name, group=group, n=len(own), balanced_accuracy=scores[0], roc_auc=scores[1], reason=why
                )
            )
    return found


def _mean(values: Sequence[float | None]) -> Interval | None:
    """Mean over people with its interval; None where it would be of fewer than five (ux 9)."""
    known = [v for v in values if v is not None]
    return metrics.cross_validated(values) if len(known) >= FEWEST_PEOPLE else None
