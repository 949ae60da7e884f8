"""EEGNet-8,2 (Lawhern et al. 2018, J. Neural Eng. 15) with the paper's max-norm constraints."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from core.models import net
from core.models.net import Bodies
from core.settings import NET_RATES

SPATIAL_NORM, DENSE_NORM = 1.0, 0.25
SHORT, LONG = 4, 8  # poolings


class EEGNet(Bodies):
    """One body for each channel type. On 14 channels and 512 samples it has 1,842 parameters.

    ``first_norm=False`` is a variant, not the paper's: the second batch norm cancels the first, and without it the
    spatial filters can go first in training too, which takes about half the time.
    """

    def __init__(
        self,
        shapes: dict[str, tuple[int, ...]],
        n_classes: int,
        f1: int = 8,
        d: int = 2,
        f2: int = 16,
        dropout: float = 0.5,
        first_norm: bool = True,
    ):
        super().__init__()
        self.bodies = nn.ModuleDict(
            {
                name: Body(n_channels, NET_RATES.get(name, 128) // 2, f1, d, f2, dropout, first_norm)
                for name, (n_channels, _) in shapes.items()
            }
        )
        width = sum(f2 * (n_times // SHORT // LONG) for _, n_times in shapes.values())
        self.head = nn.Linear(width, n_classes)

    def constrain(self) -> None:
        """Max-norm: 1.0 on each spatial filter, 0.25 on the weights of each class."""
        with torch.no_grad():
            weights = [(body.get_submodule("spatial"), SPATIAL_NORM) for body in self.bodies.values()]
            for layer, most in [*weights, (self.head, DENSE_NORM)]:
                weight = layer.get_parameter("weight")
                weight.copy_(_within(weight, most))


class Body(nn.Module):
    """Shape (n_rows, n_channels, n_times) to a vector per row."""

    def __init__(self, n_channels: int, kernel: int, f1: int, d: int, f2: int, dropout: float, first_norm: bool):
        super().__init__()
        wide = f1 * d
        self.d = d
        self.pad = _same(kernel)
        self.temporal = nn.Conv2d(1, f1, (1, kernel), bias=False)
        self.first = nn.BatchNorm2d(f1) if first_norm else None
        self.spatial = nn.Conv2d(f1, wide, (n_channels, 1), groups=f1, bias=False)
        self.second = nn.BatchNorm1d(wide)
        self.rest = nn.Sequential(
            nn.ELU(), nn.AvgPool1d(SHORT), nn.Dropout(dropout), nn.ConstantPad1d(_same(16), 0.0),
            nn.Conv1d(wide, wide, 16, groups=wide, bias=False), nn.Conv1d(wide, f2, 1, bias=False),
            nn.BatchNorm1d(f2), nn.ELU(), nn.AvgPool1d(LONG), nn.Dropout(dropout), nn.Flatten(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (n_rows, n_channels, n_times) to (n_rows, width)."""
        if self.training and self.first is not None:
            y = self.temporal(nn.functional.pad(x, self.pad)[:, None])
            y = self.spatial(self.first(y))[:, :, 0]
        else:
            y = self._spatial_first(x)
        return self.rest(self.second(y))

    def _spatial_first(self, x: torch.Tensor) -> torch.Tensor:
        """The same numbers with far fewer products: both filters are linear and commute, the norm is a factor."""
        spatial = self.spatial.weight[:, 0, :, 0]  # (f1 * d, n_channels)
        temporal = self.temporal.weight[:, 0]  # (f1, 1, kernel)
        shift = None
        if self.first is not None:
            norm = self.first
            mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
            factor = norm.weight * torch.rsqrt(variance + norm.eps)
            temporal = temporal * factor[:, None, None]
            shift = (norm.bias - mean * factor).repeat_interleave(self.d) * spatial.sum(1)
        y = nn.functional.pad(torch.matmul(spatial, x), self.pad)
        return nn.functional.conv1d(y, temporal.repeat_interleave(self.d, 0), shift, groups=len(spatial))


def _same(kernel: int) -> tuple[int, int]:
    """Zeros before and after that keep the length."""
    return (kernel - 1) // 2, kernel // 2


def _within(weight: torch.Tensor, most: float) -> torch.Tensor:
    """Each row of weights scaled down to a norm of at most ``most``."""
    flat = weight.flatten(1)
    return (flat * (most / flat.norm(dim=1, keepdim=True).clamp(min=most))).reshape(weight.shape)


def eegnet(seed: int, **options: Any) -> net.Net:
    """EEGNet on normalised windows."""
    return net.make("eegnet", seed, {"epochs": 100, "patience": 15, "batch": 32}, options)
