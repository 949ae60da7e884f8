"""Tables of research pages, where some of what is shown stays here."""

from __future__ import annotations

import pandas as pd

from app.ui import validity


def test_label_policies_of_a_target_that_fewer_than_five_people_rated_do_not_leave():
    shown = pd.DataFrame({"Target": ["Valence", "Arousal"], "n": [40, 50], "Agreement (alpha)": [0.4, 0.5]})
    left = validity.many({"Valence": 4, "Arousal": 5}, ("Agreement (alpha)",), shown)
    assert left["Agreement (alpha)"].tolist() == ["fewer than 5 people", 0.5]
    assert list(left) == list(shown) and left["n"].tolist() == [40, 50]
