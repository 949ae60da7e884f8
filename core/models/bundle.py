"""A bundle: a folder of weights with the card that says what they are. No pickle is ever read.

``card.json`` is checked field by field, every other file by its SHA-256; a bundle without any of it does not load.
Cards are light to read. Weights are loaded on the first prediction, by ``core.models.files``.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.dsp import grid
from core.dsp.montage import LACKING_SHARE, lacking
from core.models import MODELS, drift, files
from core.models.drift import Distribution
from core.models.files import BundleError
from core.settings import CAUSAL_FEATURES, EEG_LEAST_RATE, MODELS_SHIPPED, settings
from core.types import ModelInfo, Notice, Pipeline, Recording

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Strict):
    """A score with its 95 % interval over subjects; ``n_undefined`` subjects could not be scored."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n_undefined: int = 0


class Range(_Strict):
    """The 95 % range of a coin that knows nothing."""

    low: float
    high: float


class Calibrator(_Strict):
    """p = 1 / (1 + exp(-(slope x + intercept))) of the logit x of the model's own probability of High."""

    slope: float
    intercept: float


class Target(_Strict):
    """What one number means: which way High lies, scale and cut of the labels, fitted cut of the probability."""

    orientation: Literal["high_is_1", "high_is_0"]
    lowest: float
    highest: float
    cut: float
    calibrator: Calibrator
    threshold: float = Field(ge=0.0, le=1.0)


class Signals(_Strict):
    """Channels by type (an empty list: any channel of the type) and the rates trained on, in Hz."""

    required: dict[str, list[str]] = Field(min_length=1)
    optional: dict[str, list[str]]
    sfreq: dict[str, float]


class Fitted(_Strict):
    """Where each fitted part lies: the name of a file of the bundle, or "card"."""

    imputer: str = Field(min_length=1)
    scaler: str = Field(min_length=1)
    calibrator: str = Field(min_length=1)
    threshold: str = Field(min_length=1)


class Training(_Strict):
    """The study that was learned from; ``sha256`` is over its labels and recordings."""

    study: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    simulated: bool
    n_subjects: int
    n_trials: int
    n_windows: int
    sha256: str = Field(min_length=64, max_length=64)
    model: str
    fusion: Literal["early", "intermediate", "late"] = "early"
    seed: int


class SubjectScore(_Strict):
    """One held-out subject; AUC is null where the subject has one class only."""

    subject: str
    n_trials: int
    accuracy: float
    balanced_accuracy: float
    roc_auc: float | None
    brier: float
    threshold: float
    flipped: bool


class Evaluation(_Strict):
    """Leave one subject out, per trial, beside chance and the models that know nothing."""

    split: Literal["loso"]
    balanced_accuracy: Interval
    accuracy: Interval
    roc_auc: Interval
    chance: Range
    majority: Interval
    dummy: Interval
    majority_accuracy: float
    subjects: list[SubjectScore] = Field(min_length=1)


class ReliabilityBin(_Strict):
    """Trials whose probability fell between two edges: mean probability and share High."""

    low: float
    high: float
    n: int
    mean_p: float
    share_high: float


class Calibration(_Strict):
    """On held-out subjects: calibration error, Brier score, and how far p depends on who calibrated it (SD)."""

    ece: float
    brier: float
    spread: float = Field(ge=0.0)
    bins: list[ReliabilityBin]


class Check(_Strict):
    """One named check of the leak audit."""

    name: str
    outcome: Literal["pass", "fail", "not_checkable"]
    evidence: str


class Identity(_Strict):
    """Share of windows of other trials in which the features name the person, and what guessing reaches."""

    accuracy: float
    chance: float
    n_subjects: int
    n_windows: int


class LeakAudit(_Strict):
    """Window-level balanced accuracy under random windows less leave-one-subject-out, and the named checks.

    ``identity``: how well the features of each target name the person; older cards have it in the checks' words alone.
    """

    premium: dict[str, Interval]
    scores: dict[str, dict[str, float]]
    checks: list[Check] = Field(min_length=1)
    identity: dict[str, Identity] = Field(default_factory=dict)


class Seen(_Strict):
    """What the model sees of a recording (``core.models.seen``), and what one of its predictions is of, in words.

    Of signals: each type's channels in the order trained on, and the rate they are brought to, in Hz. Of sequences:
    the windows of the longest trial trained on, and so of the longest stretch of a session.
    """

    takes: Literal["features", "signals", "sequence"] = "features"
    channels: dict[str, list[str]] = Field(default_factory=dict)
    rates: dict[str, int] = Field(default_factory=dict)
    longest: int = Field(default=1, ge=1)
    each: str = "One probability for each window."

    @model_validator(mode="after")
    def _signals_are_named(self) -> Seen:
        if (self.takes == "signals") != bool(self.channels) or set(self.channels) != set(self.rates):
            raise ValueError("a model of signals needs channels with their rates, and no other has any")
        return self


class Subgroup(_Strict):
    """People left out who share a group of a field, such as sex: ``n`` of them, and their scores.

    A score of fewer than five people is null, and ``reason`` says so.
    """

    field: str
    group: str
    n: int = Field(ge=0)
    balanced_accuracy: Interval | None
    roc_auc: Interval | None
    reason: str = ""


class Subgroups(_Strict):
    """Results by target for the groups of people that the study names, and by what rule each field parts them.

    ``reason``: why there are none; older cards were made without.
    """

    rules: dict[str, str] = Field(default_factory=dict)
    results: dict[str, list[Subgroup]] = Field(default_factory=dict)
    reason: str = "they were not computed when this card was made"


class Card(_Strict):
    """Everything a bundle must say of itself (design 3). Its numbers are written by the evaluation.

    ``features``: the columns that the model learned from; for one of signals, those that ``drift`` looks at.
    ``seen``: what it is given of a recording; older cards are of models of features.
    ``controls``: what a score is worth where something else than the target could have made it, such as the clock.
    ``drift``: the training features, that an incoming recording is held against; older cards have none.
    ``subgroups``: how well it does for groups of people; older cards say that they have none.
    """

    name: str = Field(pattern=f"^{NAME.pattern}$")
    version: str = Field(min_length=1)
    created_at: str
    demonstration: bool
    basis: str = Field(min_length=1)
    targets: dict[str, Target] = Field(min_length=1)
    signals: Signals
    pipeline: dict[str, Any]
    pipeline_hash: str = Field(min_length=16, max_length=16)
    feature_set: str = Field(min_length=1)
    features: list[str] = Field(min_length=1)
    seen: Seen = Seen()
    fitted: Fitted
    training: Training
    loso: dict[str, Evaluation]
    calibration: dict[str, Calibration]
    subgroups: Subgroups = Subgroups()
    leak_audit: LeakAudit
    controls: dict[str, Any] | None = None
    drift: Distribution | None = None
    intended_use: str = Field(min_length=1)
    not_for: str = Field(min_length=1)
    files: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _every_target_is_documented(self) -> Card:
        for part, said in (
            ("loso", self.loso),
            ("calibration", self.calibration),
            ("leak_audit", self.leak_audit.premium),
        ):
            if set(said) != set(self.targets):
                raise ValueError(f"{part} does not cover the targets {', '.join(self.targets)}")
        model = MODELS.get(self.training.model)
        if model is not None and model.takes != self.seen.takes:
            raise ValueError(f"{self.training.model} takes {model.takes}, the card says {self.seen.takes}")
        return self


@dataclass(frozen=True)
class Bundle:
    """A card that was checked, and the weights beside it."""

    name: str
    version: str
    card: Card
    path: Path
    pipeline: Pipeline

    @property
    def info(self) -> ModelInfo:
        """What is said of the model beside its numbers; the balanced accuracy is the mean over targets."""
        scores = [e.balanced_accuracy.value for e in self.card.loso.values() if e.balanced_accuracy.value is not None]
        mean = float(np.mean(scores)) if scores else None
        return ModelInfo(self.name, self.version, self.card.basis, mean, self.card.demonstration)

    @property
    def ships(self) -> bool:
        """Whether it came with the product."""
        return self.path.parent == MODELS_SHIPPED

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets, in the order of the columns of ``predict``."""
        return tuple(self.card.targets)

    @property
    def required(self) -> dict[str, tuple[str, ...]]:
        """Channel types that must be there, with the channels needed (empty: any)."""
        return {type_: tuple(names) for type_, names in self.card.signals.required.items()}

    @property
    def optional(self) -> dict[str, tuple[str, ...]]:
        """Channel types that help but may be missing."""
        return {type_: tuple(names) for type_, names in self.card.signals.optional.items()}

    @property
    def uses(self) -> dict[str, tuple[str, ...]]:
        """Channel types that it is given where they are there, with the channels needed (empty: any)."""
        return self.optional | self.required

    @property
    def norm_mode(self) -> str:
        """How signals are scaled before features: "self" or "baseline"."""
        return self.pipeline.norm_mode

    @property
    def thresholds(self) -> dict[str, float]:
        """Cut of the probability of High, per target."""
        return {name: target.threshold for name, target in self.card.targets.items()}

    @property
    def spreads(self) -> dict[str, float]:
        """Calibration spread per target: SD of a trial's probability over the calibrators of the folds."""
        return {name: calibration.spread for name, calibration in self.card.calibration.items()}

    def fits(self, recording: Recording) -> bool:
        """Whether every required channel is in a recording, an EEG at a rate that holds the bands of its features.

        A cap is reduced to the positions needed (``core.caps``); of a larger one than they are, up to 4 of 14 may not
        be there, as many as quality lets be left out: the bundle fills them in, and a notice says so.
        """
        for type_, needed in self.required.items():
            least = EEG_LEAST_RATE if type_ == "eeg" else 0.0
            names = [s.name for s in recording.of_type(type_) if s.sfreq >= least]
            may_lack = math.floor(LACKING_SHARE * len(needed)) if type_ == "eeg" and len(names) > len(needed) else 0
            gone = lacking(names, needed) if type_ == "eeg" else set(needed) - set(names)
            if not names or len(gone) > may_lack:
                return False
        return True

    @property
    def takes(self) -> str:
        """What ``predict`` is given: "features", "signals" or "sequence" (see ``core.models.Model``)."""
        return self.card.seen.takes

    @property
    def estimators(self) -> Mapping[str, Any]:
        """The fitted estimator of each target, read once; BundleError where a file changed or a size does not fit."""
        return _weights(self.path, tuple(self.card.files.items()), self.targets, self.takes, self._sizes)

    @property
    def _sizes(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The shape of one row of what ``predict`` is given, by input."""
        seen, width = self.card.seen, len(self.card.features)
        if seen.takes == "sequence":
            return ("sequence", (seen.longest, width)), ("mask", (seen.longest,))
        if seen.takes == "features":
            return (("features", (width,)),)
        window_s = self.pipeline.window_s
        return tuple((t, (len(c), grid.n_samples(seen.rates[t], window_s))) for t, c in seen.channels.items())

    def unlike(self, features: pd.DataFrame) -> Notice | None:
        """A warning where the windows of a recording lie far from those that were trained on; None without a word."""
        known = self.card.drift
        return drift.notice(drift.compare(known, features), self.name) if known else None

    def fewer(self, recording: Recording) -> Notice | None:
        """A warning where a net was trained on more leads or sensors of a type than the recording has."""
        there = {t: len({s.name for s in recording.of_type(t)}) for t in self.card.seen.channels if t != "eeg"}
        asked = {t: len(names) for t, names in self.card.seen.channels.items() if there.get(t, len(names)) < len(names)}
        if not asked:
            return None
        what = ", ".join(f"{there[t]} of {n} {t.upper()} channels" for t, n in asked.items())
        return Notice(
            "W-CHANNELS",
            f"The recording has {what} that {self.name} was trained on. It is given silence in place of the others, "
            "and the interval of the index does not cover this.",
        )

    def predict(self, features: pd.DataFrame | Mapping[str, np.ndarray], pipeline_hash: str) -> np.ndarray:
        """Calibrated probability of High per row (a window; of sequences a stretch of them) and target.

        Parameters
        ----------
        features
            A row per window; columns are taken by name, a missing one is imputed by the bundle. For a model that
            takes signals or a sequence, its arrays by name, as ``core.models.seen.shown`` gives them.
        pipeline_hash
            Hash of the settings the features were prepared with.

        Returns
        -------
        ndarray, shape (n_rows, n_targets)

        Raises
        ------
        BundleError
            When the features were prepared under other settings than the bundle's (the mains frequency, the
            site's and not the model's, is no part of the hash), or are not what the model takes.
        """
        if pipeline_hash != self.pipeline.hash:
            raise BundleError(
                f"the features were prepared under pipeline {pipeline_hash}, the model needs {self.pipeline.hash}",
                self.name,
                "Analyse the recording again with this model.",
            )
        x: Any = features
        if isinstance(features, pd.DataFrame) != (self.takes == "features"):
            raise BundleError(f"the model takes {self.takes}, and was given something else", self.name)
        if isinstance(features, pd.DataFrame):
            x = features.reindex(columns=self.card.features).to_numpy(dtype=np.float64)
        estimators = self.estimators
        columns = []
        for name, target in self.card.targets.items():
            p = np.asarray(estimators[name].predict_proba(x))[:, 1]
            columns.append(calibrated(1 - p if target.orientation == "high_is_0" else p, target.calibrator))
        return np.column_stack(columns)


def logit(p: np.ndarray) -> np.ndarray:
    """ln(p / (1 - p)), with p kept within 1e-6 of its ends."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p) - np.log1p(-p)


def calibrated(p: np.ndarray, by: Calibrator) -> np.ndarray:
    """A model's own probability of High as the calibrator corrects it.

    Examples
    --------
    >>> calibrated(np.array([0.25, 0.75]), Calibrator(slope=1.0, intercept=0.0)).round(6)
    array([0.25, 0.75])
    """
    return 1 / (1 + np.exp(-(by.slope * logit(p) + by.intercept)))


# --- files


def load(path: Path) -> Bundle:
    """Read and check a bundle's card and the hashes of its files.

    Raises
    ------
    BundleError
        Naming the bundle and the first thing that is missing or does not match.
    """
    where = path.name
    try:
        card = Card.model_validate_json((path / "card.json").read_bytes())
    except FileNotFoundError:
        raise BundleError("the folder has no card.json", where) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "card"
        raise BundleError(f"card.json: {field}: {first['msg']}", where, "Publish the model again.") from None
    if card.name != where:
        raise BundleError(f"the card is that of {card.name}", where)
    pipeline = _pipeline(card, where)
    for name, expected in card.files.items():
        file = path / name
        if Path(name).name != name or not file.is_file():
            raise BundleError(f"{name} is missing", where, "Publish the model again.")
        if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise BundleError(f"{name} is not the file that the card describes", where, "Publish the model again.")
    if not set(card.files) & {files.TREE, files.SKOPS}:
        raise BundleError(f"no weights of a kind we read ({files.TREE}, {files.SKOPS})", where)
    for part, file_name in card.fitted:
        if file_name != "card" and file_name not in card.files:
            raise BundleError(f"the fitted {part} is said to be in {file_name}, which is not there", where)
    return Bundle(card.name, card.version, card, path, pipeline)


def _pipeline(card: Card, where: str) -> Pipeline:
    known = {f.name for f in fields(Pipeline)}
    if set(card.pipeline) != known:
        odd = ", ".join(sorted(set(card.pipeline) ^ known))
        raise BundleError(
            f"its pipeline settings are not those of this version ({odd})", where, "Train the model again."
        )
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in card.pipeline.items()}
    pipeline = Pipeline(**plain)
    if pipeline.hash != card.pipeline_hash:
        raise BundleError("its pipeline settings do not have the hash the card gives", where, "Train the model again.")
    if pipeline.features != card.feature_set:
        raise BundleError("its pipeline and its card name different feature sets", where, "Train the model again.")
    if pipeline.norm_mode == "causal" and not pipeline.features.endswith(f"/{CAUSAL_FEATURES}"):
        raise BundleError(f"its features {pipeline.features} are of another version", where, "Train the model again.")
    return pipeline


@lru_cache(maxsize=8)
def _weights(
    folder: Path,
    listed: tuple[tuple[str, str], ...],
    targets: tuple[str, ...],
    takes: str,
    sizes: tuple[tuple[str, tuple[int, ...]], ...],
) -> Mapping[str, Any]:
    """The estimators of a bundle, read once per content: one per target; what takes features must fill and scale.

    Each is asked once about a row of zeros, so that weights of other sizes than the card's are refused here.
    """
    for name, sha256 in listed:
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sha256:
            raise BundleError(f"{name} changed since the bundle was loaded", folder.name)
    estimators = files.load(folder, only=dict(listed))
    for target in targets:
        if target not in estimators or (takes == "features" and not _prepares(estimators[target])):
            raise BundleError(f"the weights have no fitted imputer and scaler for {target}", folder.name)
        if not _fits(estimators[target], takes, sizes):
            raise BundleError(f"the weights for {target} are not of the sizes that the card gives", folder.name)
    return estimators


def _fits(estimator: Any, takes: str, sizes: tuple[tuple[str, tuple[int, ...]], ...]) -> bool:
    """Whether it says something of a row of these sizes."""
    zeros = {name: np.zeros((1, *shape), dtype=bool if name == "mask" else np.float32) for name, shape in sizes}
    if takes == "sequence":
        zeros["mask"][:] = True
    try:
        p = np.asarray(estimator.predict_proba(zeros["features"] if takes == "features" else zeros))
    except (ValueError, RuntimeError, KeyError, IndexError, TypeError, AttributeError):
        return False
    return p.shape == (1, 2) and bool(np.isfinite(p).all())


def _prepares(estimator: Any) -> bool:
    """Whether it fills and scales what it is given; of late fusion, each part does."""
    parts = getattr(estimator, "estimators_", None)
    if isinstance(parts, dict):
        return all(_prepares(part) for part in parts.values())
    return {"imputer", "scaler"} <= set(getattr(estimator, "named_steps", {}))


def save(folder: Path, card: Card, estimators: Mapping[str, Any]) -> Path:
    """Write a bundle whole: into a folder beside its place, then moved there. An older one of that name is replaced.

    Parameters
    ----------
    card
        Its ``files`` are filled in here.
    estimators
        A fitted scikit-learn estimator per target.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".publish-") as temporary:
        new = Path(temporary) / folder.name
        new.mkdir()
        written = files.save(estimators, new)
        digests = {name: hashlib.sha256((new / name).read_bytes()).hexdigest() for name in written}
        where = (
            files.SKOPS if files.SKOPS in written else "card"
        )  # a net on signals is filled and scaled by the pipeline
        fitted = card.fitted.model_copy(update={"imputer": where, "scaler": where})
        full = card.model_copy(update={"files": digests, "fitted": fitted})
        text = json.dumps(full.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
        (new / "card.json").write_text(text + "\n", encoding="utf-8", newline="\n")
        load(new)
        if folder.exists():
            shutil.move(folder, Path(temporary) / "old")
        shutil.move(new, folder)
    return folder


def describe(folder: Path, card: Card) -> Path:
    """Give a bundle another card for the same weights."""
    text = json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
    part = folder / ".card.json"
    part.write_text(text + "\n", encoding="utf-8", newline="\n")
    part.replace(folder / "card.json")
    load(folder)
    return folder


def pipeline_dict(pipeline: Pipeline) -> dict[str, Any]:
    """The settings of a pipeline as a card stores them."""
    return json.loads(json.dumps(asdict(pipeline)))


# --- which are there


def folders() -> dict[str, Path]:
    """Every bundle folder by name: those the site published hide shipped ones of the same name."""
    found: dict[str, Path] = {}
    for root in (settings().data_dir / "models", MODELS_SHIPPED):
        if root.is_dir():
            for folder in sorted(root.iterdir()):
                if folder.is_dir() and not folder.name.startswith("."):
                    found.setdefault(folder.name, folder)
    return found


def available() -> list[Bundle]:
    """Bundles that load, the site's own first."""
    return [found for found in _all().values() if isinstance(found, Bundle)]


def broken() -> dict[str, str]:
    """Bundles that do not load, by name, with the reason."""
    return {name: found.text for name, found in _all().items() if isinstance(found, BundleError)}


def _all() -> dict[str, Bundle | BundleError]:
    out: dict[str, Bundle | BundleError] = {}
    for name, folder in folders().items():
        try:
            out[name] = load(folder)
        except BundleError as error:
            out[name] = error
    return out


def by_name(name: str) -> Bundle | None:
    """The bundle of a name, or None where there is none; BundleError where it does not load."""
    folder = folders().get(name)
    return load(folder) if folder else None


def choose(recording: Recording, name: str | None, preferred: Iterable[Bundle]) -> Bundle | None:
    """The bundle to use on a recording: the one named, else the first of the preferred that fits.

    None where no bundle, or not the one named, has all its required channels in the recording.
    """
    if name is not None:
        bundle = by_name(name)
        return bundle if bundle is not None and bundle.fits(recording) else None
    return next((b for b in preferred if b.fits(recording)), None)
