"""Sessions made by hand: a small recording and a summary with known numbers, stored by the real transaction."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from core.services.clinic import analysis
from core.storage.store import Store
from core.types import (
    Grade,
    InputFile,
    Measure,
    ModelInfo,
    Prediction,
    Quality,
    Reading,
    Reason,
    Recording,
    Signal,
    SignalQuality,
    State,
    Summary,
    TypeQuality,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST = datetime(2026, 1, 5, 9, tzinfo=UTC)
MODEL = ModelInfo("hand-made", "1", "simulated signals", 0.6, True)


def day(k: float) -> datetime:
    return FIRST + timedelta(days=k)


def recording(started_at: datetime | None) -> Recording:
    rng = np.random.default_rng(1)
    signals = (
        Signal("F3", "eeg", "µV", 128.0, rng.standard_normal(1280).astype(np.float32)),
        Signal("x", "misc", "", 10.0, rng.standard_normal(100).astype(np.float32)),
    )
    return Recording(signals, started_at, format="hand-made")


def summary(
    values: dict[str, float], *, status: str = "ok", model: ModelInfo | None = MODEL, share: float = 1.0
) -> Summary:
    onset = np.arange(0.0, 8.0, 2.0)
    quality = Quality(
        onset, 4.0,
        (SignalQuality("F3", "eeg", share, (), False), SignalQuality("x", "misc", 1.0, (), False)),
        (TypeQuality("eeg", Grade.GOOD if status == "ok" else Grade.POOR, share, np.ones(4, bool), ()),),
    )  # fmt: skip
    measures = []
    for name in ("valence", "arousal", "dominance"):
        p = values.get(name)
        if p is None or status != "ok":
            measures.append(Measure(name, "prediction", "index", reason=Reason.LOW_QUALITY))
        else:
            measures.append(Measure(name, "prediction", "index", p, p - 0.1, p + 0.1, threshold=0.5))
    if "heart_rate" in values:
        h = values["heart_rate"]
        measures.append(Measure("heart_rate", "marker", "/min", h, h - 1, h + 1))
    proba = np.array([[0.5, 0.25], [np.nan, np.nan], [0.75, 0.5], [0.25, 0.125]])
    prediction = Prediction(model.name, model.version, ("valence", "arousal"), onset, 4.0, proba) if model else None
    state = State("HAHV", ("HvHaHd",), "high valence") if status == "ok" else Reason.LOW_QUALITY
    return Summary(status, (), tuple(measures), state, quality, 4, model, prediction, "0123456789abcdef")


def put(
    store: Store, patient: str, at: datetime, values: dict[str, float], *, content: str | None = None, **more
) -> dict:
    """Store one session; the same content for the same patient is the same session."""
    data = (content or f"{patient} {at.isoformat()}").encode()
    original = analysis._Original("visit.edf", Path("visit.edf"), hashlib.sha256(data).hexdigest(), len(data))
    with store.write() as tx:
        return analysis._store(
            tx, recording(at), [original], summary(values, **more), patient, now=NOW, started_at=None,
            reading=Reading(), simulated=False, required=("eeg",), settings_used={"line_hz": 50.0},
        )  # fmt: skip


def write_file(folder: Path, name: str, content: bytes = b"bytes") -> InputFile:
    path = folder / name
    path.write_bytes(content)
    return InputFile(name, str(path))
