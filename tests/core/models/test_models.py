"""Every model of the door: it learns, is the same by its seed, comes back from its files, and asks for nothing more."""

import subprocess
import sys
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from core.models import MODELS, files
from core.models.rows import rows, validated
from core.models.signals import ChannelScaler
from tests.core.models.small import SUBJECTS, data, labels, make

KNOWS_NOTHING = ("majority", "stratified")
LEARNS = [name for name in MODELS if name not in KNOWS_NOTHING]
DEEP = [name for name in MODELS if MODELS[name].deep]
# its probabilities come from subjects it was not fitted on: of labels by lot they rightly say nothing
EFFECT = {"svm": 3.0}


@lru_cache
def fitted(name):
    x, y = data(name, effect=EFFECT.get(name, 0.0))
    return make(name).fit(x, y, groups=SUBJECTS), x, y


def few(name):
    """Options that train little, where only sameness is asked."""
    return {"epochs": 2} if MODELS[name].deep else {}


@pytest.mark.parametrize("name", LEARNS)
def test_every_model_remembers_thirty_two_windows(name):
    estimator, x, y = fitted(name)
    assert np.mean(estimator.predict(x) == y) >= 0.97
    assert np.mean(fitted("majority")[0].predict(data("majority")[0]) == labels()) == 0.5


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_are_one_for_each_class_and_sum_to_one(name):
    estimator, x, y = fitted(name)
    p = estimator.predict_proba(x)
    assert p.shape == (len(y), 2)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-6) and np.isfinite(p).all()
    assert list(estimator.classes_) == [False, True]


@pytest.mark.parametrize("name", MODELS)
def test_four_classes_are_told_apart_as_two_are(name):
    x, y = data(name, n_classes=4)
    estimator = make(name, **few(name)).fit(x, y + 1, groups=SUBJECTS)
    assert estimator.predict_proba(x).shape == (len(y), 4)
    assert list(estimator.classes_) == [1, 2, 3, 4]
    assert set(estimator.predict(x)) <= {1, 2, 3, 4}


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_bits_and_a_clone_is_as_good(name):
    x, y = data(name, effect=EFFECT.get(name, 0.0))
    made = make(name, **few(name))
    again = clone(made)
    a, b = (e.fit(x, y, groups=SUBJECTS).predict_proba(x) for e in (made, again))
    assert np.array_equal(a, b)


@pytest.mark.parametrize("name", DEEP)
def test_another_seed_gives_another_net(name):
    x, y = data(name)
    a, b = (make(name, seed, epochs=1).fit(x, y).predict_proba(x) for seed in (0, 1))
    assert np.abs(a - b).max() > 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_from_its_files_and_predicts_the_same(name, tmp_path):
    estimator, x, _ = fitted(name)
    written = files.save(estimator, tmp_path)
    assert sorted(written) == sorted(f.name for f in tmp_path.iterdir())
    assert not [f for f in written if f.endswith((".pkl", ".pt", ".joblib"))]
    loaded = files.load(tmp_path)
    new, _ = data(name, seed=9)
    for rows_ in (x, new):
        assert np.abs(loaded.predict_proba(rows_) - estimator.predict_proba(rows_)).max() < 1e-6
    assert list(loaded.classes_) == list(estimator.classes_)
    assert loaded.classes_.dtype == bool


@pytest.mark.parametrize("name", [n for n in MODELS if MODELS[n].takes == "features"])
def test_a_table_is_taken_as_an_array_is_and_a_feature_that_was_never_there_is_borne(name):
    x, y = data(name, effect=EFFECT.get(name, 0.0))
    x = x.copy()
    x[:, 5] = np.nan
    estimator = make(name, **few(name)).fit(pd.DataFrame(x, columns=[f"f{i}" for i in range(40)]), y, groups=SUBJECTS)
    assert np.array_equal(estimator.predict_proba(x), make(name, **few(name)).fit(x, y, SUBJECTS).predict_proba(x))
    assert np.isfinite(estimator.predict_proba(np.full((2, 40), np.nan))).all()


@pytest.mark.parametrize("name", [n for n in MODELS if MODELS[n].takes == "signals"])
def test_a_bad_channel_counts_as_its_mean(name):
    estimator, x, _ = fitted(name)
    gone, zero = ({**x, "eeg": x["eeg"].copy()} for _ in range(2))
    scalers = [step for _, step in getattr(estimator, "steps", []) if isinstance(step, ChannelScaler)]
    gone["eeg"][:, 4], zero["eeg"][:, 4] = np.nan, scalers[0].fitted_["eeg"][0][4] if scalers else 0.0
    assert np.array_equal(estimator.predict_proba(gone), estimator.predict_proba(zero))


@pytest.mark.parametrize("name", DEEP)
def test_validation_subjects_only_tell_when_to_stop(name):
    """Other validation labels leave every step of the training alone."""
    x, y = data(name)
    train, seen = np.arange(20), np.arange(20, 32)
    histories = []
    for turn in (False, True):
        watched = (rows(x, seen), y[seen] ^ turn)
        made = make(name, patience=50, epochs=4)
        histories.append(made.fit(rows(x, train), y[train], SUBJECTS[train], watched).history_)
    a, b = histories
    assert [e["train_loss"] for e in a] == [e["train_loss"] for e in b]
    assert [e["valid_loss"] for e in a] != [e["valid_loss"] for e in b]
    assert [round(p["valid_accuracy"] + q["valid_accuracy"], 9) for p, q in zip(a, b, strict=True)] == [1.0] * 4


def test_subjects_are_held_out_whole_by_the_seed_and_more_train_than_are_held_out():
    x, y = data("mlp")
    for seed in range(5):
        _, train_y, train, (_, seen_y) = validated(x, y, SUBJECTS, None, seed)
        assert len(set(train)) == 5 and len(train_y) + len(seen_y) == len(y)
    held = [tuple(validated(np.arange(32), y, SUBJECTS, None, seed)[3][0]) for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]
    assert {len(set(SUBJECTS[list(h)])) for h in held} == {3}
    assert not set(SUBJECTS[list(held[0])]) & set(validated(np.arange(32), y, SUBJECTS, None, 0)[2])


def test_two_subjects_hold_nobody_out():
    y = labels()[:8]
    assert validated(np.zeros((8, 2)), y, SUBJECTS[:8], None, 0)[3] is None
    assert validated(np.zeros((8, 2)), y, None, None, 0)[3] is None


def test_validation_rows_of_a_class_that_nobody_trained_on_are_left_out():
    y = np.array([0, 1] * 4)
    _, _, _, seen = validated(np.zeros((8, 2)), y, None, (np.arange(6).reshape(3, 2), np.array([0, 2, 1])), 0)
    assert seen[1].tolist() == [0, 1] and seen[0].tolist() == [[0, 1], [4, 5]]


def test_the_svm_learns_its_sigmoid_from_subjects_on_one_side_each():
    x, y = data("svm", effect=3.0)
    svm = make("svm").named_steps["classifier"]
    for train, test in svm._left_out(x, y, SUBJECTS):
        assert not set(SUBJECTS[train]) & set(SUBJECTS[test])
        assert set(y[train]) == {False, True}


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("grouped", [True, False])
def test_the_svm_learns_from_a_class_of_one_row(n_classes, grouped):
    x, y = data("svm", effect=3.0, n_classes=n_classes)
    rarest = np.flatnonzero(y == y.max())
    keep = np.setdiff1d(np.arange(len(y)), rarest[1:])
    svm = make("svm").fit(x[keep], y[keep], groups=SUBJECTS[keep] if grouped else None)
    p = svm.predict_proba(x)
    assert p.shape == (len(x), n_classes) and p.sum(axis=1) == pytest.approx(1) and (p > 0).all()
    assert p[rarest[0], -1] > np.median(p[keep, -1])


def test_boosted_trees_stop_where_the_validation_subjects_gain_no_more_and_are_the_same_until_there():
    x, y = data("xgboost", effect=1.0)
    full = make("xgboost", trees=20).fit(x, y).named_steps["classifier"].booster_
    stopped = make("xgboost", trees=20, patience=3).fit(x, y, validation=(x, ~y)).named_steps["classifier"].booster_
    assert (full.num_boosted_rounds(), stopped.num_boosted_rounds()) == (20, 1)
    assert stopped.get_dump() == full.get_dump()[:1]


def test_the_door_names_every_model_of_the_contract_and_loads_nothing_heavy():
    code = (
        "import sys; from core.models import MODELS; assert all(m.title and m.takes for m in MODELS.values()); "
        "print(*MODELS); print({'sklearn', 'torch', 'xgboost', 'skorch', 'skops', 'scipy'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [
        "majority stratified logistic additive forest xgboost svm mlp tangent eegnet cnn_lstm mlstm_fcn malstm_fcn "
        "lstm_fcn alstm_fcn bilstm_attention face_mlp",
        "set()",
    ]
    assert [n for n in MODELS if not MODELS[n].calibrate] == ["majority", "stratified"]


def test_predicting_from_files_loads_no_training_library(tmp_path):
    files.save(fitted("mlp")[0], tmp_path)
    code = (
        "import sys, pathlib, numpy as np; from core.models import files; "
        f"files.load(pathlib.Path({str(tmp_path)!r})).predict_proba(np.zeros((2, 40))); print('skorch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_an_option_that_a_net_does_not_have_is_named():
    with pytest.raises(TypeError, match="eegnet has no option kernels; it has d, dropout, f1, f2, first_norm"):
        make("eegnet", kernels=3)


def test_signals_in_their_units_are_brought_to_one_scale_by_the_training_rows_alone():
    rng = np.random.default_rng(0)
    x = {"temp": 33 + 0.1 * rng.standard_normal((20, 1, 50)), "eda": 5 + rng.standard_normal((20, 2, 50))}
    x["eda"][3, 1], x["eda"][:, 0] = np.nan, 2.0
    made = ChannelScaler().fit(x)
    z = made.transform(x)
    assert z["temp"].mean() == pytest.approx(0, abs=1e-3) and z["temp"].std() == pytest.approx(1, abs=1e-3)
    assert np.nanmean(z["eda"][:, 1]) == pytest.approx(0, abs=1e-5) and np.isnan(z["eda"][3, 1]).all()
    assert (z["eda"][:, 0] == 0).all()
    assert np.array_equal(made.transform({t: v[:3] for t, v in x.items()})["temp"], z["temp"][:3])
