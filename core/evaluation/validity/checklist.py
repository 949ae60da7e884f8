"""What a paper should say of an experiment, filled from what is stored of it (requirements c23)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from core import features
from core.evaluation import experiment
from core.evaluation.dataset import columns_of, no_features
from core.evaluation.experiment import Spec
from core.evaluation.splits import INNER_FOLDS, LEAKY, N_FOLDS, VALIDATION_SUBJECTS
from core.models import MODELS
from core.types import Pipeline, Study

AXES = (
    "preprocessing", "features", "cut", "label type", "split", "cross-validation", "baselines", "code and data",
)  # fmt: skip
_SPLITS = {
    "loso": "one subject left out at a time",
    "nested_loso": "one subject left out at a time",
    "subject_kfold": f"{N_FOLDS} folds of whole subjects",
    "within_subject": f"a model of each subject, {N_FOLDS} folds of its trials",
    "trial": f"{N_FOLDS} folds of trials, a person on both sides",
    "random_window": f"{N_FOLDS} folds of windows at random",
}
_OTHERS = f"{VALIDATION_SUBJECTS} other subjects at most"
_VALIDATION = {
    "loso": _OTHERS,
    "nested_loso": _OTHERS,
    "subject_kfold": _OTHERS,
    "within_subject": "about a sixth of the subject's other trials",
    "trial": "about a sixth of the other trials, of the same people",
    "random_window": "about a sixth of the other windows, of the same people and trials",
}


_NORM = {
    "self": "channels scaled over the recording's usable windows",
    "baseline": "channels scaled over the baseline",
    "causal": "features told by the person's own past",
}
_SETTINGS: Mapping[str, Callable[[Any], str]] = {
    "eeg_band": lambda v: f"EEG {v[0]:g} to {v[1]:g} Hz",
    "ecg_band": lambda v: f"ECG {v[0]:g} to {v[1]:g} Hz",
    "filter_order": lambda v: f"Butterworth of order {v}",
    "line_hz": lambda v: f"notch at {v:g} Hz",
    "notch_q": lambda v: f"its Q {v:g}",
    "norm_mode": lambda v: _NORM.get(v, v),
    "norm_robust": lambda v: "with median and MAD" if v else "with mean and SD",
    "hrv_context_s": lambda v: f"heart rate variability over {v:g} s",
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
    spec = Spec.from_dict({**config, **key})
    split, selected = spec.split, _selection(spec, details)
    inside = f"; {selected}" if split == "nested_loso" else ""
    said = {
        "preprocessing": (_settings(pipeline), [] if pipeline else ["pipeline"]),
        "features": (f"{spec.inputs} by {spec.model}, {spec.fusion} fusion{_learned(study, spec, pipeline)}; scores of "
                     f"subjects as inputs: {', '.join(spec.groups) or 'none'}; features {pipeline.get('features')}, "
                     f"windows of {pipeline.get('window_s')} s every {pipeline.get('step_s')} s",
                     [n for n in ("features", "window_s", "step_s") if n not in pipeline]),
        "cut": _cut(study, spec.target),
        "label type": (_label_type(study, spec.target, spec.task), []),
        "split": (f"{split}: {_SPLITS[split]}{inside}{'; leaky, for comparison only' if split in LEAKY else ''}", []),
        "cross-validation": (f"seed {spec.seed}; {_validation(spec)}; oversampling {spec.oversample or 'none'}, "
                             f"smoothing {spec.smoothing or 'none'}, flip {'on' if spec.flip else 'off'}; a trial's "
                             f"value is the {spec.aggregate} of its windows; options given: "
                             f"{_words(spec.options) or 'none'}; {selected}", []),
        "baselines": _baselines(details),
        "code and data": (f"Affectline {code_version}, pipeline {config.get('pipeline_hash')}, data "
                          f"{str(config.get('study_sha256', ''))[:16]}; {study.basis}; licence {study.licence}",
                          [] if config.get("study_sha256") else ["hash of the data"]),
    }  # fmt: skip
    return [{"axis": axis, "text": said[axis][0], "missing": said[axis][1]} for axis in AXES]


def _learned(study: Study, spec: Spec, pipeline: Mapping[str, Any]) -> str:
    """What the model learns from: columns of each channel type, and of how many, or the signals themselves."""
    model = MODELS[spec.model]
    if not model.calibrate:
        return ", which learns how common each class is and nothing else"
    if model.takes == "signals":
        return " of the signals themselves"
    if not pipeline:
        return ""
    known = {f.name for f in fields(Pipeline)}
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in pipeline.items() if k in known}
    chain = Pipeline(**plain)
    columns = columns_of(study, chain, spec.types)
    of = ", ".join(f"{t} {_of_all(t, names, chain)}" for t, names in columns.items())
    left_out = no_features(study).rstrip(".")
    total = sum(map(len, columns.values()))
    return f", learned from {total} columns: {of}{'. ' if left_out else ''}{left_out}"


def _of_all(type_: str, names: tuple[str, ...], pipeline: Pipeline) -> str:
    """How many columns of a channel type, and of how many that its set of features has."""
    offered = features.names((type_,), pipeline) if type_ in features.FEATURES else []
    if not set(names) <= set(offered):
        return f"{len(names)} that came with the study"
    every = features.FEATURES[type_].names()
    whole = len(every if set(offered) <= set(every) else offered)
    return f"{len(names)} of {whole}" if len(names) < whole else f"all {whole}"


def _selection(spec: Spec, details: Mapping[str, Any] | None) -> str:
    """What the inner folds selected, or that they selected nothing."""
    offered = experiment.choices(spec) if spec.split == "nested_loso" else ()
    if len(offered) < 2:
        fixed = f"; always {_words(offered[0])}" if offered else ""
        return f"no option was selected, as there were no choices{fixed}"
    found = (details or {}).get("selected", ())
    chosen = ", ".join(f"{_words(s['options'])} in {s['n_folds']}" for s in found)
    return (
        f"options selected among {len(offered)} sets on {INNER_FOLDS} inner folds by subject"
        f"{', by fold: ' if chosen else ''}{chosen}"
    )


def _validation(spec: Spec) -> str:
    """Which rows validate, and what they decide."""
    if not MODELS[spec.model].calibrate:
        return "nothing is calibrated"
    decided = "calibrate and set the threshold" if spec.task == "binary" else "calibrate"
    return f"{_VALIDATION[spec.split]} {decided}, and say when to stop where training goes by rounds"


def _words(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in options.items())


def _settings(pipeline: Mapping[str, Any]) -> str:
    """The settings of the chain in words; one without words of its own by its name."""
    causal = pipeline.get("norm_mode") == "causal"  # it has moments of its own
    elsewhere = ("features", "window_s", "step_s", *(("norm_robust",) if causal else ()))
    told = {k: v for k, v in pipeline.items() if k not in elsewhere}
    return ", ".join(_SETTINGS[k](v) if k in _SETTINGS else f"{k} {v}" for k, v in told.items())


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
    p = ", ".join(f"{k.replace('_', ' ')} p {v:.4f}" for k, v in details.get("permutation_p", {}).items())
    return f"{'; '.join(parts)}; labels dealt anew within subjects: {p}", [] if parts else ["baselines"]
