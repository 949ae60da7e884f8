"""The verbs that ask whether a result can be believed: the leak audit, and other checks of validity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.kit import AsJson, AsPdf, Usage, answering, cli, now, present, progress, show, store, writable, write_pdf
from app.cli.run_options import Aggregate, Features, Flip, Options, Oversample, Score, Seed, Smoothing, spec_options
from app.cli.words import (
    audit_lines,
    checklist_lines,
    confound_lines,
    control_lines,
    label_lines,
    protocol_lines,
    recalibration_lines,
    stimulus_lines,
    surrogate_lines,
    transfer_lines,
)

validity_cli = typer.Typer(help="Whether a result can be believed.", no_args_is_help=True, rich_markup_mode=None)
cli.add_typer(validity_cli, name="validity")

Study = Annotated[str, typer.Option(help="Name of a study.")]
Target = Annotated[str, typer.Option(help="What to predict.")]
Model = Annotated[str, typer.Option(help="Kind of model, such as forest.")]
Inputs = Annotated[str, typer.Option(help="Channel types joined by +, such as eeg+ecg.")]
Fusion = Annotated[str, typer.Option(help="early, intermediate or late.")]


@cli.command("leak-audit")
def leak_audit(
    study: Study,
    target: Target,
    model: Model,
    inputs: Inputs,
    fusion: Fusion = "early",
    seed: Seed = 0,
    score: Score = None,
    features: Features = "",
    oversample: Oversample = "",
    smoothing: Smoothing = "",
    flip: Flip = False,
    aggregate: Aggregate = "mean",
    option: Options = None,
    pdf: AsPdf = None,
    as_json: AsJson = False,
) -> None:
    """The same pipeline under leaky and clean splits: the price of the leak, and checks that name the rule broken."""
    with answering(as_json), progress() as report:
        writable(pdf)
        from core.services.research import audits

        asked = spec_options(features, oversample, smoothing, flip, aggregate, option)
        answer = audits.leak_audit(
            store(), study, target, model, inputs, fusion=fusion, seed=seed, options={"groups": score or [], **asked},
            now=now(), progress=report,
        )  # fmt: skip
        if pdf is not None:
            from core.services.exports import reports

            write_pdf(pdf, reports.leak_audit(store(), reports.line_of(store(), answer), now=now(), pdf=True))
    show(answer, as_json, audit_lines)


# --- validity


def _of_a_pipeline(name: str, lines: Callable[[Any], list[str]], words: str) -> None:
    """A verb that asks ``core.services.research.validity`` something of one pipeline."""

    @validity_cli.command(name, help=words)
    def verb(
        study: Study, target: Target, model: Model, inputs: Inputs, fusion: Fusion = "early", seed: Seed = 0,
        features: Features = "", as_json: AsJson = False,
    ) -> None:  # fmt: skip
        with answering(as_json), progress() as report:
            from core.services.research import validity

            asked = getattr(validity, name)
            answer = asked(
                store(), study, target, model, inputs, fusion=fusion, seed=seed, features=features, now=now(),
                progress=report,
            )  # fmt: skip
        show(answer, as_json, lines)


for _name, _lines, _words in (
    ("stimulus", stimulus_lines,
     "Unseen people on clips that others were seen with, less the same people on clips of nobody."),
    ("surrogates", surrogate_lines,
     "The same pipeline on signals whose order, wave form or spectrum was taken away."),
    ("control", control_lines,
     "A difference of known size is planted: which is found, and the smallest that is."),
    ("confounds", confound_lines,
     "Heart rate, muscle power, eye activity and time in session alone, beside the pipeline."),
    ("protocols", protocol_lines,
     "The leaky protocols of five other systems re-enacted beside left-out people, to see what each adds."),
):  # fmt: skip
    _of_a_pipeline(_name, _lines, _words)


@validity_cli.command("labels")
def labels(
    study: Annotated[str | None, typer.Option(help="Name of a study.")] = None,
    bids: Annotated[Path | None, typer.Option(metavar="DIR", help="Instead: a BIDS folder with ratings.")] = None,
    as_json: AsJson = False,
) -> None:
    """Cuts and ties with the majority class of each, agreement between raters, intended against reported."""
    with answering(as_json):
        from core.services.research import validity

        if study is not None and bids is None:
            answer = validity.labels(store(), study, now=now())
        elif bids is not None and study is None:
            answer = validity.labels_of_files(*present([bids]))
        else:
            raise Usage("E-USAGE", "one of --study and --bids is needed.", "", "See affectline validity labels --help.")
    show(answer, as_json, label_lines)


@validity_cli.command("transfer")
def transfer(
    study: Study,
    to: Annotated[str, typer.Option(help="Name of the study to test on.")],
    target: Target,
    model: Model,
    inputs: Inputs,
    fusion: Fusion = "early",
    seed: Seed = 0,
    features: Features = "",
    as_json: AsJson = False,
) -> None:
    """Train on one study, test on another, without and with alignments that see no label."""
    with answering(as_json), progress() as report:
        from core.services.research import validity

        answer = validity.transfer(
            store(), study, to, target, model, inputs, fusion=fusion, seed=seed, features=features, now=now(),
            progress=report,
        )  # fmt: skip
    show(answer, as_json, transfer_lines)


@validity_cli.command("recalibration")
def recalibration(
    experiment: Annotated[str, typer.Argument(help="Id of an experiment, such as E-0001.")], as_json: AsJson = False
) -> None:
    """What a few labels of each person change: recalibrated on some of their trials, judged on their others."""
    with answering(as_json):
        from core.services.research import results

        answer = results.recalibration(store(), experiment)
    show(answer, as_json, recalibration_lines)


@validity_cli.command("checklist")
def checklist(
    experiment: Annotated[str, typer.Argument(help="Id of an experiment, such as E-0001.")], as_json: AsJson = False
) -> None:
    """Eight axes of reporting, filled from what is stored of an experiment."""
    with answering(as_json):
        from core.services.research import validity

        answer = validity.checklist(store(), experiment)
    show(answer, as_json, checklist_lines)
