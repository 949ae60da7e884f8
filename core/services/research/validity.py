"""Whether a result can be believed: controls beside the leak audit, each run once and stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Refused
from core.services.research import experiments, studies
from core.services.research.audits import key_of, once
from core.services.research.experiments import Prepared
from core.storage.store import Store
from core.types import Study

if TYPE_CHECKING:
    import pandas as pd

    from core.evaluation.dataset import Dataset
    from core.evaluation.experiment import Spec

Progress = Callable[[float, str], None]
# counts up when what is computed changes, so that older results stay beside newer ones
VERSION = 2


def stimulus(
    store: Store, study: str, target: str, model: str, inputs: str, *, fusion: str = "early", seed: int = 0,
    features: str = "", now: datetime, progress: Progress | None = None,
) -> dict:  # fmt: skip
    """The stimulus premium: unseen people on clips that others were seen with, less on clips of nobody."""
    from core.evaluation.validity import stimulus as of

    prepared = _prepared(store, study, target, model, inputs, fusion, seed, features)

    def make() -> dict:
        say = _say(progress)
        dataset = prepared.checked(store, lambda share, words: say(0.3 * share, words))
        found = of.premium(dataset, prepared.spec, progress=lambda share, words: say(0.3 + 0.7 * share, words))
        named = any("stimulus" in t.groups for t in studies.get(store, study).trials)
        note = "" if named else "The study names no stimulus: trials of one name were taken for the same clip."
        return {**_named(prepared.spec), **found, "note": note}

    return _stored(store, "stimulus", prepared, {}, make, now)


def surrogates(
    store: Store, study: str, target: str, model: str, inputs: str, *, fusion: str = "early", seed: int = 0,
    features: str = "", now: datetime, progress: Progress | None = None,
) -> dict:  # fmt: skip
    """The same pipeline on signals whose order, wave form or spectrum was taken away."""
    from core.evaluation import dataset as datasets
    from core.evaluation.validity import surrogates as of
    from core.models import MODELS

    prepared = _prepared(store, study, target, model, inputs, fusion, seed, features)
    spec, pipeline = prepared.spec, prepared.pipeline
    if pipeline.norm_mode == "causal" or not set(spec.types) & set(studies.get(store, study).inputs):
        what = "surrogates need recorded signals that are windows of one trial"
        raise Refused("E-SURROGATE", what, study, "Choose inputs that were recorded, of a study of EEG or ECG.")

    def make() -> dict:
        say = _say(progress)
        made = {"original": prepared.checked(store, lambda share, words: say(0.2 * share, words))}
        for i, kind in enumerate(of.SURROGATES):
            if MODELS[model].takes == "signals":
                made[kind] = of.of_windows(made["original"], kind, seed)
                continue

            def part(share: float, words: str, i: int = i, kind: str = kind) -> None:
                say(0.2 + 0.2 * (i + share), f"{kind}: {words}")

            made[kind] = datasets.prepare(
                studies.get(store, study), pipeline, spec.types,
                change=of.change(kind, seed, pipeline, spec.types), progress=part,
            )  # fmt: skip
        say(0.8, "five folds of each")
        return {**_named(spec), **of.scores(made, spec)}

    return _stored(store, "surrogates", prepared, {}, make, now)


def control(
    store: Store, study: str, target: str, model: str, inputs: str, *, fusion: str = "early", seed: int = 0,
    features: str = "", now: datetime, progress: Progress | None = None,
) -> dict:  # fmt: skip
    """The positive control: which size of a planted difference this pipeline finds on this study."""
    from core.evaluation.validity import control as of

    prepared = _prepared(store, study, target, model, inputs, fusion, seed, features)

    def make() -> dict:
        say = _say(progress)
        dataset = prepared.checked(store, lambda share, words: say(0.3 * share, words))
        found = of.control(dataset, prepared.spec, progress=lambda share, words: say(0.3 + 0.7 * share, words))
        return {**_named(prepared.spec), **found}

    return _stored(store, "control", prepared, {"sizes": list(of.SIZES), "draws": of.DRAWS}, make, now)


def confounds(
    store: Store, study: str, target: str, model: str, inputs: str, *, fusion: str = "early", seed: int = 0,
    features: str = "", now: datetime, progress: Progress | None = None,
) -> dict:  # fmt: skip
    """Heart rate, muscle power, eye activity and time in session alone, beside the pipeline's own stored run.

    The run that leaves one subject out is an experiment as any other: taken where it is stored, made where it is not.
    """
    from core.evaluation import dataset as datasets
    from core.evaluation.validity import confounds as of
    from core.features import set_of
    from core.pipeline import site_pipeline

    prepared = _prepared(store, study, target, model, inputs, fusion, seed, features)
    spec, found = prepared.spec, studies.get(store, study)

    def windows(type_: str) -> Dataset:
        pipeline = replace(site_pipeline(), features=set_of((type_,)))
        return datasets.prepare(found, pipeline, (type_,), cache=experiments.cache(store))

    def make() -> dict:
        say = _say(progress)
        run = experiments.evaluate(
            store, study, target, model, inputs, fusion=fusion, seed=seed, options={"features": features}, now=now,
            progress=lambda share, words: say(0.5 * share, words),
        )["experiment"]  # fmt: skip
        _, dataset, results = experiments.opened(store, run)
        soles = of.predictors(
            found, windows, datasets.inputs_of(found), progress=lambda share, words: say(0.5 + 0.3 * share, words)
        )
        soles.append(of.clock(dataset, of.started(found)))
        told = of.panel(dataset, spec, results, soles, progress=lambda share, words: say(0.8 + 0.2 * share, words))
        return {**_named(spec), "experiment": run, **told}

    return _stored(store, "confounds", prepared, {}, make, now)


def protocols(
    store: Store, study: str, target: str, model: str, inputs: str, *, fusion: str = "early", seed: int = 0,
    features: str = "", now: datetime, progress: Progress | None = None,
) -> dict:  # fmt: skip
    """The protocols of five systems re-enacted, beside the pipeline's own stored run of left-out people.

    That run is an experiment as any other; what is re-enacted is stored here alone, and never as an experiment.
    """
    from core.evaluation.validity import protocols as of

    prepared = _prepared(store, study, target, model, inputs, fusion, seed, features)

    def make() -> dict:
        say = _say(progress)
        run = experiments.evaluate(
            store, study, target, model, inputs, fusion=fusion, seed=seed, options={"features": features}, now=now,
            progress=lambda share, words: say(0.3 * share, words),
        )["experiment"]  # fmt: skip
        _, dataset, results = experiments.opened(store, run)
        told = of.panel(dataset, prepared.spec, results, progress=lambda share, words: say(0.3 + 0.7 * share, words))
        return {**_named(prepared.spec), "experiment": run, **told}

    more = {"protocols": [p.name for p in of.PROTOCOLS], "per_class": of.PER_CLASS}
    return _stored(store, "protocols", prepared, more, make, now)


def transfer(
    store: Store, study: str, to: str, target: str, model: str, inputs: str, *, fusion: str = "early",
    seed: int = 0, features: str = "", now: datetime, progress: Progress | None = None,
) -> dict:  # fmt: skip
    """Train on one study, test on another, without and with alignments that see no label."""
    from core.evaluation.validity import transfer as of

    here, there = (_prepared(store, name, target, model, inputs, fusion, seed, features) for name in (study, to))
    if here.config["study_sha256"] == there.config["study_sha256"]:
        raise Refused(
            "E-TRANSFER", "both studies hold the same trials, so that people would be tested who were learned from.",
            to, "Name a study of other people.",
        )  # fmt: skip

    def make() -> dict:
        say = _say(progress)
        source = here.checked(store, lambda share, words: say(0.4 * share, f"{study}: {words}"))
        other = there.checked(store, lambda share, words: say(0.4 + 0.4 * share, f"{to}: {words}"))
        say(0.8, "training")
        return {**_named(here.spec), "to": to, **of.transfer(source, other, here.spec)}

    more = {"to": to, "to_sha256": there.config["study_sha256"], "to_pipeline_hash": there.config["pipeline_hash"]}
    return _stored(store, "transfer", here, more, make, now)


def labels(store: Store, study: str, *, now: datetime, progress: Progress | None = None) -> dict:
    """The label policies of a stored study: cuts and ties, agreement, intended against reported."""
    from core.evaluation.validity import label_policy
    from core.studies import folder

    found = studies.get(store, study)
    config = {"study_sha256": folder.manifest(studies.root(store), study)["sha256"], "version": VERSION}
    key: dict[str, Any] = {"study": study, "target": "", "inputs": "", "model": "", "seed": 0}

    def make() -> dict:
        return {"study": study, **label_policy.report(ratings(found), found.targets, found.high)}

    return once(store, "labels", key, config, make, now)


def labels_of_files(path: Path) -> dict:
    """The same of the ratings in a BIDS folder, whether or not its signals were downloaded; nothing is stored."""
    from core.evaluation.validity import label_policy
    from core.studies import bids

    table, targets = bids.ratings(path)
    return {"study": path.name, **label_policy.report(table, targets)}


def ratings(study: Study) -> pd.DataFrame:
    """A row a trial: subject, stimulus (the trial's name where none is given) and every label."""
    import pandas as pd

    return pd.DataFrame(
        [{"subject": t.subject, "stimulus": t.groups.get("stimulus", t.trial),
          **{name: t.labels.get(name) for name in study.targets}} for t in study.trials]
    ).astype(dict.fromkeys(study.targets, float))  # fmt: skip


def checklist(store: Store, experiment: str) -> dict:
    """Eight axes of reporting of an experiment, from what is stored of it."""
    from core.evaluation.validity import checklist as of

    found = experiments.get(store, experiment)
    key = {
        name: getattr(found.line, name) for name in ("study", "target", "inputs", "model", "fusion", "split", "seed")
    }
    axes = of.checklist(studies.get(store, found.line.study), key, found.config, found.details, found.line.code_version)
    return {"experiment": experiment, **key, "axes": axes, "complete": not any(a["missing"] for a in axes)}


def _prepared(
    store: Store, study: str, target: str, model: str, inputs: str, fusion: str, seed: int, features: str
) -> Prepared:
    from core.evaluation.experiment import Spec

    return Prepared.of(store, Spec(study, target, inputs, model, fusion, seed=seed, features=features))


def _fusion(spec: Spec) -> dict[str, str]:
    """How the inputs are put together, where it is not the usual way: results from before it was asked are early."""
    return {} if spec.fusion == "early" else {"fusion": spec.fusion}


def _features(spec: Spec) -> dict[str, str]:
    """The set of features, where one is named."""
    return {"features": spec.features} if spec.features else {}


def _named(spec: Spec) -> dict[str, Any]:
    """What a result says of the pipeline that it is of."""
    return {**key_of(spec), **_fusion(spec), **_features(spec)}


def _stored(
    store: Store, kind: str, prepared: Prepared, more: dict[str, Any], make: Callable[[], dict], now: datetime
) -> dict:
    config = {**prepared.config, **_fusion(prepared.spec), **more, "version": VERSION}
    return once(store, kind, key_of(prepared.spec), config, make, now)


def _say(progress: Progress | None) -> Progress:
    return progress or (lambda share, words: None)


# those that are stored, by kind: the buttons of a page and the jobs
CHECKS: dict[str, Callable[..., dict]] = {
    "stimulus": stimulus,
    "surrogates": surrogates,
    "control": control,
    "confounds": confounds,
    "protocols": protocols,
    "labels": labels,
    "transfer": transfer,
}
