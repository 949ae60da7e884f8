"""What an experiment hangs on: its specification checked against the doors, its study, pipeline and configuration.

The seven of the key and the hash of everything else (study, pipeline, options) make an experiment unique.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import NotFound, Refused
from core.services.research import studies
from core.settings import CODE
from core.storage import research as rows
from core.storage.records import ExperimentRecord
from core.storage.store import Store
from core.storage.tables import canonical

if TYPE_CHECKING:
    from core.evaluation.dataset import Dataset
    from core.evaluation.experiment import Spec
    from core.types import Pipeline

Progress = Callable[[float, str], None]
FUSIONS = ("early", "intermediate", "late")
# fields of ``Spec`` beside the key
OPTIONS = ("task", "oversample", "smoothing", "flip", "aggregate", "options", "choices", "groups", "features")


@dataclass(frozen=True)
class Prepared:
    """An experiment with what it hangs on: its study, pipeline and configuration."""

    spec: Spec
    pipeline: Pipeline
    config: Mapping[str, Any]

    @classmethod
    def of(cls, store: Store, spec: Spec) -> Prepared:
        """Check the specification against the study and the doors."""
        from core.evaluation.sessions import pipeline_of
        from core.models import MODELS
        from core.models.bundle import pipeline_dict
        from core.pipeline import site_pipeline
        from core.studies import folder

        check(store, spec)
        pipeline = pipeline_of(studies.get(store, spec.study), spec.types, site_pipeline(), spec.model, spec.features)
        scores, revision = _scores(store, spec), MODELS[spec.model].revision
        config = {
            **spec.config,
            "study_sha256": folder.manifest(studies.root(store), spec.study)["sha256"],
            "pipeline": pipeline_dict(pipeline),
            "pipeline_hash": pipeline.hash,
            **({"scores": scores} if scores else {}),
            **({"model_revision": revision} if revision else {}),
        }
        return cls(spec, pipeline, config)

    @property
    def config_hash(self) -> str:
        """Of everything beside the key; the first 16 hex digits."""
        return hashlib.sha256(canonical(self.config).encode()).hexdigest()[:16]

    def key(self) -> dict[str, Any]:
        """The seven by name."""
        return dict(zip(rows.KEY, self.spec.key, strict=True))

    def stored(self, store: Store) -> ExperimentRecord | None:
        """Its row, None where it was never begun."""
        with store.read() as tx:
            return rows.by_key(tx, self.key(), self.config_hash)

    def record(self, store: Store, now: datetime) -> ExperimentRecord:
        """Its row, made where there is none."""
        with store.write() as tx:
            found = rows.by_key(tx, self.key(), self.config_hash)
            if found is None:
                new = rows.add(
                    tx, self.key(), now=now, config=dict(self.config), config_hash=self.config_hash,
                    code_version=CODE, n_folds=0,
                )  # fmt: skip
                tx.audit("experiment.start", name_of(new), at=now, model=self.spec.model)
                found = rows.get(tx, new)
            assert found is not None
            return found

    def dataset(self, store: Store, progress: Progress | None = None) -> Dataset:
        """The study's windows, prepared once and kept beside the database."""
        from core.evaluation import dataset
        from core.models import MODELS

        return dataset.prepare(
            studies.get(store, self.spec.study), self.pipeline, self.spec.types,
            signals=MODELS[self.spec.model].takes == "signals", scores=self.config.get("scores"), cache=cache(store),
            progress=progress,
        )  # fmt: skip

    def checked(self, store: Store, progress: Progress | None = None) -> Dataset:
        """``dataset``, refused where the model cannot use it or its labels are all one."""
        from core.evaluation import experiment

        made = self.dataset(store, progress)
        experiment.check(made, self.spec)
        experiment.check_varied(made, self.spec)
        return made


def spec_of(
    study: str, target: str, model: str, inputs: str, fusion: str, split: str, seed: int, options: Mapping | None
) -> Spec:
    """A specification from what was asked for; refused (E-OPTION) where it names what there is not.

    ``options["options"]`` are the model's own; their text, as on a command line, is read as the types they have.
    """
    from core.evaluation.experiment import Spec
    from core.models import MODELS
    from core.models import options as of_model

    said = {"study": study, "target": target, "model": model, "inputs": inputs, "fusion": fusion, "split": split}
    given = dict(options or {})
    unknown = set(given) - set(Spec.__dataclass_fields__)
    if unknown:
        raise Refused("E-OPTION", f"there is no option {', '.join(sorted(unknown))}", "options")
    if given.get("options") and model in MODELS:  # a model that there is not is refused by ``check``
        given["options"] = of_model.read(model, given["options"])
    return Spec.from_dict({**given, **said, "seed": seed})


def check(store: Store, spec: Spec) -> None:
    """Refuse what the study or the doors do not have, before anything is computed."""
    from core.evaluation import experiment, sessions, tasks
    from core.evaluation.dataset import check_inputs, inputs_of
    from core.evaluation.splits import SPLITS
    from core.models import MODELS

    found = studies.get(store, spec.study)
    for word, doors, code in (
        (spec.model, MODELS, "E-MODEL-KIND"), (spec.split, SPLITS, "E-SPLIT"), (spec.fusion, FUSIONS, "E-FUSION"),
    ):  # fmt: skip
        if word not in doors:
            raise NotFound(code, f"there is no {word}", code.split("-")[1].lower(), f"Use one of {', '.join(doors)}.")
    tasks.check(spec.task, spec.target, spec.study, found.targets)
    check_inputs(found, spec.types, inputs_of(found))
    usable = MODELS[spec.model].inputs
    wrong = [t for t in spec.types if usable and t not in usable]
    if wrong:
        raise Refused(
            "E-INPUTS", f"{spec.model} does not learn from {'+'.join(wrong)}", spec.inputs,
            f"It learns from {'+'.join(usable)}.",
        )  # fmt: skip
    experiment.check_options(spec)
    if spec.features:
        sessions.check_features(found, spec.model, spec.types, spec.features)


def selection(model: str, split: str) -> tuple[Mapping[str, Any], ...]:
    """What an experiment is given as its option ``choices`` so that it selects among those that its model declares.

    None for a model that selects unasked.
    """
    if split != "nested_loso":
        raise Refused("E-SELECT", f"{split} has no inner folds to select on.", "select", "Use the split nested_loso.")
    from core.evaluation.experiment import SELECTED
    from core.models import MODELS

    if model not in MODELS or model in SELECTED:
        return ()
    if not MODELS[model].choices:
        has = ", ".join(name for name, m in MODELS.items() if m.choices)
        raise Refused("E-SELECT", f"{model} has no options to select among.", "select", f"Use one of {has}.")
    return MODELS[model].choices


def oversampling(model: str) -> tuple[str, ...]:
    """The ways to oversample that a model can be trained with; rows are made for tables alone."""
    from core.evaluation.resampling import OVERSAMPLING
    from core.models import MODELS

    return tuple(how for how in OVERSAMPLING if how != "smote" or MODELS[model].takes == "features")


def options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options among everything that an experiment, or a check of one, hangs on."""
    return {name: config[name] for name in OPTIONS if name in config}


def named(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options among it that are not as usual: what results and commands have to name."""
    from core.evaluation.experiment import Spec

    usual = Spec("", "", "", "").config
    return {name: value for name, value in options(config).items() if value != usual.get(name)}


def narrowed(asked: Mapping[str, Any] | None, inputs: str) -> dict[str, Any]:
    """The options for one of several sets of inputs: a set of features is not named where its type is no input.

    Examples
    --------
    >>> narrowed({"features": "eeg258full"}, "eeg+ecg"), narrowed({"features": "eeg258full"}, "ecg")
    ({'features': 'eeg258full'}, {})
    """
    from core.features import NAMED

    given = dict(asked or {})
    if given.get("features") in NAMED and NAMED[given["features"]][0] not in inputs.split("+"):
        del given["features"]
    return given


def by_inputs(asked: Mapping[str, Any] | None, sets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``narrowed`` for each of several sets of inputs; refused (E-FEATURES) where a set of features is of none."""
    own = {inputs: narrowed(asked, inputs) for inputs in sets}
    wanted = (asked or {}).get("features")
    if wanted and not any(given.get("features") for given in own.values()):
        what = f"{wanted} is a set of features of a signal that is no input here"
        raise Refused("E-FEATURES", what, ", ".join(sets), "Leave the set of features out.")
    return own


def _scores(store: Store, spec: Spec) -> dict[str, dict[str, float]]:
    """Scores of the subjects by each group that an experiment names."""
    from core.evaluation import groups

    found = groups.scores(studies.get(store, spec.study)) if spec.groups else {}
    lacking = [g for g in spec.groups if g not in found]
    if lacking:
        raise Refused(
            "E-GROUP", f"the study has no scores {lacking[0]}.", spec.study, "Add them in Import (participants table)."
        )
    return {g: dict(sorted(found[g].items())) for g in spec.groups}


def cache(store: Store) -> Path:
    """Where prepared studies are kept; it may be removed at any time."""
    return store.data_dir / "cache" / "datasets"


def name_of(experiment_id: int) -> str:
    """How an experiment is named to people: E-0007."""
    return f"E-{experiment_id:04d}"
