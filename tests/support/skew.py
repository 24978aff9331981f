"""The wall clock of a controller that runs, set by a test: forward, back, to the minute that a job is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Skew:
    """``environment`` goes to the controller; see tests/support/skewed/sitecustomize.py."""

    file: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """For the process whose clock it is."""
        return {"PYTHONPATH": str(Path(__file__).with_name("skewed")), "TEST_CLOCK_SKEW": str(self.file)}

    @property
    def seconds(self) -> float:
        """How far it is from the machine's."""
        return float(self.file.read_text(encoding="ascii")) if self.file.exists() else 0.0

    def set(self, seconds: float) -> None:
        """So far from the machine's clock from now on; a reader sees the old or the new, nothing in between."""
        draft = self.file.with_suffix(".new")
        draft.write_text(str(seconds), encoding="ascii")
        draft.replace(self.file)

    def set_to(self, moment: datetime) -> None:
        """It is ``moment`` now."""
        self.set((moment - datetime.now(UTC)).total_seconds())

    def now(self) -> datetime:
        """What it says."""
        return datetime.now(UTC) + timedelta(seconds=self.seconds)
