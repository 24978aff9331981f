"""What a container mounts: volumes, host paths, memory, files of the repository, configs and secrets. Pure.

Source: Compose Specification 05-services (volumes, configs, secrets); Engine API Mount.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.render.content import ContentCollector
from trimtab.backends.engine.render.writer import SpecWriter
from trimtab.manifest.compose.units import parse_size
from trimtab.model.diagnostics import Severity
from trimtab.model.snapshot import PathEscapesTree
from trimtab.plan.fielddiff import escape

# Source: Compose Specification: configs and secrets are readable by everyone unless said otherwise.
DEFAULT_MODE = 0o444


class MountWriter:
    """Writes ``/Mounts`` and fills the service's content volume.

    ``volume_names`` maps the model's volumes to engine names; ``content`` is shared by the service's replicas.
    """

    def __init__(self, writer: SpecWriter, content: ContentCollector, volume_names: Mapping[str, str]) -> None:
        self.writer = writer
        self.reader = writer.reader
        self.content = content
        self.volume_names = volume_names
        self.pending: list[tuple[str, dict[str, object], tuple[str | int, ...]]] = []
        self.volumes: list[str] = []

    def collect(self) -> None:
        """Read every mount of the service."""
        for index, item in enumerate(self.reader.items("volumes")):
            if isinstance(item, Mapping):
                self._mount(item, index)
        tmpfs: dict[str, str] = {}
        for text in self.reader.texts("tmpfs"):
            path, _, options = text.partition(":")
            tmpfs[path] = options
        self.writer.put("/HostConfig/Tmpfs", dict(sorted(tmpfs.items())), "tmpfs")
        self._files("configs", self.reader.project.configs, "/")
        self._files("secrets", self.reader.project.secrets, "/run/secrets/")

    def write(self, content_name: str) -> None:
        """Write what was read; ``content_name`` is the content volume's engine name."""
        for target, mount, attribute in self.pending:
            slot = mount.pop("slot", None)
            if slot is not None:
                mount["Source"] = f"content:{content_name}/{slot}"
            self.writer.put(f"/Mounts/{escape(target)}", mount, *attribute)

    def _mount(self, item: Mapping[str, object], index: int) -> None:
        target, kind = str(item["target"]), str(item.get("type") or "volume")
        attribute = ("volumes", index)
        mount: dict[str, object] = {"Type": kind}
        if item.get("read_only"):
            mount["ReadOnly"] = True
        source = str(item.get("source") or "")
        match kind:
            case "volume":
                if source:
                    mount["Source"] = self.volume_names.get(source, source)
                    self.volumes.append(source)
                self._volume_options(item, mount)
            case "bind":
                if source.startswith("./") or source == ".":
                    self._repository_path(target, source, read_only=bool(item.get("read_only")), index=index)
                    return
                mount["Source"] = source
                self._bind_options(item, mount, index)
            case "tmpfs":
                self._tmpfs_options(item, mount)
            case "npipe":
                mount["Source"] = source
            case _:
                self.writer.note(
                    Severity.ERROR,
                    "TT2110",
                    f"service {self.reader.name!r}: mounts of type {kind!r} are not carried out on a plain engine",
                    *attribute,
                    hint="use a volume, bind or tmpfs mount",
                )
                return
        self.pending.append((target, mount, attribute))

    def _volume_options(self, item: Mapping[str, object], mount: dict[str, object]) -> None:
        options = item.get("volume")
        if isinstance(options, Mapping):
            if options.get("nocopy"):
                mount["NoCopy"] = True
            if options.get("subpath"):
                mount["Subpath"] = str(options["subpath"])
            labels = options.get("labels")
            if isinstance(labels, Mapping) and labels:
                mount["Labels"] = {str(k): str(v) for k, v in sorted(labels.items())}

    def _bind_options(self, item: Mapping[str, object], mount: dict[str, object], index: int) -> None:
        options = item.get("bind")
        if not isinstance(options, Mapping):
            return
        if options.get("propagation"):
            mount["Propagation"] = str(options["propagation"])
        if options.get("create_host_path"):
            mount["CreateMountpoint"] = True
        recursive = options.get("recursive")
        if recursive and recursive != "enabled":
            mount["Recursive"] = str(recursive)
        if options.get("selinux"):
            self.writer.note(
                Severity.ERROR,
                "TT2111",
                f"service {self.reader.name!r}: selinux relabelling of a bind mount is not carried out",
                "volumes",
                index,
                hint="label the directory on the host instead",
            )

    @staticmethod
    def _tmpfs_options(item: Mapping[str, object], mount: dict[str, object]) -> None:
        options = item.get("tmpfs")
        if isinstance(options, Mapping):
            if options.get("size"):
                mount["TmpfsSize"] = parse_size(str(options["size"]))
            if options.get("mode") is not None:
                mount["TmpfsMode"] = _mode(options["mode"])

    def _repository_path(self, target: str, source: str, *, read_only: bool, index: int) -> None:
        path = "" if source == "." else source.removeprefix("./")
        try:
            slot = self.content.add_path(path)
        except PathEscapesTree:
            self.writer.note(
                Severity.ERROR,
                "TT2112",
                f"service {self.reader.name!r} mounts {source}, which leads out of the repository",
                "volumes",
                index,
                hint="links inside a mounted directory have to stay inside the repository",
            )
            return
        if slot is None:
            self.writer.note(
                Severity.ERROR,
                "TT2113",
                f"service {self.reader.name!r} mounts {source}, which is not in the repository",
                "volumes",
                index,
                hint="commit it; or use a named volume for data, or an absolute path for the engine's host",
            )
            return
        if not read_only:
            self.writer.note(
                Severity.WARNING,
                "TT2114",
                f"{source} is mounted read-only in service {self.reader.name!r}: it is a file of the repository",
                "volumes",
                index,
                hint="add ':ro' to say so, or use a named volume for data",
            )
        self.pending.append((target, {"Type": "bind", "ReadOnly": True, "slot": slot}, ("volumes", index)))

    def _files(self, attribute: str, definitions: Mapping[str, Mapping[str, object]], prefix: str) -> None:
        for index, item in enumerate(self.reader.items(attribute)):
            if not isinstance(item, Mapping):
                continue
            name = str(item.get("source") or "")
            target = str(item.get("target") or f"{prefix}{name}")
            target = target if target.startswith("/") else f"{prefix}{target}"
            owner = {
                "mode": DEFAULT_MODE if item.get("mode") in (None, "") else _mode(item["mode"]),
                "uid": int(str(item.get("uid") or 0)),
                "gid": int(str(item.get("gid") or 0)),
            }
            slot = self._definition(attribute, name, definitions.get(name, {}), owner, index)
            if slot is not None:
                self.pending.append((target, {"Type": "bind", "ReadOnly": True, "slot": slot}, (attribute, index)))

    def _definition(
        self, kind: str, name: str, definition: Mapping[str, object], owner: dict[str, int], index: int
    ) -> str | None:
        secret = kind == "secrets"
        origin_hint = f"see {kind}.{name}"
        if definition.get("external"):
            self.writer.note(
                Severity.ERROR,
                "TT2115",
                f"{kind}.{name} is external: a plain engine has no store of {kind}",
                kind,
                index,
                hint="give it a file, environment or content",
            )
            return None
        if (content := definition.get("content")) is not None:
            return self.content.add_bytes(str(content).encode(), secret=secret, **owner)
        if (variable := definition.get("environment")) is not None:
            value = self.reader.project.environment.get(str(variable))
            if value is None:
                self.writer.note(
                    Severity.ERROR,
                    "TT2116",
                    f"{kind}.{name} takes its value from the variable {variable}, which is not set",
                    kind,
                    index,
                    hint="set it in .env, an envFile, or the controller's configuration",
                )
                return None
            return self.content.add_bytes(value.encode(), secret=True, **owner)
        path = str(definition.get("file") or "")
        if path.startswith("/"):
            self.writer.note(
                Severity.ERROR,
                "TT2117",
                f"{kind}.{name} is the file {path} outside the repository",
                kind,
                index,
                hint="mount a path of the engine's host with a bind volume instead",
            )
            return None
        relative = path.removeprefix("./")
        try:
            add = self.content.add_secret_path if secret else self.content.add_path
            slot = add(relative, **owner) if path else None
        except PathEscapesTree:
            slot = None
        if slot is None:
            self.writer.note(
                Severity.ERROR,
                "TT2118",
                f"{kind}.{name}: the file {path or '(none given)'} is not in the repository",
                kind,
                index,
                hint=f"commit it, or give content or environment; {origin_hint}",
            )
            return None
        return str(slot)


def _mode(value: object) -> int:
    # ``docker compose config`` prints a mode as a string of octal digits; a number is one already.
    return int(value, 8) if isinstance(value, str) else int(str(value))
