"""What the scripts ask of a Docker engine: does it answer, is an image there, pull it, build the base image.

Run by scripts/lib/engine.sh with the Python of .venv; prints one line with the reason where the answer is no.
"""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import docker
import docker.errors
import requests.exceptions

# The engine's names of the machines that busybox may come from.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64", "ppc64le": "ppc64le"}
DOCKERFILE = """\
FROM scratch
ADD rootfs.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LABEL org.opencontainers.image.description="Debian's busybox-static, built by Trimtab's scripts" \\
      dev.trimtab.scripts.base="1"
CMD ["sh"]
"""
PT_INTERP = 3


def connect(host: str | None = None, *, timeout_s: int = 10) -> docker.APIClient:
    """A client for ``host``, or for DOCKER_HOST with its TLS settings, or for the local socket."""
    if host is not None:
        return docker.APIClient(base_url=host, version="auto", timeout=timeout_s)
    from docker.utils import kwargs_from_env

    return docker.APIClient(
        version="auto",
        timeout=timeout_s,
        use_ssh_client=os.environ.get("DOCKER_HOST", "").startswith("ssh://"),
        **kwargs_from_env(),
    )


def is_static(path: Path) -> bool:
    """Whether ``path`` is an ELF program that needs no loader. Source: elf(5), program headers."""
    try:
        raw = path.read_bytes()
    except OSError:
        return False
    if raw[:4] != b"\x7fELF":
        return False
    wide, order = raw[4] == 2, "little" if raw[5] == 1 else "big"

    def number(offset: int, size: int) -> int:
        return int.from_bytes(raw[offset : offset + size], order)  # type: ignore[arg-type] # one of the two literals

    start = number(32, 8) if wide else number(28, 4)
    size, count = (number(54, 2), number(56, 2)) if wide else (number(42, 2), number(44, 2))
    return all(number(start + index * size, 4) != PT_INTERP for index in range(count))


def root_file_system(busybox: Path) -> bytes:
    """A tar of the smallest useful root: busybox, a link for each of its applets, root's passwd line, a /tmp."""
    listed = subprocess.run([busybox, "--list-full"], check=True, capture_output=True, text=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:

        def add(
            name: str, raw: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o755, link: str = ""
        ) -> None:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.size, info.linkname = kind, mode, len(raw), link
            tar.addfile(info, io.BytesIO(raw))

        for folder in ("bin", "sbin", "etc", "root", "usr", "usr/bin", "usr/sbin", "var", "var/www"):
            add(folder, kind=tarfile.DIRTYPE)
        add("tmp", kind=tarfile.DIRTYPE, mode=0o1777)
        add("bin/busybox", busybox.read_bytes())
        for applet in sorted({*listed.stdout.split(), "bin/sh"} - {"bin/busybox"}):
            add(applet, kind=tarfile.SYMTYPE, mode=0o777, link="/bin/busybox")
        add("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", mode=0o644)
        add("etc/group", b"root:x:0:\nnogroup:x:65534:\n", mode=0o644)
    return buffer.getvalue()


def build_base(api: docker.APIClient, tag: str, busybox: Path) -> str | None:
    """Build ``tag`` from a static ``busybox``; returns why it could not."""
    here, there = ARCHITECTURES.get(platform.machine(), platform.machine()), api.version()["Arch"]
    if here != there:
        return f"this machine's busybox is for {here} and the engine's machine is {there}"
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, raw in (("Dockerfile", DOCKERFILE.encode()), ("rootfs.tar", root_file_system(busybox))):
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    context.seek(0)
    for event in api.build(fileobj=context, custom_context=True, tag=tag, rm=True, forcerm=True, decode=True):
        if "error" in event:
            return str(event["error"])
    return None


def pull(api: docker.APIClient, tag: str) -> str | None:
    """Pull ``tag``; returns why it could not."""
    repository, _, version = tag.rpartition(":")
    for event in api.pull(repository, tag=version, stream=True, decode=True):
        if "error" in event:
            return str(event["error"])
    return None


def has_image(api: docker.APIClient, tag: str) -> str | None:
    """None where the engine has the image ``tag``."""
    return None if api.images(name=tag) else f"no image {tag}"


def main(verb: str, *arguments: str) -> int:
    """Carry out one question; 0 is yes."""
    if verb == "is-static":
        return 0 if is_static(Path(arguments[0])) else 1
    try:
        match verb:
            case "ping":
                connect(arguments[0] if arguments else None).ping()
                problem = None
            case "has-image":
                problem = has_image(connect(), arguments[0])
                if problem is not None:
                    return 1
            case "pull":
                problem = pull(connect(timeout_s=80), arguments[0])
            case "build-base":
                problem = build_base(connect(timeout_s=120), arguments[0], Path(arguments[1]))
            case _:
                problem = f"unknown question '{verb}'"
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        problem = str(error)
    if problem is not None:
        print(problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
