"""Recording -> Quality: which channels and windows can be trusted, and why not, in plain words.

Rules and numbers are those of requirements d4 unless a line says "own". Windows of all types lie on one grid over the
whole recording; a signal type is graded over the windows in which it was recorded at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from core.dsp import grid
from core.quality import ecg, eeg, others
from core.quality.common import WORDS as WORDS
from core.quality.common import Verdict, first_look, signal_quality
from core.types import Pipeline, Quality, Recording, TypeQuality

# types with a judge of their own; the others have rules of their own in ``others``
_JUDGES: Mapping = {"eeg": eeg.judge, "ecg": ecg.judge}


def assess(recording: Recording, pipeline: Pipeline) -> Quality:
    """Judge every signal of a recording, unfiltered, on the pipeline's window grid.

    Never raises for a signal that is merely bad: that is the answer. Signals of type misc are listed with the
    share of windows without a gap, and graded nowhere.
    """
    onset_s = grid.onsets(recording.duration_s, pipeline.window_s, pipeline.step_s)
    recording = _marked(recording)
    judged: dict[str, list[Verdict]] = {}
    types: list[TypeQuality] = []
    for type_ in recording.types:
        verdicts, quality = _JUDGES.get(type_, others.judge)(recording.of_type(type_), onset_s, pipeline)
        judged[type_] = verdicts
        types.append(quality)
    judged["misc"] = [first_look(s, onset_s, pipeline)[0] for s in recording.of_type("misc")]
    by_signal = {id(v.signal): v for verdicts in judged.values() for v in verdicts}
    signals = tuple(signal_quality(by_signal[id(s)], onset_s, pipeline.window_s) for s in recording.signals)
    return Quality(onset_s, pipeline.window_s, signals, tuple(types))


def _marked(recording: Recording) -> Recording:
    """Each signal with its stretches annotated ``BAD_...`` (any case, as in MNE), or those of all, as marked."""
    found = [a for a in recording.annotations if a.bad and a.duration_s > 0]
    if not found:
        return recording
    names = {s.name for s in recording.signals}

    def spans(name: str) -> list[tuple[float, float]]:
        mine = [a for a in found if a.channel == name or a.channel not in names]
        return [(a.onset_s, a.onset_s + a.duration_s) for a in mine]

    return replace(recording, signals=tuple(replace(s, marked=(*s.marked, *spans(s.name))) for s in recording.signals))
