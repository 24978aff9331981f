"""``trimtab exec`` without an engine: where it runs, which options are whose, and the keys that detach."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from trimtab.backends.engine.execs import Command, find_container, find_target
from trimtab.cli.detachkeys import DEFAULT, DetachKeys, key_bytes
from trimtab.cli.exec import ExecCommand
from trimtab.cli.main import app
from trimtab.errors import UserError
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import Live, ObservedState, Probe, Running, RunState

SHOP, TEAM_SHOP, BLOG = AppKey("default", "shop"), AppKey("team", "shop"), AppKey("default", "blog")


def one(
    app_: AppKey, service: str, replica: int = 1, *, status: RunState = RunState.RUNNING, probe: Probe = Probe.NONE
) -> Live:
    key = ResourceKey(app_, Kind.CONTAINER, service, replica)
    name = f"{app_.project}-{service}-{replica}"
    return Live(key=key, handle=name, name=name, digest="d", running=Running(status=status, probe=probe))


def observed(*lives: Live) -> ObservedState:
    live: dict[ResourceKey, tuple[Live, ...]] = {}
    for item in lives:
        live[item.key] = (*live.get(item.key, ()), item)
    return ObservedState(target="t", taken_at=datetime(2026, 1, 1, tzinfo=UTC), live=live, digest="d")


ALL = observed(one(SHOP, "web"), one(SHOP, "db"), one(TEAM_SHOP, "web"), one(BLOG, "web"))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("shop/db", (SHOP, "db")),
        ("blog", (BLOG, "web")),
        ("team/shop", (TEAM_SHOP, "web")),
        ("team/shop/web", (TEAM_SHOP, "web")),
        ("default/shop/db", (SHOP, "db")),
    ],
)
def test_application_and_service(text: str, meant: tuple[AppKey, str]) -> None:
    assert find_target(ALL, text) == meant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shop", "choose one: shop/db, shop/web"),
        ("shop/cache", "shop has no service 'cache' that runs here.*there are: db, web"),
        ("cafe", "nothing of 'cafe' runs here"),
        ("a/b/c/d", "names no service"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        find_target(ALL, text)


def test_two_readings_are_asked_about() -> None:
    both = observed(one(SHOP, "web"), one(AppKey("shop", "web"), "x"))
    with pytest.raises(UserError, match="write default/shop/web, or shop/web/SERVICE"):
        find_target(both, "shop/web")


def test_the_healthy_come_first_then_the_lower_number() -> None:
    ill, well = one(SHOP, "web", 1, probe=Probe.UNHEALTHY), one(SHOP, "web", 2, probe=Probe.HEALTHY)
    starting = one(SHOP, "web", 3, probe=Probe.STARTING)
    assert find_container(observed(ill, starting, well), SHOP, "web") is well
    assert find_container(observed(ill, starting), SHOP, "web") is starting
    assert find_container(observed(ill, well), SHOP, "web", 1) is ill
    with pytest.raises(UserError, match=r"has no replica 4.*it has 2"):
        find_container(observed(ill, well), SHOP, "web", 4)


def test_one_that_does_not_run_is_named_with_its_state() -> None:
    with pytest.raises(UserError, match=r"shop-web-1 does not run: it is exited.*trimtab logs shop web"):
        find_container(observed(one(SHOP, "web", status=RunState.EXITED)), SHOP, "web")


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        (["shop/web", "ls", "-la"], ["ls", "-la"]),
        (["shop/web", "--", "ls", "-la"], ["ls", "-la"]),
        (["-Tu", "root", "shop/web", "--index", "2", "ls", "--index"], ["ls", "--index"]),
        (["--user=root", "-eA=B", "shop/web", "-w", "/", "env", "-i", "--", "x"], ["env", "-i", "--", "x"]),
        (["shop/web", "--", "--help"], ["--help"]),
    ],
)
def test_options_end_where_the_command_begins(given: Sequence[str], parsed: Sequence[str]) -> None:
    group: Any = get_command(app)
    command = group.get_command(None, "exec")
    assert isinstance(command, ExecCommand)
    context = command.make_context("exec", list(given))
    assert (context.params["target"], context.params["command"]) == ("shop/web", list(parsed))


def test_values_of_the_environment_are_in_no_repr() -> None:
    assert "hunter2" not in repr(Command(argv=("true",), environment=("PASSWORD=hunter2",)))


def test_the_keys_are_found_wherever_reads_cut_them() -> None:
    keys = DetachKeys(key_bytes(DEFAULT))
    assert keys.take(b"ls\x10") == (b"ls", False)
    assert keys.take(b"x") == (b"\x10x", False)
    assert keys.take(b"a\x10") == (b"a", False)
    assert keys.take(b"\x11rest") == (b"", True)


def test_the_names_of_keys() -> None:
    assert key_bytes("a,ctrl-A,ctrl-[,DEL,ctrl-@") == b"a\x01\x1b\x7f\x00"
    with pytest.raises(UserError, match="'ctrl-1' is no key"):
        key_bytes("ctrl-p,ctrl-1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-e", "=hunter2", "shop", "true"], "one of those given has no name"),
        (["-t", "shop", "true"], "--tty needs a terminal"),
        (["--detach-keys", "x-1", "shop", "true"], "'x-1' is no key"),
    ],
)
def test_what_it_refuses_before_it_asks_an_engine(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["exec", *arguments])
    assert done.exit_code == 1
    assert words in done.stderr
    assert "hunter2" not in done.output
