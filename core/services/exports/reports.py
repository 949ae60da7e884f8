"""What research pages hand out in full: cards and leak audits as JSON and PDF, grids and groups as tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.evaluation.splits import LEAKY
from core.services import approval
from core.services.exports import disclosure, exports
from core.services.exports.export_columns import ABLATION, CARD, GROUPS, LEAK_AUDIT
from core.services.exports.exports import Export
from core.services.research import audits, experiments, models, results
from core.services.research.audits import Line
from core.services.research.groups import Report
from core.storage.store import Store
from core.types import Reason

if TYPE_CHECKING:
    from core.evaluation.groups import Difference

# from the leakiest split to the cleanest
ORDER = ("random_window", "trial", "subject_kfold", "loso", "nested_loso")


def model_card(store: Store, name: str, *, now: datetime, pdf: bool = False) -> Export:
    """A card with its state, limits, every decision and the reporting checklist, by the export service.

    Of a decision leave state, version and time; who took it, and the reason they typed, stay here.
    """
    from core.reports import model_card

    bundle = approval.find(name)
    card = models.card(store, name)
    kept = dict.fromkeys(("why", "who"), disclosure.WORDS_KEPT)
    decisions = [{**d, **kept} for d in models.decisions(store, name)]
    value = {
        **card, "state": approval.state(bundle, models.history(store, name)), "limits": models.limits(card),
        "decisions": decisions, "reporting": models.reporting(store, name),
    }  # fmt: skip
    more: dict[str, Any] = {"n": len(bundle.targets), "now": now, "meanings": CARD}
    if pdf:
        return exports.export_report(store, "model-card", value, name, model_card.pdf, **more)
    return exports.export_json(store, "model-card", value, name, **more)


def leak_audit(store: Store, line: Line, *, now: datetime, pdf: bool = False) -> Export:
    """A stored leak audit with what it hangs on and the interval of each split, by the export service."""
    from core.reports import leak_audit

    found = line.result
    rows, chance = splits(store, found)
    value = {
        "audit": line.id, "made_at": line.created_at.isoformat(), "code_version": line.code_version,
        **{name: getattr(line, name) for name in ("study", "target", "inputs", "model", "seed")}, **found,
        "splits": rows, "chance": chance, "config": dict(line.config),
    }  # fmt: skip
    more: dict[str, Any] = {
        "n": len(found["checks"]), "now": now, "filters": {"audit": line.id}, "meanings": LEAK_AUDIT,
    }  # fmt: skip
    if pdf:
        return exports.export_report(store, "leak-audit", value, line.study, leak_audit.pdf, **more)
    return exports.export_json(store, "leak-audit", value, line.study, **more)


def line_of(store: Store, result: Mapping[str, Any]) -> Line:
    """Where the result of a leak audit is stored."""
    return next(line for line in audits.results(store, "leak_audit") if line.result == result)


def splits(store: Store, result: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, float] | None]:
    """Splits of a leak audit, ``{split, leaky, value, low, high, run}``, the leakiest first, and the range of chance.

    Interval and chance are those of the stored experiments; None where one is not there any more.
    """
    runs = {x.id: (x.summary or {}).get("window", {}) for x in experiments.all_experiments(store)}
    made = result["experiments"]
    rows = []
    for split in sorted(result["scores"], key=ORDER.index):
        own = runs.get(made.get(split, ""), {}).get("balanced_accuracy", {})
        rows.append(
            {
                "split": split, "leaky": split in LEAKY, "value": result["scores"][split], "low": own.get("low"),
                "high": own.get("high"), "run": made.get(split, "not stored"),
            }
        )  # fmt: skip
    clean = (runs.get(run, {}).get("chance") for split, run in made.items() if split not in LEAKY)
    return rows, next((c for c in clean if c), None)


def ablation(
    store: Store, told: Mapping[str, Mapping[str, Any]], study: str, fmt: str, *, filters: dict, now: datetime
) -> Export:
    """The grid of a study by target, as ``results.ablation`` gives it, a row for each set of signals."""
    rows = []
    for target, found in told.items():
        differences = {d["inputs"]: d for d in found["differences"]}
        for own in found["sets"]:
            d = differences.get(own["inputs"], {})
            best = own["inputs"] == found["best_single"]
            rows.append(
                {
                    "target": target, "inputs": own["inputs"], "experiment": own["experiment"],
                    "balanced_accuracy": own["value"], "low": own["low"], "high": own["high"], "rank": own["rank"] or 0,
                    "against": found["best_single"], "difference": d.get("value"), "difference_low": d.get("low"),
                    "difference_high": d.get("high"), "n_subjects": d.get("n", found["n_subjects"]), "p": d.get("p"),
                    "p_holm": d.get("p_adjusted"), "test": d.get("test") or "none",
                    "reason": "best_single" if best else "" if d.get("value") is not None else str(Reason.TOO_FEW),
                    "trials_lost": own["n_lost"], "share_lost": own["share_lost"], "seconds": own["seconds"],
                }
            )  # fmt: skip
    return exports.export_rows(store, "ablation-grid", rows, ABLATION, study, fmt, filters=filters, now=now)


def groups(store: Store, report: Report, fmt: str, *, now: datetime) -> Export:
    """Both groups of a study in every outcome, and in what else differs, a row each.

    Statistics of one to four people do not leave; the reason says so.
    """
    kinds = {o.name: o.kind for o in report.outcomes}
    rows = [_compared(d, kinds[d.outcome], reading(d, report.parted.enough)) for d in report.differences]
    rows += [_compared(d, "confounder", "not corrected") for d in report.confounders]
    return exports.export_rows(store, "ei-groups", rows, GROUPS, report.study, fmt, filters=chosen(report), now=now)


def group_method(store: Store, report: Report, *, now: datetime) -> Export:
    """How two groups were compared, as a text for a paper."""
    return exports.export_text(store, "ei-method", report.method, report.study, filters=chosen(report), now=now)


def chosen(report: Report) -> dict[str, str]:
    """What a comparison of groups was asked for."""
    return {"study": report.study, "score": report.group, "split": report.rule,
            "experiment": report.experiment or "none"}  # fmt: skip


def reading(difference: Difference, enough: bool) -> str:
    """What a row says in words; no verdict on few people."""
    if difference.q is None:
        return "not computed"
    if not enough:
        return "too small to say"
    return "difference found" if difference.q < results.ALPHA else "no difference found"


def _compared(d: Difference, kind: str, said: str) -> dict[str, Any]:
    """A row; the mean of few people does not leave, nor what tells it beside the other group's."""
    few_high, few_low, few = disclosure.few(d.n_high), disclosure.few(d.n_low), disclosure.few(d.n_high, d.n_low)
    both = {
        "difference": d.value, "low": d.low, "high": d.high, "hedges_g": d.g, "cliffs_delta": d.delta, "p": d.p,
        "q": None if kind == "confounder" else d.q,
    }  # fmt: skip
    numbers = {
        "mean_high": None if few_high else d.mean_high, "mean_low": None if few_low else d.mean_low,
        **{name: None if few else value for name, value in both.items()},
    }  # fmt: skip
    missing = any(v is None for name, v in numbers.items() if name != "q" or kind != "confounder")
    why = str(Reason.TOO_FEW) if missing else "not_corrected" if kind == "confounder" else ""
    return {
        "outcome": d.outcome, "kind": kind, "reading": said, "n_high": d.n_high, "n_low": d.n_low, **numbers,
        "reason": disclosure.FEW if few else why,
    }  # fmt: skip
