"""A declaration and the tree that holds its files become an Application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic.alias_generators import to_camel

from trimtab.manifest.addresses import with_addresses
from trimtab.manifest.codes import Code
from trimtab.manifest.compose.load import load_compose
from trimtab.manifest.declaration import Declaration
from trimtab.manifest.discover import default_files
from trimtab.manifest.headers import at
from trimtab.manifest.jobs import job_settings, services_in_jobs, with_services_of_jobs
from trimtab.manifest.kinds.decode import decode
from trimtab.manifest.kinds.settings import ComposeFileSettings, ComposeOptions, Settings
from trimtab.manifest.moves import check_moves
from trimtab.manifest.nodes import MappingNode, Node, SequenceNode
from trimtab.manifest.overlays import PlacedPatch, apply_patches
from trimtab.manifest.service_settings import EXTENSION, service_settings
from trimtab.manifest.yaml_nodes import DEFAULT_LIMITS, parse
from trimtab.model import application as model
from trimtab.model.application import Application, ComposeProject
from trimtab.model.diagnostics import Diagnostic, Origin, Severity, has_errors
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import FileTooLarge, PathEscapesTree, Tree, join_path, resolve_path
from trimtab.model.windows import SyncWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The settings that count, and where each was written."""

    settings: Settings
    options: ComposeOptions
    nodes: Mapping[str, Node]


def load_from_source(
    declaration: Declaration, tree: Tree, path: str | None = None, *, environment: Mapping[str, str] | None = None
) -> tuple[Application | None, tuple[Diagnostic, ...]]:
    """The application of ``declaration``, whose compose files are in ``tree`` below ``path``.

    ``path`` is the declaration's own directory unless given. Give a TracingTree to learn what was read.

    Raises:
        PathEscapesTree: ``path`` is not inside the tree.
    """
    directory = declaration.directory if path is None else join_path("", path)
    files, env_files, diagnostics = _files(declaration, tree, directory)
    chosen, problems = _choose(declaration, tree, files)
    diagnostics += problems
    if not files and not declaration.settings.compose.files and not _has_services(declaration):
        return None, (*diagnostics, _nothing_to_run(declaration, directory))
    if not env_files:
        env_files, problems = _joined(directory, chosen.options.env_files, chosen.nodes.get("compose"), "envFiles")
        diagnostics += problems
    if has_errors(diagnostics) and not (files or _has_services(declaration)):
        return None, diagnostics
    listed = chosen.nodes.get("jobs") or at(declaration.spec, "jobs")
    result = load_compose(
        tree,
        files,
        project_name=declaration.key.project,
        profiles=chosen.options.profiles,
        env_files=env_files,
        environment=environment or {},
        inline=with_services_of_jobs(declaration.inline, listed),
        project_dir=directory,
        overlay=lambda merged: apply_patches(merged, _placed(chosen), tree),
    )
    diagnostics += result.diagnostics
    if result.project is None:
        return None, diagnostics
    own, problems = service_settings(result.project)
    elsewhere = _services_outside_jobs(declaration, tree, files) if services_in_jobs(listed) else ()
    jobs, more = job_settings(chosen.settings.jobs, listed, result.project, elsewhere)
    diagnostics += problems + more + _moves(result.project, chosen)
    if has_errors(diagnostics):
        return None, diagnostics
    project, own, problems = with_addresses(result.project, own, {job.service for job in jobs.values()})
    diagnostics += problems
    if has_errors(diagnostics):
        return None, diagnostics
    return replace(_application(declaration, chosen, project, own), jobs=jobs), diagnostics


def _files(
    declaration: Declaration, tree: Tree, directory: str
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Diagnostic, ...]]:
    """Compose files and env files from the repository's root."""
    compose = declaration.settings.compose
    place = at(declaration.spec, "compose")
    files, problems = _joined(directory, compose.files, place, "files")
    env_files, env_problems = _joined(directory, compose.env_files, place, "envFiles")
    if not compose.files and not _has_services(declaration):
        files, more = default_files(tree, directory)
        problems += more
    return files, env_files, problems + env_problems


def _has_services(declaration: Declaration) -> bool:
    inside = declaration.inline is not None and "services" in declaration.inline.items
    return inside or bool(services_in_jobs(at(declaration.spec, "jobs")))


def _joined(
    directory: str, names: Sequence[str], place: Node | None, field: str
) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """``names`` from the repository's root; ``place`` is the ``compose`` mapping that has them."""
    paths: list[str] = []
    diagnostics: list[Diagnostic] = []
    for index, name in enumerate(names):
        try:
            paths.append(join_path(directory, name))
        except PathEscapesTree:
            listed = at(place, field)
            node = listed.items[index] if isinstance(listed, SequenceNode) and index < len(listed.items) else place
            diagnostics.append(
                _error(
                    Code.PATH_ESCAPES,
                    f"'{name}' leaves the repository",
                    node.origin if node is not None else Origin(directory),
                    "only files of the repository are read",
                )
            )
    return tuple(paths), tuple(diagnostics)


def _nothing_to_run(declaration: Declaration, directory: str) -> Diagnostic:
    return _error(
        Code.NOTHING_TO_RUN,
        f"the application '{declaration.key}' has no services, and there is no compose file in '{directory or '.'}'",
        declaration.origin,
        "name its files under spec.compose.files, or write services under spec.services",
    )


def _choose(declaration: Declaration, tree: Tree, files: Sequence[str]) -> tuple[_Chosen, tuple[Diagnostic, ...]]:
    """The settings of the compose files' ``x-trimtab``, later files first, and above them those of the document."""
    settings, nodes = Settings(), dict[str, Node]()
    options: ComposeOptions = ComposeOptions()
    diagnostics: tuple[Diagnostic, ...] = ()
    for path in files:
        node = _extension(tree, path)
        if node is None:
            continue
        found, problems = decode(ComposeFileSettings, node, where=EXTENSION)
        diagnostics += problems
        if found is not None:
            settings = _over(settings, found)
            options = found.compose if "compose" in found.model_fields_set else options
            nodes.update(node.items if isinstance(node, MappingNode) else {})
    if declaration.spec is not None:
        settings = _over(settings, declaration.settings)
        # Of a document with errors only some settings could be read; the others have no say.
        aliases = {to_camel(name) for name in declaration.settings.model_fields_set}
        nodes.update({name: node for name, node in declaration.spec.items.items() if name in aliases})
        if "compose" in declaration.settings.model_fields_set:
            options = declaration.settings.compose
    return _Chosen(settings=settings, options=options, nodes=nodes), diagnostics


def _over(lower: Settings, upper: Settings) -> Settings:
    names = upper.model_fields_set & Settings.model_fields.keys()
    return lower.model_copy(update={name: getattr(upper, name) for name in sorted(names)})


def _extension(tree: Tree, path: str) -> Node | None:
    """A compose file's top-level ``x-trimtab``; whatever is wrong with the file is told by the compose loader."""
    try:
        data = tree.read(resolve_path(tree, path), DEFAULT_LIMITS.max_bytes)
    except (FileNotFoundError, FileTooLarge, PathEscapesTree):
        return None
    if EXTENSION.encode() not in data:
        return None
    documents, _ = parse(data, path)
    return at(documents[0], EXTENSION) if documents else None


def _services_outside_jobs(declaration: Declaration, tree: Tree, files: Sequence[str]) -> frozenset[str]:
    """Names of the services that the files themselves and the document have."""
    found = [declaration.inline, *(document for path in files for document in _documents(tree, path))]
    sections = [at(node, "services") for node in found]
    return frozenset(name for section in sections if isinstance(section, MappingNode) for name in section.items)


def _documents(tree: Tree, path: str) -> tuple[Node, ...]:
    # The project was read from these files, so they are there, and not too large.
    return parse(tree.read(resolve_path(tree, path)), path)[0]


def _placed(chosen: _Chosen) -> tuple[PlacedPatch, ...]:
    listed = chosen.nodes.get("patches")
    nodes = listed.items if isinstance(listed, SequenceNode) else ()
    return tuple(PlacedPatch(patch, node) for patch, node in zip(chosen.settings.patches, nodes, strict=True))


def _moves(project: ComposeProject, chosen: _Chosen) -> tuple[Diagnostic, ...]:
    """What is wrong with ``moved``: the new name must be there, the old one must not."""
    listed = chosen.nodes.get("moved")
    nodes = listed.items if isinstance(listed, SequenceNode) else ()
    return check_moves(project, tuple(zip(chosen.settings.moved, nodes, strict=True)))


def _application(
    declaration: Declaration, chosen: _Chosen, project: ComposeProject, own: Mapping[str, model.ServiceSettings]
) -> Application:
    settings = chosen.settings
    return Application(
        key=declaration.key,
        origin=declaration.origin,
        compose=project,
        project=settings.project,
        source=declaration.source,
        destination=settings.destination.name,
        sync_policy=settings.sync_policy.to_model(),
        rollback_on_failure=settings.sync_policy.rollback_on_failure,
        depends_on=tuple(
            AppKey(needed.namespace or declaration.key.namespace, needed.name) for needed in settings.depends_on
        ),
        wave=settings.wave,
        windows=_windows(chosen),
        ignore_differences=tuple(
            model.IgnoreDifference(kind=i.kind, name=i.name, json_pointers=i.json_pointers)
            for i in settings.ignore_differences
        ),
        timeout_s=settings.timeout,
        suspend=settings.suspend.to_model(),
        moved=tuple(model.Moved(kind=m.kind, from_name=m.from_, to_name=m.to) for m in settings.moved),
        service_settings=own,
        annotations=declaration.annotations,
    )


def _windows(chosen: _Chosen) -> tuple[SyncWindow, ...]:
    listed = at(chosen.nodes.get("syncPolicy"), "windows")
    nodes = listed.items if isinstance(listed, SequenceNode) else ()
    windows = chosen.settings.sync_policy.windows
    return tuple(window.to_model(node.origin) for window, node in zip(windows, nodes, strict=True))


def _error(code: Code, message: str, origin: Origin, hint: str = "") -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, code=code.value, message=message, origin=origin, hint=hint)
