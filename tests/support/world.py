"""A Docker engine in memory that can be made to fail: ports.Driver for EngineStep, without a daemon.

It keeps what the steps and the planner depend on: unique names, labels and their seals, ports and addresses that only
one running container can hold, networks with endpoints, volumes with contents, run states, and health that an image's
``Script`` decides. tests/contract runs the same suite on it and on the real driver, so that it cannot drift away.
"""

# ruff: noqa: C901 - an engine has that many rules

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.support.clock import FakeClock
from trimtab.backends.engine import addresses, labels, steps
from trimtab.backends.engine.convert import reveal
from trimtab.backends.engine.errors import Missing, PortTaken, Refused, Taken
from trimtab.backends.engine.labels import DIGEST
from trimtab.backends.engine.live import wave_of, weigh
from trimtab.backends.engine.normalise.mounts import CONTENT
from trimtab.backends.engine.waits import optionally
from trimtab.errors import (
    BackendUnavailable,
    Conflict,
    RegistryUnavailable,
    TrimtabError,
    UnhealthyRelease,
    UnsupportedByBackend,
)
from trimtab.model.events import EngineEvent
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import EngineFacts, Live, ObservedState, Own, Probe, Running, RunState
from trimtab.plan.canonical import canonical_json, fingerprint
from trimtab.ports import StepContext

SEAL_KEY = b"a key for tests, of 32 bytes....."
INSTALLATION = "test"
FILLING = ".filling"


@lru_cache(maxsize=100_000)
def _owner(found: frozenset[tuple[str, str]], name: str, seal_key: bytes, installation: str) -> ResourceKey | None:
    """The same labels say the same; most of a look at many objects would be spent on their seals."""
    return labels.identify(dict(found), name, seal_key=seal_key, installation=installation)


class Killed(BaseException):
    """The process died here: no handler of it may run on."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a program does: how it ends, and after how many looks its health check is of which opinion."""

    exits: int | None = None
    healthy: bool = True
    looks: int = 1
    on_stop: int = 0


@dataclass(slots=True, eq=False)
class Image:
    id: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Network:
    id: str
    name: str
    labels: dict[str, str]
    spec: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Volume:
    name: str
    labels: dict[str, str]
    spec: dict[str, Any] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)
    filling: bool = False
    created_at: Any = None

    def checksum(self) -> str:
        return hashlib.sha256(repr(sorted(self.data.items())).encode()).hexdigest()


@dataclass(slots=True, eq=False)
class Container:
    id: str
    name: str
    labels: dict[str, str]
    spec: dict[str, Any]
    image_id: str
    number: int
    script: Script
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: RunState = RunState.CREATED
    looks: int = 0
    exit_code: int | None = None
    starts: int = 0
    stopped_by_request: bool | None = None
    started_at: Any = None
    finished_at: Any = None
    proved: bool = False
    listed: tuple[str, ...] | None = None

    @property
    def up(self) -> bool:
        return self.status in {RunState.RUNNING, RunState.PAUSED, RunState.RESTARTING}


@dataclass(frozen=True, slots=True)
class Named:
    """A container that a step refers to beside its own."""

    container: steps.ContainerRef
    name: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens at one ``perform``. "lost": the effect takes place, but its answer never arrives."""

    error: BaseException
    when: str = "before"
    delay_s: float = 0.0


class World:
    """One engine. Everything on it is public: a test may do to it what a person with ``docker`` could."""

    target = "local"

    def __init__(
        self, clock: FakeClock | None = None, *, installation: str = INSTALLATION, seal_key: bytes = SEAL_KEY
    ) -> None:
        self.clock = clock or FakeClock()
        self.installation, self.seal_key = installation, seal_key
        self.containers: dict[str, Container] = {}
        self.networks: dict[str, Network] = {}
        self.volumes: dict[str, Volume] = {}
        self.images: dict[str, Image] = {}
        self.archives: dict[str, dict[str, bytes]] = {}
        self.unpullable: set[str] = set()
        self.image_configs: dict[str, Mapping[str, Any]] = {}
        self.scripts: dict[str, Script] = {}
        # (image, replica): that replica of it never becomes healthy.
        self.ill: set[tuple[str, str]] = set()
        self.faults: dict[int, Fault] = {}
        # The container that the controller under test runs in.
        self.own: Own | None = None
        self.down = False
        self.deaf = False
        self.reads = 0
        self.writes = 0
        self.performed: list[steps.EngineStep] = []
        self.made_here: set[str] = set()
        self.violations: list[str] = []
        # How many an address sent to, after each change.
        self.lists: list[int] = []
        self._count = 0
        self._listeners: list[Callable[[EngineEvent], None]] = []
        self._detached: dict[str, dict[str, dict[str, Any]]] = {}
        self._lock = threading.RLock()

    # -- ports.Driver --------------------------------------------------------------------------------------------

    def facts(self) -> EngineFacts:
        self._answer()
        return EngineFacts()

    def observe(self, app: AppKey | None = None, *, images: Sequence[str] = (), fresh: bool = False) -> ObservedState:
        with self._lock:
            self._answer()
            self.reads += 1
            for container in self.containers.values():
                if container.status is RunState.RUNNING:
                    self._look(container)
            live: dict[ResourceKey, list[Live]] = {}
            foreign: dict[tuple[Kind, str], str] = {}
            for kind, name, handle, found in self._objects():
                key = self.owner(found.labels, name) or self._renamed(handle, found.labels)
                if key is None or (app is not None and key.app != app):
                    foreign[kind, name] = handle
                else:
                    live.setdefault(key, []).append(self._live(key, kind, handle, found))
            ids = {ref: found.id if (found := self._image(ref)) else "" for ref in sorted(set(images))}
            # As the real one: the runs of jobs come and go without a plan that depends on them.
            weights = sorted(
                weigh(one, self.seal_key) for k, lives in live.items() if k.kind is not Kind.JOB for one in lives
            )
            weights += addresses.weights(one for lives in live.values() for one in lives)
            # As the real one: of all that others have, only what could be taken for ours moves the digest.
            prefixes = (f"{app.project}-", f"{app.project}_") if app else ("",)
            near = sorted(f"{kind}/{name}" for kind, name in foreign if app and name.startswith(prefixes))
            return ObservedState(
                target=self.target,
                taken_at=self.clock.now(),
                live={k: tuple(sorted(live[k], key=lambda one: (one.name, one.handle))) for k in sorted(live)},
                digest=fingerprint(self.seal_key, canonical_json([weights, near, ids])),
                foreign=foreign,
                images=ids,
                own=self.own,
            )

    def perform(self, step: steps.EngineStep, context: StepContext) -> Mapping[str, str]:
        with self._lock:
            self._count += 1
            fault = self.faults.get(self._count)
            if fault is not None:
                self.clock.advance(fault.delay_s)
                if fault.when == "before":
                    raise fault.error
            self._answer()
            self.performed.append(step)
            half = fault is not None and fault.when == "half"
            outputs = self._carry_out(step, context, half=half)
            if fault is not None:
                raise fault.error
            return outputs

    def tail(self, handle: str, lines: int) -> tuple[str, ...]:
        return ("bye",) if handle in self.containers else ()

    def watch(self, on_event: Callable[[EngineEvent], None]) -> Callable[[], None]:
        self._listeners.append(on_event)
        return lambda: self._listeners.remove(on_event) if on_event in self._listeners else None

    def close(self) -> None:
        self._listeners.clear()

    # -- what a test does to it ----------------------------------------------------------------------------------

    def owner(self, found: Mapping[str, str], name: str) -> ResourceKey | None:
        return _owner(frozenset(found.items()), name, self.seal_key, self.installation)

    def _renamed(self, handle: str, found: Mapping[str, str]) -> ResourceKey | None:
        """A container that was made here is known by its id, whatever a person calls it."""
        if handle not in self.made_here:
            return None
        return labels.made_for(found, seal_key=self.seal_key, installation=self.installation)

    def named(self, name: str) -> Container:
        return next(c for c in self.containers.values() if c.name == name)

    def has(self, name: str) -> bool:
        return any(c.name == name for c in self.containers.values())

    def of(self, app: AppKey) -> list[Container]:
        found = [c for c in self.containers.values() if (key := self.owner(c.labels, c.name)) and key.app == app]
        return sorted(found, key=lambda c: c.name)

    def fail_at(self, number: int, error: BaseException, when: str = "before") -> None:
        """Counted from now on: 1 is the next step."""
        self.faults[self._count + number] = Fault(error, when)

    def add_container(self, name: str, found: Mapping[str, str] = {}, **parts: Any) -> Container:
        """Somebody else's, running."""
        spec = {"Config": {"Image": "other:1"}, **parts}
        made = self._new_container(name, dict(found), spec)
        made.status = RunState.RUNNING
        return made

    def add_network(self, name: str, found: Mapping[str, str] = {}) -> Network:
        made = Network(self._id("n"), name, dict(found))
        self.networks[name] = made
        return made

    def add_volume(self, name: str, found: Mapping[str, str] = {}) -> Volume:
        made = Volume(name, dict(found), data={"theirs": name.encode()})
        self.volumes[name] = made
        return made

    def exit(self, container: Container, code: int) -> None:
        """The program ends by itself."""
        container.status, container.exit_code, container.stopped_by_request = RunState.EXITED, code, False
        container.finished_at = self.clock.now()

    def stop(self, container: Container) -> None:
        """A person stops it."""
        self._stop(container)

    def move_tag(self, ref: str) -> None:
        """A newer image of that name; the older one stays, and only its id names it."""
        old = self.images[ref]
        self.images[old.id] = old
        self.images[ref] = Image(f"sha256:{self._id('i')}", dict(old.config))

    def _image(self, ref: str) -> Image | None:
        return self.images.get(ref) or next((i for i in self.images.values() if i.id == ref), None)

    def forget_events(self) -> None:
        """A new controller did not see who stopped what."""
        self._listeners.clear()
        self._detached.clear()
        for container in self.containers.values():
            container.stopped_by_request = None

    def snapshot(self) -> str:
        """Everything that can be seen, for comparing before and after."""
        return repr(
            [
                *sorted(
                    (c.id, c.name, c.status, c.starts, repr(c.spec), repr(c.networks)) for c in self.containers.values()
                ),
                *sorted((n.id, n.name, repr(n.spec)) for n in self.networks.values()),
                *sorted((v.name, v.checksum()) for v in self.volumes.values()),
            ]
        )

    def contents(self) -> set[tuple[str, str, bytes]]:
        """What every volume holds, but content volumes, which can be made again from Git."""
        data = [v for v in self.volumes.values() if v.labels.get(labels.KIND) != Kind.CONTENT.value]
        return {(volume.name, path, held) for volume in data for path, held in [("", b""), *volume.data.items()]}

    # -- observing -----------------------------------------------------------------------------------------------

    def _answer(self) -> None:
        if self.down:
            raise BackendUnavailable("the engine does not answer", hint="is it running?")

    def _objects(self) -> Iterator[tuple[Kind, str, str, Any]]:
        for container in self.containers.values():
            yield Kind.CONTAINER, container.name, container.id, container
        for network in self.networks.values():
            yield Kind.NETWORK, network.name, network.id, network
        for volume in self.volumes.values():
            yield Kind.VOLUME, volume.name, volume.name, volume

    def _live(self, key: ResourceKey, kind: Kind, handle: str, found: Any) -> Live:
        digest = found.labels.get(DIGEST, "")
        revision = found.labels.get(labels.REVISION, "")
        if kind is Kind.CONTAINER:
            fields, inherited = self._fields(key, found)
            checked = self._check(found) is not None
            probe = Probe.NONE
            if checked and found.up:
                probe = Probe.STARTING
                if found.looks >= found.script.looks:
                    probe = Probe.HEALTHY if self._check(found) else Probe.UNHEALTHY
            running = Running(
                status=found.status,
                probe=probe,
                exit_code=found.exit_code if found.status is RunState.EXITED else None,
                started_at=found.started_at,
                finished_at=found.finished_at,
                stopped_by_request=found.stopped_by_request if found.status is RunState.EXITED else None,
            )
            return Live(
                key=key,
                handle=handle,
                name=found.name,
                digest=digest,
                revision=revision,
                fields=fields,
                inherited=inherited,
                running=running,
                image_id=found.image_id,
                renamed_from=labels.renamed_from(found.labels, found.name),
                created_at=None,
                listed=found.listed,
                wave=wave_of(found.labels),
            )
        fields = dict(found.spec)
        inherited = {}
        if kind is Kind.NETWORK:
            fields = {"Driver": "bridge", "IPAM": {"Config": [{"Subnet": f"172.{len(found.name)}.0.0/16"}]}, **fields}
            inherited = {"Driver": "bridge", "IPAM": {"Config": fields["IPAM"].get("Config")}}
        elif key.kind is Kind.VOLUME:
            digest = "" if found.filling else digest
            fields = {"Driver": "local", **fields}
            inherited = {"Driver": "local"}
        else:
            fields = {}
            digest = "" if found.filling else digest
        strangers = [
            c.name
            for c in self.containers.values()
            if kind is Kind.NETWORK and found.name in c.networks and self.owner(c.labels, c.name) is None
        ]
        if kind is Kind.VOLUME:
            theirs = [
                c
                for c in self.containers.values()
                if (own := self.owner(c.labels, c.name)) is None or own.app != key.app
            ]
            strangers = [c.name for c in theirs if c.name in self._users(found.name)]
        return Live(
            key=key,
            handle=handle,
            name=found.name,
            digest=digest,
            revision=revision,
            fields=fields,
            inherited=inherited,
            endpoints=tuple(sorted(strangers)),
            created_at=found.created_at if kind is Kind.VOLUME else None,
            copied_from=found.labels.get(labels.COPIED_FROM, ""),
        )

    def _fields(self, key: ResourceKey, container: Container) -> tuple[dict[str, Any], dict[str, Any]]:
        image = next((i for i in self.images.values() if i.id == container.image_id), None)
        given = {k: v for k, v in (image.config if image else {}).items() if v}
        config = dict(container.spec.get("Config") or {})
        fields_config = {**given, **{k: v for k, v in config.items() if v not in ([], {}, None)}}
        for part in ("Env", "Labels"):
            both = {**given.get(part, {}), **config.get(part, {})}
            if both:
                fields_config[part] = both
        if ports := sorted({*given.get("ExposedPorts", ()), *config.get("ExposedPorts", ())}):
            fields_config["ExposedPorts"] = ports
        host = {k: v for k, v in (container.spec.get("HostConfig") or {}).items() if v is not None}
        inherited_host: dict[str, Any] = {}
        if host.get("PidsLimit") in {0, -1}:
            del host["PidsLimit"]
        host.setdefault("RestartPolicy", {"Name": "no", "MaximumRetryCount": 0})
        if host["RestartPolicy"].get("Name") == "no":
            inherited_host["RestartPolicy"] = host["RestartPolicy"]
        if host.get("Memory"):
            host.setdefault("MemorySwap", 2 * host["Memory"])
            if host["MemorySwap"] == 2 * host["Memory"]:
                inherited_host["MemorySwap"] = host["MemorySwap"]
        for mode in ("NetworkMode", "PidMode", "IpcMode"):
            if mode in host:
                host[mode] = self._read_reference(key, str(host[mode]))
        if "VolumesFrom" in host:
            host["VolumesFrom"] = sorted(
                f"service:{service}:{s.partition(':')[2]}"
                if (service := self._service_of(key, s.partition(":")[0]))
                else s
                for s in host["VolumesFrom"]
            )
        fields = {
            "Config": fields_config,
            "HostConfig": host,
            "Mounts": dict(container.spec.get("Mounts") or {}),
            "Networks": {name: dict(endpoint) for name, endpoint in sorted(container.networks.items())},
        }
        inherited = {"Config": given, "HostConfig": inherited_host}
        return {k: v for k, v in fields.items() if v}, {k: v for k, v in inherited.items() if v}

    def _service_of(self, key: ResourceKey, handle: str) -> str:
        container = self.containers.get(handle)
        other = self.owner(container.labels, container.name) if container else None
        return other.name if other is not None and other.app == key.app else ""

    def _read_reference(self, key: ResourceKey, mode: str) -> str:
        service = self._service_of(key, mode.removeprefix("container:")) if mode.startswith("container:") else ""
        return f"container:service:{service}" if service else mode

    # -- programs ------------------------------------------------------------------------------------------------

    @staticmethod
    def _check(container: Container) -> bool | None:
        """What its health check says in the end; None without one."""
        test = (container.spec.get("Config") or {}).get("Healthcheck", {}).get("Test")
        if not test or test == ["NONE"]:
            return None
        return container.script.healthy and test[-1] != "false"

    def _look(self, container: Container) -> None:
        container.looks += 1
        if container.script.exits is not None and container.looks >= container.script.looks:
            self.exit(container, container.script.exits)

    def _script(self, config: Mapping[str, Any]) -> Script:
        command = list(config.get("Cmd") or ())
        if command[:2] == ["sh", "-c"] and command[2].startswith("exit "):
            return Script(exits=int(command[2].removeprefix("exit ")))
        return self.scripts.get(str(config.get("Image")), Script())

    # -- steps ---------------------------------------------------------------------------------------------------

    def _id(self, prefix: str) -> str:
        self._ids = getattr(self, "_ids", 0) + 1
        return prefix + hashlib.sha256(f"{prefix}{self._ids}".encode()).hexdigest()[:63]

    def _carry_out(self, step: steps.EngineStep, context: StepContext, *, half: bool) -> Mapping[str, str]:
        work: Any = getattr(self, f"_{type(step).__name__}")
        if isinstance(step, steps.CreateContent | steps.CopyVolume):
            outputs: Mapping[str, str] = work(step, context, half=half)
        else:
            outputs = work(step, context)
        return outputs

    def _wrote(self, kind: str, action: str, handle: str, name: str, found: Mapping[str, str]) -> None:
        self.writes += 1
        key = self.owner(found, name)
        if self.deaf:
            return
        event = EngineEvent(
            at=self.clock.now(), kind=kind, action=action, handle=handle, name=name, app=key.app if key else None
        )
        for listener in tuple(self._listeners):
            listener(event)

    def _PullImage(self, step: steps.PullImage, context: StepContext) -> Mapping[str, str]:
        if step.ref in self.unpullable:
            raise RegistryUnavailable(f"pull image {step.ref}: the registry has no such image")
        return self._new_image(step.ref)

    def _BuildImage(self, step: steps.BuildImage, context: StepContext) -> Mapping[str, str]:
        if step.ref not in context.builds:
            raise UnsupportedByBackend(f"build image {step.ref}: there are no instructions for it")
        return self._new_image(step.ref)

    def _new_image(self, ref: str) -> Mapping[str, str]:
        if ref not in self.images:
            self.images[ref] = Image(f"sha256:{self._id('i')}", self.image_configs.get(ref, {"Env": {"PATH": "/bin"}}))
            self._wrote("image", "pull", ref, ref, {})
        return {"image_id": self.images[ref].id}

    def _CreateNetwork(self, step: steps.CreateNetwork, context: StepContext) -> Mapping[str, str]:
        there = self.networks.get(step.name)
        if there is None:
            there = self.networks[step.name] = Network(self._id("n"), step.name, dict(step.labels), reveal(step.spec))
            self._wrote("network", "create", there.id, there.name, there.labels)
        elif self.owner(there.labels, there.name) is None:
            raise Taken(f"create network {step.name}: there is one of that name which is not ours")
        elif there.labels.get(DIGEST) != step.labels.get(DIGEST):
            raise Conflict(f"create network {step.name}: the one that is there is another version")
        return {"id": there.id}

    def _RemoveNetwork(self, step: steps.RemoveNetwork, context: StepContext) -> Mapping[str, str]:
        there = next((n for n in self.networks.values() if n.id == step.handle), None)
        if there is None:
            return {}
        attached = sorted(c.name for c in self.containers.values() if there.name in c.networks and c.up)
        if attached:
            raise Conflict(f"remove network {step.name}: still attached: {', '.join(attached)}")
        del self.networks[there.name]
        self._wrote("network", "destroy", there.id, there.name, there.labels)
        return {}

    def _CreateVolume(self, step: steps.CreateVolume, context: StepContext) -> Mapping[str, str]:
        there = self.volumes.get(step.name)
        if there is None:
            there = self.volumes[step.name] = Volume(
                step.name, dict(step.labels), reveal(step.spec), created_at=self.clock.now()
            )
            self._wrote("volume", "create", there.name, there.name, there.labels)
        if self.owner(there.labels, there.name) is None:
            raise Taken(f"create volume {step.name}: there is one of that name which is not ours")
        return {"name": step.name}

    def _users(self, volume: str) -> list[str]:
        return sorted(
            c.name
            for c in self.containers.values()
            for m in (c.spec.get("Mounts") or {}).values()
            if m.get("Type") == "volume" and m.get("Source") == volume
        )

    def _running_on(self, volume: str) -> list[str]:
        return [name for name in self._users(volume) if self.named(name).up]

    def _CopyVolume(self, step: steps.CopyVolume, context: StepContext, *, half: bool = False) -> Mapping[str, str]:
        there, source = self.volumes.get(step.name), self.volumes.get(step.source)
        if there is not None and self.owner(there.labels, there.name) is None:
            raise Taken(f"copy to volume {step.name}: there is one of that name which is not ours")
        if there is not None and not there.filling:
            return {"name": step.name}
        if source is None:
            raise Conflict(f"copy volume {step.source} to {step.name}: it is gone")
        if users := self._running_on(step.source):
            raise Conflict(f"copy volume {step.source}: {', '.join(users)} runs on it")
        if users := self._users(step.name):
            raise Conflict(f"copy to volume {step.name}: {', '.join(users)} uses it")
        data = dict(source.data) if not half else {}
        there = self.volumes[step.name] = Volume(
            step.name, dict(step.labels), reveal(step.spec), data, filling=True, created_at=self.clock.now()
        )
        self._wrote("volume", "create", there.name, there.name, there.labels)
        return {"name": step.name}

    def _SettleVolume(self, step: steps.SettleVolume, context: StepContext) -> Mapping[str, str]:
        if step.name in self.volumes:
            self.volumes[step.name].filling = False
        return {}

    def _RestoreContainers(self, step: steps.RestoreContainers, context: StepContext) -> Mapping[str, str]:
        for way in step.ways:
            new = way.replacement if isinstance(way, steps.RestoreContainer) else way.container
            self._DiscardContainer(steps.DiscardContainer(container=new, name=way.name), context)
        for way in step.ways:
            if isinstance(way, steps.RestoreContainer):
                self._RestoreContainer(way, context)
        return {}

    def _ArchiveVolume(self, step: steps.ArchiveVolume, context: StepContext) -> Mapping[str, str]:
        there = self.volumes.get(step.name)
        if there is None:
            return {"archive": "", "digest": ""}
        if users := self._users(step.name):
            raise Conflict(f"archive volume {step.name}: {', '.join(users)} uses it")
        self.archives[step.name] = dict(there.data)
        return {"archive": f"archives/{step.name}", "digest": there.checksum()}

    def _RemoveVolume(self, step: steps.RemoveVolume, context: StepContext) -> Mapping[str, str]:
        there = self.volumes.get(step.name)
        if there is None:
            return {}
        if users := self._users(step.name):
            raise Conflict(f"remove volume {step.name}: {', '.join(users)} uses it")
        if self.archives.get(step.name) != there.data or not context.outputs.get(step.archive, {}).get("archive"):
            raise Conflict(f"remove volume {step.name}: its archive is not whole")
        del self.volumes[step.name]
        self._wrote("volume", "destroy", there.name, there.name, there.labels)
        return {}

    def _CreateContent(
        self, step: steps.CreateContent, context: StepContext, *, half: bool = False
    ) -> Mapping[str, str]:
        files = context.contents[step.name]
        there = self.volumes.get(step.name)
        if there is not None and self.owner(there.labels, there.name) is None:
            raise Conflict(f"content volume {step.name}: there is a volume of that name which is not ours")
        if there is None or there.filling:
            there = self.volumes[step.name] = Volume(step.name, dict(step.labels), filling=half)
            self._wrote("volume", "create", there.name, there.name, there.labels)
            for file in files if not half else files[:1]:
                data = (
                    file.data
                    if file.data is not None
                    else (context.tree.read(file.tree_path) if context.tree and file.tree_path else b"")
                )
                there.data[file.path] = data
        return {"name": step.name}

    def _RemoveContent(self, step: steps.RemoveContent, context: StepContext) -> Mapping[str, str]:
        there = self.volumes.get(step.name)
        used = any(
            str(m.get("Source", "")).startswith(f"{CONTENT}{step.name}/")
            for c in self.containers.values()
            for m in (c.spec.get("Mounts") or {}).values()
        )
        if there is not None and not used:
            key = self.owner(there.labels, there.name)
            if key is None or key.kind is not Kind.CONTENT:
                raise Conflict(f"content volume {step.name}: there is a volume of that name which is not ours")
            del self.volumes[step.name]
            self._wrote("volume", "destroy", there.name, there.name, there.labels)
        return {}

    def _CreateContainer(self, step: steps.CreateContainer, context: StepContext) -> Mapping[str, str]:
        there = next((c for c in self.containers.values() if c.name == step.name), None)
        if there is not None:
            same = self.owner(there.labels, there.name) == step.key and there.labels.get(DIGEST) == step.labels.get(
                DIGEST
            )
            if not same:
                raise Taken(f"create container {step.name}: the name is held by container {there.id[:12]}")
            return {"id": there.id}
        spec = reveal(step.spec)
        image = str(spec["Config"]["Image"])
        if self._image(image) is None:
            raise Missing(f"create container {step.name}: image {image} is not on the engine")
        self._resolve(step.key, spec)
        for name in spec.get("Networks") or {}:
            if name not in self.networks:
                raise Missing(f"create container {step.name}: network {name} not found")
        for mount in (spec.get("Mounts") or {}).values():
            source = str(mount.get("Source") or "")
            content = source.removeprefix(CONTENT).partition("/")[0] if source.startswith(CONTENT) else ""
            if content and (content not in self.volumes or self.volumes[content].filling):
                raise Conflict(f"create container {step.name}: content volume {content} is not there")
            if mount.get("Type") == "volume" and source and source not in self.volumes:
                # As the engine does: a volume of that name, without labels.
                self.volumes[source] = Volume(source, {})
        made = self._new_container(step.name, {**spec["Config"].get("Labels", {}), **step.labels}, spec)
        if self.owner(made.labels, made.name) is not None:
            self.made_here.add(made.id)
        self._wrote("container", "create", made.id, made.name, made.labels)
        return {"id": made.id}

    def _new_container(self, name: str, found: dict[str, str], spec: dict[str, Any]) -> Container:
        image = self._image(str(spec["Config"]["Image"]))
        made = Container(
            self._id("c"),
            name,
            found,
            spec,
            image.id if image else "",
            len(self.containers),
            self._script(spec["Config"]),
        )
        if (str(spec["Config"]["Image"]), found.get(labels.REPLICA, "")) in self.ill:
            made.script = Script(healthy=False)
        made.networks = {n: dict(e or {}) for n, e in sorted((spec.get("Networks") or {}).items())}
        self.containers[made.id] = made
        return made

    def _resolve(self, key: ResourceKey, spec: dict[str, Any]) -> None:
        host = spec.setdefault("HostConfig", {})
        for mode in ("NetworkMode", "PidMode", "IpcMode"):
            if str(host.get(mode) or "").startswith("container:service:"):
                host[mode] = f"container:{self._container_of(key, host[mode].removeprefix('container:service:'))}"
        if host.get("VolumesFrom"):
            host["VolumesFrom"] = [
                f"{self._container_of(key, s.split(':')[1])}:{s.split(':')[2]}" if s.startswith("service:") else s
                for s in host["VolumesFrom"]
            ]

    def _container_of(self, key: ResourceKey, service: str) -> str:
        wanted = ResourceKey(key.app, Kind.CONTAINER, service, 1)
        found = [
            (c.status is RunState.RUNNING, c.number, c.id)
            for c in self.containers.values()
            if self.owner(c.labels, c.name) == wanted
        ]
        if not found:
            raise Conflict(f"{key.name} refers to service {service}, which has no container")
        return max(found)[2]

    # -- steps on a container ------------------------------------------------------------------------------------

    def _known(self, step: Any, context: StepContext) -> Container | None:
        ref = step.container
        handle = ref.handle if isinstance(ref, steps.Existing) else context.outputs.get(ref.node, {}).get("id")
        return self.containers.get(handle or "")

    def _the(self, step: Any, context: StepContext) -> Container:
        found = self._known(step, context)
        if found is None:
            raise Missing(f"container {step.name}: no such container")
        return found

    def claims(self, container: Container) -> set[str]:
        """What no other running container may hold."""
        found = set()
        for port, bindings in ((container.spec.get("HostConfig") or {}).get("PortBindings") or {}).items():
            found |= {
                f"{b['HostPort']}/{port.partition('/')[2]}"
                for b in bindings
                if b.get("HostPort") not in {"", "0", None}
            }
        return found | self._addresses(container.networks)

    @staticmethod
    def _addresses(networks: Mapping[str, Mapping[str, Any]]) -> set[str]:
        return {f"{e[f]} in {n}" for n, e in networks.items() for f in ("IPv4Address", "IPv6Address") if e.get(f)}

    def _start(self, container: Container) -> None:
        if container.up:
            return
        mode = str((container.spec.get("HostConfig") or {}).get("NetworkMode") or "")
        if mode.startswith("container:"):
            parent = self.containers.get(mode.removeprefix("container:"))
            if parent is None or not parent.up:
                raise Conflict(
                    f"start container {container.name}: cannot join the network of a container that does not run"
                )
        for name in container.networks:
            if name not in self.networks:
                raise Missing(f"start container {container.name}: network {name} not found")
        for other in self.containers.values():
            if other is not container and other.up and (shared := self.claims(other) & self.claims(container)):
                raise PortTaken(f"start container {container.name}: {min(shared)} is already in use")
        key = self.owner(container.labels, container.name)
        for volume in self._written(container):
            for other in self.containers.values():
                same = key is not None and self.owner(other.labels, other.name) == key
                if other is not container and other.up and same and volume in self._written(other):
                    self.violations.append(f"{container.name} and {other.name} both write {volume}")
            data = self.volumes[volume].data
            data.setdefault("made by the first to start", f"{container.id}{volume}".encode())
        container.status, container.looks, container.exit_code = RunState.RUNNING, 0, None
        container.starts += 1
        container.started_at = self.clock.now()
        container.stopped_by_request = None
        self._wrote("container", "start", container.id, container.name, container.labels)

    @staticmethod
    def _written(container: Container) -> list[str]:
        mounts = (container.spec.get("Mounts") or {}).values()
        return [m["Source"] for m in mounts if m.get("Type") == "volume" and m.get("Source") and not m.get("ReadOnly")]

    def _stop(self, container: Container) -> None:
        if container.up:
            container.status, container.exit_code = RunState.EXITED, container.script.on_stop
            container.stopped_by_request = True
            container.finished_at = self.clock.now()
            self._wrote("container", "die", container.id, container.name, container.labels)

    def _serves_nobody(self, container: Container) -> None:
        """Nobody stops what an address still sends connections to, except what is ill."""
        mine = self.owner(container.labels, container.name)
        for proxy in self.containers.values():
            key = self.owner(proxy.labels, proxy.name)
            ours = mine is not None and key is not None and key.app == mine.app and proxy.up and container.up
            if ours and addresses.short(container.id) in (proxy.listed or ()) and self._check(container) is not False:
                self.violations.append(f"{container.name} is stopped while {proxy.name} sends to it")

    def _delete(self, container: Container, *, force: bool) -> None:
        if container.up and not force:
            raise Taken(f"remove container {container.name}: it is running")
        del self.containers[container.id]
        self._wrote("container", "destroy", container.id, container.name, container.labels)

    def _name(self, container: Container, name: str) -> None:
        if container.name == name:
            return
        if self.has(name):
            raise Taken(f"rename container {container.name}: the name {name} is held by another")
        container.name = name
        self._wrote("container", "rename", container.id, name, container.labels)

    def _attach(self, container: Container, network: str, endpoint: Mapping[str, Any]) -> None:
        if network in container.networks:
            return
        if network not in self.networks:
            raise Missing(f"connect to network {network}: not found")
        wanted = self._addresses({network: endpoint})
        for other in self.containers.values():
            if other is not container and other.up and wanted & self._addresses(other.networks):
                raise Conflict(f"connect to network {network}: a fixed network address is already in use")
        container.networks[network] = reveal(endpoint)
        self._wrote("network", "connect", container.id, container.name, container.labels)

    def _StartContainer(self, step: steps.StartContainer, context: StepContext) -> Mapping[str, str]:
        container = self._the(step, context)
        self._start(container)
        return {"id": container.id}

    def _UnpauseContainer(self, step: steps.UnpauseContainer, context: StepContext) -> Mapping[str, str]:
        container = self._the(step, context)
        if container.status is RunState.PAUSED:
            container.status = RunState.RUNNING
            self._wrote("container", "unpause", container.id, container.name, container.labels)
        return {"id": container.id}

    def _StopContainer(self, step: steps.StopContainer, context: StepContext) -> Mapping[str, str]:
        if (container := self._known(step, context)) is not None:
            self._serves_nobody(container)
            self._stop(container)
        return {}

    def _RestartContainer(self, step: steps.RestartContainer, context: StepContext) -> Mapping[str, str]:
        container = self._the(step, context)
        self._serves_nobody(container)
        self._stop(container)
        self._start(container)
        return {"id": container.id}

    def _RemoveContainer(self, step: steps.RemoveContainer, context: StepContext) -> Mapping[str, str]:
        if (container := self._known(step, context)) is not None:
            self._delete(container, force=step.force)
        return {}

    def _RenameContainer(self, step: steps.RenameContainer, context: StepContext) -> Mapping[str, str]:
        container = self._the(step, context)
        self._name(container, step.name)
        return {"id": container.id}

    def _UpdateContainer(self, step: steps.UpdateContainer, context: StepContext) -> Mapping[str, str]:
        container = self._the(step, context)
        body = dict(reveal(step.host_config))
        for name, value in body.items():
            if value in (None, 0, "", []):
                raise UnsupportedByBackend(f"update container {step.name}: {name} cannot be taken away in place")
        container.spec["HostConfig"].update(body)
        self._wrote("container", "update", container.id, container.name, container.labels)
        return {"id": container.id}

    def _ConnectNetwork(self, step: steps.ConnectNetwork, context: StepContext) -> Mapping[str, str]:
        self._attach(self._the(step, context), step.network, step.endpoint)
        return {}

    def _DisconnectNetwork(self, step: steps.DisconnectNetwork, context: StepContext) -> Mapping[str, str]:
        container = self._known(step, context)
        if container is not None and step.network in container.networks:
            self._detached.setdefault(container.id, {})[step.network] = container.networks.pop(step.network)
            self._wrote("network", "disconnect", container.id, container.name, container.labels)
        return {}

    def _ExecHook(self, step: steps.ExecHook, context: StepContext) -> Mapping[str, str]:
        command = list(reveal(step.hook.get("command")) or ())
        if command[-1:] == ["false"] or command[-1:] == ["exit 3"]:
            raise UnhealthyRelease(f"post_start hook of {step.name} failed")
        self._the(step, context)
        return {}

    def _AwaitRunning(self, step: steps.AwaitRunning, context: StepContext) -> Mapping[str, str]:
        container = self._the(step, context)
        if container.up and container.script.exits is not None:
            self.exit(container, container.script.exits)
        finished = step.may_finish and container.status is RunState.EXITED and container.exit_code == 0
        if container.status is not RunState.RUNNING and not finished:
            raise self._ended(container, "exited right after its start")
        container.proved = True
        return {}

    def _AwaitHealthy(self, step: steps.AwaitHealthy, context: StepContext) -> Mapping[str, str]:
        return optionally(step.optional, context, lambda: self._healthy(step, context))

    def _healthy(self, step: steps.AwaitHealthy, context: StepContext) -> Mapping[str, str]:
        container = self._the(step, context)
        check = self._check(container)
        if container.script.exits is not None:
            self.exit(container, container.script.exits)
        if container.status is not RunState.RUNNING:
            raise self._ended(container, "exited before it became healthy")
        if check is None:
            raise UnhealthyRelease(f"container {step.name} has no health check, so it never becomes healthy")
        container.looks = max(container.looks, container.script.looks)
        if not check:
            raise UnhealthyRelease(f"container {step.name} is unhealthy", log_tail=("no answer",))
        container.proved = True
        return {}

    def _DrainContainer(self, step: steps.DrainContainer, context: StepContext) -> Mapping[str, str]:
        self.clock.advance(step.drain_s)
        return {}

    def _ListReplicas(self, step: steps.ListReplicas, context: StepContext) -> Mapping[str, str]:
        proxy = self._the(step, context)
        on = {self._the(Named(ref, step.name), context).id for ref in step.on}
        for one in on:
            new = self.containers[one]
            well = new.up and new.looks >= new.script.looks and self._check(new) is not False
            stays = step.whole and addresses.short(one) in (proxy.listed or ())
            if proxy.up and not well and not stays:
                self.violations.append(f"{proxy.name} sends to {new.name}, which has not proved itself")
        before = set(proxy.listed or ())
        arriving, leaving = {addresses.short(one) for one in on}, {addresses.short(one) for one in step.off}
        proxy.listed = tuple(sorted(arriving if step.whole else (before - leaving) | arriving))
        if before & leaving:
            self.clock.advance(step.drain_s)
        self.lists.append(len(proxy.listed))
        return {}

    def _AwaitTurn(self, step: steps.AwaitTurn, context: StepContext) -> Mapping[str, str]:
        self.clock.advance(step.delay_s)
        return {}

    def _AwaitCompleted(self, step: steps.AwaitCompleted, context: StepContext) -> Mapping[str, str]:
        return optionally(step.optional, context, lambda: self._completed(step, context))

    def _completed(self, step: steps.AwaitCompleted, context: StepContext) -> Mapping[str, str]:
        container = self._the(step, context)
        if container.up:
            self.exit(container, container.script.exits or 0)
        if container.exit_code != 0 and not step.any_end:
            raise self._ended(container, "failed")
        container.proved = True
        return {"log": "bye"} if step.keep_log else {}

    @staticmethod
    def _ended(container: Container, how: str) -> TrimtabError:
        if container.stopped_by_request:
            return Conflict(f"container {container.name} {how}: it was ended from outside")
        return UnhealthyRelease(f"container {container.name} {how}: exit code {container.exit_code}", log_tail=("bye",))

    def _DiscardContainer(self, step: steps.DiscardContainer, context: StepContext) -> Mapping[str, str]:
        if (container := self._known(step, context)) is not None:
            self._stop(container)
            self._delete(container, force=True)
        return {}

    def _EndRun(self, step: steps.EndRun, context: StepContext) -> Mapping[str, str]:
        container = self._known(step, context)
        ends = container is not None and container.up and context.terminated.is_set()
        if ends or step.discard:
            self._DiscardContainer(steps.DiscardContainer(container=step.container, name=step.name), context)
        return {"terminated": step.name, "log": "bye"} if ends else {}

    def _RestoreContainer(self, step: steps.RestoreContainer, context: StepContext) -> Mapping[str, str]:
        ref = step.replacement
        handle = ref.handle if isinstance(ref, steps.Existing) else context.outputs.get(ref.node, {}).get("id")
        if handle in self.containers:
            self._stop(self.containers[handle])
            self._delete(self.containers[handle], force=True)
        old = self._the(step, context)
        self._name(old, step.name)
        for network, endpoint in sorted(self._detached.pop(old.id, {}).items()):
            self._attach(old, network, endpoint)
        self._start(old)
        if step.again is not None:
            old.looks = old.script.looks
            self._ListReplicas(step.again, context)
        return {"id": old.id}


__all__ = ["Container", "Fault", "Image", "Killed", "Network", "Refused", "Script", "Volume", "World"]
