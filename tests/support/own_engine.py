"""A Docker engine of a test's own, which it may kill: a second dockerd in a network namespace of its own.

In the system's namespace two engines would fight over docker0 and the firewall's rules. Needs root.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker

from tests.support import engine, small_disk
from tests.support.waiting import eventually

NETWORK_NAMESPACES = Path("/var/run/netns")


def why_none() -> str | None:
    """None where such an engine can be started, else the reason."""
    if os.geteuid() != 0:
        return "an engine of one's own takes root"
    missing = [name for name in ("dockerd", "ip", "nsenter", "unshare") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


@dataclass(slots=True)
class OwnEngine:
    """One engine. Short paths: a unix socket's may have 107 characters."""

    name: str
    run: Path = field(init=False)
    data: Path = field(init=False)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.run = Path(tempfile.mkdtemp(prefix="tt-", dir="/run"))
        self.data = Path(tempfile.mkdtemp(prefix="trimtab-engine-", dir="/var/tmp"))
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)

    @property
    def url(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.run}/docker.sock"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # nsenter, not `ip netns exec`: that mounts /sys anew and hides the cgroups.
        inside = ["nsenter", f"--net={NETWORK_NAMESPACES / self.name}"]
        self._sweep()
        daemon = [
            "dockerd", "-H", self.url, "--data-root", str(self.data), "--exec-root", str(self.run / "exec"),
            "-p", str(self.run / "docker.pid"), "--containerd-namespace", self.name,
            "--containerd-plugins-namespace", f"{self.name}-plugins",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*inside, *daemon], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self._answers, what=f"the engine answers; its last words: {self.last_words()}")

    def _sweep(self) -> None:
        """Take away what a killed engine left: it waits in vain for a containerd that only seems to be there."""
        for pid in self._left_behind():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        containerd = self.run / "exec" / "containerd"
        names = ("containerd.pid", "containerd.sock", "containerd.sock.ttrpc", "containerd-debug.sock")
        for file in (self.run / "docker.pid", *(containerd / name for name in names)):
            file.unlink(missing_ok=True)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.last_words()
        # By hand: docker-py leaves the socket of a connect that failed to the garbage collector.
        with socket.socket(socket.AF_UNIX) as asked, contextlib.suppress(OSError):
            asked.settimeout(5)
            asked.connect(self.url.removeprefix("unix://"))
            asked.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in asked.recv(64)
        return False

    @property
    def log(self) -> Path:
        """What it says."""
        return self.run / "dockerd.log"

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-600:] if self.log.exists() else ""

    def kill9(self) -> None:
        """As a crash: its containerd and its containers' processes outlive it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """End it politely, its containers too."""
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def remove(self) -> None:
        """Leave nothing of it."""
        self.stop()
        self._sweep()
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
        places = sorted(
            {line.split()[1] for line in mounts if str(self.run) in line or str(self.data) in line}, reverse=True
        )
        for place in places:
            subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.run, ignore_errors=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False)

    def _left_behind(self) -> list[int]:
        """Processes that were started with a path of this engine: a containerd that outlived it, and its shims."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes()
                    program = words.partition(b"\0")[0].rpartition(b"/")[2]
                    if str(self.run).encode() in words and program.startswith(b"containerd"):
                        found.append(int(entry.name))
        return found


@contextlib.contextmanager
def own_engine(name: str, source: docker.APIClient, *, disk_kib: int = 0) -> Iterator[OwnEngine]:
    """An engine that runs and has the base image, which is taken from ``source``; removed at the end.

    With ``disk_kib``, all that it has is on a disk of that size.
    """
    made = OwnEngine(name)
    try:
        if disk_kib:
            small_disk.mount(made.data, disk_kib)
        made.start()
        image = io.BytesIO(b"".join(source.get_image(engine.BASE_IMAGE)))
        with contextlib.closing(engine.connect(made.url)) as api:
            api.load_image(image)
        yield made
    finally:
        sys.stdout.write(made.last_words())
        made.remove()
