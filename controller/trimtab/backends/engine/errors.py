"""The one place where the engine's and its client's errors become ours: what happened, to what, what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trimtab.errors import (
    BackendUnavailable,
    ConfigError,
    Conflict,
    RegistryUnavailable,
    TrimtabError,
    UnhealthyRelease,
    UnsupportedByBackend,
    UserError,
)
from trimtab.model.keys import ResourceKey


class Missing(Conflict):
    """The engine has no such object (404); callers for whom that is success catch it."""

    default_code = "TT6510"


class Taken(Conflict):
    """The engine holds something else in that place, or is busy with it (409)."""

    default_code = "TT6511"


class Refused(Conflict):
    """The engine does not do it now (403, 423): something is still attached or in use."""

    default_code = "TT6512"


class PortTaken(Conflict):
    """A published port of the host belongs to someone else."""

    default_code = "TT6513"


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    make: Callable[[str, re.Match[str]], TrimtabError]


def _rule(pattern: str, make: Callable[[str, re.Match[str]], TrimtabError]) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), make)


def _port_taken(what: str, match: re.Match[str]) -> TrimtabError:
    port = next((group for group in match.groups() if group), "?")
    return PortTaken(
        f"{what}: port {port} of the host is already in use",
        hint=f"stop what listens on {port}, or publish another port; `docker ps --filter publish={port}` "
        "lists the containers that hold it",
    )


# Source: messages of moby 20.10 to 28.5 (daemon, libnetwork, runconfig, volume/mounts), runc 1.1; the first match counts.
_RULES = (
    _rule(r"bind for \S*?:(\d+)\S* failed: port is already allocated", _port_taken),
    _rule(r"(?:listen|bind)\S* \S+? ?\S*?:(\d+):? .*address already in use|:(\d+)\b.*(?:port is already allocated|address already in use)", _port_taken),
    _rule(
        r"no space left on device",
        lambda what, _: BackendUnavailable(
            f"{what}: the engine's disk is full", hint="free space under the engine's data root; `docker system df` shows what uses it"
        ),
    ),
    _rule(
        r"no such image:? ?(\S*)",
        lambda what, match: Missing(
            f"{what}: image {match[1].rstrip('.,') or 'asked for'} is not on the engine", hint="it will be pulled or built in the next pass"
        ),
    ),
    _rule(
        r"(?:pull access denied|repository does not exist|manifest unknown|manifest for \S+ not found)",
        lambda what, match: RegistryUnavailable(f"{what}: the registry has no such image ({match[0]})", hint="check name, tag and credentials"),
    ),
    _rule(
        r"name \"?/?([^\" ]+)\"? is already in use by container \"?([0-9a-f]{12})",
        lambda what, match: Taken(
            f"{what}: the name {match[1]} is held by container {match[2]}, which is not ours",
            hint=f"rename or remove it (`docker rename {match[2]} ...`), or set another container_name",
        ),
    ),
    _rule(
        r"range of cpus is from|requested cpus? (?:and|are) .*not available|only \d+ cpus? available",
        lambda what, _: UnsupportedByBackend(f"{what}: more CPUs are asked for than the engine's host has", hint="lower cpus or cpuset"),
    ),
    _rule(
        r"bind source path does not exist: (\S+)",
        lambda what, match: UserError(
            f"{what}: {match[1]} does not exist on the engine's host",
            code="TT2001",
            hint="create it there, or set bind.create_host_path: true",
        ),
    ),
    _rule(
        r"(?:pool overlaps with other one|subnet .*overlaps|networks have overlapping)",
        lambda what, match: Conflict(f"{what}: its subnet is used by another network ({match[0]})", hint="choose another ipam subnet"),
    ),
    _rule(
        r"(?:all predefined address pools have been fully subnetted|could not find an available, non-overlapping)",
        lambda what, _: BackendUnavailable(
            f"{what}: the engine has no address range left for another network",
            hint="remove unused networks, set ipam subnets, or widen the engine's default-address-pools",
        ),
    ),
    _rule(
        r"address already in use",
        lambda what, _: Conflict(f"{what}: a fixed network address is already in use", hint="two containers ask for the same ipv4_address"),
    ),
    _rule(
        r"(?:executable file not found|no such file or directory|permission denied).*unknown|exec format error|oci runtime create failed",
        lambda what, match: UnhealthyRelease(f"{what}: the container cannot start: {match.string.strip()}", hint="check command, entrypoint and platform"),
    ),
    _rule(
        r"unknown or invalid runtime name|unknown runtime specified (\S+)",
        lambda what, match: UnsupportedByBackend(f"{what}: {match.string.strip()}", hint="the runtime has to be configured in the engine's daemon.json"),
    ),
    _rule(
        r"could not select device driver",
        lambda what, match: UnsupportedByBackend(f"{what}: {match.string.strip()}", hint="install the device's container toolkit on the engine's host"),
    ),
)  # fmt: skip


def explain(status: int, message: str, what: str) -> TrimtabError:
    """Our error for an answer of the engine; ``what`` is what was being done, to which object."""
    if status == 404 and not re.search("no such image|pull access|manifest", message, re.IGNORECASE):
        return Missing(f"{what}: {message}")
    for rule in _RULES:
        if match := rule.pattern.search(message):
            return rule.make(what, match)
    if status == 409:
        return Taken(f"{what}: {message}", hint="it will be looked at again")
    if status in {403, 423}:
        return Refused(f"{what}: {message}", hint="something is still attached to it; it will be tried again")
    if status in {401, 407}:
        return ConfigError(
            f"{what}: the engine asks for credentials ({message})", hint="check DOCKER_HOST and DOCKER_CERT_PATH"
        )
    if status in {400, 405, 406, 415, 501}:
        return UnsupportedByBackend(
            f"{what}: the engine refuses it: {message}", hint="change the manifest, or use a newer engine"
        )
    return BackendUnavailable(
        f"{what}: the engine failed ({status}): {message}", hint="the engine's own log has more; it will be tried again"
    )


def unreachable(what: str, cause: object) -> BackendUnavailable:
    """The engine did not answer."""
    reason = re.sub(r"\s+", " ", str(cause))[:200]
    return BackendUnavailable(
        f"{what}: the engine does not answer ({reason})",
        hint="is it running, and is DOCKER_HOST right? `trimtab doctor` tells",
    )


@contextmanager
def translating(what: str, key: ResourceKey | str | None = None) -> Iterator[None]:
    """Let no exception of docker, requests, urllib3 or the socket out of the block; ours pass as they are.

    ``what`` is what is done ("create container"), ``key`` the object it is done to.
    """
    import docker.errors
    import requests
    import urllib3.exceptions

    subject = f"{what} {key}" if key else what
    try:
        yield
    except TrimtabError:
        raise
    except docker.errors.APIError as error:
        status = getattr(error.response, "status_code", None) or 500
        raise explain(status, str(error.explanation or error), subject) from error
    except (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError) as error:
        message = f"{subject}: no answer from the engine in time"
        raise BackendUnavailable(message, hint="the engine is overloaded or hangs; it will be tried again") from error
    except docker.errors.TLSParameterError as error:
        raise ConfigError(f"{subject}: {error}", hint="check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH") from error
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise ConfigError(f"{subject}: DOCKER_HOST cannot be used: {error}") from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise unreachable(subject, error) from error
    except docker.errors.DockerException as error:
        if "paramiko" in str(error):
            raise ConfigError(f"{subject}: {error}", hint="install the package paramiko for ssh:// engines") from error
        raise ConfigError(f"{subject}: {error}", hint="check DOCKER_HOST") from error


__all__ = ["Missing", "PortTaken", "Refused", "Taken", "explain", "translating", "unreachable"]
