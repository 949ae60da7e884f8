"""Contributions of columns to rows, told by modality and by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from core.evaluation.dataset import GROUP, ready_type
from core.models.bundle import logit

BY = ("modality", "block")


@dataclass(frozen=True)
class Attribution:
    """Contributions ``values`` (n_rows, n_columns); with ``base`` (n_rows,) a row adds up to what the model said.

    On the scale ``link``: ``logit`` or ``probability`` of High, or of the likeliest of several classes. ``types`` is
    the modality of each column. ``over_time`` (n_rows, n_windows) are the same contributions by window where a row is
    a trial.
    """

    values: np.ndarray
    base: np.ndarray
    columns: tuple[str, ...]
    types: tuple[str, ...]
    method: str
    link: str = "logit"
    over_time: np.ndarray | None = None

    @property
    def total(self) -> np.ndarray:
        """What the model said of each row, shape (n_rows,)."""
        return self.base + self.values.sum(axis=1)

    def by(self, kind: str) -> dict[str, np.ndarray]:
        """Contributions of each modality or block, shape (n_rows,), in order of first appearance."""
        names = self.types if kind == "modality" else blocks(self.columns, self.types)
        return {n: self.values[:, [m == n for m in names]].sum(axis=1) for n in dict.fromkeys(names)}

    def scaled(self, ratio: np.ndarray, base: np.ndarray, link: str) -> Attribution:
        """The same shares of another total: every contribution of a row times its ratio."""
        over_time = None if self.over_time is None else self.over_time * ratio[:, None]
        return replace(self, values=self.values * ratio[:, None], base=base, link=link, over_time=over_time)

    def on(self, link: str) -> Attribution:
        """On the other scale: contributions keep their proportions and add up to the change there."""
        if link == self.link:
            return self
        turn: Callable[[np.ndarray], np.ndarray] = logit if link == "logit" else _sigmoid
        start, end = turn(self.base), turn(self.total)
        change = self.total - self.base
        flat = np.abs(change) < 1e-12
        p = self.base if self.link == "probability" else end
        slope = 1 / np.maximum(p * (1 - p), 1e-12) if link == "logit" else p * (1 - p)
        return self.scaled(np.where(flat, slope, (end - start) / np.where(flat, 1.0, change)), start, link)


def blocks(columns: Sequence[str], types: Sequence[str]) -> list[str]:
    """The block of each column; the modality itself where a column is in none."""
    return [_block(column) or type_ for column, type_ in zip(columns, types, strict=True)]


@cache
def _block(column: str) -> str:
    from core import features

    try:
        return features.block_of(column)
    except KeyError:
        return ""


def modality(column: str) -> str:
    """The channel type of a feature column; ``group`` of a score, ``other`` where its name says nothing."""
    lead = _block(column).split(" ")[0] or ready_type(column)
    return lead or (GROUP if column.startswith("group_") else "other")


def sizes(found: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Mean size of the contributions by name, the largest first, and each one's share of their sum."""
    means = {name: float(np.mean(np.abs(v))) for name, v in found.items()}
    total = sum(means.values())
    rows = [{"name": n, "value": v, "share": v / total if total else 0.0} for n, v in means.items()]
    return sorted(rows, key=lambda r: -r["value"])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
