"""Static plots of a report, drawn as vectors: scores with intervals, a dot per subject, reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from reportlab.graphics.shapes import Circle, Drawing, Line, Rect, String
from reportlab.lib.colors import HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from core.reports import fonts
from core.reports.paper import BLUE, INK, ORANGE, RULE, SHADE, WIDTH
from core.reports.values import known

SIZE = 7.0  # points, of text
_CHANCE = "#E3E7EA"


class Plane:
    """A drawing with two axes: numbers of the data to points of the page."""

    def __init__(
        self, width: float, height: float, x: tuple[float, float], y: tuple[float, float], left: float = 60.0
    ) -> None:
        """A frame of ``width`` x ``height`` points; ``x`` and ``y`` are the ends of the axes."""
        fonts.register()
        self.drawing = Drawing(WIDTH, height)
        self._x, self._y = x, y
        self._left, self._bottom = left, 30.0
        self._width, self._height = width - left - 12, height - 40.0

    def x(self, value: float) -> float:
        """Where a value of the first axis lies."""
        return self._left + self._width * (value - self._x[0]) / (self._x[1] - self._x[0])

    def y(self, value: float) -> float:
        """Where a value of the second axis lies."""
        return self._bottom + self._height * (value - self._y[0]) / (self._y[1] - self._y[0])

    def add(self, *shapes: Any) -> None:
        """Draw on top of what is there."""
        for shape in shapes:
            self.drawing.add(shape)

    def text(self, x: float, y: float, words: object, anchor: str = "start", colour: str = INK) -> None:
        """Text at a point of the page; ``anchor`` start, middle or end."""
        parts = fonts.runs(words)
        wide = sum(stringWidth(part, font, SIZE) for font, part in parts)
        at = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        for font, part in parts:
            self.add(String(at, y, part, fontName=font, fontSize=SIZE, fillColor=HexColor(colour)))
            at += stringWidth(part, font, SIZE)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: str = INK, **more: Any) -> None:
        """A line between two points of the data."""
        ends = self.x(start[0]), self.y(start[1]), self.x(end[0]), self.y(end[1])
        self.add(Line(*ends, strokeColor=HexColor(colour), **({"strokeWidth": 1} | more)))

    def band(self, low: tuple[float, float], high: tuple[float, float], colour: str = _CHANCE) -> None:
        """A filled box between two corners of the data."""
        x, y = self.x(low[0]), self.y(low[1])
        self.add(Rect(x, y, self.x(high[0]) - x, self.y(high[1]) - y, fillColor=HexColor(colour), strokeColor=None))

    def dot(self, x: float, y: float, *, filled: bool = True, size: float = 3.2, colour: str = BLUE) -> None:
        """A dot, hollow or filled."""
        inside = HexColor(colour if filled else "#FFFFFF")
        edge = HexColor(colour)
        self.add(Circle(self.x(x), self.y(y), size, fillColor=inside, strokeColor=edge, strokeWidth=1.2))

    def ticks_x(self, values: Sequence[float], title: str, form: str = ".2f") -> None:
        """Numbers and faint lines along the first axis, and its title."""
        for v in values:
            self.line((v, self._y[0]), (v, self._y[1]), RULE, strokeWidth=0.4)
            self.text(self.x(v), self._bottom - 10, f"{v:{form}}", "middle")
        self.text(self._left + self._width / 2, self._bottom - 22, title, "middle")

    def ticks_y(self, values: Sequence[float], title: str, form: str = ".2f") -> None:
        """Numbers and faint lines along the second axis, and its title above."""
        for v in values:
            self.line((self._x[0], v), (self._x[1], v), RULE, strokeWidth=0.4)
            self.text(self._left - 4, self.y(v) - 2.5, f"{v:{form}}", "end")
        self.text(self._left, self._bottom + self._height + 4, title)


def intervals(rows: Sequence[Mapping[str, Any]], title: str, at: float, band: Any = None) -> Drawing:
    """A row for each ``{name, value, low, high, hollow}``: a dot with its interval; dotted is ``at``.

    ``band`` ``{low, high}`` is shaded behind all. Rows without a value keep their name and say so.
    """
    ends = [at, *(v for r in rows for k in ("value", "low", "high") if (v := known(r.get(k))) is not None)]
    pad = max(0.05, 0.1 * (max(ends) - min(ends)))
    low, high = min(ends) - pad, max(ends) + pad
    plane = Plane(WIDTH, 46.0 + 17 * len(rows), (low, high), (len(rows) - 0.4, -0.6), left=170.0)
    if isinstance(band, Mapping) and known(band.get("low")) is not None:
        plane.band((max(low, band["low"]), len(rows) - 0.4), (min(high, band["high"]), -0.6))
    plane.ticks_x(_round(low, high), title, "+.2f" if low < 0 else ".2f")
    plane.line((at, len(rows) - 0.4), (at, -0.6), strokeDashArray=(2, 2))
    for i, row in enumerate(rows):
        plane.text(164, plane.y(i) - 2.5, fonts.visible(row["name"])[:38], "end")
        value, *around = (known(row.get(k)) for k in ("value", "low", "high"))
        if value is None:
            plane.text(plane.x(low) + 4, plane.y(i) - 2.5, "not computed")
            continue
        colour = ORANGE if row.get("hollow") else BLUE
        if None not in around:
            plane.line((around[0] or 0.0, i), (around[1] or 0.0, i), colour, strokeWidth=1.5)
        plane.dot(value, i, filled=not row.get("hollow"), colour=colour)
    return plane.drawing


def _round(low: float, high: float) -> list[float]:
    """Four to eight round numbers between two."""
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 50, 1e3, 1e9) if (high - low) / s <= 8)
    return [k * step for k in range(int(low / step) - 1, int(high / step) + 2) if low <= k * step <= high]


def subjects(rows: Sequence[tuple[str, float]], mean: float | None, chance: Any) -> Drawing:
    """A dot for each (subject, balanced accuracy), the lowest first, over what chance gives their mean."""
    found = sorted(rows, key=lambda r: (r[1], r[0]))
    plane = Plane(WIDTH, 170.0, (-0.6, len(found) - 0.4), (0.0, 1.0), left=34.0)
    if isinstance(chance, Mapping) and known(chance.get("low")) is not None:
        plane.band((-0.6, chance["low"]), (len(found) - 0.4, chance["high"]))
    plane.ticks_y((0, 0.25, 0.5, 0.75, 1), "Balanced accuracy of each person left out")
    if mean is not None:
        plane.line((-0.6, mean), (len(found) - 0.4, mean), BLUE)
    every = -(-len(found) // 16)  # names that there is room for
    for i, (name, value) in enumerate(found):
        plane.dot(i, value)
        if i % every == 0:
            plane.text(plane.x(i), 18, fonts.visible(name)[:8], "middle")
    return plane.drawing


def reliability(bins: Sequence[Mapping[str, Any]]) -> Drawing:
    """Share High against the probability that was said; a dot's area is its number of trials."""
    plane = Plane(220.0, 210.0, (0.0, 1.0), (0.0, 1.0), left=34.0)
    plane.band((0, 0), (1, 1), SHADE)
    plane.ticks_x((0, 0.25, 0.5, 0.75, 1), "Probability of High that was said")
    plane.ticks_y((0, 0.25, 0.5, 0.75, 1), "Share of trials rated High")
    plane.line((0, 0), (1, 1), strokeDashArray=(2, 2))
    points = [(b["mean_p"], b["share_high"], b["n"]) for b in bins]
    for (x, y, _), (x2, y2, _) in pairwise(points):
        plane.line((x, y), (x2, y2), BLUE)
    most = max((n for *_, n in points), default=1)
    for x, y, n in points:
        plane.dot(x, y, size=2 + 5 * (n / most) ** 0.5)
    return plane.drawing
