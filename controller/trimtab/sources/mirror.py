"""A bare mirror of a remote repository: made, fetched into, swept and, when damaged, made anew."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from trimtab.errors import DeadlineExceeded, GitUnavailable
from trimtab.sources.command import Completed, GitCommand, GitFailed
from trimtab.sources.credentials import Credential, CredentialFiles
from trimtab.sources.environment import network_environment, reading_environment
from trimtab.sources.errors import QuotaExceeded, RefMissing
from trimtab.sources.limits import MIB, GitLimits
from trimtab.sources.objects import ObjectStore
from trimtab.sources.refs import HEAD, TAGS, Found, Target, is_full_id, is_ref_name, resolve
from trimtab.sources.translate import means_damage, translated
from trimtab.sources.urls import RepositoryUrl

_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_KEPT = "refs/trimtab/"
_PEELED = "^{}"
_LOCK_TICK_S = 0.05
# What git fetch, gc and update-ref leave behind when they are killed.
_LEFTOVERS = (
    "objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/??/tmp_obj_*", "objects/tmp_objdir-*", "objects/incoming-*",
    "*.lock", "refs/**/*.lock", "objects/info/*.lock", "gc.pid",
)  # fmt: skip


class Mirror:
    """One remote's bare mirror below ``directory``; processes share it by a file lock."""

    def __init__(self, url: RepositoryUrl, directory: Path, credential: Credential, limits: GitLimits) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = hashlib.sha256(url.text.encode("utf-8", "surrogateescape")).hexdigest()[:20]
        self.path = directory / f"{key}.git"
        self._lock_file = directory / f"{key}.lock"
        self._url = url
        self._limits = limits
        self._files = CredentialFiles(url, credential, directory / "run")
        self.store = ObjectStore(reading_environment(self.path), limits)
        self.command = GitCommand(reading_environment(self.path), output_bytes=limits.output_bytes)
        self.network = GitCommand(
            self._network_environment(self.path), secrets=self._files.secrets, output_bytes=limits.output_bytes
        )
        self._opened = False
        self._suspect = False

    def find(self, target: Target) -> Found | None:
        """Where ``target`` points now, by one ls-remote of just the names in question.

        Raises:
            GitUnavailable: the remote does not answer, or refuses.
        """
        if target.is_full_commit:
            return Found("", target.commit)
        refs = self._ls_remote(*target.ref_names, *(f"{TAGS}*" for _ in (1,) if target.semver is not None))
        tags = {name.removeprefix(TAGS): oid for name, oid in refs.items() if name.startswith(TAGS)}
        return resolve(target, refs.get, lambda: tags)

    def obtain(self, oid: str) -> str:
        """The full id of a commit, fetched when it is not here.

        Raises:
            GitUnavailable: the remote does not answer, or refuses.
            RefMissing: the remote does not have it.
        """
        self._open()
        if self._suspect:
            self._rebuild()
        if (info := self.store.info(f"{oid}^{{commit}}")) is None:
            self.fetch()
            info = self.store.info(f"{oid}^{{commit}}")
        if info is None and is_full_id(oid):
            # Not on any branch or tag; many servers hand out a commit by its id all the same.
            with suppress(GitFailed):
                self._fetch(f"+{oid}:{_KEPT}kept/{oid}")
            info = self.store.info(f"{oid}^{{commit}}")
        if info is None:
            raise RefMissing(
                f"there is no commit {oid} in {self._url.text}", hint="check the id; it may never have been pushed"
            )
        return info.oid

    def fetch(self) -> None:
        """Bring branches and tags here; a damaged mirror is made anew.

        Raises:
            GitUnavailable: the remote does not answer, or refuses.
            QuotaExceeded: the repository is larger than allowed.
        """
        self._open()
        try:
            self._fetch(*_REFSPECS)
        except GitFailed as err:
            if not means_damage(err):
                raise translated(err, self._url.text) from err
            self._rebuild()

    def keep(self, name: str, oid: str) -> None:
        """Protect a commit from garbage collection, whatever happens to its branch; "" lets go of it."""
        to = (f"{_KEPT}{name}", oid) if oid else ("-d", f"{_KEPT}{name}")
        self.command.run("update-ref", *to, timeout_s=self._limits.local_timeout_s)

    def damaged(self) -> None:
        """Note that an object could not be read; the mirror is made anew at the next look."""
        self._suspect = True

    def default_branch(self) -> str:
        """The full name of the branch that the remote's HEAD is on; "" when it does not say."""
        said = self._network_run(
            "ls-remote", "--symref", "--", self._url.text, HEAD, timeout_s=self._limits.poll_timeout_s
        )
        for line in said.text.splitlines():
            name, _, of = line.removeprefix("ref: ").partition("\t")
            if line.startswith("ref: ") and of == HEAD and is_ref_name(name):
                return name
        return ""

    @contextmanager
    def exclusive(self, timeout_s: float) -> Iterator[int]:
        """Be the only one who writes to the mirror; yields the lock for children to hold on to.

        A child that outlives us (we were killed) still holds it, so nothing of its work is swept away.
        """
        handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise DeadlineExceeded(
                            f"the mirror of {self._url.text} has been in use by another process for {timeout_s:g} s"
                        ) from None
                    time.sleep(_LOCK_TICK_S)
            yield handle
        finally:
            os.close(handle)

    def close(self) -> None:
        """End the processes, remove the credential's files; the mirror stays."""
        self.network.close()
        self.command.close()
        self.store.close()
        self._files.close()

    def _ls_remote(self, *patterns: str) -> dict[str, str]:
        wanted = [form for name in patterns for form in ((name, name + _PEELED) if name.startswith(TAGS) else (name,))]
        said = self._network_run("ls-remote", "--", self._url.text, *wanted, timeout_s=self._limits.poll_timeout_s)
        found: dict[str, str] = {}
        for line in said.text.splitlines():
            oid, _, name = line.partition("\t")
            # An annotated tag is listed twice: itself, then "^{}", the commit that it names.
            plain = name.removesuffix(_PEELED)
            exact = plain in patterns or (f"{TAGS}*" in patterns and plain.startswith(TAGS))
            if is_full_id(oid) and exact and is_ref_name(plain):
                found[plain] = oid
        return found

    def _network_run(self, *arguments: str, timeout_s: float) -> Completed:
        self._open()
        try:
            return self.network.run(*arguments, timeout_s=timeout_s)
        except GitFailed as err:
            raise translated(err, self._url.text) from err
        except DeadlineExceeded as err:
            raise GitUnavailable(f"cannot read {self._url.text}: {err.message}") from err

    def _network_environment(self, path: Path) -> dict[str, str]:
        return network_environment(
            path, protocol=self._url.scheme, home=self._files.directory, extra=self._files.environment,
            agent=self._files.uses_agent,
        )  # fmt: skip

    def _open(self) -> None:
        """Make the mirror if there is none, and sweep what killed processes left in it: once."""
        if self._opened and (self.path / "HEAD").exists():
            return
        with self.exclusive(self._limits.fetch_timeout_s):
            if (self.path / "HEAD").exists():
                sweep(self.path)
            else:
                self._initialise(self.path)
            for old in self.path.parent.glob(f"{self.path.stem}.*.old"):
                shutil.rmtree(old, ignore_errors=True)
        self._opened = True

    def _initialise(self, path: Path, *, object_format: str = "sha1") -> None:
        shutil.rmtree(path, ignore_errors=True)
        with _command(path, self._limits) as init:
            init.run(
                "init", "--bare", "--quiet", "--template=", f"--object-format={object_format}", str(path),
                timeout_s=self._limits.local_timeout_s,
            )  # fmt: skip

    def _fetch(self, *refspecs: str) -> None:
        with self.exclusive(self._limits.fetch_timeout_s) as lock:
            self._fetch_into(self.path, self.network, refspecs, lock)

    def _fetch_into(self, path: Path, command: GitCommand, refspecs: Sequence[str], lock: int) -> None:
        try:
            command.run(
                "fetch", "--prune", "--no-tags", "--force", "--no-write-fetch-head", "--no-show-forced-updates",
                "--no-recurse-submodules", "--", self._url.text, *refspecs,
                timeout_s=self._limits.fetch_timeout_s,
                while_running=lambda: self._check_size(path),
                keep_open=(lock,),
            )  # fmt: skip
            self._check_size(path)
        except DeadlineExceeded as err:
            sweep(path)
            raise GitUnavailable(f"cannot read {self._url.text}: {err.message}") from err
        except BaseException:
            sweep(path)
            raise

    def _check_size(self, path: Path) -> None:
        size = _size(path)
        if size > self._limits.mirror_bytes:
            raise QuotaExceeded(
                f"{self._url.text} has more than the {self._limits.mirror_bytes // MIB} MiB allowed for a mirror",
                hint="take large files out of its history, or raise the limit",
            )

    def _rebuild(self) -> None:
        """Fetch everything into a new mirror and swap it in; the old one serves until then."""
        fresh = self.path.with_suffix(".new")
        object_format = "sha256" if self._id_length() == 64 else "sha1"
        with self.exclusive(self._limits.fetch_timeout_s) as lock:
            self._initialise(fresh, object_format=object_format)
            command = GitCommand(
                self._network_environment(fresh), secrets=self._files.secrets, output_bytes=self._limits.output_bytes
            )
            try:
                self._fetch_into(fresh, command, _REFSPECS, lock)
                self._keep_again(fresh, command, lock)
            except GitFailed as err:
                raise translated(err, self._url.text) from err
            old = self.path.with_suffix(f".{time.time_ns()}.old")
            if self.path.exists():
                self.path.rename(old)
            fresh.rename(self.path)
            self.store.restart()
            shutil.rmtree(old, ignore_errors=True)
        self._suspect = False

    def _keep_again(self, fresh: Path, command: GitCommand, lock: int) -> None:
        """Commits that are held on to, whose branch may have moved: from the remote, as far as it still has them."""
        try:
            listed = self.command.run(
                "for-each-ref", "--format=%(objectname) %(refname)", _KEPT, timeout_s=self._limits.local_timeout_s
            ).text
        except (GitFailed, DeadlineExceeded, GitUnavailable):
            # A mirror that is broken so badly names nothing any more.
            return
        for line in listed.splitlines():
            oid, _, ref = line.partition(" ")
            if is_full_id(oid) and is_ref_name(ref):
                with suppress(GitFailed):
                    self._fetch_into(fresh, command, (f"+{oid}:{ref}",), lock)

    def _id_length(self) -> int:
        with suppress(GitUnavailable):
            for oid in self._ls_remote(HEAD).values():
                return len(oid)
        return 40


@contextmanager
def _command(path: Path, limits: GitLimits) -> Iterator[GitCommand]:
    command = GitCommand(reading_environment(path), output_bytes=limits.output_bytes)
    try:
        yield command
    finally:
        command.close()


def sweep(path: Path) -> None:
    """Remove leftovers of killed Git processes; the caller holds the mirror's lock, so none is in use."""
    for pattern in _LEFTOVERS:
        for leftover in path.glob(pattern):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def _size(path: Path) -> int:
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += (Path(directory) / name).lstat().st_size
    return total
