"""How a sync looks while it runs: on a terminal what is under way with its log, elsewhere one line a step."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trimtab.cli.plain import plain
from trimtab.model.plan import Node, StepOutcome, StepStatus
from trimtab.runtime.carry import Watcher

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from trimtab.backends.engine.steps import EngineStep

_MARKS = {
    StepStatus.SUCCEEDED: "done",
    StepStatus.FAILED: "FAILED",
    StepStatus.SKIPPED: "skipped",
    StepStatus.CANCELLED: "cancelled",
}
LOG_WIDTH = 100


def words(step: object) -> str:
    """A step's class name as words: CreateContainer -> create container."""
    name = type(step).__name__
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()


def subject(node: Node[EngineStep]) -> str:
    """What a step is about."""
    step = node.step
    return str(getattr(step, "name", "") or getattr(step, "ref", "") or node.key)


class Lines:
    """One line a finished step, with its time; log lines only of what fails."""

    def __init__(self) -> None:
        self._nodes: dict[int, Node[EngineStep]] = {}
        self._lock = threading.Lock()

    def start(self, node: Node[EngineStep]) -> None:
        """A step begins."""
        with self._lock:
            self._nodes[node.id] = node

    def outcome(self, outcome: StepOutcome) -> None:
        """A step ended."""
        with self._lock:
            node = self._nodes.pop(outcome.node, None)
            if node is None:
                return
            text = f"  {words(node.step):<20} {subject(node):<40} {_MARKS[outcome.status]} {outcome.duration_s:.2f} s"
            if outcome.error is not None and outcome.status is StepStatus.FAILED:
                text += f": {outcome.error}"
            self.write(text)

    def log(self, node: Node[EngineStep], line: str) -> None:
        """A line of a build or pull."""

    def write(self, text: str) -> None:
        """Print one line; when nobody reads them any more (a pipe to ``head``), what was begun goes on all the same."""
        try:
            sys.stdout.write(plain(text) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


class Screen(Lines):
    """Lines on a terminal, with what runs below them."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._began: dict[int, float] = {}
        self._tails: dict[int, str] = {}

    def start(self, node: Node[EngineStep]) -> None:
        """A step begins."""
        super().start(node)
        self._began[node.id] = time.monotonic()

    def log(self, node: Node[EngineStep], line: str) -> None:
        """Keep the last line of what runs."""
        self._tails[node.id] = plain(line.strip())[:LOG_WIDTH]

    def write(self, text: str) -> None:
        """Print above what runs."""
        self._console.print(plain(text), markup=False, highlight=False)

    def __rich__(self) -> RenderableType:
        from rich.text import Text

        with self._lock:
            running = sorted(self._nodes.items())
        now = time.monotonic()
        lines = []
        for node_id, node in running:
            lines.append(f"  {words(node.step):<20} {subject(node):<40} … {now - self._began.get(node_id, now):.0f} s")
            if tail := self._tails.get(node_id):
                lines.append(f"      {tail}")
        return Text("\n".join(lines))


@contextlib.contextmanager
def progress() -> Iterator[Watcher[EngineStep]]:
    """A watcher for this output."""
    if not sys.stdout.isatty():
        lines = Lines()
        yield Watcher(on_start=lines.start, on_outcome=lines.outcome, on_log=lines.log)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    screen = Screen(console)
    with Live(screen, console=console, refresh_per_second=8, transient=True):
        yield Watcher(on_start=screen.start, on_outcome=screen.outcome, on_log=screen.log)
