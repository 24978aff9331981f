"""What a compose model says without writing it: the default network, implied dependencies, names.

Source: Compose Specification, 05-services.md and 06-networks.md; compose-go, loader/normalize.go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.model.diagnostics import Origin

DEFAULT_NETWORK = "default"
_SERVICE = "service:"
_CONTAINER = "container:"
_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")
_NAMED = ("networks", "volumes", "configs", "secrets")


def with_defaults(model: MappingNode, environment: Mapping[str, str], project_name: str) -> MappingNode:
    """The merged model with all that Compose fills in after merging; ``environment`` gives build arguments values."""
    services = model.items.get("services")
    if not isinstance(services, MappingNode):
        return model
    items = {name: _service(service, environment) for name, service in services.items.items()}
    filled = replace(model, items={**model.items, "services": replace(services, items=items)})
    if any(_uses_default(service) for service in items.values()):
        filled = _with_default_network(filled)
    sections = {
        section: _named(node, project_name)
        for section in _NAMED
        if isinstance(node := filled.items.get(section), MappingNode)
    }
    return replace(filled, items={**filled.items, **sections})


def _service(node: Node, environment: Mapping[str, str]) -> Node:
    if not isinstance(node, MappingNode):
        return node
    items = dict(node.items)
    policy = items.get("pull_policy")
    if isinstance(policy, Scalar) and policy.value == "if_not_present":
        items["pull_policy"] = replace(policy, value="missing")
    if isinstance(build := items.get("build"), MappingNode):
        items["build"] = _build(build, environment)
    if "network_mode" not in items and "provider" not in items:
        networks = items.get("networks")
        if networks is None or (isinstance(networks, MappingNode) and not networks.items) or _is_null(networks):
            nothing = Scalar(value=None, origin=node.origin)
            items["networks"] = MappingNode(items={DEFAULT_NETWORK: nothing}, origin=node.origin)
    implied = _implied_dependencies(items)
    own = items.get("depends_on")
    known = own if isinstance(own, MappingNode) else MappingNode(items={}, origin=node.origin)
    added = {name: entry for name, entry in implied.items() if name not in known.items}
    if added:
        origins = {**{name: entry.origin for name, entry in added.items()}, **known.key_origins}
        items["depends_on"] = replace(known, items={**known.items, **added}, key_origins=origins)
    return replace(node, items=items)


def _build(build: MappingNode, environment: Mapping[str, str]) -> MappingNode:
    """A build argument without value takes the variable's; without a variable it is not passed, as in Compose."""
    args = build.items.get("args")
    if not isinstance(args, MappingNode):
        return build
    values: dict[str, Node] = {}
    for name, item in args.items.items():
        if not _is_null(item):
            values[name] = item
        elif name in environment:
            values[name] = Scalar(value=environment[name], origin=item.origin, quoted=True)
    return replace(build, items={**build.items, "args": replace(args, items=values)})


def _implied_dependencies(items: Mapping[str, Node]) -> dict[str, Node]:
    """Services that others name in links, namespaces and volumes_from."""
    found: dict[str, Node] = {}
    for link in _texts(items.get("links")):
        name, _, alias = str(link.value).partition(":")
        found.setdefault(
            name if alias and ":" not in alias else str(link.value), _dependency(link.origin, restart=True)
        )
    for namespace in _NAMESPACES:
        shared = items.get(namespace)
        if isinstance(shared, Scalar) and str(shared.value).startswith(_SERVICE):
            name = str(shared.value).removeprefix(_SERVICE)
            found.setdefault(name, _dependency(shared.origin, restart=True))
    for source in _texts(items.get("volumes_from")):
        if not str(source.value).startswith(_CONTAINER):
            found.setdefault(str(source.value).partition(":")[0], _dependency(source.origin, restart=False))
    return found


def _dependency(origin: Origin, *, restart: bool) -> MappingNode:
    """Compose prints ``restart`` only where it is true."""
    items: dict[str, Node] = {"condition": Scalar(value="service_started", origin=origin)}
    if restart:
        items["restart"] = Scalar(value=True, origin=origin)
    items["required"] = Scalar(value=True, origin=origin)
    return MappingNode(items=items, origin=origin)


def _uses_default(service: Node) -> bool:
    networks = service.items.get("networks") if isinstance(service, MappingNode) else None
    return isinstance(networks, MappingNode) and DEFAULT_NETWORK in networks.items


def _with_default_network(model: MappingNode) -> MappingNode:
    known = model.items.get("networks")
    networks = known if isinstance(known, MappingNode) else MappingNode(items={}, origin=model.origin)
    if DEFAULT_NETWORK in networks.items:
        return model
    items = {**networks.items, DEFAULT_NETWORK: MappingNode(items={}, origin=model.origin)}
    return replace(model, items={**model.items, "networks": replace(networks, items=items)})


def _named(section: MappingNode, project_name: str) -> MappingNode:
    """Objects without a name get their key's: as it is if they are external, else with the project's in front."""
    items: dict[str, Node] = {}
    for key, node in section.items.items():
        entry = MappingNode(items={}, origin=section.key_origin(key)) if _is_null(node) else node
        if isinstance(entry, MappingNode) and ("name" not in entry.items or _is_null(entry.items["name"])):
            external = entry.items.get("external")
            is_external = isinstance(external, Scalar) and external.value is True
            name = Scalar(value=key if is_external else f"{project_name}_{key}", origin=entry.origin)
            entry = replace(entry, items={**entry.items, "name": name})
        items[key] = entry
    return replace(section, items=items)


def used_resources(services: Collection[Node]) -> dict[str, frozenset[str]]:
    """By section, the resources that ``services`` name."""
    used: dict[str, set[str]] = {section: set() for section in (*_NAMED, "models")}
    for service in services:
        if not isinstance(service, MappingNode):
            continue
        for section in ("networks", "models"):
            if isinstance(joined := service.items.get(section), MappingNode):
                used[section].update(joined.items)
        build = service.items.get("build")
        of_build = build.items.get("secrets") if isinstance(build, MappingNode) else None
        used["secrets"].update(_sources(service.items.get("secrets")), _sources(of_build))
        used["configs"].update(_sources(service.items.get("configs")))
        used["volumes"].update(_sources(service.items.get("volumes"), kind="volume"))
    return {section: frozenset(names) for section, names in used.items()}


def _sources(node: Node | None, *, kind: str | None = None) -> list[str]:
    found = []
    for item in node.items if isinstance(node, SequenceNode) else ():
        if isinstance(item, MappingNode) and isinstance(source := item.items.get("source"), Scalar):
            of_kind = item.items.get("type")
            if kind is None or (isinstance(of_kind, Scalar) and of_kind.value == kind):
                found.append(str(source.value))
    return found


def _texts(node: Node | None) -> tuple[Scalar, ...]:
    return tuple(item for item in node.items if isinstance(item, Scalar)) if isinstance(node, SequenceNode) else ()


def _is_null(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.value is None
