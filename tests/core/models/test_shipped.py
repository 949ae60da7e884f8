"""The bundles that ship load, say what they are, and reach what their cards say."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from core import pipeline as chain
from core import simulate
from core.models import bundle
from core.services import demo as patients
from core.settings import EPOC_14, MODELS_SHIPPED
from core.types import Pipeline


@pytest.fixture(scope="module")
def demo():
    return bundle.load(MODELS_SHIPPED / "demo-eeg-ecg")


def test_the_demonstration_model_says_that_its_numbers_carry_no_meaning(demo):
    assert demo.card.demonstration and demo.card.training.simulated
    assert demo.info.basis == "simulated signals"
    assert "these numbers carry no meaning for a person" in demo.card.intended_use
    assert (demo.targets, demo.norm_mode) == (("valence", "arousal", "dominance"), "self")
    assert demo.required == {"eeg": EPOC_14, "ecg": ()}
    assert demo.pipeline == Pipeline()


def test_its_card_is_above_chance_and_honest(demo):
    for evaluation in demo.card.loso.values():
        assert 0.70 <= evaluation.balanced_accuracy.value <= 0.85
        assert evaluation.balanced_accuracy.low > evaluation.chance.high
        assert evaluation.majority.value == pytest.approx(0.5, abs=0.05)
        assert len(evaluation.subjects) == demo.card.training.n_subjects
    assert all(check.outcome == "pass" for check in demo.card.leak_audit.checks)


def test_it_ranks_planted_emotions_of_persons_it_has_not_seen(demo):
    found = {}
    for sign in (-1, 1):
        effects = dict.fromkeys(demo.targets, 1.5 * sign)
        made = [simulate.recording(seed=500 + p, person=p, effects=effects, duration_s=40) for p in range(3)]
        summaries = [chain.analyse(r, demo) for r in made]
        found[sign] = np.mean([[s.measure(t).value for t in demo.targets] for s in summaries], axis=0)
    assert (found[1] - found[-1] > 0.2).all()


def test_it_warns_of_a_recording_unlike_its_training_and_of_no_demo_session(demo):
    def warned(recording):
        return [n.code for n in chain.analyse(recording, demo).notices]

    for name, course in patients.COURSES.items():
        [visit] = simulate.patient_course(course.kind, 1, course.seed, datetime(2026, 1, 5, 9, tzinfo=UTC))
        assert "W-DRIFT" not in warned(patients._recording(course, 0, visit)), name
    assert "W-DRIFT" in warned(simulate.recording(seed=5, alpha_peak=6.0))


@pytest.mark.parametrize(("sfreq", "fits"), [(1.0, False), (40.0, False), (60.0, True), (128.0, True)])
def test_it_is_not_used_on_an_eeg_whose_rate_does_not_hold_its_bands(demo, sfreq, fits):
    made = simulate.recording(seed=1, duration_s=10)
    declared = tuple(replace(s, sfreq=sfreq) if s.type == "eeg" else s for s in made.signals)
    assert demo.fits(replace(made, signals=declared)) is fits


def test_services_of_models_and_studies_load_nothing_heavy():
    code = (
        "import sys; from core.services.research import models, studies; "
        "print(sorted({'sklearn', 'skops', 'torch', 'scipy.signal', 'mne', 'neurokit2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
