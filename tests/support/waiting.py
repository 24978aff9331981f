"""Waiting for a condition instead of sleeping for a guess."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], *, what: str, timeout_s: float = 60.0, every_s: float = 0.1) -> T:
    """Ask ``probe`` until what it returns is true, and return that.

    An AssertionError of the probe counts as "not yet"; the last one is named when the time is over.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        last: object
        try:
            if found := probe():
                return found
            last = found
        except AssertionError as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"after {timeout_s:g} s still not: {what}; last seen: {last}")
        time.sleep(every_s)
