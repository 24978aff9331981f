"""Containers that are left in a namespace that is gone: what they share was started again after them. Pure.

A container that joins another one's network, process or IPC namespace joins the one that is there when it starts.
When the other is merely restarted, the follower runs on in the old one, which nothing reaches any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from trimtab.model.change import Change, Disruption, FieldChange, Reason, Verb
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, RunState

PATH = "/State/StartedAt"
# Where a container names the one whose namespace it joins, in the shape of inspect.
SHARED = {"NetworkMode": "network", "PidMode": "processes", "IpcMode": "shared memory"}
Shown = Callable[[Change], Change | None]


def follow_restarts(
    changes: dict[ResourceKey, Change],
    desired: DesiredState,
    observed: ObservedState,
    now: datetime | None,
    shown: Shown,
) -> None:
    """Add a restart for each follower whose parent was, or will be, started after it; followers may have followers.

    A parent that was started after ``now`` was so before the clock was set back: nobody can tell what came first,
    and a restart would not change that.
    """
    todo = True
    while todo:
        todo = False
        for want in desired.of_kind(Kind.CONTAINER):
            change, live = changes.get(want.key), _running(observed, want.key)
            if live is None or (change is not None and change.acts and change.disruption is not Disruption.NONE):
                continue
            found = next(
                ((n, what) for n, what in _parents(want) if _started_after(n, changes, observed, live, now)), None
            )
            if found is None or (change is not None and change.reason is Reason.PARENT_RESTARTED):
                continue
            added = shown(_restart(change, want, live, *found))
            if added is not None:
                changes[want.key] = added
                todo = added.acts


def _parents(want: Resource) -> Iterator[tuple[ResourceKey, str]]:
    host = want.spec.get("HostConfig")
    for field, what in SHARED.items():
        service = str(host.get(field) or "") if isinstance(host, Mapping) else ""
        if service.startswith("container:service:"):
            name = service.removeprefix("container:service:")
            yield ResourceKey(want.key.app, Kind.CONTAINER, name, 1), what


def _started_after(
    parent: ResourceKey,
    changes: Mapping[ResourceKey, Change],
    observed: ObservedState,
    live: Live,
    now: datetime | None,
) -> bool:
    change = changes.get(parent)
    if change is not None and change.verb is Verb.UPDATE and change.disruption is Disruption.RESTART:
        if change.reason in {Reason.DEPENDENCY_REPLACED, Reason.PARENT_RESTARTED}:
            return True
        paused = change.before is not None and change.before.running.status is RunState.PAUSED
        return not paused and any(field.path.startswith("/State/") for field in change.fields)
    other = _running(observed, parent)
    began, own = other.running.started_at if other is not None else None, live.running.started_at
    if began is None or own is None or (now is not None and began > now):
        return False
    return own < began


def _running(observed: ObservedState, key: ResourceKey) -> Live | None:
    running = [live for live in observed.live.get(key, ()) if live.running.status is RunState.RUNNING]
    return running[0] if len(running) == 1 else None


def _restart(change: Change | None, want: Resource, live: Live, parent: ResourceKey, what: str) -> Change:
    field = FieldChange(path=PATH, attribute="start", before=f"before {parent.name}", after="after it", in_place=True)
    base = change or Change(
        verb=Verb.UPDATE,
        key=want.key,
        name=want.name,
        reason=Reason.PARENT_RESTARTED,
        before=live,
        after=want,
        origin=want.origin(""),
    )
    return replace(
        base,
        verb=Verb.UPDATE,
        reason=Reason.PARENT_RESTARTED,
        detail=f"{parent.name}, whose {what} it shares, was started after it",
        fields=(*base.fields, field),
        disruption=Disruption.RESTART,
    )
