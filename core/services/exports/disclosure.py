"""What does not leave: the words and names that people typed, and statistics of a few people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from core.settings import FEWEST_PEOPLE

# what stands in place of each
WORDS_KEPT = "kept here"
FEW = f"fewer than {FEWEST_PEOPLE} people"


def few(*people: int) -> bool:
    """Whether a value tells of a group of so few people that it does not leave; of nobody there is nothing to tell.

    >>> few(4), few(5), few(0), few(12, 3)
    (True, False, False, True)
    """
    return any(0 < n < FEWEST_PEOPLE for n in people)


def words_kept(table: pd.DataFrame, *columns: str, where: Sequence[bool] | None = None) -> pd.DataFrame:
    """A table without what people typed in these columns; ``where`` says in which rows, by default in all."""
    typed = pd.Series(True if where is None else list(where), index=table.index, dtype=bool)
    return table.assign(**{c: table[c].mask(typed, WORDS_KEPT) for c in columns})


def few_kept(table: pd.DataFrame, values: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """A table in which a value is replaced where one of the columns that count its people counts fewer than five.

    Examples
    --------
    >>> few_kept(pd.DataFrame({"mean": [0.5, 0.25], "n": [4, 5]}), {"mean": ["n"]})["mean"].tolist()
    ['fewer than 5 people', 0.25]
    """
    hidden = {c: [few(*row) for row in table[list(counts)].to_numpy()] for c, counts in values.items()}
    return table.assign(**{c: table[c].astype(object).mask(own, FEW) for c, own in hidden.items()})
