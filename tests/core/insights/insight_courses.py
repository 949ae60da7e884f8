"""Histories with a known answer for the detector tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from core.types import Insight, Visit

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
AFFECT = ("valence", "arousal", "dominance")
# mean and session SD of a person who never changes; RMSSD and SCL: SD on the ln scale
MARKERS = {
    "heart_rate": (70.0, 4.0), "rmssd": (35.0, 0.2), "alpha_asymmetry": (0.0, 0.12), "engagement": (-0.5, 0.12),
    "alpha_peak": (10.0, 0.3), "scl": (3.0, 0.2), "breathing_rate": (15.0, 1.5), "skin_temperature": (33.0, 0.6),
    "movement": (0.05, 0.01),
}  # fmt: skip


def visits(
    every_days: float = 7.0, model: str | None = "demo/1", start: datetime = START, **columns: Sequence[float | None]
) -> list[Visit]:
    """Accepted visits, one per row of the columns; None leaves a measure out."""
    rows = zip(*columns.values(), strict=True)
    return [
        Visit(
            f"P-0001/S-{k + 1:02d}", start + timedelta(days=every_days * k), True,
            {m: v for m, v in zip(columns, row, strict=True) if v is not None}, model,
        )
        for k, row in enumerate(rows)
    ]  # fmt: skip


def course(
    rng: np.random.Generator,
    markers: Sequence[str] = (),
    shifted: Sequence[str] = (),
    n: int = 20,
    every_days: float = 7.0,
) -> list[Visit]:
    """A person whose sessions vary with an SD of 0.08; ``shifted`` measures move by three SDs in the last five."""
    columns = {}
    for measure in AFFECT:
        mean = rng.uniform(0.35, 0.65)
        x = mean + 0.08 * rng.standard_normal(n)
        if measure in shifted:
            x[-5:] += 3 * 0.08 * (1 if mean < 0.5 else -1)
        columns[measure] = np.clip(x, 0, 1).tolist()
    for measure in markers:
        mean, sd = MARKERS[measure]
        noise = sd * rng.standard_normal(n)
        if measure in shifted:
            noise[-5:] += 3 * sd
        columns[measure] = (mean * np.exp(noise) if measure in ("rmssd", "scl") else mean + noise).tolist()
    return visits(every_days, **columns)


def kinds(insights: Sequence[Insight]) -> list[str]:
    """Kinds, in order."""
    return [i.kind for i in insights]


def of(insights: Sequence[Insight], kind: str, measure: str = "valence") -> Insight | None:
    """The only insight of a kind on a measure, or None."""
    found = [i for i in insights if i.kind == kind and i.measure == measure]
    assert len(found) <= 1
    return found[0] if found else None
