"""Building with the engine's own classic builder, over the API: needs nothing but the engine."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from docker import APIClient
from requests import RequestException

from trimtab.errors import BackendUnavailable, InternalError, TrimtabError, UnsupportedByBackend
from trimtab.images import stream
from trimtab.images.buildlog import BuildLog
from trimtab.images.buildspec import BuildSpec
from trimtab.images.context import context_tar
from trimtab.images.failures import is_disk_full
from trimtab.images.logins import build_headers
from trimtab.model.snapshot import Tree

DEFAULT_TIMEOUT_S = 600.0
_PING_S = 5.0

_STEP = re.compile(r"Step \d+/\d+ : (.*)")
_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,64})")


class EngineBuilder:
    """An ImageBuilder on the classic build API."""

    def __init__(self, api: APIClient) -> None:
        self._api = api

    def build(
        self,
        spec: object,
        tree: Tree,
        *,
        tags: Sequence[str],
        labels: Mapping[str, str],
        log: Callable[[str], None],
        cancelled: threading.Event,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> str:
        """Build, tag, and return the image id.

        Raises:
            BuildFailed, UnsupportedByBackend, RegistryUnavailable, BackendUnavailable, DeadlineExceeded,
            Conflict (cancelled).
        """
        if not isinstance(spec, BuildSpec):
            raise InternalError(f"a build needs a BuildSpec, not {type(spec).__name__}")
        if reason := spec.needs_buildkit():
            raise UnsupportedByBackend(
                f"the build of {spec.dockerfile_label} uses {reason}, which needs BuildKit",
                code="TT4120",
                hint="install the docker CLI with its buildx plugin on the controller's machine",
                origin=spec.origin,
            )
        output = BuildLog(log)
        messages = stream.post(
            self._api,
            "/build",
            what=f"the build of {spec.dockerfile_label}",
            params=build_parameters(spec, tags, labels),
            headers={"Content-Type": "application/x-tar", **build_headers()},
            body=context_tar(spec, tree, for_engine=True),
            cancelled=cancelled,
            timeout_s=timeout_s,
        )
        try:
            return self._follow(messages, output, spec)
        except stream.RefusedError as refusal:
            raise _refusal(refusal, spec, output) from None

    def _follow(self, messages: Any, output: BuildLog, spec: BuildSpec) -> str:
        image = ""
        for message in messages:
            if "error" in message or "errorDetail" in message:
                raise output.failure(spec, _error_text(message), self._answers)
            if isinstance(aux := message.get("aux"), dict):
                image = str(aux.get("ID", image))
            if text := message.get("stream"):
                for line in output.write(str(text)):
                    if step := _STEP.match(line):
                        output.instruction = step[1].strip()
                    elif not image and (built := _BUILT.match(line)):
                        image = built[1]
            elif status := message.get("status"):
                output.line(" ".join(str(part) for part in (message.get("id"), status) if part))
        output.flush()
        if not image:
            raise BackendUnavailable(f"the build of {spec.dockerfile_label} ended without an image")
        return image

    def _answers(self) -> bool:
        # Kept connections outlive the listener of an engine that is being stopped; only a new one tells.
        self._api.close()
        try:
            return bool(self._api.get(f"{self._api.base_url}/_ping", timeout=_PING_S).ok)
        except (RequestException, OSError):
            return False


def build_parameters(
    spec: BuildSpec, tags: Sequence[str], labels: Mapping[str, str]
) -> Mapping[str, str | Sequence[str]]:
    """The query of ``POST /build``. Source: Engine API 1.41, ImageBuild; moby's newImageBuildOptions."""
    options: dict[str, str | Sequence[str]] = {
        "t": list(dict.fromkeys([*tags, *spec.tags])),
        "dockerfile": spec.dockerfile_in_tar,
        "labels": json.dumps({**spec.labels, **labels}, sort_keys=True),
        "buildargs": json.dumps(dict(spec.args), sort_keys=True),
        "target": spec.target,
        "platform": spec.platform,
        "networkmode": spec.network,
        "shmsize": str(spec.shm_size_bytes or ""),
        "extrahosts": [f"{name}:{address}" for name, address in spec.extra_hosts],
        "ulimits": json.dumps([{"Name": u.name, "Soft": u.soft, "Hard": u.hard} for u in spec.ulimits])
        if spec.ulimits
        else "",
        "cachefrom": json.dumps(list(spec.cache_from)) if spec.cache_from else "",
        "nocache": "1" if spec.no_cache else "",
        "pull": "1" if spec.pull else "",
        # Containers of the steps go away, also after a failure.
        "rm": "1",
        "forcerm": "1",
    }
    return {name: value for name, value in options.items() if value}


def _error_text(message: Mapping[str, Any]) -> str:
    detail = message.get("errorDetail")
    text = detail.get("message") if isinstance(detail, dict) else None
    return str(text or message.get("error", ""))


def _refusal(refusal: stream.RefusedError, spec: BuildSpec, output: BuildLog) -> TrimtabError:
    # The engine checks the Dockerfile before the first step and answers 400, older ones 500, when it cannot be parsed.
    if refusal.status < 500 or "dockerfile" in refusal.message.lower() or is_disk_full(refusal.message):
        return output.failure(spec, refusal.message)
    return BackendUnavailable(f"the engine refused the build of {spec.dockerfile_label}: {refusal.message}")
