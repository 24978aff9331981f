"""What the HTTP side asks of the rest, and nothing more. Every method may block and is called from a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from trimtab.model.keys import AppKey
from trimtab.model.output import OutputLine
from trimtab.model.records import Release, Request, RequestVerb, StoredEvent
from trimtab.model.status import AppStatus


class Output(Protocol):
    """Containers' output; ``close`` may be called from another thread and ends the iteration."""

    def __iter__(self) -> Iterator[OutputLine]:
        """The lines as they come."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Backend(Protocol):
    """A controller as HTTP sees it: what can be read, and requests, which the controller performs itself."""

    def ready(self) -> str:
        """Why it is not ready yet; "" when it is."""
        ...

    def metrics(self) -> tuple[bytes, str]:
        """The exposition and its content type."""
        ...

    def statuses(self) -> tuple[AppStatus, ...]:
        """Every application's, in key order."""
        ...

    def status(self, app: AppKey) -> AppStatus | None:
        """One application's; None for a stranger."""
        ...

    def plan(self, app: AppKey) -> Mapping[str, object] | None:
        """The plan document of what a sync would do now; None when nothing is known of its manifests.

        Raises:
            TrimtabError: it cannot be planned now, and why.
        """
        ...

    def history(self, app: AppKey, limit: int) -> tuple[Release, ...]:
        """The newest releases first."""
        ...

    def newest_events(self, app: AppKey | None, limit: int) -> tuple[StoredEvent, ...]:
        """The last events, oldest first."""
        ...

    def events_after(self, cursor: int, app: AppKey | None, limit: int) -> tuple[StoredEvent, ...]:
        """Those with a greater number, oldest first."""
        ...

    def subscribe(self, on_news: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_news``, from any thread, when there is a new event; returns how to end that."""
        ...

    def output(self, app: AppKey, service: str, *, tail: int | None, follow: bool) -> Output:
        """The output of an application's containers. Raises UserError, BackendUnavailable."""
        ...

    def ask(self, app: AppKey, verb: RequestVerb, arguments: Mapping[str, str]) -> int:
        """Leave a request; its number. Raises TransientError when it cannot be written."""
        ...

    def request(self, number: int) -> Request | None:
        """A request and what became of it."""
        ...
