"""The columns of each export: type, unit and meaning, in the order they are written."""

from __future__ import annotations

# column -> (dtype, unit, meaning); the first columns of each kind are those of the contract
MEASURES = {
    "patient": ("str", "", "pseudonym"),
    "session": ("str", "", "id of the session"),
    "started_at": ("time", "", "start of the session, ISO 8601 with offset"),
    "kind": ("str", "", "prediction (index 0-1 = P(high)) or marker"),
    "measure": ("str", "", "name of the measure"),
    "value": ("float64", "see unit", "value; empty where reason says why"),
    "low": ("float64", "see unit", "lower end of the 95 % interval"),
    "high": ("float64", "see unit", "upper end of the 95 % interval"),
    "unit": ("str", "", "unit of value, low and high"),
    "reason": ("str", "", "why a numeric cell of this row is empty; not_supported: the source gives no such number"),
    "usable_share": ("float64", "0-1", "share of the recording that was usable"),
    "model": ("str", "", "bundle the predictions come from, no_model, or imported"),
    "model_version": ("str", "", "version of the bundle"),
    "basis": ("str", "", "what the bundle was trained on"),
    "demonstration": ("bool", "", "a demonstration model: the numbers carry no meaning for a person"),
    "label": ("str", "", "High, Low or Unsure (the interval covers the threshold); none for markers"),
    "status": ("str", "", "ok or abstained"),
    "imported": ("bool", "", "measured elsewhere and imported"),
    "simulated": ("bool", "", "a simulated patient"),
    "pipeline_hash": ("str", "", "settings of the chain"),
    "newest": ("bool", "", "the session's newest analysis, which timelines show"),
}
WINDOWS = {
    "patient": ("str", "", "pseudonym"),
    "session": ("str", "", "id of the session"),
    "model": ("str", "", "bundle"),
    "target": ("str", "", "what is predicted"),
    "onset_s": ("float64", "s", "start of the window from the start of the recording"),
    "duration_s": ("float64", "s", "length of the window"),
    "p_high": ("float64", "index", "probability of High; empty where reason says why"),
    "usable": ("bool", "", "whether the window could be used"),
    "reason": ("str", "", "why p_high is empty"),
    "started_at": ("time", "", "start of the session, ISO 8601 with offset"),
    "model_version": ("str", "", "version of the bundle"),
}
INSIGHTS = {
    "patient": ("str", "", "pseudonym"),
    "id": ("str", "", "id of the insight"),
    "kind": ("str", "", "rule that found it"),
    "measure": ("str", "", "measure, or two joined by -"),
    "session": ("str", "", "session it was found at"),
    "severity": ("str", "", "info, warning or alert"),
    "text": ("str", "", "the finding in words"),
    "value": ("float64", "unit of the measure", "what was found"),
    "reference": ("float64", "unit of the measure", "what it is compared with"),
    "n": ("int64", "sessions", "sessions it rests on"),
    "expected_by_chance": ("float64", "per 20 sessions", "expected without any change"),
    "started_at": ("time", "", "start of that session, ISO 8601 with offset"),
    "last_session": ("str", "", "session it still held at"),
    "low": ("float64", "unit of the measure", "lower end of the interval"),
    "high": ("float64", "unit of the measure", "upper end of the interval"),
    "p": ("float64", "", "p-value of the rule's test"),
    "q": ("float64", "", "p-value after false-discovery control"),
    "reason": ("str", "", "why a numeric cell of this row is empty; not_supported: the rule has no such number"),
    "preset": ("str", "", "rule preset"),
    "rule": ("str", "", "rule and version"),
    "model": ("str", "", "model of the values, or no_model for markers"),
    "period_start": ("time", "", "start of the period it speaks of"),
    "period_end": ("time", "", "end of the period it speaks of"),
    "weight": ("float64", "", "effect in own SD x quality x novelty"),
    "decision": ("str", "", "new, seen, acknowledged, snoozed or dismissed"),
    "decided_by": ("str", "", "who decided"),
    "decided_at": ("str", "", "when, ISO 8601 with offset"),
    "dismissed_because": ("str", "", "reason of a dismissal"),
}
RESULTS = {
    "score": ("float64", "0-1", "balanced accuracy over the subject's trials; concordance where a value is predicted"),
    "time": ("float64", "s", "time of a fold that tested the subject"),
    "samples": ("int64", "trials", "trials trained on"),
    "subject": ("str", "", "subject tested"),
    "session": ("str", "", "session; always the first"),
    "channels": ("int64", "", "number of channels"),
    "n_sessions": ("int64", "", "number of sessions"),
    "dataset": ("str", "", "study"),
    "pipeline": ("str", "", "model, inputs, fusion, split, target and seed"),
    "experiment": ("str", "", "experiment"),
}
COLUMNS: dict[str, dict[str, tuple[str, str, str]]] = {
    "measures": MEASURES,
    "windows": WINDOWS,
    "insights": INSIGHTS,
    "results": RESULTS,
}

# --- a model's card: what the entries mean that do not say it by their names
CARD: dict[str, str] = {
    "targets": "what one number means: orientation, scale, cut, calibrator and threshold",
    "loso": "scores of people left out, by target and subject, beside chance, majority and stratified draw",
    "calibration": "calibration error, Brier score, spread between calibrators, bins",
    "leak_audit": "premium of random windows, scores by split, every check with evidence",
    "controls": "what else could have made the score, where it was asked",
    "drift": "the training features, that an incoming recording is held against",
    "limits": "what the controls say of where the model ends",
    "state": "approved, draft or retired", "decisions": "who approved or retired it, when and why, newest first",
    "reporting": "eight axes of what a paper should say of the experiments, where they are stored here",
    "files": "SHA-256 of every file", "basis": "what it was trained on, in words",
}  # fmt: skip
# --- a leak audit: the same
LEAK_AUDIT: dict[str, str] = {
    "premium": "balanced accuracy of windows under random windows less under nested LOSO, 95 % bootstrap over subjects",
    "scores": "balanced accuracy of windows under each split, mean over subjects",
    "splits": "the same, from the leakiest split on, with the 95 % interval over subjects and the stored experiment",
    "chance": "where 95 % of such means lie when a coin decides",
    "checks": "each named check: outcome pass, fail or not_checkable, evidence with the place in the code",
    "experiments": "the stored experiment of each split",
    "config": "everything beside study, target, inputs, model and seed that the result hangs on",
}
