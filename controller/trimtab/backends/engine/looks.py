"""Reading the engine's objects: everything at once, or one by itself. I/O; nothing is kept here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trimtab.backends.engine.addresses import is_address
from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.items import Inspect, Item, Recogniser, kept_once
from trimtab.backends.engine.listed import with_list
from trimtab.model.keys import Kind

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient

_PATHS = {Kind.CONTAINER: "/containers/{}/json", Kind.NETWORK: "/networks/{}", Kind.VOLUME: "/volumes/{}"}
# A full look's inspects at the same time; the engine answers a few of them in the time of one.
INSPECTS = 4


def everything(client: EngineClient, recogniser: Recogniser) -> dict[tuple[Kind, str], Item]:
    """Every object: a list for each kind, and an inspect for each container of ours."""
    containers = client.call("GET", "/containers/json", what="list containers", params={"all": "1"})
    networks = client.call("GET", "/networks", what="list networks")
    volumes = client.call("GET", "/volumes", what="list volumes").get("Volumes") or []
    found: dict[tuple[Kind, str], Item] = {}
    recogniser.adoptions.reset(volumes)
    listed = [recogniser.listed_container(summary) for summary in containers]
    inspects = _inspect_all(client, [item.handle for item in listed if item.key is not None])
    for item in listed:
        if item.key is None:
            found[Kind.CONTAINER, item.handle] = item
        elif (inspect := inspects[item.handle]) is not None:
            found[Kind.CONTAINER, item.handle] = recogniser.inspected(Kind.CONTAINER, item.handle, inspect)
    for network in networks:
        found[Kind.NETWORK, network["Id"]] = recogniser.listed(Kind.NETWORK, network["Id"], network)
    for volume in volumes:
        found[Kind.VOLUME, volume["Name"]] = recogniser.listed(Kind.VOLUME, volume["Name"], volume)
    return found


def one(client: EngineClient, kind: Kind, handle: str) -> Inspect | None:
    """One object's inspect; None when it is gone."""
    try:
        inspect: Inspect = kept_once(
            client.call("GET", _PATHS[kind].format(handle), what=f"inspect {kind.value}", key=handle)
        )
    except Missing:
        return None
    return with_list(client, handle, inspect) if is_address(inspect) else inspect


def _inspect_all(client: EngineClient, handles: Sequence[str]) -> Mapping[str, Inspect | None]:
    """By container, None for one that is gone meanwhile. Several at once: most of the time goes by on the way."""
    if len(handles) <= INSPECTS:
        return {handle: one(client, Kind.CONTAINER, handle) for handle in handles}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(INSPECTS, thread_name_prefix="engine-look") as pool:
        return dict(zip(handles, pool.map(lambda h: one(client, Kind.CONTAINER, h), handles), strict=True))
