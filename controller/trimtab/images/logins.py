"""The registry logins of this machine's docker configuration, as the engine takes them along with a request.

Read anew each time: logins are renewed while a controller runs, and some last for hours only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker import auth
from docker.errors import DockerException

from trimtab.errors import ConfigError


def pull_headers(repository: str) -> Mapping[str, str]:
    """The login for the registry of ``repository``; empty where there is none. Raises ConfigError."""
    registry, _ = auth.resolve_repository_name(repository)
    try:
        config: Any = auth.load_config()
        login = config.resolve_authconfig(registry)
    except DockerException as error:
        raise _unreadable(error) from error
    return {"X-Registry-Auth": _encoded(login)} if login else {}


def build_headers() -> Mapping[str, str]:
    """The logins for all registries, since base images can come from any; empty where there are none.

    Raises:
        ConfigError: the configuration, or a credential helper it names, cannot be used.
    """
    try:
        config: Any = auth.load_config()
        logins = config.get_all_credentials()
    except DockerException as error:
        raise _unreadable(error) from error
    return {"X-Registry-Config": _encoded(logins)} if logins else {}


def _encoded(logins: Mapping[str, object]) -> str:
    return auth.encode_header(dict(logins)).decode()


def _unreadable(error: DockerException) -> ConfigError:
    return ConfigError(
        f"the registry logins of this machine's docker configuration cannot be read: {error}",
        hint="look at config.json in ~/.docker (or $DOCKER_CONFIG) and at the credential helper it names",
    )
