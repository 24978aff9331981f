"""The engine backend's impure half: observe, watch, perform. Implements ``ports.Driver`` for ``EngineStep``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from trimtab.backends.engine import (
    archives,
    containers,
    content,
    drain,
    handover,
    hooks,
    labels,
    listing,
    networks,
    restoring,
    runend,
    steps,
    volumes,
    waits,
)
from trimtab.backends.engine.adoptions import Adopted, Adoptions
from trimtab.backends.engine.bench import Bench
from trimtab.backends.engine.cache import EngineCache
from trimtab.backends.engine.client import EngineClient
from trimtab.backends.engine.events import EventStream, RawEvent
from trimtab.backends.engine.items import Item, Recogniser
from trimtab.backends.engine.logs import tail
from trimtab.backends.engine.observe import Observer
from trimtab.backends.engine.own import find_own
from trimtab.errors import TrimtabError, UnsupportedByBackend
from trimtab.model.events import EngineEvent
from trimtab.model.keys import AppKey, ResourceKey
from trimtab.model.observed import EngineFacts, ObservedState, Own
from trimtab.ports import ImageBuilder, ImagePuller, StepContext

# Not looked for yet.
_UNKNOWN = object()
Listener = Callable[[EngineEvent], None]


def _now() -> datetime:
    return datetime.now(UTC)


class EngineDriver:
    """One engine. ``seal_key`` is the installation's key: it seals labels and keys digests.

    ``archives_in`` is the folder for archives of volumes; without one no volume is ever removed.
    """

    def __init__(
        self,
        client: EngineClient,
        *,
        installation: str,
        seal_key: bytes,
        builder: ImageBuilder | None = None,
        puller: ImagePuller | None = None,
        target: str = "local",
        archives_in: Path | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.target = target
        self._client = client
        self._builder = builder
        self._puller = puller
        self._now = now
        self._lock = threading.Lock()
        self._facts: EngineFacts | None = None
        self._own: Own | object | None = _UNKNOWN
        self._stream: EventStream | None = None
        self._listeners: list[Listener] = []
        self._was_connected = False

        def identify(found: Mapping[str, str], name: str) -> ResourceKey | None:
            return labels.identify(found, name, seal_key=seal_key, installation=installation)

        def made_for(found: Mapping[str, str]) -> ResourceKey | None:
            return labels.made_for(found, seal_key=seal_key, installation=installation)

        recogniser = Recogniser(
            identify=identify,
            made_for=made_for,
            installation=installation,
            adoptions=Adoptions(installation, seal_key),
        )
        self._cache = EngineCache(client, recogniser)
        self._observer = Observer(
            self._cache, target=target, facts=self.facts, secret_key=seal_key, now=now, own=self.own
        )
        self._bench = Bench(
            client=client,
            cache=self._cache,
            installation=installation,
            identify=identify,
            listen=self._listen,
            shelf=archives.ArchiveShelf(folder=archives_in, now=now) if archives_in is not None else None,
        )

    def items(self) -> tuple[Item, ...]:
        """Every object of the engine as it was last looked at."""
        return self._cache.items()

    @property
    def client(self) -> EngineClient:
        """How it is reached; its ``calls`` count every request."""
        return self._client

    def facts(self) -> EngineFacts:
        """What the engine is and can."""
        facts = self._facts
        if facts is None:
            info = self._client.info()
            facts = EngineFacts(
                root_dir=str(info.get("DockerRootDir") or "/var/lib/docker"),
                default_runtime=str(info.get("DefaultRuntime") or "runc"),
                log_driver=str(info.get("LoggingDriver") or "json-file"),
                cgroup_version=str(info.get("CgroupVersion") or "1"),
            )
            self._facts = facts
        return facts

    def own(self) -> Own | None:
        """The container of this engine that this process runs in."""
        if self._own is _UNKNOWN:
            self._own = find_own(self._client)
        return self._own if isinstance(self._own, Own) else None

    def observe(self, app: AppKey | None = None, *, images: Sequence[str] = (), fresh: bool = False) -> ObservedState:
        """Everything of one application (or of all)."""
        return self._observer.observe(app, images, fresh=fresh)

    def recognise(self, handles: Iterable[str]) -> None:
        """Containers that this installation is known to have made: they are ours also under another name."""
        self._cache.recognise(handles)

    def suppose(self, objects: Sequence[Adopted]) -> None:
        """Observe as if these had been adopted, in this process only: how a plan would look then."""
        self._cache.suppose(tuple(objects))

    def tail(self, handle: str, lines: int) -> tuple[str, ...]:
        """The last lines that a container wrote."""
        return tail(self._client, handle, lines)

    def watch(self, on_event: Listener) -> Callable[[], None]:
        """Call back for every event that concerns us, and when the engine goes away and comes back."""
        with self._lock:
            self._listeners.append(on_event)
        self._listen()

        def stop() -> None:
            with self._lock:
                if on_event in self._listeners:
                    self._listeners.remove(on_event)

        return stop

    def close(self) -> None:
        """Stop listening, close connections."""
        with self._lock:
            stream, self._stream = self._stream, None
            self._listeners.clear()
        if stream is not None:
            stream.stop()
        self._cache.disconnected()
        self._client.close()

    def perform(self, step: steps.EngineStep, context: StepContext) -> Mapping[str, str]:  # noqa: C901, PLR0911, PLR0912 - one line a step
        """Carry out one step."""
        bench = self._bench
        match step:
            case steps.PullImage():
                return self._pull(step, context)
            case steps.BuildImage():
                return self._build(step, context)
            case steps.CreateNetwork():
                return networks.create(bench, step)
            case steps.RemoveNetwork():
                return networks.remove(bench, step)
            case steps.CreateVolume():
                return volumes.create(bench, step)
            case steps.CopyVolume():
                return volumes.copy(bench, step, context)
            case steps.SettleVolume():
                return volumes.settle(bench, step)
            case steps.ArchiveVolume():
                return archives.archive(bench, step, context)
            case steps.RemoveVolume():
                return volumes.remove(bench, step, context)
            case steps.CreateContent():
                return content.create(bench, step, context)
            case steps.RemoveContent():
                return content.remove(bench, step)
            case steps.CreateContainer():
                return containers.create(bench, step, context)
            case steps.StartContainer():
                return containers.start(bench, step, context)
            case steps.UnpauseContainer():
                return containers.unpause(bench, step, context)
            case steps.DrainContainer():
                return drain.drain(bench, step, context)
            case steps.ListReplicas():
                return listing.list_replicas(bench, step, context)
            case steps.StopContainer():
                return containers.stop(bench, step, context)
            case steps.RestartContainer():
                return containers.restart(bench, step, context)
            case steps.RemoveContainer():
                return containers.remove(bench, step, context)
            case steps.RenameContainer():
                return containers.rename(bench, step, context)
            case steps.UpdateContainer():
                return containers.update(bench, step, context)
            case steps.ConnectNetwork():
                return networks.connect(bench, step, context)
            case steps.DisconnectNetwork():
                return networks.disconnect(bench, step, context)
            case steps.ExecHook():
                return hooks.post_start(bench, step, context)
            case steps.AwaitRunning():
                return waits.for_running(bench, step, context)
            case steps.AwaitHealthy():
                return waits.optionally(step.optional, context, lambda: waits.for_healthy(bench, step, context))
            case steps.AwaitCompleted():
                return waits.optionally(step.optional, context, lambda: waits.for_completed(bench, step, context))
            case steps.AwaitTurn():
                return waits.for_turn(step, context)
            case steps.DiscardContainer():
                return restoring.discard(bench, step, context)
            case steps.EndRun():
                return runend.end_run(bench, step, context)
            case steps.RestoreContainer():
                return restoring.restore(bench, step, context)
            case steps.RestoreContainers():
                return restoring.restore_all(bench, step, context)
            case steps.HandOver():
                return handover.hand_over(bench, step, context)
            case _:
                assert_never(step)

    def _pull(self, step: steps.PullImage, context: StepContext) -> Mapping[str, str]:
        if self._puller is None:
            raise UnsupportedByBackend(
                f"pull image {step.ref}: this controller has no puller", hint="a defect of its wiring"
            )
        image_id = self._puller.pull(
            step.ref, platform=step.platform, log=context.log, cancelled=context.cancelled, timeout_s=context.timeout_s
        )
        self._cache.touch_images()
        return {"image_id": image_id}

    def _build(self, step: steps.BuildImage, context: StepContext) -> Mapping[str, str]:
        if self._builder is None or context.tree is None or step.ref not in context.builds:
            raise UnsupportedByBackend(
                f"build image {step.ref}: there is no builder, tree or instructions for it",
                hint="a defect of its wiring",
            )
        image_id = self._builder.build(
            context.builds[step.ref],
            context.tree,
            tags=(step.ref,),
            labels={**step.labels, "trimtab.dev/repository": context.repo_url, "trimtab.dev/commit": context.revision},
            log=context.log,
            cancelled=context.cancelled,
            timeout_s=context.timeout_s,
        )
        self._cache.touch_images()
        return {"image_id": image_id}

    # --- events ------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        with self._lock:
            if self._stream is None:
                self._stream = EventStream(
                    self._client, on_event=self._event, on_connected=self._connected, on_disconnected=self._disconnected
                )
                self._stream.start()

    def _event(self, event: RawEvent) -> None:
        concerns, app, name = self._cache.handle(event)
        if concerns:
            self._tell(
                EngineEvent(
                    at=event.at, kind=event.kind, action=event.action, handle=event.handle, name=name, app=app,
                    attributes=event.attributes,
                )
            )  # fmt: skip

    def _connected(self) -> None:
        self._facts = None
        self._own = _UNKNOWN
        self._cache.connected()
        self._tell(self._synthetic("reconnected" if self._was_connected else "connected"))
        self._was_connected = True

    def _disconnected(self, error: TrimtabError) -> None:
        self._cache.disconnected()
        self._tell(self._synthetic("disconnected", reason=error.message))

    def _synthetic(self, action: str, **attributes: str) -> EngineEvent:
        return EngineEvent(
            at=self._now(), kind="engine", action=action, handle=self.target, name=self.target, attributes=attributes
        )

    def _tell(self, event: EngineEvent) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(event)
