"""The runtime's own log: a sentence and its facts, through the standard library.

``trimtab run`` carries the records on into its redacted log (observability.logging). In a command, which sets no log
up, warnings reach standard error as plain lines: never standard output, and of an exception only its class and where
it was raised, since nobody there takes the secrets out of its text.
"""

from __future__ import annotations

import logging
import traceback


class Log:
    """One module's log. Facts are plain words; no secret and no foreign error's text belongs in them."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, sentence: str, **facts: object) -> None:
        """Something normal."""
        self._write(logging.INFO, sentence, None, facts)

    def warning(self, sentence: str, **facts: object) -> None:
        """Something to look at."""
        self._write(logging.WARNING, sentence, None, facts)

    def error(self, sentence: str, cause: BaseException | None = None, **facts: object) -> None:
        """Something that is wrong, with its traceback when ``cause`` is given."""
        self._write(logging.ERROR, sentence, cause, facts)

    def _write(self, level: int, sentence: str, cause: BaseException | None, facts: dict[str, object]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        spelled = "".join(f" {name}={value}" for name, value in facts.items())
        if cause is not None and not self._logger.hasHandlers():
            places = "".join(traceback.format_tb(cause.__traceback__))
            spelled, cause = f"{spelled} ({type(cause).__name__})\n{places}", None
        # The line for whoever formats records the usual way; the parts for our own bridge.
        parts = {"sentence": sentence, "facts": facts}
        self._logger.log(level, "%s%s", sentence, spelled, exc_info=cause, extra=parts)
