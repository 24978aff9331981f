"""The whole application as the engine's objects: stage 4, where every spec digest is computed, once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.backends.engine.render.objects import network_resource, volume_resource
from trimtab.backends.engine.render.runs import Runs
from trimtab.backends.engine.render.service import Names, container_name, render_service, replica_count
from trimtab.manifest.crossref import BUILT_IN_DESTINATION
from trimtab.model.application import Application
from trimtab.model.desired import ContentFile, DesiredState, ImageChoice, Resource
from trimtab.model.diagnostics import Diagnostic, Severity, without
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.sensitive import sensitive_values
from trimtab.model.snapshot import Tree
from trimtab.plan.canonical import digest

DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderInputs:
    """What rendering reads beside the application: the commit's tree, the images, the fingerprint key."""

    tree: Tree
    revision: str
    images: Mapping[str, ImageChoice]
    secret_key: bytes


def render(app: Application, inputs: RenderInputs) -> DesiredState:
    """What should be on the engine for ``app``; problems are in ``diagnostics``."""
    project = app.compose
    resources: list[Resource] = []
    diagnostics: list[Diagnostic] = []
    contents: dict[str, tuple[ContentFile, ...]] = {}
    builds: dict[str, object] = {}

    diagnostics += _not_carried_out(app)
    runs = Runs(app)
    diagnostics += runs.problems()
    networks = [network_resource(app, name) for name in sorted(project.networks)]
    volumes = [volume_resource(app, name) for name in sorted(project.volumes)]
    names = Names(
        containers={service: container_name(app, service, 1) for service in sorted(project.services)},
        networks={resource.key.name: resource.name for resource in networks},
        volumes={resource.key.name: resource.name for resource in volumes},
    )
    for service in sorted(project.services):
        choice = inputs.images.get(service)
        if choice is None:
            origin = project.origin("services", service) or app.origin
            message = f"service {service!r} has neither an image nor a build section"
            diagnostics.append(
                Diagnostic(severity=Severity.ERROR, code="TT2140", message=message, origin=origin, hint="add one")
            )
            continue
        resources.append(_image(app, service, choice))
        if choice.build is not None:
            builds[choice.ref] = choice.build
        rendered = render_service(
            app, service, choice.ref, inputs.tree, inputs.secret_key, names, built=choice.build is not None
        )
        diagnostics += rendered.diagnostics
        if runs.takes(service):
            for resource in rendered.resources:
                if resource.key.kind is Kind.CONTAINER and resource.key.replica == 1:
                    runs.add(service, resource)
            resources += [resource for resource in rendered.resources if resource.key.kind is not Kind.CONTAINER]
        else:
            resources += rendered.resources
        if rendered.content_name:
            contents[rendered.content_name] = rendered.content_files
        if rendered.resources and replica_count(project.services[service]) == 0:
            resources = [r for r in resources if r.key.kind is not Kind.IMAGE or r.key.name != service]
    containers = [*resources, *(hook.resource for hook in runs.hooks), *(job.resource for job in runs.jobs)]
    used_networks = {need.key for resource in containers for need in resource.needs if need.key.kind is Kind.NETWORK}
    # Compose creates a network that some service uses, or that is declared; the implicit default one only if used.
    resources += [r for r in networks if r.key in used_networks or r.key.name != "default"]
    resources += volumes
    by_key = {resource.key: resource for resource in sorted(resources, key=lambda resource: resource.key)}
    return DesiredState(
        app=app.key,
        revision=inputs.revision,
        resources=by_key,
        digest=digest(
            # A hook that changed is a release of its own; a job, with what is made for it alone, is no part of any.
            {str(key): [r.name, r.digest] for key, r in by_key.items() if key not in runs.only_for_jobs}
            | {str(h.key): [h.resource.name, h.resource.digest, h.phase.value] for h in runs.hooks}
            # A release that failed for want of a rename is another one with it.
            | ({"moved": [[m.kind, m.from_name, m.to_name] for m in app.moved]} if app.moved else {})
        ),
        contents=contents,
        builds=builds,
        diagnostics=without(diagnostics, sensitive_values(project.environment)),
        hooks=tuple(runs.hooks),
        jobs=tuple(runs.jobs),
        moved=app.moved,
    )


def _not_carried_out(app: Application) -> list[Diagnostic]:
    """Settings that are understood and would be quietly broken: another engine, rules."""
    found = []
    if app.destination != BUILT_IN_DESTINATION:
        message = f"the destination '{app.destination}' is not carried out yet: a controller has one engine"
        found.append(("TT2142", message, "run a controller with that engine's DOCKER_HOST, and leave destination out"))
    errors = [
        Diagnostic(severity=Severity.ERROR, code=code, message=message, origin=app.origin, hint=hint)
        for code, message, hint in found
    ]
    if app.project == DEFAULT_PROJECT:
        return errors
    # It changes nothing that runs, but whoever names a project may count on rules that nobody checks.
    note = f"the project '{app.project}' has no effect: there are no projects with rules yet"
    return [*errors, Diagnostic(severity=Severity.WARNING, code="TT2144", message=note, origin=app.origin)]


def _image(app: Application, service: str, choice: ImageChoice) -> Resource:
    spec: dict[str, object] = {"Ref": choice.ref}
    if choice.build_facts:
        spec["Build"] = dict(choice.build_facts)
    definition = app.compose.services[service]
    origin = choice.origin or app.compose.origin("services", service, "build" if choice.build is not None else "image")
    return Resource(
        key=ResourceKey(app.key, Kind.IMAGE, service),
        name=choice.ref,
        spec=spec,
        digest=digest(choice.ref),
        origins={"": origin} if origin else {},
        traits={
            "built": choice.build is not None,
            "sources": f"from {(choice.build_facts or {}).get('context')}" if choice.build is not None else "",
            "platform": str(definition.get("platform") or ""),
            "pull_policy": str(definition.get("pull_policy") or ""),
        },
    )
