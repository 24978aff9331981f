"""Creating a volume and being told whose it is: the engine answers with the one of that name if there is one."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.backends.engine.client import EngineClient


def make_volume(client: EngineClient, body: Mapping[str, object], *, what: str) -> Mapping[str, str]:
    """Create the volume that ``body`` describes; the labels that it has, which are another's if it was there.

    After its restart an engine answers for a volume that was there without any labels, until it was inspected once.

    Source: moby volume/service/store.go: restore() keeps volumes without what create() and Get() wrap around them.

    Raises:
        TrimtabError: as every call; ``what`` is what is being done.
    """
    name = str(body["Name"])
    made = client.call("POST", "/volumes/create", what=what, key=name, body=body)
    if not made.get("Labels") and body.get("Labels"):
        made = client.call("GET", f"/volumes/{name}", what=what, key=name)
    labels: Mapping[str, str] = made.get("Labels") or {}
    return labels
