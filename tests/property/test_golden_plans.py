"""How plans read: characteristic ones, kept in tests/golden; UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.rig import Rig, Services, application, project
from trimtab.model.application import Application, Promote, Rollout, RolloutStrategy, ServiceSettings
from trimtab.model.plan import Plan
from trimtab.plan.guard import GuardInputs, guard
from trimtab.plan.render import PlanHeader, plan_document, plan_markdown, plan_text

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CHECK = {"healthcheck": {"test": ["CMD", "true"]}}
DATA = {"volumes": [{"type": "volume", "source": "data", "target": "/data"}]}
VOLUMES = {"data": {"name": "shop_data"}}
WEB = {"image": "web:1", **CHECK, "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}]}
API = {"image": "api:1", **CHECK, "mem_limit": "256m", "environment": {"PASSWORD": "swordfish", "MODE": "a"}}
DB = {"image": "db:1", **DATA}
WEB_3 = {**CHECK, "deploy": {"replicas": 3, "update_config": {"parallelism": 2, "delay": "10s", "monitor": "20s"}}}
API_3 = {**CHECK, "image": "api:1", "deploy": {"replicas": 2, "update_config": {"order": "stop-first"}}}
BLUE_GREEN = {"web": ServiceSettings(rollout=Rollout(strategy=RolloutStrategy.BLUE_GREEN))}
MANUAL = {"web": ServiceSettings(rollout=Rollout(strategy=RolloutStrategy.BLUE_GREEN, promote=Promote.MANUAL))}
SETTINGS = {"blue-green": BLUE_GREEN, "promotion-prepared": MANUAL, "promotion-waits": MANUAL}
SHOP: Services = {"web": WEB, "api": API, "db": DB}


def app(services: Services, settings: Mapping[str, ServiceSettings] = {}) -> Application:
    volumes = VOLUMES if any("volumes" in service for service in services.values()) else {}
    return application(project(services, volumes=volumes), service_settings=settings)


def live_edit(rig: Rig) -> None:
    rig.world.named("shop-api-1").spec["HostConfig"]["Memory"] = 64 << 20
    rig.world.stop(rig.world.named("shop-web-1"))
    rig.world.containers.pop(rig.world.named("shop-db-1").id)


def nothing(rig: Rig) -> None:
    """Nobody touched it."""


def stranger(rig: Rig) -> None:
    rig.world.add_container("shop-new-1")


def prepared(rig: Rig) -> None:
    """The new one stands beside the old one."""
    after = app({"web": {**CHECK, "image": "web:2"}}, MANUAL)
    assert not rig.run(rig.plan(after), after).errors


Case = tuple[Services | None, Services, Callable[[Rig], None]]
MANY = {f"s{n}": {"image": "web:1"} for n in range(8)}
CASES: dict[str, Case] = {
    "first-deployment": (None, {**SHOP, "built": {"build": {"context": "."}}}, nothing),
    "nothing-to-do": (SHOP, SHOP, nothing),
    "in-place": (SHOP, {**SHOP, "api": {**API, "mem_limit": "512m", "restart": "always"}}, nothing),
    "rolling": (SHOP, {**SHOP, "api": {**API, "image": "api:2", "environment": {"PASSWORD": "x", "MODE": "b"}}}, nothing),  # noqa: E501
    "stop-first": (SHOP, {**SHOP, "db": {**DB, "image": "db:2"}, "web": {**WEB, "image": "web:2"}}, nothing),
    "removed-service-keeps-its-volume": (SHOP, {"web": WEB, "api": API}, nothing),
    "drift": (SHOP, SHOP, live_edit),
    "scaled": ({"web": {"image": "web:1"}}, {"web": {"image": "web:1", "deploy": {"replicas": 3}}}, nothing),
    "held-prune": (MANY, {"s0": {"image": "web:1"}}, nothing),
    "groups": (
        {"web": {**WEB_3, "image": "web:1"}, "api": API_3, "one": {"image": "one:1"}},
        {"web": {**WEB_3, "image": "web:2"}, "api": {**API_3, "image": "api:2"}, "one": {"image": "one:2"}},
        nothing,
    ),
    "blue-green": ({"web": {**CHECK, "image": "web:1"}}, {"web": {**CHECK, "image": "web:2"}}, nothing),
    "promotion-prepared": (
        {"web": {**CHECK, "image": "web:1"}, "old": {"image": "old:1"}}, {"web": {**CHECK, "image": "web:2"}}, nothing
    ),
    "promotion-waits": (
        {"web": {**CHECK, "image": "web:1"}, "old": {"image": "old:1"}}, {"web": {**CHECK, "image": "web:2"}}, prepared
    ),
    "name-taken": (SHOP, {**SHOP, "new": {"image": "web:1"}}, stranger),
}  # fmt: skip


def planned(name: str) -> tuple[Rig, Application, Plan[object]]:
    before, after, meddle = CASES[name]
    settings = SETTINGS.get(name, {})
    rig = Rig()
    if before is not None:
        rig.converge(app(before, settings))
    meddle(rig)
    return rig, app(after, settings), rig.plan(app(after, settings))  # type: ignore[return-value]


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_plan_reads_as_it_did(name: str) -> None:
    rig, wanted, plan = planned(name)
    desired, observed = rig.desired(wanted), rig.world.observe(wanted.key)
    verdict = guard(plan.changes, GuardInputs(app=wanted, desired=desired, observed=observed, plan_id=plan.id))
    header = PlanHeader(
        app="shop", ref="main", revision="4f2c1a9deadbeef", subject="a *change*", author="Ada", age_s=200,
        applied_revision="9d01e77", health="Healthy",
    )  # fmt: skip
    document = json.dumps(plan_document(plan, header, verdict), indent=1, ensure_ascii=False, sort_keys=True)
    parts = [plan_text(plan, header, verdict), plan_markdown(plan, header, verdict), document]
    text = ("\n" + "=" * 80 + "\n").join(parts) + "\n"
    assert "swordfish" not in text
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "UPDATE_GOLDEN=1 writes it anew, if the new one is better"


def test_every_golden_plan_has_its_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)
