"""Create, inspect, normalise: what comes out is what went in, for any spec. On the real engine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.driving import Driving, driving
from tests.support.engine import EngineScope
from tests.unit.backends.engine.specs import PEER, SHARED, container_specs
from trimtab.backends.engine.compare import compare
from trimtab.backends.engine.steps import Existing, RemoveContainer, StartContainer, StopContainer
from trimtab.model.desired import Resource
from trimtab.model.keys import Kind
from trimtab.plan.canonical import digest

pytestmark = pytest.mark.engine

# Each costs the engine two requests of 50 ms; ROUNDTRIP_EXAMPLES is for looking further, once.
EXAMPLES = int(os.environ.get("ROUNDTRIP_EXAMPLES", "60"))


@pytest.fixture(scope="module")
def drive(module_scope: EngineScope, engine_url: str) -> Iterator[Driving]:
    with driving(module_scope.name, engine_url) as made:
        made.do(made.network("front", Labels={"a": "b"}))
        made.do(made.network("back", IPAM={"Config": [{"Subnet": "10.213.77.0/24"}]}))
        pools = [{"Subnet": "10.213.79.0/24"}, {"Subnet": "fd00:beef::/64"}]
        made.do(made.network("six", EnableIPv6=True, IPAM={"Config": pools}))
        made.do(made.volume("data"))
        front = f"{made.name}_front"
        made.run(PEER, HostConfig={"NetworkMode": front, "Init": True}, Networks={front: {"Aliases": [PEER]}})
        made.do(made.container(SHARED, HostConfig={"IpcMode": "shareable"}))
        yield made


def test_a_created_container_has_no_drift(drive: Driving) -> None:
    cgroup_v1 = drive.driver.facts().cgroup_version == "1"

    @settings(
        max_examples=EXAMPLES,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(spec=container_specs(drive.name, drive.client.api_version, cgroup_v1=cgroup_v1), disguised=st.booleans())
    def property_(*, spec: dict[str, dict[str, object]], disguised: bool) -> None:
        step = drive.container("any", **{k: dict(v) for k, v in spec.items()})
        container_id = drive.do(step)["id"]
        try:
            live = drive.live(Kind.CONTAINER, "any")
            assert live is not None
            # With another digest even the fields that cannot change live are compared.
            want = Resource(
                key=step.key, name=step.name, spec=step.spec, digest="other" if disguised else digest(step.spec)
            )
            assert compare(want, live) == ()
        finally:
            drive.discard(container_id)

    property_()


def test_a_started_container_has_no_drift_either(drive: Driving) -> None:
    front = f"{drive.name}_front"
    step = drive.container(
        "busy",
        Config={"Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000}, "ExposedPorts": ["80/tcp"]},
        HostConfig={
            "NetworkMode": front,
            "Memory": 32 << 20,
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
        },
        Networks={
            front: {"Aliases": ["busy"]},
            f"{drive.name}_back": {"Aliases": ["busy"], "IPv4Address": "10.213.77.9"},
        },
        Mounts={"/data": {"Type": "volume", "Source": f"{drive.name}_data"}, "/anon": {"Type": "volume"}},
    )
    container = Existing(drive.do(step)["id"])
    want = Resource(key=step.key, name=step.name, spec=step.spec, digest="other")
    drive.do(StartContainer(container=container, name=step.name))
    live = drive.live(Kind.CONTAINER, "busy")
    assert live is not None
    assert compare(want, live) == ()
    drive.do(StopContainer(container=container, name=step.name, grace_s=0))
    live = drive.live(Kind.CONTAINER, "busy")
    assert live is not None
    assert compare(want, live) == ()
    drive.do(RemoveContainer(container=container, name=step.name, scratch=True))


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"Internal": True, "Labels": {"x": "y"}},
        {"Options": {"com.docker.network.bridge.enable_icc": "false"}, "Attachable": True},
        {"IPAM": {"Config": [{"Subnet": "10.213.78.0/24", "Gateway": "10.213.78.1", "IPRange": "10.213.78.128/25"}]}},
        {"IPAM": {"Config": [{"Subnet": "10.213.78.0/24", "AuxiliaryAddresses": {"router": "10.213.78.5"}}]}},
    ],
    ids=str,
)
def test_a_network_has_no_drift(drive: Driving, spec: dict[str, object]) -> None:
    from trimtab.backends.engine.steps import RemoveNetwork

    step = drive.network("other", **spec)
    handle = drive.do(step)["id"]
    try:
        live = drive.live(Kind.NETWORK, "other")
        assert live is not None
        assert compare(Resource(key=live.key, name=step.name, spec=spec, digest="other"), live) == ()
    finally:
        drive.do(RemoveNetwork(handle=handle, name=step.name))


@pytest.mark.parametrize(
    "spec", [{}, {"Labels": {"x": "y"}}, {"DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}}], ids=str
)
def test_a_volume_has_no_drift(drive: Driving, spec: dict[str, object]) -> None:
    volume = f"v{digest(spec)[:6]}"
    step = drive.volume(volume, **spec)
    drive.do(step)
    live = drive.live(Kind.VOLUME, volume)
    assert live is not None
    assert compare(Resource(key=live.key, name=step.name, spec=spec, digest="other"), live) == ()
