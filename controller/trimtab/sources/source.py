"""The port `Source` over Git: one target of one repository, remote by a mirror, local where it is."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from trimtab.errors import Conflict, GitUnavailable, TrimtabError, UserError
from trimtab.model.snapshot import Snapshot
from trimtab.ports import Commit
from trimtab.sources.command import GitCommand, GitFailed
from trimtab.sources.credentials import Credential, merged
from trimtab.sources.errors import HistoryRewritten, RefMissing
from trimtab.sources.followed import Followed
from trimtab.sources.gitdir import locate
from trimtab.sources.history import commit_facts, is_ancestor, log
from trimtab.sources.limits import GitLimits
from trimtab.sources.local import LocalRepository
from trimtab.sources.mirror import Mirror
from trimtab.sources.objects import ObjectMissing, ObjectStore
from trimtab.sources.refs import HEAD, HEADS, REMOTES, TAGS, Expression, Found, Target, parse_expression, parse_target
from trimtab.sources.revert import Author, Undo, Workshop, push, revert_message
from trimtab.sources.scratch import scratch
from trimtab.sources.tree import GitTree
from trimtab.sources.urls import RepositoryUrl, parse_url

_SHORT = 7
_REVERT_TRIES = 3
_LISTED_COMMITS = 200


class GitSource:
    """One target (branch, tag, semver range, commit) of one repository; safe for several threads.

    A branch that was force-pushed, or is gone, is held: `snapshot` raises, and `accept` follows it after all.
    """

    def __init__(
        self,
        url: str,
        *,
        target: str = "",
        data_dir: Path | None = None,
        credential: Credential | None = None,
        limits: GitLimits | None = None,
        follow_rewrites: bool = False,
        allow_plain_http: bool = False,
    ) -> None:
        """Start no process yet. Without ``data_dir`` all is temporary: a force-push is noticed only while we run.

        Raises:
            InvalidUrl: the address is not allowed, or there is no such local repository.
            InvalidRef: the target is neither a ref name, a semver range nor a commit.
        """
        parsed = parse_url(url, allow_plain_http=allow_plain_http)
        self.url = parsed.text
        self.local = parsed.is_local
        self._parsed = parsed
        self._target = parse_target(target)
        self._limits = limits or GitLimits()
        self._follow_rewrites = follow_rewrites
        self._credential = merged(parsed, credential)
        self._temporary = tempfile.mkdtemp(prefix="trimtab-git-") if data_dir is None else ""
        self._directory = (data_dir or Path(self._temporary)) / "git"
        self._key = hashlib.sha256(f"{self.url}\0{self._target.text}".encode("utf-8", "surrogateescape")).hexdigest()[
            :24
        ]
        self._followed = Followed(self._directory / "followed" / self._key)
        self._lock = threading.RLock()
        self._polled: Found | None = None
        self._head_branch: str | None = None
        self._kept: dict[str, str] = {}
        try:
            self._repository: Mirror | LocalRepository = self._open(parsed)
        except BaseException:
            self._remove_temporary()
            raise

    @property
    def store(self) -> ObjectStore:
        """The objects, with their counters."""
        return self._repository.store

    def poll(self) -> str:
        """The full commit id that the target has now, whether or not it may be followed.

        Raises:
            GitUnavailable: the repository does not answer, or refuses.
            RefMissing: the target is not in it (any more).
        """
        with self._lock:
            found = self._find(self._target)
            if not found.ref and not self._target.is_full_commit:
                found = Found("", self._repository.obtain(found.oid))
            self._polled = found
            return found.oid

    def snapshot(self, revision: str | None = None) -> Snapshot:
        """One commit, fetched when it is not here; None is the current target.

        Another revision than the target's current one (a full or short id, a branch, a tag, each perhaps with steps
        back such as ``~1``) is read as it is.

        Raises:
            HistoryRewritten: the branch was force-pushed since it was last followed.
            GitUnavailable: the repository does not answer, or refuses.
            RefMissing: the target or commit is not in it (any more).
            QuotaExceeded: the repository is too large.
        """
        with self._lock:
            found, follow = self._wanted(revision)
            oid = self._repository.obtain(found.oid)
            if follow:
                self._follow(found, oid)
            return self._snapshot(found.ref, oid)

    def accept(self, revision: str) -> None:
        """Follow the target to ``revision`` although it is no step forward: somebody looked and said yes."""
        with self._lock:
            oid = self._repository.obtain(revision)
            self._record(oid)

    def keep(self, name: str, revision: str) -> None:
        """Never lose a commit that is here; a local repository is not ours to write to, and keeps what it keeps."""
        with suppress(TrimtabError, GitFailed), self._lock:
            before = self._kept.get(name, "")
            if before == revision:
                return
            # One ref a commit, not one a name: a commit that concerns a thousand applications costs one process.
            held = set(self._kept.values())
            if revision and revision not in held:
                self._repository.keep(f"held/{revision}", revision)
            self._kept[name] = revision
            if before and before not in self._kept.values():
                self._repository.keep(f"held/{before}", "")

    def last_followed(self) -> Snapshot | None:
        """The commit that was last followed, from what is here: for holding it after a restart, whatever Git says now.

        None when nothing was followed yet, or its objects are gone.
        """
        revision = self._followed.revision
        try:
            if not revision or self.store.info(f"{revision}^{{commit}}") is None:
                return None
            return self._snapshot("", revision)
        except GitUnavailable:
            return None

    def log(self, revision: str, limit: int) -> tuple[Commit, ...]:
        """``revision`` and its ancestors, newest first."""
        oid = self._repository.obtain(revision)
        return log(self._repository.command, self._limits, oid, limit=limit)

    def history(self, since: str, until: str, limit: int = _LISTED_COMMITS) -> tuple[Commit, ...]:
        """The commits that are in ``until`` and not in ``since``, newest first."""
        older, newer = self._repository.obtain(since), self._repository.obtain(until)
        return log(self._repository.command, self._limits, newer, since=older, limit=limit)

    def watch(self, on_change: Callable[[], None]) -> Callable[[], None] | None:
        """Call back when a local repository's refs change; returns how to stop, or None for a remote one."""
        if not isinstance(self._repository, LocalRepository):
            return None
        from trimtab.sources.watch import watch_refs

        return watch_refs(self._repository.git_dir, on_change)

    def revert(
        self,
        *,
        since: str,
        until: str = "",
        paths: Sequence[str] = (),
        author: Author,
        message: str = "",
    ) -> Commit:
        """Push a commit to the target's branch that takes the changes from ``since`` to ``until`` back.

        ``until`` is the branch's head unless given; with ``paths`` only what is below them is taken back.

        Raises:
            RevertConflict: later commits changed the same lines.
            PushRejected: the repository does not take it.
            GitUnavailable: it does not answer, or refuses.
            UserError: the target is no branch, or there is nothing to take back.
        """
        with self._lock:
            branch = self._branch()
            for attempt in range(1, _REVERT_TRIES + 1):
                try:
                    return self._revert_once(branch, since, until, paths=tuple(paths), author=author, message=message)
                except Conflict:
                    # Somebody pushed in between: make it on top of that.
                    if attempt == _REVERT_TRIES:
                        raise
            raise AssertionError("unreachable")

    def close(self) -> None:
        """End the processes, remove what was temporary."""
        self._repository.close()
        self._remove_temporary()

    def _open(self, parsed: RepositoryUrl) -> Mirror | LocalRepository:
        if parsed.is_local:
            return LocalRepository(locate(Path(parsed.path).expanduser().absolute()), self.url, self._limits)
        return Mirror(parsed, self._directory, self._credential, self._limits)

    def _remove_temporary(self) -> None:
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _find(self, target: Target) -> Found:
        found = self._repository.find(target)
        if found is None:
            was = f"; it was at {self._followed.revision[:_SHORT]}" if self._followed.revision else ""
            what = f"'{target.text}'" if target.text != HEAD else "a default branch (it may be empty)"
            raise RefMissing(
                f"{self.url} does not have {what}{was}",
                hint="what runs is held as it is; push the branch or tag again, or change the target revision",
            )
        return found

    def _wanted(self, revision: str | None) -> tuple[Found, bool]:
        if revision is None:
            found = self._find(self._target)
            self._polled = found
            return found, True
        if self._polled is not None and revision == self._polled.oid:
            return self._polled, True
        expression = parse_expression(revision)
        found = self._find(expression.target)
        if expression.steps:
            found = Found("", self._step_back(found, expression))
        return found, False

    def _step_back(self, found: Found, expression: Expression) -> str:
        oid = self._repository.obtain(found.oid)
        # Git is asked after a full id and steps that were read: nothing of the text can be anything else.
        info = self.store.info(f"{oid}{expression.steps}^{{commit}}")
        if info is None:
            raise RefMissing(
                f"there is no commit {expression.target.text}{expression.steps} in {self.url}",
                hint=f"'{expression.target.text}' is {oid[:_SHORT]}; its history does not go back that far, "
                "or that commit has fewer parents",
            )
        return info.oid

    def _follow(self, found: Found, oid: str) -> None:
        old = self._followed.revision
        if old == oid:
            return
        forward = (
            not old
            or not found.is_branch
            or self._follow_rewrites
            or is_ancestor(self.store, self._repository.command, old, oid, self._limits)
        )
        if not forward:
            name = _short_name(found.ref)
            raise HistoryRewritten(
                f"'{name}' of {self.url} was force-pushed: {oid[:_SHORT]} does not contain {old[:_SHORT]}",
                old=old,
                new=oid,
                hint=f"{old[:_SHORT]} is held; push forward (`git revert`), or accept it with `trimtab sync`",
            )
        self._record(oid)

    def _record(self, oid: str) -> None:
        self._repository.keep(f"followed/{self._key}", oid)
        self._followed.record(oid)

    def _shown(self, ref: str) -> str:
        """HEAD under the name of the branch that it is on, asked for once: it is for people."""
        if ref != HEAD:
            return ref
        if self._head_branch is None:
            self._head_branch = self._repository.default_branch() or HEAD
        return self._head_branch

    def _snapshot(self, ref: str, oid: str) -> Snapshot:
        try:
            facts = commit_facts(self.store, oid)
        except ObjectMissing as err:
            self._repository.damaged()
            raise GitUnavailable(
                f"commit {oid} of {self.url} cannot be read: our copy is damaged",
                hint="it is made anew at the next look",
            ) from err
        tree = GitTree(
            self.store, facts.tree_oid, max_entries=self._limits.tree_entries, damaged=self._repository.damaged
        )
        return Snapshot(
            repo_url=self.url,
            ref=_short_name(self._shown(ref)) or oid[:_SHORT],
            revision=oid,
            subject=facts.subject,
            author=facts.author,
            committed_at=facts.committed_at,
            tree=tree,
        )

    def _revert_once(
        self, branch: str, since: str, until: str, *, paths: tuple[str, ...], author: Author, message: str
    ) -> Commit:
        head = self._repository.obtain(self._find(Target(branch, ref_names=(branch,))).oid)
        older = self._repository.obtain(since)
        newer = self._repository.obtain(until) if until else head
        taken = {commit.revision: commit.subject for commit in self.history(older, newer)}
        with self._workplace() as (workshop, command):
            undo = Undo(head=head, since=older, until=newer, paths=paths)
            made = workshop.undo(undo, author, message or revert_message(taken))
            push(command, self.url, made, branch, self._limits)
        return self.log(made, 1)[0]

    def _branch(self) -> str:
        found = self._find(self._target)
        branch = self._repository.default_branch() if found.ref == HEAD else found.ref
        if not branch.startswith(HEADS):
            raise UserError(
                f"'{self._target.text}' is no branch of {self.url}, so nothing can be pushed to it",
                hint="set the target revision to the older tag or commit instead",
            )
        return branch

    @contextmanager
    def _workplace(self) -> Iterator[tuple[Workshop, GitCommand]]:
        """A repository of ours to write the new objects into, and the command that can push from it."""
        repository = self._repository
        if isinstance(repository, Mirror):
            with repository.exclusive(self._limits.fetch_timeout_s):
                yield Workshop(repository.command, repository.store, self._limits), repository.network
            return
        with scratch(repository, self._parsed, self._directory, self._limits) as place:
            yield place


def _short_name(ref: str) -> str:
    return ref.removeprefix(HEADS).removeprefix(TAGS).removeprefix(REMOTES)
