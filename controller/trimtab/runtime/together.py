"""All applications of all repositories against each other: what each repository says, made into what is followed.

Two questions are answered, both so that what runs goes on running:

* An application that two repositories declare belongs to the one that declared it before; the other's is told.
* An application that wants what another one has (a port, a name), or needs one that does not exist, is refused:
  it stays at what was accepted before, and that goes on claiming what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.manifest import crossref
from trimtab.manifest.codes import Code
from trimtab.manifest.crossref import Exclusive, exclusives_of
from trimtab.model.application import Application
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import AppKey
from trimtab.runtime.views import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one repository says; ``number`` is its place in the configuration. ``read``: it has been read once."""

    number: int
    repository: str
    url: str
    views: Mapping[AppKey, View]
    read: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The application of each key, from the repository that it belongs to; ``doubles`` are told and left out."""

    views: Mapping[AppKey, View]
    owners: Mapping[AppKey, Reading]
    doubles: Mapping[AppKey, tuple[Diagnostic, ...]]


def claims(readings: Sequence[Reading], declared_by: Callable[[AppKey], str]) -> Claims:
    """Whose each application is.

    That of the repository that declared it before, also while that cannot be read; else of the first in the order
    of the configuration. One that its repository has removed is another's, if another declares it.
    """
    by_key: dict[AppKey, list[Reading]] = {}
    for reading in readings:
        for key in reading.views:
            by_key.setdefault(key, []).append(reading)
    unread = {reading.repository for reading in readings if not reading.read}
    views: dict[AppKey, View] = {}
    owners: dict[AppKey, Reading] = {}
    doubles: dict[AppKey, tuple[Diagnostic, ...]] = {}
    for key, saying in by_key.items():
        before = declared_by(key) if unread or len(saying) > 1 else ""
        if before in unread:
            continue
        owner = min(saying, key=lambda r: (r.views[key].removed, r.repository != before))
        views[key], owners[key] = owner.views[key], owner
        others = [r for r in saying if r is not owner and not r.views[key].removed]
        if others:
            doubles[key] = tuple(_double(key, owner, other) for other in others)
    return Claims(views=views, owners=owners, doubles=doubles)


def _double(key: AppKey, owner: Reading, other: Reading) -> Diagnostic:
    mine, theirs = _place(owner.views[key]), _place(other.views[key])
    return Diagnostic(
        severity=Severity.WARNING,
        code=Code.DUPLICATE_APPLICATION.value,
        message=f"the application '{key}' of {other.url} is not carried out: {owner.url} declares it at {mine}",
        origin=theirs,
        hint="rename one, or remove one",
    )


def _place(view: View) -> Origin:
    if view.application is not None:
        return view.application.origin
    return view.problems[0].origin if view.problems else Origin(str(view.key))


@dataclass(slots=True)
class Together:
    """Checks applications against each other; remembers what each one claims."""

    _exclusives: dict[AppKey, tuple[Application, tuple[Exclusive, ...]]] = field(default_factory=dict)

    def check(
        self,
        said: Claims,
        before: Mapping[AppKey, View],
        *,
        incumbents: Collection[AppKey],
        destinations: Collection[str] | None,
        complete: bool,
        running: Callable[[AppKey], Application | None],
    ) -> Mapping[AppKey, View]:
        """The views to follow.

        Args:
            said: the view of each application, as read.
            before: what this answered the last time.
            incumbents: applications that are deployed already.
            destinations: all names besides the built-in one; None: there may be others.
            complete: every repository has been read, so that what is not there does not exist.
            running: what was applied last of an application; asked only where two want the same.
        """
        wanted = {
            key: view.application
            for key, view in said.views.items()
            if view.application is not None and not view.removed
        }
        standing: dict[AppKey, Application] = {}
        refused: dict[AppKey, tuple[Diagnostic, ...]] = {}
        existing = {key for key, view in said.views.items() if not view.removed}
        ran: dict[AppKey, Application | None] = {}

        def applied(key: AppKey) -> Application | None:
            if key not in ran:
                ran[key] = running(key) if key in incumbents else None
            return ran[key]

        def accepted(key: AppKey) -> Application | None:
            view = before.get(key)
            return view.application if view is not None else None

        def rank(key: AppKey, exclusive: Exclusive) -> int:
            if key in standing or _has(applied(key), exclusive):
                return 0
            return 1 if _has(accepted(key), exclusive) else 2

        while True:
            apps = {key: app for key, app in wanted.items() if key not in refused} | standing
            found = crossref.check(
                apps.values(),
                known=existing if complete else None,
                incumbents=incumbents,
                destinations=destinations,
                exclusives={key: self._claimed(app) for key, app in apps.items()},
                rank=rank,
                repositories={key: owner.url for key, owner in said.owners.items()},
            )
            # What stands in for a refused one runs already, and is not asked.
            fresh = {key: problems for key, problems in found.items() if key not in refused}
            if not fresh:
                break
            for key, problems in fresh.items():
                refused[key] = problems
                if (app := _other(accepted(key), wanted[key]) or applied(key)) is not None:
                    standing[key] = app
        return {
            key: _refused(view, before.get(key), wanted[key], refused[key]) if key in refused else view
            for key, view in said.views.items()
        }

    def _claimed(self, app: Application) -> tuple[Exclusive, ...]:
        known = self._exclusives.get(app.key)
        if known is None or known[0] is not app:
            known = self._exclusives[app.key] = (app, exclusives_of(app))
        return known[1]


def _has(app: Application | None, exclusive: Exclusive) -> bool:
    found = exclusives_of(app) if app is not None else ()
    return any(each.what == exclusive.what and each.address == exclusive.address for each in found)


def _other(accepted: Application | None, refused: Application) -> Application | None:
    """What was accepted before, unless it is this very application that is refused now."""
    return accepted if accepted is not refused else None


def _refused(view: View, before: View | None, wanted: Application, problems: tuple[Diagnostic, ...]) -> View:
    """Held at what was accepted before; without that, at what was applied, which the pass finds by itself."""
    held = before if before is not None and _other(before.application, wanted) is not None else None
    return View(
        key=view.key,
        revision=view.revision,
        application=held.application if held is not None else None,
        snapshot=held.snapshot if held is not None else None,
        problems=(*view.problems, *problems),
    )
