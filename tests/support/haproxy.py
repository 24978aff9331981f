"""An image with nothing but this machine's HAProxy and the libraries that it is linked with."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.support.engine import EngineScope

# Names on the engine's networks are asked of its name server, through the C library's own plug-in.
_RESOLVER = ("libnss_dns.so.2", "libresolv.so.2")


def haproxy(scope: EngineScope) -> str:
    """The image's name, or that of another one, which HAPROXY_IMAGE names.

    Where there is no HAProxy, the test is skipped, or fails if an engine is required.
    """
    if given := os.environ.get("HAPROXY_IMAGE"):
        return given
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        message = "haproxy is not installed (Debian and Ubuntu: apt install haproxy)"
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    linked = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    libraries = re.findall(r"(/\S+) \(0x", linked)
    beside = next(Path(library).parent for library in libraries if "libc.so" in library)
    wanted = {Path("/usr/sbin/haproxy"): Path(program), **{Path(found): Path(found) for found in libraries}}
    wanted |= {beside / name: beside / name for name in _RESOLVER}
    image = f"{scope.name}/haproxy:test"
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
            for inside, outside in sorted(wanted.items()):
                tar.add(str(outside), str(inside).lstrip("/"))
            hosts = tarfile.TarInfo("etc/nsswitch.conf")
            hosts.size = len(b"hosts: files dns\n")
            tar.addfile(hosts, io.BytesIO(b"hosts: files dns\n"))
        packed.seek(0)
        # Not root, as in the official image.
        changes = ["ENV PATH=/usr/sbin", "USER 99"]
        parameters = {"fromSrc": "-", "repo": image.partition(":")[0], "tag": "test", "changes": changes}
        url = scope.api._url("/images/create")
        scope.api._raise_for_status(scope.api.post(url, data=packed, params=parameters))  # type: ignore[no-untyped-call]
    return image
