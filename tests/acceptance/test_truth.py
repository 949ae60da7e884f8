"""A simulated recording with known truth, from file to numbers; twice the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import signal

from core import preprocess, simulate
from core.readers import isolation
from core.settings import FRONTAL_PAIRS, settings
from core.types import InputFile, Pipeline
from tests.serving import affectline

TRUTH = {"heart_rate": 72.0, "alpha_asymmetry": 0.35}


@pytest.fixture(scope="module")
def edf(tmp_path_factory):
    recording = simulate.recording(seed=11, duration_s=90, started_at=datetime(2026, 3, 2, 9, tzinfo=UTC), **TRUTH)
    return simulate.write_edf(recording, tmp_path_factory.mktemp("truth") / "visit.edf")


@pytest.fixture(scope="module")
def answers(edf, tmp_path_factory):
    def once():
        data_dir = tmp_path_factory.mktemp("data")
        done = affectline(data_dir, "analyse", str(edf), "--patient", "P-0042", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return once(), once()


def test_a_simulated_edf_gives_three_predictions_with_intervals(answers):
    predictions = answers[0]["predictions"]
    assert set(predictions) == {"valence", "arousal", "dominance"}
    for value in predictions.values():
        assert 0 <= value["low"] <= value["p_high"] <= value["high"] <= 1
        assert value["label"] in ("High", "Low", "Unsure")
    assert answers[0]["model"]["name"] == "demo-eeg-ecg" and "simulated" in answers[0]["model"]["basis"]


def test_markers_lie_near_their_planted_truth(answers):
    markers = answers[0]["markers"]
    assert markers["heart_rate"]["value"] == pytest.approx(TRUTH["heart_rate"], abs=1)
    assert np.sign(markers["alpha_asymmetry"]["value"]) == np.sign(TRUTH["alpha_asymmetry"])
    assert markers["alpha_asymmetry"]["value"] == pytest.approx(TRUTH["alpha_asymmetry"], rel=0.4)


def test_alpha_asymmetry_is_what_scipys_welch_gives_on_the_filtered_signals(answers, edf):
    recording = isolation.read([InputFile(edf.name, str(edf))], zone=settings().zone)
    clean = {s.name: s for s in preprocess.filtered(recording, Pipeline()).signals}

    def ln_alpha(name: str) -> float:
        s = clean[name]
        freqs, psd = signal.welch(s.data, s.sfreq, nperseg=int(2 * s.sfreq))
        return float(np.log(psd[(freqs >= 8) & (freqs < 13)].sum()))

    plain = np.mean([ln_alpha(right) - ln_alpha(left) for left, right in FRONTAL_PAIRS])
    assert answers[0]["markers"]["alpha_asymmetry"]["value"] == pytest.approx(plain, rel=0.10)


def test_the_same_file_gives_the_same_numbers_in_another_store(answers):
    first, second = answers
    assert first == second


def test_channels_keep_their_own_rates_and_units(answers):
    channels = answers[0]["quality"]["channels"]
    assert [(c["type"], c["unit"], c["sfreq"]) for c in channels] == [("eeg", "µV", 128.0)] * 14 + [
        ("ecg", "mV", 256.0)
    ] * 2
    assert answers[0]["quality"]["grade"] == "good"
