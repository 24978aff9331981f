"""Where a plan is being lowered: its drafts so far, and what is known of each object's nodes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from trimtab.backends.engine import steps
from trimtab.backends.engine.drafts import Drafts
from trimtab.backends.engine.labels import labels_for
from trimtab.model.change import Change
from trimtab.model.desired import Condition, DesiredState, Need, Resource
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.model.plan import RunWhen
from trimtab.model.untyped import section, texts

# Deadlines of single steps, in seconds: what a healthy engine never needs. A build or pull has its own.
CALL_S = 60.0
START_S = 120.0
IMAGE_S = 600.0
# To read or copy a volume; the application's own timeout bounds the whole sync before.
ARCHIVE_S = 6 * 3600.0
# On top of a container's own grace period: the engine's time to kill and clean up.
STOP_MARGIN_S = 30.0

Claims = Callable[[Mapping[str, object]], frozenset[str]]


@dataclass(slots=True)
class Places:
    """Which nodes bring a container to a condition, and which are the last that work on it."""

    ref: steps.ContainerRef
    name: str
    started: set[int] = field(default_factory=set)
    last: set[int] = field(default_factory=set)
    awaited: dict[tuple[Condition, bool], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A container's nodes on its way to the next version.

    ``begins`` are those that change something first, ``proof`` shows that the new one runs well, ``last`` is the end
    of it, and ``undone`` the way back.
    """

    change: Change
    begins: frozenset[int]
    proof: int
    last: int
    undone: int


class Site:
    """One plan's drafts and what they do to whom.

    ``made``: the node that makes a network, volume, content or image. ``places``: a container's nodes.
    ``settled``: by a volume's name, the node that ends its taking over of another's data.
    ``proofs``: the node after which a container has proved itself. ``replacements``: those of this plan.
    ``removed``: nodes that remove containers.
    ``runs``: the container of a run, by the node after which the run is over. ``listings``: the nodes after which a
    replica's address sends to it.
    """

    def __init__(
        self, installation: str, seal_key: bytes, claims: Claims, desired: DesiredState, observed: ObservedState
    ) -> None:
        self.installation = installation
        self.seal_key = seal_key
        self.claims = claims
        self.desired = desired
        self.observed = observed
        self.drafts = Drafts()
        self.made: dict[ResourceKey, int] = {}
        self.places: dict[ResourceKey, Places] = {}
        self.settled: dict[str, int] = {}
        self.proofs: dict[ResourceKey, int] = {}
        self.replacements: dict[ResourceKey, Replacement] = {}
        self.removed: list[int] = []
        self.runs: dict[int, steps.ContainerRef] = {}
        self.listings: dict[ResourceKey, set[int]] = {}
        self.wanted_claims = frozenset(
            claim for resource in desired.of_kind(Kind.CONTAINER) for claim in claims(resource.spec)
        )

    def add(
        self,
        step: steps.EngineStep,
        change: Change,
        needs: Iterable[int] = (),
        *,
        when: RunWhen = RunWhen.SUCCESS,
        timeout_s: float = CALL_S,
        waits: bool = False,
        tolerance: int = 0,
        pause_s: float = 0.0,
    ) -> int:
        """A new draft, caused by ``change``; its id."""
        cause = change.detail or change.reason.value.replace("-", " ")
        return self.drafts.add(
            step, change.key, cause, needs, when, timeout_s + pause_s, waits=waits, tolerance=tolerance, pause_s=pause_s
        )

    def turn(
        self, step: steps.EngineStep, change: Change, needs: Iterable[int], *, tolerance: int, pause_s: float
    ) -> int:
        """A draft that comes when its needs are over, unless more than ``tolerance`` of them went wrong."""
        return self.add(step, change, needs, when=RunWhen.ENDED, waits=True, tolerance=tolerance, pause_s=pause_s)

    def labels(self, want: Resource) -> dict[str, str]:
        """All labels of a new object: the manifest's, and ours above them."""
        own = labels_for(
            want.key,
            name=want.name,
            digest=want.digest,
            revision=self.desired.revision,
            installation=self.installation,
            seal_key=self.seal_key,
            wave=int(str(want.traits.get("wave") or 0)),
        )
        holder = section(want.spec, "Config") or want.spec
        return {**texts(holder.get("Labels")), **own}

    def replicas(self, need: Need) -> list[ResourceKey]:
        """The containers that a need means, in key order."""
        if need.key.kind is not Kind.CONTAINER:
            return []
        return [
            key for key in sorted(self.desired.resources) if key.kind is Kind.CONTAINER and key.name == need.key.name
        ]

    def object_needs(self, want: Resource) -> set[int]:
        """Nodes after which everything is there that a container is made of."""
        found = {self.made[need.key] for need in want.needs if need.key in self.made}
        for need in want.needs:
            if need.follows:
                for key in self.replicas(need):
                    place = self.places.get(key)
                    if place is not None:
                        found |= place.last
        return found
