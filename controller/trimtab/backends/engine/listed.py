"""Reading whom a service's address sends connections to, out of the proxy's own file system, in one call.

A link in it leads nowhere: where to is the list. The engine tells a link's target without reading a file, and without
an event, so looking does not wake whoever waits for events.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine.addresses import IN_FORCE, ROOT
from trimtab.backends.engine.errors import Missing
from trimtab.errors import TrimtabError

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient

# Not the name of what it can lead to: a link to itself is an error to the engine.
LINK = f"/{ROOT}/link"
LISTED, PENDING = "listed", "pending"
_EMPTY = base64.b64encode(b"{}").decode()


@dataclass(frozen=True, slots=True)
class Listing:
    """Short ids that an address sends to; not ``confirmed``: that was written, and may not be in force."""

    ids: tuple[str, ...]
    confirmed: bool


def listing_of(client: EngineClient, container_id: str) -> Listing | None:
    """What is in force; None where nothing was ever written, or the container is gone. One call."""
    found = stat_of(client, container_id, LINK)
    target = str((found or {}).get("linkTarget") or "").removeprefix(f"/{ROOT}/")
    said, *ids = target.split("/")
    return Listing(tuple(ids), said == LISTED) if said in {LISTED, PENDING} else None


def stat_of(client: EngineClient, container_id: str, path: str) -> dict[str, object] | None:
    """What the engine says of a path in a container. It makes no event, unlike reading it."""
    try:
        response = client.open(
            "HEAD", f"/containers/{container_id}/archive", what="look at address", key=container_id[:12],
            params={"path": path},
        )  # fmt: skip
    except Missing:
        return None
    with response:
        found = json.loads(base64.b64decode(response.headers.get("X-Docker-Container-Path-Stat") or _EMPTY))
    return found if isinstance(found, dict) else None


def with_list(client: EngineClient, container_id: str, inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    """An address's ``inspect`` with whom it sends to, where that is in force."""
    try:
        found = listing_of(client, container_id)
    except TrimtabError:
        # One that cannot be read must not keep the others from being looked at; writing to it tells why.
        return inspect
    return {**inspect, IN_FORCE: found.ids} if found is not None and found.confirmed else inspect
