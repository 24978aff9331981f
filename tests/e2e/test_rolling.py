"""A service without a fixed port is replaced without a gap; a release that fails leaves the old one serving."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import docker
import pytest

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.scenario import Shop, inside, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

# Ten times a second; what is not answered within a second is a failure.
NOBODY = "nobody"
VISIT = f"""
while :; do
    timeout 1 wget -q -O - "http://$0:8080/index.html" || echo {NOBODY}
    sleep 0.1
done
"""
NEVER_WELL = {"web/site/well": None, "web/site/index.html": "ill\n"}


@pytest.fixture(scope="module")
def running_shop(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop without a published port: nothing is in the way of starting the new one first."""
    made = Shop.create(module_scope, tmp_path_factory.mktemp("shop"))
    with running(made.controller):
        yield made


@pytest.fixture
def shop(running_shop: Shop) -> Shop:
    return running_shop.is_at_its_first_version()


@dataclass
class Visits:
    """What a client on the application's network has been answered, in order."""

    shop: Shop
    container: str

    def answers(self) -> list[str]:
        text: bytes = self.shop.scope.api.logs(self.container, stderr=False)
        return text.decode().split("\n")[:-1]

    def eventually_go_on(self) -> None:
        """Some more were made."""
        so_far = len(self.answers())
        eventually(lambda: len(self.answers()) >= so_far + 5, what="more visits")

    def eventually_see(self, text: str) -> None:
        eventually(lambda: self.answers()[-1:] == [text], what=f"a visitor sees {text!r}")


@contextlib.contextmanager
def visitor(shop: Shop, host: str) -> Iterator[Visits]:
    """A client that never stops asking for the page."""
    api = shop.scope.api
    made = api.create_container(
        BASE_IMAGE, ["sh", "-c", VISIT, host], labels=shop.scope.labels,
        name=f"visitor-{shop.name}-{time.monotonic_ns()}",
        host_config=api.create_host_config(network_mode=f"{shop.name}_front", init=True),
    )  # fmt: skip
    api.start(made["Id"])
    try:
        visits = Visits(shop, made["Id"])
        visits.eventually_go_on()
        yield visits
    finally:
        api.remove_container(made["Id"], force=True)


def test_a_new_page_comes_while_the_old_one_is_still_there(shop: Shop) -> None:
    with visitor(shop, "web") as visits:
        shop.push_page("the second page")
        visits.eventually_see("the second page")
        shop.eventually_settled()
        visits.eventually_go_on()
        answers = visits.answers()
    assert set(answers) <= {"the first page", "the second page", NOBODY}, answers
    # By name, a client can get the address of one that is on its way; stopping first would cost ten visits and more.
    assert answers.count(NOBODY) <= 5, answers
    assert answers[-1] == "the second page"


def test_while_a_new_version_is_not_healthy_the_old_one_keeps_serving(shop: Shop) -> None:
    old = shop.container("web")
    with visitor(shop, shop.address("web")) as visits:
        shop.push(NEVER_WELL, "never well")
        shop.eventually_tells("ReleaseUnhealthy")
        message = shop.eventually_says("keeps serving", f"{shop.name}-web-1")
        visits.eventually_go_on()
        answers = visits.answers()
    assert set(answers) == {"the first page"}, answers
    assert shop.container("web") == old, "the old one was not even restarted"
    assert shop.controller.status(shop.name)["health"] == "Degraded", message
    assert set(shop.containers()) == {f"{shop.name}-web-1", f"{shop.name}-store-1"}, "the failed one is gone"
    said = shop.controller.trimtab("status", shop.name)
    assert "Degraded" in said.out
    assert message in said.out

    shop.push({"web/site/well": "", "web/site/index.html": "well again\n"}, "mend it")
    shop.eventually_settled()
    assert inside(shop.scope, f"{shop.name}-store-1", "wget", "-qO-", "http://web:8080/index.html") == "well again"


def named_web(shop: Shop) -> int:
    """How many containers a client finds by the service's name."""
    found = [item["Id"] for item in shop.scope.containers()]
    with contextlib.suppress(docker.errors.NotFound):
        networks = [shop.scope.api.inspect_container(handle)["NetworkSettings"]["Networks"] for handle in found]
        return sum("web" in (networks.get(f"{shop.name}_front", {}).get("Aliases") or ()) for networks in networks)
    return 0


def test_by_default_a_new_version_is_reached_by_name_before_it_has_proved_healthy(shop: Shop) -> None:
    """The engine gives names only with an attachment; who does not want this asks for an address (test_address.py)."""
    assert named_web(shop) == 1
    shop.push(NEVER_WELL, "never well")
    eventually(lambda: named_web(shop) == 2, what="both have the name", every_s=0.05)
    shop.eventually_tells("ReleaseUnhealthy")
    eventually(lambda: named_web(shop) == 1, what="the old version serves alone again")


def test_with_alias_when_healthy_nobody_is_sent_to_a_version_that_has_not_proved_healthy(shop: Shop) -> None:
    settings = "    x-trimtab: {rollout: {alias: when-healthy}}\n    build: ./web\n"
    shop.push(shop.edit("    build: ./web\n", settings), "the name comes with health")
    shop.eventually_settled()
    with visitor(shop, "web") as visits:
        shop.push(NEVER_WELL, "never well")
        shop.eventually_tells("ReleaseUnhealthy")
        visits.eventually_go_on()
        answers = visits.answers()
        assert set(answers) == {"the first page"}, answers

        shop.push({"web/site/well": "", "web/site/index.html": "well again\n"}, "mend it")
        visits.eventually_see("well again")
        shop.eventually_settled()
    names = shop.scope.api.inspect_container(f"{shop.name}-web-1")["NetworkSettings"]["Networks"][f"{shop.name}_front"]
    assert {"web", f"{shop.name}-web-1"} <= set(names["Aliases"])


def test_a_release_of_two_services_is_taken_back_as_a_whole(shop: Shop) -> None:
    """The store's change goes well, the page's does not: with rollbackOnFailure neither stays."""
    text = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
    shop.push({"compose.yaml": "x-trimtab: {syncPolicy: {rollbackOnFailure: true}}\n" + text}, "take back what fails")
    shop.eventually_settled()
    good = shop.repo.head()
    data = shop.born()
    changed = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
    changed = changed.replace("sleep 86400", "sleep 86401").replace("test, -e, /srv/well", "test, -e, /srv/never")

    bad = shop.push({"compose.yaml": changed}, "half of it is bad")

    shop.eventually_tells("ReleaseUnhealthy", bad[:7])
    shop.eventually_says("keeps serving", good[:7])

    def as_before() -> bool:
        command = shop.scope.api.inspect_container(f"{shop.name}-store-1")["Config"]["Cmd"]
        test = shop.scope.api.inspect_container(f"{shop.name}-web-1")["Config"]["Healthcheck"]["Test"]
        return "sleep 86400" in command[-1] and test[-1] == "/srv/well"

    eventually(as_before, what="both services are what they were")
    assert shop.born() == data
    assert len(shop.controller.events(shop.name, "ReleaseUnhealthy")) == len(
        set(shop.controller.events(shop.name, "ReleaseUnhealthy"))
    ), "a failed revision is not hammered"


def test_blue_green_by_hand_serves_the_old_version_until_the_new_one_is_approved(shop: Shop) -> None:
    rollout = (
        "    x-trimtab: {rollout: {strategy: blue-green, promote: manual, alias: when-healthy}}\n    build: ./web\n"
    )
    shop.push(shop.edit("    build: ./web\n", rollout), "promoted by hand")
    shop.eventually_settled()
    blue = shop.container("web")
    with visitor(shop, "web") as visits:
        shop.push_page("the green page")
        message = shop.eventually_says("waits for promotion: trimtab approve")
        assert shop.controller.status(shop.name)["health"] == "Progressing"
        staged, green = next((name, found) for name, found in shop.containers().items() if "-web-1-" in name)
        assert shop.container("web") == blue, "not even restarted"
        assert green.running
        visits.eventually_go_on()
        assert set(visits.answers()) == {"the first page"}
        refused = shop.controller.trimtab("sync", shop.name)
        assert (refused.code, message in refused.text) == (1, True), "asking again does not help"
        assert "waits for promotion" in shop.controller.trimtab("plan", str(shop.repo.path)).out

        inside(shop.scope, staged, "rm", "/srv/well")
        shop.eventually_says("is unhealthy: it cannot be promoted")
        assert shop.controller.status(shop.name)["health"] == "Degraded"
        inside(shop.scope, staged, "touch", "/srv/well")
        assert shop.eventually_says("waits for promotion: trimtab approve") == message

        approved = shop.controller.trimtab("approve", shop.name, message.split()[-1])
        assert approved.code == 0, approved.text
        visits.eventually_see("the green page")
        shop.eventually_settled()
    assert shop.container("web").id == green.id, "it was proved before, and is taken as it is"
    assert shop.container("web").started_at == green.started_at
    assert set(shop.containers()) == {f"{shop.name}-web-1", f"{shop.name}-store-1"}
    run = shop.controller.last_run()
    assert shop.controller.trimtab("sync", shop.name).code == 0
    assert shop.controller.steps(after_run=run) == [], "the second one has nothing to do"


def test_an_update_that_fails_is_paused_where_it_says_so(shop: Shop) -> None:
    deploy = "    deploy: {replicas: 2, update_config: {failure_action: pause}}\n    build: ./web\n"
    shop.push(shop.edit("    build: ./web\n", deploy), "two of it, and failures pause")
    shop.eventually_settled()
    old = shop.containers()
    bad = shop.push(NEVER_WELL, "never well")
    shop.eventually_tells("ReleaseUnhealthy", bad[:7])
    message = shop.eventually_says("1 of 2 replacements of web failed: the update is paused, as failure_action says")
    assert shop.controller.status(shop.name)["health"] == "Degraded", message
    assert shop.containers() == old, "the second one was not begun"
    assert not any(told.startswith(bad[:7]) for told in shop.controller.events(shop.name, "RolledBack"))
