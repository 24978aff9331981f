"""The controller's disk is full: what runs goes on, commits are carried out, and it is told (I8, I11)."""

from __future__ import annotations

from pathlib import Path

import docker.errors
import pytest

from tests.support import small_disk
from tests.support.checks import look
from tests.support.engine import EngineScope
from tests.support.scenario import Shop, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e]


def test_I8_I11_without_one_byte_of_disk_commits_are_carried_out(scope: EngineScope, tmp_path: Path) -> None:
    """I8, I11: a full data directory stops nothing; the history of the meantime is written when there is room."""
    if (reason := small_disk.why_none()) is not None:
        pytest.skip(reason)
    shop = Shop.create(scope, tmp_path)
    with small_disk.small_disk(shop.controller.data_dir, 4096) as disk, running(shop.controller):
        shop.eventually_settled()
        before = look(scope)
        born = shop.born()
        ballast = small_disk.fill(disk)
        shop.push(shop.edit("GREETING: hello", "GREETING: 'from a full disk'"))

        def replaced() -> bool:
            try:
                environment = scope.api.inspect_container(shop.container("web").id)["Config"]["Env"]
            except docker.errors.NotFound:
                # It was replaced between the two looks.
                return False
            return "GREETING=from a full disk" in environment

        eventually(replaced, what="the commit is carried out", timeout_s=90.0)
        eventually(lambda: "StoreDegraded" in shop.controller.log, what="it is told")
        assert shop.born() == born
        # A kill now loses what was only in memory; the next life starts on the full disk and touches nothing.
        eventually(lambda: len(look(scope).containers) == len(before.containers), what="the old container is gone")
        after = look(scope)
        shop.controller.kill9()
        shop.controller.start()
        ballast.unlink()
        shop.eventually_settled()
        assert look(scope) == after
