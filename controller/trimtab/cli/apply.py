"""``trimtab apply``: one sync to its end, of a directory, a repository or a saved plan."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    DOCUMENTS,
    EXIT_ERROR,
    EXIT_HELD,
    BranchOption,
    ConfigOption,
    DataDirOption,
    EnvironmentOption,
    InstallationOption,
    Output,
    OutputOption,
    PathArgument,
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trimtab.backends.engine.steps import EngineStep
    from trimtab.cli.session import Session
    from trimtab.model.diagnostics import Diagnostic
    from trimtab.model.status import AppStatus
    from trimtab.runtime.planner import Look
    from trimtab.runtime.views import View

# Long enough to see a program that exits at once, short enough not to be felt.
SETTLE_S = 1.0


def apply(
    path: PathArgument = None,
    repo: RepoOption = None,
    branch: BranchOption = "",
    subpath: SubPathOption = "",
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Carry out a saved plan, and nothing else.", show_default=False)
    ] = None,
    app: Annotated[str | None, typer.Option("--app", help="Only this application.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until everything runs well.")] = True,
    env: EnvironmentOption = None,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Sync once, to the end: what 'trimtab plan' shows is carried out."""
    with explained(), talking(output):
        chosen = settings(config, data_dir, installation)
        saved = _read_plan(plan_file) if plan_file is not None else None
        revision = ""
        if saved is not None:
            repo, path, branch, subpath, revision = _where(saved)
        from trimtab.cli.session import open_session, require_applications

        with open_session(
            chosen,
            path,
            repo,
            branch=branch,
            subpath=subpath,
            revision=revision,
            environment=variables(env),
            keep_key=True,
            watch=True,
        ) as session:
            views = session.views(app)
            require_applications(session, views)
            if saved is not None:
                views = _check_saved(session, views, saved)
            applying = Applying(session, yes=yes, wait=wait)
            statuses = applying.run(views)
            for problem in session.problems:
                tell(str(problem))
    if output in DOCUMENTS:
        document(_answer(applying, statuses, session.problems), output)
    _exit(statuses, problems=bool(session.problems), held=applying.held)


def _answer(
    applying: Applying, statuses: list[AppStatus | None], problems: Sequence[Diagnostic]
) -> Mapping[str, object]:
    from trimtab.plan.render.document import diagnostics_document
    from trimtab.plan.render.records import status_document

    return {
        "formatVersion": 1,
        "plans": applying.planned,
        "applications": [status_document(status) for status in statuses if status is not None],
        "waiting": applying.waiting,
        "diagnostics": diagnostics_document(problems),
    }


def _exit(statuses: list[AppStatus | None], *, problems: bool, held: bool) -> None:
    from trimtab.model.status import HealthStatus, Phase, SyncStatus

    bad = [
        s
        for s in statuses
        if s is not None and (s.phase in {Phase.FAILED, Phase.ERROR} or s.health is HealthStatus.DEGRADED)
    ]
    if bad or problems:
        raise typer.Exit(EXIT_ERROR)
    if held or any(s is not None and s.sync is SyncStatus.OUT_OF_SYNC for s in statuses):
        raise typer.Exit(EXIT_HELD)


class Applying:
    """One run of ``apply`` over several applications."""

    def __init__(self, session: Session, *, yes: bool, wait: bool) -> None:
        self._session = session
        self._yes = yes
        self._wait = wait
        self._cancelled = threading.Event()
        # Whether one was not begun, because what goes before it is not ready.
        self.held = False
        # What was planned, and for each that was not begun why, for those who read documents.
        self.planned: list[Mapping[str, object]] = []
        self.waiting: dict[str, str] = {}

    def run(self, views: tuple[View, ...]) -> list[AppStatus | None]:
        """Each in turn; the next is not begun when one failed that it depends on."""
        from trimtab.backends.engine.lock import EngineLock
        from trimtab.plan.render import plan_document, plan_text

        session = self._session
        looks = [(view, session.look(view)) for view in views]
        self.planned = [plan_document(look.plan, session.header(view), look.verdict) for view, look in looks]
        acting = [(view, look) for view, look in looks if not look.plan.empty]
        coming = {view.key for view, _ in acting}
        for view, look in looks:
            # What is missing now may be what another application brings, which goes first.
            needs = view.application.depends_on if view.application is not None else ()
            verdict = None if coming.intersection(needs) else look.verdict
            if look.plan.empty and not look.verdict.diagnostics:
                say(f"{view.key}: nothing to do")
            else:
                say(plan_text(look.plan, session.header(view), verdict).rstrip("\n"))
        if not acting:
            return [self._note(view, look) for view, look in looks]
        self._ask([look for _, look in acting])
        previous = signal.signal(signal.SIGINT, self._interrupt)
        try:
            with EngineLock(
                session.engine.client, session.config.installation, on_lost=lambda _why: self._cancelled.set()
            ):
                return self._in_order(views)
        finally:
            signal.signal(signal.SIGINT, previous)

    def _in_order(self, views: tuple[View, ...]) -> list[AppStatus | None]:
        """One after the other; what has to be there first and is not holds those that come after it."""
        from trimtab.runtime.order import Order

        order = Order(self._session.catalog, self._session.store)
        statuses: list[AppStatus | None] = []
        among = {view.key for view in views}
        for view in views:
            waiting = order.waits_for(view.key, among=among) if self._wait else ""
            if waiting:
                tell(f"{view.key}: {waiting}")
                self.held = True
                self.waiting[str(view.key)] = waiting
            else:
                statuses.append(self._apply(view))
        return statuses

    def _note(self, view: View, look: Look[EngineStep]) -> AppStatus | None:
        from trimtab.model.plan import Decision

        if look.verdict.decision is not Decision.GO:
            fail(f"{view.key} is held", code=EXIT_HELD)
        return self._session.store.statuses.get(view.key)

    def _ask(self, looks: list[Look[EngineStep]]) -> None:
        losing = [change.name for look in looks for change in look.plan.changes if change.loses_data]
        if losing and not sys.stdin.isatty():
            fail(
                f"this would lose the data of {', '.join(losing)}",
                hint="run it on a terminal to decide",
                code=EXIT_HELD,
            )
        if self._yes and not losing:
            return
        if sys.stdin.isatty() and sys.stdout.isatty() and not typer.confirm("Carry this out?"):
            raise typer.Exit(EXIT_ERROR)

    def _interrupt(self, _signal: int, _frame: object) -> None:
        if self._cancelled.is_set():
            raise KeyboardInterrupt
        self._cancelled.set()
        tell("stopping: what runs is finished or abandoned cleanly; press Ctrl-C again to leave at once")

    def _apply(self, view: View) -> AppStatus | None:
        from trimtab.cli.passes import open_reconciler
        from trimtab.cli.progress import progress
        from trimtab.model.status import Requeue, Stalled
        from trimtab.model.trigger import Trigger, TriggerKind
        from trimtab.runtime.clock import SystemClock

        session, clock = self._session, SystemClock()
        with progress() as watcher:
            reconciler = open_reconciler(session, watcher, settle_s=SETTLE_S if self._wait else 0.0)
            kind = TriggerKind.REQUEST
            while not self._cancelled.is_set():
                trigger = Trigger(kind=kind, at=clock.now(), detail="apply")
                kind = TriggerKind.RETRY
                after = reconciler.reconcile(view.key, trigger, self._cancelled)
                status = session.store.statuses.get(view.key)
                if isinstance(after, Stalled) or not isinstance(after, Requeue) or status is None:
                    break
                if after.after_s > 0 and (not self._wait or self._over(view, status)):
                    break
                # The event stream keeps the cache current, so a look between costs no call.
                self._cancelled.wait(min(after.after_s, 0.2))
        if self._cancelled.is_set():
            fail(f"{view.key}: stopped before its end; run it again to go on")
        return self._tell(view)

    def _over(self, view: View, status: AppStatus) -> bool:
        from trimtab.model.plan import Decision
        from trimtab.model.status import HealthStatus

        state = self._session.store.applied.get(view.key)
        if state.failed_digest and state.failed_digest == state.desired_digest:
            return True
        look = self._session.look(view)
        if not look.plan.empty and look.verdict.decision is not Decision.GO:
            # What holds it may go away, but nobody knows when: a person who waits is told.
            return True
        return status.health is HealthStatus.HEALTHY and state.healthy_digest == state.applied_digest

    def _tell(self, view: View) -> AppStatus | None:
        from trimtab.model.status import HealthStatus

        status = self._session.store.statuses.get(view.key)
        if status is not None:
            say(f"{view.key}: {status.sync}, {status.health}" + (f": {status.message}" if status.message else ""))
            if status.health is HealthStatus.DEGRADED:
                tell(f"what its containers wrote: trimtab logs {view.key} --tail 20")
        return status


def _read_plan(file: Path) -> Mapping[str, object]:
    from trimtab.errors import UserError

    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"{file} is not a saved plan: {said}", hint="make one with: trimtab plan --out FILE") from None
    if not isinstance(data, dict) or data.get("formatVersion") != 1 or "plans" not in data:
        raise UserError(f"{file} is not a saved plan of this version", hint="make one with: trimtab plan --out FILE")
    return data


def _where(saved: Mapping[str, object]) -> tuple[str | None, Path | None, str, str, str]:
    url, revision = str(saved.get("repository", "")), str(saved.get("revision", ""))
    inside = str(saved.get("path", ""))
    if revision:
        return url, None, str(saved.get("target", "")), inside, revision
    return None, Path(url) / inside, "", "", ""


def _check_saved(session: Session, views: tuple[View, ...], saved: Mapping[str, object]) -> tuple[View, ...]:
    """The applications of a saved plan, if each would still do exactly what was saved. Raises StalePlan."""
    from trimtab.errors import StalePlan

    plans = saved.get("plans")
    wanted = {str(plan.get("app")): plan for plan in plans if isinstance(plan, dict)} if isinstance(plans, list) else {}
    chosen = []
    for view in views:
        plan = wanted.pop(str(view.key), None)
        if plan is None:
            continue
        look = session.look(view)
        for side, saved_digest, digest in (
            ("Git", plan.get("desiredDigest"), look.plan.desired_digest),
            ("the engine", plan.get("observedDigest"), look.plan.observed_digest),
        ):
            if saved_digest != digest:
                raise StalePlan(f"the saved plan of {view.key} is stale: {side} has changed since", hint="plan again")
        chosen.append(view)
    if wanted:
        raise StalePlan(f"the saved plan is stale: {', '.join(sorted(wanted))} cannot be found", hint="plan again")
    return tuple(chosen)
