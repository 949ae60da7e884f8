"""Studies: tables of trials over recordings. STUDIES is the door: one file per corpus, and one line here.

Each entry makes a ``folder.Source``; ``folder.write`` stores it and ``folder.load`` reads it back.
"""

from __future__ import annotations

from collections.abc import Callable

from core.studies import simulated
from core.studies.folder import Source

STUDIES: dict[str, Callable[..., Source]] = {"simulated": simulated.source}
