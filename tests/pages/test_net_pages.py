"""Models of signals and of sequences on the pages: their cards, a session that they predicted, and its Why."""

from __future__ import annotations

import pytest

from core import simulate
from core.services.clinic import sessions
from core.services.research import explanations
from core.storage.store import Store
from core.types import InputFile
from tests.core.models.nets import head, publish
from tests.pages.conftest import NOW, _use, open_page
from tests.pages.test_pages import check


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data folder with two nets and a session of each."""
    place = tmp_path_factory.mktemp("net-pages")
    store = Store(f"sqlite:///{place / 'affectline.sqlite3'}", data_dir=place)
    edf = place / "visit.edf"
    simulate.write_edf(head(30.0), edf)
    with pytest.MonkeyPatch.context() as patch:
        publish(store, patch, ("eegnet", "bilstm_attention"))
        for patient, model in (("P-0001", "eegnet"), ("P-0002", "bilstm-attention")):
            found = sessions.analyse(store, [InputFile(edf.name, str(edf))], patient, now=NOW, model=model)
            explanations.of_session(store, found["session"])
    store.close()
    return place


@pytest.fixture(autouse=True)
def used(made, monkeypatch):
    _use(made, monkeypatch)


def said(at) -> str:
    return check(at).replace("\\", "")


def test_a_card_says_what_its_net_is_given_and_what_a_prediction_is_of():
    text = said(open_page("models", model="eegnet"))
    assert "the signals themselves: 14 EEG channels at 128 Hz" in text and "One probability for each window." in text
    limits = said(open_page("models", model="eegnet", tab="Limits"))
    assert "Recordings unlike its training are predicted with the warning W-DRIFT." in limits
    text = said(open_page("models", model="bilstm-attention"))
    assert "up to 5 windows in order of time, each told by 22 features" in text and "stretch of at most 5" in text


@pytest.mark.parametrize(("session", "charts"), [("P-0001/S-01", 2), ("P-0002/S-01", 3)])
def test_a_session_of_a_net_has_its_index_and_why(session, charts):
    text = said(open_page("session", session=session))
    assert "emonstration model" in text and "Arousal" in text
    at = open_page("session", session=session, tab="Why")
    text = said(at)
    assert "integrated gradients" in text and "What raised and what lowered" in text and "n = 14 windows" in text
    assert len(at.get("plotly_chart")) == charts
    assert ("Where did the model look?" in text) == (charts == 3)
