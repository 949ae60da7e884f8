"""A BIDS folder of EEG: DENS (ds003751), EmoEEG-MC (ds005540), and any whose ``events.tsv`` carry ratings.

mne-bids reads the entities of file names; they are compared without regard to case, for studies mix ``task-Emotion``
and ``task-emotion``. Sidecars are inherited from the folders above. A signal that is a git-annex link or pointer whose
content was not downloaded is named, with what to do. DENS times its events in samples though BIDS says seconds: a film
of 60 s is 15124 long at 250 Hz, and the last event lies where the recording ends. That is found out by the duration.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import Refused
from core.readers import channels
from core.readers.base import MAX_UNPACKED_BYTES, Options, refuse, visible
from core.studies import listing
from core.studies.apart import Files
from core.studies.folder import Planned, Source
from core.types import CHANNEL_TYPES, InputFile, LeftOut, Notice, Recording, Signal

SIGNALS = (".set", ".edf", ".bdf", ".vhdr", ".fif")
PARTNERS = {".set": (".fdt",), ".vhdr": (".eeg", ".vmrk", ".dat")}
HOW_TO_GET = (
    "Run `datalad get .` or `git annex get .` in the study's folder (with datalad or git-annex installed), or "
    "download the study whole from OpenNeuro; then import it again."
)
_POINTER_BYTES = 4096
_TOGETHER_BYTES = 200 * 10**6
# how BIDS says that there is no value; "none" is a group like another
_NOT_GIVEN = ("", "n/a", "nan")
_DAY_S = 86_400.0
# the column of participants.tsv in which a study that we exported keeps the pseudonyms it had
OWN_SUBJECT = "source_subject"
# what a study of ours calls its ratings in events.tsv
_TARGETS = ("valence", "arousal", "dominance", "liking", "stress")
# --- DENS: ratings with their scales; the film ends where the first rating is shown
_DENS = {
    **dict.fromkeys(("valence", "arousal", "dominance"), (1.0, 9.0, 5.0)),
    **dict.fromkeys(("liking", "familiarity", "relevance"), (1.0, 5.0, 3.0)),
}
_DENS_AFTER = {"vlnc", "arsl", "dmns", "lkng", "fmrt", "relv", "cate", "trno"}
_DENS_BREAKS = {"puse", "rsrt", "stop", "boundary"}
# --- EmoEEG-MC: ten ratings on 0-7, 21 imagery trials and then 21 video trials
_EMO = ("joy", "inspiration", "tenderness", "sadness", "fear", "disgust", "arousal", "valence", "familiarity", "liking")
_EMO_SCALE = (0.0, 7.0, 3.5)
_EMO_HALF, _EMO_ALL = 21, 42
_PHYSIO = ("SamplingFrequency", "StartTime", "Columns")


@dataclass
class _Found:
    """What is gathered while a study is listed; ``mapping`` is what a person said of columns that name people."""

    mapping: listing.Mapped = field(default_factory=dict)
    trials: list[Planned] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    targets: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    high: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    used: list[Path] = field(default_factory=list)
    # tables of events whose times are not in seconds, by the unit that they are in
    units: dict[str, list[str]] = field(default_factory=dict)
    bands: dict[str, tuple[float, float]] = field(default_factory=dict)
    # of the subject at hand: files of a recording, and the trials in it
    runs: list[tuple[list[InputFile], list[Row], Clock]] = field(default_factory=list)

    def lost(self, subject: str, trial: str, refused: Refused) -> None:
        """Note a trial that cannot be taken."""
        self.left_out.append(listing.left_out(subject, trial, refused))


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of a BIDS folder."""
    listing.folder(path)
    said = _json(path / "dataset_description.json")
    if "BIDSVersion" not in said:
        raise Refused(
            "E-BIDS", "dataset_description.json is missing or no BIDS description.", path.name, "Name the top folder."
        )
    people = _participants(path, mapping)
    folders = sorted(p for p in path.glob("sub-*") if p.is_dir())
    _pseudonyms([p.name for p in folders if p.name not in people], mapping)
    found = _Found(mapping)
    if len(people) > len(folders):
        found.notes.append(f"participants.tsv lists {len(people)} subjects; {len(folders)} have a folder.")
    names = dict(zip([p.name for p in folders], listing.pseudonyms(p.name for p in folders), strict=True))
    anonymous = mapping.get("participant_id") == "pseudonym"
    for place in folders:
        groups = people.get(place.name, {})
        own = groups.pop(OWN_SUBJECT, place.name)
        _subject(place, path, names[place.name] if anonymous else own, groups, found)
    for unit, tables in found.units.items():
        found.notes.append(
            f"Onsets of {len(tables)} events.tsv are in {unit} although BIDS says seconds; read as that, for so they "
            "fill the recording."
        )
    if not found.trials:
        first = found.left_out[0] if found.left_out else LeftOut("", "", "E-BIDS", "no subject has a rated trial.")
        raise Refused(first.code, first.text, path.name, "Nothing was stored.")
    name = str(said.get("Name", path.name))
    return Source(
        basis=f"{visible(name)}, BIDS{_doi(said)}: {len(folders)} subjects",
        licence=_licence(said, path, found.notes),
        licence_text=listing.licence_of(path),
        targets=found.targets,
        high=found.high,
        inputs=(),
        trials=found.trials,
        n_trials=len(found.trials),
        made_by={
            "corpus": "bids",
            "files": listing.fingerprint([*found.used, *path.glob("*.tsv"), *path.glob("*.json")], path),
        },
        left_out=tuple(found.left_out),
        notes=tuple(found.notes),
        resumes=True,
        simulated=said.get("Simulated") is True,
        bands=found.bands,
    )


def _subject(place: Path, root: Path, subject: str, groups: dict[str, str], found: _Found) -> None:
    """The trials of one subject's folder, by what its tables look like."""
    files = _files(place)
    found.used += [f for f in files if f.suffix in (".tsv", ".json") or f.suffix in SIGNALS]
    rated = next((f for f in files if f.name.endswith("_beh.tsv")), None)
    events = [f for f in files if f.name.endswith("_events.tsv")]
    try:
        table = listing.cleared(listing.read(rated, "\t"), rated.name, found.mapping) if rated else None
        timed = [(f, listing.read(f, "\t")) for f in events]
    except Refused as refused:
        if refused.code == "E-PRIVATE":
            raise
        found.lost(subject, "", refused)
        return
    if table is not None and {"trial_number", "score_1", "score_10"} <= set(table.columns):
        _emoeeg(root, subject, groups, files, table, found)
    elif timed and any("stm" in set(t.get("trial_type", ())) for _, t in timed):
        for f, t in timed:
            _dens(root, subject, groups, files, f, t, table, found)
    elif timed:
        for f, t in timed:
            _plain(root, subject, groups, files, f, t, found)
    else:
        found.lost(subject, "", Refused("E-NO-EVENTS", "it has neither events.tsv nor beh table.", place.name, ""))
    _together(found, subject)


# ------------------------------------------------------------------------------------------------ files
def _files(place: Path) -> list[Path]:
    """Every file of a subject, links without a target among them."""
    return sorted(p for p in place.rglob("*") if (p.is_symlink() or p.is_file()) and not p.name.startswith("."))


def entities(path: Path) -> dict[str, str]:
    """The entities of a file name in small letters, with its ``suffix``."""
    from mne_bids import get_entities_from_fname

    known = get_entities_from_fname(path.name, on_error="ignore")
    found = {key: str(value).lower() for key, value in known.items() if value is not None}
    return {**found, "suffix": path.name.split(".")[0].rpartition("_")[2].lower()}


def _signals_of(table: Path | None, files: list[Path]) -> list[Path]:
    """The recordings that a table of events belongs to, in order of run; without a table all of the subject."""
    signals = [f for f in files if f.suffix.lower() in SIGNALS and entities(f)["suffix"] in ("eeg", "ieeg", "meg")]
    if table is None:
        return signals
    mine = {k: v for k, v in entities(table).items() if k not in ("suffix", "recording")}
    same = [f for f in signals if all(entities(f).get(k) == v for k, v in mine.items())]
    exact = [f for f in same if entities(f).get("run") == mine.get("run")]
    return exact or same


def _inputs(signal: Path | None, subject: str) -> list[InputFile]:
    """A recording with the files that belong to it, all of them downloaded, or Refused."""
    if signal is None:
        raise Refused("E-NOT-DOWNLOADED", "it has no file of signals (.set, .edf ...).", subject, HOW_TO_GET)
    stem = signal.name.split(".")[0]
    beside = [f for f in signal.parent.iterdir() if f.name.split(".")[0] == stem and f != signal]
    partners = [f for f in beside if f.suffix.lower() in PARTNERS.get(signal.suffix.lower(), ())]
    for f in (signal, *partners):
        if f.is_symlink() and not f.exists():
            raise Refused(
                "E-NOT-DOWNLOADED", "this is a git-annex link whose content was not downloaded.", f.name, HOW_TO_GET
            )
        if is_pointer(f):
            raise Refused(
                "E-NOT-DOWNLOADED", "this is a git-annex or git-lfs pointer, not the signals themselves.", f.name,
                HOW_TO_GET,
            )  # fmt: skip
    return [InputFile(f.name, str(f)) for f in (signal, *partners)]


def is_pointer(path: Path) -> bool:
    """Whether a small file only says where its content would be."""
    if path.stat().st_size > _POINTER_BYTES:
        return False
    body = path.read_bytes()
    return b"/annex/objects" in body or body.startswith(b"version https://git-lfs") or not body.strip()


def _json(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        return found if isinstance(found, dict) else {}
    return {}


def sidecar(of: Path, root: Path, suffix: str) -> dict[str, Any]:
    """What the JSON files say that apply to a file, those nearer to it over those above (BIDS inheritance)."""
    mine = entities(of)
    said: dict[str, Any] = {}
    for place in reversed([of.parent, *(p for p in of.parents[1:] if p == root or root in p.parents)]):
        for path in sorted(place.glob(f"*_{suffix}.json")):
            theirs = entities(path)
            if all(mine.get(k) == v for k, v in theirs.items() if k != "suffix"):
                said |= _json(path)
    return said


def _participants(root: Path, mapping: listing.Mapped) -> dict[str, dict[str, str]]:
    """Groups of every participant; a column that names people blocks the import."""
    path = root / "participants.tsv"
    if not path.is_file():
        return {}
    table = listing.read(path, "\t")
    listing.needs(table, ("participant_id",), path.name)
    ids = list(table.participant_id)
    if OWN_SUBJECT in table:
        listing.cleared(table[[OWN_SUBJECT]], path.name, mapping, OWN_SUBJECT)
    keep = {k: v for k, v in mapping.items() if k != "participant_id" or v == "keep"}
    if mapping.get("participant_id") == "pseudonym":
        keep["participant_id"] = "keep"
    table = listing.cleared(table, path.name, keep, "participant_id")
    rows = table.drop(columns=["participant_id"]).to_dict("records")
    people: dict[str, dict[str, str]] = {}
    for i, row in zip(ids, rows, strict=True):
        said = {str(k): v for k, v in row.items() if v.lower() not in _NOT_GIVEN}
        if people.setdefault(i, said) != said:
            raise Refused(
                "E-SUBJECT", f"{visible(i)} stands in it twice, not alike.", path.name, "Give each subject one row."
            )
    return people


def _pseudonyms(ids: list[str], mapping: listing.Mapped) -> None:
    """Refused (E-PRIVATE) where folders that participants.tsv does not list are called by what may be names."""
    said = {k: v for k, v in mapping.items() if k == "participant_id" and v in ("keep", "pseudonym")}
    listing.cleared(pd.DataFrame({"participant_id": ids}), "the folders of subjects", said, "participant_id")


def _doi(said: Mapping[str, Any]) -> str:
    return f" ({visible(str(said['DatasetDOI']))})" if said.get("DatasetDOI") else ""


def _licence(said: Mapping[str, Any], root: Path, notes: list[str]) -> str:
    """The licence stated; a README that says another is pointed out."""
    licence = visible(str(said.get("License") or "not stated"))
    readme = next((p for p in (root / "README", root / "README.md") if p.is_file()), None)
    text = readme.read_text(encoding="utf-8", errors="replace") if readme else ""
    if "open database" in text.lower() and not re.search(r"odbl|open data", licence, re.IGNORECASE):
        notes.append(f"dataset_description.json says {licence} and the README the Open Database License (ODbL).")
        licence += " (README: ODbL)"
    return licence


# ------------------------------------------------------------------------------------------------ times
# (last onset as written, seconds that one unit of it is)
Clock = tuple[float, float]


def _unit(last: float, length_s: float, sfreq: float) -> float:
    """Seconds that one unit of onsets is: the longest of second, sample and millisecond that keeps them inside.

    Examples
    --------
    >>> _unit(1950.0, 2000.0, 250.0), _unit(498_000.0, 2000.0, 250.0), _unit(1_950_000.0, 2000.0, 250.0)
    (1.0, 0.004, 0.001)
    """
    if last <= 1.5 * length_s:
        return 1.0
    known = (1e-3, 1 / sfreq) if sfreq > 0 else (1e-3,)
    return max((u for u in known if last * u <= 1.1 * length_s), default=1.0)


def _seconds(events: Path, table: pd.DataFrame, root: Path, found: _Found) -> tuple[list[float], list[float], Clock]:
    """Onsets and durations in s, NaN where a cell is no number; and how they were told."""
    onset = [listing.number(v) for v in table.onset]
    duration = [listing.number(v) for v in table.get("duration", pd.Series("", index=table.index))]
    last = max((v for v in onset if math.isfinite(v)), default=0.0)
    said = sidecar(events, root, "eeg")
    length, sfreq = (v if isinstance(v := said.get(k), int | float) else 0.0
                     for k in ("RecordingDuration", "SamplingFrequency"))  # fmt: skip
    unit = _unit(last, length, sfreq) if length > 0 else 1e-3 if last > _DAY_S else 1.0
    if unit < 1.0:
        found.units.setdefault("milliseconds" if unit == 1e-3 else f"samples ({1 / unit:g} Hz)", []).append(events.name)
    return [v * unit for v in onset], [v * unit for v in duration], (last, unit)


Row = tuple[str, dict, dict, listing.Span]


def _add(found: _Found, subject: str, signal: Path | None, rows: list[Row], clock: Clock) -> None:
    """Note the trials of one recording, or each of them as left out where its file is not there."""
    try:
        found.runs.append((_inputs(signal, subject), rows, clock))
    except Refused as refused:
        for trial, *_ in rows:
            found.lost(subject, trial, refused)


def _together(found: _Found, subject: str) -> None:
    """Plan the trials of a subject's runs; small runs are read by one child, for a child costs a second."""
    batches: list[list[tuple[list[InputFile], list[Row], Clock]]] = []
    size = _TOGETHER_BYTES
    for run in found.runs:
        own = sum(Path(f.path).stat().st_size for f in run[0])
        if size + own > _TOGETHER_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(run)
        size += own
    found.runs.clear()
    for batch in batches:
        numbers = itertools.count()
        numbered = [
            (files, [(*row[:3], replace(row[3], trial=next(numbers))) for row in rows], clock)
            for files, rows, clock in batch
        ]
        read = Files(
            "core.studies.bids:runs",
            [f for files, *_ in batch for f in files],
            {"runs": [[len(files), [row[3].plain() for row in rows], clock] for files, rows, clock in numbered]},
        )
        for _, rows, _ in numbered:
            found.trials += [
                Planned(subject, trial, lab, groups, read.reader(span.trial)) for trial, lab, groups, span in rows
            ]


def runs(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child: run after run, each with its trials cut out; one that cannot be read costs its own trials."""
    from core.readers import session

    first = 0
    for n, spans, clock in job["runs"]:
        mine, first = files[first : first + n], first + n
        if spans[-1][0] < job.get("first", 0):
            continue
        try:
            recording = session.read(mine, Options())
            for span in (_timed(listing.Span(*row), recording, *clock) for row in spans):
                yield span.trial, listing.cut(recording, span, mine[0].name)
        except Refused as refused:
            for span in spans:
                yield span[0], refused


def _timed(span: listing.Span, recording: Recording, last: float, unit: float) -> listing.Span:
    """A trial by the recording's own length, where its sidecar says another and onsets are not in seconds."""
    fits = _unit(last, recording.duration_s, max((s.sfreq for s in recording.signals), default=0.0))
    if unit == 1.0 or last * unit <= 1.1 * recording.duration_s or fits == 1.0:
        return span
    times = ("onset_s", "duration_s", "baseline_onset_s", "baseline_duration_s")
    return replace(span, **{t: v * fits / unit for t in times if (v := getattr(span, t)) is not None})


def _labels(row: Mapping[str, str], scales: Mapping[str, tuple[float, float, float]]) -> dict[str, float] | str:
    """The ratings of a row, or what is wrong with them."""
    found = {}
    for target, (lowest, highest, _) in scales.items():
        value = listing.number(row.get(target, ""))
        if value == value and not lowest <= value <= highest:
            return f"its {target} is {value:g}, off the scale of {lowest:g} to {highest:g}."
        if value == value:
            found[target] = value
    return found or "it has no rating."


# ------------------------------------------------------------------------------------------------ DENS
def _dens(
    root: Path, subject: str, groups: dict[str, str], files: list[Path], events: Path, table: pd.DataFrame,
    rated: pd.DataFrame | None, found: _Found,
) -> None:  # fmt: skip
    """Films marked ``stm`` with ``<stimulus>_<order>``, rated in the rows of the beh table in the same order."""
    found.targets |= _DENS
    onset, _, clock = _seconds(events, table, root, found)
    kinds = [k.strip() for k in table.trial_type]
    base = next((onset[i] for i, k in enumerate(kinds) if k == "base"), None)
    bend = next((onset[i] for i, k in enumerate(kinds) if k == "bend"), None)
    films = [i for i, k in enumerate(kinds) if k == "stm"]
    ratings = {Path(r["stimuliName"]).stem: r for r in rated.to_dict("records")} if rated is not None else {}
    order = [name for name in (str(table.label[i]).rpartition("_")[0] for i in films) if name in ratings]
    if order != [name for name in ratings if name in order]:
        refused = Refused("E-ORDER", "films and ratings are not in one order.", events.name, "Ask the authors.")
        found.lost(subject, "", refused)
        return
    rows: list[tuple[str, dict, dict, listing.Span]] = []
    for i in films:
        label = str(table.label[i]).strip()
        stimulus = label.rpartition("_")[0]
        if rated is None or stimulus not in ratings:
            said = "there is no beh table with ratings." if rated is None else "the beh table has no rating of it."
            found.lost(subject, label, Refused("E-NO-RATING", said, subject, ""))
            continue
        row = ratings.pop(stimulus)
        labels = _labels(row, _DENS)
        if isinstance(labels, str):
            found.lost(subject, label, Refused("E-LABEL", labels, subject, ""))
            continue
        after = next((j for j in range(i + 1, len(kinds)) if kinds[j] in _DENS_AFTER), None)
        end = onset[after] if after is not None else math.nan
        between = kinds[i + 1 : after]
        category = re.search(r"u?'([A-Z][a-z]+)\s*:", str(row.get("emotionCateg", "")))
        more = {"stimulus": stimulus, "clicks": str(between.count("clic"))}
        more |= {"category": category[1]} if category else {}
        more |= {"interrupted": "yes"} if set(between) & _DENS_BREAKS else {}
        has_base = base is not None and bend is not None and bend > base
        span = listing.Span(
            len(rows), onset[i], end - onset[i] if end == end else None,
            base if has_base else None, bend - base if has_base else None,  # type: ignore[operator]
        )  # fmt: skip
        rows.append((label, labels, {**groups, **more}, span))
    for name in ratings:
        found.lost(
            subject, name, Refused("E-NO-EVENT", "it is rated, but events.tsv has no such film.", events.name, "")
        )
    if rows:
        _add(found, subject, next(iter(_signals_of(events, files)), None), rows, clock)


# ------------------------------------------------------------------------------------------------ EmoEEG-MC
def _emoeeg(
    root: Path, subject: str, groups: dict[str, str], files: list[Path], table: pd.DataFrame, found: _Found
) -> None:
    """Ten ratings a trial; where a trial lies is marked in the EDF files, read with them."""
    found.targets |= dict.fromkeys(_EMO, _EMO_SCALE)
    physio = _physio(root, subject, files, found)
    readme = next((p for p in (root / "README.md", root / "README") if p.is_file()), None)
    text = readme.read_text(encoding="utf-8", errors="replace") if readme else ""
    number = re.sub(r"\D", "", subject)
    missing = _missing_trials(text, number)
    there = [t for t in range(1, _EMO_ALL + 1) if t not in missing]
    if len(table) == _EMO_ALL:
        rated = {t: table.iloc[t - 1] for t in there}
    elif len(table) == len(there):
        rated = {t: table.iloc[i] for i, t in enumerate(there)}
    else:
        said = f"the beh table has {len(table)} rows and the README lists {len(missing)} missing trials."
        found.lost(subject, "", Refused("E-ROWS", said, subject, "Ask the authors."))
        return
    for t in sorted(missing):
        found.lost(subject, f"{t:02d}", Refused("E-NO-TRIAL", "the README lists it as missing.", subject, ""))
    rows: list[tuple[int, dict, dict]] = []
    for t, row in rated.items():
        labels = _labels({name: row[f"score_{i + 1}"] for i, name in enumerate(_EMO)}, found.targets)
        if isinstance(labels, str):
            found.lost(subject, f"{t:02d}", Refused("E-LABEL", labels, subject, ""))
            continue
        rows.append((t, labels, {**groups, "context": "imagery" if t <= _EMO_HALF else "video"}))
    signals = _signals_of(None, files)
    try:
        inputs = [f for s in signals for f in _inputs(s, subject)] or _inputs(None, subject)
    except Refused as refused:
        for t, *_ in rows:
            found.lost(subject, f"{t:02d}", refused)
        return
    job = {"trials": there, "codes": _codes(text, number), "physio": physio}
    read = Files("core.studies.bids:marked", inputs, job)
    for t, labels, more in rows:
        found.trials.append(Planned(subject, f"{t:02d}", labels, more, read.reader(t)))


def _missing_trials(readme: str, number: str) -> set[int]:
    """Trials that the README says a subject lacks."""
    line = re.search(rf"\*\*sub-?{number}\*\*: Missing (.+)", readme)
    found: set[int] = set()
    for part in re.findall(r"\(Trials? ([^)]*)\)", line[1]) if line else ():
        for first, last in re.findall(r"(\d+)(?:\s*[-–]\s*(\d+))?", part):
            found |= set(range(int(first), int(last or first) + 1))
    return found


def _codes(readme: str, number: str) -> dict[str, int]:
    """What the numbers in a subject's annotations mean: ``ima``, ``vid``, ``rating``, ``fade``."""
    line = re.search(rf"^\s*sub-{number}:(.+)$", readme, re.MULTILINE)
    pairs = re.findall(r"(ima|vid|rating|fade|fede)-(\d+)", line[1]) if line else []
    return {name.replace("fede", "fade"): int(code) for name, code in pairs}


def marked(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child: one or two runs, whose annotations number the trials or the kinds of trial."""
    from core.readers import session

    runs = [_with_physio(session.read([f], Options()), job["physio"]) for f in files]
    marks: list[tuple[int, float, int]] = []
    for i, recording in enumerate(runs):
        for mark in recording.annotations:
            numbers = re.findall(r"\d+", mark.description)
            if numbers:
                marks.append((i, mark.onset_s, int(numbers[-1])))
    where = _where(marks, list(job["trials"]), job["codes"])
    for trial in job["trials"]:
        if isinstance(where, str):
            yield trial, Refused("E-MARKERS", where, files[0].name, "Ask the authors which marker is which trial.")
            continue
        run, onset, end = where[trial]
        span = listing.Span(trial, onset, end - onset if end is not None else None)
        yield trial, listing.cut(runs[run], span, files[run].name)


def _physio(root: Path, subject: str, files: list[Path], found: _Found) -> list[tuple[str, dict[str, Any]]]:
    """Recordings of the body beside the EEG (physio.tsv.gz) that are there, each with its sidecar."""
    said = sorted(f for f in files if f.name.endswith("_physio.json"))
    there = []
    for f in said:
        data = f.with_name(f.name.removesuffix(".json") + ".tsv.gz")
        if data.is_file() and not is_pointer(data):
            there.append((str(data), {k: v for k, v in sidecar(data, root, "physio").items() if k in _PHYSIO}))
    notes = []
    if there:
        notes.append(
            "PPG and GSR (physio.tsv.gz) lie on the clock of the EEG by their unix times; whole hours between the two "
            "were taken for time zones."
        )
    if len(there) < len(said):
        notes.append(f"Some PPG and GSR (physio.tsv.gz) are not there or were not downloaded. {HOW_TO_GET}")
    found.notes += [n for n in notes if n not in found.notes]
    return there


def _with_physio(eeg: Recording, physio: list[tuple[str, dict[str, Any]]]) -> Recording:
    """The EEG with the signals beside it; what is damaged of them is said, and the EEG stays."""
    for path, said in physio:
        try:
            eeg = replace(eeg, signals=(*eeg.signals, *_slow(eeg, path, said)))
        except Refused as refused:
            eeg = replace(eeg, notices=(*eeg.notices, Notice("W-PHYSIO", refused.text)))
    return eeg


def _slow(eeg: Recording, path: str, said: Mapping[str, Any]) -> tuple[Signal, ...]:
    """The columns of a physio.tsv.gz that are a signal of the body, on the clock of the EEG; none without a clock.

    BIDS counts ``StartTime`` from the start of the EEG; EmoEEG-MC gives it in unix time, and its EDF the local time.
    """
    file = InputFile(Path(path).name, path)
    try:
        sfreq, onset_s, columns = float(said["SamplingFrequency"]), float(said["StartTime"]), list(said["Columns"])
        with gzip.open(path) as stream:
            body = stream.read(MAX_UNPACKED_BYTES + 1)
        if len(body) > MAX_UNPACKED_BYTES:
            raise refuse("E-SIZE", file, f"it holds more than {MAX_UNPACKED_BYTES // 10**6} MB.", "Split it.")
        table = pd.read_csv(io.BytesIO(body), sep="\t", header=None, names=columns, na_values=["n/a"], dtype=str)
    except (LookupError, TypeError, ValueError, OSError, EOFError, zlib.error) as broken:
        raise refuse("E-PHYSIO", file, "it, or the JSON beside it, is damaged.", "Download it again.") from broken
    if abs(onset_s) > _DAY_S:
        if eeg.started_at is None:
            return ()
        onset_s -= eeg.started_at.timestamp()
        onset_s -= 3600 * round(onset_s / 3600)
    x = table.apply(pd.to_numeric, errors="coerce")
    if list(table.iloc[0]) == columns:
        x = x.iloc[1:]
    raw = [
        channels.Raw(c, None, x[c].to_numpy(dtype=np.float32), sfreq, onset_s)
        for c in columns if channels.type_of(c) != "misc"
    ]  # fmt: skip
    return channels.typed(raw, Options(), [], file)


def _where(
    marks: list[tuple[int, float, int]], trials: list[int], codes: Mapping[str, int]
) -> dict[int, tuple[int, float, float | None]] | str:
    """Run, onset and end of every trial, or why they cannot be told.

    The k-th mark of imagery is the k-th imagery trial (1-21) there is, and so for video (22-42); a trial ends at the
    next mark. Where the marks do not count up to that, they may be the trials' own numbers, each once.
    """
    halves = {"ima": [t for t in trials if t <= _EMO_HALF], "vid": [t for t in trials if t > _EMO_HALF]}
    at = {kind: [i for i, m in enumerate(marks) if m[2] == codes.get(kind)] for kind in halves}
    if codes and all(len(at[kind]) == len(mine) for kind, mine in halves.items()):
        starts = {t: i for kind, mine in halves.items() for t, i in zip(mine, at[kind], strict=True)}
    else:
        numbers = [m[2] for m in marks]
        if any(numbers.count(t) != 1 for t in trials):
            counted = ", ".join(f"{len(at[kind])} of {len(mine)} {kind}" for kind, mine in halves.items())
            return f"its annotations mark neither every trial by number nor by kind ({counted})."
        starts = {t: numbers.index(t) for t in trials}
    found: dict[int, tuple[int, float, float | None]] = {}
    for t, i in starts.items():
        run, onset, _ = marks[i]
        after = [m[1] for m in marks[i + 1 :] if m[0] == run and m[1] > onset]
        found[t] = (run, onset, min(after) if after else None)
    return found


# ------------------------------------------------------------------------------------------------ any other
def _plain(
    root: Path,
    subject: str,
    groups: dict[str, str],
    files: list[Path],
    events: Path,
    table: pd.DataFrame,
    found: _Found,
) -> None:
    """Rows of ``events.tsv`` with ratings in columns of the targets' names; an event ``baseline`` goes before the next.

    An event with a name in the column ``trial`` is one even where it was not rated. ``events.json`` gives a column's
    ``Lowest``, ``Highest``, ``Cut`` and, where it is not ">", ``High``; only a column of 0 and 1 may do without.
    """
    table = listing.cleared(table, events.name, found.mapping)
    listing.needs(table, ("onset", "duration"), events.name)
    targets = [c for c in table.columns if c in _TARGETS or c.startswith("label_")]
    named = "trial" in table.columns
    if not targets and not named:
        found.lost(subject, "", Refused("E-NO-RATING", "no column of events.tsv is a rating.", events.name, ""))
        return
    said = sidecar(events, root, "events")
    scales = {}
    for column in targets:
        scale = _scale(said.get(column), table[column])
        if scale is None:
            found.lost(subject, "", Refused("E-SCALE", f"events.json states no scale of {column}.", events.name, ""))
            return
        target = column.removeprefix("label_")
        scales[column] = found.targets.setdefault(target, scale[0])
        found.high[target] = scale[1]
    onset, duration, clock = _seconds(events, table, root, found)
    rows: list[tuple[str, dict, dict, listing.Span]] = []
    baseline: tuple[float, float] | None = None
    for i, row in enumerate(table.to_dict("records")):
        if str(row.get("trial_type", "")).strip().lower() == "baseline":
            baseline = (onset[i], duration[i])
            continue
        labels = _labels(row, scales)
        name = str(row.get("trial") or row.get("stim_id") or f"{len(rows) + 1:02d}")
        if labels == "it has no rating." and named and not listing.is_missing(row["trial"]):
            labels = {}
        if isinstance(labels, str):
            if labels != "it has no rating.":
                found.lost(subject, name, Refused("E-LABEL", labels, events.name, ""))
            continue
        more = {
            c.removeprefix("group_"): row[c] for c in row if c.startswith("group_") and row[c].lower() not in _NOT_GIVEN
        }
        span = listing.Span(len(rows), onset[i], duration[i], *(baseline or (None, None)))
        rows.append((name, {k.removeprefix("label_"): v for k, v in labels.items()}, {**groups, **more}, span))
        baseline = None
    if rows:
        signal = next(iter(_signals_of(events, files)), None)
        _add(found, subject, signal, rows, clock)
        if signal is not None and not found.bands:
            found.bands = _bands(sidecar(signal, root, "eeg").get("SoftwareFilters"))
    else:
        found.lost(subject, "", Refused("E-NO-RATING", "no event is rated.", events.name, ""))


def _bands(filters: Any) -> dict[str, tuple[float, float]]:
    """Pass-bands in Hz that the signals were published with, where the sidecar says them for our channel types."""
    said = filters.get("PassBand") if isinstance(filters, dict) else None
    found = {}
    for type_, band in (said if isinstance(said, dict) else {}).items():
        numbers = [float(v) for v in band if isinstance(v, int | float)] if isinstance(band, list) else []
        if type_ in CHANNEL_TYPES and len(numbers) == 2 and 0 <= numbers[0] < numbers[1]:
            found[type_] = (numbers[0], numbers[1])
    return found


def _scale(said: Any, values: pd.Series) -> tuple[tuple[float, float, float], str] | None:
    if isinstance(said, dict):
        numbers = [said.get(k) for k in ("Lowest", "Highest", "Cut")]
        if all(isinstance(v, int | float) for v in numbers):
            side = said.get("High", ">")
            lowest, highest, cut = (float(v) for v in numbers)  # type: ignore[arg-type]
            return (lowest, highest, cut), side if side in (">", ">=", "<", "<=") else ">"
    seen = {v for v in map(listing.number, values) if v == v}
    return ((0.0, 1.0, 0.5), ">") if seen and seen <= {0.0, 1.0} else None


# ------------------------------------------------------------------------------------------------ ratings alone
def ratings(root: Path) -> tuple[pd.DataFrame, dict[str, tuple[float, float, float]]]:
    """The ratings in the beh tables of DENS or EmoEEG-MC, whether or not the signals were downloaded.

    Returns
    -------
    DataFrame
        A row a trial: ``subject``, ``stimulus`` and each target, NaN where it was not rated.
    dict
        (lowest, highest, cut) of each target.
    """
    scales: dict[str, tuple[float, float, float]] = {}
    rows: list[dict[str, Any]] = []
    for path in sorted(root.glob("sub-*/**/beh/*_beh.tsv")):
        table = listing.read(path, "\t")
        dens = "stimuliName" in table
        own = _DENS if dens else dict.fromkeys(_EMO, _EMO_SCALE)
        names = dict.fromkeys(_DENS) if dens else {f"score_{i + 1}": name for i, name in enumerate(_EMO)}
        if not set(names) <= set(table.columns):
            continue
        scales |= own
        for row in table.rename(columns={k: v for k, v in names.items() if v}).to_dict("records"):
            labels = _labels(row, own)
            if not isinstance(labels, str):
                who, what = path.name.split("_")[0], row["stimuliName" if dens else "video_name"]
                rows.append({"subject": who, "stimulus": Path(what).stem, **labels})
    if not rows:
        raise Refused("E-NO-RATING", "no table of ratings was found in it.", root.name, "Name a BIDS folder with beh/.")
    return pd.DataFrame(rows).reindex(columns=["subject", "stimulus", *scales]), scales
