"""Dense nets: a plain one on features, and the facial one behind a PCA (requirements d8, S4)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import torch
from sklearn.decomposition import PCA
from torch import nn

from core.models import net
from core.models.net import Parts
from core.models.steps import Steps, on_features

# layers and training that S4 found for each target
S4: dict[str, dict[str, Any]] = {
    "valence": {"hidden": (92, 46)},
    "arousal": {"hidden": (53, 50)},
    "dominance": {"hidden": (58, 33), "activation": "tanh", "optimizer": "sgd"},
    "liking": {"hidden": (53, 25)},
}
S4_TRAINING = {"lr": 0.09, "weight_decay": 1e-5}
FACE_VARIANCE = 0.95  # share that the components keep


class Dense(Parts):
    """Dense layers over ``features``; ``single`` gives two classes one number, as a sigmoid would."""

    def __init__(
        self,
        shapes: dict[str, tuple[int, ...]],
        n_classes: int,
        hidden: tuple[int, ...] = (64, 32),
        activation: Literal["relu", "tanh"] = "relu",
        dropout: float = 0.0,
        single: bool = False,
    ):
        super().__init__()
        between = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]
        widths = [shapes["features"][0], *hidden]
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            layers += [nn.Linear(wide, narrow), between(), nn.Dropout(dropout)]
        self.body = nn.Sequential(*layers)
        self.head = OneLogit(widths[-1]) if single and n_classes == 2 else nn.Linear(widths[-1], n_classes)

    def embed(self, **inputs: torch.Tensor) -> torch.Tensor:
        """The last hidden layer."""
        return self.body(inputs["features"])


class OneLogit(nn.Linear):
    """One number for two classes, given as the logits (0, z), so that softmax is its sigmoid."""

    def __init__(self, width: int):
        super().__init__(width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (n_rows, width) to (n_rows, 2)."""
        return nn.functional.pad(super().forward(x), (1, 0))


def mlp(seed: int, like: Literal["valence", "arousal", "dominance", "liking"] | None = None, **options: Any) -> Steps:
    """A dense net on features; ``like="valence"`` takes S4's layers and training for that target."""
    defaults: dict[str, Any] = {"epochs": 200, "patience": 20, "weight_decay": 1e-4}
    if like is not None:
        defaults |= S4_TRAINING | S4[like]
    return on_features(net.make("mlp", seed, defaults, options))


def face_mlp(seed: int, **options: Any) -> Steps:
    """S4's face net: principal components, then 128-64-32-16-1 with dropout 0.3, Adam 1e-3."""
    defaults = {"hidden": (128, 64, 32, 16), "dropout": 0.3, "single": True, "epochs": 200, "patience": 20}
    steps = on_features(net.make("mlp", seed, defaults, options)).steps
    pca = PCA(FACE_VARIANCE, svd_solver="full")
    return Steps([*steps[:-1], ("components", pca), steps[-1]])
