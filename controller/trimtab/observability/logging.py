"""The log: key=value lines at a terminal, JSON lines for machines; both redacted, both on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from trimtab.observability.redaction import Redactor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# What libraries log below this is their own business.
_FOREIGN_LEVEL = logging.WARNING
_OURS = "trimtab"

EventDict = MutableMapping[str, Any]


def configure(
    *, stream: TextIO | None = None, json: bool | None = None, level: str = "info", redactor: Redactor | None = None
) -> Redactor:
    """Set the log up for the whole process; calling again replaces it. The redactor in force.

    ``json`` None: JSON unless ``stream`` is a terminal. ``level`` is one of LEVELS.
    """
    out = stream if stream is not None else sys.stderr
    guard = redactor or Redactor()
    as_json = not out.isatty() if json is None else json

    def redacted(_logger: object, _method: str, entry: EventDict) -> EventDict:
        return {name: guard.value(value) for name, value in entry.items()}

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            # Plain tracebacks: one with local variables would show what no message of ours does.
            structlog.processors.format_exc_info,
            redacted,
            *(_json() if as_json else _console(colours=out.isatty())),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge())
    root.setLevel(_FOREIGN_LEVEL)
    logging.getLogger(_OURS).setLevel(LEVELS[level])
    logging.captureWarnings(capture=True)
    return guard


def _json() -> list[Any]:
    return [
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False),
    ]


def _console(*, colours: bool) -> list[Any]:
    return [structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="time", pad_event_to=0)]


class _Bridge(logging.Handler):
    """Carries what is logged with ``logging``, by libraries and by the runtime, into our log: redacted, and alike."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on; a record that cannot be formatted is no reason to fail."""
        # The runtime's records bring their parts along (runtime.log).
        message, facts = getattr(record, "sentence", None), getattr(record, "facts", {})
        if message is None:
            facts = {"logger": record.name}
            try:
                message = record.getMessage()
            except (TypeError, ValueError):
                message = str(record.msg)
        structlog.get_logger().log(record.levelno, message, exc_info=record.exc_info, **facts)
