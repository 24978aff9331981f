"""A release that turns out bad goes back as a whole; an older one can be held while Git is away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import BASE_IMAGE, EngineScope
from tests.support.gitservers import http_git
from tests.support.scenario import Controller, Shop, free_port, inside, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

# Its health check passes, it is written down as healthy, and then it ends.
ENDS_LATER = 'command: [sh, -c, "httpd -p 8080 -h /srv; until test -e /end; do sleep 0.2; done; exit 1"]'


def test_a_release_that_runs_well_and_then_fails_goes_back_as_a_whole_though_a_tag_has_moved(shop: Shop) -> None:
    api, tag = shop.scope.api, f"{shop.scope.name}-store"
    api.tag(BASE_IMAGE, tag, "stable")
    text = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
    text = text.replace(f"image: {BASE_IMAGE}", f"image: {tag}:stable")
    good = shop.push({"compose.yaml": text}, "by a tag")
    shop.eventually_settled(good)
    data, image = shop.born(), api.inspect_container(f"{shop.name}-store-1")["Image"]
    # Somebody moves the tag, and nothing can run from what it names now.
    empty = api.create_container(tag + ":stable", ["true"], labels=shop.scope.labels)["Id"]
    api.commit(empty, tag, "stable", changes='ENTRYPOINT ["/no/such/program"]')
    api.remove_container(empty)
    assert api.inspect_image(f"{tag}:stable")["Id"] != image

    bad_text = text.replace("init: true\n    stop_grace_period: 1s\n    expose", f"{ENDS_LATER}\n    expose")
    bad_text = bad_text.replace("init: true\n    stop_grace_period: 1s\n    ports", f"{ENDS_LATER}\n    ports")
    bad_text = bad_text.replace("sleep 86400", "sleep 86401")
    assert ENDS_LATER in bad_text
    # The store gets another tag of the good image, so that only the page is bad.
    api.tag(BASE_IMAGE, tag, "next")
    bad = shop.push({"compose.yaml": bad_text.replace(f"{tag}:stable", f"{tag}:next")}, "bad later")

    shop.eventually_settled(bad)
    inside(shop.scope, f"{shop.name}-web-1", "touch", "/end")

    shop.eventually_tells("ReleaseUnhealthy", "ran well at first")
    shop.eventually_says("keeps serving", good[:7])
    shop.eventually_serves("the first page")

    def as_before() -> bool:
        store = api.inspect_container(f"{shop.name}-store-1")
        return store["Image"] == image and "sleep 86400" in store["Config"]["Cmd"][-1]

    eventually(as_before, what="the store is what it was, by its image and not by its tag")
    assert shop.born() == data
    history = shop.controller.trimtab("history", shop.name, "--limit", "2").out
    assert "RolledBack" in history, history
    assert "Failed" in history, history
    assert shop.controller.events(shop.name, "RolledBack")[-1].startswith(bad[:7])
    assert shop.controller.status(shop.name)["failed_revision"] == bad
    assert shop.controller.status(shop.name)["healthy_revision"] == good
    begun = shop.controller.last_run()
    assert shop.controller.trimtab("events", shop.name).code == 0
    assert shop.controller.steps(after_run=begun) == [], "it is not tried again"


@pytest.fixture
def remote_shop(scope: EngineScope, tmp_path: Path) -> Iterator[tuple[Shop, contextlib.ExitStack]]:
    """A shop whose repository is behind a server; closing the stack takes the server away."""
    made = Shop.create(scope, tmp_path, port=free_port())
    with contextlib.ExitStack() as server:
        site = server.enter_context(http_git(made.repo.remote.parent))
        url = f"{site.url}/{made.repo.remote.name}"
        made.controller = Controller(scope.name, (url,), tmp_path / "controller", ("--poll-interval", "1s"))
        with running(made.controller):
            made.eventually_settled()
            yield made, server


def test_an_older_release_is_held_while_git_is_away(remote_shop: tuple[Shop, contextlib.ExitStack]) -> None:
    shop, server = remote_shop
    shop.push_page("a mistake")
    shop.eventually_serves("a mistake")
    shop.eventually_settled()
    server.close()
    said = shop.controller.trimtab("rollback", shop.name, "--pin")
    assert said.code == 0, said.text
    shop.eventually_serves("the first page")
    shop.eventually_says("held at")
