"""What the planner asks about engine objects: which of several counts, what differs, how to replace. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from trimtab.backends.engine import addresses
from trimtab.backends.engine.compare import compare
from trimtab.backends.engine.labels import staging_name
from trimtab.backends.engine.lifecycle import state_change
from trimtab.backends.engine.lower.reading import kept_volumes, update_rule
from trimtab.backends.engine.lower.site import Site
from trimtab.backends.engine.lower.traffic import rules
from trimtab.backends.engine.lower.whole import lower
from trimtab.backends.engine.render import RenderInputs, render
from trimtab.backends.engine.steps import EngineStep
from trimtab.model.application import Application
from trimtab.model.change import Change, FieldChange, Order
from trimtab.model.desired import DesiredState, ImageChoice, Resource
from trimtab.model.keys import Kind
from trimtab.model.observed import Live, ObservedState, RunState
from trimtab.model.plan import Node
from trimtab.model.snapshot import Tree
from trimtab.model.untyped import rows, section
from trimtab.plan.diff import Selection
from trimtab.plan.imagepins import IMAGE_TRAIT

# Source: moby volume/service: a volume without a name is called 64 random hex digits.
_ENGINE_NAMED = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDialect:
    """The engine's half of the planner; ``seal_key`` signs the labels of what is created."""

    installation: str
    seal_key: bytes
    # The last look and the names of its networks: each of its containers is compared with the same ones.
    _networks: list[tuple[ObservedState, frozenset[str]]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def select(self, want: Resource | None, lives: tuple[Live, ...], observed: ObservedState) -> Selection:
        """The object in service; a fitting newer one beside it is a replacement that was interrupted."""
        if len(lives) == 1:
            return Selection(current=lives[0])
        ranked = sorted(lives, key=_rank)
        if want is None or want.key.kind is not Kind.CONTAINER:
            ranked.sort(key=lambda live: want is not None and live.name != want.name)
            return Selection(current=ranked[0], extras=tuple(ranked[1:]))
        fitting = [live for live in ranked if all(field.in_place for field in self.compare(want, live, observed))]
        others = [live for live in ranked if live not in fitting]
        if fitting and others and fitting[0].name != want.name:
            return Selection(current=others[0], staged=fitting[0], extras=(*others[1:], *fitting[1:]))
        chosen = (*fitting, *others)
        return Selection(current=chosen[0], extras=chosen[1:])

    def compare(self, want: Resource, live: Live, observed: ObservedState) -> tuple[FieldChange, ...]:
        """Fields that differ, the image's identity included."""
        if want.key.kind is not Kind.CONTAINER:
            return compare(want, live)
        fields = (*compare(want, live, self._own_networks(observed)), *addresses.compare(want, live, observed))
        if rules(want).address:
            # Joining a network again without the service's name would cut what goes on: one after the other, instead.
            fields = tuple(replace(f, in_place=False) if f.path.endswith("/Aliases") else f for f in fields)
        if live.was is not None:
            # Labels cannot be changed, and they say whose it is: only another container is the new service's.
            was = FieldChange(path="/Service", attribute="service", before=live.was.name, after=want.key.name)
            fields = (*fields, was)
        elif not live.adopted and live.name not in {want.name, staging_name(want.name, live.digest)}:
            # Its labels carry the name that it was made for: under another one it would not be known as ours.
            # Renamed by somebody, it only needs that name back.
            back = live.renamed_from == want.name
            named = FieldChange(
                path="/Name", attribute="container_name", before=live.name, after=want.name, in_place=back
            )
            fields = (*fields, named)
        if live.running.status is RunState.DEAD:
            fields = (*fields, FieldChange(path="/State/Status", attribute="status", before="dead", after="running"))
        pinned = str(want.traits.get(IMAGE_TRAIT) or "")
        ref, live_ref = pinned or _image_ref(want.spec), _image_ref(live.fields)
        image_id = observed.images.get(ref, "")
        moved = image_id and live.image_id and image_id != live.image_id
        # Made from this very specification, but by its image's id: it stood in for a release that failed.
        by_id = want.digest == live.digest and live_ref.startswith("sha256:")
        # A reference of ours names its sources, so another id of it is the same thing built again.
        if moved and not want.traits.get("built") and (pinned or by_id or ref == live_ref):
            change = FieldChange(
                path="/Image",
                attribute="image",
                before=f"{ref} ({_short(live.image_id)})",
                after=f"{ref} ({_short(image_id)})",
                origin=want.origin("/Config/Image"),
            )
            return (*fields, change)
        return fields

    def _own_networks(self, observed: ObservedState) -> frozenset[str]:
        for known, names in self._networks:
            if known is observed:
                return names
        own = frozenset(one.name for key, ones in observed.live.items() if key.kind is Kind.NETWORK for one in ones)
        self._networks[:] = [(observed, own)]
        return own

    def state_change(self, want: Resource, live: Live) -> FieldChange | None:
        """What is wrong with how it runs."""
        return state_change(want, live) if want.key.kind is Kind.CONTAINER else None

    def order(self, want: Resource, live: Live, contested: frozenset[str]) -> tuple[Order, str]:
        """Start-first unless old and new would fight over something."""
        if want.key.kind is not Kind.CONTAINER:
            return Order.STOP_FIRST, ""
        if contested:
            return Order.STOP_FIRST, f"another container takes over {min(contested)}"
        shared = self.claims(want.spec) & self.claims(live.fields)
        if shared:
            return Order.STOP_FIRST, f"{min(shared)} can only be held once"
        rule = update_rule(want)
        chosen = rule.order
        if chosen == Order.STOP_FIRST.value:
            return Order.STOP_FIRST, f"deploy.{rule.section}.order says so"
        mode = str(section(want.spec, "HostConfig").get("NetworkMode") or "")
        if mode == "host" or mode.startswith("container:"):
            return Order.STOP_FIRST, "it shares another network namespace, where ports can only be held once"
        if chosen == Order.START_FIRST.value:
            return Order.START_FIRST, f"deploy.{rule.section}.order says so"
        volume = _writable_volume(want.spec) or _writable_volume({"Mounts": kept_volumes(want.spec, live)})
        if volume:
            return Order.STOP_FIRST, f"volume {volume} must not have two writers"
        return Order.START_FIRST, ""

    def claims(self, fields: Mapping[str, object]) -> frozenset[str]:
        """Published host ports and fixed addresses; of a network, its subnets."""
        found = set()
        pools = section(fields, "IPAM").get("Config")
        for pool in rows(pools):
            if pool.get("Subnet"):
                found.add(f"subnet {pool['Subnet']}")
        for port, bindings in section(section(fields, "HostConfig"), "PortBindings").items():
            protocol = port.partition("/")[2]
            for binding in rows(bindings):
                host_port = str(binding.get("HostPort") or "")
                if host_port and host_port != "0":
                    found.add(f"port {host_port}/{protocol}")
        for network, endpoint in section(fields, "Networks").items():
            for name in ("IPv4Address", "IPv6Address", "MacAddress"):
                if isinstance(endpoint, Mapping) and endpoint.get(name):
                    found.add(f"address {endpoint[name]} in {network}")
        return frozenset(found)

    def volumes(self, live: Live) -> frozenset[str]:
        """Engine names of the volumes that a container mounts."""
        mounts = section(live.fields, "Mounts").values()
        sources = (str(m.get("Source") or "") for m in mounts if isinstance(m, Mapping) and m.get("Type") == "volume")
        return frozenset(source for source in sources if source)

    def anonymous_volumes(self, live: Live) -> tuple[str, ...]:
        """Those that the engine named itself."""
        mounts = section(live.fields, "Mounts").values() if live.key.kind is Kind.CONTAINER else ()
        sources = (str(m.get("Source") or "") for m in mounts if isinstance(m, Mapping) and m.get("Type") == "volume")
        return tuple(sorted(source for source in sources if _ENGINE_NAMED.fullmatch(source)))

    def recreatable(self, kind: Kind) -> bool:
        """Everything but a volume, whose data would be lost."""
        return kind is not Kind.VOLUME

    def render(self, app: Application, tree: Tree, revision: str, images: Mapping[str, ImageChoice]) -> DesiredState:
        """Stage 4: what should be on the engine."""
        return render(app, RenderInputs(tree=tree, revision=revision, images=images, secret_key=self.seal_key))

    def lower(
        self, changes: Sequence[Change], desired: DesiredState, observed: ObservedState
    ) -> tuple[Node[EngineStep], ...]:
        """The steps that carry the changes out."""
        return lower(Site(self.installation, self.seal_key, self.claims, desired, observed), changes)


def _rank(live: Live) -> tuple[bool, bool, float, str]:
    running = live.running.status in {RunState.RUNNING, RunState.ABSENT}
    staged = live.name.rpartition("-")[2] == live.digest[:8]
    age = -live.created_at.timestamp() if live.created_at is not None else 0.0
    return (not running, staged, age, live.handle)


def _writable_volume(spec: Mapping[str, object]) -> str:
    for mount in section(spec, "Mounts").values():
        if (
            isinstance(mount, Mapping)
            and mount.get("Type") == "volume"
            and mount.get("Source")
            and not mount.get("ReadOnly")
        ):
            return str(mount["Source"])
    return ""


def _image_ref(spec: Mapping[str, object]) -> str:
    return str(section(spec, "Config").get("Image") or "")


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]
