"""A leak audit on paper: the premium, the same pipeline under every split, each check with its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from core.reports import words
from core.reports.paper import FIGURE, About, Paper
from core.reports.values import interval, known, name

Told = Mapping[str, Any]


def pdf(told: Told, about: About) -> bytes:
    """The PDF of a leak audit as it is exported in JSON (``core.services.exports.reports.leak_audit``)."""
    paper = Paper(
        f"Leak audit: {told['model']} on {told['inputs']}",
        f"{name(told['target'])}, study {told['study']}, {told['fusion']} fusion, seed {told['seed']}. "
        f"Audit {told['audit']} of {str(told['made_at'])[:16].replace('T', ' ')}, code {told['code_version']}.",
    )
    own = told["premium"]
    paper.heading("Leak premium")
    paper.text(
        f"{interval(own, sign=True)}: balanced accuracy of windows under random windows less under nested LOSO.",
        words.premium(*(known(own.get(k)) for k in ("value", "low", "high"))),
    )
    _splits(paper, told["splits"], told.get("chance"))
    _checks(paper, told["checks"])
    paper.heading("What it hangs on")
    paper.facts({key: _plain(value) for key, value in told["config"].items()})
    return paper.end(about)


def _splits(paper: Paper, rows: Sequence[Told], chance: Any) -> None:
    """Naive beside clean."""
    from core.reports import plots

    paper.heading("What does the same pipeline score when it may peek?", FIGURE)
    named = [{**r, "name": words.SPLITS.get(r["split"], r["split"]).partition(":")[0], "hollow": r["leaky"]}
             for r in rows]  # fmt: skip
    paper.figure(
        plots.intervals(named, "Balanced accuracy of windows, mean over subjects", 0.5, chance),
        "Hollow: a leaky split, which says nothing of a new person. Dotted: a coin; shaded, where it is known: where "
        "95 % of such means lie when a coin decides.",
    )
    paper.table(
        ("Split", "Leaky", "Balanced accuracy", "Run"),
        [(r["name"], "yes" if r["leaky"] else "no", interval(r), r["run"]) for r in named],
        (2.4, 0.8, 2, 1),
    )
    paper.caption(words.LEAKY)


def _checks(paper: Paper, checks: Sequence[Told]) -> None:
    """Every check, those that failed first."""
    n = Counter(c["outcome"] for c in checks)
    order = list(words.OUTCOMES)
    paper.heading("What was looked at?")
    said = ", ".join(f"{n[o]} {text[2:]}" for o, text in words.OUTCOMES.items() if n[o])
    paper.text(f"{len(checks)} checks: {said or 'none'}.")
    if n["fail"]:
        paper.warning("A check failed: read its evidence before this number is used.")
    if n["not_checkable"]:
        paper.text("What is not checkable is not passed: nothing is known of it.")
    paper.table(
        ("Outcome", "Check", "Evidence, with the place in the code"),
        [(words.OUTCOMES.get(c["outcome"], c["outcome"]), c["name"], c["evidence"])
         for c in sorted(checks, key=lambda c: order.index(c["outcome"]))],
        (0.9, 1.5, 3.6),
    )  # fmt: skip
    paper.caption("Passed means that nothing of this kind was found in what was looked at, not that there is nothing.")


def _plain(value: Any) -> str:
    """A value of the configuration in text."""
    if value is None or (isinstance(value, Mapping) and "not_computed" in value):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
