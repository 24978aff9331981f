"""What Git says during a soak: applications that change at random, and what the engine must then have."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random

from tests.support.engine import BASE_IMAGE

MOST_SERVICES, MOST_REPLICAS = 4, 3
MEBIBYTE = 1 << 20

SERVICE = """\
  {name}:
    image: {image}
    init: true
    stop_grace_period: 1s
    command: [sleep, "86400"]
    restart: "{restart}"
    mem_limit: {memory_mib}m
    environment: {{GENERATION: "{generation}"}}
    networks: [net]
    healthcheck: {{test: [CMD, "{check}"], interval: 1s, timeout: 3s, retries: 2}}
    deploy: {{replicas: {replicas}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An image, and what its containers then have as RELEASE; "" is any. ``rolling``: its tag moves."""

    image: str = BASE_IMAGE
    release: str = ""
    rolling: bool = False


@dataclass(slots=True)
class Service:
    """One service; ``volume`` is the name of its volume in the file, "" for none."""

    generation: int = 1
    replicas: int = 1
    memory_mib: int = 16
    restart: str = "no"
    volume: str = ""
    well: bool = True
    release: Release = field(default_factory=Release)

    def text(self, name: str) -> str:
        """As a compose file has it."""
        text = SERVICE.format(
            name=name,
            image=self.release.image,
            restart=self.restart,
            memory_mib=self.memory_mib,
            generation=self.generation,
            check="true" if self.well else "false",
            replicas=self.replicas,
        )
        text += "    pull_policy: always\n" if self.release.rolling else ""
        return text + (f'    volumes: ["{self.volume}:/data"]\n' if self.volume else "")


@dataclass(slots=True)
class App:
    """One application."""

    name: str
    services: dict[str, Service] = field(default_factory=dict)
    made: int = 0
    readable: bool = True

    @property
    def good(self) -> bool:
        """Whether it can be carried out, and be well then."""
        return self.readable and all(service.well for service in self.services.values())

    def text(self) -> str:
        """Its compose file."""
        if not self.readable:
            return f"name: {self.name}\nservices: {{web: {{image: 7, helthcheck: {{}}}}}}\n"
        volumes = sorted({service.volume for service in self.services.values() if service.volume})
        return (
            f"name: {self.name}\nservices:\n"
            + "".join(service.text(name) for name, service in self.services.items())
            + "networks: {net: {}}\n"
            + (f"volumes: {{{', '.join(f'{volume}: {{}}' for volume in volumes)}}}\n" if volumes else "")
        )

    def add(self, random: Random) -> str:
        """A service more; its name."""
        self.made += 1
        name = f"s{self.made}"
        volume = f"d{self.made}" if random.random() < 0.6 else ""
        replicas = 1 if volume else random.randint(1, MOST_REPLICAS)
        restart = random.choice(["no", "unless-stopped"])
        self.services[name] = Service(replicas=replicas, volume=volume, restart=restart)
        return name


@dataclass(slots=True)
class Expected:
    """One container that must be there."""

    generation: int
    memory_bytes: int
    network: str
    volume: str
    release: Release


def expected(apps: list[App]) -> dict[str, Expected]:
    """Every container that must be there, by its name, and none besides."""
    found = {}
    for app in apps:
        for name, service in app.services.items():
            for replica in range(1, service.replicas + 1):
                found[f"{app.name}-{name}-{replica}"] = Expected(
                    service.generation,
                    service.memory_mib * MEBIBYTE,
                    f"{app.name}_net",
                    f"{app.name}_{service.volume}" if service.volume else "",
                    service.release,
                )
    return found


def first(names: list[str], random: Random) -> list[App]:
    """The applications at their first commit."""
    apps = [App(name) for name in names]
    for app in apps:
        app.add(random)
        app.add(random)
    return apps


def change(
    apps: list[App], random: Random, new_release: Callable[[Random, str], Release], *, verb: str = ""
) -> tuple[list[App], str]:
    """The applications after one commit (of the kind ``verb``), and its message; never a fault on top of a fault."""
    apps = deepcopy(apps)
    app = random.choice(apps)
    name = random.choice(list(app.services))
    service = app.services[name]
    verbs = ["edit", "edit", "limit", "scale", "rename", "add", "remove", "bad", "unhealthy", "release", "release"]
    match verb or random.choice(verbs):
        case "limit":
            service.memory_mib = random.choice([8, 16, 24, 32])
            said = f"limit {name}"
        case "scale" if not service.volume:
            service.replicas = random.randint(0, MOST_REPLICAS)
            said = f"scale {name} to {service.replicas}"
        case "rename":
            app.made += 1
            app.services = {(f"s{app.made}" if key == name else key): was for key, was in app.services.items()}
            said = f"rename {name} to s{app.made}"
        case "add" if len(app.services) < MOST_SERVICES:
            said = f"add {app.add(random)}"
        case "remove" if len(app.services) > 1:
            del app.services[name]
            said = f"remove {name}"
        case "release":
            service.release = new_release(random, app.name)
            said = f"{name} runs {service.release.image.partition('/')[2]}"
        case "bad":
            app.readable = False
            said = "a manifest that cannot be read"
        case "unhealthy" if service.replicas:
            service.well = False
            service.generation += 1
            said = f"{name} never becomes healthy"
        case _:
            service.generation += 1
            said = f"edit {name}"
    return apps, f"{app.name}: {said}"
