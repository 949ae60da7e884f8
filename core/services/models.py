"""Models: the bundles that may predict here, and their cards."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import NotFound, Refused
from core.models import bundle as bundles
from core.models.bundle import Bundle, BundleError, Card
from core.settings import MODELS_SHIPPED, settings
from core.storage.store import Store
from core.studies import folder
from core.studies.folder import Progress
from core.types import ModelInfo


def available(store: Store) -> list[dict]:
    """Every bundle, those that load first.

    name, version, targets, inputs, basis, balanced_accuracy, demonstration, path kind (shipped or site), problem
    ("" or why it is locked).
    """
    rows = [
        {
            "name": b.name,
            "version": b.version,
            "targets": list(b.targets),
            "inputs": list(b.required),
            "basis": b.card.basis,
            "balanced_accuracy": b.info.balanced_accuracy,
            "demonstration": b.card.demonstration,
            "path_kind": _kind(b.name),
            "problem": "",
        }
        for b in bundles.available()
    ]
    unknown: dict[str, Any] = {
        "version": "", "targets": [], "inputs": [], "basis": "", "balanced_accuracy": None, "demonstration": False,
    }  # fmt: skip
    return rows + [
        {"name": name, **unknown, "path_kind": _kind(name), "problem": problem}
        for name, problem in bundles.broken().items()
    ]


def card(store: Store, name: str) -> dict:
    """A bundle's card as stored, or NotFound (E-MODEL)."""
    return _find(name).card.model_dump(mode="json")


def info(store: Store, name: str) -> ModelInfo:
    """Name, version, basis and LOSO balanced accuracy of a bundle."""
    return _find(name).info


def train(
    store: Store,
    study: str,
    targets: list[str],
    model: str,
    inputs: str,
    *,
    publish: str | None,
    seed: int = 0,
    now: datetime,
    progress: Progress | None = None,
) -> dict:
    """Train on a study with LOSO, write the card from the evaluation, publish as a bundle when named.

    Publishing under a name that is taken replaces that bundle; when anything in the card changed, its version is one
    more, and histories of the two are not compared. Returns the card.
    """
    from core.evaluation import train as training
    from core.pipeline import site_pipeline

    name = publish or "unpublished"
    if not bundles.NAME.fullmatch(name):
        raise Refused("E-MODEL-NAME", "this is no name for a model", name, "Use 1-63 small letters, digits or -.")
    root = store.data_dir / "studies"
    made, estimators = training.train(
        folder.load(root, study), folder.manifest(root, study)["sha256"], name, list(dict.fromkeys(targets)), model,
        tuple(inputs.split("+")), site_pipeline(), seed=seed, now=now, progress=progress,
    )  # fmt: skip
    if publish:
        place = settings().data_dir / "models" / name
        made = made.model_copy(update={"version": _version(made, place)})
        bundles.save(place, made, estimators)
        made = bundles.load(place).card
        with store.write() as tx:
            tx.audit("model.publish", f"{name}/{made.version}", at=now, model=name)
    return made.model_dump(mode="json")


def controls(
    store: Store,
    name: str,
    study: str,
    *,
    transfer: Path | None = None,
    now: datetime,
    progress: Progress | None = None,
) -> dict:
    """Put a stress model to its controls (clock, movement, other stressor, restart, calm) and write them on its card.

    Parameters
    ----------
    study
        The study that it was trained on, with the same recordings.
    transfer
        Folder of Freihaut and Göritz 2021, for people of another laboratory.

    Returns
    -------
    dict
        The controls.
    """
    from core.evaluation import stress_controls
    from core.evaluation.train import rounded

    bundle = _find(name)
    root = store.data_dir / "studies"
    training = bundle.card.training
    if folder.manifest(root, study)["sha256"] != training.sha256:
        raise Refused("E-CONTROLS", "the model was trained on another study", study, f"It learned {training.study}.")
    types, target = tuple(bundle.required), bundle.targets[0]
    found = stress_controls.controls(
        folder.load(root, study), target, bundle.pipeline, types, model=training.model, seed=training.seed,
        progress=progress,
    )  # fmt: skip
    if transfer is not None:
        found["transfer"] = stress_controls.transfer(
            transfer, lambda table: bundle.predict(table, bundle.pipeline.hash)[:, 0], types
        )
    bundles.describe(bundle.path, rounded(bundle.card.model_copy(update={"controls": found})))
    with store.write() as tx:
        tx.audit("model.controls", f"{name}/{bundle.version}", at=now, model=name)
    return card(store, name)["controls"]


def _version(made: Card, place: Path) -> str:
    """The version of the bundle that lies there when the new card says the same, else one more."""
    try:
        old = bundles.load(place).card
    except BundleError:
        return "1"
    aside = {"version", "created_at", "files"}
    if old.model_dump(exclude=aside) == made.model_dump(exclude=aside):
        return old.version
    return str(int(old.version) + 1) if old.version.isdigit() else f"{old.version}.1"


def _find(name: str) -> Bundle:
    found = bundles.by_name(name)
    if found is None:
        known = ", ".join(b.name for b in bundles.available()) or "none"
        raise NotFound("E-MODEL", "there is no model of this name", name, f"Installed: {known}.")
    return found


def _kind(name: str) -> str:
    return "shipped" if bundles.folders()[name].parent == MODELS_SHIPPED else "site"
