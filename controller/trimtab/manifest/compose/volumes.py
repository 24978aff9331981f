"""A service's mounts, and top-level volumes.

Source: Compose Specification, 05-services.md "volumes" and 07-volumes.md.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace

from typing_extensions import override

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.keyvalues import LABELS, OPTIONS
from trimtab.manifest.compose.scalars import BOOLEAN, PLAIN, SIZE, ModeBits
from trimtab.manifest.compose.shapes import Record, Report, is_reset, mapping, text, yes
from trimtab.manifest.nodes import MappingNode, Node, Scalar

_PROPAGATIONS = frozenset({"rprivate", "private", "rshared", "shared", "rslave", "slave"})
_SELINUX = frozenset({"z", "Z"})
_HINT = "write it as [SOURCE:]TARGET[:MODE], or use the long form"
# Source: compose-go; a spec of one or two characters is a target without further look.
_BARE_TARGET = 2


class Mount(Record):
    """One mount of a service; an unknown option of the short form is reported."""

    def __init__(self) -> None:
        super().__init__(
            {
                "type": PLAIN,
                "source": PLAIN,
                "target": PLAIN,
                "read_only": BOOLEAN,
                "consistency": PLAIN,
                "bind": Record(
                    {"propagation": PLAIN, "create_host_path": BOOLEAN, "recursive": PLAIN, "selinux": PLAIN}
                ),
                "volume": Record({"labels": LABELS, "nocopy": BOOLEAN, "subpath": PLAIN}),
                "tmpfs": Record({"size": SIZE, "mode": ModeBits()}),
                "image": Record({"subpath": PLAIN}),
            },
            short=_short,
        )

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        long = super().read(node, where, report)
        target = long.items.get("target") if isinstance(long, MappingNode) else None
        if not isinstance(long, MappingNode) or is_reset(long) or not isinstance(target, Scalar) or not target.value:
            return long
        clean = replace(target, value=clean_path(str(target.value)))
        return replace(long, items={**long.items, "target": clean})


def clean_path(path: str) -> str:
    """A path without doubled or trailing slashes, "." and ".."; unlike POSIX, "//" is "/"."""
    normal = posixpath.normpath(path)
    return normal[1:] if normal.startswith("//") else normal


def _short(node: Node, where: str, report: Report) -> Node:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return node
    try:
        return mapping(_parse(node, where, report), node)
    except ValueError as error:
        report.error(Code.BAD_MOUNT, f"{where} is '{node.value}': {error}", node, _HINT)
        return node


def _parse(node: Scalar, where: str, report: Report) -> dict[str, Node]:
    """The long form of a short one.

    Raises:
        ValueError: it is malformed; the text says what is wrong.
    """
    spec = str(node.value)
    if not spec:
        raise ValueError("it is empty")
    if len(spec) <= _BARE_TARGET:
        return {"type": text("volume", node), "target": text(spec, node)}
    parts = _split(spec)
    if any(not part for part in parts):
        raise ValueError("there is nothing between two colons")
    if len(parts) > 3:
        raise ValueError("there are too many colons")
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    is_bind = _is_path(source)
    items: dict[str, Node] = {"type": text("bind" if is_bind else "volume", node)}
    if source:
        items["source"] = text(source, node)
    items["target"] = text(target, node)
    items |= _options(parts[2].split(",") if len(parts) == 3 else [], node, where, report, is_bind=is_bind)
    return items


def _options(options: list[str], node: Scalar, where: str, report: Report, *, is_bind: bool) -> dict[str, Node]:
    items: dict[str, Node] = {}
    bind: dict[str, Node] = {}
    volume: dict[str, Node] = {}
    for option in options:
        if option == "ro":
            items["read_only"] = yes(node)
        elif option == "rw":
            items.pop("read_only", None)
        elif option == "nocopy":
            volume["nocopy"] = yes(node)
        elif option in _PROPAGATIONS:
            bind["propagation"] = text(option, node)
        elif option in _SELINUX:
            bind["selinux"] = text(option, node)
        else:
            message = f"'{option}' in {where} is not an option of a mount; it is left out, as Compose does"
            report.warning(Code.BAD_MOUNT, message, node, "options are ro, rw, nocopy, z, Z and propagation modes")
    if is_bind:
        # The short form creates a missing directory on the host; the long form does not.
        bind["create_host_path"] = yes(node)
    if bind:
        items["bind"] = mapping(bind, text(None, node))
    if volume or not is_bind:
        items["volume"] = mapping(volume, text(None, node))
    return items


def _split(spec: str) -> list[str]:
    """Parts between colons; the colon of a Windows drive does not count."""
    parts = [""]
    for char in spec:
        if char == ":" and not (len(parts[-1]) == 1 and parts[-1].isalpha()):
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _is_path(source: str) -> bool:
    drive = len(source) > 1 and source[0].isalpha() and source[1] == ":"
    return source[:1] in (".", "/", "~") or source.startswith("\\\\") or drive


def external(node: Node, where: str, report: Report) -> Node:
    """``external: {name: x}``, the deprecated form, as ``external: true`` and ``name: x``."""
    if not isinstance(node, MappingNode) or not isinstance(old := node.items.get("external"), MappingNode):
        return node
    report.warning(
        Code.DEPRECATED, f"{where}.external.name is deprecated", old, "write `external: true` and `name` beside it"
    )
    items = {**node.items, "external": yes(old)}
    name = old.items.get("name")
    if name is not None:
        known = items.setdefault("name", name)
        if getattr(known, "value", None) != getattr(name, "value", None):
            message = f"{where} has two names: `name` and `external.name`"
            report.error(Code.CONFLICTING_VALUES, message, name, "leave out `external.name`")
    return replace(node, items=items)


class Resource(Record):
    """A top-level network, volume, config or secret."""

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        return super().read(node if is_reset(node) else external(node, where, report), where, report)

    @override
    def complete(self, node: Node) -> Node:
        # `volumes: {data:}` declares a resource as `data: {}` does.
        nothing = isinstance(node, Scalar) and node.value is None
        return super().complete(mapping({}, node) if nothing else node)


MOUNT = Mount()
VOLUME = Resource(
    {"name": PLAIN, "driver": PLAIN, "driver_opts": OPTIONS, "external": BOOLEAN, "labels": LABELS},
)
