"""A study as windows, prepared by the same chain as a patient's recording, kept on disk and mapped into memory."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pandas as pd

from core.compute import part
from core.dsp.montage import places
from core.errors import Refused
from core.evaluation import passband
from core.evaluation.identities import denied
from core.models import seen
from core.settings import EPOC_14
from core.types import CHANNEL_TYPES, Grade, Pipeline, Recording, Study, Trial

if TYPE_CHECKING:
    from core.evaluation.sessions import Session
    from core.pipeline import Prepared

Progress = Callable[[float, str], None]
# (what the chain made of a trial, its recording, the trial) -> the same, changed
Change = Callable[["Prepared", Recording, Trial], "Prepared"]
# counts up when what is written under a cache's name changes
LAYOUT = 4
MANIFEST = "dataset.json"
# of the windows of a session begun again, those this far apart: all its later beginnings together weigh about half as
# much as the real one
RETOLD_EVERY_S = 30.0
# the kind of columns that are scores of subjects; it is no channel type
GROUP = "group"
# ready features whose name does not begin with their channel type
READY = {"rr": "rr", "hr": "rr", "skin": "eda"}


@dataclass(frozen=True)
class Retold:
    """Rows told again: ``x`` (m, n_features), and ``of`` (m,), the row of the dataset that each of them is.

    ``begun`` (m,) numbers the sessions begun again.
    """

    x: pd.DataFrame
    of: np.ndarray
    begun: np.ndarray

    def take(self, rows: np.ndarray) -> Retold:
        """What some rows are told again as, ``of`` counting among them."""
        place = {row: i for i, row in enumerate(rows)}
        of = np.array([place.get(row, -1) for row in self.of], dtype=int)
        return Retold(self.x[of >= 0].reset_index(drop=True), of[of >= 0], self.begun[of >= 0])

    def calm(self, high: np.ndarray) -> np.ndarray:
        """Which are of sessions without a High row, shape (m,), by ``high`` of each row of the dataset."""
        return ~np.isin(self.begun, self.begun[high[self.of]])


@dataclass(frozen=True)
class Dataset:
    """Usable windows of a study, one row each; a trial of ready features is one row.

    ``features`` has shape (n, n_features), NaN for what could not be had; ``columns`` names those of each channel
    type. ``signals`` maps a type to float32 (n, n_channels, n_times) at NET_RATES, NaN where a channel is bad, and
    ``channels`` names them. ``labels`` has a value of each target for each row, NaN where none was given; ``targets``
    are (lowest, highest, cut) and ``sides`` where High lies, as in ``Study``. ``onset_s`` is in seconds from the start
    of the trial's recording. ``n_lost`` counts trials of which nothing was usable.

    ``retold`` are rows as the past would tell them, had the session been begun at a later rest: learned from beside
    their row, and never scored. Who changes features leaves it out.
    """

    name: str
    sha256: str
    features: pd.DataFrame
    subject: np.ndarray
    trial: np.ndarray
    stimulus: np.ndarray
    onset_s: np.ndarray
    labels: Mapping[str, np.ndarray]
    targets: Mapping[str, tuple[float, float, float]]
    columns: Mapping[str, tuple[str, ...]]
    sides: Mapping[str, str] = field(default_factory=dict)
    signals: Mapping[str, np.ndarray] = field(default_factory=dict)
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pipeline_hash: str = ""
    n_lost: int = 0
    path: Path | None = None
    retold: Retold | None = None

    def __len__(self) -> int:
        return len(self.subject)

    @property
    def types(self) -> tuple[str, ...]:
        """Channel types that models may learn from, in the order of CHANNEL_TYPES."""
        return ordered({*self.columns, *self.signals})

    @cached_property
    def unit(self) -> np.ndarray:
        """Number of each row's trial, counted over the study in order of appearance, shape (n,)."""
        return pd.factorize(pd.MultiIndex.from_arrays([self.subject, self.trial]))[0]

    @property
    def subjects(self) -> list[str]:
        """Subjects in order of name."""
        return sorted(set(self.subject))

    def high(self, target: str) -> np.ndarray:
        """Whether each row's label is High, shape (n,); False where none was given."""
        x, cut = self.labels[target], self.targets[target][2]
        return {">": x > cut, ">=": x >= cut, "<": x < cut, "<=": x <= cut}[self.sides.get(target, ">")]

    def rows(self, target: str) -> np.ndarray:
        """Indices of the rows whose label of a target, or of all targets joined by +, was given."""
        known = [np.isfinite(self.labels[t]) for t in target.split("+")]
        return np.flatnonzero(np.logical_and.reduce(known))

    def names(self, types: Sequence[str]) -> list[str]:
        """Feature columns of some channel types."""
        return [name for t in types for name in self.columns.get(t, ())]

    def x(self, rows: np.ndarray, types: Sequence[str]) -> pd.DataFrame:
        """Features of some rows as float64, shape (n_rows, n_features)."""
        names = self.names(types)
        columns = self.features.columns.get_indexer(names)
        # rows stay rows in memory: sums run in the same order wherever the table came from
        x = np.ascontiguousarray(self.features.to_numpy(dtype=np.float64)[np.ix_(rows, columns)])
        return pd.DataFrame(x, columns=names, copy=False)

    def take(self, rows: np.ndarray) -> Dataset:
        """Some rows in memory, without a place on disk."""
        return replace(
            self, features=self.features.iloc[rows].reset_index(drop=True), subject=self.subject[rows],
            trial=self.trial[rows], stimulus=self.stimulus[rows], onset_s=self.onset_s[rows],
            labels={t: v[rows] for t, v in self.labels.items()}, signals={t: v[rows] for t, v in self.signals.items()},
            path=None, retold=self.retold and self.retold.take(rows),
        )  # fmt: skip


def ordered(types: Iterable[str]) -> tuple[str, ...]:
    """Channel types in the order of CHANNEL_TYPES."""
    known = set(types)
    return tuple(t for t in CHANNEL_TYPES if t in known)


# ------------------------------------------------------------------------------------------- what a study offers
def ready_type(name: str) -> str | None:
    """The channel type of a ready feature: what its name begins with, or None where that says nothing.

    Examples
    --------
    >>> ready_type("face_joy_mean"), ready_type("skin_resistance_sd"), ready_type("age")
    ('face', 'eda', None)
    """
    lead = name.split("_")[0].lower()
    return lead if lead in CHANNEL_TYPES and lead != "misc" else READY.get(lead)


def ready_columns(study: Study) -> dict[str, list[str]]:
    """Ready features of a study by channel type.

    Those whose name says no type, or who or when it was, are never learned from (requirements S3-07).
    """
    out: dict[str, list[str]] = {}
    for name in _ready(study):
        if (type_ := ready_type(name)) and not denied(name):
            out.setdefault(type_, []).append(name)
    return out


def no_features(study: Study) -> str:
    """A sentence on the ready features that are left out because they say who or when it was; "" without any."""
    found = [f"{name} ({word})" for name in _ready(study) if ready_type(name) and (word := denied(name))]
    if not found:
        return ""
    return f"Never learned from, for the name says who or when it was and not what was measured: {', '.join(found)}."


def _ready(study: Study) -> list[str]:
    return list(dict.fromkeys(name for trial in study.trials for name in trial.features))


def columns_of(study: Study, pipeline: Pipeline, types: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The columns that feature models learn from, by channel type: ready ones, or those of the pipeline's features."""
    from core import features

    ready = ready_columns(study)
    made = {t: features.names((t,), pipeline) for t in types
            if t not in ready and t in study.inputs and t in features.FEATURES}  # fmt: skip
    return passband.kept({t: named for t in types if (named := ready.get(t) or made.get(t))}, study.bands)


def inputs_of(study: Study) -> tuple[str, ...]:
    """Channel types that a study can be evaluated on: those recorded, and those of ready features."""
    return ordered({*study.inputs, *ready_columns(study)})


def check_inputs(study: Study, types: Sequence[str], offered: Sequence[str]) -> None:
    """Refuse (E-INPUTS) channel types that are not among those offered, or are in another order."""
    if not types or tuple(types) != tuple(t for t in offered if t in types):
        raise Refused(
            "E-INPUTS", f"{'+'.join(types)} are no inputs of this study.", study.name,
            f"Join with + what it has, in this order: {'+'.join(offered)}.",
        )  # fmt: skip


# ------------------------------------------------------------------------------------------- preparation
def prepare(
    study: Study,
    pipeline: Pipeline,
    types: Sequence[str],
    *,
    signals: bool = False,
    scores: Mapping[str, Mapping[str, float]] | None = None,
    change: Change | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Every trial of a study as ``core.pipeline`` prepares a session, once; then from the cache.

    Windows of the baseline part and windows in which a needed signal is not usable are left out, and so is a trial
    with a poor signal. A trial that lacks one target serves the others. Ready features of a trial are columns beside
    those of its windows; where nothing wanted was recorded, the trial is one row.

    Parameters
    ----------
    types
        Channel types that every row must have.
    signals
        Keep the normalised windows too, for nets.
    scores
        Value of each subject by group, such as ``ei``, as columns ``group_<name>`` of the kind ``group``: only what
        is named here ever becomes one, and groups of a study by themselves never do.
    change
        What is done to each trial once it is prepared, for surrogates; such a dataset is not kept.
    cache
        Folder to keep the dataset in; None makes it in memory, for a while.

    Raises
    ------
    Refused
        E-INPUTS for types that the study does not have, E-STUDY-EMPTY where nothing was usable.
    """
    offered = inputs_of(study)
    missing = [t for t in types if t not in offered]
    if missing or not types:
        what = f"the study has no {', '.join(missing) or 'such'} signals"
        raise Refused("E-INPUTS", what, study.name, f"It has {'+'.join(offered) or 'none'}.")
    plan = _Plan(study, pipeline, ordered(types), signals, scores, change)
    if cache is None or change is not None:
        with tempfile.TemporaryDirectory(prefix="affectline-dataset-") as temporary:
            plan.write(Path(temporary), progress)
            found = open(Path(temporary))
            whole = {t: np.array(v) for t, v in found.signals.items()}
            return replace(found, features=found.features.copy(), signals=whole, path=None)
    place = cache / plan.key
    if not (place / MANIFEST).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as temporary:
            new = Path(temporary) / "dataset"
            new.mkdir()
            plan.write(new, progress)
            if not place.exists():
                try:
                    new.rename(place)
                except OSError:  # another process was first: what it wrote is the same
                    if not (place / MANIFEST).is_file():
                        raise
    return open(place)


def open(path: Path) -> Dataset:
    """A dataset as it lies on disk: features and signals are mapped into memory, not read."""
    told = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    rows = pd.read_parquet(path / "rows.parquet")
    names = [name for columns in told["columns"].values() for name in columns]
    retold = None
    if (path / "retold.npy").is_file():
        again = np.load(path / "retold.npy")
        retold = Retold(pd.DataFrame(again[:, 2:], columns=names), *again[:, :2].T.astype(int))
    return Dataset(
        name=told["name"], sha256=told["sha256"],
        features=pd.DataFrame(np.load(path / "features.npy", mmap_mode="r"), columns=names, copy=False),
        subject=rows.subject.to_numpy(dtype=str), trial=rows.trial.to_numpy(dtype=str),
        stimulus=rows.stimulus.to_numpy(dtype=str), onset_s=rows.onset_s.to_numpy(),
        labels={t: rows[f"label_{t}"].to_numpy() for t in told["targets"]},
        targets={t: (low, high, cut) for t, (low, high, cut) in told["targets"].items()},
        columns={t: tuple(c) for t, c in told["columns"].items()}, sides=told["sides"],
        signals={t: np.load(path / f"signals_{t}.npy", mmap_mode="r") for t in told["channels"]},
        channels={t: tuple(c) for t, c in told["channels"].items()},
        pipeline_hash=told["pipeline_hash"], n_lost=told["n_lost"], path=path, retold=retold,
    )  # fmt: skip


# onsets (n,) and features (n, n_features) of a trial; None where nothing of it can be used
_Made = tuple[np.ndarray, np.ndarray] | None


class _Plan:
    """What one dataset is made of, and its name in the cache."""

    def __init__(
        self,
        study: Study,
        pipeline: Pipeline,
        types: tuple[str, ...],
        signals: bool,
        scores: Mapping[str, Mapping[str, float]] | None = None,
        change: Change | None = None,
    ):
        self.study, self.pipeline, self.types, self.signals = study, pipeline, types, signals
        self.scores, self.change = scores or {}, change
        self.recorded = tuple(t for t in types if t in study.inputs and t not in ready_columns(study))
        self.columns = columns_of(study, pipeline, types)
        self.channels: dict[str, tuple[str, ...]] = {}

    @property
    def key(self) -> str:
        """A hash over everything that the rows hang on."""
        study = self.study
        trials = [
            [t.subject, t.trial, dict(t.labels), _stimulus(t), t.path, dict(t.features)] for t in study.trials
        ]  # fmt: skip
        said = [
            LAYOUT, _sha256(study), trials, {t: list(v) for t, v in study.targets.items()}, dict(study.high),
            self.pipeline.hash, self.pipeline.line_hz, self.types, self.columns, self.signals,
            *([{g: dict(own) for g, own in self.scores.items()}] if self.scores else []),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:24]

    def write(self, folder: Path, progress: Progress | None) -> None:
        """Go through the trials and leave the dataset in an empty folder."""
        parts: list[np.ndarray] = []
        rows: list[pd.DataFrame] = []
        whole = self.pipeline.norm_mode == "causal"
        say = part(progress, 0.0, 0.4 if whole else 1.0)
        with ExitStack() as files:
            out = _Growing(folder, files)
            for i, (trial, made) in enumerate(self._of_sessions() if whole else self._of_trials(out)):
                say(i / len(self.study.trials), f"windows of trial {i + 1} of {len(self.study.trials)}")
                if made is not None:
                    onset_s, x = made
                    parts.append(self._scored(trial, x))
                    rows.append(self._rows(trial, onset_s))
            out.finish()
        if not rows:
            raise Refused(
                "E-STUDY-EMPTY", "no trial of the study has a usable window", self.study.name,
                "Use recordings of good quality that are longer than a window, or other inputs.",
            )  # fmt: skip
        np.save(folder / "features.npy", np.concatenate(parts))
        table = pd.concat(rows, ignore_index=True)
        table.to_parquet(folder / "rows.parquet")
        again = list(self._retold(table, part(progress, 0.4, 1.0))) if whole else []
        if again:
            np.save(folder / "retold.npy", np.concatenate(again))
        told = {
            "name": self.study.name, "sha256": _sha256(self.study), "pipeline_hash": self.pipeline.hash,
            "targets": {t: list(v) for t, v in self.study.targets.items()}, "sides": dict(self.study.high),
            "columns": {**self.columns, **self._groups}, "channels": self.channels,
            "n_lost": len(self.study.trials) - len(rows),
        }  # fmt: skip
        (folder / MANIFEST).write_text(json.dumps(told, indent=1), encoding="utf-8")

    def _rows(self, trial: Trial, onset_s: np.ndarray) -> pd.DataFrame:
        labels = {f"label_{t}": float(trial.labels.get(t, np.nan)) for t in self.study.targets}
        who = {"subject": trial.subject, "trial": trial.trial, "stimulus": _stimulus(trial)}
        return pd.DataFrame({**who, "onset_s": onset_s, **labels})

    @property
    def _groups(self) -> dict[str, tuple[str, ...]]:
        return {GROUP: tuple(f"group_{g}" for g in self.scores)} if self.scores else {}

    def _scored(self, trial: Trial, x: np.ndarray) -> np.ndarray:
        """A trial's features with the scores of its subject beside them, where any were asked for."""
        own = [of.get(trial.subject, np.nan) for of in self.scores.values()]
        return np.column_stack([x, np.tile(own, (len(x), 1))]) if own else x

    def _of_trials(self, out: _Growing) -> Iterator[tuple[Trial, _Made]]:
        for trial in self.study.trials:
            yield trial, self._trial(trial, out)

    def _of_sessions(self) -> Iterator[tuple[Trial, _Made]]:
        """Windows that hear of their past: of whole sessions, each given to the trial that it lies in."""
        for session in self._sessions():
            yield from self._told(session, session.recording, 0.0)

    def _sessions(self) -> Iterator[Session]:
        from core.evaluation.sessions import sessions

        return (s for s in sessions(self.study.trials) if set(self.recorded) <= set(s.recording.types))

    def _told(self, session: Session, recording: Recording, begin_s: float) -> Iterator[tuple[Trial, _Made]]:
        """What a recording that began in a session holds of each of its trials."""
        from core import pipeline as chain

        names = [n for c in self.columns.values() for n in c]
        prepared = chain.features_of(recording, self.pipeline, self.recorded)
        onset_s = prepared.windows.onset_s + begin_s
        owner = session.of(onset_s, self.pipeline.window_s)
        keep = prepared.usable(self.recorded) & (prepared.quality.grade(self.recorded) is not Grade.POOR)
        for i, trial in enumerate(session.trials):
            own = keep & (owner == i)
            x = prepared.table.loc[own, names].to_numpy(dtype=np.float64)
            yield trial, (onset_s[own] - session.spans[i][0], x) if own.any() else None

    def _retold(self, rows: pd.DataFrame, say: Progress) -> Iterator[np.ndarray]:
        """Rows of sessions begun again at each later rest, after the row that each is and its session: (m, 2 + n)."""
        at = {key: i for i, key in enumerate(zip(rows.subject, rows.trial, rows.onset_s.round(3), strict=True))}
        begun = done = 0
        for session in self._sessions():
            for i, rest in enumerate(session.trials):
                said = rest.labels  # a trial of which nothing is said may be no rest
                if i == 0 or not said or any(self.study.is_high(t, value) for t, value in said.items()):
                    continue
                begun += 1
                say((done + i) / len(self.study.trials), f"sessions begun again: {begun}")
                recording, begin_s = session.begun(i, self.pipeline.step_s)
                for (trial, made), (start_s, _) in zip(
                    self._told(session, recording, begin_s), session.spans, strict=True
                ):
                    if made is None:
                        continue
                    onset_s, x = made
                    of = np.array([at.get((trial.subject, trial.trial, t), -1) for t in onset_s.round(3)])
                    kept = (of >= 0) & (np.abs(np.remainder(onset_s + start_s + 1e-6, RETOLD_EVERY_S)) < 1e-3)
                    yield np.column_stack([of[kept], np.full(kept.sum(), begun), self._scored(trial, x[kept])])
            done += len(session.trials)

    def _trial(self, trial: Trial, out: _Growing) -> tuple[np.ndarray, np.ndarray] | None:
        """Onsets (n,) and features (n, n_features) of a trial, or None where nothing of it can be used."""
        ready = [trial.features.get(name, np.nan) for name in self._ready_names]
        if not self.recorded:
            return (np.zeros(1), np.array([ready], dtype=np.float64)) if np.isfinite(ready).any() else None
        if not trial.path:
            return None
        from core import caps
        from core import pipeline as chain
        from core.preprocess import NoBaseline
        from core.studies import folder

        recording = caps.reduced(folder.recording(trial), self.pipeline)
        if not set(self.recorded) <= set(recording.types):
            return None
        try:
            prepared = chain.features_of(recording, self.pipeline, self.recorded)
        except NoBaseline:
            return None
        if self.change is not None:
            prepared = self.change(prepared, recording, trial)
        keep = prepared.usable(self.recorded) & ~chain.in_baseline(recording, prepared.windows)
        if prepared.quality.grade(self.recorded) is Grade.POOR or not keep.any():
            return None
        onset_s = prepared.windows.onset_s[keep]
        if self.signals:
            for type_ in self.recorded:
                self.channels.setdefault(type_, _wanted(type_, [s.name for s in prepared.scaled.of_type(type_)]))
            for type_, x in seen.signals(prepared.scaled, self.channels, onset_s, self.pipeline.window_s).items():
                out.append(type_, x)
        table = prepared.table.loc[keep]
        whole = table.assign(**dict(zip(self._ready_names, ready, strict=True))) if ready else table
        return onset_s, whole[[n for c in self.columns.values() for n in c]].to_numpy(dtype=np.float64)

    @property
    def _ready_names(self) -> list[str]:
        return [name for t, c in self.columns.items() if t not in self.recorded for name in c]


def _stimulus(trial: Trial) -> str:
    return trial.groups.get("stimulus", trial.trial)


def _sha256(study: Study) -> str:
    """The study's own hash over labels and recordings, as its manifest on disk says it; "" where it lies nowhere."""
    place = next((Path(t.path).parent for t in study.trials if t.path), None)
    if place is None or not (place / "study.json").is_file():
        return ""
    return json.loads((place / "study.json").read_text(encoding="utf-8"))["sha256"]


def _wanted(type_: str, names: list[str]) -> tuple[str, ...]:
    """The channels kept of a type: the headset's positions where one is there, else those of the first trial."""
    return EPOC_14 if type_ == "eeg" and set(places(names)) & set(EPOC_14) else tuple(dict.fromkeys(names))


class _Growing:
    """Arrays on disk that grow by rows, one file per channel type, each ending as ``signals_<type>.npy``."""

    def __init__(self, folder: Path, files: ExitStack):
        self.folder, self.files = folder, files
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.streams: dict[str, BinaryIO] = {}

    def append(self, type_: str, x: np.ndarray) -> None:
        """Add rows."""
        if type_ not in self.streams:
            stream = (self.folder / f"signals_{type_}.npy").open("w+b")
            self.streams[type_] = self.files.enter_context(stream)
            self.shapes[type_] = (0, *x.shape[1:])
            self._head(type_)
        n, *rest = self.shapes[type_]
        self.shapes[type_] = (n + len(x), *rest)
        self.streams[type_].write(np.ascontiguousarray(x, dtype=np.float32).tobytes())

    def _head(self, type_: str) -> None:
        """The file's head; NumPy pads it so that it keeps its length while the first axis grows."""
        said = {"descr": "<f4", "fortran_order": False, "shape": self.shapes[type_]}
        np.lib.format.write_array_header_1_0(self.streams[type_], said)

    def finish(self) -> None:
        """Write the heads again, with the number of rows there are."""
        for type_, stream in self.streams.items():
            stream.seek(0)
            self._head(type_)
