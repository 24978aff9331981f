"""Patches change the model that is then checked and completed like any other; failures name the operation's place."""

from __future__ import annotations

import pytest

from tests.support.memory_tree import MemoryTree
from trimtab.manifest.load import LoadResult, load
from trimtab.model.application import Application
from trimtab.model.diagnostics import Diagnostic

COMPOSE = """\
services:
  api:
    image: api
    environment: {TOKEN: secret-token}
    ports: ["80:8080"]
    deploy: {replicas: 1}
  tool: {image: tool, profiles: [tools]}
  web: {image: web, networks: [front], volumes: ["data:/data"]}
networks: {front: }
volumes: {data: }
"""
HEAD = "apiVersion: trimtab.dev/v1alpha1\nkind: Application\nmetadata: {name: shop}\nspec:\n  patches:\n"


def patched(*lines: str) -> LoadResult:
    text = HEAD + "".join(f"  - {line}\n" for line in lines)
    return load(MemoryTree({"shop/app.yaml": text, "shop/compose.yaml": COMPOSE, "conf/x": "1"}), default_name="x")


def application(*lines: str) -> Application:
    result = patched(*lines)
    assert [str(d) for d in result.diagnostics if d.severity != "info"] == []
    return result.applications[0]


def problem(*lines: str) -> Diagnostic:
    result = patched(*lines)
    (failed,) = result.failed
    assert not result.applications
    (found,) = (d for d in failed.diagnostics if d.severity == "error")
    return found


API = "target: {kind: Service, name: api}, patch: "


def test_a_patch_changes_the_long_form() -> None:
    app = application(f"{{{API}[{{op: replace, path: /ports/0/published, value: '81'}}]}}")
    assert app.compose.services["api"]["ports"] == [
        {"mode": "ingress", "target": 8080, "published": "81", "protocol": "tcp"}
    ]
    assert str(app.compose.origin("services", "api", "ports", 0, "published")) == "shop/app.yaml:6:50"
    assert str(app.compose.origin("services", "api", "ports", 0, "target")).startswith("shop/compose.yaml:5")


def test_a_patch_may_use_the_short_forms_and_what_it_writes_is_completed() -> None:
    app = application(
        f"{{{API}[{{op: add, path: /ports/-, value: '82:82'}}, {{op: add, path: /mem_limit, value: 64m}}]}}"
    )
    ports = app.compose.services["api"]["ports"]
    assert isinstance(ports, list)
    assert ports[1] == {"mode": "ingress", "target": 82, "published": "82", "protocol": "tcp"}
    assert app.compose.services["api"]["mem_limit"] == "67108864"


def test_all_operations_and_several_patches_apply_in_order() -> None:
    app = application(
        f"{{{API}[{{op: add, path: /labels, value: {{a: '1'}}}}, {{op: copy, from: /labels/a, path: /labels/b}}]}}",
        f"{{{API}[{{op: move, from: /labels/b, path: /labels/c}}, {{op: test, path: /labels/c, value: '1'}}]}}",
        f"{{{API}[{{op: remove, path: /labels/a}}, {{op: remove, path: /ports}}]}}",
    )
    assert app.compose.services["api"]["labels"] == {"c": "1"}
    assert "ports" not in app.compose.services["api"]


def test_places_follow_what_a_patch_does_to_a_list() -> None:
    app = application(
        f"{{{API}[{{op: add, path: /ports/0, value: '70:70'}}, {{op: replace, path: /ports/1/target, value: 9}}]}}"
    )
    ports = app.compose.services["api"]["ports"]
    assert isinstance(ports, list)
    assert [p["target"] for p in ports] == [70, 9]
    assert str(app.compose.origin("services", "api", "ports", 0)) == "shop/app.yaml:6:50"
    assert str(app.compose.origin("services", "api", "ports", 1, "target")) == "shop/app.yaml:6:93"
    app = application(f"{{{API}[{{op: move, from: /ports/0, path: /ports/-}}, {{op: remove, path: /ports/0}}]}}")
    assert "ports" not in app.compose.services["api"]


def test_networks_and_volumes_can_be_patched() -> None:
    app = application(
        "{target: {kind: Network, name: front}, patch: [{op: add, path: /internal, value: true}]}",
        "{target: {kind: Volume, name: data}, patch: [{op: add, path: /labels, value: [a=b]}]}",
    )
    assert app.compose.networks["front"]["internal"] is True
    assert app.compose.volumes["data"]["labels"] == {"a": "b"}


def test_a_patch_may_use_a_network_that_nothing_else_uses() -> None:
    app = application(f"{{{API}[{{op: add, path: /networks, value: [front]}}]}}")
    assert app.compose.services["api"]["networks"] == {"front": None}


def test_a_service_that_is_off_can_be_patched_on() -> None:
    app = application("{target: {kind: Service, name: tool}, patch: [{op: remove, path: /profiles}]}")
    assert "tool" in app.compose.services


@pytest.mark.parametrize(
    ("line", "code", "place", "message", "hint"),
    [
        (
            "{target: {kind: Service, name: apo}, patch: []}",
            "TT1540",
            "6:14",
            "has no service 'apo' to patch",
            "did you mean 'api'?",
        ),
        ("{target: {kind: Config, name: x}, patch: []}", "TT1540", "6:14", "no config 'x'", "there are none"),
        (
            f"{{{API}[{{op: replace, path: /deploy/replica, value: 1}}]}}",
            "TT1541",
            "6:50",
            "there is nothing at '/deploy/replica'",
            "use 'op: add'",
        ),
        (f"{{{API}[{{op: add, path: /a/b/c, value: 1}}]}}", "TT1541", "6:50", "nothing at '/a'", "add '/a'"),
        (f"{{{API}[{{op: remove, path: /ports/7}}]}}", "TT1541", "6:50", "nothing at '/ports/7'", "render"),
        (f"{{{API}[{{op: add, path: /image/x, value: 1}}]}}", "TT1541", "6:50", "'/image' has no such place", ""),
        (f"{{{API}[{{op: add, path: /ports/0/x/y, value: 1}}]}}", "TT1541", "6:50", "nothing at '/ports/0/x'", ""),
        (f"{{{API}[{{op: copy, from: /x, path: /y}}]}}", "TT1541", "6:50", "nothing at '/x'", ""),
        (f"{{{API}[{{op: test, path: /environment/TOKEN, value: a}}]}}", "TT1541", "6:50", "is not the one", ""),
        (f"{{{API}[{{op: replace, path: '', value: 5}}]}}", "TT1541", "6:5", "leaves no mapping", ""),
    ],
)
def test_a_patch_that_fails_names_the_operation(line: str, code: str, place: str, message: str, hint: str) -> None:
    found = problem(line)
    assert (found.code, f"{found.origin.line}:{found.origin.column}") == (code, place)
    assert message in found.message
    assert hint in found.hint
    assert "secret-token" not in str(found)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("{op: add, path: /helthcheck, value: {}}", "helthcheck"),
        ("{op: add, path: /ports/-, value: '99999:1'}", "99999"),
        ("{op: add, path: /networks, value: [nowhere]}", "nowhere"),
        ("{op: add, path: /build, value: {context: ../outside}}", "outside"),
        ("{op: add, path: /env_file, value: [missing.env]}", "missing.env"),
        ("{op: remove, path: /image}", "image"),
    ],
)
def test_what_a_patch_makes_is_checked_at_the_patchs_place(operation: str, message: str) -> None:
    found = problem(f"{{{API}[{operation}]}}")
    assert message in str(found)
    if "remove" not in operation:
        assert found.origin.path == "shop/app.yaml"


def test_paths_in_a_patch_are_the_repositorys() -> None:
    app = application(f"{{{API}[{{op: add, path: /volumes, value: ['./conf/x:/x:ro']}}]}}")
    (mount,) = app.compose.services["api"]["volumes"]  # type: ignore[misc]
    assert mount["source"] == "./conf/x"


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ("{op: copy, from: /nope, path: /x}", "cannot copy '/x' of service 'api': there is nothing at '/nope'"),
        (
            "{op: copy, from: /image, path: /nope/x}",
            "cannot copy '/nope/x' of service 'api': there is nothing at '/nope' (add '/nope' with its content first)",
        ),
        (
            "{op: move, from: /deploy, path: /deploy/x}",
            "cannot move '/deploy/x' of service 'api': '/deploy' cannot go into itself",
        ),
        (
            "{op: add, path: /ports/9, value: '90:90'}",
            "cannot add '/ports/9' of service 'api': '/ports' has no such place (in a list, '-' is",
        ),
        (
            "{op: replace, path: /ports/9, value: '90:90'}",
            "cannot replace '/ports/9' of service 'api': there is nothing at '/ports/9' (use 'op: add'",
        ),
        (
            "{op: remove, path: /ports/00}",
            "cannot remove '/ports/00' of service 'api': there is nothing at '/ports/00'",
        ),
        ("{op: remove, path: ''}", "cannot remove '' of service 'api': that is all of it (remove what is in it)"),
    ],
)
def test_a_failure_names_what_is_really_missing(operation: str, why: str) -> None:
    assert f"shop/app.yaml:6:50: error TT1541: {why}" in str(problem(f"{{{API}[{operation}]}}"))


@pytest.mark.slow
def test_copies_of_copies_do_not_grow_without_end() -> None:
    """Each copy of a mapping into itself doubles it: thirty short operations would be gigabytes."""
    copies = ", ".join(f"{{op: copy, from: /x-b, path: /x-b/k{number}}}" for number in range(30))
    found = problem(f"{{{API}[{{op: add, path: /x-b, value: {{a: b}}}}, {copies}]}}")
    assert found.code == "TT1541"
    assert "it has more than 100000 values" in found.message
