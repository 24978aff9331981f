"""What an application is made from, at any commit: the paths it reads, and a digest that tells two versions apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trimtab.backends.engine.dialect import EngineDialect
from trimtab.images.resolver import TreeImageResolver
from trimtab.manifest.assemble import load_from_source
from trimtab.manifest.load import load
from trimtab.manifest.trace import Trace, TracingTree
from trimtab.model.application import SourceRef
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import EntryKind, Snapshot, Tree

if TYPE_CHECKING:
    from trimtab.manifest.declaration import Declaration
    from trimtab.manifest.load import LoadResult
    from trimtab.model.application import Application
    from trimtab.runtime.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An application at one commit. ``digest`` is "" where its manifests cannot be used; then ``paths`` are those."""

    digest: str
    paths: frozenset[str]


def read(repository: Repository, snapshot: Snapshot) -> LoadResult:
    """All applications of a commit of a watched repository."""
    return load(
        snapshot.tree,
        path=repository.path,
        default_name=repository.default_name,
        environment=repository.environment,
        excludes=repository.excludes,
        here=SourceRef(repo_url=repository.source.url, target_revision=repository.target_revision),
    )


def version(repository: Repository, snapshot: Snapshot, key: AppKey) -> Version | None:
    """An application of this repository as it is in ``snapshot``; None where there is none of that name."""
    result = read(repository, snapshot)
    app = next((found for found in result.applications if found.key == key), None)
    if app is not None:
        return _rendered(app, snapshot.tree, result.traces[key])
    broken = frozenset(failed.path for failed in result.failed if failed.key == key and failed.path)
    return Version(digest="", paths=broken) if broken else None


def version_elsewhere(declaration: Declaration, reference: SourceRef, snapshot: Snapshot) -> Version | None:
    """The same for one that is declared in another repository than the one its files are in."""
    tree = TracingTree(snapshot.tree)
    app, _ = load_from_source(declaration, tree, reference.path)
    return None if app is None else _rendered(app, snapshot.tree, tree.trace())


def _rendered(app: Application, tree: Tree, loaded: Trace) -> Version:
    tracing = TracingTree(tree)
    choices, _ = TreeImageResolver().choose(app, tracing)
    # No engine, so no key of its own: these digests are compared with each other and with nothing else.
    desired = EngineDialect(installation="rollback", seal_key=b"").render(app, tracing, "", choices)
    return Version(digest=desired.digest, paths=frozenset({*_read(loaded, tree), *_read(tracing.trace(), tree)}))


def _read(trace: Trace, tree: Tree) -> set[str]:
    """Paths that mattered: not directories that were only passed through."""
    paths = set()
    for path, fact in trace.facts.items():
        entry = tree.entry(path)
        passed = entry is not None and entry.kind is EntryKind.DIRECTORY and fact != f"{entry.kind}:{entry.oid}"
        if not passed:
            paths.add(path)
    return paths


def outermost(paths: frozenset[str]) -> tuple[str, ...]:
    """Without those that lie below another; () where the root is among them."""
    if "" in paths:
        return ()
    kept: list[str] = []
    for path in sorted(paths):
        if not any(path.startswith(f"{other}/") for other in kept):
            kept.append(path)
    return tuple(kept)
