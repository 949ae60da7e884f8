from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from core import settings
from core.evaluation.experiment import Spec
from core.services.research import audits, prepared, results
from tests.core.storage.handmade import NOW
from tests.pages.research_site import ready

OURS, OTHER = "a1b2c3d" + "0" * 33, "f" * 40


@pytest.fixture
def checkout(tmp_path):
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "refs" / "heads" / "main").write_text(f"{OURS}\n")
    return tmp_path


def test_the_commit_of_a_checkout_is_read_from_its_branch_a_packed_one_or_none(checkout):
    git = checkout / ".git"
    assert settings.commit(checkout) == "a1b2c3d"
    (git / "refs" / "heads" / "main").unlink()
    assert settings.commit(checkout) == ""
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{OTHER} refs/heads/domain\n{OURS} refs/heads/main\n")
    assert settings.commit(checkout) == "a1b2c3d"
    (git / "HEAD").write_text(f"{OTHER}\n")
    assert settings.commit(checkout) == "fffffff"


def test_a_further_working_tree_says_its_own_commit(checkout, tmp_path):
    own = checkout / ".git" / "worktrees" / "second"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    (own / "commondir").write_text("../..\n")
    second = tmp_path / "second"
    second.mkdir()
    (second / ".git").write_text(f"gitdir: {own}\n")
    assert settings.commit(second) == "a1b2c3d"


def test_without_a_checkout_there_is_no_commit_and_nothing_fails(tmp_path):
    assert settings.commit(tmp_path) == ""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\xfe nothing of git")
    assert settings.commit(tmp_path) == ""


def test_what_is_stored_of_the_code_is_the_version_and_the_commit_where_there_is_one():
    version, plus, own = settings.CODE.partition("+")
    assert version == settings.VERSION and len(settings.CODE) <= 40
    assert (len(own) == 7) if settings.commit(settings.ROOT) else not plus


@dataclass
class Said:
    code_version: str
    config: dict[str, Any] = field(default_factory=dict)
    created_at: None = None


def test_another_commit_of_the_same_version_makes_no_audit_older():
    check = Said("0.1.0+a1b2c3d")
    assert results.apart(check, Said("0.1.0")) == results.apart(check, Said("0.1.0+fffffff")) == ""
    assert results.apart(check, Said("0.2.0+a1b2c3d")) == "older code version"


def test_a_run_and_an_audit_store_the_code_and_another_commit_finds_them_again(store, monkeypatch):
    ready(store, "mine", n=4)
    spec = Spec("mine", "valence", "ecg", "logistic", "early", "loso", 0)
    run = prepared.Prepared.of(store, spec).record(store, NOW)
    key = audits.key_of(spec)
    audits.once(store, "control", key, {}, lambda: {"found": 1}, NOW)
    [line] = audits.results(store, "control")
    assert run.code_version == line.code_version == settings.CODE
    for room in (prepared, audits):
        monkeypatch.setattr(room, "CODE", "0.1.0+fffffff")
    assert prepared.Prepared.of(store, spec).record(store, NOW).id == run.id
    assert audits.once(store, "control", key, {}, lambda: {"found": 2}, NOW) == {"found": 1}
