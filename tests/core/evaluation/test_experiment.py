"""Folds: equal to a plain script, blind to the labels of the test, the same in any process and order."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from core import compute
from core.errors import NotFound, Refused
from core.evaluation import ablation, drift, experiment, metrics, resampling, scoring, simulate, splits, tasks
from core.evaluation.experiment import FUSIONS, Spec
from core.evaluation.smoothing import SMOOTHING
from core.models import MODELS
from core.models.drift import Distribution, compare

SPEC = Spec("features", "valence", "eeg+ecg", "logistic")
SMALL_FOREST = {"trees": 20}


@pytest.fixture(scope="module")
def study():
    return simulate.feature_study(8, 6, 5, effect=1.5, seed=3)


@pytest.fixture(scope="module")
def signals(study):
    """The same rows with tiny signals, for nets."""
    rng = np.random.default_rng(0)
    sign = np.where(study.high("valence"), 1.0, -1.0)[:, None, None]
    eeg = (rng.standard_normal((len(study), 14, 512)) + 0.3 * sign).astype(np.float32)
    return replace(study, signals={"eeg": eeg})


def test_leave_one_subject_out_equals_a_plain_script_to_nine_digits(study):
    """The script: scikit-learn alone, folds, scaling, calibration and scores written out again."""
    from scipy.optimize import minimize
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score, brier_score_loss, f1_score, roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, who, trial = study.features.to_numpy(), study.subject, study.trial
    y = study.labels["valence"] > 3
    names = sorted(set(who))
    scores = {k: [] for k in ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "brier")}
    thresholds = []
    for i, name in enumerate(names):
        others = [n for n in names if n != name]
        drawn = np.random.default_rng([0, i]).choice(7, 3, replace=False)
        validators = [others[k] for k in drawn]
        train = (who != name) & ~np.isin(who, validators)
        model = make_pipeline(
            SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=0.003, class_weight="balanced")
        ).fit(x[train], y[train])

        def of_trials(keep, values):
            keys = np.unique([f"{w}/{t}" for w, t in zip(who[keep], trial[keep], strict=True)], return_inverse=True)[1]
            return np.bincount(keys, values) / np.bincount(keys)

        seen, held = np.isin(who, validators), who == name
        chances = {"seen": model.predict_proba(x[seen])[:, 1], "held": model.predict_proba(x[held])[:, 1]}
        logits = {k: np.log(p) - np.log1p(-p) for k, p in chances.items()}
        truth = of_trials(seen, y[seen]) > 0.5

        def loss(ab, seen=seen, z=logits["seen"], truth=truth, mean=of_trials):
            p = np.clip(mean(seen, 1 / (1 + np.exp(-(ab[0] * z + ab[1])))), 1e-9, 1 - 1e-9)
            pull = 0.05 * ((ab[0] - 1) ** 2 + ab[1] ** 2) / len(truth)
            return pull - np.mean(np.where(truth, np.log(p), np.log(1 - p)))

        a, b = minimize(loss, [1.0, 0.0], bounds=[(0, 10), (-5, 5)], method="L-BFGS-B").x
        on_seen = of_trials(seen, 1 / (1 + np.exp(-(a * logits["seen"] + b))))
        cuts = np.clip(np.r_[0.5, (np.unique(on_seen)[1:] + np.unique(on_seen)[:-1]) / 2], 0.25, 0.75)
        rated = [balanced_accuracy_score(truth, on_seen > c) - 1e-6 * abs(c - 0.5) for c in cuts]
        thresholds.append(cuts[int(np.argmax(rated))])
        p = of_trials(held, 1 / (1 + np.exp(-(a * logits["held"] + b))))
        label, said = of_trials(held, y[held]) > 0.5, p > thresholds[-1]
        scores["accuracy"].append(np.mean(said == label))
        scores["balanced_accuracy"].append(balanced_accuracy_score(label, said))
        scores["macro_f1"].append(f1_score(label, said, average="macro"))
        scores["roc_auc"].append(roc_auc_score(label, p))
        scores["brier"].append(brier_score_loss(label, p))
    found = scoring.summarise(study, SPEC, experiment.run(study, SPEC))
    assert [f["subject"] for f in found["folds"]] == names
    assert [f["threshold"] for f in found["folds"]] == pytest.approx(thresholds, abs=1e-9)
    for score, values in scores.items():
        assert found["trial"][score]["value"] == pytest.approx(np.mean(values), abs=1e-9)
    assert [f["balanced_accuracy"] for f in found["folds"]] == pytest.approx(scores["balanced_accuracy"], abs=1e-9)


# one of every model at least, and every part that is fitted or decided after it
ONE = {"epochs": 1}
FCN = {**ONE, "filters": (16, 16, 16), "units": 4}
BLIND = [
    SPEC,
    replace(SPEC, model="forest", options=SMALL_FOREST),
    *(replace(SPEC, model=name) for name in ("majority", "stratified", "additive", "xgboost", "svm")),
    replace(SPEC, model="mlp", options=ONE),
    replace(SPEC, model="face_mlp", inputs="face", options=ONE),
    replace(SPEC, model="tangent", inputs="eeg"),
    replace(SPEC, model="eegnet", inputs="eeg", options={"epochs": 2}),
    replace(SPEC, model="cnn_lstm", inputs="eeg", options={**ONE, "lstm": 4}),
    replace(SPEC, model="cnn_lstm", inputs="eeg", options={"epochs": 2, "lstm": 4, "contrastive": 0.1,
                                                           "contrastive_from": 1}),
    *(replace(SPEC, model=f"{name}lstm_fcn", inputs="eeg", options=FCN) for name in ("m", "ma", "", "a")),
    replace(SPEC, model="bilstm_attention", options=ONE),
    replace(SPEC, split="nested_loso"),
    replace(SPEC, split="nested_loso", model="forest", choices=({"trees": 10}, {"trees": 20, "leaf": 5})),
    replace(SPEC, split="nested_loso", flip=True, smoothing="two_state"),
    replace(SPEC, flip=True, smoothing="majority"),
    replace(SPEC, smoothing="causal", aggregate="median"),
    replace(SPEC, fusion="late", oversample="smote"),
    replace(SPEC, fusion="intermediate", oversample="random"),
    replace(SPEC, fusion="intermediate", model="bilstm_attention", options=ONE),
    replace(SPEC, task="nine"),
    replace(SPEC, task="continuous"),
    replace(SPEC, task="quadrant", target="valence+arousal"),
    replace(SPEC, split="within_subject"),
    replace(SPEC, split="subject_kfold"),
]  # fmt: skip


def named(spec):
    """A spec in a few words: what differs from the plain one."""
    plain = SPEC.as_dict()
    said = {k: v for k, v in spec.as_dict().items() if v != plain[k] and k != "options"}
    return "-".join(map(str, said.values())) or "plain"


def test_every_model_is_among_those_that_are_blind_to_the_labels_of_the_test():
    assert {spec.model for spec in BLIND} == set(MODELS)
    assert {spec.smoothing for spec in BLIND} == {"", *SMOOTHING} and {spec.fusion for spec in BLIND} == set(FUSIONS)
    assert {spec.oversample for spec in BLIND} == {"", *resampling.OVERSAMPLING}
    assert {spec.split for spec in BLIND} | {"trial", "random_window"} == set(splits.SPLITS)


@pytest.mark.parametrize("spec", BLIND, ids=named)
def test_labels_of_the_test_change_nothing_that_is_predicted(study, signals, spec):
    """Bit for bit, of all that is fitted: model, selection, smoothing, flip, calibrator and threshold."""
    data = signals if MODELS[spec.model].takes == "signals" else study
    if spec.inputs == "face":
        columns = [f"face_{i}" for i in range(20)]
        data = replace(study, features=study.features.iloc[:, :20].set_axis(columns, axis=1), columns={"face": columns})
    if "arousal" in spec.target:
        second = np.random.default_rng(7).choice([1.0, 5.0], study.unit.max() + 1)[study.unit]
        data = replace(study, labels={**study.labels, "arousal": second}, targets=dict.fromkeys(
            ("valence", "arousal"), study.targets["valence"]))  # fmt: skip
    for i in (0, 5) if spec.split != "subject_kfold" else (0, 3):
        rows = experiment.folds(data, spec)[i].test
        labels = {target: values.copy() for target, values in data.labels.items()}
        for target, values in labels.items():
            values[rows] = np.random.default_rng([i, len(target)]).permutation(6 - values[rows])
        turned = replace(data, labels=labels)
        assert not np.array_equal(turned.high("valence"), data.high("valence"))
        a, b = (experiment.run_fold(d, spec, i) for d in (data, turned))
        assert np.array_equal(a.raw, b.raw) and np.array_equal(a.p, b.p)
        assert (a.threshold, a.flipped, a.calibrator, a.selected) == (b.threshold, b.flipped, b.calibrator, b.selected)
        assert [{**e, "seconds": 0} for e in a.history] == [{**e, "seconds": 0} for e in b.history]


def test_the_features_of_one_test_row_do_not_move_the_others(study):
    row = experiment.folds(study, SPEC)[0].test[0]
    features = study.features.copy()
    features.iloc[row] = 1e6
    a, b = (experiment.run_fold(d, SPEC, 0) for d in (study, replace(study, features=features)))
    assert np.array_equal(a.p[1:], b.p[1:]) and a.p[0] != b.p[0]


def test_folds_are_the_same_in_another_process_and_in_any_order(study, tmp_path):
    spec = replace(SPEC, model="forest", options=SMALL_FOREST)
    here = [experiment.run_fold(study, spec, i) for i in (3, 0)]
    assert pickle.loads(pickle.dumps(here[0])).p.tobytes() == here[0].p.tobytes()
    with compute.pool(1) as pool:
        there = [pool.submit(experiment.run_fold, study, pickle.loads(pickle.dumps(spec)), i) for i in (0, 3)]
        for a, b in zip(here, [t.result() for t in reversed(there)], strict=True):
            assert a.raw.tobytes() == b.raw.tobytes() and a.p.tobytes() == b.p.tobytes()
            assert (a.threshold, a.calibrator) == (b.threshold, b.calibrator)


def test_the_summary_has_the_contracts_keys_and_is_plain(study):
    results = experiment.run(study, SPEC)
    found = json.loads(json.dumps(scoring.summarise(study, SPEC, results), allow_nan=False))
    assert list(found) == [
        "study", "target", "inputs", "model", "fusion", "split", "seed", "n_subjects", "n_trials", "n_windows",
        "trial", "window", "folds",
    ]  # fmt: skip
    for of in ("trial", "window"):
        assert list(found[of]) == [
            "accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "brier", "ece", "chance", "majority_accuracy",
            "confusion",
        ]  # fmt: skip
        assert list(found[of]["ece"]) == ["value", "low", "high", "n_undefined"]
    assert set(found["folds"][0]) == {
        "subject", "n_trials", "accuracy", "balanced_accuracy", "threshold", "flipped", "confusion",
    }  # fmt: skip
    assert (found["n_subjects"], found["n_trials"], found["n_windows"]) == (8, 48, 240)
    assert np.sum(found["trial"]["confusion"]) == 48 and np.sum(found["window"]["confusion"]) == 240
    assert found["trial"]["majority_accuracy"] == 0.5
    some = scoring.summarise(study, SPEC, results[:3])
    assert (some["n_subjects"], some["n_trials"], len(some["folds"])) == (3, 18, 3)


def test_a_subject_of_one_class_is_kept_and_its_undefined_auc_is_counted(study):
    label = np.where(study.subject == "S001", 5.0, study.labels["valence"])
    data = replace(study, labels={"valence": label})
    found = scoring.summarise(data, SPEC, experiment.run(data, SPEC))
    assert found["n_subjects"] == len(found["folds"]) == 8
    assert found["trial"]["roc_auc"]["n_undefined"] == 1
    assert found["trial"]["balanced_accuracy"]["n_undefined"] == 0


def test_trials_without_the_label_are_left_out_and_serve_other_targets(study):
    label = study.labels["valence"].copy()
    label[study.trial == "T02"] = np.nan
    data = replace(study, labels={"valence": label, "arousal": study.labels["valence"]},
                   targets=dict.fromkeys(("valence", "arousal"), simulate.SCALE))  # fmt: skip
    counted = {t: len(np.concatenate([f.test for f in experiment.folds(data, replace(SPEC, target=t))]))
               for t in data.targets}  # fmt: skip
    assert counted == {"valence": 200, "arousal": 240}


def test_quadrants_and_codes_are_as_the_sources_say():
    data = simulate.feature_study(3, 4, 1)
    high = {"valence": [0, 0, 1, 1], "arousal": [0, 1, 0, 1]}
    data = replace(data, labels={t: np.tile(np.where(np.array(v) > 0, 4.0, 3.0), 3) for t, v in high.items()},
                   targets=dict.fromkeys(high, simulate.SCALE))  # fmt: skip
    found = tasks.task(data, "quadrant", "valence+arousal")
    assert [found.names[c] for c in found.code[:4]] == ["LALV", "HALV", "LAHV", "HAHV"]
    # valence first: low-low 1, high-high 2, high valence with low arousal 3, low valence with high arousal 4
    assert [tasks.S2_CODES[found.names[c]] for c in found.code[:4]] == [1, 4, 3, 2]
    with pytest.raises(Refused, match="2 targets"):
        tasks.task(data, "quadrant", "valence")
    with pytest.raises(NotFound, match="E-TASK"):
        tasks.task(data, "octant", "valence")


def test_a_quadrant_in_another_order_or_of_other_targets_is_refused():
    scales = ("valence", "arousal", "valence_intended", "arousal_intended", "liking")
    for named in ("arousal+valence", "valence+valence", "valence+liking", "arousal_intended+valence_intended"):
        with pytest.raises(Refused, match="valence first") as refused:
            tasks.check("quadrant", named, "s", scales)
        assert refused.value.code == "E-TARGET" and "valence+arousal" in refused.value.what_to_do
    for named in ("valence+arousal", "valence_intended+arousal_intended", "valence+arousal_intended"):
        tasks.check("quadrant", named, "s", scales)


def test_a_run_tells_of_each_class_and_of_its_log_loss_and_of_what_was_selected(study):
    results = experiment.run(study, SPEC)
    said = scoring.details(study, SPEC, results)
    counted = np.array(scoring.summarise(study, SPEC, results)["trial"]["confusion"])
    assert [(c["class"], c["n"]) for c in said["per_class"]] == [
        *zip(("Low", "High"), counted.sum(axis=1), strict=True)
    ]
    assert said["per_class"][1]["recall"] == pytest.approx(counted[1, 1] / counted[1].sum())
    assert said["per_class"][1]["precision"] == pytest.approx(counted[1, 1] / counted[:, 1].sum())
    loss = said["log_loss"]
    at = scoring.level(study, SPEC, results, "trial")
    assert loss["value"] == pytest.approx(np.mean(at.per_subject(metrics.log_loss, "p")))
    assert 0 < loss["low"] < loss["value"] < loss["high"] < np.log(2) and loss["n_undefined"] == 0
    assert loss["clip"] == metrics.LOG_LOSS_CLIP and said["selected"] == []
    nested = replace(SPEC, split="nested_loso")
    found = scoring.details(study, nested, experiment.run(study, nested))["selected"]
    assert sum(s["n_folds"] for s in found) == 8 and all(s["options"] in MODELS["logistic"].choices for s in found)
    assert found == sorted(found, key=lambda s: -s["n_folds"]) and json.dumps(said)
    value = replace(SPEC, task="continuous")
    said = scoring.details(study, value, experiment.run(study, value))
    assert "per_class" not in said and "log_loss" not in said


def test_classes_and_values_are_found_where_they_are_planted():
    data = simulate.feature_study(10, 12, 4, effect=0.0, seed=1)
    rng = np.random.default_rng(0)
    valence = np.repeat(rng.integers(1, 6, 120), 4).astype(float)
    arousal = np.repeat(rng.integers(1, 6, 120), 4).astype(float)
    features = data.features.copy()
    features["eeg_f00"] += 2.5 * (valence - 3)
    features["ecg_f01"] += 2.5 * (arousal - 3)
    data = replace(data, features=features, labels={"valence": valence, "arousal": arousal},
                   targets=dict.fromkeys(("valence", "arousal"), simulate.SCALE))  # fmt: skip
    model = {"options": {"strength": 1.0}}
    value = replace(SPEC, task="continuous", **model)
    found = scoring.summarise(data, value, experiment.run(data, value))
    assert found["trial"]["ccc"]["value"] > 0.7 and found["trial"]["rmse"]["value"] < 0.9
    four = replace(SPEC, task="quadrant", target="valence+arousal", **model)
    results = experiment.run(data, four)
    assert results[0].raw.shape == (48, 4) and results[0].p.sum(axis=1) == pytest.approx(1)
    found = scoring.summarise(data, four, results)
    assert found["trial"]["balanced_accuracy"]["value"] > 0.6 > 0.35 > found["trial"]["chance"]["high"]
    assert np.shape(found["trial"]["confusion"]) == (4, 4)
    said = scoring.details(data, four, results)
    assert said["classes"] == list(tasks.QUADRANTS) and said["permutation_p"]["balanced_accuracy"] < 0.01


def test_a_decision_is_turned_round_only_where_asked_and_only_by_validation(study):
    """The labels of two thirds are turned, so that what training teaches is wrong for the validation subjects."""
    fold = experiment.folds(study, SPEC)[0]
    label = study.labels["valence"].copy()
    label[fold.validation] = 6 - label[fold.validation]
    data = replace(study, labels={"valence": label})
    plain, asked = (experiment.run_fold(data, replace(SPEC, flip=flip), 0) for flip in (False, True))
    assert (plain.flipped, asked.flipped) == (False, True)
    assert plain.calibrator.slope == 0.0  # without flipping nothing is left to say
    assert metrics.roc_auc(study.high("valence")[fold.test], asked.p) < 0.5
    assert not experiment.run_fold(study, replace(SPEC, flip=True), 0).flipped


SELECTING = {
    "logistic": {},
    "forest": {"trees": 5},
    "xgboost": {"trees": 5, "patience": None},
    "svm": {},
    "mlp": {"epochs": 1},
}


@pytest.mark.parametrize("model", SELECTING)
def test_options_are_selected_without_the_test_subject(study, model, monkeypatch):
    declared = MODELS[model].choices
    spec = replace(SPEC, model=model, options=SELECTING[model], split="nested_loso", choices=declared)
    asked = []

    def spy(dataset, spec_, task, train, validation, options):
        asked.append((np.concatenate([train, validation]), options))
        return fit(dataset, spec_, task, train, validation, options)

    fit = experiment.fit
    monkeypatch.setattr(experiment, "fit", spy)
    chosen = experiment.run_fold(study, spec, 0).selected
    assert chosen in declared and len(asked) == len(declared) * splits.INNER_FOLDS + 1
    assert asked[-1][1] == chosen
    assert all("S001" not in study.subject[rows] for rows, _ in asked)


def test_only_a_quick_model_selects_unasked(study):
    nested = replace(SPEC, split="nested_loso")
    assert experiment.choices(nested) == MODELS["logistic"].choices
    assert experiment.run_fold(study, SPEC, 0).selected == {}
    for model in SELECTING.keys() - {"logistic"}:
        assert experiment.choices(replace(nested, model=model)) == ()
    assert {name for name, model in MODELS.items() if model.choices} == set(SELECTING)


def test_rows_are_drawn_again_in_training_only():
    data = simulate.feature_study(6, 6, 3, effect=1.0)
    label = np.where(np.isin(data.trial, ["T01"]), 5.0, 1.0)  # one of six is High
    data = replace(data, labels={"valence": label})
    fold = experiment.folds(data, SPEC)[0]
    y = data.high("valence")
    rows = resampling.repeated(fold.train, y[fold.train], 0)
    assert set(rows) == set(fold.train) and np.mean(y[rows]) == 0.5
    x, labels, _ = resampling.synthetic(data.x(fold.train, data.types), y[fold.train], data.subject[fold.train], 0)
    assert np.mean(labels) == 0.5
    assert np.array_equal(x.to_numpy()[: len(fold.train)], data.x(fold.train, data.types).to_numpy())
    for how in resampling.OVERSAMPLING:
        result = experiment.run_fold(data, replace(SPEC, oversample=how), 0)
        assert np.array_equal(result.test_rows, fold.test)


@pytest.mark.parametrize("model", ["logistic", "eegnet", "bilstm_attention"])
def test_drawn_again_all_classes_are_as_common_in_whatever_a_model_takes(study, signals, model, monkeypatch):
    data = replace(signals, labels={"valence": np.where(signals.trial == "T01", 5.0, 1.0)})  # one of six is High
    learned = {}

    class Recorder:
        def fit(self, x, y, groups, validation):
            learned.update(x=x, y=y, groups=groups)
            return self

    monkeypatch.setattr("core.models.fusion.fused", lambda *args, **options: Recorder())
    spec = replace(SPEC, model=model, inputs="eeg", oversample="random")
    fold = experiment.folds(data, spec)[0]
    experiment.fit(data, spec, tasks.task(data, "binary", "valence"), fold.train, fold.validation, {})
    whole = MODELS[model].takes == "sequence"
    n = len(set(data.unit[fold.train])) if whole else len(fold.train)
    assert np.mean(learned["y"]) == 0.5 and len(learned["y"]) == len(learned["groups"]) == n * 10 // 6
    x = learned["x"]
    assert len(x["sequence"] if whole else x["eeg"] if model == "eegnet" else x) == len(learned["y"])
    if whole:  # a trial that is drawn again is drawn with all its windows
        assert x["mask"].all() and len(np.unique(x["sequence"][learned["y"]], axis=0)) == n // 6


def test_a_fold_whose_training_has_one_class_predicts_it(study):
    fold = experiment.folds(study, SPEC)[0]
    label = np.full(len(study), 5.0)
    label[fold.test] = study.labels["valence"][fold.test]
    found = experiment.run_fold(replace(study, labels={"valence": label}), SPEC, 0)
    assert (found.raw == 1.0).all() and found.threshold == 0.5


def test_a_sequence_holds_each_trials_windows_in_time_and_pads_the_rest(study):
    rows = np.array([4, 0, 7, 2])  # three windows of the first trial, one of the second
    x, back = experiment.seen_by(study, rows, ("ecg",), "sequence")
    assert x["sequence"].shape == (2, 5, 10) and x["mask"].sum(axis=1).tolist() == [3, 1]
    assert back.tolist() == [0, 0, 1, 0]
    own = study.x(np.array([0, 2, 4]), ("ecg",)).to_numpy(dtype=np.float32)
    assert np.array_equal(x["sequence"][0, :3], own) and np.isnan(x["sequence"][0, 3:]).all()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model": "oracle"}, "E-MODEL-KIND"), ({"split": "halves"}, "E-SPLIT-KIND"), ({"fusion": "cold"}, "E-FUSION"),
        ({"smoothing": "much"}, "E-SMOOTHING"), ({"inputs": "eeg+eda"}, "E-INPUTS"), ({"target": "joy"}, "E-TARGET"),
        ({"model": "eegnet", "inputs": "eeg"}, "E-INPUTS"), ({"task": "nine", "flip": True}, "E-TASK"),
        ({"model": "bilstm_attention", "oversample": "smote"}, "E-OVERSAMPLE"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_by_name(study, changes, code):
    with pytest.raises((Refused, NotFound), match=code):
        experiment.run_fold(study, replace(SPEC, **changes), 0)


def test_a_specification_survives_json_and_its_hash_is_of_what_is_not_in_the_key():
    spec = replace(SPEC, options={"strength": 0.1}, choices=({"strength": 1}, {"strength": 2}))
    again = Spec.from_dict(json.loads(json.dumps(spec.as_dict())))
    assert (again, again.key, again.config_hash) == (spec, spec.key, spec.config_hash)
    assert replace(spec, seed=9).config_hash == spec.config_hash != replace(spec, smoothing="causal").config_hash
    assert replace(spec, seed=9).key != spec.key


# ------------------------------------------------------------------------------------------- what each signal adds
def test_an_ablation_says_which_signal_carries_the_effect():
    data = simulate.feature_study(12, 8, 4, effect=2.0, seed=5, carriers=("ecg",))
    runs = {}
    for inputs in ablation.input_sets(data.types):
        spec = replace(SPEC, inputs=inputs)
        runs[inputs] = (data, spec, experiment.run(data, spec))
    found = json.loads(json.dumps(ablation.compared(runs), allow_nan=False))
    assert [s["inputs"] for s in found["sets"]] == ["eeg", "ecg", "eeg+ecg"]
    assert found["best_single"] == "ecg" and found["sets"][0]["rank"] == 3
    eeg, both = found["differences"]
    assert (eeg["inputs"], both["inputs"]) == ("eeg", "eeg+ecg")
    assert eeg["high"] < 0 and eeg["p_adjusted"] < 0.05 and len(eeg["subjects"]) == 12
    assert both["low"] <= 0.02 and both["p"] > 0.01


def test_input_sets_are_compared_on_the_trials_that_all_could_use(study):
    fewer = study.take(np.flatnonzero((study.subject != "S001") | (study.trial != "T03")))
    runs = {i: (d, s, experiment.run(d, s)) for i, d, s in
            (("eeg", study, replace(SPEC, inputs="eeg")), ("ecg", fewer, replace(SPEC, inputs="ecg")))}  # fmt: skip
    found = ablation.compared(runs)
    assert (found["n_trials"], found["n_subjects"]) == (47, 8)
    again = ablation.compared({"eeg": runs["eeg"], "ecg": (study, *runs["eeg"][1:])})
    assert again["n_trials"] == 48


# ------------------------------------------------------------------------------------------- drift
def test_a_recording_like_training_is_no_drift_and_another_is():
    data = simulate.feature_study(30, 6, 8, seed=2)
    training = Distribution.from_dict(
        json.loads(json.dumps(drift.describe(data, data.types).as_dict(), allow_nan=False))
    )
    new = simulate.feature_study(40, 6, 8, seed=77)
    far = [compare(training, new.features[new.unit == u]).far for u in range(240)]
    assert np.mean(far) < 0.08
    moved = new.features.copy()
    moved["ecg_f03"] += 8.0
    found = compare(training, moved[new.unit == 0])
    assert found.features[0][0] == "ecg_f03"
    scaled = compare(training, 5 * new.features[new.unit == 0])
    assert scaled.far and scaled.distance > scaled.distance_limit


def test_what_a_recording_lacks_is_said_and_does_not_pull():
    data = simulate.feature_study(10, 4, 4)
    training = drift.describe(data, data.types)
    found = compare(training, data.features.loc[data.unit == 0, list(data.columns["eeg"])])
    assert set(found.missing) == set(data.columns["ecg"]) and not found.far
