"""Tables by unix time: face, band powers, eyes and events of one participant make one session."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from core import pipeline
from core.errors import Refused
from core.readers import Options, session
from core.types import Reason
from tests.core.readers import vendors as v
from tests.core.readers.conftest import by_name, given

START = datetime.fromtimestamp(1_700_000_000, UTC)


@pytest.fixture
def write(tmp_path):
    def write(**tables):
        for name, body in tables.items():
            (tmp_path / f"{name}.csv").write_bytes(body)
        return [given(tmp_path / f"{name}.csv") for name in tables]

    return write


def test_a_face_a_headband_and_events_lie_on_one_clock(write):
    r = session.read(write(events=v.tiva_events(), face=v.tiva(), bands=v.tiva_bands()))
    assert (r.format, r.started_at, r.types) == ("tiva", START, ("face",))
    found = by_name(r)
    assert (found["Joy"].type, found["Joy"].sfreq, found["Joy"].onset_s, found["Joy"].duration_s) == ("face", 30, 0, 10)
    band = found["alpha_AF8"]
    assert (band.type, band.sfreq, band.onset_s, len(band.data)) == ("misc", 10, 2, 100)
    assert [(a.description, a.onset_s, a.duration_s) for a in r.annotations] == [("a", 1, 2.5), ("b", 5, 1)]
    assert "Comment" not in found and "at 10 rows a second" in " ".join(n.text for n in r.notices)


def test_words_for_no_value_and_pupils_wider_than_8_mm_are_missing(write):
    r = session.read(write(face=v.tiva(), bands=v.tiva_bands()))
    found = by_name(r)
    assert np.flatnonzero(np.isnan(found["Smile"].data)).tolist() == list(range(9, 300, 10))
    assert set(found["Smile"].data[np.isfinite(found["Smile"].data)]) == {80}
    pupil = found["ET_PupilLeft"]
    assert (pupil.unit, np.flatnonzero(np.isnan(pupil.data)).tolist(), pupil.data[2]) == ("mm", [3, 4], 3.25)
    assert np.flatnonzero(np.isnan(found["alpha_TP9"].data)).tolist() == [5]
    assert "In 30 of 300 rows no face was found" in " ".join(n.text for n in r.notices)


def test_bands_above_half_the_rate_of_the_rows_are_not_computed(write):
    files = write(face=v.tiva(600), bands=v.tiva_bands(600))
    said = {name: {"type": "eeg", "unit": "uV"} for name in ("alpha_TP9", "alpha_AF8")}
    r = session.read(files, Options(mapping=said))
    assert {s.type for s in r.signals if s.name.startswith("alpha")} == {"eeg"}
    found = {m.name: m for m in pipeline.analyse(r, None).measures}
    for name in ("engagement", "alpha_peak", "alpha_asymmetry"):
        assert found[name].value is None and isinstance(found[name].reason, Reason)
    assert found["smile"].value is not None or found["smile"].reason is not None
    assert "below" in " ".join(n.text for n in r.notices if n.code == "W-RATE")


def test_two_participants_in_one_table_are_refused_with_the_way_to_import_them(write):
    people = {"participant": ["1"] * 150 + ["2"] * 150}
    with pytest.raises(Refused, match=r"2 participants.*study \(s3\).*E-PEOPLE"):
        session.read(write(face=v.tiva(more=people)))
    one = session.read(write(face=v.tiva(more={"participant": ["1"] * 300})))
    assert "participant" not in by_name(one)


def test_a_table_of_face_scores_without_unix_times_is_any_table(write):
    (file,) = write(face=v.tiva(t0=0.0))
    assert session.recognised(file) == "csv"


def test_the_pupils_of_an_imotions_export_follow_the_same_rule(write):
    n = 300
    table = v.imotions(n, affectiva=True).decode().splitlines()
    at = next(i for i, line in enumerate(table) if line.startswith("StudyName"))
    widths = ["3.5", "-1", "8.4", "9999", *["3.0"] * (n - 4)]
    table[at:] = [table[at] + "\tET_PupilLeft", *(a + "\t" + b for a, b in zip(table[at + 1 :], widths, strict=True))]
    r = session.read(write(export="\n".join(table).encode() + b"\n"))
    pupil = by_name(r)["ET_PupilLeft"]
    assert (pupil.type, pupil.unit, np.flatnonzero(np.isnan(pupil.data)).tolist()) == ("misc", "mm", [1, 2, 3])
