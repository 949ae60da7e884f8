"""Measure how often each kind of finding appears in someone who never changes.

``python -m core.insights.calibrate`` prints the table; ``--write`` puts it into ``chance.py``. Seeds are fixed.

The simulated person has a mean of valence, arousal and dominance between 0.35 and 0.65 and varies around it
with a session SD of 0.08; `default` also sees heart rate, RMSSD and frontal alpha asymmetry. Sessions are
weekly; STABILITY, which needs four sessions in seven days, is measured with one every other day.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from core.insights import DETECTORS, detect, replay
from core.settings import AFFECT
from core.types import Visit

SESSIONS = 20
SESSION_SD = 0.08  # index (design 2)
MARKERS = {"heart_rate": (70.0, 4.0), "rmssd": (35.0, 0.2), "alpha_asymmetry": (0.0, 0.12)}  # mean, SD; RMSSD: ln SD
PUBLISHED_SESSIONS = (3, 5, 6, 8, 10, 15, 20, 30)
START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def calm(rng: np.random.Generator, n: int, days: float, *, sd: float = SESSION_SD, markers: bool = True) -> list[Visit]:
    """Visits of a person who never changes, ``days`` apart."""
    columns = {m: np.clip(rng.uniform(0.35, 0.65) + sd * rng.standard_normal(n), 0, 1) for m in AFFECT}
    if markers:
        for measure, (mean, spread) in MARKERS.items():
            noise = spread * rng.standard_normal(n)
            columns[measure] = mean * np.exp(noise) if measure == "rmssd" else mean + noise
    return [
        Visit(
            f"S-{k + 1:02d}", START + timedelta(days=days * k), True,
            {m: float(x[k]) for m, x in columns.items()}, "simulated",
        )
        for k in range(n)
    ]  # fmt: skip


def default_rates(people: int, seed: int = 0) -> dict[str, float]:
    """Insights of `default` by kind, per person and 20 sessions."""
    rng = np.random.default_rng(seed)
    weekly, dense = Counter[str](), Counter[str]()
    for _ in range(people):
        weekly.update(i.kind for i in replay(calm(rng, SESSIONS, 7), "default"))
        dense.update(i.kind for i in replay(calm(rng, SESSIONS, 2), "default"))
    return {kind: round((dense if kind == "STABILITY" else weekly)[kind] / people, 2) for kind in DETECTORS}


def published_rates(people: int, sessions: Sequence[int], seed: int = 0) -> dict[str, dict[int, float]]:
    """Insights of `published` by kind and number of sessions looked at, per 20 visits with so many."""
    rates: dict[str, dict[int, float]] = {kind: {} for kind in DETECTORS}
    for n in sessions:
        rng = np.random.default_rng([seed, n])
        fired = Counter[str]()
        for _ in range(people):
            for days in (1.0, 2.0):
                visits = calm(rng, n, days if n * days <= 30 else 30 / n, markers=False)
                new, _ = detect(visits, "published", now=visits[-1].started_at, cap=100)
                # daily visits fill the look-back; STABILITY is measured with one every other day
                fired.update(i.kind for i in new if (i.kind == "STABILITY") == (days == 2.0))
        for kind in DETECTORS:
            rates[kind][n] = round(SESSIONS * fired[kind] / people, 2)
    return rates


def main() -> None:
    """Print the table, or write it into chance.py."""
    parser = argparse.ArgumentParser(description="Measure chance findings of the detectors.")
    parser.add_argument("--people", type=int, default=4000)
    parser.add_argument("--write", action="store_true", help="put the numbers into core/insights/chance.py")
    asked = parser.parse_args()
    published = published_rates(asked.people, PUBLISHED_SESSIONS)
    rows = "".join(f"    {kind!r}: {rates},\n" for kind, rates in published.items())
    table = (
        f"DEFAULT: dict[str, float] = {default_rates(asked.people)}\n"
        f"PUBLISHED: dict[str, dict[int, float]] = {{\n{rows}}}\n"
    ).replace("'", '"')
    print(table)
    if asked.write:
        path = Path(__file__).with_name("chance.py")
        text = path.read_text(encoding="utf-8")
        path.write_text(
            re.sub(r"(?s)(# table: begin\n).*(# table: end)", lambda m: m[1] + table + m[2], text), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
