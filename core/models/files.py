"""Fitted estimators as files, and back. Nothing is ever unpickled.

What is scikit-learn's goes into ``model.skops``, weights of nets into ``model.safetensors``, boosted trees into
XGBoost's own JSON, and ``model.json`` says how they belong together. Pipelines of scikit-learn parts alone need no
``model.json``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import AffectlineError

TREE, SKOPS, TENSORS = "model.json", "model.skops", "model.safetensors"
# types that skops may build beside its own defaults; nothing else is ever trusted
TRUSTED = (
    "numpy.dtype",
    "core.models.additive.Hinges",
    "core.models.bilstm_attention.WindowScaler",
    "core.models.fusion.Streams",
    "core.models.fusion.TypeComponents",
    "core.models.signals.ChannelScaler",
    "core.models.signals.Stack",
    "core.models.svm.Svm",
    "core.models.tangent.TangentSpace",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",  # its indices are checked after loading
)


class BundleError(AffectlineError):
    """A bundle, or a model's files, that are not loaded, or not used on what they were given."""

    exit_code = 3
    http_status = 422

    def __init__(self, what: str, where: str = "", what_to_do: str = ""):
        super().__init__("E-BUNDLE", what, where, what_to_do)

    def __reduce__(self):
        return type(self), (self.what, self.where, self.what_to_do)


# --- writing


def save(estimator: Any, folder: Path) -> list[str]:
    """Write a fitted estimator, or a mapping of them by name, into a folder.

    Returns
    -------
    list of str
        Names of the files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writer = _Writer(folder)
    tree = writer.pack(estimator, "model")
    if writer.needs_tree:
        (folder / TREE).write_text(json.dumps(tree, indent=1, allow_nan=False) + "\n", encoding="utf-8", newline="\n")
        writer.files.insert(0, TREE)
    elif isinstance(estimator, Mapping):
        writer.skops = {name: writer.skops[f"model.{name}"] for name in estimator}
    else:
        writer.skops = writer.skops["model"]
    return writer.finish()


class _Writer:
    """Collects the parts of an estimator; ``pack`` gives the tree that names them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files: list[str] = []
        self.skops: Any = {}
        self.tensors: dict[str, Any] = {}
        self.needs_tree = False

    def pack(self, part: Any, key: str) -> dict[str, Any]:
        kind = type(part).__name__
        if isinstance(part, Mapping):
            return {"kind": "mapping", "parts": {name: self.pack(one, f"{key}.{name}") for name, one in part.items()}}
        if kind == "Steps":
            if any(type(step).__name__ in ("Net", "Boosted") for _, step in part.steps):
                steps = [[name, self.pack(step, f"{key}.{name}")] for name, step in part.steps]
                return {"kind": "steps", "steps": steps}
            part = part.bare()
        packers = {"Net": self._net, "Boosted": self._boosted, "Late": self._late}
        if kind in packers:
            self.needs_tree = True
            return {"kind": kind.lower(), **packers[kind](part, key)}
        self.skops[key] = part
        return {"kind": "skops", "key": key}

    def _net(self, net: Any, key: str) -> dict[str, Any]:
        for name, tensor in net.module_.state_dict().items():
            self.tensors[f"{key}/{name}"] = tensor.contiguous()
        return {
            "key": key, "params": net.get_params(), "classes": _classes(net.classes_),
            "shapes": {name: list(shape) for name, shape in net.shapes_.items()},
            "history": net.history_, "best_epoch": net.best_epoch_,
        }  # fmt: skip

    def _boosted(self, trees: Any, key: str) -> dict[str, Any]:
        name = f"trees-{sum(f.startswith('trees-') for f in self.files)}.json"
        trees.booster_.save_model(self.folder / name)
        self.files.append(name)
        return {"file": name, "params": trees.get_params(), "classes": _classes(trees.classes_)}

    def _late(self, late: Any, key: str) -> dict[str, Any]:
        parts = {name: self.pack(one, f"{key}.{name}") for name, one in late.estimators_.items()}
        params = late.get_params(deep=False)
        return {"params": params, "classes": _classes(late.classes_), "parts": parts}

    def finish(self) -> list[str]:
        if self.skops:
            import skops.io

            skops.io.dump(self.skops, self.folder / SKOPS)
            self.files.append(SKOPS)
        if self.tensors:
            from safetensors.torch import save_file

            save_file(self.tensors, self.folder / TENSORS)
            self.files.append(TENSORS)
        return self.files


def _classes(classes: np.ndarray) -> list[Any]:
    return [value.item() for value in classes]


# --- reading


def load(folder: Path, only: Collection[str] | None = None) -> Any:
    """The estimator, or the mapping of them, that ``save`` wrote.

    Parameters
    ----------
    only
        Names of the files that may be read: those whose hash was checked.

    Raises
    ------
    BundleError
        For files that are missing, hold a type that is not trusted, or do not fit together.
    """
    from core.models.steps import Steps

    reader = _Reader(folder, only)
    if reader.has(TREE):
        try:
            return reader.unpack(json.loads(reader.path(TREE).read_text(encoding="utf-8")))
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise BundleError(f"{TREE} does not describe its files: {error}", folder.name) from None
    found = reader.skops
    if isinstance(found, dict):
        return {name: Steps(part.steps) if hasattr(part, "steps") else part for name, part in found.items()}
    return Steps(found.steps) if hasattr(found, "steps") else found


class _Reader:
    """Reads the files of a folder, each at most once, and none but the allowed ones."""

    def __init__(self, folder: Path, only: Collection[str] | None):
        self.folder = folder
        self.only = only
        self.skops = self._skops() if self.has(SKOPS) else {}
        self.tensors = self._tensors() if self.has(TENSORS) else {}

    def has(self, name: str) -> bool:
        return (self.only is None or name in self.only) and (self.folder / name).is_file()

    def path(self, name: str) -> Path:
        if Path(name).name != name or not self.has(name):
            raise BundleError(f"{name} is missing", self.folder.name, "Publish the model again.")
        return self.folder / name

    def _skops(self) -> Any:
        """What scikit-learn fitted; only types of a list fixed here are ever built."""
        import skops.io

        file = self.folder / SKOPS
        untrusted = sorted(set(skops.io.get_untrusted_types(file=file)) - set(TRUSTED))
        if untrusted:
            raise BundleError(f"{SKOPS} holds types that are not trusted: {', '.join(untrusted)}", self.folder.name)
        found = skops.io.load(file, trusted=list(TRUSTED))
        if not _sound(found):
            raise BundleError("a tree of the forest points outside itself", self.folder.name)
        return found

    def _tensors(self) -> dict[str, Any]:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self.folder / TENSORS)
        except SafetensorError as error:
            raise BundleError(f"{TENSORS} holds no whole weights: {error}", self.folder.name) from None

    def unpack(self, said: dict[str, Any]) -> Any:
        kinds = {
            "mapping": self._mapping, "steps": self._steps, "skops": self._fitted, "net": self._net,
            "boosted": self._boosted, "late": self._late,
        }  # fmt: skip
        return kinds[said["kind"]](said)

    def _mapping(self, said: dict[str, Any]) -> dict[str, Any]:
        return {name: self.unpack(part) for name, part in said["parts"].items()}

    def _steps(self, said: dict[str, Any]) -> Any:
        from core.models.steps import Steps

        return Steps([(name, self.unpack(part)) for name, part in said["steps"]])

    def _fitted(self, said: dict[str, Any]) -> Any:
        from core.models.steps import Steps

        found = self.skops[said["key"]]
        return Steps(found.steps) if hasattr(found, "steps") else found

    def _net(self, said: dict[str, Any]) -> Any:
        import torch

        from core.models.net import Net

        net = Net(**said["params"])
        net.classes_ = np.array(said["classes"])
        net.shapes_ = {name: tuple(shape) for name, shape in said["shapes"].items()}
        net.history_, net.best_epoch_ = said["history"], said["best_epoch"]
        start = f"{said['key']}/"
        weights = {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}
        with torch.device("meta"):  # takes no memory: the sizes are believed only as far as the weights go
            net.module_ = net.build()
        net.module_.load_state_dict(weights, strict=True, assign=True)
        net.module_.eval()
        return net

    def _boosted(self, said: dict[str, Any]) -> Any:
        import xgboost

        from core.models.xgboost import Boosted

        trees = Boosted(**said["params"])
        trees.classes_ = np.array(said["classes"])
        trees.booster_ = xgboost.Booster({"nthread": 1}, model_file=self.path(said["file"]))
        return trees

    def _late(self, said: dict[str, Any]) -> Any:
        from core.models.fusion import Late

        late = Late(**{**said["params"], "types": tuple(said["params"]["types"])})
        late.classes_ = np.array(said["classes"])
        late.estimators_ = {name: self.unpack(part) for name, part in said["parts"].items()}
        return late


def _sound(part: Any, widths: frozenset[int] = frozenset()) -> bool:
    """Whether the indices of every decision tree within lie inside it: the compiled code that follows them never looks.

    ``widths``: numbers of features that the estimators around it check for.
    """
    if isinstance(part, Mapping):
        return all(_sound(one, widths) for one in part.values())
    if isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
        return all(_sound(one, widths) for one in part)
    if type(part).__name__ == "Tree":
        n, left, right, feature = part.node_count, part.children_left, part.children_right, part.feature
        own = np.arange(n)
        inside = (left > own) & (left < n) & (right > own) & (right < n) & (feature >= 0) & (feature < part.n_features)
        return n > 0 and bool(((left == -1) | inside).all()) and widths == {part.n_features}
    held = getattr(part, "__dict__", {})
    own_width = {held["n_features_in_"]} if "n_features_in_" in held else set()
    return all(_sound(one, widths | own_width) for one in held.values())
