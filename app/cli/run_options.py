"""The options of a run beside its key, which several verbs take: each has one text, and one way to be understood."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.kit import Usage

# what every database and every library takes as one
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1)]
Score = Annotated[list[str] | None, typer.Option(help="A score of subjects, such as ei, as an input too.")]
Features = Annotated[
    str,
    typer.Option(metavar="NAME", help="Features of the EEG: eeg258full (all 258 columns, not the usual 160) or eeg16."),
]
Oversample = Annotated[
    str, typer.Option(metavar="HOW", help="Make the rarer class as common in training rows only: random or smote.")
]
Smoothing = Annotated[
    str, typer.Option(metavar="HOW", help="Smooth a trial's windows in time: majority, two_state or causal.")
]
Flip = Annotated[
    bool, typer.Option("--flip", help="Turn the decision round where validation subjects say so; each fold says it.")
]
Aggregate = Annotated[str, typer.Option(metavar="HOW", help="A trial's value from its windows: mean or median.")]
Options = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="An option of the model, such as epochs=20; may be given more than once."),
]


def spec_options(
    features: str, oversample: str, smoothing: str, flip: bool, aggregate: str, option: list[str] | None
) -> dict[str, Any]:
    """What the options of a run say beside its key; those of the model as text, which the service reads."""
    of_model: dict[str, str] = {}
    for text in option or []:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise Usage("E-OPTION", f"{text!r} is no name=value.", "--option", "Write it like epochs=20.")
        if name in of_model:
            raise Usage("E-OPTION", f"{name} is given twice.", "--option", "Give each option once.")
        of_model[name] = value
    return {
        "features": features, "oversample": oversample, "smoothing": smoothing, "flip": flip, "aggregate": aggregate,
        "options": of_model,
    }  # fmt: skip
