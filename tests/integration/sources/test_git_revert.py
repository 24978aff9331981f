"""The commit of `trimtab rollback`: made without a checkout, pushed, and found by whoever pulls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gitrepo import GitRepo, git
from tests.support.gitservers import http_git
from trimtab.errors import UserError
from trimtab.sources.credentials import Credential
from trimtab.sources.errors import PushRejected, RevertConflict
from trimtab.sources.revert import Author
from trimtab.sources.source import GitSource

AUTHOR = Author("Trimtab", "trimtab@example.org")

# Servers, pushes and fetches: half a minute all together on two busy cores.
pytestmark = pytest.mark.slow


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    (tmp_path / "served").mkdir()
    return GitRepo.create(tmp_path / "served", {"shop/page": "old\n", "shop/api": "1\n", "blog/page": "hello\n"})


@pytest.fixture(params=["local", "http"])
def source(request: pytest.FixtureRequest, repo: GitRepo, tmp_path: Path) -> Iterator[GitSource]:
    if request.param == "local":
        yield GitSource(str(repo.remote), target="main", data_dir=tmp_path / "data")
        return
    git(repo.remote, "config", "http.receivepack", "true")
    with http_git(repo.remote.parent) as site:
        site.user, site.password = "ada", "s3cret"
        credential = Credential(username="ada", password="s3cret")
        yield GitSource(f"{site.url}/repo.git", target="main", data_dir=tmp_path / "data", credential=credential)


def test_one_commit_is_taken_back_as_git_revert_would(repo: GitRepo, source: GitSource) -> None:
    first = source.snapshot().revision
    bad = repo.deploy({"shop/page": "new\n", "shop/extra": "x"}, "bigger banner")
    later = repo.deploy({"blog/page": "hello again\n"}, "a post")
    commit = source.revert(since=first, until=bad, author=AUTHOR)
    assert (commit.subject, commit.author) == ('Revert "bigger banner"', "Trimtab")
    repo.git("pull", "-q", "origin", "main")
    assert repo.head() == commit.revision == source.poll()
    assert repo.git("rev-parse", "HEAD^") == later
    assert repo.git("log", "-1", "--format=%b").strip() == f"This reverts commit {bad}."
    assert (repo.path / "shop/page").read_text() == "old\n"
    assert not (repo.path / "shop/extra").exists()
    assert (repo.path / "blog/page").read_text() == "hello again\n"
    # A step forward like any other.
    assert source.snapshot().tree.read("shop/page") == b"old\n"
    assert git(repo.remote, "fsck", "--strict") == ""


def test_several_commits_go_back_to_an_older_release(repo: GitRepo, source: GitSource) -> None:
    first = repo.head()
    second = repo.deploy({"shop/page": "2\n"}, "second")
    third = repo.deploy({"shop/page": "3\n", "blog/page": "3\n"}, "third")
    commit = source.revert(since=first, author=AUTHOR, message="back to the first\n")
    assert commit.subject == "back to the first"
    assert git(repo.remote, "rev-parse", "main^{tree}") == git(repo.remote, "rev-parse", f"{first}^{{tree}}")
    with pytest.raises(UserError, match="nothing to take back"):
        source.revert(since=first, author=AUTHOR)
    forth = source.revert(since=third, until=commit.revision, author=AUTHOR)
    assert git(repo.remote, "rev-parse", "main^{tree}") == git(repo.remote, "rev-parse", f"{third}^{{tree}}")
    assert forth.subject == 'Revert "back to the first"'
    assert second in git(repo.remote, "log", "--format=%H")


def test_only_one_application_of_a_monorepo_goes_back(repo: GitRepo, source: GitSource) -> None:
    first = repo.head()
    repo.deploy(
        {"shop/page": "new\n", "shop/sub/x": "x", "shop/api": None, "blog/page": "new\n", "fresh/y": "y"}, "both"
    )
    source.revert(since=first, paths=("shop", "fresh"), author=AUTHOR)
    repo.git("pull", "-q", "origin", "main")
    assert repo.tree("shop") == repo.tree("shop", first)
    assert (repo.path / "blog/page").read_text() == "new\n"
    assert not (repo.path / "fresh").exists()
    assert repo.git("log", "-1", "--format=%s") == 'Revert "both"'


def test_a_conflict_names_the_files_and_pushes_nothing(repo: GitRepo, source: GitSource) -> None:
    first = repo.head()
    bad = repo.deploy({"shop/page": "new\n"}, "bad")
    head = repo.deploy({"shop/page": "newer\n"}, "newer")
    with pytest.raises(RevertConflict, match="shop/page") as caught:
        source.revert(since=first, until=bad, author=AUTHOR)
    assert caught.value.paths == ("shop/page",)
    assert source.poll() == head


def test_a_repository_that_says_no_is_quoted(repo: GitRepo, source: GitSource) -> None:
    first = repo.head()
    repo.deploy({"shop/page": "new\n"}, "bad")
    hook = repo.remote / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'main is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PushRejected, match="main"):
        source.revert(since=first, author=AUTHOR)


def test_a_push_in_between_is_built_upon(repo: GitRepo, source: GitSource) -> None:
    first = repo.head()
    bad = repo.deploy({"shop/page": "new\n"}, "bad")
    find, raced = source._repository.find, []

    def find_and_lose_the_race(target: object) -> object:
        found = find(target)  # type: ignore[arg-type]
        if len(raced) < 2:
            raced.append(repo.deploy({"blog/page": f"{len(raced)}\n"}, "meanwhile"))
        return found

    source._repository.find = find_and_lose_the_race  # type: ignore[method-assign,assignment]
    commit = source.revert(since=first, until=bad, author=AUTHOR)
    assert len(raced) == 2
    assert git(repo.remote, "rev-parse", f"{commit.revision}^") == raced[-1]


def test_the_default_branch_is_asked_for_when_none_is_named(repo: GitRepo, source: GitSource, tmp_path: Path) -> None:
    first = repo.head()
    repo.deploy({"shop/page": "new\n"}, "bad")
    default = GitSource(source.url, data_dir=tmp_path / "other", credential=source._credential)
    assert default.revert(since=first, author=AUTHOR).subject == 'Revert "bad"'
    assert git(repo.remote, "rev-parse", "main^{tree}") == git(repo.remote, "rev-parse", f"{first}^{{tree}}")


def test_a_checked_out_branch_is_not_pushed_to(repo: GitRepo, tmp_path: Path) -> None:
    first = repo.head()
    repo.commit({"shop/page": "new\n"})
    source = GitSource(str(repo.path), target="main", data_dir=tmp_path / "data")
    with pytest.raises(PushRejected, match="checked out"):
        source.revert(since=first, author=AUTHOR)


def test_only_a_branch_can_be_reverted(repo: GitRepo, tmp_path: Path) -> None:
    head = repo.head()
    repo.git("tag", "v1")
    repo.git("push", "-q", "--tags", "origin")
    for target in ("v1", "^1", head):
        source = GitSource(str(repo.remote), target=target, data_dir=tmp_path / "data")
        with pytest.raises(UserError):
            source.revert(since=head, author=AUTHOR)
    default = GitSource(str(repo.remote), data_dir=tmp_path / "data")
    bad = repo.deploy({"shop/page": "new\n"})
    assert default.revert(since=head, until=bad, author=AUTHOR).revision == git(repo.remote, "rev-parse", "main")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give a repository to somebody else")
def test_a_repository_of_another_owner_is_read_and_pushed_to_because_it_was_named(
    repo: GitRepo, tmp_path: Path
) -> None:
    first = repo.head()
    repo.deploy({"shop/page": "new\n"})
    for place in (repo.remote, *repo.remote.rglob("*")):
        os.chown(place, 12345, 12345)
    source = GitSource(str(repo.remote), target="main", data_dir=tmp_path / "data")
    assert source.snapshot().tree.read("shop/page") == b"new\n"
    source.log(source.poll(), 2)
    assert source.revert(since=first, author=AUTHOR).revision == source.poll()
