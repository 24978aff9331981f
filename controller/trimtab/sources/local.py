"""A repository on this machine, read where it is: no copy, no fetch, nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.sources.command import GitCommand, GitFailed
from trimtab.sources.environment import reading_environment
from trimtab.sources.errors import RefMissing
from trimtab.sources.objects import ObjectStore
from trimtab.sources.refs import Found, Target, is_full_id, is_ref_name, resolve
from trimtab.sources.translate import translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trimtab.sources.gitdir import GitDir
    from trimtab.sources.limits import GitLimits


class LocalRepository:
    """Reads refs and objects of a local repository through its own, hardened processes."""

    def __init__(self, git_dir: GitDir, url: str, limits: GitLimits) -> None:
        # Git asks who owns a directory only when it finds it by itself; an explicit GIT_DIR is taken as meant.
        environment = reading_environment(git_dir.path)
        self.git_dir = git_dir
        self.store = ObjectStore(environment, limits)
        self.command = GitCommand(environment, output_bytes=limits.output_bytes)
        self._url = url
        self._limits = limits

    def find(self, target: Target) -> Found | None:
        """Where ``target`` points now; costs no process unless it is a semver range."""
        return resolve(target, self._lookup, self._tags)

    def obtain(self, oid: str) -> str:
        """The full id of a commit that is here. Raises RefMissing."""
        info = self.store.info(f"{oid}^{{commit}}")
        if info is None:
            # The directory may hold another repository now than when our processes opened it.
            self.store.restart()
            info = self.store.info(f"{oid}^{{commit}}")
        if info is None:
            raise RefMissing(
                f"there is no commit {oid} in {self._url}", hint="check the id; it may never have been pushed"
            )
        return info.oid

    def keep(self, name: str, oid: str) -> None:
        """Nothing: this repository is not ours to write to."""

    def damaged(self) -> None:
        """Start over with new processes."""
        self.store.restart()

    def default_branch(self) -> str:
        """The full name of the branch that HEAD is on; "" when it is on none."""
        done = self.command.run(
            "symbolic-ref", "--quiet", "HEAD", timeout_s=self._limits.local_timeout_s, accept=(0, 1, 128)
        )
        return done.text if is_ref_name(done.text) else ""

    def close(self) -> None:
        """End the processes."""
        self.command.close()
        self.store.close()

    def _lookup(self, name: str) -> str | None:
        info = self.store.info(f"{name}^{{commit}}")
        return info.oid if info is not None else None

    def _tags(self) -> Mapping[str, str]:
        try:
            done = self.command.run(
                "for-each-ref", "--format=%(objectname) %(*objectname) %(refname:strip=2)", "refs/tags/",
                timeout_s=self._limits.local_timeout_s,
            )  # fmt: skip
        except GitFailed as err:
            raise translated(err, self._url) from err
        tags = {}
        for line in done.text.splitlines():
            oid, peeled, name = line.split(" ", 2)
            if is_full_id(oid) and is_ref_name(name):
                tags[name] = peeled or oid
        return tags
