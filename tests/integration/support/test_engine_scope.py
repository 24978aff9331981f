"""A test's scope on a shared engine is swept clean, and nothing outside it is touched."""

from __future__ import annotations

import docker
import pytest

from tests.support.engine import BASE_IMAGE, EngineScope, engine_scope

pytestmark = pytest.mark.engine


def test_all_that_is_named_or_labelled_goes_and_a_neighbour_stays(
    docker_api: docker.APIClient, scope: EngineScope
) -> None:
    neighbour = f"{scope.name}-neighbour"
    docker_api.create_volume(neighbour, labels=dict(scope.labels))
    with engine_scope(docker_api) as inner:
        labels = dict(inner.labels)
        docker_api.create_volume(f"x{inner.name}_data")
        network = docker_api.create_network(f"any-{inner.name}", labels=labels)["Id"]
        container = docker_api.create_container(
            BASE_IMAGE,
            ["sleep", "60"],
            name=f"{inner.name}-web-1",
            networking_config=docker_api.create_networking_config({network: docker_api.create_endpoint_config()}),
        )["Id"]
        docker_api.start(container)
        docker_api.create_container(BASE_IMAGE, ["true"], labels={"trimtab.dev/installation": inner.name})
        docker_api.tag(BASE_IMAGE, f"trimtab/default/{inner.name}-web", "abc")
        assert len(inner.containers()) == 2
        assert len(inner.networks()) == len(inner.volumes()) == len(inner.images()) == 1

    assert [*inner.containers(), *inner.networks(), *inner.volumes(), *inner.images()] == []
    assert [volume["Name"] for volume in scope.volumes()] == [neighbour]
    assert docker_api.inspect_image(BASE_IMAGE)["RepoTags"]
