"""What the old controller makes of the helper that it finds."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.support.exchanging import HELPER, NAME, NEW, OLD, PUT_BACK, Engine, Nature
from tests.support.memory_tree import MemoryTree
from trimtab.backends.engine.bench import Bench
from trimtab.backends.engine.handover import hand_over
from trimtab.backends.engine.items import HANDOVER
from trimtab.backends.engine.labels import DIGEST, HANDED_FROM, HANDED_TO, INSTALLATION, KIND
from trimtab.backends.engine.steps import Existing, HandOver
from trimtab.errors import Conflict, DeadlineExceeded, UnhealthyRelease
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.ports import StepContext

KEY = ResourceKey(AppKey("default", "ctl"), Kind.CONTAINER, "controller", 1)
STEP = HandOver(
    key=KEY, container=Existing(OLD), replacement=Existing(NEW), name=NAME, digest="d2", spec={}, grace_s=1,
    deadline_s=1.0,
)  # fmt: skip


@dataclass
class Cache:
    """Only what is told to it."""

    touched: list[str] = field(default_factory=list)

    def touch(self, _kind: Kind, handle: str) -> None:
        self.touched.append(handle)


@dataclass
class Old:
    """The old controller, which carries out its last step."""

    engine: Engine = field(default_factory=lambda: Engine(Nature.CRASHES))

    def helper(self, **labels: str) -> None:
        said = {INSTALLATION: "test", KIND: HANDOVER, DIGEST: "d2", HANDED_FROM: OLD, HANDED_TO: NEW}
        assert self.engine.helper is not None
        self.engine.helper.labels = {**said, **labels}

    def hands_over(self) -> None:
        bench = Bench(
            client=self.engine, cache=Cache(), installation="test", identify=lambda *_: None, listen=lambda: None  # type: ignore[arg-type]
        )  # fmt: skip
        hand_over(bench, STEP, StepContext(tree=MemoryTree({}), timeout_s=0.0))


@pytest.mark.parametrize("code", [PUT_BACK, 137])
def test_a_helper_that_has_ended_has_put_it_back(code: int) -> None:
    """Also one that was killed after it had said so."""
    old = Old()
    old.helper()
    old.engine.live()
    assert old.engine.helper is not None
    old.engine.helper.exit_code = code
    with pytest.raises(UnhealthyRelease, match="was put back"):
        old.hands_over()
    # The next one starts from nothing.
    assert (old.engine.helper, old.engine.new) == (None, None)


def test_a_helper_that_never_comes_so_far_is_given_up() -> None:
    old = Old()
    old.helper()
    assert old.engine.helper is not None
    old.engine.helper.restarts = 3
    with pytest.raises(UnhealthyRelease, match="this one goes on"):
        old.hands_over()
    assert old.engine.controllers == [old.engine.old]


def test_a_helper_at_work_is_waited_for() -> None:
    """Even if the new one that it had to start is gone: it is about to say that it put the old one back."""
    old = Old()
    old.helper(**{HANDED_TO: "c" * 64})
    with pytest.raises(DeadlineExceeded):
        old.hands_over()
    assert old.engine.helper is not None
    assert old.engine.helper.running


def test_a_container_of_that_name_that_is_not_ours_is_left_alone() -> None:
    old = Old()
    old.helper(**{INSTALLATION: "another"})
    with pytest.raises(Conflict, match=f"{HELPER} is not ours"):
        old.hands_over()
