"""Studies with known truth, from ``core.simulate``."""

from __future__ import annotations

from functools import partial
from typing import Any

from core import simulate
from core.studies.folder import Planned, Source
from core.types import Recording


def source(
    *, subjects: int, trials: int, trial_s: float, effect: float, seed: int, inputs: str = "eeg+ecg",
    trial_sd: float = simulate.TRIAL_SD,
) -> Source:  # fmt: skip
    """A simulated study; what it was made with is kept, so that the same call makes the same study."""
    made_by: dict[str, Any] = {
        "subjects": subjects, "trials": trials, "trial_s": trial_s, "effect": effect, "seed": seed, "inputs": inputs,
        "trial_sd": trial_sd,
    }  # fmt: skip
    made = simulate.study(**made_by)
    return Source(
        basis=simulate.BASIS,
        licence="simulated by Affectline; free of any rights",
        targets=simulate.TARGETS,
        inputs=tuple(inputs.split("+")),
        trials=(Planned(t.subject, t.trial, t.labels, {}, partial(_given, t.recording)) for t in made),
        n_trials=subjects * trials,
        simulated=True,
        made_by=made_by,
        bands={"eeg": (0.0, 64.0)} if "eeg" in inputs else {},  # half the rate of what is simulated
    )


def _given(recording: Recording) -> Recording:
    return recording
