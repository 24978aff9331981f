"""Archives of volumes: what is compared, what is not whole, and that a full disk keeps the volume."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trimtab.backends.engine import archive_list, archives
from trimtab.backends.engine.archives import ArchiveShelf
from trimtab.backends.engine.errors import NoSpace
from trimtab.backends.engine.volume_tree import facts_of
from trimtab.config import Config
from trimtab.errors import UserError
from trimtab.model.events import Event
from trimtab.wiring.archives import ArchiveKeeper, archives_in

NOW = datetime(2026, 1, 31, 18, tzinfo=UTC)


def tar(files: Mapping[str, bytes], **more: object) -> bytes:
    """An archive; ``more`` are attributes of every entry."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for attribute, value in more.items():
                setattr(entry, attribute, value)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def chunks(data: bytes, size: int = 700) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def test_a_tree_is_the_same_in_any_order_and_any_portions() -> None:
    one, other = {"volume/a": b"x" * 5000, "volume/b": b"y"}, {"volume/b": b"y", "volume/a": b"x" * 5000}
    assert facts_of([tar(one)]) == facts_of(chunks(tar(other)))
    assert facts_of([tar(one)]).size_bytes == 5001


@pytest.mark.parametrize(
    "more", [{"uid": 7}, {"gid": 7}, {"mode": 0o4755}, {"mtime": 99}, {"pax_headers": {"SCHILY.xattr.security.c": "1"}}]
)
def test_whatever_is_kept_is_compared(more: dict[str, object]) -> None:
    assert facts_of([tar({"volume/a": b"x"})]) != facts_of([tar({"volume/a": b"x"}, **more)])
    assert facts_of([tar({"volume/a": b"x"})]) != facts_of([tar({"volume/a": b"y"})])


def test_what_is_cut_off_is_no_archive() -> None:
    with pytest.raises(tarfile.TarError):
        facts_of(chunks(tar({"volume/a": b"x" * 5000})[:3000]))


def test_an_archive_may_not_fill_the_disk(tmp_path: Path) -> None:
    shelf = ArchiveShelf(folder=tmp_path, now=lambda: NOW, spare_bytes=1 << 62)
    with pytest.raises(NoSpace, match="MiB are left"):
        archives._write(shelf, tmp_path / "volume.tar", [b"x"])


def test_an_archive_that_was_touched_is_not_whole(tmp_path: Path) -> None:
    shelf = ArchiveShelf(folder=tmp_path, now=lambda: NOW)
    place = shelf.path_for("shop_data")
    place.mkdir()
    data = tar({"volume/a": b"x"})
    checksum = archives._write(shelf, place / archives.TAR, chunks(data))
    (place / archives.SUMS).write_text(f"{checksum}  {archives.TAR}\n")
    digest = facts_of([data]).digest
    assert not archives.is_whole(place, digest), "without its manifest"
    (place / archives.MANIFEST).write_text(f'{{"treeDigest": "{digest}"}}')
    assert archives.is_whole(place, digest)
    assert not archives.is_whole(place, "another tree")
    assert shelf.of("shop_data") == (place,)
    assert shelf.path_for("shop_data") != place
    (place / archives.TAR).write_bytes(data[:-1] + b"x")
    assert not archives.is_whole(place, digest)


def test_what_a_crash_left_is_tidied(tmp_path: Path) -> None:
    shelf = ArchiveShelf(folder=tmp_path, now=lambda: NOW)
    (tmp_path / f"shop_data.1{archives.UNFINISHED}").mkdir()
    assert shelf.of("shop_data") == ()
    shelf.tidy("shop_data")
    assert list(tmp_path.iterdir()) == []


def put(shelf: ArchiveShelf, volume: str, *, days: int = 0) -> Path:
    """A whole archive of one file."""
    at = NOW - timedelta(days=days)
    place = shelf.folder / f"{volume}.{at:%Y%m%dT%H%M%SZ}"
    place.mkdir(parents=True)
    data = tar({"volume": b"", "volume/a": b"x"})
    checksum = archives._write(shelf, place / archives.TAR, chunks(data))
    (place / archives.SUMS).write_text(f"{checksum}  {archives.TAR}\n")
    told = {
        "volume": volume, "application": "shop", "archivedAt": at.isoformat(), "entries": 1, "sizeBytes": 1,
        "treeDigest": facts_of([data]).digest, "sha256": checksum,
    }  # fmt: skip
    (place / archives.MANIFEST).write_text(json.dumps(told))
    return place


def test_archives_are_listed_newest_first_and_found_by_id_or_volume(tmp_path: Path) -> None:
    shelf = ArchiveShelf(folder=tmp_path, now=lambda: NOW)
    old, new = put(shelf, "shop_data", days=3), put(shelf, "shop_data")
    put(shelf, "shop_logs", days=1).joinpath(archives.MANIFEST).write_text("{")
    (tmp_path / f"shop_data.x{archives.UNFINISHED}").mkdir()
    assert [one.id for one in archive_list.listed(shelf)] == [new.name, old.name]
    assert archive_list.find(shelf, "shop_data").id == new.name
    assert archive_list.find(shelf, old.name).id == old.name
    with pytest.raises(UserError, match=rf"there is no archive 'shop_logs'.*{new.name}"):
        archive_list.find(shelf, "shop_logs")


def test_what_is_wrong_with_an_archive_is_told(tmp_path: Path) -> None:
    shelf = ArchiveShelf(folder=tmp_path, now=lambda: NOW)
    place = put(shelf, "shop_data")
    one = archive_list.find(shelf, "shop_data")
    assert archive_list.problem(one) == ""
    data = (place / archives.TAR).read_bytes()
    (place / archives.TAR).write_bytes(data.replace(b"x", b"y"))
    assert "checksum" in archive_list.problem(one)
    (place / archives.TAR).unlink()
    assert archive_list.problem(one) == "volume.tar is missing"
    (place / archives.SUMS).write_text("0  volume.tar\n")
    assert "two checksums" in archive_list.problem(one)


@pytest.mark.parametrize(("days", "left"), [(0, {"old", "new"}), (7, {"new"})])
def test_archives_go_only_where_that_was_asked_for_and_never_in_silence(
    days: int, left: set[str], tmp_path: Path
) -> None:
    config = Config(data_dir=tmp_path, archive_days=days)
    shelf = ArchiveShelf(folder=archives_in(config), now=lambda: NOW)
    put(shelf, "old", days=8)
    put(shelf, "new", days=6)

    class Now:
        def now(self) -> datetime:
            return NOW

        def monotonic(self) -> float:
            return 0.0

    class Sink:
        told: list[Event] = []  # noqa: RUF012

        def emit(self, event: Event) -> None:
            self.told.append(event)

    sink = Sink()
    sink.told = []
    ArchiveKeeper(config, sink, Now()).look()
    assert {one.volume for one in archive_list.listed(shelf)} == left
    assert [event.reason for event in sink.told] == (["ArchiveRemoved"] if days else [])
    assert not [place for place in shelf.folder.iterdir() if place.name.endswith(archives.UNFINISHED)]
