"""Nodes of a plan while it is being made: who needs whom, and how what only one can hold changes hands. Pure.

Ports, fixed addresses and names are held by one container at a time. Whoever takes one waits for a node after which it
is free. That must not close a circle: where services swap a port and one of them depends on the other, the one that
lets go does so without waiting for what comes after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from trimtab.backends.engine import steps
from trimtab.model.keys import ResourceKey
from trimtab.model.plan import Node, RunWhen

# A container that is being stopped cannot be started again before it is.
_SETTLING = (steps.StopContainer, steps.RestartContainer)


@dataclass(slots=True)
class Draft:
    """A node whose needs may still grow."""

    id: int
    step: steps.EngineStep
    key: ResourceKey
    cause: str
    needs: set[int]
    when: RunWhen
    timeout_s: float
    waits: bool
    tolerance: int = 0
    pause_s: float = 0.0

    def node(self) -> Node[steps.EngineStep]:
        """As it stands in the plan."""
        return Node(
            id=self.id,
            step=self.step,
            key=self.key,
            cause=self.cause,
            needs=frozenset(self.needs),
            when=self.when,
            timeout_s=self.timeout_s,
            waits=self.waits,
            settles_s=self.timeout_s if isinstance(self.step, _SETTLING) else 0.0,
            tolerance=self.tolerance,
            pause_s=self.pause_s,
        )


class Drafts:
    """All drafts of one plan. Ids count from 1, in the order in which they were made."""

    def __init__(self) -> None:
        self._drafts: dict[int, Draft] = {}
        # (node, claims, undo): the node takes claims, the undo puts back what was there before.
        self._takes: list[tuple[int, frozenset[str], int | None]] = []
        self._releases: list[tuple[int, frozenset[str]]] = []
        self._renames: list[tuple[int, str]] = []
        self._freed: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[Draft]:
        return iter(self._drafts.values())

    def add(  # noqa: PLR0917 - a node's own fields
        self,
        step: steps.EngineStep,
        key: ResourceKey,
        cause: str,
        needs: Iterable[int],
        when: RunWhen,
        timeout_s: float,
        *,
        waits: bool,
        tolerance: int = 0,
        pause_s: float = 0.0,
    ) -> int:
        """A new draft; its id."""
        draft = Draft(
            max(self._drafts, default=0) + 1, step, key, cause, set(needs), when, timeout_s, waits, tolerance, pause_s
        )
        self._drafts[draft.id] = draft
        return draft.id

    def need(self, node: int, needs: Iterable[int]) -> None:
        """``node`` waits for these, too."""
        self._drafts[node].needs.update(needs)

    def drop(self, node: int, successor: int) -> None:
        """Take a node out; who needed it needs ``successor``."""
        del self._drafts[node]
        for draft in self._drafts.values():
            if node in draft.needs:
                draft.needs = (draft.needs - {node}) | ({successor} - {draft.id})

    def needs_of(self, node: int) -> frozenset[int]:
        """What it waits for so far."""
        return frozenset(self._drafts[node].needs)

    def own_way(self, node: int, before: Iterable[int]) -> set[int]:
        """``node`` and what its object does on the way to it, after ``before``."""
        found, todo, stop = {node}, [node], set(before)
        while todo:
            needs = self._drafts[todo.pop()].needs - found - stop
            own = {need for need in needs if self._drafts[need].key == self._drafts[node].key}
            found |= own
            todo += own
        return found

    def takes(self, node: int, claims: frozenset[str], undo: int | None = None) -> None:
        """From ``node`` on, its object holds ``claims``."""
        self._takes.append((node, claims, undo))

    def releases(self, node: int, claims: frozenset[str]) -> None:
        """After ``node``, ``claims`` are free."""
        self._releases.append((node, claims))

    def renames(self, node: int, name: str) -> None:
        """``node`` gives a container its name."""
        self._renames.append((node, name))

    def frees(self, node: int, name: str) -> None:
        """After ``node``, nobody has the name."""
        self._freed.append((node, name))

    @property
    def taken(self) -> frozenset[str]:
        """All that is taken so far."""
        return frozenset(claim for _, claims, _ in self._takes for claim in claims)

    def hand_over(self) -> None:
        """Let every taker wait for who holds what it takes."""
        for taker, wanted, undo in self._takes:
            for release, held in self._releases:
                if wanted & held and release != taker:
                    self._cut(release, taker)
                    self.need(taker, {release})
                    if undo is not None:
                        self.need(undo, {release})
        for renamed, name in self._renames:
            for gone, freed in self._freed:
                if freed == name and renamed not in self._ancestors(gone):
                    self.need(renamed, {gone})

    def _cut(self, node: int, later: int) -> None:
        draft = self._drafts[node]
        draft.needs -= {need for need in draft.needs if need == later or later in self._ancestors(need)}

    def _ancestors(self, node: int) -> set[int]:
        found: set[int] = set()
        todo = [node]
        while todo:
            for need in self._drafts[todo.pop()].needs - found:
                found.add(need)
                todo.append(need)
        return found

    def in_order(self) -> tuple[Node[steps.EngineStep], ...]:
        """Every node after all that it needs, otherwise as they were made."""
        left = {draft.id: len(draft.needs) for draft in self._drafts.values()}
        waiting: dict[int, list[int]] = {draft_id: [] for draft_id in self._drafts}
        for draft in self._drafts.values():
            for need in sorted(draft.needs):
                waiting[need].append(draft.id)
        ready = [draft_id for draft_id, needs in left.items() if not needs]
        heapify(ready)
        ordered = []
        while ready:
            draft_id = heappop(ready)
            ordered.append(self._drafts[draft_id].node())
            for dependent in waiting[draft_id]:
                left[dependent] -= 1
                if not left[dependent]:
                    heappush(ready, dependent)
        if len(ordered) != len(self._drafts):
            stuck = set(self._drafts) - {node.id for node in ordered}
            names = sorted(type(self._drafts[one].step).__name__ for one in stuck)
            message = f"steps of a plan wait for each other in a circle: {', '.join(names)}"
            raise ValueError(message)
        return tuple(ordered)
