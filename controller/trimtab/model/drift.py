"""What is done about a field that somebody changed on the engine: repaired, reported, or ignored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trimtab.model.keys import ResourceKey


class DriftMode(StrEnum):
    """REPAIR: put right. REPORT: shown, told, and left. IGNORE: not ours to look at."""

    REPAIR = "repair"
    REPORT = "report"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRule:
    """Some fields of some objects, as JSON pointers into ``docker inspect``'s shape; "" is the object as a whole."""

    kind: str
    name: str = ""
    json_pointers: tuple[str, ...] = ("",)
    mode: DriftMode = DriftMode.REPORT

    def covers(self, key: ResourceKey, name: str, path: str) -> bool:
        """Whether it is about ``path`` of that object; ``name`` is the engine's name for it."""
        return (
            self.kind.lower() == key.kind.value
            and self.name in {"", key.name, name}
            and any(path == p or path.startswith(p.rstrip("/") + "/") for p in self.json_pointers)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPolicy:
    """``mode`` for what no rule is about; of several rules the first one counts."""

    mode: DriftMode = DriftMode.REPAIR
    rules: tuple[DriftRule, ...] = ()

    def of(self, key: ResourceKey, name: str, path: str) -> DriftMode:
        """What is done about ``path`` ("" when the whole object is gone or there twice)."""
        return next((rule.mode for rule in self.rules if rule.covers(key, name, path)), self.mode)
