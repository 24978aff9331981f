"""Taking a container out of a proxy's sight before it is stopped.

A proxy that follows the engine (by labels) sends requests to whom the engine calls healthy, and hears of it when that
changes. So the health check is made to fail for a while: it looks for a file, which a command in the container puts
there and takes away again by itself, so that a controller that dies in between leaves nothing behind.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from trimtab.backends.engine.bench import NOTHING, Bench, Outputs, known_id
from trimtab.backends.engine.live import running
from trimtab.backends.engine.steps import DrainContainer
from trimtab.errors import TransientError, TrimtabError
from trimtab.model.keys import Kind
from trimtab.model.observed import Probe, RunState
from trimtab.plan.drain import MARKER
from trimtab.ports import StepContext

_POLL_S = 0.2
# How much longer than needed the mark stays, should nobody stop the container after all.
_SPARE_S = 30


def drain(bench: Bench, step: DrainContainer, context: StepContext) -> Outputs:
    """Wait until it is called unhealthy, then ``drain_s`` more for what is under way."""
    container_id = known_id(step.container, context)
    if container_id is None or not _mark(bench, container_id, step, context):
        return NOTHING
    until = time.monotonic() + step.unready_s
    while time.monotonic() < until:
        inspect = bench.inspect(Kind.CONTAINER, container_id)
        state = running(inspect) if inspect is not None else None
        if state is None or state.status is not RunState.RUNNING:
            return NOTHING
        if state.probe is not Probe.HEALTHY:
            break
        _pause(step, context, _POLL_S)
    else:
        context.log(f"{step.name}: still called healthy after {step.unready_s:.0f} s; it is stopped all the same")
    _pause(step, context, step.drain_s)
    return NOTHING


def _pause(step: DrainContainer, context: StepContext, seconds: float) -> None:
    if context.cancelled.wait(seconds):
        raise TransientError(f"container {step.name} was being drained when the sync was cancelled")


def _mark(bench: Bench, container_id: str, step: DrainContainer, context: StepContext) -> bool:
    """Whether the mark is there; what cannot be marked is stopped without, and that is told."""
    stays_s = int(step.unready_s + step.drain_s) + _SPARE_S
    command = f": >{MARKER} || exit 1; sleep {stays_s}; rm -f {MARKER}"
    body: Mapping[str, object] = {"Cmd": ["/bin/sh", "-c", command], "AttachStdout": False, "AttachStderr": False}
    what = f"take {step.name} out of its proxy's sight"
    try:
        made = bench.client.call("POST", f"/containers/{container_id}/exec", what=what, body=body)["Id"]
        bench.client.call("POST", f"/exec/{made}/start", what=what, body={"Detach": True, "Tty": False})
    except TrimtabError as error:
        context.log(f"{step.name}: not drained: {error.message}")
        return False
    return True
