"""``kind: Destination`` of ``trimtab.dev/v1alpha1``: an engine, by name."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import PydanticCustomError

from trimtab.manifest.kinds.base import Document, Metadata

# Source: the schemes of DOCKER_HOST that a client on Linux can use.
SCHEMES = ("unix", "tcp", "ssh", "http", "https")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in SCHEMES or not (parts.path if parts.scheme == "unix" else parts.hostname)
        password = parts.password
    except ValueError:
        bad, password = True, None
    if bad:
        raise PydanticCustomError("host", "must be the URL of an engine, such as unix:///var/run/docker.sock")
    if password is not None:
        raise PydanticCustomError("credentials", "must not hold credentials; give them to the controller instead")
    return url


class DestinationSpec(Document):
    """How the engine is reached."""

    host: Annotated[str, AfterValidator(_host)] = Field(description="As DOCKER_HOST: unix://, tcp:// or ssh://.")


class DestinationManifest(Document):
    """An engine that applications can be sent to."""

    api_version: Literal["trimtab.dev/v1alpha1"]
    kind: Literal["Destination"]
    metadata: Metadata
    spec: DestinationSpec
    status: dict[str, JsonValue] | None = Field(None, description="Written by the controller only.")
