"""The protocols of the five systems behind the requirements, re-enacted on a study, to see what each adds to a score.

The same model and features are run as each system did and with one subject left out (requirements c1, S2-11). A
protocol is an entry of ``PROTOCOLS``: a split and the steps before and inside it. What the requirements do not say, or
what a model or study has nothing for, is named and left out. No number of this module is a result: each says that it
is leaky.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from core.errors import Refused
from core.evaluation import experiment, metrics, resampling, scoring, statistics
from core.evaluation.dataset import Dataset, Progress
from core.evaluation.experiment import FoldResult, Spec
from core.models import MODELS

WATERMARK = (
    "LEAKY: protocols of others, re-enacted to be seen. These numbers say nothing of a new person and are no result."
)
# rows of each class that S4 made before its split (requirements S4-08)
PER_CLASS = 2500
# the subject of rows that nobody recorded
MADE = "made"

Run = Callable[[Dataset, Spec, int], FoldResult]


def _as_it_is(dataset: Dataset, spec: Spec) -> Dataset:
    return dataset


def _nothing(dataset: Dataset, spec: Spec) -> str:
    return ""


@dataclass(frozen=True)
class Step:
    """One thing that a protocol does beside its split.

    ``breaks``: the rule broken, called as the leak audit's check where it has one; "" where none is. ``change`` is
    done to the whole dataset before the split, ``run`` in place of ``run_fold``, ``fields`` to the specification.
    ``lacking`` says why it cannot be done here, "" where it can.
    """

    did: str
    breaks: str = ""
    change: Callable[[Dataset, Spec], Dataset] = _as_it_is
    run: Run | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    lacking: Callable[[Dataset, Spec], str] = _nothing


# ------------------------------------------------------------------------------------------- the steps
def _no_table(dataset: Dataset, spec: Spec) -> str:
    model = MODELS[spec.model]
    return f"{model.title} takes signals and no table of features" if model.takes == "signals" else ""


def _twice(dataset: Dataset, spec: Spec) -> Dataset:
    again = dataset.features.add_suffix("_again")
    columns = {t: (*names, *(f"{n}_again" for n in names)) for t, names in dataset.columns.items()}
    return replace(
        dataset, features=pd.concat([dataset.features, again], axis=1), columns=columns, retold=None, path=None
    )


def _of_two_classes(dataset: Dataset, spec: Spec, index: int) -> FoldResult:
    """A fold that tells nothing where what it tests is of one class."""
    result = experiment.run_fold(dataset, spec, index)
    if len(np.unique(dataset.high(spec.target)[result.test_rows])) > 1:
        return result
    return replace(result, test_rows=result.test_rows[:0], raw=result.raw[:0], p=result.p[:0])


def _all_of_two(dataset: Dataset, spec: Spec) -> str:
    rows = dataset.rows(spec.target)
    each = pd.Series(dataset.high(spec.target)[rows]).groupby(dataset.subject[rows]).nunique()
    return "every person has trials of both classes" if (each > 1).all() else ""


def _scaled(dataset: Dataset, spec: Spec) -> Dataset:
    """Every column, and every channel of signals, at mean 0 and SD 1 over all rows there are."""
    x = dataset.features
    signals = {}
    for type_, own in dataset.signals.items():
        n = np.maximum(np.isfinite(own).sum(axis=(0, 2), keepdims=True), 1)
        shifted = own - np.nansum(own, axis=(0, 2), keepdims=True, dtype=np.float64) / n
        sd = np.sqrt(np.nansum(shifted**2, axis=(0, 2), keepdims=True) / n)
        signals[type_] = (shifted / np.where(sd > 0, sd, 1.0)).astype(np.float32)
    return replace(
        dataset, features=(x - x.mean()) / x.std(ddof=0).replace(0.0, 1.0), signals=signals, retold=None, path=None
    )


def _repeated(dataset: Dataset, spec: Spec) -> Dataset:
    rows = dataset.rows(spec.target)
    return replace(dataset, retold=None).take(resampling.repeated(rows, dataset.high(spec.target)[rows], spec.seed))


def _none_rarer(dataset: Dataset, spec: Spec) -> str:
    if MODELS[spec.model].takes == "sequence":
        return f"{MODELS[spec.model].title} learns from whole trials, of which no single window can be drawn again"
    counts = _counts(dataset, spec)
    return "both classes are as common, so that nothing is drawn again" if counts.min() == counts.max() else ""


def _counts(dataset: Dataset, spec: Spec) -> np.ndarray:
    return np.bincount(dataset.high(spec.target)[dataset.rows(spec.target)], minlength=2)


def _identified(dataset: Dataset, spec: Spec) -> Dataset:
    """The number of the participant, and the place of the trial in the order of the participant's, as inputs."""
    first = spec.types[0]
    start = pd.Series(dataset.unit).groupby(dataset.subject).rank(method="dense").to_numpy()
    number = np.unique(dataset.subject, return_inverse=True)[1].astype(float)
    told = {f"{first}_participant": number, f"{first}_start": start}
    columns = {**dataset.columns, first: (*dataset.columns.get(first, ()), *told)}
    return replace(dataset, features=dataset.features.assign(**told), columns=columns, retold=None, path=None)


def _means(dataset: Dataset, spec: Spec) -> Dataset:
    plain = replace(dataset, signals={}, channels={}, retold=None).take(dataset.rows(spec.target))
    first = np.unique(plain.unit, return_index=True)[1]
    means = plain.features.groupby(plain.unit).mean().reset_index(drop=True)
    return replace(plain.take(first), features=means)


def _synthetic(dataset: Dataset, spec: Spec) -> Dataset:
    """Rows of each class up to ``PER_CLASS``, those that SMOTE made under the name of nobody."""
    high = dataset.high(spec.target)
    x, y, _ = resampling.synthetic(dataset.features, high, dataset.subject, spec.seed, PER_CLASS)
    n = len(x) - len(dataset)
    lowest, highest, _ = dataset.targets[spec.target]
    top, bottom = (lowest, highest) if dataset.sides.get(spec.target, ">").startswith("<") else (highest, lowest)
    made = np.where(y[len(dataset) :], top, bottom)
    labels = {t: np.concatenate([v, made if t == spec.target else np.full(n, np.nan)])
              for t, v in dataset.labels.items()}  # fmt: skip
    names = np.array([f"{MADE} {i + 1}" for i in range(n)])
    return replace(
        dataset, features=x, labels=labels, subject=np.concatenate([dataset.subject, np.full(n, MADE)]),
        trial=np.concatenate([dataset.trial, names]), stimulus=np.concatenate([dataset.stimulus, names]),
        onset_s=np.concatenate([dataset.onset_s, np.zeros(n)]), path=None,
    )  # fmt: skip


def _cannot_make(dataset: Dataset, spec: Spec) -> str:
    counts = _counts(dataset, spec)
    if counts.min() < 2:
        return "a class has fewer than two trials"
    return f"both classes have {PER_CLASS} trials or more" if counts.min() >= PER_CLASS else ""


def _best_on_test(dataset: Dataset, spec: Spec, index: int) -> FoldResult:
    """The fold under each set of options, of which the one that is right most often in the test is kept."""
    best: tuple[float, FoldResult] | None = None
    for options in _offered(spec):
        found = experiment.run_fold(dataset, replace(spec, options={**spec.options, **options}), index)
        right = metrics.accuracy(dataset.high(spec.target)[found.test_rows], found.p > found.threshold)
        if best is None or right > best[0]:
            best = right, replace(found, selected=dict(options))
    assert best is not None
    return best[1]


def _offered(spec: Spec) -> Sequence[Mapping[str, Any]]:
    return spec.choices or MODELS[spec.model].choices


def _no_choice(dataset: Dataset, spec: Spec) -> str:
    return "" if len(_offered(spec)) > 1 else f"{MODELS[spec.model].title} has no options to choose among"


# ------------------------------------------------------------------------------------------- the protocols
@dataclass(frozen=True)
class Protocol:
    """How one system came to its numbers.

    ``did`` says what its split was and ``breaks`` the rules that the split alone breaks; ``level`` is what is scored,
    ``window``, ``trial`` or ``row``. ``requirements`` describe it; ``published`` is what was reported of it. ``left``
    is what is known of it and not done here. ``lacking`` as of a step: the whole cannot be done.
    """

    name: str
    title: str
    requirements: str
    published: str
    did: str
    split: str
    level: str
    breaks: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    left: str = ""
    lacking: Callable[[Dataset, Spec], str] = _nothing


PROTOCOLS: tuple[Protocol, ...] = (
    Protocol(
        "S1-v1", "EEG and ECG of DREAMER, first version", "c1, d1, S1-13, S1-16, S1-17", "none",
        "One person left out at a time, scored by trial.", "loso", "trial",
        steps=(
            Step("Features given twice as if they were more.", "duplicated columns", _twice),
            Step("The decision turned round where three validation people say so.", fields={"flip": True}),
            Step("People with trials of one class alone left out of the score in silence.", "people left out",
                 run=_of_two_classes, lacking=_all_of_two),
        ),
        left="Which of its columns were there twice is not described: here all are.", lacking=_no_table,
    ),
    Protocol(
        "S2", "MLSTM-FCN on peripheral signals of DEAP", "S2-03, S2-05, S2-07, S2-09", "75 and 78 % (nine classes)",
        "Windows of all people dealt at random.", "random_window", "window",
        ("subject overlap", "trial overlap", "window overlap"),
        steps=(
            Step("Scaled over all windows before the split.", "scaler before split", _scaled),
            Step("Windows of the rarer class drawn again before the split.", "oversampled test", _repeated,
                 lacking=_none_rarer),
        ),
        left="How it dealt its windows is not described in words: copies that were made before the split belong to no "
        "side, so at random. It watched the training loss to stop; here a net watches validation.",
    ),
    Protocol(
        "S3", "Face and EEG of students", "S3-02, S3-07, S3-09", "72 %, the share of its largest class",
        "Trials of all people dealt at random.", "trial", "trial", ("subject overlap",),
        steps=(
            Step("Number of the participant and place of the trial in time as inputs.", "id-like columns", _identified,
                 lacking=_no_table),
        ),
        left="Response times are not known here. Trials without a usable signal, which it filled with medians, are no "
        "part of a dataset.",
    ),
    Protocol(
        "S4", "InsightSim on DEAP", "S4-08", "79 to 87 %",
        "Rows dealt at random, made ones among them.", "random_window", "row", ("subject overlap",),
        steps=(
            Step("A row for each trial, the mean of its windows.", change=_means),
            Step(f"SMOTE up to {PER_CLASS} rows of each class before the split.", "oversampled test", _synthetic,
                 lacking=_cannot_make),
            Step("Options chosen by the score of the test.", "tuning on test", run=_best_on_test, lacking=_no_choice),
        ),
        left="Its genetic search is not described: here each of the model's own sets of options is tried.",
        lacking=_no_table,
    ),
    Protocol(
        "S5", "ECG and micro-expressions of ETRI", "S5-07", "95 and 96 % in its folds; 45 to 61 % on a hold-out",
        "The trials of a person dealt to several folds.", "trial", "trial", ("subject overlap",),
        left="What else its folds did is not described.",
    ),
)  # fmt: skip


# ------------------------------------------------------------------------------------------- acting it out
def panel(
    dataset: Dataset, spec: Spec, results: Sequence[FoldResult], *, progress: Progress | None = None
) -> dict[str, Any]:
    """Each protocol with the model and features of ``spec``, beside its folds of left-out subjects.

    ``results`` are the folds of ``spec`` under ``loso``. Scores are balanced accuracies, means over subjects; where
    rows belong to nobody those of all rows at once, on both sides.

    Returns
    -------
    dict
        ``leaky`` True, ``watermark``, and ``protocols``, each as ``reenacted`` gives it.

    Raises
    ------
    Refused
        E-PROTOCOLS for a split or task other than leaving one subject out, High or not.
    """
    if spec.split != "loso" or spec.task != "binary":
        raise Refused("E-PROTOCOLS", "protocols are held against High or not of left-out subjects", spec.split)
    say = progress or (lambda share, words: None)
    rows = []
    for i, protocol in enumerate(PROTOCOLS):
        say(i / len(PROTOCOLS), f"protocol {protocol.name}")
        rows.append(reenacted(dataset, spec, results, protocol))
    say(1.0, "done")
    n = len(set(dataset.subject[dataset.rows(spec.target)]))
    return {"leaky": True, "watermark": WATERMARK, "n_subjects": n, "protocols": rows}


def reenacted(dataset: Dataset, spec: Spec, results: Sequence[FoldResult], protocol: Protocol) -> dict[str, Any]:
    """One protocol beside the folds of left-out subjects.

    Returns
    -------
    dict
        ``name, title, requirements, published``; ``leaky`` True; ``did`` and ``rules`` broken by what was done;
        ``left [{what, reason}]``; ``level``; ``score``, ``honest`` and ``difference {value, low, high, n, p, test}``,
        each None where it is not computed, with the ``reason``.
    """
    why = protocol.lacking(dataset, spec)
    left = [{"what": protocol.left, "reason": ""}] if protocol.left else []
    said = {n: getattr(protocol, n) for n in ("name", "title", "requirements", "published", "split", "level")}
    said |= {"leaky": True, "did": [], "rules": [], "left": left, "score": None, "honest": None, "difference": None}
    if why:
        return said | {"reason": why}
    data, acted, done = prepared(dataset, spec, protocol)
    left += [{"what": s.did, "reason": s.lacking(at, spec)} for s, at in done if s.lacking(at, spec)]
    taken = [s for s, at in done if not s.lacking(at, spec)]
    run = next((s.run for s in taken if s.run), experiment.run_fold)
    found = [run(data, acted, i) for i in range(len(experiment.folds(data, acted)))]
    said["did"] = [protocol.did, *(s.did for s in taken)]
    said["rules"] = [*protocol.breaks, *(s.breaks for s in taken if s.breaks)]
    if not any(len(f.test_rows) for f in found):
        return said | {"reason": "everybody was left out: no person has trials of both classes"}
    clean = dataset
    for step in taken:
        clean = clean if step.breaks else step.change(clean, spec)
    honest = results if clean is dataset else experiment.run(clean, spec)
    at = "trial" if protocol.level == "trial" else "window"
    return said | _held(scoring.level(data, acted, found, at), scoring.level(clean, spec, honest, at))


def prepared(dataset: Dataset, spec: Spec, protocol: Protocol) -> tuple[Dataset, Spec, list[tuple[Step, Dataset]]]:
    """What a protocol splits, how it is specified, and each step with the dataset that it met."""
    acted, met = replace(spec, split=protocol.split), []
    for step in protocol.steps:
        met.append((step, dataset))
        if not step.lacking(dataset, spec):
            dataset, acted = step.change(dataset, spec), replace(acted, **step.fields)
    return dataset, acted, met


def _held(at: metrics.Level, clean: metrics.Level) -> dict[str, Any]:
    """A score, the honest one, and how far they are apart, paired by subject where every row is somebody's."""
    if MADE in at.subjects:
        score, honest = (metrics.balanced_accuracy(of.y, of.predicted) for of in (at, clean))
        apart = {"value": score - honest, "low": None, "high": None, "n": None, "p": None, "test": ""}
        return {"score": score, "honest": honest, "difference": apart,
                "reason": "no interval over people: the rows that were made belong to nobody"}  # fmt: skip
    each, own = (
        dict(zip(of.subjects, of.per_subject(metrics.balanced_accuracy, "predicted"), strict=True))
        for of in (at, clean)
    )
    score, honest = (float(np.mean([v for v in of.values() if v is not None])) for of in (each, own))
    apart = {k: v for k, v in statistics.paired(each, own).items() if k != "subjects"}
    return {"score": score, "honest": honest, "difference": apart, "reason": ""}
