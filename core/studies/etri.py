"""A table of ready cardiac features: a row a trial, metadata columns first, then 22 parameters x 4 statistics.

Of the metadata these are taken, whatever their case and joints: subject (or participant, id), trial (or clip, video,
stimulus), the intended and self-reported valence and arousal (or one column of the four classes HAHV, HALV, LAHV,
LALV each), the score of emotional intelligence (EI) and its group. All other metadata are groups. There is no signal.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd

from core.errors import Refused
from core.studies import listing
from core.studies.folder import Planned, Source

PARAMETERS = (
    "BPM", "SDNN", "rMSSD", "VLF", "LF", "HF", "VLFp", "LFp", "HFp", "lnVLF", "lnLF", "lnHF", "VLF/HF", "LF/HF",
    "tPow", "dPow", "dHz", "pPow", "pHz", "CohRatio", "RSA", "TDdiff",
)  # fmt: skip
# what ECG-22 (``core.features.ecg``) computes of them from the intervals of a recorded ECG: parameter -> its column
COMPUTED = {
    "BPM": "ecg_mean_hr", "SDNN": "ecg_sdnn_ms", "rMSSD": "ecg_rmssd_ms", "LF": "ecg_lf_ms2", "HF": "ecg_hf_ms2",
    "LF/HF": "ecg_lf_hf",
}  # fmt: skip
_LONGER = "a recording of more than the five minutes that ECG-22 looks back"
_TOTAL = "the total power, of which VLF is a part"
_LOG = "the logarithm of a column of ECG-22, which has none of its own for it"
_UNSAID = "a definition, which the source does not give"
# what the others, which come by import only, would need
IMPORT_ONLY = {
    "VLF": _LONGER, "lnVLF": _LONGER, "VLF/HF": _LONGER, "VLFp": _TOTAL, "LFp": _TOTAL, "HFp": _TOTAL, "tPow": _TOTAL,
    "lnLF": _LOG, "lnHF": _LOG, "dPow": _UNSAID, "dHz": _UNSAID, "pPow": _UNSAID, "pHz": _UNSAID, "CohRatio": _UNSAID,
    "RSA": _UNSAID, "TDdiff": _UNSAID,
}  # fmt: skip
STATISTICS = ("mean", "variance", "MSSD", "autocorrelation")
N_METADATA, N_FEATURES = 12, len(PARAMETERS) * len(STATISTICS)
QUADRANTS = {"HAHV": (1.0, 1.0), "HALV": (1.0, 0.0), "LAHV": (0.0, 1.0), "LALV": (0.0, 0.0)}  # arousal, valence
_BINARY = (0.0, 1.0, 0.5)
_SUBJECT = {"subject", "participant", "subjectid", "participantid", "id", "sid", "pid", "subjectno", "participantno"}
_TRIAL = {"trial", "clip", "video", "stimulus", "trialno", "trialid", "clipid", "videoid", "stimulusid", "clipno"}
_INTENDED = ("intended", "target", "stimulus", "induced", "elicited")
_REPORTED = ("selfreported", "reported", "self", "felt", "rated", "perceived", "sam")
_WORDS = {"high": 1.0, "low": 0.0, "h": 1.0, "l": 0.0, "positive": 1.0, "negative": 0.0}
# cut of a rating that is no class: the middle of the scale it is on
_SCALES = ((1.0, 5.0, 3.0), (1.0, 7.0, 4.0), (1.0, 9.0, 5.0))


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the table."""
    if path.is_dir():
        found = listing.files_under(path, "*.csv")
        if len(found) != 1:
            raise Refused("E-STUDY-PATH", f"the folder holds {len(found)} CSV files.", path.name, "Name the table.")
        path = found[0]
    table = listing.read(path)
    columns = list(table.columns)
    if len(columns) != N_METADATA + N_FEATURES:
        raise Refused(
            "E-COLUMNS", f"it has {len(columns)} columns; expected {N_METADATA} of metadata and {N_FEATURES} of "
            f"features ({len(PARAMETERS)} parameters x {', '.join(STATISTICS)}).", path.name, "Export it again.",
        )  # fmt: skip
    names = columns[N_METADATA:]
    values = table[names].map(listing.number)
    words = [c for c in names if (values[c].isna() & ~table[c].map(listing.is_missing)).any()]
    if words:
        raise Refused(
            "E-COLUMNS", f"the features {', '.join(words[:5])} hold text; the first {N_METADATA} columns must be the "
            "metadata and all others numbers.", path.name, "Put the columns in this order.",
        )  # fmt: skip
    meta = table[columns[:N_METADATA]]
    plain = {c: re.sub(r"[^a-z0-9]", "", c.lower()) for c in meta.columns}
    subject = next((c for c in meta.columns if plain[c] in _SUBJECT), None)
    trial = next((c for c in meta.columns if plain[c] in _TRIAL), None)
    if subject is None or trial is None:
        raise Refused(
            "E-COLUMNS", f"no column is the {'subject' if subject is None else 'trial'}.", path.name,
            "Call the columns subject and trial.",
        )  # fmt: skip
    meta = listing.cleared(meta, path.name, mapping, subject)
    labels, targets, used = _labels(meta, plain, path.name)
    ei = [c for c in meta.columns if plain[c].startswith(("ei", "emotionalintelligence", "eq"))]
    trials = []
    for i, row in enumerate(meta.to_dict("records")):
        groups = {_group(c, plain[c], c in ei, row[c]): row[c] for c in meta.columns
                  if c not in (subject, trial, *used) and not listing.is_missing(row[c])}  # fmt: skip
        ready = {f"ecg_{name}": float(v) for name, v in values.iloc[i].items() if v == v}
        trials.append(Planned(
            row[subject], row[trial], {t: v[i] for t, v in labels.items() if v[i] == v[i]}, groups, None, ready,
        ))  # fmt: skip
    return Source(
        basis=f"a table of cardiac features, {meta[subject].nunique()} subjects",
        licence="not stated",
        targets=targets,
        high=dict.fromkeys(targets, ">"),
        inputs=("ecg",),
        trials=trials,
        n_trials=len(trials),
        made_by={"corpus": "etri", "files": listing.fingerprint([path], path.parent)},
        notes=(
            "Ready features: there are no signals, so windows cannot be cut.",
            "A target that ends in _intended is what the stimulus was meant to do, the other what the person reported.",
            "The score of emotional intelligence is a group and no feature.",
            f"Computed here from a recorded ECG too: {', '.join(COMPUTED)}. Import only: {', '.join(IMPORT_ONLY)}.",
        ),
        resumes=True,
    )


def _group(column: str, plain: str, of_ei: bool, value: str) -> str:
    """The group's name: ``ei_score`` and ``ei_group`` where the column is one of them, else its own."""
    if not of_ei:
        return column
    return "ei_group" if "group" in plain or math.isnan(listing.number(value)) else "ei_score"


def _labels(
    meta: pd.DataFrame, plain: dict[str, str], name: str
) -> tuple[dict[str, list[float]], dict[str, tuple[float, float, float]], list[str]]:
    """Labels by target, their scales, and the columns they came from."""
    labels: dict[str, list[float]] = {}
    targets: dict[str, tuple[float, float, float]] = {}
    used: list[str] = []
    for column in meta.columns:
        what = plain[column]
        kind = "_intended" if what.startswith(_INTENDED) or what.endswith(_INTENDED) else ""
        if not kind and not (what.startswith(_REPORTED) or what.endswith(_REPORTED) or what in ("valence", "arousal")):
            continue
        texts = [t.strip() for t in meta[column]]
        classes = [QUADRANTS.get(t.upper()) for t in texts]
        if any(classes):
            for i, target in enumerate(("arousal", "valence")):
                labels[target + kind] = [c[i] if c else math.nan for c in classes]
                targets[target + kind] = _BINARY
            used.append(column)
        elif "valence" in what or "arousal" in what:
            target = ("valence" if "valence" in what else "arousal") + kind
            numbers = [_WORDS.get(t.lower(), listing.number(t)) for t in texts]
            there = [v for v in numbers if v == v]
            labels[target] = numbers
            targets[target] = _scale(there, column, name)
            used.append(column)
    if not labels:
        raise Refused(
            "E-COLUMNS", "no column holds a label.", name,
            "Call them such as intended_quadrant (HAHV, HALV, LAHV, LALV) or self_reported_valence.",
        )  # fmt: skip
    return labels, targets, used


def _scale(values: list[float], column: str, name: str) -> tuple[float, float, float]:
    if all(v in (0.0, 1.0) for v in values):
        return _BINARY
    for lowest, highest, cut in _SCALES:
        if all(lowest <= v <= highest for v in values):
            return lowest, highest, cut
    raise Refused("E-LABEL", f"{column} is on none of the scales 0/1, 1-5, 1-7, 1-9.", name, "Correct the column.")
