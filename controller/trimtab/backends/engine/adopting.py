"""Which of what runs is which of what Git asks for, and what must not be taken over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.backends.engine.adoptions import Adopted
from trimtab.backends.engine.candidates import ONE_OFF, Candidate
from trimtab.backends.engine.labels import APP, INSTALLATION, NAMESPACE
from trimtab.model.change import Change
from trimtab.model.desired import DesiredState, Resource
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import ObservedState

SWARM = "com.docker.swarm."


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """What would be adopted, and what not with the reason."""

    objects: tuple[Adopted, ...]
    left: tuple[tuple[Candidate, str], ...]


def forbidden(candidate: Candidate, app: AppKey, installation: str) -> str:
    """Why an object may not be taken over; "" if it may."""
    labels = candidate.labels
    owner = labels.get(INSTALLATION, "")
    if owner and owner != installation:
        return f"belongs to the Trimtab installation '{owner}'"
    if owner and (labels.get(NAMESPACE), labels.get(APP)) != (app.namespace, app.name):
        other = AppKey(labels.get(NAMESPACE, ""), labels.get(APP, ""))
        return f"belongs to the application '{other}'"
    if any(label.startswith(SWARM) for label in labels):
        return "belongs to a Swarm service or stack"
    if labels.get(ONE_OFF) == "True":
        return "is a one-off container of 'docker compose run'"
    return ""


def wanted_objects(desired: DesiredState) -> tuple[tuple[Kind, str], ...]:
    """Networks and volumes of the application, by the name that they have on an engine."""
    return tuple(
        (resource.key.kind, resource.name)
        for _, resource in sorted(desired.resources.items())
        if resource.key.kind in {Kind.NETWORK, Kind.VOLUME} and not resource.external
    )


def match(
    desired: DesiredState,
    containers: Sequence[Candidate],
    objects: Sequence[Candidate],
    observed: ObservedState,
    *,
    installation: str,
    project: str,
) -> Matching:
    """Containers by service and number, else by name; networks and volumes by name. What is ours already is left out.

    ``project``: the compose project whose networks and volumes may be taken over, beside those of none.
    """
    app = desired.app
    ours = {live.handle for lives in observed.live.values() for live in lives}
    taken = {(key.name, key.replica) for key in observed.live if key.kind is Kind.CONTAINER}
    services = {key.name for key in desired.resources if key.kind is Kind.CONTAINER}
    by_container = {r.name: r.key.name for r in desired.resources.values() if r.key.kind is Kind.CONTAINER}
    containers = tuple(replace(one, service=one.service or by_container.get(one.name, "")) for one in containers)
    adopted: list[Adopted] = []
    left: list[tuple[Candidate, str]] = []
    for one in sorted(containers, key=lambda c: (c.service, c.number or len(containers) + 1, c.name)):
        if one.handle in ours:
            continue
        reason = forbidden(one, app, installation)
        if not reason and one.service not in services:
            reason = f"service '{one.service}' is not in Git" if one.service else "no service was named for it"
        if reason:
            left.append((one, reason))
            continue
        number = one.number if one.number and (one.service, one.number) not in taken else 1
        while (one.service, number) in taken:
            number += 1
        taken.add((one.service, number))
        key = ResourceKey(app, Kind.CONTAINER, one.service, number)
        adopted.append(Adopted(key=key, handle=one.handle, name=one.name))
    by_name = {
        (resource.key.kind, resource.name): resource.key
        for resource in desired.resources.values()
        if not resource.external
    }
    for one in objects:
        named = by_name.get((one.kind, one.name))
        if named is None or one.handle in ours:
            continue
        reason = forbidden(one, app, installation)
        if not reason and one.project not in {"", project, app.project}:
            reason = f"belongs to the compose project '{one.project}'"
        if reason:
            left.append((one, reason))
        else:
            adopted.append(Adopted(key=named, handle=one.handle, name=one.name, witness=one.witness))
    return Matching(
        objects=tuple(sorted(adopted, key=lambda a: (a.key, a.handle))),
        left=tuple(left),
    )


def with_digests(objects: Iterable[Adopted], desired: DesiredState, changes: Iterable[Change]) -> tuple[Adopted, ...]:
    """The same, with the digest of what Git asks for where an object is that, or can be without being replaced."""
    differing = {
        change.key for change in changes if any(not field.in_place for field in change.fields) or change.before is None
    }
    found = []
    for one in objects:
        want = desired.resources.get(one.key)
        matches = want is not None and one.key not in differing
        found.append(replace(one, digest=want.digest if want is not None and matches else ""))
    return tuple(found)


def left_behind(
    desired: DesiredState, objects: Iterable[Adopted], containers: Iterable[Candidate], present: Iterable[str]
) -> tuple[str, ...]:
    """Sentences on data that a container has now and would not have any more: its volume has another name in Git.

    ``present``: names of the volumes on the engine. A volume that is there is somebody's choice; a new one is empty.
    """
    by_handle, there = {one.handle: one for one in containers}, frozenset(present)
    found = []
    for one in objects:
        want, candidate = desired.resources.get(one.key), by_handle.get(one.handle)
        if want is None or candidate is None:
            continue
        for target, source in sorted(_volumes(want).items()):
            now = candidate.volumes.get(target)
            if now and source and now != source and source not in there:
                found.append(
                    f"container {candidate.name} has volume {now} at {target}; Git mounts {source} there,"
                    " which would be new and empty"
                )
    return tuple(found)


def _volumes(want: Resource) -> Mapping[str, str]:
    mounts = want.spec.get("Mounts")
    return {
        target: str(mount.get("Source") or "")
        for target, mount in (mounts.items() if isinstance(mounts, Mapping) else ())
        if isinstance(mount, Mapping) and mount.get("Type") == "volume"
    }


def describable(
    found: Iterable[Candidate], app: AppKey, installation: str
) -> tuple[tuple[Candidate, ...], tuple[tuple[Candidate, str], ...]]:
    """The containers that a file may be written for, each with a service; and the others with the reason.

    A container that says nothing of a service is one by its own name.
    """
    kept, left = [], []
    for one in found:
        reason = forbidden(one, app, installation)
        if reason:
            left.append((one, reason))
        else:
            kept.append(replace(one, service=one.service or one.name))
    return tuple(kept), tuple(left)


def numbered(app: AppKey, containers: Sequence[Candidate]) -> tuple[Adopted, ...]:
    """Containers as replicas of their services, in the order of their numbers and names."""
    count: dict[str, int] = {}
    found = []
    for one in sorted(containers, key=lambda c: (c.service, c.number or len(containers) + 1, c.name)):
        count[one.service] = count.get(one.service, 0) + 1
        key = ResourceKey(app, Kind.CONTAINER, one.service, count[one.service])
        found.append(Adopted(key=key, handle=one.handle, name=one.name))
    return tuple(found)
