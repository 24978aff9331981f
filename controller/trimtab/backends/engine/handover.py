"""How a controller is replaced that runs in a container: by a helper, a container of the new image.

The helper alone knows, by its labels, what it is for, and the engine starts it again until it has removed itself: a
crash at any line is gone on from. The old controller waits for its end; when it is started again instead, it finds the
helper stopped, with what went wrong in its log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine import containers
from trimtab.backends.engine.bench import Bench, Outputs, known_id
from trimtab.backends.engine.errors import Missing
from trimtab.backends.engine.items import HANDOVER
from trimtab.backends.engine.labels import DIGEST, HANDED_FROM, HANDED_TO, INSTALLATION, KIND
from trimtab.backends.engine.lock import lock_holder
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from trimtab.backends.engine.client import EngineClient

VERB = "hand-over"
# The helper's exit code for: the new one failed, the old one runs again.
PUT_BACK = 3
# How long it has to run: a program that fails while it starts takes a moment.
SETTLE_S = 3.0
# So often the helper may end by itself before it is given up.
_TRIES = 3
_POLL_S = 0.25
_STARTING_S = 120.0
# What the helper needs of the new container's definition, beside image and command, to reach the engine as it does.
_HOST_FIELDS = (
    "NetworkMode", "ExtraHosts", "Dns", "DnsOptions", "DnsSearch", "GroupAdd", "SecurityOpt", "CapAdd", "CapDrop",
    "Privileged", "UsernsMode", "ReadonlyRootfs", "Tmpfs", "Runtime", "PidMode",
)  # fmt: skip


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
        _remove(bench.client, name, scratch=True)
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
            _remove(bench.client, name, scratch=True)
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
    environment = {k: v for k, v in section(config, "Env").items() if k.startswith("DOCKER_") or k == "PATH"}
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
    return running and all(said.get(name) == value for name, value in labels.items())


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
    put_back = state.get("Status") == "exited" and state.get("ExitCode") == PUT_BACK
    # We are still there to see it: it never came so far as to stop us.
    useless = int(there.get("RestartCount") or 0) >= _TRIES
    if not put_back and not useless:
        return
    lines = tail(bench.client, str(there["Id"]))
    _remove(bench.client, new)
    bench.cache.touch(Kind.CONTAINER, new)
    _remove(bench.client, name, scratch=True)
    raise UnhealthyRelease(
        f"container {step.name}: the new controller failed, and this one "
        + ("was put back" if put_back else "goes on: not even the helper runs with its image and command"),
        log_tail=lines,
        hint="its last output is above; push a change that mends it",
    )


def _remove(client: EngineClient, ref: str, *, scratch: bool = False) -> None:
    """``scratch``: with the volumes that its image made for it, of which a helper writes to none."""
    params = {"v": "1" if scratch else "0", "force": "1"}
    try:
        client.call("DELETE", f"/containers/{ref}", what="remove container", key=ref, params=params)
    except Missing:
        return


# --- inside the helper -------------------------------------------------------------------------------------------


class Exchange:
    """One exchange of two containers, from wherever an earlier try left it."""

    def __init__(
        self, client: EngineClient, *, installation: str, old: str, new: str, name: str, grace_s: int,
        deadline_s: float, say: Callable[[str], None], settle_s: float = SETTLE_S,
    ) -> None:  # fmt: skip
        self._client = client
        self._installation = installation
        self._old = old
        self._new = new
        self._name = name
        self._grace_s = grace_s
        self._deadline_s = deadline_s
        self._settle_s = settle_s
        self._say = say

    def run(self) -> bool:
        """Whether the new one is in place; else the old one runs again, and the new one is gone."""
        new, old = self._inspect(self._new), self._inspect(self._old)
        if new is None:
            self._say("the new controller is gone")
            self._start(self._old)
            return False
        if old is not None and (why := self._try()):
            self._say(f"the new controller failed: {why}")
            for line in tail(self._client, self._new):
                self._say(f"  | {line}")
            self._stop(self._new)
            self._start(self._old)
            _remove(self._client, self._new)
            return False
        if old is not None:
            self._say("the new controller is well; the old one is removed")
            _remove(self._client, self._old)
        self._rename()
        return True

    def _try(self) -> str:
        """Stop the old one, start the new one; why it is not well."""
        self._say("stopping the old controller")
        self._stop(self._old)
        self._say("starting the new controller")
        try:
            self._start(self._new)
        except TransientError:
            raise
        except TrimtabError as error:
            return error.message
        until, since = time.monotonic() + self._deadline_s, time.monotonic()
        while time.monotonic() < until:
            inspect = self._inspect(self._new)
            state = (inspect or {}).get("State") or {}
            if inspect is None or state.get("Status") != "running" or int(inspect.get("RestartCount") or 0):
                return f"it ended with exit code {state.get('ExitCode')}"
            health = str((state.get("Health") or {}).get("Status") or "none")
            if health == "unhealthy":
                return "it is unhealthy"
            settled = time.monotonic() - since >= self._settle_s
            if health in {"healthy", "none"} and settled and self._leads(str(state.get("StartedAt") or "")):
                return ""
            time.sleep(_POLL_S)
        return f"it was not at work within {self._deadline_s:.0f} s"

    def _leads(self, started_at: str) -> bool:
        """Whether a controller that began after ``started_at`` has the lock: it has read its settings and begun."""
        held_since = lock_holder(self._client, self._installation).get("started-at", "")
        if not held_since or not started_at:
            return False
        # The lock tells whole seconds.
        return datetime.fromisoformat(held_since) >= datetime.fromisoformat(started_at).replace(microsecond=0)

    def _inspect(self, ref: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._client.call("GET", f"/containers/{ref}/json", what="inspect", key=ref)
        except Missing:
            return None
        return found

    def _stop(self, ref: str) -> None:
        params = {"t": str(self._grace_s)}
        self._client.call(
            "POST", f"/containers/{ref}/stop", what="stop", key=ref, params=params, timeout_s=self._grace_s + 60.0
        )

    def _start(self, ref: str) -> None:
        self._client.call("POST", f"/containers/{ref}/start", what="start", key=ref, timeout_s=_STARTING_S)

    def _rename(self) -> None:
        inspect = self._inspect(self._new)
        if inspect is not None and str(inspect["Name"]).lstrip("/") != self._name:
            params = {"name": self._name}
            self._client.call("POST", f"/containers/{self._new}/rename", what="rename", key=self._name, params=params)


def leave(client: EngineClient, helper: str) -> None:
    """The helper's last act: it removes itself."""
    _remove(client, helper, scratch=True)


def stay_stopped(client: EngineClient, helper: str) -> None:
    """Before it ends with ``PUT_BACK``: the engine must not start it again."""
    body = {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}
    client.call("POST", f"/containers/{helper}/update", what="end the helper", key=helper, body=body)
