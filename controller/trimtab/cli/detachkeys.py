"""The keys that leave a command running: what they are called, and finding them in what is typed.

Docker's own command looks for them on this side, too: an engine that finds them ends the command (20.10).
"""

from __future__ import annotations

from trimtab.errors import UserError

DEFAULT = "ctrl-p,ctrl-q"
_CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"
_DELETE = 127


def key_bytes(text: str) -> bytes:
    r"""``ctrl-p,ctrl-q`` as what a terminal sends.

    Source: docker CLI, ``--detach-keys``: letters, ``ctrl-`` with a letter or one of ``@[\\]^_``, ``DEL``.
    Raises UserError: something else.
    """
    found = bytearray()
    for key in text.split(","):
        low = key.lower()
        if len(key) == 1 and key.isascii():
            found += key.encode("ascii")
        elif low.startswith("ctrl-") and len(low) == len("ctrl-x") and low[-1] in _CONTROL:
            found.append(_CONTROL.index(low[-1]))
        elif key == "DEL":
            found.append(_DELETE)
        else:
            raise UserError(
                f"--detach-keys: '{key}' is no key", hint="write letters and ctrl-LETTER, separated by commas"
            )
    return bytes(found)


class DetachKeys:
    """Takes what is typed, and holds back what may become the keys."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def take(self, data: bytes) -> tuple[bytes, bool]:
        """What goes on to the command, and whether the keys were typed."""
        data, self._held = self._held + data, b""
        place = data.find(self._keys)
        if place >= 0:
            return data[:place], True
        for length in range(min(len(self._keys) - 1, len(data)), 0, -1):
            if self._keys.startswith(data[-length:]):
                self._held = data[-length:]
                return data[:-length], False
        return data, False
