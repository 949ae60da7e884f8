"""A CSV with one row a trial that any lab can write, and ``<same name>.json`` with the scale of each label.

Columns: ``subject, trial, file``, optionally ``onset_s, duration_s, baseline_onset_s, baseline_duration_s`` (seconds
from the start of the file; a baseline without an onset ends where the trial begins), then ``label_<target>`` and
``group_<name>``. The JSON: ``{"valence": {"lowest": 1, "highest": 9, "cut": 5}}``, High above the cut unless ``"high"``
says ">=", "<" or "<=". Files are named from the folder of the CSV; those of one visit are joined by ``|``.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import Refused
from core.readers.base import visible
from core.studies import listing
from core.studies.apart import Files
from core.studies.folder import Planned, Source
from core.types import HIGH, InputFile

_TIMES = ("onset_s", "duration_s", "baseline_onset_s", "baseline_duration_s")


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of a manifest."""
    if path.is_dir():
        found = listing.files_under(path, "*.csv")
        if len(found) != 1:
            raise Refused("E-STUDY-PATH", f"the folder holds {len(found)} CSV files.", path.name, "Name the manifest.")
        path = found[0]
    table = listing.cleared(listing.read(path), path.name, mapping, "subject")
    listing.needs(table, ("subject", "trial", "file"), path.name)
    _named(table, path)
    labels = [c.removeprefix("label_") for c in table.columns if c.startswith("label_")]
    groups = [c.removeprefix("group_") for c in table.columns if c.startswith("group_")]
    strange = [
        c for c in table.columns
        if not c.startswith(("label_", "group_")) and c not in ("subject", "trial", "file", *_TIMES)
    ]  # fmt: skip
    targets, high = scales(path.with_suffix(".json"), labels)
    _in_scale(table, targets, path)
    # files in the order in which they are first named, so that each is read once
    order = {name: i for i, name in enumerate(dict.fromkeys(table.file))}
    table = table.assign(_order=[order[name] for name in table.file]).sort_values("_order", kind="stable")
    trials, used = [], []
    for _, rows in table.groupby("_order", sort=True):
        files = _files(rows.file.iloc[0], path)
        used += [Path(f.path) for f in files]
        spans = [_span(i, row) for i, row in enumerate(rows.to_dict("records"))]
        read = Files("core.studies.listing:parts", files, {"spans": [s.plain() for s in spans]})
        for i, row in enumerate(rows.to_dict("records")):
            given = {t: listing.number(row[f"label_{t}"]) for t in labels}
            trials.append(Planned(
                row["subject"], row["trial"], {t: v for t, v in given.items() if v == v},
                {g: row[f"group_{g}"] for g in groups}, read.reader(i),
            ))  # fmt: skip
    notes = [f"Columns that are none of a manifest's were not taken: {', '.join(strange)}."] if strange else []
    return Source(
        basis=f"a manifest, {table.subject.nunique()} subjects",
        licence="not stated",
        licence_text=listing.licence_of(path.parent),
        targets=targets,
        high=high,
        inputs=(),
        trials=trials,
        n_trials=len(trials),
        made_by={
            "corpus": "manifest",
            "files": listing.fingerprint([*set(used), path, path.with_suffix(".json")], path.parent),
        },
        notes=tuple(notes),
        resumes=True,
    )


def _files(names: str, manifest: Path) -> list[InputFile]:
    """Files a row names, from the folder of the manifest and nowhere above it."""
    found = []
    for name in names.split("|"):
        place = manifest.parent / name.strip()
        if not name.strip() or Path(name.strip()).is_absolute() or ".." in Path(name.strip()).parts:
            raise Refused(
                "E-PATH", f'the file "{visible(name)}" is not named from the folder of the manifest.', manifest.name,
                "Put the files beside the manifest or in folders below it.",
            )  # fmt: skip
        found.append(InputFile(place.name, str(place)))
    return found


def _span(number: int, row: dict[str, Any]) -> listing.Span:
    times: dict[str, Any] = {}
    wrong = ""
    for key in _TIMES:
        if key in row and not listing.is_missing(row[key]):
            times[key] = listing.number(row[key])
            if not (math.isfinite(times[key]) and times[key] >= 0):
                wrong, times[key] = f'{key} is "{visible(row[key])}", which is no number of seconds from 0 on.', None
    return listing.Span(number, **times, wrong=wrong)


def scales(path: Path, labels: list[str]) -> tuple[dict[str, tuple[float, float, float]], dict[str, str]]:
    """Scale and side of the cut of each label."""
    if not labels:
        return {}, {}
    example = 'Write {"valence": {"lowest": 1, "highest": 9, "cut": 5}} for each label.'
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused("E-SCALE", "there is no such file, which says the labels' scales.", path.name, example) from None
    except (OSError, ValueError, RecursionError):
        raise Refused("E-SCALE", "it is no JSON.", path.name, example) from None
    targets, high = {}, {}
    for label in labels:
        scale = said.get(label) if isinstance(said, dict) else None
        values = [scale.get(k) for k in ("lowest", "highest", "cut")] if isinstance(scale, dict) else []
        given = [listing.number(v) for v in values if isinstance(v, int | float)]
        numbers = [v for v in given if math.isfinite(v)]
        side = scale.get("high", ">") if isinstance(scale, dict) else ">"
        if len(numbers) != 3 or not numbers[0] <= numbers[2] <= numbers[1] or numbers[0] == numbers[1]:
            raise Refused("E-SCALE", f'it gives no lowest, highest and cut of "{visible(label)}".', path.name, example)
        if side not in HIGH:
            raise Refused("E-SCALE", f'"high" of "{visible(label)}" is none of {", ".join(HIGH)}.', path.name, example)
        targets[label] = (numbers[0], numbers[1], numbers[2])
        high[label] = side
    return targets, high


def _named(table: pd.DataFrame, path: Path) -> None:
    """Refuse a row that does not say whose trial it is: rows of several people would become one person."""
    for column in ("subject", "trial"):
        for i, text in enumerate(table[column], 2):
            if listing.is_missing(text):
                what = f"row {i} has no {column}."
                raise Refused("E-ROWS", what, path.name, "Fill it in, or take the row out.")


def _in_scale(table: pd.DataFrame, targets: dict[str, tuple[float, float, float]], path: Path) -> None:
    for target, (lowest, highest, _) in targets.items():
        for i, text in enumerate(table[f"label_{target}"], 2):
            value = listing.number(text)
            if not listing.is_missing(text) and not lowest <= value <= highest:
                raise Refused(
                    "E-LABEL", f'label_{target} is "{visible(text)}" in row {i}; its scale is {lowest:g} to '
                    f"{highest:g}.", path.name, "Correct the row, or the scale.",
                )  # fmt: skip
