"""Steps on containers: create, start, stop, rename, update, remove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.backends.engine import container_calls
from trimtab.backends.engine.adoption_records import drop_spent
from trimtab.backends.engine.bench import NOTHING, Bench, Outputs, id_of, known_id
from trimtab.backends.engine.compare import DEFAULTS
from trimtab.backends.engine.convert import CreateRequest, Resolved, container_request, host_body, references
from trimtab.backends.engine.errors import Taken
from trimtab.backends.engine.hooks import run_pre_stop
from trimtab.backends.engine.labels import DIGEST
from trimtab.backends.engine.networks import attach
from trimtab.backends.engine.steps import (
    CreateContainer,
    RemoveContainer,
    RenameContainer,
    RestartContainer,
    StartContainer,
    StopContainer,
    UnpauseContainer,
    UpdateContainer,
)
from trimtab.errors import BackendUnavailable, Conflict, TrimtabError, UnsupportedByBackend
from trimtab.model.keys import Kind, ResourceKey
from trimtab.ports import StepContext


def create(bench: Bench, step: CreateContainer, context: StepContext) -> Outputs:
    """Create it with every network attached, or leave nothing behind."""
    request = _request(bench, step)
    params = {"name": step.name} | ({"platform": step.platform} if step.platform else {})
    what = "create container"
    try:
        made = bench.client.call(
            "POST", "/containers/create", what=what, key=step.name, params=params, body=request.body
        )
    except Taken:
        same = _same(bench, step)
        if same is None:
            raise
        container_id, made = same, {}
    else:
        container_id = str(made["Id"])
    try:
        for warning in made.get("Warnings") or ():
            context.log(f"{step.name}: {warning}")
        if made.get("Warnings"):
            _check_discarded(bench, container_id, step.name, request.body["HostConfig"], made["Warnings"])
        for network, endpoint in request.later:
            attach(bench, container_id, step.name, network, endpoint)
    except TrimtabError:
        # Nothing has been written to the volumes of one that was made just now; of one that was found, who knows.
        container_calls.delete(bench, container_id, step.name, force=True, scratch=bool(made))
        raise
    bench.cache.touch(Kind.CONTAINER, container_id)
    return {"id": container_id}


def _same(bench: Bench, step: CreateContainer) -> str | None:
    """The id of the container that has this name, if it is the very one that this step makes."""
    there = bench.inspect(Kind.CONTAINER, step.name)
    if there is None:
        return None
    labels = there["Config"].get("Labels") or {}
    ours = bench.identify(labels, str(there["Name"]).lstrip("/")) == step.key
    return str(there["Id"]) if ours and labels.get(DIGEST) == step.labels.get(DIGEST) else None


def _request(bench: Bench, step: CreateContainer) -> CreateRequest:
    services, contents = references(step.spec)
    resolved = Resolved(
        services={service: _service(bench, step.key, service) for service in sorted(services)},
        mountpoints={volume: _mountpoint(bench, step.name, volume) for volume in sorted(contents)},
    )
    config = step.spec.get("Config")
    image = None
    if isinstance(config, Mapping) and config.get("Cmd") == []:
        image = bench.cache.image(bench.cache.image_id(str(config["Image"])))
    return container_request(step.spec, step.labels, api=bench.client.api_version, resolved=resolved, image=image)


def _service(bench: Bench, key: ResourceKey, service: str) -> str:
    """The container that a reference to ``service`` means now: running before not, newest before older."""
    bench.cache.refresh()
    wanted = ResourceKey(key.app, Kind.CONTAINER, service, 1)
    found = []
    for item in bench.cache.items():
        if item.key == wanted:
            state = item.inspect.get("State") or {}
            found.append((bool(state.get("Running")), str(item.inspect.get("Created")), item.handle))
    if not found:
        raise Conflict(
            f"{key.name} refers to service {service}, which has no container", hint="it has to be created first"
        )
    return max(found)[2]


def _mountpoint(bench: Bench, name: str, volume: str) -> str:
    inspect = bench.inspect(Kind.VOLUME, volume)
    if inspect is None:
        raise Conflict(
            f"create container {name}: content volume {volume} is not there", hint="it is made again in the next pass"
        )
    return str(inspect["Mountpoint"])


def start(bench: Bench, step: StartContainer, context: StepContext) -> Outputs:
    """Start it."""
    container_id = id_of(step, context)
    container_calls.post(bench, container_id, step.name, "start", timeout_s=container_calls.STARTING_S)
    return {"id": container_id}


def unpause(bench: Bench, step: UnpauseContainer, context: StepContext) -> Outputs:
    """Unpause it."""
    container_id = id_of(step, context)
    try:
        container_calls.post(bench, container_id, step.name, "unpause")
    except (Taken, BackendUnavailable, UnsupportedByBackend):
        # 20.10 answers 500 for "is not paused", newer ones 409.
        state = (bench.inspect(Kind.CONTAINER, container_id) or {}).get("State") or {}
        if state.get("Paused") or not state:
            raise
    return {"id": container_id}


def stop(bench: Bench, step: StopContainer, context: StepContext) -> Outputs:
    """Stop it, after its ``pre_stop`` hooks."""
    container_id = known_id(step.container, context)
    if container_id is not None:
        if step.pre_stop:
            run_pre_stop(bench, container_id, step.name, step.pre_stop, context)
        container_calls.stop(bench, container_id, step.name, step.grace_s)
    return NOTHING


def restart(bench: Bench, step: RestartContainer, context: StepContext) -> Outputs:
    """Restart it."""
    container_id = id_of(step, context)
    timeout_s = container_calls.grace_s_of(bench, container_id, step.grace_s) + container_calls.STARTING_S
    params = {} if step.grace_s is None else {"t": str(step.grace_s)}
    container_calls.post(bench, container_id, step.name, "restart", params=params, timeout_s=timeout_s)
    return {"id": container_id}


def remove(bench: Bench, step: RemoveContainer, context: StepContext) -> Outputs:
    """Remove it."""
    container_id = known_id(step.container, context)
    if container_id is not None:
        container_calls.delete(bench, container_id, step.name, force=step.force, scratch=step.scratch, context=context)
        drop_spent(bench, Kind.CONTAINER, container_id)
    return NOTHING


def rename(bench: Bench, step: RenameContainer, context: StepContext) -> Outputs:
    """Give it its final name."""
    container_id = id_of(step, context)
    container_calls.rename(bench, container_id, step.name)
    return {"id": container_id}


def update(bench: Bench, step: UpdateContainer, context: StepContext) -> Outputs:
    """Change limits or restart policy in place."""
    container_id = id_of(step, context)
    body = host_body(step.host_config, bench.client.api_version)
    for field, value in body.items():
        # Source: moby container.UpdateContainer: zero means "leave it", so taking a limit away needs a new container.
        if value in (None, 0, "", []):
            raise UnsupportedByBackend(
                f"update container {step.name}: {field} cannot be taken away in place", hint="replace the container"
            )
    if body.get("Memory") and "MemorySwap" not in body:
        _swap_too(bench, container_id, body)
    answer = bench.client.call(
        "POST", f"/containers/{container_id}/update", what="update container", key=step.name, body=body
    )
    bench.cache.touch(Kind.CONTAINER, container_id)
    for warning in (answer or {}).get("Warnings") or ():
        context.log(f"{step.name}: {warning}")
    if answer and answer.get("Warnings"):
        _check_discarded(bench, container_id, step.name, body, answer["Warnings"])
    return {"id": container_id}


def _check_discarded(bench: Bench, container_id: str, name: str, asked: Mapping[str, Any], warnings: list[str]) -> None:
    """The engine drops limits that its kernel cannot keep, and only warns; what is not kept must not look kept."""
    host = (bench.inspect(Kind.CONTAINER, container_id) or {}).get("HostConfig") or {}
    lost = sorted(
        # What asks for the default (no limit of processes) is kept by having nothing.
        field
        for field, value in asked.items()
        if value and not host.get(field) and value != DEFAULTS.get(f"/HostConfig/{field}")
    )
    if lost:
        raise UnsupportedByBackend(
            f"container {name}: the engine cannot honour {', '.join(lost)}: {'; '.join(warnings)}",
            hint="leave it out, or give the engine's host a kernel that supports it",
        )


def _swap_too(bench: Bench, container_id: str, body: dict[str, Any]) -> None:
    """The engine set the swap limit to twice the memory itself, and refuses memory above the old swap limit."""
    host = (bench.inspect(Kind.CONTAINER, container_id) or {}).get("HostConfig") or {}
    if host.get("MemorySwap") == 2 * int(host.get("Memory") or 0):
        body["MemorySwap"] = 2 * int(body["Memory"])
