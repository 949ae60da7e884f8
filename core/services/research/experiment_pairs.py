"""Experiments beside each other, paired by subject: any two to four, and the inputs of one study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import NotFound, Refused
from core.services.research import studies
from core.services.research.stored_experiments import all_experiments, opened, record_of
from core.storage.store import Store


def compare(store: Store, names: Iterable[str], correction: str = "holm") -> dict:
    """Two to four experiments on one study and target side by side, paired by subject; ties share a rank."""
    from core.evaluation import statistics

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
    if any(r.config.get("task") == "continuous" for r in records.values()):
        raise Refused(
            "E-COMPARE", "a predicted value has no balanced accuracy to compare.", ", ".join(chosen),
            "Choose experiments that predict classes.",
        )  # fmt: skip
    scores = {
        name: {row["subject"]: row["balanced_accuracy"] for row in (r.summary or {})["details"]["per_subject"]}
        for name, r in records.items()
    }
    return statistics.compare(scores, correction)


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
