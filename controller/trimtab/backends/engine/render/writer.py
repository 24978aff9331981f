"""Builds one spec field by field, remembering the file and line behind each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from trimtab.manifest.compose.units import parse_duration_ns, parse_size
from trimtab.model.application import ComposeProject, Pointer
from trimtab.model.diagnostics import Diagnostic, Origin, Severity
from trimtab.plan.fielddiff import escape, unescape

_CONTAINERS = frozenset({str, tuple, list, dict})
_PLAIN = frozenset({str, int, bool, float})


@lru_cache(maxsize=1024)
def _steps(pointer: str) -> tuple[tuple[str, ...], str]:
    """The names on the way, and the last one."""
    *parents, last = [unescape(token) for token in pointer.lstrip("/").split("/")]
    return tuple(parents), last


class ServiceReader:
    """Typed access to one service of a compose model in its long form; absent values are None or empty."""

    def __init__(self, project: ComposeProject, name: str) -> None:
        self.project = project
        self.name = name
        self.service = project.services[name]

    def get(self, *path: str) -> object:
        """The value at ``path`` below the service; None when any part is absent."""
        value: object = self.service
        for part in path:
            # Most of what is asked for is absent.
            if value is None:
                return None
            # Models are dicts; asking for their type is ten times as quick as asking whether they are mappings.
            if type(value) is dict or isinstance(value, Mapping):
                value = value.get(part)
            else:
                return None
        return value

    def text(self, *path: str) -> str:
        """A scalar as text; "" when absent."""
        value = self.get(*path)
        return "" if value is None else str(value)

    def flag(self, *path: str) -> bool:
        """A boolean, given as one or as text."""
        value = self.get(*path)
        return value if isinstance(value, bool) else str(value).lower() in {"true", "1", "yes", "on"}

    def integer(self, *path: str) -> int | None:
        """A whole number, given as one or as text."""
        value = self.get(*path)
        return None if value in (None, "") else int(float(str(value)))

    def number(self, *path: str) -> float | None:
        """A number, given as one or as text."""
        value = self.get(*path)
        return None if value in (None, "") else float(str(value))

    def size_bytes(self, *path: str) -> int | None:
        """A byte size such as 64m."""
        value = self.get(*path)
        return None if value in (None, "") else parse_size(str(value))

    def duration_ns(self, *path: str) -> int | None:
        """A duration such as 1m30s, in nanoseconds."""
        value = self.get(*path)
        return None if value in (None, "") else parse_duration_ns(str(value))

    def items(self, *path: str) -> tuple[object, ...]:
        """A list; empty when absent."""
        value = self.get(*path)
        return () if value is None else tuple(value) if isinstance(value, list | tuple) else ()

    def texts(self, *path: str) -> tuple[str, ...]:
        """A list of scalars as text."""
        return tuple(map(str, self.items(*path)))

    def mapping(self, *path: str) -> Mapping[str, object]:
        """A mapping; empty when absent."""
        value = self.get(*path)
        return {} if value is None else value if type(value) is dict or isinstance(value, Mapping) else {}

    def origin(self, *path: str | int) -> Origin:
        """The place of an attribute, or of the service."""
        return self.project.origin("services", self.name, *path) or Origin(self.project.name)


class SpecWriter:
    """Collects a spec; only values that say something are written."""

    def __init__(self, reader: ServiceReader) -> None:
        self.reader = reader
        self.spec: dict[str, object] = {}
        self.origins: dict[str, Origin] = {}
        self.diagnostics: list[Diagnostic] = []

    def put(self, pointer: str, value: object, *attribute: str | int, keep_empty: bool = False) -> None:
        """Write ``value`` at a JSON pointer of the spec, said by ``attribute`` of the service; empty is left out."""
        if not keep_empty and (value is None or value is False or (not value and type(value) in _CONTAINERS)):
            return
        parents, last = _steps(pointer)
        place = self.spec
        for part in parents:
            below = place.setdefault(part, {})
            if not isinstance(below, dict):
                message = f"{pointer} goes through a value"
                raise TypeError(message)
            place = below
        place[last] = value
        self.origins[pointer] = self.reader.origin(*attribute)
        # Most values are text or numbers, of which this is quicker to ask.
        if type(value) not in _PLAIN and isinstance(value, Mapping):
            for key in value:
                place_of_key: Pointer = ("services", self.reader.name, *attribute, str(key))
                if place_of_key in self.reader.project.origins:
                    self.origins[f"{pointer}/{escape(str(key))}"] = self.reader.project.origins[place_of_key]

    def note(self, severity: Severity, code: str, message: str, *attribute: str | int, hint: str = "") -> None:
        """Report something about an attribute of the service."""
        origin = self.reader.origin(*attribute)
        self.diagnostics.append(Diagnostic(severity=severity, code=code, message=message, origin=origin, hint=hint))
