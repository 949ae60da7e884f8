"""A patient's visits as the detectors read them: one column per measure, ready to be cut at any visit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from core.settings import LOG_SCALE_MEASURES, PREDICTIONS, SMALLEST_CHANGE
from core.types import Insight, Reference, Visit

PRESETS = ("default", "published")


@dataclass(frozen=True)
class Series:
    """One measure of one person, oldest to newest; the newest is the visit that is judged.

    ``x`` is on the detectors' scale (ln for RMSSD and skin-conductance level), ``at`` are places in
    ``visits``, ``seconds`` POSIX times; all of shape (n_sessions,).
    """

    measure: str
    x: np.ndarray
    at: np.ndarray
    seconds: np.ndarray
    visits: Sequence[Visit]

    def __len__(self) -> int:
        return len(self.x)

    def cut(self, first: int, end: int) -> Series:
        """The part [first, end)."""
        part = slice(first, end)
        return Series(self.measure, self.x[part], self.at[part], self.seconds[part], self.visits)

    def visit(self, k: int) -> Visit:
        """The k-th session; -1 is the newest."""
        return self.visits[int(self.at[k])]

    @property
    def smallest_change(self) -> float:
        """The smallest change worth naming, on the scale of ``x``."""
        return SMALLEST_CHANGE[self.measure]

    @property
    def model(self) -> str | None:
        """The model the values come from; None for a marker."""
        return self.visit(-1).model if self.measure in PREDICTIONS else None


@dataclass(frozen=True)
class View:
    """What the detectors see at one visit: the measures it has, each with its history."""

    visit: Visit
    now: datetime
    preset: str
    series: Mapping[str, Series]
    references: Mapping[str, Reference]


@dataclass(frozen=True)
class Found:
    """The outcome of one rule at one visit, whether it speaks or not.

    ``test`` names the statistical test behind it (ANOMALY and PEAK of a measure share one) and ``p`` its
    p-value; both None for a rule without a test. ``holds``: the rule itself is met. A ``certain`` one needs
    no false-discovery control. ``write`` makes the insight, given q. ``before`` is the session before the
    newest in the history the rule looked at.
    """

    kind: str
    measure: str
    holds: bool
    test: str | None = None
    p: float | None = None
    certain: bool = False
    before: str | None = None
    write: Callable[[], Insight] | None = None


def natural(session: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key of a session id that puts S-99 before S-100."""
    parts = (part for part in re.split(r"(\d+)", session) if part)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


class History:
    """All visits of one patient in order, and their columns; cutting at a visit costs no copying."""

    def __init__(self, visits: Sequence[Visit]) -> None:
        self.visits: list[Visit] = sorted(visits, key=lambda v: (v.started_at, natural(v.session), v.session))
        self.place = {v.session: i for i, v in enumerate(self.visits)}
        rows: dict[tuple[str, str | None], tuple[list[int], list[float]]] = {}
        for i, visit in enumerate(self.visits):
            if not visit.accepted:
                continue
            for measure, value in visit.values.items():
                if measure not in SMALLEST_CHANGE or value is None or not math.isfinite(value):
                    continue
                if measure in LOG_SCALE_MEASURES:
                    if value <= 0:
                        continue
                    value = math.log(value)
                at, x = rows.setdefault(self._key(measure, visit), ([], []))
                at.append(i)
                x.append(value)
        self._columns: dict[tuple[str, str | None], Series] = {}
        for (measure, model), (at, x) in rows.items():
            seconds = np.array([self.visits[i].started_at.timestamp() for i in at])
            places = np.array(at, dtype=np.intp)
            self._columns[measure, model] = Series(measure, np.array(x), places, seconds, self.visits)

    @staticmethod
    def _key(measure: str, visit: Visit) -> tuple[str, str | None]:
        # probabilities of different models are not comparable; a marker is the same whatever the model
        return measure, (visit.model if measure in PREDICTIONS else None)

    def series(self, i: int, since: datetime | None = None, measures: Sequence[str] | None = None) -> dict[str, Series]:
        """The measures of visit i, each with its history up to it, from ``since`` on."""
        visit = self.visits[i]
        found: dict[str, Series] = {}
        for measure in measures if measures is not None else visit.values:
            column = self._columns.get(self._key(measure, visit))
            if column is None:
                continue
            end = int(np.searchsorted(column.at, i, side="right"))
            first = 0 if since is None else int(np.searchsorted(column.seconds, since.timestamp(), side="left"))
            if end > first and column.at[end - 1] == i:
                found[measure] = column.cut(first, end)
        return found

    def last_before(self, i: int, insight: Insight) -> Visit | None:
        """The newest visit before place i in the history that an insight was found in."""
        visit = self.visits[self.place[insight.session]]
        shared: set[int] | None = None
        for measure in insight.measure.split("-"):
            column = self._columns.get(self._key(measure, visit))
            places = set(column.at[column.at < i].tolist()) if column is not None else set()
            shared = places if shared is None else shared & places
        return self.visits[max(shared)] if shared else None
