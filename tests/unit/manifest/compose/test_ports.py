from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.compose_text import long_form, service
from trimtab.manifest.compose.ports import port_range
from trimtab.manifest.nodes import to_plain


def _ports(entry: str) -> object:
    attributes, codes = service(f"ports: [{entry}]")
    assert codes == []
    return attributes["ports"]


def _tcp(target: int, **more: object) -> dict[str, object]:
    return {"mode": "ingress", "target": target, "protocol": "tcp", **more}


def test_short_forms() -> None:
    assert _ports("80") == [_tcp(80)]
    assert _ports('"8080:80"') == [_tcp(80, published="8080")]
    assert _ports('"8080:80/UDP"') == [_tcp(80, published="8080", protocol="udp")]
    assert _ports('"127.0.0.1::80"') == [_tcp(80, host_ip="127.0.0.1")]
    assert _ports('"[::1]:1:2"') == [_tcp(2, host_ip="::1", published="1")]
    assert _ports('"9-10"') == [_tcp(10), _tcp(9)]
    assert _ports('"1-2:3-4"') == [_tcp(3, published="1"), _tcp(4, published="2")]
    assert _ports('"8000-8010:80"') == [_tcp(80, published="8000-8010")]


def test_the_long_form_gets_its_defaults_only_when_all_files_are_merged() -> None:
    model, _ = long_form("services: {web: {ports: [{target: '80', published: 8080}]}}")
    assert to_plain(model)["services"]["web"]["ports"] == [{"target": 80, "published": "8080"}]  # type: ignore[index]
    assert _ports("{target: '80', published: 8080}") == [_tcp(80, published="8080")]


@pytest.mark.parametrize(
    "entry",
    [
        "http",
        "80:",
        "80/icmp",
        "1-3:1-2",
        "5-1",
        "70000",
        "70000:1",
        "1-70000",
        "1.5",
        "localhost:1:1",
        "::1:1:1",
        ":",
        "-1",
        "",
    ],
)
def test_what_is_no_port_is_told_and_kept(entry: str) -> None:
    assert service(f"ports: ['{entry}']") == ({"ports": [entry]}, ["TT1214"])


def test_other_shapes_are_left_to_the_schema() -> None:
    assert service("ports: '80:80'") == ({"ports": "80:80"}, [])
    assert service("ports: [80.5]")[1] == ["TT1214"]
    assert service("ports: [true, [1]]") == ({"ports": [True, [1]]}, [])


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_ranges(first: int, last: int) -> None:
    if first <= last:
        assert port_range(f"{first}-{last}") == (first, last)
    else:
        with pytest.raises(ValueError, match="ends before"):
            port_range(f"{first}-{last}")
