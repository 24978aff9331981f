"""What all applications have in common is sorted out once, and held once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from trimtab.backends.engine.inventory import Foreign, inventory
from trimtab.backends.engine.items import Item
from trimtab.backends.engine.observe import Observer
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import EngineFacts

if TYPE_CHECKING:
    from trimtab.backends.engine.cache import EngineCache

SHOP, BLOG = AppKey("default", "shop"), AppKey("default", "blog")


def item(kind: Kind, name: str, app: AppKey | None = None, **parts: Any) -> Item:
    key = ResourceKey(app, kind, name.partition("-")[2] or name, 1) if app is not None else None
    return Item(kind=kind, handle=f"id-{name}-{app}", name=name, key=key, inspect=parts.pop("inspect", {}), **parts)


ITEMS = (
    item(Kind.CONTAINER, "shop-web", SHOP),
    item(Kind.CONTAINER, "blog-web", BLOG),
    item(Kind.CONTAINER, "shop-cron"),
    item(Kind.CONTAINER, "shop_old"),
    item(Kind.CONTAINER, "shopkeeper"),
    item(Kind.CONTAINER, "shop-helper", housekeeping="filler"),
    item(Kind.NETWORK, "back", SHOP),
    item(Kind.NETWORK, "back"),
)


def test_what_others_have_is_foreign_and_what_is_ones_own_is_not() -> None:
    there = inventory(1, ITEMS, None)
    foreign = Foreign(there.named, SHOP)
    assert dict(foreign) == {
        (Kind.CONTAINER, "blog-web"): f"id-blog-web-{BLOG}",
        (Kind.CONTAINER, "shop-cron"): "id-shop-cron-None",
        (Kind.CONTAINER, "shop_old"): "id-shop_old-None",
        (Kind.CONTAINER, "shopkeeper"): "id-shopkeeper-None",
        (Kind.NETWORK, "back"): "id-back-None",
    }
    assert len(foreign) == 5
    assert (Kind.CONTAINER, "shop-web") not in foreign
    assert foreign.get((Kind.CONTAINER, "shop-helper")) is None
    # To those who look at all, only strangers' objects are.
    assert (Kind.CONTAINER, "blog-web") not in Foreign(there.named, None)


def test_only_strangers_names_that_read_like_ones_own_are_taken() -> None:
    there = inventory(1, ITEMS, None)
    assert there.taken(SHOP) == ["container/shop-cron", "container/shop_old"]
    assert there.taken(BLOG) == []
    assert there.taken(None) == []


def test_what_has_not_changed_is_the_same_object_for_all_and_from_one_moment_to_the_next() -> None:
    first = inventory(1, ITEMS, None)
    second = inventory(2, (*ITEMS, item(Kind.CONTAINER, "blog-api", BLOG)), first)
    assert first.names[SHOP].networks is second.names[SHOP].networks is second.names[BLOG].networks
    third = inventory(3, (*ITEMS, item(Kind.NETWORK, "new", BLOG)), second)
    assert third.names[SHOP].networks != second.names[SHOP].networks


def test_each_application_has_its_own_objects() -> None:
    there = inventory(1, ITEMS, None)
    assert [one.name for one in there.of(SHOP)] == ["shop-web", "back"]
    assert there.of(AppKey("default", "nobody")) == ()
    assert {one.name for one in there.of(None)} == {"shop-web", "back", "blog-web"}


class Cache:
    """As much of an EngineCache as an observer asks; counts how often everything is asked for."""

    version = 1
    asked = 0

    def __init__(self, items: tuple[Item, ...]) -> None:
        self._items = items

    def refresh(self, *, fresh: bool) -> None:
        assert not fresh

    def items(self) -> tuple[Item, ...]:
        self.asked += 1
        return self._items


def test_all_objects_are_sorted_out_once_however_many_applications_are_looked_at() -> None:
    apps = [AppKey("default", f"a{number:03d}") for number in range(300)]
    volume = {"inspect": {"Name": "data", "CreatedAt": "2026-01-01T00:00:00Z"}}
    cache = Cache(tuple(item(Kind.VOLUME, f"{app.name}_data", app, **volume) for app in apps))
    observer = Observer(
        cast("EngineCache", cache), target="local", facts=EngineFacts, secret_key=b"k", now=lambda: datetime.now(UTC)
    )
    first = {app: observer.observe(app, (), fresh=False) for app in apps}
    assert cache.asked == 1
    assert all(len(state.live) == 1 and len(state.foreign) == 299 for state in first.values())
    cache.version += 1
    assert {app: observer.observe(app, (), fresh=False).digest for app in apps} == {
        a: s.digest for a, s in first.items()
    }
    assert cache.asked == 2
