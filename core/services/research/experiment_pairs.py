"""Experiments beside each other, paired by subject: any two to four, and the inputs of one study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

from core.errors import AffectlineError, NotFound, Refused
from core.services.research import studies
from core.services.research.stored_experiments import all_experiments, opened, record_of
from core.storage.records import ExperimentRecord
from core.storage.store import Store


def compare(store: Store, names: Iterable[str], correction: str = "holm") -> dict:
    """Two to four experiments on one study, target and task side by side, paired by subject; ties share a rank."""
    from core.evaluation import statistics

    scores = {
        name: {row["subject"]: row["balanced_accuracy"] for row in (r.summary or {})["details"]["per_subject"]}
        for name, r in _comparable(store, names).items()
    }
    return statistics.compare(scores, correction)


def disagreements(store: Store, names: Iterable[str]) -> list[dict[str, Any]]:
    """How far each two of the experiments that ``compare`` takes are apart on the trials that both predicted.

    Returns
    -------
    list of {a, b, n, n_trials, labels, probabilities, why}
        As of ``core.evaluation.disagreement.between``; ``why`` says what stands against it where nothing was
        computed, and is empty else.
    """
    from core.evaluation import disagreement
    from core.evaluation.ablation import by_name

    records = _comparable(store, names)
    trials, closed = {}, {}
    for name in records:
        try:
            spec, dataset, results = opened(store, name)
        except AffectlineError as error:  # such as of a study that has changed: the others can still be told
            closed[name] = f"{name}: {error.what}"
        else:
            trials[name] = by_name(dataset, spec, results)
    none = {"n": 0, "n_trials": 0, "labels": None, "probabilities": None}
    out = []
    for a, b in combinations(records, 2):
        why = closed.get(a) or closed.get(b) or ""
        said = none if why else disagreement.between(trials[a], trials[b])
        out.append({"a": a, "b": b, **said, "why": why or ("" if said["n"] else "no trial was predicted by both")})
    return out


def _comparable(store: Store, names: Iterable[str]) -> dict[str, ExperimentRecord]:
    """Two to four finished experiments of classes that ask the same question, by name; refused if they are not."""
    chosen = list(dict.fromkeys(names))
    if not 2 <= len(chosen) <= 4:
        raise Refused("E-COMPARE", "two to four experiments are compared.", "experiments", "Choose 2-4.")
    records = {name: record_of(store, name) for name in chosen}
    unfinished = [name for name, r in records.items() if r.summary is None]
    if unfinished:
        what = f"{', '.join(unfinished)} is not finished."
        raise Refused("E-EXPERIMENT-OPEN", what, "experiments", "Run it to its end first.")
    if len({(r.study, r.target) for r in records.values()}) > 1:
        raise Refused(
            "E-COMPARE", "these are of different studies or targets, so no subject can be paired with itself.",
            ", ".join(chosen), "Choose experiments on one study and one target.",
        )  # fmt: skip
    tasks = {name: r.config.get("task", "binary") for name, r in records.items()}
    if len(set(tasks.values())) > 1:
        raise Refused(
            "E-COMPARE", "these are of different tasks, where chance is not the same: "
            + ", ".join(f"{name} {task}" for name, task in tasks.items()) + ".", ", ".join(chosen),
            "Choose experiments on one task.",
        )  # fmt: skip
    if "continuous" in tasks.values():
        raise Refused(
            "E-COMPARE", "a predicted value has no balanced accuracy to compare.", ", ".join(chosen),
            "Choose experiments that predict classes.",
        )  # fmt: skip
    return records


def input_sets(store: Store, study: str, model: str) -> list[str]:
    """Every set of a study's inputs that a model can learn from, the single ones first."""
    from core.evaluation import ablation
    from core.evaluation.dataset import inputs_of
    from core.models import MODELS

    if model not in MODELS:
        raise NotFound("E-MODEL-KIND", f"there is no {model}", "model", f"Use one of {', '.join(MODELS)}.")
    usable = [t for t in inputs_of(studies.get(store, study)) if not MODELS[model].inputs or t in MODELS[model].inputs]
    if not usable:
        raise Refused("E-INPUTS", f"{model} can use none of this study's inputs", study, "Choose another model.")
    return ablation.input_sets(usable)


def paired_by_inputs(store: Store, made: Mapping[str, str]) -> dict[str, Any]:
    """Finished experiments by their inputs, paired to the best single one, each with what it costs."""
    from core.evaluation import ablation

    runs = {}
    for chosen, name in made.items():
        spec, dataset, results = opened(store, name)
        runs[chosen] = (dataset, spec, results)
    cost = {line.id: line.seconds for line in all_experiments(store)}
    found = ablation.compared(runs)
    sets = []
    for row in found["sets"]:
        name, data = made[row["inputs"]], runs[row["inputs"]][0]
        n_lost = data.n_lost
        share = n_lost / (n_lost + len(set(data.unit)))
        sets.append({**row, "experiment": name, "seconds": cost[name], "n_lost": n_lost, "share_lost": share})
    return {**found, "sets": sets}
