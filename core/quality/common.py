"""What is asked of every channel, and how windows become a grade. Numbers: requirements d4, unless said "own"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.dsp import beats, grid
from core.dsp.filters import fill_gaps, longer_than
from core.types import BadSpan, BeatCount, Grade, Pipeline, Signal, SignalQuality, TypeQuality

# --- a channel is left out, a window is valid, a type is graded
MISSING_SHARE = 0.2
BLOCKED_SHARE = 0.5
GOOD_SHARE, DEGRADED_SHARE = 0.8, 0.5
RAIL_SHARE = 0.01
RAIL_SAMPLES = 3  # own: at 1 Hz one sample is already a quarter of a window
RAIL_RUN_S = 0.1
SLOW_FLAT_SAMPLES = 5
VOLTS_BELOW = 1e-3
LINE_HALF_HZ, LINE_SHARE = 2.0, 0.5  # 48-52 / 1-45 Hz

BLOCKING = ("gap", "flat", "rail", "marked")
WORDS = {
    "gap": "has gaps",
    "flat": "is flat",
    "rail": "is at the end of its range",
    "amplitude": "is too large",
    "jump": "jumps",
    "line": "is mostly mains hum",
    "muscle": "is mostly muscle",
    "lonely": "is not related to its neighbours",
    "duplicate": "is a copy of another channel",
    "missing": "is missing for more than a fifth of the time",
    "volts": "has values below 0.001: is it in volts?",
    "no_beats": "shows no beats",
    "shape": "has beats that do not look alike",
    "intervals": "has implausible intervals between beats",
    "agreement": "has beats on which two detectors disagree",
    "rate": "has a heart rate outside 30-220 /min",
    "microvolts": "has values above 50: is it in µV?",
    "marked": "is marked as bad",
    "low": "is below 0.05 µS: no contact",
    "silent": "hardly changes: few responses are to be expected",
    "no_breaths": "shows no breaths",
    "warm_up": "is still warming up",
    "lost": "lost the face",
    "range": "is outside the plausible range",
}


@dataclass
class Verdict:
    """One channel while it is judged: ``flags`` maps a reason to a mask over the windows of the grid."""

    signal: Signal
    covered: np.ndarray
    missing: float
    flags: dict[str, np.ndarray] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)  # flags of the whole channel, not of windows
    bad: bool = False
    grade: Grade = Grade.GOOD  # ECG only
    beats: BeatCount | None = None
    pulses: np.ndarray = field(default_factory=lambda: np.empty(0))  # of a PPG, s from its start

    def mark(self, reason: str, windows: np.ndarray) -> None:
        """Flag windows, beside those that were flagged for the same reason."""
        if windows.any():
            self.flags[reason] = self.flags.get(reason, np.zeros(len(self.covered), dtype=bool)) | windows

    def any_of(self, reasons: Sequence[str]) -> np.ndarray:
        """Windows that bear any of some flags."""
        out = np.zeros(len(self.covered), dtype=bool)
        for reason in reasons:
            if reason in self.flags:
                out |= self.flags[reason]
        return out


@dataclass(frozen=True)
class Cut:
    """The windows of one channel that it covers: gaps filled, and where on the grid they lie."""

    filled: np.ndarray
    gap: np.ndarray
    start: np.ndarray
    n: int
    at: np.ndarray  # indices into the grid

    def windows(self, x: np.ndarray) -> np.ndarray:
        """The windows of an array as long as the channel, shape (n_windows, n)."""
        return grid.cut(x, self.start, self.n)


def first_look(signal: Signal, onset_s: np.ndarray, pipeline: Pipeline) -> tuple[Verdict, Cut]:
    """Gaps and missing samples: what is asked of every channel."""
    data = np.asarray(signal.data)
    filled, gap = fill_gaps(data, signal.sfreq)
    start, covered = grid.starts(signal, onset_s, pipeline.window_s)
    n = grid.n_samples(signal.sfreq, pipeline.window_s)
    at = np.flatnonzero(covered)
    part = Cut(filled, gap, start[at], n, at)
    missing = float(1 - np.isfinite(data).mean()) if len(data) else 1.0
    verdict = Verdict(signal, covered, missing)
    for begin, end in signal.marked:
        verdict.mark("marked", covered & (onset_s < end) & (onset_s + pipeline.window_s > begin))
    if len(at):
        verdict.mark("gap", spread(grid.count_in(gap, part.start, n) > 0, part, verdict))
    if missing > MISSING_SHARE:
        verdict.whole.append("missing")
        verdict.bad = True
    return verdict, part


def spread(found: np.ndarray, part: Cut, verdict: Verdict) -> np.ndarray:
    """From the windows a channel covers to the whole grid."""
    out = np.zeros(len(verdict.covered), dtype=bool)
    out[part.at] = found
    return out


def flat_run(verdict: Verdict, part: Cut, longest_s: float, samples: int = 2) -> None:
    """Flag windows that hold a constant stretch longer than ``longest_s``, or nothing else."""
    if len(part.at) == 0:
        return
    limit = max(longest_s * verdict.signal.sfreq, samples)
    same = np.concatenate(([False], np.diff(part.filled) == 0)) & ~part.gap
    held = longer_than(same, limit - 1)  # k equal steps are k + 1 equal samples
    inside = grid.count_in(held, part.start, part.n)
    verdict.mark("flat", spread(inside >= min(limit, part.n - 1), part, verdict) if part.n > 1 else part.at[:0])


def rail(verdict: Verdict, part: Cut, run_s: float = 0.0) -> None:
    """Flag windows with too many samples at the channel's highest or lowest code."""
    if len(part.at) == 0:
        return
    seen = part.filled[~part.gap]
    if seen.size == 0 or not np.ptp(seen) > 0:
        return
    for end in (seen.min(), seen.max()):
        at_end = (part.filled == end) & ~part.gap
        if run_s:
            at_end = longer_than(at_end, max(run_s * verdict.signal.sfreq, SLOW_FLAT_SAMPLES) - 1)
        counts = grid.count_in(at_end, part.start, part.n)
        verdict.mark("rail", spread(counts >= max(RAIL_SHARE * part.n, RAIL_SAMPLES), part, verdict))


def share_of(mask: np.ndarray, of: np.ndarray) -> float:
    """Share of True among the windows ``of``; 0 of none."""
    return float(mask[of].mean()) if of.any() else 0.0


def leave_out_blocked(verdict: Verdict) -> None:
    """A channel with gap, flat, rail or marked in more than half of its windows is bad."""
    if not verdict.covered.any() or share_of(verdict.any_of(BLOCKING), verdict.covered) > BLOCKED_SHARE:
        verdict.bad = True


def signal_quality(verdict: Verdict, onset_s: np.ndarray, window_s: float) -> SignalQuality:
    """The verdict as it leaves this room."""
    flagged = verdict.any_of(list(verdict.flags))  # on this channel; a window can bear some, see the type's share
    usable = 0.0 if verdict.bad or not verdict.covered.any() else 1 - share_of(flagged, verdict.covered)
    spans = [
        BadSpan(float(start), float(end - start), reason)
        for reason, mask in verdict.flags.items()
        for start, end in _spans(mask, onset_s, window_s)
    ]
    if verdict.bad and verdict.whole:
        s = verdict.signal
        spans += [BadSpan(s.onset_s, s.duration_s, reason) for reason in verdict.whole]
    flags = tuple(dict.fromkeys([*verdict.flags, *verdict.whole]))
    ordered = tuple(sorted(spans, key=_span_key))
    return SignalQuality(verdict.signal.name, verdict.signal.type, usable, flags, verdict.bad, ordered, verdict.beats)


def _span_key(span: BadSpan) -> tuple[float, str]:
    return span.onset_s, span.reason


def _spans(mask: np.ndarray, onset_s: np.ndarray, window_s: float) -> list[tuple[float, float]]:
    """Flagged windows that touch, as one stretch."""
    out: list[tuple[float, float]] = []
    for onset in onset_s[mask]:
        if out and onset <= out[-1][1] + 1e-9:
            out[-1] = (out[-1][0], onset + window_s)
        else:
            out.append((onset, onset + window_s))
    return out


def by_share(share: float) -> Grade:
    """Grade by the share of usable windows: 80 and 50 %."""
    if share >= GOOD_SHARE:
        return Grade.GOOD
    return Grade.DEGRADED if share >= DEGRADED_SHARE else Grade.POOR


def type_quality(type_: str, grade: Grade, usable: np.ndarray, present: np.ndarray, reasons: list[str]) -> TypeQuality:
    """A type as it leaves this room; poor where it was never recorded for a whole window."""
    share = share_of(usable, present)
    if not present.any():
        grade, reasons = Grade.POOR, [*reasons, f"{label_of(type_)}: shorter than one window"]
    return TypeQuality(type_, grade, share, usable, tuple(reasons))


def label_of(type_: str) -> str:
    """A type in words."""
    return {"temp": "temperature", "acc": "acceleration", "resp": "respiration"}.get(type_, type_.upper())


def _per_cent(share: float) -> str:
    return f"{round(100 * share)} %"


def share_reason(type_: str, share: float) -> list[str]:
    """What is said of a type that loses windows."""
    return [] if share >= GOOD_SHARE else [f"{label_of(type_)}: {_per_cent(share)} of the windows can be used"]


def flag_reasons(type_: str, verdicts: Sequence[Verdict]) -> list[str]:
    """One sentence for each channel that is left out, and for each reason that costs windows."""
    out = []
    for v in verdicts:
        if v.bad:
            why = v.whole or [f for f in BLOCKING if f in v.flags] or list(v.flags)
            text = join_words(why) or "has no whole window"
            out.append(f"{label_of(type_)}: {v.signal.name} {text}, left out")
    return out


def join_words(flags: Sequence[str]) -> str:
    """Flags in words, joined as in a sentence."""
    words = [WORDS[f] for f in flags]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def count_beats(
    verdict: Verdict, found: np.ndarray, usable: np.ndarray, onset_s: np.ndarray, pipeline: Pipeline
) -> BeatCount:
    """The beats found in a channel; those outside its usable windows are left out."""
    return beats.count(found, grid.inside(verdict.signal.onset_s + found, onset_s, pipeline.window_s, usable))
