"""Files of a model: what does not fit together, or is not trusted, is refused; nothing is unpickled."""

import json

import numpy as np
import pytest

from core.models import files
from core.models.files import BundleError
from tests.core.models.small import data, make


@pytest.fixture
def saved(tmp_path):
    x, y = data("eegnet")
    files.save(make("eegnet", epochs=1).fit(x, y), tmp_path)
    return tmp_path


def edit(folder, change):
    tree = json.loads((folder / "model.json").read_text())
    change(tree)
    (folder / "model.json").write_text(json.dumps(tree))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t["params"]["sizes"].update(f1=4),
        lambda t: t["params"]["sizes"].update(f2=1 << 40),
        lambda t: t["shapes"].update(eeg=[9, 128]),
        lambda t: t["classes"].append(True),
        lambda t: t["params"].update(architecture="os.system"),
        lambda t: t["params"].update(module="os"),
        lambda t: t.update(kind="pickle"),
        lambda t: t.pop("key"),
    ],
    ids=["sizes", "enormous", "shapes", "classes", "architecture", "unknown parameter", "kind", "key"],
)
def test_a_description_that_does_not_fit_its_weights_is_refused(change, saved):
    edit(saved, change)
    with pytest.raises(BundleError, match=r"model\.json does not describe its files"):
        files.load(saved)


def test_weights_that_are_missing_or_were_not_checked_are_refused(saved):
    with pytest.raises(BundleError):
        files.load(saved, only={"model.json"})
    (saved / "model.safetensors").unlink()
    with pytest.raises(BundleError):
        files.load(saved)


def test_trees_are_read_from_a_file_of_their_folder_only(tmp_path):
    x, y = data("xgboost")
    files.save(make("xgboost", trees=3).fit(x, y), tmp_path / "a")
    edit(tmp_path / "a", lambda t: t["steps"][-1][1].update(file="../trees-0.json"))
    with pytest.raises(BundleError, match="missing"):
        files.load(tmp_path / "a")


@pytest.mark.parametrize("field", ["left_child", "feature"])
def test_a_forest_whose_trees_point_outside_themselves_is_refused(field, tmp_path):
    x, y = data("forest")
    forest = make("forest", trees=3).fit(x, y)
    tree = forest.named_steps["classifier"].estimators_[1].tree_
    state = tree.__getstate__()
    state["nodes"][field][0] = 10_000
    tree.__setstate__(state)
    files.save(forest, tmp_path)
    with pytest.raises(BundleError, match="outside itself"):
        files.load(tmp_path)


def test_models_of_several_targets_share_three_files(tmp_path):
    x, y = data("mlp")
    how = {"mlp": {"epochs": 1}, "logistic": {}, "xgboost": {"trees": 2}}
    found = {name: make(name, **options).fit(x, y) for name, options in how.items()}
    assert files.save(found, tmp_path) == ["model.json", "trees-0.json", "model.skops", "model.safetensors"]
    loaded = files.load(tmp_path)
    assert list(loaded) == list(found)
    for name, estimator in found.items():
        assert np.abs(loaded[name].predict_proba(x) - estimator.predict_proba(x)).max() < 1e-6


def test_what_scikit_learn_alone_fitted_is_one_file(tmp_path):
    x, y = data("forest")
    assert files.save({"valence": make("logistic").fit(x, y)}, tmp_path) == ["model.skops"]
    assert list(files.load(tmp_path)) == ["valence"]


def test_a_loaded_net_keeps_its_history_and_can_be_trained_again(saved):
    x, y = data("eegnet")
    net = files.load(saved)
    assert net.best_epoch_ == 1 and len(net.history_) == 1
    assert np.array_equal(net.fit(x, y).predict_proba(x), make("eegnet", epochs=1).fit(x, y).predict_proba(x))
