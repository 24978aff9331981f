# ruff: noqa: E501 - the engines' messages as they are
"""Foreign errors become ours: class, message, what to do. Messages as real engines wrote them."""

from __future__ import annotations

import docker.errors
import pytest
import requests
import urllib3.exceptions

from trimtab.backends.engine.client import path_kind
from trimtab.backends.engine.errors import Missing, PortTaken, Refused, Taken, explain, translating
from trimtab.errors import (
    BackendUnavailable,
    ConfigError,
    Conflict,
    TrimtabError,
    UnhealthyRelease,
    UnsupportedByBackend,
    UserError,
)


@pytest.mark.parametrize(
    ("status", "message", "kind", "says"),
    [
        (500, "driver failed programming external connectivity on endpoint x (ab12): Bind for 0.0.0.0:8080 failed: port is already allocated", PortTaken, "port 8080 "),
        (500, "driver failed programming external connectivity on endpoint x (ab12): Error starting userland proxy: listen tcp4 0.0.0.0:8080: bind: address already in use", PortTaken, "port 8080 "),
        (500, "failed to set up container networking: driver failed programming external connectivity on endpoint x: failed to bind host port for 0.0.0.0:8080:172.18.0.2:80/tcp: address already in use", PortTaken, "port 8080 "),
        (500, "Address already in use", Conflict, "fixed network address"),
        (404, "No such image: web:1", Missing, "image web:1 is not on the engine"),
        (404, "No such container: x", Missing, "No such container"),
        (409, 'Conflict. The container name "/web" is already in use by container "0123456789abcdef". You have to remove (or rename) that container', Taken, "its name is held by container 0123456789ab"),
        (409, "removal of container x is already in progress", Taken, "already in progress"),
        (403, "error while removing network: network x id y has active endpoints", Refused, "active endpoints"),
        (500, "write /var/lib/docker/x: no space left on device", BackendUnavailable, "x: no space left on device"),
        (400, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", UnsupportedByBackend, "more CPUs"),
        (400, 'invalid mount config for type "bind": bind source path does not exist: /nope', UserError, "/nope does not exist on the engine's host"),
        (400, 'OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "nope": executable file not found in $PATH: unknown', UnhealthyRelease, "cannot start"),
        (400, "Unknown runtime specified nope", UnsupportedByBackend, "runtime"),
        (404, "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network", BackendUnavailable, "no address range left"),
        (400, "all predefined address pools have been fully subnetted", BackendUnavailable, "no address range left"),
        (403, "Pool overlaps with other one on this address space", Conflict, "subnet is used"),
        (404, "cannot access path /var/lib/docker/volumes/v/_data/sub: lstat /var/lib/docker/volumes/v/_data/sub: no such file or directory", UserError, "/var/lib/docker/volumes/v/_data/sub is not in the volume"),
        (500, "unable to find user nobody: no matching entries in passwd file", UserError, "no user or group nobody"),
        (400, "unable to find group wheel: no matching entries in group file", UserError, "no user or group wheel"),
        (500, "--storage-opt is supported only for overlay over xfs with 'pquota' mount option", UnsupportedByBackend, "--storage-opt"),
        (500, "driver failed programming external connectivity on endpoint x (ab12): Error starting userland proxy: protocol not supported", UnsupportedByBackend, "protocol not supported"),
        (403, "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n", ConfigError, "in front of the engine forbids it"),
        (403, "Forbidden\n", ConfigError, "in front of the engine forbids it (Forbidden)"),
        (405, "Method Not Allowed", ConfigError, "in front of the engine forbids it"),
        (403, "authorization denied by plugin guard: no", ConfigError, "denied by plugin guard"),
        (500, "something new", BackendUnavailable, "something new"),
        (400, "something refused", UnsupportedByBackend, "something refused"),
    ],
)  # fmt: skip
def test_answers(status: int, message: str, kind: type[TrimtabError], says: str) -> None:
    error = explain(status, message, "start container web")
    assert type(error) is kind
    assert "start container web" in error.message
    assert says in error.message


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (requests.exceptions.ConnectionError("refused"), BackendUnavailable),
        (requests.exceptions.ReadTimeout("slow"), BackendUnavailable),
        (requests.exceptions.ChunkedEncodingError("cut"), BackendUnavailable),
        (urllib3.exceptions.ProtocolError("reset"), BackendUnavailable),
        (ConnectionResetError(104, "reset"), BackendUnavailable),
        (BrokenPipeError(32, "pipe"), BackendUnavailable),
        (TimeoutError("slow"), BackendUnavailable),
        (requests.exceptions.InvalidURL("no"), ConfigError),
        (docker.errors.TLSParameterError("no cert"), ConfigError),
        (docker.errors.DockerException("Install paramiko package to enable ssh:// support"), ConfigError),
        (Conflict("ours"), Conflict),
    ],
)
def test_nothing_foreign_escapes(raised: Exception, kind: type[TrimtabError]) -> None:
    with pytest.raises(TrimtabError) as caught, translating("look", "web"):
        raise raised
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1.41/containers/json?all=1", "/containers/json"),
        ("/v1.41/containers/abc/json", "/containers/{}/json"),
        ("/v1.41/containers/abc", "/containers/{}"),
        ("/v1.41/images/a/b:c/json", "/images/{}/json"),
        ("/v1.41/images/a/b:c", "/images/{}"),
        ("/v1.41/_ping", "/_ping"),
        ("/version", "/version"),
        ("/v1.41/volumes/create", "/volumes/create"),
        ("/v1.41/networks/n/connect", "/networks/{}/connect"),
    ],
)
def test_calls_are_counted_by_kind(path: str, kind: str) -> None:
    assert path_kind(path) == kind
