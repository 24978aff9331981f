"""What ``docker compose up`` leaves on an engine, made by calls of the API: labels and names of Compose 2.40."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.engine import BASE_IMAGE, EngineScope

PREFIX = "com.docker.compose."


@dataclass(frozen=True, slots=True)
class Composed:
    """One compose project; ``separator`` is "_" for what Compose 1 made."""

    scope: EngineScope
    project: str
    separator: str = "-"

    def network(self, name: str = "default", **options: Any) -> str:
        """A network of the project; its id."""
        labels = {PREFIX + "project": self.project, PREFIX + "network": name, PREFIX + "version": "2.40.3"}
        made = self.scope.api.create_network(
            f"{self.project}_{name}", driver="bridge", labels=labels, check_duplicate=True, **options
        )
        return str(made["Id"])

    def volume(self, name: str) -> str:
        """A volume of the project; its name."""
        labels = {PREFIX + "project": self.project, PREFIX + "volume": name, PREFIX + "version": "2.40.3"}
        return str(self.scope.api.create_volume(f"{self.project}_{name}", driver="local", labels=labels)["Name"])

    def container(
        self,
        service: str,
        number: int = 1,
        *,
        command: Sequence[str] = ("sleep", "86400"),
        network: str = "default",
        oneoff: bool = False,
        labels: Mapping[str, str] | None = None,
        host: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> str:
        """A running container of a service; its id. ``host`` are arguments of ``create_host_config``."""
        api = self.scope.api
        name = self.separator.join((self.project, service, str(number)))
        found = {
            PREFIX + "project": self.project,
            PREFIX + "service": service,
            PREFIX + "container-number": str(number),
            PREFIX + "oneoff": str(oneoff),
            PREFIX + "config-hash": "0" * 64,
            PREFIX + "project.working_dir": "/srv",
            PREFIX + "project.config_files": "/srv/compose.yaml",
            PREFIX + "image": "sha256:0",
            PREFIX + "depends_on": "",
            PREFIX + "version": "2.40.3",
            **(labels or {}),
        }
        joined = f"{self.project}_{network}"
        made = api.create_container(
            BASE_IMAGE,
            list(command),
            name=name,
            labels=found,
            host_config=api.create_host_config(**{"init": True, "network_mode": joined, **(host or {})}),
            networking_config=api.create_networking_config(
                {joined: api.create_endpoint_config(aliases=[name, service])}
            ),
            **options,
        )
        api.start(made["Id"])
        return str(made["Id"])
