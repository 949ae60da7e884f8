"""How often each kind of finding appears in someone who never changes.

The numbers are measured by ``python -m core.insights.calibrate --write``, which writes them here; not by hand.
"""

from __future__ import annotations

# per 20 sessions; `default` over the course, `published` by the number of sessions its rule looked at
# table: begin
DEFAULT: dict[str, float] = {}
PUBLISHED: dict[str, dict[int, float]] = {}
# table: end


def expected(preset: str, kind: str, n: int) -> float:
    """Findings of a kind that 20 sessions without any change bring, over all measures of a person.

    ``n`` is the number of sessions the rule looked at; between two measured numbers of sessions the
    value is drawn straight.
    """
    if preset == "default":
        return DEFAULT.get(kind, 0.0)
    known = PUBLISHED.get(kind, {})
    if not known:
        return 0.0
    places = sorted(known)
    below = max((k for k in places if k <= n), default=places[0])
    beyond = min((k for k in places if k >= n), default=places[-1])
    if beyond <= below:
        return known[below]
    share = (n - below) / (beyond - below)
    return round(known[below] + share * (known[beyond] - known[below]), 2)
