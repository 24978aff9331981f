"""Stage 8: changes as a DAG of engine steps. Pure.

The order is made of needs only: an object's needs first, what lets go of a port before what takes it,
removals last, so that nothing is taken away before its successor has proved itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trimtab.backends.engine import steps
from trimtab.backends.engine.drafts import Drafts
from trimtab.backends.engine.fields import field_of
from trimtab.backends.engine.labels import labels_for, staging_name
from trimtab.model.change import Change, Order, Reason, Verb
from trimtab.model.desired import Condition, DesiredState, Need, Resource
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Probe, RunState
from trimtab.model.plan import Node, RunWhen
from trimtab.plan.fielddiff import unescape

# Deadlines of single steps, in seconds: what a healthy engine never needs. A build or pull has its own.
CALL_S = 60.0
START_S = 120.0
IMAGE_S = 600.0
# On top of a container's own grace period: the engine's time to kill and clean up.
STOP_MARGIN_S = 30.0

Claims = Callable[[Mapping[str, object]], frozenset[str]]


@dataclass(slots=True)
class _Places:
    """Which nodes bring a container to a condition, and which are the last that work on it."""

    ref: steps.ContainerRef
    name: str
    started: set[int] = field(default_factory=set)
    last: set[int] = field(default_factory=set)
    awaited: dict[Condition, int] = field(default_factory=dict)


class Lowering:
    """One plan's lowering; ``lower`` may be called once."""

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
        self.places: dict[ResourceKey, _Places] = {}
        self.proofs: dict[ResourceKey, int] = {}
        self.removed: list[int] = []
        self.wanted_claims = frozenset(
            claim for resource in desired.of_kind(Kind.CONTAINER) for claim in claims(resource.spec)
        )

    def lower(self, changes: Sequence[Change]) -> tuple[Node[steps.EngineStep], ...]:
        """Nodes in an order in which every need stands before its dependents."""
        acting = [change for change in changes if change.acts]
        by_key = {change.key: change for change in acting}
        for change in self._of(acting, Kind.IMAGE):
            self._image(change)
        for kind in (Kind.NETWORK, Kind.VOLUME, Kind.CONTENT):
            for change in self._of(acting, kind):
                self._object(change)
        for key in self._start_order(by_key):
            self._container(by_key[key])
        settled = {node for place in self.places.values() for node in place.last}
        for change in self._of(acting, Kind.CONTAINER):
            if change.verb is Verb.DELETE:
                self._remove_container(change, settled)
        self.drafts.hand_over()
        self._images_first()
        self._remove_objects(acting, settled | set(self.removed))
        return self.drafts.in_order()

    def _remove_objects(self, acting: Iterable[Change], everything: set[int]) -> None:
        """Last of all, what no container is attached to any more."""
        for change in self._of(acting, Kind.NETWORK):
            gone = (change.before,) if change.verb is Verb.DELETE and change.before else ()
            for live in (*gone, *change.extras):
                if not live.endpoints:
                    self._add(steps.RemoveNetwork(handle=live.handle, name=live.name), change, everything)
        for change in self._of(acting, Kind.CONTENT):
            if change.verb is Verb.DELETE and change.before:
                self._add(steps.RemoveContent(name=change.before.name), change, everything)

    def _images_first(self) -> None:
        """A release whose image cannot be had changes nothing that runs."""
        images = {d.id for d in self.drafts if isinstance(d.step, steps.PullImage | steps.BuildImage)}
        harmless = (steps.PullImage, steps.BuildImage, steps.CreateNetwork, steps.CreateVolume, steps.CreateContent)
        for draft in self.drafts:
            if not draft.needs and not isinstance(draft.step, harmless):
                draft.needs |= images

    @staticmethod
    def _of(changes: Iterable[Change], kind: Kind) -> list[Change]:
        return [change for change in changes if change.key.kind is kind]

    def _add(
        self,
        step: steps.EngineStep,
        change: Change,
        needs: Iterable[int] = (),
        *,
        when: RunWhen = RunWhen.SUCCESS,
        timeout_s: float = CALL_S,
        waits: bool = False,
    ) -> int:
        cause = change.detail or change.reason.value.replace("-", " ")
        return self.drafts.add(step, change.key, cause, needs, when, timeout_s, waits=waits)

    def _labels(self, want: Resource) -> dict[str, str]:
        own = labels_for(
            want.key,
            name=want.name,
            digest=want.digest,
            revision=self.desired.revision,
            installation=self.installation,
            seal_key=self.seal_key,
        )
        spec_labels = want.spec.get("Labels")
        config = want.spec.get("Config")
        if isinstance(config, Mapping):
            spec_labels = config.get("Labels")
        user = {str(k): str(v) for k, v in spec_labels.items()} if isinstance(spec_labels, Mapping) else {}
        return {**user, **own}

    def _image(self, change: Change) -> None:
        want = _wanted(change)
        same = [
            d.id
            for d in self.drafts
            if isinstance(d.step, steps.PullImage | steps.BuildImage) and d.step.ref == want.name
        ]
        if same:
            self.made[change.key] = same[0]
            return
        step: steps.EngineStep
        if change.verb is Verb.BUILD:
            step = steps.BuildImage(ref=want.name)
        else:
            step = steps.PullImage(ref=want.name, platform=str(want.traits.get("platform") or ""))
        self.made[change.key] = self._add(step, change, timeout_s=IMAGE_S)

    def _object(self, change: Change) -> None:
        if change.verb not in {Verb.CREATE, Verb.REPLACE}:
            return
        want = _wanted(change)
        labels = self._labels(want)
        match change.key.kind:
            case Kind.NETWORK:
                needs = self._empty_network(change) if change.verb is Verb.REPLACE else set()
                node = self._add(steps.CreateNetwork(name=want.name, spec=want.spec, labels=labels), change, needs)
            case Kind.VOLUME:
                node = self._add(steps.CreateVolume(name=want.name, spec=want.spec, labels=labels), change)
            case _:
                node = self._add(steps.CreateContent(name=want.name, labels=labels), change)
        self.made[change.key] = node

    def _empty_network(self, change: Change) -> set[int]:
        """Detach every container of ours and remove the old network."""
        live = _present(change)
        left = set()
        for key in sorted(self.observed.live):
            for container in self.observed.live[key] if key.kind is Kind.CONTAINER else ():
                networks = container.fields.get("Networks")
                if isinstance(networks, Mapping) and live.name in networks:
                    step = steps.DisconnectNetwork(
                        container=steps.Existing(container.handle), name=container.name, network=live.name
                    )
                    left.add(self._add(step, change))
        gone = self._add(steps.RemoveNetwork(handle=live.handle, name=live.name), change, left)
        return {gone}

    def _start_order(self, by_key: Mapping[ResourceKey, Change]) -> list[ResourceKey]:
        """Containers to work on, dependencies first; cycles were refused when the manifests were read."""
        done: list[ResourceKey] = []
        visiting: set[ResourceKey] = set()

        def visit(key: ResourceKey) -> None:
            if key in visiting or key in done:
                return
            visiting.add(key)
            for need in self.desired.resources[key].needs if key in self.desired.resources else ():
                for other in self._replicas(need):
                    visit(other)
            done.append(key)

        for key in sorted(self.desired.resources):
            if key.kind is Kind.CONTAINER:
                visit(key)
        return [key for key in done if key in by_key and by_key[key].verb is not Verb.DELETE]

    def _replicas(self, need: Need) -> list[ResourceKey]:
        if need.key.kind is not Kind.CONTAINER:
            return []
        return [
            key for key in sorted(self.desired.resources) if key.kind is Kind.CONTAINER and key.name == need.key.name
        ]

    def _container(self, change: Change) -> None:
        match change.verb:
            case Verb.CREATE:
                self._create(change)
            case Verb.REPLACE:
                self._replace(change)
            case Verb.UPDATE:
                self._update(change)
            case _:
                return

    def _object_needs(self, want: Resource) -> set[int]:
        found = {self.made[need.key] for need in want.needs if need.key in self.made}
        for need in want.needs:
            if need.follows:
                for key in self._replicas(need):
                    place = self.places.get(key)
                    if place is not None:
                        found |= place.last
        return found

    def _conditions(self, change: Change, want: Resource) -> set[int]:
        """Nodes after which every service that ``want`` waits for is in the state it waits for."""
        found: set[int] = set()
        for need in want.needs:
            for key in self._replicas(need):
                found |= self._condition(change, key, need.condition)
        return found

    def _condition(self, change: Change, key: ResourceKey, condition: Condition) -> set[int]:
        place = self.places.get(key)
        if place is None:
            live = min(
                self.observed.live.get(key, ()),
                key=lambda found: (found.running.status is not RunState.RUNNING, found.handle),
                default=None,
            )
            if live is None or condition is Condition.STARTED or _meets(live, condition):
                return set()
            place = self.places.setdefault(key, _Places(ref=steps.Existing(live.handle), name=live.name))
        if condition in {Condition.STARTED, Condition.EXISTS}:
            return set(place.started)
        if condition not in place.awaited:
            waiting: steps.EngineStep
            if condition is Condition.HEALTHY:
                waiting = steps.AwaitHealthy(container=place.ref, name=place.name)
            else:
                waiting = steps.AwaitCompleted(container=place.ref, name=place.name)
            own = self.desired.resources[key]
            place.awaited[condition] = self._add(waiting, change, place.started, timeout_s=_deadline_s(own), waits=True)
            place.last = place.last | {place.awaited[condition]}
        return {place.awaited[condition]}

    def _create_step(self, change: Change, name: str) -> int:
        want = _wanted(change)
        kept = kept_volumes(want.spec, change.before) if change.before is not None else {}
        mounts = want.spec.get("Mounts")
        step = steps.CreateContainer(
            key=want.key,
            name=name,
            spec={**want.spec, "Mounts": {**(mounts if isinstance(mounts, Mapping) else {}), **kept}}
            if kept
            else want.spec,
            labels=self._labels(want),
            platform=str(want.traits.get("platform") or ""),
        )
        return self._add(step, change, self._object_needs(want))

    def _start(self, change: Change, ref: steps.ContainerRef, needs: set[int]) -> tuple[int, set[int]]:
        """Start and ``post_start`` hooks; the start node and the nodes after which it counts as started."""
        want = _wanted(change)
        start = self._add(steps.StartContainer(container=ref, name=want.name), change, needs, timeout_s=START_S)
        last = {start}
        hooks = want.traits.get("post_start")
        for hook in hooks if isinstance(hooks, tuple) else ():
            last = {
                self._add(steps.ExecHook(container=ref, name=want.name, hook=hook), change, last, timeout_s=IMAGE_S)
            }
        return start, last

    def _create(self, change: Change) -> None:
        want = _wanted(change)
        # A service that was renamed may keep its container_name, which another container of ours has until it goes.
        containers = [one for key, lives in self.observed.live.items() if key.kind is Kind.CONTAINER for one in lives]
        held = any(live.name == want.name for live in containers)
        create = self._create_step(change, staging_name(want.name, want.digest) if held else want.name)
        ref = steps.CreatedBy(create)
        start, started = self._start(change, ref, {create, *self._conditions(change, want)})
        last = set(started)
        if held:
            last = {self._prove(change, ref, started)}
            self.drafts.renames(
                self._add(steps.RenameContainer(container=ref, name=want.name), change, last), want.name
            )
        self.drafts.takes(start, self.claims(want.spec) | _volumes(want.spec))
        self.places[change.key] = _Places(ref=ref, name=want.name, started=started, last=last)

    def _replace(self, change: Change) -> None:
        want, old = _wanted(change), _present(change)
        created: set[int] = set()
        extras, staging = list(change.extras), staging_name(want.name, want.digest)
        ref: steps.ContainerRef
        if change.staged is not None:
            ref = steps.Existing(change.staged.handle)
        else:
            create = self._create_step(change, staging)
            ref, created = steps.CreatedBy(create), {create}
            for extra in [extra for extra in extras if extra.name == staging]:
                # An interrupted sync left it, and it would be taken for the new one.
                extras.remove(extra)
                self.drafts.need(create, {self._discard_extra(change, extra, set())})
        conditions = self._conditions(change, want)
        up = old.running.status in {RunState.RUNNING, RunState.RESTARTING, RunState.PAUSED}
        stop_first = change.order is Order.STOP_FIRST
        stop: int | None = None
        if up and stop_first:
            # Replicas that have to stop first do so one after another: the others serve.
            before = self.proofs.get(replace(want.key, replica=want.key.replica - 1))
            needs = {*created, *conditions, *self._object_needs(want), *({before} if before else ())}
            stop = self._stop(change, old, needs)
            self.drafts.releases(stop, self.claims(old.fields))
        start, started = self._start(change, ref, {*created, *conditions, *({stop} if stop else ())})
        proof = self.proofs[want.key] = self._prove(change, ref, started)
        if up and not stop_first:
            stop = self._stop(change, old, {proof})
        undo_needs = {start, *started, proof, *({stop} if stop and stop_first else ())}
        undo: steps.EngineStep
        if stop_first and (up or change.staged is not None):
            # With a replacement there already, it was an interrupted sync that stopped the old one.
            undo = steps.RestoreContainer(
                container=steps.Existing(old.handle), name=old.name, replacement=ref, grace_s=_grace_s(want)
            )
        else:
            undo = steps.DiscardContainer(container=ref, name=want.name, grace_s=_grace_s(want))
        undone = self._add(
            undo, change, undo_needs, when=RunWhen.FAILURE, timeout_s=_grace_s(want) + STOP_MARGIN_S + START_S
        )
        removed = self._remove(change, old, {proof, *({stop} if stop else ())})
        for extra in extras:
            self._discard_extra(change, extra, {proof})
        renamed = self._add(steps.RenameContainer(container=ref, name=want.name), change, {removed})
        self.drafts.renames(renamed, want.name)
        self.drafts.takes(start, self.claims(want.spec), undone)
        self.places[change.key] = _Places(ref=ref, name=want.name, started=started, last={renamed})

    def _prove(self, change: Change, ref: steps.ContainerRef, started: set[int]) -> int:
        want = _wanted(change)
        proof: steps.EngineStep
        if want.traits.get("job"):
            proof = steps.AwaitCompleted(container=ref, name=want.name)
        elif want.traits.get("checked"):
            proof = steps.AwaitHealthy(container=ref, name=want.name)
        else:
            settle = want.traits.get("settle_s")
            proof = steps.AwaitRunning(
                container=ref,
                name=want.name,
                settle_s=float(settle) if isinstance(settle, int | float) else 0.0,
                may_finish=bool(want.traits.get("may_finish")),
            )
        return self._add(proof, change, started, timeout_s=_deadline_s(want), waits=True)

    def _stop(self, change: Change, live: Live, needs: Iterable[int]) -> int:
        want = change.after
        grace_s = _grace_s(want)
        hooks = want.traits.get("pre_stop") if want is not None else ()
        step = steps.StopContainer(
            container=steps.Existing(live.handle),
            name=live.name,
            # None: the container's own StopTimeout, which it was created with.
            grace_s=None,
            pre_stop=hooks if isinstance(hooks, tuple) else (),
        )
        return self._add(step, change, needs, timeout_s=grace_s + STOP_MARGIN_S)

    def _update(self, change: Change) -> None:
        want, live = _wanted(change), _present(change)
        ref = steps.Existing(live.handle)
        last: set[int] = set()
        host_config = self._host_config(change, want)
        if host_config:
            last.add(self._add(steps.UpdateContainer(container=ref, name=live.name, host_config=host_config), change))
        last |= self._rejoin(change, want, live, ref)
        start: int | None = None
        states = {field.path for field in change.fields}
        if "/State/Status" in states:
            needs = {*last, *self._conditions(change, want), *self._object_needs(want)}
            if live.running.status is RunState.PAUSED:
                last = {self._add(steps.UnpauseContainer(container=ref, name=live.name), change, needs)}
            else:
                start, last = self._start(change, ref, needs)
        elif change.reason is Reason.DEPENDENCY_REPLACED:
            needs = {*last, *self._conditions(change, want)}
            step = steps.RestartContainer(container=ref, name=live.name, grace_s=_grace_s(want))
            last = {self._add(step, change, needs, timeout_s=_grace_s(want) + STOP_MARGIN_S + START_S)}
        started = set(last)
        for extra in change.extras:
            self._discard_extra(change, extra, started)
        if live.name != want.name:
            renamed = self._add(steps.RenameContainer(container=ref, name=want.name), change, last)
            self.drafts.renames(renamed, want.name)
            last = {renamed}
        if start is not None:
            self.drafts.takes(start, self.claims(want.spec))
        self.places[change.key] = _Places(ref=ref, name=want.name, started=started, last=last)

    @staticmethod
    def _host_config(change: Change, want: Resource) -> dict[str, object]:
        wanted = want.spec.get("HostConfig")
        wanted = wanted if isinstance(wanted, Mapping) else {}
        body: dict[str, object] = {}
        for changed in change.fields:
            if changed.path.startswith("/HostConfig/"):
                name = changed.path.split("/")[2]
                body[name] = wanted[name] if name in wanted else field_of(f"/HostConfig/{name}").unset
        if ("Memory" in body or "MemorySwap" in body) and "MemorySwap" not in wanted:
            # Source: moby daemon: without a swap limit it is twice the memory, and an update must not go below either.
            memory = wanted.get("Memory")
            body["MemorySwap"] = 2 * memory if isinstance(memory, int) else None
        return body

    def _rejoin(self, change: Change, want: Resource, live: Live, ref: steps.ContainerRef) -> set[int]:
        """Connect and disconnect networks so that they are as wanted."""
        wanted = want.spec.get("Networks")
        wanted = wanted if isinstance(wanted, Mapping) else {}
        has = live.fields.get("Networks")
        has = has if isinstance(has, Mapping) else {}
        touched = {unescape(field.path.split("/")[2]) for field in change.fields if field.path.startswith("/Networks/")}
        # A network that is made anew has let go of everyone already.
        anew = {
            self.desired.resources[need.key].name
            for need in want.needs
            if need.key.kind is Kind.NETWORK and need.key in self.made
        }
        if change.reason is Reason.NETWORK_REPLACED:
            touched |= anew
        nodes: set[int] = set()
        needs = self._object_needs(want)
        for network in sorted(touched):
            before: set[int] = set(needs)
            if network in has and network not in anew:
                step = steps.DisconnectNetwork(container=ref, name=live.name, network=network)
                left = self._add(step, change, before)
                self.drafts.releases(left, self.claims({"Networks": {network: has[network]}}))
                before = {left}
                nodes |= before
            if network in wanted:
                endpoint = wanted[network]
                connect = steps.ConnectNetwork(
                    container=ref,
                    name=live.name,
                    network=network,
                    endpoint=endpoint if isinstance(endpoint, Mapping) else {},
                )
                joined = self._add(connect, change, before)
                self.drafts.takes(joined, self.claims({"Networks": {network: endpoint}}))
                nodes.add(joined)
        return nodes

    def _remove(self, change: Change, live: Live, needs: Iterable[int]) -> int:
        node = self._add(steps.RemoveContainer(container=steps.Existing(live.handle), name=live.name), change, needs)
        self.drafts.frees(node, live.name)
        return node

    def _discard_extra(self, change: Change, extra: Live, proved: set[int]) -> int:
        """Remove what is there once too often, when the one that stays has proved itself."""
        held = self.claims(extra.fields) & self.wanted_claims
        stop = self._stop(change, extra, () if held else proved)
        self.drafts.releases(stop, held)
        removed = self._remove(change, extra, {stop, *proved})
        self.removed.append(removed)
        return removed

    def _remove_container(self, change: Change, settled: set[int]) -> None:
        taken = self.drafts.taken | self.wanted_claims
        for live in (_present(change), *change.extras):
            # What holds a port that another wants, or writes to a volume that a new one writes to, stops first.
            held = (self.claims(live.fields) | _volumes(live.fields)) & taken
            stop = self._stop(change, live, () if held else settled)
            self.drafts.releases(stop, held)
            self.removed.append(self._remove(change, live, {stop, *settled}))


def kept_volumes(spec: Mapping[str, object], old: Live) -> dict[str, object]:
    """The anonymous volumes of a container that its replacement goes on with, as mounts by target.

    They are those of the old one that the manifest mounts without a source, or that its image asked for.
    """
    mounts, wanted = old.fields.get("Mounts"), spec.get("Mounts")
    wanted = wanted if isinstance(wanted, Mapping) else {}
    inherited = old.inherited.get("Mounts")
    asked = set(inherited) if isinstance(inherited, Mapping) else set()
    kept: dict[str, object] = {}
    for target, mount in sorted(mounts.items()) if isinstance(mounts, Mapping) else ():
        if not isinstance(mount, Mapping) or mount.get("Type") != "volume" or not mount.get("Source"):
            continue
        own = wanted.get(target)
        if (own is None and target in asked) or (
            isinstance(own, Mapping) and own.get("Type") == "volume" and not own.get("Source")
        ):
            kept[target] = {**(own if isinstance(own, Mapping) else {}), "Type": "volume", "Source": mount["Source"]}
    return kept


def _wanted(change: Change) -> Resource:
    if change.after is None:
        message = f"{change.verb} of {change.key} without what is wanted"
        raise ValueError(message)
    return change.after


def _present(change: Change) -> Live:
    if change.before is None:
        message = f"{change.verb} of {change.key} without what is there"
        raise ValueError(message)
    return change.before


def _meets(live: Live, condition: Condition) -> bool:
    running = live.running
    if condition is Condition.HEALTHY:
        return running.status is RunState.RUNNING and running.probe is Probe.HEALTHY
    if condition is Condition.COMPLETED:
        return running.status is RunState.EXITED and running.exit_code == 0
    return True


def _volumes(fields: Mapping[str, object]) -> frozenset[str]:
    """Named volumes that a container writes to."""
    mounts = fields.get("Mounts")
    found = [mount for mount in mounts.values() if isinstance(mount, Mapping)] if isinstance(mounts, Mapping) else []
    named = [mount for mount in found if mount.get("Type") == "volume" and mount.get("Source")]
    return frozenset(f"volume {mount['Source']}" for mount in named if not mount.get("ReadOnly"))


def _grace_s(want: Resource | None) -> int:
    value = want.traits.get("grace_s") if want is not None else None
    return value if isinstance(value, int) else 10


def _deadline_s(want: Resource) -> float:
    value = want.traits.get("timeout_s")
    return float(value) if isinstance(value, int | float) else 600.0
