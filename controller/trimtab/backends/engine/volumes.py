"""Steps on volumes. Data is not ours to remove: one goes only with an approval, after it was archived and verified."""

from __future__ import annotations

from pathlib import Path

from trimtab.backends.engine import archives, filler
from trimtab.backends.engine.bench import NOTHING, Bench, Outputs
from trimtab.backends.engine.convert import volume_body
from trimtab.backends.engine.errors import Missing, Taken
from trimtab.backends.engine.steps import CreateVolume, RemoveVolume
from trimtab.backends.engine.volume_calls import make_volume
from trimtab.errors import Conflict
from trimtab.model.keys import Kind
from trimtab.ports import StepContext


def create(bench: Bench, step: CreateVolume) -> Outputs:
    """Create it; the engine answers with the one of that name if there is one."""
    body = volume_body(step.name, step.spec, step.labels)
    labels = make_volume(bench.client, body, what="create volume")
    bench.cache.touch(Kind.VOLUME, step.name)
    if bench.identify(labels, step.name) is None:
        raise Taken(
            f"create volume {step.name}: there is one of that name which is not ours",
            hint="declare it external: true to use it as it is, or set another name:",
        )
    return {"name": step.name}


def remove(bench: Bench, step: RemoveVolume, context: StepContext) -> Outputs:
    """Remove it, if it is ours, unused, and its archive is there and whole."""
    there = bench.inspect(Kind.VOLUME, step.name)
    if there is None:
        return NOTHING
    known = bench.cache.find(Kind.VOLUME, step.name)
    # One that was adopted is ours although its labels do not say so.
    key = bench.identify(there.get("Labels") or {}, step.name) or (known.key if known is not None else None)
    if key is None or key.kind is not Kind.VOLUME:
        raise Taken(f"remove volume {step.name}: it is not ours", hint="remove it by hand if it may go")
    outputs = context.outputs.get(step.archive, NOTHING)
    archive = outputs.get("archive", "")
    if not archive or not archives.is_whole(Path(archive), outputs.get("digest", "")):
        raise Conflict(
            f"remove volume {step.name}: its archive {archive or 'was not written'} is not whole",
            hint="the volume is kept; the next pass archives it again",
        )
    filler.remove_leftovers(bench.client, step.name, bench.installation)
    archives.check_unused(bench.client, step.name, "remove volume")
    try:
        bench.client.call("DELETE", f"/volumes/{step.name}", what="remove volume", key=step.name)
    except Missing:
        return NOTHING
    finally:
        bench.cache.touch(Kind.VOLUME, step.name)
    context.log(f"{step.name}: removed; its archive is {archive}")
    return NOTHING
