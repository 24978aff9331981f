"""Services that run once: what is rendered of them, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.rig import Rig, shop
from trimtab.model.application import Application, HookPhase, ServiceSettings
from trimtab.model.jobs import JobSettings
from trimtab.model.keys import Kind

Service = dict[str, object]


def app(settings: dict[str, ServiceSettings] | None = None, /, **services: Service) -> Application:
    made = shop({"migrate": {"image": "m:1"}, "web": {"image": "w:1"}, "report": {"image": "r:1"}, **services})
    own = {"migrate": ServiceSettings(hook=HookPhase.PRE_SYNC), **(settings or {})}
    return replace(made, service_settings=own, jobs={"nightly": JobSettings(service="report")})


def test_runs_are_no_containers_that_should_be_there() -> None:
    desired = Rig().desired(app())
    assert [resource.key.name for resource in desired.of_kind(Kind.CONTAINER)] == ["web"]
    (hook,), (job,) = desired.hooks, desired.jobs
    assert (hook.key.kind, hook.run_name("a" * 64)) == (Kind.HOOK, "shop-migrate-presync-aaaaaaaaaaaa")
    assert (job.key.kind, job.key.name, job.resource.name) == (Kind.JOB, "nightly", "shop-nightly")


def test_a_hook_is_part_of_a_release_and_a_job_is_not() -> None:
    rig = Rig()
    first = rig.desired(app()).digest
    assert rig.desired(app(report={"image": "r:2"})).digest == first
    assert rig.desired(app(migrate={"image": "m:2"})).digest != first


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"migrate": {"image": "m", "container_name": "x"}}, "TT2150"),
        ({"migrate": {"image": "m", "deploy": {"replicas": 2}}}, "TT2150"),
        ({"report": {"image": "r", "restart": "always"}}, "TT2150"),
        ({"web": {"image": "w", "depends_on": {"report": {"condition": "service_started"}}}}, "TT2151"),
        ({"web": {"image": "w", "network_mode": "service:migrate"}}, "TT2151"),
        ({"web": {"image": "w", "depends_on": {"migrate": {"condition": "service_completed_successfully"}}}}, ""),
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, Service], code: str) -> None:
    assert [d.code for d in Rig().desired(app(**changed)).diagnostics] == ([code] if code else [])


def test_a_hook_may_depend_on_what_is_over_before_it() -> None:
    needs: Service = {"image": "s", "depends_on": {"migrate": {"condition": "service_completed_successfully"}}}
    later = ServiceSettings(hook=HookPhase.POST_SYNC)
    assert Rig().desired(app({"smoke": later}, smoke=needs)).diagnostics == ()
    beside = ServiceSettings(hook=HookPhase.PRE_SYNC)
    assert [d.code for d in Rig().desired(app({"smoke": beside}, smoke=needs)).diagnostics] == ["TT2151"]
    assert Rig().desired(app({"smoke": replace(beside, wave=1)}, smoke=needs)).diagnostics == ()
