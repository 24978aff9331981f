"""``trimtab diff``: where the engine differs from what was applied, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    EXIT_CHANGES,
    BranchOption,
    ConfigOption,
    DataDirOption,
    InstallationOption,
    OptionalApp,
    Output,
    OutputOption,
    RepoOption,
    SubPathOption,
    document,
    explained,
    fail,
    say,
    settings,
    tell,
)
from trimtab.cli.drifted import Told, Witnessed
from trimtab.model.change import Reason, Verb
from trimtab.plan.drift import REPAIRS
from trimtab.plan.units import human

if TYPE_CHECKING:
    from trimtab.cli.session import Session
    from trimtab.config import Config, RepositoryConfig
    from trimtab.model.change import Change
    from trimtab.model.keys import AppKey
    from trimtab.runtime.views import View


def diff(
    app: OptionalApp = None,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-C", help="Compare with this directory of manifests.", show_default=False),
    ] = None,
    repo: RepoOption = None,
    branch: BranchOption = "",
    subpath: SubPathOption = "",
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Show drift; exits with 2 when there is any. Without --repo: the repositories that the controller watches."""
    with explained():
        from trimtab.cli.session import open_session

        chosen = settings(config, data_dir, installation)
        found: list[Differences] = []
        for target in _targets(chosen, directory, repo, branch, subpath):
            with open_session(
                chosen,
                directory,
                target.url if target else None,
                branch=target.branch if target else "",
                subpath=target.path if target else subpath,
            ) as session:
                views = (view for view in session.views() if app is None or str(view.key) == app)
                found.extend(_looked(session, view) for view in views)
                for problem in session.problems:
                    tell(str(problem))
    if app is not None and not found:
        fail(f"there is no application '{app}' that can be used")
    if output in {Output.JSON, Output.YAML}:
        items = [{"app": each.app, "differences": each.documents()} for each in found]
        document({"formatVersion": 1, "applications": items}, output)
    else:
        say("\n".join(line for each in found for line in each.lines()))
    if any(each.changes for each in found):
        raise typer.Exit(EXIT_CHANGES)


def _targets(
    config: Config, directory: Path | None, repo: str | None, branch: str, subpath: str
) -> list[RepositoryConfig | None]:
    from trimtab.cli.watched import watched_repositories
    from trimtab.config import RepositoryConfig

    if repo is not None:
        return [RepositoryConfig(url=repo, branch=branch, path=subpath)]
    if directory is not None:
        return [None]
    known = watched_repositories(config)
    return list(known) if known else [None]


# What becomes of an object of which not single fields differ.
_DONE = {Verb.BUILD: "built", Verb.PULL: "pulled", Verb.CREATE: "created", Verb.RUN: "run", Verb.DELETE: "removed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What differs of one application. ``held`` says why nothing is put right now; "" when it is."""

    app: str
    changes: tuple[Change, ...]
    witnessed: Witnessed
    held: str = ""

    def documents(self) -> list[dict[str, object]]:
        """As JSON-like data: each field with when and by which event it was changed, and what becomes of it."""
        from trimtab.plan.render.document import change_document, field_document

        return [
            {
                **change_document(change),
                "reported": [field_document(field) for field in change.reported],
                "drift": self._drift(change),
            }
            for change in self.changes
        ]

    def _drift(self, change: Change) -> list[dict[str, object]]:
        shown: list[dict[str, object]] = []
        for path in [field.path for field in (*change.fields, *change.reported)] or [""]:
            told = self.witnessed.told(change, path)
            at = told.at.isoformat() if told.at is not None else None
            remedy = self._remedy(change, path, told)
            shown.append({"path": path, "changedAt": at, "changedBy": told.by or None, "remedy": remedy})
        return shown

    def lines(self) -> list[str]:
        """As text."""
        if not self.changes:
            return [f"{self.app}: no difference from Git"]
        now, out = datetime.now(UTC), []
        for change in self.changes:
            fields = (*change.fields, *change.reported)
            number = len(fields)
            what = f"{number} field{'' if number == 1 else 's'} differ{'s' if number == 1 else ''} from Git"
            if not number:
                told = self.witnessed.told(change, "")
                said = (change.detail or change.reason.value, told.words(now), f"-> {self._remedy(change, '', told)}")
                what = "   ".join(part for part in said if part)
            out.append(f"{change.key.kind} {change.name}: {what}")
            for field in fields:
                place = f" ({field.origin})" if field.origin else ""
                told = self.witnessed.told(change, field.path)
                after, before = human(field.after, field.unit), human(field.before, field.unit)
                parts = (
                    f"  {field.attribute:<20} Git {after}{place}",
                    f"engine {before}",
                    told.words(now),
                    f"-> {self._remedy(change, field.path, told)}",
                )
                out.append("   ".join(part for part in parts if part))
        return out

    def _remedy(self, change: Change, path: str, told: Told) -> str:
        if any(field.path == path for field in change.reported) or (not change.acts and not change.fields):
            return "reported, not put right"
        if not change.acts:
            return "kept as it is"
        if self.held:
            return f"left: {self.held}"
        word = "repaired" if change.reason in REPAIRS else _DONE.get(change.verb, "applied")
        in_place = all(field.in_place for field in change.fields)
        how = " by replacement" if change.verb is Verb.REPLACE else " in place" if in_place and change.fields else ""
        slowly = ", later each time, since it is fought over" if told.contended else ""
        return f"will be {word}{how}{slowly}"


def lines(app: AppKey, changes: tuple[Change, ...]) -> list[str]:
    """Differences that nobody has watched come about, as text."""
    return Differences(app=str(app), changes=changes, witnessed=Witnessed(None, app)).lines()


def _looked(session: Session, view: View) -> Differences:
    status = session.store.statuses.get(view.key)
    changes = session.look(view, by_itself=True).plan.changes
    return Differences(
        app=str(view.key),
        changes=tuple(c for c in changes if c.acts or c.fields or c.reported or c.reason is Reason.REPORTED),
        witnessed=Witnessed(session.store.events, view.key),
        held=status.suspended if status is not None else "",
    )
