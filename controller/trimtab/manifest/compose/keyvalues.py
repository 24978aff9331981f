"""Mappings of texts that may also be written as lists of KEY=VALUE, and lists of hosts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import override

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.scalars import scalar_text
from trimtab.manifest.compose.shapes import Report, Shape, is_reset, mapping, sequence, text
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode

if TYPE_CHECKING:
    from trimtab.model.diagnostics import Origin


class KeyValues(Shape):
    """KEY=VALUE pairs as a mapping of texts.

    ``bare`` is what a key without value gets: None (taken from the environment later) or "".
    ``need_value`` refuses such keys. Where the list form does not exist (``lists``), or values may
    not be null or boolean, these are left for the schema check to report.
    """

    def __init__(
        self,
        *,
        bare: str | None = "",
        need_value: bool = False,
        lists: bool = True,
        nulls: bool = True,
        booleans: bool = True,
    ) -> None:
        self.bare = bare
        self.need_value = need_value
        self.lists = lists
        self.nulls = nulls
        self.booleans = booleans

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node):
            return node
        if isinstance(node, MappingNode):
            for key, item in node.items.items():
                if self.need_value and isinstance(item, Scalar) and item.value is None:
                    report.error(
                        Code.BAD_KEY_VALUE, f"{where}.{key} has no value", item, "give it one, or leave it out"
                    )
            return replace(node, items={key: self._value(item) for key, item in node.items.items()})
        if isinstance(node, SequenceNode) and self.lists:
            return self._from_list(node, where, report)
        return node

    def _value(self, item: Node) -> Node:
        if not isinstance(item, Scalar) or is_reset(item):
            return item
        if (item.value is None and not self.nulls) or (isinstance(item.value, bool) and not self.booleans):
            return item
        return replace(item, value=self.bare if item.value is None else scalar_text(item.value))

    def _from_list(self, node: SequenceNode, where: str, report: Report) -> Node:
        items: dict[str, Node] = {}
        keys: dict[str, Origin] = {}
        for item in node.items:
            if not isinstance(item, Scalar) or not isinstance(item.value, str):
                return node  # the schema check says which item is no text
            key, equals, value = item.value.partition("=")
            if self.need_value and not equals:
                message = f"'{item.value}' in {where} is not KEY=VALUE"
                report.error(Code.BAD_KEY_VALUE, message, item, "write it as KEY=VALUE")
            elif self.bare is None and key != key.rstrip():
                message = f"'{key}' in {where} ends with a space"
                report.error(Code.BAD_KEY_VALUE, message, item, f"write {key.rstrip()}={value}")
            items[key] = text(value if equals else self.bare, item)
            keys[key] = item.origin
        return mapping(items, node, keys=keys)


class Repeated(Shape):
    """A mapping whose values are texts or lists of texts, all made lists; an empty list is not printed."""

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if not isinstance(node, MappingNode) or is_reset(node):
            return node
        return replace(node, items={key: self._list(item) for key, item in node.items.items()})

    def _list(self, item: Node) -> Node:
        match item:
            case Scalar() if item.value is not None:
                return sequence((replace(item, value=scalar_text(item.value), tag=""),), item)
            case SequenceNode():
                return replace(item, items=tuple(self._text(one) for one in item.items))
            case _:
                return item

    def _text(self, item: Node) -> Node:
        if not isinstance(item, Scalar) or item.value is None:
            return item
        return replace(item, value=scalar_text(item.value))

    @override
    def complete(self, node: Node) -> Node:
        if not isinstance(node, MappingNode):
            return node
        items = {key: item for key, item in node.items.items() if not isinstance(item, SequenceNode) or item.items}
        return replace(node, items=items)


class Hosts(Shape):
    """Additional hosts as a sorted list of "name=address"."""

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node):
            return node
        match node:
            case MappingNode() if all(_are_texts(item) for item in node.items.values()):
                found = [pair for name in node.items for pair in self._addresses(node, name, where, report)]
            case SequenceNode() if _are_texts(node):
                found = [pair for item in node.items for pair in self._item(item, where, report)]
            case _:
                return node
        return sequence(found, node)

    @override
    def complete(self, node: Node) -> Node:
        if not isinstance(node, SequenceNode):
            return node
        return replace(node, items=tuple(sorted(node.items, key=lambda item: str(getattr(item, "value", "")))))

    def _addresses(self, node: MappingNode, name: str, where: str, report: Report) -> list[Node]:
        value = node.items[name]
        many = value.items if isinstance(value, SequenceNode) else (value,)
        self._check_name(name, where, report, text(name, value))
        return [text(f"{name}={_unbracket(str(item.value))}", item) for item in many if isinstance(item, Scalar)]

    def _item(self, item: Node, where: str, report: Report) -> list[Node]:
        whole = str(item.value) if isinstance(item, Scalar) else ""
        separator = "=" if "=" in whole else ":"
        name, found, addresses = whole.partition(separator)
        if not found:
            hint = "write it as in 'db.internal=10.0.0.5'"
            report.error(Code.BAD_HOST, f"'{whole}' in {where} has no address", item, hint)
            return [item]
        self._check_name(name, where, report, item)
        return [text(f"{name}={_unbracket(address)}", item) for address in addresses.split(",")]

    def _check_name(self, name: str, where: str, report: Report, item: Node) -> None:
        if not name or ":" in name or "=" in name:
            report.error(Code.BAD_HOST, f"'{name}' in {where} is not a host name", item)


def _are_texts(node: Node) -> bool:
    """Whether a node is a text, or a list of texts."""
    many = node.items if isinstance(node, SequenceNode) else (node,)
    return all(isinstance(item, Scalar) and isinstance(item.value, str) for item in many)


def _unbracket(address: str) -> str:
    """An IPv6 address may be written in brackets."""
    return address[1:-1] if address.startswith("[") and address.endswith("]") else address


class StorageOptions(KeyValues):
    """Options whose values the schema does not look at."""

    def __init__(self) -> None:
        super().__init__(lists=False, booleans=False)

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        for name, item in node.items.items() if isinstance(node, MappingNode) else ():
            if not isinstance(item, Scalar) or isinstance(item.value, bool):
                report.error(Code.WRONG_TYPE, f"{where}.{name} is not a text", item, "put it in quotes")
        return super().read(node, where, report)


class SshKeys(KeyValues):
    """Keys and agents for a build: merged by id, printed as a list of "id" and "id=path"."""

    def __init__(self) -> None:
        super().__init__(bare=None)

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if isinstance(node, SequenceNode):
            for item in node.items:
                if isinstance(item, Scalar) and "=" not in str(item.value) and item.value != "default":
                    message = f"'{item.value}' in {where} names no key file"
                    report.error(Code.BAD_KEY_VALUE, message, item, "write `default`, or ID=PATH")
        return super().read(node, where, report)

    @override
    def complete(self, node: Node) -> Node:
        if not isinstance(node, MappingNode):
            return node
        keys = []
        for name in sorted(node.items):
            path = getattr(node.items[name], "value", None)
            keys.append(text(f"{name}={path}" if path else name, node.items[name]))
        return sequence(keys, node)


ENVIRONMENT = KeyValues(bare=None)
LABELS = KeyValues(bare="")
# Options of drivers: the schema says where they may be null.
OPTIONS = KeyValues(lists=False, nulls=False, booleans=False)
NULLABLE_OPTIONS = KeyValues(lists=False, booleans=False)
CONTEXTS = KeyValues(bare="", need_value=True)
HOSTS = Hosts()
