"""The secrets of a desired state, for whoever has to mask them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trimtab.model.desired import DesiredState, Secret


def secret_values(desired: DesiredState) -> tuple[str, ...]:
    """Every sensitive value that its containers get: of environments, of secrets' own content, and of variables."""
    found = {value for key in sorted(desired.resources) for value in _within(desired.resources[key].spec)}
    found |= {value for key in sorted(desired.resources) for value in desired.resources[key].hides}
    for files in desired.contents.values():
        found |= {file.data.decode("utf-8", "replace").strip() for file in files if file.secret and file.data}
    return tuple(sorted(value for value in found if value))


def _within(value: object) -> Iterator[str]:
    match value:
        case Secret():
            yield value.reveal()
        case Mapping():
            for item in value.values():
                yield from _within(item)
        case list() | tuple():
            for item in value:
                yield from _within(item)
        case _:
            return
