"""A driver of the real engine for one test's scope, and specs as the renderer writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.engine import BASE_IMAGE
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.driver import EngineDriver
from trimtab.backends.engine.labels import labels_for
from trimtab.backends.engine.steps import CreateContainer, CreateNetwork, CreateVolume, Existing, StartContainer
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import Live
from trimtab.plan.canonical import digest
from trimtab.ports import StepContext

KEY = hashlib.sha256(b"a key for tests").digest()


@dataclass(frozen=True)
class Driving:
    """One application on the engine. Its name is also the installation id, so that the scope sweeps it up."""

    name: str
    client: EngineClient
    driver: EngineDriver
    app: AppKey = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "app", AppKey("default", self.name))

    def key(self, kind: Kind, name: str) -> ResourceKey:
        """A key of the application."""
        return ResourceKey(self.app, kind, name, 1 if kind is Kind.CONTAINER else 0)

    def labels(self, key: ResourceKey, name: str, spec: Mapping[str, object]) -> dict[str, str]:
        """What the planner would label it with."""
        return labels_for(key, name=name, digest=digest(spec), revision="r1", installation=self.name, seal_key=KEY)

    def container(self, service: str = "web", **parts: Any) -> CreateContainer:
        """A step that creates a container; ``parts`` are sections of its spec."""
        config = {"Image": BASE_IMAGE, "Cmd": ["sleep", "600"], **parts.pop("Config", {})}
        host = {"NetworkMode": "none", **parts.pop("HostConfig", {})}
        spec = {"Config": {k: v for k, v in config.items() if v is not None}, "HostConfig": host, **parts}
        key, name = self.key(Kind.CONTAINER, service), f"{self.name}-{service}-1"
        return CreateContainer(key=key, name=name, spec=spec, labels=self.labels(key, name, spec))

    def network(self, network: str = "front", **spec: Any) -> CreateNetwork:
        """A step that creates a network."""
        name = f"{self.name}_{network}"
        return CreateNetwork(name=name, spec=spec, labels=self.labels(self.key(Kind.NETWORK, network), name, spec))

    def volume(self, volume: str = "data", **spec: Any) -> CreateVolume:
        """A step that creates a volume."""
        name = f"{self.name}_{volume}"
        return CreateVolume(name=name, spec=spec, labels=self.labels(self.key(Kind.VOLUME, volume), name, spec))

    def do(self, step: Any, **context: Any) -> Mapping[str, str]:
        """Carry out one step."""
        return self.driver.perform(step, StepContext(**context))

    def run(self, service: str = "web", **parts: Any) -> tuple[str, CreateContainer]:
        """Create and start a container; its id and step."""
        step = self.container(service, **parts)
        container_id = self.do(step)["id"]
        self.do(StartContainer(container=Existing(container_id), name=step.name))
        return container_id, step

    def discard(self, container: str) -> None:
        """Remove a container with all that was made with it, as the driver never would."""
        self.client.call("DELETE", f"/containers/{container}", what="discard", params={"v": "1", "force": "1"})

    def live(self, kind: Kind, name: str, *, fresh: bool = False) -> Live | None:
        """The one object of that name, as observed."""
        found = self.driver.observe(self.app, fresh=fresh).live.get(self.key(kind, name), ())
        return found[0] if found else None


@contextmanager
def driving(name: str, url: str) -> Iterator[Driving]:
    """A driver for the application ``name``; closed at the end."""
    client = EngineClient(url)
    driver = EngineDriver(client, installation=name, seal_key=KEY)
    try:
        yield Driving(name, client, driver)
    finally:
        driver.close()
