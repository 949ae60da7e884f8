"""Signals of a stored session, a page at a time, from memory-mapped float32 copies made on first use."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import Conflict, NotFound
from core.services.clinic import stored
from core.settings import settings
from core.storage import sessions as rows
from core.storage.blobs import sha256
from core.storage.records import AnalysisRecord, FileRecord, QualityRecord, SessionRecord
from core.storage.store import Store
from core.types import Annotation, BadSpan, InputFile, Pipeline, Reading, Recording, Signal

if TYPE_CHECKING:
    from core.cleaning import Ocular

# share of missing samples of a drawn interval from which it is a gap
GAP_SHARE = 0.5


@dataclass(frozen=True)
class SignalPage:
    """One page of signals for the viewer. Each row: name, type, unit, x0 and dx in s, y (float32, at most
    2000 points, NaN gaps kept), whether it was decimated by min-max, bad, and spans of bad quality on the page.
    ``beat_kinds`` and ``pulse_kinds`` say what becomes of each beat and pulse: 0 normal, 1 corrected, 2 left out."""

    t0: float
    page_s: float
    rows: tuple[dict, ...]
    annotations: tuple[Annotation, ...]
    beats_s: np.ndarray
    filtered: bool
    beat_kinds: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    pulses_s: np.ndarray = field(default_factory=lambda: np.empty(0))
    pulse_kinds: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))


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
    quality: QualityRecord | None

    @property
    def channels(self) -> list[dict]:
        return self.quality.channels if self.quality else []

    @property
    def reading(self) -> Reading:
        """How the newest analysis read the files."""
        return Reading.from_dict(self.analysis.reading or self.session.reading)


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
    return _About(session, record, files, analysis, quality)


# --- the cache


def _copies(store: Store, about: _About, filtered: bool) -> tuple[list[_Copy], Path]:
    """The cached signals, made when they are not there or when an original changed since."""
    originals = {f.sha256: store.blobs.fetch(f.sha256) for f in about.files}
    marks = {digest: _mark(path) for digest, path in originals.items()}
    folder = _folder(store, about)
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
    drop = about.reading.ocular is not None
    clean = folder / (about.analysis.pipeline_hash + (f"-{about.reading.hash}" if drop else ""))
    if _stamp(clean) != marks:
        from core import cleaning, preprocess

        recording = _recording(about, raw)
        if drop:
            found = _ocular(about, folder, about.reading)
            recording = cleaning.without(recording, found, cleaning.chosen(found, about.reading.ocular or ()))
        _write(clean, preprocess.filtered(recording, _pipeline(about)), marks)
    return _listed(clean), folder


def _folder(store: Store, about: _About) -> Path:
    """Where the copies of a session lie; marks and cleaning make no other copies."""
    return store.data_dir / "cache" / f"{about.session.source_key[:32]}-{about.reading.of_files.hash}"


def _recording(about: _About, raw: Path) -> Recording:
    """The copies as a recording, not yet in memory."""
    signals = tuple(
        Signal(c.name, c.type, c.unit, c.sfreq, np.load(c.path, mmap_mode="r", allow_pickle=False), c.onset_s)
        for c in _listed(raw)
    )
    return Recording(signals, annotations=tuple(Annotation(**a) for a in about.session.annotations))


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
    return isolation.read(files, reading=about.reading, zone=settings().zone)


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
    beats = _beats(about, folder, "ecg", t0, stop)
    pulses = _beats(about, folder, "ppg", t0, stop)
    return SignalPage(t0, page_s, tuple(shown), tuple(marks), beats[0], filtered, beats[1], *pulses)


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


def _beats(about: _About, folder: Path, type_: str, t0: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    """Beats (ecg) or pulses (ppg) on a page, in s on the recording's clock, and what becomes of each."""
    heard = stored.heard(about.channels, type_)
    if heard is None or about.quality is None:
        return np.empty(0), np.empty(0, dtype=int)
    from core.dsp import beats, grid

    found = _found(about, folder, type_, heard["name"])
    usable = stored.unpack(about.quality.usable)[[t["type"] for t in about.quality.types].index(type_)]
    trusted = grid.inside(found, stored.unpack(about.quality.onset_s), about.quality.duration_s, usable)
    page = (found >= t0) & (found < stop)
    return found[page], beats.kinds(found, trusted)[page]


def _found(about: _About, folder: Path, type_: str, name: str) -> np.ndarray:
    """Beats of a channel as quality finds them; kept beside the copies."""
    copies = _listed(folder / "raw")
    place = next(i for i, c in enumerate(copies) if c.type == type_ and c.name == name)
    kept = folder / "raw" / f"beats-{place}.npy"
    if kept.exists():
        return np.load(kept, allow_pickle=False)
    from core.dsp import beats, filters

    copy, pipeline = copies[place], _pipeline(about)
    x = np.load(copy.path, allow_pickle=False).astype(np.float64)
    if type_ == "ecg":
        x = filters.bandpass(x, copy.sfreq, *pipeline.ecg_band, order=pipeline.filter_order)
    found = (beats.detect_r_peaks if type_ == "ecg" else beats.detect_pulses)(x, copy.sfreq) + copy.onset_s
    part = kept.with_name(f"{kept.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    with part.open("wb") as file:
        np.save(file, found, allow_pickle=False)
    part.replace(kept)
    return found


# --- eyes


def eyes(store: Store, session: str, reading: Reading) -> Ocular:
    """Components of a session's EEG under a reading, and which follow the eyes; computed once and kept."""
    about = _about(store, session)
    _copies(store, about, False)
    return _ocular(about, _folder(store, about), reading)


def eyes_page(
    store: Store,
    session: str,
    found: Ocular,
    drop: Sequence[int],
    *,
    t0: float,
    page_s: float,
    names: Sequence[str] | None = None,
    max_points: int = 2000,
) -> tuple[SignalPage, SignalPage]:
    """One page of the EEG that was decomposed, as recorded and without some components."""
    from core import cleaning

    about = _about(store, session)
    raw = {c.name: c for c in _copies(store, about, False)[0]}
    copies = [raw[name] for name in found.channels]
    first = copies[0]
    data = [np.load(c.path, mmap_mode="r", allow_pickle=False) for c in copies]
    start = int(np.clip(round((t0 - first.onset_s) * first.sfreq), 0, len(data[0])))
    stop = int(np.clip(round((t0 + page_s - first.onset_s) * first.sfreq), start, len(data[0])))
    before = np.stack([x[start:stop] for x in data]).astype(np.float64)
    after = cleaning.remove(before, found, drop, np.arange(len(copies))) if drop and stop > start else before
    pages = []
    for part in (before, after):
        rows = []
        for copy, x in zip(copies, part, strict=True):
            if names is not None and copy.name not in names:
                continue
            y, step = decimate(x, max_points)
            rows.append(
                {
                    "name": copy.name, "type": "eeg", "unit": copy.unit, "x0": copy.onset_s + start / copy.sfreq,
                    "dx": step / copy.sfreq, "y": y, "decimated": step > 1, "bad": False, "spans": (),
                }
            )  # fmt: skip
        pages.append(SignalPage(t0, page_s, tuple(rows), (), np.empty(0), False))
    return pages[0], pages[1]


def _ocular(about: _About, folder: Path, reading: Reading) -> Ocular:
    """The components under a reading, from the cache or made now."""
    from core import cleaning

    pipeline = _pipeline(about)
    kept = folder / "raw" / f"eyes-{replace(reading, ocular=None).hash}-{pipeline.hash}.npz"
    if kept.exists():
        with np.load(kept, allow_pickle=False) as arrays:
            return cleaning.from_arrays(arrays)
    found = cleaning.ocular(cleaning.marked(_recording(about, folder / "raw"), reading), pipeline)
    part = kept.with_name(f"{kept.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **cleaning.as_arrays(found))
    part.replace(kept)
    return found
