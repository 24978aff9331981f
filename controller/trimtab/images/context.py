"""The build context as a tar stream, made from a tree entry by entry; never a checkout, never all of it in memory.

The same tree gives the same bytes: fixed order, owner, modes and time.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from trimtab.errors import UserError
from trimtab.images.buildspec import BuildSpec
from trimtab.images.contextpaths import visible
from trimtab.images.dockerignore import FILE_NAME
from trimtab.model.snapshot import Entry, EntryKind, Tree

# What is handed over at once: large enough to make system calls rare, small enough to be no memory to speak of.
CHUNK_BYTES = 256 * 1024

_FILE_MODES = {EntryKind.FILE: 0o644, EntryKind.EXECUTABLE: 0o755}


def context_tar(spec: BuildSpec, tree: Tree, *, for_engine: bool) -> Iterator[bytes]:
    """The context as chunks of a tar archive.

    A Dockerfile that instructions must not see goes in under a generated name. ``for_engine`` adds the .dockerignore
    that makes the classic builder take it out again after reading it, as the docker CLI does; BuildKit reads no
    .dockerignore in an archive, so there the file stays visible to ``COPY .``.

    Raises:
        UserError: the context holds a Git submodule.
    """
    return _coalesced(_blocks(spec, tree, for_engine=for_engine))


def _blocks(spec: BuildSpec, tree: Tree, *, for_engine: bool) -> Iterator[bytes]:
    extra = not spec.dockerfile_in_context
    rewrite = extra and for_engine
    for path, entry in visible(tree, spec.context_path, spec.rules):
        if rewrite and path == FILE_NAME and entry is not None and entry.kind is not EntryKind.DIRECTORY:
            rewrite = False
            yield from _file(FILE_NAME, tree.read(entry.path) + f"\n{spec.dockerfile_in_tar}\n".encode(), 0o644)
        else:
            yield from _entry(path, entry, tree)
    if extra:
        yield from _file(spec.dockerfile_in_tar, spec.dockerfile, 0o644)
    if rewrite:
        yield from _file(FILE_NAME, f"{FILE_NAME}\n{spec.dockerfile_in_tar}\n".encode(), 0o644)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _entry(path: str, entry: Entry | None, tree: Tree) -> Iterator[bytes]:
    if entry is None:
        info = _info(path, 0o755)
        info.type = tarfile.DIRTYPE
        yield _header(info)
        return
    match entry.kind:
        case EntryKind.SYMLINK:
            # As it is: the builder resolves it inside the context, or in the image.
            info = _info(path, 0o777)
            info.type = tarfile.SYMTYPE
            info.linkname = tree.read(entry.path).decode("utf-8", "surrogateescape")
            yield _header(info)
        case EntryKind.FILE | EntryKind.EXECUTABLE:
            yield from _file(path, tree.read(entry.path), _FILE_MODES[entry.kind])
        case EntryKind.SUBMODULE:
            raise UserError(
                f"the build context contains the Git submodule {entry.path}, whose files are not in this repository",
                code="TT4106",
                hint="add it to .dockerignore, or commit the files themselves",
            )
        case EntryKind.DIRECTORY:
            return


def _file(path: str, content: bytes, mode: int) -> Iterator[bytes]:
    info = _info(path, mode)
    info.size = len(content)
    yield _header(info)
    yield content
    if padding := -len(content) % tarfile.BLOCKSIZE:
        yield b"\0" * padding


def _info(path: str, mode: int) -> tarfile.TarInfo:
    """A header with nothing of this machine or moment in it: owner 0, time 0."""
    info = tarfile.TarInfo(path)
    info.mode = mode
    return info


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _coalesced(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of CHUNK_BYTES."""
    pending = bytearray()
    for block in blocks:
        view = memoryview(block)
        while view:
            room = CHUNK_BYTES - len(pending)
            pending += view[:room]
            view = view[room:]
            if len(pending) == CHUNK_BYTES:
                yield bytes(pending)
                pending.clear()
    if pending:
        yield bytes(pending)
