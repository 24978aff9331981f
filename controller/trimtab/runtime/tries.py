"""How often the same state of an application was tried in vain, and that it is left at that (``retry.limit``).

Only syncs count, not looks that Git or the engine did not allow: an outage is over when it is over. In memory: a
restart begins anew.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from trimtab.model.keys import AppKey


@dataclass(frozen=True, slots=True)
class _Tried:
    digest: str
    count: int = 0
    left_at: str = ""


class Tries:
    """One count an application, of its present desired state. Safe from any thread."""

    def __init__(self) -> None:
        self._tried: dict[AppKey, _Tried] = {}
        self._lock = threading.Lock()

    def failed(self, key: AppKey, digest: str, limit: int, reason: str) -> str:
        """A try failed; why there is no other ("" while there is), which holds until another digest or ``forget``."""
        with self._lock:
            known = self._tried.get(key)
            count = known.count + 1 if known is not None and known.digest == digest else 1
            again = f"tried {count} times" if count > 1 else "tried once"
            left_at = f"{reason}; {again} (retry.limit is {limit})" if 0 <= limit < count else ""
            self._tried[key] = _Tried(digest, count, left_at)
            return left_at

    def left_at(self, key: AppKey, digest: str) -> str:
        """Why ``digest`` is not tried any more; "" when it is."""
        with self._lock:
            known = self._tried.get(key)
            return known.left_at if known is not None and known.digest == digest else ""

    def forget(self, key: AppKey) -> None:
        """It went well, or a person asks: counting begins anew."""
        with self._lock:
            self._tried.pop(key, None)
