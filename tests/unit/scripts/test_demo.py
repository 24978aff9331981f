"""What scripts/up reads from `trimtab status -o json`, and whose objects it takes away."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from trimtab.model.keys import AppKey
from trimtab.model.status import AppStatus, HealthStatus, SyncStatus
from trimtab.plan.render.records import status_document

LIBRARY = Path(__file__).resolve().parents[3] / "scripts" / "lib"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(LIBRARY))
    import demo

    yield demo
    for name in ("demo", "engine"):
        sys.modules.pop(name, None)


START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def report(*, health: str = "Healthy", message: str = "", observed_at: datetime = START) -> str:
    status = AppStatus(
        app=AppKey("default", "shop"),
        sync=SyncStatus.SYNCED,
        health=HealthStatus(health),
        message=message,
        observed_at=observed_at,
    )
    return json.dumps({"formatVersion": 1, "applications": [status_document(status)]})


def test_settled_when_synced_and_healthy(demo: ModuleType) -> None:
    assert demo.unsettled(report(), ["shop"], START) == []


def test_the_reason_is_passed_on(demo: ModuleType) -> None:
    sentences = demo.unsettled(report(health="Degraded", message="api-1 is unhealthy"), ["shop"], START)
    assert sentences == ["shop is Synced and Degraded: api-1 is unhealthy"]


def test_what_an_earlier_controller_saw_does_not_count(demo: ModuleType) -> None:
    (sentence,) = demo.unsettled(report(observed_at=START - timedelta(seconds=1)), ["shop"], START)
    assert "since the start" in sentence


def test_an_application_that_is_missing_is_not_settled(demo: ModuleType) -> None:
    assert demo.unsettled(report(), ["blog", "shop"], START) == ["blog is not there yet"]


@pytest.mark.parametrize("said", ["", "error: no controller\nis there", '{"applications": 3}'])
def test_anything_else_is_not_settled(demo: ModuleType, said: str) -> None:
    (sentence,) = demo.unsettled(said, ["shop"], START)
    assert sentence


def test_copied_labels_under_another_name_are_not_ours(demo: ModuleType) -> None:
    labels = {"trimtab.dev/object": "shop-web-1"}
    assert demo.is_named_as_labelled("shop-web-1", labels)
    assert demo.is_named_as_labelled("shop-web-1-0a1b2c3d", labels)
    assert not demo.is_named_as_labelled("blog-web-1", labels)
    assert not demo.is_named_as_labelled("anything", {})
