"""The resolved project as ``docker compose config`` prints it, as JSON or as YAML.

Source: compose-go v2.9 types/project.go (MarshalJSON, MarshalYAML) and docker compose 2.40 cmd/compose/config.go.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING

from trimtab.manifest.compose.canonical import SECTIONS
from trimtab.manifest.compose.shapes import Style

if TYPE_CHECKING:
    from trimtab.model.application import ComposeProject

# Where paths of the repository stand: below a service, and below a config or secret. "*" is any key or item.
_SERVICE_PATHS = (
    ("build", "context"),
    ("build", "additional_contexts", "*"),
    ("volumes", "*", "source"),
    ("develop", "watch", "*", "path"),
    ("credential_spec", "file"),
)
_FILE_PATHS = (("file",),)
_VOLUME_PATHS = (("driver_opts", "device"),)


def config_document(project: ComposeProject, *, working_dir: str, style: Style = Style.JSON) -> dict[str, object]:
    """The document that Compose prints; ``working_dir`` is the absolute path of the repository's root.

    As Compose does, it doubles every dollar sign, so that the document can be read as a compose file
    again, and in JSON leaves out ``x-`` attributes below the top level. In YAML Compose also prints
    the top-level ``models``, which a project does not hold.
    """
    sections = {
        "services": (project.services, _SERVICE_PATHS),
        "networks": (project.networks, ()),
        "volumes": (project.volumes, _VOLUME_PATHS),
        "configs": (project.configs, _FILE_PATHS),
        "secrets": (project.secrets, _FILE_PATHS),
    }
    document: dict[str, object] = {"name": project.name}
    for kind, (resources, paths) in sections.items():
        if not resources and kind != "services":
            continue
        placed = {}
        for name in sorted(resources):
            item: object = resources[name]
            for path in paths:
                item = _absolute(item, path, working_dir)
            placed[name] = item
        document[kind] = SECTIONS[kind].document(placed, style)
    document |= dict(sorted(project.extensions.items()))
    return {_escape(key): _printed(value) for key, value in document.items()}


def _absolute(value: object, path: tuple[str, ...], working_dir: str) -> object:
    """``value`` with the paths at ``path`` below it made absolute; only "./..." is relative."""
    if not path:
        relative = isinstance(value, str) and (value == "." or value.startswith("./"))
        return posixpath.normpath(posixpath.join(working_dir, str(value))) if relative else value
    first, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        return {key: _absolute(item, rest, working_dir) if first in ("*", key) else item for key, item in value.items()}
    if isinstance(value, list | tuple) and first == "*":
        return [_absolute(item, rest, working_dir) for item in value]
    return value


def _printed(value: object) -> object:
    if isinstance(value, Mapping):
        return {_escape(str(key)): _printed(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_printed(item) for item in value]
    return _escape(value) if isinstance(value, str) else value


def _escape(text: str) -> str:
    return text.replace("$", "$$")
