"""What reports and pages of research both say: splits, outcomes, controls of a card, and what a number means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from core.reports.values import known
from core.settings import VERDICT_PEOPLE

SPLITS: Mapping[str, str] = {
    "loso": "LOSO: one subject left out",
    "nested_loso": "Nested LOSO: where a model has choices, selected inside",
    "subject_kfold": "Five folds of whole subjects",
    "within_subject": "Within each subject, by trial",
    "trial": "Trials at random (leaky)",
    "random_window": "Windows at random (leaky)",
}
LEAKY = (
    "Leaky split: the same people are in training and test, with random windows even the same trials. This number says "
    "nothing about a new person and stands here only to show the price of the leak."
)
OUTCOMES: Mapping[str, str] = {"fail": "✕ fail", "not_checkable": "○ not checkable", "pass": "■ pass"}
OVER_SUBJECTS = (
    "Mean over subjects with its 95 % interval: a bootstrap over subjects, made wider because all folds learned from "
    "nearly the same people."
)
NO_RANKING = "not computed: it ranks nobody"
MODEL_STATES: Mapping[str, str] = {
    "approved": "■ Approved", "draft": "○ Draft", "retired": "✕ Retired", "locked": "✕ Locked",
}  # fmt: skip
NORM_MODES: Mapping[str, str] = {
    "self": "by the recording itself", "baseline": "by the rest at the start",
    "causal": "by the person's own past of the recording",
}  # fmt: skip
NORM_LIMITS: Mapping[str, str] = {
    "self": "Signals are scaled by the recording itself: what is the same all through it cannot be seen.",
    "baseline": "It was trained with a baseline: without 5 s of rest at the start it says nothing.",
    "causal": "It compares a person with their own past: it says nothing in the first minutes.",
}
# controls of a card in the order they are shown, and the scores among them
CONTROLS: Mapping[str, str] = {
    "pure": "This model, people left out",
    "clock": "Clock alone: time since the start",
    "movement": "Movement of the wrist alone",
    "nested": "This model, options chosen inside",
    "every_30_s": "This model every 30 s, transitions included",
    "cross_stressor": "Learned one stressor, asked for another",
    "restarted": "Recording begun at the first rest",
    "calm_only": "A session without a stressor",
    "transfer": "People of another laboratory",
}
CONTROL_SCORES: Mapping[str, str] = {
    "roc_auc": "AUC", "balanced_accuracy": "Balanced accuracy", "restarted": "AUC, begun at the first rest",
    "same_windows_from_the_start": "AUC, the same windows from the start",
    "stroop_to_interview": "AUC, Stroop to interview", "interview_to_stroop": "AUC, interview to Stroop",
    "flagged": "Share of windows flagged",
}  # fmt: skip


def premium(value: float | None, low: float | None, high: float | None) -> str:
    """What a leak premium says, and what it does not."""
    if value is None or low is None or high is None:
        return "Too few subjects: how much of a leaky score is leak is not known here."
    if low > 0:
        return (
            "Windows at random score higher: this much of such a number comes from windows of one person and trial on "
            "both sides, not from what is predicted."
        )
    if high < 0:
        return "Windows at random score lower than people left out."
    return "The interval holds zero: these subjects do not tell the leaky split from the clean one."


def given(card: Mapping[str, Any]) -> dict[str, str]:
    """What the model of a card is given of a recording, and what it says of it; older cards are of features."""
    seen, features = card.get("seen") or {}, f"{len(card['features']):,} features ({card['feature_set']})"
    each = [
        f"{len(names)} {t.upper()} channel{'' if len(names) == 1 else 's'} at {seen['rates'][t]} Hz"
        for t, names in seen.get("channels", {}).items()
    ]
    what = {
        "signals": f"the signals themselves: {', '.join(each)}",
        "sequence": f"up to {seen.get('longest')} windows in order of time, each told by {features}",
    }.get(seen.get("takes", "features"), features)
    return {"Is given": what, "A prediction": seen.get("each", "One probability for each window.")}


SUBGROUPS_ARE = (
    "Each row is of the people of one group. The groups of a field are not compared here, and they may differ in more "
    "than the field."
)


def subgroups(card: Mapping[str, Any], score: Callable[[Any], str], name: Callable[[str], str]) -> list[tuple]:
    """(target, field, group, people, balanced accuracy, AUC, reading) of the groups of people of a card.

    ``score`` writes an interval, ``name`` a target. A score of fewer than five people says so in place of a number.
    """
    return [
        (
            name(target), own["field"], own["group"], own["n"],
            *(score(own[s]) if known((own[s] or {}).get("value")) is not None else f"not shown: {own['reason']}"
              for s in ("balanced_accuracy", "roc_auc")),
            _reading(own),
        )
        for target, found in card["subgroups"]["results"].items()
        for own in found
    ]  # fmt: skip


def _reading(own: Mapping[str, Any]) -> str:
    """Where the interval of a group lies to a coin; no verdict on few people."""
    low, high = (known((own["balanced_accuracy"] or {}).get(end)) for end in ("low", "high"))
    if low is None or high is None:
        return own["reason"]
    if own["n"] < VERDICT_PEOPLE:
        return f"fewer than {VERDICT_PEOPLE} people: no verdict"
    if low <= 0.5 <= high:
        return "the interval holds 0.50, a coin"
    return f"the interval lies {'above' if low > 0.5 else 'below'} 0.50, a coin"


def subgroup_rules(card: Mapping[str, Any]) -> list[str]:
    """By what rule each field parts the people of a card, or why there are no groups."""
    told = card["subgroups"]
    why = [f"There are no results by subgroup: {told['reason']}."] if told["reason"] else []
    return why + [f"{field}: {rule}." for field, rule in told["rules"].items()]


# of what is left to name beyond guessing, the share from which features are said to name the person
NAMES_PEOPLE = 0.5


def people_not_target(card: Mapping[str, Any]) -> dict[str, str]:
    """By target: that the features name the person well while the score is not told from chance (requirements c2).

    A score is not where its mean lies within what a coin reaches, or its interval holds one half.
    """
    said = {}
    for target, probe in (card["leak_audit"].get("identity") or {}).items():
        found = card["loso"][target]
        score, low = (known(found["balanced_accuracy"].get(part)) for part in ("value", "low"))
        accuracy, chance = probe["accuracy"], probe["chance"]
        if accuracy - chance < NAMES_PEOPLE * (1 - chance) or score is None:
            continue
        if score <= found["chance"]["high"] or (low is not None and low <= 0.5):
            said[target] = (
                f"the features name the person in {accuracy:.0%} of windows of other trials (chance {chance:.0%}, "
                f"{probe['n_subjects']} subjects), while the balanced accuracy of {score:.2f} on people left "
                "out is not told from chance. They tell who it is; that they tell the target is not shown."
            )
    return said


def raised(card: Mapping[str, Any]) -> str:
    """What the scores by task of a card do not say of the cut that ships; "" where that was not held for calm people.

    It is, where the share of calm windows was asked for and the cut lies above the usual one of the folds.
    """
    if "calm_only" not in (card.get("controls") or {}):
        return ""
    said = []
    for target, found in card["loso"].items():
        cut, own = card["targets"][target]["threshold"], [s["threshold"] for s in found["subjects"]]
        if cut > median(own):
            said.append(
                f"The cut that ships, {cut:.2f}, is held high so that few windows of calm sessions are called High; "
                f"the scores by task above are at each fold's own cut, {min(own):.2f}-{max(own):.2f}."
            )
    return " ".join(said)
