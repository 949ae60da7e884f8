"""A bundle comes back as it was saved, says everything of itself, and builds nothing that is not trusted."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from core import simulate
from core.models import MODELS, bundle
from core.models.bundle import BundleError, Card
from core.models.fusion import fused
from core.settings import EPOC_14, settings
from core.types import Pipeline
from tests.core.models.small import SUBJECTS, data, make

FEATURES = ["a", "b", "c"]


def card(name="test-model", **changes):
    target = {
        "orientation": "high_is_1", "lowest": 1, "highest": 5, "cut": 3, "threshold": 0.5,
        "calibrator": {"slope": 1.3, "intercept": -0.2},
    }  # fmt: skip
    score = {"value": 0.6, "low": 0.5, "high": 0.7, "n_undefined": 0}
    subject = {
        "subject": "S01", "n_trials": 4, "accuracy": 0.5, "balanced_accuracy": 0.5, "roc_auc": None, "brier": 0.25,
        "threshold": 0.5, "flipped": False,
    }  # fmt: skip
    evaluation = {
        "split": "loso", "balanced_accuracy": score, "accuracy": score, "roc_auc": score, "majority": score,
        "dummy": score, "chance": {"low": 0.4, "high": 0.6}, "majority_accuracy": 0.5, "subjects": [subject],
    }  # fmt: skip
    full = {
        "name": name, "version": "1", "created_at": "2026-01-05T09:00:00+00:00", "demonstration": True,
        "basis": "simulated signals", "targets": {"valence": target},
        "signals": {"required": {"eeg": list(EPOC_14), "ecg": []}, "optional": {}, "sfreq": {"eeg": 128, "ecg": 256}},
        "pipeline": bundle.pipeline_dict(Pipeline()), "pipeline_hash": Pipeline().hash,
        "feature_set": Pipeline().features, "features": FEATURES,
        "fitted": {"imputer": "model.skops", "scaler": "model.skops", "calibrator": "card", "threshold": "card"},
        "training": {
            "study": "s", "licence": "l", "simulated": True, "n_subjects": 1, "n_trials": 4, "n_windows": 8,
            "sha256": "0" * 64, "model": "logistic", "seed": 0,
        },
        "loso": {"valence": evaluation},
        "calibration": {"valence": {"ece": 0.1, "brier": 0.2, "spread": 0.05, "bins": []}},
        "leak_audit": {
            "premium": {"valence": score}, "scores": {"valence": {"loso": 0.5}},
            "checks": [{"name": "subjects disjoint", "outcome": "pass", "evidence": "1 fold"}],
        },
        "intended_use": "tests", "not_for": "people", "files": {"model.skops": "0" * 64},
    }  # fmt: skip
    return {**full, **changes}


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 3))
    x[::7, 1] = np.nan
    return MODELS["logistic"].make(0).fit(x, x[:, 0] > 0)


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "test-model"
    return bundle.save(folder, Card.model_validate(card()), {"valence": fitted})


@pytest.fixture
def copied(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / saved.name)


def table(n=20):
    x = np.random.default_rng(1).standard_normal((n, 3))
    x[3, 2] = np.nan
    return pd.DataFrame(x, columns=FEATURES)


def edit(folder, change):
    path = folder / "card.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def every_field(value, path=()):
    """Each field that a card must have, as a path of keys; the names of targets and of files are no fields."""
    for key in list(value):
        if path and path[-1] in {
            "targets",
            "loso",
            "calibration",
            "premium",
            "scores",
            "pipeline",
            "files",
            "sfreq",
            "required",
            "optional",
        }:
            below = value[key]
            if isinstance(below, dict) and path[-1] in {"targets", "loso", "calibration"}:
                yield from every_field(below, (*path, key))
            continue
        yield (*path, key)
        if isinstance(value[key], dict):
            yield from every_field(value[key], (*path, key))


HAS_DEFAULT = {"n_undefined", "low", "high"}
FIELDS = [p for p in every_field(card()) if not (p[-1] in HAS_DEFAULT and p[-2] != "chance")]


@pytest.mark.parametrize("path", FIELDS, ids=".".join)
def test_a_card_without_one_of_its_fields_does_not_load(path, copied):
    def remove(content):
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    edit(copied, remove)
    with pytest.raises(BundleError, match="test-model"):
        bundle.load(copied)


def test_a_bundle_comes_back_as_it_was_saved(saved, fitted):
    loaded = bundle.load(saved)
    own = bundle.logit(fitted.predict_proba(table().to_numpy())[:, 1])
    expected = 1 / (1 + np.exp(-(1.3 * own - 0.2)))
    assert np.abs(loaded.predict(table(), Pipeline().hash)[:, 0] - expected).max() < 1e-12
    assert loaded.targets == ("valence",)
    assert loaded.required == {"eeg": EPOC_14, "ecg": ()}
    assert (loaded.info.basis, loaded.info.balanced_accuracy, loaded.info.demonstration) == (
        "simulated signals",
        0.6,
        True,
    )


def test_columns_are_taken_by_name_and_a_missing_one_is_imputed(saved):
    loaded = bundle.load(saved)
    shuffled = (
        table()[["c", "extra", "a", "b"]] if "extra" in table() else table().assign(extra=1.0)[["c", "extra", "a", "b"]]
    )
    assert np.array_equal(loaded.predict(shuffled, Pipeline().hash), loaded.predict(table(), Pipeline().hash))
    assert np.isfinite(loaded.predict(table().drop(columns="b"), Pipeline().hash)).all()


def test_features_of_another_pipeline_are_refused_but_the_mains_frequency_is_the_sites(saved):
    loaded = bundle.load(saved)
    with pytest.raises(BundleError, match="pipeline"):
        loaded.predict(table(), Pipeline(window_s=5.0).hash)
    assert loaded.predict(table(), Pipeline(line_hz=60.0).hash).shape == (20, 1)


def published(tmp_path, model, estimator, **changes):
    """A bundle of a model with its features named f0 ..., saved and loaded."""
    training = {**card()["training"], "model": model}
    described = Card.model_validate(card(**{"training": training, "features": [f"f{i}" for i in range(40)], **changes}))
    return bundle.load(bundle.save(tmp_path / "test-model", described, {"valence": estimator}))


def own(estimator, x):
    """What a bundle says: the model's probability, calibrated as the card does."""
    return 1 / (1 + np.exp(-(1.3 * bundle.logit(estimator.predict_proba(x)[:, 1]) - 0.2)))


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("forest", {"model.skops"}),
        ("svm", {"model.skops"}),
        ("xgboost", {"model.json", "model.skops", "trees-0.json"}),
        ("mlp", {"model.json", "model.skops", "model.safetensors"}),
    ],
)
def test_a_bundle_holds_any_model_that_takes_features(name, listed, tmp_path):
    x, y = data(name, effect=1.0)
    fitted = make(name).fit(x, y, groups=SUBJECTS)
    loaded = published(tmp_path, name, fitted)
    assert set(loaded.card.files) == listed and loaded.takes == "features"
    assert (loaded.card.fitted.imputer, loaded.card.fitted.scaler) == ("model.skops", "model.skops")
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(40)])
    assert np.abs(loaded.predict(frame, Pipeline().hash)[:, 0] - own(fitted, x)).max() < 1e-5


# what the arrays of ``small.data`` are: 8 EEG channels of 128 samples and 2 ECG of 256, or 6 windows of 10 features
SEEN = {
    "signals": {
        "takes": "signals", "channels": {"eeg": list(EPOC_14[:8]), "ecg": ["ECG1", "ECG2"]},
        "rates": {"eeg": 32, "ecg": 64},
    },
    "sequence": {"takes": "sequence", "longest": 6, "each": "One probability for each stretch of windows."},
}  # fmt: skip


def net(tmp_path, name, **changes):
    """A bundle of a model of signals or sequences, what it was fitted to and itself."""
    x, y = data(name)
    fitted = make(name, **({"epochs": 2} if name != "tangent" else {})).fit(x, y, groups=SUBJECTS)
    said = {"seen": SEEN[MODELS[name].takes], "features": [f"f{i}" for i in range(10)], **changes}
    return published(tmp_path, name, fitted, **said), fitted, x


@pytest.mark.parametrize(
    ("name", "scaler"), [("eegnet", "card"), ("tangent", "model.skops"), ("bilstm_attention", "model.skops")]
)
def test_a_bundle_holds_models_of_signals_and_of_sequences(name, scaler, tmp_path):
    loaded, fitted, x = net(tmp_path, name)
    assert loaded.takes == MODELS[name].takes
    assert loaded.card.fitted.scaler == scaler
    assert np.abs(loaded.predict(x, Pipeline().hash)[:, 0] - own(fitted, x)).max() < 1e-5
    with pytest.raises(BundleError, match=f"takes {loaded.takes}"):
        loaded.predict(table(), Pipeline().hash)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("eegnet", {"seen": {**SEEN["signals"], "rates": {"eeg": 128, "ecg": 64}}}),
        ("eegnet", {"seen": {**SEEN["signals"], "channels": {"eeg": list(EPOC_14), "ecg": ["ECG1", "ECG2"]}}}),
        ("tangent", {"seen": {**SEEN["signals"], "channels": {"eeg": ["AF3"], "ecg": ["ECG1", "ECG2"]}}}),
        ("bilstm_attention", {"features": ["f0", "f1"]}),
    ],
)
def test_weights_of_other_sizes_than_the_card_gives_are_refused(name, changes, tmp_path):
    loaded, _, x = net(tmp_path, name, **changes)
    with pytest.raises(BundleError, match="not of the sizes"):
        loaded.predict(x, Pipeline().hash)


def test_a_card_of_a_net_says_what_the_net_is_shown(tmp_path):
    with pytest.raises(ValueError, match="takes signals"):
        net(tmp_path, "eegnet", seen={})
    with pytest.raises(ValueError, match="needs channels"):
        net(tmp_path, "eegnet", seen={**SEEN["signals"], "channels": {}})
    older = card()
    assert "seen" not in older and Card.model_validate(older).seen.takes == "features"


def test_an_older_card_says_that_subgroups_were_not_computed():
    older = card()
    assert "subgroups" not in older
    told = Card.model_validate(older).subgroups
    assert told.results == {} and told.reason == "they were not computed when this card was made"


def test_weights_of_a_net_that_are_cut_short_are_refused_with_or_without_their_hash(tmp_path):
    import hashlib

    loaded, _, x = net(tmp_path, "eegnet")
    weights = loaded.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BundleError, match="not the file"):
        bundle.load(loaded.path)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    edit(loaded.path, lambda c: c["files"].update({"model.safetensors": digest}))
    with pytest.raises(BundleError, match=r"model\.safetensors"):
        bundle.load(loaded.path).predict(x, Pipeline().hash)


def test_a_bundle_holds_late_fusion_and_each_of_its_models_must_prepare_what_it_is_given(tmp_path):
    x, y = data("logistic")
    late = fused("logistic", ("eeg", "ecg"), "late", 0, {"eeg": range(25), "ecg": range(25, 40)}).fit(x, y)
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(40)])
    loaded = published(tmp_path, "logistic", late)
    assert np.abs(loaded.predict(frame, Pipeline().hash)[:, 0] - own(late, x)).max() < 1e-5
    late.estimators_["ecg"] = late.estimators_["ecg"].named_steps["classifier"]
    with pytest.raises(BundleError, match="imputer"):
        published(tmp_path, "logistic", late).predict(frame, Pipeline().hash)


def test_a_file_that_the_card_does_not_name_is_not_read(tmp_path):
    x, y = data("mlp")
    loaded = published(tmp_path, "mlp", make("mlp", epochs=1).fit(x, y))
    edit(loaded.path, lambda c: c["files"].pop("model.safetensors"))
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(40)])
    with pytest.raises(BundleError):
        bundle.load(loaded.path).predict(frame, Pipeline().hash)


def test_a_twin_trained_with_high_as_zero_says_the_same(fitted, saved, tmp_path):
    x = np.random.default_rng(0).standard_normal((80, 3))
    x[::7, 1] = np.nan
    twin = MODELS["logistic"].make(0).fit(x, ~(x[:, 0] > 0))
    target = {**card()["targets"]["valence"], "orientation": "high_is_0"}
    folder = bundle.save(
        tmp_path / "test-model", Card.model_validate(card(targets={"valence": target})), {"valence": twin}
    )
    a, b = (bundle.load(f).predict(table(), Pipeline().hash) for f in (saved, folder))
    assert np.abs(a - b).max() < 1e-4  # lbfgs stops at 1e-4


def test_a_changed_or_missing_file_does_not_load(copied):
    weights = copied / "model.skops"
    content = weights.read_bytes()
    weights.write_bytes(content + b"x")
    with pytest.raises(BundleError, match="not the file"):
        bundle.load(copied)
    weights.unlink()
    with pytest.raises(BundleError, match="missing"):
        bundle.load(copied)


@pytest.mark.parametrize("name", ["../model.skops", "/etc/hostname", "sub/model.skops"])
def test_a_card_names_no_file_outside_its_folder(name, copied):
    edit(copied, lambda c: c.update(files={name: "0" * 64}))
    with pytest.raises(BundleError, match="missing"):
        bundle.load(copied)


def test_settings_that_do_not_have_the_cards_hash_do_not_load(copied):
    edit(copied, lambda c: c["pipeline"].update(window_s=5.0))
    with pytest.raises(BundleError, match="hash"):
        bundle.load(copied)
    edit(copied, lambda c: c["pipeline"].update(new_setting=1))
    with pytest.raises(BundleError, match="new_setting"):
        bundle.load(copied)


def test_weights_with_a_type_that_is_not_trusted_are_never_built(copied):
    import hashlib

    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump({"valence": FunctionTransformer(subprocess.getoutput)}, copied / "model.skops")
    digest = hashlib.sha256((copied / "model.skops").read_bytes()).hexdigest()
    edit(copied, lambda c: c.update(files={"model.skops": digest}))
    loaded = bundle.load(copied)
    with pytest.raises(BundleError, match="not trusted"):
        loaded.predict(table(), Pipeline().hash)


def test_weights_without_a_fitted_scaler_are_refused(copied):
    import hashlib

    import skops.io
    from sklearn.linear_model import LogisticRegression

    bare = LogisticRegression().fit(table().fillna(0), table()["a"] > 0)
    skops.io.dump({"valence": bare}, copied / "model.skops")
    digest = hashlib.sha256((copied / "model.skops").read_bytes()).hexdigest()
    edit(copied, lambda c: c.update(files={"model.skops": digest}))
    with pytest.raises(BundleError, match="scaler"):
        bundle.load(copied).predict(table(), Pipeline().hash)


@pytest.fixture
def site(saved, fitted, tmp_path, monkeypatch):
    """A site with a demonstration model, a real one, a wrist model and a broken one; nothing shipped."""
    monkeypatch.setattr(settings(), "data_dir", tmp_path)
    monkeypatch.setattr(bundle, "MODELS_SHIPPED", tmp_path / "shipped")
    root = tmp_path / "models"
    shutil.copytree(saved, root / "test-model")
    wrist = {"required": {"eda": [], "ppg": []}, "optional": {}, "sfreq": {"eda": 4, "ppg": 64}}
    for name, changes in (("z-real", {"demonstration": False}), ("wrist", {"demonstration": False, "signals": wrist})):
        bundle.save(root / name, Card.model_validate(card(name, **changes)), {"valence": fitted})
    (root / "broken").mkdir()
    return root


def test_a_model_is_chosen_only_where_its_channels_are(site):
    head, all_ = simulate.recording(seed=1, duration_s=5), bundle.available()
    assert bundle.choose(head, None, all_).name == "test-model"
    assert bundle.choose(head, None, reversed(all_)).name == "z-real"
    assert bundle.choose(head, "z-real", all_).name == "z-real"
    assert bundle.choose(simulate.wrist(seed=1, duration_s=5), None, all_).name == "wrist"
    assert bundle.choose(simulate.recording(seed=1, duration_s=5, inputs="ecg"), None, all_) is None
    assert bundle.choose(head, "wrist", all_) is None and bundle.choose(head, "nobody", all_) is None


def test_broken_bundles_are_named_with_their_reason_and_hide_nothing(site):
    assert [b.name for b in bundle.available()] == ["test-model", "wrist", "z-real"]
    assert "card.json" in bundle.broken()["broken"]


def test_a_sites_model_hides_the_shipped_one_of_its_name(site, tmp_path, fitted):
    bundle.save(tmp_path / "shipped" / "z-real", Card.model_validate(card("z-real", version="0")), {"valence": fitted})
    assert bundle.by_name("z-real").version == "1"


def test_publishing_again_replaces_the_whole_folder(site, fitted):
    (site / "z-real" / "stale.txt").touch()
    bundle.save(site / "z-real", Card.model_validate(card("z-real", version="2")), {"valence": fitted})
    assert sorted(f.name for f in (site / "z-real").iterdir()) == ["card.json", "model.skops"]
    assert bundle.by_name("z-real").version == "2"


def test_reading_cards_loads_neither_sklearn_nor_skops():
    code = (
        "import sys; from core.models import bundle; bundle.available(); "
        "print(sorted({'sklearn', 'skops', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
