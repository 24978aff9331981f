"""The record of what was adopted: whole, sealed, bound to its name, and void for what is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from trimtab.backends.engine.adoptions import (
    OBJECTS,
    Adopted,
    Adoptions,
    read_record,
    record,
    without_aliases,
    witness_of,
)
from trimtab.backends.engine.labels import APP, INSTALLATION, KIND, SEAL, identify
from trimtab.model.keys import AppKey, Kind, ResourceKey

KEY, OTHER = b"k" * 32, b"o" * 32
SHOP = AppKey("default", "shop")
VOLUME = {"Name": "shop_data", "Driver": "local", "Labels": {"a": "b"}, "Mountpoint": "/v/shop_data/_data"}
WEB = Adopted(key=ResourceKey(SHOP, Kind.CONTAINER, "web", 1), handle="1" * 64, name="shop_web_1", digest="d")
DATA = Adopted(
    key=ResourceKey(SHOP, Kind.VOLUME, "data"), handle="shop_data", name="shop_data", witness=witness_of(VOLUME, KEY)
)


def written(*objects: Adopted, key: bytes = KEY) -> tuple[str, dict[str, str]]:
    return record(SHOP, objects, installation="default", seal_key=key, revision="r1")


def read(name: str, labels: Mapping[str, str]) -> tuple[Adopted, ...]:
    return read_record(name, labels, installation="default", seal_key=KEY)


def test_what_is_written_is_read_again_in_any_order() -> None:
    name, labels = written(DATA, WEB)
    assert (name, labels) == written(WEB, DATA)
    assert {(a.key, a.handle, a.name, a.digest, a.witness, a.revision) for a in read(name, labels)} == {
        (a.key, a.handle, a.name, a.digest, a.witness, "r1") for a in (WEB, DATA)
    }
    # It makes no other object ours.
    assert identify(labels, name, seal_key=KEY, installation="default") is None


@pytest.mark.parametrize(
    ("label", "value"),
    [(INSTALLATION, "other"), (KIND, "volume"), (APP, "evil"), (OBJECTS, "[]"), (SEAL, "0" * 32), (SEAL, "")],
)
def test_nothing_of_it_can_be_changed(label: str, value: str) -> None:
    name, labels = written(WEB)
    assert read(name, {**labels, label: value}) == ()


def test_a_copy_under_another_name_or_by_another_key_says_nothing() -> None:
    name, labels = written(WEB)
    assert read(f"{name}x", labels) == ()
    assert read(*written(WEB, key=OTHER)) == ()


def test_a_sealed_record_of_another_shape_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.backends.engine.adoptions.canonical_json", lambda _value: '[{"kind":"star"}]')
    name, labels = written(WEB)
    monkeypatch.undo()
    monkeypatch.setattr("trimtab.backends.engine.adoptions.seal", lambda _labels, _key: labels[SEAL])
    assert read(name, labels) == ()


def volume(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"Name": name, "Labels": dict(labels)}


def test_records_come_and_go() -> None:
    known = Adoptions("default", KEY)
    name, labels = written(WEB, DATA)
    assert known.learn(name, labels) == (WEB.place, DATA.place)
    assert known.learn(name, labels) == ()
    found = known.of(Kind.CONTAINER, WEB.handle, {})
    assert found is not None
    assert found.key == WEB.key
    assert known.forget(name) == (WEB.place, DATA.place)
    assert known.of(Kind.CONTAINER, WEB.handle, {}) is None
    known.reset([volume(name, labels), volume("other", {})])
    assert known.of(Kind.CONTAINER, WEB.handle, {}) is not None
    known.reset([])
    assert known.of(Kind.CONTAINER, WEB.handle, {}) is None


def test_a_volume_of_that_name_that_is_another_one_is_not_ours() -> None:
    known = Adoptions("default", KEY)
    known.reset([volume(*written(DATA))])
    assert known.of(Kind.VOLUME, "shop_data", VOLUME) is not None
    # Its creation time moves with each write to its root, on engines before 25.0.
    assert known.of(Kind.VOLUME, "shop_data", {**VOLUME, "CreatedAt": "later"}) is not None
    for change in ({"Labels": {}}, {"Driver": "nfs"}, {"Options": {"type": "tmpfs"}}):
        assert known.of(Kind.VOLUME, "shop_data", {**VOLUME, **change}) is None


def test_what_is_supposed_counts_and_is_forgotten() -> None:
    known = Adoptions("default", KEY)
    known.suppose([WEB])
    known.reset([])
    assert known.of(Kind.CONTAINER, WEB.handle, {}) == WEB
    known.suppose([])
    assert known.of(Kind.CONTAINER, WEB.handle, {}) is None


def test_a_record_is_spent_once_nothing_of_it_is_left() -> None:
    known = Adoptions("default", KEY)
    name, labels = written(WEB, DATA)
    known.reset([volume(name, labels)])
    assert known.spent(WEB.place, [WEB.place, DATA.place]) == ()
    assert known.spent(DATA.place, [DATA.place]) == (name,)
    assert known.spent(WEB.place, []) == (name,)


def test_names_are_no_aliases() -> None:
    fields = {
        "Networks": {
            "n": {"Aliases": ["shop_web_1", "web"], "IPv4Address": "10.0.0.2"},
            "m": {"Aliases": ["shop_web_1"]},
        }
    }
    assert without_aliases(fields, {"shop_web_1", ""}) == {
        "Networks": {"n": {"Aliases": ["web"], "IPv4Address": "10.0.0.2"}, "m": {"Aliases": []}}
    }
    assert without_aliases({"Config": {}}, {"x"}) == {"Config": {}}
