"""Queries on experiments, their folds, leak audits, and decisions on models."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select

from core.storage import tables as t
from core.storage.records import (
    AuditResultRecord,
    ExperimentRecord,
    FoldRecord,
    ModelDecisionRecord,
    columns,
)
from core.storage.store import Transaction

KEY = ("study", "target", "inputs", "model", "fusion", "split", "seed")
AUDIT_KEY = ("kind", "study", "target", "inputs", "model", "seed", "config_hash")
_EXPERIMENT = columns(t.experiment, ExperimentRecord)
_AUDIT = columns(t.leak_audit, AuditResultRecord)


# --- experiments


def by_key(tx: Transaction, key: Mapping[str, Any], config_hash: str) -> ExperimentRecord | None:
    """The experiment of the seven of its key and the hash of its configuration, or None."""
    e = t.experiment
    same = [e.c[name] == key[name] for name in KEY]
    return tx.record(ExperimentRecord, select(*_EXPERIMENT).where(*same, e.c.config_hash == config_hash))


def get(tx: Transaction, experiment_id: int) -> ExperimentRecord | None:
    """An experiment, or None."""
    return tx.record(ExperimentRecord, select(*_EXPERIMENT).where(t.experiment.c.id == experiment_id))


def all_experiments(tx: Transaction) -> list[ExperimentRecord]:
    """Every experiment, newest first."""
    e = t.experiment
    return tx.records(ExperimentRecord, select(*_EXPERIMENT).order_by(e.c.created_at.desc(), e.c.id.desc()))


def add(tx: Transaction, key: Mapping[str, Any], *, now: datetime, **values: Any) -> int:
    """Add an experiment that is about to run; returns its id."""
    chosen = {name: key[name] for name in KEY}
    return tx.insert(
        t.experiment, **chosen, state="running", created_at=now, updated_at=now, who=tx.actor, summary=None, **values
    )


def change(tx: Transaction, experiment_id: int, **values: Any) -> None:
    """Change state, summary or number of folds of an experiment."""
    tx.change(t.experiment, experiment_id, **values)


# --- folds


def add_fold(
    tx: Transaction, experiment_id: int, number: int, predictions: Mapping[str, bytes] | None, **values: Any
) -> None:
    """Store a fold as it finished: ``predictions`` are rows, raw and p as npy bytes, None where it failed.

    A fold that failed before is replaced; one that is there already stays, for the numbers would be the same.
    """
    f = t.fold
    old = tx.first(select(f.c.id, f.c.error).where(f.c.experiment_id == experiment_id, f.c.number == number))
    if old is not None:
        if old.error is None:
            return
        tx.execute(delete(f).where(f.c.id == old.id))
    fold_id = tx.insert(f, experiment_id=experiment_id, number=number, **values)
    if predictions is not None:
        tx.insert(t.oof_prediction, fold_id=fold_id, **predictions)


def folds(tx: Transaction, experiment_id: int) -> list[FoldRecord]:
    """The folds that are stored, in order of number."""
    f, o = t.fold, t.oof_prediction
    query = (
        select(
            f.c.number, f.c.name, f.c.seconds, f.c.result, f.c.error, f.c.finished_at, o.c.rows, o.c.raw, o.c.p,
        )
        .select_from(f.outerjoin(o, o.c.fold_id == f.c.id))
        .where(f.c.experiment_id == experiment_id)
        .order_by(f.c.number)
    )  # fmt: skip
    return tx.records(FoldRecord, query)


def folds_done(tx: Transaction, experiment_id: int) -> dict[int, bool]:
    """Number of each stored fold, and whether it went well."""
    f = t.fold
    rows = tx.all(select(f.c.number, f.c.error).where(f.c.experiment_id == experiment_id))
    return {number: error is None for number, error in rows}


def fold_counts(tx: Transaction) -> dict[int, tuple[int, int, float]]:
    """By experiment: folds that are stored, how many of them failed, and the seconds that all took."""
    f = t.fold
    failed = func.count().filter(f.c.error.is_not(None))
    query = select(f.c.experiment_id, func.count(), failed, func.sum(f.c.seconds)).group_by(f.c.experiment_id)
    return {row[0]: (row[1], row[2], float(row[3])) for row in tx.all(query)}


# --- leak audits and other checks of validity


def audit_result(tx: Transaction, key: Mapping[str, Any]) -> AuditResultRecord | None:
    """The stored result of a check, or None."""
    a = t.leak_audit
    return tx.record(AuditResultRecord, select(*_AUDIT).where(*[a.c[name] == key[name] for name in AUDIT_KEY]))


def audit_results(tx: Transaction, kind: str | None = None) -> list[AuditResultRecord]:
    """Stored results of a kind (all where None), newest first."""
    a = t.leak_audit
    query = select(*_AUDIT).order_by(a.c.created_at.desc(), a.c.id.desc())
    return tx.records(AuditResultRecord, query if kind is None else query.where(a.c.kind == kind))


def add_audit_result(tx: Transaction, *, now: datetime, **values: Any) -> int:
    """Store what a check found."""
    return tx.insert(t.leak_audit, created_at=now, who=tx.actor, **values)


# --- models


def decide(tx: Transaction, name: str, version: str, state: str, why: str, *, now: datetime) -> None:
    """Note that somebody approved or retired a version of a model."""
    tx.insert(t.model_decision, name=name, version=version, state=state, why=why, who=tx.actor, at=now)


def decisions(tx: Transaction, name: str | None = None) -> list[ModelDecisionRecord]:
    """Decisions on a model (all where None), oldest first."""
    d = t.model_decision
    query = select(*columns(d, ModelDecisionRecord)).order_by(d.c.at, d.c.id)
    return tx.records(ModelDecisionRecord, query if name is None else query.where(d.c.name == name))
