"""What a refusal says in one line."""

import json

import pytest

from app.api.problems import problem
from app.ui import components
from core.errors import Refused


@pytest.mark.parametrize("what", ["the study has no target joy", "the study has no target joy."])
def test_a_full_stop_parts_what_was_wrong_from_what_to_do(what):
    refused = Refused("E-TARGET", what, "tiny", "It has valence.")
    line = "tiny: the study has no target joy. It has valence."
    assert refused.text == f"{line} [E-TARGET]"
    assert components.problem(refused.as_dict()) == refused.text
    assert json.loads(problem(422, **refused.as_dict()).body)["detail"] == line


def test_nothing_is_added_where_nothing_follows():
    assert Refused("E-STUDY", "no such study", "tiny").text == "tiny: no such study [E-STUDY]"
