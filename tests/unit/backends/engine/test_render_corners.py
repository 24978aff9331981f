"""What is seldom written in a service, a network or a volume, and what an engine is told then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.rig import SHOP, Rig, shop
from tests.unit.backends.engine.test_render_mounts import WEB, rendered
from trimtab.model.application import Rollout, RolloutStrategy, ServiceSettings
from trimtab.model.diagnostics import Severity
from trimtab.model.keys import Kind, ResourceKey


def host(service: str, top: str = "") -> Mapping[str, Any]:
    return rendered(service, top=top).resources[WEB].spec["HostConfig"]  # type: ignore[return-value]  # a mapping


def test_a_restart_policy_of_deploy_wins_and_restarts_always_where_no_condition_is_given() -> None:
    """Compose Specification, deploy: the default condition is any."""
    policy = "    deploy: {restart_policy: %s}\n"
    assert host(policy % "{delay: 5s}")["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0}
    failing = policy % "{condition: on-failure, max_attempts: 3}"
    assert host("    restart: always\n" + failing)["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert "RestartPolicy" not in host("    restart: always\n" + policy % "{condition: none}")
    assert host("    restart: on-failure:5\n")["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 5}


def test_one_number_is_both_limits() -> None:
    assert host("    ulimits: {nproc: 64, nofile: {soft: 1, hard: 2}}\n")["Ulimits"] == {
        "nofile": {"Soft": 1, "Hard": 2},
        "nproc": {"Soft": 64, "Hard": 64},
    }


def test_devices_are_asked_for_by_driver_id_and_options() -> None:
    (request,) = host(
        "    gpus: [{driver: nvidia, device_ids: ['0', '3'], capabilities: [gpu, compute], options: {b: 1, a: 2}}]\n"
    )["DeviceRequests"]
    assert request == {
        "Driver": "nvidia",
        "Count": 0,
        "DeviceIDs": ["0", "3"],
        "Capabilities": [["compute", "gpu"]],
        "Options": {"a": "2", "b": "1"},
    }


def test_volumes_of_another_container_may_be_one_that_is_not_the_applications() -> None:
    found = host("    volumes_from: ['container:far', 'container:near:ro']\n")
    assert found["VolumesFrom"] == ["far:rw", "near:ro"]


def test_a_port_that_is_written_twice_is_published_once() -> None:
    twice = [{"target": 80, "published": "80"}, {"target": 80, "published": "80", "mode": "host"}]
    local = {"target": 80, "published": "80", "host_ip": "127.0.0.1", "protocol": "tcp"}
    state = Rig().desired(shop({"web": {"image": "web:1", "ports": [*twice, local]}}))
    found: Any = state.resources[WEB].spec["HostConfig"]
    assert found["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "80"}, {"HostIp": "127.0.0.1", "HostPort": "80"}]
    }


def test_a_health_check_that_is_off_is_off_whatever_the_image_says() -> None:
    config = rendered("    healthcheck: {disable: true}\n").resources[WEB].spec["Config"]
    assert config["Healthcheck"] == {"Test": ["NONE"]}  # type: ignore[index]  # a mapping


def test_an_attachment_has_the_addresses_and_options_of_the_file() -> None:
    service = (
        "    networks:\n"
        "      front: {ipv4_address: 10.9.0.7, ipv6_address: 'fd00::7', mac_address: '02:42:ac:11:00:07',"
        " link_local_ips: [169.254.9.9, 169.254.1.1], interface_name: eth7, driver_opts: {b: '2', a: '1'},"
        " gw_priority: 5}\n"
    )
    networks = (
        "networks: {front: {ipam: {config: [{subnet: 10.9.0.0/24}, {subnet: 'fd00::/64'}]}, enable_ipv6: true}}\n"
    )
    found: Any = rendered(service, top=networks).resources[WEB].spec["Networks"]
    endpoint = found["shop_front"]
    assert {name: endpoint[name] for name in endpoint if name != "Aliases"} == {
        "IPv4Address": "10.9.0.7",
        "IPv6Address": "fd00::7",
        "MacAddress": "02:42:ac:11:00:07",
        "LinkLocalIPs": ["169.254.1.1", "169.254.9.9"],
        "DriverOpts": {"a": "1", "b": "2", "com.docker.network.endpoint.ifname": "eth7"},
        "GwPriority": 5,
    }


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("{enable_ipv4: false, enable_ipv6: true}", {"EnableIPv4": False, "EnableIPv6": True}),
        ("{labels: {com.docker.compose.project: other}}", {}),
        ("{labels: {team: web}}", {"Labels": {"team": "web"}}),
        (
            "{ipam: {driver: dhcp, options: {b: '2', a: '1'}}}",
            {"IPAM": {"Driver": "dhcp", "Options": {"a": "1", "b": "2"}}},
        ),
        (
            "{ipam: {driver: default, config: [{subnet: 10.9.0.0/24, aux_addresses: {b: 10.9.0.3, a: 10.9.0.2}}]}}",
            {
                "IPAM": {
                    "Config": [{"Subnet": "10.9.0.0/24", "AuxiliaryAddresses": {"a": "10.9.0.2", "b": "10.9.0.3"}}],
                }
            },
        ),
    ],
)
def test_a_network_is_what_the_file_says_and_nothing_that_only_looks_like_it(
    definition: str, expected: dict[str, object]
) -> None:
    state = rendered("    networks: [n]\n", top=f"networks: {{n: {definition}}}\n")
    assert dict(state.resources[ResourceKey(SHOP, Kind.NETWORK, "n")].spec) == expected


def test_blue_and_green_cannot_hold_one_address() -> None:
    networks = {"web": {"networks": {"default": {"ipv4_address": "10.9.0.7"}}, "image": "web:1"}}
    settings = {"web": ServiceSettings(rollout=Rollout(strategy=RolloutStrategy.BLUE_GREEN))}
    state = Rig().desired(replace(shop(networks), service_settings=settings))
    (found,) = [d for d in state.diagnostics if d.severity is Severity.ERROR and "address" in d.message]
    assert "address 10.9.0.7 can only be held once" in found.message
    assert "put a proxy in front of it, or roll" in found.hint
