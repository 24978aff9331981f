"""Stage 9 for one look: run the plan, write down the release, the inventory and what happened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from trimtab.errors import BuildFailed, InternalError, TrimtabError, UnhealthyRelease, UserError
from trimtab.model.change import Promotion, Verb
from trimtab.model.events import Event
from trimtab.model.keys import RUNS, Kind
from trimtab.model.plan import Node, RunWhen, StepOutcome, StepStatus
from trimtab.model.records import AppliedObject, FailedBuild
from trimtab.model.status import Phase
from trimtab.plan import promotion
from trimtab.plan.setback import judged
from trimtab.ports import Clock, Driver, EventSink, Meter, StepContext, Store
from trimtab.runtime import executor
from trimtab.runtime.planner import Look
from trimtab.runtime.pool import DaemonPool

StepT = TypeVar("StepT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How it went: ``error`` is the most telling failure, None when every step succeeded."""

    outcomes: tuple[StepOutcome, ...]
    release: int
    error: TrimtabError | None = None
    cancelled: bool = False

    @property
    def done(self) -> bool:
        """Whether all of the plan was carried out."""
        return self.error is None and not self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher(Generic[StepT]):
    """Who looks on: a progress display, or nobody."""

    on_start: Callable[[Node[StepT]], None] = lambda _node: None
    on_outcome: Callable[[StepOutcome], None] = lambda _outcome: None
    on_log: Callable[[Node[StepT], str], None] | None = None


class Carrier(Generic[StepT]):
    """Carries plans out on one driver."""

    def __init__(
        self,
        driver: Driver[StepT],
        store: Store,
        sink: EventSink,
        clock: Clock,
        meter: Meter | None = None,
        *,
        workers: int = 8,
        pool: DaemonPool | None = None,
    ) -> None:
        self._driver = driver
        self._store = store
        self.sink = sink
        self._clock = clock
        self._meter = meter
        self._workers = workers
        self._pool = pool

    def carry_out(
        self,
        look: Look[StepT],
        *,
        cancelled: threading.Event,
        trigger: str,
        initiated_by: str = "",
        timeout_s: float | None = None,
        watcher: Watcher[StepT] | None = None,
        instead_of: str = "",
    ) -> Carried:
        """Run the plan of ``look`` to its end, or to the end of what can be done.

        ``instead_of``: what failed, when this takes its place; then doing well is not called success.
        """
        plan, snapshot = look.plan, look.snapshot
        seen: Watcher[StepT] = watcher or Watcher()
        release = self._store.releases.begin(
            plan.app,
            revision=plan.revision,
            subject=snapshot.subject if snapshot else "",
            author=snapshot.author if snapshot else "",
            plan_id=plan.id,
            initiated_by=initiated_by or (snapshot.author if snapshot else ""),
            trigger=trigger,
        )
        context = StepContext(
            revision=plan.revision,
            repo_url=snapshot.repo_url if snapshot else "",
            tree=snapshot.tree if snapshot else None,
            contents=look.desired.contents,
            builds=look.desired.builds,
            cancelled=cancelled,
        )
        outcomes = executor.run(
            plan,
            self._driver,
            context,
            journal=self._store.journal,
            clock=self._clock,
            workers=self._workers,
            on_outcome=seen.on_outcome,
            on_start=seen.on_start,
            on_log=seen.on_log,
            cancelled=cancelled,
            # Time that the rollout itself wants is no sign of trouble.
            timeout_s=None if timeout_s is None else timeout_s + sum(node.pause_s for node in plan.nodes),
            pool=self._pool,
            meter=self._meter,
        )
        self._record(look, outcomes)
        self._tell_of_data(look, outcomes)
        self._remember_failed_builds(look, outcomes)
        error = most_telling(outcomes)
        if error is not None:
            error = judged(plan.changes, outcomes, error)
        stopped = cancelled.is_set() or any(outcome.status is StepStatus.CANCELLED for outcome in outcomes)
        if error is None and not stopped:
            for approval in look.approvals:
                self._store.holds.consume(approval)
        well = Phase.ROLLED_BACK if instead_of else Phase.SUCCEEDED
        phase = well if error is None and not stopped else Phase.FAILED if error else Phase.TERMINATING
        said = str(error) if error else f"in the place of {instead_of}" if instead_of else ""
        if phase is well and promotion.waits(plan.changes):
            said = "prepared; waits for promotion"
        self._store.releases.finish(plan.app, release, phase, said, self._images(look))
        return Carried(outcomes=outcomes, release=release, error=error, cancelled=stopped and error is None)

    def revoke(self, look: Look[StepT], message: str) -> None:
        """A release that was carried out turned out bad afterwards: history says so."""
        for release in self._store.releases.list(look.plan.app):
            if release.revision == look.desired.revision and release.phase is Phase.SUCCEEDED:
                self._store.releases.finish(release.app, release.id, Phase.FAILED, message, release.images)
                return

    def confirm(self, look: Look[StepT]) -> None:
        """What runs well was carried out, also where nobody saw the end: a process that died, or replaced itself."""
        newest = next(iter(self._store.releases.list(look.plan.app, 1)), None)
        if newest is None or newest.revision != look.desired.revision:
            return
        if newest.phase in {Phase.TERMINATING, Phase.ERROR}:
            said = "its end was found by a later look"
            self._store.releases.finish(newest.app, newest.id, Phase.SUCCEEDED, said, self._images(look))

    @staticmethod
    def _images(look: Look[StepT]) -> dict[str, str]:
        return {resource.key.name: resource.name for resource in look.desired.of_kind(Kind.IMAGE)}

    def _record(self, look: Look[StepT], outcomes: tuple[StepOutcome, ...]) -> None:
        # What would undo is skipped where all goes well.
        undoing = {node.id for node in look.plan.nodes if node.when is RunWhen.FAILURE}
        failed = {o.key for o in outcomes if o.status is not StepStatus.SUCCEEDED and o.node not in undoing}
        handles = {outcome.key: outcome.outputs["id"] for outcome in outcomes if "id" in outcome.outputs}
        present, gone = [], []
        for change in look.plan.changes:
            if change.key in failed or change.key.kind in {Kind.IMAGE, *RUNS} or not change.acts:
                continue
            if change.promotion is Promotion.STAGE:
                # What serves is still what was applied before.
                continue
            if change.before is not None and change.before.was is not None:
                gone.append(change.before.was)
            if change.verb is Verb.DELETE:
                gone.append(change.key)
            elif change.after is not None:
                there = change.staged or change.before
                handle = handles.get(change.key) or (there.handle if there else "")
                present.append(
                    AppliedObject(key=change.key, name=change.name, digest=change.after.digest, handle=handle)
                )
        if present:
            self._store.applied.record(present)
        if gone:
            self._store.applied.forget(gone)

    def _tell_of_data(self, look: Look[StepT], outcomes: tuple[StepOutcome, ...]) -> None:
        """Say where data is that nothing on the engine names any more: archives, and anonymous volumes."""
        done = {outcome.key for outcome in outcomes if outcome.status is StepStatus.SUCCEEDED}
        archives = {o.key: o.outputs["archive"] for o in outcomes if o.outputs.get("archive")}
        for change in look.plan.changes:
            if change.key not in done or change.verb is not Verb.DELETE:
                continue
            if change.key.kind is Kind.VOLUME:
                archive = archives.get(change.key, "")
                gone = all(o.status is StepStatus.SUCCEEDED for o in outcomes if o.key == change.key)
                if gone and archive:
                    self._say(look, "VolumeRemoved", f"volume {change.name} was removed; its archive is {archive}")
            elif change.leaves:
                names = ", ".join(change.leaves)
                message = f"container {change.name} is gone; its anonymous volumes are kept: {names}"
                self._say(look, "AnonymousVolumesKept", message)

    def _say(self, look: Look[StepT], reason: str, message: str) -> None:
        self.sink.emit(
            Event(at=self._clock.now(), app=look.plan.app, reason=reason, message=message, revision=look.plan.revision)
        )

    def _remember_failed_builds(self, look: Look[StepT], outcomes: tuple[StepOutcome, ...]) -> None:
        refs = {change.key: change.name for change in look.plan.changes}
        for outcome in outcomes:
            if isinstance(outcome.error, BuildFailed) and outcome.key in refs:
                failed = FailedBuild(
                    build_key=refs[outcome.key], app=look.plan.app, message=outcome.error.message, at=self._clock.now()
                )
                self._store.failed_builds.add(failed)

    def known_to_fail(self, look: Look[StepT]) -> BuildFailed | None:
        """A build of this plan that failed before with the same inputs, which is what its reference stands for."""
        for change in look.plan.changes:
            if change.verb is Verb.BUILD and (failed := self._store.failed_builds.get(change.name)) is not None:
                return BuildFailed(
                    failed.message,
                    hint=f"it failed at {failed.at:%Y-%m-%d %H:%M} UTC and nothing it is made from has changed",
                    origin=change.origin,
                )
        return None


def most_telling(outcomes: tuple[StepOutcome, ...]) -> TrimtabError | None:
    """Of all failures the one to act on: what only a change can mend before what may pass, the first of equals."""
    errors = [
        outcome.error for outcome in outcomes if outcome.status is StepStatus.FAILED and outcome.error is not None
    ]
    if not errors:
        return None

    def weight(error: Exception) -> int:
        if isinstance(error, BuildFailed | UnhealthyRelease):
            return 0
        return 1 if isinstance(error, UserError) else 2

    chosen = min(errors, key=weight)
    return chosen if isinstance(chosen, TrimtabError) else InternalError(f"{type(chosen).__name__}: {chosen}")
