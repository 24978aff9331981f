"""A container's mounts in the spec's shape: volumes, host paths, memory, and files of content volumes. Pure.

The configuration (``HostConfig.Mounts`` and ``.Binds``) is read rather than ``inspect``'s own ``Mounts``, which shows
the engine's defaults (propagation) and what comes from other containers; only the names of anonymous volumes are there.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.untyped import mapping, members

Fields = dict[str, object]

CONTENT = "content:"
# The API's options of a bind mount, and the Compose Specification's words for ``bind.recursive``.
RECURSIVE = {"NonRecursive": "disabled", "ReadOnlyNonRecursive": "writable", "ReadOnlyForceRecursive": "readonly"}


def normalise_mounts(
    inspect: Mapping[str, object], image_config: Mapping[str, object], contents: Mapping[str, str], root_dir: str
) -> tuple[Fields, Fields]:
    """(fields, inherited): mounts by target. ``contents``: content volumes and their mount points on the host."""
    host = mapping(inspect.get("HostConfig"))
    fields: Fields = {}
    volumes = {
        str(mount.get("Destination")): str(mount.get("Name") or "")
        for mount in map(mapping, members(inspect.get("Mounts")))
        if mount.get("Type") == "volume"
    }
    for item in members(host.get("Mounts")):
        mount = mapping(item)
        target = str(mount.get("Target"))
        found = _content(_long(mount), contents, root_dir)
        if found["Type"] == "volume" and not found.get("Source") and volumes.get(target):
            # Anonymous: the engine's name for it is what a replacement goes on with.
            found["Source"] = volumes[target]
        fields[target] = found
    for item in members(host.get("Binds")):
        target, bind = _short(str(item))
        fields[target] = _content(bind, contents, root_dir)
    given: Fields = {}
    for target in sorted(str(t) for t in mapping(image_config.get("Volumes"))):
        given[target] = {"Type": "volume"}
        if target not in fields and target in volumes:
            fields[target] = {"Type": "volume", "Source": volumes[target]}
    # What 'docker run --volume /path' asks for is nowhere else; the image's own are among them.
    for target in sorted(str(t) for t in mapping(mapping(inspect.get("Config")).get("Volumes"))):
        if target not in fields and target in volumes:
            fields[target] = {"Type": "volume", "Source": volumes[target]}
    return {target: fields[target] for target in sorted(fields)}, given


def _long(mount: Mapping[str, object]) -> Fields:
    bind, volume, tmpfs = (mapping(mount.get(f"{kind}Options")) for kind in ("Bind", "Volume", "Tmpfs"))
    labels = mapping(volume.get("Labels"))
    out: Fields = {
        "Type": str(mount.get("Type") or "volume"),
        "Source": mount.get("Source"),
        "ReadOnly": mount.get("ReadOnly"),
        "Propagation": bind.get("Propagation"),
        "CreateMountpoint": bind.get("CreateMountpoint"),
        "Recursive": next((word for option, word in RECURSIVE.items() if bind.get(option)), None),
        "NoCopy": volume.get("NoCopy"),
        "Subpath": volume.get("Subpath"),
        "Labels": {str(k): str(labels[k]) for k in sorted(labels)},
        "TmpfsSize": tmpfs.get("SizeBytes"),
        "TmpfsMode": tmpfs.get("Mode"),
    }
    return {key: value for key, value in out.items() if value}


def _short(text: str) -> tuple[str, Fields]:
    """A ``Binds`` entry: ``source:target[:options]``; a source that is no path is a volume."""
    source, _, rest = text.partition(":")
    target, _, options = rest.partition(":")
    out: Fields = {"Type": "bind" if source.startswith("/") else "volume", "Source": source}
    if source.startswith("/"):
        # The only reason for this form is that the engine makes the directory.
        out["CreateMountpoint"] = True
    for option in options.split(","):
        match option:
            case "ro":
                out["ReadOnly"] = True
            case "nocopy":
                out["NoCopy"] = True
            case "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave":
                out["Propagation"] = option
            case _:
                pass
    return target, out


def _content(mount: Fields, contents: Mapping[str, str], root_dir: str) -> Fields:
    """A mount from a content volume, in whichever way the engine's version does it, as the spec writes it."""
    source = str(mount.get("Source") or "")
    if mount["Type"] == "volume" and source in contents:
        path = str(mount.get("Subpath") or "")
        return {"Type": "bind", "Source": f"{CONTENT}{source}/{path}", "ReadOnly": True}
    if mount["Type"] == "bind":
        for name, mountpoint in contents.items():
            # The volume may be gone (pruned by hand) while the container still names its path.
            for base in (mountpoint, f"{root_dir}/volumes/{name}/_data"):
                if base and source.startswith(f"{base}/"):
                    return {"Type": "bind", "Source": f"{CONTENT}{name}/{source[len(base) + 1 :]}", "ReadOnly": True}
    return mount
