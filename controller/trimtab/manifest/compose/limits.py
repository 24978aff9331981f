"""Process limits, block devices' limits and device requests (GPUs).

Source: Compose Specification, 05-services.md "ulimits", "blkio_config", "devices", "gpus" and deploy.md "devices".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.keyvalues import KeyValues
from trimtab.manifest.compose.scalars import INTEGER, NATURAL, PLAIN, SIZE, Count
from trimtab.manifest.compose.shapes import (
    Field,
    Items,
    Record,
    Report,
    Shape,
    Style,
    Values,
    is_reset,
    mapping,
    sequence,
    text,
)
from trimtab.manifest.nodes import MappingNode, Node, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEVICE_PARTS = 3


class Ulimit(Record):
    """One limit for both, or a soft and a hard one."""

    def __init__(self) -> None:
        super().__init__({"soft": Field(INTEGER, keep=True), "hard": Field(INTEGER, keep=True)})

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if is_reset(node) or isinstance(node, MappingNode):
            return super().read(node, where, report)
        return INTEGER.read(node, where, report)

    @override
    def document(self, value: object, style: Style) -> object:
        # Compose does not know one limit of 0 from none.
        printed = super().document({} if value == 0 else value, style)
        if not isinstance(printed, dict):
            return printed
        if style is Style.YAML:
            return {"soft": printed.get("soft", 0), "hard": printed.get("hard", 0)}
        return {name: limit for name, limit in printed.items() if limit != 0}


def _device(node: Node, where: str, report: Report) -> Node:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return node
    parts = node.value.split(":")
    if len(parts) > _DEVICE_PARTS:
        message = f"{where} is '{node.value}', which has too many colons"
        report.error(Code.BAD_DEVICE, message, node, "write it as SOURCE[:TARGET[:PERMISSIONS]], or use the long form")
        return node
    source = parts[0]
    target = (parts[1] if len(parts) > 1 else "") or source
    permissions = parts[2] if len(parts) == _DEVICE_PARTS else "rwm"
    pairs = {"source": source, "target": target, "permissions": permissions}
    return mapping({name: text(value, node) for name, value in pairs.items()}, node)


def _any_device(node: MappingNode) -> Mapping[str, Node]:
    if "count" in node.items or "device_ids" in node.items:
        return {}
    return {"count": text(-1, node)}


class Gpus(Items):
    """Device requests; "all" asks for every GPU."""

    @override
    def read(self, node: Node, where: str, report: Report) -> Node:
        if isinstance(node, Scalar) and node.value == "all" and not is_reset(node):
            node = sequence((mapping({"count": text(-1, node)}, text(None, node)),), node)
        return super().read(node, where, report)


_REQUEST = Record(
    {
        "capabilities": PLAIN,
        "driver": PLAIN,
        "count": Count(),
        "device_ids": PLAIN,
        "options": KeyValues(bare=""),
    },
    defaults=_any_device,
)


class _BlockDevice(Record):
    """A limit of one device; Compose prints these with capitals, and prints what is missing."""

    def __init__(self, limit: str, shape: Shape, *, missing: object) -> None:
        super().__init__(
            {"path": Field(PLAIN, keep=True), limit: Field(shape, keep=True)},
            renames={"path": "Path", limit: limit.capitalize()},
        )
        self.missing = {"path": "", limit: missing}

    @override
    def document(self, value: object, style: Style) -> object:
        return super().document(self.missing | value if isinstance(value, dict) else value, style)


_RATES = Items(_BlockDevice("rate", SIZE, missing="0"))
_WEIGHTS = Items(_BlockDevice("weight", NATURAL, missing=0))

DEVICE: Shape = Record({"source": PLAIN, "target": PLAIN, "permissions": PLAIN}, short=_device)
DEVICE_REQUESTS = Items(_REQUEST)
GPUS = Gpus(_REQUEST)
ULIMITS = Values(Ulimit())
BLKIO = Record(
    {
        "weight": NATURAL,
        "weight_device": _WEIGHTS,
        "device_read_bps": _RATES,
        "device_read_iops": _RATES,
        "device_write_bps": _RATES,
        "device_write_iops": _RATES,
    }
)
GENERIC_RESOURCES = Items(
    Record({"discrete_resource_spec": Record({"kind": Field(PLAIN, keep=True), "value": Field(INTEGER, keep=True)})})
)
