"""Studies of features with known truth, in a second: persons, trials and an emotion effect of a set size."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.evaluation.dataset import Dataset
from core.settings import PREDICTIONS

# of every feature; windows of a trial are alike enough for a forest with leaves of five to know it again
PERSON_SD, TRIAL_SD, WINDOW_SD = 1.0, 1.0, 0.4
SCALE = (1.0, 5.0, 3.0)


def feature_study(
    n_subjects: int = 23,
    n_trials: int = 18,
    n_windows: int = 20,
    effect: float = 0.0,
    seed: int = 0,
    *,
    n_features: int = 20,
    types: tuple[str, ...] = ("eeg", "ecg"),
    carriers: tuple[str, ...] = ("eeg", "ecg"),
) -> Dataset:
    """A dataset of ``n_features`` columns, dealt to ``types`` in turn, with ratings 1-5 of valence.

    Each person, each trial of a person and each window adds its own draw to every feature. High moves the features of
    ``carriers`` by ``effect`` along ``direction``, Low by as much the other way. Half of each person's trials are High
    (one more of odd ones); trials of one name share nothing but the name.
    """
    rng = np.random.default_rng([seed, 1])
    high = np.array([rng.permutation(np.arange(n_trials) % 2 == 0) for _ in range(n_subjects)])
    rating = np.where(high, rng.integers(4, 6, high.shape), rng.integers(1, 4, high.shape)).astype(float)
    person = PERSON_SD * rng.standard_normal((n_subjects, 1, 1, n_features))
    trial = TRIAL_SD * rng.standard_normal((n_subjects, n_trials, 1, n_features))
    window = WINDOW_SD * rng.standard_normal((n_subjects, n_trials, n_windows, n_features))
    along = direction(seed, n_features, types, carriers)
    x = person + trial + window + effect * np.where(high, 1.0, -1.0)[:, :, None, None] * along
    names = [f"{types[i % len(types)]}_f{i:02d}" for i in range(n_features)]
    who, what = (np.repeat(v, n_windows) for v in np.divmod(np.arange(n_subjects * n_trials), n_trials))
    stimulus = np.array([f"T{i + 1:02d}" for i in range(n_trials)])[what]
    columns = {t: tuple(n for n in names if n.startswith(f"{t}_")) for t in types}
    order = [n for t in types for n in columns[t]]
    return Dataset(
        name=f"features-{seed}", sha256="",
        features=pd.DataFrame(x.reshape(-1, n_features), columns=names)[order],
        subject=np.array([f"S{i + 1:03d}" for i in range(n_subjects)])[who], trial=stimulus, stimulus=stimulus,
        onset_s=np.tile(2.0 * np.arange(n_windows), n_subjects * n_trials),
        labels={PREDICTIONS[0]: np.repeat(rating.ravel(), n_windows)}, targets={PREDICTIONS[0]: SCALE},
        columns=columns,
    )  # fmt: skip


def direction(
    seed: int, n_features: int, types: tuple[str, ...] = ("eeg", "ecg"), carriers: tuple[str, ...] = ("eeg", "ecg")
) -> np.ndarray:
    """Where the emotion effect points: a unit vector over the features of ``carriers``, in order of their number."""
    carries = np.array([types[i % len(types)] in carriers for i in range(n_features)])
    drawn = np.random.default_rng([seed, 0]).standard_normal(n_features) * carries
    return drawn / np.linalg.norm(drawn)


def oracle(effect: float, n_windows: int) -> float:
    """Accuracy per trial of who knows direction, sizes and spreads but not the person: the best there is for one
    trial of a person not seen before.

    Examples
    --------
    >>> oracle(0.0, 20), round(oracle(1.0, 20), 3)  # 1 over the root of 1 + 1 + 0.16/20 is 0.706 SD
    (0.5, 0.759)
    """
    from scipy.stats import norm

    spread = np.sqrt(PERSON_SD**2 + TRIAL_SD**2 + WINDOW_SD**2 / n_windows)
    return float(norm.cdf(effect / spread))
