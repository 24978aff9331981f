"""What ``doctor`` finds on this machine: git, the data directory, its disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from trimtab.plan.units import human

# Below the first something will fail soon, below the second it deserves a look.
BROKEN_BYTES = 100 << 20
LOW_BYTES = 2 << 30
LOW_SHARE = 0.05
# Source: git's release notes: 2.30 is what the mirror's commands need; merge-tree --write-tree is from 2.38.
GIT_NEEDED = (2, 30)
GIT_REVERTS = (2, 38)
_GIT_S = 10.0


class State(StrEnum):
    """How a check came out; only BROKEN makes ``doctor`` fail."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check."""

    check: str
    state: State
    message: str
    hint: str = ""


def git() -> Finding:
    """Whether git is there, and new enough."""
    install = "install it, such as: apt-get install git"
    if shutil.which("git") is None:
        return Finding(check="git", state=State.BROKEN, message="git is not on the PATH", hint=install)
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=_GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(check="git", state=State.BROKEN, message=f"git does not run: {error}", hint=install)
    match = re.search(r"(\d+)\.(\d+)[.\d]*", done.stdout)
    if match is None:
        said = done.stdout.strip() or done.stderr.strip()
        return Finding(check="git", state=State.BROKEN, message=f"git --version says: {said}", hint=install)
    number = int(match[1]), int(match[2])
    if number < GIT_NEEDED:
        return Finding(check="git", state=State.BROKEN, message=f"git {match[0]} is too old", hint="use 2.30 or newer")
    if number < GIT_REVERTS:
        message, hint = f"git {match[0]}", "'trimtab rollback' over later commits needs git 2.38 or newer"
        return Finding(check="git", state=State.WARNING, message=message, hint=hint)
    return Finding(check="git", state=State.OK, message=f"git {match[0]}")


def data_directory(directory: Path) -> Finding:
    """Whether it can be written, and is nobody else's to read."""
    hint = "give another --data-dir (TRIMTAB_DATA_DIR), or give this user the right to write there"
    there = _nearest(directory)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        message = f"{there} cannot be written: {error.strerror}"
        return Finding(check="data directory", state=State.BROKEN, message=message, hint=hint)
    if there != directory:
        message = f"{directory} is not there yet; it will be made in {there}"
        return Finding(check="data directory", state=State.OK, message=message)
    key = directory / "installation.key"
    if key.exists() and key.stat().st_mode & 0o077:
        message = f"{key} can be read by others"
        return Finding(check="data directory", state=State.WARNING, message=message, hint=f"chmod 600 {key}")
    return Finding(check="data directory", state=State.OK, message=f"{directory} can be written")


def free_disk(check: str, directory: Path, hint: str = "free space there") -> Finding:
    """Whether the disk under a directory has room."""
    there = _nearest(directory)
    usage = shutil.disk_usage(there)
    message = f"{human(usage.free, 'bytes')} of {human(usage.total, 'bytes')} are free under {there}"
    if usage.free < BROKEN_BYTES:
        return Finding(check=check, state=State.BROKEN, message=message, hint=hint)
    if usage.free < LOW_BYTES or usage.free < usage.total * LOW_SHARE:
        return Finding(check=check, state=State.WARNING, message=message, hint=hint)
    return Finding(check=check, state=State.OK, message=message)


def _nearest(directory: Path) -> Path:
    """The directory, or what is there of the way to it."""
    path = Path(os.path.abspath(directory))  # noqa: PTH100 - resolve() would follow links that are to be made
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
