"""The context as a tar stream."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_tree import Content, Link, MemoryTree, Program, Submodule
from trimtab.errors import UserError
from trimtab.images.buildkey import BuildSpec, build_plan
from trimtab.images.context import CHUNK_BYTES, context_tar
from trimtab.model.diagnostics import Origin

DOCKERFILE = "FROM busybox:1.36\n"


def spec_of(tree: MemoryTree, build: Mapping[str, object] | None = None) -> BuildSpec:
    spec, problems = build_plan(tree, build or {"context": "."}, origin=Origin("compose.yaml"))
    assert spec is not None, problems
    return spec


def sent(
    files: Mapping[str, Content], build: Mapping[str, object] | None = None, *, for_engine: bool = True
) -> dict[str, tarfile.TarInfo]:
    tree = MemoryTree(files)
    data = b"".join(context_tar(spec_of(tree, build), tree, for_engine=for_engine))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive.getmembers()}


def content(files: Mapping[str, Content], name: str, build: Mapping[str, object] | None = None) -> bytes:
    tree = MemoryTree(files)
    data = b"".join(context_tar(spec_of(tree, build), tree, for_engine=True))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.extractfile(name)
        assert member is not None
        return member.read()


def test_kinds_modes_and_links_are_kept_and_nothing_of_this_machine_is_added() -> None:
    members = sent({"Dockerfile": DOCKERFILE, "bin/run": Program(b"x"), "link": Link("../outside"), "d/e/f": "1"})
    assert list(members) == ["Dockerfile", "bin", "bin/run", "d", "d/e", "d/e/f", "link"]
    assert members["bin/run"].mode == 0o755
    assert members["Dockerfile"].mode == 0o644
    assert members["d/e"].isdir()
    assert members["link"].issym()
    assert members["link"].linkname == "../outside"
    assert {(m.uid, m.gid, m.mtime, m.uname) for m in members.values()} == {(0, 0, 0, "")}


def test_only_the_context_is_sent_and_what_the_rules_leave() -> None:
    files = {"web/Dockerfile": DOCKERFILE, "web/.dockerignore": "*.md\n", "web/a.md": "", "web/b": "", "api/c": ""}
    assert set(sent(files, {"context": "web"})) == {"Dockerfile", ".dockerignore", "b"}


def test_a_dockerfile_from_elsewhere_is_added_and_hidden_from_the_image() -> None:
    files = {"web/a": "1", "shared/D": DOCKERFILE}
    build = {"context": "web", "dockerfile": "../shared/D"}
    name = spec_of(MemoryTree(files), build).dockerfile_in_tar
    assert set(sent(files, build)) == {"a", name, ".dockerignore"}
    assert content(files, name, build) == DOCKERFILE.encode()
    assert content(files, ".dockerignore", build).decode().split() == [".dockerignore", name]
    # BuildKit reads no .dockerignore in an archive.
    assert set(sent(files, build, for_engine=False)) == {"a", name}


def test_a_dockerignore_that_is_part_of_the_image_keeps_its_lines() -> None:
    files = {".dockerignore": "*.md", "a": ""}
    build = {"context": ".", "dockerfile_inline": DOCKERFILE}
    name = spec_of(MemoryTree(files), build).dockerfile_in_tar
    assert content(files, ".dockerignore", build).decode().split() == ["*.md", name]


def test_a_submodule_is_not_passed_over_in_silence() -> None:
    with pytest.raises(UserError, match="submodule lib"):
        sent({"Dockerfile": DOCKERFILE, "lib": Submodule()})


def test_reading_goes_on_only_as_chunks_are_taken() -> None:
    tree = MemoryTree({"Dockerfile": DOCKERFILE, **{f"f{n:02}": bytes(CHUNK_BYTES) for n in range(20)}})
    spec = spec_of(tree)
    tree.reads.clear()
    chunks = context_tar(spec, tree, for_engine=True)
    next(chunks)
    assert len(tree.reads) <= 2
    assert all(len(chunk) == CHUNK_BYTES for chunk in list(chunks)[:-1])


FILES = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "\u00e9", "x" * 150]), min_size=1, max_size=3).map(
        lambda p: "/".join([*p, "f"])
    ),
    st.one_of(st.binary(max_size=1500), st.binary(max_size=5).map(Program), st.just(Link("t" * 120))),
    max_size=6,
)


@pytest.mark.slow
@given(FILES)
def test_any_tree_reads_back_as_it_was_and_the_bytes_repeat(files: dict[str, Content]) -> None:
    tree = MemoryTree({**files, "Dockerfile": DOCKERFILE})
    spec = spec_of(tree)
    data = b"".join(context_tar(spec, tree, for_engine=True))
    assert data == b"".join(context_tar(spec, MemoryTree(dict(reversed(tree.files.items()))), for_engine=True))
    assert len(data) % tarfile.BLOCKSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        seen = set()
        for member in archive:
            parent = member.name.rpartition("/")[0]
            assert not parent or parent in seen
            seen.add(member.name)
            match files.get(member.name):
                case bytes() as expected:
                    assert archive.extractfile(member).read() == expected  # type: ignore[union-attr]
                case Program():
                    assert member.mode == 0o755
                case Link(target):
                    assert member.linkname == target
    assert set(files) <= seen
