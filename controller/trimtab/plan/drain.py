"""How a health check is written so that a container can be taken out of a proxy's sight before it is stopped. Pure."""

from __future__ import annotations

from collections.abc import Sequence

# A tmpfs that every container has, a read-only one too; a restart clears it.
MARKER = "/dev/shm/trimtab.draining"  # noqa: S108 - inside the container, and empty


def watched(test: Sequence[str]) -> list[str]:
    """``test``, failing while the marker is there. That needs a shell, also where the test itself needs none."""
    kind, *words = test
    if kind == "CMD-SHELL":
        return [kind, f"test ! -e {MARKER} || exit 1\n" + "\n".join(words)]
    return ["CMD", "/bin/sh", "-c", f'test ! -e {MARKER} && exec "$0" "$@"', *words]


def watches(test: object) -> bool:
    """Whether a health check looks for the marker."""
    return isinstance(test, list | tuple) and any(MARKER in str(word) for word in test)
