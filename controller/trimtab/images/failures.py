"""Telling why an image could not be had: the registry is away, or what is asked for does not exist. Pure."""

from __future__ import annotations

import re

from trimtab.errors import BackendUnavailable, RateLimited, RegistryUnavailable, TrimtabError, UserError

# Docker Hub counts pulls over six hours; asking again sooner than this is of no use.
RATE_LIMIT_AFTER_S = 900.0

_RATE = re.compile(r"toomanyrequests|too many requests|rate limit|\b429\b", re.IGNORECASE)
_DENIED = re.compile(
    r"denied|unauthorized|authentication required|no basic auth|incorrect username or password"
    r"|insufficient_scope|\b40[13]\b",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"manifest unknown|not found|does not exist|no such image|no matching manifest|name unknown|\b404\b"
    r"|invalid reference format|does not match the specified platform",
    re.IGNORECASE,
)
_AWAY = re.compile(
    r"dial tcp|timeout|deadline exceeded|connection (?:refused|reset)|no such host|network is unreachable"
    r"|no route to host|temporary failure|server misbehaving|unexpected eof|\bEOF\b|\b50[0234]\b|bad gateway"
    r"|service unavailable|tls|x509",
    re.IGNORECASE,
)


# BuildKit's client when its server goes: gRPC's words. Source: seen with dockerd 20.10 and 28.5 stopped and killed.
_ENGINE_GONE = re.compile(
    r"code = Unavailable|(?:^|: )Unavailable: |error reading from server|failed to receive status"
    r"|transport is closing|cannot connect to the docker daemon",
    re.IGNORECASE,
)
# SIGKILL and SIGTERM: what an engine that is being stopped ends its containers with, as does a lack of memory.
_KILLED = re.compile(r"(?:non-zero code|exit code): (?:137|143)\b")


_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)


def is_disk_full(message: str) -> bool:
    """Whether an image could not be had because nothing more can be written where it was to be."""
    return _FULL.search(message) is not None


def disk_full(what: str, message: str) -> BackendUnavailable:
    """``what`` could not be done for lack of space: that passes, so it is tried again with the same inputs."""
    return BackendUnavailable(
        f"{what}: the engine's disk is full ({message.strip()})",
        hint="free space under the engine's data root (`docker system df` shows what uses it); it is tried again"
        " by itself",
    )


def is_engine_gone(message: str) -> bool:
    """Whether a build failed because the engine went away under it."""
    return _ENGINE_GONE.search(message) is not None


def was_killed(message: str) -> bool:
    """Whether a build's instruction was killed from outside: then the engine may be going away, too."""
    return _KILLED.search(message) is not None


def registry_error(ref: str, message: str) -> TrimtabError:
    """What a failed pull of ``ref`` means for the loop: stall, wait or retry."""
    text = message.strip()
    if is_disk_full(text):
        return disk_full(f"{ref} could not be pulled", text)
    if _RATE.search(text):
        return RateLimited(
            f"the registry of {ref} asks to pull less often: {text}",
            after_s=RATE_LIMIT_AFTER_S,
            hint="log in for a higher limit, or use a mirror",
        )
    # "no such host" and the like mention 'not found' in some resolvers, so reachability is looked at first.
    if _AWAY.search(text) and not re.search(r"manifest unknown|manifest for .* not found", text, re.IGNORECASE):
        return RegistryUnavailable(f"{ref} could not be pulled: {text}", hint="it is tried again by itself")
    if _DENIED.search(text):
        return UserError(
            f"{ref} may not be pulled: {text}",
            code="TT4201",
            hint="check the name, and log in on the controller's machine (docker login)",
        )
    if _ABSENT.search(text):
        return UserError(
            f"{ref} does not exist: {text}", code="TT4202", hint="check the name, the tag and the platform"
        )
    return RegistryUnavailable(f"{ref} could not be pulled: {text}", hint="it is tried again by itself")


def is_registry_away(message: str) -> bool:
    """Whether a build's failing FROM or COPY --from is the registry's doing, so that trying again may help."""
    return isinstance(registry_error("the base image", message), RegistryUnavailable | RateLimited) and bool(
        _AWAY.search(message) or _RATE.search(message)
    )
