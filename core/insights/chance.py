"""How often each kind of finding appears in someone who never changes.

The numbers are measured by ``python -m core.insights.calibrate --write``, which writes them here; not by hand.
"""

from __future__ import annotations

# per 20 sessions; `default` over the course, `published` by the number of sessions its rule looked at
# fmt: off
# table: begin
DEFAULT: dict[str, float] = {"TREND": 0.09, "ANOMALY": 0.1, "PEAK": 0.33, "STABILITY": 9.26, "CORRELATION": 0.04}
PUBLISHED: dict[str, dict[int, float]] = {
    "TREND": {3: 0.0, 5: 0.0, 6: 10.3, 8: 2.4, 10: 1.05, 15: 0.3, 20: 0.24, 30: 0.1},
    "ANOMALY": {3: 0.0, 5: 12.9, 6: 10.45, 8: 7.84, 10: 6.8, 15: 5.04, 20: 4.51, 30: 3.62},
    "PEAK": {3: 1.49, 5: 1.48, 6: 1.27, 8: 1.41, 10: 1.23, 15: 1.03, 20: 0.98, 30: 0.77},
    "STABILITY": {3: 0.0, 5: 15.24, 6: 14.5, 8: 14.8, 10: 14.81, 15: 14.65, 20: 12.17, 30: 6.96},
    "CORRELATION": {3: 0.0, 5: 0.0, 6: 0.0, 8: 4.74, 10: 2.53, 15: 0.49, 20: 0.12, 30: 0.01},
}
# table: end
# fmt: on


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
