"""Finds what must not be committed: a package registry's address, a path of one machine, a URL in a lock file.

The registries are those that this machine's package clients are configured with, so that none is named here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOST = re.compile(r"https?://(?:[^/@\s]*@)?([^/:\s\"']+)")
HOME = re.compile(r"/(?:home|Users)/(?!user\b|you\b|ada\b)[a-z][\w.-]*/")
CLIENTS = (["pip", "config", "list"], ["npm", "config", "get", "registry"])
# Hosts that are everybody's and say nothing about one machine.
PUBLIC = frozenset({"localhost", "127.0.0.1"})


def configured_hosts() -> frozenset[str]:
    """The hosts that pip, npm and apt of this machine are told to use."""
    texts = []
    for command in CLIENTS:
        try:
            found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        texts.append(found.stdout)
    apt = (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*")))
    texts.extend(path.read_text(errors="replace") for path in apt if path.is_file())
    return frozenset(host for text in texts for host in HOST.findall(text)) - PUBLIC


def tracked_files() -> Iterator[tuple[str, str]]:
    """The name and text of each file that Git tracks, binary ones left out."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink() and b"\0" not in (raw := path.read_bytes()):
            yield name, raw.decode(errors="replace")


def problems(name: str, text: str, hosts: frozenset[str]) -> Iterator[str]:
    """Each line of ``text`` that must not be there, as file:line: reason."""
    for number, line in enumerate(text.splitlines(), start=1):
        if any(host in line for host in hosts):
            yield f"{name}:{number}: the address of a package registry of this machine"
        if f"{ROOT}/" in line or HOME.search(line):
            yield f"{name}:{number}: a path of one machine"
        if name.startswith("requirements/") and "://" in line:
            yield f"{name}:{number}: an address in a lock file"


def main() -> int:
    """Print every problem; 1 if there is one."""
    hosts = configured_hosts()
    found = [problem for name, text in tracked_files() for problem in problems(name, text, hosts)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
