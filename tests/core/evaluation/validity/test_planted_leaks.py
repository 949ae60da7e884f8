"""Ten planted leaks, each found by the check that bears its name; a clean procedure passes every one."""

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation import calibration, experiment, simulate, splits
from core.evaluation.experiment import FoldResult, Spec
from core.evaluation.splits import Fold
from core.evaluation.validity import leak_audit
from core.evaluation.validity.black_box import OWN, Procedure
from core.evaluation.validity.leak_audit import Facts

SPEC = Spec("features", "valence", "eeg+ecg", "logistic")
DATA = simulate.feature_study(8, 6, 5, effect=0.5, seed=3)


def failed(data=DATA, procedure=OWN, spec=SPEC, **kwargs):
    found = leak_audit.checks(data, spec, procedure, draws=kwargs.pop("draws", 1), **kwargs)
    assert len({c.name for c in found}) == len(found) == 19
    assert all(c.evidence for c in found)
    return {c.name for c in found if c.outcome == "fail"}


# ------------------------------------------------------------------------------------------- a plain procedure
def plain(
    data, spec, index, *, folds=experiment.folds, scaled_on=None, columns=None, tuned=False, cut_on=None, shift=None,
    repeats=1,
):  # fmt: skip
    """Scaling, a ridge of the sign of the label and a cut, each from training and validation unless a leak is asked."""
    fold = folds(data, spec)[index]
    x, y = data.x(np.arange(len(data)), spec.types).to_numpy(), data.high(spec.target)
    x = x - (shift(data, x, y) if shift else 0.0)
    seen = scaled_on(data, fold) if scaled_on else fold.train
    x = (x - x[seen].mean(axis=0)) / x[seen].std(axis=0)
    chosen = columns(x, y) if columns else np.arange(x.shape[1])

    def fitted(strength):
        a = x[np.ix_(fold.train, chosen)]
        weights = np.linalg.solve(a.T @ a + strength * np.eye(len(chosen)), a.T @ (2.0 * y[fold.train] - 1))
        return 1 / (1 + np.exp(-x[:, chosen] @ weights))

    strength = 10.0
    if tuned:
        right = {s: np.mean((fitted(s)[fold.test] > 0.5) == y[fold.test]) for s in (1.0, 1e2, 1e4, 1e6)}
        strength = max(right, key=right.get)
    p = fitted(strength)
    held = cut_on(fold) if cut_on else fold.validation
    cuts = np.linspace(0.3, 0.7, 41)
    cut = cuts[int(np.argmax([np.mean((p[held] > c) == y[held]) for c in cuts]))]
    rows = np.sort(np.repeat(fold.test, repeats))
    selected = ({"columns": chosen.tolist()} if columns else {}) | ({"strength": strength} if tuned else {})
    return FoldResult(index, fold.name, rows, p[rows], p[rows], cut, False, calibration.PLAIN, (), 0.0, selected)


def of(folds=experiment.folds, **leak):
    def planted(data, spec, index):
        return plain(data, spec, index, folds=folds, **leak)

    return Procedure(planted, folds)


def the_five_of_the_whole(x, y):
    return np.sort(np.argsort(-np.abs(x[y].mean(axis=0) - x[~y].mean(axis=0)))[:5])


def by_its_low_trials(data, x, y):
    """Each subject is measured from the mean of what it rated Low: of the test subject, nobody knows that."""
    out = np.empty_like(x)
    for name in data.subjects:
        own = data.subject == name
        out[own] = x[own & ~y].mean(axis=0)
    return out


def neighbours(data, spec):
    """A model of each subject, learned from every other window: the windows between overlap with them."""
    found = []
    for name in data.subjects:
        own, odd = data.subject == name, data.onset_s % 4 > 1
        for tested, seen in ((odd, ~odd), (~odd, odd)):
            known = np.flatnonzero(own & seen)
            found.append(Fold(f"{name}, every other", known[2:], known[:2], np.flatnonzero(own & tested)))
    return found


def by_trials(data, spec):
    return list(splits.trial(data.subject, data.unit, spec.seed))


def with_column(values):
    features = DATA.features.assign(eeg_zz=values)
    return replace(DATA, features=features, columns={**DATA.columns, "eeg": (*DATA.columns["eeg"], "eeg_zz")})


def with_copied_rows():
    features = DATA.features.copy()
    features.iloc[-5:] = features.iloc[:5]
    return replace(DATA, features=features)


def number(values):
    return np.unique(values, return_inverse=True)[1].astype(float)


# ------------------------------------------------------------------------------------------- found by name
PROCEDURES = {
    "window overlap": (of(neighbours), {"trial overlap", "subject overlap", "subject probe", "label permutation"}),
    "subject overlap": (of(by_trials), {"subject probe"}),
    "scaler before split": (of(scaled_on=lambda data, fold: np.arange(len(data))), set()),
    "selection before split": (of(columns=the_five_of_the_whole), {"test labels used"}),
    "oversampled test": (of(repeats=3), set()),
    "tuning on test": (of(tuned=True), {"test labels used"}),
    "threshold from test": (of(cut_on=lambda fold: fold.test), {"test labels used", "scaler before split"}),
    "normalisation with test labels": (of(shift=by_its_low_trials), {"test labels used", "scaler before split",
                                                                       "label permutation"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_leak_of_a_procedure_is_found_by_its_name(name):
    procedure, others = PROCEDURES[name]
    found = failed(procedure=procedure)
    assert name in found
    assert found <= {name} | others, "a check that has nothing to do with it failed too"


@pytest.mark.parametrize(
    "values",
    [number(DATA.subject), number(DATA.subject) + np.random.default_rng(0).normal(0, 0.05, len(DATA)),
     DATA.onset_s + 100.0 * number(DATA.trial), number(DATA.trial)],
    ids=["a number", "a number with noise", "a clock", "the clip"],
)  # fmt: skip
def test_a_column_that_says_who_or_when_is_found_without_its_name(values):
    assert failed(with_column(values)) - {"stimulus probe"} == {"id-like columns"}


def test_a_column_is_found_by_its_name():
    noise = np.random.default_rng(1).normal(size=len(DATA))
    features = DATA.features.assign(eeg_participantId=noise)
    data = replace(
        DATA, features=features, columns={**DATA.columns, "eeg": (*DATA.columns["eeg"], "eeg_participantId")}
    )
    assert failed(data) == {"id-like columns"}


def test_duplicated_rows_are_found_and_so_is_that_they_are_anothers():
    assert failed(with_copied_rows()) == {"duplicated rows", "same data across subjects"}


@pytest.mark.parametrize("procedure", [OWN, of()], ids=["ours", "a plain one"])
@pytest.mark.parametrize("split", ["loso", "nested_loso", "subject_kfold"])
def test_a_clean_run_passes_every_check(procedure, split):
    found = leak_audit.checks(DATA, replace(SPEC, split=split), procedure, Facts(bands={"eeg": (0.0, 64.0)}), draws=2)
    assert {c.outcome for c in found} == {"pass"}


def test_no_column_of_ours_is_named_like_an_identity():
    from core import features
    from core.evaluation.identities import denied

    assert [n for t in features.FEATURES for n in features.FEATURES[t].names() if denied(n)] == []
