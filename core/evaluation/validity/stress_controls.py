"""What a stress model's score is worth where the order of tasks is the same for everybody: the controls of its card.

Every number is a mean over people who were left out of the fit (leave one subject out). Windows are scored every 30 s,
once the first five minutes are over. The clock and the movement of the wrist are models of their own beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core import pipeline as chain
from core.compute import Progress, part
from core.errors import Refused
from core.evaluation import calibration, metrics
from core.evaluation.dataset import RETOLD_EVERY_S
from core.evaluation.sessions import STEP_S, WINDOW_S, Session, sessions
from core.features import causal, wrist
from core.models import MODELS
from core.models.bundle import calibrated
from core.types import Pipeline, Quality, Recording, Signal, Study, Windows

EVERY_S, AFTER_S = 30.0, 300.0
# order of a session's trials: where it is started again, and where nothing stressful follows
RESTART, CALM = "relax_1", "relax_3_and_final"
STROOP, INTERVIEW = ("baseline", "stroop", "relax_1"), ("relax_1", "interview", "relax_2")
# what the nested figure selects among, by folds of whole people within the training people: model, strength, columns,
# and whether sessions begun again are learned from
CHOICES = tuple(product(("additive",), (0.001, 0.003, 0.01), (causal.PARTS, ("running", "before")), (True, False)))
# settings (features, normalisation, smoothing, beginnings, model, strength) compared by hand on the same people before
# this one
N_COMPARED = 206
INNER_FOLDS = 4


@dataclass(frozen=True)
class Rows:
    """Windows of sessions begun at one task: ``x`` (n, n_features), ``now`` is the label at the window's end.

    ``pure``: the window lies in one task. ``scored``: every 30 s after the first five minutes; ``trained`` as in the
    shipped model.
    """

    x: pd.DataFrame
    movement: pd.DataFrame
    subject: np.ndarray
    task: np.ndarray
    unit: np.ndarray
    now: np.ndarray
    end_s: np.ndarray
    since_s: np.ndarray
    pure: np.ndarray
    usable: np.ndarray

    @property
    def scored(self) -> np.ndarray:
        """Rows that are scored, shape (n,)."""
        return self.usable & (self.since_s > AFTER_S + 1e-6) & (np.abs(self.end_s % EVERY_S) < 1e-6)

    @property
    def trained(self) -> np.ndarray:
        """Rows that are learned from, shape (n,)."""
        return self.usable & self.pure


def controls(
    study: Study, target: str, pipeline: Pipeline, types: Sequence[str], *, model: str = "additive", seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """All controls of a study whose trials name their ``task`` as Stress-Predict's do.

    Raises
    ------
    Refused
        E-CONTROLS where the study has other tasks.
    """
    from threadpoolctl import threadpool_limits

    tasks = {t.trial for t in study.trials} | {t.groups.get("task", "") for t in study.trials}
    if not {RESTART, CALM, *STROOP, *INTERVIEW} <= tasks:
        raise Refused("E-CONTROLS", "the study does not have the tasks that the controls need", study.name)
    begun = _begun(study, target, pipeline, types, part(progress, 0.0, 0.5))
    whole, again, calm = (begun[name] for name in ("", RESTART, CALM))
    learned = _stacked([whole, *(_thinned(rows) for task, rows in begun.items() if task)])
    say = part(progress, 0.5, 1.0)
    with threadpool_limits(1):
        say(0.0, "Leaving one subject out")
        found = _Loso(whole, seed, model, learned, _thinned(calm))
        own = found.decide(whole)
        restarted, calm_p = (found.decide(r) for r in (again, calm))
        say(0.3, "Clock, movement, one stressor from the other")
        clock = _Loso(replace(whole, x=_clock(whole)), seed, "forest")
        moved = _Loso(replace(whole, x=whole.movement), seed, model)
        crossed = {
            "stroop_to_interview": _crossed(whole, learned, STROOP, INTERVIEW, seed, model),
            "interview_to_stroop": _crossed(whole, learned, INTERVIEW, STROOP, seed, model),
        }
        say(0.6, "Selecting within the training people")
        nested = _nested(whole, learned, seed)
    pure = whole.scored & whole.pure
    late = replace(again, x=_clock(again))
    same = pure & np.isin(whole.task, list(dict.fromkeys(again.task)))
    return {
        "windows": {"length_s": pipeline.window_s, "every_s": EVERY_S, "after_s": AFTER_S, "n": int(pure.sum())},
        "pure": _scores(whole, own, pure),
        "nested": nested,
        "every_30_s": _scores(whole, own, whole.scored),
        "cross_stressor": crossed,
        "restarted": {
            "roc_auc": _scores(again, restarted, again.scored & again.pure)["roc_auc"],
            "same_windows_from_the_start": _scores(whole, own, same)["roc_auc"],
        },
        "calm_only": _flagged(calm, calm_p),
        "other_cuts": [
            {"cut_plus": more, "balanced_accuracy": _scores(whole, own - more, pure)["balanced_accuracy"]["value"],
             "calm_flagged": _flagged(calm, calm_p - more)["flagged"]}
            for more in (-0.1, -0.05, 0.05)
        ],
        "clock": {
            "roc_auc": _scores(whole, clock.predict(clock.rows) - 0.5, pure)["roc_auc"],
            "restarted": _scores(again, clock.predict(late) - 0.5, again.scored & again.pure)["roc_auc"],
        },
        "movement": {"roc_auc": _scores(whole, moved.predict(moved.rows) - 0.5, pure)["roc_auc"]},
        "n_settings_compared": N_COMPARED,
        "meaning": "stressor on or off, not felt stress",
    }  # fmt: skip


# --- rows


def _begun(
    study: Study, target: str, pipeline: Pipeline, types: Sequence[str], progress: Progress
) -> dict[str, Rows]:  # fmt: skip
    """Sessions from their start ("") and begun again at each later rest, by the name of its task."""
    parts: dict[str, list[Rows]] = {"": []}
    n = len({t.subject for t in study.trials})
    for i, session in enumerate(sessions(study.trials)):
        progress(i / n, f"Windows of {session.trials[0].subject}")
        rests = [t.groups.get("task", t.trial) for t in session.trials[1:]
                 if not study.is_high(target, t.labels[target])]  # fmt: skip
        for task in ("", *rests):
            made = _rows(study, target, session, pipeline, types, task)
            if made is not None:
                parts.setdefault(task, []).append(made)
    return {task: _stacked(p) for task, p in parts.items()}


def _thinned(rows: Rows) -> Rows:
    """The rows of a session begun again that are learned from."""
    return replace(rows, usable=rows.usable & (np.abs(rows.end_s % RETOLD_EVERY_S) < 1e-6))


def _rows(
    study: Study, target: str, session: Session, pipeline: Pipeline, types: Sequence[str], task: str
) -> Rows | None:
    names = [t.groups.get("task", t.trial) for t in session.trials]
    first = _place(session, task)
    if first is None:
        return None
    recording, begin_s = session.begun(first, pipeline.step_s)
    prepared = chain.features_of(recording, pipeline, types)
    onset_s = prepared.windows.onset_s
    since_s = onset_s + pipeline.window_s
    end_s = since_s + begin_s
    starts = np.array([a for a, _ in session.spans])
    now = np.searchsorted(starts, end_s - 1.0, side="right") - 1
    high = np.array([study.is_high(target, t.labels[target]) for t in session.trials])
    return Rows(
        prepared.table[causal.names(types)], _movement(recording, onset_s, pipeline),
        np.full(len(now), session.trials[0].subject), np.array(names)[now],
        now, high[now], end_s, since_s, session.of(onset_s + begin_s, pipeline.window_s) >= 0,
        prepared.usable(types),
    )  # fmt: skip


def _place(session: Session, task: str) -> int | None:
    """Number of a task's trial in its session; the first for none."""
    if not task:
        return 0
    found = [i for i, t in enumerate(session.trials) if task in (t.trial, t.groups.get("task"))]
    return found[0] if found else None


def _movement(recording: Recording, onset_s: np.ndarray, pipeline: Pipeline) -> pd.DataFrame:
    """Movement of the wrist, told by the past as the model's own features are."""
    axes = recording.of_type("acc")
    raw = np.full((len(onset_s), 3), np.nan)
    if axes:
        rate, lead = axes[0].sfreq, axes[0].onset_s
        n = min(len(a.data) for a in axes)
        g = np.sqrt(sum(np.asarray(a.data[:n], dtype=np.float64) ** 2 for a in axes))
        for i, start in enumerate(np.rint((onset_s - lead) * rate).astype(int)):
            own = g[max(start, 0) : start + round(pipeline.window_s * rate)]
            if len(own) > 1:
                step = np.abs(np.diff(own))
                raw[i] = np.log([own.std() + 1e-3, step.mean() + 1e-3, np.percentile(step, 95) + 1e-3])
    table = pd.DataFrame(raw, columns=["sd", "step", "jerk"])
    return causal.told(table, onset_s + pipeline.window_s, pipeline.window_s, np.full(3, 0.5))


def _stacked(parts: Sequence[Rows]) -> Rows:
    unit, count = [], 0
    for rows in parts:
        unit.append(rows.unit + count)
        count += int(rows.unit.max()) + 1
    joined: dict[str, Any] = {"unit": np.concatenate(unit)}
    for name in Rows.__dataclass_fields__:
        values = [getattr(rows, name) for rows in parts]
        if name != "unit":
            joined[name] = pd.concat(values, ignore_index=True) if name in ("x", "movement") else np.concatenate(values)
    return Rows(**joined)


def _clock(rows: Rows) -> pd.DataFrame:
    return pd.DataFrame({"since_s": rows.since_s})


# --- models


class _Loso:
    """A model for each person, fitted on all others; and the calibrator and cut that the others' predictions teach.

    ``learned`` are the rows to learn from where they are more than ``rows``: sessions begun again too. ``calm`` are of
    sessions without a stressor, of which the cut lets few be flagged.
    """

    def __init__(self, rows: Rows, seed: int, model: str, learned: Rows | None = None, calm: Rows | None = None):
        self.rows, self.calm = rows, calm
        of = learned or rows
        self.fitted = {
            name: MODELS[model].make(seed).fit(of.x[own], of.now[own], groups=of.subject[own])
            for name in _people(rows)
            if (own := of.trained & (of.subject != name)).any()
        }

    def predict(self, rows: Rows) -> np.ndarray:
        """Probability of each row by the model that never saw its person."""
        out = np.full(len(rows.now), np.nan)
        for name in _people(rows):
            own = (rows.subject == name) & rows.usable
            if own.any():
                out[own] = self.fitted[name].predict_proba(rows.x[own])[:, 1]
        return out

    def decide(self, rows: Rows) -> np.ndarray:
        """Calibrated probability less the cut: positive is High. Both come from the other people's predictions."""
        seen, raw = self.predict(self.rows), self.predict(rows)
        quiet = self.predict(self.calm) if self.calm else np.empty(0)
        out = np.full(len(raw), np.nan)
        for name in _people(rows):
            others = self.rows.trained & (self.rows.subject != name)
            by, cut = calibration.fit(seen[others], self.rows.now[others], self.rows.unit[others])
            if self.calm:
                cut = calibration.raised(cut, calibrated(quiet[self.calm.trained & (self.calm.subject != name)], by))
            own = rows.subject == name
            out[own] = calibrated(raw[own], by) - cut
        return out


def _crossed(
    rows: Rows, learned: Rows, known: Sequence[str], tested: Sequence[str], seed: int, model: str
) -> dict[str, Any]:  # fmt: skip
    """Learn one stressor and the rests beside it, be asked for the other, of another person."""
    some = replace(learned, usable=learned.usable & np.isin(learned.task, known))
    raw = _Loso(rows, seed, model, some).predict(rows)
    return _scores(rows, raw - 0.5, rows.scored & rows.pure & np.isin(rows.task, tested))["roc_auc"]


def _nested(rows: Rows, learned: Rows, seed: int) -> dict[str, Any]:
    """Scores where the choice is made again for each person, by the other people alone."""
    margin = np.full(len(rows.now), np.nan)
    chosen: dict[str, int] = {}
    merit = _merits(rows, learned, seed)
    for i, name in enumerate(_people(rows)):
        best = CHOICES[int(np.argmax(merit[i]))]
        own = (rows.subject == name) & rows.usable
        margin[own] = _chosen(best, rows, learned, [name], own, seed) - 0.5
        model, strength, parts, again = best
        key = f"{model} {strength:g} {'+'.join(parts)}{' begun again' if again else ''}"
        chosen[key] = chosen.get(key, 0) + 1
    return {**_scores(rows, margin, rows.scored & rows.pure), "chosen": chosen, "n_choices": len(CHOICES)}


def _merits(rows: Rows, learned: Rows, seed: int) -> np.ndarray:
    """Mean AUC of each choice on inner folds of people, for each person left out: shape (n_people, n_choices)."""
    people = _people(rows)
    merit = np.zeros((len(people), len(CHOICES)))
    pure = rows.scored & rows.pure
    for i, name in enumerate(people):
        others = np.random.default_rng([seed, i]).permutation([p for p in people if p != name])
        for k, choice in enumerate(CHOICES):
            raw = np.full(len(rows.now), np.nan)
            for fold in np.array_split(others, INNER_FOLDS):
                tested = np.isin(rows.subject, fold) & pure
                raw[tested] = _chosen(choice, rows, learned, [name, *fold], tested, seed, every=3)
            merit[i, k] = _scores(rows, raw - 0.5, pure & (rows.subject != name))["roc_auc"]["value"]
    return merit


def _chosen(
    choice: tuple[str, float, Sequence[str], bool], rows: Rows, learned: Rows, without: Sequence[str],
    tested: np.ndarray, seed: int, every: int = 1,
) -> np.ndarray:  # fmt: skip
    """Probability of some rows by a model of one choice, fitted without some people; a third is enough to choose by."""
    model, strength, parts, again = choice
    of = learned if again else rows
    own = np.flatnonzero(of.trained & ~np.isin(of.subject, without))[::every]
    fitted = MODELS[model].make(seed, strength=strength).fit(_columns(of.x.iloc[own], parts), of.now[own])
    return fitted.predict_proba(_columns(rows.x[tested], parts))[:, 1]


def _columns(x: pd.DataFrame, parts: Sequence[str]) -> pd.DataFrame:
    return x[[c for c in x.columns if c.rpartition("_")[2] in parts]]


# --- scores


def _scores(rows: Rows, margin: np.ndarray, of: np.ndarray) -> dict[str, Any]:
    """AUC and balanced accuracy per person: mean with interval, worst quarter, and each."""
    each: dict[str, Mapping[str, float | None]] = {}
    for name in _people(rows):
        own = of & (rows.subject == name) & np.isfinite(margin)
        if own.any():
            y = rows.now[own]
            each[name] = {
                "roc_auc": metrics.roc_auc(y, margin[own]),
                "balanced_accuracy": metrics.balanced_accuracy(y, margin[own] > 0) if len(np.unique(y)) == 2 else None,
            }
    out: dict[str, Any] = {}
    for score in ("roc_auc", "balanced_accuracy"):
        values = [e[score] for e in each.values()]
        out[score] = {
            **metrics.cross_validated(values).model_dump(),
            "worst_quarter": metrics.worst_quarter(values).value,
        }
    return {**out, "per_subject": each}


def _flagged(rows: Rows, margin: np.ndarray) -> dict[str, Any]:
    """Share of the windows called High of sessions without a stressor."""
    known = rows.scored & np.isfinite(margin)
    shares = {n: float(np.mean(margin[known & (rows.subject == n)] > 0)) for n in _people(rows)
              if (known & (rows.subject == n)).any()}  # fmt: skip
    worst = sorted(shares.values())[-max(1, round(len(shares) / 4)) :]
    return {"flagged": float(np.mean(list(shares.values()))), "worst_quarter": float(np.mean(worst)),
            "median": float(np.median(list(shares.values())))}  # fmt: skip


def _people(rows: Rows) -> list[str]:
    return sorted(set(rows.subject))


# --- transfer: other people, another laboratory, other devices; nothing is fitted to them


def transfer(path: Path, predict: Callable[[pd.DataFrame], np.ndarray], types: Sequence[str]) -> dict[str, Any]:
    """A fitted model on Freihaut and Göritz 2021, high against low stress, for the signals that both have.

    Skin resistance becomes a conductance of unknown scale; of the pulse there are intervals only, so that its height
    and shape say nothing. A task's value is the mean over the windows that end within it, ten seconds in or later.

    Parameters
    ----------
    path
        The folder of the corpus; it is under GPL-3.0 and trains nothing.
    predict
        From a table of features to the probability of High per row.
    """
    from core.studies import listing

    trials = listing.read(path / "trials.csv")
    each: dict[str, float | None] = {}
    for subject, own in trials.groupby("subject", sort=True):
        place = path / "signals" / str(subject)
        x, end_s = _foreign(
            listing.parquet(place / "EDA.parquet", ("t_s", "skin_resistance_raw")),
            listing.parquet(place / "HEART.parquet", ("t_s", "ibi_ms")), types,
        )  # fmt: skip
        known = x.notna().any(axis=1).to_numpy()
        p = np.full(len(x), np.nan)
        if known.any():
            p[known] = predict(x[known])
        values, high = [], []
        for trial in own.itertuples():
            begin, stop = (listing.number(t) for t in (trial.start_s, trial.end_s))
            inside = (end_s >= begin + 10) & (end_s <= stop) & np.isfinite(p)
            if inside.any():
                values.append(float(p[inside].mean()))
                high.append(trial.condition == "high_stress")
        each[str(subject)] = metrics.roc_auc(np.array(high), np.array(values)) if values else None
    return {
        "study": "freihaut", "n_subjects": len(each), "n_trials": len(trials),
        "roc_auc": {**metrics.over_subjects(list(each.values())).model_dump(),
                    "worst_quarter": metrics.worst_quarter(list(each.values())).value},
    }  # fmt: skip


def _foreign(skin: pd.DataFrame, heart: pd.DataFrame, types: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Features of a session of skin resistance and beat intervals, and when each window ends."""
    rate = 4.0
    t, ohm = skin.t_s.to_numpy(dtype=np.float64), skin.skin_resistance_raw.to_numpy(dtype=np.float64)
    grid = np.arange(t[0], t[-1], 1 / rate)
    eda = Signal("skin", "eda", "µS", rate, (1000.0 / np.maximum(np.interp(grid, t, ohm), 1.0)).astype(np.float32))
    onset_s = np.arange(0.0, len(grid) / rate - WINDOW_S + 1e-6, STEP_S)
    usable = {type_: np.ones(len(onset_s), dtype=bool) for type_ in types}
    cut = Windows(onset_s, WINDOW_S, {}, usable)
    quality = Quality(onset_s, WINDOW_S, (), ())
    raw = {"eda": wrist.eda(Recording((eda,)), cut, quality)}
    beats = heart[heart.ibi_ms > 0]
    raw["ppg"] = wrist.of_intervals(beats.t_s.to_numpy() - t[0], beats.ibi_ms.to_numpy(dtype=np.float64), cut)
    end_s = onset_s + WINDOW_S
    parts = [causal.told(raw[k], end_s, WINDOW_S, np.array(list(causal.SETS[k][1].values()))) for k in types]
    return pd.concat(parts, axis=1), end_s + t[0]
