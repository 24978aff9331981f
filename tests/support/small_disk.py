"""A disk so small that a test can fill it: a tmpfs, which takes root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


def why_none() -> str | None:
    """None where one can be mounted, else the reason."""
    return None if os.geteuid() == 0 else "mounting a disk of one's own takes root"


@contextlib.contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[Path]:
    """A disk of that size at ``folder``, which is made; taken away at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    mount(folder, size_kib)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def mount(folder: Path, size_kib: int) -> None:
    """A disk of that size at ``folder``, for somebody else to unmount."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "trimtab-test", folder], check=True)


def resize(folder: Path, size_kib: int) -> None:
    """Somebody makes room, or takes it."""
    subprocess.run(["mount", "-o", f"remount,size={size_kib}k", folder], check=True)


def leave(folder: Path, size_kib: int) -> None:
    """So much is left, and no more."""
    with (folder / "ballast").open("wb", buffering=0) as out:
        # Allocated, not only promised: a sparse file takes nothing of a tmpfs.
        os.posix_fallocate(out.fileno(), 0, shutil.disk_usage(folder).free - (size_kib << 10))


def fill(folder: Path) -> Path:
    """Not one byte is left; the file that takes them."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as out:
        while True:
            out.write(b"\0" * 4096)
    return ballast
