"""This side's terminal while a command runs in a container: made raw and put back, its size and keys sent on."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trimtab.backends.engine.execs import Exec
    from trimtab.cli.detachkeys import DetachKeys

_CHUNK_BYTES = 1 << 16
_RESIZE, _STOP = b"r", b"s"
# The engine knows the terminal a moment after the command was started, a longer one when it is busy.
_FIRST_SIZES_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


def input_number() -> int | None:
    """The file descriptor of standard input; None where it is closed or none at all."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def is_terminal(stream: object) -> bool:
    """Whether this end is a terminal."""
    isatty = getattr(stream, "isatty", None)
    try:
        return bool(isatty is not None and isatty())
    except ValueError:
        return False


def size() -> tuple[int, int] | None:
    """Rows and columns of our terminal."""
    for number in (1, 0, 2):
        with contextlib.suppress(OSError):
            found = os.get_terminal_size(number)
            if found.lines and found.columns:
                return found.lines, found.columns
    return None


@contextlib.contextmanager
def raw(number: int) -> Iterator[None]:
    """Every key goes through, none is acted upon here; put back whatever happens, an end by a signal included."""
    import termios
    import tty

    before = termios.tcgetattr(number)

    def end(received: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + received)

    handlers = {one: signal.signal(one, end) for one in (signal.SIGTERM, signal.SIGHUP)}
    tty.setraw(number)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
        for one, handler in handlers.items():
            signal.signal(one, handler)


class Feeder:
    """Sends standard input on, and the terminal's size whenever it changes, in a thread of its own."""

    def __init__(self, running: Exec, number: int | None, *, keys: DetachKeys | None) -> None:
        """``keys``: those of the command's terminal; None where it has none."""
        self._running = running
        self._number = number
        self._keys = keys
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._thread = threading.Thread(target=self._feed, name="trimtab-exec", daemon=True)

    @contextlib.contextmanager
    def feeding(self) -> Iterator[None]:
        """As long as the command's output is read."""
        restore: Callable[[], object] = lambda: None  # noqa: E731
        if self._keys is not None:
            before = signal.signal(signal.SIGWINCH, lambda _number, _frame: self._tell(_RESIZE))
            restore = lambda: signal.signal(signal.SIGWINCH, before)  # noqa: E731
        self._thread.start()
        try:
            yield
        finally:
            restore()
            self._tell(_STOP)
            # It may wait in a write to a command that reads nothing; it is a daemon, and harms nobody.
            self._thread.join(1.0)

    def _tell(self, what: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake, what)

    def _feed(self) -> None:
        pauses = list(_FIRST_SIZES_S) if self._keys is not None else []
        inputs = [self._woken, *([self._number] if self._number is not None else [])]
        while True:
            ready, _, _ = select.select(inputs, [], [], pauses[0] if pauses else None)
            if not ready:
                pauses.pop(0)
                if self._resize():
                    # Once more: it may have been taken before the command looked.
                    del pauses[1:]
            if self._woken in ready:
                told = os.read(self._woken, _CHUNK_BYTES)
                if _STOP in told:
                    return
                self._resize()
            if self._number in ready and not self._send():
                inputs.remove(self._number)

    def _resize(self) -> bool:
        """Whether the command's terminal has the size of ours now."""
        found = size()
        return found is None or self._running.resize(*found)

    def _send(self) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(self._number or 0, _CHUNK_BYTES)
            if data:
                data, detached = self._keys.take(data) if self._keys is not None else (data, False)
                self._running.send(data)
                if detached:
                    self._running.detach()
                return not detached
        except OSError:
            # Our terminal hung up, or the command ended: its output tells the rest.
            return False
        self._running.end_input()
        return False
