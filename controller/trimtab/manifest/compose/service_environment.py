"""Where variables come from: ``.env`` and env files for interpolation; ``env_file`` and ``label_file`` for services.

The variables the caller gives win over files, as the shell's do in Compose. The controller's own
environment is never read.

Source: compose-go, cli/options.go, dotenv/env.go, types/project.go (WithServicesEnvironmentResolved).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.dotenv import EnvText, parse_env, parse_raw
from trimtab.manifest.compose.include import Inclusion
from trimtab.manifest.compose.interpolate import Lookup
from trimtab.manifest.compose.paths import is_repository_path, tree_path
from trimtab.manifest.compose.tree_files import Place, TreeFiles
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.model.diagnostics import Origin
from trimtab.model.snapshot import join_path

PROJECT_NAME = "COMPOSE_PROJECT_NAME"
_NULL_DEVICE = "/dev/null"
_FORMATS = {None: parse_env, "": parse_env, ".env": parse_env, "raw": parse_raw}
# Compose's own settings that some env files carry; here they are options of the Application.
_SETTINGS = {
    "COMPOSE_FILE": "list the files in `compose.files` of the Application",
    "COMPOSE_ENV_FILES": "list the files in `compose.envFiles` of the Application",
}


def project_environment(
    env_files: Sequence[str], directory: str, given: Mapping[str, str], project_name: str, files: TreeFiles
) -> dict[str, str]:
    """The variables that interpolation sees: ``given``, then ``env_files``, or else ``.env`` in ``directory``."""
    named = tuple((path, Place(origin=Origin(path))) for path in env_files)
    read, origins = _read_all(named or _default_env(directory, files), given, files)
    for name, hint in _SETTINGS.items():
        if name in read:
            files.warning(Code.NO_EFFECT, f"{name} has no effect in an env file", Place(origin=origins[name]), hint)
    if read.get(PROJECT_NAME, project_name) != project_name:
        message = f"{PROJECT_NAME} does not name the application, which is '{project_name}'"
        files.info(Code.PROJECT_NAME_IGNORED, message, Place(origin=origins[PROJECT_NAME]))
    return {**read, **given, PROJECT_NAME: project_name}


def include_environment(inclusion: Inclusion, outer: Mapping[str, str], files: TreeFiles) -> dict[str, str]:
    """The variables of an included file: the outer ones, and below them its own env files'."""
    named = _default_env(inclusion.directory, files) if inclusion.default_env else inclusion.env_files
    read, _ = _read_all(named, outer, files)
    return {**read, **outer}


def _default_env(directory: str, files: TreeFiles) -> tuple[tuple[str, Place], ...]:
    at = Place(origin=Origin(join_path(directory, ".env")))
    path = files.join(directory, ".env", "the env file", at)
    return ((path, at),) if path is not None and files.kind(path) is not None else ()


def _read_all(
    named: Sequence[tuple[str, Place]], outer: Mapping[str, str], files: TreeFiles
) -> tuple[dict[str, str], dict[str, Origin]]:
    read: dict[str, str] = {}
    origins: dict[str, Origin] = {}
    for path, at in named:
        content = files.read(path, "the env file", at)
        if content is None:
            continue
        found = parse_env(content, path, outer.get, read)
        files.diagnostics.extend(found.diagnostics)
        read |= found.variables
        origins |= found.origins
    return read, origins


def resolve_unset(model: MappingNode, environment: Mapping[str, str]) -> MappingNode:
    """The model with variables that services name without a value taken from ``environment``, where it has them."""
    services = model.items.get("services")
    if not isinstance(services, MappingNode):
        return model
    items = {name: _service_unset(service, environment) for name, service in services.items.items()}
    return replace(model, items={**model.items, "services": replace(services, items=items)})


def _service_unset(service: Node, environment: Mapping[str, str]) -> Node:
    if not isinstance(service, MappingNode):
        return service
    items = dict(service.items)
    if isinstance(own := items.get("environment"), MappingNode):
        items["environment"] = _filled(own, environment)
    build = items.get("build")
    args = build.items.get("args") if isinstance(build, MappingNode) else None
    if isinstance(build, MappingNode) and isinstance(args, MappingNode):
        items["build"] = replace(build, items={**build.items, "args": _filled(args, environment)})
    return replace(service, items=items)


def _filled(node: MappingNode, environment: Mapping[str, str]) -> MappingNode:
    def fill(name: str, item: Node) -> Node:
        is_unset = isinstance(item, Scalar) and item.value is None and name in environment
        return replace(item, value=environment[name]) if isinstance(item, Scalar) and is_unset else item

    return replace(node, items={name: fill(name, item) for name, item in node.items.items()})


def read_service_files(service: MappingNode, environment: Mapping[str, str], files: TreeFiles) -> MappingNode:
    """The service with ``env_file`` and ``label_file`` read into ``environment`` and ``labels``."""
    items = {key: item for key, item in service.items.items() if key not in ("env_file", "label_file")}
    if isinstance(env_files := service.items.get("env_file"), SequenceNode):
        items["environment"] = _from_env_files(env_files, items.get("environment"), environment, files)
    if isinstance(label_files := service.items.get("label_file"), SequenceNode):
        items["labels"] = _from_label_files(label_files, items.get("labels"), files)
    # Files that are not there or empty leave nothing, as if they had not been named.
    empty = {key for key in ("environment", "labels") if isinstance(n := items.get(key), MappingNode) and not n.items}
    return replace(service, items={key: item for key, item in items.items() if key not in empty})


def _from_env_files(
    env_files: SequenceNode, own: Node | None, environment: Mapping[str, str], files: TreeFiles
) -> MappingNode:
    named = own if isinstance(own, MappingNode) else MappingNode(items={}, origin=env_files.origin)
    values = {
        name: str(item.value)
        for name, item in named.items.items()
        if isinstance(item, Scalar) and item.value is not None
    }

    def lookup(name: str) -> str | None:
        return environment[name] if name in environment else values.get(name)

    earlier: dict[str, str] = {}
    origins: dict[str, Origin] = {}
    for entry in env_files.items:
        found = _env_file(entry, lookup, earlier, files)
        if found is not None:
            earlier |= found.variables
            origins |= found.origins
    return _below(named, earlier, origins)


def _env_file(entry: Node, lookup: Lookup, earlier: Mapping[str, str], files: TreeFiles) -> EnvText | None:
    """One entry of a service's ``env_file``, in its long form."""
    path = entry.items.get("path") if isinstance(entry, MappingNode) else None
    if not isinstance(entry, MappingNode) or not isinstance(path, Scalar) or not isinstance(path.value, str):
        return None  # the schema check says so
    if path.value == _NULL_DEVICE or not is_repository_path(path.value):
        return None  # outside the repository: said when paths were looked at
    required, kind = entry.items.get("required"), entry.items.get("format")
    is_optional = isinstance(required, Scalar) and required.value is False
    content = files.read(tree_path(path.value), "the env file", Place.of(path), required=not is_optional)
    if content is None:
        return None
    name = kind.value if isinstance(kind, Scalar) else None
    if name not in _FORMATS:
        hint = "write `format: raw`, or leave it out for the usual format"
        at = Place.of(kind) if isinstance(kind, Scalar) else Place.of(path)
        files.error(Code.ENV_FILE_FORMAT, f"unknown format '{name}' of an env file", at, hint)
        return None
    found = _FORMATS[name](content, tree_path(path.value), lookup, earlier)
    files.diagnostics.extend(found.diagnostics)
    return found


def _from_label_files(label_files: SequenceNode, own: Node | None, files: TreeFiles) -> MappingNode:
    """Label files see each other's values and no variables."""
    named = own if isinstance(own, MappingNode) else MappingNode(items={}, origin=label_files.origin)
    earlier: dict[str, str] = {}
    origins: dict[str, Origin] = {}
    for path in label_files.items:
        if not isinstance(path, Scalar) or not isinstance(path.value, str) or not is_repository_path(path.value):
            continue  # the schema check says so, or it was said when paths were looked at
        content = files.read(tree_path(path.value), "the label file", Place.of(path))
        if content is None:
            continue
        found = parse_env(content, tree_path(path.value), earlier.get)
        files.diagnostics.extend(found.diagnostics)
        earlier |= found.variables
        origins |= found.origins
    return _below(named, earlier, origins)


def _below(named: MappingNode, values: Mapping[str, str], origins: Mapping[str, Origin]) -> MappingNode:
    """``named`` with ``values`` below its own."""
    added = {name: Scalar(value=value, origin=origins[name], quoted=True) for name, value in values.items()}
    return replace(
        named, items={**added, **named.items}, key_origins={**{key: origins[key] for key in added}, **named.key_origins}
    )
