"""Reading apart: the readers run in a child process with limits, and only arrays and JSON come back."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from core.errors import Refused, TooLarge
from core.readers import child
from core.settings import MIN_DURATION_S, settings
from core.types import CHANNEL_TYPES, Annotation, InputFile, Notice, Part, Reading, Recording, Signal, SourceFile

MAX_FILES = 30
# security 1
MEMORY_BYTES = 2 * 2**30
CPU_S = 20
WALL_S = 30.0
_CHUNK = 2**20
_READ, _OUTLINE = "core.readers.session:read", "core.readers.session:outline"
_log = logging.getLogger(__name__)
# one child a core; more wait
_seats = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))


def read(
    files: Sequence[InputFile],
    *,
    reading: Reading | None = None,
    zone: ZoneInfo,
) -> Recording:
    """Files of one session as a checked recording, or Refused; whatever they hold, this process lives on.

    Parameters
    ----------
    files : sequence of InputFile
        All of one session. The same bytes twice are read once, with a notice.
    reading : Reading, optional
        What a person said about the files.
    zone : ZoneInfo
        Of times without an offset.
    """  # fmt: skip
    kept, sources, notices = _hashed(files)
    recording = _run(_READ, _job(kept, reading or Reading(), zone))
    recording = Recording(
        recording.signals, recording.started_at, recording.annotations, sources, recording.format,
        (*notices, *recording.notices), recording.parts,
    )  # fmt: skip
    _long_enough(recording, kept)
    return recording


def outline(files: Sequence[InputFile], *, reading: Reading | None = None, zone: ZoneInfo) -> tuple[Part, ...]:
    """What each recorder left among the files, each by itself, whether they make one session or not.

    A part that cannot be read is there too, with its problem; parameters as those of ``read``.
    """
    kept, _, _ = _hashed(files)
    return _run(_OUTLINE, _job(kept, reading or Reading(), zone)).parts


def _job(files: Sequence[InputFile], reading: Reading, zone: ZoneInfo) -> dict[str, Any]:
    sfreq = reading.sfreq
    if sfreq is not None and not (math.isfinite(sfreq) and 0.1 <= sfreq <= 100_000):
        raise Refused("E-RATE", f"the stated sampling rate is {sfreq:g} Hz.", "--sfreq", "State 0.1 to 100000 Hz.")
    return {"files": [[f.name, f.path] for f in files], "reading": reading.as_dict(), "zone": str(zone)}


def _hashed(files: Sequence[InputFile]) -> tuple[list[InputFile], tuple[SourceFile, ...], list[Notice]]:
    """The files with absolute paths and their hashes, within the limits; the same bytes once."""
    from core.readers.base import empty, refuse, visible

    if not files:
        raise Refused("E-NO-FILE", "no file was given.", what_to_do="Choose the files of one recording.")
    if len(files) > MAX_FILES:
        raise TooLarge("E-FILES", f"{len(files)} files; at most {MAX_FILES} make one session.", "", "Send fewer files.")
    limit, left = settings().max_upload_mb * 10**6, settings().max_upload_mb * 10**6
    kept, sources, notices = [], [], []
    seen: dict[str, str] = {}
    for file in files:
        path = Path(file.path).absolute()
        shown = visible(file.name)
        try:
            info = path.stat()
        except OSError as gone:
            raise refuse(
                "E-NO-FILE", file, "there is no such file, or it may not be read.", "Check name and place."
            ) from gone
        if not stat.S_ISREG(info.st_mode):
            raise refuse("E-NO-FILE", file, "this is no file.", "Name the files of one recording.")
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise TooLarge(
                        "E-SIZE", f"more than {limit // 10**6} MB in all.", shown,
                        "Send a shorter part, or ask your administrator to raise MAX_UPLOAD_MB.",
                    )  # fmt: skip
                digest.update(chunk)
        found = digest.hexdigest()
        if info.st_size and found in seen:
            notices.append(Notice("W-DUPLICATE", f'"{shown}" is a duplicate of "{seen[found]}" and was read once.'))
            continue
        if not info.st_size and not shown.lower().endswith(("tags.csv", "ibi.csv")):
            raise empty(file)
        seen[found] = shown
        kept.append(InputFile(file.name, str(path)))
        sources.append(SourceFile(shown, found))
    return kept, tuple(sources), notices


def _long_enough(recording: Recording, files: Sequence[InputFile]) -> None:
    """S1-03: at least 5 s of signal; a sample more or less of the last step is not held against it."""
    from core.readers.base import visible

    where = visible(files[0].name) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    if not recording.signals:
        words = "it holds only annotations and no signal" if recording.annotations else "it holds no signal"
        raise Refused("E-NO-SIGNAL", f"{words}.", where, "Add the file with the signals that belongs to it.")
    analysed = recording.of_type(*recording.types) or recording.signals
    if not any(len(s.data) >= MIN_DURATION_S * s.sfreq * (1 - 1e-6) for s in analysed):
        longest = max(s.duration_s for s in analysed)
        raise Refused(
            "E-TOO-SHORT",
            f"it holds {math.floor(longest * 100) / 100:.2f} s of signal; at least {MIN_DURATION_S:g} s are needed.",
            where, "Record for longer, or check that the file is complete.",
        )  # fmt: skip


# ---------------------------------------------------------------------------------------------------- the parent
def _run(entry: str, job: Mapping[str, Any], *, wall_s: float = WALL_S, paths: Sequence[str] = ()) -> Recording:
    """Run ``module:function`` on the job in a child and take back what it left; Refused for every other end.

    ``paths`` are further folders to import from, for tests.
    """
    with _seats, _folder() as folder:
        (folder / "job.json").write_text(json.dumps({**job, "entry": entry}), encoding="utf-8")
        code = _wait(folder, wall_s, paths)
        outcome = folder / "out.json"
        if code is None:
            raise _failed(
                "E-READ-TIMEOUT", job, f"reading took longer than {wall_s:g} s and was stopped.", "timeout", folder
            )
        if code != 0 or not outcome.is_file():
            if code == -getattr(signal, "SIGXCPU", 0):
                raise _failed(
                    "E-READ-TIMEOUT",
                    job,
                    f"reading took more than {CPU_S} s of computing and was stopped.",
                    "cpu",
                    folder,
                )
            how = "E-READ-CRASH" if code < 0 else "E-READ-FAILED"
            raise _failed(how, job, "reading it failed; the file is damaged or not what it says.", code, folder)
        if outcome.stat().st_size > 50 * 10**6:
            raise _failed("E-READ-CRASH", job, "reading it failed; its description is too long.", "size", folder)
        told = json.loads(outcome.read_text(encoding="utf-8"))
        if "error" in told:
            if told["error"] == "MemoryError":
                raise _failed(
                    "E-READ-MEMORY", job, "reading it needs more memory than one recording may.", "memory", folder
                )
            raise _failed("E-READ-FAILED", job, "it is nested too deeply to be read.", told["error"], folder)
        if "refused" in told:
            kind = TooLarge if told["refused"].pop("too_large", False) else Refused
            repairs = [str(r) for r in told["refused"].pop("repairs", ())]
            raise kind(**{k: str(v) for k, v in told["refused"].items()}, repairs=repairs)
        return _taken(told, folder)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="affectline-read-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _wait(folder: Path, wall_s: float, paths: Sequence[str]) -> int | None:
    """The child's exit status; None when it had to be killed for time."""
    with child.started("core.readers.isolation:_child", folder, paths=paths) as process:
        try:
            return process.wait(wall_s)
        except subprocess.TimeoutExpired:
            return None


def _failed(code: str, job: Mapping[str, Any], what: str, why: object, folder: Path) -> Refused:
    """A refusal with a reference number; the reason behind it goes to the log, without words of the file."""
    from core.readers.base import visible

    reference = child.reference()
    _log.warning("%s ref %s: %s %s", code, reference, why, child.stumbled_at(folder))
    names = [visible(f[0]) for f in job.get("files", [])]
    where = names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""
    return Refused(
        code, what, where, f"Export it again from the recorder; if that does not help, quote ref {reference}."
    )


def _taken(told: Mapping[str, Any], folder: Path) -> Recording:
    """The recording a child left, every size and word of it checked before it is believed."""
    from core.readers.base import MAX_CHANNELS, MAX_RATE_HZ, MAX_SAMPLES, visible

    rows = told["signals"]
    counts = [int(r["n"]) for r in rows]
    if len(rows) > MAX_CHANNELS or min(counts, default=1) < 1 or sum(counts) > MAX_SAMPLES:
        raise Refused("E-READ-CRASH", "reading it gave more than a recording may hold.", "", "Send a shorter part.")
    signals = []
    for i, r in enumerate(rows):
        path = folder / f"{i}.npy"
        # the header of an array file is 64 to 128 bytes
        if path.is_symlink() or not 0 <= path.stat().st_size - 4 * r["n"] <= 256:
            raise Refused(
                "E-READ-CRASH", "reading it gave an array of another size than stated.", "", "Export it again."
            )
        data = np.load(path, allow_pickle=False)
        sfreq, onset = float(r["sfreq"]), float(r["onset_s"])
        if (data.shape != (r["n"],) or data.dtype != np.float32 or r["type"] not in CHANNEL_TYPES
                or not 0.09 < sfreq <= MAX_RATE_HZ or not math.isfinite(onset)):  # fmt: skip
            raise Refused("E-READ-CRASH", "reading it gave something that is no signal.", "", "Export it again.")
        data.flags.writeable = False
        signals.append(Signal(visible(r["name"]), r["type"], visible(r["unit"], 16), sfreq, data, onset))
    return Recording(
        signals=tuple(signals),
        started_at=datetime.fromisoformat(told["started_at"]) if told["started_at"] else None,
        annotations=tuple(Annotation(float(a), float(b), visible(c)) for a, b, c in told["annotations"]),
        format=visible(told["format"], 120),
        notices=tuple(Notice(visible(c, 40), visible(t, 1000)) for c, t in told["notices"]),
        parts=tuple(_part(p) for p in told.get("parts", ())),
    )


def _part(p: Mapping[str, Any]) -> Part:
    from core.readers.base import visible

    late, drift = (None if p[name] is None else float(p[name]) for name in ("late_s", "drift_ppm"))
    return Part(
        files=tuple(str(f) for f in p["files"]),
        format=visible(p["format"], 120),
        started_at=datetime.fromisoformat(p["started_at"]) if p["started_at"] else None,
        onset_s=float(p["onset_s"]),
        duration_s=float(p["duration_s"]),
        offset_s=float(p["offset_s"]),
        marks=int(p["marks"]),
        late_s=late,
        drift_ppm=drift,
        problem=visible(p["problem"], 1000),
        repairs=tuple(str(r) for r in p["repairs"]),
    )


# ---------------------------------------------------------------------------------------------------- the child
def _child(folder: str, parent: int) -> None:
    """Limit this process, read, and leave arrays and JSON in ``folder``; runs in the child alone.

    The clock that ends a hanging reader is the parent's.
    """
    child.limit(parent, memory=MEMORY_BYTES, cpu_s=CPU_S, file_bytes=MEMORY_BYTES)
    here = Path(folder)
    job = json.loads((here / "job.json").read_text(encoding="utf-8"))
    module, _, function = job["entry"].partition(":")
    try:
        import importlib

        from core.readers.base import Options

        said = Reading.from_dict(job.get("reading", {}))
        zone = ZoneInfo(job.get("zone", "UTC"))
        options = Options(said.sfreq, said.mapping, zone, offsets=said.offsets, repairs=said.repairs)
        recording = getattr(importlib.import_module(module), function)([InputFile(*f) for f in job["files"]], options)
        told = _left(recording, here)
    except Refused as refused:
        too_large = isinstance(refused, TooLarge)
        told = {"refused": {**refused.as_dict(), "too_large": too_large, "repairs": refused.repairs}}
    except (MemoryError, RecursionError) as limit:
        told = {"error": type(limit).__name__}
    child.left(here / "out.json", json.dumps(told).encode())


def _left(recording: Recording, folder: Path) -> dict[str, Any]:
    """Write the arrays; the rest as plain values."""
    for i, s in enumerate(recording.signals):
        np.save(folder / f"{i}.npy", np.asarray(s.data, dtype=np.float32), allow_pickle=False)
    return {
        "signals": [
            {"name": s.name, "type": s.type, "unit": s.unit, "sfreq": s.sfreq, "onset_s": s.onset_s, "n": len(s.data)}
            for s in recording.signals
        ],
        "started_at": _iso(recording.started_at),
        "annotations": [[a.onset_s, a.duration_s, a.description] for a in recording.annotations],
        "format": recording.format,
        "notices": [[n.code, n.text] for n in recording.notices],
        "parts": [{**asdict(p), "started_at": _iso(p.started_at)} for p in recording.parts],
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
