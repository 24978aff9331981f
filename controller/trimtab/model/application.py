"""An application as its manifests describe it, resolved: defaults filled in, files merged, variables replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from trimtab.model.diagnostics import Origin
from trimtab.model.drift import DriftPolicy
from trimtab.model.jobs import JobSettings
from trimtab.model.keys import AppKey
from trimtab.model.windows import SyncWindow

# A place inside a compose model: ("services", "api", "ports", 0).
Pointer = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeProject:
    """A compose model in the long form that ``docker compose config`` prints.

    Paths (``build.context``, bind sources of the repository, ``file:`` of configs and secrets)
    are repository-relative POSIX paths that start with "./"; absolute ones are the engine's host's.
    Only enabled services (profiles) are listed. ``origins`` maps pointers, coarse to fine, to places.
    ``environment`` holds the variables that interpolation saw.
    """

    name: str
    services: Mapping[str, Mapping[str, object]]
    networks: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    volumes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    configs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    extensions: Mapping[str, object] = field(default_factory=dict)
    origins: Mapping[Pointer, Origin] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def origin(self, *pointer: str | int) -> Origin | None:
        """The place of ``pointer``, or of its nearest ancestor that is known."""
        for end in range(len(pointer), -1, -1):
            if (found := self.origins.get(pointer[:end])) is not None:
                return found
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRef:
    """Where an application's files are, when not beside its manifest."""

    repo_url: str
    target_revision: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Seconds between tries: ``duration_s`` times ``factor`` for each try, at most ``max_duration_s``."""

    duration_s: float = 5.0
    factor: float = 2.0
    max_duration_s: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPolicy:
    """How an application follows Git; names as in Argo CD. ``retry_limit`` -1 is without end."""

    automated: bool = True
    prune: bool = True
    self_heal: bool = True
    allow_empty: bool = False
    retry_limit: int = -1
    backoff: Backoff = Backoff()
    drift: DriftPolicy = field(default_factory=DriftPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend:
    """A deliberate stop: nothing is changed while ``enabled`` and before ``until``."""

    enabled: bool = False
    reason: str = ""
    until: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreDifference:
    """Fields of some objects that are not ours to repair, as JSON pointers into ``docker inspect``'s shape."""

    kind: str
    name: str = ""
    json_pointers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A rename that keeps the data."""

    kind: str
    from_name: str
    to_name: str


class HookPhase(StrEnum):
    """When in a sync a hook runs; Argo CD's words."""

    PRE_SYNC = "PreSync"
    SYNC = "Sync"
    POST_SYNC = "PostSync"
    SYNC_FAIL = "SyncFail"
    PRE_DELETE = "PreDelete"
    POST_DELETE = "PostDelete"


class HookDeletePolicy(StrEnum):
    """When a hook's container is removed; Argo CD's words."""

    BEFORE_HOOK_CREATION = "BeforeHookCreation"
    HOOK_SUCCEEDED = "HookSucceeded"
    HOOK_FAILED = "HookFailed"


class RolloutStrategy(StrEnum):
    """How the containers of a service are replaced."""

    ROLLING = "rolling"
    BLUE_GREEN = "blue-green"


class Promote(StrEnum):
    """Who lets the new containers of a blue-green rollout take over."""

    AUTO = "auto"
    MANUAL = "manual"


class AliasFrom(StrEnum):
    """From when on a new container beside an old one answers to its service's names."""

    START = "start"
    WHEN_HEALTHY = "when-healthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A container of ``image`` that has a service's name for good; TCP connections to ``ports`` go on to replicas."""

    image: str
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fronts:
    """What the service that is another's address stands for: ``service``, on these TCP ``ports``."""

    service: str
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A service's way from one version to the next, beside Compose's ``deploy.update_config``."""

    strategy: RolloutStrategy = RolloutStrategy.ROLLING
    promote: Promote = Promote.AUTO
    alias: AliasFrom = AliasFrom.START
    drain_s: float | None = None
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """One service's own ``x-trimtab``: its wave, whether it is a hook, how it rolls out.

    ``fronts`` is never written: the service was made to be the address of another.
    """

    wave: int = 0
    hook: HookPhase | None = None
    hook_delete_policy: HookDeletePolicy = HookDeletePolicy.BEFORE_HOOK_CREATION
    rollout: Rollout = Rollout()
    fronts: Fronts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One deployable unit; ``origin`` is where it is declared (a file and the document's line)."""

    key: AppKey
    origin: Origin
    compose: ComposeProject
    project: str = "default"
    source: SourceRef | None = None
    destination: str = "local"
    sync_policy: SyncPolicy = SyncPolicy()
    rollback_on_failure: bool = True
    depends_on: tuple[AppKey, ...] = ()
    # Of one repository's applications, those of a lower wave are synced and healthy before this one is begun.
    wave: int = 0
    windows: tuple[SyncWindow, ...] = ()
    ignore_differences: tuple[IgnoreDifference, ...] = ()
    timeout_s: float = 600.0
    suspend: Suspend = Suspend()
    moved: tuple[Moved, ...] = ()
    service_settings: Mapping[str, ServiceSettings] = field(default_factory=dict)
    jobs: Mapping[str, JobSettings] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
