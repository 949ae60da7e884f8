"""S1-02, S1-10: spectra of windows equal scipy's, window by window."""

import numpy as np
import pytest
from scipy import signal

from core.dsp import spectral


@pytest.mark.parametrize(
    "sfreq,n,step", [(128.0, 512, 256), (100.0, 400, 150), (250.0, 1000, 501), (128.0, 200, 64), (1.0, 4, 2)]
)
def test_windows_that_share_segments_get_scipys_welch(sfreq, n, step):
    x = np.random.default_rng(1).normal(size=6000) + 50
    start = np.arange(0, len(x) - n + 1, step)[:40]
    freqs, psd = spectral.window_psd(x, start, n, sfreq)
    nper = min(round(2 * sfreq), n)
    for row, first in zip(psd, start, strict=True):
        f, want = signal.welch(x[first : first + n], sfreq, nperseg=nper, noverlap=nper // 2)
        np.testing.assert_allclose(freqs, f)
        np.testing.assert_allclose(row, want, rtol=1e-10)


def test_s1_02_the_declared_rate_is_used():
    rng = np.random.default_rng(2)
    fast = signal.sosfiltfilt(signal.butter(4, 40, fs=256, output="sos"), rng.normal(size=256 * 120))
    powers = {}
    for sfreq, x in ((256.0, fast), (128.0, signal.decimate(fast, 2, zero_phase=True))):
        freqs, psd = spectral.window_psd(
            x, np.arange(0, len(x) - int(4 * sfreq), int(2 * sfreq)), int(4 * sfreq), sfreq
        )
        powers[sfreq] = [spectral.band_power(psd, freqs, *b).mean() for b in ((1, 4), (4, 8), (8, 13), (13, 30))]
    np.testing.assert_allclose(powers[256.0], powers[128.0], rtol=0.05)


def test_bands_are_half_open():
    freqs = np.arange(0, 64.5, 0.5)
    assert freqs[spectral.band(freqs, 8, 13)].tolist() == np.arange(8, 13, 0.5).tolist()


def test_a_band_above_half_the_rate_has_no_power_to_give():
    assert np.isnan(spectral.band_power(np.ones((2, 3)), np.arange(3.0), 8, 13)).all()
