"""The verbs of research: studies, experiments and models."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.kit import (
    AsJson,
    AsPdf,
    answering,
    cli,
    model_cli,
    now,
    present,
    private_map,
    progress,
    show,
    store,
    study_cli,
    writable,
    write_pdf,
)
from app.cli.run_options import Aggregate, Features, Flip, Options, Oversample, Score, Seed, Smoothing, spec_options
from app.cli.words import (
    ablation_lines,
    change_lines,
    experiment_lines,
    grid_lines,
    model_lines,
    nested_lines,
    pair_lines,
    study_lines,
    table_lines,
)


class StudyFormat(StrEnum):
    """The formats of a study that is exported."""

    BIDS = "bids"


class Corpus(StrEnum):
    """What `study import` reads."""

    MANIFEST = "manifest"
    ETRI = "etri"
    DREAMER = "dreamer"
    DEAP = "deap"
    AMIGOS = "amigos"
    BIDS = "bids"
    S3 = "s3"
    DEAP_BDF = "deap-bdf"
    FREIHAUT = "freihaut"
    STRESS_PREDICT = "stress-predict"
    QUIROZ = "quiroz"


@model_cli.command("list")
def model_list(as_json: AsJson = False) -> None:
    """The bundles that may predict here."""
    with answering(as_json):
        from core.services.research import models

        answer = models.available(store())
    show(answer, as_json, model_lines)


@model_cli.command("card")
def model_card(name: str, pdf: AsPdf = None, as_json: AsJson = False) -> None:
    """A bundle's card: what it was trained on, how well it does on unseen subjects, what it is not for."""
    with answering(as_json):
        writable(pdf)
        from core.services.exports import reports
        from core.services.research import models

        answer = models.card(store(), name)
        if pdf is not None:
            write_pdf(pdf, reports.model_card(store(), name, now=now(), pdf=True))
    show(answer, as_json, nested_lines)


@model_cli.command("train")
def model_train(
    study: Annotated[str, typer.Option(help="Name of a study.")],
    target: Annotated[list[str], typer.Option(help="What to predict; may be given more than once.")],
    model: Annotated[str, typer.Option(help="Kind of model, such as logistic.")],
    inputs: Annotated[str, typer.Option(help="Channel types joined by +, such as eeg+ecg.")],
    publish: Annotated[str | None, typer.Option(metavar="NAME", help="Publish as a bundle of this name.")] = None,
    fusion: Annotated[str, typer.Option(help="early, intermediate or late.")] = "early",
    seed: Seed = 0,
    features: Features = "",
    as_json: AsJson = False,
) -> None:
    """Train on a study, evaluate on unseen subjects, and publish as a bundle when named."""
    with answering(as_json), progress() as report:
        from core.services.research import models

        answer = models.train(
            store(), study, target, model, inputs, publish=publish, fusion=fusion, seed=seed, features=features,
            now=now(), progress=report,
        )  # fmt: skip
    show(answer, as_json, nested_lines)


@model_cli.command("controls")
def model_controls(
    name: str,
    study: Annotated[str, typer.Option(help="The study that it was trained on.")],
    transfer: Annotated[
        Path | None, typer.Option(help="Folder of Freihaut and Göritz 2021, for people of another laboratory.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask what a stress model's score is worth: clock, movement, other stressor, restart, calm; and write its card."""
    with answering(as_json), progress() as report:
        from core.services.research import models

        answer = models.controls(store(), name, study, transfer=transfer, now=now(), progress=report)
    show(answer, as_json, nested_lines)


Why = Annotated[str, typer.Option(help="The reason, kept with who and when.")]


@model_cli.command("approve")
def model_approve(name: str, why: Why, as_json: AsJson = False) -> None:
    """Let a model be used by default."""
    with answering(as_json):
        from core.services.research import models

        answer = models.approve(store(), name, why, now())
    show(answer, as_json, pair_lines)


@model_cli.command("retire")
def model_retire(name: str, why: Why, as_json: AsJson = False) -> None:
    """Take a model out of use; what it said of stored sessions stays."""
    with answering(as_json):
        from core.services.research import models

        answer = models.retire(store(), name, why, now())
    show(answer, as_json, pair_lines)


@model_cli.command("what-would-change")
def model_what_would_change(
    name: str,
    newest: Annotated[int, typer.Option(min=1, help="So many of the newest recorded sessions.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Predict stored sessions with a model and without it; nothing is stored."""
    with answering(as_json), progress() as report:
        from core.services.research import models

        answer = models.what_would_change(store(), name, newest=newest, progress=report)
    show(answer, as_json, change_lines)


@study_cli.command("simulate")
def study_simulate(
    name: Annotated[str, typer.Option(help="Name of the new study.")],
    subjects: Annotated[int, typer.Option(min=2, max=1000)] = 23,
    trials: Annotated[int, typer.Option(min=2, max=1000)] = 18,
    trial_s: Annotated[float, typer.Option(min=5, max=3600, help="Length of a trial, seconds.")] = 60.0,
    effect: Annotated[float, typer.Option(min=-10, max=10, help="Size of the planted effect; 0: null study.")] = 0.0,
    seed: Seed = 0,
    inputs: Annotated[str, typer.Option(help="Channel types joined by +.")] = "eeg+ecg",
    trial_sd: Annotated[float, typer.Option(min=0, max=10, help="Size of the trial effect.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Simulate a study with known truth."""
    with answering(as_json), progress() as report:
        from core.services.research import studies

        made = studies.simulate(
            store(),
            name,
            subjects=subjects,
            trials=trials,
            trial_s=trial_s,
            effect=effect,
            seed=seed,
            inputs=inputs,
            trial_sd=trial_sd,
            now=now(),
            progress=report,
        )
    answer = {
        "study": made.name,
        "basis": made.basis,
        "simulated": made.simulated,
        "n_subjects": len({trial.subject for trial in made.trials}),
        "n_trials": len(made.trials),
        "targets": list(made.targets),
        "inputs": list(made.inputs),
    }
    show(answer, as_json, pair_lines)


@study_cli.command("import")
def study_import(
    corpus: Annotated[Corpus, typer.Argument(help="What the files are.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder of the corpus.")],
    name: Annotated[str, typer.Option(help="Name of the new study.")],
    map_: Annotated[
        Path | None,
        typer.Option(
            "--map", metavar="FILE.json", help='{"column": "drop" | "pseudonym" | "keep"}, of names of people.'
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import a corpus as a study; an import that was interrupted goes on where it ended."""
    with answering(as_json), progress() as report:
        mapping = private_map(map_)
        from core.services.research import studies

        [place] = present([path])
        made = studies.import_(store(), corpus.value, place, name, mapping=mapping, now=now(), progress=report)
        answer = studies.summary(made)
    show(answer, as_json, study_lines)


@study_cli.command("export")
def study_export(
    name: Annotated[str, typer.Argument(help="Name of the study.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the study.")],
    fmt: Annotated[StudyFormat, typer.Option("--format")] = StudyFormat.BIDS,
    as_json: AsJson = False,
) -> None:
    """Write a study as a BIDS folder, which `study import bids` takes back."""
    with answering(as_json), progress() as report:
        from core.services.exports import export_files

        made = export_files.study_bids(store(), name, out, now=now(), progress=report)
    answer = {
        "id": made.id, "study": name, "format": fmt.value, "trials": made.trials, "folder": str(made.path),
        "notes": list(made.notes),
    }  # fmt: skip
    show(answer, as_json, lambda a: [f"{a['trials']} trials in {a['folder']}", *(f"  note: {n}" for n in a["notes"])])


@study_cli.command("list")
def study_list(as_json: AsJson = False) -> None:
    """The studies that are stored."""
    with answering(as_json):
        from core.services.research import studies

        answer = studies.all_studies(store())
    show(answer, as_json, table_lines)


@cli.command()
def evaluate(
    study: Annotated[str, typer.Option(help="Name of a study.")],
    target: Annotated[str, typer.Option(help="What to predict.")],
    model: Annotated[str, typer.Option(help="Kind of model, such as logistic.")],
    inputs: Annotated[str, typer.Option(help="Channel types joined by +, such as eeg+ecg.")],
    fusion: Annotated[str, typer.Option(help="early, intermediate or late.")] = "early",
    split: Annotated[str, typer.Option(help="Who is left out; trial and random_window are leaky.")] = "loso",
    seed: Seed = 0,
    task: Annotated[str, typer.Option(help="binary, quadrant, nine or continuous.")] = "binary",
    score: Score = None,
    features: Features = "",
    select: Annotated[
        bool, typer.Option("--select", help="Select the model's options on inner subjects; with --split nested_loso.")
    ] = False,
    oversample: Oversample = "",
    smoothing: Smoothing = "",
    flip: Flip = False,
    aggregate: Aggregate = "mean",
    option: Options = None,
    as_json: AsJson = False,
) -> None:
    """Run one experiment, fold by fold; one that was stopped goes on where it was, with other options it is another."""
    with answering(as_json), progress() as report:
        from core.services.research import experiments

        asked = spec_options(features, oversample, smoothing, flip, aggregate, option)
        choices = {"choices": experiments.selection(model, split)} if select else {}
        answer = experiments.evaluate(
            store(), study, target, model, inputs, fusion=fusion, split=split, seed=seed,
            options={"task": task, "groups": score or [], **asked, **choices}, now=now(), progress=report,
        )  # fmt: skip
    show(answer, as_json, experiment_lines)


@cli.command("demo-run")
def demo_run(as_json: AsJson = False) -> None:
    """Simulate a small study and evaluate logistic regression on it: a first run to look at."""
    with answering(as_json), progress() as report:
        from core.services.research import experiments

        answer = experiments.demo(store(), now=now(), progress=report)
    show(answer, as_json, experiment_lines)


@cli.command()
def ablate(
    study: Annotated[str, typer.Option(help="Name of a study.")],
    target: Annotated[str, typer.Option(help="What to predict.")],
    model: Annotated[str, typer.Option(help="Kind of model, such as logistic.")],
    fusion: Annotated[str, typer.Option(help="early, intermediate or late.")] = "early",
    seed: Seed = 0,
    features: Features = "",
    oversample: Oversample = "",
    smoothing: Smoothing = "",
    flip: Flip = False,
    aggregate: Aggregate = "mean",
    option: Options = None,
    as_json: AsJson = False,
) -> None:
    """Run every set of a study's inputs, and pair each to the best single one."""
    with answering(as_json), progress() as report:
        from core.services.research import experiments

        asked = spec_options(features, oversample, smoothing, flip, aggregate, option)
        answer = experiments.ablate(
            store(), study, target, model, fusion=fusion, seed=seed, options=asked, now=now(), progress=report
        )
    show(answer, as_json, ablation_lines)


@cli.command()
def grid(
    study: Annotated[str, typer.Option(help="Name of a study.")],
    target: Annotated[list[str] | None, typer.Option(help="What to predict; all targets where none is named.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Kind of model; logistic and forest by default.")] = None,
    inputs: Annotated[list[str] | None, typer.Option(help="Channel types joined by +; every set by default.")] = None,
    seed: Seed = 0,
    features: Features = "",
    as_json: AsJson = False,
) -> None:
    """Run every target, set of inputs and model of a study as one table; stopped, it goes on where it was."""
    with answering(as_json), progress() as report:
        from core.services.research import grids

        answer = grids.grid(
            store(), study, targets=target or (), models=model or (), inputs=inputs or (), seed=seed,
            features=features, now=now(), progress=report,
        )  # fmt: skip
    show(answer, as_json, grid_lines)
