"""Phases and waves as edges of a plan's graph: what is earlier is done and well before what is later begins. Pure.

It speaks of numbers of nodes only. A node that something earlier leans on (a service that a migration needs, a
container that lets go of a port) goes with the earlier: order is never worth a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum


class Part(IntEnum):
    """Parts of a sync in their order. Source: Argo CD, user-guide/sync-waves."""

    BEFORE = 0
    MAIN = 1
    REMOVAL = 2
    AFTER = 3
    CLEARING = 4


@dataclass(frozen=True, slots=True, order=True)
class Stage:
    """Where a node stands; lower goes first. What is removed goes in the opposite order of waves."""

    part: Part
    wave: int = 0

    @classmethod
    def removal(cls, wave: int) -> Stage:
        """The stage in which something of ``wave`` is removed."""
        return cls(Part.REMOVAL, -wave)


def edges(stages: Mapping[int, Stage], needs: Mapping[int, Iterable[int]]) -> Mapping[int, frozenset[int]]:
    """For each node with a stage, the nodes of earlier stages that it has to wait for beside its own ``needs``."""
    graph = {node: set(before) for node, before in needs.items()}
    added: dict[int, set[int]] = {node: set() for node in stages}
    members: dict[Stage, list[int]] = {}
    for node in sorted(stages):
        members.setdefault(stages[node], []).append(node)
    ordered = sorted(members)
    for position, stage in enumerate(ordered):
        gate = members[stage]
        leaned_on = ancestors(gate, graph)
        # The ends of the stage stand for all of it.
        ends = set(gate) - ancestors((need for node in gate for need in graph[node]), graph)
        for later in ordered[position + 1 :]:
            for node in members[later]:
                if node not in leaned_on:
                    graph[node] |= ends
                    added[node] |= ends
    return {node: frozenset(before) for node, before in added.items() if before}


def ancestors(nodes: Iterable[int], needs: Mapping[int, Iterable[int]]) -> set[int]:
    """``nodes`` and all that they need, directly or not."""
    found: set[int] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(needs.get(node, ()))
    return found
