"""The store and the engine, built from the configuration."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.backends.engine.dialect import EngineDialect
from trimtab.config import Config
from trimtab.errors import ConfigError, TrimtabError
from trimtab.model.keys import Kind
from trimtab.runtime.clock import SystemClock
from trimtab.store.sqlite import SqliteStore
from trimtab.wiring.archives import archives_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from trimtab.backends.engine.client import EngineClient
    from trimtab.backends.engine.driver import EngineDriver
    from trimtab.ports import Preflight

KEY_FILE = "installation.key"
KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One engine, ready to be planned for and acted on."""

    client: EngineClient
    driver: EngineDriver
    dialect: EngineDialect
    preflight: Preflight

    def close(self) -> None:
        """Release connections."""
        self.driver.close()


def open_store(config: Config, *, strict: bool = False) -> SqliteStore:
    """The store in the data directory. Raises ConfigError."""
    return SqliteStore(config.data_dir, SystemClock(), strict=strict, history=config.history)


def open_engine(
    config: Config, *, keep_key: bool, on_call: Callable[[str, str, float, int], None] | None = None
) -> Engine:
    """The engine of ``config``. With ``keep_key`` a new installation's key is made and kept, else nothing is changed.

    Raises:
        BackendUnavailable, UnsupportedByBackend, ConfigError.
    """
    from trimtab.backends.engine.client import EngineClient
    from trimtab.backends.engine.driver import EngineDriver
    from trimtab.backends.engine.preflight import EnginePreflight
    from trimtab.images.choose import BuilderChoice
    from trimtab.images.gate import BuildGate
    from trimtab.images.probe import RegistryProbe
    from trimtab.images.service import BuildService, PullService

    client = EngineClient(config.docker_host, on_call=on_call)
    try:
        key = installation_key(config, client, keep=keep_key)
    except TrimtabError:
        client.close()
        raise
    try:
        choice = BuilderChoice(config.builder)
    except ValueError:
        known = ", ".join(sorted(item.value for item in BuilderChoice))
        raise ConfigError(f"'{config.builder}' is no builder", hint=f"one of {known}") from None
    builder = BuildService(
        client.raw,
        installation=config.installation,
        choice=choice,
        gate=BuildGate(config.builds),
        docker_host=client.host,
    )
    driver = EngineDriver(
        client,
        installation=config.installation,
        seal_key=key,
        builder=builder,
        puller=PullService(client.raw),
        archives_in=archives_in(config),
    )
    return Engine(
        client=client,
        driver=driver,
        dialect=EngineDialect(installation=config.installation, seal_key=key),
        preflight=EnginePreflight(
            driver.items,
            RegistryProbe(client.raw),
            local=client.host.startswith("unix://"),
            min_free_bytes=config.min_free_mib << 20,
        ),
    )


def recognise(engine: Engine, store: SqliteStore) -> None:
    """Tell the engine's driver which containers were made here, so that it knows them under any name."""
    applied = store.applied
    objects = (one for app in applied.apps() for one in applied.objects(app).values())
    engine.driver.recognise(one.handle for one in objects if one.key.kind is Kind.CONTAINER and one.handle)


def installation_key(config: Config, client: EngineClient, *, keep: bool) -> bytes:
    """The key that seals labels: from the data directory, else from the engine, else a new one.

    It is kept in both places, so that either may be lost. A new key that is not kept serves one plan and no more.
    """
    from trimtab.backends.engine.installation import keeps_key, recover_key, store_key

    file = config.data_dir / KEY_FILE
    known = _read_key(file)
    # Reading it from the engine takes a container: once is enough to know that it is there.
    recovered = recover_key(client, config.installation) if known is None else None
    key = known or recovered or secrets.token_bytes(KEY_BYTES)
    if keep and recovered is None and not (known is not None and keeps_key(client, config.installation, known)):
        store_key(client, config.installation, key)
    if keep and known is None:
        _write_key(file, key)
    return key


def kept_key(config: Config) -> bytes | None:
    """The key in the data directory, if there is one. Raises ConfigError."""
    return _read_key(config.data_dir / KEY_FILE)


def _read_key(file: Path) -> bytes | None:
    try:
        data = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be read: {error}", hint="mend it, or remove it: the engine has a copy"
        ) from None
    return data if len(data) == KEY_BYTES else None


def _write_key(file: Path, key: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
            out.write(key.hex() + "\n")
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}", hint="give another --data-dir") from None


class EngineRetention:
    """Removes images of ours that no release needs. Implements ``ports.ImageRetention``."""

    def __init__(self, client: EngineClient, config: Config) -> None:
        self._client = client
        self._config = config

    def sweep(self, keep: Collection[str]) -> None:
        """Never raises for what the engine answers: what cannot go now goes later."""
        from trimtab.images import retention

        clock = SystemClock()
        try:
            images, in_use = retention.own_images(self._client.raw(), self._config.installation)
            gone = retention.expired(
                images,
                installation=self._config.installation,
                in_use=in_use,
                kept=frozenset(keep),
                now=clock.now(),
                prefix=self._config.image_prefix,
            )
            retention.remove(self._client.raw(), gone, prefix=self._config.image_prefix)
        except TrimtabError:
            return
