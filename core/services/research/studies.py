"""Studies: tables of trials over recordings, simulated or imported from a corpus."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import Conflict, NotFound, Refused
from core.readers.base import visible
from core.services.clinic import drafts
from core.simulate import TRIAL_SD
from core.storage.store import Store
from core.studies import STUDIES, folder, listing, simulated
from core.studies.folder import Progress
from core.types import InputFile, LeftOut, Recording, Study, Trial


def root(store: Store) -> Path:
    """Where studies lie."""
    return store.data_dir / "studies"


def simulate(
    store: Store,
    name: str,
    *,
    subjects: int = 23,
    trials: int = 18,
    trial_s: float = 60.0,
    effect: float = 0.0,
    seed: int = 0,
    inputs: str = "eeg+ecg",
    trial_sd: float = TRIAL_SD,
    now: datetime,
    progress: Progress | None = None,
) -> Study:
    """Simulate a study with known truth and store it; ``trial_sd`` is the size of the trial effect.

    The same call again returns the study that is there; Conflict (E-STUDY-EXISTS) when the name is taken by another.
    """
    if inputs not in ("eeg", "ecg", "eeg+ecg"):
        raise Refused("E-INPUTS", f"{inputs} cannot be simulated", "inputs", "Use eeg, ecg or eeg+ecg.")
    sizes = -10.0 <= effect <= 10.0 and 0.0 <= trial_sd <= 10.0  # nan lies in no range
    if subjects < 1 or trials < 1 or not 5.0 <= trial_s <= 3600.0 or seed < 0 or not sizes:
        raise Refused(
            "E-STUDY-SIZE", "no study of such sizes can be simulated.", name, "Give at least one subject and one trial "
            "of 5 s to one hour, a seed from 0 on, an effect of -10 to 10 and a trial effect of 0 to 10.",
        )  # fmt: skip
    source = simulated.source(
        subjects=subjects, trials=trials, trial_s=float(trial_s), effect=float(effect), seed=seed, inputs=inputs,
        trial_sd=float(trial_sd),
    )  # fmt: skip
    if folder.check_name(name) in folder.names(root(store)):
        if folder.manifest(root(store), name)["made_by"] != source.made_by:
            raise Conflict("E-STUDY-EXISTS", "there is another study of this name", name, "Choose another name.")
        return get(store, name)
    study = folder.write(root(store), name, source, progress)
    with store.write() as tx:
        tx.audit("study.simulate", name, at=now)
    return study


CORPORA = tuple(kind for kind in STUDIES if kind != "simulated")


def import_(
    store: Store,
    kind: str,
    path: Path,
    name: str,
    *,
    mapping: Mapping[str, str] | None = None,
    now: datetime,
    progress: Progress | None = None,
) -> Study:
    """Import a corpus that lies on this machine and store it as a study.

    The same call again returns the study that is there; one that was interrupted goes on where it ended.

    Parameters
    ----------
    kind : str
        One of ``CORPORA``.
    path : Path
        The file or folder of the corpus.
    mapping : mapping, optional
        What to do with a column that names people: "drop", "pseudonym" or "keep".

    Raises
    ------
    Refused
        E-PRIVATE when a table names people, in the columns it says; E-STUDY-EMPTY when no trial could be taken.
    Conflict
        E-STUDY-EXISTS when another study has the name, E-STUDY-BUSY while the same is being imported.
    """
    if kind not in CORPORA:
        raise Refused("E-CORPUS", f"{kind} is no corpus that is read.", "corpus", f"Use one of {', '.join(CORPORA)}.")
    folder.check_name(name)
    if not path.exists():
        raise NotFound("E-STUDY-PATH", "there is no such file or folder.", path.name, "Check the name and the folder.")
    if progress:
        progress(0.0, "Reading the tables")
    source = STUDIES[kind](path, dict(mapping or {}))
    if name in folder.names(root(store)):
        if folder.manifest(root(store), name)["made_by"] != dict(source.made_by):
            raise Conflict("E-STUDY-EXISTS", "there is another study of this name", name, "Choose another name.")
        return get(store, name)
    study = folder.write(root(store), name, source, progress)
    with store.write() as tx:
        tx.audit("study.import", name, at=now)
    return study


# ------------------------------------------------------------------------------------------------ from a page
# what an uploaded zip may hold (security 1: the limits of an import are its own)
ZIP_ENTRIES, ZIP_BYTES = 20_000, 2 * 2**30
_UNPACKED = "unpacked"


def import_folder(store: Store) -> Path:
    """The one folder of this machine that a page imports from; made when it is not there."""
    folder_ = store.data_dir / "import"
    folder_.mkdir(parents=True, exist_ok=True)
    return folder_


def offered(store: Store) -> list[str]:
    """What lies in the import folder, two levels deep, named from it."""
    top = import_folder(store)
    found = [p for p in sorted(top.glob("*")) + sorted(top.glob("*/*")) if not p.name.startswith(".")]
    return sorted(p.relative_to(top).as_posix() for p in found)[:1000]


def locate(store: Store, params: Mapping[str, Any]) -> Path:
    """Where the corpus of a job lies: a path of the command line, a name in the import folder, or an uploaded zip."""
    if "draft" in params:
        return _unpacked(store, str(params["draft"]))
    if "at" not in params:
        return Path(params["path"])
    at = Path(str(params["at"]))
    if at.is_absolute() or ".." in at.parts or not (import_folder(store) / at).exists():
        raise NotFound("E-STUDY-PATH", "there is nothing of this name in the import folder.", at.name, "Choose again.")
    return import_folder(store) / at


def _unpacked(store: Store, draft: str) -> Path:
    """The folder of an uploaded zip, unpacked once; one folder that holds everything is that folder."""
    from core.readers import archive

    [file] = drafts.draft(store, draft).files
    place = Path(file.path).parent / _UNPACKED
    if not place.is_dir():
        part = place.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            archive.unpack(file, part, entries=ZIP_ENTRIES, total=ZIP_BYTES)
            part.replace(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    inside = [p for p in place.iterdir() if not p.name.startswith((".", "__MACOSX"))]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else place


def plan(store: Store, kind: str, path: Path, name: str, *, mapping: Mapping[str, str] | None = None) -> dict:
    """What an import would take, without reading a signal: subjects, trials, labels, and what would be left out.

    Where a table names people, ``private`` says the table and its columns, and there is nothing else yet.
    """
    if kind not in CORPORA:
        raise Refused("E-CORPUS", f"{kind} is no corpus that is read.", "corpus", f"Use one of {', '.join(CORPORA)}.")
    folder.check_name(name)
    if name in folder.names(root(store)):
        raise Conflict("E-STUDY-EXISTS", "there is a study of this name", name, "Choose another name.")
    try:
        source = STUDIES[kind](path, dict(mapping or {}))
    except listing.NamesPeople as found:
        return {"private": {"table": found.where, "columns": list(found.columns)}}
    trials = list(source.trials)
    groups: dict[str, set[str]] = {}
    for trial in trials:
        for group, value in trial.groups.items():
            groups.setdefault(group, set()).add(value)
    return {
        "subjects": len({t.subject for t in trials}),
        "trials": len(trials),
        "basis": source.basis,
        "licence": source.licence,
        "scales": _scales(source.targets, source.high),
        "rated": {t: sum(t in trial.labels for trial in trials) for t in source.targets},
        "groups": {group: len(values) for group, values in groups.items()},
        "notes": list(source.notes),
        "left_out": _left_out(source.left_out),
    }


def add_groups(store: Store, name: str, table: InputFile, *, now: datetime) -> dict[str, int]:
    """Groups of the subjects of a study, such as EI, from a CSV ``subject, group_<name>...``: subjects by group.

    Raises
    ------
    Refused
        E-PRIVATE when a column names people, E-SUBJECT for a subject the study has not, E-COLUMNS without a group.
    """
    study = get(store, name)
    try:
        rows = listing.read(Path(table.path))
        listing.needs(rows, ("subject",), table.name)
        rows = listing.cleared(rows, table.name, {}, "subject")
    except listing.NamesPeople as found:
        raise Refused(found.code, found.what, table.name, "Leave them out of the table.") from found
    except Refused as refused:
        raise Refused(refused.code, refused.what, table.name, refused.what_to_do) from refused
    columns = [c for c in rows.columns if c.startswith("group_")]
    known = {t.subject for t in study.trials}
    unknown = sorted(set(rows.subject) - known)
    if not columns:
        raise Refused("E-COLUMNS", "it has no column group_<name>.", table.name, "Name a column such as group_ei.")
    if unknown:
        raise Refused(
            "E-SUBJECT", f"the study has no subject {visible(unknown[0])}, and {len(unknown) - 1} more.", table.name,
            f"Its subjects are named like {sorted(known)[0]}.",
        )  # fmt: skip
    if len(set(rows.subject)) < len(rows):
        raise Refused("E-SUBJECT", "a subject stands in it twice.", table.name, "Give each subject one row.")
    given = {
        row["subject"]: {c.removeprefix("group_"): row[c] for c in columns if not listing.is_missing(row[c])}
        for row in rows.to_dict("records")
    }
    folder.regroup(root(store), name, given)
    with store.write() as tx:
        tx.audit("study.groups", name, at=now, reason=", ".join(c.removeprefix("group_") for c in columns))
    return {c.removeprefix("group_"): sum(c.removeprefix("group_") in g for g in given.values()) for c in columns}


def _scales(targets: Mapping[str, tuple[float, float, float]], high: Mapping[str, str]) -> dict[str, dict]:
    return {
        t: {"lowest": low, "highest": top, "cut": cut, "high": high.get(t, ">")}
        for t, (low, top, cut) in targets.items()
    }


def _left_out(found: Sequence[LeftOut]) -> list[dict[str, str]]:
    return [{"subject": x.subject, "trial": x.trial, "code": x.code, "text": x.text} for x in found]


def summary(study: Study) -> dict:
    """A study in plain values, with everything that was left out of it."""
    from core.evaluation.dataset import no_features

    return {
        "study": study.name,
        "basis": study.basis,
        "simulated": study.simulated,
        "n_subjects": len({t.subject for t in study.trials}),
        "n_trials": len(study.trials),
        "targets": list(study.targets),
        "inputs": list(study.inputs),
        "licence": study.licence,
        "scales": _scales(study.targets, study.high),
        "bands_hz": {t: list(band) for t, band in study.bands.items()},
        "notes": [*study.notes, *filter(None, (no_features(study),))],
        "left_out": _left_out(study.left_out),
    }


def get(store: Store, name: str) -> Study:
    """A study, or NotFound (E-STUDY)."""
    return folder.load(root(store), name)


def recording(trial: Trial) -> Recording:
    """The recording of a trial, or Refused (E-NO-RECORDING) where it is a row of ready features."""
    return folder.recording(trial)


def licence_text(store: Store, name: str) -> str:
    """The licence that lay beside a study when it was imported, empty where none did."""
    path = root(store) / folder.check_name(name) / folder.LICENCE
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def all_studies(store: Store) -> list[dict]:
    """Name, basis, subjects, trials, targets, inputs of each study, and how many trials were left out."""
    found = [get(store, name) for name in folder.names(root(store))]
    return [{**_line(s), "left_out": len(s.left_out)} if s.left_out else _line(s) for s in found]


def _line(s: Study) -> dict:
    return {
        "name": s.name,
        "basis": s.basis,
        "subjects": len({t.subject for t in s.trials}),
        "trials": len(s.trials),
        "targets": list(s.targets),
        "inputs": list(s.inputs),
        "simulated": s.simulated,
        "licence": s.licence,
    }
