"""Early, intermediate and late fusion of each kind of input."""

import numpy as np
import pandas as pd
import pytest

from core.models import MODELS, files
from core.models.fusion import fused
from core.models.signals import stacked
from tests.core.models.small import OPTIONS, SUBJECTS, data

COLUMNS = {"eeg": range(25), "ecg": range(25, 40)}
SEQUENCE_COLUMNS = {"eeg": range(6), "ecg": range(6, 10)}


def estimator(name, fusion, types=("eeg", "ecg"), **changes):
    few = {"epochs": 2} if MODELS[name].deep else {}
    columns = SEQUENCE_COLUMNS if MODELS[name].takes == "sequence" else COLUMNS
    return fused(name, types, fusion, 0, columns, **{**OPTIONS.get(name, {}), **few, **changes})


@pytest.mark.parametrize("fusion", ["early", "intermediate", "late"])
@pytest.mark.parametrize(
    "name", ["logistic", "xgboost", "mlp", "tangent", "eegnet", "cnn_lstm", "mlstm_fcn", "bilstm_attention"]
)
def test_every_fusion_fits_predicts_and_comes_back_from_its_files(name, fusion, tmp_path):
    x, y = data(name)
    made = estimator(name, fusion).fit(x, y, groups=SUBJECTS)
    p = made.predict_proba(x)
    assert p.shape == (32, 2) and np.allclose(p.sum(axis=1), 1, atol=1e-6)
    files.save(made, tmp_path)
    assert np.abs(files.load(tmp_path).predict_proba(x) - p).max() < 1e-6


@pytest.mark.parametrize("name", ["logistic", "eegnet", "bilstm_attention"])
def test_late_fusion_is_the_mean_of_a_model_of_each_type(name):
    x, y = data(name)
    late = estimator(name, "late").fit(x, y, groups=SUBJECTS).predict_proba(x)
    parts = []
    for type_ in ("eeg", "ecg"):
        if name == "eegnet":
            own = {type_: x[type_]}
        elif name == "logistic":
            own = x[:, list(COLUMNS[type_])]
        else:
            own = {**x, "sequence": x["sequence"][:, :, list(SEQUENCE_COLUMNS[type_])]}
        made = MODELS[name].make(0, **{**OPTIONS[name], **({"epochs": 2} if MODELS[name].deep else {})})
        parts.append(made.fit(own, y, groups=SUBJECTS).predict_proba(own))
    assert np.array_equal(late, np.mean(parts, axis=0))


def test_late_fusion_hands_each_type_its_own_columns_of_a_table_and_of_validation():
    x, y = data("xgboost")
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(40)])
    watched = (frame.iloc[20:], y[20:])
    a = estimator("xgboost", "late", patience=5).fit(frame.iloc[:20], y[:20], SUBJECTS[:20], watched)
    b = estimator("xgboost", "late", patience=5).fit(x[:20], y[:20], SUBJECTS[:20], (x[20:], y[20:]))
    assert np.array_equal(a.predict_proba(frame), b.predict_proba(x))
    moved = x.copy()
    moved[:, 25:] += 3
    assert np.array_equal(
        a.estimators_["eeg"].predict_proba(a.part(moved, "eeg")), a.estimators_["eeg"].predict_proba(x[:, :25])
    )


def test_the_history_of_late_nets_says_which_type_each_epoch_is_of():
    x, y = data("eegnet")
    made = estimator("eegnet", "late").fit(x, y)
    assert [(e["inputs"], e["epoch"]) for e in made.history_] == [("eeg", 1), ("eeg", 2), ("ecg", 1), ("ecg", 2)]


def test_intermediate_features_are_components_of_each_type_by_itself():
    x, y = data("logistic")
    made = estimator("logistic", "intermediate").fit(x, y)
    before = made[:-1].transform(x)
    changed = x.copy()
    changed[:, 25:] = np.random.default_rng(1).standard_normal((32, 15))
    n = made.named_steps["types"].components_["eeg"].n_components_
    assert np.array_equal(before[:, :n], made[:-1].transform(changed)[:, :n])
    assert before.shape[1] < 40


def test_channels_side_by_side_are_averaged_down_to_the_slower_type():
    eeg, ecg = np.arange(8.0).reshape(1, 2, 4), np.arange(8.0).reshape(1, 1, 8)
    out = stacked({"eeg": eeg, "ecg": ecg})
    assert out.shape == (1, 3, 4) and out[0, 2].tolist() == [0.5, 2.5, 4.5, 6.5]
    with pytest.raises(ValueError, match="ecg"):
        stacked({"eeg": eeg, "ecg": np.zeros((1, 1, 6))})


@pytest.mark.parametrize("fusion", ["intermediate", "late"])
def test_a_type_without_features_is_passed_over_and_columns_are_asked_for(fusion):
    x, y = data("logistic")
    both = fused("logistic", ("eeg", "ecg", "temp"), fusion, 0, {**COLUMNS, "temp": []}, strength=100.0).fit(x, y)
    assert np.array_equal(both.predict_proba(x), estimator("logistic", fusion).fit(x, y).predict_proba(x))
    with pytest.raises(ValueError, match="needs the columns of eeg, ecg"):
        fused("logistic", ("eeg", "ecg"), fusion, 0)


@pytest.mark.parametrize("fusion", ["early", "intermediate", "late"])
def test_one_type_alone_is_the_model_itself(fusion):
    x, y = data("logistic")
    alone = estimator("logistic", fusion, types=("eeg",)).fit(x, y)
    assert np.array_equal(
        alone.predict_proba(x), MODELS["logistic"].make(0, **OPTIONS["logistic"]).fit(x, y).predict_proba(x)
    )
