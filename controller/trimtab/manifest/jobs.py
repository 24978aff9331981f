"""The jobs of an application, and the services that they name or bring along."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from trimtab.manifest.codes import Code
from trimtab.manifest.kinds.jobs import Job
from trimtab.manifest.nodes import MappingNode, Node
from trimtab.model.application import ComposeProject
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.jobs import JobSettings


def with_services_of_jobs(inline: MappingNode | None, jobs: Node | None) -> MappingNode | None:
    """``inline`` with the services that are written inside jobs, each under its job's name."""
    own = services_in_jobs(jobs)
    if not own or jobs is None:
        return inline
    base = inline or MappingNode(items={}, origin=jobs.origin)
    listed = base.items.get("services")
    services = listed if isinstance(listed, MappingNode) else MappingNode(items={}, origin=jobs.origin)
    merged = replace(
        services,
        items={**own, **services.items},
        key_origins={**{name: node.origin for name, node in own.items()}, **services.key_origins},
    )
    return replace(base, items={**base.items, "services": merged})


def services_in_jobs(jobs: Node | None) -> Mapping[str, Node]:
    """Services that stand in the jobs themselves."""
    entries = jobs.items if isinstance(jobs, MappingNode) else {}
    found = {}
    for name, entry in entries.items():
        service = entry.items.get("service") if isinstance(entry, MappingNode) else None
        if isinstance(service, MappingNode):
            found[name] = service
    return found


def job_settings(
    jobs: Mapping[str, Job], node: Node | None, project: ComposeProject, elsewhere: Collection[str]
) -> tuple[Mapping[str, JobSettings], tuple[Diagnostic, ...]]:
    """The jobs, and what is wrong with the services that they name; ``elsewhere``: services that stand in no job."""
    found: dict[str, JobSettings] = {}
    problems: list[Diagnostic] = []
    for name, job in sorted(jobs.items()):
        found[name] = job.to_model(name)
        origin = node.key_origin(name) if isinstance(node, MappingNode) else Origin("")
        if isinstance(job.service, str) and job.service not in project.services:
            problems.append(
                _problem(
                    f"the job '{name}' is to run the service '{job.service}', which is not there or not enabled",
                    origin,
                    "name a service of the application, without a profile that is off",
                )
            )
        if not isinstance(job.service, str) and name in elsewhere:
            message = f"the job '{name}' brings its own service, and the application has another one of that name"
            problems.append(_problem(message, origin, "give the job another name, or let it name the service"))
    return found, tuple(problems)


def _problem(message: str, origin: Origin, hint: str) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, code=Code.BAD_JOB.value, message=message, origin=origin, hint=hint)
