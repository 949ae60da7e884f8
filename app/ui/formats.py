"""Numbers, times and names as a screen writes them: never NaN, None or an empty cell."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from app.ui import wording
from core.settings import MEASURE_NAMES
from core.types import Measure, Reason

NOT_KNOWN = "Not known"
DIGITS = {
    "index": 2, "/min": 1, "ms": 1, "ln ratio": 2, "Hz": 2, "µS": 2, "µV": 1, "°C": 2, "g": 3, "share of frames": 2,
}  # fmt: skip


def offset(moment: datetime, zone: ZoneInfo) -> str:
    """The zone's offset at a time, as UTC+01:00."""
    delta = moment.astimezone(zone).utcoffset()
    minutes = int(delta.total_seconds() // 60) if delta else 0
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def when(moment: datetime | None, zone: ZoneInfo) -> str:
    """14 Jul 2026 09:05 (UTC+01:00), or Not known."""
    if moment is None:
        return NOT_KNOWN
    local = moment.astimezone(zone)
    return f"{local.day} {local:%b %Y %H:%M} ({offset(moment, zone)})"


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """14 Jul 2026 09:05:12 (UTC+01:00), to the second, or Not known."""
    if at is None:
        return NOT_KNOWN
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y %H:%M:%S} ({offset(at, zone)})"


def day(moment: datetime | None, zone: ZoneInfo) -> str:
    """14 Jul 2026, or Not known."""
    if moment is None:
        return NOT_KNOWN
    local = moment.astimezone(zone)
    return f"{local.day} {local:%b %Y}"


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that says it: 3 days ago."""
    if moment is None:
        return NOT_KNOWN
    seconds = (now - moment).total_seconds()
    if seconds < -60:
        return "in the future"
    for size, unit in ((31_557_600, "year"), (2_629_800, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            n = int(seconds // size)
            return f"{n} {unit}{'' if n == 1 else 's'} ago"
    return "just now"


def local_ms(moments: list[datetime], zone: ZoneInfo) -> np.ndarray:
    """Times as milliseconds on the wall clock of the zone, for date axes; shape (n,)."""
    local = [m.astimezone(zone).replace(tzinfo=UTC).timestamp() * 1000 for m in moments]
    return np.asarray(local, dtype=np.float64)


def number(value: float | None, digits: int = 2) -> str:
    """A number with fixed digits, never -0.00; what has no finite value is "not computed"."""
    if value is None or not math.isfinite(value):
        return "not computed"
    return f"{value:z.{digits}f}"


def share(value: float | None) -> str:
    """A share of 0-1 as per cent."""
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    return f"{100 * value:.0f} %"


def seconds(value: float | None) -> str:
    """A length of time: 45 s, 12 min 05 s, 1 h 02 min."""
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    if value < 60:
        return f"{value:.0f} s" if value >= 10 or value == int(value) else f"{value:.1f} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60):02d} min"


def clock(value: float) -> str:
    """Seconds from the start of a recording as 01:05 or 1:02:05."""
    whole = int(value)
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60:02d}:{whole % 60:02d}"


def size(n_bytes: int) -> str:
    """A file size in kB or MB."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{max(n_bytes / 1e3, 0.1):.1f} kB"


def span(low: float, high: float, digits: int = 2) -> str:
    """0.48-0.74; with "to" where a minus sign would read as a dash."""
    left, right = f"{low:z.{digits}f}", f"{high:z.{digits}f}"
    return f"{left}{' to ' if left.startswith('-') else '-'}{right}"


def probability(p: float) -> str:
    """A p or q value: 0.027, or that it is smaller than three digits can say."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def counted(n: int, what: str) -> str:
    """1 session, 1,000 sessions."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def name(measure: str) -> str:
    """The name of a measure as a person reads it."""
    return MEASURE_NAMES.get(measure, measure.replace("_", " ").capitalize())


def reason(why: Reason | str | None) -> str:
    """not computed: the reason in words."""
    words = wording.REASONS.get(str(why), str(why).replace("_", " ")) if why else "no reason was stored"
    return f"not computed: {words}"


def state(text: str) -> str:
    """A session's state in words, or why it is not computed."""
    if not text:
        return "not computed: no session yet"
    return reason(text) if text in wording.REASONS else visible(text, 120)


def value(measure: Measure | None, *, unit: bool = True) -> str:
    """0.62 (0.48-0.74), 71.3 /min (70.1-72.6), or the reason in words."""
    if measure is None:
        return "not computed: not part of this analysis"
    if measure.value is None:
        return reason(measure.reason)
    digits = DIGITS.get(measure.unit, 2)
    mark = "" if measure.unit == "index" or not unit else f" {measure.unit}"
    text = f"{measure.value:.{digits}f}{mark}"
    if measure.low is not None and measure.high is not None:
        text += f" ({span(measure.low, measure.high, digits)})"
    return text


def direction(number_: float, low: float | None, high: float | None) -> str | None:
    """above, within or below own range; None while there is no range."""
    if low is None or high is None:
        return None
    return "above" if number_ > high else "below" if number_ < low else "within"


def whole_scale(low: float, high: float) -> bool:
    """Whether a range covers an index of 0-1 from end to end, so that nothing can lie outside."""
    return low <= 0.005 and high >= 0.995


def visible(text: object, limit: int = 80) -> str:
    """Text of a file or a person, made safe to read: one line, control and bidi characters shown, cut at 80."""
    shown = "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs") else c
        for c in unicodedata.normalize("NFC", str(text))
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def in_figure(text: object, limit: int = 80) -> str:
    """Text of a file or a person for a Plotly figure, which would read tags in it."""
    return html.escape(visible(text, limit))


def in_label(text: object, limit: int = 80) -> str:
    """Text of a file or a person for a widget label, which would read Markdown in it."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|~$:" else c for c in visible(text, limit))


def of_label(text: str) -> str:
    """The text of a widget label without the marks that ``in_label`` set."""
    return re.sub(r"\\([^\w\s])", r"\1", text)
