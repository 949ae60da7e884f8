"""LSTM-FCN and its siblings (Karim et al. 2019, Neural Networks 116): with squeeze-excite (M) and attention (A)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from core.models import net
from core.models.net import Bodies
from core.models.signals import ChannelScaler
from core.models.steps import Steps

STRIDE = 3  # of the convolution before an attention LSTM


class LstmFcn(Bodies):
    """On 5 x 640 and nine classes MLSTM-FCN has 301,073 parameters, torch's second LSTM bias included."""

    def __init__(
        self,
        shapes: dict[str, tuple[int, ...]],
        n_classes: int,
        squeeze: bool = True,
        attention: bool = False,
        units: int = 8,
        filters: tuple[int, int, int] = (128, 256, 128),
        dropout: float = 0.8,
    ):
        super().__init__()
        self.bodies = nn.ModuleDict(
            {
                name: Body(shape[0], shape[1], squeeze, attention, units, filters, dropout)
                for name, shape in shapes.items()
            }
        )
        self.head = nn.Linear((units + filters[-1]) * len(shapes), n_classes)


class Body(nn.Module):
    """Shape (n_rows, n_channels, n_times) to a vector per row."""

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        squeeze: bool,
        attention: bool,
        units: int,
        filters: tuple[int, int, int],
        dropout: float,
    ):
        super().__init__()
        # the dimension shuffle: each channel is one step, its samples are the values of the step
        if attention:
            self.before: nn.Module = nn.Sequential(
                nn.ConstantPad1d((3, 4), 0.0), nn.Conv1d(n_channels, n_channels, 8, STRIDE, bias=False), nn.ReLU()
            )
            self.recurrent: nn.Module = AttentionLstm((n_times - 1) // STRIDE + 1, units)
        else:
            self.before = nn.Identity()
            self.recurrent = LastState(n_times, units)
        self.dropout = nn.Dropout(dropout)
        layers: list[nn.Module] = []
        wide = n_channels
        for i, (n, kernel) in enumerate(zip(filters, (8, 5, 3), strict=True)):
            conv = nn.Conv1d(wide, n, kernel)
            nn.init.kaiming_uniform_(conv.weight, nonlinearity="relu")
            layers += [
                nn.ConstantPad1d(((kernel - 1) // 2, kernel // 2), 0.0), conv, nn.BatchNorm1d(n), nn.ReLU()
            ]  # fmt: skip
            if squeeze and i < 2:
                layers.append(SqueezeExcite(n))
            wide = n
        self.convolutions = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (n_rows, n_channels, n_times) to (n_rows, units + filters of the last convolution)."""
        steps = self.dropout(self.recurrent(self.before(x)))
        return torch.cat([steps, self.convolutions(x).mean(dim=2)], dim=1)


class SqueezeExcite(nn.Module):
    """Scale each channel by what its mean over time says beside the others'."""

    def __init__(self, n: int, ratio: int = 16):
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(n, n // ratio, bias=False), nn.ReLU(), nn.Linear(n // ratio, n, bias=False), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (n_rows, n, n_times), kept."""
        return x * self.gate(x.mean(dim=2))[:, :, None]


class LastState(nn.Module):
    """An LSTM's state after its last step."""

    def __init__(self, n_values: int, units: int):
        super().__init__()
        self.lstm = nn.LSTM(n_values, units, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (n_rows, n_steps, n_values) to (n_rows, units)."""
        return self.lstm(x)[1][0][0]


class AttentionLstm(nn.Module):
    """An LSTM that at every step also reads a weighted mean of all steps, weighted by its own state.

    The source divides the number of series by the stride, which leaves five series one step and nothing to attend to;
    here every series stays a step.
    """

    def __init__(self, n_values: int, units: int):
        super().__init__()
        self.cell = nn.LSTMCell(2 * n_values, units)
        self.of_step = nn.Linear(n_values, units)
        self.of_state = nn.Linear(units, units, bias=False)
        self.score = nn.Linear(units, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (n_rows, n_steps, n_values) to (n_rows, units)."""
        h = c = x.new_zeros(len(x), self.cell.hidden_size)
        steps = self.of_step(x)
        for t in range(x.shape[1]):
            weight = self.score(torch.tanh(steps + self.of_state(h)[:, None])).softmax(dim=1)
            h, c = self.cell(torch.cat([x[:, t], (weight * x).sum(dim=1)], dim=1), (h, c))
        return h


# S2's training: 2000 epochs, 64 windows, Adam 1e-3, the rate divided by the cube root of 2 after 100 epochs without
# gain, down to 1e-4; the validation loss is watched, not the training loss (S2-09)
TRAINING = {
    "epochs": 2000, "patience": 200, "batch": 64, "lr": 1e-3, "plateau": 2 ** (-1 / 3), "plateau_patience": 100,
    "least_lr": 1e-4,
}  # fmt: skip


def mlstm_fcn(seed: int, **options: Any) -> Steps:
    """Squeeze-excite, plain LSTM."""
    return _scaled(seed, {}, options)


def lstm_fcn(seed: int, **options: Any) -> Steps:
    """No squeeze-excite, plain LSTM."""
    return _scaled(seed, {"squeeze": False}, options)


def malstm_fcn(seed: int, **options: Any) -> Steps:
    """Squeeze-excite, attention LSTM of 384 units."""
    return _scaled(seed, {"attention": True, "units": 384}, options)


def alstm_fcn(seed: int, **options: Any) -> Steps:
    """No squeeze-excite, attention LSTM of 384 units."""
    return _scaled(seed, {"squeeze": False, "attention": True, "units": 384}, options)


def _scaled(seed: int, kind: dict[str, Any], options: dict[str, Any]) -> Steps:
    """Its LSTM reads samples as they are, so that they are brought to one scale first."""
    made = net.make("lstm_fcn", seed, {**TRAINING, **kind}, options)
    return Steps([("scaler", ChannelScaler()), ("classifier", made)])
