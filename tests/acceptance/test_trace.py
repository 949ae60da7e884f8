"""docs/trace.md names tests that are there."""

from __future__ import annotations

import ast
import re

from tests.conftest import ROOT

NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`")


def test_every_test_that_the_trace_names_is_there():
    named = set(NAMED.findall((ROOT / "docs" / "trace.md").read_text(encoding="utf-8")))
    assert len(named) > 400
    found: dict[str, set[str]] = {}
    for path in {path for path, _ in named}:
        file = ROOT / "tests" / path
        tree = ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if file.is_file() else ()
        found[path] = {node.name for node in tree if isinstance(node, ast.FunctionDef)}
    assert sorted(f"{path}::{test}" for path, test in named if not found[path] or test not in {"", *found[path]}) == []
