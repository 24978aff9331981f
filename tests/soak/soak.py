"""Rounds of trouble, each ended by a look: do Git and the engine agree, is every byte there, is nothing touched?"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import docker
import docker.errors

from tests.soak.inside import Inside
from tests.soak.meddling import MOST_FOREIGN, Strangers, blob_sum, meddle, ours, write_blob
from tests.soak.outside import Outside, outside
from tests.soak.wanted import App, Release, change, expected, first
from tests.support import engine
from tests.support.faults import ByChance
from tests.support.gitrepo import GitRepo
from tests.support.own_engine import OwnEngine
from tests.support.proxy import EngineProxy
from tests.support.scenario import Controller
from tests.support.skew import Skew

# What a convergence may take on a busy machine; a retry waits for up to a minute or two after many failures.
PATIENCE_S = 300.0
PROBABILITIES = (0.0, 0.1, 0.2, 0.35)
VERBS = (
    *("commit",) * 4, "revert", "force-push", *("meddle",) * 3, "stranger", *("kill",) * 2, "wait",
    *("registry",) * 2, *("git",) * 2, "branch", "retag", "store", "second", "clock",
)  # fmt: skip
ENGINE_VERBS = ("engine kill", "engine restart", "cut")
WAITS_FOR_A_PERSON = ("was force-pushed", "asks to pull less often")
TOLD = {
    "kill": "kill -9 of the controller, and a new one",
    "engine kill": "kill -9 of the engine, and a new one",
    "engine restart": "the engine was restarted",
    "cut": "every connection to the engine was cut",
    "wait": "nothing",
}


@dataclass(slots=True)
class Figures:
    """What a soak has counted."""

    seed: str
    engine: str = ""
    rounds: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    outside: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    converged_s: list[float] = field(default_factory=list)
    volumes: int = 0
    strangers: int = 0
    releases: int = 0

    def text(self) -> str:
        """For people."""
        took = sorted(self.converged_s) or [0.0]
        nine_of_ten = took[min(len(took) - 1, int(len(took) * 0.9))]
        lines = [
            f"seed {self.seed}, engine {self.engine}: {self.rounds} rounds, each ended in agreement",
            f"actions: {sum(self.actions.values())} ({_counts(self.actions)})",
            f"faults: {sum(self.faults.values())} of {self.calls} engine calls ({_counts(self.faults)})",
            f"requests to the registry and to Git that went wrong: {_counts(Counter(self.outside))}",
            (
                "time to converge after the last trouble: "
                f"median {median(took):.1f} s, 9 of 10 within {nine_of_ten:.1f} s, longest {took[-1]:.1f} s"
            ),
            f"volumes checked: {self.volumes}, every byte there; foreign objects: {self.strangers}, none touched",
        ]
        return "\n".join(lines)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))


@dataclass(slots=True)
class Soak:
    """One controller on an engine of its own, behind a proxy that spoils calls."""

    seed: str
    own: OwnEngine
    repo: GitRepo
    proxy: EngineProxy
    outside: Outside
    inside: Inside
    controller: Controller
    figures: Figures
    apps: list[App]
    history: list[list[App]] = field(default_factory=list)
    sums: dict[str, str] = field(default_factory=dict)
    strangers: Strangers = field(default_factory=Strangers)
    diary: list[str] = field(default_factory=list)

    # -- what happens ------------------------------------------------------------------------------------------------

    def round(self) -> None:
        """Trouble, then its end, then the look."""
        number = self.figures.rounds
        random = Random(f"{self.seed}/{number}")
        faults = ByChance(f"{self.seed}/{number}", random.choice(PROBABILITIES), self.controller.installation)
        self.proxy.rule = faults
        self._say(f"round {number}, faults in {faults.probability:.0%} of the calls")
        for _ in range(random.randint(2, 5)):
            verb = random.choice(ENGINE_VERBS if random.random() < 0.08 else VERBS)
            self.figures.actions[verb] += 1
            self._say(self._act(verb, random))
            time.sleep(random.uniform(0.0, 2.0))
        # Long enough for a controller that was just killed to come back into the trouble.
        time.sleep(random.uniform(2.0, 6.0) if faults.probability else 0.0)
        self.proxy.rule = lambda _: None
        self.outside.mend()
        self.inside.mend()
        if not all(app.good for app in self.apps):
            self._say(self._revert("what is bad"))
        if not self.controller.running:
            raise AssertionError(self._report("the controller ended by itself"))
        self.figures.faults.update({fault.value: count for fault, count in faults.injected.items()})
        self._say(f"{faults.injected.total()} faults; waiting for agreement")
        self.figures.converged_s.append(self._converged())
        self._look_after_volumes(random)
        self.figures.rounds += 1

    def _act(self, verb: str, random: Random) -> str:
        if verb in {"meddle", "stranger"}:
            return self._by_hand(verb, random)
        if verb == "registry":
            # In time for a release that needs it.
            return f"{self.outside.trouble(verb, random)}; {self._commit(random, verb='release')}"
        if verb == "git":
            return self.outside.trouble(verb, random)
        if verb in {"store", "second", "clock"}:
            return self.inside.trouble(verb, random)
        if verb in {"commit", "force-push", "revert", "branch", "retag"}:
            return self._push(verb, random)
        self._break(verb, random)
        return TOLD[verb]

    def _push(self, verb: str, random: Random) -> str:
        match verb:
            case "branch":
                return self.outside.lose_branch()
            case "retag":
                return self.outside.registry.retag(random)
            case "revert":
                return self._revert("the last commit") if self.history else "nothing to revert"
            case _:
                return self._commit(random, force=verb == "force-push")

    def _break(self, verb: str, random: Random) -> None:
        match verb:
            case "kill":
                self.controller.kill9()
                time.sleep(random.choice([0.0, 0.0, 1.0]))
                self.controller.start()
            case "engine kill":
                self.own.kill9()
                self.own.start()
            case "engine restart":
                self.own.stop()
                self.own.start()
            case "cut":
                self.proxy.cut()

    def _by_hand(self, verb: str, random: Random) -> str:
        with contextlib.closing(engine.connect(self.own.url)) as api:
            there = ours(api, self.controller.installation, self.strangers.ids)
            if verb == "meddle" or not there or self.strangers.count >= MOST_FOREIGN:
                return meddle(api, there, random)
            model = there[random.choice(sorted(there))]
            name = f"{self.apps[0].name}-theirs-{self.strangers.count + 1}"
            return self.strangers.make(api, self.own.data, model["Config"]["Labels"], name, random)

    def _commit(self, random: Random, *, force: bool = False, verb: str = "") -> str:
        if not all(app.good for app in self.apps):
            return self._revert("what is bad")
        changed, message = change(self.apps, random, self.outside.registry.release, verb=verb)
        if force and self.history:
            # The last commit never was.
            self.apps = changed
            self.repo.write(self._files())
            self.repo.git("commit", "--quiet", "--all", "--amend", f"--message={message}")
            self.repo.push("--force")
            return f"force-push {self.repo.head()[:7]} {message}"
        self.history.append(self.apps)
        self.apps = changed
        self.repo.commit(self._files(), message)
        self.repo.push("--force")
        return f"commit {self.repo.head()[:7]} {message}"

    def _files(self) -> dict[str, str | bytes | None]:
        return {f"{app.name}/compose.yaml": app.text() for app in self.apps}

    def _revert(self, what: str) -> str:
        self.apps = self.history.pop()
        self.repo.commit(self._files(), f"take back {what}")
        self.repo.push("--force")
        return f"commit {self.repo.head()[:7]} takes back {what}"

    # -- what must then be true --------------------------------------------------------------------------------------

    def _converged(self) -> float:
        """Seconds until the engine has exactly what Git says, and the controller says so."""
        began = time.monotonic()
        took: float | None = None
        while True:
            with contextlib.closing(engine.connect(self.own.url)) as api:
                wrong = self._differences(api)
            if not wrong and took is None:
                took = time.monotonic() - began
            wrong = wrong or self._unsettled()
            self._heed(wrong)
            if not wrong and not (wrong := self._plan()):
                with contextlib.closing(engine.connect(self.own.url)) as api:
                    wrong = self._differences(api) + self.strangers.touched(api, self.own.data)
                if not wrong:
                    return took or 0.0
            if time.monotonic() - began > PATIENCE_S:
                raise AssertionError(self._report(f"after {PATIENCE_S:g} s they do not agree: {wrong}"))
            if not self.controller.running:
                raise AssertionError(self._report("the controller ended by itself"))
            time.sleep(0.2)

    def _differences(self, api: docker.APIClient) -> list[str]:
        wanted = expected(self.apps)
        there = ours(api, self.controller.installation, self.strangers.ids)
        wrong = [f"{name} is missing" for name in sorted(wanted.keys() - there.keys())]
        wrong += [f"{name} is one too many" for name in sorted(there.keys() - wanted.keys())]
        for name in sorted(wanted.keys() & there.keys()):
            want, have = wanted[name], there[name]
            facts = {
                "is running": have["State"]["Running"] and not have["State"]["Paused"],
                "is of the right generation": f"GENERATION={want.generation}" in have["Config"]["Env"],
                "has its memory limit": have["HostConfig"]["Memory"] == want.memory_bytes,
                # Networks that somebody else attached it to are theirs to detach.
                "is on its network": want.network in have["NetworkSettings"]["Networks"],
                "has its image": _has_image(api, have, want.release),
                "has its volume": [mount.get("Name", "") for mount in have["Mounts"]]
                == ([want.volume] if want.volume else []),
            }
            wrong += [f"{name}: not true that it {fact}" for fact, true in facts.items() if not true]
        return wrong

    def _unsettled(self) -> list[str]:
        wrong = []
        for app in self.apps:
            status = self.controller.status(app.name)
            found = (status.get("sync"), status.get("health"))
            if found != ("Synced", "Healthy") or str(status.get("observed_at")) < self.controller.started_at:
                wrong.append(f"{app.name} is said to be {found}: {status.get('message')}")
        return wrong

    def _heed(self, wrong: list[str]) -> None:
        """What waits for a person by design gets one: history that was rewritten, a registry that asks for patience."""
        for app in self.apps:
            said = str(self.controller.status(app.name).get("message"))
            if wrong and any(words in said for words in WAITS_FOR_A_PERSON):
                self.figures.actions["sync"] += 1
                self.controller.trimtab("sync", app.name, timeout_s=PATIENCE_S)

    def _plan(self) -> list[str]:
        said = self.controller.trimtab("plan", "--repo", self.outside.url, "-o", "json", timeout_s=PATIENCE_S)
        if said.code:
            return [f"trimtab plan says {said.text[-400:]}"]
        return [
            f"the plan of {plan['app']} is not empty" for plan in json.loads(said.out)["plans"] if not plan["empty"]
        ]

    def _look_after_volumes(self, random: Random) -> None:
        """What every volume held is still there, also in volumes that Git has dropped; new ones get something."""
        lost = [name for name, sum_ in sorted(self.sums.items()) if blob_sum(self.own.data, name) != sum_]
        if lost:
            raise AssertionError(self._report(f"volumes lost data: {lost}"))
        for app in self.apps:
            for service in app.services.values():
                name = f"{app.name}_{service.volume}"
                if service.volume and service.replicas and name not in self.sums:
                    self.sums[name] = write_blob(self.own.data, name, random)
        self.figures.volumes, self.figures.strangers = len(self.sums), self.strangers.count

    def finish(self) -> Figures:
        """What was counted."""
        self.figures.calls, self.figures.outside = len(self.proxy.requests), self.outside.spoiled
        return self.figures

    # -- telling -----------------------------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {text}"
        self.diary.append(line)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def _report(self, what: str) -> str:
        statuses = {app.name: self.controller.status(app.name).get("message") for app in self.apps}
        events = self.controller.ask("SELECT at, app, reason, message FROM events ORDER BY id DESC LIMIT 15")
        told = [f"{what}", f"seed {self.seed}, round {self.figures.rounds}", *self.diary[-20:], str(statuses)]
        return "\n".join([*told, *map(str, reversed(events)), self.controller.log[-3000:]])


def _has_image(api: docker.APIClient, have: dict[str, Any], release: Release) -> bool:
    """Whether a container has the release that it is to have; one of a tag that moves, what that is on the engine."""
    if release.rolling:
        with contextlib.suppress(docker.errors.ImageNotFound):
            return bool(have["Image"] == api.inspect_image(release.image)["Id"])
        return False
    told = [word for word in have["Config"]["Env"] if word.startswith("RELEASE=")]
    return told == ([f"RELEASE={release.release}"] if release.release else [])


@contextlib.contextmanager
def soaking(  # noqa: PLR0917 - what its caller has
    seed: str, own: OwnEngine, name: str, folder: Path, source: docker.APIClient, registry: str
) -> Iterator[Soak]:
    """A controller that runs and has carried out the first commit; all processes are ended at the end.

    ``source`` is an engine that has the base image, ``registry`` a registry's program.
    """
    random = Random(f"{seed}/first")
    apps = first([f"{name}-a", f"{name}-b"], random)
    repo = GitRepo.create(folder, {f"{app.name}/compose.yaml": app.text() for app in apps}, name=name)
    skew = Skew(folder / "skew")
    with outside(source, own, repo, folder, registry) as around, contextlib.ExitStack() as stack:
        proxy = EngineProxy(own.run / "proxy.sock", str(own.run / "docker.sock"))
        stack.callback(proxy.stop)
        environment = {"DOCKER_HOST": proxy.url, "TRIMTAB_POLL_INTERVAL": "1s", **skew.environment}
        controller = Controller(name, (around.url,), folder / "controller", environment=environment)
        inside = Inside(controller, skew)
        soak = Soak(seed, own, repo, proxy, around, inside, controller, Figures(seed), apps)
        with contextlib.closing(engine.connect(own.url)) as api:
            soak.figures.engine = api.version()["Version"]
        stack.callback(inside.end)
        controller.start()
        try:
            soak._converged()
            soak._look_after_volumes(random)
            yield soak
        finally:
            sys.stdout.write(controller.log[-5000:] if sys.exc_info()[0] else "")


def soak_for(soak: Soak, seconds: float) -> Figures:
    """Rounds until the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        soak.round()
    return soak.finish()
