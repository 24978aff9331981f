"""Asks a registry, through the engine, whether an image can be had: the answer costs one request and no layer.

The engine asks with its own mirrors, proxies and certificates only when it pulls, so a registry that cannot be
reached this way says nothing about the pull: only a clear no counts.
Source: Engine API, ``GET /distribution/{name}/json``; moby daemon, distribution inspect (no mirrors are asked).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from urllib.parse import quote

import requests
from docker import APIClient
from docker.errors import DockerException
from docker.utils import parse_repository_tag

from trimtab.errors import TrimtabError, UserError
from trimtab.images.failures import registry_error
from trimtab.images.logins import pull_headers

# A registry that does not answer by then is one that cannot be asked.
TIMEOUT_S = 10.0
# A plan that is refused is looked at again every few seconds; registries count requests.
REMEMBERED_S = 30.0


class RegistryProbe:
    """ports.ImageProbe. ``api`` gives the calling thread's client."""

    def __init__(self, api: Callable[[], APIClient]) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, TrimtabError | None]] = {}

    def refusal(self, ref: str) -> TrimtabError | None:
        """A clear no, or None."""
        now_s = time.monotonic()
        with self._lock:
            self._answers = {r: a for r, a in self._answers.items() if now_s - a[0] < REMEMBERED_S}
            known = self._answers.get(ref)
        if known is not None:
            return known[1]
        answer = self._ask(ref)
        with self._lock:
            self._answers[ref] = (now_s, answer)
        return answer

    def _ask(self, ref: str) -> TrimtabError | None:
        repository, tag = parse_repository_tag(ref)
        name = ref if tag else f"{repository}:latest"
        try:
            api = self._api()
            headers = dict(pull_headers(repository))
            response = api.get(
                f"{api.base_url}/v{api.api_version}/distribution/{quote(name, safe='/:@')}/json",
                headers=headers,
                timeout=TIMEOUT_S,
            )
        except (requests.RequestException, DockerException, TrimtabError):
            return None
        if response.ok:
            return None
        refused = registry_error(ref, _said(response))
        # A proxy before the engine that does not allow this call answers 403 in its own words.
        return (
            refused if isinstance(refused, UserError) and "json" in response.headers.get("Content-Type", "") else None
        )


def _said(response: requests.Response) -> str:
    try:
        answer = response.json()
    except ValueError:
        return response.text
    return str(answer.get("message", "")) if isinstance(answer, dict) else ""
