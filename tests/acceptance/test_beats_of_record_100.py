"""Marker truth: the beats of MIT-BIH record 100 against the annotations of its cardiologists."""

from __future__ import annotations

import numpy as np
import pytest

from core import preprocess, quality
from core.dsp import beats
from core.markers import compute
from core.readers import session
from core.types import InputFile, Pipeline

TOLERANCE_S = 0.15  # ANSI/AAMI EC57


@pytest.fixture(scope="module")
def judged(shared_data):
    """The record as the markers see it: filtered, its quality, and the lead whose beats are taken."""
    folder = shared_data / "formats/wfdb"
    recording = session.read([InputFile(f"100.{x}", str(folder / f"100.{x}")) for x in ("hea", "dat", "atr")])
    verdict = quality.assess(recording, Pipeline(line_hz=60.0))
    clean = preprocess.filtered(recording, Pipeline(line_hz=60.0))
    lead = beats.lead(clean.signals, verdict)
    assert lead is not None
    return clean, verdict, lead


def test_beats_agree_with_the_annotations_within_150_ms(judged, shared_data):
    import wfdb

    _, _, lead = judged
    marks = wfdb.rdann(str(shared_data / "formats/wfdb/100"), "atr")
    true_s = marks.sample[np.isin(marks.symbol, list("NLRBAaJSVrFejnE/fQ?"))] / 360.0
    found_s = lead.onset_s + beats.detect_r_peaks(lead.data, lead.sfreq)
    assert len(true_s) == 2273
    # each annotation may be met by one beat and each beat by one annotation
    nearest = true_s[np.abs(found_s[:, None] - true_s[None]).argmin(axis=1)]
    hits = len(np.unique(nearest[np.abs(found_s - nearest) <= TOLERANCE_S]))
    assert hits / len(true_s) >= 0.99, "sensitivity"
    assert hits / len(found_s) >= 0.99, "precision"


def test_heart_rate_is_that_of_the_annotated_beats(judged, shared_data):
    import wfdb

    clean, verdict, _ = judged
    marks = wfdb.rdann(str(shared_data / "formats/wfdb/100"), "atr")
    symbols = np.array(marks.symbol)
    normal = (symbols[1:] == "N") & (symbols[:-1] == "N")
    rr_s = np.diff(marks.sample)[normal] / 360.0
    found = {m.name: m.value for m in compute(clean, verdict, Pipeline(line_hz=60.0))}
    assert found["heart_rate"] == pytest.approx(60 / rr_s.mean(), abs=0.5)
