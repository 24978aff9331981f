"""Commands inside a container: ``post_start``, whose failure is the step's, and ``pre_stop``, whose failure is told."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trimtab.backends.engine.bench import NOTHING, Bench, Outputs, id_of
from trimtab.backends.engine.convert import reveal
from trimtab.backends.engine.errors import translating, unreachable
from trimtab.backends.engine.logs import TAIL_LINES, plain_lines
from trimtab.backends.engine.steps import ExecHook
from trimtab.errors import DeadlineExceeded, TransientError, TrimtabError, UnhealthyRelease
from trimtab.ports import StepContext

if TYPE_CHECKING:
    from requests import Response

_POLL_S = 0.2
# Silence of a hook is normal; its deadline ends it, not the connection's.
_LONGEST_SILENCE_S = 24 * 3600.0


def post_start(bench: Bench, step: ExecHook, context: StepContext) -> Outputs:
    """Run it; a non-zero exit fails the step."""
    _run(bench, id_of(step, context), step.hook, context, name=step.name, kind="post_start")
    return NOTHING


def run_pre_stop(
    bench: Bench, container_id: str, name: str, hooks: Iterable[Mapping[str, object]], context: StepContext
) -> None:
    """Run each; one that fails must not keep the container from being stopped."""
    for hook in hooks:
        try:
            _run(bench, container_id, hook, context, name=name, kind="pre_stop")
        except TrimtabError as error:
            context.log(f"{name}: {error.message}")


def _run(
    bench: Bench, container_id: str, hook: Mapping[str, object], context: StepContext, *, name: str, kind: str
) -> None:
    command = reveal(hook.get("command") or ())
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else [str(part) for part in command]
    what = f"{kind} hook {' '.join(argv)!r} of {name}"
    body = _body(hook, argv)
    exec_id = bench.client.call("POST", f"/containers/{container_id}/exec", what=what, body=body)["Id"]
    lines: deque[str] = deque(maxlen=TAIL_LINES)

    def take(line: str) -> None:
        lines.append(line)
        context.log(f"{name}: {line}")

    response = bench.client.open(
        "POST",
        f"/exec/{exec_id}/start",
        what=what,
        body={"Detach": False, "Tty": False},
        timeout_s=_LONGEST_SILENCE_S,
    )
    _follow(response, take, what, context)
    code = bench.client.call("GET", f"/exec/{exec_id}/json", what=what).get("ExitCode")
    if code != 0:
        raise UnhealthyRelease(f"{what} ended with exit code {code}", log_tail=tuple(lines), hint="its output is above")


def _follow(response: Response, take: Callable[[str], None], what: str, context: StepContext) -> None:
    """Read the output to its end, in a thread: the command may be silent for long, and the step has to end."""
    failed: list[TrimtabError] = []

    def read() -> None:
        try:
            with translating(what):
                for line in plain_lines(response):
                    take(line)
        except TrimtabError as error:
            failed.append(error)
        except (AttributeError, ValueError):
            # The client's stream after it was closed from the thread that gave the hook up.
            failed.append(unreachable(what, "closed"))

    reader = threading.Thread(target=read, name="hook", daemon=True)
    reader.start()
    until = time.monotonic() + context.timeout_s
    try:
        while reader.is_alive():
            reader.join(_POLL_S)
            if context.cancelled.is_set():
                raise TransientError(f"{what}: given up, because the sync was cancelled")
            if time.monotonic() > until:
                raise DeadlineExceeded(
                    f"{what}: did not end within {context.timeout_s:.0f} s",
                    hint="it may still run inside the container",
                )
    finally:
        if reader.is_alive():
            _cut(response)
        response.close()
    if failed:
        raise failed[0]


def _body(hook: Mapping[str, object], argv: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"Cmd": argv, "AttachStdout": True, "AttachStderr": True}
    for field, attribute in (("User", "user"), ("WorkingDir", "working_dir")):
        if hook.get(attribute):
            body[field] = str(hook[attribute])
    if hook.get("privileged"):
        body["Privileged"] = True
    if environment := _environment(hook.get("environment")):
        body["Env"] = environment
    return body


def _environment(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}={reveal(item)}" for key, item in value.items() if item is not None]
    return [str(reveal(item)) for item in value] if isinstance(value, list | tuple) else []


def _cut(response: Response) -> None:
    from docker.errors import DockerException
    from docker.types import CancellableStream

    with contextlib.suppress(DockerException, AttributeError, OSError):
        CancellableStream(iter(()), response).close()
