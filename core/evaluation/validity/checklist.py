"""What a paper should say of an experiment, filled from what is stored of it (requirements c23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.evaluation.splits import INNER_FOLDS, LEAKY, N_FOLDS, VALIDATION_SUBJECTS
from core.types import Study

AXES = (
    "preprocessing", "features", "cut", "label type", "split", "cross-validation", "baselines", "code and data",
)  # fmt: skip
_SPLITS = {
    "loso": "one subject left out at a time",
    "nested_loso": f"one subject left out at a time, options selected on {INNER_FOLDS} inner folds by subject",
    "subject_kfold": f"{N_FOLDS} folds of whole subjects",
    "within_subject": f"a model of each subject, {N_FOLDS} folds of its trials",
    "trial": f"{N_FOLDS} folds of trials, a person on both sides",
    "random_window": f"{N_FOLDS} folds of windows at random",
}


def checklist(study: Study, key: Mapping[str, Any], config: Mapping[str, Any], details: Mapping[str, Any] | None,
              code_version: str) -> list[dict[str, Any]]:  # fmt: skip
    """Eight axes of reporting: what was done, in words, and whether something of it is not known.

    Parameters
    ----------
    key, config
        The seven of an experiment by name, and everything else that is stored with it.
    details
        What is stored of its scores beside ``summarise``; None while it runs.

    Returns
    -------
    list of {axis, text, missing}
        ``missing`` names what is not stored; empty where the axis is complete.
    """
    pipeline = config.get("pipeline", {})
    split = str(key["split"])
    said = {
        "preprocessing": (_settings(pipeline), [] if pipeline else ["pipeline"]),
        "features": (f"{key['inputs']} by {key['model']}, {key['fusion']} fusion, features {pipeline.get('features')}, "
                     f"windows of {pipeline.get('window_s')} s every {pipeline.get('step_s')} s",
                     [n for n in ("features", "window_s", "step_s") if n not in pipeline]),
        "cut": _cut(study, str(key["target"])),
        "label type": (_label_type(study, str(key["target"]), str(config.get("task", "binary"))), []),
        "split": (f"{split}: {_SPLITS[split]}{'; leaky, for comparison only' if split in LEAKY else ''}", []),
        "cross-validation": (f"seed {key['seed']}; {VALIDATION_SUBJECTS} other subjects at most calibrate and set the "
                             f"threshold; oversampling {config.get('oversample') or 'none'}, smoothing "
                             f"{config.get('smoothing') or 'none'}, flip {'on' if config.get('flip') else 'off'}, "
                             f"options {config.get('options') or 'as published'}", []),
        "baselines": _baselines(details),
        "code and data": (f"Affectline {code_version}, pipeline {config.get('pipeline_hash')}, data "
                          f"{str(config.get('study_sha256', ''))[:16]}; {study.basis}; licence {study.licence}",
                          [] if config.get("study_sha256") else ["hash of the data"]),
    }  # fmt: skip
    return [{"axis": axis, "text": said[axis][0], "missing": said[axis][1]} for axis in AXES]


def _settings(pipeline: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in pipeline.items() if k not in ("features", "window_s", "step_s"))


def _cut(study: Study, target: str) -> tuple[str, list[str]]:
    parts, missing = [], []
    for name in target.split("+"):
        if name not in study.targets:
            missing.append(f"scale of {name}")
            continue
        low, high, cut = study.targets[name]
        parts.append(f"{name} {low:g} to {high:g}, High is {study.high.get(name, '>')} {cut:g}")
    return "; ".join(parts), missing


def _label_type(study: Study, target: str, task: str) -> str:
    kinds = {
        "binary": "High or Low",
        "quadrant": "four quadrants",
        "nine": "rounded ratings",
        "continuous": "the rating",
    }
    meant = target.endswith("_intended")
    known = sum(all(t in trial.labels for t in target.split("+")) for trial in study.trials)
    return f"{kinds[task]}, {'what the stimulus was meant to do' if meant else 'as reported'}; {known} rated trials"


def _baselines(details: Mapping[str, Any] | None) -> tuple[str, list[str]]:
    if not details:
        return "", ["scores: the experiment is not finished"]
    known = details.get("baselines", {})
    parts = []
    for name, scores in known.items():
        main = scores.get("balanced_accuracy") or scores.get("ccc")
        if main and main["value"] is not None:
            parts.append(f"{name} {main['value']:.3f}")
    p = ", ".join(f"{k} p {v:.4f}" for k, v in details.get("permutation_p", {}).items())
    return f"{'; '.join(parts)}; labels dealt anew within subjects: {p}", [] if parts else ["baselines"]
