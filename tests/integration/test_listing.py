"""Whom an address sends connections to: written into a running HAProxy, seen to be in force, and read again."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.driving import Driving, driving
from tests.support.engine import EngineScope
from tests.support.haproxy import haproxy
from tests.support.waiting import eventually
from trimtab.backends.engine.addresses import CONFIG, ENTRYPOINT, STOP_SIGNAL
from trimtab.backends.engine.steps import Existing, ListReplicas, StartContainer, StopContainer
from trimtab.errors import Conflict
from trimtab.model.keys import Kind

pytestmark = pytest.mark.engine

IDS = ["a" * 64, "b" * 64, "c" * 64]
A, B, C = (one[:12] for one in IDS)
ARCHIVE = "/containers/{}/archive"


@pytest.fixture(scope="module")
def drive(module_scope: EngineScope, engine_url: str) -> Iterator[Driving]:
    with driving(module_scope.name, engine_url) as made:
        yield made


@dataclass
class Proxy:
    drive: Driving
    id: str
    name: str

    def list(self, on: str = "", off: str = "", *, whole: bool = False) -> Counter[str]:
        """Do it; the calls that it took."""
        before = self.drive.client.calls.snapshot()
        step = ListReplicas(
            container=Existing(self.id), name=self.name, ports=(8080, 9090),
            on=tuple(Existing(one * 64) for one in on), off=tuple(one * 64 for one in off), whole=whole,
        )  # fmt: skip
        self.drive.do(step)
        return self.drive.client.calls.snapshot() - before

    def listed(self) -> tuple[str, ...] | None:
        live = self.drive.live(Kind.CONTAINER, "web-address")
        assert live is not None
        return live.listed

    def configuration(self) -> str:
        chunks, _ = self.drive.client.raw().get_archive(self.id, CONFIG)
        return b"".join(chunks).decode(errors="replace")


@pytest.fixture(scope="module")
def proxy(drive: Driving, module_scope: EngineScope) -> Proxy:
    """One that runs, with an empty list that it was given before."""
    config = {"Image": haproxy(module_scope), "Cmd": None, "Entrypoint": list(ENTRYPOINT), "StopSignal": STOP_SIGNAL}
    step = drive.container("web-address", Config=config)
    made = Proxy(drive, drive.do(step)["id"], step.name)
    calls = made.list(whole=True)
    assert (calls[f"PUT {ARCHIVE}"], calls[f"HEAD {ARCHIVE}"]) == (2, 1), "one that does not run is not waited for"
    drive.do(StartContainer(container=Existing(made.id), name=step.name))
    return made


def test_the_list_is_changed_and_read(proxy: Proxy) -> None:
    assert proxy.listed() == ()
    calls = proxy.list("ab")
    assert calls[f"PUT {ARCHIVE}"] == 2
    assert proxy.listed() == (A, B)
    assert f"server {A} {A}:9090" in proxy.configuration()
    proxy.list("c", "ab")
    assert proxy.listed() == (C,)
    assert A not in proxy.configuration()
    # Back to what was in force before: that an older worker had shown it then does not count.
    proxy.list("ab", whole=True)
    assert proxy.listed() == (A, B)


def test_what_is_so_already_costs_one_call_and_a_look_at_nothing_new_costs_none(proxy: Proxy) -> None:
    proxy.list("ab", whole=True)
    proxy.listed()
    for said in ("a", "ab", ""):
        assert proxy.list(said, "c") == Counter({f"HEAD {ARCHIVE}": 1})
    stop = proxy.drive.driver.watch(lambda _event: None)

    def looks_for_nothing() -> bool:
        before = proxy.drive.client.calls.total
        return proxy.listed() == (A, B) and proxy.drive.client.calls.total == before

    eventually(looks_for_nothing, what="events tell, and nothing is asked")
    stop()
    before = proxy.drive.client.calls.snapshot()
    proxy.drive.live(Kind.CONTAINER, "web-address", fresh=True)
    assert (proxy.drive.client.calls.snapshot() - before)[f"HEAD {ARCHIVE}"] == 1


def test_who_died_before_it_was_in_force_is_finished_by_the_next(proxy: Proxy) -> None:
    proxy.list("ab", whole=True)
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            link = tarfile.TarInfo("trimtab/link")
            link.type, link.linkname = tarfile.SYMTYPE, f"pending/{A}/{B}"
            tar.addfile(link)
        proxy.drive.client.raw().put_archive(proxy.id, "/", packed.getvalue())
    live = proxy.drive.live(Kind.CONTAINER, "web-address", fresh=True)
    assert live is not None
    assert live.listed is None
    assert proxy.list("a")[f"PUT {ARCHIVE}"] == 2
    assert proxy.listed() == (A, B)


def test_one_that_is_stopped_takes_it_when_it_starts_and_one_that_is_gone_is_said(proxy: Proxy) -> None:
    drive, ref = proxy.drive, Existing(proxy.id)
    drive.do(StopContainer(container=ref, name=proxy.name))
    proxy.list("c", whole=True)
    drive.do(StartContainer(container=ref, name=proxy.name))
    assert proxy.listed() == (C,)
    drive.client.raw().remove_container(proxy.id, force=True)
    with pytest.raises(Conflict, match="o such container"):
        proxy.list("a")
