"""What a change, a wanted and a live object say, as lowering asks for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trimtab.model.change import Change
from trimtab.model.desired import Condition, Resource
from trimtab.model.keys import Kind
from trimtab.model.observed import Live, Probe, RunState
from trimtab.model.rollout import UpdateRule
from trimtab.model.untyped import mapping, section


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
    """Volumes that a container writes to, as claims."""
    return frozenset(f"volume {mount['Source']}" for mount in _volumes(fields).values() if not mount.get("ReadOnly"))


def mounted_volumes(fields: Mapping[str, object]) -> frozenset[str]:
    """Engine names of all volumes that a container mounts."""
    return frozenset(str(mount["Source"]) for mount in _volumes(fields).values())


def _volumes(fields: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """Its mounts of volumes that have a name, given or by the engine, by target."""
    mounts = {target: mapping(mount) for target, mount in sorted(section(fields, "Mounts").items())}
    return {target: mount for target, mount in mounts.items() if mount.get("Type") == "volume" and mount.get("Source")}


def kept_volumes(spec: Mapping[str, object], old: Live) -> dict[str, object]:
    """The anonymous volumes of a container that its replacement goes on with, as mounts by target.

    They are those of the old one that the manifest mounts without a source, or that its image asked for.
    """
    wanted, asked = section(spec, "Mounts"), section(old.inherited, "Mounts")
    kept: dict[str, object] = {}
    for target, mount in _volumes(old.fields).items():
        own = mapping(wanted.get(target))
        nameless = own.get("Type") == "volume" and not own.get("Source")
        if nameless or (target not in wanted and target in asked):
            kept[target] = {**own, "Type": "volume", "Source": mount["Source"]}
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
