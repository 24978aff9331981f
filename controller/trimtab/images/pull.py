"""Fetching images from registries, with the logins of this machine's docker configuration; and when to fetch."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from docker import APIClient
from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag

from trimtab.errors import BackendUnavailable, UserError
from trimtab.images import stream
from trimtab.images.failures import registry_error
from trimtab.images.logins import pull_headers

_EVERY = re.compile(r"every_((?:\d+[wdhms])+)")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}

# Layers report their bytes many times a second; a person wants the states.
_QUIET = frozenset({"Downloading", "Extracting", "Waiting"})


def pull_needed(policy: str, *, image_present: bool, pulled_at: datetime | None, now: datetime) -> bool:
    """Whether a service with this ``pull_policy`` has its image pulled now.

    ``pulled_at`` is the image's Metadata.LastTagTime; without it, a timed policy pulls.
    Source: docker/compose pkg/compose/pull.go (mustPull); compose-go GetPullPolicy.

    Raises:
        UserError: the policy is not one of the specification's.
    """
    match policy:
        case "always":
            return True
        case "never" | "build":
            return False
        case "" | "missing" | "if_not_present":
            return not image_present
    age = refresh_interval(policy)
    return not image_present or pulled_at is None or now > pulled_at + age


def refresh_interval(policy: str) -> timedelta:
    """How old an image may be under ``daily``, ``weekly``, ``every_...``; zero for ``refresh``. Raises UserError."""
    match policy:
        case "daily":
            return timedelta(days=1)
        case "weekly":
            return timedelta(weeks=1)
        case "refresh":
            return timedelta(0)
    if not (match := _EVERY.fullmatch(policy)):
        raise UserError(
            f"unknown pull_policy {policy!r}",
            code="TT4203",
            hint="one of always, never, missing, if_not_present, build, daily, weekly, every_12h (w, d, h, m, s)",
        )
    parts = re.findall(r"(\d+)([wdhms])", match[1])
    return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta(0))


class EnginePuller:
    """An ImagePuller on the engine's API."""

    def __init__(self, api: APIClient) -> None:
        self._api = api

    def pull(
        self,
        ref: str,
        *,
        platform: str = "",
        log: Callable[[str], None],
        cancelled: threading.Event,
        timeout_s: float = 600.0,
    ) -> str:
        """Pull ``ref`` and return the image id.

        Raises:
            UserError (not there, not allowed), RegistryUnavailable, RateLimited, BackendUnavailable, DeadlineExceeded,
            Conflict (cancelled).
        """
        repository, tag = parse_repository_tag(ref)
        # Without a tag the engine pulls all of them.
        params = {"fromImage": repository, "tag": tag or "latest", "platform": platform}
        messages = stream.post(
            self._api,
            "/images/create",
            what=f"the pull of {ref}",
            params={name: value for name, value in params.items() if value},
            headers=pull_headers(repository),
            cancelled=cancelled,
            timeout_s=timeout_s,
        )
        try:
            for message in messages:
                if "error" in message or "errorDetail" in message:
                    raise registry_error(ref, str(message.get("error") or message["errorDetail"].get("message", "")))
                _report(message, log)
        except stream.RefusedError as refusal:
            raise registry_error(ref, refusal.message) from None
        return self._image_id(ref)

    def _image_id(self, ref: str) -> str:
        try:
            found: Any = self._api.inspect_image(ref)  # type: ignore[no-untyped-call]  # the stubs leave it out
            return str(found["Id"])
        except ImageNotFound:
            raise UserError(f"{ref} was pulled, but the engine has no image of that name and platform") from None
        except APIError as error:
            raise BackendUnavailable(f"{ref} was pulled, but cannot be inspected: {error}") from error


def _report(message: dict[str, Any], log: Callable[[str], None]) -> None:
    status = str(message.get("status", ""))
    if status and status not in _QUIET:
        log(" ".join(part for part in (str(message.get("id", "")), status) if part))
