"""Each service's own ``x-trimtab``, from the merged compose model, with the places of its files."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.manifest.kinds.decode import decode
from trimtab.manifest.kinds.service import ServiceSettings
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.model import application as model
from trimtab.model.application import ComposeProject, Pointer
from trimtab.model.diagnostics import Diagnostic, Origin

EXTENSION = "x-trimtab"


def service_settings(
    project: ComposeProject,
) -> tuple[Mapping[str, model.ServiceSettings], tuple[Diagnostic, ...]]:
    """The settings of every service that has some, by name, and what is wrong with them."""
    found: dict[str, model.ServiceSettings] = {}
    diagnostics: list[Diagnostic] = []
    for name, service in sorted(project.services.items()):
        if EXTENSION not in service:
            continue
        pointer: Pointer = ("services", name, EXTENSION)
        node = _placed(service[EXTENSION], project, pointer)
        settings, problems = decode(ServiceSettings, node, where=f"services.{name}.{EXTENSION}")
        diagnostics += problems
        if settings is None:
            continue
        found[name] = settings.to_model()
    return found, tuple(diagnostics)


def _placed(value: object, project: ComposeProject, pointer: Pointer) -> Node:
    """Plain data of the merged model as a node: its places are those of the files it was merged from."""
    origin = project.origin(*pointer) or Origin("")
    if isinstance(value, Mapping):
        return MappingNode(
            items={str(key): _placed(item, project, (*pointer, str(key))) for key, item in value.items()},
            origin=origin,
            key_origins={str(key): project.origin(*pointer, str(key)) or origin for key in value},
        )
    if isinstance(value, list | tuple):
        items = tuple(_placed(item, project, (*pointer, index)) for index, item in enumerate(value))
        return SequenceNode(items=items, origin=origin)
    scalar = value if value is None or isinstance(value, str | int | float | bool) else str(value)
    return Scalar(value=scalar, origin=origin)
