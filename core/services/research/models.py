"""Models: the bundles that may predict here, their cards, and who approved or retired them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Refused
from core.models import bundle as bundles
from core.models.bundle import Bundle, BundleError, Card
from core.services import approval
from core.services.approval import approve, find, history, retire
from core.services.research import audits, experiments
from core.services.research.model_changes import what_would_change
from core.settings import MODELS_SHIPPED, PREDICTIONS, settings
from core.storage.records import ModelDecisionRecord
from core.storage.store import Store
from core.studies import folder
from core.studies.folder import Progress
from core.types import ModelInfo

if TYPE_CHECKING:
    from core.evaluation.dataset import Dataset
    from core.evaluation.experiment import FoldResult, Spec

__all__ = [
    "approve", "available", "card", "controls", "decisions", "history", "info", "kinds", "limits", "reporting",
    "retire", "train", "trainable", "what_would_change",
]  # fmt: skip


def available(store: Store) -> list[dict]:
    """Every bundle, those that load first.

    name, version, targets, inputs, basis, balanced_accuracy (mean over targets), scores {target: {value, low, high}},
    demonstration, path kind (shipped or site), state (approved, retired, draft, locked), default (whether it is the one
    that is used, unnamed, on a recording of just its signals), why (it has this state), who and at (of the decision,
    None where nobody decided), problem ("" or why it is locked).
    """
    decisions, installed = history(store), approval.installed(store)
    rows = [
        {
            "name": b.name,
            "version": b.version,
            "targets": list(b.targets),
            "inputs": list(b.required),
            "basis": b.card.basis,
            "balanced_accuracy": b.info.balanced_accuracy,
            "scores": {
                t: e.balanced_accuracy.model_dump(include={"value", "low", "high"}) for t, e in b.card.loso.items()
            },
            "demonstration": b.card.demonstration,
            "path_kind": _kind(b.name),
            **_standing(b, decisions),
            "default": next((x.name for x in installed if set(x.required) <= set(b.required)), None) == b.name,
            "problem": "",
        }
        for b in bundles.available()
    ]
    unknown: dict[str, Any] = {
        "version": "", "targets": [], "inputs": [], "basis": "", "balanced_accuracy": None, "scores": {},
        "demonstration": False, "state": "locked", "why": "it does not load", "who": None, "at": None,
        "default": False,
    }  # fmt: skip
    return rows + [
        {"name": name, **unknown, "path_kind": _kind(name), "problem": problem}
        for name, problem in bundles.broken().items()
    ]


def _standing(bundle: Bundle, decisions: Sequence[ModelDecisionRecord]) -> dict[str, Any]:
    """The state of a bundle and how it came to it."""
    found = approval.decided(bundle, decisions)
    if found is not None:
        return {"state": found.state, "why": found.why, "who": found.who, "at": found.at.isoformat()}
    return {"state": approval.state(bundle, decisions), "who": None, "at": None, "why": _as_published(bundle)}


def _as_published(bundle: Bundle) -> str:
    """Why a bundle that nobody decided on has its state."""
    checks = bundle.card.leak_audit.checks
    leaks, open_ = approval.failed(bundle), sum(c.outcome == "not_checkable" for c in checks)
    if leaks:
        return f"published, but its leak audit failed in: {', '.join(leaks)}"
    clean = f"published with LOSO and a clean leak audit (none of {len(checks)} checks failed"
    return f"{clean}, {open_} could not be made)" if open_ else f"{clean})"


def kinds() -> dict[str, str]:
    """Title of every kind of model that can be trained and published, by name: all but those that know nothing."""
    from core.models import MODELS

    return {name: model.title for name, model in MODELS.items() if model.calibrate}


def trainable(store: Store, study: str, model: str) -> tuple[list[str], list[str]]:
    """The targets and the channel types of a study that a kind of model can be published with."""
    from core.models import MODELS

    found, known = folder.load(store.data_dir / "studies", study), MODELS[model].inputs
    return [t for t in PREDICTIONS if t in found.targets], [t for t in found.inputs if not known or t in known]


def card(store: Store, name: str) -> dict:
    """A bundle's card as stored, or NotFound (E-MODEL)."""
    return find(name).card.model_dump(mode="json")


def info(store: Store, name: str) -> ModelInfo:
    """Name, version, basis and LOSO balanced accuracy of a bundle."""
    return find(name).info


def train(
    store: Store,
    study: str,
    targets: list[str],
    model: str,
    inputs: str,
    *,
    publish: str | None,
    fusion: str = "early",
    seed: int = 0,
    features: str = "",
    now: datetime,
    progress: Progress | None = None,
) -> dict:
    """Write a card from the stored evaluation of a study, and publish as a bundle when named.

    What is not stored yet runs here first: LOSO as the experiments of ``evaluate``, each fold stored as it ends; the
    leak audit of ``leak-audit`` is taken where it is stored, else a shorter one (random windows and LOSO, the same
    checks) is made for the card. Publishing under a name that is taken replaces that bundle; when anything in the
    card changed, its version is one more, and histories of the two are not compared. A set of ``features`` of the EEG
    that is named goes with the model: the clinic computes it of every recording. Returns the card.

    Raises
    ------
    Refused
        E-EXPERIMENT-PARTIAL where folds of LOSO failed, E-PUBLISH without a score of LOSO or a leak audit of every
        target.
    """
    from core.evaluation import train as training
    from core.models import MODELS
    from core.pipeline import site_pipeline

    name = publish or "unpublished"
    if not bundles.NAME.fullmatch(name):
        raise Refused("E-MODEL-NAME", "this is no name for a model", name, "Use 1-63 small letters, digits or -.")
    if publish and model in MODELS and model not in kinds():
        raise Refused(
            "E-PUBLISH", f"{model} knows nothing of the signals, so it is not published", name,
            f"Use one of {', '.join(kinds())}; evaluate shows what {model} reaches.",
        )  # fmt: skip
    unknown = [t for t in targets if t not in PREDICTIONS]
    if publish and unknown:
        raise Refused(
            "E-TARGET", f"{', '.join(unknown)} is no measure that a person is followed by", study,
            f"Publish {', '.join(PREDICTIONS)}; evaluate takes any target.",
        )  # fmt: skip
    root = store.data_dir / "studies"
    made, estimators = training.train(
        folder.load(root, study), folder.manifest(root, study)["sha256"], name, list(dict.fromkeys(targets)), model,
        tuple(inputs.split("+")), site_pipeline(), fusion=fusion, seed=seed, named=features,
        now=now, progress=progress,
        evaluated=partial(_loso, store, study, now), audited=partial(_audit, store, study),
        cache=experiments.cache(store),
    )  # fmt: skip
    if publish:
        _publishable(made)
        place = settings().data_dir / "models" / name
        made = made.model_copy(update={"version": _version(made)})
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
    from core.evaluation.train import rounded
    from core.evaluation.validity import stress_controls

    bundle = find(name)
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


def _loso(
    store: Store, study: str, now: datetime, dataset: Dataset, spec: Spec, progress: Progress
) -> Sequence[FoldResult]:
    """The stored folds of leaving one subject out, run first where they are not there."""
    made = experiments.evaluate(
        store, study, spec.target, spec.model, spec.inputs, fusion=spec.fusion, seed=spec.seed,
        options={"features": spec.features}, now=now, progress=progress,
    )  # fmt: skip
    return experiments.opened(store, made["experiment"])[2]


def _audit(store: Store, study: str, dataset: Dataset, spec: Spec) -> dict | None:
    """The stored leak audit of what is trained, None where there is none."""
    return audits.stored_audit(
        store, study, spec.target, spec.model, spec.inputs, fusion=spec.fusion, seed=spec.seed,
        options={"features": spec.features},
    )  # fmt: skip


def _publishable(made: Card) -> None:
    """Refuse a card that lacks LOSO or a leak audit of one of its targets."""
    for target in made.targets:
        loso, premium = made.loso.get(target), made.leak_audit.premium.get(target)
        lacking = {
            "a score of leaving one subject out": loso is None or loso.balanced_accuracy.value is None,
            "a leak audit": premium is None or premium.value is None
            or not any(c.name.startswith(f"{target}: ") and c.outcome != "not_checkable"
                       for c in made.leak_audit.checks),
        }  # fmt: skip
        what = [words for words, lacks in lacking.items() if lacks]
        if what:
            raise Refused(
                "E-PUBLISH", f"{target} has not {' and '.join(what)}, so it is not published", made.name,
                "Run evaluate and leak-audit on a study that has labels on both sides in several subjects.",
            )  # fmt: skip


def decisions(store: Store, name: str) -> list[dict[str, str]]:
    """Who approved or retired which version of a model, when and why, newest first: version, state, why, who, at."""
    return [
        {"version": d.version, "state": d.state, "why": d.why, "who": d.who, "at": d.at.isoformat()}
        for d in reversed(history(store, name))
    ]


def reporting(store: Store, name: str) -> dict[str, list[dict]]:
    """The reporting checklist of a model's targets, from the experiments that its card was written from.

    Only those that are stored here, on the same data; a shipped model has none.
    """
    from core.services.research import validity

    told = find(name).card
    key = (told.training.study, "+".join(told.signals.required), told.training.model, told.training.seed)
    found: dict[str, list[dict]] = {}
    for line in experiments.all_experiments(store):
        same = (line.study, line.inputs, line.model, line.seed) == key and line.data_hash == told.training.sha256[:16]
        plain = (line.split, line.fusion, line.task, line.state) == ("loso", told.training.fusion, "binary", "done")
        features = (line.config.get("pipeline") or {}).get("features")
        usual = features == told.feature_set and not experiments.named(line.config).keys() - {"features"}
        if same and plain and usual and line.target in told.targets:
            found.setdefault(line.target, validity.checklist(store, line.id)["axes"])
    return {target: found[target] for target in told.targets if target in found}


def limits(card: Mapping[str, Any]) -> dict[str, str]:
    """What the controls of a card say of its limits, in words by control."""
    told = card.get("controls") or {}
    said = {}
    if "calm_only" in told:
        calm = told["calm_only"]
        said["calm_only"] = (
            f"Of a session without any stressor {calm['flagged']:.0%} of windows are flagged (median person "
            f"{calm['median']:.0%}, worst quarter {calm['worst_quarter']:.0%})."
        )
    if "restarted" in told:
        begun, whole = (told["restarted"][k]["value"] for k in ("roc_auc", "same_windows_from_the_start"))
        said["restarted"] = f"A recording begun later, at a rest, loses: AUC {begun:.2f} in place of {whole:.2f}."
    if "cross_stressor" in told:
        each = ", ".join(f"{name.replace('_', ' ')} {v['value']:.2f}" for name, v in told["cross_stressor"].items())
        said["cross_stressor"] = f"On a stressor that it did not learn: AUC {each}."
    return said


def _version(made: Card) -> str:
    """The version of the bundle of that name when the new card says the same, else one more."""
    try:
        old = bundles.load(bundles.folders()[made.name]).card
    except (BundleError, KeyError):
        return "1"
    aside = {"version", "created_at", "files"}
    if old.model_dump(exclude=aside) == made.model_dump(exclude=aside):
        return old.version
    return str(int(old.version) + 1) if old.version.isdigit() else f"{old.version}.1"


def _kind(name: str) -> str:
    return "shipped" if bundles.folders()[name].parent == MODELS_SHIPPED else "site"
