"""What the loop knows about hooks: whether a pass is a new release, and which hooks an application's removal has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from trimtab.errors import UserError
from trimtab.model.desired import DesiredState
from trimtab.model.keys import AppKey, Kind
from trimtab.model.snapshot import Snapshot
from trimtab.model.status import Phase
from trimtab.model.tasks import DELETE_PHASES
from trimtab.plan.canonical import digest
from trimtab.plan.runs import HookOptions
from trimtab.ports import AppliedStates, Facts, ReleaseLog
from trimtab.runtime.catalog import Catalog
from trimtab.runtime.planner import Planner

StepT = TypeVar("StepT")
_FAREWELL = "farewell/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Farewell:
    """An application's removal: what is left to want, and the commit that it comes from."""

    desired: DesiredState
    snapshot: Snapshot | None = None


def hook_options(
    applied: AppliedStates, releases: ReleaseLog, app: AppKey, *, allowed: bool = True, again: bool = False
) -> HookOptions:
    """What is remembered of earlier syncs. Without memory, nothing that runs as Git says has its hooks run again."""
    last = releases.list(app, 1)
    return HookOptions(
        allowed=allowed,
        applied_digest=applied.get(app).applied_digest,
        unfinished=bool(last) and last[0].phase is not Phase.SUCCEEDED,
        again=again,
    )


def farewell(
    catalog: Catalog,
    planner: Planner[StepT],
    key: AppKey,
    *,
    revision: str,
    applied_revision: str,
    unknown: Callable[[str], None],
) -> Farewell:
    """The desired state of an application that is no longer in Git: nothing, and the hooks of its removal.

    They are those of the revision that runs. ``unknown`` is told when that one cannot be read any more.
    """
    nothing = Farewell(desired=planner.nothing(key, revision))
    runs = applied_revision or planner.revision_on_engine(key)
    if not runs:
        return nothing
    try:
        older = catalog.at(key, runs)
    except UserError as error:
        unknown(f"{runs[:7]} cannot be read ({error.message}): if it had hooks for its removal, they do not run")
        return nothing
    if older is None or older.application is None or older.snapshot is None:
        return nothing
    if not any(own.hook in DELETE_PHASES for own in older.application.service_settings.values()):
        return nothing
    return Farewell(
        desired=only_farewell(planner.desired(older.application, older.snapshot), revision), snapshot=older.snapshot
    )


def note_farewell(facts: Facts, desired: DesiredState) -> None:
    """Remember whether an application that was applied has hooks for its removal."""
    name = f"{_FAREWELL}{desired.app}"
    said = "yes" if any(hook.phase in DELETE_PHASES for hook in desired.hooks) else ""
    if (facts.get(name) or "") != said:
        facts.put(name, said)


def has_farewell(facts: Facts, app: AppKey) -> bool:
    """Whether it is known to have such hooks."""
    return bool(facts.get(f"{_FAREWELL}{app}"))


def only_farewell(desired: DesiredState, revision: str) -> DesiredState:
    """Of a desired state, its hooks for its removal and what they are made from."""
    hooks = tuple(hook for hook in desired.hooks if hook.phase in DELETE_PHASES)
    needed = {need.key for hook in hooks for need in hook.resource.needs}
    made = {key for key in needed if key.kind in {Kind.IMAGE, Kind.CONTENT}}
    return replace(
        desired,
        revision=revision,
        resources={key: resource for key, resource in desired.resources.items() if key in made},
        digest=digest({"removed": {str(hook.key): [hook.phase.value, hook.resource.digest] for hook in hooks}}),
        hooks=hooks,
        jobs=(),
    )
