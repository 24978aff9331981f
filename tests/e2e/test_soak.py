"""A minute of trouble (the soak, shortened): commits, faults, kills and meddling; then Git and the engine agree."""

from __future__ import annotations

import sys
from pathlib import Path

import docker
import pytest

from tests.soak.soak import soak_for, soaking
from tests.support import own_engine
from tests.support.engine import EngineScope

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.alone]

SECONDS = 60.0
SEED = "ci"


def test_I2_I3_I5_I11_after_a_minute_of_trouble_git_and_the_engine_agree(
    docker_api: docker.APIClient, registry_server: str, tmp_path: Path
) -> None:
    """I1, I2, I3, I5, I8, I11: the plan is empty, every volume has every byte, nothing foreign was touched."""
    if (reason := own_engine.why_none()) is not None:
        pytest.skip(reason)
    name = EngineScope(docker_api).name
    with (
        own_engine.own_engine(name, docker_api) as own,
        soaking(SEED, own, name, tmp_path, docker_api, registry_server) as soak,
    ):
        figures = soak_for(soak, SECONDS)
    sys.stdout.write(figures.text())
    assert figures.rounds
    assert figures.actions
