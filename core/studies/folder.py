"""A stored study: a folder of trial recordings with a manifest that is written last, so it is whole or not there.

An import works in a hidden folder beside the study's place. What it wrote there before it was interrupted is kept and
checked, so that the same import goes on where it ended.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import Conflict, NotFound, Refused
from core.types import CHANNEL_TYPES, HIGH, InputFile, LeftOut, Notice, Recording, Study, Trial

MANIFEST = "study.json"
LICENCE = "LICENSE.txt"
_SOURCE, _LOCK = "source.json", "lock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Planned:
    """A trial as its corpus lists it. ``read`` gives its recording or raises Refused; None for a row of features.

    ``features`` and ``coverage`` are computed of the recording where they are functions.
    """

    subject: str
    trial: str
    labels: Mapping[str, float]
    groups: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[], Recording] | None = None
    features: Mapping[str, float] | Callable[[Recording], Mapping[str, float]] = field(default_factory=dict)
    coverage: float | Callable[[Recording], float] = 1.0


@dataclass(frozen=True)
class Source:
    """What a corpus is, and its trials; ``n_trials`` is for progress.

    Without ``inputs`` they are the channel types found. ``resumes`` says that the trials come in the same order
    every time, so that those written before an interruption are kept; see ``Study`` for the other fields.
    """

    basis: str
    licence: str
    targets: Mapping[str, tuple[float, float, float]]
    inputs: tuple[str, ...]
    trials: Iterable[Planned]
    n_trials: int
    simulated: bool = False
    made_by: Mapping[str, Any] = field(default_factory=dict)
    high: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    licence_text: str = ""
    resumes: bool = False


def check_name(name: str) -> str:
    """A name that can be a folder, or Refused."""
    if not _NAME.fullmatch(name):
        raise Refused("E-STUDY-NAME", "this is no name for a study", name, "Use 1-63 letters, digits, - or _.")
    return name


def write(root: Path, name: str, source: Source, progress: Progress | None = None) -> Study:
    """Store a study under ``root/name``: beside its place first, then moved there whole.

    A trial that cannot be read is left out and listed with the reason; Refused when none can.
    """
    bad = [t for t, side in source.high.items() if side not in HIGH or t not in source.targets]
    if bad:
        raise ValueError(f"no side of the cut: {', '.join(bad)}")
    with _workplace(root, check_name(name), source) as folder:
        rows, left_out = [], list(source.left_out)
        seen: set[tuple[str, str]] = set()
        for i, planned in enumerate(source.trials):
            said = f"trial {i + 1} of {source.n_trials}"
            try:
                if (planned.subject, planned.trial) in seen:
                    raise Refused("E-TRIAL-TWICE", "the same subject and trial are listed twice.", "", "")
                seen.add((planned.subject, planned.trial))
                rows.append(_row(folder, f"{i:05d}", planned, source))
            except Refused as refused:
                text = " ".join(
                    p for p in (refused.where and f"{refused.where}:", refused.what, refused.what_to_do) if p
                )
                left_out.append(LeftOut(planned.subject, planned.trial, refused.code, text))
                said += f": {planned.subject} {planned.trial} left out ({refused.code})"
            if progress:
                progress((i + 1) / max(source.n_trials, 1), said)
        if not rows:
            first = left_out[0].text if left_out else "it lists no trial."
            raise Refused("E-STUDY-EMPTY", f"no trial could be taken. {first}", name, "Nothing was stored.")
        types = {t for row in rows for t in row["types"]}
        content = {
            "name": name, "basis": source.basis, "licence": source.licence, "simulated": source.simulated,
            "targets": {t: list(scale) for t, scale in source.targets.items()}, "high": dict(source.high),
            "inputs": list(source.inputs or (t for t in CHANNEL_TYPES if t in types and t != "misc")),
            "bands": {t: list(band) for t, band in source.bands.items()}, "notes": list(source.notes),
            "made_by": dict(source.made_by), "sha256": _digest(rows), "trials": rows,
            "left_out": [asdict(t) for t in left_out],
        }  # fmt: skip
        if source.licence_text:
            (folder / LICENCE).write_text(source.licence_text, encoding="utf-8")
        for old in (_SOURCE, *(p.name for p in folder.glob("*.part"))):
            (folder / old).unlink(missing_ok=True)
        wanted = {row["file"] for row in rows} | {MANIFEST, LICENCE, _LOCK}
        for path in folder.iterdir():
            if path.name not in wanted:
                path.unlink()
        _put(folder / MANIFEST, json.dumps(content, indent=1, allow_nan=False).encode())
        (folder / _LOCK).unlink(missing_ok=True)
        folder.replace(root / name)
        _sync(root)
    return load(root, name)


def _row(folder: Path, number: str, planned: Planned, source: Source) -> dict[str, Any]:
    """The row of a trial in the manifest, its recording written, or kept as it was written before."""
    from core.readers import npz

    row: dict[str, Any] = {
        "subject": planned.subject, "trial": planned.trial, "labels": dict(planned.labels),
        "groups": dict(planned.groups),
    }  # fmt: skip
    told: dict[str, Any] = {"file": "", "sha256": "", "types": [], "notices": []}
    if planned.read is None:
        if callable(planned.features) or callable(planned.coverage):
            raise ValueError("a trial without a recording has nothing to compute features of")
        return row | told | {"features": dict(planned.features), "coverage": planned.coverage}
    kept = _kept(folder, number, row) if source.resumes else None
    if kept:
        return row | kept
    recording = planned.read()
    features = planned.features(recording) if callable(planned.features) else planned.features
    coverage = planned.coverage(recording) if callable(planned.coverage) else planned.coverage
    body = io.BytesIO()
    npz.write(recording, body)
    told = {
        "file": f"{number}.npz", "sha256": hashlib.sha256(body.getvalue()).hexdigest(),
        "types": list(recording.types), "notices": [[n.code, n.text] for n in recording.notices],
        "features": {k: v for k, v in features.items() if v == v}, "coverage": coverage,
    }  # fmt: skip
    _put(folder / f"{number}.npz", body.getvalue())
    if source.resumes:
        _put(folder / f"{number}.json", json.dumps({"of": _digest([row]), "told": told}).encode())
    return row | told


def _kept(folder: Path, number: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was said of a trial when it was written, if it is of this row and its file is unchanged."""
    try:
        said = json.loads((folder / f"{number}.json").read_text(encoding="utf-8"))
        body = (folder / f"{number}.npz").read_bytes()
        same = said["of"] == _digest([row]) and said["told"]["sha256"] == hashlib.sha256(body).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return said["told"] if same else None


@contextmanager
def _workplace(root: Path, name: str, source: Source) -> Iterator[Path]:
    """The hidden folder of one import, kept when it is interrupted and can go on; one import of a name at a time."""
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f".import-{name}"
    folder.mkdir(exist_ok=True)
    lock = (folder / _LOCK).open("a+b")
    try:
        if not _locked(lock.fileno()):
            raise Conflict("E-STUDY-BUSY", "it is being imported already", name, "Wait until that import has ended.")
        made_by = json.dumps(dict(source.made_by), sort_keys=True)
        said = folder / _SOURCE
        if not (source.resumes and said.is_file() and said.read_text(encoding="utf-8") == made_by):
            for path in folder.iterdir():
                if path.name != _LOCK:
                    path.unlink()
            _put(said, made_by.encode())
        try:
            yield folder
        except BaseException as error:
            # a refusal will be met again; anything else may be mended and gone on with
            if not source.resumes or isinstance(error, Refused):
                shutil.rmtree(folder, ignore_errors=True)
            raise
    finally:
        lock.close()


def _locked(handle: int) -> bool:
    """Take the lock that ends with this process; True where the platform has none."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _put(path: Path, body: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as out:
        out.write(body)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)


def _sync(folder: Path) -> None:
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load(root: Path, name: str) -> Study:
    """A stored study, or NotFound."""
    content = manifest(root, name)
    folder = root / name
    return Study(
        name=content["name"],
        basis=content["basis"],
        licence=content["licence"],
        trials=tuple(_trial(row, folder) for row in content["trials"]),
        targets={t: (scale[0], scale[1], scale[2]) for t, scale in content["targets"].items()},
        inputs=tuple(content["inputs"]),
        simulated=content["simulated"],
        high=content.get("high", {}),
        bands={t: (band[0], band[1]) for t, band in content.get("bands", {}).items()},
        left_out=tuple(LeftOut(**row) for row in content.get("left_out", ())),
        notes=tuple(content.get("notes", ())),
    )


def _trial(row: Mapping[str, Any], folder: Path) -> Trial:
    return Trial(
        row["subject"], row["trial"], row["labels"], row["groups"], str(folder / row["file"]) if row["file"] else "",
        row.get("features", {}), row.get("coverage", 1.0), tuple(Notice(*n) for n in row.get("notices", ())),
    )  # fmt: skip


def manifest(root: Path, name: str) -> dict[str, Any]:
    """The manifest of a stored study as it lies on disk, or NotFound."""
    path = root / name / MANIFEST
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound(
            "E-STUDY", "there is no study of this name", name, "`affectline study list` shows those there are."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def regroup(root: Path, name: str, groups: Mapping[str, Mapping[str, str]]) -> Study:
    """Give the subjects of a stored study further groups: subject -> {group: value}; the manifest is replaced whole.

    Groups that are only added change no label and no recording, so the study keeps its hash and its results hold.
    """
    content = manifest(root, name)
    changed = False
    for row in content["trials"]:
        given = groups.get(row["subject"], {})
        changed |= any(row["groups"].get(group, value) != value for group, value in given.items())
        row["groups"] |= given
    if changed:
        content["sha256"] = _digest(content["trials"])
    _put(root / name / MANIFEST, json.dumps(content, indent=1, allow_nan=False).encode())
    _sync(root / name)
    return load(root, name)


def names(root: Path) -> list[str]:
    """Names of the studies stored under ``root``."""
    return sorted(p.parent.name for p in root.glob(f"*/{MANIFEST}") if _NAME.fullmatch(p.parent.name))


def recording(trial: Trial) -> Recording:
    """The recording of a trial; Refused (E-NO-RECORDING) where it is a row of ready features."""
    from core.readers import npz

    if not trial.path:
        raise Refused(
            "E-NO-RECORDING", "this trial has ready features and no recording.", f"{trial.subject} {trial.trial}",
            "Use its features.",
        )  # fmt: skip
    path = Path(trial.path)
    return replace(npz.read([InputFile(path.name, trial.path)]), notices=trial.notices)


_OF = ("subject", "trial", "labels", "groups", "file", "sha256", "features")


def _digest(rows: Sequence[Mapping[str, Any]]) -> str:
    """One hash over labels, features and recordings: another study has another."""
    said = [{key: row[key] for key in _OF if key in row and (key != "features" or row[key])} for row in rows]
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
