"""Tables of a headband's band powers, of a face and of eyes, aligned by unix time with a table of events.

A folder, or a folder a participant, of CSV files. Which table is which shows in its columns: ``routineStart`` and
``routineEnd`` (events), ``Alpha_TP9`` and such (bands), at least three of the emotions (face), ``pupil`` (eyes). The
participant is a column, else the name's first part (``7_EEG.csv``) or the folder. Times are unix times in s or ms.

Labels are columns of the events: ``label_<target>`` or one of the product's targets, with scales in a JSON beside as
for a manifest; a column of 0 and 1 needs none. A trial without a sample is left out: nothing is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import Refused
from core.readers.base import refuse, visible
from core.readers.tiva import TRIAL, WHEN, WHO, band_of, bare, cleared, first_of, kind, unix_s
from core.studies import listing, manifest
from core.studies.apart import Files
from core.studies.folder import Planned, Source
from core.types import InputFile, LeftOut, Recording, Signal

# share of full scale above which an expression counts as shown
OCCURS = 0.1
_NOT_SIGNALS = {*WHO, *WHEN, "key", "frame", "index", "row", "slideevent", "respondent"}
_TARGETS = ("valence", "arousal", "dominance", "liking", "stress")


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the folder."""
    listing.folder(path)
    tables = [*listing.files_under(path, "*.csv"), *listing.files_under(path, "*/*.csv")]
    kinds = {p: kind(_columns(p)) for p in tables}
    events = [p for p in tables if kinds[p] == "events"]
    series = [p for p in tables if kinds[p] in ("bands", "face", "eyes")]
    if not events or not series:
        raise Refused(
            "E-STUDY-PATH", f"of {len(tables)} CSV files, {len(events)} have routineStart and routineEnd and "
            f"{len(series)} are tables of bands, face or eyes.", path.name, "Name the folder with both.",
        )  # fmt: skip
    for p in series:
        _private(p, mapping)
    listed = pd.concat([_events(p, path, mapping) for p in events], ignore_index=True)
    targets, high, notes = _targets(listed, events[0].with_suffix(".json"))
    listed = listed.sort_values(["subject", "start"], kind="stable")
    plans: list[list[Any]] = []
    trials, left_out = [], []
    for row in listed.to_dict("records"):
        given = {t.removeprefix("label_"): listing.number(row[t]) for t in targets}
        if not row["end"] > row["start"]:
            left_out.append(LeftOut(row["subject"], row["trial"], "E-TRIAL", "its end is not after its start."))
            continue
        read_of = len(plans)
        plans.append([row["subject"], row["start"], row["end"]])
        trials.append((row["subject"], row["trial"], {t: v for t, v in given.items() if v == v}, read_of))
    job = {"series": [[str(p.absolute()), kinds[p], _subject_of(p, path)] for p in series], "trials": plans}
    read = Files("core.studies.s3:parts", [InputFile(events[0].name, str(events[0]))], job)
    return Source(
        basis=f"tables of band powers and face, {listed.subject.nunique()} subjects",
        licence="not stated",
        licence_text=listing.licence_of(path),
        targets={t.removeprefix("label_"): scale for t, scale in targets.items()},
        high={t.removeprefix("label_"): side for t, side in high.items()},
        inputs=(),
        trials=[Planned(s, t, labels, {}, read.reader(i), features, coverage) for s, t, labels, i in trials],
        n_trials=len(trials),
        made_by={"corpus": "s3", "files": listing.fingerprint(tables, path)},
        left_out=tuple(left_out),
        notes=(
            *notes,
            "Band powers came ready made: no other band can be computed from them.",
            "A trial's coverage is the share of its time with samples; what is missing was not filled in.",
        ),
        resumes=True,
    )


def _columns(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        head = stream.readline(65_536)
    return [c.strip().strip('"') for c in head.rstrip("\r\n").split(max(",;\t", key=head.count))]


def _first(table: pd.DataFrame, known: Iterable[str]) -> Any:
    """The first of the table's columns that is called so; None where none is."""
    at = first_of([str(c) for c in table.columns], known)
    return None if at is None else table.columns[at]


def _subject_of(path: Path, root: Path) -> str:
    """The participant of a file without a column for it: its folder's name, else the first part of its own."""
    name = path.parent.name if path.parent != root else re.split(r"[_\-. ]", path.stem)[0]
    return f"P{int(name):02d}" if name.isdecimal() else name


def _named(value: object) -> str:
    text = str(value).strip().removesuffix(".0")
    return f"P{int(text):02d}" if text.isdecimal() else text


def _private(path: Path, mapping: listing.Mapped) -> None:
    """Refused when the columns of a long table name people; only its first rows are looked at for their values."""
    with path.open("rb") as stream:
        head = pd.read_csv(stream, nrows=50, dtype=str, sep=None, engine="python", keep_default_na=False)
    listing.cleared(head, path.name, mapping)


def _events(path: Path, root: Path, mapping: listing.Mapped) -> pd.DataFrame:
    table = listing.cleared(listing.read(path), path.name, mapping)
    who, trial = _first(table, WHO), _first(table, TRIAL)
    subject = [_named(v) for v in table[who]] if who else [_subject_of(path, root)] * len(table)
    start, end = (
        unix_s([listing.number(v) for v in table[_first(table, (c,))]]) for c in ("routinestart", "routineend")
    )
    count = pd.Series(subject).groupby(subject).cumcount() + 1
    made = table.assign(subject=subject, start=start, end=end)
    own = trial is not None and not pd.DataFrame({"s": subject, "t": list(table[trial])}).duplicated().any()
    made["trial"] = list(table[trial]) if own else [f"{n:02d}" for n in count]
    listing.cleared(made[["subject"]], path.name, {} if who is None else mapping, "subject")
    return made


def _targets(
    listed: pd.DataFrame, path: Path
) -> tuple[dict[str, tuple[float, float, float]], dict[str, str], tuple[str, ...]]:
    columns = [c for c in listed.columns if c.startswith("label_") or c.lower() in _TARGETS]
    if path.is_file():
        targets, high = manifest.scales(path, [c.removeprefix("label_") for c in columns])
        back = dict(zip([c.removeprefix("label_") for c in columns], columns, strict=True))
        return {back[t]: s for t, s in targets.items()}, {back[t]: s for t, s in high.items()}, ()
    seen = {c: {v for v in map(listing.number, listed[c]) if v == v} for c in columns}
    plain = {c: (0.0, 1.0, 0.5) for c in columns if seen[c] and seen[c] <= {0.0, 1.0}}
    other = [c for c in columns if c not in plain]
    notes = (f"Labels without a scale were not taken: {', '.join(other)}; write it in {path.name}.",) if other else ()
    return plain, dict.fromkeys(plain, ">"), notes


# ------------------------------------------------------------------------------------------------ the child
def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child: the samples of each trial, laid on a grid of the participant's own rate."""
    series: dict[str, list[tuple[str, pd.DataFrame, float]]] = {}
    for place, what, default in job["series"]:
        for subject, table in _series(Path(place), what, default).items():
            step = np.diff(np.sort(table.t.to_numpy()))
            step = step[step > 0]
            if len(step):
                series.setdefault(subject, []).append((what, table, float(1 / np.median(step))))

    def make(trial: int) -> Recording:
        subject, start, end = job["trials"][trial]
        signals: list[Signal] = []
        for what, table, hz in series.get(subject, ()):
            signals += _laid(table, what, hz, start, end)
        if not signals or all(np.isnan(s.data).all() for s in signals):
            raise refuse("E-NO-SAMPLES", subject, "no table has a sample within the trial: coverage 0.", "")
        return Recording(tuple(signals), None, (), (), "s3")

    return listing.each(range(job["first"], len(job["trials"])), make)


def _series(path: Path, what: str, default: str) -> dict[str, pd.DataFrame]:
    """A table by participant: time ``t`` in s and its signals, with what stands for no value as NaN."""
    file = InputFile(path.name, str(path))
    columns = _columns(path)
    if len(columns) > listing.MAX_COLUMNS:
        raise refuse("E-COLUMNS", file, f"it has {len(columns)} columns.", "Export fewer.")
    head = path.open(encoding="utf-8-sig", errors="replace").readline(65_536)
    try:
        with path.open("rb") as stream:
            table = pd.read_csv(
                stream, engine="c", on_bad_lines="error", encoding="utf-8-sig", encoding_errors="strict",
                compression=None, sep=max(",;\t", key=head.count), skipinitialspace=True, low_memory=False,
            )  # fmt: skip
    except (ValueError, pd.errors.ParserError) as broken:
        raise refuse("E-TABLE", file, "it is no table of text.", "Export it again.") from broken
    when, who = _first(table, WHEN), _first(table, WHO)
    if when is None:
        raise refuse("E-TIME", file, "it has no column of unix times.", f"There are: {visible(', '.join(columns))}.")
    names = [
        str(c) for c in table.columns
        if bare(str(c)) not in _NOT_SIGNALS and (what != "bands" or band_of(str(c)))
    ]  # fmt: skip
    x = table[names].apply(lambda values: cleared(values.name, pd.to_numeric(values, errors="coerce")))
    x = x.loc[:, x.notna().any() | (what == "bands")].assign(t=unix_s(pd.to_numeric(table[when], errors="coerce")))
    people = [_named(v) for v in table[who]] if who else [default] * len(x)
    return {str(subject): rows.dropna(subset=["t"]) for subject, rows in x.groupby(people)}


def _laid(table: pd.DataFrame, what: str, hz: float, start: float, end: float) -> list[Signal]:
    t = table.t.to_numpy()
    inside = (t >= start) & (t <= end)
    n = max(1, int(np.ceil((end - start) * hz)))
    at = np.minimum(((t[inside] - start) * hz).round().astype(int), n - 1)
    made = []
    for name in (c for c in table.columns if c != "t"):
        data = np.full(n, np.nan, dtype=np.float32)
        data[at] = table[name].to_numpy()[inside]
        shown = band_of(name) or name
        made.append(Signal(shown, "face" if what == "face" else "misc", "au" if what == "face" else "", hz, data))
    return made


# ------------------------------------------------------------------------------------------------ features
def coverage(recording: Recording) -> float:
    """Share of the trial's time that has samples, 0-1: the mean over tables, by their rate and kind."""
    kinds: dict[tuple[str, float], list[np.ndarray]] = {}
    for s in recording.signals:
        kinds.setdefault((s.type, s.sfreq), []).append(np.isfinite(s.data))
    return float(np.mean([np.any(there, axis=0).mean() for there in kinds.values()])) if kinds else 0.0


def features(recording: Recording) -> dict[str, float]:
    """Aggregates of one trial (requirements S3-04, S3-05); NaN, which is not stored, where there is no sample.

    Band powers that are negative somewhere are logarithms to base 10, as a Muse gives them: then the asymmetry is a
    difference only, and the engagement index is of the powers they stand for.
    """
    found: dict[str, float] = {}
    bands = {s.name: _finite(s) for s in recording.signals if band_of(s.name)}
    log = any((x < 0).any() for x in bands.values())
    for name, x in bands.items():
        found[f"eeg_{name}_mean"] = float(x.mean()) if len(x) else np.nan
        found[f"eeg_{name}_sd"] = float(x.std(ddof=1)) if len(x) > 1 else np.nan
    mean = {name: found[f"eeg_{name}_mean"] for name in bands}
    left, right = (mean.get(f"alpha_{e}", np.nan) for e in ("AF7", "AF8"))
    if left == left and right == right and (log or min(left, right) > 0):
        found["eeg_alpha_asymmetry"] = right - left if log else float(np.log(right) - np.log(left))
    power = {}
    for band in ("theta", "alpha", "beta"):
        frontal = [bands[f"{band}_{e}"] for e in ("AF7", "AF8") if len(bands.get(f"{band}_{e}", ()))]
        power[band] = float(np.mean([np.mean(10**v if log else v) for v in frontal])) if frontal else np.nan
    if all(v > 0 for v in power.values()):
        found["eeg_engagement"] = power["beta"] / (power["alpha"] + power["theta"])
    face = {s.name: _finite(s) for s in recording.of_type("face")}
    full = 100.0 if any(len(x) and np.abs(x).max() > 1.5 for x in face.values()) else 1.0
    for s in recording.of_type("face"):
        x = face[s.name]
        if not len(x):
            continue
        found[f"face_{s.name}_mean"], found[f"face_{s.name}_max"] = float(x.mean()), float(x.max())
        found[f"face_{s.name}_sd"] = float(x.std(ddof=1)) if len(x) > 1 else np.nan
        found[f"face_{s.name}_occurrence"] = float((x > OCCURS * full).mean())
    return found


def _finite(s: Signal) -> np.ndarray:
    x = np.asarray(s.data, dtype=np.float64)
    return x[np.isfinite(x)]
