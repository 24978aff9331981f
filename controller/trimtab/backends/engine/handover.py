"""How a controller is replaced that runs in a container: by a helper, a container of the new image.

This is the old controller's part, exchange.py the helper's. The helper alone knows, by its labels, what it is for,
and the engine starts it again until it has removed itself: a crash at any line is gone on from. The old controller
waits for its end; when it is started again instead, it finds the helper stopped, with what went wrong in its log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from trimtab.backends.engine import containers
from trimtab.backends.engine.bench import Bench, Outputs, known_id
from trimtab.backends.engine.exchange import remove
from trimtab.backends.engine.items import HANDOVER
from trimtab.backends.engine.labels import DIGEST, HANDED_FROM, HANDED_TO, INSTALLATION, KIND
from trimtab.backends.engine.logs import tail
from trimtab.backends.engine.steps import CreateContainer, HandOver
from trimtab.errors import (
    Conflict,
    DeadlineExceeded,
    TransientError,
    TrimtabError,
    UnhealthyRelease,
    UnsupportedByBackend,
)
from trimtab.model.keys import Kind
from trimtab.model.untyped import section, strings
from trimtab.ports import StepContext

VERB = "hand-over"
# The helper's exit code for: the new one failed, the old one runs again.
PUT_BACK = 3
# So often the helper may end by itself before it is given up.
_TRIES = 3
_POLL_S = 0.25
_STARTING_S = 120.0
# What the helper needs of the new container's definition, beside image and command, to reach the engine as it does.
_HOST_FIELDS = (
    "NetworkMode", "ExtraHosts", "Dns", "DnsOptions", "DnsSearch", "GroupAdd", "SecurityOpt", "CapAdd", "CapDrop",
    "Privileged", "UsernsMode", "ReadonlyRootfs", "Tmpfs", "Runtime", "PidMode",
)  # fmt: skip
_VARIABLES = frozenset({"PATH", "TRIMTAB_DOCKER_HOST"})


def helper_name(installation: str) -> str:
    """One an installation: there is one controller."""
    return f"trimtab_{installation}_handover"


def hand_over(bench: Bench, step: HandOver, context: StepContext) -> Outputs:
    """Start the helper and wait for the end; see ``steps.HandOver``."""
    old, new, name = step.container.handle, known_id(step.replacement, context), helper_name(bench.installation)
    if new is None:
        raise Conflict(f"container {step.name} was not created", hint="the next pass looks again")
    labels = {INSTALLATION: bench.installation, KIND: HANDOVER, DIGEST: step.digest, HANDED_FROM: old, HANDED_TO: new}
    _check_failed(bench, step, new, name)
    there = bench.inspect(Kind.CONTAINER, name)
    if there is not None and not _is_at_work(there, labels):
        remove(bench.client, name, scratch=True)
        there = None
    if there is None:
        image = bench.cache.image(bench.cache.image_id(str(section(step.spec, "Config").get("Image") or "")))
        arguments = [VERB, "--old", old, "--new", new, "--name", step.name, "--helper", name]
        arguments += [
            "--installation",
            bench.installation,
            "--grace",
            str(step.grace_s),
            "--timeout",
            str(step.deadline_s),
        ]
        spec = helper_spec(step.spec, (image or {}).get("Config") or {}, arguments)
        helper = CreateContainer(key=step.key, name=name, spec=spec, labels=labels)
        made = containers.create(bench, helper, context)["id"]
        try:
            bench.client.call("POST", f"/containers/{made}/start", what="start the helper", timeout_s=_STARTING_S)
        except TrimtabError:
            remove(bench.client, name, scratch=True)
            raise
    context.log(f"{step.name}: handing over; this controller ends, and the new one goes on")
    until = time.monotonic() + context.timeout_s
    while time.monotonic() < until:
        if context.cancelled.wait(_POLL_S):
            raise TransientError(f"{step.name}: the helper goes on without this controller")
        _check_failed(bench, step, new, name)
    raise DeadlineExceeded(f"{step.name}: the helper did not end this controller", hint=f"see docker logs {name}")


def helper_spec(
    spec: Mapping[str, object], image: Mapping[str, Any], arguments: list[str]
) -> dict[str, dict[str, object]]:
    """A container that runs ``trimtab`` as the new one would, with other ``arguments`` than ``run ...``.

    Raises:
        UnsupportedByBackend: its command does not say ``run`` as a word of its own.
    """
    config, host = section(spec, "Config"), section(spec, "HostConfig")
    own_entrypoint = strings(config.get("Entrypoint"))
    entrypoint = own_entrypoint or strings(image.get("Entrypoint"))
    command = strings(config.get("Cmd")) or ([] if own_entrypoint else strings(image.get("Cmd")))
    made: dict[str, object] = {name: config[name] for name in ("Image", "User", "WorkingDir") if name in config}
    arguments = [*arguments, *_config_of(command or entrypoint)]
    if "run" in command:
        made["Cmd"] = [*command[: command.index("run")], *arguments]
        if own_entrypoint:
            made["Entrypoint"] = own_entrypoint
    elif "run" in entrypoint:
        made["Entrypoint"], made["Cmd"] = entrypoint[: entrypoint.index("run")], arguments
    else:
        raise UnsupportedByBackend(
            "the controller cannot replace itself: its command does not say 'run' as a word of its own",
            hint="write the service's command as a list, such as [run, --config, /etc/trimtab/trimtab.yaml]",
        )
    # How to reach the engine; nothing else, so that no secret of the controller is in one more place.
    environment = {k: v for k, v in section(config, "Env").items() if k.startswith("DOCKER_") or k in _VARIABLES}
    if environment:
        made["Env"] = environment
    made["Healthcheck"] = {"Test": ["NONE"]}
    kept = {name: host[name] for name in _HOST_FIELDS if name in host}
    networks: dict[str, object] = {network: {} for network in section(spec, "Networks")}
    mounts = {
        target: mount
        for target, mount in section(spec, "Mounts").items()
        # A new anonymous volume would stay behind.
        if not isinstance(mount, Mapping) or mount.get("Type") != "volume" or mount.get("Source")
    }
    parts: dict[str, dict[str, object]] = {
        "Config": made,
        "HostConfig": {**kept, "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}},
        "Mounts": dict(mounts),
        "Networks": networks,
    }
    return {name: part for name, part in parts.items() if part}


def _is_at_work(helper: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    said = (helper.get("Config") or {}).get("Labels") or {}
    running = (helper.get("State") or {}).get("Status") in {"running", "restarting"}
    # Of this exchange, even if what it had to start is gone: it is about to say that it put this one back.
    return running and all(said.get(name) == value for name, value in labels.items() if name != HANDED_TO)


def _check_failed(bench: Bench, step: HandOver, new: str, name: str) -> None:
    """Raise when a helper has put this controller back; what it left is removed."""
    there = bench.inspect(Kind.CONTAINER, name)
    if there is None:
        return
    said, state = (there.get("Config") or {}).get("Labels") or {}, there.get("State") or {}
    if said.get(KIND) != HANDOVER or said.get(INSTALLATION) != bench.installation:
        raise Conflict(f"container {name} is not ours", hint="remove it, or choose another installation id")
    if said.get(DIGEST) != step.digest:
        return
    policy = ((there.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name")
    # The policy is changed last: one that was killed right after that has ended as well.
    put_back = state.get("Status") == "exited" and (state.get("ExitCode") == PUT_BACK or policy == "no")
    # We are still there to see it: it never came so far as to stop us.
    useless = int(there.get("RestartCount") or 0) >= _TRIES
    if not put_back and not useless:
        return
    lines = tail(bench.client, str(there["Id"]))
    remove(bench.client, new)
    bench.cache.touch(Kind.CONTAINER, new)
    remove(bench.client, name, scratch=True)
    raise UnhealthyRelease(
        f"container {step.name}: the new controller failed, and this one "
        + ("was put back" if put_back else "goes on: not even the helper runs with its image and command"),
        log_tail=lines,
        hint="its last output is above; push a change that mends it",
    )


def _config_of(command: list[str]) -> list[str]:
    """The option that names the configuration, which may say where the engine is."""
    for position, word in enumerate(command):
        if word == "--config":
            return command[position : position + 2]
        if word.startswith("--config="):
            return [word]
    return []
