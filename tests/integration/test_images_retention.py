"""Removing old images of ours on a real engine, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.engine import EngineScope
from tests.support.memory_tree import MemoryTree
from trimtab.images.builder import EngineBuilder
from trimtab.images.buildkey import build_plan
from trimtab.images.naming import image_ref, provenance_labels
from trimtab.images.retention import expired, own_images, remove
from trimtab.model.diagnostics import Origin
from trimtab.model.keys import AppKey

pytestmark = pytest.mark.engine

# All that the tests build is of today.
LATER = datetime.now(UTC) + timedelta(days=1)


def build(
    scope: EngineScope, number: int, *, installation: str | None = None, labels: Mapping[str, str] | None = None
) -> str:
    tree = MemoryTree({"Dockerfile": f"FROM busybox:1.36\nENV NUMBER={number}\n"})
    spec, _ = build_plan(tree, {"context": "."}, origin=Origin("compose.yaml"))
    assert spec is not None
    ref = image_ref(AppKey("default", "shop"), "web", spec.key, prefix=scope.name)
    given = labels
    if given is None:
        given = provenance_labels(
            key=spec.key, installation=installation or scope.name, repository="r", commit="c", path=""
        )
    EngineBuilder(scope.api).build(
        spec,
        tree,
        tags=[ref],
        labels={**given, **scope.labels},
        log=lambda _line: None,
        cancelled=threading.Event(),
        timeout_s=60,
    )
    return ref


def tags(scope: EngineScope) -> set[str]:
    return {tag for image in scope.images() for tag in image["RepoTags"] or ()}


def test_old_images_of_ours_go_and_nothing_else(scope: EngineScope) -> None:
    first, second, third, used, kept = (build(scope, number) for number in range(5))
    foreign = build(scope, 10, installation="somebody-else")
    unmarked = build(scope, 11, labels={})
    container = scope.api.create_container(used, ["true"], labels=dict(scope.labels))["Id"]
    retagged = f"{scope.name}-theirs:tag"
    scope.api.tag(second, retagged)

    images, in_use = own_images(scope.api, scope.name)
    assert {ref for image in images for ref in image.refs} == {first, second, third, used, kept, retagged}
    gone = expired(
        images, installation=scope.name, in_use=in_use, kept={kept}, now=LATER, kept_releases=0, prefix=scope.name
    )
    done = remove(scope.api, gone, prefix=scope.name)

    assert set(done.removed) == {first, second, third}
    assert done.left == ()
    assert tags(scope) == {used, kept, foreign, unmarked, retagged}
    # Once more: nothing to do.
    again, _ = own_images(scope.api, scope.name)
    left = expired(
        again, installation=scope.name, in_use=in_use, kept={kept}, now=LATER, kept_releases=0, prefix=scope.name
    )
    assert remove(scope.api, left, prefix=scope.name).removed == ()
    scope.api.remove_container(container)


def test_an_image_that_came_into_use_meanwhile_is_left_for_later(scope: EngineScope) -> None:
    ref = build(scope, 20)
    images, in_use = own_images(scope.api, scope.name)
    gone = expired(
        images, installation=scope.name, in_use=in_use, kept=(), now=LATER, kept_releases=0, prefix=scope.name
    )
    container = scope.api.create_container(ref, ["true"], labels=dict(scope.labels))["Id"]
    done = remove(scope.api, gone, prefix=scope.name)
    assert done.removed == ()
    assert [name for name, _reason in done.left] == [ref]
    assert container[:12] in done.left[0][1]
    scope.api.remove_container(container)
    assert remove(scope.api, gone, prefix=scope.name).removed == (ref,)
    # It is gone, and that is no failure.
    assert remove(scope.api, gone, prefix=scope.name).left == ()
