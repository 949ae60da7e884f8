"""S3-05, S5-08: scores of a face on one scale, and micro-expressions with their onset, apex and offset."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.dsp import face
from core.types import Signal


def expression(t, onset_s, apex_s, offset_s, height):
    """A score that rises from onset to apex in a straight line and falls to the offset."""
    up, down = (t - onset_s) / (apex_s - onset_s), (offset_s - t) / (offset_s - apex_s)
    return height * np.clip(np.minimum(up, down), 0, 1)


def planted(sfreq, times, height=0.6, noise=0.0, seconds=30.0):
    t = np.arange(round(seconds * sfreq)) / sfreq
    x = 0.05 + sum(expression(t, *at, height) for at in times)
    return x + noise * np.random.default_rng(0).normal(size=len(t))


@pytest.mark.parametrize("sfreq", [25.0, 30.0, 60.0])
@pytest.mark.parametrize("noise,frames", [(0.0, 1e-6), (0.01, 1.01)])
def test_planted_micro_expressions_are_recovered_within_a_frame(sfreq, noise, frames):
    times = [(round(a * sfreq) / sfreq, round((a + 0.12) * sfreq) / sfreq, round((a + 0.36) * sfreq) / sfreq)
             for a in (3, 9.3, 17.7, 25.1)]  # fmt: skip
    found = face.micro_expressions(planted(sfreq, times, noise=noise), sfreq)
    assert len(found) == 4
    for got, want in zip((found.onset_s, found.apex_s, found.offset_s), zip(*times, strict=True), strict=True):
        assert np.abs(got - want).max() * sfreq <= frames
    assert found.height == pytest.approx(0.6, abs=0.05)
    assert found.area == pytest.approx(0.6 * 0.36 / 2, rel=0.15)


@pytest.mark.parametrize("sfreq", [25.0, 30.0, 60.0, 120.0])
def test_an_expression_of_more_than_half_a_second_is_none_and_neither_is_one_of_a_few_milliseconds(sfreq):
    long = [(5.0, 5.3, 5.6), (15.0, 15.1, 15.6), (20.0, 21.0, 24.0)]
    assert len(face.micro_expressions(planted(sfreq, long), sfreq)) == 0
    spike = np.full(3000, 0.05)
    spike[1500] = 0.9
    assert len(face.micro_expressions(spike, 100.0)) == 0


def test_a_change_too_small_to_be_an_occurrence_is_none():
    assert len(face.micro_expressions(planted(30.0, [(5.0, 5.1, 5.3)], height=0.08), 30.0)) == 0


def test_an_expression_that_a_lost_frame_cuts_is_not_measured():
    x = planted(30.0, [(5.0, 5.1, 5.3), (10.0, 10.1, 10.3)])
    x[round(5.2 * 30)] = np.nan
    assert face.micro_expressions(x, 30.0).apex_s == pytest.approx([10.1])


def test_a_slow_video_shows_no_micro_expressions():
    assert len(face.micro_expressions(planted(10.0, [(5.0, 5.1, 5.4)]), 10.0)) == 0


@settings(max_examples=200, deadline=None)
@given(
    arrays(np.float64, st.integers(0, 200), elements=st.floats(width=32) | st.sampled_from([0.0, 1.0, np.nan, np.inf])),
    st.sampled_from([1.0, 20.0, 25.0, 29.97, 240.0]),
)
def test_whatever_the_scores_every_expression_is_whole_and_short(x, sfreq):
    found = face.micro_expressions(np.where(np.isfinite(x), x, np.nan), sfreq)
    assert (found.onset_s < found.apex_s).all()
    assert (found.apex_s < found.offset_s).all()
    lasted = found.offset_s - found.onset_s
    assert ((lasted >= 0.04 - 1e-6) & (lasted <= 0.5 + 1e-6)).all()
    assert len(face.micro_expressions(x, sfreq)) <= len(x)
    face.peaks(x, sfreq)


@pytest.mark.parametrize(
    "name,what",
    [
        ("AU12_r", ("AU12", "_r")), ("AU01_c", ("AU01", "_c")), ("AU4", ("AU04", "")), ("Smile", ("AU12", "")),
        ("AU12 Evidence", ("AU12", " evidence")), ("Brow Furrow", ("AU04", "")), ("happiness", ("joy", "")),
        ("Joy Intensity", ("joy", " intensity")), ("pose_Tx", None), ("valence", None), ("AU99", None),
        ("gaze_angle_x", None), ("", None),
    ],
)  # fmt: skip
def test_every_program_has_its_name_for_an_action_unit(name, what):
    assert face.code(name) == what


def test_scores_are_shares_of_their_full_scale_whoever_wrote_them():
    def score(**columns):
        made = face.scores([Signal(n.replace("__", " "), "face", "au", 30.0, np.array(x)) for n, x in columns.items()])
        return {what: float(s.data[-1]) for what, s in made.items()}

    assert score(AU12_r=[0.0, 2.5], AU12_c=[0.0, 1.0], AU28_c=[0.0, 1.0]) == {"AU12": 0.5, "AU28": 1.0}
    assert score(AU12=[0.1, 0.5], anger=[0.0, 0.25]) == {"AU12": 0.5, "anger": 0.25}
    # a calm face on a scale of 100: the highest score of all tells the scale of each
    assert score(Smile=[0.0, 0.5], Attention=[90.0, 95.0], Joy=[40.0, 2.0]) == {"AU12": 0.005, "joy": 0.02}
    assert score(AU12__Evidence=[0.0, 1.0])["AU12"] == pytest.approx(10 / 11)


def test_the_real_openface_table_has_its_units_on_one_scale(shared_data):
    from core.readers import openface
    from core.types import InputFile

    path = shared_data / "formats" / "openface_csv" / "OpenFace_Test.csv"
    made = openface.read([InputFile(path.name, str(path))])
    found = face.scores(made.of_type("face"))
    assert {"AU01", "AU04", "AU12", "AU28", "AU45"} <= set(found)
    raw = next(s for s in made.signals if s.name == "AU12_r")
    np.testing.assert_allclose(found["AU12"].data, np.asarray(raw.data, dtype=float) / 5)
