"""A service with a stable address becomes two: who has its names, its addresses and its ports, and what is refused."""

from __future__ import annotations

import pytest

from tests.unit.manifest.test_load import errors, loaded
from trimtab.model.application import Fronts

FILE = """\
services:
  api:
    image: api:1
    expose: ["9000-9001"]
    ports: ["8080:80"]
    stop_grace_period: 20s
    networks:
      front: {aliases: [backend], ipv4_address: 10.9.0.5, priority: 2}
      back:
    deploy: {replicas: 3}
    x-trimtab:
      wave: 3
      rollout:
        address: {image: "haproxy:3.0"}
  web:
    image: web:1
    networks: [front]
    links: [api, "api:db", other]
    depends_on:
      api: {condition: service_healthy}
  other: {image: x, networks: [front]}
networks: {front: {ipam: {config: [{subnet: 10.9.0.0/24}]}}, back: {}}
"""
ADDRESS = 'address: {image: "haproxy:3.0"}'


def test_the_address_has_what_the_service_is_reached_by() -> None:
    (app,) = loaded({"w/compose.yaml": FILE}).applications
    services = app.compose.services
    proxy, api, web = services["api-address"], services["api"], services["web"]
    assert proxy["image"] == "haproxy:3.0"
    assert proxy["networks"] == {
        "back": {"aliases": ["api"]},
        "front": {"aliases": ["api", "backend"], "ipv4_address": "10.9.0.5"},
    }
    assert (proxy["stop_grace_period"], proxy["restart"]) == ("20s", "unless-stopped")
    assert proxy["expose"] == ["80", "9000", "9001"]
    assert api["networks"] == {"back": None, "front": {"priority": 2}}
    assert "ports" not in api
    assert [str(port["target"]) for port in proxy["ports"]] == ["80"]  # type: ignore[attr-defined]
    assert app.service_settings["api-address"].fronts == Fronts(service="api", ports=(80, 9000, 9001))
    assert app.service_settings["api-address"].wave == 3

    assert api["depends_on"] == {"api-address": {"condition": "service_started", "required": True}}
    assert set(web["depends_on"]) == {"api", "api-address", "other"}  # type: ignore[call-overload]
    assert web["links"] == ["api-address:api", "api-address:db", "other"]
    assert "depends_on" not in services["other"]

    setting = app.compose.origin("services", "api-address")
    assert (setting.path, setting.line) == ("w/compose.yaml", 14) if setting else False


def test_ports_that_are_named_are_those_that_are_open() -> None:
    (app,) = loaded({"w/compose.yaml": FILE.replace('3.0"}', '3.0", ports: [5432, 80]}')}).applications
    front = app.service_settings["api-address"].fronts
    assert front is not None
    assert front.ports == (80, 5432)


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("  web:", "  api-address:", "TT1513", "is a service 'api-address' already"),
        ('    ports: ["8080:80"]\n', "    ports: [{target: 53, protocol: udp}]\n", "TT1513", "53/udp is not TCP"),
        ("9000-9001", "9000/udp", "TT1513", "9000/udp is not TCP"),
        ("      wave: 3", "      hook: PreSync", "TT1513", "runs once"),
        ("deploy: {replicas: 3}", "deploy: {mode: replicated-job}", "TT1513", "runs once"),
        (ADDRESS, f"alias: when-healthy\n        {ADDRESS}", "TT1513", "when-healthy"),
        (ADDRESS, "address: {}", "TT1503", "image"),
        (ADDRESS, 'address: {image: ""}', "TT1504", "image"),
        (ADDRESS, "address: {image: x, ports: [70000]}", "TT1504", "ports"),
        (ADDRESS, "address: {image: x, port: [1]}", "TT1502", "port"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(old: str, new: str, code: str, words: str) -> None:
    assert old in FILE
    result = loaded({"w/compose.yaml": FILE.replace(old, new)})
    found = [d for d in result.diagnostics if d.code == code]
    assert code in errors(result), result.diagnostics
    assert words in found[0].message, found
    assert found[0].origin.line in {12, 13, 14, 15}, found


def test_without_a_name_or_a_port_there_is_nothing_to_address() -> None:
    text = (
        "services: {api: {image: x, network_mode: host, expose: ['1'], x-trimtab: {rollout: {address: {image: y}}}}}\n"
    )
    result = loaded({"w/compose.yaml": text})
    assert "network_mode host" in next(d.message for d in result.diagnostics if d.code == "TT1513")
    result = loaded({"w/compose.yaml": text.replace(" network_mode: host, expose: ['1'],", "")})
    assert "it says no port" in next(d.message for d in result.diagnostics if d.code == "TT1513")


def test_a_job_has_no_address() -> None:
    text = """\
x-trimtab: {jobs: {clean: {service: api, schedule: "0 3 * * *"}}}
services: {api: {image: x, expose: ['1'], x-trimtab: {rollout: {address: {image: y}}}}}
"""
    result = loaded({"w/compose.yaml": text})
    assert "runs once" in next(d.message for d in result.diagnostics if d.code == "TT1513")
