"""The tables of requirements d3, and the rule that an unsure dimension is not decided."""

from itertools import product

import pytest

from core import states
from core.types import Measure, Reason

# valence, arousal, dominance, liking -> code, source words, octant word; copied from the requirements
TABLE = {
    (1, 1, 1, 1): ("HvHaHdHl", "Joyful, Enthusiastic, Empowered", "exuberant"),
    (1, 1, 1, 0): ("HvHaHdLl", "Passionate, Assertive", "exuberant"),
    (1, 1, 0, 1): ("HvHaLdHl", "Energetic and Loving", "dependent"),
    (1, 1, 0, 0): ("HvHaLdLl", "Excited but Unconnected", "dependent"),
    (1, 0, 1, 1): ("HvLaHdHl", "Content, Grateful", "relaxed"),
    (1, 0, 1, 0): ("HvLaHdLl", "Confident but Reserved", "relaxed"),
    (1, 0, 0, 1): ("HvLaLdHl", "Relaxed and Affectionate", "docile"),
    (1, 0, 0, 0): ("HvLaLdLl", "Calm but Detached", "docile"),
    (0, 1, 1, 1): ("LvHaHdHl", "Determined but Critical", "hostile"),
    (0, 1, 1, 0): ("LvHaHdLl", "Angry, Overwhelmed", "hostile"),
    (0, 1, 0, 1): ("LvHaLdHl", "Frustrated but Favorable", "anxious"),
    (0, 1, 0, 0): ("LvHaLdLl", "Agitated, Stressed", "anxious"),
    (0, 0, 1, 1): ("LvLaHdHl", "Sympathetic, Mildly Caring", "disdainful"),
    (0, 0, 1, 0): ("LvLaHdLl", "Submissive, Defeated", "disdainful"),
    (0, 0, 0, 1): ("LvLaLdHl", "Indifferent but Favorable", "bored"),
    (0, 0, 0, 0): ("LvLaLdLl", "Apathetic, Disconnected", "bored"),
}


def measure(name, value, half=0.05, threshold=0.5):
    return Measure(name, "prediction", "index", value, value - half, value + half, threshold=threshold)


def measures(*values):
    return [measure(name, value) for name, value in zip(states.DIMENSIONS, values, strict=False)]


@pytest.mark.parametrize(("highs", "expected"), list(TABLE.items()))
def test_each_of_the_sixteen_states_has_its_code_and_words(highs, expected):
    found = states.state(measures(*(0.8 if high else 0.2 for high in highs)))
    code, source, octant = expected
    assert found.codes == (code,)
    assert f"octant: {octant}" in found.words
    assert f'source wording: "{source}"' in found.words


@pytest.mark.parametrize("highs", list(product((1, 0), repeat=3)))
def test_without_liking_there_are_eight_octants_and_no_source_wording(highs):
    found = states.state(measures(*(0.8 if high else 0.2 for high in highs)))
    assert found.codes == (TABLE[(*highs, 1)][0][:6],)
    assert f"octant: {TABLE[(*highs, 1)][2]}" in found.words
    assert "source" not in found.words


@pytest.mark.parametrize(
    ("valence", "arousal", "quadrant"),
    [
        (0.8, 0.8, "HAHV"),
        (0.2, 0.8, "HALV"),
        (0.8, 0.2, "LAHV"),
        (0.2, 0.2, "LALV"),
        (0.5, 0.8, "HA?V"),
        (0.8, 0.5, "?AHV"),
    ],
)
def test_quadrants_name_arousal_first_and_doubt_with_a_question_mark(valence, arousal, quadrant):
    assert states.state(measures(valence, arousal, 0.8)).quadrant == quadrant


@pytest.mark.parametrize(("value", "sure"), [(0.40, False), (0.60, False), (0.39, True), (0.61, True)])
def test_a_value_within_a_tenth_of_one_half_decides_nothing(value, sure):
    found = states.state([measure("valence", value, half=0.001), *measures(0, 0.8, 0.8)[1:]])
    assert (len(found.codes) == 1) is sure


def test_an_interval_over_the_threshold_decides_nothing_however_high_the_value():
    wide = measure("dominance", 0.8, half=0.35)
    found = states.state([*measures(0.8, 0.8), wide])
    assert found.codes == ("HvHaHd", "HvHaLd")
    assert "dominance unsure" in found.words


def test_three_unsure_dimensions_leave_all_eight_octants():
    found = states.state(measures(0.5, 0.5, 0.5))
    assert len(found.codes) == 8
    assert found.quadrant == "?A?V"
    assert "octant" not in found.words


def test_the_models_own_threshold_decides_high_and_low():
    shifted = [measure(n, 0.65, half=0.01, threshold=0.7) for n in states.DIMENSIONS[:3]]
    assert states.state(shifted).codes == ("LvLaLd",)


def test_a_missing_dominance_leaves_both_sides_open():
    missing = Measure("dominance", "prediction", "index", reason=Reason.LOW_QUALITY)
    assert states.state([*measures(0.8, 0.2), missing]).codes == ("HvLaHd", "HvLaLd")


def test_no_valence_means_no_state_but_its_reason():
    missing = Measure("valence", "prediction", "index", reason=Reason.MISSING_CHANNEL)
    assert states.state([missing, *measures(0.5, 0.5, 0.5)[1:]]) is Reason.MISSING_CHANNEL
    assert states.state([measure("stress", 0.8)]) is Reason.NOT_SUPPORTED
