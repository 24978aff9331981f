"""References inside one compose model: to services, networks, volumes, configs, secrets and models.

Only enabled services are looked at: a profile that is off may name what is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.schema_check import Hints
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.model.diagnostics import Diagnostic, Origin, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

SERVICE_PREFIX = "service:"
CONTAINER_PREFIX = "container:"
_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")
_SECTION_CODES = {
    "services": Code.UNKNOWN_SERVICE,
    "networks": Code.UNKNOWN_NETWORK,
    "volumes": Code.UNKNOWN_VOLUME,
    "configs": Code.UNKNOWN_CONFIG,
    "secrets": Code.UNKNOWN_SECRET,
    "models": Code.UNKNOWN_MODEL,
}


def check_references(model: MappingNode, enabled: Collection[str] | None = None) -> list[Diagnostic]:
    """References to what is not declared, and services that depend on each other in a circle."""
    found: list[Diagnostic] = []
    services = section(model, "services")
    declared = {kind: section(model, kind, nulls=True) for kind in _SECTION_CODES}
    hints = Hints()
    on = {name: service for name, service in services.items() if enabled is None or name in enabled}
    edges: dict[str, dict[str, Origin]] = {}
    for name in sorted(on):
        service = on[name]
        edges[name] = {}
        for target, at, attribute in service_references(service):
            found += _missing(declared, "services", target, f"services.{name}.{attribute}", at, hints=hints)
            edges[name].setdefault(target, at.origin)
        for kind, target, at, attribute in _resource_references(service):
            found += _missing(declared, kind, target, f"services.{name}.{attribute}", at, hints=hints)
        found += _contexts(name, service, services, hints)
    return found + _cycles(edges)


def service_references(service: MappingNode) -> Iterator[tuple[str, Node, str]]:
    """Services that must exist before this one: name, place, attribute."""
    depends = service.items.get("depends_on")
    if isinstance(depends, MappingNode):
        for name in depends.items:
            yield name, key(depends, name), "depends_on"
    for attribute in ("links", "volumes_from"):
        for item in texts(service.items.get(attribute)):
            target = str(item.value)
            if not target.startswith(CONTAINER_PREFIX):
                yield target.partition(":")[0], item, attribute
    for attribute in _NAMESPACES:
        value = service.items.get(attribute)
        if isinstance(value, Scalar) and str(value.value).startswith(SERVICE_PREFIX):
            yield str(value.value).removeprefix(SERVICE_PREFIX), value, attribute


def _resource_references(service: MappingNode) -> Iterator[tuple[str, str, Node, str]]:
    for kind in ("networks", "models"):
        uses = service.items.get(kind)
        for name in uses.items if isinstance(uses, MappingNode) else ():
            # The network "default" needs no declaration.
            if (kind, name) != ("networks", "default"):
                yield kind, name, key(uses, name), kind
    for mount in mappings(service.items.get("volumes")):
        if plain(mount, "type") == "volume" and plain(mount, "source"):
            yield "volumes", str(plain(mount, "source")), mount.items["source"], "volumes"
    build = service.items.get("build")
    build_secrets = build.items.get("secrets") if isinstance(build, MappingNode) else None
    for kind, mounts, attribute in (
        ("configs", service.items.get("configs"), "configs"),
        ("secrets", service.items.get("secrets"), "secrets"),
        ("secrets", build_secrets, "build.secrets"),
    ):
        for mount in mappings(mounts):
            if "source" in mount.items:
                yield kind, str(plain(mount, "source")), mount.items["source"], attribute


def _contexts(name: str, service: MappingNode, services: Mapping[str, MappingNode], hints: Hints) -> list[Diagnostic]:
    build = service.items.get("build")
    contexts = build.items.get("additional_contexts") if isinstance(build, MappingNode) else None
    found = []
    for key, item in contexts.items.items() if isinstance(contexts, MappingNode) else ():
        value = str(item.value) if isinstance(item, Scalar) else ""
        if not value.startswith(SERVICE_PREFIX):
            continue
        target = value.removeprefix(SERVICE_PREFIX)
        where = f"services.{name}.build.additional_contexts.{key}"
        if target not in services:
            message = f"{where} refers to the service '{target}', which does not exist"
            found.append(error(Code.UNKNOWN_SERVICE, message, item, hints.did_you_mean(target, services)))
        elif "build" not in services[target].items:
            message = f"{where} refers to the service '{target}', which is not built"
            found.append(error(Code.NOT_BUILDABLE, message, item, f"give services.{target} a `build:`"))
    return found


def _missing(
    declared: Mapping[str, Mapping[str, object]], kind: str, name: str, where: str, at: Node, *, hints: Hints
) -> list[Diagnostic]:
    if name in declared[kind]:
        return []
    singular = kind.removesuffix("s")
    hint = hints.did_you_mean(name, declared[kind]) or f"declare it under the top-level `{kind}:`"
    message = f"{where} refers to the {singular} '{name}', which is not declared"
    return [error(_SECTION_CODES[kind], message, at, hint)]


def _cycles(edges: Mapping[str, Mapping[str, Origin]]) -> list[Diagnostic]:
    """One error for each circle that a walk in order of names meets, told from where it was entered."""
    found: list[Diagnostic] = []
    done: set[str] = set()
    for start in sorted(edges):
        path: list[str] = []
        on_path: set[str] = set()
        # A stack of our own: a chain of services may be longer than the one of Python.
        todo = [(start, 0)]
        while todo:
            name, depth = todo.pop()
            done.update(path[depth:])
            on_path.difference_update(path[depth:])
            del path[depth:]
            if name in on_path:
                circle = [*path[path.index(name) :], name]
                message = f"services depend on each other in a circle: {' -> '.join(circle)}"
                at = Scalar(value=name, origin=edges[path[-1]][name], length=len(name))
                found.append(error(Code.DEPENDENCY_CYCLE, message, at, "remove one of these dependencies"))
            elif name not in done:
                path.append(name)
                on_path.add(name)
                todo += [(target, len(path)) for target in sorted(edges.get(name, {}), reverse=True)]
        done.update(path)
    return found


def key(node: Node | None, name: str) -> Scalar:
    """A mapping's key as a node, for its place."""
    origin = node.key_origin(name) if isinstance(node, MappingNode) else Origin("")
    return Scalar(value=name, origin=origin, length=max(1, len(name)))


def error(code: Code, message: str, at: Node, hint: str = "") -> Diagnostic:
    """An error at a node."""
    length = at.length if isinstance(at, Scalar) else 1
    return Diagnostic(severity=Severity.ERROR, code=code, message=message, origin=at.origin, hint=hint, length=length)


def section(model: MappingNode, name: str, *, nulls: bool = False) -> dict[str, MappingNode]:
    """The mappings of a top-level section; ``nulls`` counts those that are declared with nothing below."""
    node = model.items.get(name)
    if not isinstance(node, MappingNode):
        return {}
    empty = MappingNode(items={}, origin=node.origin)
    found = {key: item if isinstance(item, MappingNode) else empty for key, item in node.items.items()}
    return found if nulls else {key: item for key, item in found.items() if item is not empty}


def texts(node: Node | None) -> Iterator[Scalar]:
    """The texts of a list; nothing for anything else."""
    if isinstance(node, SequenceNode):
        yield from (item for item in node.items if isinstance(item, Scalar) and isinstance(item.value, str))


def mappings(node: Node | None) -> Iterator[MappingNode]:
    """The mappings of a list; nothing for anything else."""
    if isinstance(node, SequenceNode):
        yield from (item for item in node.items if isinstance(item, MappingNode))


def plain(node: Node | None, *path: str) -> object:
    """The scalar at ``path`` below a node; None if there is none."""
    for name in path:
        node = node.items.get(name) if isinstance(node, MappingNode) else None
    return node.value if isinstance(node, Scalar) else None
