"""Choosing the release to go back to, and the commit that does it, on real repositories and without an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.gitrepo import GitRepo
from trimtab.cli.reads import outermost
from trimtab.cli.undoing import Undoing, author, open_undoing
from trimtab.config import Config, RepositoryConfig
from trimtab.errors import UserError
from trimtab.model.events import Event
from trimtab.model.keys import AppKey
from trimtab.model.status import Phase
from trimtab.store.sqlite import SqliteStore
from trimtab.wiring import open_store

SHOP = AppKey("default", "shop")
COMPOSE = "services: {{web: {{image: 'nginx:{version}'}}}}\n"


class World:
    def __init__(self, folder: Path) -> None:
        self.repo = GitRepo.create(folder)
        self.config = Config(data_dir=folder / "data", repositories=(RepositoryConfig(url=self.repo.url),))
        self.store: SqliteStore = open_store(self.config)

    def deploy(self, version: str, phase: Phase = Phase.SUCCEEDED, **files: str) -> str:
        """Push a version and write down a release of it."""
        revision = self.repo.deploy({"shop/compose.yaml": COMPOSE.format(version=version), **files}, f"v{version}")
        self.release(revision, phase)
        return revision

    def release(self, revision: str, phase: Phase = Phase.SUCCEEDED) -> None:
        number = self.store.releases.begin(SHOP, revision=revision)
        self.store.releases.finish(SHOP, number, phase)

    @contextmanager
    def undoing(self, key: AppKey = SHOP) -> Iterator[Undoing]:
        with open_undoing(self.config, self.store, key, repo=None, branch="", subpath="") as found:
            yield found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_the_release_before_the_current_one(world: World) -> None:
    first = world.deploy("1")
    world.deploy("2")
    with world.undoing() as undoing:
        undoing.choose(None)
        assert undoing.target.revision == first
        assert undoing.paths == ("shop/compose.yaml",)
        made = undoing.push(undoing.commits())
    assert made.subject == 'Revert "v2"'
    world.repo.git("pull", "--quiet", "origin", "main")
    assert world.repo.tree("shop") == world.repo.tree("shop", first)


def test_failed_unhealthy_and_unrelated_releases_are_passed_over(world: World) -> None:
    good = world.deploy("1")
    world.deploy("2", Phase.FAILED)
    sick = world.deploy("3")
    event = Event(at=datetime.now(UTC), app=SHOP, reason="ReleaseUnhealthy", message="exited", revision=sick)
    world.store.events.append(event)
    remembered = world.deploy("4")
    world.store.applied.put(replace(world.store.applied.get(SHOP), failed_revision=remembered))
    world.deploy("5")
    # A repair of drift on a commit that does not concern the application: nothing to go back to.
    world.release(world.repo.deploy({"README": "x"}, "readme"))
    world.repo.deploy({"README": "y"}, "readme")
    with world.undoing() as undoing:
        undoing.choose(None)
        assert undoing.target.revision == good
        assert len(undoing.commits()) == 6
        assert undoing.push(undoing.commits()).subject == f"Revert shop to {good[:7]} (release 1)"
    world.repo.git("pull", "--quiet", "origin", "main")
    assert (world.repo.path / "README").read_text() == "y"


def test_with_one_release_there_is_nothing_to_go_back_to(world: World) -> None:
    world.deploy("1")
    with world.undoing() as undoing, pytest.raises(UserError, match="no earlier release"):
        undoing.choose(None)


def test_a_release_from_a_directory_has_no_commit(world: World) -> None:
    world.deploy("1")
    world.release("")
    with world.undoing() as undoing, pytest.raises(UserError, match="has no release 2 that a commit belongs to"):
        undoing.choose(2)


def test_files_that_were_added_since_go_and_those_that_went_come_back(world: World) -> None:
    first = world.deploy("1", **{"shop/.env": "A=1\n"})
    compose = "services: {web: {image: 'nginx:2', env_file: [more.env]}}\n"
    world.repo.deploy({"shop/compose.yaml": compose, "shop/more.env": "B=2\n", "shop/.env": None}, "v2")
    with world.undoing() as undoing:
        undoing.choose(1)
        undoing.push(undoing.commits())
    world.repo.git("pull", "--quiet", "origin", "main")
    assert world.repo.tree("shop") == world.repo.tree("shop", first)


def test_an_application_that_was_removed_comes_back_alone(world: World) -> None:
    first = world.deploy("1")
    world.repo.write({"shop/compose.yaml": None})
    world.repo.deploy({"blog/compose.yaml": COMPOSE.format(version="9")}, "blog instead of shop")
    world.store.facts.put("declared/shop", f'{{"repository": "{world.repo.url}#"}}')
    with world.undoing() as undoing:
        undoing.choose(1)
        undoing.push(undoing.commits())
    world.repo.git("pull", "--quiet", "origin", "main")
    assert world.repo.tree("shop") == world.repo.tree("shop", first)
    assert (world.repo.path / "blog/compose.yaml").exists()


def test_an_application_whose_files_are_elsewhere_is_taken_back_there(world: World, tmp_path: Path) -> None:
    files = GitRepo.create(tmp_path, {"deploy/compose.yaml": COMPOSE.format(version="1")}, name="files")
    first = files.head()
    world.release(first)
    world.release(files.deploy({"deploy/compose.yaml": COMPOSE.format(version="2")}, "v2"))
    manifest = (
        "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: shop}\n"
        f"spec: {{source: {{repoURL: '{files.url}', targetRevision: main, path: deploy}}}}\n"
    )
    before = world.repo.deploy({"app.yaml": manifest}, "declared")
    with world.undoing() as undoing:
        undoing.choose(None)
        assert undoing.target.revision == first
        undoing.push(undoing.commits())
    files.git("pull", "--quiet", "origin", "main")
    assert files.tree("deploy") == files.tree("deploy", first)
    assert world.repo.git("ls-remote", "origin", "main").startswith(before)


def test_a_stranger_is_named(world: World) -> None:
    world.deploy("1")
    with pytest.raises(UserError, match="there is no application 'blog'"), world.undoing(AppKey.parse("blog")):
        pass


def test_the_commit_bears_the_name_of_gits_settings() -> None:
    assert (author().name, author().email) == ("Ada", "ada@example.org")


def test_paths_below_others_need_not_be_named() -> None:
    assert outermost(frozenset({"a/b", "a", "ab/c", "a/b/c"})) == ("a", "ab/c")
    assert outermost(frozenset({"", "a"})) == ()
