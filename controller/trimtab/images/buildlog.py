"""A build's output while it runs: passed on line by line, its end remembered, its failing instruction named."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable

from trimtab.errors import BackendUnavailable, BuildFailed, RateLimited, RegistryUnavailable, TrimtabError
from trimtab.images.buildspec import BuildSpec
from trimtab.images.failures import (
    RATE_LIMIT_AFTER_S,
    disk_full,
    is_disk_full,
    is_engine_gone,
    is_registry_away,
    registry_error,
    was_killed,
)

TAIL_LINES = 30
# A line longer than this (a progress bar, a minified file) says nothing more.
MAX_LINE_CHARS = 2000
# What is shorter is too likely to be a part of something else.
MIN_SECRET_CHARS = 4


def masked(secrets: Iterable[str]) -> Callable[[str], str]:
    """What takes these values, and each line of them, out of a line."""
    parts = {part.strip() for secret in secrets for part in (secret, *secret.splitlines())}
    known = sorted((part for part in parts if len(part) >= MIN_SECRET_CHARS), key=lambda part: (-len(part), part))
    if not known:
        return lambda line: line
    pattern = re.compile("|".join(re.escape(part) for part in known))
    return lambda line: pattern.sub("***", line)


class BuildLog:
    """Takes pieces of output, calls ``log`` for each whole line, keeps the last 30; ``mask`` sees each line first."""

    def __init__(self, log: Callable[[str], None], mask: Callable[[str], str] = lambda line: line) -> None:
        self._log = log
        self._mask = mask
        self._partial = ""
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.instruction = ""

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        return tuple(self._tail)

    def write(self, piece: str) -> tuple[str, ...]:
        """Take a piece of output; the whole lines that it completed."""
        *lines, self._partial = (self._partial + piece).split("\n")
        for line in lines:
            self.line(line)
        # A flood without an end of line must not fill the memory.
        if len(self._partial) > MAX_LINE_CHARS:
            self.flush()
        return tuple(lines)

    def line(self, line: str) -> str:
        """Take one whole line; it, without secrets."""
        line = self._mask(line)
        # Of a bar that redraws itself, its last state.
        text = line.rstrip("\r").rpartition("\r")[2].rstrip()[:MAX_LINE_CHARS]
        if text:
            self._tail.append(text)
            self._log(text)
        return line

    def flush(self) -> None:
        """Take what came without an end of line."""
        partial, self._partial = self._partial, ""
        self.line(partial)

    def failure(self, spec: BuildSpec, message: str, engine_answers: Callable[[], bool] = lambda: True) -> TrimtabError:
        """What a failed build means: its Dockerfile's fault, the registry's of its base image, or the engine's.

        ``engine_answers`` is asked, by a new connection, when an instruction was killed from outside.
        """
        self.flush()
        text = message.strip()
        if is_engine_gone(text) or (was_killed(text) and not engine_answers()):
            return BackendUnavailable(
                f"the engine went away during the build of {spec.dockerfile_label}: {text}",
                hint="it is built again when the engine is back",
            )
        full = next((line for line in (text, *reversed(self._tail)) if is_disk_full(line)), None)
        if full is not None:
            at = f" at `{self.instruction}`" if self.instruction else ""
            return disk_full(f"the build of {spec.dockerfile_label} failed{at}", full)
        # Only these fetch images; a RUN that cannot reach a host is the Dockerfile's own affair.
        if (
            not self.instruction or self.instruction.upper().startswith(("FROM ", "COPY --FROM", "LOAD METADATA"))
        ) and (is_registry_away(text)):
            error = registry_error("a base image", text)
            what = f"the build of {spec.dockerfile_label} waits for a base image: {text}"
            if isinstance(error, RateLimited):
                return RateLimited(what, after_s=RATE_LIMIT_AFTER_S, hint=error.hint)
            return RegistryUnavailable(what, hint=error.hint)
        at = f" at `{self.instruction}`" if self.instruction else ""
        return BuildFailed(
            f"the build of {spec.dockerfile_label} failed{at}: {text}",
            instruction=self.instruction,
            log_tail=self.tail,
            hint="it is built again when the Dockerfile or its context changes",
            origin=spec.origin,
        )
