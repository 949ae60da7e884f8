"""How much of a score is leak: random windows against left-out subjects, and checks named after the rule broken.

What is audited is a ``Procedure``: how folds are laid and how one is run, by default this product's own. A check that
cannot run is ``not_checkable``, never passed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from core.evaluation import experiment, metrics, passband, scoring, splits
from core.evaluation.dataset import Dataset
from core.evaluation.experiment import FoldResult, Spec
from core.evaluation.splits import Fold
from core.evaluation.validity import black_box, identity
from core.evaluation.validity.black_box import OWN, Moved, Procedure, place
from core.models import MODELS
from core.models.bundle import Check, Interval
from core.types import Pipeline

Progress = Callable[[float, str], None]
# requirements c1; the premium is the first less the last
COMPARED = ("random_window", "trial", "subject_kfold", "loso", "nested_loso")
# labels are dealt anew so often, and so many folds of each draw are run at most (c3: a few times)
DRAWS, DRAWN_FOLDS = 3, 5
# how far above chance, in standard errors, a score on labels dealt anew may lie
SURE = 3.3
# the clip is named from other people's features this well only where its name is among them
NAMED = 0.95


@dataclass(frozen=True)
class Facts:
    """What is known of a study beside its rows.

    ``window_s`` is the length of a window; ``bands`` the study's pass-bands in Hz by channel type; ``files`` the hash
    of the recording of each (subject, trial); ``runs`` how many experiments were run on this study and target.
    """

    window_s: float = Pipeline().window_s
    bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    files: Mapping[tuple[str, str], str] = field(default_factory=dict)
    runs: int | None = None


def audit(
    dataset: Dataset,
    spec: Spec,
    procedure: Procedure = OWN,
    facts: Facts | None = None,
    *,
    draws: int = DRAWS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a procedure under every split, and look for what it lets slip: the object of ``leak-audit --json``."""
    say = progress or (lambda share, words: None)
    results = {}
    for i, split in enumerate(COMPARED):
        say(0.6 * i / len(COMPARED), f"split {split}")
        results[split] = procedure.all(dataset, replace(spec, split=split))
    found, scores = compared(dataset, spec, results)
    named = checks(
        dataset, spec, procedure, facts, draws=draws, progress=lambda share, words: say(0.6 + 0.4 * share, words)
    )
    return {"premium": plain(found), "scores": scores, "checks": [c.model_dump() for c in named]}


def plain(premium: Interval) -> dict[str, float | None]:
    """``{value, low, high}``."""
    return {"value": premium.value, "low": premium.low, "high": premium.high}


def compared(
    dataset: Dataset, spec: Spec, results: Mapping[str, Sequence[FoldResult]], clean: str = "nested_loso"
) -> tuple[Interval, dict[str, float]]:
    """The premium, random windows less ``clean``, with its subject bootstrap; and the score under each split.

    A score is the mean over subjects of the balanced accuracy over windows (CCC of a value). The same model and
    features everywhere: only the split differs. A large premium says that windows of one person and trial recognise
    each other, whatever the labels.
    """
    each = {split: _per_subject(dataset, replace(spec, split=split), own) for split, own in results.items()}
    scores = {split: float(np.mean([v for v in own if v is not None])) for split, own in each.items()}
    pairs = zip(each["random_window"], each[clean], strict=True)
    return metrics.over_subjects([a - b for a, b in pairs if a is not None and b is not None]), scores


def premium(dataset: Dataset, spec: Spec, clean: Sequence[FoldResult]) -> tuple[Interval, dict[str, float]]:
    """The premium of random windows over folds that were run already."""
    naive = experiment.run(dataset, replace(spec, split="random_window"))
    return compared(dataset, spec, {"random_window": naive, spec.split: clean}, spec.split)


def _per_subject(dataset: Dataset, spec: Spec, results: Sequence[FoldResult]) -> list[float | None]:
    at = scoring.level(dataset, spec, results, "window")
    return at.per_subject(*(metrics.SCORES["balanced_accuracy"] if at.n_classes else metrics.VALUE_SCORES["ccc"]))


# ------------------------------------------------------------------------------------------- the checks
def checks(
    dataset: Dataset,
    spec: Spec,
    procedure: Procedure = OWN,
    facts: Facts | None = None,
    *,
    draws: int = DRAWS,
    progress: Progress | None = None,
) -> list[Check]:
    """The named checks; each says what it looked at, in numbers, and where in the code."""
    say = progress or (lambda share, words: None)
    case = _Case(dataset, spec, procedure, facts or Facts(), draws)
    found: list[Check] = []
    for i, check in enumerate(CHECKS):
        say(i / len(CHECKS), check.__name__.strip("_").replace("_", " "))
        found += check(case)
    say(1.0, "done")
    return found


@dataclass(frozen=True)
class _Case:
    """What the checks look at; what several of them need is found once."""

    dataset: Dataset
    spec: Spec
    procedure: Procedure
    facts: Facts
    draws: int

    @cached_property
    def rows(self) -> np.ndarray:
        return self.dataset.rows(self.spec.target)

    @cached_property
    def folds(self) -> list[Fold]:
        return self.procedure.folds(self.dataset, self.spec)

    @cached_property
    def few(self) -> Dataset:
        return black_box.few(self.dataset, self.spec)

    @property
    def laid(self) -> str:
        """Where the folds are laid."""
        if self.procedure.folds is OWN.folds:
            return place(splits.SPLITS[self.spec.split])
        return place(self.procedure.folds)


def _verdict(name: str, good: bool | None, evidence: str, where: str) -> Check:
    outcome = {True: "pass", False: "fail", None: "not_checkable"}[None if good is None else bool(good)]
    return Check(name=name, outcome=outcome, evidence=f"{evidence} ({where})")  # type: ignore[arg-type]


def _overlaps(case: _Case) -> Iterable[Check]:
    """Subjects, trials and windows that lie on two sides of a split."""
    for name, owner in (("subject overlap", case.dataset.subject), ("trial overlap", case.dataset.unit)):
        n = [_shared(fold, owner) for fold in case.folds]
        text = f"{sum(map(bool, n))} of {len(n)} folds have a {name.split()[0]} on two sides"
        yield _verdict(name, not any(n), f"{text}, {max(n)} at most", case.laid)
    n = [_overlapping(case, fold) for fold in case.folds]
    text = f"{sum(n)} of {sum(len(f.test) for f in case.folds)} test windows of {case.facts.window_s:g} s"
    yield _verdict("window overlap", not any(n), f"{text} share time with one that was learned from", case.laid)


def _shared(fold: Fold, owner: np.ndarray) -> int:
    """How many owners have rows on two sides."""
    parts = [set(owner[part]) for part in (fold.train, fold.validation, fold.test)]
    return sum(map(len, parts)) - len(set.union(*parts))


def _overlapping(case: _Case, fold: Fold) -> int:
    """Test windows that share time with a training or validation window of the same trial."""
    known, data = np.concatenate([fold.train, fold.validation]), case.dataset
    n = 0
    for unit in np.intersect1d(data.unit[fold.test], data.unit[known]):
        tested, seen = (np.sort(data.onset_s[part[data.unit[part] == unit]]) for part in (fold.test, known))
        after = np.clip(np.searchsorted(seen, tested), 0, len(seen) - 1)
        gap = np.minimum(np.abs(seen[after] - tested), np.abs(seen[np.maximum(after - 1, 0)] - tested))
        n += int(np.sum(gap < case.facts.window_s - 1e-6))
    return n


def _test_labels(case: _Case) -> Iterable[Check]:
    """Turned labels of the test: they may move nothing."""
    moved = black_box.labels_turned(case.few, case.spec, case.procedure)
    where = case.procedure.place
    did = f"labels of the test turned in {moved.n_folds} folds"
    for name, count, first, text in (
        ("test labels used", moved.anything, (), "anything moved in"),
        ("selection before split", moved.columns, (), "other columns were selected in"),
        ("tuning on test", moved.options, ("columns",), "other options were chosen in"),
        ("normalisation with test labels", moved.own, ("columns", "options", "others"),
         "predictions of the turned subject and of nobody else moved in"),
        ("threshold from test", moved.cut, ("columns", "options", "others", "own"),
         "threshold, flip or calibrator moved, and not what lies before them, in"),
    ):  # fmt: skip
        yield _blamed(name, count, moved, first, f"{did}: {text}", where)


def _blamed(name: str, count: int, moved: Moved, first: Sequence[str], text: str, where: str) -> Check:
    """Failed where it moved; where something moved that it hangs on, or nothing was looked into, it cannot be told."""
    hidden = any(getattr(moved, kind) for kind in first)
    good = False if count else None if hidden or not moved.n_folds else True
    why = "; what it hangs on moved, so it cannot be told" if hidden and not count else ""
    return _verdict(name, good, f"{text} {count}{why}", where)


def _test_features(case: _Case) -> Iterable[Check]:
    """Changed features of some test trials: they may move only what is said of those trials."""
    moved = black_box.features_shaken(case.few, case.spec, case.procedure)
    did = f"features of half the test trials changed in {moved.n_folds} folds: what is said of others moved in"
    count = moved.others + moved.cut
    yield _blamed("scaler before split", count, moved, ("columns", "options"), did, case.procedure.place)


def _test_rows(case: _Case) -> Iterable[Check]:
    """The rows that a fold says it tested: each of its own, once, as recorded."""
    data, wrong, n = case.few, 0, 0
    planned = case.procedure.folds(data, case.spec)[: black_box.FOLDS]
    for i, fold in enumerate(planned):
        tested = np.sort(case.procedure.run(data, case.spec, i).test_rows)
        wrong += not np.array_equal(tested, np.sort(np.unique(fold.test)))
        n += len(tested)
    text = f"{n} rows tested in {len(planned)} folds; in {wrong} folds they are not the recorded ones, each once"
    yield _verdict("oversampled test", not wrong, text, case.procedure.place)
    times = np.bincount(np.concatenate([f.test for f in case.folds]), minlength=len(case.dataset))[case.rows]
    text = f"{int(np.sum(times == 1))} of {len(times)} windows are tested in exactly one fold"
    if case.facts.runs is not None:
        text += f"; experiments stored on this study and target: {case.facts.runs}"
    yield _verdict("test set used again", bool(np.all(times == 1)), text, case.laid)


def _columns(case: _Case) -> Iterable[Check]:
    """Columns that are no measurement, that were not recorded, or that are there twice."""
    data = case.dataset
    names = data.names(case.spec.learned)
    where = place(identity.id_like)
    if not names:
        for name in ("id-like columns", "duplicated rows", "duplicated columns", "unrecorded bands"):
            yield _verdict(name, None, "the model takes signals and there is no table of features", where)
        return
    found = identity.id_like(data, case.rows, case.spec.learned)
    said = "; ".join(f"{name}: {why}" for name, why in list(found.items())[:5])
    text = f"{len(found)} of {len(names)} columns tell who or when{': ' if said else ''}{said}"
    yield _verdict("id-like columns", not found, text, where)
    yield from _twice(case)
    band = case.facts.bands.get("eeg")
    hang = [n for n in data.columns.get("eeg", ()) if "eeg" in case.spec.types and passband.needs(n)]
    outside = [n for n in hang if not passband.recorded(n, band)]
    text = f"{len(outside)} of {len(hang)} columns that hang on a band need one outside the pass-band"
    text += f" of {band[0]:g}-{band[1]:g} Hz" if band else ", which the study does not say"
    good = None if hang and band is None else not outside
    yield _verdict("unrecorded bands", good, text, place(passband.kept))


def _twice(case: _Case) -> Iterable[Check]:
    """Windows that equal one of another trial, whatever scores stand beside them, and columns that equal another."""
    x = case.dataset.x(case.rows, case.spec.types).to_numpy()
    seen: dict[bytes, int] = {}
    twice = []
    for row, values, trial in zip(case.rows, x, case.dataset.unit[case.rows], strict=True):
        if np.isfinite(values).any() and seen.setdefault(_hash(values), trial) != trial:
            twice.append(row)
    who = f", the first of {case.dataset.subject[twice[0]]} {case.dataset.trial[twice[0]]}" if twice else ""
    text = f"{len(twice)} of {len(case.rows)} windows equal one of another trial{who}"
    yield _verdict("duplicated rows", not twice, text, place(case.dataset.x))
    x = case.dataset.x(case.rows, case.spec.learned).to_numpy()
    told = np.where(np.isfinite(x), x, 0.0)
    known = x[:, np.isfinite(x).any(axis=0) & (told.std(axis=0) > 0)]
    n = known.shape[1] - len({_hash(column) for column in known.T})
    yield _verdict("duplicated columns", not n, f"{n} of {x.shape[1]} columns equal another", place(case.dataset.x))


def _same_data(case: _Case) -> Iterable[Check]:
    """Trials of several subjects that hold the same data."""
    data = case.dataset
    owners: dict[bytes | str, set[str]] = defaultdict(set)
    units, first = np.unique(data.unit[case.rows], return_index=True)
    for unit, row in zip(units, case.rows[first], strict=True):
        own, who = case.rows[data.unit[case.rows] == unit], data.subject[row]
        parts = [data.x(own, case.spec.types).to_numpy()] if data.names(case.spec.types) else []
        parts += [data.signals[t][own] for t in case.spec.types if t in data.signals]
        owners[b"".join(map(_hash, parts))].add(who)
        if digest := case.facts.files.get((who, data.trial[row])):
            owners[digest].add(who)
    several = [names for names in owners.values() if len(names) > 1]
    text = f"{len(several)} of {len(units)} trials hold the data of another subject's"
    text += f", the first of {' and '.join(sorted(several[0]))}" if several else ""
    n = sum((data.subject[r], data.trial[r]) in case.facts.files for r in case.rows[first])
    yield _verdict("same data across subjects", not several, f"{text}; hashes of {n} files known", place(data.x))


def _probes(case: _Case) -> Iterable[Check]:
    """How well the features name the person and the clip, beside chance."""
    found = identity.subject_probe(case.dataset, case.rows, case.spec.learned, case.spec.seed)
    where, apart = place(identity.subject_probe), not any(_shared(f, case.dataset.subject) for f in case.folds)
    if found is None:
        yield _verdict("subject probe", None, "there are no two trials of two subjects with features", where)
    else:
        text = f"features name the subject in {found.accuracy:.0%} of {found.n_windows} windows of other trials "
        text += f"(chance {found.chance:.0%}, {found.n_names} subjects)"
        text += ", which helps nobody where subjects are apart" if apart else ", and the split has people on both sides"
        yield _verdict("subject probe", apart or found.accuracy <= 2 * found.chance, text, where)
    found = identity.stimulus_probe(case.dataset, case.rows, case.spec.learned, case.spec.seed)
    where = place(identity.stimulus_probe)
    if found is None:
        yield _verdict("stimulus probe", None, "no two stimuli were shared by several subjects", where)
        return
    text = f"features of other people name the stimulus in {found.accuracy:.0%} of {found.n_windows} windows "
    text += f"(chance {found.chance:.0%}, {found.n_names} stimuli)"
    yield _verdict("stimulus probe", found.n_names < 4 or found.accuracy < NAMED, text, where)


def _label_permutation(case: _Case) -> Iterable[Check]:
    """Fitted again on labels dealt anew within each subject, a procedure scores at chance."""
    spec = case.spec
    if MODELS[spec.model].deep:  # requirements c3: with the logistic model
        spec = replace(spec, model="logistic", fusion="early", options={}, choices=())
    if not case.draws or not case.dataset.names(spec.learned):
        yield _verdict("label permutation", None, "labels were not dealt anew", case.procedure.place)
        return
    if spec.split in ("loso", "nested_loso") and not experiment.choices(spec):
        # nothing is selected there, and as many fits test more subjects
        spec = replace(spec, split="subject_kfold")
    scores: list[float] = []
    for draw in range(case.draws):
        dealt = permuted(case.dataset, spec.target, draw)
        planned = case.procedure.folds(dealt, spec)
        chosen = np.unique(np.linspace(0, len(planned) - 1, DRAWN_FOLDS).round().astype(int))
        results = [case.procedure.run(dealt, spec, int(i)) for i in chosen]
        scores += [v for v in _per_subject(dealt, spec, results) if v is not None]
    n_classes = scoring.level(dealt, spec, results, "window").n_classes
    chance = 1 / n_classes if n_classes else 0.0
    mean, error = float(np.mean(scores)), float(np.std(scores, ddof=1) / np.sqrt(len(scores)))
    text = f"{case.draws} draws of labels within subjects, {len(chosen)} folds each, {spec.model}, {spec.split}: "
    text += f"{mean:.3f} over {len(scores)} scores of a subject, standard error {error:.3f}, chance {chance:.2f}"
    yield _verdict("label permutation", mean - SURE * error <= chance, text, case.procedure.place)


def permuted(dataset: Dataset, target: str, seed: int) -> Dataset:
    """The dataset with the labels of each subject's trials dealt anew among them."""
    rng = np.random.default_rng([seed, 20])
    rows = dataset.rows(target)
    _, first, at = np.unique(dataset.unit[rows], return_index=True, return_inverse=True)
    whose = dataset.subject[rows[first]]
    source = rows[first]
    for name in np.unique(whose):
        own = np.flatnonzero(whose == name)
        source[own] = source[rng.permutation(own)]
    labels = {t: v.copy() for t, v in dataset.labels.items()}
    for name in target.split("+"):
        labels[name][rows] = dataset.labels[name][source[at]]
    return replace(dataset, labels=labels, path=None)


def _hash(values: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).digest()


CHECKS: tuple[Callable[[_Case], Iterable[Check]], ...] = (
    _overlaps, _test_features, _test_labels, _test_rows, _columns, _same_data, _probes, _label_permutation,
)  # fmt: skip
