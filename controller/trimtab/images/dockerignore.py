"""What a ``.dockerignore`` leaves out of a build context. Pure.

Both builders get a context that was filtered here, so the outcome never depends on which of them runs.

Source: moby/patternmatcher (patterns and their order, MatchesUsingParentResults), its ignorefile package (how lines
are read) and Go's path/filepath.Match (what a malformed pattern is). As in BuildKit, and unlike the old classic CLI,
an exception also brings back what lies deep in a directory that is left out (moby/moby#30018).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

FILE_NAME = ".dockerignore"


class BadPatternError(ValueError):
    """A line that is no pattern; ``line`` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line: what it matches, and whether it takes files out or (``exception``) back in."""

    text: str
    exception: bool
    regex: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Whether ``path`` itself matches; what lies below a match is the caller's business."""
        return self.regex.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The patterns of one file; ``ignores`` says of a context-relative path whether it stays out."""

    patterns: tuple[Pattern, ...] = ()
    # Which patterns matched a directory: asked again and again while a tree is walked; an answer never changes.
    _directories: dict[str, tuple[bool, ...]] = field(default_factory=dict, compare=False, repr=False)

    def ignores(self, path: str) -> bool:
        """Whether the file or directory at ``path`` (relative to the context, POSIX) is left out."""
        if not self.patterns or path in {"", "."}:
            return False
        return self._look(path, self._directory(posixpath.dirname(path)))[1]

    def _directory(self, path: str) -> tuple[bool, ...]:
        if not path:
            return (False,) * len(self.patterns)
        known = self._directories.get(path)
        if known is None:
            known = self._look(path, self._directory(posixpath.dirname(path)))[0]
            self._directories[path] = known
        return known

    def _look(self, path: str, parent_hits: tuple[bool, ...]) -> tuple[tuple[bool, ...], bool]:
        """Apply the patterns in order; the last one that matches the path or a directory above it decides."""
        ignored, hits = False, []
        for pattern, parent_hit in zip(self.patterns, parent_hits, strict=True):
            # A pattern that could not change the verdict is not tried, and so does not count for what lies below.
            hit = parent_hit or (pattern.exception == ignored and pattern.matches(path))
            hits.append(hit)
            if hit:
                ignored = not pattern.exception
        return tuple(hits), ignored


def parse(text: str) -> IgnoreRules:
    """The rules of a ``.dockerignore``.

    Raises:
        BadPatternError: a line is malformed; docker refuses the whole build then, and so do we.
    """
    patterns = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        # A comment starts in the first column; an indented '#' is a file name.
        if line.startswith("#") or not (stripped := line.strip()):
            continue
        exception = stripped.startswith("!")
        body = stripped[1:].strip() if exception else stripped
        if not body:
            raise BadPatternError("'!' stands alone: an exception needs a pattern", number)
        cleaned = _clean(body)
        patterns.append(Pattern(cleaned, exception, _compile(cleaned, number)))
    return IgnoreRules(tuple(patterns))


def rules_of(patterns: Iterable[str]) -> IgnoreRules:
    """The rules of patterns given one by one."""
    return parse("\n".join(patterns))


def _clean(pattern: str) -> str:
    """``pattern`` without '.', '..' and doubled slashes, relative to the context (a leading '/' means the same)."""
    cleaned = posixpath.normpath(pattern)
    # POSIX keeps exactly two leading slashes; Go does not.
    return cleaned.lstrip("/") or "/"


def _compile(pattern: str, line: int) -> re.Pattern[str]:
    """The pattern as a regular expression for whole paths."""
    if pattern.startswith("**") and not _SPECIAL.search(rest := pattern[2:]):
        # '**/name' matches a name at any depth, '**name' the end of a path.
        tail = f"(?:.*/)?{re.escape(rest[1:])}" if rest.startswith("/") else f".*{re.escape(rest)}"
        return re.compile(tail, re.DOTALL)
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 3 if pattern.startswith("/", at + 2) else 2
            out.append(".*" if at >= len(pattern) else "(?:.*/)?")
            continue
        at += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            text, at = _char_class(pattern, at, line)
            out.append(text)
        elif char == "\\":
            char, at = _escaped(pattern, at - 1, line)
            out.append(re.escape(char))
        else:
            out.append(re.escape(char))
    return re.compile("".join(out), re.DOTALL)


_SPECIAL = re.compile(r"[*?\[\]\\]")


def _char_class(pattern: str, at: int, line: int) -> tuple[str, int]:
    """The class that starts after '[' at ``at``, and where it ends. Raises BadPatternError."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while not (ranges and pattern.startswith("]", at)):
        low, at = _class_char(pattern, at, line)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_char(pattern, at + 1, line)
        if low > high:
            raise BadPatternError(f"the range {low}-{high} in {pattern!r} is the wrong way round", line)
        ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^' if negated else ''}{''.join(ranges)}]", at + 1


def _class_char(pattern: str, at: int, line: int) -> tuple[str, int]:
    if at >= len(pattern) or pattern[at] in "-]":
        raise BadPatternError(
            f"{pattern!r} has a '[' without a proper ']'; a literal '-' or ']' is written '\\-', '\\]'", line
        )
    return _escaped(pattern, at, line)


def _escaped(pattern: str, at: int, line: int) -> tuple[str, int]:
    """The character at ``at``, or the one after a backslash there, and the place after it."""
    if pattern[at] == "\\":
        at += 1
        if at >= len(pattern):
            raise BadPatternError(f"{pattern!r} ends with a lone backslash", line)
    return pattern[at], at + 1
