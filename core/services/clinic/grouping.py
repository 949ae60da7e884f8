"""Which of several files make one session: what their clocks propose, before a person says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from core.types import Part


def proposed(parts: Sequence[Part], offsets: Mapping[str, float] | None = None) -> tuple[int | None, ...]:
    """The number of the session, from 1 in order of time, that each part belongs to; None where a person must say.

    Parts whose times overlap, in a chain, are one session; every other dated part is one of its own. One without a
    start time goes with the dated ones where they make a single session, and alone where there is no other part.

    Parameters
    ----------
    parts : sequence of Part
        Each with the time and length of its own clock (``isolation.outline``).
    offsets : mapping, optional
        Seconds to add to the clock of a part, by its label.
    """
    spans = []
    for i, part in enumerate(parts):
        if part.started_at:
            start = part.started_at + timedelta(seconds=(offsets or {}).get(part.label, 0.0))
            spans.append((start, -part.duration_s, i))
    numbers: list[int | None] = [None] * len(parts)
    number, end = 0, None
    # of two that start together the longer first, so that one without a length lies within the other
    for start, minus_s, i in sorted(spans):
        stop = start - timedelta(seconds=minus_s)
        if end is None or start >= end:
            number, end = number + 1, stop
        numbers[i], end = number, max(end, stop)
    if number == 1 or (number == 0 and len(parts) == 1):
        return tuple(1 for _ in parts)
    return tuple(numbers)
