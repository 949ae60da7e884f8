"""The command line: one verb for each thing a front can do, over the same services as pages and API.

Standard output carries the answer, with ``--json`` exactly one JSON value and nothing else; progress and words for
people go to standard error. Exit codes: 0 done, 2 usage, 3 input refused, 4 analysis abstained, 5 not found, and 1 with
a reference for anything unforeseen.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import AffectlineError, Refused
from core.types import Reading

if TYPE_CHECKING:
    from core.storage.store import Store

ABSTAINED = 4
CRASHED = 1
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

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value on standard output and nothing else.")]


class Preset(StrEnum):
    """The two sets of rules of the detectors."""

    DEFAULT = "default"
    PUBLISHED = "published"


class What(StrEnum):
    """What can be exported."""

    MEASURES = "measures"
    WINDOWS = "windows"
    INSIGHTS = "insights"
    RESULTS = "results"
    SESSION = "session"


class Format(StrEnum):
    """The formats of an export; there is no silent fall-back from one to the other."""

    CSV = "csv"
    PARQUET = "parquet"
    EDF = "edf"


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


class Usage(AffectlineError):
    """A command line that cannot be understood."""

    exit_code = 2
    http_status = 400


# --- the verbs


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; loopback only while nobody signs in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8501,
) -> None:
    """Serve the pages and the API on one port, with a worker beside them."""
    from app.server import serve as run

    with answering(False), progress() as report:
        run(host, port, say=say, progress=report)


@cli.command()
def analyse(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The files of one session; nothing beside.")],
    patient: Annotated[str, typer.Option(help="Pseudonym; an unknown patient is created.")],
    model: Annotated[str | None, typer.Option(help="Name of a bundle; by default the first that fits.")] = None,
    started_at: Annotated[str | None, typer.Option(metavar="ISO", help="Time of the session's start.")] = None,
    sfreq: Annotated[float | None, typer.Option(metavar="HZ", help="Sampling rate, where no file says it.")] = None,
    map_: Annotated[
        Path | None, typer.Option("--map", metavar="FILE.json", help='{"column": {"type": ..., "unit": ...}}')
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read, judge, analyse and store one session."""
    with answering(as_json), progress() as report:
        when = moment(started_at)
        hertz = rate(sfreq)
        mapping = channel_map(map_)
        from core.services import sessions

        answer = sessions.analyse(
            store(),
            sessions.expand(present(files)),
            patient,
            now=now(),
            model=model,
            started_at=when,
            reading=Reading(hertz, mapping or {}),
            progress=report,
        )
    show(answer, as_json, session_lines)
    if answer["status"] == "abstained":
        raise typer.Exit(ABSTAINED)


@cli.command()
def history(patient: str, as_json: AsJson = False) -> None:
    """All stored sessions of a patient, oldest first."""
    with answering(as_json):
        from core.services import sessions

        answer = sessions.history_json(store(), patient)
    show(answer, as_json, history_lines)


@cli.command()
def insights(patient: str, preset: Preset = Preset.DEFAULT, as_json: AsJson = False) -> None:
    """What the rules found for a patient, oldest first."""
    with answering(as_json):
        from core.services import insights as services

        answer = services.as_json(store(), patient, preset.value)
    show(answer, as_json, insight_lines)


@measures_cli.command("import")
def measures_import(file: Path, as_json: AsJson = False) -> None:
    """Import sessions measured elsewhere: patient, started_at, measure, value and optionally low, high."""
    with answering(as_json), progress() as report:
        from core.services import measures

        [path] = present([file])
        answer = measures.import_csv(store(), path, now=now(), name=file.name, progress=report)
    show(answer, as_json, pair_lines)


@cli.command()
def export(
    what: Annotated[What, typer.Option()],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files; made when missing.")],
    fmt: Annotated[Format, typer.Option("--format")],
    patient: Annotated[str | None, typer.Option(help="One patient; everyone when left out.")] = None,
    session: Annotated[str | None, typer.Option(help="The session of --what session, such as P-0042/S-07.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write one kind of data with its dictionary and manifest; a session's recording as EDF+."""
    with answering(as_json):
        if out.exists() and not out.is_dir():
            raise Usage("E-OUT", "this is a file, not a folder.", out.name, "Name a folder for the export.")
        if (what is What.SESSION) != (fmt is Format.EDF) or (what is What.SESSION) != (session is not None):
            raise Usage(
                "E-EXPORT-FORMAT", "a session is exported as edf, and nothing else is.", "--format",
                "Write --what session --session P-0042/S-07 --format edf, or another kind as csv or parquet.",
            )  # fmt: skip
        from core.services import export_files, exports

        if session is not None:
            made = export_files.session_edf(store(), session, now=now())
        else:
            made = exports.export(store(), what.value, fmt.value, now=now(), patient=patient)
        paths = exports.write(made, out)
    answer = {"id": made.id, "what": made.kind, "rows": made.rows, "files": [str(path) for path in paths]}
    show(answer, as_json, lambda a: [f"{a['rows']} rows", *a["files"]])


@cli.command()
def worker(
    server: Annotated[int | None, typer.Option(hidden=True, help="Process id of the server to end with.")] = None,
) -> None:
    """Claim queued jobs and do them, until ended; `serve` starts one by itself."""
    with answering(False):
        from core.worker import main as work

        work(settings_database(), parent=server)


@model_cli.command("list")
def model_list(as_json: AsJson = False) -> None:
    """The bundles that may predict here."""
    with answering(as_json):
        from core.services import models

        answer = models.available(store())
    show(answer, as_json, model_lines)


@model_cli.command("card")
def model_card(name: str, as_json: AsJson = False) -> None:
    """A bundle's card: what it was trained on, how well it does on unseen subjects, what it is not for."""
    with answering(as_json):
        from core.services import models

        answer = models.card(store(), name)
    show(answer, as_json, nested_lines)


@model_cli.command("train")
def model_train(
    study: Annotated[str, typer.Option(help="Name of a study.")],
    target: Annotated[list[str], typer.Option(help="What to predict; may be given more than once.")],
    model: Annotated[str, typer.Option(help="Kind of model, such as logistic.")],
    inputs: Annotated[str, typer.Option(help="Channel types joined by +, such as eeg+ecg.")],
    publish: Annotated[str | None, typer.Option(metavar="NAME", help="Publish as a bundle of this name.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Train on a study, evaluate on unseen subjects, and publish as a bundle when named."""
    with answering(as_json), progress() as report:
        from core.services import models

        answer = models.train(
            store(), study, target, model, inputs, publish=publish, seed=seed, now=now(), progress=report
        )
    show(answer, as_json, nested_lines)


@study_cli.command("simulate")
def study_simulate(
    name: Annotated[str, typer.Option(help="Name of the new study.")],
    subjects: Annotated[int, typer.Option(min=2, max=1000)] = 23,
    trials: Annotated[int, typer.Option(min=2, max=1000)] = 18,
    trial_s: Annotated[float, typer.Option(min=5, max=3600, help="Length of a trial, seconds.")] = 60.0,
    effect: Annotated[float, typer.Option(help="Size of the planted effect; 0 is the null study.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    inputs: Annotated[str, typer.Option(help="Channel types joined by +.")] = "eeg+ecg",
    as_json: AsJson = False,
) -> None:
    """Simulate a study with known truth."""
    with answering(as_json), progress() as report:
        from core.services import studies

        made = studies.simulate(
            store(),
            name,
            subjects=subjects,
            trials=trials,
            trial_s=trial_s,
            effect=effect,
            seed=seed,
            inputs=inputs,
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
        from core.services import studies

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
        from core.services import export_files

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
        from core.services import studies

        answer = studies.all_studies(store())
    show(answer, as_json, table_lines)


@config_cli.command("show")
def config_show(as_json: AsJson = False) -> None:
    """The settings in force and where each comes from; secrets are masked."""
    with answering(as_json):
        from core.services import admin

        answer = admin.config(store())
    show(answer, as_json, lambda rows: [f"{row['name']} = {row['value']}  ({row['source']})" for row in rows])


@audit_cli.command("verify")
def audit_verify(as_json: AsJson = False) -> None:
    """Recompute the hash chain of the audit; exit 3 when a row was changed."""
    with answering(as_json):
        from core.services import admin

        whole, detail = admin.verify_audit(store())
        if not whole:
            raise Refused(
                "E-AUDIT",
                f"the audit chain is broken: {detail}.",
                "audit",
                "Tell your administrator; restore a backup.",
            )
    show({"ok": whole, "detail": detail}, as_json, lambda a: [f"The audit chain is whole: {a['detail']}."])


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


# --- summaries to read


def session_lines(answer: Mapping) -> list[str]:
    """A session in words."""
    from app.ui import wording

    quality = answer["quality"]
    lines = [
        f"{answer['session']}: {wording.STATUS.get(answer['status'], answer['status'])}",
        f"  quality {quality['grade']}, usable share {share(quality['usable_share'])}",
        *(f"  reason: {reason}" for reason in answer["reasons"]),
        *(f"  warning {warning['code']}: {warning['text']}" for warning in answer["warnings"]),
    ]
    model = answer["model"]
    if model:
        accuracy = model["balanced_accuracy"]
        known = "not known" if accuracy is None else f"{accuracy:.2f} (chance 0.50)"
        lines.append(f"  model {model['name']} {model['version']}, trained on {model['basis']}")
        lines.append(f"  balanced accuracy on unseen subjects: {known}")
    lines += [f"  {name}: {value_words(value)}" for name, value in answer["predictions"].items()]
    state = answer["state"]
    lines.append(f"  state: {not_computed(state) if 'not_computed' in state else state['words']}")
    lines += [f"  {name}: {value_words(value)}" for name, value in answer["markers"].items()]
    lines += [f"  insight ({item['severity']}): {item['text']}" for item in answer["insights"]]
    return [*lines, wording.FOOTER]


def history_lines(answer: Mapping) -> list[str]:
    """A history in words, a line for each session."""
    lines = [f"{answer['patient']}: {answer['total']} sessions"]
    for row in answer["sessions"]:
        both = {**row["predictions"], **row["markers"]}
        values = ", ".join(f"{name} {value_words(v)}" for name, v in both.items() if "not_computed" not in v)
        source = "imported" if row["imported"] else f"{row['status']}, usable {share(row['usable_share'])}"
        lines.append(f"  {row['session']}  {row['started_at']}  {source}  {values}".rstrip())
    return lines


def insight_lines(answer: Mapping) -> list[str]:
    """Insights in words, a line for each."""
    lines = [f"{answer['patient']}: {len(answer['insights'])} insights, preset {answer['preset']}"]
    for item in answer["insights"]:
        lines.append(f"  {item['session']}  {item['kind']} ({item['severity']}): {item['text']}")
        lines.append(f"    n {item['n']}, expected by chance {item['expected_by_chance']:.2g} per 20 sessions")
    return lines


def model_lines(answer: list[Mapping]) -> list[str]:
    """Bundles in words."""
    if not answer:
        return ["No model is installed. Markers are computed without one."]
    lines = []
    for model in answer:
        accuracy = model["balanced_accuracy"]
        known = "not known" if accuracy is None else f"{accuracy:.2f}"
        lines.append(f"{model['name']} {model['version']}: {', '.join(model['targets'])} from {model['inputs']}")
        lines.append(f"  trained on {model['basis']}; balanced accuracy on unseen subjects {known}")
        if model["problem"]:
            lines.append(f"  not usable: {model['problem']}")
    return lines


def value_words(value: Mapping) -> str:
    """A prediction or marker in words."""
    if "not_computed" in value:
        return not_computed(value)
    if "p_high" in value:
        interval = f" ({value['low']:.2f} to {value['high']:.2f})" if isinstance(value.get("low"), float) else ""
        return f"{value['p_high']:.2f}{interval} {value['label']}"
    return f"{value['value']:.4g} {value['unit']}"


def not_computed(value: Mapping) -> str:
    """Why there is no value, in words."""
    from app.ui import wording

    reason = value["not_computed"]
    return f"not computed: {wording.REASONS.get(reason, reason)}"


def share(value: float | Mapping) -> str:
    """A share of 0-1 as per cent."""
    return not_computed(value) if isinstance(value, Mapping) else f"{value:.0%}"


def study_lines(answer: Mapping) -> list[str]:
    """An imported study in words."""
    lines = [
        f"{answer['study']}: {answer['n_subjects']} subjects, {answer['n_trials']} trials; {answer['basis']}",
        f"  inputs {', '.join(answer['inputs']) or 'ready features only'}; licence {answer['licence']}",
    ]
    for target, scale in answer["scales"].items():
        lines.append(
            f"  {target}: {scale['lowest']:g} to {scale['highest']:g}, High is {scale['high']} {scale['cut']:g}"
        )
    lines += [f"  note: {note}" for note in answer["notes"]]
    if answer["left_out"]:
        lines.append(f"  {len(answer['left_out'])} left out:")
    lines += [f"    {t['subject']} {t['trial'] or 'all'} ({t['code']}): {t['text']}" for t in answer["left_out"]]
    return lines


def pair_lines(answer: Mapping) -> list[str]:
    """Names and values."""
    words = {name: ", ".join(map(str, v)) if isinstance(v, list | tuple) else v for name, v in answer.items()}
    return [f"{name}: {value}" for name, value in words.items()]


def nested_lines(answer: Mapping, indent: str = "") -> list[str]:
    """An object of objects, indented; long lists are only counted."""
    lines: list[str] = []
    for name, value in answer.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{name}:", *nested_lines(value, indent + "  ")]
        elif isinstance(value, list | tuple) and (len(value) > 12 or any(isinstance(item, Mapping) for item in value)):
            lines.append(f"{indent}{name}: {len(value)} entries")
        else:
            lines += [indent + line for line in pair_lines({name: value})]
    return lines


def table_lines(answer: list[Mapping]) -> list[str]:
    """A line for each row."""
    return [", ".join(f"{name} {value}" for name, value in row.items()) for row in answer] or ["none"]


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
