"""What one repository, by itself, says of each application: wanted so, held at what it was, or removed (I4)."""

from __future__ import annotations

from collections.abc import Collection

from trimtab.manifest.load import LoadResult
from trimtab.model.diagnostics import Diagnostic, Severity
from trimtab.model.keys import AppKey
from trimtab.model.snapshot import Snapshot
from trimtab.runtime.declared import Declared
from trimtab.runtime.elsewhere import Elsewhere
from trimtab.runtime.repository import Repository, good_view
from trimtab.runtime.views import View


def said(
    repository: Repository,
    snapshot: Snapshot,
    result: LoadResult,
    *,
    owned: Collection[AppKey],
    elsewhere: Elsewhere,
    declared: Declared,
) -> dict[AppKey, View]:
    """The views of a commit. ``owned`` are applications of this repository so far, also from before a restart."""
    fresh: dict[AppKey, View] = {}
    for app in result.applications:
        fresh[app.key] = good_view(app, snapshot, result)
        elsewhere.forget(app.key)
    for declaration in result.declarations:
        found = elsewhere.view(declaration, snapshot, repository.environment)
        fresh[declaration.key] = found if isinstance(found, View) else _held(repository, declaration.key, *found)
    for failed in result.failed:
        if failed.key is not None:
            fresh[failed.key] = _held(repository, failed.key, snapshot, failed.diagnostics)
    for key in sorted(set(owned) - set(fresh)):
        holding = [f for f in result.failed if f.holds(key, _declared_at(repository, key, declared))]
        if holding:
            fresh[key] = _held(repository, key, snapshot, tuple(d for f in holding for d in f.diagnostics))
        else:
            fresh[key] = View(
                key=key,
                revision=snapshot.revision,
                snapshot=snapshot,
                removed=True,
                prune=declared.prune(key),
                left=declared.left(key),
            )
    return fresh


def _held(repository: Repository, key: AppKey, snapshot: Snapshot, problems: tuple[Diagnostic, ...]) -> View:
    before = repository.views.get(key)
    errors = tuple(d for d in problems if d.severity is Severity.ERROR) or problems
    return View(
        key=key,
        revision=snapshot.revision,
        application=before.application if before else None,
        snapshot=before.snapshot if before else None,
        problems=errors,
    )


def _declared_at(repository: Repository, key: AppKey, declared: Declared) -> str:
    view = repository.views.get(key)
    if view is not None and view.application is not None:
        return view.application.origin.path
    return declared.at(key)
