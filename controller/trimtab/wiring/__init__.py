"""The only place that builds concrete objects: which store, which engine, which sources, put together."""

from trimtab.wiring.archives import archives_in
from trimtab.wiring.engine import Engine, EngineRetention, installation_key, open_engine, open_store, recognise
from trimtab.wiring.repositories import (
    default_name,
    open_catalog,
    open_planner,
    open_repository,
    open_source,
)

__all__ = [
    "Engine",
    "EngineRetention",
    "archives_in",
    "default_name",
    "installation_key",
    "open_catalog",
    "open_engine",
    "open_planner",
    "open_repository",
    "open_source",
    "open_store",
    "recognise",
]
