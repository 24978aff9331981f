"""Fixtures of all tests: a Docker engine shared with others, Git repositories, the same Hypothesis everywhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import docker
import pytest
from hypothesis import HealthCheck, settings

from tests.support import engine
from tests.support.engine import EngineScope, engine_scope
from tests.support.gitrepo import GitRepo, make_git_hermetic
from tests.support.leftovers import Lookout, lookout
from tests.support.registry import NoRegistryError, registry_program

# No deadline: two busy cores make any time per example a coin toss. CI is repeatable, a developer's run explores.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
# For a night: many more examples, see tests/property.
settings.register_profile("long", parent=settings.get_profile("dev"))
in_ci = bool(os.environ.get("CI")) or os.environ.get("REQUIRE_DOCKER") == "1"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if in_ci else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the benchmarks; here, because options are read before any other conftest."""
    group = parser.getgroup("bench", "speed measurements (scripts/test --bench)")
    group.addoption("--bench-json", metavar="FILE", help="write all figures to FILE")
    group.addoption("--bench-services", type=int, default=50, help="services of the compared project (50)")
    group.addoption("--bench-rounds", type=int, default=3, help="how often each is measured (3)")
    group.addoption("--bench-idle", type=float, default=60.0, help="seconds to look at a controller at rest (60)")


def pytest_configure(config: pytest.Config) -> None:
    """Before anything of Trimtab is imported: no settings of this machine or its user reach the tests."""
    make_git_hermetic()
    for name in [name for name in os.environ if name.startswith("TRIMTAB_")]:
        del os.environ[name]


def give_up(reason: str) -> NoReturn:
    """What a test needs is not here: it is skipped, or fails where an engine is required."""
    if os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(f"{reason} (REQUIRE_DOCKER=1)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engine_url() -> str:
    """The address of a Docker engine that answers and has the base image; else skip, or fail if one is required."""
    url = engine.engine_url()
    if (reason := engine.why_no_engine(url)) is not None:
        give_up(reason)
    with contextlib.closing(engine.connect(url)) as api:
        try:
            api.inspect_image(engine.BASE_IMAGE)
        except docker.errors.ImageNotFound:
            give_up(f"the engine has no image {engine.BASE_IMAGE}; scripts/test makes it")
    return url


@pytest.fixture(scope="session")
def docker_api(engine_url: str) -> Iterator[docker.APIClient]:
    """One client of the engine for all tests; not for use from several threads at once."""
    with contextlib.closing(engine.connect(engine_url)) as api:
        yield api


@pytest.fixture(scope="session")
def engine_lookout(engine_url: str) -> Iterator[Lookout]:
    """Fails the run when something of its scopes is still on the engine at its end, and names the files."""
    with lookout(engine_url) as made:
        yield made
        left = made.left_for_good()
    if left:
        pytest.fail("\n".join(["left on the engine:", *left]), pytrace=False)


@pytest.fixture
def scope(
    docker_api: docker.APIClient, engine_lookout: Lookout, request: pytest.FixtureRequest
) -> Iterator[EngineScope]:
    """This test's own names and labels on the engine; all that carries them is removed afterwards."""
    with engine_scope(docker_api) as made:
        engine_lookout.follows(made, request.node.nodeid)
        yield made


@pytest.fixture(scope="module")
def module_scope(
    docker_api: docker.APIClient, engine_lookout: Lookout, request: pytest.FixtureRequest
) -> Iterator[EngineScope]:
    """As ``scope``, shared by the tests of one file: starting containers is what takes the time."""
    with engine_scope(docker_api) as made:
        engine_lookout.follows(made, request.node.nodeid)
        yield made


@pytest.fixture(scope="session")
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program of a real image registry; else skip, or fail if an engine is required."""
    try:
        return registry_program(tmp_path_factory.mktemp("registry-program"))
    except NoRegistryError as error:
        give_up(str(error))


@pytest.fixture
def git_repo(tmp_path: Path) -> GitRepo:
    """An empty work clone on main and its bare remote."""
    return GitRepo.create(tmp_path)
