"""What is read over HTTP: what it answers, in which shape, and what it refuses."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import Any

import httpx
import pytest
import structlog

from tests.unit.web.conftest import COMPOSE, SHOP, World
from trimtab.model.keys import AppKey
from trimtab.model.status import HealthStatus, Phase, SyncStatus
from trimtab.web import patience
from trimtab.web.callers import Callers


def error_of(answer: httpx.Response) -> dict[str, str]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "hint"}
    return dict(body["error"])


def test_health_asks_nobody_and_readiness_asks_engine_and_repositories(world: World) -> None:
    assert world.get("/healthz").json() == {"status": "ok", "message": ""}
    assert world.get("/readyz").status_code == 200
    world.not_read = "not read yet: file:///repo#"
    assert world.get("/readyz").status_code == 503
    assert error_of(world.get("/readyz"))["message"] == "not read yet: file:///repo#"
    world.not_read, world.engine_error = "", "the engine does not answer"
    assert error_of(world.get("/readyz"))["message"] == "the engine does not answer"
    assert world.get("/healthz").status_code == 200


def test_metrics_are_prometheus_text(world: World) -> None:
    world.metrics.gauge("workqueue_depth", 2)
    answer = world.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "trimtab_workqueue_depth 2.0" in answer.text


def test_applications_and_one_of_them(world: World) -> None:
    world.put(message="fine")
    world.put(AppKey("team", "blog"), sync=SyncStatus.OUT_OF_SYNC, health=HealthStatus.DEGRADED, phase=Phase.FAILED)
    listed = world.get("/api/v1/applications").json()
    assert listed["formatVersion"] == 1
    assert [(a["namespace"], a["name"]) for a in listed["applications"]] == [("default", "shop"), ("team", "blog")]
    one = world.get("/api/v1/applications/team/blog").json()
    assert one == listed["applications"][1]
    assert one["operationState"]["phase"] == "Failed"
    resources = world.get("/api/v1/applications/default/shop/resources").json()
    assert [r["name"] for r in resources["resources"]] == ["shop-web-1"]


def test_history_and_events_of_one_application(world: World) -> None:
    world.put()
    release = world.store.releases.begin(SHOP, revision="a" * 40, subject="first", author="Ada", trigger="commit")
    world.store.releases.finish(SHOP, release, Phase.SUCCEEDED, images={"web": "x:1"})
    world.emit("for the shop")
    world.emit("for the blog", AppKey("default", "blog"))
    history = world.get("/api/v1/applications/default/shop/history").json()["history"]
    assert [(h["id"], h["phase"], h["images"]) for h in history] == [(1, "Succeeded", {"web": "x:1"})]
    events = world.get("/api/v1/applications/default/shop/events").json()["events"]
    assert [e["message"] for e in events] == ["for the shop"]
    events = world.get("/api/v1/events?limit=5").json()["events"]
    assert [e["message"] for e in events] == ["for the shop", "for the blog"]


def test_the_plan_is_that_of_the_command_line(world: World) -> None:
    world.put()
    plan = world.get("/api/v1/applications/default/shop/plan").json()
    assert plan["formatVersion"] == 1
    assert plan["revision"] == world.repo.head()
    assert {(c["verb"], c["kind"], c["name"]) for c in plan["changes"]} >= {("create", "container", "shop-web-1")}
    assert plan["empty"] is False


@pytest.mark.parametrize("path", ["", "/resources", "/plan", "/history", "/events", "/logs"])
def test_an_unknown_application_is_the_same_404_everywhere(world: World, path: str) -> None:
    world.put()
    answer = world.get(f"/api/v1/applications/default/nobody{path}")
    assert answer.status_code == 404
    problem = error_of(answer)
    assert problem["message"] == "there is no application 'nobody'"
    assert "shop" in problem["hint"]


def test_a_stranger_in_the_store_that_no_repository_declares_has_no_plan(world: World) -> None:
    world.put(AppKey("default", "gone"))
    answer = world.get("/api/v1/applications/default/gone/plan")
    assert answer.status_code == 404
    assert "no watched repository" in error_of(answer)["message"]


def test_everything_else_has_the_same_shape(world: World) -> None:
    assert error_of(world.get("/api/v1/nothing"))["code"] == "NotFound"
    bad = world.get("/api/v1/events?limit=0")
    assert bad.status_code == 400
    assert "limit" in error_of(bad)["message"]
    bad = world.get("/api/v1/events", headers={"Last-Event-ID": "x; drop"})
    assert bad.status_code == 400
    error_of(bad)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/api/v1/applications", "/api/v1/applications/default/shop", "/", "/api/v1/events"])
def test_what_is_read_cannot_be_written(world: World, method: str, path: str) -> None:
    world.put()
    answer = httpx.request(method, world.url + path, trust_env=False)
    assert answer.status_code == 405
    assert error_of(answer)["code"] == "MethodNotAllowed"


def test_a_defect_is_told_without_its_text(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(world.store.statuses, "all", broken)
    with structlog.testing.capture_logs() as logged:
        answer = world.get("/api/v1/applications")
    assert [entry["path"] for entry in logged] == ["/api/v1/applications"]
    assert answer.status_code == 500
    assert "default-src" in answer.headers["content-security-policy"]
    assert error_of(answer)["code"] == "InternalError"
    assert "hunter2" not in answer.text


def test_every_answer_has_the_safe_headers(world: World) -> None:
    for path in ("/", "/healthz", "/api/v1/applications", "/api/v1/nothing", "/metrics"):
        headers = world.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


def test_the_page_escapes_what_others_wrote_and_loads_nothing(world: World) -> None:
    world.put(message="<script>alert('\"x\"')</script>", health=HealthStatus.DEGRADED)
    world.not_read = "<b>not</b> read"
    answer = world.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "&lt;b&gt;not&lt;/b&gt;" in answer.text
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", answer.text)


def test_a_name_that_is_no_dns_label_stays_inside_its_attribute(world: World) -> None:
    world.put(AppKey('a"b', "<i>"))
    text = world.get("/").text
    assert "<i>" not in text
    assert 'href="/api/v1/applications/a%22b/%3Ci%3E"' in text


def test_openapi_tells_what_is_sent(world: World) -> None:
    spec = world.get("/api/openapi.json").json()
    assert spec["info"]["title"] == "Trimtab"
    asking = {"sync", "suspend", "resume", "terminate", "approve"}
    assert {path.rpartition("/")[2] for path, methods in spec["paths"].items() if set(methods) != {"get"}} == asking
    place = "/api/v1/applications/{namespace}/{name}/plan"
    schema = spec["paths"][place]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/PlanDocument"}
    problems = spec["paths"][place]["get"]["responses"]["404"]["content"]["application/json"]["schema"]
    assert problems == {"$ref": "#/components/schemas/Problems"}
    assert spec["components"]["schemas"]["EventEntry"]["additionalProperties"] is False


def test_a_plan_says_that_it_waits_for_its_window(world: World) -> None:
    window = "{kind: allow, schedule: '0 0 29 2 *', duration: 1m}"
    text = f"{COMPOSE}\nx-trimtab: {{syncPolicy: {{windows: [{window}]}}}}\n"
    world.repo.deploy({"shop/compose.yaml": text}, "a window")
    world.refresh()
    world.put()
    plan = world.get("/api/v1/applications/default/shop/plan").json()
    assert plan["verdict"] == "hold"
    (diagnostic,) = [d for d in plan["diagnostics"] if d["code"] == "TT3300"]
    assert "waits for the window that opens" in diagnostic["message"]
    assert diagnostic["path"] == "shop/compose.yaml"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("attacker.example", 421),
        ("127.0.0.1.attacker.example:8410", 421),
        ("localhost.attacker.example", 421),
        ("127.0.0.1@attacker.example", 421),
        ("localhost", 200),
        ("LOCALHOST:8410", 200),
        ("trimtab.localhost", 200),
        ("10.1.2.3:8410", 200),
        ("[::1]:8410", 200),
    ],
)
def test_a_page_whose_name_was_led_to_this_machine_reads_nothing(world: World, host: str, status: int) -> None:
    """DNS rebinding: the browser takes it for the page's own origin, and only the Host header tells."""
    answer = world.get("/api/v1/applications", headers={"Host": host})
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == "WrongHost"


def test_names_are_listed_or_left_to_whoever_listens_for_others() -> None:
    def answered(callers: Callers, host: str) -> bool:
        return callers.refusal({"method": "GET", "headers": [(b"host", host.encode())]}) is None

    assert answered(Callers.of("127.0.0.1", ["Trimtab.Example"]), "trimtab.example:443")
    assert not answered(Callers.of("127.0.0.1", ["trimtab.example"]), "other.example")
    assert answered(Callers.of("0.0.0.0", []), "trimtab")
    assert not answered(Callers.of("0.0.0.0", ["trimtab"]), "other")
    assert not answered(Callers.of("::1", []), "other")
    assert answered(Callers.of("fe80::1%2", []), "trimtab")


def test_a_page_of_another_site_opens_no_stream_and_may_link_here(world: World) -> None:
    cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert world.get("/api/v1/events", headers=cross).status_code == 403
    link = {**cross, "Sec-Fetch-Mode": "navigate"}
    assert world.get("/", headers=link).status_code == 200
    sync = f"{world.url}/api/v1/applications/default/shop/sync"
    assert httpx.post(sync, headers=link, timeout=20, trust_env=False).status_code == 403


def test_bodies_of_any_size_and_speed_hold_nobody_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies are never read: huge, slow and chunked ones cost nothing; who sends no whole head is hung up on."""
    monkeypatch.setattr(patience, "HEAD_S", 0.3)
    assert world.server is not None
    place = (world.server.host, world.server.port)
    heads = [
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000000\r\n\r\nx",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx",
        b"POST /api/v1/applications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nx",
    ]
    for head, status in zip(heads, (b"200", b"200", b"405"), strict=True):
        with socket.create_connection(place, 20) as caller:
            caller.sendall(head)
            assert caller.recv(65536).split()[1] == status
    for silent in (b"", b"GET / HTTP/1.1\r\nHost: local"):
        with socket.create_connection(place, 20) as caller:
            caller.sendall(silent)
            with contextlib.suppress(ConnectionResetError):
                assert caller.recv(10) == b""
    with socket.create_connection(place, 20) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000)
        with contextlib.suppress(ConnectionResetError):
            assert b" 400 " in caller.recv(65536)
    assert world.get("/healthz").status_code == 200
