"""What a run of the benchmarks found: figures with their targets, as a table and as JSON. No test fails by them."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured thing; ``values`` in ``unit``, one a round. ``target``: the most that the median may be."""

    name: str
    unit: str
    values: tuple[float, ...]
    target: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.median <= self.target


@dataclass(slots=True)
class Figures:
    """All figures of one run, in the order in which they were found."""

    facts: dict[str, str] = field(default_factory=dict)
    found: list[Figure] = field(default_factory=list)

    def add(
        self, name: str, unit: str, values: Sequence[float] | float, *, target: float | None = None, note: str = ""
    ) -> Figure:
        """Take note of one."""
        many = tuple(values) if isinstance(values, Sequence) else (values,)
        figure = Figure(name=name, unit=unit, values=many, target=target, note=note)
        self.found.append(figure)
        return figure

    def ratio(self, name: str, ours: Sequence[float], theirs: Sequence[float], *, target: float | None = None) -> None:
        """Ours by theirs, round by round: both were measured right after one another."""
        pairs = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        self.add(name, "x", pairs, target=target)

    def table(self) -> str:
        """Markdown, as docs/reference/performance.md has it."""
        lines = ["| what | median | min .. max | n | target | met |", "|---|---|---|---|---|---|"]
        for figure in self.found:
            target = "" if figure.target is None else f"<= {_number(figure.target)} {figure.unit}"
            met = {True: "yes", False: "NO", None: ""}[figure.met]
            span = f"{_number(min(figure.values))} .. {_number(max(figure.values))}"
            note = f" ({figure.note})" if figure.note else ""
            lines.append(
                f"| {figure.name}{note} | {_number(figure.median)} {figure.unit} | {span} | {len(figure.values)}"
                f" | {target} | {met} |"
            )
        return "\n".join(lines)

    def write(self, file: Path) -> None:
        """As JSON, for comparing runs."""
        document = {
            "formatVersion": 1,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "facts": self.facts,
            "figures": [
                {
                    "name": figure.name,
                    "unit": figure.unit,
                    "median": figure.median,
                    "values": list(figure.values),
                    "target": figure.target,
                    "met": figure.met,
                    "note": figure.note,
                }
                for figure in self.found
            ],
        }
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def note_load(self, when: str) -> None:
        """How busy the machine is: figures of a busy machine are not to be compared with those of an idle one."""
        self.facts[f"load {when}"] = f"{os.getloadavg()[0]:.2f} on {os.cpu_count()} cores"


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
