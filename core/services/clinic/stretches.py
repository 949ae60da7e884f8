"""What the windows of each annotated stretch of a session say: of a trial, a stimulus, a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.services.clinic import stored
from core.settings import PREDICTIONS
from core.storage import sessions as rows
from core.storage.records import as_measure
from core.storage.store import Store
from core.types import Annotation, Reason


@dataclass(frozen=True)
class Stretch:
    """An annotated stretch, the windows that lie in it, and the mean of each target over the usable ones.

    ``means`` has a Reason where there is none. Without a model's windows those of the best channel type are counted.
    """

    label: str
    onset_s: float
    duration_s: float
    n_windows: int
    n_usable: int
    means: Mapping[str, float | Reason]


def stretches(store: Store, session: str) -> list[Stretch]:
    """Every annotation with a length, in order of time; not the baseline and what was marked as bad."""
    with store.read() as tx:
        _, record = stored.find(tx, session)
        analysis = stored.newest(rows.analyses(tx, record.id))
        measures = [as_measure(row) for row in rows.measure_rows(tx, analysis.id)]
        series = rows.series(tx, analysis.id)
        quality = rows.quality(tx, analysis.id)
    why = {m.name: m.reason or Reason.LOW_QUALITY for m in measures if m.name in PREDICTIONS}
    said = [a for a in (Annotation(**a) for a in record.annotations) if _is_stretch(a)]
    if quality is None:
        return []
    if series:
        onset_s, length_s = stored.unpack(series[0].onset_s), series[0].duration_s
        proba = {s.target: stored.unpack(s.proba) for s in series}
        usable = np.isfinite(np.stack(list(proba.values()))).any(axis=0)
    else:
        onset_s, length_s, proba = stored.unpack(quality.onset_s), quality.duration_s, {}
        types = stored.unpack(quality.usable)
        usable = max(types, key=np.sum) if len(types) else np.zeros(len(onset_s), dtype=bool)
    found = []
    for mark in sorted(said, key=lambda a: a.onset_s):
        inside = (onset_s >= mark.onset_s - 1e-6) & (onset_s + length_s <= mark.onset_s + mark.duration_s + 1e-6)
        none = Reason.LOW_QUALITY if inside.any() else Reason.TOO_SHORT
        means = {t: _mean(proba[t][inside], none) if t in proba else why[t] for t in (proba or why)}
        found.append(
            Stretch(
                mark.description, mark.onset_s, mark.duration_s, int(inside.sum()), int((inside & usable).sum()), means
            )
        )
    return found


def _is_stretch(mark: Annotation) -> bool:
    """Whether it is about all channels for a while, and neither rest nor bad."""
    rest = mark.description.strip().lower() == "baseline"
    return mark.duration_s > 0 and not (rest or mark.bad or mark.channel)


def _mean(values: Sequence[float] | np.ndarray, none: Reason) -> float | Reason:
    seen = np.asarray(values)[np.isfinite(values)]
    return float(seen.mean()) if len(seen) else none
