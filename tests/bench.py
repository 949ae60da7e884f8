"""``make bench``: what is claimed about speed, as ratios measured in one run (old and new in turn, CPU time, medians).

Absolute seconds are printed for orientation only; machines differ, ratios travel.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from scipy import signal

from core import features, preprocess, quality, simulate, windows
from core.dsp import beats
from core.insights import replay
from core.readers import READERS
from core.types import InputFile, Pipeline, Visit

ROUNDS = 5


def compare(
    name: str, ours: Callable[[], object], other: Callable[[], object], against: str, scale: float = 1.0
) -> None:
    """Run both in turn; print ours over theirs. ``scale``: how much more work ours did than theirs."""
    times: dict[str, list[float]] = {"a": [], "b": []}
    ours(), other()
    for _ in range(ROUNDS):
        for key, run in (("a", ours), ("b", other)):
            started = time.process_time()
            run()
            times[key].append(time.process_time() - started)
    a, b = statistics.median(times["a"]), statistics.median(times["b"]) * scale
    print(f"{name:48} {a / b:8.3f} x {against}  ({a:.2f} s against {b:.2f} s)", flush=True)


def one_view(recording, pipeline):
    """The 258 columns as a plain reader would compute them for one window: Welch per channel and window."""
    clean = preprocess.filtered(recording, pipeline)
    for start in range(0, 60, 2):
        for s in clean.of_type("eeg"):
            x = s.data[int(start * s.sfreq) : int((start + 4) * s.sfreq)]
            signal.welch(x, s.sfreq, nperseg=int(2 * s.sfreq))
            for low, high in ((1, 4), (4, 8), (8, 13), (13, 30)):
                np.log(signal.welch(x, s.sfreq, nperseg=int(2 * s.sfreq))[1][low * 2 : high * 2].sum())


def main() -> int:
    """Print the table."""
    import mne
    import sleepecg

    mne.set_log_level("ERROR")
    pipeline = Pipeline()
    hour = simulate.recording(seed=1, duration_s=3600)
    minute = simulate.recording(seed=1, duration_s=64)
    eeg = np.stack([s.data for s in hour.of_type("eeg")]).astype(np.float64)
    ecg = hour.of_type("ecg")[0]
    verdict = quality.assess(hour, pipeline)
    clean = preprocess.filtered(hour, pipeline)
    cut = windows.cut(clean, verdict, pipeline, ("eeg",))
    sos = signal.butter(4, (0.5, 45.0), "bandpass", fs=128, output="sos")

    with tempfile.TemporaryDirectory() as folder:
        path = simulate.write_edf(hour, Path(folder) / "hour.edf")
        files = [InputFile(path.name, str(path))]
        compare(
            "EDF of an hour, 14 x 128 Hz + 2 x 256 Hz",
            lambda: READERS["edf"].read(files),
            lambda: mne.io.read_raw_edf(path, preload=True),
            "mne preload",
        )
    from core.dsp import filters

    compare(
        "band-pass, 14 channels x 60 min",
        lambda: filters.bandpass(eeg, 128.0, 0.5, 45.0),
        lambda: signal.sosfiltfilt(sos, eeg),
        "scipy sosfiltfilt",
    )
    compare(
        "EEG features, an hour",
        lambda: features.FEATURES["eeg"].table(clean, cut, verdict, pipeline),
        lambda: one_view(minute, pipeline),
        "a Welch loop per window",
        scale=1799 / 30,
    )
    compare(
        "R peaks, an hour at 256 Hz",
        lambda: beats.detect_r_peaks(ecg.data, ecg.sfreq),
        lambda: sleepecg.detect_heartbeats(ecg.data, ecg.sfreq),
        "sleepecg alone",
    )
    start = datetime(2020, 1, 1, tzinfo=UTC)
    rng = np.random.default_rng(0)
    visits = [
        Visit(
            f"P-1/S-{k:04d}",
            start + timedelta(days=k),
            True,
            {
                m: float(v)
                for m, v in zip(
                    ("valence", "arousal", "dominance"), np.clip(rng.normal(0.5, 0.08, 3), 0, 1), strict=True
                )
            },
        )
        for k in range(1000)
    ]
    compare(
        "detectors, 1000 sessions visit by visit",
        lambda: replay(visits, "default"),
        lambda: replay(visits[:100], "default"),
        "the first 100 sessions",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
