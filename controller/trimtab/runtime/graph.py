"""A plan's nodes as a graph: what the end of one node lets start, and what it makes impossible. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from trimtab.errors import InternalError
from trimtab.model.plan import Node, RunWhen, StepStatus
from trimtab.runtime.verdicts import Call, Done, call, seen

StepT = TypeVar("StepT")


@dataclass(frozen=True, slots=True)
class End:
    """How one node ended, and whether its step was ever started."""

    node: int
    status: StepStatus
    started: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What follows from one end: nodes that may start, and nodes that never will."""

    ready: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()


class Graph(Generic[StepT]):
    """Keeps count of which needs of which nodes are over."""

    def __init__(self, nodes: Sequence[Node[StepT]]) -> None:
        """Raises InternalError for an id that is there twice, a need that is no node, or a cycle."""
        self._nodes = {node.id: node for node in nodes}
        self._places = {node.id: place for place, node in enumerate(nodes)}
        if len(self._nodes) != len(nodes):
            raise InternalError("a plan has two nodes of one id")
        self._dependents: dict[int, list[int]] = {node.id: [] for node in nodes}
        for node in nodes:
            for need in sorted(node.needs):
                if need not in self._nodes:
                    raise InternalError(f"node {node.id} of a plan needs node {need}, which is not there")
                self._dependents[need].append(node.id)
        self._open = {node.id: len(node.needs) for node in nodes}
        self._ends: dict[int, Done] = {}
        self._refuse_cycles()

    def node(self, node_id: int) -> Node[StepT]:
        """The node of an id."""
        return self._nodes[node_id]

    def place(self, node_id: int) -> int:
        """Where it stands in the plan, from 0."""
        return self._places[node_id]

    def ancestors(self, node_id: int) -> tuple[int, ...]:
        """Everything it needs, directly or not, sorted."""
        found: set[int] = set()
        todo = list(self._nodes[node_id].needs)
        while todo:
            if (need := todo.pop()) not in found:
                found.add(need)
                todo.extend(self._nodes[need].needs)
        return tuple(sorted(found))

    def begin(self) -> Consequences:
        """What may start at once. A FAILURE node without needs has nothing to undo and never runs."""
        roots = [node for node in self._nodes.values() if not node.needs]
        idle = [node.id for node in roots if node.when is RunWhen.FAILURE]
        follows = self.ended([End(node_id, StepStatus.SKIPPED) for node_id in idle])
        ready = tuple(node.id for node in roots if node.when is RunWhen.SUCCESS)
        return Consequences(ready=ready, skipped=(*idle, *follows.skipped))

    def ended(self, ends: Sequence[End]) -> Consequences:
        """Take note of ends that came about together; what follows, also through nodes that become impossible."""
        ready: list[int] = []
        skipped: list[int] = []
        for end in ends:
            self._note(end)
        todo = [end.node for end in ends]
        while todo:
            ended_id = todo.pop()
            for dependent in self._dependents[ended_id]:
                if dependent in self._ends:
                    continue
                verdict = self._verdict(dependent, self._ends[ended_id])
                if verdict is Call.RUN:
                    ready.append(dependent)
                elif verdict is Call.SKIP:
                    self._note(End(dependent, StepStatus.SKIPPED))
                    skipped.append(dependent)
                    todo.append(dependent)
        return Consequences(ready=tuple(ready), skipped=tuple(skipped))

    def _note(self, end: End) -> None:
        self._ends[end.node] = seen(self._nodes[end.node], end.status, started=end.started)

    def _verdict(self, node_id: int, end: Done) -> Call | None:
        """None: it is too early to tell."""
        self._open[node_id] -= 1
        node = self._nodes[node_id]
        # One broken need is enough to know that a SUCCESS node never runs; whoever undoes need not wait for the others.
        if node.when is RunWhen.SUCCESS and end is not Done.COMPLETED:
            return Call.SKIP
        if self._open[node_id] > 0:
            return None
        return call(node, (self._ends[need] for need in sorted(node.needs)))

    def _refuse_cycles(self) -> None:
        open_needs = dict(self._open)
        todo = [i for i, needs in open_needs.items() if needs == 0]
        done = 0
        while todo:
            done += 1
            for dependent in self._dependents[todo.pop()]:
                open_needs[dependent] -= 1
                if open_needs[dependent] == 0:
                    todo.append(dependent)
        if done != len(self._nodes):
            raise InternalError("the steps of a plan need each other in a circle")
