"""The guard's rules about data: what a person has to decide before anything is done, and how to say it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.change import Change, FieldChange, Reason, Verb
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.model.keys import Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.plan.units import human


def unmovable(changes: tuple[Change, ...]) -> list[Diagnostic]:
    """Data that cannot be taken over now: what would run without it must not start."""
    return [
        Diagnostic(
            severity=Severity.ERROR,
            code="TT3030",
            message=f"volume {change.name} cannot take over its data: {change.detail}",
            origin=change.origin or Origin(str(change.key)),
            hint=_way_out(change),
        )
        for change in changes
        if change.key.kind is Kind.VOLUME and change.verb is Verb.KEEP and change.reason is Reason.UNFINISHED
    ]


def _way_out(change: Change) -> str:
    if change.source is None:
        return f"look into it; 'docker volume rm {change.name} {change.name}.filling' begins with an empty one"
    if change.before is not None:
        return (
            f"stop the one on the volume that shall lose; if that is {change.source.name}, the new one goes on,"
            f" else its data is copied again"
        )
    return f"stop what uses {change.source.name}, or take the rename back"


def out_of_sight(changes: tuple[Change, ...], observed: ObservedState, approval: str) -> list[Diagnostic]:
    """A container that would have a new, empty volume where one with data was: most often a rename that was not said.

    ``approval`` is the command that approves the plan.
    """
    new = {
        change.name: change
        for change in changes
        if change.key.kind is Kind.VOLUME and change.verb is Verb.CREATE and change.source is None
    }
    old = {live.name: key for key, lives in observed.live.items() if key.kind is Kind.VOLUME for live in lives}
    # By mount point: another service may be the one that goes on with the data.
    left = {
        target: (change, source)
        for change in changes
        if change.key.kind is Kind.CONTAINER
        and change.verb in {Verb.REPLACE, Verb.DELETE}
        and change.before is not None
        for target, source in _volumes(change.before.fields)
        if source in old
    }
    found = []
    for change in changes if new else ():
        if change.key.kind is not Kind.CONTAINER or change.verb not in {Verb.REPLACE, Verb.CREATE}:
            continue
        for target, source in _volumes(change.after.spec if change.after is not None else {}):
            if source not in new or target not in left or left[target][1] == source:
                continue
            before, made = left[target][1], new[source]
            found.append(
                Diagnostic(
                    severity=Severity.ERROR,
                    code="TT3204",
                    message=f"container {change.name} would have volume {source} at {target}, which is new and empty,"
                    f" in the place of {before}",
                    origin=made.origin or change.origin or Origin(str(change.key)),
                    hint=_renamed(old[before], made.key, approval),
                )
            )
    return found


def _volumes(fields: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Where a container mounts which volume, in the order of mount points."""
    mounts = fields.get("Mounts")
    found = sorted(mounts.items()) if isinstance(mounts, Mapping) else ()
    return tuple((target, str(mount.get("Source") or "")) for target, mount in found if isinstance(mount, Mapping))


def _renamed(was: ResourceKey, now: ResourceKey, approval: str) -> str:
    if was.name == now.name:
        return f"put 'name:' back to keep the data in use, or approve this plan: {approval}"
    move = f"x-trimtab: {{moved: [{{kind: Volume, from: {was.name}, to: {now.name}}}]}}"
    return f"to take the data along, write '{move}' (or 'spec.moved'); to begin empty, approve: {approval}"


def advice(changes: tuple[Change, ...]) -> tuple[Diagnostic, ...]:
    """A volume whose definition differs is left as it is; this says what can be done about it."""
    return tuple(
        Diagnostic(
            severity=Severity.WARNING,
            code="TT3031",
            message=f"volume {change.name} is not what Git says, and stays as it is: {differences(change.fields)}",
            origin=change.origin or Origin(str(change.key)),
            hint=(
                "the engine cannot change a volume. Put the definition back; or give the volume a new name, with"
                f" 'moved: [{{kind: Volume, from: {change.key.name}, to: NEW}}]', which copies the data; or take it out"
                " of Git, approve its removal (it is archived), and add it again"
            ),
        )
        for change in changes
        if change.reason is Reason.IMMUTABLE_DATA
    )


def differences(fields: tuple[FieldChange, ...]) -> str:
    """Each option, before and after; a secret's values are not told."""

    def told(field: FieldChange) -> str:
        return "(changed)" if field.sensitive else f"{human(field.before)} -> {human(field.after)}"

    return ", ".join(f"{field.attribute} {told(field)}" for field in fields)


def only_labels(fields: tuple[FieldChange, ...]) -> bool:
    """Whether nothing but labels differ, which say something about a volume and change nothing of it."""
    return bool(fields) and all(field.path.startswith("/Labels") for field in fields)
