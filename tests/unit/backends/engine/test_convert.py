"""Specs as request bodies: what each API version can and cannot express."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trimtab.backends.engine.convert import (
    Resolved,
    container_request,
    endpoint_body,
    network_body,
    references,
    volume_body,
)
from trimtab.errors import UnsupportedByBackend
from trimtab.model.desired import Secret

OLD, NEW = (1, 41), (1, 51)


def _body(api: tuple[int, int] = OLD, image: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    spec.setdefault("Config", {"Image": "i"})
    resolved = Resolved(services={"db": "b" * 64}, mountpoints={"shop_c": "/mnt/shop_c"})
    return container_request(spec, {"l": "1"}, api=api, resolved=resolved, image=image).body


def test_secrets_are_revealed_in_the_body_alone() -> None:
    spec = {"Config": {"Image": "i", "Env": {"P": Secret("sesame", "0123456789")}}}
    assert "sesame" not in repr(spec)
    assert _body(**spec)["Env"] == ["P=sesame"]
    json.dumps(_body(**spec))


def test_published_ports_are_exposed() -> None:
    assert _body(HostConfig={"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "1"}]}})["ExposedPorts"] == {
        "80/tcp": {}
    }


def test_cleared_commands() -> None:
    image = {"Config": {"Entrypoint": ["/start"], "Cmd": ["now"]}}
    assert _body(Config={"Image": "i", "Entrypoint": []})["Entrypoint"] == [""]
    assert _body(image=image, Config={"Image": "i", "Cmd": []})["Entrypoint"] == ["/start"]
    with pytest.raises(UnsupportedByBackend, match="nothing to run"):
        _body(image={"Config": {"Cmd": ["now"]}}, Config={"Image": "i", "Cmd": []})


def test_references() -> None:
    spec = {
        "HostConfig": {"PidMode": "container:service:db", "VolumesFrom": ["service:store:ro", "other:rw"]},
        "Mounts": {"/x": {"Type": "bind", "Source": "content:shop_c/1/a"}, "/y": {"Type": "bind", "Source": "/etc"}},
    }
    assert references(spec) == ({"db", "store"}, {"shop_c"})
    assert _body(HostConfig={"PidMode": "container:service:db"})["HostConfig"]["PidMode"] == f"container:{'b' * 64}"


def test_content_is_a_path_or_a_part_of_a_volume() -> None:
    mounts = {"/x": {"Type": "bind", "Source": "content:shop_c/1/a", "ReadOnly": True}}
    assert _body(OLD, Mounts=mounts)["HostConfig"]["Mounts"] == [
        {"Type": "bind", "Source": "/mnt/shop_c/1/a", "Target": "/x", "ReadOnly": True}
    ]
    assert _body(NEW, Mounts=mounts)["HostConfig"]["Mounts"] == [
        {
            "Type": "volume",
            "Source": "shop_c",
            "Target": "/x",
            "ReadOnly": True,
            "VolumeOptions": {"NoCopy": True, "Subpath": "1/a"},
        }
    ]


def test_old_engines_attach_one_network_at_create() -> None:
    spec = {
        "Config": {"Image": "i"},
        "HostConfig": {"NetworkMode": "b"},
        "Networks": {"a": {"Aliases": ["x"]}, "b": {"Aliases": ["y"]}},
    }
    old = container_request(spec, {}, api=OLD, resolved=Resolved())
    assert list(old.body["NetworkingConfig"]["EndpointsConfig"]) == ["b"]
    assert old.later == (("a", {"Aliases": ["x"]}),)
    new = container_request(spec, {}, api=NEW, resolved=Resolved())
    assert list(new.body["NetworkingConfig"]["EndpointsConfig"]) == ["b", "a"]
    assert new.later == ()


def test_mac_addresses_are_where_the_version_wants_them() -> None:
    spec = {
        "Config": {"Image": "i", "MacAddress": "02:42:ac:11:00:09"},
        "HostConfig": {"NetworkMode": "a"},
        "Networks": {"a": {}},
    }
    assert _body(OLD, **spec)["MacAddress"] == "02:42:ac:11:00:09"
    new = _body(NEW, **spec)
    assert "MacAddress" not in new
    assert new["NetworkingConfig"]["EndpointsConfig"]["a"]["MacAddress"] == "02:42:ac:11:00:09"


@pytest.mark.parametrize("mode", ["none", "host", "container:x"])
@pytest.mark.parametrize("api", [OLD, NEW])
def test_a_mac_address_without_a_network_is_refused(mode: str, api: tuple[int, int]) -> None:
    with pytest.raises(UnsupportedByBackend, match=f"with network_mode {mode} there is no network card"):
        _body(api, Config={"Image": "i", "MacAddress": "02:42:ac:11:00:09"}, HostConfig={"NetworkMode": mode})


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ({"HostConfig": {"Annotations": {"a": "b"}}}, "1.43"),
        ({"Config": {"Image": "i", "Healthcheck": {"Test": ["CMD", "x"], "StartInterval": 1}}}, "1.44"),
        ({"Mounts": {"/x": {"Type": "volume", "Source": "v", "Subpath": "s"}}}, "1.45"),
        ({"Mounts": {"/x": {"Type": "bind", "Source": "/v", "Recursive": "readonly"}}}, "1.44"),
        ({"Mounts": {"/x": {"Type": "bind", "Source": "/a:b", "CreateMountpoint": True}}}, "1.42"),
        ({"HostConfig": {"NetworkMode": "a"}, "Networks": {"a": {"GwPriority": 3}}}, "1.48"),
        ({"HostConfig": {"NetworkMode": "a"}, "Networks": {"a": {}, "b": {"MacAddress": "02:42:ac:11:00:09"}}}, "1.44"),
        ({"Networks": {"a": {"DriverOpts": {"com.docker.network.endpoint.ifname": "eth7"}}}}, "1.49"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_with_the_version_that_can(spec: dict[str, Any], version: str) -> None:
    with pytest.raises(UnsupportedByBackend, match=f"needs Engine API {version}, this engine speaks 1.41"):
        _body(OLD, **spec)
    _body(NEW, **spec)


def test_networks_and_volumes() -> None:
    with pytest.raises(UnsupportedByBackend, match="enable_ipv4"):
        network_body("n", {"EnableIPv4": False}, {}, OLD)
    assert network_body("n", {"EnableIPv4": False}, {}, NEW)["EnableIPv4"] is False
    assert endpoint_body({"IPv4Address": "10.0.0.2"}, OLD) == {"IPAMConfig": {"IPv4Address": "10.0.0.2"}}
    assert volume_body("v", {"Labels": {"a": "b"}}, {"c": "d"})["Labels"] == {"a": "b", "c": "d"}
