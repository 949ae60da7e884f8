"""Random forest (requirements d8)."""

from __future__ import annotations

from sklearn.ensemble import RandomForestClassifier

from core.models.steps import Steps, on_features


def forest(seed: int, trees: int = 200, leaf: int = 5, share: float | None = 0.3) -> Steps:
    """Balanced trees, each grown on a share of the windows, with leaves of at least five.

    Small leaves and whole samples cost three times as much and are no more accurate on people not seen.
    """
    return on_features(
        RandomForestClassifier(
            trees, class_weight="balanced", min_samples_leaf=leaf, max_samples=share, random_state=seed, n_jobs=1
        )
    )
