"""The verbs of the clinic and of running the product."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.kit import (
    AsJson,
    Usage,
    answering,
    audit_cli,
    channel_map,
    cli,
    config_cli,
    measures_cli,
    moment,
    now,
    present,
    progress,
    rate,
    say,
    settings_database,
    show,
    store,
)
from app.cli.words import history_lines, insight_lines, pair_lines, replay_lines, session_lines
from core.errors import Refused
from core.types import Reading

ABSTAINED = 4


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
    RUN = "run"


class Format(StrEnum):
    """The formats of an export; there is no silent fall-back from one to the other."""

    CSV = "csv"
    PARQUET = "parquet"
    EDF = "edf"


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
        from core.services.clinic import sessions

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
        from core.services.clinic import sessions

        answer = sessions.history_json(store(), patient)
    show(answer, as_json, history_lines)


@cli.command()
def replay(session: str, as_json: AsJson = False) -> None:
    """Compute a stored session again from its original files; are its numbers the same to the last bit?"""
    with answering(as_json), progress() as report:
        from core.services.clinic import replay as services

        answer = services.of_session(store(), session, progress=report)
    show(answer, as_json, replay_lines)


@cli.command()
def insights(patient: str, preset: Preset = Preset.DEFAULT, as_json: AsJson = False) -> None:
    """What the rules found for a patient, oldest first."""
    with answering(as_json):
        from core.services.clinic import insights as services

        answer = services.as_json(store(), patient, preset.value)
    show(answer, as_json, insight_lines)


@measures_cli.command("import")
def measures_import(file: Path, as_json: AsJson = False) -> None:
    """Import sessions measured elsewhere: patient, started_at, measure, value and optionally low, high."""
    with answering(as_json), progress() as report:
        from core.services.clinic import measures

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
    experiment: Annotated[str | None, typer.Option(help="The experiment of --what run, such as E-0007.")] = None,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Write the recording's own annotations too; they may hold names.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write one kind of data with its dictionary and manifest: a session as EDF+, a run as a folder."""
    with answering(as_json):
        if out.exists() and not out.is_dir():
            raise Usage("E-OUT", "this is a file, not a folder.", out.name, "Name a folder for the export.")
        if (what is What.SESSION) != (fmt is Format.EDF) or (what is What.SESSION) != (session is not None):
            raise Usage(
                "E-EXPORT-FORMAT", "a session is exported as edf, and nothing else is.", "--format",
                "Write --what session --session P-0042/S-07 --format edf, or another kind as csv or parquet.",
            )  # fmt: skip
        if (what is What.RUN) != (experiment is not None):
            raise Usage(
                "E-EXPORT-RUN", "the folder of a run is of one experiment.", "--experiment",
                "Write --what run --experiment E-0007 --format csv.",
            )  # fmt: skip
        from core.services.exports import export_files, exports, run_folder

        if session is not None:
            made = export_files.session_edf(store(), session, now=now(), annotations=annotations)
        elif experiment is not None:
            made = run_folder.run_folder(store(), experiment, fmt=fmt.value, now=now())
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
