"""Studies: tables of trials over recordings. STUDIES is the door: one file per corpus, and one line here.

Each entry makes a ``folder.Source``; ``folder.write`` stores it and ``folder.load`` reads it back. All but
``simulated`` take the path of the corpus and what a person said of its columns.
"""

from __future__ import annotations

from collections.abc import Callable

from core.studies import (
    amigos,
    bids,
    deap,
    deap_bdf,
    dreamer,
    etri,
    freihaut,
    manifest,
    quiroz,
    s3,
    simulated,
    stress_predict,
)
from core.studies.folder import Source

STUDIES: dict[str, Callable[..., Source]] = {
    "simulated": simulated.source,
    "manifest": manifest.source,
    "etri": etri.source,
    "dreamer": dreamer.source,
    "deap": deap.source,
    "amigos": amigos.source,
    "bids": bids.source,
    "s3": s3.source,
    "deap-bdf": deap_bdf.source,
    "freihaut": freihaut.source,
    "stress-predict": stress_predict.source,
    "quiroz": quiroz.source,
}
