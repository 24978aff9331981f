"""Order and safety of change: a plan is refused as a whole, work waits for its window, a suspension ends by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.checks import look, recorded
from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.noimages import empty_registry
from tests.support.scenario import PATIENCE_S, Controller, Shop, free_port, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]


@pytest.fixture(scope="module")
def running_shop(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop without a published port, so that it is replaced without stopping first."""
    made = Shop.create(module_scope, tmp_path_factory.mktemp("shop"))
    with running(made.controller):
        yield made


@pytest.fixture
def shop(running_shop: Shop) -> Shop:
    return running_shop.is_at_its_first_version()


@pytest.fixture(scope="module")
def registry(engine_url: str) -> Iterator[str]:
    if not engine_url.startswith("unix://"):
        pytest.skip("the registry is on this machine")
    with empty_registry() as address:
        yield address


def service(image: str) -> str:
    return f"{{image: '{image}', init: true, command: [sleep, '600'], stop_grace_period: 1s, networks: [front]}}"


# -- preflight -------------------------------------------------------------------------------------------------------


def test_one_bad_image_and_a_taken_port_refuse_the_whole_plan_and_change_nothing(shop: Shop, registry: str) -> None:
    """Three changes, of which one could be carried out: none is, and both problems are told at once, with places."""
    port = free_port()
    foreign = shop.scope.api.create_container(
        BASE_IMAGE,
        ["sleep", "600"],
        name=f"{shop.scope.name}-foreign",
        labels=shop.scope.labels,
        ports=[80],
        host_config=shop.scope.api.create_host_config(port_bindings={80: ("127.0.0.1", port)}),
    )
    shop.scope.api.start(foreign["Id"])
    before = look(shop.scope)
    more = (
        f"  good: {service(BASE_IMAGE)}\n"
        f"  bad: {service(f'{registry}/none:1')}\n"
        f"  busy: {service(BASE_IMAGE)[:-1]}, ports: ['127.0.0.1:{port}:80']}}\n"
    )
    with recorded(shop.scope) as happened:
        shop.push(shop.edit("networks: {front: {}}", f"{more}networks: {{front: {{}}}}"), "three more")
        message = shop.eventually_says("none:1", "does not exist", f"port {port}/tcp", f"{shop.scope.name}-foreign")
    assert happened.sentences == []
    assert look(shop.scope) == before
    assert message.count("compose.yaml:") == 2

    said = shop.controller.trimtab("plan", "--repo", str(shop.repo.remote), "--branch", "main")
    assert "TT4202" in said.out, said.text
    assert "TT3013" in said.out, said.text
    assert "Refused: nothing will be changed." in said.out

    # What stood in the way is taken away: by hand, and by a commit. The rest goes on by itself.
    shop.scope.api.remove_container(foreign["Id"], force=True)
    shop.push(shop.edit(f"{registry}/none:1", BASE_IMAGE), "an image that is there")
    shop.eventually_settled()
    assert {f"{shop.name}-{name}-1" for name in ("good", "bad", "busy")} < set(shop.containers())


# -- windows ---------------------------------------------------------------------------------------------------------


def denied_for(seconds: float) -> tuple[str, datetime]:
    """A deny window that is open, and ends in about ``seconds``; and when exactly."""
    now = datetime.now(UTC)
    opened = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    ends = (now + timedelta(seconds=seconds)).replace(microsecond=0)
    duration = int((ends - opened).total_seconds())
    schedule = f"{opened.minute} {opened.hour} * * *"
    return f"{{kind: deny, schedule: '{schedule}', duration: {duration}s, description: freeze}}", ends


def test_a_commit_waits_for_the_end_of_a_deny_window_and_then_deploys_by_itself(shop: Shop) -> None:
    window, ends = denied_for(15)
    before = look(shop.scope)
    settings = f"x-trimtab: {{syncPolicy: {{windows: [{window}]}}}}\n"
    with recorded(shop.scope) as happened:
        shop.push(
            shop.edit("volumes: {data: {}}\n", f"volumes: {{data: {{}}}}\n{settings}") | page("after the freeze"), "x"
        )
        # As an event, since on a busy machine the status may have gone on.
        shop.eventually_tells("Held", "waits for the deny window that ends")
        said = shop.controller.trimtab("sync", shop.name)
        in_time = datetime.now(UTC) < ends
    if in_time:
        assert said.code != 0, said.text
        assert "deny window" in said.text
        assert happened.sentences == []
        assert look(shop.scope) == before
    shop.eventually_settled()
    assert born(shop, "web") >= ends


def test_apply_outside_of_a_window_says_when_it_opens_and_exits_with_3(scope: EngineScope, tmp_path: Path) -> None:
    opens = datetime.now(UTC) + timedelta(days=3)
    window = f"{{kind: allow, schedule: '0 {opens.hour} {opens.day} {opens.month} *', duration: 1h, timeZone: UTC}}"
    (tmp_path / "compose.yaml").write_text(
        f"name: {scope.name}\nservices: {{web: {{image: '{BASE_IMAGE}'}}}}\n"
        f"x-trimtab: {{syncPolicy: {{windows: [{window}]}}}}\n",
        encoding="utf-8",
    )
    controller = Controller(scope.name, (), tmp_path / "controller")
    said = controller.trimtab("plan", str(tmp_path))
    assert f"Held: waits for the window that opens {opens:%a %H}:00 UTC." in said.out, said.text
    said = controller.trimtab("apply", str(tmp_path), "--yes")
    assert said.code == 3, said.text
    assert f"waits for the window that opens {opens:%a %H}:00 UTC" in said.out, said.text
    assert not scope.containers()
    assert not scope.networks()


def page(text: str) -> dict[str, str | bytes | None]:
    return {"web/site/index.html": f"{text}\n"}


# -- suspensions -----------------------------------------------------------------------------------------------------


def test_a_suspension_ends_at_its_time_and_says_meanwhile_who_and_why(shop: Shop) -> None:
    until = datetime.now(UTC) + timedelta(seconds=12)
    said = shop.controller.trimtab(
        "suspend", shop.name, "--reason", "migration", "--until", until.isoformat(timespec="seconds")
    )
    assert said.code == 0, said.text
    shop.scope.api.stop(f"{shop.name}-store-1", timeout=1)
    stopped_in_time = datetime.now(UTC) < until
    commit = shop.push_page("later")
    said = shop.controller.trimtab("sync", shop.name)
    if datetime.now(UTC) < until:
        assert said.code != 0, said.text
        assert "suspended by" in said.text
        assert "migration" in said.text
    shop.eventually_settled(commit)
    assert born(shop, "web") >= until.replace(microsecond=0)
    if stopped_in_time:
        eventually(lambda: shop.container("store").running, what="it is healed", timeout_s=PATIENCE_S)
        assert born(shop, "store") >= until.replace(microsecond=0)


def born(shop: Shop, service: str) -> datetime:
    """When the container of a service was started, to the second."""
    started = shop.scope.api.inspect_container(f"{shop.name}-{service}-1")["State"]["StartedAt"]
    return datetime.fromisoformat(started[:19]).replace(tzinfo=UTC)


# -- order between applications --------------------------------------------------------------------------------------


def test_waves_of_one_repository_go_up_one_after_the_other_and_come_down_in_the_opposite_order(
    scope: EngineScope, tmp_path: Path
) -> None:
    db, web = f"{scope.name}-db", f"{scope.name}-web"

    def compose(settings: str) -> str:
        check = "healthcheck: {test: [CMD, 'true'], interval: 1s, timeout: 5s, start_period: 1s}"
        main = service(BASE_IMAGE).removesuffix(", networks: [front]}")
        return f"services: {{main: {main}, {check}}}}}\n{settings}\n"

    files: dict[str, str | bytes | None] = {
        f"{db}/compose.yaml": compose("x-trimtab: {wave: -1}"),
        f"{web}/compose.yaml": compose(""),
    }
    repo = GitRepo.create(tmp_path, files, name=scope.name)
    controller = Controller(scope.name, (repo.remote,), tmp_path / "controller")
    with running(controller):
        with recorded(scope, also="health_status") as rising:
            eventually(
                lambda: controller.status(web).get("health") == "Healthy",
                what="the last wave is up",
                timeout_s=PATIENCE_S,
            )
        with recorded(scope) as happened:
            repo.deploy({**dict.fromkeys(files), "README": "nothing\n"}, "all away")
            eventually(lambda: not scope.containers(), what="all of it is gone", timeout_s=PATIENCE_S)
    told = rising.sentences
    well = next(i for i, said in enumerate(told) if "health_status: healthy" in said and db in said)
    assert well < next(i for i, said in enumerate(told) if "container start" in said and web in said), told
    gone = happened.having("container destroy")
    assert [name in sentence for name, sentence in zip((web, db), gone, strict=True)] == [True, True], gone
