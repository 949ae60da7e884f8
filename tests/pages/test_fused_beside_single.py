"""Runs side by side on the page Experiments: a fused one beside each single one, with how far they are apart."""

import shutil

import pytest

from core import compute
from core.services.research import experiment_pairs, experiments, studies
from core.settings import settings
from core.storage.store import Store
from tests.core.services.research.test_experiments import inline
from tests.pages.conftest import NOW, open_page
from tests.pages.research_site import ready
from tests.pages.test_pages import check

INPUTS = ("eeg", "face", "eeg+face")


@pytest.fixture
def runs(empty, monkeypatch):
    """A site with a run on EEG, on the face and on both, and the store."""
    store = Store(settings().database, data_dir=empty)
    monkeypatch.setattr(compute, "executor", inline())
    ready(store, "faces", n=5, ei=False)
    made = [run(store, inputs) for inputs in INPUTS]
    yield store, made
    store.close()


def run(store, inputs, **more):
    return experiments.evaluate(store, "faces", "valence", "logistic", inputs, now=NOW, **more)["experiment"]


def apart(at):
    return next(d.value for d in at.get("dataframe") if "Runs" in d.value.columns)


def test_s4_10_the_fused_result_stands_beside_each_single_one_with_their_disagreement(runs):
    store, made = runs
    at = open_page("experiments", runs=",".join(made))
    text = check(at).replace("\\", "")
    assert "How far are these runs apart on the same trial?" in text and "half the sum of the distances" in text
    frame, eeg, face, fused = apart(at), *made
    assert list(frame["Runs"]) == [
        f"{eeg} (EEG) and {face} (Face)", f"{eeg} (EEG) and {fused} (EEG + Face)",
        f"{face} (Face) and {fused} (EEG + Face)",
    ]  # fmt: skip
    assert set(frame["Subjects"]) == {5} and set(frame["Trials"]) == {20}
    for shown, said in zip(frame.to_dict("records"), experiment_pairs.disagreements(store, made), strict=True):
        for column, what in (("Label differs, share of trials", "labels"), ("Probability differs by", "probabilities")):
            found = said[what]
            assert shown[column] == f"{found['value']:.2f} ({found['low']:.2f}-{found['high']:.2f})"
    assert any(b.key == "export-table-disagreement" for b in at.get("download_button"))


def test_a_run_that_can_no_longer_be_read_says_why_in_its_pairs(runs):
    store, made = runs
    shutil.rmtree(studies.root(store) / "faces")
    ready(store, "faces", n=6, ei=False)
    at = open_page("experiments", runs=",".join(made[:2]))
    check(at)
    assert apart(at)["Probability differs by"].str.startswith(f"not computed: {made[0]}: the study or the").all()


def test_runs_of_different_tasks_are_not_paired(runs):
    store, made = runs
    nine = run(store, "eeg", options={"task": "nine"})
    text = check(open_page("experiments", runs=f"{made[0]},{nine}")).replace("\\", "")
    assert "E-COMPARE" in text and "chance is not the same" in text and "How do these runs differ?" not in text
