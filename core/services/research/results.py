"""What the pages of research show of stored experiments: what can be chosen, curves, ties and the grid of inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.errors import Refused
from core.evaluation.splits import LEAKY as LEAKY
from core.services.research import audits, experiments, studies
from core.services.research.audits import Line as Check
from core.services.research.experiments import Line, Prepared, narrowed, spec_of
from core.services.research.stored_experiments import marked
from core.settings import VERSION
from core.storage import research as rows
from core.storage.records import ExperimentRecord
from core.storage.store import Store

# level of significance below which two experiments are told apart
ALPHA = 0.05
# models that know nothing of the signals
TRIVIAL = ("majority", "stratified")


# --- what can be chosen


def models() -> dict[str, str]:
    """Title of every model by name."""
    from core.models import MODELS

    return {name: model.title for name, model in MODELS.items()}


def usable(store: Store, study: str, model: str) -> tuple[str, ...]:
    """Channel types of a study that a model can learn from."""
    from core.evaluation.dataset import inputs_of
    from core.models import MODELS

    known = MODELS[model].inputs
    return tuple(t for t in inputs_of(studies.get(store, study)) if not known or t in known)


def scores(store: Store, study: str, model: str) -> tuple[str, ...]:
    """Scores of a study's subjects that a model can be given beside its inputs, ei first; none to one of signals."""
    from core.evaluation import groups
    from core.models import MODELS

    found = groups.scores(studies.get(store, study)) if MODELS[model].takes != "signals" else ()
    return tuple(sorted(found, key=lambda g: (g != "ei", g)))


def feature_sets(store: Store, study: str, model: str, inputs: str) -> tuple[str, ...]:
    """The sets of features that may be named for a run on these inputs in place of the usual ones."""
    from core.evaluation.sessions import check_features
    from core.features import NAMED

    def usable(named: str) -> bool:
        try:
            check_features(studies.get(store, study), model, inputs.split("+"), named)
        except Refused:
            return False
        return True

    return tuple(filter(usable, NAMED))


def input_sets(types: Sequence[str]) -> list[str]:
    """Every set of some channel types as ``inputs``, the single ones first."""
    from core.evaluation import ablation

    return ablation.input_sets(types)


# --- one experiment


def recalibration(store: Store, name: str) -> dict[str, Any]:
    """What a few labels of the person themselves change, from the stored predictions of a finished run of two classes.

    Returns the key of the experiment, ``leaky`` where its split is, and ``rows`` as of
    ``core.evaluation.few_shot.few_shot``.
    """
    from core.evaluation import few_shot, scoring
    from core.evaluation.experiment import KEY

    spec, data, results = experiments.opened(store, name)
    if spec.task != "binary":
        what = f"{name} predicts no High or Low, which is what is recalibrated"
        raise Refused("E-TASK", what, name, "Choose a run of two classes.")
    rows = few_shot.few_shot(scoring.level(data, spec, results, "trial"), spec.seed)
    return {"experiment": name, **marked(spec.split), **dict(zip(KEY, spec.key, strict=True)), "rows": rows}


def predictions(store: Store, name: str, of: str = "trial") -> dict[str, Any]:
    """What the stored predictions of a finished experiment say at one level, ``window`` or ``trial``.

    Returns
    -------
    dict
        ``n``, ``classes`` and ``per_subject [{subject, n, balanced_accuracy, low, high, confusion}]``, low to high
        being what a coin reaches with that subject's trials; ``curves [{name, n_of, false_positive, recall,
        precision, auc, average_precision}]``, all subjects together, High alone where there are two classes and
        without those undefined. Of values: ``n`` and ``values [{subject, label, predicted}]``.
    """
    import numpy as np

    from core.evaluation import metrics, scoring, tasks

    spec, data, results = experiments.opened(store, name)
    at = scoring.level(data, spec, results, of)
    if not at.n_classes:
        each = zip(at.subject.tolist(), at.y.tolist(), at.p.tolist(), strict=True)
        return {"n": len(at), "values": [{"subject": s, "label": y, "predicted": p} for s, y, p in each]}
    names = list(tasks.task(data, spec.task, spec.target).names)
    trials = scoring.level(data, spec, results, "trial")
    own = {str(s): at.take(np.flatnonzero(at.subject == s).tolist()) for s in at.subjects}
    counts = dict(zip(trials.subjects, metrics.class_counts(trials), strict=True))
    columns = [(1, at.p)] if at.n_classes == 2 else [(c, at.p[:, c]) for c in range(at.n_classes)]
    curves = [
        {
            "name": names[c], "n_of": int(np.sum(at.y == c)), "auc": metrics.roc_auc(at.y == c, p),
            "false_positive": found.false_positive.tolist(), "recall": found.recall.tolist(),
            "precision": found.precision.tolist(), "average_precision": found.average_precision,
        }
        for c, p in columns
        if (found := metrics.curve(at.y == c, p)) is not None
    ]  # fmt: skip
    return {
        "n": len(at),
        "classes": names,
        "curves": curves,
        "per_subject": [
            {
                "subject": s, "n": len(rows_), "balanced_accuracy": metrics.balanced_accuracy(rows_.y, rows_.predicted),
                **metrics.chance([counts[s]]).model_dump(),
                "confusion": metrics.confusion(rows_.y, rows_.predicted, at.n_classes),
            }
            for s, rows_ in own.items()
        ],
    }  # fmt: skip


@dataclass(frozen=True)
class Audited:
    """The newest leak audit that stands beside a run: its outcomes, and in what the two are apart (see ``apart``).

    ``of_it`` is False where the audit is of the same pipeline by name, but made other runs than this one.
    """

    outcomes: Counter[str]
    of_it: bool
    apart: str


def audited(store: Store) -> dict[str, Audited]:
    """By experiment: the newest leak audit made of it, else of its pipeline by name; absent where there is none."""
    found = audits.results(store, "leak_audit")
    own: dict[str, Check] = {}
    for made in found:
        for name in made.result.get("experiments", {}).values():
            own.setdefault(name, made)
    out = {}
    for line in experiments.all_experiments(store):
        check = own.get(line.id) or next((c for c in found if _named(c) == _named(line)), None)
        if check is not None:
            outcomes = Counter(c["outcome"] for c in check.result["checks"])
            out[line.id] = Audited(outcomes, line.id in own, apart(check, line))
    return out


def _named(of: Line | Check) -> tuple:
    """What an audit and its runs share by name: study, target, inputs, model, seed, fusion and options."""
    fusion = of.fusion if isinstance(of, Line) else of.result.get("fusion", "early")
    return of.study, of.target, of.inputs, of.model, of.seed, fusion, experiments.options(of.config)


# --- whether they can be believed


@dataclass(frozen=True)
class Now:
    """A pipeline as it would be run now; what stored checks are held against where there is no run."""

    config: Mapping[str, Any]
    code_version: str = VERSION
    created_at: datetime | None = None


def auditable(
    store: Store, study: str, target: str, model: str, inputs: str, fusion: str = "early", seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Now:  # fmt: skip
    """What the pipeline hangs on now; refuse one that no leak audit can be made of.

    Such as one that sets what ``nested_loso`` selects, or what the study or the doors do not have.
    """
    spec = spec_of(study, target, model, inputs, fusion, "nested_loso", seed, options)
    return Now(Prepared.of(store, spec).config)


# by key of a configuration: what it is in words
_PARTS = {"study_sha256": "data", "pipeline_hash": "pipeline"}


def apart(check: Check, run: Line | Now) -> str:
    """In what a stored check and a run, or the pipeline as it is now, are not of the same: "older data, pipeline".

    "newer" where the check came after the run; "" where both are of the same, and the check looked as checks do now.
    """
    newer = run.created_at is not None and check.created_at > run.created_at
    both = [(words, check.config.get(name), run.config.get(name)) for name, words in _PARTS.items()]
    found = [words for words, own, other in both if own and other and own != other]
    versions = {own.code_version.partition("+")[0] for own in (check, run)}  # a commit alone makes nothing stale
    if len(versions) > 1 and not newer:
        found.append("code version")
    said = [f"{'newer' if newer else 'older'} {', '.join(found)}"] if found else []
    if check.config.get("audit", audits.AUDIT_VERSION) != audits.AUDIT_VERSION:
        said.append("older checks")
    return "; ".join(said)


def newest_check(
    store: Store, kind: str, key: Mapping[str, Any], *, beside: Line | Now | None = None, **result: Any
) -> Check | None:
    """The newest stored check of a kind with these of study, target, inputs, model and seed, and this in its result;
    one that is of the same as ``beside`` before a newer one that is not.
    """
    found = [
        c
        for c in audits.results(store, kind)
        if all(getattr(c, name) == value for name, value in key.items())
        and all(c.result.get(name) == value for name, value in result.items())
    ]
    return min(found, key=lambda c: beside is not None and bool(apart(c, beside)), default=None)


# --- between experiments


def ties(store: Store) -> dict[str, str]:
    """By finished experiment: "a" for the best of its study, target, task and split, and for those not told apart
    from it (paired by subject, Holm, 5 %); "b" for the others.
    """
    from core.evaluation import statistics

    with store.read() as tx:
        records = [r for r in rows.all_experiments(tx) if r.summary is not None]
    groups: dict[tuple, dict[str, dict[str, float]]] = {}
    for r in records:
        if scores := _by_subject(r):
            groups.setdefault((*_asks(r), r.split), {})[experiments.name_of(r.id)] = scores
    out: dict[str, str] = {}
    for group in groups.values():
        best = max(group, key=lambda n: sum(group[n].values()) / len(group[n]))
        p = statistics.adjusted({n: statistics.paired(group[best], group[n])["p"] for n in group if n != best})
        out |= {best: "a", **{n: "b" if q is not None and q <= ALPHA else "a" for n, q in p.items()}}
    return out


@dataclass(frozen=True)
class Quarter:
    """The score of a run over the same people as every other run of its study, target and task.

    ``subjects`` are the lowest quarter of the run ``reference``; where ``score`` {value, low, high} is None, ``why``
    says so. Of one person there is no interval.
    """

    reference: str = ""
    subjects: tuple[str, ...] = ()
    score: Mapping[str, Any] | None = None
    why: str = ""


def worst_quarters(store: Store) -> dict[str, Quarter]:
    """By finished experiment of classes: mean balanced accuracy of trials over the lowest quarter of a fixed run.

    That is the first finished one that leaves one subject out of the same study, target and task, and whose model
    learns anything: the majority and a draw have no people whom they work worse for.
    """
    from core.evaluation import metrics

    with store.read() as tx:
        records = [r for r in rows.all_experiments(tx) if r.summary is not None]
    scores = {r.id: own for r in records if (own := _by_subject(r))}
    fixed: dict[tuple, ExperimentRecord] = {}
    for r in sorted(records, key=lambda r: (r.updated_at, r.id)):
        if r.id in scores and r.split == "loso" and r.model not in TRIVIAL:
            fixed.setdefault(_asks(r), r)
    out = {}
    for r in records:
        if r.id not in scores:
            continue
        of, own = fixed.get(_asks(r)), scores[r.id]
        if of is None:
            out[experiments.name_of(r.id)] = Quarter(why="no finished LOSO run of a model that learns")
            continue
        name, ranked = experiments.name_of(of.id), sorted(scores[of.id], key=lambda s: (scores[of.id][s], s))
        chosen = tuple(sorted(ranked[: -(-len(ranked) // 4)]))
        lacking = [s for s in chosen if s not in own]
        interval = metrics.cross_validated([own[s] for s in chosen if s in own])
        found = interval.model_dump(include={"value", "low", "high"})
        if lacking:
            quarter = Quarter(name, chosen, why=f"lacks {', '.join(lacking)} of the lowest quarter of {name}")
        else:
            quarter = Quarter(name, chosen, found if len(chosen) > 1 else {"value": found["value"]})
        out[experiments.name_of(r.id)] = quarter
    return out


def _asks(record: ExperimentRecord) -> tuple[str, str, str]:
    """What runs have to share to be laid side by side: study, target and task."""
    return record.study, record.target, record.config.get("task", "binary")


def _by_subject(record: ExperimentRecord) -> dict[str, float]:
    """Balanced accuracy of trials by subject; empty where a value is predicted."""
    each = (record.summary or {})["details"]["per_subject"]
    return {x["subject"]: x["balanced_accuracy"] for x in each if "balanced_accuracy" in x}


def compare(store: Store, names: Sequence[str], correction: str = "holm") -> dict[str, Any]:
    """``experiments.compare`` with ``letters`` by name: those that share one are not told apart at 5 %."""
    from core.evaluation import statistics

    found = experiments.compare(store, names, correction)
    ranked = sorted(found["scores"], key=lambda row: row["rank"] or len(found["scores"]) + 1)
    apart = [(d["a"], d["b"]) for d in found["pairs"] if d["p_adjusted"] is not None and d["p_adjusted"] <= ALPHA]
    return {**found, "letters": statistics.letters([row["name"] for row in ranked], apart)}


# --- what each signal adds


def grid(
    store: Store, study: str, model: str, sets: Sequence[str], *, fusion: str = "early", seed: int = 0,
    features: str = "",
) -> dict[tuple[str, str], Line]:  # fmt: skip
    """Stored experiments that leave one subject out, by target and inputs, with no option changed but the features."""
    targets = list(studies.get(store, study).targets)
    lines = {line.id: line for line in experiments.all_experiments(store)}
    if not targets or not sets:
        return {}
    # the configuration hangs on the inputs, and on no target
    asked = {"features": features}
    prepared = [
        Prepared.of(store, spec_of(study, targets[0], model, i, fusion, "loso", seed, narrowed(asked, i))) for i in sets
    ]
    out = {}
    with store.read() as tx:
        for target in targets:
            for inputs, own in zip(sets, prepared, strict=True):
                key = replace(own, spec=replace(own.spec, target=target)).key()
                found = rows.by_key(tx, key, own.config_hash)
                if found is not None:
                    out[target, inputs] = lines[experiments.name_of(found.id)]
    return out


def ablation(store: Store, found: Mapping[tuple[str, str], Line], target: str) -> dict[str, Any] | None:
    """Finished experiments of a grid on one target, paired to the best single input; None while there is none."""
    made = {inputs: line.id for (t, inputs), line in found.items() if t == target and line.state == "done"}
    if len(made) < 2 or not any("+" not in inputs for inputs in made):
        return None
    return experiments.paired_by_inputs(store, made)
