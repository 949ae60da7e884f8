"""What a model used: contributions that add up, and planted truth that every method finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core import features
from core.evaluation import experiment, explain, simulate
from core.evaluation.dataset import Dataset
from core.evaluation.experiment import Spec
from core.models import MODELS
from core.models.bundle import logit
from core.models.fusion import fused
from tests.core.models import small

# columns of four blocks; the effect lies in one of them alone
PLANTED = "ecg time"
FEATURES = ("logistic", "additive", "forest", "xgboost", "mlp", "face_mlp")


def columns() -> dict[str, tuple[str, ...]]:
    eeg, ecg = features.FEATURES["eeg"].blocks(), features.FEATURES["ecg"].blocks()
    chosen = {t: [c for b in list(named)[:2] for c in named[b][:5]] for t, named in (("eeg", eeg), ("ecg", ecg))}
    return {t: tuple(c) for t, c in chosen.items()}


def study(n_subjects=8, n_trials=8, n_windows=4, effect=3.0) -> Dataset:
    """Trials whose labels move the columns of PLANTED and nothing else."""
    named = columns()
    flat = [c for own in named.values() for c in own]
    data = simulate.feature_study(n_subjects, n_trials, n_windows, 0.0, 5, n_features=len(flat))
    x = data.features.to_numpy().copy()
    moved = [i for i, c in enumerate(flat) if features.block_of(c) == PLANTED]
    x[:, moved] += effect * (data.high("valence")[:, None] - 0.5)
    return replace(data, features=pd.DataFrame(x, columns=flat), columns=named)


def with_signals(carrier="ecg", n_subjects=5) -> Dataset:
    """Windows of noise; High adds a slow wave to the channels of one type."""
    data = simulate.feature_study(n_subjects, 6, 2, 0.0, 2, n_features=4)
    rng = np.random.default_rng(7)
    wave = np.sin(2 * np.pi * 6 * np.arange(64) / 64)
    made = {"eeg": rng.standard_normal((len(data), 3, 64)), "ecg": rng.standard_normal((len(data), 2, 64))}
    made[carrier] += 2.0 * data.high("valence")[:, None, None] * wave
    return replace(
        data, columns={}, signals={t: v.astype(np.float32) for t, v in made.items()},
        channels={"eeg": ("AF3", "F7", "F3"), "ecg": ("I", "II")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def data() -> Dataset:
    return study()


def spec(model, inputs="eeg+ecg", **more) -> Spec:
    return Spec("s", "valence", inputs, model, split="subject_kfold", **more)


def explained(data: Dataset, which: Spec, n_folds=2) -> dict:
    planned = [experiment.run_fold(data, which, i) for i in range(n_folds)]
    return explain.explained(data, which, planned, n_folds=n_folds)


def named(name: str) -> tuple[list[str], list[str]]:
    x, _ = small.data(name)
    if isinstance(x, dict) and "mask" not in x:
        found = [(f"{t} {i}", t) for t, v in x.items() for i in range(v.shape[1])]
    else:
        n = x["sequence"].shape[2] if isinstance(x, dict) else x.shape[1]
        found = [(f"eeg_{i}" if i < n // 2 else f"ecg_{i}", "eeg" if i < n // 2 else "ecg") for i in range(n)]
    return [c for c, _ in found], [t for _, t in found]


def fitted(name, fusion="early", **changes):
    x, y = small.data(name, effect=1.0)
    options = {**small.OPTIONS.get(name, {}), **changes}
    if fusion == "early" and MODELS[name].takes != "signals":
        return MODELS[name].make(0, **options).fit(x, y, groups=small.SUBJECTS), x
    types = named(name)[1]
    at = {t: [i for i, m in enumerate(types) if m == t] for t in ("eeg", "ecg")}
    made = fused(name, ("eeg", "ecg"), fusion, 0, None if MODELS[name].takes == "signals" else at, **options)
    return made.fit(x, y, groups=small.SUBJECTS), x


# ------------------------------------------------------------------------------- adding up
@pytest.mark.parametrize("name", ["logistic", "additive", "forest", "xgboost"])
@pytest.mark.parametrize("fusion", ["early", "intermediate", "late"])
def test_shap_values_add_up_to_what_the_model_said(name, fusion):
    estimator, x = fitted(name, fusion, **({"strength": 0.1} if name in ("logistic", "additive") else {}))
    found = explain.attribute(estimator, x, *named("logistic"))
    p = np.asarray(estimator.predict_proba(x)[:, 1], dtype=float)
    said = logit(p) if found.link == "logit" else p
    # xgboost counts in float32
    assert np.abs(found.total - said).max() < (1e-5 if name == "xgboost" else 1e-6)
    assert set(found.types) == {"eeg", "ecg"} and found.values.shape == (len(x), len(found.columns))


def test_linear_values_are_those_of_shap():
    import shap

    estimator, x = fitted("logistic")
    z = estimator[:-1].transform(x)
    theirs = shap.LinearExplainer(estimator.named_steps["classifier"], z).shap_values(z)
    assert np.allclose(explain.attribute(estimator, x, *named("logistic")).values, theirs, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "fusion"),
    [
        ("mlp", "early"), ("face_mlp", "early"), ("eegnet", "intermediate"), ("eegnet", "early"), ("eegnet", "late"),
        ("cnn_lstm", "intermediate"), ("alstm_fcn", "intermediate"), ("bilstm_attention", "early"),
        ("bilstm_attention", "intermediate"), ("tangent", "early"), ("tangent", "intermediate"),
    ],
)  # fmt: skip
def test_contributions_of_nets_are_complete(name, fusion):
    estimator, x = fitted(name, fusion, **({"strength": 0.1} if name == "tangent" else {"epochs": 3}))
    x = {t: v[:6] for t, v in x.items()} if isinstance(x, dict) else x[:6]
    found = explain.attribute(estimator, x, *named(name))
    said = np.asarray(estimator.predict_proba(x)[:, 1], dtype=float)
    assert np.abs(found.on("logit").total - logit(said)).max() < 1e-2
    if name == "bilstm_attention":
        assert np.allclose(found.over_time.sum(axis=1), found.values.sum(axis=1))
        assert np.allclose(found.over_time[~x["mask"]], 0, atol=1e-6), "padding has no part"
        weight = explain.attention(estimator, x)
        assert np.allclose(weight.sum(axis=1), 1, atol=1e-5) and np.allclose(weight[~x["mask"]], 0)


def test_several_classes_are_explained_by_the_likeliest():
    for name in ("logistic", "forest", "xgboost", "mlp"):
        x, y = small.data(name, n_classes=4)
        estimator = small.make(name).fit(x, y, groups=small.SUBJECTS)
        found = explain.attribute(estimator, x, *named(name))
        p = estimator.predict_proba(x)
        if name == "forest":
            assert np.allclose(found.total, p.max(axis=1))
        else:
            assert found.values.shape == x.shape and np.isfinite(found.total).all()


def test_another_scale_keeps_proportions_and_adds_up_there():
    rng = np.random.default_rng(0)
    one = explain.Attribution(rng.standard_normal((6, 3)), np.full(6, 0.3), ("a", "b", "c"), ("eeg",) * 3, "x")
    other = one.on("probability")
    assert np.allclose(other.total, 1 / (1 + np.exp(-one.total)))
    assert np.allclose(other.values[:, 0] / other.values[:, 1], one.values[:, 0] / one.values[:, 1])
    assert np.allclose(other.on("logit").values, one.values)


def test_a_model_without_contributions_says_so():
    for name in ("svm", "majority"):
        x, y = small.data("logistic")
        made = MODELS[name].make(0).fit(x, y, groups=small.SUBJECTS)
        assert explain.attribute(made, x, *named("logistic")) is None


# ------------------------------------------------------------------------------- planted truth
@pytest.mark.parametrize("model", FEATURES)
def test_the_block_that_carries_the_effect_ranks_first_by_each_method(data, model):
    options = {"trees": 40} if model in ("forest", "xgboost") else {"epochs": 15} if "mlp" in model else {}
    inputs = "eeg+ecg"
    if model == "face_mlp":  # it takes one type: call the columns of the ECG the face's
        data, inputs = replace(data, columns={"face": sum(data.columns.values(), ())}), "face"
    found = explained(data, spec(model, inputs, options=options))
    assert found["permutation"]["whole"] > 0.9 and found["permutation"]["score"] == "AUC"
    for part in (found["permutation"], found["contributions"]):
        assert part["block"][0]["name"] == PLANTED, part["block"]
        if inputs != "face":
            assert part["modality"][0]["name"] == "ecg"
    assert found["contributions"]["columns"][0]["name"] in columns()["ecg"]
    assert sum(r["share"] for r in found["contributions"]["block"]) == pytest.approx(1)


@pytest.mark.parametrize(("model", "carrier"), [("eegnet", "ecg"), ("eegnet", "eeg"), ("tangent", "ecg")])
def test_the_signal_that_carries_the_effect_ranks_first(model, carrier):
    made = with_signals(carrier)
    options = {} if model == "tangent" else {"epochs": 15, "lr": 2e-2, "f1": 4, "batch": 16}
    found = explained(made, spec(model, fusion="intermediate", options=options))
    assert found["permutation"]["modality"][0]["name"] == carrier, found["permutation"]
    assert found["contributions"]["modality"][0]["name"] == carrier
    assert found["permutation"]["block"] == []


def test_attention_is_told_over_the_trial_and_sequences_name_their_block(data):
    found = explained(data, spec("bilstm_attention", options={"epochs": 12, "lstm": 8, "lr": 1e-2}))
    assert found["contributions"]["block"][0]["name"] == found["permutation"]["block"][0]["name"] == PLANTED
    assert [a["from"] for a in found["attention"]] == [0.0, 0.2, 0.5, 0.7]  # four windows a trial
    assert np.mean([a["weight"] for a in found["attention"]]) == pytest.approx(1, abs=0.05)


def test_the_models_fitted_again_are_those_that_predicted(data):
    which = spec("logistic")
    result = experiment.run_fold(data, which, 1)
    fold = experiment.folds(data, which)[1]
    task = experiment.tasks.task(data, "binary", "valence")
    again = experiment.fit(data, which, task, fold.train, fold.validation, result.selected)
    assert np.array_equal(again.predict(data, fold.test), result.raw)


def test_numbers_are_the_same_every_time_and_other_tasks_are_explained_too(data):
    which = spec("logistic", inputs="ecg")
    assert explained(data, which) == explained(data, which)
    values = explained(data, replace(which, task="continuous"))
    assert values["permutation"]["score"] == "error" and values["permutation"]["block"][0]["name"] == PLANTED
    blind = explained(data, replace(which, model="svm"))
    assert blind["contributions"] == {"not_computed": "not_supported"} == blind["attention"]
    assert blind["permutation"]["block"][0]["name"] == PLANTED


def test_columns_are_told_by_modality_and_block():
    for name, of in (("ecg_rmssd_ms", "ecg"), ("skin_conductance", "eda"), ("group_ei", "group"), ("age", "other")):
        assert explain.modality(name) == of
    assert explain.blocks(["ecg_unheard_of", columns()["ecg"][0]], ["ecg", "ecg"]) == ["ecg", PLANTED]
