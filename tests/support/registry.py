"""A real image registry on a free port of this machine: Debian's docker-registry, unpacked and not installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

USER = "ada"
PASSWORD = "open sesame"
# Made with bcrypt at its lowest cost: it guards nothing but this test.
HTPASSWD = f"{USER}:$2b$04$KmHBG2zBq/fEXWyfAw/ofe9NIQDezMN9gYM7yp.eIbDIV/WemA8XS\n"


class NoRegistryError(Exception):
    """There is no docker-registry, and it cannot be had from Debian."""


@dataclass(frozen=True, slots=True)
class Registry:
    """``address`` is host:port, as image references want it."""

    address: str


def registry_program(folder: Path) -> str:
    """The docker-registry program: the installed one, else Debian's, unpacked in ``folder``. Raises NoRegistryError."""
    if installed := shutil.which("docker-registry"):
        return installed
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "usr/bin/docker-registry"
    attempts = [["apt-get", "download", "docker-registry"]]
    if os.geteuid() == 0:
        attempts += [["apt-get", "update", "-qq"], ["apt-get", "download", "docker-registry"]]
    try:
        for command in attempts:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
            if packages := sorted(folder.glob("docker-registry_*.deb")):
                subprocess.run(["dpkg-deb", "-x", str(packages[0]), str(folder)], check=True, timeout=60)
                return str(program)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoRegistryError(f"docker-registry cannot be had: {error}") from error
    raise NoRegistryError(f"docker-registry cannot be had: {done.stderr.strip() or done.stdout.strip()}")


@contextlib.contextmanager
def running_registry(program: str, folder: Path, *, login: bool = False) -> Iterator[Registry]:
    """A registry that answers; with ``login``, to USER with PASSWORD only. Ended afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{_free_port()}"
    config = (
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}\nhttp: {{addr: '{address}'}}\n"
    )
    if login:
        (folder / "htpasswd").write_text(HTPASSWD)
        config += f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}\n"
    (folder / "config.yml").write_text(config)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        _wait_until_it_answers(address, process, folder / "log")
        yield Registry(address)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://{address}/v2/", timeout=5):
                return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the registry does not answer: {log.read_text()[-2000:]}")
