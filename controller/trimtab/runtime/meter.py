"""The meter of those who do not measure: commands that run one pass, and tests."""

from __future__ import annotations


class NoMeter:
    """ports.Meter that forgets everything."""

    def count(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Nothing."""

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        """Nothing."""

    def forget(self, name: str, /, **current: str) -> None:
        """Nothing."""

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Nothing."""
