"""Where a live object differs from what Git says, field by field. Pure.

A container is compared with everything it should be: what the manifest sets, else what its image
gives, else the engine's default (which normalising leaves out on both sides). So a live edit of a field that
Git never mentions is seen, too. When the digest label is the wanted one, the container was created from this very
spec, and only what the engine lets anyone change afterwards can differ; nothing else is looked at, so that no
oddity of an engine's ``inspect`` can ever cause a replacement.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.adoptions import without_aliases
from trimtab.backends.engine.fields import WHOLE, field_of
from trimtab.model.change import FieldChange
from trimtab.model.desired import Resource, Secret
from trimtab.model.keys import Kind
from trimtab.model.observed import Live
from trimtab.model.sensitive import is_sensitive, shows
from trimtab.model.untyped import section, strings
from trimtab.plan.fielddiff import ABSENT, differences, leaves, unescape

# What an engine has when nothing is said; a manifest may say it without making a difference.
# Source: Engine API HostConfig; moby daemon defaults.
DEFAULTS: Mapping[str, object] = {
    "/HostConfig/ShmSize": 67_108_864,
    "/HostConfig/IpcMode": "private",
    "/HostConfig/Runtime": "runc",
    "/HostConfig/PidsLimit": -1,
    "/HostConfig/CgroupnsMode": "host",
    "/HostConfig/Isolation": "default",
}
# Chosen by the engine's configuration, not by us, unless the manifest says something.
ENGINE_CHOICE = (
    "/HostConfig/LogConfig",
    "/HostConfig/CgroupnsMode",
    "/HostConfig/Runtime",
    "/HostConfig/Init",
    "/HostConfig/IpcMode",
)
ANONYMOUS = "volume"
# Where people write passwords, as they are or by interpolation. Not images and names: many a password is "postgres".
MAY_HOLD_SECRETS = (
    "/Config/Cmd", "/Config/Entrypoint", "/Config/Env", "/Config/Healthcheck", "/Config/Labels",
    "/DriverOpts", "/HostConfig/Annotations", "/HostConfig/LogConfig", "/Labels", "/Options",
)  # fmt: skip


def compare(want: Resource, live: Live, own_networks: frozenset[str] = frozenset()) -> tuple[FieldChange, ...]:
    """What differs, in pointer order. ``own_networks``: engine names of the application's networks."""
    if want.external:
        return ()
    match want.key.kind:
        case Kind.CONTAINER:
            return _container(want, live, own_networks)
        case Kind.NETWORK | Kind.VOLUME:
            different = _not_given(differences(want.spec, live.fields), live)
            return tuple(_change(want, path, wanted, found) for path, wanted, found in different)
        case Kind.CONTENT:
            # What it holds is its name; only one that was not filled to the end has no digest.
            if live.digest == want.digest:
                return ()
            return (FieldChange(path="/files", attribute="files", before="incomplete", after="complete"),)
        case Kind.IMAGE | Kind.HOOK | Kind.JOB:
            # A run is what it was made from.
            return ()


def expected_container(want: Mapping[str, object], live: Live) -> dict[str, object]:
    """The spec with what the container's image adds to it."""
    config, inherited = section(want, "Config"), section(live.inherited, "Config")
    merged: dict[str, object] = {**inherited, **config}
    for field in ("Env", "Labels"):
        both = {**section(inherited, field), **section(config, field)}
        if both:
            merged[field] = both
    ports = sorted({*strings(inherited.get("ExposedPorts")), *strings(config.get("ExposedPorts"))})
    if ports:
        merged["ExposedPorts"] = ports
    if config.get("Entrypoint") is not None and "Cmd" not in config:
        # Source: moby daemon/commit.go merge(): an own entrypoint drops the image's command.
        merged.pop("Cmd", None)
    own_check = section(config, "Healthcheck")
    if own_check.get("Test") == ["NONE"]:
        merged["Healthcheck"] = own_check
    elif own_check:
        merged["Healthcheck"] = {**section(inherited, "Healthcheck"), **own_check}
    merged = {field: value for field, value in merged.items() if value not in ([], {}, "", None)}
    return {**want, "Config": merged}


def _container(want: Resource, live: Live, own_networks: frozenset[str]) -> tuple[FieldChange, ...]:
    expected, found = expected_container(want.spec, live), _comparable(want.spec, live, own_networks)
    if live.adopted:
        expected, found = (without_aliases(f, {want.name, live.name, live.adopted}) for f in (expected, found))
    same_origin = want.digest == live.digest
    changes = []
    for path, wanted, has in _not_given(differences(expected, found, WHOLE), live):
        if _equivalent(path, wanted, has) or (same_origin and not _mutable(path, wanted)):
            continue
        if path == "/HostConfig/NetworkMode" and _first_network_left(want.spec, wanted, has):
            continue
        changes.append(_change(want, path, wanted, has))
    return tuple(changes)


def _not_given(different: tuple[tuple[str, object, object], ...], live: Live) -> tuple[tuple[str, object, object], ...]:
    """Without what the engine chose by itself (an address pool, a swap limit) where nothing is asked for."""
    if not different:
        return ()
    given = dict(leaves(live.inherited, WHOLE))
    return tuple(
        (path, wanted, has) for path, wanted, has in different if wanted is not ABSENT or given.get(path, ABSENT) != has
    )


def _comparable(want: Mapping[str, object], live: Live, own_networks: frozenset[str]) -> dict[str, object]:
    """The live fields without what is not ours to compare: anonymous volumes, others' networks."""
    fields = dict(live.fields)
    wanted_mounts = section(want, "Mounts")
    mounts: dict[str, object] = {}
    inherited_targets = {*section(live.inherited, "Mounts"), *section(section(live.inherited, "Config"), "Volumes")}
    for target, mount in section(fields, "Mounts").items():
        wanted = wanted_mounts.get(target)
        if wanted is None and target in inherited_targets:
            continue
        if (
            isinstance(wanted, Mapping)
            and isinstance(mount, Mapping)
            and wanted.get("Type") == ANONYMOUS
            and "Source" not in wanted
        ):
            mounts[target] = {key: value for key, value in mount.items() if key != "Source"}
            continue
        mounts[target] = mount
    fields["Mounts"] = mounts
    wanted_networks = section(want, "Networks")
    project = live.key.app.project
    fields["Networks"] = {
        name: endpoint
        for name, endpoint in section(fields, "Networks").items()
        # A network that somebody else attached us to stays; one of the application's own does not.
        if name in wanted_networks or name in own_networks or name.startswith(f"{project}_")
    }
    return {part: value for part, value in fields.items() if value != {}}


def _mutable(path: str, wanted: object) -> bool:
    """What can differ although the container was made from this very spec.

    Beside what the engine changes live: a reference to another container of ours, which may be gone by now.
    """
    texts = wanted if isinstance(wanted, list | tuple) else (wanted,)
    refers = any(str(text).startswith(("container:service:", "service:")) for text in texts)
    return path.startswith("/Networks/") or field_of(path).update or refers


def _first_network_left(want: Mapping[str, object], wanted: object, has: object) -> bool:
    """Whether it is only that the network which a container was created with is one that it leaves.

    The engine remembers that name for good, and needs it no more: a container starts on the networks that it is on.
    Source: moby daemon/container_operations.go, updateContainerNetworkSettings.
    """
    networks = section(want, "Networks")
    named = isinstance(has, str) and has not in {"", "host", "none", "bridge", "default"} and ":" not in has
    return named and wanted in networks and has not in networks


def _equivalent(path: str, wanted: object, has: object) -> bool:
    if path == "/HostConfig/LogConfig" and isinstance(wanted, Mapping) and isinstance(has, Mapping):
        # Without a driver the engine's own is meant.
        return "Type" not in wanted and bool(wanted.get("Config") == has.get("Config"))
    default = DEFAULTS.get(path)
    if default is not None and (wanted is ABSENT or wanted == default) and (has is ABSENT or has == default):
        return True
    if has is not ABSENT and wanted is ABSENT and path.startswith(ENGINE_CHOICE):
        return True
    empty = (ABSENT, 0, "", False, None)
    if (
        any(wanted is e or wanted == e for e in empty)
        and any(has is e or has == e for e in empty)
        and not path.startswith("/Config/Env")
    ):
        return True
    field = field_of(path)
    return (
        field.unset is not None
        and (wanted is ABSENT or wanted == field.unset)
        and (has is ABSENT or has == field.unset)
    )


def _change(want: Resource, path: str, wanted: object, has: object) -> FieldChange:
    known = field_of(path)
    sensitive = False
    if path.startswith("/Config/Env/"):
        name = unescape(path.rsplit("/", 1)[1])
        shown = wanted if isinstance(wanted, str) else has if isinstance(has, str) else ""
        sensitive = isinstance(wanted, Secret) or is_sensitive(name, shown)
    if want.hides and path.startswith(MAY_HOLD_SECRETS):
        sensitive = sensitive or shows(wanted, want.hides) or shows(has, want.hides)
    networks = path.startswith("/Networks/")
    return FieldChange(
        path=path,
        attribute=known.attribute,
        before=_shown(has, sensitive=sensitive),
        after=_shown(wanted, sensitive=sensitive),
        in_place=networks
        or (known.update and (wanted is not ABSENT or known.unset is not None or _follows(want, path))),
        sensitive=sensitive,
        unit=known.unit,
        origin=want.origin(path),
    )


def _follows(want: Resource, path: str) -> bool:
    """A swap limit that nobody sets is twice the memory, which can be said."""
    return path == "/HostConfig/MemorySwap" and "Memory" in section(want.spec, "HostConfig")


def _shown(value: object, *, sensitive: bool) -> object:
    if value is ABSENT:
        return None
    if isinstance(value, Secret):
        return repr(value)
    return "(secret)" if sensitive else value
