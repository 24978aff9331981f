"""How a failed replacement is undone: the new container goes, the old one comes back."""

from __future__ import annotations

from trimtab.backends.engine import container_calls
from trimtab.backends.engine.bench import NOTHING, Bench, Outputs, known_id
from trimtab.backends.engine.networks import attach
from trimtab.backends.engine.steps import DiscardContainer, RestoreContainer, RestoreContainers
from trimtab.errors import TrimtabError
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
    return {"id": handle}


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
