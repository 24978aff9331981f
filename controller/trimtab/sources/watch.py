"""Notices within milliseconds that a local repository's refs have moved: a push, a commit, a fetch, a reset."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from trimtab.sources.gitdir import GitDir

# A push of several refs, or the lock, rename and reflog of one, is one change.
_SETTLE_S = 0.002
_LOCK = ".lock"
# Somebody looked; we do so ourselves.
_READING = frozenset({"opened", "closed_no_write"})
_FILES = frozenset({"HEAD", "packed-refs"})
_DIRECTORIES = ("refs", "reftable")


def watch_refs(git_dir: GitDir, on_change: Callable[[], None]) -> Callable[[], None]:
    """Call ``on_change`` from a thread of its own after refs changed; what happens meanwhile is one more call.

    Returns how to stop; it waits until a running ``on_change`` is done, unless it is called from there.
    """
    return _RefsWatch(git_dir, on_change).stop


class _RefsWatch(FileSystemEventHandler):
    def __init__(self, git_dir: GitDir, on_change: Callable[[], None]) -> None:
        self._git_dir = git_dir
        self._on_change = on_change
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._observer = Observer()
        for directory in {git_dir.path, git_dir.common}:
            self._observer.schedule(self, str(directory), recursive=False)
        for name in _DIRECTORIES:
            if (git_dir.common / name).is_dir():
                self._observer.schedule(self, str(git_dir.common / name), recursive=True)
        self._observer.start()
        self._caller = threading.Thread(target=self._call, name="trimtab-refs", daemon=True)
        self._caller.start()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Decide whether an event of the file system is about a ref."""
        if event.event_type in _READING:
            return
        paths = (event.src_path, event.dest_path)
        if any(self._is_ref(Path(path.decode() if isinstance(path, bytes) else path)) for path in paths if path):
            self._changed.set()

    def stop(self) -> None:
        """End both threads."""
        self._stopping.set()
        self._changed.set()
        self._observer.stop()
        if threading.current_thread() is not self._caller:
            self._caller.join()
            self._observer.join()

    def _is_ref(self, path: Path) -> bool:
        if path.name.endswith(_LOCK):
            return False
        if path.parent in (self._git_dir.path, self._git_dir.common):
            return path.name in _FILES
        return True

    def _call(self) -> None:
        while True:
            self._changed.wait()
            if self._stopping.wait(_SETTLE_S):
                return
            self._changed.clear()
            self._on_change()
