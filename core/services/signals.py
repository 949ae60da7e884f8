"""Signals of a stored session, a page at a time, from memory-mapped float32 copies made on first use."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Conflict, NotFound
from core.services import stored
from core.settings import settings
from core.storage import sessions as rows
from core.storage.blobs import sha256
from core.storage.records import AnalysisRecord, FileRecord, SessionRecord
from core.storage.store import Store
from core.types import Annotation, BadSpan, InputFile, Pipeline, Reading, Recording, Signal

# share of missing samples of a drawn interval from which it is a gap
GAP_SHARE = 0.5


@dataclass(frozen=True)
class SignalPage:
    """One page of signals for the viewer. Each row: name, type, unit, x0 and dx in s, y (float32, at most
    2000 points, NaN gaps kept), whether it was decimated by min-max, bad, and spans of bad quality on the page."""

    t0: float
    page_s: float
    rows: tuple[dict, ...]
    annotations: tuple[Annotation, ...]
    beats_s: np.ndarray
    filtered: bool


def signals(
    store: Store,
    session: str,
    *,
    t0: float,
    page_s: float,
    names: Sequence[str] | None = None,
    filtered: bool = False,
    max_points: int = 2000,
) -> SignalPage:
    """One page of signals, min-max decimated; from a memory-mapped copy of the recording, made on first use.

    Raises NotFound (E-RECORDING) when the session has no recording, Conflict (E-HASH) when its bytes changed.
    """
    about = _about(store, session)
    return _page(about, _copies(store, about, filtered), t0, page_s, names, filtered, max_points)


def overview(store: Store, session: str, n: int = 1000) -> SignalPage:
    """The whole recording decimated to n points a row, for the overview strip."""
    about = _about(store, session)
    return _page(about, _copies(store, about, False), 0.0, about.session.duration_s, None, False, n)


@dataclass(frozen=True)
class _About:
    """What is needed to find a session's signals and to say which stretches are bad."""

    id: str
    session: SessionRecord
    files: list[FileRecord]
    analysis: AnalysisRecord
    channels: list[dict]


@dataclass(frozen=True)
class _Copy:
    """One signal as it lies in the cache."""

    name: str
    type: str
    unit: str
    sfreq: float
    onset_s: float
    path: Path


def _about(store: Store, session: str) -> _About:
    with store.read() as tx:
        _, record = stored.find(tx, session)
        files = rows.files(tx, record.id)
        analysis = stored.newest(rows.analyses(tx, record.id))
        quality = rows.quality(tx, analysis.id)
    if not files:
        raise NotFound("E-RECORDING", "this session was imported and has no recording.", session)
    return _About(session, record, files, analysis, quality.channels if quality else [])


# --- the cache


def _copies(store: Store, about: _About, filtered: bool) -> tuple[list[_Copy], Path]:
    """The cached signals, made when they are not there or when an original changed since."""
    originals = {f.sha256: store.blobs.fetch(f.sha256) for f in about.files}
    marks = {digest: _mark(path) for digest, path in originals.items()}
    folder = store.data_dir / "cache" / f"{about.session.source_key[:32]}-{about.analysis.reading_hash}"
    raw = folder / "raw"
    if _stamp(raw) != marks:
        for digest, path in originals.items():
            if sha256(path) != digest:
                raise Conflict(
                    "E-HASH",
                    "the original file changed since it was stored, so its signals are not shown.",
                    about.id,
                    "What was computed before is still right. Restore the file from a backup.",
                )
        _write(raw, _read(about, originals), marks)
        shutil.rmtree(folder / about.analysis.pipeline_hash, ignore_errors=True)
    if not filtered:
        return _listed(raw), folder
    clean = folder / about.analysis.pipeline_hash
    if _stamp(clean) != marks:
        from core import preprocess

        recording = Recording(
            tuple(Signal(c.name, c.type, c.unit, c.sfreq, np.load(c.path), c.onset_s) for c in _listed(raw))
        )
        _write(clean, preprocess.filtered(recording, _pipeline(about)), marks)
    return _listed(clean), folder


def _mark(path: Path) -> list[int]:
    """Size and time of a file: cheap signs that it may have changed."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _stamp(folder: Path) -> dict | None:
    try:
        return json.loads((folder / "index.json").read_text())["originals"]
    except FileNotFoundError:
        return None


def _listed(folder: Path) -> list[_Copy]:
    index = json.loads((folder / "index.json").read_text())
    return [
        _Copy(s["name"], s["type"], s["unit"], s["sfreq"], s["onset_s"], folder / s["file"]) for s in index["signals"]
    ]


def _read(about: _About, originals: Mapping[str, Path]) -> Recording:
    from core.readers import isolation

    files = [InputFile(f.name, str(originals[f.sha256])) for f in about.files]
    return isolation.read(files, reading=Reading.from_dict(about.session.reading), zone=settings().zone)


def _pipeline(about: _About) -> Pipeline:
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in about.analysis.pipeline.items()}
    return Pipeline(**plain)


def _write(folder: Path, recording: Recording, marks: Mapping[str, list[int]]) -> None:
    """Write the copies beside their place and move them there whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f"{folder.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    part.mkdir()
    listed = []
    for i, signal in enumerate(recording.signals):
        np.save(part / f"{i}.npy", np.asarray(signal.data, dtype=np.float32), allow_pickle=False)
        listed.append(
            {
                "name": signal.name, "type": signal.type, "unit": signal.unit, "sfreq": float(signal.sfreq),
                "onset_s": float(signal.onset_s), "file": f"{i}.npy",
            }
        )  # fmt: skip
    (part / "index.json").write_text(json.dumps({"originals": marks, "signals": listed}))
    old = folder.with_name(part.name.replace(".part", ".old"))
    if folder.exists():
        folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        # another page made the same copy at the same time; either will do
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


# --- a page


def _page(
    about: _About,
    cached: tuple[list[_Copy], Path],
    t0: float,
    page_s: float,
    names: Sequence[str] | None,
    filtered: bool,
    max_points: int,
) -> SignalPage:
    copies, folder = cached
    stop = t0 + page_s
    marked = {(c["name"], c["type"]): c for c in about.channels}
    shown = []
    for copy in copies:
        if names is not None and copy.name not in names:
            continue
        data = np.load(copy.path, mmap_mode="r", allow_pickle=False)
        first = int(np.clip(np.ceil((t0 - copy.onset_s) * copy.sfreq - 1e-9), 0, len(data)))
        last = int(np.clip(np.ceil((stop - copy.onset_s) * copy.sfreq - 1e-9), first, len(data)))
        y, step = decimate(data[first:last], max_points)
        verdict = marked.get((copy.name, copy.type), {"bad": False, "spans": []})
        shown.append(
            {
                "name": copy.name,
                "type": copy.type,
                "unit": copy.unit,
                "x0": copy.onset_s + first / copy.sfreq,
                "dx": step / copy.sfreq,
                "y": y,
                "decimated": step > 1,
                "bad": verdict["bad"],
                "spans": tuple(BadSpan(a, b, why) for a, b, why in verdict["spans"] if a < stop and a + b > t0),
            }
        )
    marks = [Annotation(**a) for a in about.session.annotations]
    marks = [a for a in marks if a.onset_s <= stop and a.onset_s + a.duration_s >= t0]
    beats = _beats(about, copies, folder, filtered) if any(c.type == "ecg" for c in copies) else np.array([])
    return SignalPage(t0, page_s, tuple(shown), tuple(marks), beats[(beats >= t0) & (beats < stop)], filtered)


def decimate(x: np.ndarray, max_points: int) -> tuple[np.ndarray, float]:
    """Minimum and maximum of equal stretches, in the order they came, so that no spike is lost.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        NaN marks a missing sample; a stretch with half of its samples missing is drawn as a gap.
    max_points : int
        At most so many points are returned.

    Returns
    -------
    (y, step)
        float32 of shape (n_points,), and how many samples lie between two points.

    Examples
    --------
    >>> decimate(np.array([0, 1, 9, 2, 3, -9, 1, 0]), 4)
    (array([ 0.,  9.,  3., -9.], dtype=float32), 2.0)
    """
    x = np.asarray(x, dtype=np.float32)
    if len(x) <= max_points:
        return x.copy(), 1.0
    n = max(max_points // 2, 1)
    size = -(-len(x) // n)
    padded = np.full(size * -(-len(x) // size), np.nan, dtype=np.float32)
    padded[: len(x)] = x
    table = padded.reshape(-1, size)
    missing = np.isnan(table)
    low = np.where(missing, np.inf, table)
    high = np.where(missing, -np.inf, table)
    at_low, at_high = low.argmin(axis=1), high.argmax(axis=1)
    at = np.arange(len(table))
    pair = np.stack([low[at, at_low], high[at, at_high]], axis=1)
    pair[at_high < at_low] = pair[at_high < at_low][:, ::-1]
    gap = missing.mean(axis=1) >= GAP_SHARE
    gap[-1] = bool(missing[-1].all()) if len(x) % size else gap[-1]
    pair[gap] = np.nan
    pair[missing.all(axis=1)] = np.nan
    return pair.reshape(-1).astype(np.float32), size / 2


def _beats(about: _About, copies: Sequence[_Copy], folder: Path, filtered: bool) -> np.ndarray:
    """R peaks of the first lead that is not left out, in s on the recording's clock; kept beside the copies."""
    kept = folder / "raw" / "beats.npy"
    if kept.exists():
        return np.load(kept, allow_pickle=False)
    from core.dsp.beats import detect_r_peaks

    bad = {c["name"] for c in about.channels if c["bad"]}
    leads = [c for c in _listed(folder / "raw") if c.type == "ecg" and c.name not in bad]
    if not leads:
        return np.array([])
    found = np.asarray(detect_r_peaks(np.load(leads[0].path), leads[0].sfreq), dtype=np.float64) + leads[0].onset_s
    part = kept.with_name(f"beats.{os.getpid()}.{secrets.token_hex(4)}.part")
    with part.open("wb") as file:
        np.save(file, found, allow_pickle=False)
    part.replace(kept)
    return found
