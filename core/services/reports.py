"""What research pages hand out in full: a model's card and a leak audit, as JSON and as a PDF with the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.evaluation.splits import LEAKY
from core.services import approval, audits, experiments, exports, models
from core.services.audits import Line
from core.services.export_columns import CARD, LEAK_AUDIT
from core.services.exports import Export
from core.storage.store import Store

# from the leakiest split to the cleanest
ORDER = ("random_window", "trial", "subject_kfold", "loso", "nested_loso")


def model_card(store: Store, name: str, *, now: datetime, pdf: bool = False) -> Export:
    """A card with its state, limits, every decision and the reporting checklist, by the export service."""
    from core.reports import model_card

    bundle = approval.find(name)
    card = models.card(store, name)
    value = {
        **card, "state": approval.state(bundle, models.history(store, name)), "limits": models.limits(card),
        "decisions": models.decisions(store, name), "reporting": models.reporting(store, name),
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
