"""The calls of docs/reference/engine-api.md as three proxies in one: the page's table, patterns and sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.support.proxy import EngineProxy, answer
from trimtab.backends.engine.client import path_kind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "engine-api.md"
_ROW = re.compile(r"^\| `([A-Z]+ [^`]+)` \| (\w+)", re.MULTILINE)
_FEATURE = re.compile(r"^\| ([^`|]*\S[^|]*) \| ((?:`[A-Z]+ [^`]+`(?:, )?)+|none) \|$", re.MULTILINE)
_CALL = re.compile(r"`([A-Z]+ [^`]+)`")
_PATTERN = re.compile(r"^(GET|HEAD|POST|PUT|DELETE) (\^\S+\$)$", re.MULTILINE)
_SECTION = re.compile(r"^ +([A-Z]+): 1", re.MULTILINE)
# On where nothing is said.
_GIVEN = frozenset({"EVENTS", "PING", "VERSION"})
_SECTIONS = {"_ping": "PING"}


def documented() -> Mapping[str, str]:
    """The calls of the page and when each is made: always, or for what."""
    return dict(_ROW.findall(PAGE.read_text(encoding="utf-8")))


def features() -> Mapping[str, frozenset[str]]:
    """The calls that each feature adds, by the page's name of it."""
    return {name: frozenset(_CALL.findall(calls)) for name, calls in _FEATURE.findall(PAGE.read_text(encoding="utf-8"))}


def patterns() -> Mapping[str, re.Pattern[str]]:
    """The page's pattern for each method."""
    return {method: re.compile(pattern) for method, pattern in _PATTERN.findall(PAGE.read_text(encoding="utf-8"))}


def sections() -> frozenset[str]:
    """The sections of the API that the page's settings of docker-socket-proxy open, POST among them."""
    return frozenset(_SECTION.findall(PAGE.read_text(encoding="utf-8"))) | _GIVEN


def call_of(request: str) -> str:
    """A request in the words of the page."""
    method, _, path = request.partition(" ")
    return f"{method} {path_kind(path)}"


def refusals(request: str) -> list[str]:
    """Which of the three would refuse a request: none, for whatever Trimtab asks."""
    method, _, path = request.partition(" ")
    path = path.partition("?")[0]
    found = [] if call_of(request) in documented() else ["the table"]
    pattern = patterns().get(method)
    if pattern is None or not pattern.fullmatch(path):
        found.append("the patterns")
    first = re.sub(r"^/v[\d.]+", "", path).strip("/").partition("/")[0]
    section = _SECTIONS.get(first, first.upper())
    if section not in sections() or (method not in {"GET", "HEAD"} and "POST" not in sections()):
        found.append("the sections")
    return found


def guarded(proxy: EngineProxy) -> list[str]:
    """Let ``proxy`` refuse what the page does not allow; the list of what it has refused."""
    refused: list[str] = []

    def guard(request: str) -> bytes | None:
        if not (by := refusals(request)):
            return None
        refused.append(f"{request}: by {', '.join(by)}")
        return answer(403, "Forbidden", "text/plain")

    proxy.rule = guard
    return refused
