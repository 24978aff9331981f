"""What a change, a wanted and a live object say, as lowering asks for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trimtab.model.change import Change
from trimtab.model.desired import Condition, Resource
from trimtab.model.keys import Kind
from trimtab.model.observed import Live, Probe, RunState
from trimtab.model.rollout import UpdateRule


def of_kind(changes: Iterable[Change], kind: Kind) -> list[Change]:
    """Those of one kind, in their order."""
    return [change for change in changes if change.key.kind is kind]


def wanted(change: Change) -> Resource:
    """What should be, of a change that cannot do without. Raises ValueError: the planner is wrong."""
    if change.after is None:
        message = f"{change.verb} of {change.key} without what is wanted"
        raise ValueError(message)
    return change.after


def present(change: Change) -> Live:
    """What is there, of a change that cannot do without. Raises ValueError: the planner is wrong."""
    if change.before is None:
        message = f"{change.verb} of {change.key} without what is there"
        raise ValueError(message)
    return change.before


def meets(live: Live, condition: Condition) -> bool:
    """Whether nobody has to wait for it."""
    running = live.running
    if condition is Condition.HEALTHY:
        return running.status is RunState.RUNNING and running.probe is Probe.HEALTHY
    if condition is Condition.COMPLETED:
        return running.status is RunState.EXITED and running.exit_code == 0
    return True


def written_volumes(fields: Mapping[str, object]) -> frozenset[str]:
    """Named volumes that a container writes to."""
    mounts = fields.get("Mounts")
    found = [mount for mount in mounts.values() if isinstance(mount, Mapping)] if isinstance(mounts, Mapping) else []
    named = [mount for mount in found if mount.get("Type") == "volume" and mount.get("Source")]
    return frozenset(f"volume {mount['Source']}" for mount in named if not mount.get("ReadOnly"))


def mounted_volumes(fields: Mapping[str, object]) -> frozenset[str]:
    """Engine names of all volumes that a container mounts."""
    mounts = fields.get("Mounts")
    found = [mount for mount in mounts.values() if isinstance(mount, Mapping)] if isinstance(mounts, Mapping) else []
    return frozenset(str(mount["Source"]) for mount in found if mount.get("Type") == "volume" and mount.get("Source"))


def kept_volumes(spec: Mapping[str, object], old: Live) -> dict[str, object]:
    """The anonymous volumes of a container that its replacement goes on with, as mounts by target.

    They are those of the old one that the manifest mounts without a source, or that its image asked for.
    """
    mounts, wanted = old.fields.get("Mounts"), spec.get("Mounts")
    wanted = wanted if isinstance(wanted, Mapping) else {}
    inherited = old.inherited.get("Mounts")
    asked = set(inherited) if isinstance(inherited, Mapping) else set()
    kept: dict[str, object] = {}
    for target, mount in sorted(mounts.items()) if isinstance(mounts, Mapping) else ():
        if not isinstance(mount, Mapping) or mount.get("Type") != "volume" or not mount.get("Source"):
            continue
        own = wanted.get(target)
        if (own is None and target in asked) or (
            isinstance(own, Mapping) and own.get("Type") == "volume" and not own.get("Source")
        ):
            kept[target] = {**(own if isinstance(own, Mapping) else {}), "Type": "volume", "Source": mount["Source"]}
    return kept


def grace_s(want: Resource | None) -> int:
    """How long it may take to stop, in seconds."""
    value = want.traits.get("grace_s") if want is not None else None
    return value if isinstance(value, int) else 10


def deadline_s(want: Resource) -> float:
    """How long it may take to prove itself, in seconds."""
    value = want.traits.get("timeout_s")
    return float(value) if isinstance(value, int | float) else 600.0


def update_rule(want: Resource) -> UpdateRule:
    """How its service is updated; Swarm's defaults when nothing says so."""
    rule = want.traits.get("update")
    return rule if isinstance(rule, UpdateRule) else UpdateRule()
