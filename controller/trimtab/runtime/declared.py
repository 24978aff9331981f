"""Which repository declared an application, and how: remembered, so that one that left Git is taken off in order."""

from __future__ import annotations

import json
from collections.abc import Mapping

from trimtab.model.application import Application
from trimtab.model.keys import AppKey
from trimtab.model.untyped import texts
from trimtab.ports import Facts

_FACT = "declared/"


class Declared:
    """What was last declared of each application. Lost with the database, and then learnt again from Git."""

    def __init__(self, facts: Facts) -> None:
        """``facts``: where it is kept."""
        self._facts = facts

    def remember(self, repository: str, app: Application) -> None:
        """``repository`` declares ``app``."""
        facts = {
            "repository": repository,
            "at": app.origin.path,
            "prune": "true" if app.sync_policy.prune else "false",
            "dependsOn": " ".join(str(needed) for needed in app.depends_on),
            "wave": str(app.wave),
        }
        self._facts.put(f"{_FACT}{app.key}", json.dumps(facts, sort_keys=True))

    def forget(self, key: AppKey) -> None:
        """It is gone from Git and from the engine."""
        self._facts.put(f"{_FACT}{key}", "")

    def by(self, key: AppKey) -> str:
        """The repository, by its id; "" when nobody is known to have declared it."""
        return self._of(key).get("repository", "")

    def at(self, key: AppKey) -> str:
        """The file."""
        return self._of(key).get("at", "")

    def prune(self, key: AppKey) -> bool:
        """Whether it is to be removed from the engine when it is removed from Git."""
        return self._of(key).get("prune") != "false"

    def left(self, key: AppKey) -> tuple[tuple[AppKey, ...], int]:
        """What it depended on, and its wave."""
        facts = self._of(key)
        needed, wave = facts.get("dependsOn", "").split(), facts.get("wave", "0")
        return tuple(AppKey.parse(name) for name in needed), int(wave) if wave.lstrip("-").isdecimal() else 0

    def _of(self, key: AppKey) -> Mapping[str, str]:
        text = self._facts.get(f"{_FACT}{key}")
        try:
            found = json.loads(text) if text else {}
        except ValueError:
            return {}
        return texts(found)
