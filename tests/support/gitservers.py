"""Git remotes for tests: `git http-backend` behind basic authentication, and a real sshd on a high port."""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.gitrepo import HERMETIC_GIT
from tests.support.waiting import eventually


@dataclass
class HttpGit:
    """Repositories of ``root`` over http; the fields say how it behaves, and may be changed while it runs."""

    root: Path
    port: int = 0
    user: str = ""
    password: str = ""
    redirect_to: str = ""
    stalled: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where repositories are, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    site: HttpGit
    protocol_version = "HTTP/1.0"

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _serve(self, body: bytes) -> None:
        site = self.site
        site.requests.append((self.path, self.headers.get("Authorization", "")))
        if site.stalled.is_set():
            # Until the test is over, or the client has gone.
            self.rfile.read(1)
            return
        if site.redirect_to:
            self.send_response(301)
            self.send_header("Location", site.redirect_to + self.path)
            self.end_headers()
            return
        expected = "Basic " + base64.b64encode(f"{site.user}:{site.password}".encode()).decode()
        if site.password and self.headers.get("Authorization") not in (expected, f"Bearer {site.password}"):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        self._backend(body)

    def _backend(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        environment = {
            **HERMETIC_GIT,
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.site.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": self.site.user or "anonymous",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().splitlines()]
        status = next((value for name, value in headers if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def http_git(root: Path, *, port: int = 0) -> Iterator[HttpGit]:
    """Serve the bare repositories below ``root``."""
    site = HttpGit(root)
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class SshGit:
    """An sshd that lets one key in."""

    port: int
    user: str
    key: Path
    known_hosts: Path

    def url(self, path: Path) -> str:
        """The ssh:// URL of a directory."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}{path}"


def find_sshd() -> str:
    """The server's path; "" when it is not installed."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


@contextmanager
def ssh_git(folder: Path, sshd: str) -> Iterator[SshGit]:
    """Run an sshd of our own on a free loopback port."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "ListenAddress": "127.0.0.1",
        "Port": str(port),
        "HostKey": str(folder / "host"),
        "PidFile": "none",
        "AuthorizedKeysFile": str(folder / "authorized"),
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
    }
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    arguments = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", "/dev/null", *arguments], stderr=log)
    try:

        def answers() -> bool:
            assert server.poll() is None, (folder / "log").read_text()
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        eventually(answers, what="sshd answers", timeout_s=15, every_s=0.05)
        known = folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        yield SshGit(port, pwd.getpwuid(os.getuid()).pw_name, folder / "user", known)
    finally:
        server.terminate()
        server.wait()
