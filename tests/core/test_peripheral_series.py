"""S2-03 and S2-04: windows of 5 s every 3 s, and the changes from beat to beat beside a pulse."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core import features, simulate, windows
from core import pipeline as chain
from core.dsp.beats import interval_changes
from core.evaluation import dataset
from core.evaluation.sessions import pipeline_of, series
from core.studies import folder
from core.studies.folder import Planned, Source
from core.types import Annotation, Pipeline, Recording, Signal

SFREQ = 128.0


def pulses(at_s, n=8064):
    """A PPG with a soft pulse at each time."""
    t = np.arange(n) / SFREQ
    return sum(np.exp(-(((t - a) / 0.09) ** 2)) for a in at_s)


def regular(short=0.75, long=0.85, n=8064):
    """Intervals that alternate: every change is their difference."""
    steps = np.tile([short, long], 60)
    at = 0.5 + np.cumsum(steps)
    return at[at < n / SFREQ - 0.5]


def peripheral(n=8064):
    rng = np.random.default_rng(4)
    t = np.arange(n) / SFREQ
    rows = {
        "eda": 5 + 0.3 * np.sin(t / 9) + rng.normal(0, 1e-3, n), "resp": np.sin(2 * np.pi * 0.25 * t),
        "ppg": pulses(regular(n=n), n), "temp": 33 + 0.001 * t,
    }  # fmt: skip
    unit = {"eda": "µS", "resp": "au", "ppg": "au", "temp": "°C"}
    signals = tuple(Signal(k.upper(), k, unit[k], SFREQ, x.astype(np.float32)) for k, x in rows.items())
    return Recording(signals, annotations=(Annotation(0.0, 3.0, "baseline"),))


def test_a_trial_of_8064_samples_has_20_windows_and_19_without_its_first_3_s():
    made, settings = peripheral(), series(("eda", "resp", "ppg", "temp"))
    assert len(windows.grid(made, settings)) == 20
    assert 32 * 40 * len(windows.grid(made, settings)) == 25_600
    prepared = chain.features_of(made, settings, ("eda", "resp", "ppg", "temp"))
    assert prepared.windows.data["PPG"].shape == (20, 640)
    assert (~chain.in_baseline(made, prepared.windows)).sum() == 19
    assert len(windows.grid(peripheral(60 * 128), settings)) == 19


def test_the_changes_are_held_between_beats_and_missing_at_the_edges():
    at = regular()
    changes, known = interval_changes(pulses(at), SFREQ)
    assert np.isnan(changes[~known]).all() and np.isfinite(changes[known]).all()
    assert changes[known] == pytest.approx(100.0, abs=12.0)
    first, last = np.flatnonzero(known)[[0, -1]] / SFREQ
    assert first == pytest.approx(at[2], abs=0.05) and last == pytest.approx(at[-1], abs=0.05)
    assert known[round(first * SFREQ) : round(last * SFREQ)].all()


def test_a_single_late_beat_is_two_changes_and_none_elsewhere():
    at = 0.5 + 0.8 * np.arange(70)
    at[30:] += 0.2
    changes, _ = interval_changes(pulses(at), SFREQ)
    middle = (at + np.roll(at, -1)) / 2
    held = changes[np.rint(middle[:-1] * SFREQ).astype(int)]
    assert held[[30, 31]] == pytest.approx([200, 200], abs=15)
    assert np.nanmax(np.delete(held, [30, 31])) < 15


def test_nothing_that_pulses_has_no_changes():
    for x in (np.zeros(2000), np.full(2000, np.nan), pulses([1.0, 1.8], 500)):
        changes, known = interval_changes(x, SFREQ)
        assert len(changes) == len(x) and not known.any()
    # an interval that no heart keeps is bridged by nothing
    at = np.delete(0.5 + 0.8 * np.arange(40), [15, 16, 17])
    changes, _ = interval_changes(pulses(at, 4200), SFREQ)
    assert np.isnan(changes[round((at[14] + 0.3) * SFREQ) : round((at[15] + 0.9) * SFREQ)]).all()


def test_a_study_gives_the_nets_five_series_of_640_samples(tmp_path):
    def planned(k):
        return Planned("S01", f"T{k}", {"valence": float(1 + 8 * (k % 2))}, read=peripheral)

    source = Source("simulated", "none", {"valence": (1.0, 9.0, 5.0)}, (), [planned(k) for k in range(2)], 2)
    study = folder.write(tmp_path, "s", source)
    types = ("eda", "resp", "ppg", "temp")
    chosen = pipeline_of(study, types, Pipeline(), "mlstm_fcn")
    assert (chosen.window_s, chosen.step_s) == (5.0, 3.0)
    assert pipeline_of(study, types, Pipeline(), "forest") == replace(Pipeline(), features=features.set_of(types))
    made = dataset.prepare(study, chosen, types, signals=True)
    assert len(made) == 2 * 19
    assert made.channels["ppg"] == ("PPG", "PPG changes")
    assert [made.signals[t].shape[1:] for t in types] == [(1, 640), (1, 640), (2, 640), (1, 640)]
    held = made.signals["ppg"][:, 1]
    assert np.nanmedian(held) == pytest.approx(100, abs=12) and np.isfinite(held[1:-1]).mean() > 0.9


def test_models_of_signals_are_told_nothing_by_the_past(tmp_path):
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)

    def planned(k):
        def read():
            return simulate.wrist(seed=k, duration_s=20.0, started_at=start + timedelta(seconds=20 * k))

        return Planned("S01", f"T{k}", {"stress": float(k)}, read=read)

    source = Source("simulated", "none", {"stress": (0.0, 1.0, 0.5)}, (), [planned(k) for k in range(2)], 2)
    study = folder.write(tmp_path, "w", source)
    told = {m: pipeline_of(study, ("eda", "ppg"), Pipeline(), m) for m in ("logistic", "bilstm_attention", "eegnet")}
    assert [p.norm_mode for p in told.values()] == ["causal", "causal", "self"]
    made = dataset.prepare(study, told["eegnet"], ("eda", "ppg"), signals=True)
    assert {t: x.shape[1:] for t, x in made.signals.items()} == {"eda": (1, 512), "ppg": (1, 512)}
