"""The one place where the engine's and its client's errors become ours: what happened, to what, what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trimtab.errors import (
    BackendUnavailable,
    ConfigError,
    Conflict,
    RegistryUnavailable,
    TransientError,
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


class NoSpace(TransientError):
    """The data directory's disk has no room for an archive of a volume."""

    default_code = "TT6701"


class PortTaken(Conflict):
    """A published port of the host belongs to someone else."""

    default_code = "TT6513"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A message of the engine, and ours for it; {0} is the first group that matched, {text} all of the message."""

    pattern: str
    kind: type[TrimtabError]
    message: str
    hint: str

    def apply(self, what: str, text: str) -> TrimtabError | None:
        match = re.search(self.pattern, text, re.IGNORECASE)
        if match is None:
            return None
        found = next((group for group in match.groups() if group), "")
        values = {"text": text.strip()}
        said = self.message.format(found.rstrip(".,"), **values)
        return self.kind(f"{what}: {said}", hint=self.hint.format(found, **values))


_PORT_HINT = "stop what listens on {0}, or publish another; `docker ps --filter publish={0}` lists containers that do"
_START_HINT = "check command, entrypoint and platform"

# Source: messages of moby 20.10 to 28.5 (daemon, libnetwork, runconfig, volume/mounts), runc 1.1. The first one counts.
_RULES = (
    _Rule(
        r"bind for \S*?:(\d+)\S* failed: port is already allocated"
        r"|listen \S+ \S*?:(\d+): .*address already in use"
        r"|failed to bind host port for \S*?:(\d+):\S* address already in use"
        r"|:(\d+)\b.*(?:port is already allocated|address already in use)",
        PortTaken,
        "port {0} of the host is already in use",
        _PORT_HINT,
    ),
    _Rule(
        r"no space left on device",
        BackendUnavailable,
        "the engine's disk is full ({text})",
        "free space under the engine's data root (`docker system df` shows what uses it); it is tried again by itself",
    ),
    _Rule(
        r"no such image:? ?(\S*)",
        Missing,
        "image {0} is not on the engine",
        "it will be pulled or built in the next pass",
    ),
    _Rule(
        r"(pull access denied|repository does not exist|manifest unknown|manifest for \S+ not found)",
        RegistryUnavailable,
        "the registry has no such image ({0})",
        "check name, tag and credentials",
    ),
    _Rule(
        r"name \S+ is already in use by container \"?([0-9a-f]{12})",
        Taken,
        "its name is held by container {0}, which is not ours",
        "rename or remove that one (`docker rename {0} ...`), or set another container_name",
    ),
    _Rule(
        r"range of cpus is from|requested cpus? (?:and|are) .*not available|only \d+ cpus? available",
        UnsupportedByBackend,
        "more CPUs are asked for than the engine's host has",
        "lower cpus or cpuset",
    ),
    _Rule(
        r"bind source path does not exist: (\S+)",
        UserError,
        "{0} does not exist on the engine's host",
        "create it there, or set bind.create_host_path: true",
    ),
    _Rule(
        r"cannot access path (\S+): ",
        UserError,
        "{0} is not in the volume",
        "volume.subpath has to exist before the container starts; a service that ran before may create it",
    ),
    _Rule(
        r"unable to find (?:user|group) (\S+):|no matching entries in (?:passwd|group) file",
        UserError,
        "the image knows no user or group {0}",
        "use a number, or one of the image's own /etc/passwd and /etc/group",
    ),
    _Rule(
        r"storage-opt is supported only|protocol not supported|does not support storage-opt",
        UnsupportedByBackend,
        "the engine's host cannot do it: {text}",
        "leave it out, or change the engine's host",
    ),
    _Rule(
        r"(pool overlaps with other one|subnet .*overlaps|networks have overlapping)",
        Conflict,
        "its subnet is used by another network ({0})",
        "choose another ipam subnet",
    ),
    _Rule(
        r"all predefined address pools have been fully subnetted|could not find an available, non-overlapping",
        BackendUnavailable,
        "the engine has no address range left for another network",
        "remove unused networks, set ipam subnets, or widen the engine's default-address-pools",
    ),
    _Rule(
        r"address already in use",
        Conflict,
        "a fixed network address is already in use",
        "two containers ask for the same ipv4_address",
    ),
    _Rule(
        r"unknown or invalid runtime name|unknown runtime specified",
        UnsupportedByBackend,
        "{text}",
        "the runtime has to be configured in the engine's daemon.json",
    ),
    _Rule(
        r"could not select device driver",
        UnsupportedByBackend,
        "{text}",
        "install the device's container toolkit on the engine's host",
    ),
    _Rule(
        r"(?:executable file not found|no such file or directory|permission denied).*unknown|exec format error",
        UnhealthyRelease,
        "the container cannot start: {text}",
        _START_HINT,
    ),
    _Rule(r"oci runtime create failed", UnhealthyRelease, "the container cannot start: {text}", _START_HINT),
)


# Also answered with 404. Source: moby 20.10 libnetwork answers so where no address range is left; 28 with 400.
_NOT_ONLY_MISSING = re.compile("no such image|pull access|manifest|cannot access path|non-overlapping", re.IGNORECASE)
# Socket proxies (HAProxy, nginx, Go's) answer in their own words; authorization plugins through the engine.
_BARRED = re.compile(
    r"administrative rules|<html|^\s*(?:403 )?forbidden\s*$|^\s*method not allowed\s*$|authorization denied by plugin",
    re.IGNORECASE,
)


def explain(status: int, message: str, what: str) -> TrimtabError:
    """Our error for an answer of the engine; ``what`` is what was being done, to which object."""
    if status in {403, 405} and _BARRED.search(message):
        return ConfigError(
            f"{what}: something in front of the engine forbids it ({' '.join(message.split())[:200]})",
            hint="allow the calls that docs/reference/engine-api.md lists in the socket proxy or authorization plugin",
        )
    if status == 404 and not _NOT_ONLY_MISSING.search(message):
        return Missing(f"{what}: {message}")
    for rule in _RULES:
        if (error := rule.apply(what, message)) is not None:
            return error
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
    hint = "is it running, and is DOCKER_HOST right? `trimtab doctor` tells"
    reason = re.sub(r"\s+", " ", str(cause))[:200]
    match _root(cause):
        case FileNotFoundError():
            reason = "there is no such socket"
        case ConnectionRefusedError():
            reason = "nothing listens there"
        case PermissionError():
            reason = "permission denied"
            hint = "let this user use its socket (on most systems: the group docker), or set DOCKER_HOST"
        case OSError(strerror=str() as words) if words:
            reason = words
    return BackendUnavailable(f"{what}: the engine does not answer ({reason})", hint=hint)


def _root(cause: object) -> OSError | None:
    """What the operating system said, below what two libraries made of it."""
    known: set[int] = set()
    ahead = [cause]
    while ahead:
        error = ahead.pop()
        if not isinstance(error, BaseException) or id(error) in known:
            continue
        known.add(id(error))
        # Those of requests are OSErrors, too, without a number.
        if isinstance(error, OSError) and isinstance(error.errno, int):
            return error
        ahead += [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
    return None


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
