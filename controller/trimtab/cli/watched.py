"""Which repositories the controller of this data directory watches, for commands that are told nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from trimtab.config import Config, RepositoryConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trimtab.ports import Facts

FACT = "watched-repositories"


def remember(facts: Facts, repositories: Sequence[RepositoryConfig]) -> None:
    """Written by ``trimtab run``; credential files are named, never read here."""
    names = ("url", "branch", "path", "name", "username", "credential_file", "ssh_key_file", "known_hosts_file")
    data = [{name: getattr(item, name) for name in names} for item in repositories]
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
    return tuple(RepositoryConfig(**item) for item in data if isinstance(item, dict))
