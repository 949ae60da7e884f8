"""Tables of faces: OpenFace, iMotions, Py-Feat; what they say, what is missing, and who they show is not read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from core.errors import Refused
from core.readers import READERS, Options, isolation, session
from core.settings import settings as site
from core.types import Reading
from tests.core.readers import vendors as v
from tests.core.readers.conftest import by_name, codes, given, said


@pytest.fixture
def write(tmp_path):
    def write(body, name="x.csv"):
        (tmp_path / name).write_bytes(body)
        return given(tmp_path / name)

    return write


# ------------------------------------------------------------------------------------------------ OpenFace
def test_the_openface_sample_is_typed_and_a_tenth_of_a_second_is_too_short(shared_data):
    file = given(shared_data / "formats/openface_csv/OpenFace_Test.csv")
    theirs = pd.read_csv(file.path, skipinitialspace=True)
    r = session.read([file])
    faces = [s for s in r.signals if s.type == "face"]
    assert [s.name for s in faces] == [c for c in theirs if c.startswith("AU")] and len(faces) == 35
    assert all(np.allclose(s.data, theirs[s.name]) for s in faces)
    assert {(s.unit, s.sfreq) for s in faces} == {("au", 1000.0)}
    assert faces[0].data[0] == pytest.approx(0.6773)
    # landmarks draw the face of a person
    assert len(r.signals) == 42 and not any(s.name[0] in "xyXYZ" for s in r.signals)
    with pytest.raises(Refused, match="E-TOO-SHORT"):
        isolation.read([file], zone=site().zone)


def test_frames_without_a_sure_face_are_missing_and_the_scale_is_said(write):
    success = ["0" if 30 <= i < 60 else "1" for i in range(300)]
    confidence = ["0.5" if 90 <= i < 120 else "0.8" for i in range(300)]
    r = session.read([write(v.openface(success=success, confidence=confidence))])
    smile = by_name(r)["AU12_r"]
    assert (smile.type, smile.unit, smile.sfreq, len(smile.data)) == ("face", "au", 30.0, 300)
    gone = np.isnan(smile.data)
    assert gone[30:60].all() and gone[90:120].all() and gone.sum() == 60
    assert np.unique(smile.data[~gone]) == [2.0]
    assert "In 60 of 300 frames" in said(r, "W-CONFIDENCE") and "0 to 5 (_r)" in said(r, "W-SCALE")
    assert by_name(r)["pose_Rx"].type == "misc"


def test_values_outside_the_scale_of_an_action_unit_are_missing(write):
    r = session.read([write(v.openface(aus=(1.0, 7.0)))])
    assert np.isnan(by_name(r)["AU12_r"].data).all() and '"AU12_r"' in said(r, "W-RANGE")
    assert np.isfinite(by_name(r)["AU06_r"].data).all()


def test_of_several_faces_the_one_seen_most_is_read(write):
    body = v.openface().decode().splitlines()
    second = [line.replace(",2.00,", ",4.00,") for line in body[1:151]]
    lines = [body[0] + ", face_id"]
    for i, line in enumerate(body[1:]):
        lines.append(line + ",0")
        if i < len(second):
            lines.append(second[i] + ",1")
    r = session.read([write("\n".join(lines).encode() + b"\n")])
    assert len(by_name(r)["AU12_r"].data) == 300 and np.unique(by_name(r)["AU12_r"].data) == [2.0]
    assert "2 faces" in said(r, "W-FACES")


# ------------------------------------------------------------------------------------------------ iMotions
def test_the_imotions_sample_is_what_pandas_reads_without_the_person(shared_data):
    path = shared_data / "formats/imotions_txt/iMotions_Test_v6.txt"
    theirs = pd.read_csv(path, sep="\t", skiprows=5)
    r = session.read([given(path)])
    found = by_name(r)
    faces = [s for s in r.signals if s.type == "face"]
    assert len(faces) == 32 and {s.sfreq for s in r.signals} == {30.0}
    assert r.duration_s == pytest.approx(17.3, abs=0.05)
    seen = theirs["NoOfFaces"] == 1
    for name in ("Joy Evidence", "AU12 Evidence", "Neutral Evidence"):
        x = found[name].data
        assert np.allclose(x[np.isfinite(x)], theirs.loc[seen, name], atol=1e-6)
    assert found["Joy Evidence"].data[0] == pytest.approx(-0.4623673)
    # the run started at 11:27:18.071 four hours west of Greenwich; the first frame came 35 ms later
    assert r.started_at == datetime(2017, 10, 5, 15, 27, 18, 106_000, tzinfo=UTC)
    assert [(a.onset_s, a.description) for a in r.annotations] == [(0.0, "gopro")]
    assert f"In {int((~seen).sum())} of 519 frames" in said(r, "W-FACES")
    assert "participant01" not in repr(r) and not any("Male" in s.name for s in r.signals)


def test_imotions_stimuli_become_annotations_and_no_name_is_kept(write):
    r = session.read([write(v.imotions(faces=["0" if i < 30 else "1" for i in range(300)]))])
    assert [(s.name, s.type) for s in r.signals] == [
        ("Joy Evidence", "face"), ("AU12 Evidence", "face"), ("Yaw Degrees", "misc"),
    ]  # fmt: skip
    assert [(round(a.onset_s, 2), round(a.duration_s, 2), a.description) for a in r.annotations] == [
        (0.0, 5.0, "cat"), (1.0, 0.03, "now"), (5.0, 4.97, "dog"),
    ]  # fmt: skip
    assert np.isnan(r.signals[0].data[:30]).all() and np.isfinite(r.signals[0].data[30:]).all()
    assert r.started_at == datetime(2024, 5, 1, 8, 0, 0, 500_000, tzinfo=UTC)
    assert "Lovelace" not in repr(r) and "logarithm of odds" in said(r, "W-SCALE")


def test_affectiva_numbers_that_stand_for_no_value_are_missing(write):
    r = session.read([write(v.imotions(affectiva=True))])
    smile, valence, anger = (by_name(r)[n].data for n in ("Smile", "Valence", "Anger"))
    assert np.isnan(smile[::10]).all() and np.nanmin(smile) == 40
    # valence may be -1: it has other negative values
    assert np.isfinite(valence).all() and valence[0] == -1
    assert np.isnan(anger[:2]).all() and np.isfinite(anger[2:]).all()
    assert "0 to 100" in said(r, "W-SCALE")


# ------------------------------------------------------------------------------------------------ Py-Feat
@pytest.mark.parametrize("name", ["001", "004", "007", "009", "011", "014", "019"])
def test_pyfeat_tables_of_2183_columns_are_what_pandas_reads(shared_data, name):
    path = shared_data / "formats/pyfeat_csv" / f"{name}.csv"
    theirs = pd.read_csv(path)
    assert theirs.shape[1] == 2183
    r = session.read([given(path)], Options(sfreq=12.5))
    faces = [s for s in r.signals if s.type == "face"]
    assert len(faces) == 20 + 7 + 2 + 51
    assert all(np.allclose(s.data, theirs[s.name], atol=1e-6) for s in faces)
    assert r.duration_s == pytest.approx(len(theirs) / 12.5)
    # what would know the person again
    assert not any("Identity" in s.name or "mesh" in s.name for s in r.signals)
    bare = session.read([given(path)])
    assert bare.types == () and "2 frames of the video apart" in said(bare, "W-RATE")
    with pytest.raises(Refused, match="E-TOO-SHORT"):
        isolation.read([given(path)], reading=Reading(12.5), zone=site().zone)


def test_pyfeat_frames_that_are_left_out_are_missing(write):
    r = session.read([write(v.pyfeat(frames=[0, 2, 4, 10, 12, 14, 16, 18, 18, 20]))], Options(sfreq=15.0))
    x = by_name(r)["AU12"].data
    assert np.allclose(x, [0, 0.01, 0.02, np.nan, np.nan, 0.03, 0.04, 0.05, 0.06, 0.07, 0.09], equal_nan=True)
    assert "2 frames" in said(r, "W-TIME-GAP") and "several faces" in said(r, "W-FACES")
    assert "ada.mp4" not in repr(r) and "Ada" not in repr(r)
    with pytest.raises(Refused, match="not in order"):
        session.read([write(v.pyfeat(frames=[5, *range(9)]))])
    with pytest.raises(Refused, match="E-CSV-WIDE"):
        READERS["pyfeat"].read([write(v.pyfeat(width=4000))])


def test_pyfeat_frames_with_a_face_of_a_low_score_are_missing(write):
    scores = ["0.99"] * 5 + ["0.8", "0.79", "", "0.1", "0.9"]
    r = session.read([write(v.pyfeat(scores=scores))], Options(sfreq=15.0))
    lost = [False] * 6 + [True] * 3 + [False]
    assert np.isnan(by_name(r)["AU12"].data).tolist() == lost
    assert np.isnan(by_name(r)["Happy"].data).tolist() == lost
    assert by_name(r)["FaceScore"].data[8] == pytest.approx(0.1)
    assert "In 3 of 10 frames" in said(r, "W-CONFIDENCE")
    assert "W-CONFIDENCE" not in codes(session.read([write(v.pyfeat())], Options(sfreq=15.0)))


@settings(max_examples=90, deadline=timedelta(seconds=5), suppress_health_check=[HealthCheck.function_scoped_fixture])
@for_all(
    st.sampled_from(["openface", "imotions", "pyfeat", "muse", "emotiv", "rr"]),
    st.lists(st.tuples(st.integers(0, 1500), st.sampled_from(b'0123456789-.,#:\t\n aE"\xff')), max_size=6),
)
def test_whatever_bytes_change_it_is_read_or_refused(tmp_path_factory, name, changes):
    body = bytearray(v.TABLES[name]()[:6000].rpartition(b"\n")[0] + b"\n")
    for at, value in changes:
        body[at % len(body)] = value
    path = tmp_path_factory.mktemp("fuzz") / "x.csv"
    path.write_bytes(bytes(body))
    try:
        r = READERS[name].read([given(path)])
    except Refused as refused:
        assert refused.what_to_do
        return
    assert all(0.09 <= s.sfreq <= 1e5 and s.data.ndim == 1 for s in r.signals)
