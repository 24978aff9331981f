"""What goes wrong between a client and the engine: by rule, or by chance with a seed. For the rule of an EngineProxy.

A fault falls before the engine heard of a request (``REFUSED``, ``RESET``), or after it carried the request out: then
its answer is lost, cut off in the middle, or says that something broke. Those matter most: the container is made, and
whoever asked for it does not know.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from tests.support.proxy import LOST, Spoiled, answer


class Fault(StrEnum):
    """One thing that goes wrong."""

    REFUSED = "refused"
    """The engine answers 500 and has done nothing."""
    RESET = "reset"
    """The connection ends, the engine has heard nothing."""
    LOST = "lost"
    """The engine did it; nothing comes back."""
    BROKEN = "broken"
    """The engine did it; what comes back is a 500."""
    TRUNCATED = "truncated"
    """The engine did it; its answer, or its stream of events, ends in the middle of a line."""
    DELAYED = "delayed"
    """It takes longer."""


WORDS = "something broke in the engine (injected)"
# An answer's head has some 200 bytes, so this is in the head, at its end, or in the body.
CUTS = (40, 190, 300, 700)


def spoiled(fault: Fault, random: Random) -> bytes | Spoiled:
    """That fault, as the proxy understands it."""
    match fault:
        case Fault.REFUSED:
            return answer(500, WORDS)
        case Fault.RESET:
            return Spoiled(reset=True)
        case Fault.LOST:
            return LOST
        case Fault.BROKEN:
            return Spoiled(answered=answer(500, WORDS))
        case Fault.TRUNCATED:
            return Spoiled(keep_bytes=random.choice(CUTS))
        case Fault.DELAYED:
            return Spoiled(delay_s=random.uniform(0.05, 1.0))


def kind_of(request: str) -> str:
    """A request without what differs from run to run: its version, its query, and ids and names in it."""
    method, _, address = request.partition(" ")
    path = re.sub(r"^/v[0-9.]+", "", address.partition("?")[0])
    words = [re.sub(r"[0-9a-f]{12,}", "{}", word) for word in path.split("/")]
    return f"{method} {'/'.join(words)}"


@dataclass(slots=True)
class AtCall:
    """A rule: the ``nth`` request (from 1) whose kind the pattern fits has that fault, once."""

    pattern: str
    fault: Fault
    nth: int = 1
    seed: int = 0
    seen: int = 0
    done: bool = False

    def __call__(self, request: str) -> bytes | Spoiled | None:
        """For EngineProxy.rule."""
        if self.done or not re.search(self.pattern, kind_of(request)):
            return None
        self.seen += 1
        self.done = self.seen == self.nth
        return spoiled(self.fault, Random(self.seed)) if self.done else None


@dataclass(slots=True)
class ByChance:
    """A rule: any request may have any fault. The same seed, and the same requests of each kind, the same faults.

    What is decided for the third ``POST /containers/create`` does not depend on what other threads asked meanwhile,
    nor on ``name``, which differs from run to run.
    """

    seed: str
    probability: float = 0.1
    name: str = ""
    shares: Mapping[Fault, int] = field(
        default_factory=lambda: {
            Fault.REFUSED: 2,
            Fault.RESET: 2,
            Fault.LOST: 4,
            Fault.BROKEN: 2,
            Fault.TRUNCATED: 3,
            Fault.DELAYED: 2,
        }
    )
    injected: Counter[Fault] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: str) -> bytes | Spoiled | None:
        """For EngineProxy.rule."""
        kind = kind_of(request).replace(self.name, "{}") if self.name else kind_of(request)
        with self._lock:
            self._seen[kind] += 1
            random = Random(f"{self.seed}/{kind}/{self._seen[kind]}")
            if random.random() >= self.probability:
                return None
            fault = random.choices(list(self.shares), weights=list(self.shares.values()))[0]
            self.injected[fault] += 1
            self.told.append(f"{fault}: {kind}")
        return spoiled(fault, random)
