"""One Git command, run through GitPython: in a bare environment, with a deadline, an output limit and no leftovers."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from trimtab.errors import ConfigError, DeadlineExceeded
from trimtab.sources.environment import OPTIONS
from trimtab.sources.errors import QuotaExceeded
from trimtab.sources.urls import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# How often a running command is looked after; also the precision of its deadline.
_TICK_S = 0.2
_CHUNK_BYTES = 1 << 16
_STDERR_BYTES = 1 << 16
# A descendant that keeps our pipes open after Git has ended has this long to finish.
_LINGER_S = 2.0


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command printed; ``stderr`` is scrubbed."""

    returncode: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output, decoded and without the last line end."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


class GitFailed(Exception):
    """Git answered with a failure; the caller knows what that means and translates it."""

    def __init__(self, operation: str, completed: Completed) -> None:
        super().__init__(f"git {operation}: {completed.stderr.strip() or f'exit status {completed.returncode}'}")
        self.operation = operation
        self.completed = completed
        self.stderr = completed.stderr


class GitCommand:
    """Runs Git for one repository. Every operation has a deadline; `close` ends those that still run."""

    def __init__(self, environment: Mapping[str, str], *, secrets: Sequence[str] = (), output_bytes: int) -> None:
        self._environment = dict(environment)
        self._secrets = tuple(secrets)
        self._output_bytes = output_bytes
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(
        self,
        *arguments: str,
        timeout_s: float,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        while_running: Callable[[], None] | None = None,
        keep_open: Sequence[int] = (),
        accept: Sequence[int] = (0,),
    ) -> Completed:
        """Run ``git ARGUMENTS``; ``while_running`` is called several times a second and may raise to end it.

        ``keep_open`` are file descriptors that the command inherits; ``accept`` are exit statuses that are no failure.

        Raises:
            GitFailed: another exit status.
            DeadlineExceeded: it took longer than ``timeout_s`` seconds.
            QuotaExceeded: it printed too much.
            ConfigError: Git is not installed.
        """
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            process = self._start(arguments, {**self._environment, **(environment or {})}, source, keep_open)
            try:
                stdout, stderr = self._attend(
                    process, arguments[0], time.monotonic() + timeout_s, timeout_s, while_running
                )
            finally:
                _end(process)
                with self._lock:
                    self._running.discard(process)
        message = scrub(stderr.decode("utf-8", "replace"), self._secrets)
        completed = Completed(process.returncode, stdout, message)
        if process.returncode not in accept:
            raise GitFailed(arguments[0], completed)
        return completed

    def close(self) -> None:
        """End what still runs; later runs are refused."""
        with self._lock:
            self._closed = True
            running = tuple(self._running)
        for process in running:
            _kill_group(process)

    def _start(
        self, arguments: Sequence[str], environment: Mapping[str, str], source: Any, keep_open: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        git = _gitpython()
        # GitPython adds our whole environment to what it is given, our own tokens included. Taking that off by name
        # (and not by env -i, with the values as arguments) keeps a proxy's password out of the process list.
        inherited = [part for name in sorted(os.environ) if name not in environment for part in ("-u", name)]
        clean = (shutil.which("env") or "/usr/bin/env", *inherited)
        with self._lock:
            if self._closed:
                raise DeadlineExceeded("this source is closed")
            wrapped = git.execute(
                (*clean, "git", *OPTIONS, *arguments),
                istream=source,
                as_process=True,
                env=dict(environment),
                start_new_session=True,
                pass_fds=tuple(keep_open),
            )
            process: subprocess.Popen[bytes] = wrapped.proc
            # The wrapper would end the process when it is collected; its life is ours to manage.
            wrapped.proc = None
            self._running.add(process)
        return process

    def _attend(
        self,
        process: subprocess.Popen[bytes],
        operation: str,
        deadline: float,
        timeout_s: float,
        while_running: Callable[[], None] | None,
    ) -> tuple[bytes, bytes]:
        """Read both outputs to their ends, or until the command is long gone and only a stranger holds them."""
        stdout, stderr = bytearray(), bytearray()
        late = DeadlineExceeded(f"git {operation} took longer than {timeout_s:g} s")
        next_look, gone_at = time.monotonic() + _TICK_S, None
        with selectors.DefaultSelector() as selector:
            selector.register(cast("IO[bytes]", process.stdout), selectors.EVENT_READ, stdout)
            selector.register(cast("IO[bytes]", process.stderr), selectors.EVENT_READ, stderr)
            while selector.get_map() and (gone_at is None or time.monotonic() < gone_at + _LINGER_S):
                _read_ready(selector)
                del stderr[:-_STDERR_BYTES]
                if len(stdout) > self._output_bytes:
                    raise QuotaExceeded(f"git {operation} printed more than {self._output_bytes} bytes")
                now = time.monotonic()
                if now >= deadline:
                    raise late
                if now >= next_look:
                    next_look = now + _TICK_S
                    if while_running is not None:
                        while_running()
                    if gone_at is None and process.poll() is not None:
                        gone_at = now
        try:
            process.wait(max(deadline - time.monotonic(), _TICK_S))
        except subprocess.TimeoutExpired:
            raise late from None
        return bytes(stdout), bytes(stderr)


def _read_ready(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(_TICK_S):
        chunk = os.read(key.fd, _CHUNK_BYTES)
        if not chunk:
            selector.unregister(key.fileobj)
        key.data.extend(chunk)


def _gitpython() -> Any:
    """GitPython's command object; imported here because that takes longer than `trimtab --help` may."""
    try:
        from git.cmd import Git
    except ImportError as err:
        raise ConfigError("git cannot be run", hint="install it, for example with `apt-get install git`") from err
    return Git()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of the command's process group is left when this returns."""
    _kill_group(process)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # The command leads its own session, so its pid is its group's, also for helpers that outlive it.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
