"""Everything that is odd about the signals of a recording, at once and by channel, with repairs that may mend it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.quality import WORDS
from core.readers.base import WHOLE
from core.readers.channels import spread
from core.readers.checks import off_by
from core.readers.repairs import DROP, REPAIRS
from core.types import Notice, Quality, Recording, Signal, SignalQuality

# how far the deflections to one side stand out before an ECG is said to point down; own: upright leads reach 0.7
INVERTED = 1.5
_BY_POWER = {1e3: "unit_x1000", 1e-3: "unit_div1000", 1e6: "unit_x1000000", 1e-6: "unit_div1000000"}
_SAME_AS_OURS = {"gap", "missing", "marked"}
# of each channel below; and what is no problem
_SAID_ELSEWHERE = {"W-MISSING-VALUES", "W-REPAIRED"}


@dataclass(frozen=True)
class Problem:
    """What is odd about a channel, or ("*") about the files as a whole.

    ``share`` (0-1) is how much of the channel it concerns, None where that is no question of time; ``repairs`` may mend
    it.
    """

    channel: str
    type: str
    code: str
    what: str
    share: float | None = None
    repairs: tuple[str, ...] = ()


def problems(recording: Recording, verdict: Quality) -> tuple[Problem, ...]:
    """All problems of a recording: first those of the files, then by channel in file order."""
    told = [n for n in recording.notices if n.code not in _SAID_ELSEWHERE]
    found = [Problem(WHOLE, "", n.code, n.text, None, _of_notice(n)) for n in told]
    copies = _copies(recording.signals)
    for signal, said in zip(recording.signals, verdict.signals, strict=True):
        found += _of_signal(signal, said, copies.get(signal.name))
    return tuple(found)


def _of_notice(notice: Notice) -> tuple[str, ...]:
    """Tables alone have timestamps beside their rows, and these words in their notices on the rate."""
    return ("rate_from_timestamps",) if notice.code == "W-RATE" and "timestamps" in notice.text else ()


def _of_signal(s: Signal, said: SignalQuality, copy_of: str | None) -> list[Problem]:
    def problem(code: str, what: str, share: float | None = None, *repairs: str) -> Problem:
        return Problem(s.name, s.type, code, what, share, (*repairs, DROP))

    if s.type == "misc":
        return [Problem(s.name, s.type, "unknown", "its type is not known: it is listed and not analysed")]
    found = []
    missing = 1.0 - float(np.isfinite(s.data).mean()) if len(s.data) else 1.0
    if missing:
        found.append(problem("missing", f"{_percent(missing)} of its samples are missing", missing))
    power = off_by(s)
    if power:
        found.append(problem(
            "unit", f"95 % of its values lie within {spread(s.data):.3g} {s.unit} of their middle, which fits no "
            f"person; {REPAIRS[_BY_POWER[power]].title} would fit", None, _BY_POWER[power],
        ))  # fmt: skip
    if copy_of:
        found.append(problem("duplicate", f'it is a copy of "{copy_of}", sample by sample'))
    if _upside_down(s):
        found.append(
            problem("inverted", "its largest deflections point down, as in a lead that is turned", None, "invert")
        )
    told = {p.code for p in found} | ({"volts", "microvolts"} if power else set())
    for flag in said.flags:
        if flag not in told | _SAME_AS_OURS:
            share = _share(s, said, flag)
            of = f" ({_percent(share)} of the time)" if share is not None else ""
            found.append(problem(flag, f"{WORDS.get(flag, flag)}{of}", share))
    return found


def _share(s: Signal, said: SignalQuality, flag: str) -> float | None:
    """How much of a channel lies in the windows that bear a flag; None for one of the whole channel."""
    spans = [b for b in said.spans if b.reason == flag]
    share = sum(b.duration_s for b in spans) / s.duration_s if s.duration_s else 0.0
    return min(share, 1.0) if spans and share < 1.0 - 1e-9 else 1.0 if spans else None


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"


def _copies(signals: Sequence[Signal]) -> dict[str, str]:
    """Analysed channels that hold the same samples as an earlier one, and which; one that never moves is no copy."""
    first: dict[tuple[float, float, bytes], str] = {}
    found = {}
    for s in signals:
        if s.type != "misc" and len(s.data) > 1 and spread(s.data) > 0:
            key = (s.sfreq, s.onset_s, hashlib.sha256(np.ascontiguousarray(s.data).data).digest())
            original = first.setdefault(key, s.name)
            if original != s.name:
                found[s.name] = original
    return found


def _upside_down(s: Signal) -> bool:
    if s.type != "ecg":
        return False
    x = s.data[np.isfinite(s.data)]
    if len(x) < s.sfreq:
        return False
    low, middle, high = np.percentile(x, [0.2, 50, 99.8])
    return bool(middle - low > INVERTED * (high - middle) > 0)
