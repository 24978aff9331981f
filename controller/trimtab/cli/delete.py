"""``trimtab delete``: an application's containers and networks go, its volumes stay; an ordinary plan, shown first."""

from __future__ import annotations

import contextlib
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    DOCUMENTS,
    EXIT_ERROR,
    EXIT_HELD,
    AppArgument,
    ConfigOption,
    DataDirOption,
    InstallationOption,
    Output,
    OutputOption,
    document,
    explained,
    fail,
    say,
    settings,
    talking,
    tell,
)
from trimtab.cli.lasthooks import last_hooks
from trimtab.errors import LockHeld, TrimtabError
from trimtab.model.keys import AppKey, Kind
from trimtab.runtime.hooks import hook_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trimtab.backends.engine.steps import EngineStep
    from trimtab.config import Config
    from trimtab.model.plan import Verdict
    from trimtab.runtime.hooks import Farewell
    from trimtab.runtime.planner import Look, Planner
    from trimtab.store.sqlite import SqliteStore
    from trimtab.wiring import Engine


def delete(
    app: AppArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Its volumes as well: each is archived to the data directory before.")
    ] = False,
    approve: Annotated[
        list[str] | None, typer.Option("--approve", help="The id of a volume's removal, where nobody can be asked.")
    ] = None,
    no_hooks: Annotated[bool, typer.Option("--no-hooks", help="Leave out the hooks of its removal.")] = False,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Remove an application from the engine; its volumes are kept, and named, or archived and removed."""
    with explained(), talking(output):
        from trimtab import wiring

        chosen, key = settings(config, data_dir, installation), AppKey.parse(app)
        with contextlib.ExitStack() as closing:
            store = wiring.open_store(chosen)
            closing.callback(store.close)
            engine = wiring.open_engine(chosen, keep_key=False)
            closing.callback(engine.close)
            planner = wiring.open_planner(engine, store, chosen)
            last = last_hooks(chosen, store, planner, key, closing, wanted=not no_hooks)
            answer = Deletion(chosen, store, engine, key, planner, last).run(
                yes=yes, volumes=volumes, approved=tuple(approve or ())
            )
    if output in DOCUMENTS:
        document({"formatVersion": 1, "app": str(key), **answer}, output)


class Deletion:
    """One run of ``delete``."""

    def __init__(
        self,
        config: Config,
        store: SqliteStore,
        engine: Engine,
        key: AppKey,
        planner: Planner[EngineStep],
        last: Farewell,
    ) -> None:
        self._config = config
        self._store = store
        self._engine = engine
        self._key = key
        self._planner = planner
        self._last = last
        self._cancelled = threading.Event()

    def run(self, *, yes: bool, volumes: bool = False, approved: tuple[str, ...] = ()) -> Mapping[str, object]:
        """Show, ask, carry out, say what is left; the same as a document."""
        from trimtab.plan.render import PlanHeader, plan_text

        look = self._look()
        offered = tuple(change.approval for change in look.plan.changes if change.approval) if volumes else ()
        if look.plan.empty and not offered:
            there = _kept(look)
            say(
                f"nothing of '{self._key}' runs here" + (f"; its volumes are kept: {', '.join(there)}" if there else "")
            )
            return {"removed": False, "keptVolumes": there, "declaredIn": None}
        with self._alone() as declared:
            asked = not yes and sys.stdin.isatty()
            missing = [name for name in offered if not _given(name, approved)]
            # What goes is shown as going; what nobody can be asked about as waiting, with its id.
            going = self._look(() if missing and not asked else offered)
            say(plan_text(going.plan, PlanHeader(app=str(self._key)), meant(going.verdict)).rstrip("\n"))
            self._approve(offered, missing, asked=asked)
            self._ask(yes=yes)
            self._carry_out(self._look())
        if not declared:
            self._store.facts.put(f"declared/{self._key}", "")
        self._store.statuses.drop(self._key)
        self._store.applied.drop(self._key)
        say(f"{self._key}: removed")
        kept = _kept(self._look())
        if kept:
            say(
                f"its volumes are kept: {', '.join(kept)}"
                f" (archive and remove them: trimtab delete {self._key} --volumes)"
            )
        if declared:
            tell(f"it still is in {declared}: the next 'trimtab run' or 'apply' brings it back; remove it there, too")
        return {"removed": True, "keptVolumes": kept, "declaredIn": declared or None}

    def _look(self, approving: tuple[str, ...] = ()) -> Look[EngineStep]:
        # Asked for by a person: what failed at the last try is tried again.
        hooks = hook_options(self._store.applied, self._store.releases, self._key, again=True)
        return self._planner.look(
            self._key,
            self._last.desired,
            application=None,
            snapshot=self._last.snapshot,
            fresh=True,
            hooks=hooks,
            approving=approving,
        )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[str]:
        """With the lock, or beside a controller that will not bring it back; yields which repository declares it."""
        from trimtab.backends.engine.lock import EngineLock
        from trimtab.runtime.clock import SystemClock

        lock = EngineLock(self._engine.client, self._config.installation, on_lost=lambda _why: self._cancelled.set())
        declared = self._declared()
        try:
            lock.acquire()
        except LockHeld as error:
            suspension = self._store.holds.suspension(self._key)
            left_alone = suspension is not None and suspension.holds(SystemClock().now())
            if declared and not left_alone:
                fail(
                    f"{self._key} is declared in {declared}, and would be brought back: {error.message}",
                    hint=f"remove it from Git and push, which removes it here; or 'trimtab suspend {self._key}' first",
                    code=EXIT_HELD,
                )
            yield declared
            return
        with contextlib.ExitStack() as closing:
            closing.callback(lock.release)
            yield declared

    def _declared(self) -> str:
        """The watched repository that declares it, or may do so because it cannot be read now; "" if none does."""
        from trimtab import wiring
        from trimtab.cli.watched import watched_repositories

        for item in watched_repositories(self._config):
            try:
                repository = wiring.open_repository(item, self._config)
                catalog = wiring.open_catalog([repository], self._store, self._config)
                try:
                    catalog.refresh(repository, known=[self._key])
                    view = catalog.view(self._key)
                finally:
                    catalog.close()
            except TrimtabError as error:
                tell(f"warning: {item.url} cannot be read now, so it may still declare '{self._key}': {error}")
                return item.url
            if view is not None and not view.removed:
                return item.url
        return ""

    def _approve(self, offered: tuple[str, ...], missing: list[str], *, asked: bool) -> None:
        """A person's yes to the removal of each volume by its id: typed, or given after the plan was looked at."""
        from trimtab.model.records import Approval
        from trimtab.plan.removals import SHOWN
        from trimtab.runtime.clock import SystemClock

        if missing and not (asked and typer.confirm("Archive and remove its volumes, too?")):
            options = " ".join(f"--approve {name[:SHOWN]}" for name in missing)
            fail(
                "nothing was removed: volumes go only with an approval of each", hint=f"give {options}", code=EXIT_HELD
            )
        for name in offered:
            self._store.holds.approve(Approval(plan_id=name, app=self._key, at=SystemClock().now(), by="delete"))

    @staticmethod
    def _ask(*, yes: bool) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            fail("nothing was removed: there is nobody to ask", hint="give --yes to remove it without being asked")
        if not typer.confirm("Remove this?"):
            raise typer.Exit(EXIT_ERROR)

    def _carry_out(self, look: Look[EngineStep]) -> None:
        from trimtab.cli.passes import StoredEvents
        from trimtab.cli.progress import progress
        from trimtab.runtime.carry import Carrier
        from trimtab.runtime.clock import SystemClock

        self._engine.driver.watch(lambda _event: None)
        carrier = Carrier(
            self._engine.driver,
            self._store,
            StoredEvents(self._store),
            SystemClock(),
            workers=self._config.engine_calls,
        )
        with progress() as watcher:
            carried = carrier.carry_out(look, cancelled=self._cancelled, trigger="delete", watcher=watcher)
        if carried.error is not None:
            raise carried.error
        if carried.cancelled:
            fail("stopped before its end: another controller took over; run it again")


def meant(verdict: Verdict) -> Verdict:
    """Without the question whether so much is to go: just that was asked for."""
    from trimtab.model.diagnostics import Severity
    from trimtab.model.plan import Decision

    left = tuple(found for found in verdict.diagnostics if found.code != "TT3202")
    if verdict.decision is Decision.DENY or any(found.severity is Severity.ERROR for found in left):
        return verdict
    return replace(verdict, decision=Decision.GO, diagnostics=left, waits_for="")


def _given(name: str, approved: tuple[str, ...]) -> bool:
    from trimtab.plan.removals import SHOWN

    return any(len(given) >= SHOWN and name.startswith(given) for given in approved)


def _kept(look: Look[EngineStep]) -> list[str]:
    """The names of the volumes that are there."""
    return sorted(live.name for key, lives in look.observed.live.items() if key.kind is Kind.VOLUME for live in lives)
