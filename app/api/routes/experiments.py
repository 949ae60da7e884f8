"""Experiments: what has been evaluated, with its scores beside chance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.api import deps, schemas
from core.services.research import experiments

router = APIRouter(tags=["experiments"])


@router.get("/experiments", response_model=schemas.Experiments)
def all_experiments(
    store: deps.TheStore,
    study: Annotated[str | None, Query(description="Of one study; of all by default.", max_length=80)] = None,
    state: Annotated[schemas.ExperimentState | None, Query(description="In one state; in any by default.")] = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    size: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict:
    """Newest first."""
    lines = experiments.all_experiments(store)
    found = [e for e in lines if study in (None, e.study) and state in (None, e.state)]
    shown = found[(page - 1) * size : page * size]
    return {
        "total": len(found),
        "page": page,
        "size": size,
        "experiments": [
            {
                "experiment": e.id, "study": e.study, "target": e.target, "inputs": e.inputs, "model": e.model,
                "fusion": e.fusion, "split": e.split, "seed": e.seed, "task": e.task, "groups": e.groups,
                "state": e.state, "leaky": e.leaky, "created_at": e.created_at, "n_folds": e.n_folds,
                "n_done": e.n_done, "n_failed": e.n_failed, "seconds": e.seconds, "scores": e.summary,
            }
            for e in shown
        ],
    }  # fmt: skip
