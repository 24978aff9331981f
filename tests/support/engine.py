"""The real Docker engine of the tests: finding it, and removing what a test made on it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
import docker.errors
import requests.exceptions

BASE_IMAGE = "busybox:1.36"
NAMELESS = re.compile(r"[0-9a-f]{64}")
RUN_LABEL = "trimtab.test/run"
INSTALLATION_LABEL = "trimtab.dev/installation"
BUILT_BY_LABEL = "trimtab.dev/built-by"
OUR_LABELS = (RUN_LABEL, INSTALLATION_LABEL, BUILT_BY_LABEL)


def engine_url() -> str:
    """Where the engine is asked for: DOCKER_HOST, or the local socket."""
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


def connect(url: str | None = None, timeout_s: int = 60) -> docker.APIClient:
    """A client of its own connection pool, TLS settings taken from the environment. The caller closes it."""
    from docker.utils import kwargs_from_env

    settings: dict[str, Any] = {**kwargs_from_env(), "base_url": url or engine_url()}
    return docker.APIClient(version="auto", timeout=timeout_s, **settings)


def why_no_engine(url: str) -> str | None:
    """None where an engine answers at ``url``, else the reason in one line."""
    try:
        with contextlib.closing(connect(url, timeout_s=10)) as api:
            api.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        return f"no Docker engine answers at {url}: {error}"
    return None


@dataclass(frozen=True, slots=True)
class EngineScope:
    """One test's corner of a shared engine: names, labels, and the sweeping up of all that carries them.

    ``name`` is unique, a DNS label, and meant for applications, prefixes and as Trimtab's installation id: whatever
    is labelled with it or named after it is removed at the end. Nothing else is ever touched.
    """

    api: docker.APIClient
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(5)}")

    @property
    def labels(self) -> Mapping[str, str]:
        """For objects that a test makes by itself."""
        return {RUN_LABEL: self.name}

    def containers(self) -> list[dict[str, Any]]:
        """Every container of this scope, stopped ones too, as the engine lists them."""
        found = self._listed(lambda filters: self.api.containers(all=True, filters=filters), "Id")
        return [item for item in found if self._is_ours(item, (name.lstrip("/") for name in item["Names"] or ()))]

    def networks(self) -> list[dict[str, Any]]:
        """Every network of this scope."""
        found = self._listed(lambda filters: self.api.networks(filters=filters), "Id")
        return [item for item in found if self._is_ours(item, [item["Name"]])]

    def volumes(self) -> list[dict[str, Any]]:
        """Every volume of this scope."""
        found = self._listed(lambda filters: self.api.volumes(filters=filters)["Volumes"] or [], "Name")
        return [item for item in found if self._is_ours(item, [item["Name"]])]

    def images(self) -> list[dict[str, Any]]:
        """Every image of this scope: labelled, or with a tag one of whose parts starts with the scope's name."""
        # A star does not match a slash.
        names = (f"{self.name}*", f"{self.name}*/*", f"*/{self.name}*", f"*/*/{self.name}*")
        tags = self.api.images(filters={"reference": list(names)})
        labelled = [
            image for label in OUR_LABELS for image in self.api.images(filters={"label": f"{label}={self.name}"})
        ]
        return list({image["Id"]: image for image in (*tags, *labelled)}.values())

    def sweep(self) -> None:
        """Remove all of it; what is gone already is fine, what cannot be removed fails the test that left it."""
        found = self.containers()
        # One that a replacement took over is no longer one without a name for the engine.
        mounted = {str(mount.get("Name") or "") for container in found for mount in container.get("Mounts") or ()}
        for container in found:
            self._remove(lambda ref: self.api.remove_container(ref, force=True, v=True), container["Id"])
        for volume in sorted(name for name in mounted if NAMELESS.fullmatch(name)):
            self._remove(self.api.remove_volume, volume)
        for network in self.networks():
            self._remove(self._remove_network, network["Id"])
        for volume in self.volumes():
            self._remove(lambda ref: self.api.remove_volume(ref, force=True), volume["Name"])
        for image in self.images():
            # An engine may list all tags of an image of which one matched; another's tag is not ours to remove.
            tags = image["RepoTags"] or [image["Id"]]
            for tag in [tag for tag in tags if self._is_ours(image, [tag])]:
                self._remove(lambda ref: self.api.remove_image(ref, force=True), tag)

    def _remove_network(self, network: str) -> None:
        for endpoint in self.api.inspect_network(network).get("Containers") or {}:
            self.api.disconnect_container_from_network(endpoint, network, force=True)
        self.api.remove_network(network)

    def _listed(
        self, listing: Callable[[dict[str, str]], Iterable[dict[str, Any]]], key: str
    ) -> Iterable[dict[str, Any]]:
        asked = [*({"label": f"{label}={self.name}"} for label in OUR_LABELS), {"name": self.name}]
        return {item[key]: item for filters in asked for item in listing(filters)}.values()

    def _is_ours(self, item: Mapping[str, Any], names: Iterable[str]) -> bool:
        labels = item.get("Labels") or {}
        labelled = self.name in {labels.get(label) for label in OUR_LABELS}
        return labelled or any(self.name in name for name in names)

    @staticmethod
    def _remove(remove: Callable[[str], object], ref: str) -> None:
        try:
            remove(ref)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            # A removal that somebody else asked for is on its way; an image can be the parent of a later one of ours;
            # a network can keep an endpoint of nobody until the engine's next start (20.10).
            text = str(error)
            known = ("already in progress", "dependent child images", "active endpoints")
            if not any(words in text for words in known):
                raise


@contextlib.contextmanager
def engine_scope(api: docker.APIClient) -> Iterator[EngineScope]:
    """A scope that is swept at the end, whatever happened."""
    scope = EngineScope(api)
    try:
        yield scope
    finally:
        scope.sweep()
