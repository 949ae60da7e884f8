"""What a person may mend in a recording, each by name: reversible, for the file itself is never changed.

A repair of a channel is applied to its samples after the files were read; one of the files as a whole (``whole``) is
asked for by the reader of the format. They live in ``core.types.Reading`` and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.errors import Refused
from core.readers.base import WHOLE, visible
from core.readers.channels import listed
from core.types import Notice, Recording, Signal


@dataclass(frozen=True)
class Repair:
    """A repair: what it does in words, and the function on samples (n_times,) as float64; None for one of the files."""

    title: str
    mend: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def whole(self) -> bool:
        """Whether it is of the files as a whole, and a reader's affair."""
        return self.mend is None


DROP = "drop_channel"
REPAIRS: Mapping[str, Repair] = {
    DROP: Repair("leave the channel out", lambda x: x[:0]),
    "unit_x1000": Repair("values times 1000", lambda x: x * 1e3),
    "unit_div1000": Repair("values divided by 1000", lambda x: x / 1e3),
    "unit_x1000000": Repair("values times 1,000,000", lambda x: x * 1e6),
    "unit_div1000000": Repair("values divided by 1,000,000", lambda x: x / 1e6),
    "invert": Repair("turn upside down", lambda x: -x),
    "swap_axes": Repair("turn the table: its rows are the channels"),
    "decimal_comma": Repair("read commas in numbers as decimal marks"),
    "rate_from_timestamps": Repair("take the sampling rate from the timestamps, the rows evenly spaced"),
}


def mended(recording: Recording, asked: Mapping[str, Sequence[str]]) -> Recording:
    """The recording with its channels mended as ``asked`` (channel -> names of repairs), and a notice that says so.

    Refused (E-REPAIR) for a name that is no repair of a channel, or no channel.
    """
    wanted = {name: tuple(dict.fromkeys(repairs)) for name, repairs in asked.items() if repairs}
    whole = wanted.pop(WHOLE, ())
    known = [s.name for s in recording.signals]
    for name, repairs in (*wanted.items(), (WHOLE, whole)):
        wrong = [r for r in repairs if r not in REPAIRS or REPAIRS[r].whole != (name == WHOLE)]
        if wrong:
            kind = "of the files" if name == WHOLE else "of a channel"
            raise Refused("E-REPAIR", f"{listed([visible(r) for r in wrong])} is no repair {kind}.", visible(name))
    strange = [visible(name) for name in wanted if name not in known]
    if strange:
        raise Refused(
            "E-REPAIR", f"repairs are asked for {listed(strange)}, which is no channel of the files.",
            what_to_do=f"There are: {listed(known, 12)}.",
        )  # fmt: skip
    signals = tuple(
        _mended(s, wanted[s.name]) if s.name in wanted else s
        for s in recording.signals
        if DROP not in wanted.get(s.name, ())
    )
    said = [f"the files: {_words(whole)}"] if whole else []
    by_repairs: dict[tuple[str, ...], list[str]] = {}
    for name, repairs in wanted.items():
        by_repairs.setdefault(repairs, []).append(name)
    said += [f"{listed(names)}: {_words(repairs)}" for repairs, names in by_repairs.items()]
    notices = (*recording.notices, Notice("W-REPAIRED", f"Mended as asked: {'; '.join(said)}.")) if said else None
    return replace(recording, signals=signals, notices=notices or recording.notices)


def _words(repairs: Sequence[str]) -> str:
    return ", ".join(REPAIRS[r].title for r in repairs)


def _mended(signal: Signal, repairs: Sequence[str]) -> Signal:
    data = signal.data.astype(np.float64)
    for name in repairs:
        mend = REPAIRS[name].mend
        assert mend is not None
        data = mend(data)
    # beyond float32 there is no sample: the checks make it missing
    with np.errstate(over="ignore"):
        return replace(signal, data=data.astype(signal.data.dtype))
