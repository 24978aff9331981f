"""What a builder needs to know to make one image; a value, made by ``buildkey`` and carried out by a builder. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.images.dockerignore import IgnoreRules
from trimtab.model.diagnostics import Origin

# How much of the key is shown, and used as the tag.
DISPLAYED_KEY_LENGTH = 12

# What only BuildKit understands; the classic builder answers with a puzzle or, for a heredoc, runs something else.
_BUILDKIT_FLAG = re.compile(
    rb"^[ \t]*(?:RUN|COPY|ADD)[ \t]+(?:--\S+[ \t]+)*?--(mount|network|security|link|chmod|parents|exclude|checksum)\b",
    re.IGNORECASE | re.MULTILINE,
)
_HEREDOC = re.compile(rb"^[ \t]*(?:RUN|COPY|ADD)\b[^\n]*<<-?[\"']?[A-Za-z_]", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSecret:
    """A secret that ``RUN --mount=type=secret`` reads: a file of the repository, or a variable with its ``value``.

    The value is no part of the key, and of no text.
    """

    id: str
    file: str = ""
    environment: str = ""
    value: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    """A limit of the build's containers."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """One image to build.

    ``key`` is the digest of all that changes the result. ``context_path`` is a directory of the repository ("" the
    root), with symbolic links resolved. ``dockerfile_in_context`` is the Dockerfile's path relative to the context, or
    "" when it is inline, outside, reached through a link or left out by the rules: it is then sent under a generated
    name. ``extra_hosts`` are (name, address); ``tags`` are further names that the manifest asks for.
    """

    key: str
    context_path: str
    dockerfile: bytes = field(repr=False)
    dockerfile_label: str
    dockerfile_in_context: str
    rules: IgnoreRules = field(repr=False)
    origin: Origin
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    shm_size_bytes: int = 0
    extra_hosts: tuple[tuple[str, str], ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    image_contexts: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[BuildSecret, ...] = ()
    ssh: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    no_cache: bool = False
    pull: bool = False

    @property
    def displayed_key(self) -> str:
        """The part of the key that people see, and that is the image's tag."""
        return self.key[:DISPLAYED_KEY_LENGTH]

    @property
    def dockerfile_in_tar(self) -> str:
        """What the Dockerfile is called in the context that is sent."""
        if self.dockerfile_in_context:
            return self.dockerfile_in_context
        return f".dockerfile.{hashlib.sha256(self.dockerfile).hexdigest()[:12]}"

    def included(self, path: str) -> bool:
        """Whether instructions see the file or directory at ``path``, relative to the context."""
        return not self.rules.ignores(path)

    def needs_buildkit(self) -> str:
        """Why the classic builder cannot make this image; "" if it can."""
        asked = {
            "secrets": self.secrets,
            "ssh": self.ssh,
            "additional_contexts": self.image_contexts,
            "cache_to": self.cache_to,
            "a cache_from with a type": tuple(ref for ref in self.cache_from if "=" in ref),
        }
        for name, value in asked.items():
            if value:
                return name
        if flag := _BUILDKIT_FLAG.search(self.dockerfile):
            return f"the option --{flag[1].decode()} of an instruction"
        return "a here-document" if _HEREDOC.search(self.dockerfile) else ""
