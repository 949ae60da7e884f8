"""What every verb shares: options, the store, progress, answers and refusals."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import AffectlineError, Refused

if TYPE_CHECKING:
    from core.services.exports.exports import Export
    from core.storage.store import Store

Progress = Callable[[float, str], None]
cli = typer.Typer(
    name="affectline",
    help="Physiological recordings of one person over months. Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
measures_cli = typer.Typer(help="Measures from elsewhere.", no_args_is_help=True, rich_markup_mode=None)
model_cli = typer.Typer(help="Model bundles and their cards.", no_args_is_help=True, rich_markup_mode=None)
study_cli = typer.Typer(help="Studies: tables of trials over recordings.", no_args_is_help=True, rich_markup_mode=None)
config_cli = typer.Typer(help="Settings in force.", no_args_is_help=True, rich_markup_mode=None)
audit_cli = typer.Typer(help="The audit chain.", no_args_is_help=True, rich_markup_mode=None)
cli.add_typer(measures_cli, name="measures")
cli.add_typer(model_cli, name="model")
cli.add_typer(study_cli, name="study")
cli.add_typer(config_cli, name="config")
cli.add_typer(audit_cli, name="audit")

AsPdf = Annotated[Path | None, typer.Option("--pdf", metavar="FILE.pdf", help="Write it as a PDF report here too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value on standard output and nothing else.")]


class Usage(AffectlineError):
    """A command line that cannot be understood."""

    exit_code = 2
    http_status = 400


# --- what the options mean


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 time; without an offset it is in the site's time zone."""
    if text is None:
        return None
    from core.settings import settings

    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=settings().zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Usage(
            "E-TIME", f"{text!r} is no ISO 8601 time.", "--started-at", "Write it like 2026-03-01T09:30:00+01:00."
        ) from None


def rate(hertz: float | None) -> float | None:
    """A sampling rate that a recording can have."""
    if hertz is not None and not 0.1 <= hertz <= 100_000:
        raise Usage("E-RATE", f"{hertz:g} Hz is no sampling rate.", "--sfreq", "Give a rate of 0.1 to 100000 Hz.")
    return hertz


def channel_map(path: Path | None) -> Mapping[str, Mapping[str, str]] | None:
    """The file of ``--map``: what the columns are that cannot be told from the file itself."""
    if path is None:
        return None
    shape = 'Write a JSON object such as {"column 1": {"type": "eeg", "unit": "µV"}}.'
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise Usage("E-MAP", "this file cannot be read.", path.name, shape) from None
    except (ValueError, RecursionError):
        raise Usage("E-MAP", "this is no JSON.", path.name, shape) from None
    if not isinstance(mapping, dict):
        raise Usage("E-MAP", "this is no JSON object.", path.name, shape)
    for column, entry in mapping.items():
        if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
            raise Usage("E-MAP", f"the entry of {column!r} is no object of texts.", path.name, shape)
        if unknown := set(entry) - {"type", "unit"}:
            raise Usage("E-MAP", f"the entry of {column!r} has an unknown key {min(unknown)!r}.", path.name, shape)
    return mapping


def private_map(path: Path | None) -> Mapping[str, str]:
    """The file of ``--map`` of an import: what to do with columns that name people."""
    if path is None:
        return {}
    shape = 'Write a JSON object such as {"name": "drop"}; the words are drop, pseudonym and keep.'
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise Usage("E-MAP", "this file cannot be read as JSON.", path.name, shape) from None
    if not isinstance(mapping, dict) or not set(map(str, mapping.values())) <= {"drop", "pseudonym", "keep"}:
        raise Usage("E-MAP", "this is no JSON object of such words.", path.name, shape)
    return mapping


def present(paths: list[Path]) -> list[Path]:
    """The paths, all of which exist; a path that does not is a refused input, exit 3."""
    for path in paths:
        try:
            found = path.exists()
        except (OSError, ValueError):
            found = False
        if not found:
            raise Refused("E-FILE", "there is no such file.", path.name, "Check the name and the folder.")
    return paths


# --- what every verb shares


def writable(path: Path | None) -> None:
    """Refuse the place of ``--pdf`` before any work, where no file can be written."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise Usage("E-OUT", "no file can be written here.", path.name, "Name a new file in a folder that is there.")


def write_pdf(path: Path, made: Export) -> None:
    """The report of an export at the place that ``--pdf`` names."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(next(data for name, data in made.files.items() if name.endswith(".pdf")))
    part.replace(path)
    say(f"The report lies in {path.name}.")


def store() -> Store:
    """The database of this site, made or migrated."""
    from core.storage.store import Store

    return Store.open(settings_database())


def settings_database() -> str:
    """The database URL in force; a setting that cannot be is a usage error."""
    from pydantic import ValidationError

    from core.settings import settings

    try:
        return settings().database
    except ValidationError as error:
        first = error.errors()[0]
        name = "AFFECTLINE_" + "_".join(str(part) for part in first["loc"]).upper()
        what = first["msg"].removeprefix("Value error, ")
        raise Usage("E-SETTING", f"{what}.", name, "Correct or remove this setting.") from None


def now() -> datetime:
    """The present time; services are handed it."""
    return datetime.now(UTC)


@contextmanager
def answering(as_json: bool) -> Iterator[None]:
    """Turn a refusal into its exit code: words on standard error, with ``--json`` the object on standard output."""
    try:
        settings_database()  # settings that cannot be are said first
        yield
    except AffectlineError as error:
        refuse(error, as_json)
        raise typer.Exit(error.exit_code) from None


def refuse(error: AffectlineError, as_json: bool) -> None:
    """Say what was wrong."""
    if as_json:
        print(json.dumps(error.as_dict(), ensure_ascii=False, indent=2))
    say(error.text)


def say(text: str) -> None:
    """A line for a person, on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on a terminal, otherwise a line whenever the message changes; on standard error."""
    if not sys.stderr.isatty():
        last = ""

        def line(_share: float, message: str) -> None:
            nonlocal last
            if message and message != last:
                say(message)
                last = message

        yield line
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0, visible=False)
        yield lambda share, message: bar.update(task, completed=share, description=escape(message), visible=True)


def show(answer: Any, as_json: bool, lines: Callable[[Any], list[str]]) -> None:
    """Print the answer: JSON without a NaN in it, or lines to read."""
    if as_json:
        print(json.dumps(answer, ensure_ascii=False, indent=2, allow_nan=False, default=plain))
    else:
        print("\n".join(lines(answer)))


def plain(value: object) -> object:
    """Times as ISO 8601 and paths as text in JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
