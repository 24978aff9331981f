"""What runs once and ends: hooks of a sync, and jobs on a schedule. Their words are Argo CD's and Kubernetes'.

A run is one container. Its name tells which run it is, so that a run can be found again after a crash and is never
begun twice: a hook's ends in the digest of what is being synced, a job's in the minute that it was due.
"""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.application import HookDeletePolicy, HookPhase
from trimtab.model.desired import Resource
from trimtab.model.jobs import JobSettings
from trimtab.model.keys import ResourceKey

# Phases of a sync that is carried out, and of an application's removal.
SYNC_PHASES = (HookPhase.PRE_SYNC, HookPhase.SYNC, HookPhase.POST_SYNC)
DELETE_PHASES = (HookPhase.PRE_DELETE, HookPhase.POST_DELETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A service that runs once in each sync, in its phase. ``resource`` is the container without its run's name."""

    resource: Resource
    phase: HookPhase
    wave: int = 0
    deletion: HookDeletePolicy = HookDeletePolicy.BEFORE_HOOK_CREATION

    @property
    def key(self) -> ResourceKey:
        """Under which its runs are found."""
        return self.resource.key

    def run_name(self, digest: str) -> str:
        """The container's name in the sync of the desired state with ``digest``."""
        return f"{self.resource.name}-{self.phase.value.lower()}-{digest[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that can be run: its settings and its container without a run's name."""

    resource: Resource
    settings: JobSettings

    @property
    def key(self) -> ResourceKey:
        """Under which its runs are found."""
        return self.resource.key
