"""A service's ``update_config``, ``rollback_config`` and rollout settings as what the planner goes by. Pure.

Source: Compose Specification, deploy.md; swarmkit api/defaults/service.go (parallelism 1, no delay, ratio 0).
"""

from __future__ import annotations

from fractions import Fraction

from trimtab.backends.engine.render.writer import SpecWriter
from trimtab.model.change import Order
from trimtab.model.diagnostics import Severity
from trimtab.model.rollout import FailureAction, UpdateRule

_NS = 1_000_000_000
_ACTIONS = {"update_config": ("pause", "continue", "rollback"), "rollback_config": ("pause", "continue")}


def update_rule(writer: SpecWriter, section: str) -> UpdateRule:
    """One of the two sections, with what it says wrongly as diagnostics."""
    reader = writer.reader
    path = ("deploy", section)
    parallelism = reader.integer(*path, "parallelism")
    monitor_ns = reader.duration_ns(*path, "monitor")
    return UpdateRule(
        section=section,
        parallelism=1 if parallelism is None else max(0, parallelism),
        delay_s=(reader.duration_ns(*path, "delay") or 0) / _NS,
        order=_choice(writer, section, "order", tuple(order.value for order in Order)),
        monitor_s=None if monitor_ns is None else monitor_ns / _NS,
        max_failure_ratio=_ratio(writer, section),
        failure_action=FailureAction(_choice(writer, section, "failure_action", _ACTIONS[section])),
    )


def _choice(writer: SpecWriter, section: str, attribute: str, allowed: tuple[str, ...]) -> str:
    said = writer.reader.text("deploy", section, attribute)
    if said in {"", *allowed}:
        return said
    _wrong(
        writer, section, attribute, f"'{said}' is none of {', '.join(allowed)}", f"write one of {', '.join(allowed)}"
    )
    return ""


def _ratio(writer: SpecWriter, section: str) -> Fraction:
    said = writer.reader.text("deploy", section, "max_failure_ratio")
    if not said:
        return Fraction(0)
    # From its text, so that 0.3 is three tenths and not the nearest binary number below.
    ratio = Fraction(said)
    if not 0 <= ratio <= 1:
        _wrong(writer, section, "max_failure_ratio", f"{said} is no share between 0 and 1", "0.25 lets a quarter fail")
        return Fraction(0)
    return ratio


def _wrong(writer: SpecWriter, section: str, attribute: str, what: str, hint: str) -> None:
    message = f"service {writer.reader.name!r}: deploy.{section}.{attribute}: {what}"
    writer.note(Severity.ERROR, "TT2133", message, "deploy", section, attribute, hint=hint)
