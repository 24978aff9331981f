"""Content volumes: files of the repository on the engine, immutable, named by what they hold, all or nothing.

A volume cannot be renamed when it is ready, so a second, empty volume ``<name>.filling`` says that it is not.
It is created before and removed after; while it is there the content volume is observed without a digest,
that is, as one to be made again. A crash at any line leaves one of: nothing, a sign alone, a sign beside a
partial volume, a complete volume; each is put right by doing the step again.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator, Mapping

from trimtab.backends.engine import filler
from trimtab.backends.engine.bench import NOTHING, Bench, Outputs
from trimtab.backends.engine.errors import Missing, Refused, Taken
from trimtab.backends.engine.inventory import FILLING_SUFFIX
from trimtab.backends.engine.labels import INSTALLATION, KIND
from trimtab.backends.engine.steps import CreateContent, RemoveContent
from trimtab.backends.engine.volume_calls import make_volume
from trimtab.errors import Conflict, InternalError
from trimtab.model.desired import ContentFile
from trimtab.model.keys import Kind
from trimtab.model.snapshot import Tree
from trimtab.ports import StepContext

_DIRECTORY_MODE = 0o755
_LINK_MODE = 0o777


def create(bench: Bench, step: CreateContent, context: StepContext) -> Outputs:
    """Create the volume and fill it."""
    files = context.contents.get(step.name)
    if files is None:
        raise InternalError(f"content volume {step.name}: the plan carries no files for it")
    sign = step.name + FILLING_SUFFIX
    there = bench.inspect(Kind.VOLUME, step.name)
    begun = bench.inspect(Kind.VOLUME, sign) is not None
    if there is not None:
        _check_ours(bench, step.name, there.get("Labels") or {})
        if not begun:
            return {"name": step.name}
    try:
        if not begun:
            labels = {INSTALLATION: bench.installation, KIND: "filling"}
            _make(bench, sign, labels)
        if there is not None:
            # What is half there goes, so that no file of an earlier try stays.
            filler.remove_leftovers(bench.client, step.name, bench.installation)
            _drop(bench, step.name)
        made = _make(bench, step.name, step.labels)
        _check_ours(bench, step.name, made)
        with filler.mounted(bench.client, step.name, bench.installation) as container_id:
            filler.write(bench.client, container_id, archive(files, context.tree), step.name)
        _drop(bench, sign)
    finally:
        bench.cache.touch(Kind.VOLUME, step.name)
        bench.cache.touch(Kind.VOLUME, sign)
    return {"name": step.name}


def remove(bench: Bench, step: RemoveContent) -> Outputs:
    """Remove it, unless something uses it."""
    there = bench.inspect(Kind.VOLUME, step.name)
    if there is not None:
        _check_ours(bench, step.name, there.get("Labels") or {})
        if _path_in_use(bench, str(there["Mountpoint"])):
            return NOTHING
        filler.remove_leftovers(bench.client, step.name, bench.installation)
    try:
        _drop(bench, step.name)
        _drop(bench, step.name + FILLING_SUFFIX)
    except (Taken, Refused):
        return NOTHING
    finally:
        bench.cache.touch(Kind.VOLUME, step.name)
        bench.cache.touch(Kind.VOLUME, step.name + FILLING_SUFFIX)
    return NOTHING


def archive(files: tuple[ContentFile, ...], tree: Tree | None) -> Iterator[bytes]:
    """The files as a tar archive, one at a time in memory; directories before what is in them."""
    made: set[str] = set()
    for file in sorted(files, key=lambda f: f.path):
        for directory in _parents(file.path):
            if directory not in made:
                made.add(directory)
                yield _header(directory, tarfile.DIRTYPE, mode=_DIRECTORY_MODE)
        if file.link_target is not None:
            yield _header(
                file.path, tarfile.SYMTYPE, mode=_LINK_MODE, uid=file.uid, gid=file.gid, link=file.link_target
            )
            continue
        data = _data(file, tree)
        yield _header(file.path, tarfile.REGTYPE, mode=file.mode, uid=file.uid, gid=file.gid, size=len(data))
        if data:
            yield data
            yield b"\0" * (-len(data) % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _data(file: ContentFile, tree: Tree | None) -> bytes:
    if file.data is not None:
        return file.data
    if tree is None or file.tree_path is None:
        raise InternalError(f"content file {file.path} has neither data nor a tree to read it from")
    return tree.read(file.tree_path)


def _header(path: str, kind: bytes, *, mode: int, uid: int = 0, gid: int = 0, size: int = 0, link: str = "") -> bytes:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.uid, info.gid, info.size, info.linkname = kind, mode, uid, gid, size, link
    # PAX: names of any length and alphabet.
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _parents(path: str) -> Iterator[str]:
    parent = posixpath.dirname(path)
    if parent:
        yield from _parents(parent)
        yield parent


def _make(bench: Bench, name: str, labels: Mapping[str, str]) -> Mapping[str, str]:
    """Create a volume; the labels that it has, which are another's if it was there."""
    body = {"Name": name, "Driver": "local", "Labels": dict(labels)}
    return make_volume(bench.client, body, what="create content volume")


def _drop(bench: Bench, name: str) -> None:
    try:
        bench.client.call("DELETE", f"/volumes/{name}", what="remove content volume", key=name)
    except Missing:
        return


def _check_ours(bench: Bench, name: str, labels: Mapping[str, str]) -> None:
    key = bench.identify(labels, name)
    if key is None or key.kind is not Kind.CONTENT:
        raise Conflict(
            f"content volume {name}: there is a volume of that name which is not ours", hint="rename or remove it"
        )


def _path_in_use(bench: Bench, mountpoint: str) -> bool:
    """Whether a container binds a path of the volume, which the engine itself does not count as a use."""
    containers = bench.client.call("GET", "/containers/json", what="list containers", params={"all": "1"})
    sources = (str(m.get("Source") or "") for c in containers for m in c.get("Mounts") or ())
    return any(source == mountpoint or source.startswith(f"{mountpoint}/") for source in sources)
