"""Which release to go back to, what of its repository belongs to the application, and the commit that does it."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trimtab import wiring
from trimtab.cli.reads import Version, outermost, read, version, version_elsewhere
from trimtab.config import RepositoryConfig
from trimtab.errors import GitUnavailable, TrimtabError, UserError
from trimtab.model.status import Phase
from trimtab.sources.revert import Author
from trimtab.sources.source import GitSource

if TYPE_CHECKING:
    from trimtab.config import Config
    from trimtab.manifest.declaration import Declaration
    from trimtab.model.application import SourceRef
    from trimtab.model.keys import AppKey
    from trimtab.model.records import Release
    from trimtab.model.snapshot import Snapshot
    from trimtab.ports import Commit, Source
    from trimtab.runtime.repository import Repository
    from trimtab.store.sqlite import SqliteStore

_LISTED = 200
_GIT_S = 10.0


class Undoing:
    """One application's way back. ``choose`` first; then ``target`` and ``paths`` are known."""

    target: Release
    paths: tuple[str, ...]

    def __init__(
        self,
        store: SqliteStore,
        key: AppKey,
        repository: Repository,
        source: GitSource,
        declared: tuple[Declaration, SourceRef] | None,
        *,
        offline: bool = False,
    ) -> None:
        """``offline``: where Git cannot be reached, what was last followed will do.

        Raises:
            GitUnavailable: the repository cannot be read.
        """
        self.key = key
        self.source = source
        self._store = store
        self._repository = repository
        self._declared = declared
        self.head: Snapshot = newest(source, offline=offline)
        self._now = self._version(self.head)

    def _version(self, snapshot: Snapshot) -> Version | None:
        if self._declared is not None:
            return version_elsewhere(*self._declared, snapshot)
        return version(self._repository, snapshot, self.key)

    def choose(self, to: int | None) -> None:
        """Settle on a release. Raises UserError: there is none that fits."""
        self.target, then = self._given(to) if to is not None else self._before()
        if then is None:
            # What belonged to it cannot be told, so all that was committed since is taken back.
            self.paths = ()
        else:
            # With every path that was read then as it was then, it is as it was then; what was added since goes.
            read = then.paths | (self._now.paths if self._now is not None else frozenset())
            self.paths = () if "" in read else self._changed(outermost(read))

    def _changed(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Those that are not as they were at the release. Raises UserError when all of them are."""
        then = self.source.snapshot(self.target.revision).tree
        changed = tuple(path for path in paths if then.entry(path) != self.head.tree.entry(path))
        if not changed:
            raise UserError(
                f"{self.key} is in Git as it was in release {self.target.id} already",
                hint=f"see 'trimtab history {self.key}'",
            )
        return changed

    def _given(self, to: int) -> tuple[Release, Version | None]:
        release = self._store.releases.get(self.key, to)
        if release is None or not release.revision:
            known = [str(r.id) for r in self._store.releases.list(self.key) if r.revision]
            hint = f"there are: {', '.join(known)}; see 'trimtab history {self.key}'" if known else "there is none yet"
            raise UserError(f"'{self.key}' has no release {to} that a commit belongs to", hint=hint)
        then = self._version(self.source.snapshot(release.revision))
        if then is not None and self._now is not None and then.digest and then.digest == self._now.digest:
            raise UserError(
                f"{self.key} is in Git as it was in release {to} already", hint=f"see 'trimtab history {self.key}'"
            )
        return release, then

    def _before(self) -> tuple[Release, Version]:
        """The newest release that was carried out, was not unhealthy, and differs from what Git says now."""
        bad = {self._store.applied.get(self.key).failed_revision} | {
            stored.event.revision
            for stored in self._store.events.newest(app=self.key, limit=500)
            if stored.event.reason == "ReleaseUnhealthy"
        }
        seen = {self.head.revision, ""} | bad
        for release in self._store.releases.list(self.key):
            if release.phase not in {Phase.SUCCEEDED, Phase.ROLLED_BACK} or release.revision in seen:
                continue
            seen.add(release.revision)
            try:
                then = self._version(self.source.snapshot(release.revision))
            except GitUnavailable:
                raise
            except TrimtabError:
                # No longer in the repository, after a force-push.
                continue
            if then is not None and then.digest and (self._now is None or then.digest != self._now.digest):
                return release, then
        raise UserError(
            f"there is no earlier release of '{self.key}' that ran well and differs from what Git says now",
            hint=f"'trimtab history {self.key}' lists what was deployed; choose one with --to",
        )

    def commits(self) -> tuple[Commit, ...]:
        """What was committed since the release, newest first."""
        return self.source.history(self.target.revision, self.head.revision, _LISTED)

    def push(self, commits: tuple[Commit, ...]) -> Commit:
        """Make the commit and push it.

        Raises:
            RevertConflict, PushRejected, GitUnavailable, UserError: as GitSource.revert does.
        """
        return self.source.revert(
            since=self.target.revision, paths=self.paths, author=author(), message=self._message(commits)
        )

    def _message(self, commits: tuple[Commit, ...]) -> str:
        if len(commits) == 1:
            # As 'git revert' words it.
            return ""
        listed = "".join(f'  {commit.revision} ("{commit.subject}")\n' for commit in commits)
        only = f"Only what it is made from is changed: {', '.join(self.paths)}\n\n" if self.paths else ""
        return (
            f"Revert {self.key} to {self.target.revision[:7]} (release {self.target.id})\n\n"
            f"{only}This reverts what these commits changed of it:\n{listed}"
        )


@contextlib.contextmanager
def open_undoing(
    config: Config,
    store: SqliteStore,
    key: AppKey,
    *,
    repo: str | None,
    branch: str,
    subpath: str,
    offline: bool = False,
) -> Iterator[Undoing]:
    """Find the repository that declares ``key``, and the one its files are in; ``offline``: as they were last read.

    Raises:
        UserError: no repository declares it, or it has no commits.
    """
    given = (RepositoryConfig(url=repo, branch=branch, path=subpath),) if repo is not None else ()
    with contextlib.ExitStack() as closing:
        repository, declaration = _find(config, store, key, given, closing, offline=offline)
        source, declared = repository.source, None
        if declaration is not None and declaration.source is not None:
            reference = declaration.source
            elsewhere = RepositoryConfig(url=reference.repo_url, branch=reference.target_revision)
            source, declared = wiring.open_source(elsewhere, config), (declaration, reference)
            closing.callback(source.close)
        if not isinstance(source, GitSource):
            raise UserError(f"{source.url} has no commits, so there is nothing to revert", hint="give --repo")
        yield Undoing(store, key, repository, source, declared, offline=offline)


def newest(source: Source, *, offline: bool) -> Snapshot:
    """The newest commit; ``offline``: the one that was last followed, when Git cannot be reached.

    Raises:
        GitUnavailable: it cannot be reached, and nothing of it is here.
    """
    try:
        return source.snapshot(source.poll())
    except GitUnavailable:
        followed = source.last_followed() if offline else None
        if followed is None:
            raise
        return followed


def _find(
    config: Config,
    store: SqliteStore,
    key: AppKey,
    given: tuple[RepositoryConfig, ...],
    closing: contextlib.ExitStack,
    *,
    offline: bool,
) -> tuple[Repository, Declaration | None]:
    from trimtab.cli.watched import watched_repositories

    watched = given or watched_repositories(config)
    if not watched:
        raise UserError("no repository is watched", hint="give --repo URL, or the --data-dir of the controller")
    known = _declared_by(store, key)
    opened = []
    for item in watched:
        repository = wiring.open_repository(item, config)
        closing.callback(repository.source.close)
        opened.append(repository)
    for repository in sorted(opened, key=lambda each: each.id != known):
        result = read(repository, newest(repository.source, offline=offline))
        declaration = next((d for d in result.declarations if d.key == key), None)
        here = any(app.key == key for app in result.applications) or any(f.key == key for f in result.failed)
        if declaration is not None or here or repository.id == known:
            return repository, declaration
    urls = ", ".join(item.url for item in watched)
    raise UserError(f"there is no application '{key}' in {urls}", hint="'trimtab status' lists the applications")


def _declared_by(store: SqliteStore, key: AppKey) -> str:
    try:
        found = json.loads(store.facts.get(f"declared/{key}") or "{}")
    except ValueError:
        return ""
    return str(found.get("repository", "")) if isinstance(found, dict) else ""


def author() -> Author:
    """Whose name the commit bears: that of Git's settings, else the login's."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "trimtab"
    name, email = _git_setting("AUTHOR_NAME", "user.name"), _git_setting("AUTHOR_EMAIL", "user.email")
    return Author(name or user, email or f"{user}@{socket.gethostname()}")


def _git_setting(variable: str, name: str) -> str:
    if found := os.environ.get(f"GIT_{variable}", "").strip():
        return found
    try:
        done = subprocess.run(
            ["git", "config", "--get", name], capture_output=True, text=True, timeout=_GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
