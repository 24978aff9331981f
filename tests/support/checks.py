"""What the end-to-end scenarios look at: everything on the engine that is somebody's, and what happened there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import docker

from tests.support.engine import EngineScope

INSTALLATION, KIND = "trimtab.dev/installation", "trimtab.dev/kind"
# What a controller keeps on the engine for itself: its key, its lock and what reads and fills volumes.
NOTES = frozenset({"installation", "lock", "challenge", "filler", "filling"})
# Things that happen to an object by themselves or by being looked at.
QUIET = ("exec_", "health_status", "top", "attach", "export", "archive-path")


@dataclass(frozen=True, slots=True)
class Look:
    """All that is on the engine for one scope; two looks are equal if nothing was made, removed or restarted."""

    containers: dict[str, tuple[str, str, bool]]
    networks: dict[str, str]
    volumes: dict[str, str]


def look(scope: EngineScope) -> Look:
    """What is there now, the controller's own notes aside."""
    api = scope.api
    containers = {}
    for item in scope.containers():
        if not _is_note(item):
            with contextlib.suppress(docker.errors.NotFound):
                found = api.inspect_container(item["Id"])
                containers[found["Name"].lstrip("/")] = (
                    found["Id"],
                    found["State"]["StartedAt"],
                    found["State"]["Running"],
                )
    return Look(
        containers,
        {item["Name"]: item["Id"] for item in scope.networks() if not _is_note(item)},
        {item["Name"]: item["CreatedAt"] for item in scope.volumes() if not _is_note(item)},
    )


def _is_note(item: dict[str, Any]) -> bool:
    return (item.get("Labels") or {}).get(KIND) in NOTES


@dataclass(slots=True)
class Happened:
    """What happened on the engine to objects of one scope, as sentences such as ``container destroy t1-web-1``."""

    sentences: list[str] = field(default_factory=list)

    def having(self, word: str) -> list[str]:
        """Those with the word."""
        return [sentence for sentence in self.sentences if word in sentence]


@contextlib.contextmanager
def recorded(scope: EngineScope, *, also: str = "nothing more") -> Iterator[Happened]:
    """Everything that happens meanwhile, and of what is QUIET ``also``; complete when the block is over."""
    happened = Happened()
    # The engine's clock is this machine's; its events have nanoseconds, its filter takes them.
    since = time.time()
    yield happened
    until = time.time()
    for event in scope.api.events(since=f"{since:.6f}", until=f"{until:.6f}", decode=True):
        attributes = event["Actor"].get("Attributes") or {}
        name = attributes.get("name", "") or event["Actor"]["ID"]
        ours = scope.name in name or scope.name in {attributes.get(INSTALLATION), attributes.get("container", "")}
        if not ours or attributes.get(KIND) in NOTES or f"trimtab_{scope.name}" in name:
            continue
        if event["Action"].startswith(also) or not event["Action"].startswith(QUIET):
            happened.sentences.append(f"{event['Type']} {event['Action']} {name}")
