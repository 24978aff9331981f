"""Requests over HTTP: what is left for the controller, and from whom nothing is taken."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import httpx
import pytest

from tests.unit.web.conftest import NOW, SHOP, World
from trimtab.errors import ConfigError
from trimtab.model.records import RequestState, RequestVerb
from trimtab.web.authority import read_token
from trimtab.web.server import serve

ONE = "/api/v1/applications/default/shop"
TOKEN = "correct horse"


def post(url: str, **headers: str) -> httpx.Response:
    return httpx.post(url, headers=headers, timeout=20, trust_env=False)


@contextlib.contextmanager
def listening(world: World, listen: str, token: str = "") -> Iterator[str]:
    assert world.reading is not None
    server = serve(listen, world.reading, now=lambda: NOW, token=token)
    try:
        yield server.address
    finally:
        server.stop()


ASKED: tuple[tuple[str, RequestVerb, dict[str, str]], ...] = (
    ("sync", RequestVerb.SYNC, {}),
    ("resume", RequestVerb.RESUME, {}),
    ("terminate", RequestVerb.TERMINATE, {}),
    ("suspend?reason=migration", RequestVerb.SUSPEND, {"reason": "migration"}),
    ("suspend?until=2h", RequestVerb.SUSPEND, {"until": "2026-01-02T05:04:05+00:00"}),
    ("approve?plan=0123456789ab", RequestVerb.APPROVE, {"plan": "0123456789ab"}),
)
MEANINGLESS = (
    (f"{ONE}/suspend?until=tomorrow", 409),
    (f"{ONE}/approve", 400),
    (f"{ONE}/approve?plan=short", 400),
    ("/api/v1/applications/default/nobody/sync", 404),
    (f"{ONE}/explode", 404),
)


def test_what_is_asked_is_left_for_the_controller_and_answered_later(world: World) -> None:
    world.put()
    for path, verb, arguments in ASKED:
        world.store.requests.changed()
        answer = post(f"{world.url}{ONE}/{path}")
        assert answer.status_code == 202, answer.text
        # The controller looks into its box only when there may be something in it.
        assert world.store.requests.changed()
        (request,) = world.store.requests.pending()
        assert (request.app, request.verb, request.by, dict(request.arguments)) == (SHOP, verb, "http", arguments)
        where = answer.headers["location"]
        assert world.get(where).json() == answer.json()
        world.store.requests.answer(request.id, RequestState.DONE, "Synced, Healthy")
        later = world.get(where).json()
        assert (later["state"], later["answer"], later["app"]) == ("done", "Synced, Healthy", "shop")


def test_what_cannot_be_meant_is_refused_and_leaves_nothing(world: World) -> None:
    world.put()
    for path, status in MEANINGLESS:
        answer = post(world.url + path)
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["message"]
        assert world.store.requests.pending() == ()


def test_an_unknown_request_is_not_there(world: World) -> None:
    assert world.get("/api/v1/requests/12345").status_code == 404


def test_a_page_of_another_site_changes_nothing(world: World) -> None:
    world.put()
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        assert post(f"{world.url}{ONE}/sync", Origin=origin).status_code == 403
    assert post(f"{world.url}{ONE}/sync", **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert world.store.requests.pending() == ()
    assert post(f"{world.url}{ONE}/sync", Origin=world.url).status_code == 202


def test_beyond_loopback_a_token_is_needed(world: World) -> None:
    world.put()
    with listening(world, "0.0.0.0:0") as url:
        refused = post(f"{url}{ONE}/sync")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "NoToken")
        assert httpx.get(f"{url}{ONE}", trust_env=False).status_code == 200
    with listening(world, "0.0.0.0:0", TOKEN) as url:
        assert post(f"{url}{ONE}/sync", Authorization=f"Bearer {TOKEN}").status_code == 202


def test_where_there_is_a_token_nothing_is_changed_without_it_on_loopback_either(world: World) -> None:
    world.put()
    with listening(world, "127.0.0.1:0", TOKEN) as url:
        for given in (None, "", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x"):
            answer = post(f"{url}{ONE}/sync", **({} if given is None else {"Authorization": given}))
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert TOKEN not in answer.text
    assert world.store.requests.pending() == ()


def test_a_token_comes_from_a_file_that_has_one(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert read_token("") == ""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(str(file))
    for text in ("", " \n", "two\nlines"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match="holds no token"):
            read_token(str(file))
    file.write_text(f"{TOKEN}\n", encoding="utf-8")
    assert read_token(str(file)) == TOKEN


ODD = ("null,null", "%00", "..%2f..%2fetc%2fpasswd", "💥", "-1", "%ff")


@pytest.mark.slow
def test_no_value_of_a_parameter_is_a_defect_whatever_it_is(world: World) -> None:
    """Every path and parameter that the API describes, with values that fit none of them."""
    world.put()
    described = world.get("/api/openapi.json").json()["paths"]
    asked = 0
    with httpx.Client(base_url=world.url, timeout=20, trust_env=False) as client:
        for path, methods in described.items():
            for method, operation in methods.items():
                names = [
                    p["name"] for p in operation.get("parameters", ()) if p["in"] == "query" and p["name"] != "follow"
                ]
                for odd in ODD if names or "{" in path else ODD[:1]:
                    query = "&".join(f"{name}={quote(unquote(odd))}" for name in names)
                    answer = client.request(method.upper(), f"{re.sub('{.*?}', odd, path)}?limit=1&{query}")
                    # What is not ready is 503.
                    assert answer.status_code < 500 or path == "/readyz", (method, path, odd, answer.text)
                    assert "Traceback" not in answer.text
                    asked += 1
    assert asked > 50
    assert world.get("/healthz").status_code == 200
