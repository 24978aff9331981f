"""One controller and one small shop for the scenarios of a file; each scenario begins by putting it in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.engine import EngineScope
from tests.support.scenario import Shop, free_port, running


@pytest.fixture(scope="module")
def running_shop(module_scope: EngineScope, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A published shop whose controller runs; use ``shop``."""
    made = Shop.create(module_scope, tmp_path_factory.mktemp("shop"), port=free_port())
    with running(made.controller):
        yield made


@pytest.fixture
def shop(running_shop: Shop) -> Shop:
    """The shop, at its first version and healthy, whatever the last scenario left."""
    if not running_shop.controller.running:
        running_shop.controller.process = None
        running_shop.controller.start()
    return running_shop.is_at_its_first_version()
