"""The end of a run whose sync a person ended: stopped with its grace period, its last words kept, and gone.

Gone, so that the next sync runs it anew: a run that is there and did not end well is one that failed by itself.
Source: Argo CD, gitops-engine, syncContext.Terminate: hooks that run are deleted, and no SyncFail hook is begun.
"""

from __future__ import annotations

from trimtab.backends.engine.bench import NOTHING, Bench, Outputs, known_id
from trimtab.backends.engine.containers import remove, stop
from trimtab.backends.engine.live import running
from trimtab.backends.engine.logs import tail
from trimtab.backends.engine.steps import EndRun, RemoveContainer, StopContainer
from trimtab.backends.engine.waits import LOG_LINES
from trimtab.model.keys import Kind
from trimtab.plan.runs import BUSY
from trimtab.ports import StepContext


def end_run(bench: Bench, step: EndRun, context: StepContext) -> Outputs:
    """End it, if a person ended the sync; what came to its end by itself in the meantime stays."""
    container_id = known_id(step.container, context)
    if container_id is None:
        return NOTHING
    outputs: Outputs = NOTHING
    there = bench.inspect(Kind.CONTAINER, container_id)
    if context.terminated.is_set() and there is not None and running(there).status in BUSY:
        stop(bench, StopContainer(container=step.container, name=step.name), context)
        outputs = {"terminated": step.name, "log": "\n".join(tail(bench.client, container_id, LOG_LINES))}
    if outputs or step.discard:
        stop(bench, StopContainer(container=step.container, name=step.name), context)
        remove(bench, RemoveContainer(container=step.container, name=step.name, force=True, scratch=True), context)
    return outputs
