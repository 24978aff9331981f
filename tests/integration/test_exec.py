"""``trimtab exec`` on a real engine: streams, exit codes, replicas, and a terminal of its own with sizes and keys."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import docker
import pytest

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.waiting import eventually

pytestmark = pytest.mark.engine

APP = """\
name: {name}
services:
  web:
    image: {image}
    init: true
    command: [sleep, "86400"]
    deploy: {{replicas: 2}}
    healthcheck: {{test: "test ! -e /tmp/ill", interval: 1s, retries: 1}}
"""
SECRET = "hunter2-hunter2"
TIMEOUT_S = 60


@dataclass(frozen=True)
class Place:
    """One application of two replicas; ``arguments`` name it to the command."""

    name: str
    place: tuple[str, ...]

    def trimtab(self, verb: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "trimtab", verb, *self.place, *arguments]

    def exec(
        self, *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, **(env or {})}
        command = self.trimtab("exec", *arguments)
        return subprocess.run(
            command, input=stdin, capture_output=True, timeout=TIMEOUT_S, check=False, env=environment
        )


@pytest.fixture(scope="module")
def place(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("exec")
    (folder / "compose.yaml").write_text(APP.format(name=module_scope.name, image=BASE_IMAGE), encoding="utf-8")
    made = Place(module_scope.name, ("--data-dir", str(folder / "data"), "--installation", module_scope.name))
    subprocess.run(made.trimtab("apply", str(folder), "--yes"), check=True, timeout=TIMEOUT_S, capture_output=True)
    return made


def test_streams_and_exit_code_are_the_commands(place: Place) -> None:
    script = 'cat; echo "$WORD $TAKEN" >&2; pwd; id -u; exit 7'
    done = place.exec(
        f"{place.name}/web", "-w", "/tmp", "-u", "1000", "-e", f"WORD={SECRET}", "-e", "TAKEN",
        "--", "sh", "-c", script, stdin=b"\x00\xffbytes\n", env={"TAKEN": "from here"},
    )  # fmt: skip
    assert done.stdout == b"\x00\xffbytes\n/tmp\n1000\n"
    assert done.stderr == f"{SECRET} from here\n".encode()
    assert done.returncode == 7


def test_options_of_the_command_are_its_own(place: Place) -> None:
    done = place.exec(place.name, "head", "-c", "3", stdin=b"12345")
    assert (done.stdout, done.returncode) == (b"123", 0)


def test_the_first_healthy_replica_or_the_one_that_is_asked_for(place: Place, docker_api: docker.APIClient) -> None:
    ids = [docker_api.inspect_container(f"{place.name}-web-{number}")["Id"][:12].encode() for number in (1, 2)]
    first = f"{place.name}-web-1"

    def is_ill() -> bool:
        return bool(docker_api.inspect_container(first)["State"]["Health"]["Status"] == "unhealthy")

    assert place.exec(place.name, "--index", "1", "--", "sh", "-c", "touch /tmp/ill; hostname").stdout.split() == [
        ids[0]
    ]
    eventually(is_ill, what="the first is unhealthy")
    assert place.exec(place.name, "hostname").stdout.split() == [ids[1]]
    missing = place.exec(place.name, "--index", "3", "--", "hostname")
    assert missing.returncode == 1
    assert b"has no replica 3" in missing.stderr


def test_a_secret_is_in_no_error(place: Place) -> None:
    done = place.exec(f"{place.name}/web", "-e", f"WORD={SECRET}", "-w", "/no/such/place", "--", "true")
    assert done.returncode not in {0, 1}
    assert SECRET.encode() not in done.stderr + done.stdout


@dataclass
class Terminal:
    """A program on a terminal of its own: typed to, read from, made larger."""

    argv: list[str]
    seen: bytes = b""
    number: int = -1
    slave: int = -1
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.number, self.slave = pty.openpty()
        self.resize(30, 100)
        # setsid: a session of its own, whose terminal this is, so that a new size is told by a signal.
        argv = ["setsid", "--ctty", *self.argv]
        self.process = subprocess.Popen(argv, stdin=self.slave, stdout=self.slave, stderr=self.slave)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.number, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.number, keys)

    def reads(self, words: bytes) -> bytes:
        """Wait for ``words``; what came before them."""
        until = time.monotonic() + TIMEOUT_S
        while words not in self.seen:
            assert time.monotonic() < until, f"{words!r} does not come: {self.seen!r}"
            ready, _, _ = select.select([self.number], [], [], 0.2)
            if ready:
                self.seen += os.read(self.number, 4096)
        before, _, self.seen = self.seen.partition(words)
        return before

    def modes(self) -> int:
        """The local modes: of a terminal that echoes and has lines, or of a raw one."""
        return int(termios.tcgetattr(self.slave)[3])

    def end(self) -> int:
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.number)
        os.close(self.slave)


@pytest.fixture
def shell(place: Place) -> Iterator[Terminal]:
    made = Terminal(place.trimtab("exec", place.name, "sh"))
    yield made
    made.close()


def test_a_shell_on_a_terminal_has_its_size_and_its_keys(shell: Terminal) -> None:
    before = shell.modes()
    shell.reads(b"# ")
    assert not shell.modes() & termios.ECHO

    def has(size: bytes) -> bool:
        shell.type(b"stty size; echo size-$((1+1))\n")
        shell.seen = b""
        shell.reads(b"stty size; echo size-$((1+1))\r\n")
        return size in shell.reads(b"size-2")

    eventually(lambda: has(b"30 100"), what="the size of our terminal")
    shell.resize(41, 123)
    eventually(lambda: has(b"41 123"), what="the new size")
    # Ctrl-C is the shell's, and ends nothing here.
    shell.type(b"echo begun-$((1+1)); sleep 1000\n")
    shell.reads(b"begun-2")
    shell.type(b"\x03")
    shell.reads(b"# ")
    shell.type(b"exit 5\n")
    assert shell.end() == 5
    assert shell.modes() == before


def test_detach_keys_leave_the_command_running(shell: Terminal, place: Place) -> None:
    before = shell.modes()
    shell.reads(b"# ")
    shell.type(b"echo begun-$((1+1)); sleep 4321\n")
    shell.reads(b"begun-2")
    shell.type(b"\x10")
    shell.type(b"\x11")
    shell.reads(b"detached; the command goes on")
    assert shell.end() == 0
    assert shell.modes() == before
    assert b"sleep 4321" in place.exec(place.name, "ps").stdout


def test_a_terminal_is_put_back_after_a_signal(shell: Terminal) -> None:
    before = shell.modes()
    shell.reads(b"# ")
    shell.process.terminate()
    assert shell.end() == 128 + 15
    assert shell.modes() == before
