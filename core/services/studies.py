"""Studies: tables of trials over recordings, simulated or imported from a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from core.errors import Conflict, NotFound, Refused
from core.storage.store import Store
from core.studies import STUDIES, folder, simulated
from core.studies.folder import Progress
from core.types import Recording, Study, Trial


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
    now: datetime,
    progress: Progress | None = None,
) -> Study:
    """Simulate a study with known truth and store it.

    The same call again returns the study that is there; Conflict (E-STUDY-EXISTS) when the name is taken by another.
    """
    if inputs not in ("eeg", "ecg", "eeg+ecg"):
        raise Refused("E-INPUTS", f"{inputs} cannot be simulated", "inputs", "Use eeg, ecg or eeg+ecg.")
    if subjects < 1 or trials < 1 or not 5.0 <= trial_s <= 3600.0 or seed < 0:
        raise Refused(
            "E-STUDY-SIZE", "a study has at least one subject and trial of 5 s to one hour, and a seed from 0 on", name
        )
    source = simulated.source(
        subjects=subjects, trials=trials, trial_s=float(trial_s), effect=float(effect), seed=seed, inputs=inputs
    )
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
        progress(0.0, "reading the tables")
    source = STUDIES[kind](path, dict(mapping or {}))
    if name in folder.names(root(store)):
        if folder.manifest(root(store), name)["made_by"] != dict(source.made_by):
            raise Conflict("E-STUDY-EXISTS", "there is another study of this name", name, "Choose another name.")
        return get(store, name)
    study = folder.write(root(store), name, source, progress)
    with store.write() as tx:
        tx.audit("study.import", name, at=now)
    return study


def summary(study: Study) -> dict:
    """A study in plain values, with everything that was left out of it."""
    return {
        "study": study.name,
        "basis": study.basis,
        "simulated": study.simulated,
        "n_subjects": len({t.subject for t in study.trials}),
        "n_trials": len(study.trials),
        "targets": list(study.targets),
        "inputs": list(study.inputs),
        "licence": study.licence,
        "scales": {
            t: {"lowest": low, "highest": high, "cut": cut, "high": study.high.get(t, ">")}
            for t, (low, high, cut) in study.targets.items()
        },
        "bands_hz": {t: list(band) for t, band in study.bands.items()},
        "notes": list(study.notes),
        "left_out": [{"subject": x.subject, "trial": x.trial, "code": x.code, "text": x.text} for x in study.left_out],
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
    }
