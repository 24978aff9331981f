"""A real server on a free port over a real store, catalog and planner; only the engine is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gitrepo import GitRepo
from trimtab.backends.engine.dialect import EngineDialect
from trimtab.config import Config, RepositoryConfig
from trimtab.errors import BackendUnavailable, UserError
from trimtab.images.resolver import TreeImageResolver
from trimtab.model.events import Event
from trimtab.model.keys import AppKey, Kind, ResourceKey
from trimtab.model.observed import ObservedState
from trimtab.model.output import OutputLine
from trimtab.model.status import AppStatus, HealthStatus, ResourceStatus, SyncStatus
from trimtab.observability.events import EventFanOut
from trimtab.observability.metrics import Metrics
from trimtab.runtime.clock import SystemClock
from trimtab.runtime.planner import Planner
from trimtab.store.sqlite import SqliteStore
from trimtab.web.server import Server, serve
from trimtab.wiring import open_catalog, open_repository
from trimtab.wiring.readside import ReadSide

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHOP = AppKey("default", "shop")
COMPOSE = "services: {web: {image: 'busybox:1.36', command: [sleep, '600']}}\n"


class EmptyEngine:
    """ports.Driver of an engine with nothing on it."""

    target = "local"

    def observe(self, app: AppKey | None = None, *, images: Any = (), fresh: bool = False) -> ObservedState:
        return ObservedState(target="local", taken_at=NOW, live={}, digest="empty", images=dict.fromkeys(images, "x"))


class Lines:
    """An output that the test gives, and that knows whether it was closed."""

    def __init__(self, lines: Callable[[Lines], Iterator[OutputLine]]) -> None:
        self.closed = False
        self._lines = lines

    def __iter__(self) -> Iterator[OutputLine]:
        return self._lines(self)

    def close(self) -> None:
        self.closed = True


def line(text: str, service: str = "web") -> OutputLine:
    return OutputLine(
        container=f"shop-{service}-1", service=service, replica=1, stream="stdout",
        at="2026-01-02T03:04:05.000000000Z", text=text,
    )  # fmt: skip


@dataclass
class World:
    """What the server reads, and the server."""

    store: SqliteStore
    events: EventFanOut
    metrics: Metrics
    repo: GitRepo
    reading: ReadSide[Any] | None = None
    server: Server | None = None
    not_read: str = ""
    engine_error: str = ""
    outputs: list[Lines] = field(default_factory=list)
    lines: Callable[[Lines], Iterator[OutputLine]] = lambda _output: iter([line("hello")])
    refresh: Callable[[], object] = lambda: None

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.address

    def open_output(self, app: AppKey, service: str, *, tail: int | None, follow: bool) -> Lines:
        if service == "nobody":
            raise UserError(f"{app} has no service 'nobody'", hint="there are: web")
        output = Lines(self.lines)
        self.outputs.append(output)
        return output

    def ping(self) -> None:
        if self.engine_error:
            raise BackendUnavailable(self.engine_error)

    def put(self, key: AppKey = SHOP, message: str = "", **more: Any) -> None:
        facts: dict[str, Any] = {"sync": SyncStatus.SYNCED, "health": HealthStatus.HEALTHY, "since": NOW, **more}
        resource = ResourceStatus(
            key=ResourceKey(key, Kind.CONTAINER, "web", 1), name=f"{key.project}-web-1", sync=SyncStatus.SYNCED,
            health=HealthStatus.HEALTHY,
        )  # fmt: skip
        self.store.statuses.put(AppStatus(app=key, message=message, resources=(resource,), **facts))

    def emit(self, message: str, key: AppKey | None = SHOP) -> None:
        self.events.emit(Event(at=NOW, app=key, reason="Tested", message=message))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=20, trust_env=False, **more)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    repo = GitRepo.create(tmp_path, {"shop/compose.yaml": COMPOSE})
    clock = SystemClock()
    store, metrics = SqliteStore(tmp_path / "data", clock), Metrics()
    events = EventFanOut(store.events, metrics)
    made = World(store=store, events=events, metrics=metrics, repo=repo)
    config = Config(data_dir=tmp_path / "data")
    driver: Any = EmptyEngine()
    dialect = EngineDialect(installation="test", seal_key=b"k" * 32)
    planner = Planner(dialect, driver, TreeImageResolver(), store.applied, store.holds)
    repository = open_repository(RepositoryConfig(url=repo.url), config)
    catalog = open_catalog([repository], store, config, planner)
    catalog.refresh(repository)
    made.refresh = lambda: catalog.refresh(repository)
    reading = ReadSide(
        store=store,
        catalog=catalog,
        planner=planner,
        events=events,
        metrics=metrics,
        clock=clock,
        ping_engine=made.ping,
        repositories_ready=lambda: made.not_read,
        open_output=made.open_output,
    )
    made.reading = reading
    made.server = serve("127.0.0.1:0", reading, now=lambda: NOW, heartbeat_s=0.2)
    try:
        yield made
    finally:
        made.server.stop()
        catalog.close()
        store.close()
