"""Options of a run on the command line, and that its answers are words and no Python."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.cli.words import audit_lines, model_lines, nested_lines, pair_lines, table_lines
from core.services.research import audits, experiments, grids, models, validity

RUN = ["--study", "small", "--target", "valence", "--model", "mlp", "--json"]
OPTIONS = ["--features", "eeg16", "--oversample", "smote", "--smoothing", "causal", "--flip", "--aggregate", "median"]
MODEL = ["--option", "epochs=20", "--option", "hidden=8,4", "--option", "contrastive=0.1"]
ASKED = {
    "features": "eeg16", "oversample": "smote", "smoothing": "causal", "flip": True, "aggregate": "median",
    "options": {"epochs": "20", "hidden": "8,4", "contrastive": "0.1"},
}  # fmt: skip


def call(*arguments: str):
    return CliRunner().invoke(cli, list(arguments))


@pytest.fixture
def asked(monkeypatch):
    """What the services were given, in place of a run."""
    given: list = []

    def keep(*_args, options, **_more):
        given.append(options)
        return {}

    monkeypatch.setattr("app.cli.research.store", lambda: None)
    monkeypatch.setattr(experiments, "evaluate", keep)
    monkeypatch.setattr(experiments, "ablate", keep)
    return given


def test_evaluate_and_ablate_take_the_options_of_a_run_and_leave_them_off_unasked(asked):
    assert call("evaluate", *RUN, "--inputs", "ecg", *OPTIONS, *MODEL).exit_code == 0
    assert call("ablate", *RUN, *OPTIONS, *MODEL).exit_code == 0
    assert asked[0].items() >= ASKED.items() and asked[1] == ASKED
    assert call("evaluate", *RUN, "--inputs", "ecg").exit_code == 0
    spec = experiments.spec_of("small", "valence", "mlp", "ecg", "early", "loso", 0, asked[2])
    assert spec == experiments.spec_of("small", "valence", "mlp", "ecg", "early", "loso", 0, {})
    spec = experiments.spec_of("small", "valence", "mlp", "ecg", "early", "loso", 0, asked[0])
    assert spec.options == {"epochs": 20, "hidden": (8, 4), "contrastive": 0.1}


def test_a_seed_that_no_database_can_hold_is_a_usage_error(asked):
    assert call("evaluate", *RUN, "--inputs", "ecg", "--seed", str(2**31 - 1)).exit_code == 0
    assert call("evaluate", *RUN, "--inputs", "ecg", "--seed", str(2**31)).exit_code == 2
    assert len(asked) == 1


PIPE = [*RUN, "--inputs", "eeg"]
VERBS = {
    "grid": (grids, "grid", ["--study", "small", "--json"]),
    "model train": (models, "train", PIPE),
    "leak-audit": (audits, "leak_audit", PIPE),
    **{f"validity {name}": (validity, name, PIPE) for name in ("stimulus", "surrogates", "control", "confounds")},
    "validity transfer": (validity, "transfer", [*PIPE, "--to", "other"]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_names_a_pipeline_takes_features_in_the_same_words(verb, monkeypatch):
    room, name, line = VERBS[verb]
    given: list = []
    for module in ("research", "audits"):
        monkeypatch.setattr(f"app.cli.{module}.store", lambda: None)
    monkeypatch.setattr(room, name, lambda *a, **k: given.append(k.get("options", k)["features"]) or {})
    assert call(*verb.split(), *line, "--features", "eeg258full").exit_code == 0
    assert call(*verb.split(), *line).exit_code == 0
    assert given == ["eeg258full", ""]
    told = " ".join(call(*verb.split(), "--help").stdout.split())
    assert "Features of the EEG: eeg258full (all 258 columns, not the usual 160) or eeg16." in told


def test_a_leak_audit_takes_the_options_of_a_run_too(monkeypatch):
    given: list = []
    monkeypatch.setattr("app.cli.audits.store", lambda: None)
    monkeypatch.setattr(audits, "leak_audit", lambda *a, options, **k: given.append(options) or {})
    assert call("leak-audit", *PIPE, *OPTIONS, *MODEL, "--score", "ei").exit_code == 0
    assert given == [{"groups": ["ei"], **ASKED}]


def test_a_result_names_its_options_in_words_where_they_are_not_as_usual():
    usual = {"study": "small", "target": "valence", "inputs": "eeg", "model": "logistic", "seed": 0}
    premium = {"premium": {"value": 0.1, "low": 0.0, "high": 0.2}, "scores": {}, "checks": []}
    named = {"groups": ["ei"], "features": "eeg16", "flip": True, "options": {"strength": 0.1}}
    assert audit_lines({**usual, **premium})[0] == "small, valence from eeg by logistic"
    assert audit_lines({**usual, **premium, **named})[0] == (
        "small, valence from eeg by logistic, groups ei, features eeg16, flip yes, strength 0.1"
    )


@pytest.mark.parametrize("option", ["epochs", "=3", "epochs=", "epochs=3 --option epochs=4"])
def test_an_option_that_cannot_be_understood_is_a_usage_error(asked, option):
    done = call("evaluate", *RUN, "--inputs", "ecg", "--option", *option.split())
    assert done.exit_code == 2 and '"E-OPTION"' in done.stdout and not asked


def test_an_option_the_model_does_not_have_is_refused_with_those_it_has(monkeypatch):
    monkeypatch.setattr("app.cli.research.store", lambda: None)
    done = call("evaluate", *RUN[:4], "--model", "forest", "--json", "--inputs", "ecg", "--option", "epochs=3")
    assert done.exit_code == 3 and "forest has no option epochs" in done.stdout
    assert "It takes leaf, share, trees." in done.stdout


def test_answers_are_words():
    model = {
        "name": "m", "version": "1", "targets": ["valence"], "inputs": ["eeg", "ecg"], "basis": "simulated signals",
        "balanced_accuracy": None, "default": True, "state": "approved", "why": "it fits", "problem": None,
    }  # fmt: skip
    study = {
        "name": "s",
        "targets": ["valence", "arousal"],
        "inputs": ["eeg", "ecg"],
        "simulated": True,
        "licence": None,
    }
    card = {"controls": None, "targets": ["valence"], "seen": {}, "signals": {"rates": [], "simulated": False}}
    assert model_lines([model])[0] == "m 1: valence from EEG + ECG"
    assert table_lines([study]) == ["name s; targets valence, arousal; inputs EEG + ECG; simulated yes; licence none"]
    assert nested_lines(card) == [
        "controls: none", "targets: valence", "seen: none", "signals:", "  rates: none", "  simulated: no",
    ]  # fmt: skip
    assert pair_lines({"inputs": [], "n": 0}) == ["inputs: none", "n: 0"]
    said = "\n".join([*model_lines([model]), *table_lines([study]), *nested_lines(card)])
    assert not re.search(r"None|True|False|[\[{']", said)
