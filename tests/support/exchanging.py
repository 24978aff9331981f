"""An engine in memory for the exchange of two controllers: containers that start, stop and are started again, one lock.

It answers ``EngineClient.call`` for what the helper asks. Any call may be the one at which something dies: before it
has its effect, or after that, so that nobody hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

from tests.support.world import Killed
from trimtab.backends.engine.errors import Missing, PortTaken
from trimtab.backends.engine.exchange import Exchange, leave, stay_stopped
from trimtab.errors import BackendUnavailable, TrimtabError, UnhealthyRelease

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAME, STAGED, HELPER = "ctl-controller-1", "ctl-controller-1.new", "trimtab_test_handover"
OLD, NEW = "a" * 64, "b" * 64
PUT_BACK = 3
DEADLINE_S, SETTLE_S = 4.0, 0.5


class Nature(StrEnum):
    """What becomes of a controller that is started."""

    WELL = "well"
    CRASHES = "crashes"
    HANGS = "hangs"
    ILL = "ill"
    NO_SUCH_PROGRAM = "no such program"
    PORT_TAKEN = "port taken"

    @property
    def starts(self) -> bool:
        """Whether the engine can start it at all."""
        return self not in {Nature.NO_SUCH_PROGRAM, Nature.PORT_TAKEN}


@dataclass(slots=True, eq=False)
class Box:
    """One container."""

    id: str
    name: str
    nature: Nature = Nature.WELL
    policy: str = "unless-stopped"
    running: bool = False
    restarting: bool = False
    exit_code: int = 0
    restarts: int = 0
    started_at: datetime = START
    labels: Mapping[str, str] = field(default_factory=dict)


class Engine:
    """``at``: what happens at which call (from 1), and whether its effect came first."""

    def __init__(self, nature: Nature, *, policy: str = "unless-stopped") -> None:
        self.boxes = {
            box.id: box
            for box in (
                Box(OLD, NAME, policy=policy, running=True),
                Box(NEW, STAGED, nature, policy=policy),
                Box(HELPER, HELPER, policy="always", running=True),
            )
        }
        self.at: dict[int, tuple[Callable[[Engine], None], bool]] = {}
        self.calls = 0
        self.clock_s = 0.0
        self.lock: tuple[str, datetime] = (OLD, START)
        self.asked: list[str] = []

    @property
    def old(self) -> Box | None:
        return self.boxes.get(OLD)

    @property
    def new(self) -> Box | None:
        return self.boxes.get(NEW)

    @property
    def helper(self) -> Box | None:
        return self.boxes.get(HELPER)

    @property
    def controllers(self) -> list[Box]:
        """Those that run."""
        return [box for box in self.boxes.values() if box.running and box.id != HELPER]

    # -- what may happen ---------------------------------------------------------------------------------------------

    def kill_helper(self) -> NoReturn:
        raise Killed

    def kill_new(self) -> None:
        self._kill(NEW)

    def kill_old(self) -> None:
        self._kill(OLD)

    def restart_engine(self) -> NoReturn:
        """Everything dies; what is to be there is started again, the old controller first."""
        up = [b for b in self.boxes.values() if b.policy == "always" or (b.running and b.policy != "no")]
        for box in self.boxes.values():
            box.running = box.restarting = False
        for box in up:
            if box.id != HELPER:
                self._run(box)
        raise Killed

    def _kill(self, ref: str) -> None:
        if (box := self.boxes.get(ref)) is not None and box.running:
            self._ended(box, 137)

    def _ended(self, box: Box, code: int) -> None:
        box.running, box.exit_code = False, code
        if box.policy in {"always", "unless-stopped"}:
            box.restarts += 1
            # The engine waits longer from time to time, and to all others it is as if it ran.
            box.restarting = box.restarts > 3
            if not box.restarting:
                self._run(box)

    def _run(self, box: Box) -> None:
        if not box.nature.starts:
            return
        box.running = True
        box.started_at = START + timedelta(seconds=self.clock_s)
        rivals = [other for other in self.controllers if other is not box and self.lock[0] == other.id]
        if box.nature is Nature.CRASHES or rivals:
            # A second controller ends by itself, with a word about the lock.
            self._ended(box, 1)
        elif box.nature is not Nature.HANGS:
            self.lock = (box.id, box.started_at)

    # -- EngineClient ------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, **more: Any) -> Any:
        self.calls += 1
        self.clock_s += 0.01
        self.asked.append(f"{method} {path}")
        event, effect_first = self.at.get(self.calls, (None, False))
        if event is not None and not effect_first:
            event(self)
        try:
            answer = self._answer(method, path, more)
        except TrimtabError:
            if event is not None and effect_first:
                event(self)
            raise
        if event is not None and effect_first:
            event(self)
        return answer

    def open(self, *_: object, **__: object) -> NoReturn:
        raise BackendUnavailable("no log is kept here")

    def _answer(self, method: str, path: str, more: Mapping[str, Any]) -> Any:
        parts = path.strip("/").split("/")
        if parts[0] == "volumes":
            return {"Labels": {"trimtab.dev/started-at": self.lock[1].isoformat(timespec="seconds")}}
        box = self.boxes.get(parts[1])
        if box is None:
            raise Missing(f"{path}: no such container")
        match (method, parts[2:]):
            case ("GET", ["json"]):
                return self._inspect(box)
            case ("POST", ["stop"]):
                box.running, box.restarting, box.exit_code = False, False, 0
            case ("POST", ["start"]):
                self._start(box)
            case ("POST", ["rename"]):
                box.name = more["params"]["name"]
            case ("POST", ["update"]):
                box.policy = more["body"]["RestartPolicy"]["Name"]
            case ("DELETE", []):
                del self.boxes[box.id]
            case _:
                raise AssertionError(f"{method} {path}")
        return None

    def _start(self, box: Box) -> None:
        if box.running or box.restarting:
            return
        if box.nature is Nature.NO_SUCH_PROGRAM:
            raise UnhealthyRelease("start: executable file not found")
        if box.nature is Nature.PORT_TAKEN:
            raise PortTaken("start: port 80 of the host is already in use")
        box.restarts = 0
        self._run(box)

    def _inspect(self, box: Box) -> dict[str, Any]:
        health = {Nature.ILL: {"Status": "unhealthy"}, Nature.HANGS: {"Status": "starting"}}.get(box.nature)
        state: dict[str, Any] = {
            "Status": "restarting" if box.restarting else "running" if box.running else "exited",
            "Running": box.running or box.restarting,
            "Restarting": box.restarting,
            "ExitCode": box.exit_code,
            "StartedAt": box.started_at.isoformat(),
        }
        if health:
            state["Health"] = health
        return {
            "Id": box.id,
            "Name": f"/{box.name}",
            "State": state,
            "RestartCount": box.restarts,
            "Config": {"Labels": dict(box.labels)},
            "HostConfig": {"RestartPolicy": {"Name": box.policy}},
        }

    # -- the helper's life -------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        self.clock_s += seconds

    def live(self, tries: int = 12) -> list[str]:
        """Start the helper, and again whenever it ends before it should; what it said."""
        said: list[str] = []
        for _ in range(tries):
            exchange = Exchange(
                self, installation="test", old=OLD, new=NEW, name=NAME, grace_s=5,  # type: ignore[arg-type]
                deadline_s=DEADLINE_S, settle_s=SETTLE_S, say=said.append, now=lambda: self.clock_s, wait=self.wait,
            )  # fmt: skip
            try:
                if exchange.run():
                    leave(self, HELPER)  # type: ignore[arg-type]
                    return said
                stay_stopped(self, HELPER)  # type: ignore[arg-type]
                self._helper_ended(PUT_BACK)
            except Killed:
                self._helper_ended(137)
            except TrimtabError as error:
                said.append(error.message)
                self._helper_ended(1)
            if self.helper is None or self.helper.policy == "no":
                return said
            self.helper.running = True
            self.helper.restarts += 1
        raise AssertionError(f"it has not come to an end: {said}")

    def _helper_ended(self, code: int) -> None:
        if self.helper is not None:
            self.helper.running, self.helper.exit_code = False, code
