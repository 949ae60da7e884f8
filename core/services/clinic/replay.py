"""Replay: a stored analysis computed again from the kept original files and held against it; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from core.compute import Progress, part
from core.errors import Refused
from core.services.clinic import stored
from core.services.clinic.analysis import reread
from core.settings import CODE
from core.storage import sessions as rows
from core.storage.records import AnalysisRecord, SessionRecord, as_measure
from core.storage.store import Store
from core.types import Measure, Reading, Reason

if TYPE_CHECKING:
    from core.models.bundle import Bundle

ABSENT = {"not_computed": str(Reason.NOT_SUPPORTED)}


def of_session(store: Store, session: str, *, progress: Progress | None = None) -> dict:
    """The newest analysis of a session computed again, by its own model, settings and reading, beside what is stored.

    Returns
    -------
    dict
        session, same (whether every measure is), code_version_stored, code_version_now, model {name, version} or
        None, measures and notes (what may explain a difference). A measure is {measure, unit, stored, replayed,
        same}; stored and replayed are {value, low, high}, an interval only where there is one, or {not_computed}.
        The same are numbers that are equal in all their digits, or the same reason.

    Raises
    ------
    NotFound
        E-SESSION; E-RECORDING where an original file is gone.
    Conflict
        E-HASH where an original file changed.
    Refused
        E-RECORDING for imported measures; E-REPLAY where the model, its settings or how the files were read for it
        are no longer there.
    """
    from core import pipeline

    with store.read() as tx:
        _, record = stored.find(tx, session, deleted=False)
        files = rows.files(tx, record.id)
        analysis = stored.newest(rows.analyses(tx, record.id))
        before = [as_measure(row) for row in rows.measure_rows(tx, analysis.id)]
    if not files:
        raise Refused(
            "E-RECORDING", "its measures were imported: there is no recording to compute them from again.", session
        )
    bundle = _bundle(analysis, session)
    _same_settings(analysis, asdict(pipeline.site_pipeline(bundle.pipeline if bundle else None)), session)
    reading = _reading(analysis, record, session)
    say = part(progress, 0.0, 1.0)
    say(0.0, "Reading the original files")
    _, recording = reread(store, files, reading)
    # why a session has no prediction without a model lies in what was installed then, and not in its files
    without = next((m.reason for m in before if m.kind == "prediction" and m.reason), Reason.MISSING_CHANNEL)
    after = pipeline.analyse(
        recording, bundle, without=without, reading=reading, progress=part(progress, 0.3, 1.0)
    ).measures
    table = _held(before, after)
    return {
        "session": session,
        "same": all(row["same"] for row in table),
        "code_version_stored": analysis.code_version,
        "code_version_now": CODE,
        "model": {"name": bundle.name, "version": bundle.version} if bundle else None,
        "measures": table,
        "notes": _notes(analysis),
    }


def _bundle(analysis: AnalysisRecord, session: str) -> Bundle | None:
    """The model of an analysis in its own version, retired or not; None where it had none."""
    if not analysis.model:
        return None
    from core.models import bundle as bundles

    found = bundles.by_name(analysis.model)
    if found is None or found.version != analysis.model_version:
        now = "it is not installed any more" if found is None else f"version {found.version} is installed now"
        raise Refused(
            "E-REPLAY", f"it was analysed by version {analysis.model_version} of {analysis.model}, and {now}.", session,
            "Put that version back into the folder of the models.",
        )  # fmt: skip
    return found


def _same_settings(analysis: AnalysisRecord, now: Mapping[str, Any], session: str) -> None:
    """Refuse where a setting of the chain is another than that of the analysis, by name."""
    then = analysis.pipeline
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in now.items()}
    others = [
        f"{name.replace('_', ' ')} was {then.get(name, 'not there')} and is {lists.get(name, 'not there')}"
        for name in sorted({*then, *lists})
        if then.get(name) != lists.get(name)
    ]
    if others:
        raise Refused(
            "E-REPLAY", f"the settings of the chain are others now: {'; '.join(others)}.", session,
            "Bring the settings back, or analyse the files again under those of now.",
        )  # fmt: skip


def _reading(analysis: AnalysisRecord, record: SessionRecord, session: str) -> Reading:
    """How the files were read for an analysis; older ones keep it with the session, that may have changed since."""
    found = Reading.from_dict(analysis.reading or record.reading or {})
    if found.hash != analysis.reading_hash:
        raise Refused(
            "E-REPLAY", "how the files were read for it was not kept.", session, "Recompute the session once."
        )
    return found


def _held(before: list[Measure], after: tuple[Measure, ...]) -> list[dict[str, Any]]:
    """A row for each measure, in stored order, then those that only the replay has."""
    units = {m.name: m.unit for m in (*after, *before)}
    then, now = ({m.name: _plain(m) for m in found} for found in (before, after))
    return [
        {
            "measure": name,
            "unit": units[name],
            "stored": (a := then.get(name, ABSENT)),
            "replayed": (b := now.get(name, ABSENT)),
            "same": a == b,
        }
        for name in dict.fromkeys((*then, *now))
    ]


def _plain(measure: Measure) -> dict[str, Any]:
    if measure.value is None:
        return {"not_computed": str(measure.reason)}
    return {n: float(v) for n in ("value", "low", "high") if (v := getattr(measure, n)) is not None}


def _notes(analysis: AnalysisRecord) -> list[str]:
    if analysis.code_version == CODE:
        return []
    return [
        f"It was stored by version {analysis.code_version} of the program and computed again by {CODE}: a "
        "difference may come from that."
    ]
