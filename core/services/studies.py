"""Studies: tables of trials over recordings; here the simulated ones."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from core.errors import Conflict, Refused
from core.storage.store import Store
from core.studies import folder, simulated
from core.studies.folder import Progress
from core.types import Study


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


def get(store: Store, name: str) -> Study:
    """A study, or NotFound (E-STUDY)."""
    return folder.load(root(store), name)


def all_studies(store: Store) -> list[dict]:
    """Name, basis, subjects, trials, targets, inputs of each study."""
    found = [get(store, name) for name in folder.names(root(store))]
    return [
        {
            "name": s.name,
            "basis": s.basis,
            "subjects": len({t.subject for t in s.trials}),
            "trials": len(s.trials),
            "targets": list(s.targets),
            "inputs": list(s.inputs),
            "simulated": s.simulated,
        }
        for s in found
    ]
