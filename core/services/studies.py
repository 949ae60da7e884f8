"""Studies: tables of trials over recordings; here the simulated ones."""

from __future__ import annotations

from core.storage.store import Store
from core.types import Study


def simulate(store: Store, name: str, *, subjects: int = 23, trials: int = 18, trial_s: float = 60.0, effect: float = 0.0, seed: int = 0, inputs: str = "eeg+ecg", now, progress=None) -> Study:
    """Simulate a study with known truth and store it; Conflict (E-STUDY-EXISTS) when the name is taken by another one."""
    raise NotImplementedError


def get(store: Store, name: str) -> Study:
    """A study, or NotFound (E-STUDY)."""
    raise NotImplementedError


def all_studies(store: Store) -> list[dict]:
    """Name, basis, subjects, trials, targets, inputs of each study."""
    raise NotImplementedError
