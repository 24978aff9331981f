"""Which services run: those without profiles, and those with an enabled one.

A service that needs one which is off is an error, as in Compose; ``required: false`` excuses it.

Source: Compose Specification, 15-profiles.md; compose-go, types/project.go (WithProfiles).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.tree_files import Place, TreeFiles
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode

_ALL = "*"
_VARIABLE = "COMPOSE_PROFILES"


def active_profiles(asked: Sequence[str], environment: Mapping[str, str]) -> frozenset[str]:
    """The profiles asked for, or else those of COMPOSE_PROFILES."""
    if asked:
        return frozenset(asked)
    return frozenset(name.strip() for name in environment.get(_VARIABLE, "").split(",") if name.strip())


def enabled_services(model: MappingNode, profiles: Collection[str]) -> tuple[str, ...]:
    """The names of the services that run, sorted."""
    services = model.items.get("services")
    if not isinstance(services, MappingNode):
        return ()
    return tuple(sorted(name for name, service in services.items.items() if _is_enabled(service, profiles)))


def _is_enabled(service: Node, profiles: Collection[str]) -> bool:
    own = profiles_of(service)
    return not own or _ALL in profiles or any(name in profiles for name in own)


def profiles_of(service: Node | None) -> tuple[str, ...]:
    """The profiles a service belongs to."""
    listed = service.items.get("profiles") if isinstance(service, MappingNode) else None
    if not isinstance(listed, SequenceNode):
        return ()
    return tuple(str(item.value) for item in listed.items if isinstance(item, Scalar))


def unknown_profiles(model: MappingNode, asked: Sequence[str]) -> tuple[str, ...]:
    """Profiles that were asked for and that no service has."""
    services = model.items.get("services")
    nodes = services.items.values() if isinstance(services, MappingNode) else ()
    known = {name for service in nodes for name in profiles_of(service)}
    return tuple(name for name in asked if name != _ALL and name not in known)


def check_needs(model: MappingNode, enabled: Collection[str], files: TreeFiles) -> None:
    """Report enabled services that need one which is off."""
    services = model.items.get("services")
    if not isinstance(services, MappingNode):
        return
    for name in sorted(enabled):
        for target, attribute, at in _needs(services.items[name]):
            if target in services.items and target not in enabled:
                own = ", ".join(profiles_of(services.items[target]))
                message = f"service '{name}' needs '{target}' ({attribute}), whose profiles are not enabled: {own}"
                hint = f"enable one of them, or write `required: false` for '{target}' in depends_on"
                files.error(Code.PROFILE_DISABLED, message, at, hint)


def _needs(service: Node) -> list[tuple[str, str, Place]]:
    """Names of needed services, by which attribute and where; implied dependencies have been made explicit."""
    if not isinstance(service, MappingNode):
        return []
    found: list[tuple[str, str, Place]] = []
    if isinstance(depends := service.items.get("depends_on"), MappingNode):
        for target, node in depends.items.items():
            required = node.items.get("required") if isinstance(node, MappingNode) else None
            if not isinstance(required, Scalar) or required.value is not False:
                found.append((target, "depends_on", Place(origin=depends.key_origin(target), length=len(target))))
    build = service.items.get("build")
    contexts = build.items.get("additional_contexts") if isinstance(build, MappingNode) else None
    for context in contexts.items.values() if isinstance(contexts, MappingNode) else ():
        prefix, colon, target = str(context.value).partition(":") if isinstance(context, Scalar) else ("", "", "")
        if colon and prefix == "service" and isinstance(context, Scalar):
            found.append((target, "build.additional_contexts", Place.of(context)))
    return found
