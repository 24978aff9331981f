"""What a push does: only what changed is built and replaced, a revert builds nothing, a broken commit does nothing."""

from __future__ import annotations

import pytest

from tests.support.checks import look, recorded
from tests.support.scenario import DOCKERFILE, Shop
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]


def test_an_edited_page_is_served_and_its_revert_needs_no_build(shop: Shop) -> None:
    before, images, data = shop.containers(), shop.built_images(), shop.born()

    shop.push_page("the second page")

    shop.eventually_serves("the second page")
    shop.eventually_settled()
    after, new_images = shop.containers(), shop.built_images() - images
    assert set(after) == set(before)
    assert after[f"{shop.name}-store-1"] == before[f"{shop.name}-store-1"], "only what changed is replaced"
    assert after[f"{shop.name}-web-1"].id != before[f"{shop.name}-web-1"].id
    assert len(new_images) == 1, "only what changed is built"

    with recorded(shop.scope) as happened:
        shop.repo.revert()
        shop.eventually_serves("the first page")
        shop.eventually_settled()
    assert shop.container("web").image == before[f"{shop.name}-web-1"].image
    assert shop.container("store") == before[f"{shop.name}-store-1"]
    assert happened.having("image tag") == [], "a revert finds its image"
    assert shop.born() == data


def test_a_commit_that_concerns_nothing_of_it_does_nothing(shop: Shop) -> None:
    run = shop.controller.last_run()
    with recorded(shop.scope) as happened:
        commit = shop.push({"README.md": "words\n"}, "only words")
        shop.eventually_settled(commit)
    assert happened.sentences == []
    assert shop.controller.last_run() == run


def test_a_syntax_error_changes_nothing_and_its_fix_deploys(shop: Shop) -> None:
    before = look(shop.scope)
    broken = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8") + "services: [}\n"
    line = len(broken.splitlines())

    with recorded(shop.scope) as happened:
        shop.push({"compose.yaml": broken}, "oops")
        message = shop.eventually_says(f"compose.yaml:{line}:")
    assert happened.sentences == []
    assert look(shop.scope) == before
    assert shop.page() == "the first page"
    said = shop.controller.trimtab("status", shop.name)
    assert message in said.out, said.text
    assert f"compose.yaml:{line}:" in shop.controller.trimtab("events", shop.name).out
    assert f"compose.yaml:{line}:" in shop.controller.log

    shop.push({"compose.yaml": Shop.files(shop.name, shop.port)["compose.yaml"], **_page("mended")}, "mend it")
    shop.eventually_serves("mended")
    shop.eventually_settled()


def test_what_is_held_is_still_healed_while_the_newest_commit_is_broken(shop: Shop) -> None:
    shop.push({"compose.yaml": "services: [}\n"}, "oops")
    shop.eventually_says("compose.yaml:1:")

    shop.scope.api.remove_container(f"{shop.name}-web-1", force=True)

    shop.eventually_serves("the first page")


def test_a_dockerfile_that_fails_changes_nothing_is_not_tried_again_and_its_fix_deploys(shop: Shop) -> None:
    before, run = look(shop.scope), shop.controller.last_run()
    broken = f"{DOCKERFILE}RUN echo the last words && false\n"

    shop.push({"web/Dockerfile": broken}, "a bad instruction")
    shop.eventually_says("false")
    shop.eventually_tells("BuildFailed")
    assert look(shop.scope) == before
    assert shop.page() == "the first page"
    said = shop.controller.trimtab("events", shop.name)
    assert "the last words" in said.out, said.text

    commit = shop.push({"README.md": "words\n"}, "nothing that it is made from")
    eventually(
        lambda: shop.controller.status(shop.name)["desired_revision"] == commit, what="the new commit was looked at"
    )
    assert len([step for step in shop.controller.steps(after_run=run) if "build" in step.lower()]) == 1
    assert look(shop.scope) == before

    shop.push({"web/Dockerfile": DOCKERFILE, **_page("mended")}, "mend it")
    shop.eventually_serves("mended")
    shop.eventually_settled()


def test_an_unhealthy_version_gives_its_port_back_to_the_old_one(shop: Shop) -> None:
    """A port can be held by one only, so here the new one has to start after the old one stopped."""
    old = shop.container("web")

    shop.push({"web/site/well": None, **_page("ill")}, "never well")

    shop.eventually_tells("ReleaseUnhealthy")
    shop.eventually_serves("the first page")
    message = shop.eventually_says("keeps serving")
    assert shop.controller.status(shop.name)["health"] == "Degraded"
    assert f"{shop.name}-web-1" in message
    assert shop.container("web").id == old.id

    shop.push({"web/site/well": "", **_page("well again")}, "mend it")
    shop.eventually_serves("well again")
    shop.eventually_settled()


def test_a_service_and_volume_removed_from_git_leave_the_data_and_a_note(shop: Shop) -> None:
    data = shop.born()
    text = (shop.repo.path / "compose.yaml").read_text(encoding="utf-8")
    start, end = text.index("  store:"), text.index("networks: {front")

    shop.push({"compose.yaml": text[:start] + text[end:].replace("volumes: {data: {}}\n", "")}, "no store")

    eventually(lambda: f"{shop.name}-store-1" not in shop.containers(), what="the container is removed")
    shop.eventually_settled()
    assert f"{shop.name}_data" in look(shop.scope).volumes
    said = shop.controller.trimtab("status", shop.name)
    assert f"{shop.name}_data" in said.out, said.text
    assert "kept" in said.out or "keep" in said.out or "no longer" in said.out, said.text

    shop.repo.revert()
    shop.eventually_settled()
    assert shop.born() == data


def _page(text: str) -> dict[str, str | bytes | None]:
    return {"web/site/index.html": f"{text}\n"}
