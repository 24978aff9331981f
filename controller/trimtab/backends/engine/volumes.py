"""Steps on volumes. Data is not ours to remove: one goes only with an approval, after it was archived and verified."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trimtab.backends.engine import archives, filler, volume_tree
from trimtab.backends.engine.bench import NOTHING, Bench, Outputs
from trimtab.backends.engine.convert import volume_body
from trimtab.backends.engine.errors import Missing, Taken
from trimtab.backends.engine.inventory import FILLING_SUFFIX
from trimtab.backends.engine.labels import INSTALLATION, KIND
from trimtab.backends.engine.steps import CopyVolume, CreateVolume, RemoveVolume, SettleVolume
from trimtab.backends.engine.volume_calls import make_volume
from trimtab.errors import Conflict
from trimtab.model.keys import Kind
from trimtab.ports import StepContext


def create(bench: Bench, step: CreateVolume) -> Outputs:
    """Create it; the engine answers with the one of that name if there is one."""
    sign = step.name + FILLING_SUFFIX
    if bench.cache.find(Kind.VOLUME, sign) is not None and bench.inspect(Kind.VOLUME, step.name) is None:
        # Of a copy that was given up, and removed by hand since.
        _drop(bench, sign)
        bench.cache.touch(Kind.VOLUME, sign)
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
    _drop(bench, step.name + FILLING_SUFFIX)
    bench.cache.touch(Kind.VOLUME, step.name + FILLING_SUFFIX)
    context.log(f"{step.name}: removed; its archive is {archive}")
    return NOTHING


def copy(bench: Bench, step: CopyVolume, context: StepContext) -> Outputs:
    """Make a volume with the data of another, provisional until it is settled.

    A second, empty volume says so, for labels cannot be changed: made before and removed after, as for content volumes.
    """
    sign = step.name + FILLING_SUFFIX
    there = bench.inspect(Kind.VOLUME, step.name)
    begun = bench.inspect(Kind.VOLUME, sign) is not None
    if there is not None:
        if bench.identify(there.get("Labels") or {}, step.name) is None:
            raise Taken(f"copy to volume {step.name}: there is one of that name which is not ours", hint="rename it")
        if not begun:
            return {"name": step.name}
    if bench.inspect(Kind.VOLUME, step.source) is None:
        raise Conflict(f"copy volume {step.source} to {step.name}: it is gone", hint="the next pass looks again")
    archives.check_unused(bench.client, step.source, "copy volume", running_only=True)
    try:
        if not begun:
            labels = {INSTALLATION: bench.installation, KIND: "filling"}
            body: Mapping[str, object] = {"Name": sign, "Driver": "local", "Labels": labels}
            make_volume(bench.client, body, what="create volume")
        if there is not None:
            # An earlier copy, of what the source held then; nobody was ever served from it.
            filler.remove_leftovers(bench.client, step.name, bench.installation)
            archives.check_unused(bench.client, step.name, "copy to volume")
            _drop(bench, step.name)
        body = volume_body(step.name, step.spec, step.labels)
        make_volume(bench.client, body, what="create volume")
        _copy(bench, step, context)
    finally:
        bench.cache.touch(Kind.VOLUME, step.name)
        bench.cache.touch(Kind.VOLUME, sign)
    return {"name": step.name}


def _copy(bench: Bench, step: CopyVolume, context: StepContext) -> None:
    what = f"copy volume {step.source} to {step.name}"

    def facts(container_id: str, name: str) -> volume_tree.TreeFacts:
        with volume_tree.stream(bench.client, container_id, name) as chunks:
            return volume_tree.facts_of(volume_tree.watched(chunks, context, what))

    with (
        filler.mounted(bench.client, step.source, bench.installation) as source,
        filler.mounted(bench.client, step.name, bench.installation) as target,
    ):
        context.log(f"{step.name}: copies {step.source}")
        with volume_tree.stream(bench.client, source, step.source) as chunks:
            volume_tree.write(bench.client, target, volume_tree.watched(chunks, context, what), step.name)
        context.log(f"{step.name}: compares both")
        wanted, made = facts(source, step.source), facts(target, step.name)
    if wanted.digest != made.digest:
        raise Conflict(
            f"{what}: {made.entries} of {wanted.entries} entries, {made.size_bytes} of {wanted.size_bytes} bytes,"
            " or their owners or modes, are not as they were",
            hint="the old volume is as it was, and is used again; something may have written to it meanwhile",
        )
    context.log(f"{step.name}: {made.entries} entries, {made.size_bytes} bytes, equal in {step.source}")


def settle(bench: Bench, step: SettleVolume) -> Outputs:
    """From now on it is the one that counts."""
    sign = step.name + FILLING_SUFFIX
    try:
        _drop(bench, sign)
    finally:
        bench.cache.touch(Kind.VOLUME, sign)
        bench.cache.touch(Kind.VOLUME, step.name)
    return NOTHING


def _drop(bench: Bench, name: str) -> None:
    try:
        bench.client.call("DELETE", f"/volumes/{name}", what="remove volume", key=name)
    except Missing:
        return
