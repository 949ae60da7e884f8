"""Tables of a study: text read as text, people's names kept out, and trials cut out of longer recordings."""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import Refused
from core.readers.base import Options, refuse, visible
from core.studies import apart
from core.studies.folder import Planned
from core.types import Annotation, InputFile, LeftOut, Notice, Recording, Signal

MAX_TABLE_BYTES = 200 * 10**6
MAX_COLUMNS = 600
# files up to this size are known by their content, larger ones by size and time
_WHOLE_BYTES = 10**7
# between a baseline and a stimulus that were not recorded in one go: nothing rings from one into the other, s
JOIN_GAP_S = 1.0
MISSING = {"", "n/a", "na", "nan", "null", "none"}

Mapped = Mapping[str, str]
HOW_TO_MAP = 'Say what to do with each by --map FILE.json, such as {"name": "drop"} or {"name": "pseudonym"}.'
_ALWAYS = {
    "firstname", "forename", "surname", "lastname", "fullname", "realname", "vorname", "nachname", "familienname",
    "email", "mail", "phone", "telephone", "mobile", "address", "dob", "birth", "birthday", "birthdate", "birthyear",
    "geburtsdatum", "geburtstag", "geboren", "ssn", "passport",
}  # fmt: skip
_OF_A_PERSON = {
    "participant", "subject", "patient", "person", "proband", "volunteer", "user", "student", "respondent", "first",
    "last", "full", "family", "given", "middle", "real", "maiden", "their", "your",
}  # fmt: skip
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_DATE = re.compile(r"(?:(\d{4})[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}))(?:[T ].*)?")
# adults of a study were born before, and no recording of this kind of study is older
_BORN_BEFORE = 2005
_PERSON_WORDS = re.compile(r"[^\W\d_]+(?:[ ,.'-]+[^\W\d_]+)+|[^\W\d_]{2,}")


class NamesPeople(Refused):
    """A table names people in some columns, and nobody said yet what to do with them (S5-10)."""

    def __init__(self, name: str, columns: Sequence[str]):
        self.columns = tuple(columns)
        said = ", ".join(visible(c) for c in columns)
        what = f"it names people, or seems to, in the columns {said}; nothing was taken."
        super().__init__("E-PRIVATE", what, visible(name), HOW_TO_MAP)


def read(path: Path, delimiter: str | None = None) -> pd.DataFrame:
    """A CSV or TSV as texts; the delimiter is the one its first line has most of."""
    file = InputFile(path.name, str(path))
    if not path.is_file():
        raise refuse("E-NO-FILE", file, "there is no such file.", "Check that the study is complete.")
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise refuse("E-SIZE", file, f"it is larger than {MAX_TABLE_BYTES // 10**6} MB.", "Split it.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise refuse("E-ENCODING", file, "its encoding is not UTF-8.", "Save it as UTF-8.") from wrong
    head = text.split("\n", 1)[0]
    if "\0" in text or len(head) > 65_536:
        raise refuse("E-TABLE", file, "it is no table of text.", "Export it again.")
    delimiter = delimiter or max(",;\t", key=head.count)
    try:
        rows = [r for r in csv.reader(text.splitlines(), delimiter=delimiter) if any(cell.strip() for cell in r)]
    except csv.Error as wrong:
        raise refuse("E-TABLE", file, "it is no table of text.", "Export it again.") from wrong
    if not rows:
        raise refuse("E-EMPTY", file, "it holds no row.", "Export it again.")
    names = [name.strip() for name in rows[0]]
    if len(names) > MAX_COLUMNS or len(set(names)) < len(names):
        raise refuse("E-COLUMNS", file, "it has too many columns, or two of one name.", "Give each its own name.")
    for i, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise refuse(
                "E-ROWS", file, f"row {i} has {len(row)} cells and the first row {len(names)}.", "Correct that row."
            )
    return pd.DataFrame([[cell.strip() for cell in row] for row in rows[1:]], columns=names, dtype=str)


def number(text: object) -> float:
    """A cell as a number, NaN where it says that there is none or is no number."""
    try:
        return float(str(text).strip().replace(",", "."))
    except ValueError:
        return math.nan


def is_missing(text: object) -> bool:
    """Whether a cell says that there is no value."""
    return str(text).strip().lower() in MISSING


def needs(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Refused (E-COLUMNS) naming every column that is missing."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise Refused(
            "E-COLUMNS", f"it has no column {', '.join(missing)}.", visible(name),
            f"It has {', '.join(visible(c) for c in table.columns[:20])}.",
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------ names of people
def cleared(table: pd.DataFrame, name: str, mapping: Mapped, subjects: str | None = None) -> pd.DataFrame:
    """The table without what names a person, or Refused (E-PRIVATE) naming the columns that must be mapped.

    ``mapping`` says of a column "drop" (it is not taken), "pseudonym" (each value becomes S01, S02 ...) or "keep" (a
    person looked and it names nobody). ``subjects`` is the column of subjects, whose values must be pseudonyms.
    """
    found = []
    for column in table.columns:
        said = mapping.get(column)
        if said not in (None, "drop", "pseudonym", "keep"):
            raise Refused(
                "E-MAP", f'the map gives "{visible(column)}" the word "{visible(str(said))}".', visible(name),
                "Use drop, pseudonym or keep.",
            )  # fmt: skip
        if said is None and (_names_people(column, table[column]) or (column == subjects and _people(table[column]))):
            found.append(column)
    if found:
        raise NamesPeople(name, found)
    table = table.drop(columns=[c for c in table.columns if mapping.get(c) == "drop" and c != subjects])
    for column in table.columns:
        if mapping.get(column) == "pseudonym":
            table = table.assign(**{column: pseudonyms(table[column])})
    return table


def pseudonyms(values: Iterable[str]) -> list[str]:
    """S01, S02 ... in order of first appearance."""
    known: dict[str, str] = {}
    return [known.setdefault(v, f"S{len(known) + 1:02d}") for v in values]


def _names_people(column: str, values: pd.Series) -> bool:
    """Whether a column's name or its values are of the kind that tells who somebody is.

    >>> import pandas as pd
    >>> [_names_people(c, pd.Series(["1"])) for c in ("name", "E-mail", "dateOfBirth", "stimuliName", "video_name")]
    [True, True, True, False, False]
    """
    spaced = re.sub(r"([a-zäöüß])([A-ZÄÖÜ])", r"\1 \2", column).lower()
    words = re.findall(r"[^\W\d_]+", spaced)
    joined = "".join(words)
    if set(words) & _ALWAYS or joined in _ALWAYS or joined in ("email", "emailaddress"):
        return True
    if ("name" in words and not set(words) - {"name"} - _OF_A_PERSON) or joined in ("names", "initials"):
        return True
    texts = [v for v in values.astype(str) if not is_missing(v)]
    if any(_EMAIL.search(v) for v in texts):
        return True
    dates = [m for m in (_DATE.fullmatch(v) for v in texts) if m]
    return len(dates) > len(texts) / 2 and all(int(m[1] or m[2]) < _BORN_BEFORE for m in dates)


def _people(values: pd.Series) -> bool:
    """Whether subjects are called by something that is no pseudonym: words without a digit."""
    return any(_PERSON_WORDS.fullmatch(v.removeprefix("sub-").strip()) for v in values.astype(str).unique())


# ------------------------------------------------------------------------------------------------ trials
def fingerprint(paths: Iterable[Path], root: Path) -> str:
    """One hash over files: their places under ``root``, and their content or, of large ones, size and time."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        if not path.is_file():
            digest.update(f"{path.name}|absent\n".encode())
            continue
        info = path.stat()
        small = info.st_size <= _WHOLE_BYTES
        said = hashlib.sha256(path.read_bytes()).hexdigest() if small else f"{info.st_size}|{info.st_mtime_ns}"
        place = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        digest.update(f"{place}|{said}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Span:
    """Where a trial lies in a recording, s; without ``onset_s`` all of it, without ``duration_s`` to the end."""

    trial: int
    onset_s: float | None = None
    duration_s: float | None = None
    baseline_onset_s: float | None = None
    baseline_duration_s: float | None = None
    wrong: str = ""

    def plain(self) -> list[Any]:
        """As JSON."""
        return [
            self.trial,
            self.onset_s,
            self.duration_s,
            self.baseline_onset_s,
            self.baseline_duration_s,
            self.wrong,
        ]


def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child: the files read as one session, and its trials cut out."""
    from core.readers import session

    recording = session.read(files, Options(sfreq=job.get("sfreq")))
    for row in job["spans"]:
        yield row[0], cut(recording, Span(*row), files[0].name)


def cut(recording: Recording, span: Span, name: str) -> Recording | Refused:
    """A trial of a recording, its baseline as the part before; onsets count from the recording's start."""
    if span.wrong:
        return Refused("E-TRIAL", span.wrong, name, "")
    said = (span.onset_s, span.duration_s, span.baseline_onset_s, span.baseline_duration_s)
    if not all(v is None or math.isfinite(v) for v in said):
        return Refused("E-TRIAL", "its onset or duration, or its baseline's, is no number.", name, "Fill it in.")
    onset = span.onset_s if span.onset_s is not None else 0.0
    duration = span.duration_s if span.duration_s is not None else recording.duration_s - onset
    if onset < 0 or duration <= 0 or onset >= recording.duration_s:
        return Refused(
            "E-TRIAL", f"the trial is said to lie at {onset:.3f} s for {duration:.3f} s; the recording lasts "
            f"{recording.duration_s:.3f} s.", name, "Check onset and duration, and that they are in seconds.",
        )  # fmt: skip
    notices = list(recording.notices)
    if onset + duration > recording.duration_s + 0.5:
        notices.append(Notice("W-TRUNCATED", "The recording ends before the trial does; the trial is truncated."))
    baseline = None
    if span.baseline_duration_s:
        at = span.baseline_onset_s if span.baseline_onset_s is not None else onset - span.baseline_duration_s
        baseline = part(recording.signals, at, span.baseline_duration_s)
        if abs(at + span.baseline_duration_s - onset) < 1e-6 and at >= 0:
            whole = part(recording.signals, at, span.baseline_duration_s + duration)
            marks = (Annotation(0.0, span.baseline_duration_s, "baseline"),)
            return Recording(whole, None, marks, (), recording.format, tuple(notices))
    made = joined(part(recording.signals, onset, duration), baseline)
    if not made.signals:
        return Refused("E-NO-SAMPLES", "no signal has a sample within the trial.", name, "Check onset and duration.")
    return replace(made, format=recording.format, notices=tuple(notices))


def part(signals: Sequence[Signal], onset_s: float, duration_s: float) -> tuple[Signal, ...]:
    """A stretch of each signal, counted from its own start; a signal without a sample there is left out."""
    found = []
    for s in signals:
        first = max(0, round((onset_s - s.onset_s) * s.sfreq))
        last = min(len(s.data), round((onset_s + duration_s - s.onset_s) * s.sfreq))
        if last > first:
            begins = max(0.0, s.onset_s - onset_s)
            found.append(replace(s, data=s.data[first:last], onset_s=begins if begins > 0.5 / s.sfreq else 0.0))
    return tuple(found)


def joined(stimulus: Sequence[Signal], baseline: Sequence[Signal] | None) -> Recording:
    """Stimulus with the baseline before it, annotated ``baseline``.

    Between the two lies a second without samples, for they were not recorded in one go; baseline and gap have one
    length in all signals, or their clocks would part.
    """
    if not baseline:
        return Recording(tuple(stimulus))
    length = max(s.end_s for s in baseline)
    before = {(s.name, s.type): s for s in baseline}
    made = []
    for s in stimulus:
        start = round((length + JOIN_GAP_S + s.onset_s) * s.sfreq)
        data = np.full(start + len(s.data), np.nan, dtype=np.float32)
        data[start:] = s.data
        own = before.get((s.name, s.type))
        if own is not None and own.sfreq == s.sfreq:
            at = round(own.onset_s * s.sfreq)
            data[at : at + len(own.data)] = own.data
        made.append(replace(s, data=data, onset_s=0.0))
    return Recording(tuple(made), None, (Annotation(0.0, length, "baseline"),))


def a_file_each(
    found: Iterable[tuple[str, Path]],
    module: str,
    scales: Mapping[str, tuple[float, float, float]],
    groups: Callable[[str], dict[str, str]] = lambda subject: {},
) -> tuple[list[Planned], list[LeftOut]]:
    """The trials of a corpus with a file a subject, whose ``module`` has entries for a child: ``tables`` gives name and
    labels, in the order of ``scales``, of every trial, and ``parts`` their recordings. Refused when there is no trial.
    """
    trials: list[Planned] = []
    lost: list[LeftOut] = []
    for subject, place in found:
        file = InputFile(place.name, str(place))
        try:
            told = apart.ask(f"{module}:tables", [file])
        except Refused as refused:
            lost.append(left_out(subject, "", refused))
            continue
        read = apart.Files(f"{module}:parts", [file])
        for i, (trial, row) in enumerate(told):
            given = {t: v for t, v in zip(scales, row, strict=False) if v is not None}
            off = [t for t, v in given.items() if not scales[t][0] <= v <= scales[t][1]]
            if off or not given:
                said = f"its label of {', '.join(off)} is off its scale." if off else "it has no label."
                lost.append(LeftOut(subject, trial, "E-LABEL", said))
                continue
            trials.append(Planned(subject, trial, given, groups(subject), read.reader(i)))
    if not trials and lost:
        raise Refused(lost[0].code, lost[0].text, "", "Nothing was stored.")
    return trials, lost


def left_out(subject: str, trial: str, refused: Refused) -> LeftOut:
    """A refusal as a line of the study's report."""
    lead = f"{refused.where}: " if refused.where else ""
    return LeftOut(subject, trial, refused.code, f"{lead}{refused.what} {refused.what_to_do}".strip())


def files_under(root: Path, pattern: str = "*") -> list[Path]:
    """Plain files under a folder that are no strays of an operating system, in order of name."""
    return sorted(
        p for p in root.glob(pattern) if p.is_file() and not p.name.startswith((".", "~", "Thumbs.db", "desktop.ini"))
    )


def folder(path: Path) -> Path:
    """The path of a corpus that is a folder, or Refused."""
    if not path.is_dir():
        raise Refused("E-STUDY-PATH", "this corpus is a folder, and here is none.", visible(path.name), "Name it.")
    return path


def licence_of(path: Path) -> str:
    """The licence text beside a corpus, empty where none lies there."""
    found = path / "LICENSE"
    return found.read_text(encoding="utf-8", errors="replace") if found.is_file() else ""


def parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of a Parquet file as numbers, its sizes looked at first; for a child process."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = InputFile(path.name, str(path))
    try:
        with path.open("rb") as stream:
            told = pq.ParquetFile(stream)
            size = told.metadata.num_rows * 8
            if size > max(400 * path.stat().st_size, 10**6) or size * len(columns) > 2**31:
                raise refuse("E-SIZE", file, "it says it holds more than it can.", "Export it again.")
            missing = [c for c in columns if c not in told.schema_arrow.names]
            if missing:
                raise refuse("E-COLUMNS", file, f"it has no column {', '.join(missing)}.", "Export it again.")
            return told.read(columns=list(columns), use_threads=False).to_pandas().astype(np.float64)
    except (pa.ArrowException, OSError, ValueError) as broken:
        raise refuse("E-PARQUET", file, "it is damaged or holds no numbers.", "Export it again.") from broken


def each(numbers: Iterable[int], make: Any) -> Iterator[tuple[int, Recording | Refused]]:
    """``make`` of each trial, a refusal in place of a recording where it refuses."""
    for trial in numbers:
        try:
            found: Recording | Refused = make(trial)
        except Refused as refused:
            found = refused
        yield trial, found
