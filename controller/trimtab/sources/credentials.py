"""Credentials on their way to Git: in files that only we can read, never in an argument, a URL or an environment."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trimtab.sources.urls import RepositoryUrl

_OWN_FILE = 0o600
_OWN_PROGRAM = 0o700
# For tokens of forges that do not look at the user name.
_ANY_USER = "git"
_YOUNG_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a remote may ask for. Without ``ssh_key_file`` the user's agent and default keys are tried.

    Without ``known_hosts_file`` a host's key is remembered at first sight; with it, unknown hosts are refused.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    ssh_key_file: Path | None = None
    ssh_config_file: Path | None = None
    known_hosts_file: Path | None = None
    ca_file: Path | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must never be shown."""
        return tuple(s for s in (self.password, self.bearer_token) if s)


def merged(url: RepositoryUrl, credential: Credential | None) -> Credential:
    """The credential given, or else the one that was written into the URL."""
    if credential is not None and (credential.username or credential.secrets or not url.username):
        return credential
    base = credential or Credential()
    if url.scheme == "ssh":
        return base
    return Credential(
        username=url.username, password=url.password, ssh_key_file=base.ssh_key_file,
        ssh_config_file=base.ssh_config_file, known_hosts_file=base.known_hosts_file, ca_file=base.ca_file,
    )  # fmt: skip


class CredentialFiles:
    """A private directory with an askpass program, a ``gitconfig`` and ssh's options for one repository."""

    def __init__(
        self, url: RepositoryUrl, credential: Credential, parent: Path, *, safe_directories: Iterable[Path] = ()
    ) -> None:
        for secret in (credential.username, *credential.secrets):
            if not secret.isprintable() and secret:
                raise ConfigError("a Git credential has control characters", hint="look for a line break in its file")
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep_dead(parent)
        self.directory = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        # Held as long as we live, by whatever end: how others tell that these files are in use.
        self._alive = os.open(self.directory / "alive", os.O_RDWR | os.O_CREAT, _OWN_FILE)
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        self.secrets = credential.secrets
        self.environment: dict[str, str] = {}
        self.uses_agent = url.scheme == "ssh" and credential.ssh_key_file is None
        _write(self.directory / "gitconfig", _gitconfig(url, credential, safe_directories), _OWN_FILE)
        if url.scheme in ("http", "https"):
            self._write_askpass(url, credential)
        elif url.scheme == "ssh":
            self.environment |= {
                "GIT_SSH_COMMAND": shlex.join(_ssh(credential, parent / "known_hosts")),
                "GIT_SSH_VARIANT": "ssh",
            }
        if credential.ca_file is not None:
            self.environment["GIT_SSL_CAINFO"] = str(credential.ca_file)

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1

    def _write_askpass(self, url: RepositoryUrl, credential: Credential) -> None:
        if not credential.username and not credential.password:
            return
        username, password = self.directory / "username", self.directory / "password"
        _write(username, credential.username or _ANY_USER, _OWN_FILE)
        _write(password, credential.password, _OWN_FILE)
        # Git asks "Username for 'https://host': " and "Password for 'https://user@host': "; no other host is answered.
        place, at_place = (shlex.quote(f"{mark}{url.authority}'") for mark in ("://", "@"))
        script = (
            "#!/bin/sh\n"
            f'case "$1" in *{place}*|*{at_place}*) ;; *) exit 1 ;; esac\n'
            f'case "$1" in Username*) exec cat {shlex.quote(str(username))} ;;'
            f" Password*) exec cat {shlex.quote(str(password))} ;; esac\n"
            "exit 1\n"
        )
        askpass = self.directory / "askpass"
        _write(askpass, script, _OWN_PROGRAM)
        self.environment["GIT_ASKPASS"] = str(askpass)


def sweep_dead(parent: Path) -> None:
    """Remove what processes that are gone left behind (a kill -9 leaves credential files)."""
    for directory in parent.glob("run-*"):
        try:
            # A directory this young may belong to a process that is just about to lock it.
            if time.time() - directory.stat().st_mtime < _YOUNG_S:
                continue
            handle = os.open(directory / "alive", os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(handle)


def _gitconfig(url: RepositoryUrl, credential: Credential, safe_directories: Iterable[Path]) -> str:
    lines = []
    if credential.bearer_token and url.scheme in ("http", "https"):
        place = f"{url.scheme}://{url.authority}/"
        lines += [
            f"[http {_quoted(place)}]",
            f"\textraHeader = {_quoted('Authorization: Bearer ' + credential.bearer_token)}",
        ]
    safe = [f"\tdirectory = {_quoted(str(directory))}" for directory in safe_directories]
    if safe:
        lines += ["[safe]", *safe]
    return "".join(f"{line}\n" for line in lines)


def _ssh(credential: Credential, remembered_hosts: Path) -> list[str]:
    options = {
        "BatchMode": "yes",
        "ClearAllForwardings": "yes",
        "ConnectTimeout": "15",
        "ControlMaster": "no",
        "ControlPath": "none",
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
        "ServerAliveInterval": "15",
    }
    if credential.known_hosts_file is not None:
        options |= {"StrictHostKeyChecking": "yes", "UserKnownHostsFile": _ssh_quoted(credential.known_hosts_file)}
        options["GlobalKnownHostsFile"] = "/dev/null"
    else:
        files = f"{_ssh_quoted(remembered_hosts)} ~/.ssh/known_hosts"
        options |= {"StrictHostKeyChecking": "accept-new", "UserKnownHostsFile": files}
    if credential.ssh_key_file is not None:
        options["IdentitiesOnly"] = "yes"
        options["IdentityAgent"] = "none"
    if credential.ssh_config_file is None:
        options["ProxyCommand"] = "none"
    command = ["ssh", "-F", str(credential.ssh_config_file or "/dev/null"), "-x", "-a", "-T"]
    if credential.ssh_key_file is not None:
        command += ["-i", str(credential.ssh_key_file)]
    for name in sorted(options):
        command += ["-o", f"{name}={options[name]}"]
    return command


def _quoted(value: str) -> str:
    """A value as git-config(5) quotes it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _ssh_quoted(path: Path) -> str:
    """A file name as ssh_config(5) takes it; it splits at spaces and expands '%'."""
    return '"' + str(path).replace("%", "%%") + '"'


def _write(path: Path, content: str, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(content)
