"""Files and directories of the repository that a model needs: there, of the right kind, inside.

Compose finds out when it builds or mounts; here nothing would ever create what is missing, so it is said at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trimtab.manifest.codes import Code
from trimtab.manifest.compose.paths import is_repository_path, repository_path, tree_path
from trimtab.manifest.compose.tree_files import Place, TreeFiles, is_remote
from trimtab.manifest.nodes import MappingNode, Node, Scalar, SequenceNode
from trimtab.model.snapshot import EntryKind

_FILES = (EntryKind.FILE, EntryKind.EXECUTABLE)
_ANY = (*_FILES, EntryKind.DIRECTORY)
_BIND_HINT = "commit it, or use a named volume for data, or an absolute path for one of the engine's host"
_FILE_HINT = "commit it, or use an absolute path for a file of the engine's host"


def check_required_files(model: MappingNode, files: TreeFiles) -> None:
    """Report what is not there; ``model`` has enabled services and used resources only."""
    for service in _entries(model.items.get("services")).values():
        if isinstance(service, MappingNode):
            _service(service, files)
    for section in ("configs", "secrets"):
        for name, node in _entries(model.items.get(section)).items():
            _expect(_field(node, "file"), f"the file of {section}.{name}", _FILES, files, _FILE_HINT)
    for name, node in _entries(model.items.get("volumes")).items():
        options = node.items.get("driver_opts") if isinstance(node, MappingNode) else None
        device = _field(options, "device")
        if device is not None and is_repository_path(str(device.value)):
            message = f"the device of volumes.{name} is relative, but there is no checkout on the engine's host"
            hint = "use an absolute path of that host, or bind the path in the service instead"
            files.error(Code.PATH_ESCAPES, message, Place.of(device), hint)


def _service(service: MappingNode, files: TreeFiles) -> None:
    build = service.items.get("build")
    if isinstance(build, MappingNode):
        _build(build, files)
    mounts = service.items.get("volumes")
    for mount in mounts.items if isinstance(mounts, SequenceNode) else ():
        kind = _field(mount, "type")
        if kind is not None and kind.value == "bind":
            _expect(_field(mount, "source"), "the bind source", _ANY, files, _BIND_HINT)


def _build(build: MappingNode, files: TreeFiles) -> None:
    context = _field(build, "context")
    _expect(context, "the build context", (EntryKind.DIRECTORY,), files, "name a directory of the repository")
    for extra in _entries(build.items.get("additional_contexts")).values():
        _expect(extra, "the build context", (EntryKind.DIRECTORY,), files, "name a directory of the repository")
    dockerfile = _field(build, "dockerfile")
    if context is None or dockerfile is None or "dockerfile_inline" in build.items:
        return
    base, name = str(context.value), str(dockerfile.value)
    if not is_repository_path(base) or is_remote(base) or files.kind(tree_path(base)) is not EntryKind.DIRECTORY:
        return
    # A default has the place of `build`; Compose allows a Dockerfile beside the context.
    joined = files.join(tree_path(base), name, "the Dockerfile", Place.of(dockerfile))
    if joined is not None:
        path = replace(dockerfile, value=repository_path(joined))
        _expect(path, "the Dockerfile", _FILES, files, "commit it, or name another")


def _expect(node: Node | None, what: str, kinds: tuple[EntryKind, ...], files: TreeFiles, hint: str) -> None:
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not is_repository_path(node.value):
        return
    path, at = tree_path(node.value), Place.of(node)
    kind = files.kind(path)
    if kind is None:
        files.error(Code.FILE_NOT_FOUND, f"{what} '{path}' is not in the repository", at, hint)
    elif kind not in kinds:
        wanted = "directory" if EntryKind.DIRECTORY in kinds else "file"
        files.error(Code.NOT_A_FILE, f"{what} '{path or '.'}' is a {kind.value}, not a {wanted}", at)


def _field(node: Node | None, key: str) -> Scalar | None:
    value = node.items.get(key) if isinstance(node, MappingNode) else None
    return value if isinstance(value, Scalar) else None


def _entries(node: Node | None) -> Mapping[str, Node]:
    return node.items if isinstance(node, MappingNode) else {}
