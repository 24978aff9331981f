"""What people do by hand on the engine during a soak: to what is ours, and with what is theirs."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import docker
import docker.errors

from tests.support.checks import INSTALLATION, KIND, NOTES
from tests.support.engine import BASE_IMAGE

MOST_FOREIGN = 6


def ours(api: docker.APIClient, installation: str, foreign: frozenset[str]) -> dict[str, dict[str, Any]]:
    """The containers that carry our labels and are not a stranger's, inspected, by name."""
    found = {}
    for item in api.containers(all=True, filters={"label": f"{INSTALLATION}={installation}"}):
        if item["Id"] not in foreign and (item["Labels"] or {}).get(KIND) not in NOTES:
            with contextlib.suppress(docker.errors.NotFound):
                inspected = api.inspect_container(item["Id"])
                found[inspected["Name"].lstrip("/")] = inspected
    return found


@dataclass(slots=True)
class Strangers:
    """Objects that are not ours whatever their labels say, and what they were like."""

    started: dict[str, str] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> frozenset[str]:
        """Of their containers."""
        return frozenset(self.started)

    @property
    def count(self) -> int:
        """How many objects they are."""
        return len(self.started) + len(self.networks) + len(self.volumes)

    def make(self, api: docker.APIClient, data: Path, labels: Mapping[str, str], name: str, random: Random) -> str:
        """One more, with our labels copied onto it; what it is."""
        kind = random.choice(["container", "network", "volume"])
        if kind == "container":
            host = api.create_host_config(network_mode="none", init=True)
            made = api.create_container(
                BASE_IMAGE, ["sleep", "86400"], name=name, labels=dict(labels), host_config=host
            )
            api.start(made["Id"])
            self.started[made["Id"]] = api.inspect_container(made["Id"])["State"]["StartedAt"]
        elif kind == "network":
            self.networks[api.create_network(name, labels=dict(labels))["Id"]] = name
        else:
            api.create_volume(name, labels=dict(labels))
            self.volumes[name] = write_blob(data, name, random)
        return f"a foreign {kind} {name} with our labels"

    def touched(self, api: docker.APIClient, data: Path) -> list[str]:
        """What was done to any of them."""
        wrong = []
        there = {item["Id"] for item in api.containers(all=True)}
        for handle, started in self.started.items():
            if handle not in there:
                wrong.append(f"foreign container {handle[:12]} is gone")
            elif api.inspect_container(handle)["State"]["StartedAt"] != started:
                wrong.append(f"foreign container {handle[:12]} was started")
        networks = {item["Id"] for item in api.networks()}
        wrong += [f"foreign network {name} is gone" for handle, name in self.networks.items() if handle not in networks]
        return wrong + [
            f"foreign volume {name} has changed" for name, sum_ in self.volumes.items() if blob_sum(data, name) != sum_
        ]


def write_blob(data: Path, volume: str, random: Random) -> str:
    """Some data into a volume, through the engine's data directory; its checksum."""
    content = random.randbytes(random.randint(1, 64 * 1024))
    file = data / "volumes" / volume / "_data" / "blob"
    file.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def blob_sum(data: Path, volume: str) -> str:
    """The checksum of what is in a volume; "" when nothing is."""
    file = data / "volumes" / volume / "_data" / "blob"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def meddle(api: docker.APIClient, there: Mapping[str, dict[str, Any]], random: Random) -> str:
    """Do something to one of our containers, as somebody with ``docker`` would; what it was."""
    if not there:
        return "nothing to meddle with"
    name = random.choice(sorted(there))
    handle = there[name]["Id"]
    verb = random.choice(sorted(_VERBS))
    networks = there[name]["NetworkSettings"]["Networks"]
    with contextlib.suppress(docker.errors.APIError):
        _VERBS[verb](api, handle, list(networks))
    return f"docker {verb} {name}"


def _disconnect(api: docker.APIClient, handle: str, networks: list[str]) -> None:
    for network in networks:
        api.disconnect_container_from_network(handle, network)


def _remove_networks(api: docker.APIClient, _handle: str, networks: list[str]) -> None:
    for network in networks:
        for endpoint in api.inspect_network(network)["Containers"]:
            api.disconnect_container_from_network(endpoint, network, force=True)
        api.remove_network(network)


_VERBS: Mapping[str, Callable[[docker.APIClient, str, list[str]], object]] = {
    "rm -f": lambda api, handle, _: api.remove_container(handle, force=True),
    "stop": lambda api, handle, _: api.stop(handle, timeout=0),
    "kill": lambda api, handle, _: api.kill(handle),
    "pause": lambda api, handle, _: api.pause(handle),
    "update": lambda api, handle, _: api.update_container(handle, mem_limit="48m", memswap_limit="96m"),
    "network connect": lambda api, handle, _: api.connect_container_to_network(handle, "bridge"),
    "network disconnect": _disconnect,
    "network rm": _remove_networks,
}
