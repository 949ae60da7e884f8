"""From a study to a bundle: evaluate, audit, fit on everybody, and let the evaluation write the card."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from core.errors import NotFound, Refused
from core.evaluation import leak_audit, loso, splits
from core.evaluation.table import Progress, WindowTable, window_table
from core.models import MODELS
from core.models.bundle import Card, LeakAudit, pipeline_dict
from core.settings import DEMONSTRATION, EPOC_14
from core.studies import folder
from core.types import Pipeline, Study

INTENDED = {
    True: f"A {DEMONSTRATION}. It shows how the product works and is replaced by a model of your own recordings.",
    False: "Following one person over time, by a clinician who also looks at the recording and the person.",
}
NOT_FOR = (
    "Diagnosis, triage, treatment decisions, alarms, or judging a person. Not for signals other than those listed."
)


def train(
    study: Study,
    study_sha256: str,
    name: str,
    targets: Sequence[str],
    model: str,
    types: tuple[str, ...],
    pipeline: Pipeline,
    *,
    seed: int,
    now: datetime,
    progress: Progress | None = None,
) -> tuple[Card, dict[str, Any]]:
    """Evaluate leave-one-subject-out, audit, and fit the final estimators on all subjects.

    The calibrator and threshold of the final model come from the out-of-fold predictions of all subjects.

    Returns
    -------
    (Card, dict)
        The card, without the hashes of files that are not yet written, and an estimator per target.
    """
    from threadpoolctl import threadpool_limits

    check(study, targets, model, types)
    said = progress or (lambda share, text: None)
    table = window_table(study, pipeline, types, lambda share, text: said(0.6 * share, text))
    if not len(table):
        raise Refused("E-STUDY-EMPTY", "no trial of the study has a usable window", study.name)
    flat = [t for t in targets if len(set(table.high[t])) < 2]
    if flat:
        raise Refused("E-LABELS", f"all trials lie on one side of the cut of {', '.join(flat)}", study.name)
    folds = list(splits.loso(table.subject, seed))
    described, evaluations, calibrations, premiums, scores, checked, estimators = {}, {}, {}, {}, {}, [], {}
    with threadpool_limits(1):  # sums in one order: the same numbers every time
        for i, target in enumerate(targets):
            said(0.6 + 0.4 * i / len(targets), f"leaving one subject out: {target}")
            evaluations[target], calibrations[target], found = loso.evaluate(table, target, model, folds, seed)
            premiums[target], scores[target] = leak_audit.premium(table, target, model, found, seed)
            checked += [
                c.model_copy(update={"name": f"{target}: {c.name}"})
                for c in leak_audit.checks(table, target, model, folds, seed)
            ]
            by, threshold = loso.fit_calibration(found.raw, table.high[target], table.unit)
            estimators[target] = MODELS[model].make(seed).fit(table.x, table.high[target])
            lowest, highest, cut = study.targets[target]
            described[target] = {
                "orientation": "high_is_1", "lowest": lowest, "highest": highest, "cut": cut,
                "calibrator": by, "threshold": threshold,
            }  # fmt: skip
    card = _rounded(
        {
            "name": name,
            "version": "1",
            "created_at": now.isoformat(),
            "demonstration": study.simulated,
            "basis": study.basis,
            "targets": described,
            "signals": _signals(study, types),
            "pipeline": pipeline_dict(pipeline),
            "pipeline_hash": pipeline.hash,
            "feature_set": pipeline.features,
            "features": list(table.features.columns),
            "fitted": {"imputer": "model.skops", "scaler": "model.skops", "calibrator": "card", "threshold": "card"},
            "training": _training(study, study_sha256, table, model, seed),
            "loso": evaluations,
            "calibration": calibrations,
            "leak_audit": LeakAudit(premium=premiums, scores=scores, checks=checked),
            "intended_use": INTENDED[study.simulated],
            "not_for": NOT_FOR,
            "files": {"model.skops": "0" * 64},
        }
    )
    said(1.0, "done")
    return card, estimators


def _rounded(content: dict[str, Any]) -> Card:
    """The card with its numbers to six decimals: what lies behind them differs between processors."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 6)
        if isinstance(value, dict):
            return {key: plain(part) for key, part in value.items()}
        if isinstance(value, list):
            return [plain(part) for part in value]
        return plain(value.model_dump()) if isinstance(value, BaseModel) else value

    return Card.model_validate(plain(content))


def check(study: Study, targets: Sequence[str], model: str, types: tuple[str, ...]) -> None:
    """Refuse what the study or the door of models does not have."""
    if model not in MODELS:
        raise NotFound("E-MODEL-KIND", f"there is no model {model}", "model", f"Use one of {', '.join(MODELS)}.")
    unknown = [t for t in targets if t not in study.targets]
    if unknown or not targets:
        what = f"the study has no target {', '.join(unknown)}" if unknown else "no target was named"
        raise Refused("E-TARGET", what, study.name, f"It has {', '.join(study.targets)}.")
    missing = [t for t in types if t not in study.inputs]
    if missing or not types:
        raise Refused(
            "E-INPUTS", f"the study has no {', '.join(missing) or 'such'} signals", study.name,
            f"It has {'+'.join(study.inputs)}.",
        )  # fmt: skip


def _signals(study: Study, types: tuple[str, ...]) -> dict[str, Any]:
    first = folder.recording(study.trials[0])
    return {
        "required": {t: list(EPOC_14) if t == "eeg" else [] for t in types},
        "optional": {},
        "sfreq": {t: first.of_type(t)[0].sfreq for t in types},
    }


def _training(study: Study, sha256: str, table: WindowTable, model: str, seed: int) -> dict[str, Any]:
    return {
        "study": study.name, "licence": study.licence, "simulated": study.simulated, "sha256": sha256,
        "n_subjects": len(table.subjects), "n_trials": int(table.unit.max()) + 1, "n_windows": len(table),
        "model": model, "seed": seed,
    }  # fmt: skip
