"""A layer: compose files that are read with the same variables and directory, and merged into one model.

The application's own files are a layer, and so is each ``include``. Each file goes through
parse, interpolate, long form, paths, extends, include; then it is merged on top of those before it.

Source: Compose Specification, 13-merge.md, 14-include.md; compose-go, loader/loader.go has this order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.canonical import canonical
from trimtab.manifest.compose.directives import Directives, take_directives
from trimtab.manifest.compose.extends import Extensible, resolve_extends
from trimtab.manifest.compose.include import Inclusion, import_model, inclusions
from trimtab.manifest.compose.interpolate import interpolate
from trimtab.manifest.compose.merge import merge, unique
from trimtab.manifest.compose.paths import rebase, repository_path
from trimtab.manifest.compose.service_environment import include_environment, resolve_unset
from trimtab.manifest.compose.tree_files import Place, TreeFiles
from trimtab.manifest.nodes import MappingNode, Node, Scalar
from trimtab.manifest.yaml_nodes import parse
from trimtab.model.diagnostics import Origin

# An extension that holds Trimtab's settings; it means nothing in a file that is only included.
_SETTINGS = "x-trimtab"
# `include` inside an included file, and so on; deeper is a mistake, and each level costs stack.
_MAX_INCLUDES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What files of one layer share.

    ``directory`` is what their relative paths are relative to; ``including`` are the files that led here.
    """

    files: TreeFiles
    directory: str
    environment: Mapping[str, str] = field(repr=False)
    including: tuple[str, ...] = ()
    # What included layers know beyond the outer variables, for configs and secrets that take their value from one.
    learned: dict[str, str] = field(default_factory=dict, repr=False)

    def load(self, paths: Sequence[tuple[str, Place]], inline: MappingNode | None = None) -> MappingNode | None:
        """The merged long form of all files, ``inline`` last; None if nothing could be read."""
        model: MappingNode | None = None
        for path, named_at in paths:
            for document in self._documents(path, named_at):
                model = self._add(model, document, path)
        if inline is not None:
            model = self._add(model, inline, inline.origin.path)
        return None if model is None else _with_contexts(model, self.directory)

    def _documents(self, path: str, named_at: Place) -> tuple[MappingNode, ...]:
        content = self.files.read(path, "the compose file", named_at)
        if content is None:
            return ()
        documents, diagnostics = parse(content, path)
        self.files.diagnostics.extend(diagnostics)
        if not documents and not diagnostics:
            at = Place(origin=Origin(path))
            self.files.error(Code.EMPTY_COMPOSE_FILE, f"the compose file '{path}' is empty", at, "add `services:`")
        for document in documents:
            if not isinstance(document, MappingNode):
                shape = "a single value" if isinstance(document, Scalar) else "a list"
                message = f"the top level of a compose file is a mapping, not {shape}"
                self.files.error(Code.NOT_A_MAPPING, message, Place(origin=document.origin))
        return tuple(document for document in documents if isinstance(document, MappingNode))

    def _add(self, model: MappingNode | None, document: MappingNode, path: str) -> MappingNode:
        """``model`` with one document merged on top."""
        long, directives, included = self._long_form(document, path, self.directory)
        long = resolve_extends(
            Extensible(path=path, directory=self.directory, model=long, directives=directives),
            self.files,
            self._extended_file,
        )
        for inclusion in included:
            long = self._include(long, inclusion)
        if model is not None:
            long, diagnostics = merge(directives.apply(model), long)
            self.files.diagnostics.extend(diagnostics)
        # What stood twice in one file was said when it was read; from here on, replacing is the purpose.
        return unique(long)[0]

    def _long_form(
        self, document: MappingNode, path: str, directory: str
    ) -> tuple[MappingNode, Directives, tuple[Inclusion, ...]]:
        """One document, and what it asks for: merge tags to apply below it, files to include."""
        report = self.files.diagnostics
        expanded, diagnostics = interpolate(document, self.environment)
        report.extend(diagnostics)
        plain, directives, diagnostics = take_directives(_mapping(expanded))
        report.extend(diagnostics)
        if "version" in plain.items:
            at = Place(origin=plain.key_origin("version"), length=len("version"))
            self.files.warning(Code.VERSION_OBSOLETE, "the attribute `version` is obsolete", at, "remove it")
        included = inclusions(plain, directory, self.files)
        items = {key: item for key, item in plain.items.items() if key not in ("version", "include")}
        long, diagnostics = canonical(replace(plain, items=items), path=path)
        report.extend(diagnostics)
        long, diagnostics = unique(long)
        report.extend(diagnostics)
        return rebase(long, directory, self.files), directives, included

    def _extended_file(self, path: str, named_at: Place, directory: str) -> Extensible | None:
        """Another file, of which only services are used; its paths are relative to its own directory."""
        model: MappingNode | None = None
        directives = Directives()
        for document in self._documents(path, named_at):
            long, own, included = self._long_form(document, path, directory)
            long = _with_required(long)
            if included:
                message = f"`include` has no effect in '{path}', from which a service is only extended"
                self.files.warning(Code.NO_EFFECT, message, Place(origin=document.key_origin("include")))
            if model is not None:
                merged, diagnostics = merge(own.apply(model), long)
                self.files.diagnostics.extend(diagnostics)
                long = unique(merged)[0]
            model = long
            directives = Directives(paths=(*directives.paths, *own.paths))
        return None if model is None else Extensible(path=path, directory=directory, model=model, directives=directives)

    def _include(self, model: MappingNode, inclusion: Inclusion) -> MappingNode:
        """``model`` with the resources of an included layer."""
        for path, named_at in inclusion.paths:
            if path in self.including:
                chain = " -> ".join([*self.including[self.including.index(path) :], path])
                self.files.error(Code.INCLUDE_CYCLE, f"files include each other in a circle: {chain}", named_at)
                return model
        if len(self.including) >= _MAX_INCLUDES:
            message = f"includes nest deeper than {_MAX_INCLUDES} levels"
            self.files.error(Code.INCLUDE_CYCLE, message, inclusion.paths[0][1])
            return model
        environment = include_environment(inclusion, self.environment, self.files)
        inner = Layer(
            files=self.files,
            directory=inclusion.directory,
            environment=environment,
            including=(*self.including, *(path for path, _ in inclusion.paths)),
            learned=self.learned,
        )
        included = inner.load(inclusion.paths)
        if included is None:
            return model
        if _SETTINGS in included.items:
            message = f"`{_SETTINGS}` has no effect in a file that is included"
            at = Place(origin=included.key_origin(_SETTINGS), length=len(_SETTINGS))
            self.files.warning(Code.NO_EFFECT, message, at, "move it to the application's own file")
        self._learn(included, environment)
        return import_model(model, resolve_unset(included, environment), self.files)

    def _learn(self, included: MappingNode, environment: Mapping[str, str]) -> None:
        """Remember the variables that included configs and secrets are made from, when only their layer has them."""
        for section in ("configs", "secrets"):
            resources = included.items.get(section)
            for node in resources.items.values() if isinstance(resources, MappingNode) else ():
                name = node.items.get("environment") if isinstance(node, MappingNode) else None
                if not isinstance(name, Scalar) or name.value in self.environment or name.value not in environment:
                    continue
                variable, value = str(name.value), environment[str(name.value)]
                if self.learned.setdefault(variable, value) != value:
                    message = f"two included files have different values for {variable}, which configs or secrets use"
                    hint = "use another variable's name in one of them"
                    self.files.error(Code.INCLUDE_CONFLICT, message, Place.of(name), hint)


def _with_required(model: MappingNode) -> MappingNode:
    """Dependencies that do not say whether they are required are, even on top of one that says it is not.

    Compose fills this in before it merges services of another file, and after it merges whole files.
    """

    def entry(node: Node) -> Node:
        if not isinstance(node, MappingNode) or "required" in node.items:
            return node
        return replace(node, items={**node.items, "required": Scalar(value=True, origin=node.origin)})

    def service(node: Node) -> Node:
        depends = node.items.get("depends_on") if isinstance(node, MappingNode) else None
        if not isinstance(node, MappingNode) or not isinstance(depends, MappingNode):
            return node
        entries = replace(depends, items={name: entry(item) for name, item in depends.items.items()})
        return replace(node, items={**node.items, "depends_on": entries})

    services = model.items.get("services")
    if not isinstance(services, MappingNode):
        return model
    items = {name: service(node) for name, node in services.items.items()}
    return replace(model, items={**model.items, "services": replace(services, items=items)})


def _mapping(node: Node) -> MappingNode:
    """Interpolation keeps shapes."""
    assert isinstance(node, MappingNode)  # noqa: S101 - for the type checker only
    return node


def _with_contexts(model: MappingNode, directory: str) -> MappingNode:
    """A build without context is built from the layer's directory, which outer layers do not know."""
    services = model.items.get("services")
    if not isinstance(services, MappingNode):
        return model
    items = dict(services.items)
    for name, service in services.items.items():
        build = service.items.get("build") if isinstance(service, MappingNode) else None
        if isinstance(service, MappingNode) and isinstance(build, MappingNode) and "context" not in build.items:
            context = Scalar(value=repository_path(directory), origin=build.origin)
            with_context = replace(build, items={**build.items, "context": context})
            items[name] = replace(service, items={**service.items, "build": with_context})
    return replace(model, items={**model.items, "services": replace(services, items=items)})
