"""Inspects recorded from real engines, read as specs; and each cause of false drift by itself."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.backends.engine.specs import LIMITS, NOT_HERE, SERVICES, configs, container_specs, hosts
from trimtab.backends.engine.compare import compare
from trimtab.backends.engine.convert import Resolved, container_request
from trimtab.backends.engine.fields import FIELDS
from trimtab.backends.engine.normalise import Names, normalise_container, normalise_network, normalise_volume
from trimtab.model.desired import Resource
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import EngineFacts, Live

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
KEY = ResourceKey(AppKey("default", "recorded"), Kind.CONTAINER, "web", 1)


def _compare(spec: Any, fields: Any, inherited: Any, kind: Kind = Kind.CONTAINER) -> object:
    key = ResourceKey(KEY.app, kind, "web", 1)
    live = Live(key=key, handle="h", name="n", digest="live", fields=fields, inherited=inherited)
    return compare(Resource(key=key, name="n", spec=spec, digest="wanted"), live)


@pytest.mark.parametrize("path", RECORDED, ids=lambda p: p.stem)
@pytest.mark.parametrize("state", ["started", "stopped"])
def test_a_recorded_container_is_its_spec(path: Path, state: str) -> None:
    recorded = json.loads(path.read_text())
    facts = EngineFacts(**recorded["facts"])
    fields, inherited = normalise_container(recorded[state], recorded["image"], names=Names(), facts=facts)
    assert _compare(recorded["spec"], fields, inherited) == ()


@pytest.mark.parametrize("path", RECORDED, ids=lambda p: p.stem)
def test_a_recorded_network_and_volume(path: Path) -> None:
    recorded = json.loads(path.read_text())
    fields, inherited = normalise_network(recorded["network"])
    assert _compare({"IPAM": {"Config": [{"Subnet": "10.213.79.0/24"}]}}, fields, inherited, Kind.NETWORK) == ()
    assert _compare({}, fields, inherited, Kind.NETWORK) == ()
    assert normalise_volume(recorded["volume"]) == ({"Driver": "local"}, {"Driver": "local"})


@pytest.mark.parametrize("path", RECORDED, ids=lambda p: p.stem)
def test_a_live_edit_is_a_difference(path: Path) -> None:
    recorded = json.loads(path.read_text())
    edited = copy.deepcopy(recorded["started"])
    edited["HostConfig"] |= {"Memory": 1 << 26, "MemorySwap": 1 << 27, "CpuShares": 7}
    edited["Config"]["Env"].append("NEW=1")
    fields, inherited = normalise_container(
        edited, recorded["image"], names=Names(), facts=EngineFacts(**recorded["facts"])
    )
    assert [c.path for c in _compare(recorded["spec"], fields, inherited)] == [  # type: ignore[attr-defined]
        "/Config/Env/NEW",
        "/HostConfig/CpuShares",
        "/HostConfig/Memory",
    ]


def _inspect(**parts: Any) -> dict[str, Any]:
    return {"Id": "a" * 64, "Config": {}, "HostConfig": {}, "Mounts": [], "NetworkSettings": {"Networks": {}}, **parts}


def _fields(inspect: dict[str, Any], image: dict[str, Any] | None = None, names: Names | None = None) -> Any:
    return normalise_container(inspect, image, names=names or Names(), facts=EngineFacts())


def test_ids_read_as_names() -> None:
    names = Names(services={"b" * 64: "db"}, networks={"c" * 64: "shop_default"})
    host = {
        "NetworkMode": f"container:{'b' * 64}",
        "PidMode": f"container:{'d' * 64}",
        "VolumesFrom": ["b" * 64 + ":ro"],
    }
    fields, _ = _fields(_inspect(HostConfig=host), names=names)
    assert fields["HostConfig"]["NetworkMode"] == "container:service:db"
    assert fields["HostConfig"]["PidMode"] == f"container:{'d' * 64}"
    assert fields["HostConfig"]["VolumesFrom"] == ["service:db:ro"]
    fields, _ = _fields(_inspect(HostConfig={"NetworkMode": "c" * 64}), names=names)
    assert fields["HostConfig"]["NetworkMode"] == "shop_default"


def test_a_network_that_is_gone_is_none_although_one_of_its_name_is_there() -> None:
    endpoint = {"Aliases": ["web"], "NetworkID": "c" * 64}
    inspect = _inspect(HostConfig={"NetworkMode": "n"}, NetworkSettings={"Networks": {"n": endpoint}})
    there, another = Names(networks={"c" * 64: "n"}), Names(networks={"d" * 64: "n"})
    assert _fields(inspect, names=there)[0]["Networks"] == {"n": {"Aliases": ["web"]}}
    assert "Networks" not in _fields(inspect, names=another)[0]
    # A container that was never started has no id yet; without the list of networks nothing can be told.
    endpoint["NetworkID"] = ""
    assert _fields(inspect, names=another)[0]["Networks"] == {"n": {"Aliases": ["web"]}}
    assert _fields(inspect)[0]["Networks"] == {"n": {"Aliases": ["web"]}}


def test_the_id_is_no_hostname_and_the_hostname_no_alias() -> None:
    endpoint = {"Aliases": ["web", "a" * 12, "host"]}
    fields, _ = _fields(
        _inspect(
            Config={"Hostname": "a" * 12},
            HostConfig={"NetworkMode": "n"},
            NetworkSettings={"Networks": {"n": endpoint}},
        )
    )
    assert "Hostname" not in fields.get("Config", {})
    assert fields["Networks"] == {"n": {"Aliases": ["web"]}}


@pytest.mark.parametrize(
    ("mount", "binds"),
    [
        (
            {
                "Type": "volume",
                "Source": "shop_c",
                "Target": "/x",
                "ReadOnly": True,
                "VolumeOptions": {"NoCopy": True, "Subpath": "1/a"},
            },
            [],
        ),
        ({"Type": "bind", "Source": "/mnt/vol/shop_c/1/a", "Target": "/x", "ReadOnly": True}, []),
        ({"Type": "bind", "Source": "/var/lib/docker/volumes/shop_c/_data/1/a", "Target": "/x", "ReadOnly": True}, []),
        (None, ["/mnt/vol/shop_c/1/a:/x:ro"]),
    ],
)
def test_content_is_content_whichever_way_it_is_mounted(mount: dict[str, Any] | None, binds: list[str]) -> None:
    host = {"Mounts": [mount] if mount else None, "Binds": binds or None}
    fields, _ = _fields(_inspect(HostConfig=host), names=Names(contents={"shop_c": "/mnt/vol/shop_c"}))
    assert fields["Mounts"] == {"/x": {"Type": "bind", "Source": "content:shop_c/1/a", "ReadOnly": True}}


def test_an_images_volumes_are_inherited() -> None:
    image = {"Config": {"Volumes": {"/var/data": {}}, "Env": ["A=1"], "Cmd": ["x"]}}
    generated = {"Type": "volume", "Name": "f" * 64, "Destination": "/var/data"}
    fields, inherited = _fields(_inspect(Mounts=[generated], Config={"Env": ["A=1"], "Cmd": ["x"]}), image)
    assert inherited["Mounts"] == {"/var/data": {"Type": "volume"}}
    assert fields["Mounts"] == {"/var/data": {"Type": "volume", "Source": "f" * 64}}
    assert fields["Config"]["Env"] == inherited["Config"]["Env"] == {"A": "1"}


_SENT = st.sampled_from([(1, 41), (1, 44), (1, 49), (1, 51)]).flatmap(
    lambda api: st.tuples(st.just(api), container_specs("app", api))
)
_IDS = {service: service[0] * 64 for service in SERVICES}


@pytest.mark.slow
@given(_SENT)
def test_what_is_sent_reads_back_as_the_spec(sent: tuple[tuple[int, int], dict[str, dict[str, Any]]]) -> None:
    """The engine answers with what it was sent; then nothing may differ."""
    api, spec = sent
    spec.setdefault("Config", {})["Image"] = "i"
    request = container_request(spec, {}, api=api, resolved=Resolved(services=_IDS))
    body = request.body
    networks = {**body.get("NetworkingConfig", {}).get("EndpointsConfig", {}), **dict(request.later)}
    config = {k: v for k, v in body.items() if k not in {"HostConfig", "NetworkingConfig"}}
    inspect = _inspect(Config=config, HostConfig=body["HostConfig"], NetworkSettings={"Networks": networks})
    names = Names(services={container_id: service for service, container_id in _IDS.items()})
    fields, inherited = _fields(json.loads(json.dumps(inspect)), names=names)
    assert _compare(spec, fields, inherited) == ()


def test_every_field_is_tried() -> None:
    """The property tests, here and on the real engine, cover each field that is compared."""
    api = (1, 51)
    tried = {f"/Config/{name}" for name in configs(api)} | {
        f"/HostConfig/{name}" for name in (*hosts("app", api), *LIMITS)
    }
    known = {"/".join(path.split("/")[:3]) for path in FIELDS} - {"/Mounts", "/Networks"}
    assert tried | set(NOT_HERE) == known
    assert tried & set(NOT_HERE) == set()
