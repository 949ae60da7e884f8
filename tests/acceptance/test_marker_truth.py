"""Marker truth: signals that NeuroKit2 simulates with moderate noise, at several rates and seeds, through the chain.

Set heart and pulse rates are met within 1 /min, breathing within 0.5 /min, skin-conductance responses within 10 %.
"""

import neurokit2 as nk
import numpy as np
import pytest

from core import pipeline
from core.types import Recording, Signal


def marker(name: str, type_: str, unit: str, sfreq: int, x: np.ndarray) -> float:
    recording = Recording((Signal("s", type_, unit, float(sfreq), np.asarray(x, dtype=np.float32)),))
    found = next(m for m in pipeline.analyse(recording, None).measures if m.name == name)
    assert found.reason is None, found.reason
    assert found.low <= found.value <= found.high
    return found.value


@pytest.mark.parametrize("sfreq", [128, 500])
@pytest.mark.parametrize("rate", [50, 70, 100, 140])
@pytest.mark.parametrize("noise,seed", [(0.01, 0), (0.1, 1)])
def test_heart_rate_is_within_1(sfreq, rate, noise, seed):
    x = nk.ecg_simulate(duration=40, sampling_rate=sfreq, heart_rate=rate, noise=noise, random_state=seed)
    assert marker("heart_rate", "ecg", "mV", sfreq, x) == pytest.approx(rate, abs=1)


@pytest.mark.parametrize("sfreq", [32, 64, 250])
@pytest.mark.parametrize("rate", [50, 70, 100, 130])
@pytest.mark.parametrize("noise,seed", [({}, 0), ({"motion_amplitude": 0.1, "powerline_amplitude": 0.05}, 1),
                                        ({"burst_number": 2, "burst_amplitude": 0.3}, 2)])  # fmt: skip
def test_pulse_rate_is_within_1(sfreq, rate, noise, seed):
    x = nk.ppg_simulate(duration=60, sampling_rate=sfreq, heart_rate=rate, random_state=seed, **noise)
    assert marker("pulse_rate", "ppg", "au", sfreq, x) == pytest.approx(rate, abs=1)


@pytest.mark.parametrize("sfreq", [10, 25, 100])
@pytest.mark.parametrize("rate", [6, 10, 15, 22, 30])
@pytest.mark.parametrize("noise,seed", [(0.01, 0), (0.1, 1), (0.2, 2)])
def test_breathing_rate_is_within_half_a_breath(sfreq, rate, noise, seed):
    x = nk.rsp_simulate(duration=120, sampling_rate=sfreq, respiratory_rate=rate, noise=noise, method="sinusoidal",
                        random_state=seed)  # fmt: skip
    assert marker("breathing_rate", "resp", "au", sfreq, x) == pytest.approx(rate, abs=0.5)


@pytest.mark.parametrize("sfreq", [10, 50])
@pytest.mark.parametrize("rate", [6, 10, 15, 22])
@pytest.mark.parametrize("seed", range(3))
def test_breathing_rate_of_breaths_that_vary_and_pause_is_within_half_a_breath(sfreq, rate, seed):
    # each breath is drawn with an SD of 10 % of its length: five minutes bring the mean to the set rate
    x = nk.rsp_simulate(duration=300, sampling_rate=sfreq, respiratory_rate=rate, noise=0.1, method="breathmetrics",
                        random_state=seed)  # fmt: skip
    assert marker("breathing_rate", "resp", "au", sfreq, x) == pytest.approx(rate, abs=0.5)


@pytest.mark.parametrize("sfreq", [4, 32, 100])
@pytest.mark.parametrize("number", [4, 10, 20, 30])
@pytest.mark.parametrize("noise,seed", [(0.01, 0), (0.05, 1), (0.05, 2)])
def test_skin_responses_are_counted_within_a_tenth(sfreq, number, noise, seed):
    x = 1 + nk.eda_simulate(duration=300, sampling_rate=sfreq, scr_number=number, noise=noise, drift=-0.002,
                            random_state=seed)  # fmt: skip
    assert 5 * marker("scr_rate", "eda", "µS", sfreq, x) == pytest.approx(number, rel=0.1)
