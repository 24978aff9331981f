"""Steps on networks and on containers' attachments to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.backends.engine.adoption_records import drop_spent
from trimtab.backends.engine.bench import NOTHING, Bench, Outputs, id_of, known_id
from trimtab.backends.engine.convert import endpoint_body, network_body
from trimtab.backends.engine.errors import Missing, Refused, Taken
from trimtab.backends.engine.labels import DIGEST
from trimtab.backends.engine.steps import ConnectNetwork, CreateNetwork, DisconnectNetwork, RemoveNetwork
from trimtab.errors import Conflict, TrimtabError
from trimtab.model.keys import Kind
from trimtab.ports import StepContext

Endpoint = Mapping[str, Any]


def create(bench: Bench, step: CreateNetwork) -> Outputs:
    """Create it, unless it is there already. Names of networks are not unique by themselves."""
    body = network_body(step.name, step.spec, step.labels, bench.client.api_version)
    existing = _ours(bench, step)
    if existing is None:
        try:
            existing = str(
                bench.client.call("POST", "/networks/create", what="create network", key=step.name, body=body)["Id"]
            )
        except (Taken, Refused):
            existing = _ours(bench, step)
            if existing is None:
                raise
    bench.cache.touch(Kind.NETWORK, existing)
    return {"id": existing}


def _ours(bench: Bench, step: CreateNetwork) -> str | None:
    inspect = bench.inspect(Kind.NETWORK, step.name)
    if inspect is None or inspect["Name"] != step.name:
        return None
    labels = inspect.get("Labels") or {}
    if bench.identify(labels, step.name) is None:
        raise Taken(
            f"create network {step.name}: there is one of that name which is not ours",
            hint="rename or remove it, or set name:",
        )
    if labels.get(DIGEST) != step.labels.get(DIGEST):
        raise Conflict(
            f"create network {step.name}: the one that is there is another version",
            hint="it is replaced in the next pass",
        )
    return str(inspect["Id"])


def remove(bench: Bench, step: RemoveNetwork) -> Outputs:
    """Remove it."""
    try:
        bench.client.call("DELETE", f"/networks/{step.handle}", what="remove network", key=step.name)
        drop_spent(bench, Kind.NETWORK, step.handle)
    except Missing:
        return NOTHING
    except (Refused, Taken) as error:
        inspect = bench.inspect(Kind.NETWORK, step.handle)
        if inspect is None:
            return NOTHING
        attached = sorted(str(c.get("Name")) for c in (inspect.get("Containers") or {}).values())
        if attached:
            message = f"remove network {step.name}: still attached: {', '.join(attached)}"
            raise Conflict(
                message, hint=f"`docker network disconnect {step.name} {attached[0]}`; it will be tried again"
            ) from error
        # Source: perf/README: seen on 20.10, about once in twenty rounds; only a restart of the engine helps.
        raise Conflict(
            f"remove network {step.name}: the engine says that it is in use, but nothing is attached to it",
            hint="a known defect of the engine that a restart of it clears; it will be tried again later",
        ) from error
    finally:
        bench.cache.touch(Kind.NETWORK, step.handle)
    return NOTHING


def connect(bench: Bench, step: ConnectNetwork, context: StepContext) -> Outputs:
    """Attach a container."""
    container_id = id_of(step, context)
    attach(bench, container_id, step.name, step.network, endpoint_body(step.endpoint, bench.client.api_version))
    return NOTHING


def attach(bench: Bench, container_id: str, name: str, network: str, endpoint: Endpoint) -> None:
    """Attach with this EndpointSettings body; attached already is success."""
    body = {"Container": container_id, "EndpointConfig": dict(endpoint)}
    try:
        bench.client.call(
            "POST", f"/networks/{network}/connect", what=f"connect to network {network}", key=name, body=body
        )
    except TrimtabError:
        has = _attached(bench, container_id).get(network)
        # A stopped container keeps the id of a network that is gone, under the name that another one has now.
        if has is None or has.get("NetworkID") != (bench.inspect(Kind.NETWORK, network) or {}).get("Id"):
            raise
    finally:
        bench.cache.touch(Kind.CONTAINER, container_id)


def disconnect(bench: Bench, step: DisconnectNetwork, context: StepContext) -> Outputs:
    """Detach a container."""
    container_id = known_id(step.container, context)
    if container_id is None:
        return NOTHING
    endpoint = _attached(bench, container_id).get(step.network)
    if endpoint is None:
        return NOTHING
    body = {"Container": container_id, "Force": False}
    try:
        bench.client.call(
            "POST",
            f"/networks/{step.network}/disconnect",
            what=f"disconnect from network {step.network}",
            key=step.name,
            body=body,
        )
    except TrimtabError:
        if step.network in _attached(bench, container_id):
            raise
    finally:
        bench.cache.touch(Kind.CONTAINER, container_id)
    bench.detached.setdefault(container_id, {})[step.network] = _again(endpoint, container_id)
    return NOTHING


def _attached(bench: Bench, container_id: str) -> Mapping[str, Endpoint]:
    inspect = bench.inspect(Kind.CONTAINER, container_id) or {}
    return (inspect.get("NetworkSettings") or {}).get("Networks") or {}


def _again(endpoint: Endpoint, container_id: str) -> Endpoint:
    """What was asked for, out of what inspect shows."""
    body = {key: endpoint[key] for key in ("IPAMConfig", "Links", "DriverOpts") if endpoint.get(key)}
    aliases = list(endpoint.get("Aliases") or ())
    if container_id[:12] in aliases:
        del aliases[aliases.index(container_id[:12]) :]
    return {**body, "Aliases": aliases} if aliases else body
