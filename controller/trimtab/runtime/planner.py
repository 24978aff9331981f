"""Stages 3 to 8 for one application: images, render, observe, diff, guard, lower. Changes nothing anywhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from trimtab.manifest.trace import Trace, TracingTree
from trimtab.model.application import Application, IgnoreDifference
from trimtab.model.change import Change, Verb
from trimtab.model.desired import DesiredState
from trimtab.model.diagnostics import Diagnostic
from trimtab.model.drift import DriftMode
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.model.plan import Decision, Plan, Verdict
from trimtab.model.records import AppliedObject
from trimtab.model.snapshot import Snapshot, Tree
from trimtab.plan import promotion, removals
from trimtab.plan.assemble import make_plan, plan_id
from trimtab.plan.canonical import digest
from trimtab.plan.diff import DiffOptions, image_change
from trimtab.plan.drift import DriftOptions, is_repair
from trimtab.plan.guard import GuardInputs, guard
from trimtab.plan.imagepins import candidates, pin_images
from trimtab.plan.runs import HookOptions
from trimtab.ports import AppliedStates, Backend, Clock, Driver, Holds, ImageResolver, Preflight
from trimtab.runtime.buildreasons import BuildReasons
from trimtab.runtime.clock import SystemClock

StepT = TypeVar("StepT")
NO_IMAGES: Mapping[str, str] = {}
# A look of which nothing is known but Git and the engine.
NO_MEMORY = HookOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Generic[StepT]):
    """One application, planned: what is wanted, what is there, what to do, and whether it may be done.

    ``approvals`` are ids that people approved and that this plan makes use of.
    """

    application: Application | None
    snapshot: Snapshot | None
    desired: DesiredState
    observed: ObservedState
    plan: Plan[StepT]
    verdict: Verdict
    approvals: tuple[str, ...] = ()


@dataclass(slots=True)
class _Rendered:
    application: Application
    desired: DesiredState
    trace: Trace


class Planner(Generic[StepT]):
    """Plans applications; remembers what it rendered, and uses it again as long as nothing it read has changed."""

    def __init__(
        self,
        backend: Backend[StepT],
        driver: Driver[StepT],
        images: ImageResolver,
        applied: AppliedStates,
        holds: Holds,
        *,
        on_rendered: Callable[[DesiredState], None] = lambda _desired: None,
        preflight: Preflight | None = None,
        clock: Clock | None = None,
    ) -> None:
        """``on_rendered`` is told of each fresh rendering, so that its secrets can be masked wherever they turn up.

        ``preflight`` is asked what stands in the way of each plan that does something.
        """
        self._preflight = preflight
        self._clock = clock or SystemClock()
        self._on_rendered = on_rendered
        self._backend = backend
        self._driver = driver
        self._images = images
        self._applied = applied
        self._holds = holds
        self._rendered: dict[AppKey, list[_Rendered]] = {}
        self._looks: dict[AppKey, tuple[str, str, object, Look[StepT]]] = {}
        self._lock = threading.Lock()
        self._reasons: BuildReasons | None = None

    def explain_builds(self, reasons: BuildReasons) -> None:
        """From now on a build's reason names files; who reads repositories is made after this planner."""
        self._reasons = reasons

    def unaffected(self, application: Application, tree: Tree) -> bool:
        """Whether rendering this very application from ``tree`` would give what it gave before."""
        with self._lock:
            kept = tuple(self._rendered.get(application.key, ()))
        newest = next((entry for entry in kept if entry.application is application), None)
        return newest is not None and newest.trace.holds(tree)

    def digest_in(self, application: Application, tree: Tree) -> str:
        """Of what was rendered from this very application, if ``tree`` gives the same again; else ""."""
        with self._lock:
            kept = tuple(self._rendered.get(application.key, ()))
        found = (e for e in kept if e.application is application and e.trace.holds(tree))
        return next((entry.desired.digest for entry in found), "")

    def desired(self, application: Application, snapshot: Snapshot) -> DesiredState:
        """Stages 3 and 4."""
        with self._lock:
            kept = tuple(self._rendered.get(application.key, ()))
        for entry in kept:
            if entry.application is application and entry.trace.holds(snapshot.tree):
                self._first(entry)
                if entry.desired.revision == snapshot.revision:
                    return entry.desired
                return replace(entry.desired, revision=snapshot.revision)
        tree = TracingTree(snapshot.tree)
        choices, diagnostics = self._images.choose(application, tree)
        desired = self._backend.render(application, tree, snapshot.revision, choices)
        if diagnostics:
            desired = replace(desired, diagnostics=(*diagnostics, *desired.diagnostics))
        self._on_rendered(desired)
        fresh = _Rendered(application, desired, tree.trace())
        self._first(fresh)
        return desired

    def _first(self, entry: _Rendered) -> None:
        """Two are kept: the current one and the one that a rollback holds, the one used last in front."""
        key = entry.application.key
        with self._lock:
            others = (kept for kept in self._rendered.get(key, ()) if kept is not entry)
            self._rendered[key] = [entry, *others][:2]

    @staticmethod
    def nothing(key: AppKey, revision: str) -> DesiredState:
        """The desired state of an application that is no longer in Git."""
        return DesiredState(app=key, revision=revision, resources={}, digest=digest({}))

    def look(
        self,
        key: AppKey,
        desired: DesiredState,
        *,
        application: Application | None,
        snapshot: Snapshot | None,
        prune: bool = True,
        fresh: bool = False,
        diagnostics: tuple[Diagnostic, ...] = (),
        images: Mapping[str, str] = NO_IMAGES,
        hooks: HookOptions = NO_MEMORY,
        drift: DriftOptions | None = None,
        approving: Collection[str] = (),
    ) -> Look[StepT]:
        """Stages 5 to 8. The same plan is used again while neither side has changed.

        ``images`` are those that the release ran when it ran well: they are used, wherever their tags point now.
        ``drift`` says what of it is put right by itself; without it, everything is.
        ``approving`` are ids that a person is about to approve: how the plan would be then.

        Raises:
            BackendUnavailable: the engine does not answer.
        """
        refs = tuple(sorted({resource.name for resource in desired.of_kind(Kind.IMAGE)}))
        observed = self._driver.observe(key, images=(*refs, *candidates(desired, images)), fresh=fresh)
        desired = pin_images(desired, images, observed.images)
        settings = (prune, hooks, drift and (drift.policy, frozenset(drift.resting)), frozenset(approving))
        with self._lock:
            last = self._looks.get(key)
        if (
            last is not None
            and last[:3] == (desired.digest, observed.digest, settings)
            and last[3].application is application
            # A plan that does something names the commit in what it makes.
            and (last[3].desired.revision == desired.revision or not last[3].plan.changes)
            # What stands in the way of others may go without a change of ours; a person may have approved.
            and last[3].verdict.decision is Decision.GO
            and (last[3].plan.empty or self._preflight is None)
            and not removals.awaiting(last[3].plan.changes)
            # Which of two containers was started first is no part of what is compared.
            and not any(need.follows for want in desired.of_kind(Kind.CONTAINER) for need in want.needs)
        ):
            # The same plan; but health and times move without changing it, and so may the commit's name.
            same = last[3] if last[3].observed is observed else replace(last[3], observed=observed)
            return same if same.desired.revision == desired.revision else _at(same, desired, snapshot)
        objects = self._applied.objects(key)
        options = DiffOptions(
            prune=prune,
            ignore=_ignored(application),
            known=frozenset(objects),
            approved=self._approved(
                (*removals.candidates(desired, observed), *promotion.candidates(desired, observed, self._backend))
            ).union(approving),
            hooks=hooks,
            drift=drift,
            now=self._clock.now(),
        )
        plan = make_plan(desired, _as_applied(observed, objects), self._backend, options, diagnostics)
        if self._reasons is not None and snapshot is not None:
            applied = self._applied.get(key).applied_revision
            plan = replace(plan, changes=self._reasons.told(plan.changes, desired, observed, snapshot.tree, applied))
        approved = self._approved((plan.id,))
        inputs = GuardInputs(
            app=application,
            desired=desired,
            observed=observed,
            plan_id=plan.id,
            approved=approved,
            findings=self._findings(plan, observed),
        )
        look = Look(
            application=application,
            snapshot=snapshot,
            desired=desired,
            observed=observed,
            plan=plan,
            verdict=guard(plan.changes, inputs),
            approvals=tuple(sorted({*approved, *(c.approval for c in plan.changes if c.approval and c.acts)})),
        )
        with self._lock:
            # Only a plan without changes is used again, and what others have is no part of that.
            kept = replace(look, observed=replace(observed, foreign={}))
            self._looks[key] = (desired.digest, observed.digest, settings, kept)
        return look

    def _findings(self, plan: Plan[StepT], observed: ObservedState) -> tuple[Diagnostic, ...]:
        """What would make the plan fail in the middle. A repair does what it can, whatever cannot be done of it."""
        if plan.empty or self._preflight is None or is_repair(plan.changes):
            return ()
        return self._preflight.findings(plan.changes, observed)

    def run_plan(self, desired: DesiredState, make: Callable[[ObservedState], tuple[Change, ...]]) -> Plan[StepT]:
        """Runs by themselves, with the images that they need and that are not there; nothing else is compared."""
        refs = tuple(sorted({resource.name for resource in desired.of_kind(Kind.IMAGE)}))
        observed = self._driver.observe(desired.app, images=refs)
        runs = make(observed)
        needed = {n.key for run in runs if run.verb is Verb.RUN and run.after is not None for n in run.after.needs}
        images = [image_change(desired.resources[k], observed) for k in sorted(needed) if k.kind is Kind.IMAGE]
        changes = (*(image for image in images if image is not None), *runs)
        return Plan(
            id=plan_id(desired, observed.target, changes),
            app=desired.app,
            target=observed.target,
            revision=desired.revision,
            desired_digest=desired.digest,
            observed_digest=observed.digest,
            changes=changes,
            nodes=self._backend.lower(changes, desired, observed) if runs else (),
        )

    def revision_on_engine(self, key: AppKey) -> str:
        """The commit that most of an application's containers say they were made from; "" when there is none."""
        live = self._driver.observe(key).live
        found = [one.revision for kind, ones in live.items() if kind.kind is Kind.CONTAINER for one in ones]
        return max(sorted({revision for revision in found if revision}), key=found.count, default="")

    def _approved(self, ids: Iterable[str]) -> frozenset[str]:
        return frozenset(found for found in ids if self._holds.approved(found) is not None)


def _at(look: Look[StepT], desired: DesiredState, snapshot: Snapshot | None) -> Look[StepT]:
    """The same for another commit that wants the same."""
    return replace(look, desired=desired, snapshot=snapshot, plan=replace(look.plan, revision=desired.revision))


def _ignored(application: Application | None) -> tuple[IgnoreDifference, ...]:
    if application is None:
        return ()
    rules = (rule for rule in application.sync_policy.drift.rules if rule.mode is DriftMode.IGNORE)
    return (
        *application.ignore_differences,
        *(IgnoreDifference(kind=r.kind, name=r.name, json_pointers=r.json_pointers) for r in rules),
    )


def _as_applied(observed: ObservedState, objects: Mapping[ResourceKey, AppliedObject]) -> ObservedState:
    """Objects with the digest of what was last carried out on them: an update in place cannot change a label."""
    live = dict(observed.live)
    for key, applied in objects.items():
        lives = live.get(key, ())
        if any(found.handle == applied.handle and found.digest not in {"", applied.digest} for found in lives):
            live[key] = tuple(
                replace(found, digest=applied.digest) if found.handle == applied.handle and found.digest else found
                for found in lives
            )
    return replace(observed, live=live)
