"""One service as containers: its spec, its needs, and what the planner must know but not compare. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.backends.engine import addresses
from trimtab.backends.engine.render.config import write_config
from trimtab.backends.engine.render.content import ContentCollector
from trimtab.backends.engine.render.host import published, write_host
from trimtab.backends.engine.render.mounts import MountWriter
from trimtab.backends.engine.render.networks import write_networks
from trimtab.backends.engine.render.resources import restart_policy, write_resources
from trimtab.backends.engine.render.rollout import traffic, update_rule
from trimtab.backends.engine.render.support import check_support
from trimtab.backends.engine.render.writer import ServiceReader, SpecWriter
from trimtab.model.application import Application, Promote, ServiceSettings
from trimtab.model.desired import Condition, ContentFile, Need, Resource, Secret
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.sensitive import sensitive_values, telling
from trimtab.model.snapshot import Tree
from trimtab.plan.canonical import digest

# Source: moby DefaultStopTimeout, 10 s.
DEFAULT_GRACE_S = 10
# Without a health check the proof is that it is still there a moment later; most broken programs exit at once.
SETTLE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Engine names of what services refer to: first containers, networks, volumes."""

    containers: Mapping[str, str]
    networks: Mapping[str, str]
    volumes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedService:
    """A service's resources, its content volume's files, and what there is to say about it."""

    resources: tuple[Resource, ...]
    content_name: str
    content_files: tuple[ContentFile, ...]
    diagnostics: tuple[Diagnostic, ...]


def replica_count(service: Mapping[str, object]) -> int:
    """How many containers a service has; ``deploy.replicas`` wins over ``scale``."""
    deploy = service.get("deploy")
    replicas = deploy.get("replicas") if isinstance(deploy, Mapping) else None
    chosen = replicas if replicas is not None else service.get("scale")
    return 1 if chosen is None else int(str(chosen))


def container_name(app: Application, service: str, replica: int) -> str:
    """The engine name of one replica."""
    fixed = app.compose.services[service].get("container_name")
    return str(fixed) if fixed else f"{app.key.project}-{service}-{replica}"


def render_service(  # noqa: PLR0917 - one service, its image, and what all services share
    app: Application, name: str, image: str, tree: Tree, secret_key: bytes, names: Names, *, built: bool
) -> RenderedService:
    """Every resource of one service but its image."""
    content = ContentCollector(tree, secret_key)
    base = SpecWriter(ServiceReader(app.compose, name))
    check_support(base)
    write_config(base, image, secret_key)
    write_resources(base)
    write_host(base, names.containers)
    own = app.service_settings.get(name, ServiceSettings())
    if own.fronts is not None:
        base.put("/Config/Entrypoint", list(addresses.ENTRYPOINT), "image")
        base.put("/Config/StopSignal", addresses.STOP_SIGNAL, "image")
    mounts = MountWriter(base, content, names.volumes)
    mounts.collect()
    content_name = f"{app.key.project}_{name}_content-{content.digest}" if content.files else ""
    mounts.write(content_name)

    resources: list[Resource] = []
    needs = _needs(app, name, mounts.volumes)
    if content_name:
        key = ResourceKey(app.key, Kind.CONTENT, f"{name}-{content.digest}")
        spec = {"files": content.facts}
        resources.append(
            Resource(key=key, name=content_name, spec=spec, digest=digest(spec), origins={"": base.reader.origin()})
        )
        needs.append(Need(key))
    traits = {
        **_traits(app, base.reader),
        "built": built,
        "wave": own.wave,
        "traffic": traffic(base, own.rollout),
        **_address(app, own),
        "update": update_rule(base, "update_config"),
        "rollback": update_rule(base, "rollback_config"),
    }
    hides = _hidden(app, base.spec)
    for replica in range(1, replica_count(app.compose.services[name]) + 1):
        own_name = container_name(app, name, replica)
        writer = SpecWriter(base.reader)
        writer.spec = {part: dict(value) if isinstance(value, dict) else value for part, value in base.spec.items()}
        writer.origins = dict(base.origins)
        named = own.rollout.address is None
        used = write_networks(writer, own_name, names.networks, names.containers, named=named)
        writer.origins[""] = base.reader.origin()
        resources.append(
            Resource(
                key=ResourceKey(app.key, Kind.CONTAINER, name, replica),
                name=own_name,
                spec=writer.spec,
                digest=digest(writer.spec),
                needs=tuple(sorted({*needs, *(Need(ResourceKey(app.key, Kind.NETWORK, network)) for network in used)})),
                origins=writer.origins,
                traits=traits,
                hides=hides,
            )
        )
    return RenderedService(
        resources=tuple(resources),
        content_name=content_name,
        content_files=tuple(content.files),
        diagnostics=tuple(base.diagnostics),
    )


def _hidden(app: Application, spec: Mapping[str, object]) -> tuple[str, ...]:
    """What may have come into a command or a health check by interpolation, or stands there as it does in Env."""
    config = spec.get("Config")
    env = config.get("Env") if isinstance(config, Mapping) else None
    own = [value.reveal() for value in env.values() if isinstance(value, Secret)] if isinstance(env, Mapping) else []
    return telling([*own, *sensitive_values(app.compose.environment)])


def _address(app: Application, own: ServiceSettings) -> Mapping[str, object]:
    """What lowering must know of a service that is another's address."""
    if own.fronts is None:
        return {}
    fronted = app.service_settings[own.fronts.service].rollout
    return {"fronts": own.fronts, "by_hand": fronted.promote is Promote.MANUAL}


def _needs(app: Application, name: str, volumes: list[str]) -> list[Need]:
    reader = ServiceReader(app.compose, name)
    needs = [Need(ResourceKey(app.key, Kind.IMAGE, name))]
    needs += [Need(ResourceKey(app.key, Kind.VOLUME, volume)) for volume in volumes if volume in app.compose.volumes]

    def container(service: str) -> ResourceKey:
        return ResourceKey(app.key, Kind.CONTAINER, service)

    followed = {
        mode.removeprefix("service:")
        for mode in (reader.text("network_mode"), reader.text("pid"), reader.text("ipc"))
        if mode.startswith("service:")
    }
    followed |= {text.partition(":")[0] for text in reader.texts("volumes_from") if not text.startswith("container:")}
    needs += [
        Need(container(service), Condition.STARTED, follows=True)
        for service in sorted(followed)
        if service in app.compose.services
    ]
    for service, options in sorted(reader.mapping("depends_on").items()):
        if service in app.compose.services and isinstance(options, Mapping):
            needs.append(
                Need(
                    container(service),
                    Condition(str(options.get("condition") or Condition.STARTED)),
                    restarts=bool(options.get("restart")),
                    required=options.get("required") is not False,
                )
            )
    for text in reader.texts("links"):
        service = text.partition(":")[0]
        if service in app.compose.services and all(need.key != container(service) for need in needs):
            needs.append(Need(container(service), Condition.STARTED))
    return needs


def _traits(app: Application, reader: ServiceReader) -> Mapping[str, object]:
    grace_ns = reader.duration_ns("stop_grace_period")
    completes = any(
        isinstance(options, Mapping) and options.get("condition") == Condition.COMPLETED.value
        for options in (
            ServiceReader(app.compose, service).mapping("depends_on").get(reader.name)
            for service in app.compose.services
        )
    )
    checked = bool(reader.mapping("healthcheck")) and not reader.flag("healthcheck", "disable")
    # What listens or is probed is meant to stay; without either, an exit with 0 may be the end of its work.
    server = checked or bool(published(reader)) or bool(reader.texts("expose"))
    return {
        "grace_s": DEFAULT_GRACE_S if grace_ns is None else -(-grace_ns // 1_000_000_000),
        "pre_stop": tuple(item for item in reader.items("pre_stop") if isinstance(item, Mapping)),
        "post_start": tuple(item for item in reader.items("post_start") if isinstance(item, Mapping)),
        "job": completes or reader.text("deploy", "mode").endswith("-job"),
        "server": server,
        "may_finish": not server and restart_policy(reader)[0] not in {"always", "unless-stopped"},
        "checked": checked,
        "settle_s": SETTLE_S,
        "platform": reader.text("platform"),
        "pull_policy": reader.text("pull_policy"),
        "timeout_s": app.timeout_s,
    }
