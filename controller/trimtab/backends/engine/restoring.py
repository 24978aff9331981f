"""How a failed replacement is undone: the new container goes, the old one comes back."""

from __future__ import annotations

import contextlib

from trimtab.backends.engine import container_calls
from trimtab.backends.engine.bench import NOTHING, Bench, Outputs, known_id
from trimtab.backends.engine.listing import list_replicas
from trimtab.backends.engine.networks import attach
from trimtab.backends.engine.steps import AwaitRunning, DiscardContainer, RestoreContainer, RestoreContainers
from trimtab.backends.engine.waits import for_running
from trimtab.errors import TrimtabError, UnhealthyRelease
from trimtab.ports import StepContext


def discard(bench: Bench, step: DiscardContainer, context: StepContext) -> Outputs:
    """Undo: the new container failed."""
    container_id = known_id(step.container, context)
    if container_id is not None:
        container_calls.stop(bench, container_id, step.name, step.grace_s)
        container_calls.delete(bench, container_id, step.name, force=True, context=context)
    return NOTHING


def restore(bench: Bench, step: RestoreContainer, context: StepContext) -> Outputs:
    """Undo: put the old container back in the place of its failed replacement."""
    replacement = known_id(step.replacement, context)
    if replacement is not None:
        container_calls.stop(bench, replacement, step.name, step.grace_s)
        container_calls.delete(bench, replacement, step.name, force=True, context=context)
    handle = step.container.handle
    container_calls.rename(bench, handle, step.name)
    for network, endpoint in sorted(bench.detached.get(handle, {}).items()):
        attach(bench, handle, step.name, network, endpoint)
    bench.detached.pop(handle, None)
    container_calls.post(bench, handle, step.name, "start", timeout_s=container_calls.STARTING_S)
    _listed_again(bench, step, context)
    return {"id": handle}


def _listed_again(bench: Bench, step: RestoreContainer, context: StepContext) -> None:
    if step.again is None:
        return
    with contextlib.suppress(UnhealthyRelease):
        # It served before: if it does not come up as it was, there is nobody better in its place.
        for_running(bench, AwaitRunning(container=step.container, name=step.name), context)
    try:
        list_replicas(bench, step.again, context)
    except TrimtabError as error:
        context.log(f"{step.name}: it is back, and its address does not send to it yet: {error.message}")


def restore_all(bench: Bench, step: RestoreContainers, context: StepContext) -> Outputs:
    """Undo: no old container starts before every new one is gone, for they would write to two copies of the data."""
    for way in step.ways:
        new = way.replacement if isinstance(way, RestoreContainer) else way.container
        discard(bench, DiscardContainer(container=new, name=way.name, grace_s=way.grace_s), context)
    failed: TrimtabError | None = None
    for way in step.ways:
        if isinstance(way, RestoreContainer):
            try:
                restore(bench, way, context)
            except TrimtabError as error:
                failed = failed or error
    if failed is not None:
        raise failed
    return NOTHING
