"""S4-01: a .dat of DEAP and a table of OpenFace go through the four steps to their session; a false one is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from core.services import handlers, jobs
from core.services.clinic import sessions
from tests.core.readers import vendors
from tests.pages.conftest import open_page
from tests.pages.test_new_recording import flat, staged, step
from tests.pages.test_pages import check


def deap():
    rng = np.random.default_rng(3)
    return vendors.deap(data=rng.standard_normal((6, 40, 11 * 128)).cumsum(axis=2))


FILES = {
    "s01.dat": (deap, "40 channels", "Engagement index"),
    "face.csv": (lambda: vendors.openface(900), "5 channels", "Smile"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_sources_goes_from_upload_to_its_session(filled, tmp_path, name):
    body, channels, marker = FILES[name]
    (tmp_path / name).write_bytes(body())
    at = open_page("new_recording", draft=staged(filled, tmp_path / name), patient="P-0077")
    check(at)
    assert channels in flat(step(at, 2))
    step(at, 3)
    step(at, 4)
    at.button(key="analyse").click().run()
    check(at)
    (job,) = jobs.recent(filled)
    jobs.claim(filled, "test:1:a", now=datetime.now(UTC))
    handlers.execute(filled.url, job.id)
    session = sessions.history(filled, "P-0077")[-1].session
    assert marker in check(open_page("session", session=session, tab="Overview"))
    at = open_page("session", session=session, tab="Windows")
    text = check(at)
    if name == "s01.dat":
        table = next(d.value for d in at.dataframe if "Annotation" in d.value.columns)
        assert table["Annotation"].tolist() == [f"trial {i}" for i in range(1, 7)]
        assert "No windows with a prediction" in text
    else:
        assert "By annotation" not in text


@pytest.mark.parametrize(("name", "words"), [("s01.dat", "it is no DEAP file, or damaged"), ("face.csv", "no rows")])
def test_a_file_that_is_cut_off_is_refused_in_words(filled, tmp_path, name, words):
    cut = {"s01.dat": 5000, "face.csv": 60}[name]
    (tmp_path / name).write_bytes(FILES[name][0]()[:cut])
    at = open_page("new_recording", draft=staged(filled, tmp_path / name), patient="P-0077", step="2")
    assert words in flat(check(at))
    assert not any(b.key == "to_check" and not b.disabled for b in at.button), "there is no way on"
