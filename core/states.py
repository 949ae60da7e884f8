"""Where a session lies on the affect plane: quadrant, octant and the 16 states (requirements d3).

A dimension that is unsure is not decided: the quadrant shows "?" and the state is the set of codes still possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from core.types import Measure, Reason, State

MARGIN = 0.10  # a probability this close to 0.5 decides nothing (d3)
DIMENSIONS = ("valence", "arousal", "dominance", "liking")

# words of the PAD octants: high (True) or low valence, arousal, dominance
OCTANT_WORDS = {
    (True, True, True): "exuberant", (True, True, False): "dependent",
    (True, False, True): "relaxed", (True, False, False): "docile",
    (False, True, True): "hostile", (False, True, False): "anxious",
    (False, False, True): "disdainful", (False, False, False): "bored",
}  # fmt: skip

# the words of the system the sixteen codes come from; shown only as "source wording"
SOURCE_WORDS = {
    "HvHaHdHl": "Joyful, Enthusiastic, Empowered", "HvHaHdLl": "Passionate, Assertive",
    "HvHaLdHl": "Energetic and Loving", "HvHaLdLl": "Excited but Unconnected",
    "HvLaHdHl": "Content, Grateful", "HvLaHdLl": "Confident but Reserved",
    "HvLaLdHl": "Relaxed and Affectionate", "HvLaLdLl": "Calm but Detached",
    "LvHaHdHl": "Determined but Critical", "LvHaHdLl": "Angry, Overwhelmed",
    "LvHaLdHl": "Frustrated but Favorable", "LvHaLdLl": "Agitated, Stressed",
    "LvLaHdHl": "Sympathetic, Mildly Caring", "LvLaHdLl": "Submissive, Defeated",
    "LvLaLdHl": "Indifferent but Favorable", "LvLaLdLl": "Apathetic, Disconnected",
}  # fmt: skip
# source wording that contradicts the high dominance of its own code (d3)
CONTRADICTING = frozenset({"LvHaHdLl", "LvLaHdHl", "LvLaHdLl"})


def code(highs: Sequence[bool]) -> str:
    """The code of valence, arousal, dominance and, where given, liking: ``HvLaLdHl``."""
    return "".join(("H" if high else "L") + name[0] for high, name in zip(highs, DIMENSIONS, strict=False))


def octant(state_code: str) -> str:
    """The PAD octant word of a code of six or eight letters."""
    return OCTANT_WORDS[state_code[0] == "H", state_code[2] == "H", state_code[4] == "H"]


def state(measures: Sequence[Measure]) -> State | Reason:
    """The state that the predictions of a session allow.

    A dimension is unsure when its label is, or when its value lies within 0.5 +- MARGIN. Dominance without a value
    leaves both sides open; without liking the codes are the eight octants.

    Returns
    -------
    State or Reason
        The reason of valence or arousal where one of them was not computed, "not_supported" where the model has no
        such target: the plane needs both.

    Examples
    --------
    >>> sure = [Measure(name, "prediction", "index", p, p - 0.05, p + 0.05, threshold=0.5)
    ...         for name, p in (("valence", 0.8), ("arousal", 0.2), ("dominance", 0.5))]
    >>> state(sure).codes
    ('HvLaHd', 'HvLaLd')
    """
    found = {m.name: m for m in measures if m.kind == "prediction"}
    for name in ("valence", "arousal"):
        if name not in found:
            return Reason.NOT_SUPPORTED
        if found[name].value is None:
            return found[name].reason or Reason.NOT_SUPPORTED
    sides = {name: _side(found.get(name)) for name in DIMENSIONS[:3]}
    liking = found.get("liking")
    if liking is not None and liking.value is not None:
        sides["liking"] = _side(liking)
    possible = [(True, False) if side is None else (side,) for side in sides.values()]
    codes = tuple(code(highs) for highs in product(*possible))
    quadrant = f"{_letter(sides['arousal'])}A{_letter(sides['valence'])}V"
    return State(quadrant, codes, _words(sides, codes))


def _side(measure: Measure | None) -> bool | None:
    """True for High, False for Low, None where it cannot be told."""
    if measure is None or measure.value is None or measure.label == "Unsure":
        return None
    if abs(measure.value - 0.5) <= MARGIN + 1e-12:
        return None
    return measure.value > (0.5 if measure.threshold is None else measure.threshold)


def _letter(side: bool | None) -> str:
    return "?" if side is None else "H" if side else "L"


def _words(sides: dict[str, bool | None], codes: tuple[str, ...]) -> str:
    """Plain words: each dimension, then the octant words that are still possible."""
    said = ", ".join(
        f"{name} unsure" if side is None else f"{'high' if side else 'low'} {name}" for name, side in sides.items()
    )
    octants = list(dict.fromkeys(octant(c) for c in codes))
    text = f"{said} (octant: {' or '.join(octants)})" if len(octants) <= 2 else said
    if len(codes) == 1 and codes[0] in SOURCE_WORDS:
        doubt = ", which contradicts high dominance" if codes[0] in CONTRADICTING else ""
        text += f'; source wording: "{SOURCE_WORDS[codes[0]]}"{doubt}'
    return text
