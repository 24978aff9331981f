"""An application as one document, or one compose directory, declares it; its compose part is not loaded yet."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.manifest.codes import Code
from trimtab.manifest.headers import at
from trimtab.manifest.kinds.application import COMPOSE_SECTIONS, ApplicationManifest, ApplicationSpec, ComposeFiles
from trimtab.manifest.kinds.base import DNS_LABEL
from trimtab.manifest.kinds.decode import decode
from trimtab.manifest.kinds.zerverless import ZERVERLESS_GROUP, ZerverlessManifest
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.model.application import SourceRef
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import join_path

_DNS_LABEL_LENGTH = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Who an application is, how it is treated and where its files are.

    ``directory`` is where ``compose.files`` are looked for; ``spec`` keeps the places of the
    settings; ``inline`` holds the compose sections that stand in the document itself.
    ``plain`` tells a compose directory from a document of ours.
    """

    key: AppKey
    origin: Origin
    directory: str
    source: SourceRef | None = None
    settings: ApplicationSpec = field(default_factory=ApplicationSpec)
    spec: MappingNode | None = None
    inline: MappingNode | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False


def declare(document: Node, key: AppKey) -> tuple[Declaration, tuple[Diagnostic, ...]]:
    """A document of ours with the name ``key``.

    With errors the declaration still has what could be read, so that the problems of its
    compose files can be told at the same time; it must not be carried out then.
    """
    version = at(document, "apiVersion")
    if isinstance(version, Scalar) and str(version.value).startswith(f"{ZERVERLESS_GROUP}/"):
        return _declare_zerverless(document, key)
    manifest, problems = decode(ApplicationManifest, document)
    spec_node = at(document, "spec")
    spec = spec_node if isinstance(spec_node, MappingNode) else None
    settings = manifest.spec if manifest is not None else _what_can_be_read(spec)
    source = settings.source
    declaration = Declaration(
        key=key,
        origin=document.origin,
        directory=join_path("", source.path) if source is not None else posixpath.dirname(document.origin.path),
        source=SourceRef(repo_url=source.repo_url or "", target_revision=source.target_revision, path=source.path)
        if source is not None
        else None,
        settings=settings,
        spec=spec,
        inline=_inline(spec),
        annotations=manifest.metadata.annotations if manifest is not None else {},
    )
    if at(document, "status") is not None and isinstance(document, MappingNode):
        problems += (
            Diagnostic(
                severity=Severity.WARNING,
                code=Code.STATUS_IN_FILE.value,
                message="a 'status' in a file has no effect; the controller writes it",
                origin=document.key_origin("status"),
                length=len("status"),
                hint="remove it",
            ),
        )
    return declaration, problems


def declare_compose(directory: str, name: str, file: str) -> tuple[Declaration | None, tuple[Diagnostic, ...]]:
    """A directory with compose files of its own, as the application ``name``."""
    label = normalise(name)
    if not label:
        diagnostic = Diagnostic(
            severity=Severity.ERROR,
            code=Code.BAD_APPLICATION_NAME.value,
            message=f"no application name can be made from '{name}'",
            origin=Origin(file),
            hint="rename the directory, set 'name:' in the compose file, or write an Application beside it",
        )
        return None, (diagnostic,)
    return Declaration(key=AppKey.parse(label), origin=Origin(file, 1, 1), directory=directory, plain=True), ()


def normalise(name: str) -> str:
    """``name`` as a DNS label, or "": lower case, and what Compose drops is dropped.

    Source: compose-go, loader.NormalizeProjectName; '_' is '-' here, which DNS asks for.
    """
    kept = re.sub(r"[^-_a-z0-9]", "", name.lower()).replace("_", "-").lstrip("-")
    label = kept[:_DNS_LABEL_LENGTH].rstrip("-")
    return label if re.fullmatch(DNS_LABEL, label) else ""


def _what_can_be_read(spec: MappingNode | None) -> ApplicationSpec:
    """Of a spec with errors, the part that says which compose files to look at."""
    compose = at(spec, "compose")
    files = decode(ComposeFiles, compose)[0] if compose is not None else None
    return ApplicationSpec(compose=files) if files is not None else ApplicationSpec()


def _inline(spec: MappingNode | None) -> MappingNode | None:
    if spec is None:
        return None
    items = {name: spec.items[name] for name in COMPOSE_SECTIONS if name in spec.items}
    if not items:
        return None
    return MappingNode(items=items, origin=spec.origin, key_origins={name: spec.key_origin(name) for name in items})


def _declare_zerverless(document: Node, key: AppKey) -> tuple[Declaration, tuple[Diagnostic, ...]]:
    manifest, problems = decode(ZerverlessManifest, document)
    source = manifest.spec.source if manifest is not None else None
    remote = source is not None and bool(source.repo_url or source.branch)
    declaration = Declaration(
        key=key,
        origin=document.origin,
        directory=join_path("", source.path)
        if source is not None and (remote or source.path)
        else posixpath.dirname(document.origin.path),
        source=SourceRef(repo_url=source.repo_url or "", target_revision=source.branch, path=source.path)
        if source is not None and remote
        else None,
        annotations=manifest.metadata.annotations if manifest is not None else {},
    )
    return declaration, problems + _refused(document, manifest)


def _refused(document: Node, manifest: ZerverlessManifest | None) -> tuple[Diagnostic, ...]:
    """One diagnostic for each function, and for the static files: they are not run, and nobody may believe they are."""
    if manifest is None:
        return ()
    hint = "write what answers its requests as a service of a compose file"
    found: list[tuple[str, Node | None]] = []
    functions = at(document, "spec", "functions")
    nodes = functions.items if isinstance(functions, SequenceNode) else ()
    for function, node in zip(manifest.spec.functions, nodes, strict=True):
        found.append((f"the function '{function.path}' (runtime {function.runtime}) is not run", node))
    if manifest.spec.static is not None:
        message = f"the static files in '{manifest.spec.static.dir}' are not served"
        found.append((message, at(document, "spec", "static")))
    return tuple(
        Diagnostic(
            severity=Severity.WARNING,
            code=Code.UNSUPPORTED_FUNCTION.value,
            message=f"{message}: this version of Trimtab runs containers only; the rest of the document is honoured",
            origin=(node or document).origin,
            hint=hint,
        )
        for message, node in found
    )
