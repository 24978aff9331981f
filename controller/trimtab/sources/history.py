"""Questions about commits: what one says, what came before it, whether one grew out of another."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING

from trimtab.ports import Commit
from trimtab.sources.command import GitFailed
from trimtab.sources.errors import RefMissing
from trimtab.sources.objects import ObjectMissing
from trimtab.sources.tree import CommitFacts, parse_commit

if TYPE_CHECKING:
    from trimtab.sources.command import GitCommand
    from trimtab.sources.limits import GitLimits
    from trimtab.sources.objects import ObjectStore

# Most pushes are a few commits; reading those here costs less than starting a process.
_NEAR = 64
_FIELDS = ("%H", "%an", "%cI", "%s")


def commit_facts(store: ObjectStore, oid: str) -> CommitFacts:
    """What a commit says. Raises ObjectMissing."""
    return parse_commit(oid, store.commit(oid))


def is_ancestor(store: ObjectStore, command: GitCommand, old: str, new: str, limits: GitLimits) -> bool:
    """Whether ``new`` contains ``old``; no, when ``old`` is not in the repository any more."""
    if old == new:
        return True
    pending, seen = deque([new]), {new}
    while pending and len(seen) <= _NEAR:
        try:
            parents = commit_facts(store, pending.popleft()).parents
        except ObjectMissing:
            break
        if old in parents:
            return True
        pending.extend(parent for parent in parents if parent not in seen)
        seen.update(parents)
    else:
        if not pending:
            return False
    try:
        done = command.run("merge-base", "--is-ancestor", old, new, timeout_s=limits.local_timeout_s, accept=(0, 1))
    except GitFailed:
        return False
    return done.returncode == 0


def log(command: GitCommand, limits: GitLimits, until: str, *, since: str = "", limit: int) -> tuple[Commit, ...]:
    """``until`` and its ancestors, newest first, at most ``limit``; without those that ``since`` contains.

    Raises:
        RefMissing: one of the two is not in the repository.
    """
    arguments = [
        "log",
        "-z",
        "--topo-order",
        f"--format={'%n'.join(_FIELDS)}",
        f"--max-count={limit}",
        "--end-of-options",
        until,
    ]
    if since:
        arguments.append(f"^{since}")
    try:
        done = command.run(*arguments, timeout_s=limits.local_timeout_s)
    except GitFailed as err:
        raise RefMissing(f"there is no history from '{since[:12]}' to '{until[:12]}': {err.stderr.strip()}") from err
    commits = []
    for record in done.stdout.decode("utf-8", "replace").split("\0"):
        if not record:
            continue
        revision, author, when, subject = record.split("\n", 3)
        commits.append(
            Commit(
                revision=revision,
                subject=subject,
                author=author,
                committed_at=datetime.fromisoformat(when) if when else None,
            )
        )
    return tuple(commits)
