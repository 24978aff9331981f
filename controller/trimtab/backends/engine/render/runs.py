"""Services that run once and end: a hook's or a job's container, made from what any service is rendered to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from trimtab.backends.engine.render.resources import restart_policy
from trimtab.backends.engine.render.service import replica_count
from trimtab.backends.engine.render.writer import ServiceReader
from trimtab.model.application import Application, HookDeletePolicy, HookPhase, ServiceSettings
from trimtab.model.desired import Resource
from trimtab.model.diagnostics import Diagnostic, Severity
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.tasks import DELETE_PHASES, Hook, Job

# What is over before what, among services that are needed by name. What fails or is deleted comes before nothing.
_RANK = {HookPhase.PRE_SYNC: 0, HookPhase.SYNC: 1, HookPhase.POST_SYNC: 2}
_NO_SETTINGS = ServiceSettings()


@dataclass(slots=True)
class Runs:
    """Collects the hooks and jobs of one application while its services are rendered."""

    app: Application
    hooks: list[Hook] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    def settings(self, service: str) -> ServiceSettings:
        """A service's own settings."""
        return self.app.service_settings.get(service, _NO_SETTINGS)

    def takes(self, service: str) -> bool:
        """Whether a service does not run permanently."""
        return self.settings(service).hook is not None or service in self._job_services()

    def add(self, service: str, container: Resource) -> None:
        """Make runs of it from its one container."""
        settings = self.settings(service)
        if settings.hook is not None:
            traits: dict[str, object] = {
                "job": True,
                "phase": settings.hook.value,
                "wave": settings.wave,
                "deletion": settings.hook_delete_policy.value,
                "tidy": settings.hook_delete_policy is HookDeletePolicy.HOOK_SUCCEEDED
                or settings.hook in DELETE_PHASES,
            }
            self.hooks.append(
                Hook(
                    resource=self._run(Kind.HOOK, service, container, traits),
                    phase=settings.hook,
                    wave=settings.wave,
                    deletion=settings.hook_delete_policy,
                )
            )
        for name, job in sorted(self.app.jobs.items()):
            if job.service == service:
                traits = {"job": True, "wave": 0, "timeout_s": job.timeout_s or container.traits.get("timeout_s")}
                self.jobs.append(Job(resource=self._run(Kind.JOB, name, container, traits), settings=job))

    @property
    def only_for_jobs(self) -> frozenset[ResourceKey]:
        """Images and files that jobs alone use."""
        needed = {need.key for job in self.jobs for need in job.resource.needs}
        needed -= {need.key for hook in self.hooks for need in hook.resource.needs}
        return frozenset(key for key in needed if key.kind in {Kind.IMAGE, Kind.CONTENT})

    def problems(self) -> Iterator[Diagnostic]:
        """What cannot be carried out for a container that runs once, and who refers to one in vain."""
        project = self.app.compose
        for service in sorted(project.services):
            if self.takes(service):
                yield from self._unfit(service)
            yield from self._references(service)

    def _job_services(self) -> frozenset[str]:
        return frozenset(job.service for job in self.app.jobs.values())

    def _run(self, kind: Kind, name: str, container: Resource, traits: Mapping[str, object]) -> Resource:
        return replace(
            container,
            key=ResourceKey(self.app.key, kind, name),
            name=f"{self.app.key.project}-{name}",
            traits={**container.traits, **traits},
        )

    def _unfit(self, service: str) -> Iterator[Diagnostic]:
        reader = ServiceReader(self.app.compose, service)
        what = "hook" if self.settings(service).hook is not None else "job"
        if reader.text("container_name"):
            yield self._error(
                "TT2150",
                f"service {service!r} is a {what}, and every run is a container of its own: none can have a fixed name",
                "leave container_name out",
                service,
                "container_name",
            )
        if replica_count(self.app.compose.services[service]) != 1:
            yield self._error(
                "TT2150",
                f"service {service!r} is a {what}, which is one container a run",
                "leave deploy.replicas and scale out",
                service,
                "deploy",
            )
        policy = restart_policy(reader)[0]
        if policy in {"always", "unless-stopped"}:
            yield self._error(
                "TT2150",
                f"service {service!r} is a {what}, and would never end with the restart policy '{policy}'",
                "leave restart out, or use on-failure",
                service,
                "restart",
            )

    def _references(self, service: str) -> Iterator[Diagnostic]:
        """A need of a hook is met by the order of phases and waves; any other reference to a run means nothing."""
        reader = ServiceReader(self.app.compose, service)
        shared = [reader.text(name) for name in ("network_mode", "pid", "ipc")]
        needed = {mode.removeprefix("service:") for mode in shared if mode.startswith("service:")}
        needed |= {text.partition(":")[0] for text in (*reader.texts("volumes_from"), *reader.texts("links"))}
        for other in sorted(needed):
            if other in self.app.compose.services and self.takes(other):
                yield self._error(
                    "TT2151",
                    f"service {service!r} shares what belongs to {other!r}, which does not run permanently",
                    "refer to a service that does",
                    service,
                )
        for other in sorted(reader.mapping("depends_on")):
            if other in self.app.compose.services and self.takes(other) and not self._comes_before(other, service):
                yield self._error(
                    "TT2151",
                    f"service {service!r} depends on {other!r}, which does not run before it",
                    "a hook is over before what has a later phase, or the same phase and a higher wave; "
                    "a job runs on its schedule, and nothing can wait for it",
                    service,
                    "depends_on",
                    other,
                )

    def _comes_before(self, other: str, service: str) -> bool:
        first, second = self.settings(other), self.settings(service)
        if first.hook is None:
            return False
        if first.hook in DELETE_PHASES or second.hook in DELETE_PHASES:
            return first.hook is second.hook and first.wave < second.wave
        if first.hook not in _RANK:
            return False
        mine = _RANK.get(second.hook, 3) if second.hook is not None else _RANK[HookPhase.SYNC]
        return (_RANK[first.hook], first.wave) < (mine, second.wave)

    def _error(self, code: str, message: str, hint: str, service: str, *path: str) -> Diagnostic:
        place = self.app.compose.origin("services", service, *path) or self.app.origin
        return Diagnostic(severity=Severity.ERROR, code=code, message=message, origin=place, hint=hint)
