"""Merging compose files in their long form: what each attribute does when two files set it.

Mappings are merged key by key and lists are joined; the tables below name the exceptions.

Source: Compose Specification, 13-merge.md; compose-go, override/merge.go and override/uncity.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.directives import Path
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode, to_plain
from trimtab.model.diagnostics import Diagnostic, Origin, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping


def _patterns(*patterns: str) -> frozenset[Path]:
    return frozenset(tuple(pattern.split(".")) for pattern in patterns)


# The later value stands alone.
_REPLACED: Final = _patterns(
    "services.*.command", "services.*.entrypoint", "services.*.healthcheck.test", "services.*.ulimits.*"
)
# Mappings of KEY=VALUE: a later key without value still replaces the earlier value.
_KEY_VALUES: Final = _patterns(
    "networks.*.labels",
    "volumes.*.labels",
    "services.*.annotations",
    "services.*.build.args",
    "services.*.build.additional_contexts",
    "services.*.build.labels",
    "services.*.deploy.labels",
    "services.*.environment",
    "services.*.labels",
    "services.*.sysctls",
)
_LOGGING: Final = ("services", "*", "logging")
_IPAM_CONFIG: Final = ("networks", "*", "ipam", "config")

Identity = Callable[[Node], str | None]


def _before_equals(node: Node) -> str | None:
    return str(node.value).partition("=")[0] if isinstance(node, Scalar) else None


def _whole(node: Node) -> str | None:
    return str(node.value) if isinstance(node, Scalar) else None


def _attribute(*names: str) -> Identity:
    def identity(node: Node) -> str | None:
        if isinstance(node, Scalar):
            return str(node.value)
        values = [_text(node, name) for name in names]
        return next((value for value in values if value is not None), None)

    return identity


def _mount(directory: str) -> Identity:
    def identity(node: Node) -> str | None:
        target, source = _text(node, "target"), _text(node, "source")
        return target if target is not None else f"{directory}/{source}" if source is not None else None

    return identity


def _device(node: Node) -> str | None:
    """A device as text stays text when it is none of the host's (a CDI name)."""
    return str(node.value).split(":")[-1] if isinstance(node, Scalar) else _text(node, "target")


def _port(node: Node) -> str | None:
    target = _text(node, "target")
    if target is None:
        return _whole(node)
    address, protocol = _text(node, "host_ip") or "0.0.0.0", _text(node, "protocol") or "tcp"  # noqa: S104 - a key
    return f"{address}:{_text(node, 'published')}:{target}/{protocol}"


# Lists in which a later entry replaces an earlier one with the same identity, in its place.
_UNIQUE: Final[Mapping[Path, Identity]] = {
    tuple(pattern.split(".")): identity
    for pattern, identity in {
        "services.*.build.platform": _before_equals,
        "services.*.build.tags": _before_equals,
        "services.*.cap_add": _before_equals,
        "services.*.cap_drop": _before_equals,
        "services.*.configs": _mount(""),
        "services.*.devices": _device,
        "services.*.dns": _before_equals,
        "services.*.dns_opt": _before_equals,
        "services.*.dns_search": _before_equals,
        "services.*.env_file": _attribute("path"),
        "services.*.expose": _whole,
        "services.*.extra_hosts": _whole,
        "services.*.build.extra_hosts": _whole,
        "services.*.links": _before_equals,
        "services.*.networks.*.aliases": _before_equals,
        "services.*.networks.*.link_local_ips": _before_equals,
        "services.*.ports": _port,
        "services.*.profiles": _before_equals,
        "services.*.secrets": _mount("/run/secrets"),
        "services.*.tmpfs": _before_equals,
        "services.*.volumes": _attribute("target"),
    }.items()
}
# Where such lists can be below; nothing else has to be looked through.
_ABOVE_UNIQUE: Final = frozenset(pattern[:length] for pattern in _UNIQUE for length in range(2, len(pattern)))


@dataclass(slots=True)
class _Merge:
    """One merge; problems are collected, and the later value is kept where two do not fit."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def node(self, base: Node, over: Node, path: Path) -> Node:
        pattern = _pattern(path)
        if pattern in _REPLACED or (isinstance(base, Scalar) and base.value is None):
            return over
        if isinstance(over, Scalar) and over.value is None:
            return over if pattern[:-1] in _KEY_VALUES else base
        if pattern == _IPAM_CONFIG and isinstance(base, SequenceNode) and isinstance(over, SequenceNode):
            return self._ipam(base, over, path)
        match base, over:
            case MappingNode(), MappingNode():
                if pattern == _LOGGING and _other_driver(base, over):
                    return over
                return self.mapping(base, over, path)
            case SequenceNode(), SequenceNode():
                return replace(over, items=(*base.items, *over.items))
            case Scalar(), Scalar():
                return over
            case _:
                self._misfit(base, over, path)
                return over

    def _misfit(self, base: Node, over: Node, path: Path) -> None:
        message = f"{'.'.join(path)} is {_shape(over)} here and {_shape(base)} at {base.origin}"
        hint = "write both in the same form, or replace the earlier value with !override"
        self.diagnostics.append(_error(message, over.origin, hint))

    def mapping(self, base: MappingNode, over: MappingNode, path: Path) -> MappingNode:
        items, origins = dict(base.items), dict(base.key_origins)
        for key, value in over.items.items():
            known = items.get(key)
            items[key] = value if known is None else self.node(known, value, (*path, key))
            origins[key] = over.key_origin(key)
        return replace(base, items=items, key_origins=origins)

    def _ipam(self, base: SequenceNode, over: SequenceNode, path: Path) -> SequenceNode:
        """Address pools are merged by subnet; as in Compose, a pool with a new subnet replaces the old pools."""
        result: dict[str | None, Node] = {}
        for old in base.items:
            for new in over.items:
                same = _text(old, "subnet") == _text(new, "subnet")
                if not same and _text(new, "subnet") not in result:
                    result[_text(new, "subnet")] = new
                elif same:
                    merged = self.node(old, new, (*path, "[]"))
                    result[_text(merged, "subnet")] = merged
        for old in base.items:
            if (subnet := _text(old, "subnet")) not in result:
                message = f"the address pool {subnet} of {old.origin} is dropped by this list, as Compose does"
                self.diagnostics.append(_warning(message, over.origin, "repeat the pool here to keep it"))
        return replace(over, items=tuple(result.values()))


def merge(base: MappingNode, over: MappingNode) -> tuple[MappingNode, tuple[Diagnostic, ...]]:
    """Two whole compose files in long form, the later one on top; neither has merge tags (see directives)."""
    run = _Merge()
    return run.mapping(base, over, ()), tuple(run.diagnostics)


def merge_service(base: MappingNode, over: MappingNode, name: str) -> tuple[MappingNode, tuple[Diagnostic, ...]]:
    """Two services in long form, as ``extends`` merges them."""
    run = _Merge()
    return run.mapping(base, over, ("services", name)), tuple(run.diagnostics)


def unique(model: MappingNode) -> tuple[MappingNode, tuple[Diagnostic, ...]]:
    """The model with each list's repeated entries reduced to the last; different ones are warned about."""
    diagnostics: list[Diagnostic] = []
    services = model.items.get("services")
    if not isinstance(services, MappingNode):
        return model, ()
    items = {name: _unique_node(service, ("services", name), diagnostics) for name, service in services.items.items()}
    return replace(model, items={**model.items, "services": replace(services, items=items)}), tuple(diagnostics)


def _unique_node(node: Node, path: Path, diagnostics: list[Diagnostic]) -> Node:
    if isinstance(node, MappingNode):
        if _pattern(path) not in _ABOVE_UNIQUE:
            return node
        changed = {key: _unique_node(item, (*path, key), diagnostics) for key, item in node.items.items()}
        return node if all(changed[key] is item for key, item in node.items.items()) else replace(node, items=changed)
    identity = _UNIQUE.get(_pattern(path)) if isinstance(node, SequenceNode) else None
    if identity is None or not isinstance(node, SequenceNode):
        return node
    kept: dict[str, Node] = {}
    for position, item in enumerate(node.items):
        # What has no identity is malformed; the schema check says so.
        key = identity(item) or f"\0{position}"
        if (known := kept.get(key)) is not None and to_plain(known) != to_plain(item):
            message = f"{'.'.join(path)} has two entries for {key}; this one counts, the one at {known.origin} does not"
            diagnostics.append(_warning(message, item.origin, "remove one of the two"))
        kept[key] = item
    return node if len(kept) == len(node.items) else replace(node, items=tuple(kept.values()))


def _pattern(path: Path) -> Path:
    """The path with the names that users chose replaced by "*"."""
    parts = list(path)
    if len(parts) > 1:
        parts[1] = "*"
    if len(parts) > 3 and parts[0] == "services" and parts[2] in ("networks", "ulimits"):
        parts[3] = "*"
    return tuple(parts)


def _other_driver(base: MappingNode, over: MappingNode) -> bool:
    before, after = _text(base, "driver"), _text(over, "driver")
    return before is not None and after is not None and before != after


def _text(node: Node, key: str) -> str | None:
    value = node.items.get(key) if isinstance(node, MappingNode) else None
    return str(value.value) if isinstance(value, Scalar) and value.value is not None else None


def _shape(node: Node) -> str:
    return {MappingNode: "a mapping", SequenceNode: "a list"}.get(type(node), "a single value")


def _error(message: str, origin: Origin, hint: str) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, code=Code.CANNOT_MERGE.value, message=message, origin=origin, hint=hint)


def _warning(message: str, origin: Origin, hint: str) -> Diagnostic:
    return Diagnostic(
        severity=Severity.WARNING, code=Code.REPEATED_ENTRY.value, message=message, origin=origin, hint=hint
    )
