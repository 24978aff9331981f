"""Why an application is looked at; a trigger says that something may have changed, never what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TriggerKind(StrEnum):
    """What woke the loop. FOLLOW_UP: the last pass asked for another one soon. TIMER: the regular full look."""

    REQUEST = "request"
    COMMIT = "commit"
    ENGINE = "engine"
    DEPENDENCY = "dependency"
    FOLLOW_UP = "follow-up"
    TIMER = "timer"
    RETRY = "retry"


# A person waits for a request, a push for its commit, a user for a killed container; nobody waits for a timer.
PRIORITIES = {
    TriggerKind.REQUEST: 30,
    TriggerKind.COMMIT: 20,
    TriggerKind.ENGINE: 10,
    TriggerKind.DEPENDENCY: 10,
    TriggerKind.FOLLOW_UP: 10,
    TriggerKind.RETRY: 0,
    TriggerKind.TIMER: 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One cause, or several that were merged while the application waited for its turn.

    ``detail`` is a sentence fragment ("container api-1 died"), ``revision`` the commit that was seen when ``kind``
    is COMMIT, ``at`` when the first of them was noticed, ``requests`` the ids of stored requests that it answers.
    """

    kind: TriggerKind
    at: datetime
    detail: str = ""
    revision: str = ""
    requests: tuple[int, ...] = ()

    @property
    def priority(self) -> int:
        """Higher goes first."""
        return PRIORITIES[self.kind]

    def merged(self, other: Trigger) -> Trigger:
        """Both in one: the more urgent speaks (the later of equals); the earlier time and all requests are kept."""
        leader = other if other.priority >= self.priority else self
        return Trigger(
            kind=leader.kind,
            at=min(self.at, other.at),
            detail=leader.detail,
            # Of two commits the later one counts; a request must not make the loop forget that there was a commit.
            revision=other.revision or self.revision,
            requests=tuple(sorted({*self.requests, *other.requests})),
        )
