"""Scores per subject, their intervals over subjects, and what a coin would reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from core.models.bundle import Interval, Range, ReliabilityBin

RESAMPLES = 2000
PERMUTATIONS = 2000  # requirements c3
SEED = 20260105
N_BINS = 10
# a probability is no nearer to 0 or 1 than this before its logarithm is taken
LOG_LOSS_CLIP = 1e-6


# ------------------------------------------------------------------------------------------- windows to trials
def trial_means(p: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Mean window probability of each trial, in order of trial number.

    Examples
    --------
    >>> trial_means(np.array([0.2, 0.4, 0.9]), np.array([0, 0, 1])).round(6)
    array([0.3, 0.9])
    """
    return np.bincount(unit, p) / np.bincount(unit)


def trial_values(p: np.ndarray, unit: np.ndarray, how: str = "mean") -> np.ndarray:
    """Each trial's value from its windows' (n,) or (n, n_classes), by ``mean`` or ``median``; any trial numbers.

    Examples
    --------
    >>> trial_values(np.array([0.2, 0.3, 1.0, 0.9]), np.array([4, 4, 4, 7]), "median")
    array([0.3, 0.9])
    """
    number = np.unique(unit, return_inverse=True)[1]
    if p.ndim == 2:
        out = np.column_stack([trial_values(column, number, how) for column in p.T])
        return out / out.sum(axis=1, keepdims=True) if how == "median" else out
    if how == "mean":
        return trial_means(p, number)
    order = np.argsort(number, kind="stable")
    return np.array([np.median(own) for own in np.split(p[order], np.flatnonzero(np.diff(number[order])) + 1)])


# ------------------------------------------------------------------------------------------- one set of rows
def accuracy(y: np.ndarray, predicted: np.ndarray) -> float:
    """Share that is right."""
    return float(np.mean(predicted == y))


def balanced_accuracy(y: np.ndarray, predicted: np.ndarray) -> float:
    """Mean recall over the classes that are there; a subject with one class keeps its recall.

    Examples
    --------
    >>> balanced_accuracy(np.array([1, 1, 1, 0]) > 0, np.array([1, 1, 0, 0]) > 0).__round__(3)
    0.833
    """
    return float(np.mean([np.mean(predicted[y == c] == c) for c in np.unique(y)]))


def macro_f1(y: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 over the classes that are there or were predicted.

    Examples
    --------
    >>> macro_f1(np.array([1, 1, 1, 0]), np.array([1, 1, 0, 0])).__round__(3)  # F1 0.8 and 0.667
    0.733
    """
    scores = []
    for c in np.union1d(y, predicted):
        hit, named, there = np.sum((predicted == c) & (y == c)), np.sum(predicted == c), np.sum(y == c)
        scores.append(2 * hit / (named + there))
    return float(np.mean(scores))


def roc_auc(y: np.ndarray, p: np.ndarray) -> float | None:
    """Area under the ROC curve; None, undefined, with one class. Of several classes the mean of each against the rest.

    Examples
    --------
    >>> roc_auc(np.array([0, 0, 1, 1]) > 0, np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    from scipy.stats import rankdata

    if p.ndim == 2:
        each = [roc_auc(y == c, p[:, c]) for c in range(p.shape[1])]
        known = [a for a in each if a is not None]
        return float(np.mean(known)) if known else None
    n_high, n_low = int(np.sum(y == 1)), int(np.sum(y == 0))
    if not n_high or not n_low:
        return None
    return float((rankdata(p)[y == 1].sum() - n_high * (n_high + 1) / 2) / (n_high * n_low))


@dataclass(frozen=True)
class Curve:
    """ROC and precision-recall points as the cut falls; shape (n_points,) each. ``average_precision`` is the latter's
    area by steps."""

    false_positive: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    average_precision: float


def curve(y: np.ndarray, p: np.ndarray) -> Curve | None:
    """Points of the ROC and the precision-recall curve, equal probabilities at once; None, undefined, with one class.

    Examples
    --------
    >>> found = curve(np.array([0, 0, 1, 1]) > 0, np.array([0.1, 0.4, 0.35, 0.8]))
    >>> found.recall.tolist(), found.false_positive.tolist(), round(found.average_precision, 3)
    ([0.5, 0.5, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0], 0.833)
    """
    n_high, n_low = int(np.sum(y == 1)), int(np.sum(y == 0))
    if not n_high or not n_low:
        return None
    order = np.argsort(-p, kind="stable")
    last = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    hits, named = np.cumsum(y[order] == 1)[last], last + 1
    recall, precision = hits / n_high, hits / named
    area = float(np.sum(np.diff(recall, prepend=0) * precision))
    return Curve((named - hits) / n_low, recall, precision, area)


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Mean squared distance of probability and outcome; of several classes summed over them."""
    if p.ndim == 2:
        return float(np.mean(np.sum((p - np.eye(p.shape[1])[y]) ** 2, axis=1)))
    return float(np.mean((p - y) ** 2))


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean of -ln of the probability that the true class was given, in nats, clipped by ``LOG_LOSS_CLIP``.

    Examples
    --------
    >>> log_loss(np.array([1, 0]), np.array([0.5, 0.5])).__round__(3)  # a coin: ln 2
    0.693
    """
    given = np.take_along_axis(p, np.asarray(y, dtype=int)[:, None], 1)[:, 0] if p.ndim == 2 else np.where(y, p, 1 - p)
    return float(-np.mean(np.log(np.clip(given, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP))))


def per_class(y: np.ndarray, predicted: np.ndarray, n_classes: int) -> list[tuple[int, float | None, float | None]]:
    """Rows, precision and recall of each class 0, 1, ...; None of a class never predicted, or never there.

    Examples
    --------
    >>> per_class(np.array([1, 1, 1, 0]), np.array([1, 1, 0, 0]), 3)[:1], per_class(np.array([0]), np.array([1]), 2)
    ([(1, 0.5, 1.0)], [(1, None, 0.0), (0, 0.0, None)])
    """
    cells = np.array(confusion(y, predicted, n_classes))
    hits, named, there = np.diag(cells), cells.sum(axis=0), cells.sum(axis=1)
    return [
        (int(t), float(hit / n) if n else None, float(hit / t) if t else None)
        for hit, n, t in zip(hits, named, there, strict=True)
    ]


def confusion(y: np.ndarray, predicted: np.ndarray, n_classes: int) -> list[list[int]]:
    """Counts of classes 0, 1, ...: a row per true class, a column per predicted one.

    Examples
    --------
    >>> confusion(np.array([1, 1, 1, 0]), np.array([1, 1, 0, 0]), 2)
    [[1, 0], [1, 2]]
    """
    cells = np.bincount(np.asarray(y, dtype=int) * n_classes + np.asarray(predicted, dtype=int), minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes).tolist()


def rmse(y: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean square error, in the unit of the rating."""
    return float(np.sqrt(np.mean((predicted - y) ** 2)))


def ccc(y: np.ndarray, predicted: np.ndarray) -> float | None:
    """Concordance correlation (Lin 1989), variances with ddof 0; None where both are constant.

    Examples
    --------
    >>> ccc(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])).__round__(3)  # r is 1; shifted by one
    0.571
    """
    scale = np.var(y) + np.var(predicted) + (np.mean(y) - np.mean(predicted)) ** 2
    covariance = np.mean((y - np.mean(y)) * (predicted - np.mean(predicted)))
    return float(2 * covariance / scale) if scale > 0 and np.var(y) > 0 else None


# ------------------------------------------------------------------------------------------- over subjects
@dataclass(frozen=True)
class Level:
    """What was predicted out of fold, a row per window or per trial.

    ``y`` and ``predicted`` are numbers of classes, or values where ``n_classes`` is 0; ``p`` is the probability of
    High (n,), of each class (n, n_classes), or the value; ``fold`` the number of the fold, ``unit`` of the trial.
    ``cut`` is the threshold of each row's fold.
    """

    subject: np.ndarray
    unit: np.ndarray
    fold: np.ndarray
    y: np.ndarray
    p: np.ndarray
    predicted: np.ndarray
    cut: np.ndarray
    n_classes: int

    def __len__(self) -> int:
        return len(self.subject)

    @property
    def subjects(self) -> list[str]:
        """Subjects in order of name."""
        return sorted(set(self.subject))

    def take(self, rows: Sequence[int]) -> Level:
        """Some rows."""
        at = np.asarray(rows, dtype=int)
        return Level(
            self.subject[at], self.unit[at], self.fold[at], self.y[at], self.p[at], self.predicted[at], self.cut[at],
            self.n_classes,
        )  # fmt: skip

    def per_subject(self, score: Callable[[np.ndarray, np.ndarray], float | None], of: str) -> list[float | None]:
        """A score of each subject's rows, in order of name; ``of`` is ``p`` or ``predicted``."""
        found = getattr(self, of)
        return [score(self.y[own], found[own]) for own in (self.subject == name for name in self.subjects)]


# score -> (function, what it is of)
SCORES: dict[str, tuple[Callable[..., float | None], str]] = {
    "accuracy": (accuracy, "predicted"),
    "balanced_accuracy": (balanced_accuracy, "predicted"),
    "macro_f1": (macro_f1, "predicted"),
    "roc_auc": (roc_auc, "p"),
    "brier": (brier, "p"),
}
VALUE_SCORES: dict[str, tuple[Callable[..., float | None], str]] = {"ccc": (ccc, "p"), "rmse": (rmse, "p")}


def over_subjects(values: Sequence[float | None]) -> Interval:
    """Mean over subjects with its 95 % subject bootstrap; undefined subjects are counted, not scored.

    Of what each subject has on their own: a paired difference, or the score of one model that saw none of them. Of
    scores out of folds see ``cross_validated``.
    """
    return _interval(values, _mean)


def cross_validated(values: Sequence[float | None]) -> Interval:
    """Mean over subjects, each scored by the model of their fold, with a 95 % interval that knows of the other folds.

    The models of two folds learned from nearly the same people and err together, which a bootstrap over people cannot
    see: its distances to the mean are multiplied by ``shared(n)``, and end at the lowest and highest subject.

    Examples
    --------
    >>> plain, wide = over_subjects([0.4, 0.5, 0.6] * 4), cross_validated([0.4, 0.5, 0.6] * 4)
    >>> round((wide.high - wide.value) / (plain.high - plain.value), 3), round(shared(12), 3)
    (1.446, 1.446)
    """
    return _of_folds(values, _mean)


def shared(n: int) -> float:
    """How much wider an interval over ``n`` people is where each was scored by a model that learned from the others.

    sqrt(1 + n / (n - 1)): the variance n folds would have alone, and as much again for the people they share. Source:
    the corrected resampled variance of Nadeau and Bengio 2003, doi:10.1023/A:1024068626366, with one person tested to
    n - 1 learned from. No estimate from one run is without bias (Bengio and Grandvalet 2004); docs/null-study.md has
    how often the intervals hold the truth.

    Examples
    --------
    >>> round(shared(23), 3)
    1.43
    """
    return float(np.sqrt(1 + n / (n - 1))) if n > 1 else 1.0


def worst_quarter(values: Sequence[float | None]) -> Interval:
    """Mean of the lowest quarter of subjects (7 of 27: rounded up), with an interval as of ``cross_validated``.

    Examples
    --------
    >>> worst_quarter([0.9, 0.5, 0.7, 0.8, 0.6]).value.__round__(3)
    0.55
    """

    def lowest(drawn: np.ndarray) -> np.ndarray:
        n = -(-drawn.shape[1] // 4)
        return np.sort(drawn, axis=1)[:, :n].mean(axis=1)

    return _of_folds(values, lowest)


def _mean(drawn: np.ndarray) -> np.ndarray:
    return drawn.mean(axis=1)


def _widened(found: Interval, n: int, least: float, most: float) -> Interval:
    """``found``, of ``n`` people, with its ends ``shared`` times as far off, but from ``least`` to ``most``."""
    if found.value is None or found.low is None or found.high is None:
        return found
    low, high = (found.value + shared(n) * (end - found.value) for end in (found.low, found.high))
    return found.model_copy(update={"low": max(low, least), "high": min(high, most)})


def _of_folds(values: Sequence[float | None], statistic: Callable[[np.ndarray], np.ndarray]) -> Interval:
    known = [v for v in values if v is not None]
    return _widened(_interval(values, statistic), len(known), min(known, default=0.0), max(known, default=0.0))


def _interval(values: Sequence[float | None], statistic: Callable[[np.ndarray], np.ndarray]) -> Interval:
    known = np.array([v for v in values if v is not None], dtype=float)
    undefined = len(values) - len(known)
    if not len(known):
        return Interval(value=None, n_undefined=undefined)
    drawn = np.random.default_rng(SEED).integers(0, len(known), (RESAMPLES, len(known)))
    low, high = np.percentile(statistic(known[drawn]), percentiles(len(known)))
    return Interval(value=float(statistic(known[None])[0]), low=float(low), high=float(high), n_undefined=undefined)


def percentiles(n: int) -> tuple[float, float]:
    """Percentiles of a bootstrap over ``n`` people between which 95 % shall lie: further out the fewer they are.

    What is drawn from few people varies too little: sqrt((n - 1) / n) of the SD, and a normal tail where Student's is
    due. Source: the expanded percentile interval of Hesterberg 2015, doi:10.1080/00031305.2015.1089789.

    Examples
    --------
    >>> [round(p, 2) for p in percentiles(23)]
    [1.7, 98.3]
    """
    if n < 2:
        return 2.5, 97.5
    low = 100 * float(ndtr(np.sqrt(n / (n - 1)) * stdtrit(n - 1, 0.025)))
    return low, 100 - low


def chance(counts: Sequence[tuple[int, ...]]) -> Range:
    """95 % range of the mean balanced accuracy of a fair coin, or die, from each subject's trials of each class."""
    rng = np.random.default_rng(SEED)
    scores = []
    for of_subject in counts:
        recalls = [rng.binomial(n, 1 / len(of_subject), 10 * RESAMPLES) / n for n in of_subject if n]
        scores.append(np.mean(recalls, axis=0))
    low, high = np.percentile(np.mean(scores, axis=0), [2.5, 97.5])
    return Range(low=float(low), high=float(high))


def class_counts(level: Level) -> list[tuple[int, ...]]:
    """Trials of each class of each subject, the last class (High) first."""
    return [
        tuple(int(np.sum(level.y[level.subject == name] == c)) for c in reversed(range(level.n_classes)))
        for name in level.subjects
    ]


# ------------------------------------------------------------------------------------------- calibration
def reliability(y: np.ndarray, p: np.ndarray, n_bins: int = N_BINS) -> list[ReliabilityBin]:
    """Trials in bins of equal width of probability; empty bins are left out."""
    edges = np.linspace(0, 1, n_bins + 1)
    which = _bin(p, n_bins)
    return [
        ReliabilityBin(
            low=float(edges[i]), high=float(edges[i + 1]), n=int(inside.sum()),
            mean_p=float(p[inside].mean()), share_high=float(y[inside].mean()),
        )
        for i in range(n_bins)
        if (inside := which == i).any()
    ]  # fmt: skip


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Expected calibration error: mean over trials of the bin's |share High - mean probability|."""
    return sum(b.n * abs(b.share_high - b.mean_p) for b in bins) / sum(b.n for b in bins)


def ece(level: Level) -> Interval:
    """Expected calibration error over all rows, with an interval as of ``cross_validated``.

    It is of all subjects together: within one subject a bin holds a trial or two. Of several classes it is that of
    the likeliest one: whether it was right over its probability.
    """
    likeliest = level.p.ndim == 2
    p = level.p.max(axis=1) if likeliest else level.p
    y = (level.predicted == level.y) if likeliest else level.y
    names, who = np.unique(level.subject, return_inverse=True)
    cell, n = who * N_BINS + _bin(p, N_BINS), len(names) * N_BINS
    gap = (np.bincount(cell, y, n) - np.bincount(cell, p, n)).reshape(-1, N_BINS)
    count = np.bincount(cell, minlength=n).reshape(-1, N_BINS)
    drawn = np.random.default_rng(SEED).integers(0, len(names), (RESAMPLES, len(names)))
    found = np.abs(gap[drawn].sum(axis=1)).sum(axis=1) / count[drawn].sum(axis=(1, 2))
    low, high = np.percentile(found, percentiles(len(names)))
    value = float(np.abs(gap.sum(axis=0)).sum() / count.sum())
    return _widened(Interval(value=value, low=float(low), high=float(high)), len(names), 0.0, 1.0)


def _bin(p: np.ndarray, n_bins: int) -> np.ndarray:
    return np.clip(np.digitize(p, np.linspace(0, 1, n_bins + 1)) - 1, 0, n_bins - 1)


# ------------------------------------------------------------------------------------------- against no relation
def permutation_p(level: Level, score: str = "balanced_accuracy", n: int = PERMUTATIONS, seed: int = SEED) -> float:
    """How often labels dealt anew within each subject score as high as the true ones, the true ones counted with them.

    On stored predictions: nothing is fitted again. ``score`` is ``balanced_accuracy``, ``roc_auc`` or ``ccc``.
    """
    rng = np.random.default_rng(seed)
    total, observed = np.zeros(n), 0.0
    for name in level.subjects:
        own = level.subject == name
        y, p, predicted = level.y[own], level.p[own], level.predicted[own]
        dealt = np.vstack([y, y[np.argsort(rng.random((n, len(y))), axis=1)]])
        found = _PERMUTED[score](dealt, p if score != "balanced_accuracy" else predicted)
        if found is not None:
            observed += found[0]
            total += found[1:]
    return float((1 + np.sum(total >= observed - 1e-9)) / (n + 1))


def _recalls(dealt: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    classes = np.unique(dealt[0])
    hits = [((dealt == c) & (predicted == c)).sum(axis=1) / np.sum(dealt[0] == c) for c in classes]
    return np.mean(hits, axis=0)


def _areas(dealt: np.ndarray, p: np.ndarray) -> np.ndarray | None:
    from scipy.stats import rankdata

    high = dealt == 1
    n_high = int(high[0].sum())
    n_low = high.shape[1] - n_high
    if not n_high or not n_low:
        return None
    return (high @ rankdata(p) - n_high * (n_high + 1) / 2) / (n_high * n_low)


def _concordances(dealt: np.ndarray, value: np.ndarray) -> np.ndarray | None:
    if not np.var(dealt[0]):
        return None
    covariance = (dealt - dealt[0].mean()) @ (value - value.mean()) / len(value)
    return 2 * covariance / (np.var(dealt[0]) + np.var(value) + (dealt[0].mean() - value.mean()) ** 2)


_PERMUTED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray | None]] = {
    "balanced_accuracy": _recalls,
    "roc_auc": _areas,
    "ccc": _concordances,
}
