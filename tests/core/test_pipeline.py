"""The chain as a whole: which settings, which windows, and when it abstains."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from core import features, pipeline, preprocess
from core.models.bundle import Seen
from core.settings import EPOC_14
from core.types import Annotation, Grade, ModelInfo, Pipeline, Reason, Recording, Signal
from tests.core.synthetic import heart, recording, regular_beats


@dataclass
class Told:
    """A model that says what it was given, and 0.8 of every window."""

    pipeline: Pipeline = field(default_factory=Pipeline)
    required: dict = field(default_factory=lambda: {"eeg": EPOC_14, "ecg": ()})
    optional: dict = field(default_factory=dict)
    name: str = "told"
    version: str = "1"
    targets: tuple = ("valence", "arousal")
    seen: list = field(default_factory=list)

    info = ModelInfo("told", "1", "tests", 0.5)
    thresholds = {"valence": 0.5, "arousal": 0.9}  # noqa: RUF012
    spreads = {"valence": 0.01, "arousal": 0.01}  # noqa: RUF012

    @property
    def uses(self) -> dict:
        return self.optional | self.required

    @property
    def card(self) -> SimpleNamespace:
        return SimpleNamespace(seen=Seen(), features=features.names((*self.required, *self.optional)))

    def unlike(self, features: pd.DataFrame) -> None:
        return None

    def fewer(self, recording: Recording) -> None:
        return None

    def predict(self, features: pd.DataFrame, pipeline_hash: str) -> np.ndarray:
        self.seen.append((features, pipeline_hash))
        return np.full((len(features), 2), 0.8)


def without(made: Recording, type_: str) -> Recording:
    return replace(made, signals=tuple(s for s in made.signals if s.type != type_))


def flat(made: Recording, type_: str) -> Recording:
    return replace(made, signals=tuple(replace(s, data=0 * s.data) if s.type == type_ else s for s in made.signals))


def test_the_settings_are_the_models_own_and_windows_are_labelled_by_its_own_cuts():
    own = Pipeline(window_s=5.0, step_s=3.0, norm_robust=True)
    model = Told(own)
    found = pipeline.analyse(recording(30), model, Pipeline())
    (features, digest), *more = model.seen
    assert not more and digest == found.pipeline_hash == own.hash
    assert found.prediction.onset_s.tolist() == np.arange(0, 26, 3).tolist() and found.prediction.duration_s == 5.0
    assert len(features) == found.n_windows == 9 and found.status == "ok"
    assert found.measure("valence").label == "High" and found.measure("arousal").label == "Low"


def test_progress_rises_step_by_step_and_names_each_marker():
    said = []
    pipeline.analyse(recording(30), Told(), progress=lambda share, words: said.append((share, words)))
    shares, words = [s for s, _ in said], [w for _, w in said]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] < 1.0
    assert len(set(shares)) == len(shares) and "Computing heart rate" in words
    assert words.index("Judging quality") < words.index("Filtering") < words.index("Computing heart rate")


def test_the_mains_frequency_is_the_sites_and_not_the_models(monkeypatch):
    from core.settings import settings

    monkeypatch.setattr(settings(), "line_hz", 60.0)
    assert pipeline.site_pipeline(Pipeline(line_hz=50.0)).line_hz == 60.0
    assert Pipeline(line_hz=60.0).hash == Pipeline(line_hz=50.0).hash != Pipeline(window_s=5.0).hash


def test_windows_over_a_baseline_are_not_predicted_on():
    model = Told()
    found = pipeline.analyse(replace(recording(60), annotations=(Annotation(0.0, 20.0, "BASELINE"),)), model)
    assert found.prediction.onset_s[0] == 20.0 and len(model.seen[0][0]) == found.n_windows == 19


def test_a_model_that_needs_a_baseline_abstains_where_there_is_none_and_markers_stay():
    model = Told(Pipeline(norm_mode="baseline"))
    found = pipeline.analyse(recording(60), model)
    assert found.status == "abstained" and model.seen == [] and any("baseline" in r for r in found.reasons)
    assert {found.measure(t).reason for t in model.targets} == {Reason.NO_BASELINE} == {found.state}
    assert found.measure("heart_rate").value == pytest.approx(70, abs=1)
    marked = pipeline.analyse(replace(recording(60), annotations=(Annotation(0.0, 20.0, "baseline"),)), model)
    assert marked.status == "ok" and len(model.seen) == 1


def test_without_a_model_that_fits_the_markers_are_the_answer():
    found = pipeline.analyse(without(recording(60), "eeg"), None)
    assert found.status == "ok" and found.model is None and found.prediction is None and found.reasons == ()
    assert {found.measure(t).reason for t in pipeline.CORE_TARGETS} == {Reason.MISSING_CHANNEL}
    assert found.measure("heart_rate").value == pytest.approx(70, abs=1)


@pytest.mark.parametrize(("type_", "marker"), [("eeg", "heart_rate"), ("ecg", "alpha_asymmetry")])
def test_a_poor_required_signal_abstains_and_takes_no_other_marker_with_it(type_, marker):
    model = Told()
    found = pipeline.analyse(flat(recording(60), type_), model)
    assert found.status == "abstained" and model.seen == [] and found.reasons
    assert {found.measure(t).reason for t in model.targets} == {Reason.LOW_QUALITY}
    assert found.measure(marker).value is not None
    assert found.quality.grade(model.required) is Grade.POOR


def test_a_missing_optional_signal_is_left_to_the_model_and_a_poor_one_stops_nothing():
    model = Told(required={"ecg": ()}, optional={"eeg": ()})
    assert pipeline.analyse(without(recording(60), "eeg"), model).status == "ok"
    assert pipeline.analyse(flat(recording(60), "eeg"), model).status == "ok"
    assert len(model.seen) == 2
    with_eeg = pipeline.analyse(recording(60), model)
    assert with_eeg.status == "ok" and any(c.startswith("lp_") or c.startswith("de_") for c in model.seen[-1][0])


def test_windows_where_a_required_signal_is_not_usable_have_no_probability():
    made = recording(60)
    lost = tuple(
        replace(s, data=np.where((np.arange(len(s.data)) / s.sfreq > 20) & (np.arange(len(s.data)) / s.sfreq < 26),
                                 np.nan, s.data)) if s.type == "eeg" else s for s in made.signals
    )  # fmt: skip
    found = pipeline.analyse(Recording(lost), Told())
    missing = np.isnan(found.prediction.proba).all(axis=1)
    onset = found.prediction.onset_s
    assert missing[(onset >= 18) & (onset <= 24)].all() and not missing[(onset < 14) | (onset > 28)].any()
    assert found.measure("valence").value == pytest.approx(0.8)


def test_where_nothing_can_be_computed_the_session_is_abstained():
    found = pipeline.analyse(Recording((Signal("x", "misc", "", 10.0, np.arange(300.0)),)), None)
    assert found.status == "abstained" and all(m.value is None for m in found.measures)


@pytest.mark.parametrize(("line_hz", "sfreq"), [(50.0, 128.0), (50.0, 250.0), (60.0, 128.0), (60.0, 250.0)])
def test_s1_07_the_chain_takes_the_sites_mains_out_of_the_eeg_and_keeps_each_band(line_hz, sfreq):
    t = np.arange(int(60 * sfreq)) / sfreq
    middle = slice(int(10 * sfreq), int(50 * sfreq))

    def db(type_: str, hz: float) -> float:
        tone = np.sin(2 * np.pi * hz * t)
        made = Recording((Signal("F3", type_, "µV", sfreq, tone),))
        out = preprocess.filtered(made, Pipeline(line_hz=line_hz)).signals[0].data
        return 20 * np.log10(out[middle].std() / tone[middle].std())

    assert db("eeg", line_hz) < -30
    for type_ in ("eeg", "ecg"):
        assert abs(db(type_, 10)) < 0.5 and db(type_, 0.05) < -30
    # the corners: half the power once, so a quarter where the filter is run both ways
    assert db("eeg", 45) == pytest.approx(-6, abs=2.5) and db("ecg", 40) == pytest.approx(-6, abs=1)


@pytest.mark.parametrize(("rate", "trusted"), [(25, False), (35, True), (70, True), (190, True), (240, False)])
def test_d4_a_heart_rate_outside_30_to_220_is_not_trusted(rate, trusted):
    from core.quality import assess

    noise = np.random.default_rng(0).normal(0, 0.01, 60 * 512)
    x = heart(regular_beats(60, rate=rate), 60, 512.0) + noise
    verdict = assess(Recording((Signal("ECG", "ecg", "mV", 512.0, x),)), Pipeline()).of("ecg")
    assert (verdict.grade is Grade.GOOD) == trusted, verdict
