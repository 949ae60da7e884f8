"""Files of a study are read apart: a child process with limits hands back one trial at a time.

As ``core.readers.isolation``, with the larger limits of an import that a researcher starts on the machine (security 1),
and with many recordings from one file. The child leaves each trial as an array file of our own layout; nothing that it
leaves is unpickled.
"""

from __future__ import annotations

import io
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import Refused, TooLarge
from core.readers import child
from core.types import InputFile, Notice, Recording

FILE_BYTES = 4 * 2**30
MEMORY_BYTES = 8 * 2**30
WALL_S = 600.0
# trials that wait to be fetched before the child reads on
AHEAD = 8
_PART_BYTES = 2**30
_POLL_S = 0.01
# what a child function yields: the number of a trial, and its recording or why there is none
Part = tuple[int, "Recording | Refused"]
_TOLD = 50 * 10**6


def ask(entry: str, files: Sequence[InputFile], job: Mapping[str, Any] | None = None) -> Any:
    """Plain values that ``entry`` returns of some files, such as their labels; it runs in a child, as JSON."""
    found = list(_run(entry, files, {**(job or {}), "ask": True}))
    return found[0][1]


class Files:
    """Some files whose trials are read in order of their number by ``entry`` ("module:function") in a child.

    The child is started by the first ``read`` at that trial, so that trials that are stored already cost nothing, and
    ends with ``close``, when another ``Files`` is read, or with this process.
    """

    _open: Files | None = None

    def __init__(self, entry: str, files: Sequence[InputFile], job: Mapping[str, Any] | None = None):
        self.entry, self.files, self.job = entry, [InputFile(f.name, str(Path(f.path).absolute())) for f in files], job
        self._parts: Iterator[Part] | None = None
        self._at = -1
        self._failed: Refused | None = None

    def reader(self, number: int) -> Callable[[], Recording]:
        """A function that reads one trial."""
        return lambda: self.read(number)

    def read(self, number: int) -> Recording:
        """A trial by its number, or Refused."""
        if self._failed:
            raise self._failed
        if self._parts is None or number <= self._at:
            self.close()
            if Files._open and Files._open is not self:
                Files._open.close()
            Files._open = self
            self._parts = _run(self.entry, self.files, {**(self.job or {}), "first": number})
        try:
            for at, found in self._parts:
                self._at = at
                if self._at > number:
                    break
                if self._at == number:
                    if isinstance(found, Refused):
                        raise found
                    return found
        except Refused as refused:
            if self._at != number:
                self._failed = refused  # the file itself: every further trial would meet the same
            raise
        raise Refused("E-NO-TRIAL", "the file does not hold this trial.", self.files[0].name, "Check the file.")

    def close(self) -> None:
        """End the child."""
        if self._parts is not None:
            self._parts.close()  # type: ignore[attr-defined]
        self._parts, self._at = None, -1


def _run(entry: str, files: Sequence[InputFile], job: Mapping[str, Any]) -> Iterator[Part]:
    name = files[0].name
    for file in files:
        path = Path(file.path)
        if not path.is_file():
            raise Refused("E-NO-FILE", "there is no such file.", file.name, "Check the folder.")
        if path.stat().st_size > FILE_BYTES:
            raise TooLarge("E-SIZE", f"it is larger than {FILE_BYTES // 2**30} GiB.", file.name, "Split it.")
    with tempfile.TemporaryDirectory(prefix="affectline-study-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        told = {"entry": entry, "files": [[f.name, f.path] for f in files], "job": dict(job)}
        (folder / "job.json").write_text(json.dumps(told), encoding="utf-8")
        with child.started("core.studies.apart:_child", folder) as process:
            yield from _parts(process, folder, name)


def _parts(process: subprocess.Popen, folder: Path, name: str) -> Iterator[Part]:
    started, number = time.monotonic(), 0
    while True:
        ended = process.poll() is not None
        path = folder / f"{number}.json"
        if path.is_file():
            if path.stat().st_size > _TOLD:
                raise _failure("E-READ-CRASH", name, "reading it failed; its description is too long.")
            told = json.loads(path.read_text(encoding="utf-8"))
            path.unlink()
            yield int(told["trial"]), _taken(told, folder / f"{number}.npz")
            (folder / f"{number}.npz").unlink(missing_ok=True)
            number += 1
        elif ended:
            break
        elif time.monotonic() - started > WALL_S:
            raise _failure("E-READ-TIMEOUT", name, f"reading took longer than {WALL_S:g} s and was stopped.")
        else:
            time.sleep(_POLL_S)
    last = folder / "last.json"
    if process.returncode != 0 or not last.is_file():
        raise _failure("E-READ-CRASH", name, "reading it failed; the file is damaged or not what it says.")
    told = json.loads(last.read_text(encoding="utf-8"))
    if told.get("memory"):
        raise _failure("E-READ-MEMORY", name, "reading it needs more memory than one file may.")
    if "refused" in told:
        raise _refused(told["refused"])


def _refused(told: Mapping[str, Any]) -> Refused:
    return Refused(*(str(told.get(key, "")) for key in ("code", "what", "where", "what_to_do")))


def _taken(told: Mapping[str, Any], path: Path) -> Any:
    """What the child left of one trial, read as any array file, or the plain values it was asked for."""
    from core.readers import npz
    from core.readers.base import visible

    if "refused" in told:
        return _refused(told["refused"])
    if "plain" in told:
        return told["plain"]
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _PART_BYTES:
        return Refused("E-READ-CRASH", "reading it gave no recording.", "", "Check the file.")
    try:
        read = npz.read([InputFile(path.name, str(path))])
    except Refused as refused:
        return refused
    notices = tuple(Notice(visible(c, 40), visible(t, 1000)) for c, t in told["notices"])
    return Recording(read.signals, read.started_at, read.annotations, (), visible(told["format"], 120), notices)


def _failure(code: str, name: str, what: str) -> Refused:
    from core.readers.base import visible

    again = f"Download or export it again; if that does not help, quote {child.reference()}."
    return Refused(code, what, visible(name), again)


# ---------------------------------------------------------------------------------------------------- the child
def _child(folder: str, parent: int) -> None:
    """Limit this process and leave trial after trial in ``folder``; runs in the child alone."""
    import importlib

    child.limit(parent, memory=MEMORY_BYTES, cpu_s=int(WALL_S), file_bytes=_PART_BYTES)
    here = Path(folder)
    told = json.loads((here / "job.json").read_text(encoding="utf-8"))
    module, _, function = told["entry"].partition(":")
    end: dict[str, Any] = {}
    try:
        parts = getattr(importlib.import_module(module), function)([InputFile(*f) for f in told["files"]], told["job"])
        if told["job"].get("ask"):
            child.left(here / "0.json", json.dumps({"trial": 0, "plain": parts}).encode())
            parts = ()
        for number, (trial, found) in enumerate(p for p in parts if p[0] >= told["job"].get("first", 0)):
            while sum(1 for _ in here.glob("*.npz")) >= AHEAD:
                time.sleep(_POLL_S)
            _leave(here, number, trial, found)
    except Refused as refused:
        end = {"refused": refused.as_dict()}
    except (MemoryError, RecursionError):
        end = {"memory": True}
    child.left(here / "last.json", json.dumps(end).encode())


def _leave(here: Path, number: int, trial: int, found: Recording | Refused) -> None:
    from core.readers import npz

    said: dict[str, Any] = {"trial": trial}
    if isinstance(found, Refused):
        said["refused"] = found.as_dict()
    else:
        body = io.BytesIO()
        npz.write(found, body)
        child.left(here / f"{number}.npz", body.getvalue())
        said |= {"format": found.format, "notices": [[n.code, n.text] for n in found.notices]}
    child.left(here / f"{number}.json", json.dumps(said).encode())
