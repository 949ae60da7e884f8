"""The card of a model on paper: what it is for, whom it works for, what its score is worth, and what made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.reports import words
from core.reports.paper import FIGURE, About, Paper
from core.reports.values import interval, known, name, number, span

Told = Mapping[str, Any]
WORST = 5


def pdf(told: Told, about: About) -> bytes:
    """The PDF of a card as it is exported in JSON (``core.services.exports.reports.model_card``)."""
    state = words.MODEL_STATES.get(told["state"], told["state"])
    paper = Paper(
        f"Model card: {told['name']} {told['version']}", f"{state}. Trained on {told['basis']}. Written {_at(told)}."
    )
    if told["demonstration"]:
        paper.warning("A demonstration model, trained on simulated signals: its numbers carry no meaning for a person.")
    paper.heading("Intended use")
    paper.text(told["intended_use"])
    paper.heading("Not for")
    paper.text(told["not_for"])
    _scores(paper, told)
    for target in told["loso"]:
        _subjects(paper, target, told["loso"][target])
    _subgroups(paper, told)
    for target, found in told["calibration"].items():
        _calibration(paper, target, found)
    _leaks(paper, told["leak_audit"])
    _controls(paper, _there(told, "controls"))
    _limits(paper, told)
    _data(paper, told)
    _reporting(paper, _there(told, "reporting"))
    _decisions(paper, told.get("decisions") or ())
    _files(paper, told)
    return paper.end(about)


def _there(told: Told, key: str) -> Told:
    """An object of the card; {} where it has none."""
    own = told.get(key)
    return own if isinstance(own, Mapping) and "not_computed" not in own else {}


def _at(told: Told) -> str:
    return str(told["created_at"])[:16].replace("T", " ")


def _scores(paper: Paper, told: Told) -> None:
    """Each target beside chance and the models that know nothing."""
    from core.reports import plots

    paper.heading("How well on people it has not seen?")
    rows = []
    for target, found in told["loso"].items():
        chance = span(found["chance"]["low"], found["chance"]["high"])
        for title, accuracy, auc in (
            ("this model", found["balanced_accuracy"], interval(found["roc_auc"])),
            ("majority class", found["majority"], words.NO_RANKING),
            ("stratified draw", found["dummy"], words.NO_RANKING),
        ):
            rows.append((name(target), title, interval(accuracy), auc, chance))
    paper.table(("Target", "Model", "Balanced accuracy", "AUC", "Chance"), rows, (1.1, 1.2, 1.8, 1.8, 1.2))
    shown = [{"name": name(t), **f["balanced_accuracy"]} for t, f in told["loso"].items()]
    paper.figure(
        plots.intervals(shown, "Balanced accuracy, 95 % interval over subjects", 0.5),
        f"One subject left out at a time, by trial. {words.OVER_SUBJECTS} Dotted: a coin.",
    )
    if at_other_cuts := words.raised(told):
        paper.text(at_other_cuts)
    for target, said in words.people_not_target(told).items():
        paper.warning(f"{name(target)}: {said}")
    meaning = _there(told, "controls").get("meaning")
    if meaning:
        paper.warning(f"What it tells: {meaning}.")


def _subjects(paper: Paper, target: str, found: Told) -> None:
    """Every person left out: a dot, then the numbers, the lowest first."""
    from core.reports import plots

    each = sorted(found["subjects"], key=lambda s: (s["balanced_accuracy"], s["subject"]))
    lowest = ", ".join(f"{s['subject']} {number(s['balanced_accuracy'])}" for s in each[:WORST])
    paper.heading(f"{name(target)}: for whom?", FIGURE)
    paper.figure(
        plots.subjects(
            [(s["subject"], s["balanced_accuracy"]) for s in each], known(found["balanced_accuracy"].get("value")),
            found["chance"],
        ),
        f"The line is the mean; shaded is where 95 % of such means lie when a coin decides. Lowest: {lowest}.",
    )  # fmt: skip
    paper.table(
        ("Subject", "Balanced accuracy", "AUC", "Brier score", "Trials", "Threshold"),
        [
            (s["subject"], number(s["balanced_accuracy"]), number(s["roc_auc"]), number(s["brier"]), s["n_trials"],
             number(s["threshold"]))
            for s in each
        ],
    )  # fmt: skip


def _subgroups(paper: Paper, told: Told) -> None:
    """The people of each group that the study names."""
    paper.heading("For which groups of people?")
    rows = words.subgroups(told, interval, name)
    if rows:
        head = ("Target", "Field", "Group", "People", "Balanced accuracy", "AUC", "Reading")
        paper.table(head, rows, (1.1, 1, 1.2, 0.8, 1.8, 1.8, 1.6))
        paper.caption(f"{words.OVER_SUBJECTS} {words.SUBGROUPS_ARE}")
    paper.text(*(f"- {line}" for line in words.subgroup_rules(told)))


def _calibration(paper: Paper, target: str, found: Told) -> None:
    """Whether a probability means what it says."""
    from core.reports import plots

    paper.heading(f"{name(target)}: does a probability mean what it says?", FIGURE)
    paper.figure(
        plots.reliability(found["bins"]),
        f"By trial of left-out people. Calibration error (ECE) {number(found['ece'])}, Brier score "
        f"{number(found['brier'])}, spread between calibrators {number(found['spread'])} (SD).",
    )
    paper.table(
        ("From", "To", "Mean probability", "Share High", "Trials"),
        [(number(b["low"], 1), number(b["high"], 1), number(b["mean_p"]), number(b["share_high"]), b["n"])
         for b in found["bins"]],
    )  # fmt: skip


def _leaks(paper: Paper, found: Told) -> None:
    """What the score would have been with a leak, and every check by name."""
    from core.reports import plots

    paper.heading("Leak audit", FIGURE)
    shown = [{"name": name(t), **own} for t, own in found["premium"].items()]
    if shown:
        paper.figure(
            plots.intervals(shown, "Leak premium, 95 % interval over subjects", 0.0),
            "Balanced accuracy of windows under random windows, which leak, less that of people left out.",
        )
    rows = [
        (name(t), interval(own, sign=True), "; ".join(f"{_split(s)} {number(v)}" for s, v in scores.items()) or "none")
        for t, own in found["premium"].items()
        for scores in (found["scores"].get(t, {}),)
    ]
    paper.table(("Target", "Leak premium", "Scores of windows"), rows, (1, 1.6, 3))
    paper.table(
        ("Check", "Result", "Evidence"),
        [(c["name"], words.OUTCOMES.get(c["outcome"], c["outcome"]), c["evidence"]) for c in found["checks"]],
        (1.5, 0.9, 3.4),
    )


def _split(split: str) -> str:
    return words.SPLITS.get(split, split).partition(":")[0]


def _controls(paper: Paper, told: Told) -> None:
    """What else could have made the score, the model's own and the clock's first."""
    paper.heading("What else could have made the score?")
    rows = list(control_rows(told))
    if not rows:
        paper.text("No controls are on this card: it says nothing of what a clock or movement alone would reach.")
        return
    paper.table(("Control", "Score", "Value"), rows, (2, 1.6, 2))
    if told.get("n_settings_compared"):
        paper.caption(f"{told['n_settings_compared']} settings were compared by hand on these people before this one.")


def control_rows(told: Told) -> Iterator[tuple[str, str, str]]:
    """(control, score, value in text) of the controls of a card."""
    for control, label in words.CONTROLS.items():
        part = told.get(control)
        for key, value in (part if isinstance(part, Mapping) else {}).items():
            if key not in words.CONTROL_SCORES or isinstance(value, bool):
                continue
            if isinstance(value, Mapping):
                worst = known(value.get("worst_quarter"))
                more = "" if worst is None else f", worst quarter {number(worst)}"
                yield label, words.CONTROL_SCORES[key], interval(value) + more
            elif known(value) is not None:
                yield label, words.CONTROL_SCORES[key], number(value)


def _limits(paper: Paper, told: Told) -> None:
    """Where the model ends."""
    paper.heading("Limits")
    drift = _there(told, "drift")
    paper.text(
        f"- It learned from {told['training']['n_subjects']} subjects of one study; other people, devices and places "
        "were not seen unless the controls say so.",
        f"- {words.NORM_LIMITS.get(told['pipeline']['norm_mode'], 'Its scaling is not known here.')}",
        "- Recordings unlike its training are predicted with the warning W-DRIFT." if drift
        else "- It keeps no distribution of its training features: it cannot warn of recordings unlike them.",
        *(f"- {line}" for line in _there(told, "limits").values()),
    )  # fmt: skip


def _data(paper: Paper, told: Told) -> None:
    """What it learned from, and what it reads."""
    training, pipeline = told["training"], told["pipeline"]
    required, rates = told["signals"]["required"], told["signals"]["sfreq"]
    needs = {t: f"{len(names)} channels: {', '.join(names)}; " if names else "" for t, names in required.items()}
    fusion = f", {training.get('fusion', 'early')} fusion" if len(required) > 1 else ""
    paper.heading("Data and signals")
    paper.facts(
        {
            "Study": training["study"],
            "Licence": training["licence"],
            "Simulated": "yes" if training["simulated"] else "no",
            "Subjects": training["n_subjects"],
            "Trials": training["n_trials"],
            "Windows": f"{training['n_windows']}, each {pipeline['window_s']:g} s",
            "Kind of model": f"{training['model']}{fusion}, seed {training['seed']}",
            **{f"Needs {t.upper()}": f"{said}trained on {rates[t]:g} Hz" for t, said in needs.items()},
            "Signals are scaled": words.NORM_MODES.get(pipeline["norm_mode"], pipeline["norm_mode"]),
            **words.given(told),
            **{f"{name(t)} is High": f"above {own['cut']:g} on a scale of {own['lowest']:g} to {own['highest']:g}; "
               f"said from an index of {number(own['threshold'])}" for t, own in told["targets"].items()},
        }
    )  # fmt: skip


def _reporting(paper: Paper, told: Told) -> None:
    """The eight axes, where the experiments behind the card are stored."""
    paper.heading("Reporting checklist")
    if not told:
        paper.text("The experiment behind this card is not stored here, so its checklist cannot be filled.")
        return
    paper.table(
        ("Target", "Axis", "What was done", "Missing"),
        [(name(t), a["axis"], a["text"], ", ".join(a["missing"]) or "nothing") for t, axes in told.items()
         for a in axes],
        (1, 1.2, 4, 1),
    )  # fmt: skip


def _decisions(paper: Paper, found: Any) -> None:
    """Who approved or retired it."""
    paper.heading("Decisions")
    if not found:
        paper.text("Nobody has approved or retired this model here.")
        return
    paper.table(
        ("When", "Version", "State", "Why", "Who"),
        [(d["at"], d["version"], words.MODEL_STATES.get(d["state"], d["state"]), d["why"], d["who"]) for d in found],
        (1.6, 0.6, 0.9, 3, 1),
    )


def _files(paper: Paper, told: Told) -> None:
    """What the numbers hang on, by hash."""
    paper.heading("Files and hashes")
    paper.facts(
        {
            **{f"File {file}, SHA-256": digest for file, digest in told["files"].items()},
            **{f"Fitted {part} in": place for part, place in told["fitted"].items()},
            "Pipeline hash": told["pipeline_hash"],
            "Training data, SHA-256": told["training"]["sha256"],
            "Card written": told["created_at"],
        }
    )
