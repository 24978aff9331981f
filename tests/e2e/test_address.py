"""A service's stable address: every request by name is counted, while the service is changed in each way there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.test_traffic import clients
from tests.support.checkout import ROOT
from tests.support.engine import EngineScope
from tests.support.gitrepo import GitRepo
from tests.support.haproxy import haproxy
from tests.support.scenario import Controller, Shop, inside, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.alone]

NAME = "counter"
_EXAMPLE = ROOT / "examples/address/compose.yaml"


@dataclass
class Counted:
    """The example, and what its visitor was answered."""

    shop: Shop

    def push(self, page: str, *edits: tuple[str, str]) -> str:
        text = _EXAMPLE.read_text(encoding="utf-8")
        for old, new in ((NAME, self.shop.name), ("echo one", f"echo {page}"), *edits):
            assert old in text, old
            text = text.replace(old, new)
        return self.shop.push({"compose.yaml": text}, page)

    def answers(self) -> Counter[str]:
        logs: bytes = self.shop.scope.api.logs(f"{self.shop.name}-visitor-1", stderr=False)
        return Counter(logs.decode().split("\n")[:-1])

    def eventually_see(self, page: str, more: int = 10) -> None:
        so_far = self.answers()[page]
        eventually(lambda: self.answers()[page] > so_far + more, what=f"visitors see {page!r}")


@pytest.fixture(scope="module")
def counted(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    """The example, under a name of its own."""
    folder, name = tmp_path_factory.mktemp("counted"), module_scope.name
    repo = GitRepo.create(folder, {".env": f"HAPROXY_IMAGE={haproxy(module_scope)}\n"}, name=name)
    controller = Controller(name, (repo.remote,), folder / "controller")
    made = Counted(Shop(module_scope, name, repo, controller, None))
    made.push("one")
    with running(controller):
        made.shop.eventually_settled()
        yield made


def test_no_request_by_name_fails_while_three_are_replaced(counted: Counted) -> None:
    shop = counted.shop
    counted.eventually_see("one")
    proxy, visitor = shop.container("api-address"), shop.container("visitor")
    # What the name stands for, from outside of the network: a shell could not ask as often.
    networks = shop.scope.api.inspect_container(proxy.id)["NetworkSettings"]["Networks"]
    address = networks[f"{shop.name}_default"]["IPAddress"]
    with clients(8080, address, kept=False) as seen:
        eventually(lambda: sum(seen.answers.values()) > 200, what="requests are made")
        counted.push("two")
        shop.eventually_settled()
        so_far = seen.answers["two"]
        eventually(lambda: seen.answers["two"] > so_far + 200, what="the new ones answer")
    by_name = counted.answers()
    print(f"through the address: {dict(seen.answers)}, {seen.pace} a second; by name {dict(by_name)}")  # noqa: T201
    assert set(seen.answers) == {"one", "two"}, seen.answers
    assert set(by_name) == {"one", "two"}, by_name
    assert (shop.container("api-address"), shop.container("visitor")) == (proxy, visitor), "neither was touched"

    run = shop.controller.last_run()
    assert shop.controller.trimtab("sync", shop.name).code == 0
    assert shop.controller.steps(after_run=run) == [], "the second one has nothing to do"


def test_nobody_is_sent_to_a_version_that_has_not_proved_healthy(counted: Counted) -> None:
    shop = counted.shop
    before = shop.containers()
    bad = counted.push("ill", ("http://127.0.0.1:8080/\n", "http://127.0.0.1:8080/nothing\n"))
    shop.eventually_tells("ReleaseUnhealthy", bad[:7])
    # The page as it was, and no way back by itself: in the next test one falls ill soon after.
    counted.push("two", ("\nservices:", "\nx-trimtab: {syncPolicy: {rollbackOnFailure: false}}\nservices:"))
    shop.eventually_settled()
    counted.eventually_see("two")
    assert set(counted.answers()) == {"one", "two"}, counted.answers()
    assert shop.containers() == before


def test_one_that_falls_ill_is_left_out_until_it_is_well_again(counted: Counted) -> None:
    shop = counted.shop
    inside(shop.scope, f"{shop.name}-api-2", "mv", "/srv/index.html", "/srv/away.html")
    eventually(lambda: len(listed(counted)) == 2, what="it is left out")
    # What it answered before is no secret; the last of it may still be on its way.
    counted.eventually_see("two")
    so_far = counted.answers()["failed"]
    counted.eventually_see("two", 30)
    assert counted.answers()["failed"] == so_far
    inside(shop.scope, f"{shop.name}-api-2", "mv", "/srv/away.html", "/srv/index.html")
    eventually(lambda: len(listed(counted)) == 3, what="it is back")
    shop.eventually_settled()


def test_a_proxy_that_was_restarted_goes_on_with_its_list(counted: Counted) -> None:
    shop, before = counted.shop, listed(counted)
    so_far = counted.answers()["failed"]
    shop.scope.api.restart(f"{shop.name}-api-address-1")
    counted.eventually_see("two")
    shop.eventually_settled()
    assert listed(counted) == before
    print(f"refused while the address itself was restarted: {counted.answers()['failed'] - so_far}")  # noqa: T201


def listed(counted: Counted) -> list[str]:
    """What the proxy itself has in its configuration, as somebody who looks into the container sees it."""
    api, name = counted.shop.scope.api, f"{counted.shop.name}-api-address-1"
    chunks, _ = api.get_archive(name, "/trimtab/address.cfg")
    text = b"".join(chunks).decode(errors="replace")
    return sorted(line.split()[1] for line in text.splitlines() if line.strip().startswith("server "))
