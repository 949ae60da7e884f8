"""The options that a model takes, each with the type that its maker gives it, and reading them from text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from core.errors import Refused
from core.models import MODELS

# what is no option: given by the experiment, or (branches left out) said by its inputs
NOT_OPTIONS = {"seed", "architecture", "sizes", "shapes", "n_classes", "without", "options", "return"}
MAY_BE_ZERO = {"dropout", "weight_decay", "least_lr", "contrastive"}
SHARES = {"dropout", "share", "plateau"}  # below 1


def offered(model: str) -> dict[str, Any]:
    """Every option of a model by name, with its type; the model is imported for it."""
    make = MODELS[model].make
    module, name = make.args  # type: ignore[attr-defined]
    told = get_type_hints(getattr(import_module(f"core.models.{module}"), name))
    if "options" in told:  # the rest goes to its last step, and from a net's to its module
        made = make(0)
        last = made.steps[-1][1] if hasattr(made, "steps") else made
        told |= get_type_hints(type(last).__init__)
        if hasattr(last, "architecture"):
            told |= get_type_hints(import_module("core.models.net").architecture(last.architecture).__init__)
    return {name: kind for name, kind in told.items() if name not in NOT_OPTIONS}


def read(model: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Options as a model takes them: text is read as the type of its option, several values parted by commas.

    Raises
    ------
    Refused
        E-OPTION for a name that the model does not have, or a value that its option cannot be.
    """
    if not said:
        return {}
    known = offered(model)
    for name in said:
        if name not in known:
            does = f"It takes {', '.join(sorted(known))}." if known else "It takes none."
            raise Refused("E-OPTION", f"{model} has no option {name}", "options", does)
    return {name: _value(model, name, known[name], value) for name, value in said.items()}


def _value(model: str, name: str, kind: Any, value: Any) -> Any:
    from pydantic import TypeAdapter, ValidationError

    given = value.strip() if isinstance(value, str) else value
    if given == "none" and NoneType in get_args(kind):
        return None
    if isinstance(given, str) and get_origin(kind) is tuple:
        given = given.split(",")
    try:
        found = TypeAdapter(kind).validate_python(given)
    except ValidationError:
        found = math.nan
    if not all(_within(name, v) for v in (found if isinstance(found, tuple) else (found,))):
        raise Refused("E-OPTION", f"{name} of {model} cannot be {value!r}", "options", f"It is {_words(name, kind)}.")
    return found


def _within(name: str, value: Any) -> bool:
    """Whether a number is of a size that training can work with; what is no number is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    zero = name in MAY_BE_ZERO and value == 0
    return math.isfinite(value) and (value > 0 or zero) and (value < 1 or name not in SHARES)


def _words(name: str, kind: Any) -> str:
    """What an option may be: a whole number above 0, or none."""
    several = get_args(kind)
    if NoneType in several:
        return f"{_words(name, several[0])}, or none"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(several)}"
    if get_origin(kind) is tuple:
        n = "" if Ellipsis in several else f"{len(several)} "
        return f"{n}whole numbers above 0, parted by commas"
    if kind is bool:
        return "true or false"
    low = "0 or above" if name in MAY_BE_ZERO else "above 0"
    return f"a {'whole ' if kind is int else ''}number {low}{' and below 1' if name in SHARES else ''}"
