"""The engine's verbs on one container, each of them repeatable: what is gone is removed, what is stopped is stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping

from trimtab.backends.engine.bench import Bench
from trimtab.backends.engine.errors import Missing, Refused, Taken
from trimtab.errors import Conflict, TrimtabError
from trimtab.model.keys import Kind
from trimtab.ports import StepContext

# A removal that another client began ends within moments, or never.
REMOVAL_S = 10.0
STARTING_S = 120.0
_POLL_S = 0.5
# Source: moby container.DefaultStopTimeout.
_DEFAULT_GRACE_S = 10


def post(
    bench: Bench,
    container_id: str,
    name: str,
    verb: str,
    *,
    params: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> None:
    """One verb on a container, which is looked at again afterwards."""
    try:
        bench.client.call(
            "POST",
            f"/containers/{container_id}/{verb}",
            what=f"{verb} container",
            key=name,
            params=params,
            timeout_s=timeout_s,
        )
    finally:
        bench.cache.touch(Kind.CONTAINER, container_id)


def stop(bench: Bench, container_id: str, name: str, grace_s: int | None) -> None:
    """Stop it; one that is gone is stopped."""
    params = {} if grace_s is None else {"t": str(grace_s)}
    try:
        post(bench, container_id, name, "stop", params=params, timeout_s=grace_s_of(bench, container_id, grace_s) + 30)
    except Missing:
        return


def grace_s_of(bench: Bench, container_id: str, grace_s: int | None) -> int:
    """How long the engine may take before it kills."""
    if grace_s is not None:
        return max(0, grace_s)
    config = (bench.inspect(Kind.CONTAINER, container_id) or {}).get("Config") or {}
    own = config.get("StopTimeout")
    return _DEFAULT_GRACE_S if own is None else max(0, int(own))


def delete(
    bench: Bench,
    container_id: str,
    name: str,
    *,
    force: bool,
    scratch: bool = False,
    context: StepContext | None = None,
) -> None:
    """Remove it; wait for a removal that is under way already, but not for ever.

    ``scratch``: with the volumes that have no name and were made with it; else never with a volume.
    Source: moby daemon/mounts.go, removeMountPoints: what was mounted by its name stays in any case.
    """
    scratch = scratch and not _borrows_volumes(bench, container_id)
    params = {"v": "1" if scratch else "0", "force": "1" if force else "0"}
    path = f"/containers/{container_id}"
    try:
        bench.client.call("DELETE", path, what="remove container", key=name, params=params)
    except Missing:
        return
    except (Taken, Refused) as error:
        if "already in progress" not in str(error):
            raise
        until = time.monotonic() + REMOVAL_S
        while bench.inspect(Kind.CONTAINER, container_id) is not None:
            if time.monotonic() > until or (context and context.cancelled.is_set()):
                raise Conflict(
                    f"remove container {name}: the engine has been removing it for over {REMOVAL_S:.0f} s",
                    hint=f"if it stays, `docker rm -f {container_id[:12]}` or an engine restart helps",
                ) from error
            time.sleep(_POLL_S)
    finally:
        bench.cache.touch(Kind.CONTAINER, container_id)


def _borrows_volumes(bench: Bench, container_id: str) -> bool:
    """Whether it has another one's volumes: the engine does not tell those without a name from its own.

    Source: moby daemon/volumes.go, registerMountPoints: what comes by VolumesFrom is copied as it was asked for there.
    """
    there = bench.inspect(Kind.CONTAINER, container_id) or {}
    return bool((there.get("HostConfig") or {}).get("VolumesFrom"))


def rename(bench: Bench, container_id: str, name: str) -> None:
    """Rename it; one that has the name already is renamed."""
    try:
        post(bench, container_id, name, "rename", params={"name": name})
    except Missing:
        raise
    except TrimtabError:
        there = bench.inspect(Kind.CONTAINER, container_id)
        if there is None or str(there["Name"]).lstrip("/") != name:
            raise
