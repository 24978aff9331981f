"""Steps on volumes. There is none that removes one: data is not ours to remove."""

from __future__ import annotations

from trimtab.backends.engine.bench import Bench, Outputs
from trimtab.backends.engine.convert import volume_body
from trimtab.backends.engine.errors import Taken
from trimtab.backends.engine.steps import CreateVolume
from trimtab.model.keys import Kind


def create(bench: Bench, step: CreateVolume) -> Outputs:
    """Create it; the engine answers with the one of that name if there is one."""
    body = volume_body(step.name, step.spec, step.labels)
    made = bench.client.call("POST", "/volumes/create", what="create volume", key=step.name, body=body)
    bench.cache.touch(Kind.VOLUME, step.name)
    if bench.identify(made.get("Labels") or {}, step.name) is None:
        raise Taken(
            f"create volume {step.name}: there is one of that name which is not ours",
            hint="declare it external: true to use it as it is, or set another name:",
        )
    return {"name": step.name}
