"""What a soak's controller and engine need from elsewhere, and what becomes of it: a registry, and Git's remote."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import docker

from tests.soak.wanted import Release
from tests.support.faulty_port import FaultyPort, PortFault, faulty_port
from tests.support.gitrepo import GitRepo, git
from tests.support.gitservers import http_git
from tests.support.own_engine import NETWORK_NAMESPACES, OwnEngine
from tests.support.pushed import Pushed
from tests.support.registry import running_registry

# Bytes of an answer that come: within its head, within Git's list of branches, within a pack or a layer.
CUTS = (60, 350, 700, 1200, 5_000, 100_000)
# The tags that move, by the end of an application's name: each has its own. What another application's pull does to a
# tag on the engine is only noticed at the next full look, which nobody waits for here.
ROLLING = ("rolling-a", "rolling-b")
# What tells two releases apart is small, and still more than one piece of a connection.
EXTRA_BYTES = 150_000


@dataclass(slots=True)
class Registry:
    """A repository of images. ``port`` is what the engine sees of it."""

    pushed: Pushed
    port: FaultyPort
    made: int = 0

    def ref(self, rest: str) -> str:
        """As a compose file has it; ``rest`` is ":tag" or "@digest"."""
        return f"127.0.0.1:{self.port.port}/{self.pushed.name}{rest}"

    def release(self, random: Random, app: str) -> Release:
        """An image that was never there before, by tag or by digest; or the tag that moves."""
        how = random.choice(["tag", "digest", "rolling"])
        if how == "rolling":
            tag = next(tag for tag in ROLLING if tag[-2:] == app[-2:])
            return Release(image=self.ref(f":{tag}"), release="", rolling=True)
        tag, digest = self.push(random)
        return Release(image=self.ref(f":{tag}" if how == "tag" else f"@{digest}"), release=tag)

    def retag(self, random: Random) -> str:
        """Move the tag that moves."""
        rolling = random.choice(ROLLING)
        release, _ = self.push(random, rolling)
        return f"{rolling} is {release} now"

    def push(self, random: Random, tag: str = "") -> tuple[str, str]:
        """An image that was never there before, under that tag or its own; its release and digest."""
        self.made += 1
        release = f"v{self.made}"
        return release, self.pushed.push(tag or release, {"RELEASE": release}, random.randbytes(EXTRA_BYTES))


@dataclass(slots=True)
class Outside:
    """Both, and the trouble they have."""

    registry: Registry
    remote: FaultyPort
    repo: GitRepo
    gone: bool = False

    @property
    def url(self) -> str:
        """Where the controller finds the repository."""
        return f"http://127.0.0.1:{self.remote.port}/{self.repo.remote.name}"

    def trouble(self, verb: str, random: Random) -> str:
        """One of both goes wrong, or comes back, until something else is said."""
        fault = random.choice(list(PortFault))
        keep = random.choice(CUTS)
        port, name = (self.registry.port, "registry") if verb == "registry" else (self.remote, "remote of Git")
        port.spoil(fault, keep)
        if fault is PortFault.NONE:
            return f"the {name} is well"
        return f"the {name}: {fault}" + (f" after {keep} bytes" if fault is PortFault.CUT else "")

    def lose_branch(self) -> str:
        """Somebody deletes the branch in the remote."""
        git(self.repo.remote, "update-ref", "-d", "refs/heads/main")
        self.gone = True
        return "the branch was deleted in the remote"

    def mend(self) -> None:
        """Everything is well again."""
        self.registry.port.mend()
        self.remote.mend()
        if self.gone:
            self.repo.push("--force")
            self.gone = False

    @property
    def spoiled(self) -> dict[str, int]:
        """How many requests went wrong, by where and how."""
        ports = {"registry": self.registry.port, "git": self.remote}
        return {f"{name} {fault}": n for name, port in ports.items() for fault, n in port.spoiled.items() if n}


@contextlib.contextmanager
def outside(api: docker.APIClient, own: OwnEngine, repo: GitRepo, folder: Path, program: str) -> Iterator[Outside]:
    """Both servers, running; ``program`` is the registry's."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_registry(program, folder / "registry"))
        pushed = Pushed.create(api, server.address, "soak")
        inside = NETWORK_NAMESPACES / own.name
        port = stack.enter_context(faulty_port(int(server.address.rpartition(":")[2]), inside=inside))
        registry = Registry(pushed, port)
        for tag in ROLLING:
            registry.push(Random(tag), tag)
        site = stack.enter_context(http_git(repo.remote.parent))
        remote = stack.enter_context(faulty_port(site.port))
        yield Outside(registry, remote, repo)
