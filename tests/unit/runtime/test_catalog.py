"""The catalog over real repositories: what is read, held, removed, and read again from an older revision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.gitrepo import GitRepo
from trimtab.errors import TrimtabError
from trimtab.model.application import SourceRef
from trimtab.model.keys import AppKey
from trimtab.ports import Source
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.repository import Repository
from trimtab.sources.source import GitSource
from trimtab.store.sqlite import SqliteStore

SHOP, BLOG = AppKey.parse("shop"), AppKey.parse("blog")
GOOD = "services: {web: {image: 'busybox:1.36'}}\n"
BROKEN = "services: {web: {imag: x\n"


class Watched:
    """One repository with the catalog that reads it; ``again`` is a controller that starts anew on the same store."""

    def __init__(self, repo: GitRepo, store: SqliteStore, data_dir: Path) -> None:
        self.repo = repo
        self._store = store
        self._data_dir = data_dir
        self.next: Watched | None = None
        self.source = GitSource(repo.url, data_dir=data_dir)
        self.repository = Repository(source=self.source, default_name="root", environment={"TAG": "1.36"})
        self.catalog = Catalog([self.repository], store.facts, self._elsewhere)

    def _elsewhere(self, reference: SourceRef) -> Source:
        return GitSource(reference.repo_url, target=reference.target_revision, data_dir=self._data_dir)

    def refresh(self, *known: AppKey) -> frozenset[AppKey]:
        return self.catalog.refresh(self.repository, known=known)

    def push(self, files: dict[str, str | bytes | None]) -> None:
        self.repo.commit(files)
        self.repo.push()

    def again(self) -> Watched:
        self.close()
        self.next = Watched(self.repo, self._store, self._data_dir)
        return self.next

    def close(self) -> None:
        self.catalog.close()
        if self.next is not None:
            self.next.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    repo = GitRepo.create(tmp_path, {"shop/compose.yaml": GOOD, "blog/compose.yaml": GOOD})
    store = SqliteStore(tmp_path / "state", FakeClock())
    made = Watched(repo, store, tmp_path / "state")
    yield made
    made.close()
    store.close()


def test_a_first_reading_knows_every_application_and_a_second_one_nothing_new(watched: Watched) -> None:
    assert watched.refresh() == {SHOP, BLOG}
    assert watched.refresh() == frozenset()
    view = watched.catalog.view(SHOP)
    assert view is not None
    assert view.usable
    assert view.snapshot is not None
    assert view.snapshot.ref == "main"


def test_only_what_a_commit_makes_a_difference_to_is_changed(watched: Watched) -> None:
    watched.refresh()
    watched.push({"shop/compose.yaml": GOOD.replace("1.36", "1.37")})
    assert SHOP in watched.refresh()
    assert watched.catalog.view(BLOG) is not None


def test_i4_a_broken_manifest_holds_the_last_good_state_and_names_the_place(watched: Watched) -> None:
    watched.refresh()
    good = watched.catalog.view(SHOP)
    watched.push({"shop/compose.yaml": BROKEN})
    assert SHOP in watched.refresh(SHOP, BLOG)
    held = watched.catalog.view(SHOP)
    assert held is not None
    assert good is not None
    assert not held.removed
    assert held.application is good.application
    assert held.problems[0].origin.path == "shop/compose.yaml"
    assert held.problems[0].origin.line
    blog = watched.catalog.view(BLOG)
    assert blog is not None
    assert blog.usable


def test_i4_a_broken_manifest_after_a_restart_is_still_not_taken_for_gone(watched: Watched) -> None:
    watched.refresh()
    watched.push({"shop/compose.yaml": BROKEN})
    restarted = watched.again()
    restarted.refresh(SHOP, BLOG)
    held = restarted.catalog.view(SHOP)
    assert held is not None
    assert held.problems
    assert not held.removed


def test_what_a_complete_reading_lacks_is_removed_and_only_if_it_was_declared_here(watched: Watched) -> None:
    watched.refresh()
    watched.push({"shop/compose.yaml": None})
    stranger = AppKey.parse("stranger")
    restarted = watched.again()
    restarted.refresh(SHOP, BLOG, stranger)
    view = restarted.catalog.view(SHOP)
    assert view is not None
    assert view.removed
    assert view.prune
    assert restarted.catalog.view(stranger) is None
    restarted.catalog.forget(SHOP)
    assert restarted.catalog.view(SHOP) is None


def test_an_application_removed_with_prune_off_remembers_that(watched: Watched) -> None:
    off = "x-trimtab: {syncPolicy: {automated: {prune: false}}}\n"
    watched.push({"shop/compose.yaml": off + GOOD})
    watched.refresh()
    watched.push({"shop/compose.yaml": None})
    restarted = watched.again()
    restarted.refresh(SHOP)
    view = restarted.catalog.view(SHOP)
    assert view is not None
    assert view.removed
    assert not view.prune


def test_an_older_revision_is_read_once_and_gives_the_same_objects(watched: Watched) -> None:
    watched.refresh()
    before = watched.repo.head()
    watched.push({"shop/compose.yaml": GOOD.replace("1.36", "1.37")})
    watched.refresh()
    first, second = watched.catalog.at(SHOP, before), watched.catalog.at(SHOP, before)
    assert first is not None
    assert second is not None
    assert first.application is second.application
    assert first.revision == before
    assert watched.catalog.at(AppKey.parse("stranger"), before) is None


def test_i11_a_repository_that_went_away_is_held_at_what_was_followed_last(watched: Watched, tmp_path: Path) -> None:
    watched.refresh()
    gone = watched.repo.remote.rename(tmp_path / "away.git")
    with pytest.raises(TrimtabError) as caught:
        watched.refresh(SHOP)
    assert watched.catalog.trouble(SHOP) is caught.value
    view = watched.catalog.view(SHOP)
    assert view is not None
    assert view.usable
    gone.rename(watched.repo.remote)
    watched.refresh(SHOP)
    assert watched.catalog.trouble(SHOP) is None


def test_a_rewritten_branch_is_held_until_a_person_accepts_it(watched: Watched) -> None:
    watched.push({"shop/compose.yaml": GOOD.replace("1.36", "1.37")})
    watched.refresh()
    watched.repo.git("commit", "--quiet", "--amend", "-m", "rewritten")
    watched.repo.git("push", "--quiet", "--force", "origin", "main")
    with pytest.raises(TrimtabError, match="force-pushed"):
        watched.refresh(SHOP)
    assert watched.catalog.accept(SHOP, known=(SHOP,))
    view = watched.catalog.view(SHOP)
    assert view is not None
    assert view.revision == watched.repo.head()
    assert watched.catalog.trouble(SHOP) is None
    assert not watched.catalog.accept(SHOP)


def test_an_application_whose_files_are_elsewhere_follows_them_there(watched: Watched, tmp_path: Path) -> None:
    other = GitRepo.create(tmp_path, {"deploy/compose.yaml": GOOD.replace("1.36", "${TAG:?}")}, name="other")
    far = AppKey.parse("far")
    document = (
        "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: far}\n"
        f"spec: {{source: {{repoURL: '{other.url}', targetRevision: main, path: deploy}}}}\n"
    )
    watched.push({"far.yaml": document})
    watched.refresh()
    before = other.head()
    view = watched.catalog.view(far)
    assert view is not None
    assert view.usable
    assert view.revision == before
    other.commit({"deploy/compose.yaml": GOOD.replace("1.36", "1.37")})
    other.push()
    assert far in watched.refresh()
    again = watched.catalog.view(far)
    assert again is not None
    assert again.revision == other.head()
    older = watched.catalog.at(far, before)
    assert older is not None
    assert older.application is not None
    assert older.application.compose.services["web"]["image"] == "busybox:1.36"
    assert far not in watched.refresh()
