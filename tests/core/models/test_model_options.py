"""Options of models: all that a maker takes is offered, read as its type, and refused by name where it cannot be."""

from __future__ import annotations

import pytest

from core.errors import Refused
from core.models import MODELS
from core.models.options import NOT_OPTIONS, offered, read
from tests.core.models.small import OPTIONS


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_is_made_with_is_offered_and_what_is_declared_can_be_chosen(model):
    known = offered(model)
    assert not set(known) & NOT_OPTIONS
    assert set(OPTIONS.get(model, {})) | {name for chosen in MODELS[model].choices for name in chosen} <= set(known)
    assert bool(MODELS[model].deep) == ({"epochs", "lr", "contrastive", "plateau", "least_lr"} <= set(known))


def test_text_is_read_as_the_type_of_its_option_and_makes_the_same_model():
    text = {"hidden": "8,4", "lr": "1e-2", "epochs": "3", "patience": "none", "single": "true", "contrastive": "0"}
    made = {"hidden": (8, 4), "lr": 0.01, "epochs": 3, "patience": None, "single": True, "contrastive": 0.0}
    assert read("mlp", text) == read("mlp", made) == made
    assert read("mlp", {**made, "hidden": [8, 4]}) == made, "as a stored run has it"
    net = MODELS["mlp"].make(0, **read("mlp", text)).steps[-1][1]
    assert (net.epochs, net.lr, net.patience, net.sizes["hidden"]) == (3, 0.01, None, (8, 4))


@pytest.mark.parametrize(
    ("model", "said", "words"),
    [
        ("logistic", {"epochs": "3"}, "logistic has no option epochs. It takes strength."),
        ("majority", {"strength": "1"}, "It takes none."),
        ("eegnet", {"seed": "3"}, "has no option seed"),
        ("mlp", {"epochs": "2.5"}, "epochs of mlp cannot be '2.5'. It is a whole number above 0."),
        ("mlp", {"epochs": "0"}, "a whole number above 0"),
        ("mlp", {"patience": "-1"}, "a whole number above 0, or none"),
        ("mlp", {"lr": "nan"}, "a number above 0"),
        ("mlp", {"lr": "none"}, "a number above 0"),
        ("mlp", {"dropout": "1"}, "a number 0 or above and below 1"),
        ("mlp", {"optimizer": "lion"}, "one of adam, adamw, sgd"),
        ("mlp", {"hidden": "8,x"}, "whole numbers above 0, parted by commas"),
        ("mlstm_fcn", {"filters": "8,8"}, "3 whole numbers above 0"),
        ("mlstm_fcn", {"squeeze": "maybe"}, "true or false"),
    ],
)
def test_what_an_option_cannot_be_is_refused_with_what_is_possible(model, said, words):
    with pytest.raises(Refused) as refused:
        read(model, said)
    assert refused.value.code == "E-OPTION" and words in refused.value.text
