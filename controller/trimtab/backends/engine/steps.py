"""The engine's own steps: a closed union, one small verb each, one engine call or one wait each. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.model.keys import ResourceKey


@dataclass(frozen=True, slots=True)
class Existing:
    """A container that is there already, by id."""

    handle: str


@dataclass(frozen=True, slots=True)
class CreatedBy:
    """The container that another node of the plan creates; its output "id"."""

    node: int


ContainerRef = Existing | CreatedBy


@dataclass(frozen=True, slots=True, kw_only=True)
class PullImage:
    """Fetch ``ref``; outputs "image_id"."""

    ref: str
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage:
    """Build ``ref`` from ``StepContext.builds[ref]``; outputs "image_id"."""

    ref: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNetwork:
    """Create a network; an existing one of ours with the same digest label is success. Outputs "id"."""

    name: str
    spec: Mapping[str, object]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNetwork:
    """Remove a network of ours; not found is success, endpoints in it are a Conflict."""

    handle: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolume:
    """Create a volume; an existing one of ours is success. Outputs "name"."""

    name: str
    spec: Mapping[str, object]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyVolume:
    """Create a volume with what ``source`` holds, and compare both; nothing may run on either. Outputs "name".

    It is provisional (observed without a digest) until ``SettleVolume``: one that is there provisionally is made anew,
    one that is settled is success.
    """

    name: str
    spec: Mapping[str, object]
    labels: Mapping[str, str]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleVolume:
    """A volume that took over data is no longer provisional; not provisional is success."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveVolume:
    """Write a volume that nothing uses to the data directory, and verify it. Outputs "archive", "digest".

    ``approval`` is the id that a person approved. A volume that is gone is success, with empty outputs.
    """

    name: str
    app: str
    approval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVolume:
    """Remove a volume of ours whose archive the node ``archive`` wrote; in use is a Conflict, gone is success."""

    name: str
    archive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateContent:
    """Create a content volume and fill it with ``StepContext.contents[name]``, all or nothing."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContent:
    """Remove a content volume that nothing uses any more; in use or not found is success."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateContainer:
    """Create (not start) a container and attach every network. Outputs "id".

    ``spec`` is a container Resource's spec, with its Secrets; ``labels`` are all labels.
    An existing container of that name with the same labels is success.
    """

    key: ResourceKey
    name: str
    spec: Mapping[str, object]
    labels: Mapping[str, str]
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer:
    """Start it; already running is success."""

    container: ContainerRef
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpauseContainer:
    """Unpause it; not paused is success."""

    container: ContainerRef
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopContainer:
    """Stop it (``pre_stop`` hooks first); stopped or gone is success. ``grace_s`` None: the container's own."""

    container: ContainerRef
    name: str
    grace_s: int | None = None
    pre_stop: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainContainer:
    """Let proxies forget it: called unhealthy (at most ``unready_s`` later), it goes on for ``drain_s`` seconds."""

    container: ContainerRef
    name: str
    drain_s: float
    unready_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReplicas:
    """Let the address ``container`` send new connections to ``on`` as well, and no longer to ``off``.

    ``whole``: to nobody but ``on``. It is over when the proxy works by it, and when what was taken off has had
    ``drain_s`` seconds for what is under way. One that does not run takes the list when it starts.
    """

    container: ContainerRef
    name: str
    ports: tuple[int, ...]
    on: tuple[ContainerRef, ...] = ()
    off: tuple[str, ...] = ()
    whole: bool = False
    drain_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartContainer:
    """Restart it."""

    container: ContainerRef
    name: str
    grace_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContainer:
    """Remove a stopped container of ours; gone or 'removal in progress' that ends is success.

    Its volumes stay, those without a name as well: they hold data. ``scratch``: those that were made with it and have
    no name go with it, as with what ``docker compose run --rm`` runs.
    """

    container: ContainerRef
    name: str
    force: bool = False
    scratch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameContainer:
    """Give it its final name; the same name already is success."""

    container: ContainerRef
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateContainer:
    """Change resources or restart policy in place (``/containers/{id}/update``); ``host_config`` holds just these."""

    container: ContainerRef
    name: str
    host_config: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectNetwork:
    """Attach to a network with this endpoint configuration; attached already is success."""

    container: ContainerRef
    name: str
    network: str
    endpoint: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectNetwork:
    """Detach from a network; not attached is success."""

    container: ContainerRef
    name: str
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecHook:
    """Run a ``post_start`` command inside; a non-zero exit fails the step."""

    container: ContainerRef
    name: str
    hook: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitRunning:
    """Still running ``settle_s`` seconds after its start (no health check). An exit fails with its last log lines.

    ``may_finish``: an end with 0 is as good, for what neither listens nor is restarted may be done.
    """

    container: ContainerRef
    name: str
    settle_s: float = 0.2
    may_finish: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitHealthy:
    """Health check says healthy. Unhealthy, an exit or the deadline fails, with the probe's output and last log.

    It has to go on saying so for ``settle_s`` seconds. ``optional``: what waits for it goes on all the same.
    """

    container: ContainerRef
    name: str
    settle_s: float = 0.0
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitCompleted:
    """Exited with 0. Another exit code fails with its last log lines, unless ``any_end`` will do.

    ``limit_s`` (0: none) counts from its start: what runs longer is stopped, and has failed. Outputs "log", its last
    lines, if ``keep_log``. ``optional``: what waits for it goes on all the same if it fails.
    """

    container: ContainerRef
    name: str
    optional: bool = False
    limit_s: float = 0.0
    any_end: bool = False
    keep_log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitTurn:
    """The next group of a service's containers has its turn ``delay_s`` seconds after the one before."""

    service: str
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardContainer:
    """Undo: stop and remove a new container that failed (nothing when it was never created)."""

    container: ContainerRef
    name: str
    grace_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRun:
    """Undo: a person ended the sync, so this run of a hook is stopped and removed.

    Outputs "terminated", its name, and "log". When nobody did, nothing happens, unless ``discard``: then a run that
    failed is removed, too.
    """

    container: ContainerRef
    name: str
    discard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreContainer:
    """Undo of a stop-first replacement: discard ``replacement``, start the old one under its name again.

    ``again``: once it runs, its service's address sends to it again.
    """

    container: Existing
    name: str
    replacement: ContainerRef
    grace_s: int | None = None
    again: ListReplicas | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreContainers:
    """Undo of several replacements that are one: first every new container is discarded, then each old one restored."""

    ways: tuple[RestoreContainer | DiscardContainer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Let a helper put ``replacement`` in the place of the container that this process runs in, and wait for the end.

    The end is this process's own. It fails when the helper has put this container back; then the replacement is gone.
    ``spec`` is that of the replacement, ``digest`` its digest.
    """

    key: ResourceKey
    container: Existing
    replacement: ContainerRef
    name: str
    digest: str
    spec: Mapping[str, object]
    grace_s: int
    deadline_s: float


EngineStep = (
    PullImage
    | BuildImage
    | CreateNetwork
    | RemoveNetwork
    | CreateVolume
    | CopyVolume
    | SettleVolume
    | ArchiveVolume
    | RemoveVolume
    | CreateContent
    | RemoveContent
    | CreateContainer
    | StartContainer
    | UnpauseContainer
    | DrainContainer
    | ListReplicas
    | StopContainer
    | RestartContainer
    | RemoveContainer
    | RenameContainer
    | UpdateContainer
    | ConnectNetwork
    | DisconnectNetwork
    | ExecHook
    | AwaitRunning
    | AwaitHealthy
    | AwaitCompleted
    | AwaitTurn
    | DiscardContainer
    | EndRun
    | RestoreContainer
    | RestoreContainers
    | HandOver
)
