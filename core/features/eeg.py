"""EEG-258: the feature vector of requirements d1, per window, from filtered and normalised signals.

Blocks and their columns, in this order: A ``lp_{band}_{channel}`` (56), B ``rel_alpha``, ``rel_beta``, ``ln_ab``,
``ln_ta``, ``ln_atb`` (70), C ``mean``, ``sd`` (28), D ``hent`` (14), E ``asym_{band}_{left}_{right}`` (28),
F ``de_{band}_{channel}`` (56), G ``faa_comp``, ``engage_f``, ``ftheta_palpha``, ``coh_alpha``, ``gfp``, ``sef95``
(6). All 258 are always there; a column of a channel that is missing or left out is NaN. A and F are near twins: the
slim set leaves A, C and D out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.dsp import grid, spectral
from core.dsp.filters import bandpass
from core.dsp.montage import canonical
from core.settings import BANDS, EPOC_14, FRONTAL_PAIRS, PAIRS
from core.types import Pipeline, Quality, Recording, Signal, Windows

# added to a power before its logarithm, in the unit of the input squared; smallest variance of block F (d1)
POWER_FLOOR = 1e-8
VARIANCE_FLOOR = 1e-12
BINS = 10  # of the histogram of block D
EDGE_SHARE, EDGE_HZ = 0.95, (1.0, 45.0)  # G6
ENGAGEMENT_CHANNELS = ("AF3", "F3", "F4", "AF4")  # G2
THETA_CHANNELS, ALPHA_CHANNELS = ("F3", "F4"), ("P7", "P8")  # G3
_B = ("rel_alpha", "rel_beta", "ln_ab", "ln_ta", "ln_atb")
_G = ("faa_comp", "engage_f", "ftheta_palpha", "coh_alpha", "gfp", "sef95")


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block A to G, in the order of the table."""
    return {
        "A": tuple(f"lp_{band}_{ch}" for band in BANDS for ch in EPOC_14),
        "B": tuple(f"{what}_{ch}" for what in _B for ch in EPOC_14),
        "C": tuple(f"{what}_{ch}" for what in ("mean", "sd") for ch in EPOC_14),
        "D": tuple(f"hent_{ch}" for ch in EPOC_14),
        "E": tuple(f"asym_{band}_{left}_{right}" for band in BANDS for left, right in PAIRS),
        "F": tuple(f"de_{band}_{ch}" for band in BANDS for ch in EPOC_14),
        "G": _G,
    }


def names() -> tuple[str, ...]:
    """The 258 column names."""
    return tuple(name for block in blocks().values() for name in block)


def slim_names() -> tuple[str, ...]:
    """The 160 names of blocks B, E, F and G."""
    return tuple(name for key, block in blocks().items() if key in "BEFG" for name in block)


@dataclass(frozen=True)
class _Channel:
    """One channel on the windows it covers (``at`` are their rows), with its power and alpha spectra."""

    signal: Signal
    start: np.ndarray
    at: np.ndarray
    n: int
    freqs: np.ndarray
    psd: np.ndarray
    alpha: np.ndarray
    plan: spectral.Segments


def _channel(signal: Signal, windows: Windows) -> _Channel | None:
    start, covered = grid.starts(signal, windows.onset_s, windows.duration_s)
    n = grid.n_samples(signal.sfreq, windows.duration_s)
    at = np.flatnonzero(covered)
    if len(at) == 0:
        return None
    plan = spectral.segments(start[at], n, signal.sfreq)
    spectra = spectral.spectra(np.asarray(signal.data), plan)
    psd = spectral.per_window(spectral.power(spectra), plan)
    alpha = spectra[:, spectral.band(plan.freqs, *BANDS["alpha"])]
    return _Channel(signal, start[at], at, n, plan.freqs, psd, alpha.copy(), plan)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """EEG-258 of every window.

    Parameters
    ----------
    recording : Recording
        Filtered and normalised; block F filters its whole channels once more.
    windows : Windows
        Whose onsets the rows are.

    Returns
    -------
    DataFrame, shape (n_windows, 258)
        float64. NaN where a channel is missing, left out, has a gap, its rate does not hold the band, or the formula
        has no value.
    """
    n_windows = len(windows)
    column = dict.fromkeys(names())
    out = np.full((n_windows, len(column)), np.nan)
    place = {name: i for i, name in enumerate(column)}
    bad = quality.bad_names("eeg")
    found: dict[str, _Channel] = {}
    for signal in recording.of_type("eeg"):
        name = canonical(signal.name)
        if name in EPOC_14 and name not in found and signal.name not in bad:
            channel = _channel(signal, windows)
            if channel is not None:
                found[name] = channel

    power = {name: {band: np.full(n_windows, np.nan) for band in BANDS} for name in EPOC_14}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, channel in found.items():
            for band, (low, high) in BANDS.items():
                if spectral.holds(channel.signal.sfreq, high):
                    power[name][band][channel.at] = spectral.band_power(channel.psd, channel.freqs, low, high)
            for what, values in _of_channel(power[name], channel, n_windows, pipeline).items():
                out[:, place[f"{what}_{name}"]] = values
        for band in BANDS:
            for left, right in PAIRS:
                out[:, place[f"asym_{band}_{left}_{right}"]] = (
                    out[:, place[f"lp_{band}_{left}"]] - out[:, place[f"lp_{band}_{right}"]]
                )
        for what, values in _of_head(power, found, n_windows).items():
            out[:, place[what]] = values
    out[~np.isfinite(out)] = np.nan
    return pd.DataFrame(out, columns=list(column))


def _of_channel(
    power: dict[str, np.ndarray], channel: _Channel, n_windows: int, pipeline: Pipeline
) -> dict[str, np.ndarray]:
    """Blocks A, B, C, D and F of one channel."""
    alpha, beta, theta = power["alpha"], power["beta"], power["theta"]
    total = power["delta"] + theta + alpha + beta
    out = {f"lp_{band}": np.log(power[band] + POWER_FLOOR) for band in BANDS}
    out |= {
        "rel_alpha": alpha / total, "rel_beta": beta / total, "ln_ab": np.log(alpha / beta),
        "ln_ta": np.log(theta / alpha), "ln_atb": np.log((alpha + theta) / beta),
    }  # fmt: skip

    def on_grid(values: np.ndarray) -> np.ndarray:
        whole = np.full(n_windows, np.nan)
        whole[channel.at] = values
        return whole

    x = np.asarray(channel.signal.data, dtype=np.float64)
    windows = grid.cut(x, channel.start, channel.n)
    mean = windows.mean(axis=1)
    out["mean"], out["sd"] = on_grid(mean), on_grid(np.sqrt(_variance(windows, mean)))
    out["hent"] = on_grid(_entropy(windows))
    for band, (low, high) in BANDS.items():
        if not spectral.holds(channel.signal.sfreq, high):
            out[f"de_{band}"] = np.full(n_windows, np.nan)
            continue
        narrow = grid.cut(bandpass(x, channel.signal.sfreq, low, high, pipeline.filter_order), channel.start, channel.n)
        variance = np.maximum(_variance(narrow, narrow.mean(axis=1)), VARIANCE_FLOOR)
        out[f"de_{band}"] = on_grid(0.5 * np.log(2 * np.pi * np.e * variance))
    return out


def _variance(windows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Variance of each row, two passes, in blocks that stay in cache."""
    out = np.empty(len(windows))
    for at in range(0, len(windows), 128):
        centred = windows[at : at + 128] - mean[at : at + 128, None]
        out[at : at + 128] = np.einsum("wt,wt->w", centred, centred) / windows.shape[1]
    return out


def _entropy(windows: np.ndarray) -> np.ndarray:
    """Shannon entropy of each row's 10-bin histogram, as a share of the largest possible; NaN for a constant row."""
    out = np.full(len(windows), np.nan)
    for at in range(0, len(windows), 128):
        block = windows[at : at + 128]
        low, high = block.min(axis=1), block.max(axis=1)
        rows = np.flatnonzero(high > low)  # False for NaN too
        if len(rows) == 0:
            continue
        scaled = (block[rows] - low[rows, None]) * (BINS / (high - low)[rows, None])
        index = np.minimum(scaled.astype(np.int64), BINS - 1) + BINS * np.arange(len(rows))[:, None]
        share = np.bincount(index.ravel(), minlength=BINS * len(rows)).reshape(-1, BINS) / block.shape[1]
        logs = np.log(share, out=np.zeros_like(share), where=share > 0)
        out[at + rows] = -(share * logs).sum(axis=1) / np.log(BINS)
    return out


def _mean(parts: list[np.ndarray], n_windows: int) -> np.ndarray:
    """Mean of what is there, window by window."""
    if not parts:
        return np.full(n_windows, np.nan)
    stack = np.array(parts)
    known = np.isfinite(stack)
    return np.where(known, stack, 0.0).sum(axis=0) / known.sum(axis=0)


def _of_head(
    power: dict[str, dict[str, np.ndarray]], found: dict[str, _Channel], n_windows: int
) -> dict[str, np.ndarray]:
    """Block G: over the pairs and channels that are there."""

    def mean_power(channels: tuple[str, ...], band: str) -> np.ndarray:
        return _mean([power[ch][band] for ch in channels], n_windows)

    asymmetry = [
        np.log(power[right]["alpha"] + POWER_FLOOR) - np.log(power[left]["alpha"] + POWER_FLOOR)
        for left, right in FRONTAL_PAIRS
    ]
    beta, alpha, theta = (mean_power(ENGAGEMENT_CHANNELS, band) for band in ("beta", "alpha", "theta"))
    out = {
        "faa_comp": _mean(asymmetry, n_windows),
        "engage_f": np.log(beta / (alpha + theta)),
        "ftheta_palpha": np.log(mean_power(THETA_CHANNELS, "theta")) - np.log(mean_power(ALPHA_CHANNELS, "alpha")),
        "coh_alpha": _mean(
            [_coherence(found[a], found[b], n_windows) for a, b in PAIRS if {a, b} <= set(found)], n_windows
        ),
    }
    # the rest compares channels sample by sample or bin by bin: those on one clock
    clocks = [(c.signal.sfreq, c.signal.onset_s, len(c.signal.data)) for c in found.values()]
    if not clocks:
        return out
    common = max(clocks, key=clocks.count)
    together = [c for c, clock in zip(found.values(), clocks, strict=True) if clock == common]
    first = together[0]
    whole = np.full(n_windows, np.nan)
    if len(together) > 1:
        whole[first.at] = np.log(grid.cut(_spatial_sd(together), first.start, first.n).mean(axis=1))
    out["gfp"] = whole
    edge = np.full(n_windows, np.nan)
    edge[first.at] = _spectral_edge(np.mean([c.psd for c in together], axis=0), first.freqs)
    out["sef95"] = edge
    return out


def _coherence(a: _Channel, b: _Channel, n_windows: int) -> np.ndarray:
    """Mean magnitude-squared coherence in the alpha band of two channels; NaN where a window is one segment."""
    out = np.full(n_windows, np.nan)
    if (
        a.plan.of_window.shape[1] < 2
        or a.alpha.shape[1] == 0
        or a.alpha.shape != b.alpha.shape
        or not np.array_equal(a.at, b.at)
    ):
        return out
    cross = spectral.per_window(a.alpha * b.alpha.conj(), a.plan)
    own = (spectral.per_window(spectral.power(c.alpha), c.plan) for c in (a, b))
    out[a.at] = (spectral.power(cross) / np.prod(list(own), axis=0)).mean(axis=1)
    return out


def _spatial_sd(channels: list[_Channel]) -> np.ndarray:
    """SD over the channels at each sample."""
    data = [np.asarray(c.signal.data, dtype=np.float64) for c in channels]
    mean = sum(data) / len(data)
    return np.sqrt(sum((x - mean) ** 2 for x in data) / len(data))


def _spectral_edge(psd: np.ndarray, freqs: np.ndarray) -> np.ndarray:
    """The first bin at which 95 % of the power in [1, 45) Hz is reached, in Hz."""
    chosen = spectral.band(freqs, *EDGE_HZ)
    if not chosen.any():
        return np.full(len(psd), np.nan)
    total = np.cumsum(psd[:, chosen], axis=1)
    edge = freqs[chosen][np.argmax(total >= EDGE_SHARE * total[:, -1:], axis=1)]
    return np.where(total[:, -1] > 0, edge, np.nan)
