"""The commit that takes earlier commits back, made from objects alone: no checkout, no index, no hooks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.errors import ConfigError, Conflict, UserError
from trimtab.sources.command import Completed, GitCommand, GitFailed
from trimtab.sources.errors import PushRejected, RevertConflict
from trimtab.sources.history import commit_facts
from trimtab.sources.limits import GitLimits
from trimtab.sources.objects import ObjectMissing, ObjectStore, TreeItem
from trimtab.sources.refs import HEADS
from trimtab.sources.translate import translated

_DIRECTORY_MODE = 0o40000
_TYPES = {0o40000: "tree", 0o160000: "commit"}
# Source: git-merge-tree(1): 0 is clean, 1 has conflicts, anything else is an error.
_CLEAN, _CONFLICTS, _USAGE = 0, 1, 129
_BEHIND = re.compile(r"non-fast-forward|fetch first|stale info|cannot lock ref|incorrect old value")
_CHECKED_OUT = re.compile(r"refusing to update checked out branch|denyCurrentBranch")
_REFUSED = re.compile(r"\[remote rejected\]|hook declined|protected branch|\[rejected\]")


@dataclass(frozen=True, slots=True)
class Author:
    """Whose name a commit bears."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What to take back: the changes from ``since`` to ``until``, only below ``paths`` if there are any."""

    head: str
    since: str
    until: str
    paths: tuple[str, ...] = ()


class Workshop:
    """Writes objects into a repository of ours (a mirror, or a scratch one beside a local repository)."""

    def __init__(self, command: GitCommand, store: ObjectStore, limits: GitLimits) -> None:
        self._command = command
        self._store = store
        self._limits = limits

    def undo(self, undo: Undo, author: Author, message: str) -> str:
        """Make the commit; the id of it.

        Raises:
            RevertConflict: later commits changed the same lines.
            UserError: there is nothing to take back.
        """
        try:
            head, since, until = (
                commit_facts(self._store, oid).tree_oid for oid in (undo.head, undo.since, undo.until)
            )
        except ObjectMissing as err:
            raise UserError(f"commit {err} is not in the repository", hint="give ids from `trimtab history`") from err
        before = self._spliced(until, since, undo.paths) if undo.paths else since
        tree = before if head == until else self._merged(base=until, ours=head, theirs=before, author=author)
        if tree == head:
            raise UserError(
                f"there is nothing to take back: {undo.head[:7]} has the content of {undo.since[:7]} already",
                hint="choose an older release in `trimtab history`",
            )
        return self._commit(tree, (undo.head,), author, message)

    def _merged(self, *, base: str, ours: str, theirs: str, author: Author) -> str:
        """A three-way merge of trees; commits are made around them only because merge-tree wants commits."""
        common = self._commit(base, (), author, "base")
        sides = [self._commit(tree, (common,), author, "side") for tree in (ours, theirs)]
        try:
            done = self._run(
                "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", *sides, accept=(_CLEAN, _CONFLICTS)
            )
        except GitFailed as err:
            if err.completed.returncode == _USAGE:
                raise ConfigError("this git is too old to merge without a checkout", hint="git 2.38 or newer") from err
            raise
        tree, *paths = done.stdout.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
        if done.returncode == _CONFLICTS:
            names = tuple(sorted({path for path in paths if path}))
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise RevertConflict(
                f"the changes cannot be taken back by themselves: later commits changed {shown}",
                paths=names,
                hint="take the later commits back as well, or revert by hand in a clone",
            )
        return tree

    def _spliced(self, tree: str, source: str, paths: Sequence[str]) -> str:
        """``tree`` with what ``source`` has (or has not) at ``paths``."""
        for path in sorted(paths):
            parts = tuple(part for part in path.split("/") if part not in ("", "."))
            tree = self._replaced(tree, source, parts)
        return tree

    def _replaced(self, tree: str, source: str, parts: tuple[str, ...]) -> str:
        if not parts:
            return source
        name, rest = parts[0], parts[1:]
        items = dict(self._items(tree))
        theirs = self._items(source).get(name)
        ours = items.pop(name, None)
        if rest:
            inner = self._replaced(_directory(ours), _directory(theirs), rest)
            theirs = TreeItem(name, _DIRECTORY_MODE, inner) if inner and self._items(inner) else None
        if theirs is not None:
            items[name] = theirs
        lines = (f"{i.mode:06o} {_TYPES.get(i.mode, 'blob')} {i.oid}\t{i.name}\0" for i in items.values())
        return self._run("mktree", "-z", "--missing", stdin="".join(lines).encode("utf-8", "surrogateescape")).text

    def _items(self, tree: str) -> Mapping[str, TreeItem]:
        return self._store.tree(tree) if tree else {}

    def _commit(self, tree: str, parents: Sequence[str], author: Author, message: str) -> str:
        environment = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": author.name,
            "GIT_COMMITTER_EMAIL": author.email,
        }
        arguments = [part for parent in parents for part in ("-p", parent)]
        stdin = f"{message.strip()}\n".encode()
        return self._run("commit-tree", tree, *arguments, "-F", "-", stdin=stdin, environment=environment).text

    def _run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        accept: Sequence[int] = (0,),
    ) -> Completed:
        return self._command.run(
            *arguments, timeout_s=self._limits.local_timeout_s, stdin=stdin, environment=environment, accept=accept
        )


def push(command: GitCommand, url: str, commit: str, branch: str, limits: GitLimits) -> None:
    """Push ``commit`` to a branch, only as a step forward.

    Raises:
        Conflict: the branch has moved meanwhile.
        PushRejected: the repository does not take it.
        GitUnavailable: it does not answer, or refuses the credential.
    """
    try:
        command.run(
            "push", "--porcelain", "--no-verify", "--", url, f"{commit}:{branch}", timeout_s=limits.push_timeout_s
        )
    except GitFailed as err:
        said = err.completed.stdout.decode("utf-8", "replace") + err.stderr
        name = branch.removeprefix(HEADS)
        if _CHECKED_OUT.search(said):
            raise PushRejected(
                f"{url} has '{name}' checked out, so Git does not let anybody push to it",
                hint="watch a bare repository, or run `git revert` in that work tree",
            ) from err
        if _BEHIND.search(said):
            raise Conflict(f"'{name}' of {url} moved while the revert was made", hint="run it again") from err
        if _REFUSED.search(said):
            tail = " ".join(said.split())[-300:]
            raise PushRejected(
                f"{url} does not take the commit on '{name}': {tail}",
                hint="a protected branch or a hook decides; push to a branch of your own and open a pull request",
            ) from err
        raise translated(err, url) from err


def revert_message(subjects: Mapping[str, str]) -> str:
    """As `git revert` words it; ``subjects`` maps the commits that are taken back, newest first, to their subjects."""
    if len(subjects) == 1:
        ((oid, subject),) = subjects.items()
        return f'Revert "{subject}"\n\nThis reverts commit {oid}.'
    lines = "".join(f'This reverts commit {oid} ("{subject}").\n' for oid, subject in subjects.items())
    newest = next(iter(subjects.values()), "")
    return f'Revert "{newest}" and {len(subjects) - 1} before it\n\n{lines}'


def _directory(item: TreeItem | None) -> str:
    return item.oid if item is not None and item.mode == _DIRECTORY_MODE else ""
