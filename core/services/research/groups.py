"""EI groups: people of a study with a high and with a low score, in what a finished experiment found of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import NotFound, Refused
from core.services.research import experiments, studies
from core.services.research.experiments import Line
from core.settings import VERDICT_PEOPLE
from core.storage.store import Store

if TYPE_CHECKING:
    from core.evaluation.dataset import Dataset
    from core.evaluation.groups import Difference, Parted

ACCURACY, STABILITY, LEVEL, GAP = "accuracy", "stability", "distribution", "gap"


@dataclass(frozen=True)
class Outcome:
    """What is compared: a value per subject; ``kind`` is accuracy, stability, distribution or gap."""

    name: str
    kind: str
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Report:
    """Two groups of a study compared; ``experiment`` and what hangs on it is empty where none was named.

    ``face`` is the experiment on the face that the gap is to, ``method`` the text for a paper. ``dummy`` names the
    trivial model that scored at least as well as the experiment's, with both balanced accuracies, or is None.
    """

    study: str
    group: str
    rule: str
    scores: Mapping[str, float]
    parted: Parted
    experiment: str
    face: str
    dummy: tuple[str, float, float] | None
    outcomes: tuple[Outcome, ...]
    differences: tuple[Difference, ...]
    confounders: tuple[Difference, ...]
    method: str


def scored(store: Store) -> dict[str, dict[str, dict[str, float]]]:
    """Scores of subjects by study and group, of the studies that have any; ``ei`` stands first."""
    from core.evaluation import groups

    found = {s["name"]: groups.scores(studies.get(store, s["name"])) for s in studies.all_studies(store)}
    first = {name: dict(sorted(own.items(), key=lambda g: (g[0] != "ei", g[0]))) for name, own in found.items()}
    return {name: own for name, own in first.items() if own}


def usable(store: Store, study: str) -> list[Line]:
    """The finished experiments on a study whose split leaves people out, newest first."""
    return [e for e in _of_new_people(store, study) if e.state == "done"]


def unfinished(store: Store, study: str) -> list[Line]:
    """Those that would be usable, and whose folds are not all done."""
    return [e for e in _of_new_people(store, study) if e.state != "done"]


def _of_new_people(store: Store, study: str) -> list[Line]:
    lines = experiments.all_experiments(store)
    return [e for e in lines if e.study == study and not e.leaky and e.split != "within_subject"]


def report(
    store: Store,
    study: str,
    group: str,
    *,
    rule: str = "median",
    cut: float | None = None,
    experiment: str | None = None,
    input_: str | None = None,
) -> Report:
    """Compare the two groups; without an experiment only the groups and what else differs between them.

    Parameters
    ----------
    input_
        Channel type whose features are compared, one of the experiment's; by default its first.

    Raises
    ------
    Refused
        E-GROUP for a study without such scores, E-INPUTS for a channel type the experiment has not.
    """
    from core.evaluation import groups

    whole = studies.get(store, study)
    found = groups.scores(whole)
    if group not in found:
        raise Refused("E-GROUP", f"the study has no scores {group}.", study, "Add them in Import (participants table).")
    parted = groups.part(found[group], rule, cut)
    chosen = next((e for e in usable(store, study) if e.id == experiment), None)
    if experiment is not None and chosen is None:
        raise NotFound("E-EXPERIMENT", "there is no finished experiment of this name on this study.", experiment)
    outcomes: list[Outcome] = []
    face = data = None
    if chosen is not None:
        outcomes, face, data = _outcomes(store, chosen, input_)
    others = groups.confounders(whole, data, without=group)
    differences = groups.compared({o.name: o.values for o in outcomes}, parted)
    method = _method(store, study, group, rule, found[group], parted, chosen, outcomes)
    return Report(
        study, group, rule, found[group], parted, chosen.id if chosen else "", face.id if face else "",
        _dummy(store, chosen) if chosen else None, tuple(outcomes), tuple(differences),
        tuple(groups.compared(others, parted)), method,
    )  # fmt: skip


def _outcomes(store: Store, line: Line, input_: str | None) -> tuple[list[Outcome], Line | None, Dataset]:
    """(outcomes, experiment on the face, dataset) of an experiment."""
    from core.evaluation import ablation, groups

    spec, dataset, results = experiments.opened(store, line.id)
    chosen = input_ or next((t for t in spec.types if dataset.columns.get(t)), spec.types[0])
    if chosen not in spec.types:
        raise Refused("E-INPUTS", f"{chosen} is no input of this experiment.", line.id, f"It has {line.inputs}.")
    found = experiments.get(store, line.id).details or {}
    score = "balanced_accuracy" if line.task != "continuous" else "ccc"
    said = score.replace("_", " ").replace("ccc", "concordance")
    outcomes = [
        Outcome(f"{said} per subject", ACCURACY, {row["subject"]: row[score] for row in found.get("per_subject", ())})
    ]
    face = _face(store, line)
    if face is not None:
        other = experiments.opened(store, face.id)
        here, there = ablation.by_name(dataset, spec, results), ablation.by_name(other[1], other[0], other[2])
        outcomes.append(Outcome("gap between physiology and face", GAP, groups.gap(*here, *there)))
    level, spread = groups.features(dataset, dataset.columns.get(chosen, ()))
    outcomes += [Outcome(f"{c}: SD over trials", STABILITY, values) for c, values in spread.items()]
    outcomes += [Outcome(f"{c}: mean", LEVEL, values) for c, values in level.items()]
    return outcomes, face, dataset


def _face(store: Store, line: Line) -> Line | None:
    """The experiment on the face alone that answers the same question, that of the same model first."""
    if "face" in line.inputs.split("+") or line.task != "binary":
        return None
    same = [
        e for e in usable(store, line.study) if e.inputs == "face" and (e.target, e.task) == (line.target, line.task)
    ]
    return next((e for e in same if e.model == line.model), same[0] if same else None)


def _dummy(store: Store, line: Line) -> tuple[str, float, float] | None:
    """The best of the models that know nothing, where it is at least as good as the experiment's."""
    details = experiments.get(store, line.id).details or {}
    own = ((line.summary or {}).get("trial", {}).get("balanced_accuracy") or {}).get("value")
    scores = {n: (b.get("balanced_accuracy") or {}).get("value") for n, b in details.get("baselines", {}).items()}
    known = {name: value for name, value in scores.items() if value is not None}
    if own is None or not known:
        return None
    best = max(known, key=known.__getitem__)
    return (best, known[best], own) if known[best] >= own else None


def _method(
    store: Store,
    study: str,
    group: str,
    rule: str,
    scores: Mapping[str, float],
    parted: Parted,
    line: Line | None,
    outcomes: Sequence[Outcome],
) -> str:
    """How it was done, in words for a paper; numbers that a reader needs to do it again."""
    from core.evaluation import groups

    low, high = parted.edges
    edges = f"at {low:g}" if low == high else f"at {low:g} and {high:g}, those between left out"
    said = [
        f"Subjects of the study {study} were parted by {group} (n = {len(scores)}, {min(scores.values()):g} to "
        f"{max(scores.values()):g}) by the rule {rule}, {edges}: {len(parted.high)} High, {len(parted.low)} Low, "
        f"{len(parted.between)} between. A score that lies on an edge counts as the lower group.",
    ]
    if line is not None:
        counted = [f"{sum(o.kind == k for o in outcomes)} of {k}" for k in (ACCURACY, GAP, STABILITY, LEVEL)]
        included = group in experiments.get(store, line.id).config.get("groups", ())
        said += [
            f"Outcomes ({', '.join(counted)}) come from the stored out-of-fold predictions and the features of "
            f"experiment {line.id} ({line.model} on {line.inputs}, target {line.target}, split {line.split}, seed "
            f"{line.seed}). Stability is the standard deviation of a subject's trials, a trial being the mean of its "
            "windows.",
            f"The score {group} {'was an input of the model' if included else 'was no input of the model'}.",
            f"For each outcome the difference of the two groups' means was tested by dealing the groups anew over "
            f"subjects ({groups.PERMUTATIONS:,} permutations, seed {groups.SEED}, two-sided, the true dealing counted "
            "in). Intervals of 95 % are Welch's; effect sizes are Hedges' g and Cliff's delta. False discoveries were "
            f"controlled over all {len(outcomes)} outcomes (Benjamini and Hochberg).",
        ]
    if not parted.enough:
        said.append(f"With fewer than {VERDICT_PEOPLE} subjects in a group there is no verdict.")
    return " ".join(said)
