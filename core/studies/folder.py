"""A stored study: a folder of trial recordings with a manifest that is written last, so it is whole or not there."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import NotFound, Refused
from core.types import InputFile, Recording, Study, Trial

MANIFEST = "study.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Source:
    """What a corpus is, and its trials as (subject, trial, labels, groups, recording); ``n_trials`` is for progress."""

    basis: str
    licence: str
    targets: Mapping[str, tuple[float, float, float]]
    inputs: tuple[str, ...]
    trials: Iterable[tuple[str, str, Mapping[str, float], Mapping[str, str], Recording]]
    n_trials: int
    simulated: bool = False
    made_by: Mapping[str, Any] = field(default_factory=dict)


def check_name(name: str) -> str:
    """A name that can be a folder, or Refused."""
    if not _NAME.fullmatch(name):
        raise Refused("E-STUDY-NAME", "this is no name for a study", name, "Use 1-63 letters, digits, - or _.")
    return name


def write(root: Path, name: str, source: Source, progress: Progress | None = None) -> Study:
    """Store a study under ``root/name``: beside its place first, then moved there whole."""
    from core.readers import npz

    root.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=root, prefix=".import-") as temporary:
        folder = Path(temporary) / check_name(name)
        folder.mkdir()
        for subject, trial, labels, groups, recording in source.trials:
            body = io.BytesIO()
            npz.write(recording, body)
            file = f"{len(rows):05d}.npz"
            (folder / file).write_bytes(body.getvalue())
            digest = hashlib.sha256(body.getvalue()).hexdigest()
            labelled = {"subject": subject, "trial": trial, "labels": dict(labels), "groups": dict(groups)}
            rows.append({**labelled, "file": file, "sha256": digest})
            if progress:
                progress(len(rows) / max(source.n_trials, 1), f"trial {len(rows)} of {source.n_trials}")
        manifest = {
            "name": name, "basis": source.basis, "licence": source.licence, "simulated": source.simulated,
            "targets": {t: list(scale) for t, scale in source.targets.items()}, "inputs": list(source.inputs),
            "made_by": dict(source.made_by), "sha256": _digest(rows), "trials": rows,
        }  # fmt: skip
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        shutil.move(folder, root / name)
    return load(root, name)


def load(root: Path, name: str) -> Study:
    """A stored study, or NotFound."""
    content = manifest(root, name)
    folder = root / name
    return Study(
        name=content["name"],
        basis=content["basis"],
        licence=content["licence"],
        trials=tuple(
            Trial(t["subject"], t["trial"], t["labels"], t["groups"], str(folder / t["file"]))
            for t in content["trials"]
        ),
        targets={t: (scale[0], scale[1], scale[2]) for t, scale in content["targets"].items()},
        inputs=tuple(content["inputs"]),
        simulated=content["simulated"],
    )


def manifest(root: Path, name: str) -> dict[str, Any]:
    """The manifest of a stored study as it lies on disk, or NotFound."""
    path = root / name / MANIFEST
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound(
            "E-STUDY", "there is no study of this name", name, "`affectline study list` shows those there are."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def names(root: Path) -> list[str]:
    """Names of the studies stored under ``root``."""
    return sorted(p.parent.name for p in root.glob(f"*/{MANIFEST}") if _NAME.fullmatch(p.parent.name))


def recording(trial: Trial) -> Recording:
    """The recording of a trial."""
    from core.readers import npz

    path = Path(trial.path)
    return npz.read([InputFile(path.name, trial.path)])


def _digest(rows: list[dict[str, Any]]) -> str:
    """One hash over labels and recordings: another study has another."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
