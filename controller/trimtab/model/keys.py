"""Names of things: applications and the objects they own. Ordered, so that output never depends on hashing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True, order=True)
class AppKey:
    """An application's identity."""

    namespace: str
    name: str

    @property
    def project(self) -> str:
        """The prefix of every object's name, and Compose's project name."""
        return self.name if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}-{self.name}"

    def __str__(self) -> str:
        return self.name if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> AppKey:
        """The opposite of ``str``."""
        namespace, slash, name = text.partition("/")
        return cls(namespace, name) if slash else cls(DEFAULT_NAMESPACE, text)


class Kind(StrEnum):
    """Kinds of objects that an application owns on an engine.

    CONTENT is a content-addressed volume that holds mounted files of the repository (configs,
    secrets, relative binds); it can be made again from Git at any time, a VOLUME can not.
    HOOK and JOB are containers that run once and end: an application is complete without them.
    """

    IMAGE = "image"
    NETWORK = "network"
    VOLUME = "volume"
    CONTENT = "content"
    CONTAINER = "container"
    HOOK = "hook"
    JOB = "job"


# Containers of single runs.
RUNS = frozenset({Kind.HOOK, Kind.JOB})


@dataclass(frozen=True, slots=True, order=True)
class ResourceKey:
    """One object of one application; ``name`` is the manifest's, ``replica`` counts a service's containers from 1."""

    app: AppKey
    kind: Kind
    name: str
    replica: int = 0

    def __str__(self) -> str:
        return f"{self.kind}/{self.app}/{self.name}" + (f"/{self.replica}" if self.replica else "")
