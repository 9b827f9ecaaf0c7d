"""Where a result comes from: the commit of the project itself, and of nothing that it happens to lie in."""

import subprocess

import pytest

from harness.machine import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one commit, in which the project is said to lie."""

    def git(*arguments):
        settings = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *settings, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "one.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def source():
    return provenance.source.__wrapped__()


def test_a_checkout_has_a_commit_and_is_dirty_once_its_source_differs(repository):
    found = source()
    assert len(found["git_commit"]) == 40
    assert found["git_dirty"] is False
    (repository / "results").mkdir()
    (repository / "results" / "board.csv").write_text("a board is not source")
    assert source()["git_dirty"] is False
    (repository / "methods" / "one.py").write_text("x = 2\n")
    assert source()["git_dirty"] is True


def test_the_commit_of_a_repository_that_the_project_only_lies_in_is_not_taken(repository, monkeypatch):
    inner = repository / "vendor"
    inner.mkdir()
    monkeypatch.setattr(provenance, "ROOT", inner)
    assert (source()["git_commit"], source()["git_dirty"]) == (None, None)


def test_outside_any_repository_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (source()["git_commit"], source()["git_dirty"]) == (None, None)
