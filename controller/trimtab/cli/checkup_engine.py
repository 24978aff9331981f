"""What ``doctor`` finds on the engine. It only looks; reading the key takes a container that is never started."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.cli.checkup import Finding, State, free_disk
from trimtab.errors import BackendUnavailable, ConfigError

if TYPE_CHECKING:
    from trimtab.backends.engine.client import EngineClient
    from trimtab.config import Config

_SOCKET = "unix://"
# Event times and commit ages are compared with ours; a few seconds do no harm.
_SKEW_S = 5.0


def reached(client: EngineClient) -> Finding:
    """Whether the engine answers and is new enough. Raises UnsupportedByBackend."""
    try:
        client.ping()
        version = client.call("GET", "/version", what="ask the engine for its version")
    except BackendUnavailable as error:
        return _out_of_reach(client.host, error)
    spoken = ".".join(str(part) for part in client.api_version)
    message = f"Docker {version.get('Version')} at {client.host}, API {version.get('ApiVersion')} (spoken: {spoken})"
    return Finding(check="engine", state=State.OK, message=message)


def _out_of_reach(host: str, error: BackendUnavailable) -> Finding:
    """Why: no socket, no right to use it, or nobody behind it."""
    if host.startswith(_SOCKET):
        path = Path("/" + host.removeprefix(_SOCKET).lstrip("/"))
        if not path.exists():
            message, hint = f"there is no {path}", "start the engine (systemctl start docker), or set DOCKER_HOST"
            return Finding(check="engine", state=State.BROKEN, message=message, hint=hint)
        if not os.access(path, os.R_OK | os.W_OK):
            message = f"this user may not use {path}"
            hint = "join the group that owns it and log in again: sudo usermod -aG docker $USER"
            return Finding(check="engine", state=State.BROKEN, message=message, hint=hint)
    hint = f"is it running? DOCKER_HOST is {host}"
    return Finding(check="engine", state=State.BROKEN, message=error.message, hint=hint)


def info(client: EngineClient) -> Mapping[str, Any]:
    """The engine's own account of itself. Raises BackendUnavailable."""
    found: Mapping[str, Any] = client.call("GET", "/info", what="ask the engine what it is")
    return found


def builder(client: EngineClient, config: Config) -> Finding:
    """What images are built with."""
    from trimtab.images.choose import BuilderChoice, builder_finding

    if config.builder not in set(BuilderChoice):
        known = ", ".join(sorted(choice.value for choice in BuilderChoice))
        raise ConfigError(f"'{config.builder}' is no builder", hint=f"one of {known}")
    found = builder_finding(client.raw())
    if config.builder == BuilderChoice.BUILDX and not found.buildx:
        hint = "install the plugin, or set the builder to auto"
        message = "the builder is set to buildx, which is not installed here"
        return Finding(check="builder", state=State.BROKEN, message=message, hint=hint)
    if config.builder == BuilderChoice.ENGINE:
        return Finding(check="builder", state=State.OK, message="the engine's own builder, as configured")
    state = State.OK if found.buildx else State.WARNING
    return Finding(check="builder", state=state, message=found.message, hint=found.hint)


def disk(client: EngineClient, info: Mapping[str, Any]) -> Finding:
    """Whether images and volumes have room, where that can be seen from here."""
    root = Path(str(info.get("DockerRootDir") or "/var/lib/docker"))
    if client.host.startswith(_SOCKET) and root.is_dir():
        return free_disk("engine disk", root, "remove what nobody needs: docker system df, docker image prune")
    images = info.get("Images")
    message = f"{root}, with {images} images, is outside of this container or machine: its free space cannot be seen"
    return Finding(check="engine disk", state=State.OK, message=message)


def limits(info: Mapping[str, Any]) -> Finding:
    """Which limits the kernel does not carry out, though a manifest may ask for them."""
    warnings = [str(text).removeprefix("WARNING: ") for text in info.get("Warnings") or ()]
    concerning = [text for text in warnings if "support" in text.lower()]
    cgroup = f"cgroup v{info.get('CgroupVersion') or 1}, {info.get('CgroupDriver')} driver"
    if concerning:
        hint = "such limits in manifests have no effect; the kernel's documentation says how to switch them on"
        message = f"{cgroup}; {'; '.join(concerning)}"
        return Finding(check="limits", state=State.WARNING, message=message, hint=hint)
    return Finding(check="limits", state=State.OK, message=f"{cgroup}; memory, swap, CPU and pids limits work")


def clock(info: Mapping[str, Any]) -> Finding:
    """Whether the engine's clock and ours agree."""
    text = str(info.get("SystemTime") or "")
    try:
        theirs = datetime.fromisoformat(text)
    except ValueError:
        return Finding(check="clock", state=State.WARNING, message=f"the engine's time '{text}' cannot be read")
    skew_s = abs((datetime.now(UTC) - theirs).total_seconds())
    if skew_s > _SKEW_S:
        message = f"the engine's clock differs from ours by {skew_s:.0f} s"
        return Finding(check="clock", state=State.WARNING, message=message, hint="run a time service on both machines")
    return Finding(check="clock", state=State.OK, message="the engine's clock and ours agree")


def installation_key(client: EngineClient, config: Config) -> Finding:
    """Whether the installation's key, by which we know what is ours, is kept in both places and is one."""
    from trimtab.backends.engine.installation import recover_key
    from trimtab.wiring.engine import kept_key

    here, there = kept_key(config), recover_key(client, config.installation)
    name = f"installation '{config.installation}'"
    if here is None and there is None:
        message = f"{name} has no key yet; the first 'apply' or 'run' makes it"
        return Finding(check="key", state=State.OK, message=message)
    if here is not None and there is not None and here != there:
        message = f"{name}: the key in {config.data_dir} is not the one that the engine keeps"
        hint = "what runs was sealed with the engine's: move installation.key away, and it is recovered from there"
        return Finding(check="key", state=State.BROKEN, message=message, hint=hint)
    if there is None:
        message, hint = f"{name}: only {config.data_dir} has the key", "the next 'apply' or 'run' keeps a copy there"
        return Finding(check="key", state=State.WARNING, message=message, hint=hint)
    where = "is kept here and on the engine" if here is not None else "is on the engine, and recovered from there"
    return Finding(check="key", state=State.OK, message=f"{name}: its key {where}")


def holder(client: EngineClient, config: Config) -> Finding:
    """Which controller has this engine, as its lock says."""
    from trimtab.backends.engine.lock import lock_holder

    found = lock_holder(client, config.installation)
    if not found:
        return Finding(check="controller", state=State.OK, message="no controller runs here now")
    host, pid = found.get("host", "?"), found.get("pid", "?")
    who = f"process {pid} on {host}, since {found.get('started-at', '?')}"
    if host == socket.gethostname() and pid.isdecimal() and not _lives(int(pid)):
        message = f"the lock was left behind by {who}, which is gone; the next start takes it over"
        return Finding(check="controller", state=State.OK, message=message)
    return Finding(check="controller", state=State.OK, message=f"the lock is held by {who}")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
