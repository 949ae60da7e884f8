"""S4-04: sixteen band densities against the plain formula, known sines, and golden values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from core import features, windows
from core.evaluation import dataset, passband
from core.features import eeg16
from core.quality import assess
from core.studies import folder
from core.studies.folder import Planned, Source
from core.types import Pipeline, Recording, Signal

PIPELINE = Pipeline(features="eeg16/1")
SFREQ = 128.0


def made(x, names=eeg16.CHANNELS, sfreq=SFREQ):
    return Recording(tuple(Signal(n, "eeg", "µV", sfreq, row) for n, row in zip(names, x, strict=True)))


def table(recording, pipeline=PIPELINE):
    quality = assess(recording, pipeline)
    cut = windows.cut(recording, quality, pipeline, ("eeg",))
    return features.table(recording, cut, quality, pipeline, ("eeg",))


def noise(seed=97, n=1280):
    x = np.random.default_rng(seed).standard_normal((4, n + 256)).cumsum(axis=1)
    return signal.sosfiltfilt(signal.butter(2, (1, 45), "bandpass", fs=SFREQ, output="sos"), 20 * x)[:, 128:-128]


def test_the_sixteen_columns_are_chosen_by_name_and_the_usual_ones_stay():
    assert len(eeg16.names()) == len(set(eeg16.names())) == 16
    assert features.names(("eeg",), PIPELINE) == list(eeg16.names())
    assert features.names(("eeg",), Pipeline()) == features.names(("eeg",)) != list(eeg16.names())
    assert features.block_of("psd_gamma_F4") == "eeg gamma"
    assert list(table(made(noise())).columns) == list(eeg16.names())


def test_every_feature_is_the_mean_of_welchs_density_over_half_open_bands():
    x = noise()
    found = table(made(x))
    assert len(found) == 4
    for i in range(len(found)):
        for name, row in zip(eeg16.CHANNELS, x, strict=True):
            freqs, psd = signal.welch(row[i * 256 : i * 256 + 512], SFREQ, "hann", nperseg=256, noverlap=128)
            for band, (low, high) in {"theta": (4, 7), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 40)}.items():
                inside = (freqs >= low) & (freqs < high)
                assert found[f"psd_{band}_{name}"][i] == pytest.approx(psd[inside].mean(), rel=1e-6)


def test_a_sine_has_its_power_spread_over_its_band_and_none_in_the_others():
    t = np.arange(1280) / SFREQ
    x = np.stack([10 * np.sin(2 * np.pi * 10 * t + k) + 0.01 * np.sin(t * 17 * k) for k in range(4)])
    row = table(made(x)).iloc[0]
    # 50 µV² over a band of 5 Hz
    assert row["psd_alpha_F3"] == pytest.approx(10.0, rel=1e-3)
    assert max(row[f"psd_{b}_F3"] for b in ("theta", "beta", "gamma")) < 1e-3


def test_golden_values_on_a_fixed_seed():
    row = table(made(noise())).iloc[0]
    assert row.to_numpy() == pytest.approx(np.array(GOLDEN), abs=1e-3)


def test_what_is_missing_is_missing_and_takes_nothing_else_with_it():
    x = noise()
    found = table(made(x[:3], ("F3", "Fp2", "F4")))
    assert found[[c for c in found if c.endswith("Fp1")]].isna().all(axis=None)
    assert found[[c for c in found if not c.endswith("Fp1")]].notna().all(axis=None)
    slow = made(signal.decimate(x, 2, axis=1), sfreq=64.0)
    found = table(slow)
    assert found[[c for c in found if "gamma" in c]].isna().all(axis=None)
    assert found["psd_alpha_F3"].notna().all()


def test_bands_that_a_study_did_not_record_are_not_computed():
    names = eeg16.names()
    assert passband.kept({"eeg": names}, {"eeg": (4.0, 45.0)})["eeg"] == names
    assert passband.kept({"eeg": names}, {"eeg": (5.0, 35.0)})["eeg"] == names[4:12]
    assert passband.kept({"eeg": names}, {})["eeg"] == names


def test_a_study_of_a_cap_gives_the_sixteen_columns_of_its_four_places(tmp_path):
    places = ("Fp1", "F3", "Fp2", "F4", "C3", "C4", "Pz", "O1", "O2", "Cz", "F7", "F8", "T7", "T8", "P7", "P8")
    x = np.vstack([noise(k) for k in range(4)])
    x = 20 * (x / x.std() + (noise(9)[:1] / noise(9)[:1].std()))
    trials = [Planned("S01", "T1", {"valence": 7.0}, read=lambda: made(x, places))]
    source = Source("simulated", "none", {"valence": (1.0, 9.0, 5.0)}, (), trials, 1, bands={"eeg": (4.0, 45.0)})
    found = dataset.prepare(folder.write(tmp_path, "s", source), PIPELINE, ("eeg",))
    assert found.names(("eeg",)) == list(eeg16.names()) and len(found) == 4
    assert found.features.notna().all(axis=None)


def test_capitals_and_other_channels_do_not_matter():
    x = noise()
    one = table(made(x))
    other = table(made(np.vstack([x, x.mean(axis=0)[None]]), ("FP1", "f3", "FP2", "F4", "Cz")))
    assert np.allclose(one, other)
    assert features.positions(PIPELINE) == eeg16.CHANNELS
    assert replace(PIPELINE, features="eeg258+ecg22/1").hash != PIPELINE.hash


GOLDEN = [
    121.7895,
    129.5504,
    92.99,
    116.2825,
    23.2844,
    30.9105,
    29.9246,
    37.2588,
    6.1953,
    6.0616,
    8.2912,
    6.846,
    1.8313,
    2.7269,
    1.8879,
    2.5068,
]
