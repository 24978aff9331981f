from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from trimtab.sources.archive import iter_tar
from trimtab.sources.directory import DirectoryTree


@pytest.fixture
def tree(tmp_path: Path) -> DirectoryTree:
    for name, content in {
        "ctx/Dockerfile": "FROM x\n",
        "ctx/a-b": "1",
        "ctx/a/b": "2",
        "ctx/skip/x": "3",
        "other": "4",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "ctx/run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "ctx/run.sh").chmod(0o755)
    (tmp_path / "ctx/out").symlink_to("/etc/passwd")
    (tmp_path / "ctx/up").symlink_to("./../other")
    (tmp_path / "ctx" / ("long" * 40)).write_text("long")
    (tmp_path / "ctx" / "naïve\udcff").write_text("odd")
    return DirectoryTree(tmp_path)


def members(stream: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(stream), errors="surrogateescape", encoding="utf-8") as tar:
        return {m.name: m for m in tar.getmembers()}


def test_a_context_keeps_modes_and_links_and_nothing_outside(tree: DirectoryTree) -> None:
    found = members(b"".join(iter_tar(tree, "ctx", lambda name: not name.startswith("skip/"))))
    assert set(found) == {
        "Dockerfile", "a-b", "a", "a/b", "run.sh", "out", "up", "long" * 40, "naïve\udcff",
    }  # fmt: skip
    assert found["run.sh"].mode == 0o755
    assert found["Dockerfile"].mode == 0o644
    assert found["out"].issym()
    assert found["out"].linkname == "/etc/passwd"
    assert found["up"].linkname == "./../other"
    assert found["a"].isdir()
    assert {(m.uid, m.gid, m.mtime, m.uname) for m in found.values()} == {(0, 0, 0, "")}


def test_files_are_added_and_replaced(tree: DirectoryTree) -> None:
    stream = b"".join(iter_tar(tree, "ctx", extra={"Dockerfile": b"FROM y\n", ".dir/z": b"new", "zz": b""}))
    with tarfile.open(fileobj=io.BytesIO(stream), errors="surrogateescape") as tar:
        content = {m.name: f.read() for m in tar.getmembers() if m.isfile() and (f := tar.extractfile(m)) is not None}
    assert content["Dockerfile"] == b"FROM y\n"
    assert content[".dir/z"] == b"new"
    assert content["zz"] == b""
    assert content["a/b"] == b"2"


def test_the_same_tree_gives_the_same_bytes_in_whole_records(tree: DirectoryTree) -> None:
    first, again = (b"".join(iter_tar(tree, "ctx", mtime_s=7)) for _ in range(2))
    assert first == again
    assert len(first) % tarfile.RECORDSIZE == 0


def test_a_context_that_is_no_directory_is_refused(tree: DirectoryTree) -> None:
    for path in ("other", "nowhere", "ctx/out"):
        with pytest.raises(FileNotFoundError):
            list(iter_tar(tree, path))


def test_a_directory_named_twice_is_written_once(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/1").write_text("1")
    (tmp_path / "d/2").write_text("2")
    stream = b"".join(iter_tar(DirectoryTree(tmp_path), ""))
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        assert tar.getnames() == ["d", "d/1", "d/2"]
