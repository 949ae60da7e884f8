"""Reports on paper: the numbers of the JSON and no others, the same bytes twice, hostile and missing input."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator

import pytest

from core.models.bundle import Card, Subgroups
from core.reports import fonts, leak_audit, model_card, words
from core.reports.paper import About
from core.settings import MODELS_SHIPPED
from tests.core.reports.reading import pages, text

ABOUT = About("2026-07-14T09:05:00+00:00", "Affectline 9.9.9", "5a" * 32, "Research software. Not a medical device.")
CHECKS = [
    {"name": "subjects disjoint", "outcome": "pass", "evidence": "12 of 12 folds share none (core/x.py loso)"},
    {"name": "duplicated rows", "outcome": "fail", "evidence": "31 of 96 windows equal another (core/y.py rows)"},
    {"name": "clip probe", "outcome": "not_checkable", "evidence": "the study names no clip (core/z.py probe)"},
]
CONFIG = {"audit": 1, "pipeline_hash": "a10e6f91f88d33a4", "flip": False, "smoothing": {"not_computed": "too_few"}}
AUDIT = {
    "audit": 7, "made_at": "2026-07-14T09:05:00+00:00", "code_version": "1.2", "study": "small", "target": "valence",
    "inputs": "eeg+ecg", "model": "logistic", "seed": 3, "fusion": "early",
    "premium": {"value": 0.31234, "low": 0.20456, "high": 0.41567, "n_undefined": 0},
    "scores": {"random_window": 0.91234, "nested_loso": 0.60012}, "checks": CHECKS,
    "experiments": {"random_window": "E-0003", "nested_loso": "E-0001"},
    "splits": [
        {"split": "random_window", "leaky": True, "value": 0.91234, "low": 0.85, "high": 0.95, "run": "E-0003"},
        {"split": "nested_loso", "leaky": False, "value": 0.60012, "low": {"not_computed": "too_few"},
         "high": {"not_computed": "too_few"}, "run": "E-0001"},
    ],
    "chance": {"low": 0.42345, "high": 0.57654}, "config": CONFIG,
}  # fmt: skip


def card(name: str = "demo-eeg-ecg") -> dict:
    """A shipped card as the export service writes it."""
    told = Card.model_validate_json((MODELS_SHIPPED / name / "card.json").read_text()).model_dump(mode="json")
    return told | {"state": "approved", "limits": {}, "decisions": [], "reporting": {}}


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        for name, own in value.items():
            if name not in ("low", "high") or "n" not in value:  # the edges of a bin are told to one digit
                yield from numbers(own)
    elif isinstance(value, list):
        for own in value:
            yield from numbers(own)
    elif isinstance(value, float):
        yield value


@pytest.mark.parametrize("name", ["demo-eeg-ecg", "wearable-stress"])
def test_every_score_of_a_card_stands_in_its_report_and_no_other(name):
    told = card(name)
    said = text(model_card.pdf(told, ABOUT))
    shown = set(re.findall(r"(?<![\w.])\d\.\d{3}(?!\d)", said))
    wanted = {f"{v:.3f}" for part in ("loso", "calibration") for v in numbers(told[part]) if v <= 1}
    missing = {f"{v:.3f}" for t in told["loso"].values() for v in [t["majority_accuracy"], t["accuracy"]["value"],
               t["accuracy"]["low"], t["accuracy"]["high"], *(s["accuracy"] for s in t["subjects"])]}  # fmt: skip
    assert wanted - missing <= shown
    known = {f"{abs(v):.3f}" for v in numbers(told)} | set(re.findall(r"\d\.\d{3}(?!\d)", json.dumps(told)))
    assert shown <= known
    for target, found in told["loso"].items():
        for s in found["subjects"]:
            row = [s["subject"], f"{s['balanced_accuracy']:.3f}", f"{s['roc_auc']:.3f}", f"{s['brier']:.3f}"]
            assert " \n".join(row) in said, (target, s)


@pytest.mark.parametrize(
    ("accuracy", "score", "low", "flagged"),
    [(0.93, 0.52, 0.44, True), (0.93, 0.56, 0.51, True), (0.93, 0.74, 0.65, False), (0.2, 0.52, 0.44, False),
     (0.93, None, None, False)],
    ids=["interval holds one half", "within a coin's reach", "above chance", "does not name people", "no score"],
)  # fmt: skip
def test_features_that_name_the_person_beside_a_score_at_chance_are_flagged(accuracy, score, low, flagged):
    told = copy.deepcopy(card())
    told["leak_audit"]["identity"] = {
        "valence": {"accuracy": accuracy, "chance": 0.06, "n_subjects": 16, "n_windows": 9}
    }
    assert words.people_not_target(told) == {}, "the shipped model scores above chance"
    told["loso"]["valence"]["balanced_accuracy"] |= {"value": score, "low": low}
    said = words.people_not_target(told)
    assert bool(said) is flagged
    if flagged:
        assert (
            f"in 93% of windows of other trials (chance 6%, 16 subjects), while the balanced accuracy of {score}"
            in (said["valence"])
        )
        printed = " ".join(text(model_card.pdf(told, ABOUT)).split())
        assert "They tell who it is" in printed


def test_groups_of_people_have_their_numbers_and_no_verdict_where_there_are_few():
    told = card()
    plain = " ".join(text(model_card.pdf(told, ABOUT)).split())
    assert "There are no results by subgroup: no group fields in the study." in plain
    plain = " ".join(text(model_card.pdf({**told, "subgroups": Subgroups().model_dump()}, ABOUT)).split())
    assert "There are no results by subgroup: they were not computed when this card was made." in plain
    wide, high, none = (
        {"value": 0.512, "low": 0.401, "high": 0.623}, {"value": 0.787, "low": 0.654, "high": 0.898},
        {"not_computed": "too_few"},
    )  # fmt: skip
    rows = [("sex", "f", 12, wide, high, ""), ("sex", "m", 10, high, none, "fewer than 5 people have both"),
            ("age", "up to 31", 9, high, high, ""),
            ("age", "above 31", 4, none, none, "fewer than 5 people")]  # fmt: skip
    names = ("field", "group", "n", "balanced_accuracy", "roc_auc", "reason")
    told["subgroups"] = {"rules": {"sex": "by value", "age": "a number, split at its median of 31"}, "reason": "",
                         "results": {"valence": [dict(zip(names, r, strict=True)) for r in rows]}}  # fmt: skip
    assert [r[-1] for r in words.subgroups(told, str, str)] == [
        "the interval holds 0.50, a coin", "the interval lies above 0.50, a coin",
        "fewer than 10 people: no verdict", "fewer than 5 people",
    ]  # fmt: skip
    said = " ".join(text(model_card.pdf(told, ABOUT)).split())
    assert "0.512 (0.401 to 0.623)" in said and "not shown: fewer than 5 people" in said
    assert "not shown: fewer than 5 people have both" in said
    assert "- age: a number, split at its median of 31." in said


def test_a_stress_report_puts_the_clock_beside_the_score_and_says_what_it_tells():
    told = card("wearable-stress")
    said = text(model_card.pdf(told, ABOUT))
    clock = told["controls"]["clock"]["roc_auc"]
    row = (
        f"{clock['value']:.3f} ({clock['low']:.3f} to {clock['high']:.3f}), worst quarter {clock['worst_quarter']:.3f}"
    )
    assert row in said and "What it tells: stressor on or off, not felt stress." in said
    assert "Intended use" in said and "Not for" in said


def test_a_report_says_where_it_comes_from_on_every_page():
    told = card()
    made = model_card.pdf(told, ABOUT)
    said, n = text(made), pages(made)
    assert n > 2 and said.count(ABOUT.notice) == n and f"Page {n} of {n}" in said and "Page 1 of" in said
    for fact in (ABOUT.digest, ABOUT.software, told["training"]["sha256"], told["files"]["model.skops"]):
        assert fact in said
    assert "demonstration model" in said and told["pipeline_hash"] in said


def test_the_same_input_gives_the_same_bytes():
    assert model_card.pdf(card(), ABOUT) == model_card.pdf(card(), ABOUT)
    assert leak_audit.pdf(AUDIT, ABOUT) == leak_audit.pdf(copy.deepcopy(AUDIT), ABOUT)


def test_an_audit_has_its_premium_splits_and_checks_those_that_failed_first():
    said = text(leak_audit.pdf(AUDIT, ABOUT))
    assert "+0.312 (+0.205 to +0.416)" in said and "0.912 (0.850 to 0.950)" in said and "0.600 (no interval)" in said
    order = [said.index(c["evidence"]) for c in (CHECKS[1], CHECKS[2], CHECKS[0])]
    assert order == sorted(order) and "A check failed" in said and "is not passed" in said
    assert "flip \nno" in said and "smoothing \nnone" in said
    assert "E-0003" in said and "a10e6f91f88d33a4" in said and "3 checks: 1 fail, 1 not checkable, 1 pass." in said


def test_nested_loso_is_said_to_select_only_where_a_model_has_choices():
    assert words.SPLITS["nested_loso"] == "Nested LOSO: where a model has choices, selected inside"


def test_an_audit_without_a_premium_says_so():
    nothing = {"not_computed": "too_few"}
    bare = AUDIT | {"premium": dict.fromkeys(("value", "low", "high"), nothing), "checks": [], "splits": [],
                    "chance": nothing}  # fmt: skip
    said = text(leak_audit.pdf(bare, ABOUT))
    assert "not computed: too few values" in said and "Too few subjects" in said and "0 checks: none." in said


HOSTILE = ("<b>bold</b>", "</para><img src='/etc/passwd'/>", "a & b", "x" * 3000, "(un)bal\\anced)", "=1+1",
           "Zoë Ødegård", "Ολγα Жанна", "李小龍", "김민수", "two\nlines")  # fmt: skip


@pytest.mark.parametrize("word", HOSTILE)
def test_whatever_a_person_is_called_is_printed_as_it_is(word):
    told = card()
    told["training"]["study"] = told["basis"] = word
    told["decisions"] = [{"at": "now", "version": "1", "state": "retired", "why": word, "who": word}]
    for s in told["loso"]["valence"]["subjects"]:
        s["subject"] = word
    said = re.sub(r"\s", "", text(model_card.pdf(told, ABOUT)))
    assert re.sub(r"\s", "", word[: fonts.MOST]) in said and "passwd" not in said.replace(re.sub(r"\s", "", word), "")


def test_what_cannot_be_seen_is_named_and_nothing_is_blank():
    assert fonts.visible("a\u202eb\x00c\u200d") == "a[U+202E]b[U+0000]c[U+200D]"
    assert fonts.visible("\U0001f9ff") == "[U+1F9FF]"
    assert fonts.runs("Li 李 한") == [
        (fonts.PLAIN, "Li "), ("STSong-Light", "李"), (fonts.PLAIN, " "), ("HYSMyeongJo-Medium", "한"),
    ]  # fmt: skip


def test_a_card_with_little_on_it_says_what_is_not_there():
    told = card()
    nothing = {"not_computed": "too_few"}
    one = told["loso"]["valence"]
    one |= {"subjects": one["subjects"][:1], "roc_auc": dict.fromkeys(("value", "low", "high"), nothing)}
    one["subjects"][0]["roc_auc"] = nothing
    told |= {"loso": {"valence": one}, "calibration": {}, "controls": nothing, "drift": nothing}
    told["leak_audit"] = {"premium": {}, "scores": {}, "checks": CHECKS[:1]}
    said = text(model_card.pdf(told, ABOUT))
    assert said.count("not computed: too few values") == 2
    assert "No controls are on this card" in said and "cannot warn" in said and "Nobody has approved" in said


def test_a_study_of_many_people_goes_on_over_pages():
    told = card()
    first = told["loso"]["valence"]["subjects"][0]
    told["loso"]["valence"]["subjects"] = [{**first, "subject": f"S{i:04d}"} for i in range(400)]
    made = model_card.pdf(told, ABOUT)
    assert pages(made) > 8 and all(f"S{i:04d}" in text(made) for i in (0, 399))
