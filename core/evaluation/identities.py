"""Names of columns that say who, when or in which order: identities, never features (requirements S3-07)."""

from __future__ import annotations

import re

# words of a column's name that say who, when or in which order, not what was measured
DENIED = frozenset(
    (
        "id", "ids", "uid", "uuid", "subject", "participant", "patient", "person", "pseudonym", "session", "trial",
        "run", "block", "row", "index", "number", "order", "sequence", "time", "timestamp", "unix", "date", "clock",
        "onset", "offset", "start", "stop", "elapsed", "reaction", "response", "stimulus", "clip", "video", "label",
        "target", "rating",
    )
)  # fmt: skip


def denied(name: str) -> str:
    """The first word of a column's name that is on the list of what is no feature, or nothing.

    Examples
    --------
    >>> denied("eeg_trial_no"), denied("responseTime"), denied("resp_inspiration_s"), denied("eda_slope_us_min")
    ('trial', 'response', '', '')
    """
    words = re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    return next((w for w in words if w in DENIED), "")
