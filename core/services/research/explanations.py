"""What the models used: of an experiment kept beside its curves, of a session in a cache that may be emptied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import Refused
from core.models import bundle as bundles
from core.models.bundle import Bundle
from core.models.files import BundleError
from core.services import jobs
from core.services.clinic import stored
from core.services.jobs import Job
from core.services.research import experiments
from core.settings import settings
from core.storage import sessions as rows
from core.storage.records import AnalysisRecord, FileRecord, SessionRecord
from core.storage.store import Store
from core.types import InputFile, Reading, Reason

if TYPE_CHECKING:
    from core.evaluation.explain import Attribution

Progress = Callable[[float, str], None]
# why there is nothing to explain of a session
WHY_NOT = {
    "imported": "The values were measured elsewhere; no model of ours made them.",
    "no_model": "No model was used on this session.",
    "abstained": "The model gave no number, so there is none to explain.",
    "model_gone": "The model that predicted this session is not installed any more, or in another version.",
    "recording_gone": "The recording is not kept here any more, and it is needed to see what the model was given.",
    "not_supported": "A model of this kind has no contributions that add up to its number.",
}
DIGITS = 6


# --- of an experiment


def of_experiment(store: Store, name: str, progress: Progress | None = None) -> dict[str, Any]:
    """What ``core.evaluation.explain.explained`` says of a finished experiment; computed once and kept."""
    from core.evaluation import explain

    known = kept_of_experiment(store, name)
    if known is not None:
        return known
    spec, dataset, results = experiments.opened(store, name)
    found = {"experiment": name, **explain.explained(dataset, spec, results, progress=progress)}
    _keep(_of_experiment(store, name), found)
    return found


def kept_of_experiment(store: Store, name: str) -> dict[str, Any] | None:
    """The explanation of an experiment where it was computed before."""
    return _kept(_of_experiment(store, experiments.get(store, name).line.id))


def _of_experiment(store: Store, name: str) -> Path:
    return store.data_dir / "experiments" / name / "explanation.json"


# --- of a session


def of_session(store: Store, session: str, progress: Progress | None = None) -> dict[str, Any]:
    """Contributions to what the newest analysis of a session showed, window by window; computed once and kept.

    The stored files are read again as they were for that analysis, and go through the same chain. Contributions are
    on the logit of the index of each target, before the mean over windows.

    Of a model of signals, whose gradients are dear, at most 48 windows are told, evenly chosen. Of one of sequences a
    stretch of windows is told together: its total stands beside each of its windows.

    Returns
    -------
    dict
        ``session, model, version, demonstration, onset_s [], duration_s, targets``; of each target ``method, base,
        total []`` and for ``modality`` and ``block`` ``rows [{name, value, share}]`` (mean over windows; share of the
        mean sizes) and ``windows {name: []}``, ``columns`` rows of the largest, or ``{not_computed: reason}``;
        ``attention {target: []}`` where the model has one.

    Raises
    ------
    Refused
        E-WHY with the reason of ``why_not``.
    """
    reason = why_not(store, session)
    if reason:
        raise Refused("E-WHY", WHY_NOT[reason], session)
    known = kept_of_session(store, session)
    if known is not None:
        return known
    record, analysis, files = _found(store, session)
    bundle = bundles.by_name(analysis.model)
    assert bundle is not None
    say = progress or (lambda share, words: None)
    given, onset_s = _windows(store, record, analysis, files, bundle, say)
    say(0.7, "Contributions of each window")
    found = {
        "session": session, "model": bundle.name, "version": bundle.version,
        "demonstration": bundle.card.demonstration, "duration_s": bundle.pipeline.window_s,
        "onset_s": onset_s.tolist(), **_told(bundle, given),
    }  # fmt: skip
    _keep(_of_session(store, record, analysis), found)
    say(1.0, "Stored")
    return found


def why_not(store: Store, session: str) -> str:
    """Why a session cannot be explained, a key of ``WHY_NOT``; empty where it can."""
    record, analysis, files = _found(store, session)
    if record.imported:
        return "imported"
    if not analysis.model:
        return "no_model"
    if analysis.status != "ok":
        return "abstained"
    try:
        bundle = bundles.by_name(analysis.model)
    except BundleError:
        bundle = None
    if bundle is None or bundle.version != analysis.model_version:
        return "model_gone"
    return "" if files and all(store.blobs.has(f.sha256) for f in files) else "recording_gone"


def kept_of_session(store: Store, session: str) -> dict[str, Any] | None:
    """The explanation of a session's newest analysis where it was computed before."""
    record, analysis, _ = _found(store, session)
    found = _kept(_of_session(store, record, analysis))
    return None if found is None else {**found, "session": session}


def _found(store: Store, session: str) -> tuple[SessionRecord, AnalysisRecord, list[FileRecord]]:
    with store.read() as tx:
        _, record = stored.find(tx, session)
        return record, stored.newest(rows.analyses(tx, record.id)), list(rows.files(tx, record.id))


def _of_session(store: Store, record: SessionRecord, analysis: AnalysisRecord) -> Path:
    """Named by everything that it hangs on, and by nobody's name: another analysis is another file."""
    said = [
        record.source_key, analysis.model, analysis.model_version, analysis.pipeline_hash, analysis.reading_hash,
        analysis.code_version.partition("+")[0],
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:24]
    return store.data_dir / "cache" / "explanations" / f"{digest}.json"


def _windows(
    store: Store,
    record: SessionRecord,
    analysis: AnalysisRecord,
    files: list[FileRecord],
    bundle: Bundle,
    say: Progress,
) -> tuple[Any, np.ndarray]:
    """What the model was given of a session, as its analysis saw it, and the onsets of the windows in it."""
    from core import caps, cleaning, pipeline
    from core.evaluation.explain.runs import ROWS
    from core.readers import isolation

    reading = Reading.from_dict(analysis.reading if analysis.reading is not None else record.reading)
    say(0.05, "Reading the files")
    inputs = [InputFile(f.name, str(store.blobs.fetch(f.sha256))) for f in files]
    recording = isolation.read(inputs, reading=reading, zone=settings().zone)
    settings_used = pipeline.site_pipeline(bundle.pipeline)
    recording, _ = cleaning.cleaned(recording, reading, settings_used)
    recording = caps.reduced(recording, settings_used)
    say(0.3, "Computing windows and features")
    types = tuple(bundle.required) + tuple(t for t in bundle.optional if t in recording.types)
    prepared = pipeline.features_of(recording, settings_used, types)
    used = np.flatnonzero(~pipeline.in_baseline(recording, prepared.windows) & prepared.usable(bundle.required))
    if bundle.takes == "signals":
        few = np.linspace(0, len(used) - 1, min(len(used), ROWS["signals"]))
        used = used[few.round().astype(int)]
    keep = np.isin(np.arange(len(prepared.windows)), used)
    return prepared.shown(bundle.card, keep)[0], prepared.windows.onset_s[used]


def _told(bundle: Bundle, given: Any) -> dict[str, Any]:
    """The parts of the object of ``of_session`` that the model says."""
    from core.evaluation import explain

    seen = bundle.card.seen
    columns, types = list(bundle.card.features), [explain.modality(c) for c in bundle.card.features]
    if seen.takes == "signals":
        named = [(f"{t} {name}", t) for t, names in seen.channels.items() for name in names]
        columns, types = [c for c, _ in named], [t for _, t in named]
    x = given.to_numpy(dtype=np.float64) if seen.takes == "features" else given
    found = explain.of_bundle(bundle, x, columns, types)
    if seen.takes != "sequence":
        return {"targets": {t: _target(a) for t, a in found.items()}}
    there = given["mask"]
    length = np.repeat(there.sum(axis=1), there.sum(axis=1))  # of the stretch that each window is in
    weights = {t: explain.attention(e, given) for t, e in bundle.estimators.items()}
    return {
        "targets": {t: _target(a, there) for t, a in found.items()},
        # times the number of all windows, 1 is an equal share
        "attention": {t: _plain(w[there] * length / len(length)) for t, w in weights.items() if w is not None},
    }


def _target(found: Attribution | None, there: np.ndarray | None = None) -> dict[str, Any]:
    """What is told of a target; of sequences, ``there`` is their mask: a row is a stretch of windows."""
    from core.evaluation import explain

    if found is None:
        return {"not_computed": str(Reason.NOT_SUPPORTED)}
    total = found.total if there is None else np.repeat(found.total, there.sum(axis=1))
    told: dict[str, Any] = {
        "method": found.method, "base": round(float(found.base.mean()), DIGITS), "total": _plain(total),
        "columns": _signed(dict(zip(found.columns, found.values.T, strict=True)))[: explain.TOP],
    }  # fmt: skip
    for kind in explain.BY:
        by = found.by(kind)
        told[kind] = {"rows": _signed(by), "windows": {n: _plain(v) for n, v in by.items()}}
        if found.over_time is not None:  # the windows of a stretch are told for all signals together
            told[kind]["windows"] = {"all signals": _plain(found.over_time[there])}
    return told


def _signed(by: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Mean contribution and share of the sizes by name, the largest share first."""
    from core.evaluation import explain

    return [
        {"name": r["name"], "value": round(float(by[r["name"]].mean()), DIGITS), "share": round(r["share"], DIGITS)}
        for r in explain.sizes(by)
    ]


def _plain(values: np.ndarray) -> list[float]:
    return [round(float(v), DIGITS) for v in values]


# --- kept, and as a job


def _kept(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _keep(path: Path, found: Mapping[str, Any]) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(found, allow_nan=False), encoding="utf-8")
    part.replace(path)


def last_job(store: Store, params: Mapping[str, str]) -> Job | None:
    """The newest job that explains this session or experiment."""
    return next((j for j in jobs.recent(store) if j.kind == "explain" and dict(j.params) == dict(params)), None)
