"""S1-10, d1: EEG-258 against a plain implementation, window by window and channel by channel."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal, stats

from core.features import block_of, eeg, table
from core.preprocess import filtered, normalised
from core.quality import assess
from core.settings import BANDS, EPOC_14, FRONTAL_PAIRS, PAIRS
from core.types import Pipeline, Quality, Recording, Signal
from core.windows import cut
from tests.core.synthetic import brain, eeg_signals, recording

PIPELINE = Pipeline()


def features(made: Recording, pipeline: Pipeline = PIPELINE, types=("eeg",)):
    quality = assess(made, pipeline)
    ready = normalised(filtered(made, pipeline), quality, pipeline)
    windows = cut(ready, quality, pipeline)
    return table(ready, windows, quality, pipeline, types), ready, windows


def plain(ready: Recording, windows, sfreq=128.0, window_s=4.0) -> list[dict]:
    """d1 as it is written: a loop over windows and channels."""
    data = {s.name: np.asarray(s.data, dtype=float) for s in ready.of_type("eeg")}
    n, nper = round(window_s * sfreq), round(2 * sfreq)
    narrow = {}
    for band, corners in BANDS.items():
        sos = signal.butter(4, corners, "bandpass", fs=sfreq, output="sos")
        narrow[band] = {ch: signal.sosfiltfilt(sos, x) for ch, x in data.items()}
    rows = []
    for onset in windows.onset_s:
        part = slice(round(onset * sfreq), round(onset * sfreq) + n)
        row, power, psds = {}, {}, []
        for ch in EPOC_14:
            x = data[ch][part]
            freqs, psd = signal.welch(x, sfreq, "hann", nper, nper // 2)
            psds.append(psd)
            df = freqs[1] - freqs[0]
            p = {b: df * psd[(freqs >= lo) & (freqs < hi)].sum() for b, (lo, hi) in BANDS.items()}
            power[ch] = p
            total = sum(p.values())
            for b in BANDS:
                row[f"lp_{b}_{ch}"] = np.log(p[b] + 1e-8)
                row[f"de_{b}_{ch}"] = 0.5 * np.log(2 * np.pi * np.e * max(narrow[b][ch][part].var(), 1e-12))
            row[f"rel_alpha_{ch}"], row[f"rel_beta_{ch}"] = p["alpha"] / total, p["beta"] / total
            row[f"ln_ab_{ch}"] = np.log(p["alpha"] / p["beta"])
            row[f"ln_ta_{ch}"] = np.log(p["theta"] / p["alpha"])
            row[f"ln_atb_{ch}"] = np.log((p["alpha"] + p["theta"]) / p["beta"])
            row[f"mean_{ch}"], row[f"sd_{ch}"] = x.mean(), x.std()
            row[f"hent_{ch}"] = stats.entropy(np.histogram(x, 10)[0]) / np.log(10)
        for b in BANDS:
            for left, right in PAIRS:
                row[f"asym_{b}_{left}_{right}"] = row[f"lp_{b}_{left}"] - row[f"lp_{b}_{right}"]
        row["faa_comp"] = np.mean([np.log(power[r]["alpha"]) - np.log(power[le]["alpha"]) for le, r in FRONTAL_PAIRS])
        front = {b: np.mean([power[c][b] for c in ("AF3", "F3", "F4", "AF4")]) for b in BANDS}
        row["engage_f"] = np.log(front["beta"] / (front["alpha"] + front["theta"]))
        row["ftheta_palpha"] = np.log(np.mean([power[c]["theta"] for c in ("F3", "F4")])) - np.log(
            np.mean([power[c]["alpha"] for c in ("P7", "P8")])
        )
        coherences = []
        for left, right in PAIRS:
            freqs, c = signal.coherence(data[left][part], data[right][part], sfreq, "hann", nper, nper // 2)
            coherences.append(c[(freqs >= 8) & (freqs < 13)].mean())
        row["coh_alpha"] = np.mean(coherences)
        row["gfp"] = np.log(np.std([data[ch][part] for ch in EPOC_14], axis=0).mean())
        mean_psd = np.mean(psds, axis=0)
        chosen = (freqs >= 1) & (freqs < 45)
        total = np.cumsum(mean_psd[chosen])
        row["sef95"] = freqs[chosen][np.flatnonzero(total >= 0.95 * total[-1])[0]]
        rows.append(row)
    return rows


def test_s1_10_there_are_258_names_and_160_slim_ones_all_different():
    assert len(eeg.names()) == len(set(eeg.names())) == 258
    assert len(eeg.slim_names()) == 160
    assert {k: len(v) for k, v in eeg.blocks().items()} == {
        "A": 56,
        "B": 70,
        "C": 28,
        "D": 14,
        "E": 28,
        "F": 56,
        "G": 6,
    }
    assert {block_of(name) for name in eeg.names()} == {f"eeg {k}" for k in "ABCDEFG"}
    assert {block_of(name) for name in eeg.slim_names()} == {f"eeg {k}" for k in "BEFG"}


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_s1_10_every_feature_equals_the_plain_formula(kind):
    made = recording(30)
    made = replace(made, signals=tuple(replace(s, data=s.data.astype(kind)) for s in made.signals))
    got, ready, windows = features(made)
    want = plain(ready, windows)
    for name in eeg.names():
        np.testing.assert_allclose(got[name], [row[name] for row in want], rtol=1e-6, atol=1e-9, err_msg=name)


def test_windows_whose_segments_do_not_divide_equal_the_plain_formula_too():
    pipeline = Pipeline(window_s=5.0, step_s=3.0)
    got, ready, windows = features(recording(30), pipeline)
    want = plain(ready, windows, window_s=5.0)
    for name in eeg.names():
        np.testing.assert_allclose(got[name], [row[name] for row in want], rtol=1e-6, atol=1e-9, err_msg=name)


GOLDEN = {
    "lp_delta_AF3": -1.8086655,
    "lp_alpha_O1": -1.4106521,
    "rel_alpha_F3": 0.25027738,
    "ln_ta_P7": -0.65268668,
    "ln_atb_T8": 0.8363561,
    "mean_F4": 0.035581298,
    "sd_O2": 1.0689389,
    "hent_FC5": 0.83488465,
    "asym_alpha_F3_F4": -0.19670598,
    "de_beta_AF4": 0.42011811,
    "faa_comp": 0.3155623,
    "engage_f": -0.94058827,
    "ftheta_palpha": -0.5064872,
    "coh_alpha": 0.58599778,
    "gfp": -0.38473715,
    "sef95": 31.5,
}  # window 3


def test_s1_10_golden_values_on_a_fixed_seed():
    got, _, _ = features(recording(20, seed=42))
    for name, value in GOLDEN.items():
        assert got[name].iloc[3] == pytest.approx(value, rel=1e-5, abs=1e-7), name


def test_missing_and_left_out_channels_are_missing_columns_and_the_others_stay():
    channels = brain(30)
    del channels["O2"]
    channels["F3"] = np.zeros(3840)
    got, _, _ = features(Recording(eeg_signals(channels)))
    assert list(got.columns) == list(eeg.names())
    gone = {name for name in got if got[name].isna().all()}
    assert gone == {name for name in eeg.names() if name.split("_")[-1] in ("O2", "F3") or "_F3_" in name}
    assert np.isfinite(got[["faa_comp", "engage_f", "coh_alpha", "gfp"]]).all().all()


def test_without_eeg_all_258_are_there_and_missing():
    made = Recording(recording(30).of_type("ecg"))
    got, _, windows = features(made)
    assert got.shape == (len(windows), 258)
    assert got.isna().all().all()


def test_old_electrode_names_are_the_new_ones():
    channels = brain(20)
    old = {{"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}.get(k, k): v for k, v in channels.items()}
    a, _, _ = features(Recording(eeg_signals(channels)))
    b, _, _ = features(Recording(eeg_signals(old)))
    np.testing.assert_array_equal(a, b)


def test_more_channels_change_nothing():
    channels = brain(20)
    more = channels | {"Cz": channels["F3"] + channels["O1"], "Pz": channels["F4"] - channels["P8"]}
    a, _, _ = features(Recording(eeg_signals(channels)))
    b, _, _ = features(Recording(eeg_signals(more)))
    np.testing.assert_allclose(a.drop(columns=["gfp"]), b.drop(columns=["gfp"]), rtol=1e-9)


def test_a_gap_is_missing_in_its_windows_only():
    channels = brain(30)
    channels["F3"][1280:1408] = np.nan
    got, _, windows = features(Recording(eeg_signals(channels)))
    missing = got["lp_alpha_F3"].isna()
    assert windows.onset_s[missing].tolist() == [8.0, 10.0]
    assert got["lp_alpha_F4"].notna().all()


@pytest.mark.parametrize("sfreq", [1.0, 19.87, 100.0, 250.0])
def test_other_rates_never_raise(sfreq):
    made = Recording(
        eeg_signals(
            {ch: np.random.default_rng(i).normal(0, 10, int(20 * sfreq)) for i, ch in enumerate(EPOC_14)}, sfreq
        )
    )
    quality = Quality(assess(made, PIPELINE).onset_s, 4.0, (), ())
    windows = cut(made, quality, PIPELINE)
    got = eeg.table(made, windows, quality, PIPELINE)
    assert got.shape == (len(windows), 258)


def test_an_experiment_of_no_windows_has_no_rows():
    made = Recording((Signal("F3", "eeg", "µV", 128.0, np.zeros(128)),))
    got, _, _ = features(made, types=("eeg", "ecg"))
    assert len(got) == 0
    assert len(got.columns) == 258 + 22 + 12
