"""Which repositories the controller of this data directory watches, for commands that are told nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from trimtab.config import Config, RepositoryConfig
from trimtab.model.untyped import mapping, members

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trimtab.ports import Facts

FACT = "watched-repositories"
_NAMES = ("url", "branch", "path", "name", "username", "credential_file", "ssh_key_file", "known_hosts_file")


def remember(facts: Facts, repositories: Sequence[RepositoryConfig]) -> None:
    """Written by ``trimtab run``; credential files are named, never read here."""
    data = [{name: getattr(item, name) for name in _NAMES} for item in repositories]
    facts.put(FACT, json.dumps(data, sort_keys=True))


def watched_repositories(config: Config) -> tuple[RepositoryConfig, ...]:
    """The configured ones, else those of the last ``trimtab run``."""
    if config.repositories:
        return config.repositories
    from trimtab import wiring

    store = wiring.open_store(config)
    try:
        text = store.facts.get(FACT)
    finally:
        store.close()
    try:
        data = json.loads(text) if text else []
    except ValueError:
        return ()
    # Another version may have written less, or more.
    return tuple(_repository(item) for item in map(mapping, members(data)) if item.get("url"))


def _repository(item: Mapping[str, object]) -> RepositoryConfig:
    said = {name: str(item.get(name, "")) for name in _NAMES}
    return RepositoryConfig(
        url=said["url"],
        branch=said["branch"],
        path=said["path"],
        name=said["name"],
        username=said["username"],
        credential_file=said["credential_file"],
        ssh_key_file=said["ssh_key_file"],
        known_hosts_file=said["known_hosts_file"],
    )
