"""The way back is kept under every prefix of images' names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trimtab.config import Config
from trimtab.images import retention
from trimtab.images.retention import OwnImage
from trimtab.wiring.engine import EngineRetention


class _Client:
    def raw(self) -> None:
        return None


@pytest.mark.parametrize("prefix", ["trimtab", "registry.example.com/team"])
def test_the_newest_images_of_a_service_stay(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    images = tuple(
        OwnImage(
            id=f"id{age}",
            refs=(f"{prefix}/default/shop-web:{age}",),
            created_at=now - timedelta(days=age),
            installation="i",
            build_key="k",
        )
        for age in range(1, 8)
    )
    gone: list[str] = []
    monkeypatch.setattr(retention, "own_images", lambda _api, _installation: (images, frozenset[str]()))

    def remove(_api: object, found: Iterable[OwnImage], **_options: object) -> None:
        gone.extend(image.id for image in found)

    monkeypatch.setattr(retention, "remove", remove)
    client: Any = _Client()
    EngineRetention(client, Config(installation="i", image_prefix=prefix)).sweep(())
    assert gone == ["id7", "id6"]
