"""The README's table of rooms says what the import linter holds: imports point down it."""

from __future__ import annotations

import re
import tomllib

from tests.conftest import ROOT


def rows() -> list[list[str]]:
    """The modules that each row of the table names, top to bottom."""
    table = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("## Table of rooms")[1].split("Imports point down")[0]
    )
    named = [re.findall(r"`([\w/.]+)`", line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")]
    return [[path.removesuffix(".py").strip("/").replace("/", ".") for path in row] for row in named]


def test_the_rows_of_the_readme_stand_in_the_order_of_the_import_layers_and_name_every_room():
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = said["tool"]["importlinter"]["contracts"][0]["layers"]
    depth = {room: i for i, layer in enumerate(layers) for room in layer.split(" | ")}
    table = [row for row in rows() if row != ["data"]]
    found = [depth[room] for row in table for room in row]
    assert found == sorted(found), table
    assert {room for row in table for room in row} == set(depth)
