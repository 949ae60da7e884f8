"""The command line: one verb for each thing a front can do, over the same services as pages and API.

Standard output carries the answer, with ``--json`` exactly one JSON value and nothing else; progress and words for
people go to standard error. Exit codes: 0 done, 2 usage, 3 input refused, 4 analysis abstained, 5 not found, and 1 with
a reference for anything unforeseen.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from app.cli import audits, clinic, research  # noqa: F401  they register their verbs
from app.cli.kit import Usage, cli, refuse, say

CRASHED = 1

# --- starting, and ending badly


def crash(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Say a reference instead of a traceback, which is kept for the administrator; Python then exits with 1."""
    if issubclass(kind, KeyboardInterrupt):
        say("Stopped.")
        return
    if os.environ.get("AFFECTLINE_DEBUG"):
        sys.__excepthook__(kind, error, trace)
        return
    from app.ui.faults import unforeseen

    refuse(unforeseen(error), "--json" in sys.argv)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.excepthook = crash
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    command = typer.main.get_command(cli)
    if "--json" not in arguments:
        command.main(arguments, prog_name="affectline")
    try:
        code = command.main(arguments, prog_name="affectline", standalone_mode=False)
    except typer.exceptions.TyperException as error:
        refuse(Usage("E-USAGE", error.format_message(), "", "See affectline --help."), True)
        sys.exit(error.exit_code)
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
