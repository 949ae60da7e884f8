"""The verbs that ask whether a result can be believed: the leak audit, and other checks of validity."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.kit import AsJson, answering, cli, now, progress, show, store
from app.cli.words import audit_lines

Study = Annotated[str, typer.Option(help="Name of a study.")]
Target = Annotated[str, typer.Option(help="What to predict.")]
Model = Annotated[str, typer.Option(help="Kind of model, such as forest.")]
Inputs = Annotated[str, typer.Option(help="Channel types joined by +, such as eeg+ecg.")]
Seed = Annotated[int, typer.Option(min=0)]


@cli.command("leak-audit")
def leak_audit(
    study: Study,
    target: Target,
    model: Model,
    inputs: Inputs,
    fusion: Annotated[str, typer.Option(help="early, intermediate or late.")] = "early",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """The same pipeline under leaky and clean splits: the price of the leak, and checks that name the rule broken."""
    with answering(as_json), progress() as report:
        from core.services import audits

        answer = audits.leak_audit(
            store(), study, target, model, inputs, fusion=fusion, seed=seed, now=now(), progress=report
        )
    show(answer, as_json, audit_lines)
