"""A site that published small nets, from one simulated study of twelve seconds a trial."""

from dataclasses import replace

from core import compute, simulate
from core.models import MODELS
from core.services.research import audits, models, studies
from core.settings import settings
from tests.core.models.small import OPTIONS
from tests.core.services.research.test_experiments import NOW, inline

# what is published of each: its inputs, options beside those that keep it small, and its fusion
NETS = {
    "eegnet": ("eeg", {"epochs": 2}, "early"),
    "cnn_lstm": ("eeg+ecg", {"epochs": 1}, "intermediate"),
    "tangent": ("eeg+ecg", {}, "early"),
    "mlstm_fcn": ("ecg", {"epochs": 1}, "early"),
    "bilstm_attention": ("ecg", {"epochs": 2}, "early"),
}
AUDIT = {
    "premium": {"value": 0.25, "low": 0.125, "high": 0.375}, "scores": {"nested_loso": 0.5},
    "checks": [{"name": "window overlap", "outcome": "pass", "evidence": "no window is shared"}],
}  # fmt: skip


def here(store, patch):
    """Published beside the store's database, folds run in this process, a leak audit stored of everything."""
    patch.setattr(settings(), "data_dir", store.data_dir)
    patch.setattr(compute, "executor", inline())
    patch.setattr(audits, "stored_audit", lambda *a, **k: AUDIT)


def small(patch, name):
    """The model of a name, kept small."""
    known, said = MODELS[name], {**OPTIONS[name], **NETS[name][1]}
    patch.setitem(MODELS, name, replace(known, make=lambda seed, **more: known.make(seed, **{**said, **more})))


def publish(store, patch, names=tuple(NETS)):
    """Train and publish each under its name with hyphens."""
    here(store, patch)
    studies.simulate(store, "small", subjects=3, trials=2, trial_s=12.0, effect=3.0, seed=2, now=NOW)
    for name in names:
        small(patch, name)
        inputs, _, fusion = NETS[name]
        models.train(store, "small", ["arousal"], name, inputs, publish=own(name), fusion=fusion, now=NOW)


def own(name):
    """The name of its bundle."""
    return name.replace("_", "-")


def head(duration_s=20.0, **more):
    """A recording of somebody who was not in the study."""
    return simulate.recording(seed=77, person=0, trial=0, duration_s=duration_s, **more)
