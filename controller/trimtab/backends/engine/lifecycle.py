"""Whether a container that does not run should: the difference between stopped, finished and failed. Pure.

The engine does not say why a container ended. Its restart policy, its exit code, the kind of service and, when
the event stream saw it, whether a request stopped it, together do. What crashes by itself is reported, not fought.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.model.change import FieldChange
from trimtab.model.desired import Resource
from trimtab.model.observed import Live, RunState

# 128+SIGKILL, 128+SIGTERM, and what the engine writes for containers that it found dead when it started again.
SIGNALLED = frozenset({137, 143})
KILLED = SIGNALLED | {255}


def state_change(want: Resource, live: Live) -> FieldChange | None:
    """The status field that has to change, or None if the container may stay as it is."""
    status = live.running.status
    match status:
        case RunState.RUNNING | RunState.RESTARTING | RunState.REMOVING | RunState.ABSENT:
            return None
        case RunState.PAUSED | RunState.CREATED:
            wrong = True
        case RunState.DEAD:
            return FieldChange(path="/State/Status", attribute="status", before="dead", after="running")
        case _:
            wrong = _should_start(want, live)
    if not wrong:
        return None
    before = status.value if status is not RunState.EXITED else f"exited ({live.running.exit_code})"
    return FieldChange(
        path="/State/Status", attribute="status", before=before, after="running", in_place=True, origin=want.origin("")
    )


def _should_start(want: Resource, live: Live) -> bool:
    running = live.running
    if running.stopped_by_request:
        return True
    code = running.exit_code or 0
    policy = _restart_policy(want)
    if policy in {"always", "unless-stopped"}:
        # The engine itself restarts what ends; that it did not means that somebody stopped it.
        return True
    if code in KILLED and running.stopped_by_request is None:
        return not running.oom_killed
    if code == 0:
        return bool(want.traits.get("server")) and not want.traits.get("job") and running.stopped_by_request is None
    return False


def _restart_policy(want: Resource) -> str:
    host_config = want.spec.get("HostConfig")
    policy = host_config.get("RestartPolicy") if isinstance(host_config, Mapping) else None
    return str(policy.get("Name", "")) if isinstance(policy, Mapping) else ""
