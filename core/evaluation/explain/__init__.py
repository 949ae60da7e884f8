"""What a model made its numbers of: contributions that add up, importance by permutation, attention over time.

*Contributions* of each column to each row add up to what the model said: exact Shapley values of linear and additive
models and of trees, integrated gradients of nets. They say what the model used, not what a person felt, and not what
would happen if a signal were another. *Importance* is what a score loses when a group of columns is dealt anew among a
subject's windows. Columns are told by modality (channel type) and block (``core.features.block_of``), for many are near
twins whose single values mean little.

Lundberg and Lee (2017), NeurIPS 30; Lundberg et al. (2020), Nat. Mach. Intell. 2 (trees); Sundararajan et al. (2017),
ICML 34 (integrated gradients); Breiman (2001), Mach. Learn. 45 (permutation).
"""

from __future__ import annotations

from core.evaluation.explain.attention_weights import attention
from core.evaluation.explain.attribution import BY, Attribution, blocks, modality, sizes
from core.evaluation.explain.contributions import attribute, of_bundle
from core.evaluation.explain.gradients import integrated
from core.evaluation.explain.runs import FOLDS, SEED, TOP, explained

__all__ = [
    "BY", "FOLDS", "SEED", "TOP", "Attribution", "attention", "attribute", "blocks", "explained", "integrated",
    "modality", "of_bundle", "sizes",
]  # fmt: skip
