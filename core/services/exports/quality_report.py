"""The quality report of files before they are stored: what was found, and how the files were read, as JSON."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.services.clinic.drafts import Inspection
from core.services.exports.exports import NOTICE, Export
from core.settings import VERSION, settings
from core.storage import jobs as rows
from core.storage.blobs import sha256
from core.storage.store import Store
from core.types import InputFile, Part, Reading, Reason

KIND = "quality-report"


def quality_report(
    store: Store, files: Sequence[InputFile], found: Inspection, reading: Reading, *, now: datetime
) -> Export:
    """The report on one session of a draft as an export of one JSON file; audited.

    The labels of files are free text of a person, so files are known by number and hash.
    """
    numbers = {f.name: i for i, f in enumerate(files, 1)}
    now = now.astimezone(UTC)
    said = reading.as_dict()
    said["offsets"] = {f"file {numbers[label]}": s for label, s in reading.offsets.items() if label in numbers}
    report = {
        "kind": KIND,
        "created_at": now.isoformat(),
        "software": VERSION,
        "site_zone": settings().time_zone,
        "mode": "pseudonymous",
        "notice": NOTICE,
        "files": [{"file": numbers[f.name], "sha256": sha256(Path(f.path))} for f in files],
        "read_with": said,
        "format": found.format,
        "started_at": found.started_at.isoformat() if found.started_at else _not(Reason.NOT_SUPPORTED),
        "duration_s": found.duration_s,
        "quality": found.quality,
        "problems": [
            {**asdict(p), "share": _not(Reason.NOT_SUPPORTED) if p.share is None else p.share}
            for p in found.problems
            if p.channel != "*"
        ],
        "warnings": [n.code for n in found.notices],
        "clocks": [_clock(p, numbers) for p in found.parts],
        "not_computed": dict(found.not_computed),
    }
    data = (json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    digest = hashlib.sha256(data).hexdigest()
    name = f"{KIND}_{now:%Y-%m-%d}_{digest[:8]}.json"
    made = Export(secrets.token_hex(8), KIND, {name: data}, len(found.signals), now)
    with store.write() as tx:
        rows.add_export(
            tx, id=made.id, kind=KIND, format="json", subject="draft", rows=made.rows, sha256=digest, created_at=now,
            filters={},
        )  # fmt: skip
        tx.audit("export", f"{name} sha256 {digest}", at=now, reason=f"{made.rows} channels")
    return made


def _not(reason: Reason) -> dict[str, str]:
    return {"not_computed": str(reason)}


def _clock(part: Part, numbers: dict[str, int]) -> dict[str, Any]:
    return {
        "files": [numbers[f] for f in part.files if f in numbers],
        "format": part.format,
        "started_at": part.started_at.isoformat() if part.started_at else _not(Reason.NOT_SUPPORTED),
        "onset_s": part.onset_s,
        "duration_s": part.duration_s,
        "offset_s": part.offset_s,
    }
