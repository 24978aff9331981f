from __future__ import annotations

import pytest

from tests.support.compose_text import service


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("'True'", True),
        ("'FALSE'", None),
        ("'yes'", True),
        ("'off'", None),
        ("'n'", None),
        ("'on'", True),
    ],
)
def test_booleans(written: str, meant: object) -> None:
    attributes, _ = service(f"privileged: {written}")
    assert attributes.get("privileged") == meant


def test_old_booleans_are_told() -> None:
    assert service("privileged: 'yes'")[1] == ["TT1211"]
    assert service("privileged: 'true'")[1] == []
    assert service("privileged: maybe") == ({"privileged": "maybe"}, ["TT1211"])


@pytest.mark.parametrize(
    ("attribute", "printed"),
    [
        ("scale: '3'", 3),
        ("scale: 3.0", 3),
        ("scale: 0", 0),
        ("cpus: '0.5'", 0.5),
        ("cpus: 2", 2),
        ("mem_limit: 1g", "1073741824"),
        ("mem_limit: 1024", "1024"),
        ("memswap_limit: -1", "-1"),
        ("stop_grace_period: 90s", "1m30s"),
        ("stop_grace_period: 0s", "0s"),
        ("shm_size: 1024.0", "1024"),
    ],
)
def test_numbers_sizes_and_durations(attribute: str, printed: object) -> None:
    attributes, codes = service(attribute)
    assert (list(attributes.values()), codes) == ([printed], [])


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ("scale: two", "TT1210"),
        ("cpus: many", "TT1210"),
        ("cpus: 1e300", "TT1210"),
        ("healthcheck: {retries: -3}", "TT1204"),
        ("mem_limit: lots", "TT1213"),
        ("stop_grace_period: soon", "TT1212"),
    ],
)
def test_what_cannot_be_read_is_told_and_kept(attribute: str, code: str) -> None:
    attributes, codes = service(attribute)
    assert codes == [code]
    assert len(attributes) == 1


@pytest.mark.parametrize(
    "zero", ["mem_limit: 0", "cpus: 0.0", "tty: false", "hostname: ''", "cap_add: []", "labels: {}"]
)
def test_what_means_not_set_is_left_out(zero: str) -> None:
    assert service(zero) == ({}, [])


@pytest.mark.parametrize(
    "zero", ["init: false", "attach: false", "scale: 0", "healthcheck: {}", "deploy: {replicas: 0}"]
)
def test_what_differs_from_not_set_is_kept(zero: str) -> None:
    assert len(service(zero)[0]) == 1


@pytest.mark.parametrize("other", ["cpus: true", "mem_limit: true", "scale: [1]", "stop_grace_period: 5", "init: 1"])
def test_values_of_another_kind_are_left_to_the_schema(other: str) -> None:
    assert service(other)[1] == []


def test_file_modes() -> None:
    attributes, codes = service("configs: [{source: a, mode: 0440}, {source: b, mode: '0o400'}, {source: c, mode: rw}]")
    assert attributes["configs"] == [
        {"source": "a", "mode": "0440"},
        {"source": "b", "mode": "0400"},
        {"source": "c", "mode": "rw"},
    ]
    assert codes == ["TT1220"]
    assert service("configs: [{source: a, mode: true}]")[0]["configs"] == [{"source": "a", "mode": True}]
