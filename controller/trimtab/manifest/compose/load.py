"""Compose files of one commit to one ComposeProject, with every problem on the way.

files -> layer (parse, interpolate, extends, include, merge) -> profiles -> validate -> complete
      -> defaults -> env files -> files that must be there -> ComposeProject
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.canonical import complete
from trimtab.manifest.compose.defaults import used_resources, with_defaults
from trimtab.manifest.compose.layer import Layer
from trimtab.manifest.compose.profiles import active_profiles, check_needs, enabled_services, unknown_profiles
from trimtab.manifest.compose.required_files import check_required_files
from trimtab.manifest.compose.service_environment import project_environment, read_service_files, resolve_unset
from trimtab.manifest.compose.tree_files import Place, TreeFiles
from trimtab.manifest.compose.validate import validate
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode, to_plain
from trimtab.model.application import ComposeProject, Pointer
from trimtab.model.diagnostics import Diagnostic, Origin, has_errors, without
from trimtab.model.sensitive import sensitive_values
from trimtab.model.snapshot import Tree

_RESOURCES = ("networks", "volumes", "configs", "secrets", "models")
_EXTENSION_PREFIX = "x-"
# As many are kept once; those of an application whose services are named like no other's are its own.
_POINTERS = 16_384
_NO_ENVIRONMENT: Mapping[str, str] = {}

# A change of the merged model, in its long form, before it is checked.
Overlay = Callable[[MappingNode], tuple[MappingNode, tuple[Diagnostic, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeResult:
    """The project, unless a diagnostic is an error; all diagnostics, sorted by place."""

    project: ComposeProject | None
    diagnostics: tuple[Diagnostic, ...]


def load_compose(
    tree: Tree,
    files: Sequence[str],
    *,
    project_name: str,
    profiles: Sequence[str] = (),
    env_files: Sequence[str] = (),
    environment: Mapping[str, str] = _NO_ENVIRONMENT,
    inline: MappingNode | None = None,
    project_dir: str | None = None,
    check_files: bool = True,
    overlay: Overlay | None = None,
) -> ComposeResult:
    """Load compose ``files``, later ones on top, and ``inline`` on top of all.

    ``files``, ``env_files`` and ``project_dir`` are relative to the repository's root. Relative
    paths in the files are relative to ``project_dir``: the first file's directory unless given. So
    is ``.env``, which is read when no ``env_files`` are given. ``environment`` wins over both.
    ``check_files`` is off to print a model whose files are somewhere else. ``overlay`` may change
    the merged model, before it is checked and completed.
    """
    found = TreeFiles(tree)
    directory = project_dir if project_dir is not None else posixpath.dirname(files[0]) if files else ""
    variables = project_environment(env_files, directory, environment, project_name, found)
    layer = Layer(files=found, directory=directory, environment=variables, including=tuple(files))
    model = layer.load([(path, Place(origin=Origin(path))) for path in files], inline)
    if model is None:
        if not found.diagnostics:
            found.error(Code.NO_SERVICES, "there is no compose file to load", Place(origin=Origin(directory)))
        return _result(None, found, {**layer.learned, **variables})
    _note_name(model, project_name, found)
    if overlay is not None:
        model, problems = overlay(model)
        found.diagnostics.extend(problems)
    active = active_profiles(profiles, variables)
    enabled = enabled_services(model, active)
    for profile in unknown_profiles(model, sorted(active)):
        found.warning(Code.NO_EFFECT, f"no service has the profile '{profile}'", Place(origin=model.origin))
    found.diagnostics.extend(validate(model, enabled=enabled))
    model = complete(with_defaults(model, variables, project_name))
    check_needs(model, enabled, found)
    model = _used(_enabled(resolve_unset(model, variables), enabled, variables, found), model, found)
    if not enabled and not has_errors(tuple(found.diagnostics)):
        found.warning(Code.NO_SERVICES, "no service is enabled", Place(origin=model.origin))
    if check_files:
        check_required_files(model, found)
    seen = {**layer.learned, **variables}
    return _result(_project(model, project_name, seen), found, seen)


def _result(
    project: ComposeProject | None, files: TreeFiles, variables: Mapping[str, str] = _NO_ENVIRONMENT
) -> ComposeResult:
    told = set(without(files.diagnostics, sensitive_values(variables)))
    diagnostics = tuple(sorted(told, key=lambda one: (one.origin, one.code, one.message)))
    return ComposeResult(project=None if has_errors(diagnostics) else project, diagnostics=diagnostics)


def _note_name(model: MappingNode, project_name: str, files: TreeFiles) -> None:
    """The application's name wins, as `docker compose -p` does."""
    name = model.items.get("name")
    if isinstance(name, Scalar) and name.value != project_name:
        message = f"`name: {name.value}` does not name the application, which is '{project_name}'"
        files.info(Code.PROJECT_NAME_IGNORED, message, Place.of(name))


def _enabled(model: MappingNode, enabled: Sequence[str], variables: Mapping[str, str], files: TreeFiles) -> MappingNode:
    """The model with enabled services only, and their env files read."""
    services = model.items.get("services")
    if not isinstance(services, MappingNode):
        return model
    items: dict[str, Node] = {}
    for name in enabled:
        service = services.items[name]
        items[name] = read_service_files(service, variables, files) if isinstance(service, MappingNode) else service
    return replace(model, items={**model.items, "services": replace(services, items=items)})


def _used(model: MappingNode, whole: MappingNode, files: TreeFiles) -> MappingNode:
    """The model without resources that no enabled service uses, as Compose leaves them alone.

    ``whole`` has the services that are off, too: what only they use is not worth a word.
    """
    used, ever_used = used_resources(_services(model)), used_resources(_services(whole))
    items = dict(model.items)
    for section in _RESOURCES:
        node = items.get(section)
        if not isinstance(node, MappingNode):
            continue
        for name in node.items:
            if name not in ever_used[section]:
                at = Place(origin=node.key_origin(name), length=len(name))
                files.info(Code.UNUSED_RESOURCE, f"no service uses {section}.{name}", at)
        items[section] = replace(node, items={name: item for name, item in node.items.items() if name in used[section]})
    return replace(model, items=items)


def _services(model: MappingNode) -> tuple[Node, ...]:
    services = model.items.get("services")
    return tuple(services.items.values()) if isinstance(services, MappingNode) else ()


def _project(model: MappingNode, project_name: str, variables: Mapping[str, str]) -> ComposeProject:
    def section(name: str) -> dict[str, Mapping[str, object]]:
        node = model.items.get(name)
        plain = to_plain(node) if isinstance(node, MappingNode) else {}
        # Entries of another shape are errors by now, and the project is not used.
        return {key: value for key, value in cast("dict[str, object]", plain).items() if isinstance(value, dict)}

    return ComposeProject(
        name=project_name,
        services=section("services"),
        networks=section("networks"),
        volumes=section("volumes"),
        configs=section("configs"),
        secrets=section("secrets"),
        extensions={key: to_plain(node) for key, node in model.items.items() if key.startswith(_EXTENSION_PREFIX)},
        origins=_origins(model, (), {}),
        environment=variables,
    )


@lru_cache(maxsize=_POINTERS)
def _kept_once(pointer: Pointer) -> Pointer:
    """The same pointer as an equal one that other applications have: attributes are named alike all over."""
    return pointer


def _origins(node: MappingNode | SequenceNode, pointer: Pointer, found: dict[Pointer, Origin]) -> dict[Pointer, Origin]:
    """Places of everything, the key's where there is one."""
    if isinstance(node, MappingNode):
        places = node.key_origins
        for key, item in node.items.items():
            below = _kept_once((*pointer, key))
            found[below] = places.get(key, item.origin)
            if not isinstance(item, Scalar):
                _origins(item, below, found)
    else:
        for index, item in enumerate(node.items):
            below = _kept_once((*pointer, index))
            found[below] = item.origin
            if not isinstance(item, Scalar):
                _origins(item, below, found)
    return found
