"""EDF+ of mixed rates: every signal at its own rate, missing samples named, a pseudonym and nothing else of a person.

EDF has no word for a missing sample and no start of a signal of its own. So the lowest digital value is kept free of
samples: it fills gaps, and what lies before and after a shorter signal, each annotated ``BAD_gap`` or ``BAD_pad`` (as
MNE does, ``BAD_gap@@<label>`` where not all signals share it). The transducer field holds type, rate and name, for a
label has 16 characters and a rate only as many digits as the length of a record. Our reader takes all of it back.
"""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from fractions import Fraction
from urllib.parse import quote

import numpy as np

from core.errors import Refused
from core.types import Annotation, Recording, Signal

GAP, PAD = "BAD_gap", "BAD_pad"
CREATOR = "affectline"
_LABEL, _TOLD = 16, 80
_LOWEST, _STEPS = -32_768, 65_535
_PREFIX = {"eeg": "EEG", "ecg": "ECG", "eog": "EOG", "emg": "EMG", "resp": "Resp", "temp": "Temp"}
_DIMENSION = str.maketrans({"µ": "u", "μ": "u", "°": "deg", "²": "2"})
# samples that a rate may be off by at the end of the recording before it is said
_DRIFT = 0.1
_LONGEST_RECORD_S = 10.0
# gaps of a signal nearer than this are one annotation; which samples are missing is told by the filler
_JOINED_S = 1.0


@dataclass(frozen=True)
class Written:
    """A file, the label of each signal that is in it (by its place in the recording), and what could not be held."""

    body: bytes
    labels: dict[int, str]
    steps: dict[int, float]
    notes: tuple[str, ...] = ()


def encode(
    recording: Recording, *, code: str = "X", marks: Iterable[tuple[Annotation, int | None]] = (), plain: bool = False
) -> Written:
    """A recording as the bytes of one EDF+ file.

    Parameters
    ----------
    recording : Recording
        Its start is written in UTC, with the fraction of a second.
    code : str
        Pseudonym, the only word about the person.
    marks : iterable of (Annotation, int or None)
        Further annotations, and the place of the signal each is about.
    plain : bool
        Labels are the names as they are (as BIDS wants them), without the type that EDF+ puts before them.

    Raises
    ------
    Refused
        E-EDF-EMPTY without a signal that EDF can hold.
    """
    import edfio

    notes: list[str] = []
    ranges = {i: found for i, s in enumerate(recording.signals) if (found := _range(s.data)) is not None}
    lost = [s.name for i, s in enumerate(recording.signals) if i not in ranges]
    if lost:
        notes.append(f"Left out, for their values have more digits than EDF can hold: {', '.join(lost)}.")
    if not ranges:
        raise Refused("E-EDF-EMPTY", "there is no signal that EDF can hold.", "signals", "Export it in another format.")
    signals = {i: recording.signals[i] for i in ranges}
    labels = _labels(signals, plain)
    before = {i: max(0, round(s.onset_s * s.sfreq)) for i, s in signals.items()}
    record_s, per_record, drift = _record(
        [s.sfreq for s in signals.values()], [before[i] + len(s.data) for i, s in signals.items()]
    )
    if drift > _DRIFT:
        notes.append(f"The rates fit no common record: one is off by {drift:.2f} samples at the end of the recording.")
    n_records = max(
        math.ceil((before[i] + len(s.data)) / n) for (i, s), n in zip(signals.items(), per_record, strict=True)
    )
    made, filled = [], []
    for (i, s), n in zip(signals.items(), per_record, strict=True):
        x = np.full(n_records * n, _LOWEST, dtype=np.int16)
        x[before[i] : before[i] + len(s.data)] = _digital(s.data, *map(float, ranges[i]))
        made.append(edfio.EdfSignal.from_digital(
            x, n, label=labels[i], transducer_type=_told(s), physical_dimension=_ascii(s.unit.translate(_DIMENSION), 8)
        ))  # fmt: skip
        filled.append(_filled(s, before[i], n_records * record_s))
    start = recording.started_at.astimezone(UTC) if recording.started_at else None
    if start and not 1985 <= start.year <= 2084:
        notes.append(f"The year {start.year} is none that EDF can hold; the file has no date.")
        start = None
    edf = edfio.Edf(
        made,
        patient=edfio.Patient(code=_ascii(code, 40).replace(" ", "_") or "X"),
        recording=edfio.Recording(startdate=start.date() if start else None, equipment_code=CREATOR),
        starttime=start.time() if start else None,
        data_record_duration=1.0,
        annotations=(),
    )
    # edfio rounds ranges in its own way and wants a length that divides exactly as floats: both are said afterwards
    body = bytearray(edf.to_bytes())
    body[244:252] = _seconds(record_s).encode().ljust(8)
    ends = 256 + 104 * (len(made) + 1)  # after label, transducer and dimension of all, the annotations among them
    for row in (0, 1):
        for k, said in enumerate(ranges.values()):
            at = ends + 8 * (row * (len(made) + 1) + k)
            body[at : at + 8] = said[row].encode().ljust(8)
    edf = edfio.read_edf(bytes(body))
    edf.set_annotations(
        edfio.EdfAnnotation(a.onset_s, a.duration_s or None, a.description)
        for a in _annotations(recording, marks, labels, list(zip(signals, filled, strict=True)))
    )
    out = io.BytesIO()
    edf.write(out)
    steps = {i: (float(high) - float(low)) / _STEPS for i, (low, high) in ranges.items()}
    return Written(out.getvalue(), labels, steps, tuple(notes))


# ---------------------------------------------------------------------------------------------------- values
def _range(data: np.ndarray) -> tuple[str, str] | None:
    """Physical minimum and maximum in the eight characters of EDF, the lowest step free of samples.

    None where the values have too many digits. A signal that hardly moves gets a range around its value.
    """
    finite = data[np.isfinite(data)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    # a step is never finer than what readers keep of a sample, which is float32
    wider = max(_STEPS * 2.0**-22 * max(abs(low), abs(high)), 1e-3 if low == high else 0.0) - (high - low)
    low, high = (low - wider / 2, high + wider / 2) if wider > 0 else (low, high)
    best = None
    for digits in range(7):
        unit = 10.0**-digits
        bottom = math.floor((low - (high - low) / 60_000) / unit)
        top = max(math.ceil(high / unit), bottom + 1)
        while low - bottom * unit <= 1.5 * (top - bottom) * unit / _STEPS:
            bottom -= 1
        said = f"{bottom * unit:.{digits}f}", f"{top * unit:.{digits}f}"
        if max(map(len, said)) > 8:
            break
        best = said
        if (top - bottom) * unit <= 1.01 * (high - low):
            break
    return best


def _digital(data: np.ndarray, low: float, high: float) -> np.ndarray:
    """Samples as whole steps, the lowest number where there is none; half a step is lost at most."""
    steps = np.rint((np.asarray(data, dtype=np.float64) - low) / (high - low) * _STEPS) + _LOWEST
    return np.where(np.isfinite(data), steps, _LOWEST).astype(np.int16)


# ---------------------------------------------------------------------------------------------------- times
def _record(rates: Sequence[float], lengths: Sequence[int]) -> tuple[Fraction, list[int], float]:
    """Length of a data record in s, the samples of each signal in it, and by how many samples a rate is off at the end.

    Nothing is resampled. A length that gives every rate exactly where there is a short one, such as 5/8 s for 25.6 Hz;
    otherwise one record that holds everything, so that no signal is off by more than half a sample.
    """
    length_s = max(n / f for n, f in zip(lengths, rates, strict=True))
    exact = [_fraction(f, (length_s + _LONGEST_RECORD_S) * f) for f in rates]
    shortest = Fraction(math.lcm(*(f.denominator for f in exact)), math.gcd(*(f.numerator for f in exact)))
    # in decimal digits: the denominator may hold nothing but 2 and 5
    other = shortest.denominator
    for prime in (2, 5):
        while other % prime == 0:
            other //= prime
    shortest *= other
    if float(shortest) <= max(_LONGEST_RECORD_S, length_s / 4):
        most = max(1, math.floor(1 / shortest))
        fits = [k for k in range(most, 0, -1) if len(_seconds(shortest * k)) <= 8][:1000]
        whole = [
            k
            for k in fits
            if all((n / (f * shortest * k)).denominator == 1 for n, f in zip(lengths, exact, strict=True))
        ]
        if fits:
            record_s = shortest * (whole or fits)[0]
            return record_s, [int(f * record_s) for f in exact], 0.0
    return _one_record(np.asarray(rates), np.asarray(lengths), length_s)


def _fraction(rate: float, n_times: float) -> Fraction:
    """The simplest fraction that counts the samples of a rate to a thousandth of one."""
    for most in (1, 10, 100, 1_000, 10_000, 100_000):
        found = Fraction(rate).limit_denominator(most)
        if found > 0 and abs(float(found) - rate) / rate * n_times <= 0.001:
            return found
    return Fraction(rate)


def _one_record(rates: np.ndarray, lengths: np.ndarray, length_s: float) -> tuple[Fraction, list[int], float]:
    digits = 7 - len(str(int(length_s + 20)))
    first = math.ceil(round(length_s * 10**digits, 6))
    lasts = (first + np.arange(20 * 10 ** min(digits, 4))) / 10**digits
    samples = np.outer(rates, lasts)
    off = np.abs(samples - np.rint(samples))
    worst = np.where((np.rint(samples) >= lengths[:, None]).all(axis=0), off.max(axis=0), np.inf)
    chosen = int(np.argmax(worst <= _DRIFT)) if (worst <= _DRIFT).any() else int(np.argmin(worst))
    record_s = Fraction(first + chosen, 10**digits)
    return record_s, np.rint(samples[:, chosen]).astype(int).tolist(), float(worst[chosen])


def _seconds(length: Fraction) -> str:
    """The length of a record in decimal digits."""
    return f"{float(length):.7f}".rstrip("0").rstrip(".") if length % Fraction(1, 10**7) == 0 else "too many digits"


# ---------------------------------------------------------------------------------------------------- what is missing
def _filled(s: Signal, before: int, end_s: Fraction) -> list[tuple[str, float, float]]:
    """Stretches of a signal without samples: (what, onset in s, duration in s)."""
    found = [(PAD, 0.0, float(s.onset_s))] if s.onset_s > 0 else []
    missing = np.concatenate([[False], ~np.isfinite(s.data), [False]])
    edges = np.flatnonzero(np.diff(missing.astype(np.int8))).reshape(-1, 2)
    spans: list[list[int]] = []
    for first, last in edges.tolist():
        if spans and first - spans[-1][1] < _JOINED_S * s.sfreq:
            spans[-1][1] = last
        else:
            spans.append([first, last])
    found += [(GAP, (before + a) / s.sfreq, (b - a) / s.sfreq) for a, b in spans]
    stop = (before + len(s.data)) / s.sfreq
    # half a sample: what is left of rounding is no padding
    if float(end_s) - stop > 0.5 / s.sfreq:
        found.append((PAD, stop, float(end_s) - stop))
    return found


def _annotations(
    recording: Recording,
    marks: Iterable[tuple[Annotation, int | None]],
    labels: dict[int, str],
    filled: Sequence[tuple[int, list[tuple[str, float, float]]]],
) -> list[Annotation]:
    """The recording's own, the further ones, and one for each stretch without samples, once where all share it."""
    made = [
        *recording.annotations,
        *(a if i is None else _of(a, labels[i]) for a, i in marks if i is None or i in labels),
    ]
    shared = set.intersection(*(set(spans) for _, spans in filled))
    for i, spans in filled:
        made += [
            Annotation(at, long, f"{what}@@{labels[i]}") for what, at, long in spans if (what, at, long) not in shared
        ]
    made += [Annotation(at, long, what) for what, at, long in shared]
    return [Annotation(a.onset_s, a.duration_s, _text(a.description)) for a in made if a.description.strip()]


def _of(mark: Annotation, label: str) -> Annotation:
    return Annotation(mark.onset_s, mark.duration_s, f"{mark.description}@@{label}")


# ---------------------------------------------------------------------------------------------------- words
def _labels(signals: dict[int, Signal], plain: bool) -> dict[int, str]:
    """A label of 16 characters for each signal, no two alike."""
    made: dict[int, str] = {}
    for i, s in signals.items():
        prefix = "" if plain else _PREFIX.get(s.type, "")
        name = s.name if not prefix or s.name.lower().startswith(prefix.lower()) else f"{prefix} {s.name}"
        base = _ascii(name, _LABEL) or f"{s.type} {i + 1}"
        for k in itertools.count(1):
            label = base if k == 1 else f"{base[: _LABEL - len(f' {k}')]} {k}"
            if label not in made.values() and not label.startswith("EDF Annotations") and "@@" not in label:
                made[i] = label
                break
            base = base.replace("@@", "@ ").replace("EDF Annotations", "annotations")
    return made


def _told(s: Signal) -> str:
    """Type, rate and name of a signal for our reader; of the name as many characters as the field holds."""
    told = f"{CREATOR} {s.type} {s.sfreq!r} "
    for character in s.name:
        escaped = quote(character, safe=" !#$&()*+,/:;=?@[]|<>")
        if len(told) + len(escaped) > _TOLD:
            break
        told += escaped
    return told.rstrip()


def _ascii(text: str, limit: int) -> str:
    plain = text.encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in plain)[:limit].strip()


def _text(description: str) -> str:
    """Text of an annotation without the characters that part annotations."""
    return re.sub(r"[\x00-\x1f]", " ", description).strip()
