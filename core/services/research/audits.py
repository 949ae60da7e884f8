"""Leak audits and other checks of validity: run once for what they hang on, stored, and given again from there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from core import compute
from core.services.research import experiments, studies
from core.services.research.experiments import Prepared, spec_of
from core.settings import CODE
from core.storage import research as rows
from core.storage.store import Store
from core.storage.tables import canonical

if TYPE_CHECKING:
    from core.evaluation.dataset import Dataset
    from core.evaluation.experiment import Spec
    from core.models.bundle import Check

Progress = Callable[[float, str], None]
# how a leak audit looks; counts up when its checks change, so that older results stay beside newer ones
AUDIT_VERSION = 1


@dataclass(frozen=True)
class Line:
    """A stored result of a check. ``kind``: leak_audit, or one of ``validity.CHECKS``."""

    id: int
    kind: str
    study: str
    target: str
    inputs: str
    model: str
    seed: int
    created_at: datetime
    who: str
    code_version: str
    config: Mapping[str, Any]
    result: Mapping[str, Any]


def results(store: Store, kind: str | None = None) -> list[Line]:
    """Stored results of a kind (all where None), newest first."""
    with store.read() as tx:
        return [
            Line(
                r.id, r.kind, r.study, r.target, r.inputs, r.model, r.seed, r.created_at, r.who, r.code_version,
                r.config, r.result,
            )
            for r in rows.audit_results(tx, kind)
        ]  # fmt: skip


def once(
    store: Store, kind: str, key: Mapping[str, Any], config: Mapping[str, Any], make: Callable[[], dict], now: datetime
) -> dict:
    """The stored result of a check, or what ``make`` finds, stored.

    ``key`` names study, target, inputs, model and seed; ``config`` is everything else that the result hangs on.
    """
    whole = _whole(kind, key, config)
    with store.read() as tx:
        found = rows.audit_result(tx, whole)
    if found is not None:
        return found.result
    result = make()
    with store.write() as tx:
        found = rows.audit_result(tx, whole)
        if found is None:
            rows.add_audit_result(tx, now=now, config=dict(config), code_version=CODE, result=result, **whole)
            tx.audit(f"{kind}.finish", str(key["study"]), at=now, model=str(key["model"]))
    return result if found is None else found.result


def _whole(kind: str, key: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """What names a stored result: its kind, its key and the hash of the rest."""
    return {"kind": kind, **key, "config_hash": hashlib.sha256(canonical(dict(config)).encode()).hexdigest()[:16]}


def leak_audit(
    store: Store,
    study: str,
    target: str,
    model: str,
    inputs: str,
    *,
    fusion: str = "early",
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    now: datetime,
    progress: Progress | None = None,
) -> dict:
    """The same pipeline under five splits, and the named checks: the object of ``leak-audit --json``.

    ``options`` as of ``evaluate``: those that are not as usual, such as scores of subjects (``groups``) or a set of
    features, are named in the object. The five splits are experiments, stored as any other and named in
    ``experiments``; stopped and called again, it goes on with the folds that are left.
    """
    from core.evaluation.validity import leak_audit as audit

    say = progress or (lambda share, words: None)
    prepared = Prepared.of(store, spec_of(study, target, model, inputs, fusion, "nested_loso", seed, options))
    spec, named = prepared.spec, experiments.named(prepared.config)

    def make() -> dict:
        def run(i: int, split: str) -> str:
            def part(share: float, words: str) -> None:
                say(0.7 * (i + share) / len(audit.COMPARED), f"{split}: {words}")

            return experiments.evaluate(
                store, study, target, model, inputs, fusion=fusion, split=split, seed=seed, options=named,
                now=now, progress=part,
            )["experiment"]  # fmt: skip

        with compute.kept_open():
            made = {split: run(i, split) for i, split in enumerate(audit.COMPARED)}
        data = {}
        for split, name in made.items():
            _, dataset, data[split] = experiments.opened(store, name)
        premium, scores = audit.compared(dataset, spec, data)
        found = audit.checks(
            dataset, spec, facts=facts(store, prepared), progress=lambda share, words: say(0.7 + 0.3 * share, words)
        )
        found.append(_features_without_labels(store, prepared, dataset))
        return {
            **key_of(spec), "fusion": fusion, "premium": audit.plain(premium), "scores": scores,
            "checks": [c.model_dump() for c in found], "experiments": made, **named,
        }  # fmt: skip

    return once(store, "leak_audit", key_of(spec), _config(prepared), make, now)


def stored_audit(
    store: Store, study: str, target: str, model: str, inputs: str, *, fusion: str = "early", seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> dict | None:  # fmt: skip
    """The leak audit of these where it was run before on the study and pipeline as they are now, else None."""
    prepared = Prepared.of(store, spec_of(study, target, model, inputs, fusion, "nested_loso", seed, options))
    with store.read() as tx:
        found = rows.audit_result(tx, _whole("leak_audit", key_of(prepared.spec), _config(prepared)))
    return found.result if found else None


def begun(store: Store, key: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, experiments.Line | None]:
    """The experiments that a leak audit is made of, by split in their order; None where one was never begun.

    ``key`` names study, target, inputs, model, seed and fusion; ``config`` is all else that they hang on.
    """
    from core.evaluation.validity.leak_audit import COMPARED

    own = canonical(dict(config))
    same = [
        x for x in experiments.all_experiments(store)
        if all(getattr(x, name) == value for name, value in key.items()) and canonical(dict(x.config)) == own
    ]  # fmt: skip
    return {split: next((x for x in same if x.split == split), None) for split in COMPARED}


def _config(prepared: Prepared) -> dict[str, Any]:
    """Everything that a leak audit hangs on beside its key."""
    from core.evaluation.validity.leak_audit import DRAWS

    return {**prepared.config, "fusion": prepared.spec.fusion, "audit": AUDIT_VERSION, "draws": DRAWS}


def key_of(spec: Spec) -> dict[str, Any]:
    """What a stored result is named by."""
    return {name: getattr(spec, name) for name in ("study", "target", "inputs", "model", "seed")}


def facts(store: Store, prepared: Prepared) -> Any:
    """What is known of a study beside its rows, for the checks."""
    from core.evaluation.validity.leak_audit import Facts
    from core.studies import folder

    spec = prepared.spec
    trials = folder.manifest(studies.root(store), spec.study)["trials"]
    runs = [e for e in experiments.all_experiments(store) if (e.study, e.target) == (spec.study, spec.target)]
    return Facts(
        prepared.pipeline.window_s,
        studies.get(store, spec.study).bands,
        {(t["subject"], t["trial"]): t["sha256"] for t in trials if t.get("sha256")},
        len(runs),
    )


def _features_without_labels(store: Store, prepared: Prepared, dataset: Dataset) -> Check:
    """Prepared again with other labels, the trials of a subject have the same features: no scaling knows a label."""
    from core.evaluation.dataset import prepare
    from core.models.bundle import Check

    study = studies.get(store, prepared.spec.study)
    who = dataset.subjects[0]
    turned = tuple(
        replace(t, labels={name: low + high - t.labels[name] for name, (low, high, _) in study.targets.items()
                           if name in t.labels})
        for t in study.trials if t.subject == who
    )  # fmt: skip
    again = prepare(
        replace(study, trials=turned), prepared.pipeline, prepared.spec.types, scores=prepared.config.get("scores")
    )
    own = dataset.take(np.flatnonzero(dataset.subject == who))
    same = np.array_equal(own.features[list(again.features)].to_numpy(), again.features.to_numpy(), equal_nan=True)
    return Check(
        name="labels in features", outcome="pass" if same else "fail",
        evidence=f"{len(turned)} trials of {who} prepared again with labels turned: "
        f"{'the same' if same else 'other'} features in {len(again)} windows (core/evaluation/dataset.py prepare)",
    )  # fmt: skip
