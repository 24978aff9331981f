"""A service's ``update_config``, ``rollback_config`` and rollout settings as what the planner goes by. Pure.

Source: Compose Specification, deploy.md; swarmkit api/defaults/service.go (parallelism 1, no delay, ratio 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from trimtab.backends.engine.render.writer import SpecWriter
from trimtab.model.application import AliasFrom, Promote, Rollout, RolloutStrategy
from trimtab.model.change import Order
from trimtab.model.diagnostics import Severity
from trimtab.model.rollout import FailureAction, Traffic, UpdateRule
from trimtab.plan.drain import watched

_NS = 1_000_000_000
# A probe that is under way ends first.
_SLACK_S = 5.0
# What an address has just sent on gets this long before its container is told to stop, if nothing else is said.
UNLISTED_S = 1.0
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


def traffic(writer: SpecWriter, rollout: Rollout) -> Traffic:
    """The service's rollout settings; with ``drain``, its health check is made to look for the mark."""
    if rollout.alias is AliasFrom.WHEN_HEALTHY and writer.reader.get("ports"):
        why = "a published port would be let go with the network that is left and joined again to get the name"
        _impossible(writer, "alias: when-healthy", why, "publish it on a proxy, or leave 'alias' out")
    if rollout.alias is AliasFrom.WHEN_HEALTHY and writer.reader.text("network_mode"):
        _impossible(writer, "alias: when-healthy", "with a network_mode it has no names", "leave 'alias' out")
    if rollout.strategy is RolloutStrategy.BLUE_GREEN:
        _beside_each_other(writer)
    by_hand = rollout.promote is Promote.MANUAL
    # An address hears of it without a health check; other proxies need one.
    marked = rollout.drain_s is not None and (rollout.address is None or bool(writer.reader.mapping("healthcheck")))
    if by_hand and rollout.strategy is not RolloutStrategy.BLUE_GREEN:
        why = "containers that are replaced in groups are not promoted at one moment"
        _impossible(writer, "promote: manual", why, "add 'strategy: blue-green', or leave it out")
    return Traffic(
        drain_s=rollout.drain_s if marked else None,
        unready_s=_unready_s(writer) if marked else 0.0,
        alias_when_healthy=rollout.alias is AliasFrom.WHEN_HEALTHY,
        address=rollout.address is not None,
        unlisted_s=UNLISTED_S if rollout.drain_s is None else rollout.drain_s,
        together=rollout.strategy is RolloutStrategy.BLUE_GREEN,
        by_hand=by_hand,
    )


def _unready_s(writer: SpecWriter) -> float:
    """The longest until the engine calls it unhealthy. Source: moby defaults: interval and timeout 30 s, 3 retries."""
    reader = writer.reader
    config = writer.spec.get("Config")
    check = config.get("Healthcheck") if isinstance(config, dict) else None
    test = check.get("Test") if isinstance(check, dict) else None
    if not isinstance(check, dict) or not isinstance(test, list) or test[:1] in ([], ["NONE"]):
        why = "a proxy learns from the engine's health that a container leaves, and there is no healthcheck"
        _impossible(writer, "drain", why, "add a healthcheck, or leave 'drain' out")
        return 0.0
    check["Test"] = watched(test)
    every_s = sum((reader.duration_ns("healthcheck", part) or 30 * _NS) / _NS for part in ("interval", "timeout"))
    return every_s * (reader.integer("healthcheck", "retries") or 3) + _SLACK_S


def _beside_each_other(writer: SpecWriter) -> None:
    """Blue-green needs all of the old and all of the new at one time."""
    reader = writer.reader
    fixed = [
        str(port["published"])
        for port in reader.items("ports")
        if isinstance(port, Mapping) and str(port.get("published") or "0") != "0"
    ]
    addresses = [
        str(options["ipv4_address"])
        for options in reader.mapping("networks").values()
        if isinstance(options, Mapping) and options.get("ipv4_address")
    ]
    writes = [
        str(mount.get("source"))
        for mount in reader.items("volumes")
        if isinstance(mount, Mapping) and mount.get("type") == "volume" and mount.get("source")
        and not mount.get("read_only")
    ]  # fmt: skip
    order = reader.text("deploy", "update_config", "order")
    writes = [] if order == Order.START_FIRST.value else writes
    mode = reader.text("network_mode")
    if fixed:
        why = f"port {fixed[0]} can only be held once"
    elif addresses:
        why = f"address {addresses[0]} can only be held once"
    elif mode == "host" or mode.startswith(("service:", "container:")):
        why = f"with network_mode {mode} ports can only be held once"
    elif writes:
        why = f"volume {writes[0]} must not have two writers (deploy.update_config.order: start-first allows it)"
    elif order == Order.STOP_FIRST.value:
        why = "deploy.update_config.order says stop-first"
    else:
        return
    _impossible(writer, "strategy: blue-green", why, "put a proxy in front of it, or roll")


def _impossible(writer: SpecWriter, setting: str, why: str, hint: str) -> None:
    message = f"service {writer.reader.name!r}: rollout {setting} is not possible: {why}"
    writer.note(Severity.ERROR, "TT2134", message, "x-trimtab", "rollout", hint=hint)
