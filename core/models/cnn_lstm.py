"""FusionModel of the DREAMER platform (requirements d8): a CNN-LSTM branch for each channel type and a gate."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from core.models import net
from core.models.net import Parts

WIDTH = 128  # of a branch's embedding


class FusionModel(Parts):
    """On EEG 14 x 512 and ECG 2 x 1024 it has 472,132 parameters.

    ``without`` names branches that are left out (ablation): their embedding is zero and the gate gives them nothing,
    so the rest does not lose the share that the gate would have split off.
    """

    def __init__(
        self,
        shapes: dict[str, tuple[int, ...]],
        n_classes: int,
        lstm: int = 64,
        dropout: float = 0.4,
        without: tuple[str, ...] = (),
    ):
        super().__init__()
        left = [name for name in shapes if name not in without]
        if not left:
            raise ValueError("no branch is left")
        self.branches = nn.ModuleDict({name: Branch(shape[0], lstm, dropout) for name, shape in shapes.items()})
        self.shut = [name in without for name in shapes]
        wide = WIDTH * len(shapes)
        self.gate = nn.Linear(wide, len(shapes))
        self.head = nn.Sequential(
            nn.Linear(wide, 256), nn.ReLU(), nn.Dropout(dropout), nn.Linear(256, 64), nn.ReLU(),
            nn.Dropout(dropout / 2), nn.Linear(64, n_classes),
        )  # fmt: skip

    def embed(self, **inputs: torch.Tensor) -> torch.Tensor:
        """The branches' embeddings, each times its share of the gate. NaN counts as 0, the mean of its signal."""
        parts = torch.stack(
            [
                self.gate.weight.new_zeros(len(inputs[name]), WIDTH) if shut else branch(torch.nan_to_num(inputs[name]))
                for (name, branch), shut in zip(self.branches.items(), self.shut, strict=True)
            ],
            dim=1,
        )
        share = self.gate(parts.flatten(1)).masked_fill(torch.tensor(self.shut), -torch.inf).softmax(dim=1)
        return (parts * share[:, :, None]).flatten(1)


class Branch(nn.Module):
    """Two convolutions, two bidirectional LSTM layers, mean over time, one dense layer."""

    def __init__(self, n_channels: int, lstm: int, dropout: float):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(n_channels, 32, 7, padding=3, bias=False), nn.InstanceNorm1d(32, affine=True), nn.ELU(),
            nn.MaxPool1d(2),
            nn.Conv1d(32, 64, 5, padding=2, bias=False), nn.InstanceNorm1d(64, affine=True), nn.ELU(),
            nn.MaxPool1d(2),
        )  # fmt: skip
        self.lstm = nn.LSTM(64, lstm, num_layers=2, batch_first=True, bidirectional=True)
        self.dense = nn.Sequential(nn.Linear(2 * lstm, WIDTH), nn.ReLU(), nn.Dropout(dropout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (n_rows, n_channels, n_times) to (n_rows, 128)."""
        over_time, _ = self.lstm(self.convolutions(x).transpose(1, 2))
        return self.dense(over_time.mean(dim=1))


def cnn_lstm(seed: int, **options: Any) -> net.Net:
    """S1's training; ``contrastive=0.1`` adds its contrastive loss from epoch 6 on (S1-20)."""
    defaults = {
        "epochs": 50, "patience": 10, "batch": 32, "lr": 1e-3, "weight_decay": 1e-4, "optimizer": "adamw",
        "clip": 1.0, "plateau": 0.5, "plateau_patience": 3,
    }  # fmt: skip
    return net.make("cnn_lstm", seed, defaults, options)
