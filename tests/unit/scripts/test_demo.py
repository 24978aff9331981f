"""What scripts/up reads from `trimtab status -o json`, and whose objects it takes away."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

LIBRARY = Path(__file__).resolve().parents[3] / "scripts" / "lib"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(LIBRARY))
    import demo

    yield demo
    for name in ("demo", "engine"):
        sys.modules.pop(name, None)


def report(**changes: str) -> str:
    shop = {"name": "shop", "sync": "Synced", "health": "Healthy", "message": ""} | changes
    return json.dumps({"formatVersion": "1.0", "applications": [shop]})


def test_settled_when_synced_and_healthy(demo: ModuleType) -> None:
    assert demo.unsettled(report(), ["shop"]) == []


def test_the_reason_is_passed_on(demo: ModuleType) -> None:
    sentences = demo.unsettled(report(health="Degraded", message="api-1 is unhealthy"), ["shop"])
    assert sentences == ["shop is Synced and Degraded: api-1 is unhealthy"]


def test_an_application_that_is_missing_is_not_settled(demo: ModuleType) -> None:
    assert demo.unsettled(report(), ["blog", "shop"]) == ["blog is not there yet"]


@pytest.mark.parametrize("said", ["", "error: no controller\nis there", '{"applications": 3}'])
def test_anything_else_is_not_settled(demo: ModuleType, said: str) -> None:
    (sentence,) = demo.unsettled(said, ["shop"])
    assert sentence


def test_copied_labels_under_another_name_are_not_ours(demo: ModuleType) -> None:
    labels = {"trimtab.dev/object": "shop-web-1"}
    assert demo.is_named_as_labelled("shop-web-1", labels)
    assert demo.is_named_as_labelled("shop-web-1-0a1b2c3d", labels)
    assert not demo.is_named_as_labelled("blog-web-1", labels)
    assert not demo.is_named_as_labelled("anything", {})
