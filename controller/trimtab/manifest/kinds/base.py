"""What all kinds share: strict models in camelCase, and the scalar types that several kinds use."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from trimtab.manifest.compose.units import parse_duration
from trimtab.model.keys import DEFAULT_NAMESPACE
from trimtab.model.snapshot import PathEscapesTree, join_path

API_GROUP = "trimtab.dev"
API_VERSION = f"{API_GROUP}/v1alpha1"

# Source: RFC 1123 labels as Kubernetes applies them to names.
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_DNS_LABEL = re.compile(DNS_LABEL)
# Source: RFC 6901, section 3.
POINTER = r"^(/([^~/]|~[01])*)*$"
_POINTER = re.compile(POINTER)
DURATION = r"^(0|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h|d|w))+)$"


class Document(BaseModel):
    """A mapping of a manifest: camelCase keys, nothing unknown, no value bent into another type."""

    # Only the camelCase names are read; Python code makes these from documents, never by calling a constructor.
    # Built when first used: a command that finds plain compose files alone needs few of them.
    model_config = ConfigDict(  # type: ignore[pydantic-alias]
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, defer_build=True
    )


def _dns_label(text: str) -> str:
    if not _DNS_LABEL.fullmatch(text):
        message = "must be a DNS label: lower-case letters, digits and '-', at most 63, no '-' at either end"
        raise PydanticCustomError("dns_label", message)
    return text


def _duration_s(value: object) -> float:
    if not isinstance(value, str):
        raise PydanticCustomError("duration", "must be a duration with its unit, such as 30s, 10m or 1h30m")
    try:
        seconds = parse_duration(value)
    except ValueError:
        seconds = -1.0
    if seconds < 0:
        raise PydanticCustomError("duration", "is not a duration; write for example 30s, 10m or 1h30m")
    return seconds


def _inside(path: str) -> str:
    try:
        join_path("", path)
    except PathEscapesTree:
        raise PydanticCustomError("escapes", "must be a relative path inside the repository") from None
    return path


def _relative(path: str) -> str:
    if not path or path.startswith("/"):
        raise PydanticCustomError("relative", "must be a relative path of the repository")
    return path


def _pointer(text: str) -> str:
    if not _POINTER.fullmatch(text):
        raise PydanticCustomError("pointer", "must be a JSON pointer (RFC 6901), such as /deploy/replicas")
    return text


def _without_credentials(url: str) -> str:
    # Never shown again: what stands before the '@' may be a token.
    try:
        password = urlsplit(url).password
    except ValueError:
        raise PydanticCustomError("url", "is not a URL that can be read") from None
    if password is not None:
        raise PydanticCustomError("credentials", "must not hold credentials; give them to the controller instead")
    return url


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be empty")
    return text


DnsLabel = Annotated[
    str, AfterValidator(_dns_label), WithJsonSchema({"type": "string", "pattern": DNS_LABEL, "maxLength": 63})
]
Seconds = Annotated[float, BeforeValidator(_duration_s), WithJsonSchema({"type": "string", "pattern": DURATION})]
# A path from the repository's root, and one from the directory of the file that holds it.
RootPath = Annotated[str, AfterValidator(_inside)]
FilePath = Annotated[str, AfterValidator(_relative)]
JsonPointer = Annotated[str, AfterValidator(_pointer), WithJsonSchema({"type": "string", "pattern": POINTER})]
RepoUrl = Annotated[str, AfterValidator(_not_blank), AfterValidator(_without_credentials)]


class Metadata(Document):
    """Who a document is about."""

    name: DnsLabel = Field(description="A DNS label, unique in its namespace.")
    namespace: DnsLabel = Field(
        DEFAULT_NAMESPACE, description="With another than 'default', objects are named <namespace>-<name>-..."
    )
    annotations: dict[str, str] = Field(default_factory=dict, description="Free text for people and tools.")
