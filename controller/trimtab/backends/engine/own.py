"""The container that this process runs in, if it is one of this engine.

What the kernel shows names it, and may be wrong for this engine (a container of another one, a remote engine); so it
counts only when the engine has a running container of that id.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.backends.engine.errors import Missing
from trimtab.errors import ConfigError
from trimtab.model.observed import Own

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient

# Says which container it is, by id or name, where it cannot be found out; "none": none.
VARIABLE = "TRIMTAB_CONTAINER"
_ID = r"([0-9a-f]{64})"
# Source: proc(5), mountinfo: field 4 is the root inside the source, field 5 where it is mounted. The engine binds these
# files from its directory of the container. Other mounts name other containers, when the host's root is mounted.
_MOUNT = re.compile(rf"^\S+ \S+ \S+ \S*/containers/{_ID}/\S+ /etc/(?:hostname|hosts|resolv\.conf) ", re.MULTILINE)
_CGROUP = re.compile(rf"(?:docker[-/]|/){_ID}(?:\.scope)?$", re.MULTILINE)
_SHORT = re.compile(r"[0-9a-f]{12}")


def find_own(client: EngineClient, proc: Path = Path("/proc/self")) -> Own | None:
    """The container of ``client``'s engine that this process runs in; None when there is none.

    Raises:
        ConfigError: the variable names a container that is not there.
    """
    said = os.environ.get(VARIABLE, "")
    if said == "none":
        return None
    for candidate in (said,) if said else candidates(proc):
        try:
            inspect = client.call("GET", f"/containers/{candidate}/json", what="look for this container", key=candidate)
        except Missing:
            continue
        found = str(inspect["Id"])
        if (inspect.get("State") or {}).get("Running") and (said or found.startswith(candidate)):
            attached = (inspect.get("NetworkSettings") or {}).get("Networks") or {}
            mounts = inspect.get("Mounts") or ()
            return Own(
                handle=found,
                name=str(inspect["Name"]).lstrip("/"),
                networks=tuple(sorted(attached)),
                volumes=tuple(sorted(str(m["Name"]) for m in mounts if m.get("Name"))),
            )
    if said:
        raise ConfigError(
            f"{VARIABLE} is {said}, which does not run on this engine", hint="leave it out, or set it to none"
        )
    return None


def candidates(proc: Path) -> Iterator[str]:
    """Ids that this process's container may have, the surest first."""
    for name, pattern in (("mountinfo", _MOUNT), ("cgroup", _CGROUP)):
        try:
            text = (proc / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if (match := pattern.search(text)) is not None:
            yield match[1]
    if _SHORT.fullmatch(hostname := socket.gethostname()):
        # Unless told otherwise, the engine gives a container the beginning of its id as a name.
        yield hostname
