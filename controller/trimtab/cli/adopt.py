"""``trimtab adopt``: what runs already becomes an application's, as it is; nothing is stopped, changed or made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    DOCUMENTS,
    EXIT_ERROR,
    BranchOption,
    ConfigOption,
    DataDirOption,
    EnvironmentOption,
    InstallationOption,
    Output,
    OutputOption,
    RepoOption,
    SubPathOption,
    document,
    explained,
    fail,
    say,
    settings,
    talking,
    tell,
    variables,
)
from trimtab.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trimtab.backends.engine.adopting import Matching
    from trimtab.backends.engine.adoptions import Adopted
    from trimtab.backends.engine.candidates import Candidate
    from trimtab.backends.engine.steps import EngineStep
    from trimtab.cli.session import Session
    from trimtab.config import Config
    from trimtab.model.change import Change
    from trimtab.runtime.planner import Look
    from trimtab.runtime.views import View


def adopt(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[PATH|APP]",
            help="A directory of manifests (default: the current one), or an application of a watched repository.",
            show_default=False,
        ),
    ] = None,
    repo: RepoOption = None,
    branch: BranchOption = "",
    subpath: SubPathOption = "",
    app: Annotated[str | None, typer.Option("--app", help="Which one, where there are several.")] = None,
    project: Annotated[
        str | None,
        typer.Option("--project", help="The compose project that runs (default: named as the application)."),
    ] = None,
    container: Annotated[
        list[str] | None,
        typer.Option("--container", help="CONTAINER=SERVICE: a single container. May be repeated.", show_default=False),
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Write the compose file that says what runs; adopt nothing.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="With --generate: the file, or its directory (default: print).", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    env: EnvironmentOption = None,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Take over running containers, without restarting what already matches Git."""
    with explained():
        from trimtab.cli.session import open_session, require_applications

        chosen = settings(config, data_dir, installation)
        if generate:
            if output is not Output.TEXT:
                fail("--generate writes a compose file; leave -o out")
            from trimtab.cli.generate import generate as write

            if repo is not None or (target is not None and project is not None):
                fail("--generate describes what runs: give --project or --container, and no repository")
            pairs = _pairs(container)
            running = project if project is not None else ("" if pairs else target or "")
            write(chosen, project=running, containers=pairs, name=app or "", out=out)
            return
        if out is not None:
            fail("--out is for --generate")
        for path, url, ref, inside in _places(chosen, target, repo, branch, subpath):
            with open_session(
                chosen, path, url, branch=ref, subpath=inside, environment=variables(env), keep_key=True
            ) as session:
                wanted = app or (target if path is None and repo is None else None)
                if path is None and repo is None and wanted not in {str(view.key) for view in session.views()}:
                    continue
                views = session.views(wanted)
                require_applications(session, views)
                if len(views) > 1:
                    names = ", ".join(str(view.key) for view in views)
                    raise UserError("there are several applications", hint=f"choose one with --app: {names}")
                adoption = Adoption(session, views[0], project=project, containers=_pairs(container))
                with talking(output):
                    adoption.run(yes=yes)
                if output in DOCUMENTS:
                    document({"formatVersion": 1, **adoption.answer}, output)
                return
        fail(f"no watched repository has an application '{target}' that can be used", hint="or give a directory")


def _places(
    config: Config, target: str | None, repo: str | None, branch: str, subpath: str
) -> Iterator[tuple[Path | None, str | None, str, str]]:
    """Where to look for the application: directory, address, target, path inside."""
    if repo is not None or target is None or Path(target).is_dir():
        yield (Path(target or ".") if repo is None else None), repo, branch, subpath
        return
    from trimtab.cli.watched import watched_repositories

    for item in watched_repositories(config):
        yield None, item.url, item.branch, item.path


def _pairs(given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for item in given or ():
        ref, _, service = item.partition("=")
        if not ref:
            fail(f"--container {item!r} is not CONTAINER=SERVICE")
        pairs[ref] = service
    return pairs


class Adoption:
    """One run of ``adopt`` for one application."""

    def __init__(self, session: Session, view: View, *, project: str | None, containers: Mapping[str, str]) -> None:
        self._session = session
        self._view = view
        self._project = project if project is not None else ("" if containers else view.key.project)
        self._refs = containers
        # What was done, for those who read documents.
        self.answer: Mapping[str, object] = {"app": str(view.key), "adopted": [], "left": [], "plan": None}

    def run(self, *, yes: bool) -> None:
        """Find, compare, show, ask, write down."""
        session = self._session
        found = self._candidates()
        look = session.look(self._view)
        matching, volumes = self._match(look, found)
        self._refuse_named(matching)
        if not matching.objects:
            self._nothing(found, matching)
            return
        look, adopted = self._suppose(matching)
        lost = _left_behind(look, adopted, found, volumes)
        if lost:
            raise UserError(
                f"data would be left behind: {'; '.join(lost)}",
                hint="say 'name: VOLUME' under volumes in Git, or name the application as the compose project",
            )
        self._show(look, matching, adopted)
        self.answer = self._document(look, matching, adopted)
        self._ask(len(adopted), yes=yes)
        self._write(look, adopted)

    def preview(self) -> Look[EngineStep]:
        """The plan that there would be after the adoption."""
        found = self._candidates()
        matching, _ = self._match(self._session.look(self._view), found)
        look, _ = self._suppose(matching)
        return look

    def _candidates(self) -> tuple[Candidate, ...]:
        from trimtab.backends.engine import candidates

        client = self._session.engine.client
        found = [*candidates.named(client, self._refs)] if self._refs else []
        if self._project:
            found += candidates.of_project(client, self._project)
        if not found and not self._refs:
            raise UserError(
                f"nothing runs as compose project '{self._project}'",
                hint="name it with --project, or single containers with --container NAME=SERVICE",
            )
        return tuple(found)

    def _match(self, look: Look[EngineStep], found: Sequence[Candidate]) -> tuple[Matching, frozenset[str]]:
        from trimtab.backends.engine import adopting, candidates
        from trimtab.model.keys import Kind

        session, app = self._session, look.desired.app
        objects = candidates.objects(
            session.engine.client, session.engine.dialect.seal_key, adopting.wanted_objects(look.desired)
        )
        matching = adopting.match(
            look.desired, found, objects, look.observed, installation=session.config.installation, project=self._project
        )
        there = {name for kind, name in look.observed.foreign if kind is Kind.VOLUME}
        there |= {one.name for key, lives in look.observed.live.items() if key.app == app for one in lives}
        return matching, frozenset(there)

    def _refuse_named(self, matching: Matching) -> None:
        """What a person named and cannot have is an error; what only belongs to the project is told."""
        refused = [f"{one.name} {why}" for one, why in matching.left if _named(one, self._refs)]
        if refused:
            raise UserError(f"not adopted: {'; '.join(refused)}", hint="nothing was changed")

    def _nothing(self, found: Sequence[Candidate], matching: Matching) -> None:
        for line in _left(matching):
            tell(line)
        if matching.left and len(matching.left) >= len(found):
            raise UserError(f"there is nothing of {self._view.key} to adopt")
        say(f"{self._view.key}: nothing to adopt, all of it is looked after already")

    def _suppose(self, matching: Matching) -> tuple[Look[EngineStep], tuple[Adopted, ...]]:
        """The plan after the adoption, and the objects with what they match."""
        from trimtab.backends.engine.adopting import with_digests

        driver = self._session.engine.driver
        driver.suppose(matching.objects)
        look = self._session.look(self._view)
        adopted = with_digests(matching.objects, look.desired, look.plan.changes)
        driver.suppose(adopted)
        return self._session.look(self._view), adopted

    def _show(self, look: Look[EngineStep], matching: Matching, adopted: Sequence[Adopted]) -> None:
        from trimtab.plan.render import plan_text

        changes = {change.key: change for change in look.plan.changes if change.acts}
        say(f"{self._view.key}: these are adopted as they are, with the same ids; nothing is restarted:")
        say()
        for one in adopted:
            change = changes.get(one.key)
            say(f"  {one.key.kind:<10} {one.name:<32} {one.handle[:12]}  {_verdict(change)}")
        say()
        for line in _left(matching):
            say(line)
        if look.plan.empty:
            say("The next sync has nothing to do.")
        else:
            say("The next sync would then do this:")
            say()
        if not look.plan.empty or look.verdict.diagnostics:
            say(plan_text(look.plan, self._session.header(self._view), look.verdict).rstrip("\n"))

    def _document(self, look: Look[EngineStep], matching: Matching, adopted: Sequence[Adopted]) -> Mapping[str, object]:
        from trimtab.plan.render import plan_document

        changed = {change.key for change in look.plan.changes if change.acts}
        return {
            "app": str(self._view.key),
            "adopted": [
                {"kind": one.key.kind.value, "name": one.name, "id": one.handle, "matches": one.key not in changed}
                for one in adopted
            ],
            "left": [{"name": one.name, "reason": why} for one, why in matching.left],
            "plan": plan_document(look.plan, self._session.header(self._view), look.verdict),
        }

    @staticmethod
    def _ask(number: int, *, yes: bool) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            fail("nothing was adopted: there is nobody to ask", hint="give --yes to adopt without being asked")
        if not typer.confirm(f"Adopt {number} object{'' if number == 1 else 's'}?"):
            raise typer.Exit(EXIT_ERROR)

    def _write(self, look: Look[EngineStep], adopted: Sequence[Adopted]) -> None:
        from trimtab.backends.engine.adoption_records import write_record
        from trimtab.model.events import Event
        from trimtab.runtime.clock import SystemClock

        session = self._session
        write_record(
            session.engine.client,
            look.desired.app,
            adopted,
            installation=session.config.installation,
            seal_key=session.engine.dialect.seal_key,
            revision=look.desired.revision,
        )
        text = f"adopted {len(adopted)} object{'' if len(adopted) == 1 else 's'} as they are"
        session.store.events.append(Event(at=SystemClock().now(), app=look.desired.app, reason="Adopted", message=text))
        say(f"{self._view.key}: {text}")


def _named(one: Candidate, refs: Mapping[str, str]) -> bool:
    return any(ref == one.name or one.handle.startswith(ref) for ref in refs)


def _verdict(change: Change | None) -> str:
    from trimtab.model.change import Verb

    if change is None:
        return "matches Git"
    match change.verb:
        case Verb.REPLACE:
            return "differs: the next sync replaces it"
        case Verb.DELETE:
            return "more than Git wants: the next sync removes it"
        case _:
            return "differs: the next sync updates it in place"


def _left(matching: Matching) -> list[str]:
    """What is not adopted, with how many for what reason."""
    reasons: dict[str, list[str]] = {}
    for one, why in matching.left:
        reasons.setdefault(why, []).append(one.name)
    return [f"Left alone: {len(names)} ({', '.join(names)}): {why}" for why, names in sorted(reasons.items())]


def _left_behind(
    look: Look[EngineStep], adopted: Sequence[Adopted], found: Sequence[Candidate], volumes: frozenset[str]
) -> tuple[str, ...]:
    from trimtab.backends.engine.adopting import left_behind

    return left_behind(look.desired, adopted, found, volumes)
