"""Streams: events that resume where they were, output that ends with its reader, and a server that stops."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support.waiting import eventually
from tests.unit.web.conftest import Lines, World, line
from trimtab.errors import ConfigError
from trimtab.model.keys import AppKey
from trimtab.model.output import OutputLine
from trimtab.web.server import serve


@contextmanager
def stream(world: World, path: str = "/api/v1/events", **headers: str) -> Iterator[Iterator[str]]:
    with (
        httpx.Client(timeout=20, trust_env=False) as client,
        client.stream("GET", world.url + path, headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        yield answer.iter_lines()


def frames(lines: Iterator[str], count: int) -> list[tuple[int, str]]:
    """The next ``count`` events: number and message."""
    found: list[tuple[int, str]] = []
    number = 0
    for text in lines:
        if text.startswith("id: "):
            number = int(text[4:])
        if text.startswith("data: "):
            found.append((number, json.loads(text[6:])["message"]))
            if len(found) == count:
                return found
    return found


def test_events_come_as_they_happen_and_not_those_before(world: World) -> None:
    world.emit("old")
    with stream(world) as lines:
        assert next(lines).startswith("retry: ")
        for number in range(3):
            world.emit(f"new {number}")
        assert [m for _, m in frames(lines, 3)] == ["new 0", "new 1", "new 2"]


def test_a_broken_stream_goes_on_after_the_last_event_it_had(world: World) -> None:
    for number in range(250):
        world.emit(f"e{number}")
    with stream(world, **{"Last-Event-ID": "5"}) as lines:
        got = frames(lines, 245)
    assert [n for n, _ in got] == list(range(6, 251))
    with stream(world, "/api/v1/events?after=248") as lines:
        assert [m for _, m in frames(lines, 2)] == ["e248", "e249"]


def test_a_number_from_before_the_history_was_lost_gets_all_of_the_new_one(world: World) -> None:
    world.emit("begun anew")
    with stream(world, **{"Last-Event-ID": "4711"}) as lines:
        assert frames(lines, 1) == [(1, "begun anew")]


def test_events_of_one_application_only(world: World) -> None:
    world.put(AppKey("default", "blog"))
    with stream(world, "/api/v1/events?app=blog&after=0") as lines:
        world.emit("for the shop")
        world.emit("for the blog", AppKey("default", "blog"))
        assert [m for _, m in frames(lines, 1)] == ["for the blog"]


def test_a_quiet_stream_has_a_heartbeat(world: World) -> None:
    with stream(world) as lines:
        assert any(text.startswith(": ") for text in lines)


def test_a_reader_that_leaves_is_unsubscribed(world: World) -> None:
    with stream(world) as lines:
        next(lines)
        assert len(world.events._subscriptions) == 1
    eventually(lambda: not world.events._subscriptions, what="the subscription ends", timeout_s=20)


def test_a_slow_reader_holds_nobody_up_and_misses_nothing(world: World) -> None:
    host, port = world.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        raw.sendall(b"GET /api/v1/events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: bool(world.events._subscriptions), what="the stream is open", timeout_s=20)
        # Nobody reads yet: if that held up who emits, this would not end.
        for number in range(400):
            world.emit(f"{number} " + "x" * 4000)
        assert world.get("/healthz").status_code == 200
        assert world.metrics.registry.get_sample_value("trimtab_events_dropped_total") == 0
        received = b""
        raw.settimeout(20)
        while b'"message":"399 ' not in received:
            received += raw.recv(1 << 16)
    assert received.count(b"\nid: ") >= 399


def test_too_many_streams_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.server is not None
    monkeypatch.setattr(world.server._streams, "_limit", 1)
    with stream(world) as lines:
        next(lines)
        answer = world.get("/api/v1/events")
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "TooManyStreams"


def test_logs_are_lines_with_the_container_they_are_from(world: World) -> None:
    world.put()
    world.lines = lambda _output: iter([line("one"), line("two <b>", "api")])
    answer = world.get("/api/v1/applications/default/shop/logs")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "web-1 | one\napi-1 | two <b>\n"
    answer = world.get("/api/v1/applications/default/shop/logs?timestamps=true&tail=1")
    assert answer.text.startswith("web-1 | 2026-01-02T03:04:05.000000000Z one\n")
    eventually(lambda: all(o.closed for o in world.outputs), what="outputs are closed")
    assert world.get("/api/v1/applications/default/shop/logs?service=nobody").status_code == 404


def endless(output: Lines) -> Iterator[OutputLine]:
    number = 0
    while not output.closed:
        yield line(f"{number} " + "x" * 1000)
        number += 1


def test_an_endless_log_ends_with_its_reader_and_is_not_read_ahead_of_it(world: World) -> None:
    world.put()
    world.lines = endless
    with stream(world, "/api/v1/applications/default/shop/logs?follow=true") as lines:
        assert next(lines).startswith("web-1 | 0 ")
    eventually(lambda: world.outputs[0].closed, what="the output is closed", timeout_s=20)


def test_the_server_stops_with_streams_open(world: World) -> None:
    world.put()
    world.lines = endless
    ended = threading.Event()

    def read() -> None:
        with stream(world) as lines:
            for _ in lines:
                pass
        ended.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    eventually(lambda: bool(world.events._subscriptions), what="the stream is open", timeout_s=20)
    assert world.server is not None
    began = time.monotonic()
    world.server.stop()
    assert ended.wait(10)
    assert time.monotonic() - began < 8
    with pytest.raises(httpx.ConnectError):
        world.get("/healthz")


def test_an_address_that_is_taken_says_what_to_do(world: World) -> None:
    taken = world.url.removeprefix("http://")
    with pytest.raises(ConfigError, match="already in use") as error:
        serve(taken, None)  # type: ignore[arg-type]
    assert "--listen" in error.value.hint


NONSENSE = ("nonsense", "127.0.0.1:http", "::1:80", "127.0.0.1:70000", "no.such.host.invalid:0")


@pytest.mark.parametrize("listen", NONSENSE)
def test_an_address_that_makes_no_sense_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError):
        serve(listen, None)  # type: ignore[arg-type]


def test_another_address_than_the_machines_own_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be listened on"):
        serve("192.0.2.1:0", None)  # type: ignore[arg-type]
