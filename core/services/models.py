"""Models: the bundles that may predict here, and their cards."""

from __future__ import annotations

from core.storage.store import Store
from core.types import ModelInfo


def available(store: Store) -> list[dict]:
    """Every bundle: name, version, targets, inputs, basis, balanced_accuracy, demonstration, path kind (shipped or site), problem ("" or why it is locked)."""
    raise NotImplementedError


def card(store: Store, name: str) -> dict:
    """A bundle's card as stored, or NotFound (E-MODEL)."""
    raise NotImplementedError


def train(store: Store, study: str, targets: list[str], model: str, inputs: str, *, publish: str | None, seed: int = 0, now, progress=None) -> dict:
    """Train on a study with LOSO, write the card from the evaluation, publish as a bundle when named."""
    raise NotImplementedError


def info(store: Store, name: str) -> ModelInfo:
    """Name, version, basis and LOSO balanced accuracy of a bundle."""
    raise NotImplementedError
