"""What is kept of a build's output, and what its failure means; how many builds run at once."""

from __future__ import annotations

import threading

import pytest

from tests.support.memory_tree import MemoryTree
from trimtab.errors import BackendUnavailable, BuildFailed, Conflict, RateLimited, RegistryUnavailable
from trimtab.images.buildkey import BuildSpec, build_plan
from trimtab.images.buildlog import MAX_LINE_CHARS, TAIL_LINES, BuildLog
from trimtab.images.gate import BuildGate
from trimtab.model.diagnostics import Origin

ORIGIN = Origin("compose.yaml", 4, 3)


def spec() -> BuildSpec:
    made, _ = build_plan(MemoryTree({"Dockerfile": "FROM x\n"}), {"context": "."}, origin=ORIGIN)
    assert made is not None
    return made


def test_pieces_become_lines_and_the_end_is_kept() -> None:
    lines: list[str] = []
    log = BuildLog(lines.append)
    for number in range(40):
        log.write("li")
        log.write(f"ne {number}\n")
    log.write("no end")
    log.flush()
    assert lines == [*(f"line {number}" for number in range(40)), "no end"]
    assert log.tail == tuple(lines[-TAIL_LINES:])


def test_a_bar_shows_its_last_state_and_a_flood_is_cut() -> None:
    lines: list[str] = []
    log = BuildLog(lines.append)
    log.write("10%\r50%\r100%\r\n\n")
    log.write("x" * 1_000_000)
    assert lines == ["100%", "x" * MAX_LINE_CHARS]


def test_a_failure_names_the_instruction_and_carries_the_tail() -> None:
    log = BuildLog(lambda _line: None)
    log.instruction = "RUN false"
    log.write("why it failed")
    error = log.failure(spec(), "The command '/bin/sh -c false' returned a non-zero code: 1\n")
    assert isinstance(error, BuildFailed)
    assert error.instruction == "RUN false"
    assert error.log_tail == ("why it failed",)
    assert str(error).startswith("compose.yaml:4:3: the build of Dockerfile failed at `RUN false`: ")


@pytest.mark.parametrize(
    ("instruction", "message", "kind"),
    [
        ("FROM r/x", "Get https://r/v2/: dial tcp: i/o timeout", RegistryUnavailable),
        ("COPY --from=r/x /a /b", "dial tcp: connection refused", RegistryUnavailable),
        ("FROM r/x", "toomanyrequests: slow down", RateLimited),
        ("FROM r/x", "manifest unknown", BuildFailed),
        # A step's own trouble with the network is the Dockerfile's.
        ("RUN wget http://r/", "dial tcp: i/o timeout", BuildFailed),
    ],
)
def test_a_registry_that_is_away_is_told_from_a_wrong_name(
    instruction: str, message: str, kind: type[Exception]
) -> None:
    log = BuildLog(lambda _line: None)
    log.instruction = instruction
    assert type(log.failure(spec(), message)) is kind


@pytest.mark.parametrize(
    ("message", "answers", "kind"),
    [
        ("The command make returned a non-zero code: 137", False, BackendUnavailable),
        ("The command make returned a non-zero code: 137", True, BuildFailed),
        ('failed to solve: process "make" did not complete successfully: exit code: 143', False, BackendUnavailable),
        ("The command make returned a non-zero code: 1", False, BuildFailed),
        ("rpc error: code = Unavailable desc = error reading from server: EOF", True, BackendUnavailable),
        ("failed to solve: Unavailable: error reading from server: EOF", True, BackendUnavailable),
    ],
)  # fmt: skip
def test_an_engine_that_went_away_is_no_fault_of_the_dockerfile(
    message: str, *, answers: bool, kind: type[Exception]
) -> None:
    log = BuildLog(lambda _line: None)
    log.instruction = "RUN make"
    assert type(log.failure(spec(), message, lambda: answers)) is kind


def test_a_full_disk_is_no_fault_of_the_dockerfile() -> None:
    """Wherever it is said: in the engine's own words, or by what a RUN instruction runs."""
    log = BuildLog(lambda _line: None)
    error = log.failure(spec(), "Error processing tar file(exit status 1): write /Dockerfile: no space left on device")
    assert isinstance(error, BackendUnavailable)
    log = BuildLog(lambda _line: None)
    log.instruction = "RUN pip install everything"
    log.write("OSError: [Errno 28] No space left on device\n")
    error = log.failure(spec(), "The command '/bin/sh -c pip install everything' returned a non-zero code: 1")
    assert isinstance(error, BackendUnavailable)
    assert "RUN pip install everything" in str(error)
    assert "Errno 28" in str(error)


def test_two_builds_run_at_once_and_a_third_waits_or_is_cancelled() -> None:
    gate = BuildGate()
    never = threading.Event()
    cancelled = threading.Event()
    cancelled.set()
    with gate.slot(never), gate.slot(never), pytest.raises(Conflict), gate.slot(cancelled):
        pytest.fail("there was no place")
    with gate.slot(cancelled):
        pass
