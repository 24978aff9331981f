"""The same application in another order; and, as a program, the plan of one fixed edit, for comparing hash seeds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from trimtab.model.application import Application


def _shuffled(value: object, random: Random) -> object:
    if isinstance(value, Mapping):
        keys = list(value)
        random.shuffle(keys)
        return {key: _shuffled(value[key], random) for key in keys}
    return value


def shuffled(app: Application, random: Random) -> Application:
    """Every mapping of the model in another order."""
    sections = {
        name: _shuffled(getattr(app.compose, name), random)
        for name in ("services", "networks", "volumes", "configs", "secrets", "origins")
    }
    return replace(app, compose=replace(app.compose, **sections))  # type: ignore[arg-type]


def main(seed: int) -> None:
    """Print the plan of an edit that touches most kinds of change."""
    from tests.support.rig import Rig, shop
    from trimtab.plan.render import PlanHeader, plan_text

    random = Random(seed)
    services = {
        name: {
            "image": "app:1",
            "environment": {"B": "2", "A": "1", "PASSWORD": "x"},
            "labels": {"z": "1", "a": "2"},
            "networks": {"front": {"aliases": ["q", "b"]}, "back": None},
            "depends_on": {"db": {"condition": "service_started"}} if name != "db" else {},
            "cap_add": ["NET_ADMIN", "SYS_TIME"],
        }
        for name in ("web", "api", "db", "old")
    }
    networks = {"front": {"name": "shop_front"}, "back": {"name": "shop_back"}}
    rig = Rig()
    rig.converge(shuffled(shop(services, networks=networks), random))
    del services["old"]
    for name in ("web", "db"):
        services[name] = {**services[name], "image": "app:2", "mem_limit": "64m"}
    plan = rig.plan(shuffled(shop(services, networks=networks), random))
    sys.stdout.write(
        plan_text(plan, PlanHeader(app="shop")) + repr([(n.id, n.step, sorted(n.needs)) for n in plan.nodes]) + plan.id
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
