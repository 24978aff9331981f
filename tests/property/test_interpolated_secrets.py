"""A password that interpolation has put into a command, a label or an option is no more told than one in Env (I7)."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.support.rig import Rig, application, project
from trimtab.model.application import Application
from trimtab.plan.render import PlanHeader, plan_document, plan_markdown, plan_text
from trimtab.plan.secrets import secret_values

HEADER = PlanHeader(app="shop", ref="main", revision="r1")


def app(value: str) -> Application:
    """As the manifest reader gives it: replaced, and with the variables that it saw."""
    cache = {
        "image": "redis:7",
        "command": ["redis-server", "--requirepass", value],
        "healthcheck": {"test": ["CMD", "redis-cli", "-a", value, "ping"]},
        "labels": {"proxy.auth": f"ada:{value}"},
        "environment": {"OPTIONS": f"--pass={value}", "MODE": "a"},
        "logging": {"driver": "splunk", "options": {"splunk-url": f"http://x/{value}"}},
    }
    volumes = {"share": {"name": "shop_share", "driver_opts": {"o": f"username=ada,secret={value}", "type": "cifs"}}}
    cache["volumes"] = [{"type": "volume", "source": "share", "target": "/data"}]
    compose = replace(project({"cache": cache}, volumes=volumes), environment={"REDIS_PASSWORD": value})
    return application(compose)


def test_I7_a_password_in_a_command_is_in_no_text_of_a_plan() -> None:
    """I7: the field as a whole is not shown, so that what was there before is not either."""
    rig = Rig()
    rig.converge(app("canary-one-11"))
    wanted = app("canary-two-22")
    plan = rig.plan(wanted)
    assert {f.attribute for change in plan.changes for f in change.fields} >= {"command", "healthcheck.test"}
    told = [plan_text(plan, HEADER), plan_markdown(plan, HEADER), json.dumps(plan_document(plan, HEADER))]
    assert not [text for text in told if "canary" in text]
    assert "(secret" in told[0]
    assert not [d for d in plan.diagnostics if "canary" in str(d)]
    assert "canary-two-22" in secret_values(rig.desired(wanted))


def test_other_fields_of_the_same_container_are_shown() -> None:
    rig = Rig()
    rig.converge(app("postgres"))
    wanted = app("postgres")
    cache = {**wanted.compose.services["cache"], "image": "postgres:16", "mem_limit": "64m"}
    plan = rig.plan(replace(wanted, compose=replace(wanted.compose, services={"cache": cache})))
    assert "postgres:16" in plan_text(plan, HEADER)
