"""Values that must not be in a file meant for Git: they become variables, and go into a file of their own. Pure."""

from __future__ import annotations

import re

from trimtab.model.sensitive import is_sensitive

_NOT_A_NAME = re.compile(r"[^A-Z0-9_]+")


class Variables:
    """The variables of one compose file; ``values`` are secret."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        # The places whose value was hidden, for people: "services.web.environment.PASSWORD".
        self.places: list[str] = []

    def text(self, place: str, name: str, value: str) -> str:
        """``value`` as the file may have it: itself, or a variable when its name or its look says that it is secret."""
        if not value or not is_sensitive(name, value):
            return value.replace("$", "$$")
        self.places.append(place)
        chosen = _NOT_A_NAME.sub("_", name.upper()).strip("_") or "VALUE"
        chosen = f"V_{chosen}" if chosen[0].isdigit() else chosen
        number, variable = 1, chosen
        while self.values.get(variable, value) != value:
            number += 1
            variable = f"{chosen}_{number}"
        self.values[variable] = value
        return f"${{{variable}:?}}"

    def env_file(self) -> str:
        """The variables as a ``.env`` file, which only its owner may read."""
        return "".join(f"{name}={_quoted(self.values[name])}\n" for name in sorted(self.values))


def _quoted(value: str) -> str:
    """In single quotes nothing has a meaning but the quote; with one of those, in double quotes with escapes."""
    if "'" not in value and "\n" not in value and "\\" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
    return f'"{escaped}"'
