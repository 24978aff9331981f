"""Every step and every wait has a deadline; the page of them is made from the numbers that the code goes by."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

import trimtab
from tests.docs.deadlines import STEPS, WAITS, bound_of
from tests.property.test_golden_plans import CASES, planned
from trimtab.backends.engine import steps

PACKAGE = Path(trimtab.__file__).parent
# Calls that could block for ever by themselves, and what ends them.
ENDED_BY = {
    (
        "images/buildx.py",
        "process.wait()",
    ): "the watching thread kills it at the build's deadline; after a kill it ends",
    ("images/buildx.py", "watcher.join()"): "it looks at `done` ten times a second",
    ("images/buildx.py", "feeder.join()"): "the process whose pipe it fills is gone",
    ("images/stream.py", "self._thread.join()"): "it looks at `done` ten times a second",
    ("images/stream.py", "outcome.result()"): "asked of a future that is done",
    ("sources/command.py", "process.wait()"): "after its process group was killed",
    ("sources/objects.py", "self._process.wait()"): "after it was killed",
    ("sources/watch.py", "self._caller.join()"): "it was told to stop; its callback only plans a job",
    ("sources/watch.py", "self._observer.join()"): "it was told to stop",
    ("sources/watch.py", "self._changed.wait()"): "a thread that has nothing else to do; `stop` sets it",
    ("web/server.py", "leaving.wait()"): "inside of asyncio.wait_for",
    (
        "web/streams.py",
        "wake.wait()",
    ): "the first inside of asyncio.timeout; the other ends with its client's connection",
}
_BLOCKING = frozenset({"wait", "join", "result", "communicate"})
_PROGRAMS = frozenset({"run", "call", "check_call", "check_output"})


def test_every_step_of_the_engine_has_a_deadline_on_the_page() -> None:
    assert set(get_args(steps.EngineStep)) == set(STEPS), "a step without a deadline: add it to tests/docs/deadlines.py"
    assert all(seconds > 0 for _, seconds, _ in WAITS)


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_nodes_of_a_plan_have_the_deadlines_that_the_page_says(name: str) -> None:
    for node in planned(name)[2].nodes:
        assert 0 < node.timeout_s < float("inf")
        assert bound_of(type(node.step)).fits(node.timeout_s), (node.step, node.timeout_s)


def blocking_calls() -> set[tuple[str, str]]:
    found = set()
    for file in sorted(PACKAGE.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            given = {keyword.arg for keyword in call.keywords}
            bare = not call.args and not given
            of = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
            program = of == "subprocess" and call.func.attr in _PROGRAMS and "timeout" not in given
            if (call.func.attr in _BLOCKING and bare) or program:
                found.add((file.relative_to(PACKAGE).as_posix(), ast.unparse(call)))
    return found


@pytest.mark.slow
def test_no_call_blocks_without_end() -> None:
    """A new one either takes a timeout or says here what ends it."""
    assert blocking_calls() == set(ENDED_BY)
