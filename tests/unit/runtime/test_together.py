"""Applications of several repositories: one port or name is one application's, and what runs keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.gitrepo import GitRepo
from trimtab.model.application import SourceRef
from trimtab.model.keys import AppKey
from trimtab.ports import Source
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.repository import Repository
from trimtab.runtime.views import View
from trimtab.sources.source import GitSource
from trimtab.store.sqlite import SqliteStore

SHOP, BLOG, FAR = AppKey.parse("shop"), AppKey.parse("blog"), AppKey.parse("far")
WEB = "services: {web: {image: 'busybox:1.36'%s}}\n"


def on_port(port: int) -> str:
    return WEB % f", ports: ['{port}:80']"


class Two:
    """Two watched repositories: the first has the shop, the second the blog."""

    def __init__(self, tmp_path: Path, store: SqliteStore, repos: tuple[GitRepo, GitRepo]) -> None:
        self._tmp_path = tmp_path
        self._store = store
        self.repos = repos
        self.applied: dict[AppKey, str] = {}
        self._open()

    def _open(self) -> None:
        self._watched = [
            Repository(source=GitSource(repo.url, data_dir=self._tmp_path), default_name="root") for repo in self.repos
        ]
        self.catalog = Catalog(
            self._watched, self._store.facts, self._elsewhere, applied=lambda key: self.applied.get(key, "")
        )

    def _elsewhere(self, reference: SourceRef) -> Source:
        return GitSource(reference.repo_url, target=reference.target_revision, data_dir=self._tmp_path)

    def read(self, which: int) -> frozenset[AppKey]:
        return self.catalog.refresh(self._watched[which], known=tuple(self.applied))

    def push(self, which: int, files: dict[str, str | bytes | None]) -> frozenset[AppKey]:
        self.repos[which].commit(files)
        self.repos[which].push()
        return self.read(which)

    def deployed(self, key: AppKey, which: int) -> None:
        self.applied[key] = self.repos[which].head()

    def restart(self) -> None:
        self.catalog.close()
        self._open()

    def view(self, key: AppKey) -> View:
        view = self.catalog.view(key)
        assert view is not None
        return view


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    first = GitRepo.create(tmp_path, {"shop/compose.yaml": on_port(8081)}, name="first")
    second = GitRepo.create(tmp_path, {"blog/compose.yaml": on_port(8082)}, name="second")
    store = SqliteStore(tmp_path / "state", FakeClock())
    made = Two(tmp_path / "mirrors", store, (first, second))
    made.read(0)
    made.read(1)
    yield made
    made.catalog.close()
    store.close()


def test_a_port_that_an_application_of_another_repository_has_is_refused_and_the_place_is_named(two: Two) -> None:
    accepted = two.view(BLOG).application
    assert two.push(1, {"blog/compose.yaml": on_port(8081)}) == {BLOG}
    blog = two.view(BLOG)
    assert not blog.usable
    assert blog.application is accepted, "what runs is held"
    (problem,) = blog.problems
    assert problem.code == "TT1602"
    assert f"'shop' at shop/compose.yaml:1:49 of {two.repos[0].url}" in problem.message
    assert two.view(SHOP).usable


def test_i12_the_one_that_has_it_keeps_it_whatever_the_names_are(two: Two) -> None:
    """By name the blog would come first."""
    two.deployed(SHOP, 0)
    two.deployed(BLOG, 1)
    two.push(1, {"blog/compose.yaml": on_port(8081)})
    assert two.view(SHOP).usable
    assert not two.view(BLOG).usable
    two.restart()
    two.read(1)
    two.read(0)
    assert two.view(SHOP).usable, "known from what was applied, in whatever order the repositories are read"
    assert not two.view(BLOG).usable


def test_what_is_freed_is_taken_by_the_one_that_was_refused(two: Two) -> None:
    two.push(1, {"blog/compose.yaml": on_port(8081)})
    assert two.push(0, {"shop/compose.yaml": on_port(8083)}) == {SHOP, BLOG}
    assert two.view(BLOG).usable
    assert two.view(BLOG).revision == two.repos[1].head()


def test_two_may_change_places_in_one_commit_each_and_a_refused_one_keeps_claiming_what_it_has(two: Two) -> None:
    two.push(0, {"shop/compose.yaml": on_port(8082)})
    assert not two.view(SHOP).usable
    two.push(0, {"aaa/compose.yaml": on_port(8081)})
    new = two.view(AppKey.parse("aaa"))
    assert not new.usable, "the shop was refused and still runs on 8081"
    assert new.application is None
    two.push(1, {"blog/compose.yaml": on_port(8084)})
    assert two.view(SHOP).usable
    assert two.view(AppKey.parse("aaa")).usable


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (WEB % ", container_name: single", WEB % ", container_name: single"),
        (
            WEB % ", volumes: ['data:/data']" + "volumes: {data: {name: single}}\n",
            WEB % ", volumes: ['other:/data']" + "volumes: {other: {name: single}}\n",
        ),
        (
            WEB % ", networks: [data]" + "networks: {data: {name: single}}\n",
            WEB % ", networks: [other]" + "networks: {other: {name: single}}\n",
        ),
    ],
)
def test_names_on_the_engine_are_taken_once_in_all_repositories(two: Two, mine: str, theirs: str) -> None:
    two.push(0, {"shop/compose.yaml": mine})
    two.push(1, {"blog/compose.yaml": theirs})
    assert two.view(SHOP).usable
    assert not two.view(BLOG).usable
    assert "'single'" in two.view(BLOG).problems[0].message


def test_an_application_whose_files_are_elsewhere_is_checked_like_the_others(two: Two, tmp_path: Path) -> None:
    third = GitRepo.create(tmp_path, {"compose.yaml": on_port(8081)}, name="third")
    document = (
        "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: far}\n"
        f"spec: {{source: {{repoURL: '{third.url}', targetRevision: main}}}}\n"
    )
    two.push(0, {"far.yaml": document})
    far = two.view(FAR)
    assert not far.usable
    assert "'shop'" in far.problems[0].message
    assert two.view(SHOP).usable
    third.commit({"compose.yaml": on_port(8085)})
    third.push()
    assert FAR in two.read(0)
    assert two.view(FAR).usable


def test_what_one_depends_on_may_be_in_another_repository_and_has_to_exist_once_all_are_read(two: Two) -> None:
    needs = WEB % "" + "x-trimtab: {dependsOn: [{name: %s}]}\n"
    two.push(0, {"shop/compose.yaml": needs % "blog"})
    assert two.view(SHOP).usable
    two.push(0, {"shop/compose.yaml": needs % "nobody"})
    assert "'nobody', which does not exist" in two.view(SHOP).problems[0].message
    two.restart()
    two.read(0)
    assert two.view(SHOP).usable, "the other repository may have it"
    assert two.read(1) == {SHOP, BLOG}
    assert not two.view(SHOP).usable


def test_an_application_of_two_repositories_stays_that_of_the_first_and_goes_over_when_that_drops_it(two: Two) -> None:
    assert SHOP not in two.push(1, {"shop/compose.yaml": on_port(9000)})
    assert two.view(SHOP).revision == two.repos[0].head()
    ((key, (told,)),) = two.catalog.doubles().items()
    assert key == SHOP
    assert two.repos[0].url in told.message
    assert two.repos[1].url in told.message
    two.restart()
    two.read(1)
    assert two.catalog.view(SHOP) is None, "whose it is was remembered, and that one was not read yet"
    two.read(0)
    assert two.view(SHOP).revision == two.repos[0].head()
    two.push(0, {"shop/compose.yaml": None, "other/compose.yaml": WEB % ""})
    shop = two.view(SHOP)
    assert not shop.removed
    assert shop.revision == two.repos[1].head()
    assert not two.catalog.doubles()
