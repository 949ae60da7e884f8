"""What a model sees of a cap: the positions that its features are of, judged by themselves, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core import features, quality
from core.dsp import montage
from core.types import Notice, Pipeline, Quality, Recording

# what is said where channels of a recording were not used
CODE = "W-POSITIONS"


@dataclass(frozen=True)
class View:
    """A recording as a model sees it, with its quality.

    ``shown`` is the quality for people: every signal of the files as it is called there, graded by what is used.
    """

    recording: Recording
    quality: Quality
    shown: Quality
    notices: tuple[Notice, ...]
    positions: tuple[str, ...] = ()

    def of(self, recording: Recording) -> Recording:
        """The same channels of a further form of the recording, such as the filtered one."""
        return montage.reduced(recording, self.positions)


def reduced(recording: Recording, pipeline: Pipeline) -> Recording:
    """A recording with the positions that a pipeline's features are of: what a study's trial and a session become."""
    return montage.reduced(recording, features.positions(pipeline))


def seen(recording: Recording, judged: Quality, pipeline: Pipeline, uses: Mapping[str, Sequence[str]]) -> View:
    """A recording as a model of a pipeline sees it.

    Parameters
    ----------
    judged
        The quality of the whole recording; it is that of the view too where nothing is left out.
    uses
        Channels by type that the model is given (``Bundle.uses``); a model without EEG sees the recording as it is.
        Of those it needs of the EEG a notice says which are not there.
    """
    positions = features.positions(pipeline)
    less = reduced(recording, pipeline) if "eeg" in uses else recording
    if less is recording:
        needed, here = tuple(uses.get("eeg", ())), [s.name for s in recording.of_type("eeg")]
        said = (_notice(recording, judged, judged, needed),) if here and montage.lacking(here, needed) else ()
        return View(recording, judged, judged, said)
    verdict = quality.assess(less, pipeline)
    said = (_notice(recording, judged, verdict, positions),)
    return View(less, verdict, _shown(recording, judged, verdict), said, positions)


def _names(recording: Recording) -> dict[str, str]:
    """The position of each EEG channel by its name in the files."""
    names = [s.name for s in recording.of_type("eeg")]
    return dict(zip(names, montage.places(names), strict=True))


def _shown(recording: Recording, judged: Quality, verdict: Quality) -> Quality:
    """The verdict on what is used, with every channel of the files: those that are not used as they were judged."""
    at = _names(recording)
    used = {(s.name, s.type): s for s in verdict.signals}
    signals = (
        replace(used.get((at.get(s.name, s.name) if s.type == "eeg" else s.name, s.type), s), name=s.name)
        for s in judged.signals
    )
    return replace(verdict, signals=tuple(signals))


def _notice(recording: Recording, judged: Quality, verdict: Quality, positions: tuple[str, ...]) -> Notice:
    at = _names(recording)
    used = ", ".join(p if p == name else f"{p} ({name})" for p in positions for name, place in at.items() if place == p)
    gone = montage.lacking(list(at), positions)
    filled = f" Not recorded, and filled in by the model: {', '.join(gone)}." if gone else ""
    ours, whole = verdict.of("eeg"), judged.of("eeg")
    graded = (
        f" Their quality is {ours.grade}, that of all channels {whole.grade}."
        if ours and whole and ours is not whole
        else ""
    )
    n = len(positions) - len(gone)
    return Notice(CODE, f"Of {len(at)} EEG channels the model is given {n}: {used}.{filled}{graded}")
